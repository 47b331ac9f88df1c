package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"resetrig/soak/stats"
)

// near reports whether got is want to so many decimals of want's own size.
func near(got, want, rel float64) bool {
	return got == want || math.Abs(got-want) <= rel*math.Max(math.Abs(want), 1e-300)
}

func TestParseClaim(t *testing.T) {
	for text, want := range map[string]stats.Claim{
		"99%@95%": {.99, .95}, "99.9%@90%": {.999, .9}, " 99.95 % @ 99 % ": {.9995, .99},
	} {
		got, err := stats.ParseClaim(text)
		if err != nil || !near(got.Pass, want.Pass, 1e-12) || !near(got.Confidence, want.Confidence, 1e-12) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if s := (stats.Claim{Pass: .999, Confidence: .95}).String(); s != "99.9%@95%" {
		t.Errorf("printed as %q", s)
	}
	for _, text := range []string{"", "99%", "99@95", "100%@95%", "0%@95%", "99%@100%", "99%@10%", "x%@95%", "NaN%@95%", "99%@NaN%"} {
		if c, err := stats.ParseClaim(text); err == nil {
			t.Errorf("%q is taken for %+v", text, c)
		}
	}
}

// The success-run theorem's numbers; those with failures are the tables of
// MIL-HDBK-781 and of every book on acceptance sampling (k = 1: 473, 2: 628,
// 3: 773, 4: 913, 5: 1,049 at 99 %@95 %).
func TestCyclesNeeded(t *testing.T) {
	for _, c := range []struct {
		claim stats.Claim
		k, n  int
	}{
		{stats.Claim{Pass: .99, Confidence: .95}, 0, 299},
		{stats.Claim{Pass: .999, Confidence: .95}, 0, 2995},
		{stats.Claim{Pass: .9, Confidence: .95}, 0, 29},
		{stats.Claim{Pass: .95, Confidence: .9}, 0, 45},
		{stats.Claim{Pass: .9, Confidence: .9}, 0, 22},
		{stats.Claim{Pass: .5, Confidence: .5}, 0, 1},
		{stats.Claim{Pass: .99, Confidence: .95}, 1, 473},
		{stats.Claim{Pass: .99, Confidence: .95}, 2, 628},
		{stats.Claim{Pass: .99, Confidence: .95}, 3, 773},
		{stats.Claim{Pass: .99, Confidence: .95}, 4, 913},
		{stats.Claim{Pass: .99, Confidence: .95}, 5, 1049},
		{stats.Claim{Pass: .9, Confidence: .95}, 1, 46},
		{stats.Claim{Pass: .9, Confidence: .95}, 2, 61},
	} {
		if n := c.claim.Cycles(c.k); n != c.n {
			t.Errorf("%v with %d failures: %d cycles, want %d", c.claim, c.k, n, c.n)
		}
		if !c.claim.Shown(c.k, c.n) || c.claim.Shown(c.k, c.n-1) {
			t.Errorf("%v: %d of %d shows it: %v; of one fewer: %v", c.claim, c.k, c.n, c.claim.Shown(c.k, c.n), c.claim.Shown(c.k, c.n-1))
		}
	}
}

func TestFixed(t *testing.T) {
	f := stats.Claim{Pass: .99, Confidence: .95}.Fixed()
	for n := 1; n <= 298; n++ {
		if d := f.Add(false); d != stats.Undecided || f.Left() != 299-n {
			t.Fatalf("after %d: %v, %d left", n, d, f.Left())
		}
	}
	if d := f.Add(false); d != stats.Shown || f.Left() != 0 {
		t.Errorf("after 299: %v", d)
	}
	if d := f.Add(true); d != stats.Shown || f.Done != 299 {
		t.Errorf("a decision changed: %v after %d", d, f.Done)
	}
	f = stats.Claim{Pass: .99, Confidence: .95}.Fixed()
	if d := f.Add(true); d != stats.Refuted {
		t.Errorf("after a failure: %v", d)
	}
}

// Wald's own example, p0 = 0.1, p1 = 0.3, α = 0.02, β = 0.03 (Sequential
// Analysis, section 5.3): slope .186, intercepts −2.58 and 2.88.
func TestSequentialLines(t *testing.T) {
	s := &stats.Sequential{P0: .1, P1: .3, Alpha: .02, Beta: .03}
	slope, shown, refuted := s.Lines()
	if math.Abs(slope-.186) > .0005 || math.Abs(shown-2.58) > .005 || math.Abs(refuted-2.88) > .0051 {
		t.Errorf("lines %v, %v, %v", slope, shown, refuted)
	}
	if n := s.AcceptAt(0); n != 14 { // the first n with .186·n ≥ 2.58
		t.Errorf("without a failure shown at %d, want 14", n)
	}
	for _, c := range []struct{ n, k int }{{1, 4}, {12, 6}, {20, 7}} { // the next whole number above .186·n + 2.88
		if k := s.RejectAt(c.n); k != c.k {
			t.Errorf("refuted at %d of %d, want %d", k, c.n, c.k)
		}
	}
	// The operating characteristic passes through 1−α and β, and at the slope
	// through h1/(h0+h1); the expected number there is h0·h1/(s·(1−s)).
	for _, c := range []struct{ p, want float64 }{{.1, .98}, {.3, .03}, {slope, refuted / (shown + refuted)}, {0, 1}, {1, 0}} {
		if got := s.Shows(c.p); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("a DUT of %v is shown good with %v, want %v", c.p, got, c.want)
		}
	}
	if got, want := s.Expected(slope), shown*refuted/(slope*(1-slope)); !near(got, want, 1e-4) {
		t.Errorf("expected at the slope %v, want %v", got, want)
	}
	if got, want := s.Expected(0), shown/slope; !near(got, want, 1e-9) {
		t.Errorf("expected without failures %v, want %v", got, want)
	}
}

// With P0 towards 0 the sequential test is the fixed plan.
func TestSequentialOfNone(t *testing.T) {
	c := stats.Claim{Pass: .99, Confidence: .95}
	s := c.Sequential(1e-9, 0)
	if n := s.AcceptAt(0); n != c.ZeroFailures() {
		t.Errorf("shown at %d, the fixed plan at %d", n, c.ZeroFailures())
	}
	if k := s.RejectAt(299); k != 1 {
		t.Errorf("refuted at %d failures", k)
	}
}

func TestSequentialStep(t *testing.T) {
	s := stats.Claim{Pass: .99, Confidence: .95}.Sequential(0, 0)
	if s.AcceptAt(0) != 332 || s.AcceptAt(1)-s.AcceptAt(0) != 255 {
		t.Errorf("shown at %d, with a failure at %d", s.AcceptAt(0), s.AcceptAt(1))
	}
	for n := 1; n < 332; n++ {
		if s.Add(false) != stats.Undecided || s.Left() != 332-n {
			t.Fatalf("after %d: %v, %d left", n, s.Decision(), s.Left())
		}
	}
	if s.Add(false) != stats.Shown || s.Add(true) != stats.Shown {
		t.Error("not shown at 332")
	}
	s = stats.Claim{Pass: .99, Confidence: .95}.Sequential(0, 0)
	if s.Add(true) != stats.Undecided || s.Add(true) != stats.Refuted {
		t.Errorf("two failures at once: %v", s.Decision())
	}
	// 400 cycles at most: a failure would need 587.
	s = stats.Claim{Pass: .99, Confidence: .95}.Sequential(0, 400)
	if s.Add(false) != stats.Undecided || s.Add(true) != stats.Refuted {
		t.Errorf("what cannot be shown in 400 cycles any more: %v", s.Decision())
	}
}

// The confidence of a claim is kept: a DUT exactly as bad as the claim forbids
// is shown good in at most 5 % of soaks, one of a tenth of that refuted in at
// most 5 %.
func TestSequentialErrors(t *testing.T) {
	c := stats.Claim{Pass: .9, Confidence: .95}
	for _, k := range []struct {
		p     float64
		wrong stats.Decision
	}{{.1, stats.Shown}, {.01, stats.Refuted}} {
		rnd := rand.New(rand.NewPCG(1, 2))
		wrong, cycles := 0, 0
		const soaks = 4000
		for range soaks {
			s := c.Sequential(0, 0)
			for s.Add(rnd.Float64() < k.p) == stats.Undecided {
			}
			cycles += s.Done
			if s.Decision() == k.wrong {
				wrong++
			}
		}
		if rate := float64(wrong) / soaks; rate > .055 || rate < .005 {
			t.Errorf("a DUT of %v: %v in %v of soaks", k.p, k.wrong, rate)
		}
		if got, want := float64(cycles)/soaks, c.Sequential(0, 0).Expected(k.p); got < want*.95 || got > want*1.4 {
			t.Errorf("a DUT of %v: %v cycles on average, expected %v", k.p, got, want)
		}
	}
}
