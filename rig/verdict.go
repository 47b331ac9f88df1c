package rig

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// verdict is what ends a cycle, or is noted on the way, with its reason. It
// travels as an error.
type verdict struct {
	outcome Outcome
	reason  Reason
	err     error
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

// errorf is the rig's: it could not tell.
func errorf(r Reason, format string, args ...any) error {
	return &verdict{Error, r, fmt.Errorf(format, args...)}
}

// failf is the DUT's, until the health check says otherwise.
func failf(r Reason, format string, args ...any) error {
	return &verdict{Fail, r, fmt.Errorf(format, args...)}
}

// fail notes a fail and lets the cycle go on: what comes later tells more.
func (c *cycle) fail(r Reason, format string, args ...any) {
	c.fails = append(c.fails, &verdict{Fail, r, fmt.Errorf(format, args...)})
}

// reasonOf is the reason for a device's error, or otherwise.
func reasonOf(err error, otherwise Reason) Reason {
	for _, known := range []struct {
		err    error
		reason Reason
	}{
		{ErrWrongUnit, ReasonWrongUnit},
		{ErrUnidentified, ReasonUnidentified},
		{ErrLocked, ReasonLocked},
		{ErrBudget, ReasonBudget},
		{ErrRefused, ReasonLoginUnknown},
		{ErrWrite, ReasonMarkerRefused},
		{ErrGarbage, ReasonGarbage},
		{ErrUnreachable, ReasonUnreachable},
		{ErrEarLost, ReasonEarLost},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return otherwise
}

// defaultState asks the judge and weighs the answers.
func (c *cycle) defaultState(ctx context.Context, s DefaultState) error {
	spec := DefaultSpec{Functions: s.Functions}
	if len(s.Functions) == 0 {
		spec.Since = c.started()
	}
	checks, err := c.b.DUT.Judge.Default(ctx, *c.mark, spec)
	if errors.Is(err, ErrUnreachable) || errors.Is(err, ErrGarbage) {
		// One bad answer is no verdict: it is waited for, and asked once more.
		c.event(Event{At: c.now(), Kind: "note", Name: "asked again", Text: err.Error()})
		if err := c.reachable(ctx, Reachable{Within: c.b.DUT.MostBoot}); err != nil {
			return err
		}
		checks, err = c.b.DUT.Judge.Default(ctx, *c.mark, spec)
	}
	c.check(checks...)
	c.measureLogin(checks)
	if err != nil {
		return c.judgeError(err)
	}
	for _, k := range checks {
		if k.Kind == AboutRestart && k.Outcome == CheckPass {
			c.seen.restartProof = k.Seen
		}
	}
	if err := c.weigh(checks); err != nil {
		return err
	}
	if err := unanswered(checks); err != nil {
		return err
	}
	if len(checks) == 0 {
		return errorf(ReasonUnanswered, "not one check of the default state could be asked")
	}
	for _, k := range c.rec.Checks {
		if k.Kind == AboutRestart && k.Outcome == CheckUnknown && len(s.Functions) == 0 && c.seen.restartProof == "" {
			return errorf(ReasonRestartUnobservable, "the DUT is in its default state, and nothing proves that it restarted: %s", k.Seen)
		}
	}
	return nil
}

// judgeError is an error in the middle of the judging. The DUT was up and
// stable: that it is gone now, or talks nonsense, is its own; a wrong unit, a
// lock and a spent budget are not.
func (c *cycle) judgeError(err error) error {
	switch {
	case errors.Is(err, ErrWrongUnit), errors.Is(err, ErrUnidentified), errors.Is(err, ErrLocked), errors.Is(err, ErrBudget):
		return errorf(reasonOf(err, ReasonInternal), "judge the default state: %w", err)
	case errors.Is(err, ErrUnreachable):
		return failf(ReasonUnstable, "the DUT went away while it was judged: %w", err)
	case errors.Is(err, ErrGarbage):
		return failf(ReasonDUTGarbage, "judge the default state: %w", err)
	}
	return errorf(ReasonInternal, "judge the default state: %w", err)
}

// unanswered is an error where a question got no answer.
func unanswered(checks []Check) error {
	for _, k := range checks {
		if k.Outcome == CheckUnknown {
			r := k.Reason
			if r == "" {
				r = ReasonUnanswered
			}
			return errorf(r, "check %s could not be answered: wanted %s, saw %s", k.Name, k.Wanted, k.Seen)
		}
	}
	return nil
}

// weigh turns the failed checks into one fail with the reason that tells most.
func (c *cycle) weigh(checks []Check) error {
	failed, passed := map[CheckKind]int{}, map[CheckKind]int{}
	var first *Check
	for i, k := range checks {
		switch k.Outcome {
		case CheckFail:
			failed[k.Kind]++
			if first == nil {
				first = &checks[i]
			}
		case CheckPass:
			if k.Kind != AboutLogin || k.Name == "default-login" {
				passed[k.Kind]++ // that a known login is accepted says nothing of a reset
			}
		}
	}
	if first == nil {
		return nil
	}
	text := fmt.Sprintf("%s: wanted %s, saw %s", first.Name, first.Wanted, first.Seen)
	if n := sum(failed) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	showed := failed[AboutInit]+failed[AboutLogin] > 0
	switch {
	case failed[AboutIdentity] > 0:
		return errorf(ReasonWrongUnit, "another unit answers: %s", text)
	case c.seen.defaultShown && failed[AboutInit] > 0:
		return failf(ReasonReverted, "the DUT showed its default state and went back: %s", text)
	case strings.HasPrefix(first.Name, "other/"):
		return failf(ReasonOtherFunctions, "what was not named changed: %s", text)
	case failed[AboutMarker] > 0 && passed[AboutMarker] == 0 && passed[AboutInit]+passed[AboutLogin] == 0:
		return failf(ReasonResetIgnored, "everything that was marked is still there: %s", text)
	case failed[AboutMarker] > 0:
		return failf(ReasonResetPartial, "a part of what was marked is still there: %s", text)
	case showed || failed[AboutConfig] > 0:
		return failf(ReasonNotDefault, "not in the default state: %s", text)
	case failed[AboutFirmware] > 0:
		return failf(ReasonFirmware, "another firmware than before: %s", text)
	case failed[AboutRestart] > 0:
		return failf(ReasonNotRestarted, "in its default state, and it never restarted: %s", text)
	}
	return failf(ReasonNotDefault, "not in the default state: %s", text)
}

func sum(m map[CheckKind]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

// suspects are what, on the rig's side, could have caused a fail: each is a
// question that a witness of this cycle answers, or leaves open.
func (c *cycle) suspects(r Reason) (open []string) {
	suspect := func(cleared bool, what string) {
		if !cleared {
			open = append(open, what)
		}
	}
	network := c.b.Sense("network") != nil // asked again before the fail is booked
	supply := c.seen.powerOn
	pressed := c.seen.pressClosed || c.seen.longBeep || c.seen.defaultShown
	_, pressing := c.moments[Press]
	switch r {
	case ReasonResetIgnored:
		if pressing {
			suspect(pressed, "an open reset contact")
			suspect(c.seen.powerCutSensed || c.seen.longBeep, "a supply that was never cut")
		}
	case ReasonNotRestarted:
		_, cut := c.moments[PowerOff]
		suspect(!cut || c.seen.powerCutSensed, "a supply that was never cut")
	case ReasonNoAnswer, ReasonDUTGarbage:
		suspect(c.seen.identified, "another device at the DUT's address")
	case ReasonNoRestart:
		suspect(supply, "an open power contact")
		suspect(!pressing || c.seen.pressOpened, "a reset contact that did not open")
		suspect(network, "the rig's network")
		suspect(c.seen.followable, "a DUT at another address, which no discovery finds: name it with after-reset")
	case ReasonUnstable:
		suspect(supply, "a power contact that comes and goes")
		suspect(network, "the rig's network")
	case ReasonBeepMissing:
		if !c.tookReset() {
			suspect(pressed, "an open reset contact")
			suspect(c.seen.powerCutSensed, "a supply that was never cut")
		}
		_, moved := c.findings["level"]
		suspect(!moved, "a microphone that was moved")
	case ReasonBeepForbidden:
		suspect(!pressing || c.seen.pressOpened, "a reset contact that did not open")
	}
	return open
}

// tookReset reports whether the DUT's own state shows that it was reset: then
// the relays did their part.
func (c *cycle) tookReset() bool {
	if c.seen.defaultShown {
		return true
	}
	for _, k := range c.rec.Checks {
		if k.Kind == AboutMarker && k.Outcome == CheckPass && !c.sc.Control {
			return true
		}
	}
	return false
}

// weight orders the fails of one cycle: what the DUT's state shows tells more
// than what was heard.
func weight(r Reason) int {
	switch r {
	case ReasonBeepMissing, ReasonBeepForbidden:
		return 1
	case ReasonLimit:
		return 0
	}
	return 2
}

// conclude books the outcome: the rig's own faults first.
func (c *cycle) conclude(ctx context.Context, err error, unsafe *UnsafeError) {
	ended := c.verdictOf(err)
	if ended != nil && len(c.fails) > 0 && leftOpen(ended.reason) {
		ended = nil // a question left open takes nothing from a fail that was seen
	}
	if ended == nil || ended.outcome == Fail {
		ended = c.weighFails(ctx, ended)
	}
	r := c.rec
	switch {
	case ended == nil:
		r.Outcome = Pass
	default:
		r.Outcome, r.Reason, r.Text = ended.outcome, ended.reason, ended.Error()
	}
	if r.Outcome == Fail {
		open := c.suspects(r.Reason)
		r.Attribution = Proven
		if len(open) > 0 {
			r.Attribution = Presumed
			r.Text += "; nothing on this bench could rule out " + strings.Join(open, ", ")
		}
	}
	if unsafe != nil {
		r.Unsafe = unsafe.Relays
		if r.Reason != ReasonResetWelded {
			r.Reason = ReasonUnsafe
		}
		r.Outcome, r.Attribution, r.Text = Error, "", unsafe.Error()+orBefore(r.Text)
	}
	c.finish(ctx)
}

// leftOpen reports whether the reason is that a question got no answer, and not
// that something was wrong with the rig.
func leftOpen(r Reason) bool {
	switch r {
	case ReasonRestartUnobservable, ReasonUnanswered, ReasonBudget, ReasonLocked, ReasonLoginUnknown:
		return true
	}
	return false
}

func orBefore(text string) string {
	if text == "" {
		return ""
	}
	return "; before that: " + text
}

// weighFails picks the fail that tells most, after the rig has looked at itself
// again: a rig fault is never booked on the DUT.
func (c *cycle) weighFails(ctx context.Context, ended *verdict) *verdict {
	fails := c.fails
	if ended != nil {
		fails = append(fails, ended)
	}
	if len(fails) == 0 {
		return nil
	}
	worst := fails[0]
	for _, f := range fails[1:] {
		if weight(f.reason) > weight(worst.reason) {
			worst = f
		}
	}
	if fault := c.verdictOf(c.relaysAsCommanded(ctx)); fault != nil {
		fault.err = fmt.Errorf("%w; looked like: %w", fault.err, worst.err)
		return fault
	}
	if about := worst.reason; (about == ReasonBeepMissing || about == ReasonBeepForbidden) && (c.unfitWithin(c.moment(Press), c.moment(Latest).Add(toldLater)) || c.lost != nil) {
		return &verdict{Error, ReasonEarUnfit, fmt.Errorf("the microphone became unfit (%s); looked like: %w", c.unfitText(), worst.err)}
	}
	if c.sc.Control {
		return &verdict{Error, ReasonControl, fmt.Errorf("the control did not hold: %w", worst.err)}
	}
	return worst
}

// verdictOf gives any error its outcome and reason.
func (c *cycle) verdictOf(err error) *verdict {
	var v *verdict
	var panicked *PanicError
	var dead *DeadManError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &v):
		return v
	case errors.Is(err, ErrEmergency), errors.Is(err, ErrStop) && c.a.emergency():
		return &verdict{Aborted, ReasonEmergency, err}
	case errors.Is(err, ErrStop), errors.Is(err, context.Canceled):
		return &verdict{Aborted, ReasonStopped, err}
	case errors.As(err, &dead):
		return &verdict{Error, ReasonDeadMan, err}
	case errors.As(err, &panicked):
		c.event(Event{At: c.now(), Kind: "note", Name: "panic", Text: string(panicked.Stack)})
		return &verdict{Error, ReasonPanic, fmt.Errorf("a defect of this program, please report it with the record: %w", err)}
	}
	return &verdict{Error, reasonOf(err, ReasonInternal), err}
}
