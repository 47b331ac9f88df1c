package stats

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Claim is a sentence on a pass rate that a soak is to show: the DUT passes at
// least Pass of its cycles, said with at least this Confidence.
type Claim struct {
	Pass       float64 // 0.99
	Confidence float64 // 0.95
}

// ParseClaim reads "99%@95%".
func ParseClaim(s string) (Claim, error) {
	wrong := fmt.Errorf("claim %q: want a pass rate and a confidence, like 99%%@95%%", s)
	rate, conf, ok := strings.Cut(strings.ReplaceAll(s, " ", ""), "@")
	if !ok {
		return Claim{}, wrong
	}
	var c Claim
	for _, f := range []struct {
		text string
		to   *float64
	}{{rate, &c.Pass}, {conf, &c.Confidence}} {
		digits, percent := strings.CutSuffix(f.text, "%")
		v, err := strconv.ParseFloat(digits, 64)
		if err != nil || !percent {
			return Claim{}, wrong
		}
		*f.to = v / 100
	}
	if err := c.check(); err != nil {
		return Claim{}, fmt.Errorf("claim %q: %w", s, err)
	}
	return c, nil
}

func (c Claim) check() error {
	switch {
	case !(c.Pass > 0 && c.Pass < 1):
		return fmt.Errorf("a pass rate of %s can't be shown by any number of cycles: want more than 0 and less than 100 %%", percent(c.Pass))
	case !(c.Confidence >= 0.5 && c.Confidence < 1):
		return fmt.Errorf("a confidence of %s: want at least 50 %% and less than 100 %%", percent(c.Confidence))
	}
	return nil
}

func percent(v float64) string { return strconv.FormatFloat(v*100, 'g', 10, 64) + " %" }

// String is the claim as ParseClaim reads it.
func (c Claim) String() string {
	f := func(v float64) string { return strconv.FormatFloat(v*100, 'g', 10, 64) + "%" }
	return f(c.Pass) + "@" + f(c.Confidence)
}

// ZeroFailures is the number of cycles that show the claim if none of them
// fails: the least n with Pass^n ≤ 1 − Confidence. 99 % at 95 % → 299, 99.9 % →
// 2,995 (the success-run theorem).
func (c Claim) ZeroFailures() int { return c.Cycles(0) }

// Cycles is the number of cycles that show the claim with k failures among
// them: the least n whose one-sided Clopper–Pearson bound of the pass rate
// reaches Pass. It holds for a soak whose k or n was decided beforehand, not
// for one that goes on until it likes what it sees.
func (c Claim) Cycles(k int) int {
	if k <= 0 {
		n := math.Log(1-c.Confidence) / math.Log(c.Pass)
		return int(math.Ceil(n - 1e-9)) // 1e-9: 50 % at 50 % is 1, whatever a logarithm rounds to
	}
	shows := func(n int) bool { return c.Shown(k, n) }
	lo, hi := k, 2*k+2
	for !shows(hi) {
		lo, hi = hi, 2*hi
	}
	for hi-lo > 1 { // lo does not show it, hi does
		if mid := lo + (hi-lo)/2; shows(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// Shown reports whether k failures of n cycles show the claim, as a single look
// at a soak of a length that was decided beforehand.
func (c Claim) Shown(k, n int) bool {
	return n > 0 && AtLeast(n-k, n, c.Confidence) >= c.Pass-1e-12
}

// Decision is where a test of a claim stands.
type Decision string

// The decisions. Refuted is "can't be shown any more"; see each test for what it
// means there.
const (
	Undecided Decision = "undecided"
	Shown     Decision = "shown"
	Refuted   Decision = "refuted"
)

// Fixed is the fixed zero-failure plan, fed cycle by cycle: the claim is shown
// by the ZeroFailures-th cycle if none failed, and cannot be shown any more
// after the first failure. Its error is at most 1 − Confidence. Its price is
// that a DUT exactly as good as the claim almost never shows it: a 99.9 % one
// shows 99 % in three of four soaks.
type Fixed struct {
	Need        int // cycles without a failure
	Done, Fails int
}

// Fixed is a fresh zero-failure test of the claim.
func (c Claim) Fixed() *Fixed { return &Fixed{Need: c.ZeroFailures()} }

// Add takes the next cycle's outcome.
func (f *Fixed) Add(failed bool) Decision {
	if f.Decision() != Undecided {
		return f.Decision()
	}
	if f.Done++; failed {
		f.Fails++
	}
	return f.Decision()
}

// Decision is where the test stands. Once made, it stays.
func (f *Fixed) Decision() Decision {
	switch {
	case f.Fails > 0:
		return Refuted
	case f.Done >= f.Need:
		return Shown
	}
	return Undecided
}

// Left is how many more cycles show the claim if none of them fails; 0 once it
// is decided.
func (f *Fixed) Left() int {
	if f.Decision() != Undecided {
		return 0
	}
	return f.Need - f.Done
}
