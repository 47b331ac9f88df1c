package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	probeEvery    = time.Second      // between two looks at the DUT
	senseEvery    = time.Second      // between two looks at a press's sense
	guardPatience = time.Minute      // the longest wait for a guard within a cycle
	silenceWithin = 20 * time.Second // a DUT without power falls silent within it
	beepSettle    = 10 * time.Second // the longest wait for the end of a beep that is measured
)

// do runs one step.
func (c *cycle) do(ctx context.Context, s Step) error {
	switch s := s.(type) {
	case SwitchPower:
		return c.power(ctx, s)
	case Wait:
		return c.listen(ctx, c.b.Clock.Now().Add(s.For), nil)
	case PressRelay:
		return c.press(ctx, s)
	case ReleaseRelay:
		return c.release(ctx, s)
	case Hold:
		return c.hold(ctx, s)
	case Hear:
		return c.hear(ctx, s)
	case Reachable:
		return c.reachable(ctx, s)
	case Restarted:
		return c.restarted(ctx, s)
	case Provision:
		checks, err := c.b.DUT.Provisioner.Provision(ctx)
		c.check(checks...)
		return c.arrangeError(err, ReasonProvision, "provision the DUT")
	case SetMark:
		m, err := c.b.DUT.Marker.Mark(ctx, s.Spec)
		if err != nil {
			return c.arrangeError(err, ReasonMarkerUnproven, "mark the DUT")
		}
		c.mark, c.rec.Mark = &m, &m
		return nil
	case StillMarked:
		return c.stillMarked(ctx)
	case DefaultState:
		return c.defaultState(ctx, s)
	case Persists:
		return c.persists(ctx, s)
	case FactoryReset:
		return c.factoryReset(ctx, s)
	case Exec:
		return c.exec(ctx, s)
	}
	return errorf(ReasonInternal, "step %q is unknown to this program", s)
}

// switchRelay switches through the guards, waits out those that time heals, and
// compares line and sense with what was commanded.
func (c *cycle) switchRelay(ctx context.Context, spec RelaySpec, on, powered bool) (time.Time, error) {
	for {
		var err error
		if on {
			err = c.a.On(spec.Name, powered)
		} else {
			err = c.a.Off(spec.Name)
		}
		if err == nil {
			break
		}
		var guard *GuardError
		if !errors.As(err, &guard) {
			return time.Time{}, errorf(ReasonRelayDriver, "%w", err)
		}
		if guard.Wait <= 0 || guard.Wait > guardPatience {
			return time.Time{}, errorf(ReasonGuard, "%w", err)
		}
		c.event(Event{At: c.now(), Kind: "note", Name: "guard", Text: err.Error()})
		if err := c.listen(ctx, c.b.Clock.Now().Add(guard.Wait), nil); err != nil {
			return time.Time{}, err
		}
	}
	_, _, at := c.a.State(spec.Name)
	if at.IsZero() { // it was so before anybody switched it
		at = c.b.Clock.Now()
	}
	c.event(Event{At: at.Sub(c.start), Kind: "relay", Name: spec.Name, On: on})
	if err := c.readBack(spec, on); err != nil {
		return at, err
	}
	if sense := c.b.Sense(spec.Name); sense != nil {
		return at, c.senseIs(ctx, sense, spec, on)
	}
	return at, nil
}

// power switches the DUT's supply and proves a cut.
func (c *cycle) power(ctx context.Context, s SwitchPower) error {
	spec, _ := c.b.Spec(s.Relay)
	was, known, _ := c.a.State(s.Relay)
	alive := false
	if !s.On && c.b.Sense(s.Relay) == nil && c.b.DUT.Prober != nil {
		sight, err := c.probe(ctx)
		if err != nil {
			return err
		}
		alive = sight.Reach > ReachSilent
	}
	if s.On && known && was { // as commanded already; the sense is asked all the same
		if sense := c.b.Sense(s.Relay); sense != nil {
			return c.senseIs(ctx, sense, spec, true)
		}
		return nil
	}
	if s.On {
		c.seen.powerOn = false
		if err := c.stillSilent(ctx, spec); err != nil {
			return err
		}
	} else {
		c.seen.powerCut, c.seen.powerCutSensed, c.cutBySilence = false, false, false
	}
	at, err := c.switchRelay(ctx, spec, s.On, false)
	if err != nil {
		return err
	}
	if s.On {
		c.moments[PowerOn] = at
		c.seen.newLife()
		return nil
	}
	c.moments[PowerOff] = at
	if c.seen.powerCut || c.b.DUT.Prober == nil {
		return nil
	}
	return c.fallsSilent(ctx, spec, alive)
}

// fallsSilent is the proof of a cut where no sense is fitted: a DUT that
// answered before must stop to.
func (c *cycle) fallsSilent(ctx context.Context, spec RelaySpec, alive bool) error {
	k := Check{Name: "silence/" + spec.Name, Kind: AboutRelay, Wanted: "no answer without power"}
	if !alive {
		k.Seen, k.Outcome = "it did not answer before either", CheckUnknown
		c.check(k)
		return nil
	}
	deadline := c.b.Clock.Now().Add(silenceWithin)
	for silent := 0; ; {
		sight, err := c.probe(ctx)
		if err != nil {
			return err
		}
		if sight.Reach > ReachSilent {
			silent = 0
		} else if silent++; silent == silentLooks {
			k.Seen, k.Outcome = "silent", CheckPass
			c.check(k)
			c.seen.powerCut, c.cutBySilence = true, true
			return c.networkUp(ctx, &c.seen.powerCutSensed)
		}
		if !c.b.Clock.Now().Before(deadline) {
			k.Seen, k.Outcome = sight.Note, CheckFail
			c.check(k)
			return c.stillAnswers(spec)
		}
		if err := c.listen(ctx, c.b.Clock.Now().Add(probeEvery/2), nil); err != nil {
			return err
		}
	}
}

// silentLooks is how many looks in a row must find nothing: one may be lost.
const silentLooks = 3

// networkUp sets up if the network's sense, where one is fitted, sees it up: then
// a silence is the DUT's.
func (c *cycle) networkUp(ctx context.Context, up *bool) error {
	n := c.b.Sense("network")
	if n == nil {
		return nil
	}
	on, err := n.On(ctx)
	if err != nil {
		return errorf(ReasonSense, "read the sense of the network: %w", err)
	}
	*up = on
	return nil
}

// stillSilent looks once more, right before the power comes back, at a DUT whose
// silence is all that shows that it had none.
func (c *cycle) stillSilent(ctx context.Context, spec RelaySpec) error {
	if !c.cutBySilence || !c.seen.powerCut {
		return nil
	}
	sight, err := c.probe(ctx)
	if err != nil {
		return err
	}
	if sight.Reach > ReachSilent {
		c.check(Check{Name: "silence/" + spec.Name, Kind: AboutRelay, Wanted: "no answer without power", Seen: sight.Note, Outcome: CheckFail})
		return c.stillAnswers(spec)
	}
	return nil
}

func (c *cycle) stillAnswers(spec RelaySpec) error {
	return errorf(ReasonPowerWelded, "relay %q was switched off and the DUT still answers: a welded contact, or the relay is not in the DUT's supply", spec.Name)
}

// newLife forgets what was seen of the DUT before it was powered or reset.
func (e *evidence) newLife() {
	e.answered, e.ready, e.defaultShown, e.identified = false, false, false, false
}

func (c *cycle) press(ctx context.Context, s PressRelay) error {
	spec, _ := c.b.Spec(s.Relay)
	c.seen.pressClosed, c.seen.pressOpened = false, false
	c.pressed[s.Relay] = true
	at, err := c.switchRelay(ctx, spec, true, s.Powered)
	if err != nil {
		return err
	}
	c.moments[Press] = at
	return nil
}

// release opens the press and measures it, edge to edge: by the sense's edges
// where it has them, by the moments of switching otherwise.
func (c *cycle) release(ctx context.Context, s ReleaseRelay) error {
	spec, _ := c.b.Spec(s.Relay)
	held := c.stillPressed(ctx, spec)
	pressed, wasOn := c.moments[Press]
	at, err := c.switchRelay(ctx, spec, false, false)
	if !at.IsZero() {
		c.pressed[s.Relay] = false
		c.moments[Release] = at
		c.seen.newLife()
	}
	if err != nil || !wasOn {
		return err
	}
	c.measure("press_duration", at.Sub(pressed).Seconds(), "s")
	if d, ok := c.edgeToEdge(s.Relay, pressed); ok {
		c.measure("press_duration_sensed", d.Seconds(), "s")
	}
	if !held {
		return c.contactFault(spec, true)
	}
	return nil
}

// edgeToEdge is the length of the press as the sense's edges have it.
func (c *cycle) edgeToEdge(relay string, since time.Time) (time.Duration, bool) {
	var closed, opened time.Duration = -1, -1
	for _, e := range c.rec.Timeline {
		if e.Kind != "sense" || e.Name != relay || e.At < since.Sub(c.start)-settleOf(RelaySpec{}) {
			continue
		}
		if e.On && closed < 0 {
			closed = e.At
		}
		if !e.On {
			opened = e.At
		}
	}
	return opened - closed, closed >= 0 && opened > closed
}

// stillPressed withdraws the evidence of a press whose sense has opened.
func (c *cycle) stillPressed(ctx context.Context, spec RelaySpec) bool {
	sense := c.b.Sense(spec.Name)
	if sense == nil {
		return true
	}
	if on, err := sense.On(ctx); err != nil || !on {
		c.seen.pressClosed = false
		return false
	}
	return true
}

// hold waits, listening, for the later of its time and the beep's end.
func (c *cycle) hold(ctx context.Context, s Hold) error {
	since := c.moment(s.Since)
	least, most := since.Add(s.For), c.holdCap(s, since)
	nextSense := c.b.Clock.Now().Add(senseEvery)
	return c.listen(ctx, most, func() (bool, error) {
		now := c.b.Clock.Now()
		if !now.Before(nextSense) {
			nextSense = now.Add(senseEvery)
			for _, spec := range c.b.Specs {
				if on, _, _ := c.a.State(spec.Name); on && spec.Role == RolePress && !c.stillPressed(ctx, spec) {
					return true, c.contactFault(spec, true)
				}
			}
		}
		if err := c.earFit(); err != nil {
			return true, err // nobody will hear the beep: the pins are not held for it
		}
		if now.Before(least) {
			return false, nil
		}
		if s.UntilBeepEnds <= 0 {
			return true, nil
		}
		b, heard := c.longBeep(since, now)
		return !heard || b.Ended && !now.Before(b.End.Add(s.UntilBeepEnds)), nil
	})
}

// holdCap is when a hold ends at the latest: its own cap, and always a second
// before the dead man of a press that is closed.
func (c *cycle) holdCap(s Hold, since time.Time) time.Time {
	most := since.Add(s.For + time.Minute)
	if s.Cap > 0 {
		most = since.Add(s.Cap)
	}
	for _, spec := range c.b.Specs {
		on, _, at := c.a.State(spec.Name)
		if on && spec.Role == RolePress && spec.MaxOn > 0 {
			if t := at.Add(spec.MaxOn - time.Second); t.Before(most) {
				most = t
			}
		}
	}
	return most
}

// hear judges a window of the timeline. It listens no longer than the ear needs
// to tell what began within the window.
func (c *cycle) hear(ctx context.Context, s Hear) error {
	strict := s.Verdict != BeepExpected
	if strict {
		defer c.strictHears.less()
	}
	from, to := c.moment(s.From), c.moment(s.To)
	k := Check{Name: "beep", Kind: AboutBeep, Wanted: "long beep " + string(s.Verdict)}
	if c.hearing {
		if err := c.listen(ctx, to.Add(earLatency), nil); err != nil {
			return err
		}
	}
	if !c.hearing || c.unfitWithin(from, to.Add(earLatency)) {
		k.Seen, k.Outcome, k.Reason = "the bench has no ear", CheckUnknown, ReasonEarUnfit
		if c.b.Ear != nil {
			k.Seen = "the ear is unfit: " + c.unfitText()
		}
		if strict {
			c.check(k)
			return errorf(ReasonEarUnfit, "the microphone is unfit: %s", c.unfitText())
		}
		k.Outcome = CheckWarn
		c.check(k)
		return nil
	}
	b, heard := c.longBeep(from, to)
	if heard && !b.Ended {
		err := c.listen(ctx, c.b.Clock.Now().Add(beepSettle), func() (bool, error) {
			b, _ = c.longBeep(from, to)
			return b.Ended, nil
		})
		if err != nil {
			return err
		}
	}
	if heard {
		k.Seen = fmt.Sprintf("%.2f s at %.0f Hz, %.2f s after %s", b.Duration().Seconds(), b.FrequencyHz, b.Onset.Sub(from).Seconds(), s.From)
		c.measure("beep_onset", b.Onset.Sub(from).Seconds(), "s")
		c.within(b.OnsetUncertainty.Seconds())
		c.limits("beep_duration", b.Duration().Seconds(), "s", s.Least, s.Most)
		c.within(b.LengthUncertainty.Seconds())
		c.measure("beep_frequency", b.FrequencyHz, "Hz")
		c.within(b.FrequencyUncertaintyHz)
		c.measure("beep_snr", b.SNRdB, "dB")
		c.seen.longBeep = s.Verdict != BeepForbidden && c.b.EarCalibrated
	} else {
		k.Seen = "none"
	}
	k.Outcome = CheckPass
	switch {
	case s.Verdict == BeepForbidden && heard:
		k.Outcome = CheckFail
		c.fail(ReasonBeepForbidden, "a long beep was heard where none may be: %s", k.Seen)
	case s.Verdict == BeepRequired && !heard:
		k.Outcome = CheckFail
		c.fail(ReasonBeepMissing, "no long beep from %s to %s", s.From, s.To)
	case s.Verdict == BeepExpected && !heard:
		k.Outcome = CheckWarn
	}
	c.check(k)
	return nil
}

func (c *cycle) factoryReset(ctx context.Context, s FactoryReset) error {
	if s.WrongPassword {
		return c.refusedReset(ctx)
	}
	if err := c.b.DUT.Resetter.FactoryReset(ctx, s.Functions); err != nil {
		if errors.Is(err, ErrWrite) || errors.Is(err, ErrRefused) {
			return failf(ReasonResetRefused, "the DUT refused the reset: %w", err)
		}
		return c.arrangeError(err, ReasonInternal, "reset the DUT over the network")
	}
	c.moments[Reset] = c.b.Clock.Now()
	c.seen.newLife()
	c.event(Event{At: c.now(), Kind: "note", Name: "reset", Text: "the DUT accepted the reset command"})
	c.a.Writing()
	return nil
}

// refusedReset sends a reset that the DUT must refuse. Its refusal shows that the
// command came there: no restart need show it.
func (c *cycle) refusedReset(ctx context.Context) error {
	checks, err := c.b.DUT.Refuser.RefusedReset(ctx)
	c.check(checks...)
	if err != nil {
		return c.arrangeError(err, ReasonInternal, "send a reset with a wrong password")
	}
	for _, k := range checks {
		if k.Outcome == CheckFail {
			return failf(ReasonControl, "a wrong password: %s: wanted %s, saw %s", k.Name, k.Wanted, k.Seen)
		}
	}
	if err := unanswered(checks); err != nil {
		return err
	}
	if len(checks) == 0 {
		return errorf(ReasonControl, "nothing shows that the reset was refused")
	}
	c.refused = true
	return nil
}

func (c *cycle) exec(ctx context.Context, s Exec) error {
	name := fmt.Sprintf("exec-%d.txt", len(c.rec.Steps))
	out, err := os.CreateTemp("", "resetrig-exec-*")
	if path := c.artifact(name); err == nil && path != "" {
		_ = out.Close()
		_ = os.Remove(out.Name())
		out, err = os.Create(path)
		c.rec.Artifacts = append(c.rec.Artifacts, name)
	}
	if err != nil {
		return errorf(ReasonExec, "keep the output of %q: %w", s.Argv, err)
	}
	err = c.b.Programs.Run(ctx, s.Argv, s.Within, out)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if c.dir == "" {
		_ = os.Remove(out.Name())
	}
	if err != nil {
		return errorf(ReasonExec, "%s: %w", s, err)
	}
	return nil
}

// arrangeError gives an error of the DUT's its reason. Before the reset nothing
// that the DUT does is booked on it: there was nothing to test.
func (c *cycle) arrangeError(err error, otherwise Reason, doing string) error {
	if err == nil {
		return nil
	}
	return errorf(reasonOf(err, otherwise), doing+": %w", err)
}
