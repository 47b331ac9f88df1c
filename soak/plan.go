package soak

import (
	"errors"
	"fmt"
	"time"

	"resetrig/rig"
)

// Plan is a series as it was asked for: what runs, how often, until when, and
// what ends it early. A zero limit or rule never holds.
type Plan struct {
	// Scenarios run in turn, or as often as their weights say. One at least.
	Scenarios []Entry
	// Controls run each once at the start, and then one, in turn, after every
	// ControlsEvery cycles. They are in no rate.
	Controls      []Entry
	ControlsEvery int

	// Cycles is how many cycles are wanted: those that were aborted do not count.
	Cycles int
	// For is how long the soak runs, by the bench's clock and without the time in
	// which no process worked on it. The last cycle is not cut short.
	For time.Duration
	// Claim ends the soak when it is shown, or cannot be shown any more.
	Claim *Claim

	// The rules that end it early. All but the last two count cycles that are no
	// controls.
	StopAfterFails  int // in a row: an error in between does not break the row, a pass does
	StopAfterErrors int // in a row
	StopAtFails     int // in all
	// StopAfterInterruptions is how many cycles in a row may die with the program
	// in the same phase: what the bench does there may be what takes the rig down.
	StopAfterInterruptions int
	// LostControlsGoOn lets the soak go on where a control did not hold. Without
	// it the soak ends: what cannot tell a reset from none proves nothing.
	LostControlsGoOn bool

	Retries int           // further attempts of a cycle that ended in an error
	Pause   time.Duration // between two cycles
	Window  *Window       // the hours in which cycles may begin; nil: any
	Hold    *Hold         // what happens after a fail; nil: the soak goes on
}

// Entry is one scenario of a plan.
type Entry struct {
	Scenario *rig.Scenario
	Weight   int // how often it runs beside the others; 0 counts as 1
}

// Hold keeps the bench as a fail left it, the power as it is, until a person
// lets the soak go on or end.
type Hold struct {
	For  time.Duration // then it goes on or ends by itself
	GoOn bool
}

// Check finds what would keep the plan from working on a bench, before any relay
// moves.
func (p *Plan) Check(b *rig.Bench) error {
	if err := p.check(); err != nil {
		return err
	}
	cycles := 2 // more than one
	if p.Cycles > 0 {
		cycles = p.Cycles + p.controlsDue(0)
	}
	for _, list := range [][]Entry{p.Scenarios, p.Controls} {
		for _, e := range list {
			if err := b.Plan(e.Scenario, cycles); err != nil {
				return err
			}
		}
	}
	return nil
}

// check says what is wrong with a plan.
func (p *Plan) check() error {
	switch {
	case len(p.Scenarios) == 0:
		return errors.New("the plan has no scenario")
	case p.Cycles <= 0 && p.For <= 0 && p.Claim == nil:
		return errors.New("the plan has no end: it needs a number of cycles, a time, or a claim to prove")
	}
	if p.Claim != nil {
		if err := p.Claim.check(); err != nil {
			return err
		}
	}
	for _, e := range p.Scenarios {
		if e.Scenario.Control && (len(p.Scenarios) > 1 || p.Claim != nil) { // alone it is looked at, and proves nothing else
			return fmt.Errorf("scenario %q is a control: controls do not make up a soak, they are mixed in", e.Scenario.Name)
		}
	}
	for _, e := range p.Controls {
		if !e.Scenario.Control {
			return fmt.Errorf("scenario %q is no control", e.Scenario.Name)
		}
	}
	return nil
}

// weight is how often an entry comes in one turn.
func (e Entry) weight() int { return max(e.Weight, 1) }

// cycle is the scenario of cycle n, from 1: a function of the plan and n alone,
// so that a resumed soak goes on where it was. Heavy entries are spread evenly
// over the turn (smooth weighted round robin, as nginx has it).
func (p *Plan) cycle(n int) *rig.Scenario {
	total := 0
	for _, e := range p.Scenarios {
		total += e.weight()
	}
	now := make([]int, len(p.Scenarios))
	best := 0
	for range (n-1)%total + 1 {
		best = 0
		for i, e := range p.Scenarios {
			now[i] += e.weight()
			if now[i] > now[best] {
				best = i
			}
		}
		now[best] -= total
	}
	return p.Scenarios[best].Scenario
}

// controlsDue is how many controls must have run before the cycle after n
// cycles may begin.
func (p *Plan) controlsDue(n int) int {
	due := len(p.Controls)
	if due > 0 && p.ControlsEvery > 0 {
		due += n / p.ControlsEvery
	}
	return due
}

// Slot is one attempt to come.
type Slot struct {
	N        int // number among the cycles, or among the controls, from 1
	Attempt  int // 1 is the first
	Control  bool
	Scenario *rig.Scenario
	// Elapsed is the soak's own time: see Plan.For.
	Elapsed time.Duration
}

// Done is one attempt that ended: what the books need of its record.
type Done struct {
	N, Attempt  int
	Control     bool
	Outcome     rig.Outcome
	Attribution rig.Attribution
	Reason      rig.Reason
	Elapsed     time.Duration // when it began
	Took        time.Duration
	Phase       string // in which an interrupted one was
}
