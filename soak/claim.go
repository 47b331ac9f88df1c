package soak

import (
	"fmt"

	"resetrig/soak/stats"
)

// Claim is what a soak is to prove. What is in doubt counts against it: a cycle
// whose first attempt ended in an error, and a fail that is presumed, like one
// that is proven. Aborted cycles and controls are left out.
//
// One test decides, and it is chosen before the first cycle: to take whichever
// of two comes to the wanted end would err more often than the confidence says.
// The fixed count is the shorter one, and lost with the first doubt. Wald's
// sequential test lets doubts happen, and ends by itself either way.
type Claim struct {
	stats.Claim
	Sequential bool
	// Most is the number of cycles at which the soak ends anyway; 0: none.
	Most int
}

// ParseClaim reads "99%@95%".
func ParseClaim(text string) (Claim, error) {
	c, err := stats.ParseClaim(text)
	return Claim{Claim: c}, err
}

func (c Claim) wald() *stats.Sequential { return c.Claim.Sequential(0, c.Most) }

// check refuses a claim that the plan's last cycle comes too early for.
func (c Claim) check() error {
	need := c.ZeroFailures()
	if c.Sequential {
		need = c.wald().AcceptAt(0)
	}
	if c.Most > 0 && c.Most < need {
		return fmt.Errorf("%s needs %d cycles without a failure or doubt, and the plan ends after %d", c, need, c.Most)
	}
	return nil
}

// Judge is what n cycles with that many doubts among them say. It is asked after
// every cycle.
func (c Claim) Judge(n, doubts int) stats.Decision {
	if !c.Sequential {
		f := stats.Fixed{Need: c.ZeroFailures(), Done: n, Fails: doubts}
		return f.Decision()
	}
	s := c.wald()
	switch {
	case n >= s.AcceptAt(doubts):
		return stats.Shown
	case doubts >= s.RejectAt(n), c.Most > 0 && s.AcceptAt(doubts) > c.Most:
		return stats.Refuted
	}
	return stats.Undecided
}

// Left is how many more cycles without a doubt would show the claim; 0 once it
// is decided.
func (c Claim) Left(n, doubts int) int {
	switch {
	case c.Judge(n, doubts) != stats.Undecided:
		return 0
	case c.Sequential:
		return c.wald().AcceptAt(doubts) - n
	}
	return c.ZeroFailures() - n
}

// Explain says what the claim takes, both tests with their numbers.
func (c Claim) Explain() string {
	fixed, wald := "decides", "for comparison"
	if c.Sequential {
		fixed, wald = wald, fixed
	}
	s := c.wald()
	return fmt.Sprintf("the claim: %.6g %% of the cycles pass, at least, with %.6g %% confidence. Fixed count (%s): %d cycles without a failure or doubt. "+
		"Wald's sequential test (%s): %d without, and each failure or doubt costs %d more.",
		100*c.Pass, 100*c.Confidence, fixed, c.ZeroFailures(), wald, s.AcceptAt(0), s.AcceptAt(1)-s.AcceptAt(0))
}
