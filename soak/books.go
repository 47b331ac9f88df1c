package soak

import (
	"fmt"
	"time"

	"resetrig/rig"
	"resetrig/soak/stats"
)

// Tally counts cycles by their last attempt that was judged, and first attempts.
// The outcomes add up: Cycles = Pass + Fails + Errors + Aborted.
type Tally struct {
	Cycles   int `json:"cycles"` // that began and ended, without controls
	Attempts int `json:"attempts"`
	Pass     int `json:"pass"`
	Proven   int `json:"fail_proven"` // fails whose rig side was verified
	Presumed int `json:"fail_presumed"`
	Errors   int `json:"error"`
	Aborted  int `json:"aborted"`
	// FirstPass is the number of cycles whose first attempt passed.
	FirstPass int `json:"first_pass"`
	// Doubted is the number of cycles that a claim counts against itself: those
	// whose first attempt was judged and did not pass.
	Doubted int `json:"doubted"`

	Controls     int `json:"controls"` // cycles that are controls, ended and not aborted
	ControlsHeld int `json:"controls_held"`

	// Stopped says why the series ended before its last cycle.
	Stopped string `json:"stopped,omitempty"`
}

// Fails is the number of cycles that failed.
func (t Tally) Fails() int { return t.Proven + t.Presumed }

// Judged is the number of cycles that were not aborted.
func (t Tally) Judged() int { return t.Cycles - t.Aborted }

// Books say where a soak stands. They are a function of the plan and of the
// attempts that ended, in their order, and of nothing else: those of a soak that
// was interrupted are written anew from its records.
type Books struct {
	plan  *Plan
	tally Tally

	n, c        int // last number begun, of the cycles and of the controls
	retry       int // the attempt to come of that cycle; 0: it is done with
	retryOf     bool
	counted     rig.Outcome // what the last cycle is counted as; "" while it counts as nothing
	countedAs   rig.Attribution
	fails, errs int // in a row
	died        int // interrupted in a row, in the phase diedIn
	diedIn      string
	lost        string // why a control did not hold
	pardoned    int    // fails that a person has looked at
	lastFailed  bool   // the last attempt was a fail: a hold may be due
	elapsed     time.Duration
}

// NewBooks opens the books of a plan.
func NewBooks(p *Plan) (*Books, error) { return &Books{plan: p}, p.check() }

// Tally is what was counted so far.
func (b *Books) Tally() Tally { return b.tally }

// Elapsed is the soak's own time at the end of the last attempt.
func (b *Books) Elapsed() time.Duration { return b.elapsed }

// Book enters an attempt that ended. One that comes although a rule had ended
// the soak was a person's will, who looked and went on: see Forgive.
func (b *Books) Book(d Done) {
	if b.rule() != "" {
		b.Forgive()
	}
	b.elapsed = max(b.elapsed, d.Elapsed+d.Took)
	b.lastFailed = d.Outcome == rig.Fail && !d.Control
	if d.Reason == rig.ReasonInterrupted {
		if b.died > 0 && b.diedIn != d.Phase {
			b.died = 0
		}
		b.died, b.diedIn = b.died+1, d.Phase
	} else {
		b.died = 0
	}
	if d.Control {
		b.control(d)
		return
	}
	b.tally.Attempts++
	if d.Attempt == 1 {
		b.n = d.N
		b.tally.Cycles++
		b.uncounted()
	}
	if d.Attempt == 1 && d.Outcome == rig.Pass {
		b.tally.FirstPass++
	}
	if d.Attempt == 1 && d.Outcome != rig.Pass && d.Outcome != rig.Aborted {
		b.tally.Doubted++
	}
	b.retry, b.retryOf = 0, false
	if d.Outcome == rig.Error && d.Attempt <= b.plan.Retries {
		b.retry = d.Attempt + 1
	}
	if d.Attempt == 1 || d.Outcome != rig.Aborted { // an aborted repetition leaves what was judged before
		b.count(d.Outcome, d.Attribution)
	}
	b.rows(d)
}

// uncounted is a new cycle: nothing of it is counted yet.
func (b *Books) uncounted() { b.counted, b.countedAs = "", "" }

// count counts the cycle as this outcome, and no longer as the last attempt's.
func (b *Books) count(o rig.Outcome, a rig.Attribution) {
	if p := b.bucket(b.counted, b.countedAs); p != nil {
		*p--
	}
	b.counted, b.countedAs = o, a
	if p := b.bucket(o, a); p != nil {
		*p++
	}
}

func (b *Books) bucket(o rig.Outcome, a rig.Attribution) *int {
	switch {
	case o == rig.Pass:
		return &b.tally.Pass
	case o == rig.Fail && a == rig.Proven:
		return &b.tally.Proven
	case o == rig.Fail:
		return &b.tally.Presumed
	case o == rig.Error:
		return &b.tally.Errors
	case o == rig.Aborted:
		return &b.tally.Aborted
	}
	return nil
}

// rows counts what came in a row. A cycle that is tried again is in no row yet.
func (b *Books) rows(d Done) {
	if b.retry > 0 {
		return
	}
	switch d.Outcome {
	case rig.Pass:
		b.fails, b.errs = 0, 0
	case rig.Fail:
		b.fails, b.errs = b.fails+1, 0
	case rig.Error:
		b.errs++
	}
}

func (b *Books) control(d Done) {
	b.retry, b.retryOf = 0, true
	if d.Attempt == 1 {
		b.c = d.N
		if d.Outcome != rig.Aborted { // one that was aborted counts nowhere
			b.tally.Controls++
		}
	}
	switch {
	case d.Outcome == rig.Pass:
		b.tally.ControlsHeld++
	case d.Outcome == rig.Error && d.Reason != rig.ReasonControl && d.Attempt <= b.plan.Retries:
		b.retry = d.Attempt + 1
	case d.Outcome == rig.Aborted:
		// It says nothing. The next one comes in its turn.
	case b.lost == "" && (d.Outcome == rig.Fail || d.Reason == rig.ReasonControl):
		b.lost = fmt.Sprintf("control %d did not hold: %s %s", d.N, d.Outcome, d.Reason)
	}
}

// Ended says whether the soak is over, and, where a rule ended it early, why.
// finished is true where everything that was planned is done.
func (b *Books) Ended() (over, finished bool, why string) {
	if why := b.rule(); why != "" {
		return true, b.complete() && b.lost == "", why
	}
	return b.complete(), b.complete(), ""
}

// complete reports whether what was planned is done. A cycle that is to be
// tried again is not.
func (b *Books) complete() bool {
	p := b.plan
	if b.retry > 0 && !b.retryOf {
		return false
	}
	if p.Claim != nil {
		if s := p.Claim.Judge(b.tally.Judged(), b.tally.Doubted); s != stats.Undecided {
			return true
		}
	}
	return p.Cycles > 0 && b.tally.Judged() >= p.Cycles || p.For > 0 && b.elapsed >= p.For
}

// rule is the stop rule that holds, or "".
func (b *Books) rule() string {
	p := b.plan
	switch {
	case b.lost != "" && !p.LostControlsGoOn:
		return b.lost
	case b.retry > 0:
		return ""
	case p.StopAfterFails > 0 && b.fails >= p.StopAfterFails:
		return fmt.Sprintf("%d fails in a row", b.fails)
	case p.StopAfterErrors > 0 && b.errs >= p.StopAfterErrors:
		return fmt.Sprintf("%d errors in a row", b.errs)
	case p.StopAtFails > 0 && b.tally.Fails()-b.pardoned >= p.StopAtFails:
		return fmt.Sprintf("%d fails in all", b.tally.Fails())
	case p.StopAfterInterruptions > 0 && b.died >= p.StopAfterInterruptions:
		phase := b.diedIn
		if phase == "" {
			phase = "before the first"
		}
		return fmt.Sprintf("%d cycles in a row died with the program in the same phase (%s): does what the bench does there take the rig's own power, or its memory?", b.died, phase)
	}
	return ""
}

// Next is the attempt to come; it is asked for while the soak has not ended.
func (b *Books) Next() Slot {
	s := Slot{Attempt: 1, Elapsed: b.elapsed}
	switch {
	case b.retry > 0:
		s.Attempt, s.Control, s.N = b.retry, b.retryOf, b.n
		if s.Control {
			s.N = b.c
		}
	case b.c < b.plan.controlsDue(b.n):
		s.Control, s.N = true, b.c+1
	default:
		s.N = b.n + 1
	}
	if s.Control {
		s.Scenario = b.plan.Controls[(s.N-1)%len(b.plan.Controls)].Scenario
	} else {
		s.Scenario = b.plan.cycle(s.N)
	}
	return s
}

// Forgive forgets the rows and rules that ended the soak, for a person who
// looked and goes on: what was counted stays.
func (b *Books) Forgive() {
	b.fails, b.errs, b.died, b.lost = 0, 0, 0, ""
	b.pardoned = b.tally.Fails()
}
