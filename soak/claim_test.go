package soak_test

import (
	"errors"
	"strings"
	"testing"

	"resetrig/soak"
	"resetrig/soak/stats"
)

func claim(t *testing.T, text string, sequential bool, most int) soak.Claim {
	t.Helper()
	c, err := soak.ParseClaim(text)
	if err != nil {
		t.Fatal(err)
	}
	c.Sequential, c.Most = sequential, most
	return c
}

// Both numbers are said, and which of the tests decides.
func TestClaimIsExplained(t *testing.T) {
	for sequential, want := range map[bool][]string{
		false: {"Fixed count (decides): 299", "test (for comparison): 332 without", "255 more"},
		true:  {"Fixed count (for comparison): 299", "test (decides): 332 without"},
	} {
		text := claim(t, "99%@95%", sequential, 0).Explain()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%q does not say %q", text, w)
			}
		}
	}
}

// The soak, which asks after every cycle, decides as the tests do when they are
// fed cycle by cycle.
func TestJudgeIsTheTest(t *testing.T) {
	for _, most := range []int{0, 400} {
		for _, every := range []int{2, 7, 31, 100, 260, 5000} { // a doubt every so many cycles
			c := claim(t, "95%@90%", true, most)
			s := c.Claim.Sequential(0, most)
			doubts := 0
			for n := 1; n <= 6000; n++ {
				bad := n%every == 0
				if bad {
					doubts++
				}
				want := s.Add(bad)
				if got := c.Judge(n, doubts); got != want {
					t.Fatalf("a doubt every %d, most %d: after %d %s, want %s", every, most, n, got, want)
				}
				if want != stats.Undecided {
					break
				}
			}
		}
	}
	c := claim(t, "99%@95%", false, 0)
	for _, k := range []struct {
		n, doubts, left int
		want            stats.Decision
	}{{298, 0, 1, stats.Undecided}, {299, 0, 0, stats.Shown}, {10, 1, 0, stats.Refuted}} {
		if got := c.Judge(k.n, k.doubts); got != k.want || c.Left(k.n, k.doubts) != k.left {
			t.Errorf("%d with %d doubts: %s, %d left", k.n, k.doubts, got, c.Left(k.n, k.doubts))
		}
	}
}

// What is in doubt counts against the claim, what was aborted does not count.
func TestClaimEndsTheSoak(t *testing.T) {
	fixed := claim(t, "80%@80%", false, 0) // 8 cycles
	seq := claim(t, "50%@80%", true, 0)
	for _, c := range []struct {
		name, fates string
		claim       soak.Claim
		want        soak.Tally
	}{
		{"shown", "p", fixed, soak.Tally{Cycles: 8, Attempts: 8, Pass: 8, FirstPass: 8}},
		{"a fail", "ppfp", fixed, soak.Tally{Cycles: 3, Attempts: 3, Pass: 2, FirstPass: 2, Presumed: 1, Doubted: 1}},
		{"an error, though the second attempt passed", "ppep", fixed, soak.Tally{Cycles: 3, Attempts: 4, Pass: 3, FirstPass: 2, Doubted: 1}},
		// ln(0.95/0.5) = 0.642 a pass, ln 10 = 2.303 a doubt, shown at ln 5 = 1.609.
		{"sequential, with a doubt on the way", "pepp", seq, soak.Tally{Cycles: 8, Attempts: 9, Pass: 8, FirstPass: 7, Doubted: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &book{fate: &fate{attempts: c.fates}}
			got, err := run(t, soak.Plan{Claim: &c.claim, Retries: 1}, b, nil)
			if err != nil || got != c.want {
				t.Errorf("%+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
	b := &book{fate: &fate{attempts: "p"}, dieAt: 4}
	plan := soak.Plan{Claim: &fixed}
	if _, err := run(t, plan, b, nil); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	b.dieAt = 0
	if got, err := run(t, plan, b, func(s *soak.Soak) { s.Past = b.past() }); err != nil || got.Pass != 8 || got.Aborted != 1 {
		t.Errorf("resumed: %+v, %v", got, err)
	}
	short := claim(t, "99%@95%", false, 100)
	if _, err := run(t, soak.Plan{Claim: &short, Cycles: 100}, b, nil); err == nil || !strings.Contains(err.Error(), "299") {
		t.Errorf("a plan that ends too early: %v", err)
	}
}
