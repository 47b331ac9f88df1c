package rig

import (
	"context"
	"fmt"
	"time"
)

// probe looks at the DUT once and keeps what it saw.
func (c *cycle) probe(ctx context.Context) (Sight, error) {
	asked := c.b.Clock.Now()
	sight, err := c.b.DUT.Prober.Probe(ctx)
	c.excuse(asked)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return sight, cause
		}
		return sight, errorf(reasonOf(err, ReasonInternal), "look at the DUT: %w", err)
	}
	if c.b.Observer != nil { // told, and not kept: looks are many
		c.b.Observer.Observe(Event{At: c.now(), Kind: "sight", Name: sight.Reach.String(), Text: sight.Note})
	}
	c.seen.followable = c.seen.followable || sight.Followable
	c.seen.identified = c.seen.identified || sight.Reach > ReachSilent && sight.Identity != (Identity{})
	if sight.Reach >= ReachAnswers {
		c.seen.answered = true
		if sight.Identity.Serial != "" {
			c.rec.DUT.Serial = sight.Identity.Serial
		}
		if sight.Identity.MAC != "" {
			c.rec.DUT.MAC = sight.Identity.MAC
		}
		if sight.Init == InitUninitialised {
			c.seen.defaultShown = true
		}
	}
	return sight, nil
}

// reachable wants a DUT that can be worked with, before anything is done to it.
func (c *cycle) reachable(ctx context.Context, s Reachable) error {
	deadline := c.b.Clock.Now().Add(s.Within)
	for {
		sight, err := c.probe(ctx)
		if err != nil {
			return err
		}
		if sight.Reach >= ReachReady {
			return nil
		}
		if !c.b.Clock.Now().Before(deadline) {
			if err := c.relaysAsCommanded(ctx); err != nil {
				return err // the rig's own fault explains it
			}
			reason := ReasonUnreachable
			if sight.Reach == ReachGarbage {
				reason = ReasonGarbage
			}
			if c.afterReset() {
				return failf(restartReason(restartWatch{best: sight.Reach, garbage: sight.Reach == ReachGarbage}), "the DUT was not ready within %v after the reset: %s", s.Within, sight.Note)
			}
			return errorf(reason, "the DUT was not ready within %v: %s", s.Within, sight.Note)
		}
		if err := c.listen(ctx, c.b.Clock.Now().Add(probeEvery), nil); err != nil {
			return err
		}
	}
}

// afterReset reports whether the DUT was asked to reset itself, or released from
// a press, in this cycle: from then on its silence is its own.
func (c *cycle) afterReset() bool {
	_, reset := c.moments[Reset]
	_, released := c.moments[Release]
	return reset || released
}

// restartWatch follows the DUT from a moment on until it has been up for a
// stable time, and collects what proves that it restarted since that moment.
type restartWatch struct {
	since time.Time
	least time.Duration // no boot of the model is shorter
	proof string

	stages  stages
	silent  bool      // one look at least saw it silent
	first   time.Time // first answer, since the last outage if there was one
	up      time.Time // ready since
	down    time.Time // silent since, where it had answered before
	downs   int       // looks in a row that saw it silent, after it had answered
	outages int
	best    Reach
	garbage bool // nonsense came, once at least
	last    Sight
	netDown bool // the network's sense saw it down, once at least
}

// see takes in one look.
//
// Two things prove a restart. A first answer that comes no sooner than any boot
// could bring it, after silence was seen: only a DUT that was down is silent and
// then takes so long. And an outage that lasted as long as a boot: a shorter one
// is a network's.
func (w *restartWatch) see(sight Sight, now time.Time) {
	w.last = sight
	w.stages.see(sight, now)
	w.best = max(w.best, sight.Reach)
	w.garbage = w.garbage || sight.Reach == ReachGarbage
	if sight.UptimeKnown && sight.Uptime < now.Sub(w.since) {
		w.prove(fmt.Sprintf("uptime %v", sight.Uptime))
	}
	if sight.Reach == ReachSilent {
		w.silent = true
		if w.first.IsZero() {
			return
		}
		if w.downs++; w.downs == 1 {
			w.down = now
		}
		if w.downs == 2 { // one lost answer is no outage
			w.outages++
			w.up, w.first = time.Time{}, time.Time{}
		}
		return
	}
	w.downs = 0
	if sight.Reach >= ReachAnswers && w.first.IsZero() {
		w.first = now
		w.answered(now)
	}
	if sight.Reach < ReachReady { // there, and not ready
		w.up = time.Time{}
	} else if w.up.IsZero() {
		w.up = now
	}
}

// answered judges a first answer.
func (w *restartWatch) answered(now time.Time) {
	if w.netDown || w.least <= 0 {
		return // the silence may have been the network's
	}
	switch {
	case w.outages > 0 && now.Sub(w.down) >= w.least:
		w.prove(fmt.Sprintf("it went away for %.1f s and came back, no boot is shorter than %v", now.Sub(w.down).Seconds(), w.least))
	case w.outages == 0 && w.silent && now.Sub(w.since) >= w.least:
		w.prove(fmt.Sprintf("silent, then a first answer %.1f s later, no boot is shorter than %v", now.Sub(w.since).Seconds(), w.least))
	}
}

func (w *restartWatch) prove(how string) {
	if w.proof == "" {
		w.proof = how
	}
}

// restarted wants the DUT restarted since the moment and stable before the
// deadline. A restart that cannot be seen is no fail: what the default state
// shows decides, and a default state without a proven restart is an error.
func (c *cycle) restarted(ctx context.Context, s Restarted) error {
	w := restartWatch{since: c.moment(s.Since), least: c.b.DUT.LeastBoot}
	if on := c.moments[PowerOn]; c.seen.powerCutSensed && !on.IsZero() && !on.Before(w.since) {
		w.prove("its power was cut, as its sense saw, and it answers again")
	}
	deadline := w.since.Add(s.Within)
	k := Check{Name: "restarted", Kind: AboutRestart, Wanted: fmt.Sprintf("restarted within %v, then up for %v", s.Within, s.Stable)}
	for {
		sight, err := c.probe(ctx)
		if err != nil {
			return err
		}
		now := c.b.Clock.Now()
		if sight.Reach == ReachSilent {
			if err := c.askNetwork(ctx, &w); err != nil {
				return err
			}
		}
		w.see(sight, now)
		stable := !w.up.IsZero() && now.Sub(w.up) >= s.Stable
		expired := !now.Before(deadline)
		if stable && (w.proof != "" || expired) {
			c.seen.ready = true
			break
		}
		if expired && w.up.IsZero() || now.Sub(deadline) > s.Stable {
			k.Outcome, k.Seen = CheckFail, c.notUp(w)
			c.check(k)
			if w.netDown {
				return errorf(ReasonNetworkDown, "the rig's network was down while the DUT was waited for: %s", k.Seen)
			}
			return failf(restartReason(w), "not restarted and stable within %v: %s", s.Within, k.Seen)
		}
		if err := c.listen(ctx, now.Add(probeEvery), nil); err != nil {
			return err
		}
	}
	c.seen.restartProof = w.proof
	k.Outcome, k.Seen = CheckPass, w.proof
	if w.proof == "" {
		k.Outcome, k.Reason = CheckUnknown, ReasonRestartUnobservable
		k.Seen = fmt.Sprintf("it answered %.1f s after, too early for a restart, and did not go away since", w.first.Sub(w.since).Seconds())
	}
	if w.outages > 0 {
		k.Seen += fmt.Sprintf("; outages since: %d", w.outages)
	}
	c.check(k)
	if w.proof == "" {
		return nil // a time that may be none of a restart is no measurement
	}
	w.stages.measure(c, w.since)
	c.measure("first_answer", w.first.Sub(w.since).Seconds(), "s")
	c.measure("restart_time", w.up.Sub(w.since).Seconds(), "s")
	return nil
}

// networkEvery is the least time between two looks at the network's sense.
const networkEvery = 5 * time.Second

// askNetwork looks at the network's sense while the DUT is silent.
func (c *cycle) askNetwork(ctx context.Context, w *restartWatch) error {
	n := c.b.Sense("network")
	if now := c.b.Clock.Now(); n == nil || now.Sub(c.netAsked) < networkEvery {
		return nil
	} else {
		c.netAsked = now
	}
	up, err := n.On(ctx)
	if err != nil {
		return errorf(ReasonSense, "read the sense of the network: %w", err)
	}
	if !up && !w.netDown {
		w.netDown = true
		c.event(Event{At: c.now(), Kind: "sense", Name: "network", On: false})
	}
	return nil
}

func (c *cycle) notUp(w restartWatch) string {
	if w.outages > 0 {
		return fmt.Sprintf("it came up and went away %d times", w.outages)
	}
	if w.last.Note != "" {
		return w.last.Note
	}
	return "silent"
}

// restartReason names what a DUT that never came up steadily did instead.
func restartReason(w restartWatch) Reason {
	switch {
	case w.outages > 0:
		return ReasonUnstable
	case w.best == ReachSilent:
		return ReasonNoRestart
	case w.garbage:
		return ReasonDUTGarbage
	}
	return ReasonNoAnswer
}

// persists takes the power away once more and asks again.
func (c *cycle) persists(ctx context.Context, s Persists) error {
	for _, step := range []Step{
		SwitchPower{Relay: "power"},
		Wait{For: s.Off},
		SwitchPower{Relay: "power", On: true},
		Restarted{Within: s.Within, Stable: s.Stable, Since: PowerOn},
	} {
		if err := c.do(ctx, step); err != nil {
			return err
		}
	}
	checks, err := c.b.DUT.Judge.Holds(ctx, *c.mark)
	for i := range checks {
		checks[i].Name = "persists/" + checks[i].Name
	}
	c.check(checks...)
	if err != nil {
		return c.judgeError(err)
	}
	for _, k := range checks {
		if k.Outcome == CheckFail {
			return failf(ReasonReverted, "the default state did not hold through a power cycle: %s: wanted %s, saw %s", k.Name, k.Wanted, k.Seen)
		}
	}
	return unanswered(checks)
}

// stillMarked is a control's positive proof. Whatever else is seen, the control
// did not hold.
func (c *cycle) stillMarked(ctx context.Context) error {
	checks, err := c.b.DUT.Marker.StillMarked(ctx, *c.mark)
	c.check(checks...)
	if err != nil {
		return c.arrangeError(err, ReasonControl, "look for the mark")
	}
	for _, k := range checks {
		if k.Outcome != CheckPass {
			return errorf(ReasonControl, "a control must end still marked: %s: wanted %s, saw %s", k.Name, k.Wanted, k.Seen)
		}
	}
	if len(checks) == 0 {
		return errorf(ReasonControl, "nothing of the mark could be looked at")
	}
	if c.seen.restartProof == "" && !c.refused {
		return errorf(ReasonControl, "a control must show that the DUT restarted, and nothing proves it")
	}
	return nil
}
