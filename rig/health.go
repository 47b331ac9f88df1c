package rig

import (
	"context"
	"errors"
	"time"
)

// earTest is how long the ear is listened to before a cycle trusts it.
const earTest = time.Second

// healthBefore is the rig's look at itself before a cycle: lines, senses, ear.
func (c *cycle) healthBefore(ctx context.Context) error {
	c.event(Event{At: 0, Kind: "phase", Name: "health"})
	if err := c.relaysAsCommanded(ctx); err != nil {
		return err
	}
	if c.b.Ear == nil {
		return nil
	}
	c.began = true
	if err := c.b.Ear.Begin(ctx, c.artifact(wholeSound)); err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ErrEarLost) {
			return cause
		}
		return c.earLost(ctx, err)
	}
	c.hearing, c.spooled, c.heardFrom = true, true, c.b.Clock.Now()
	if err := c.listen(ctx, c.b.Clock.Now().Add(earTest), nil); err != nil {
		return err
	}
	return c.earFit()
}

// earFit is an error where the ear is unfit and a step to come needs it.
func (c *cycle) earFit() error {
	if now := c.b.Clock.Now(); c.earMatters() && c.unfitWithin(now.Add(-toldLater), now) {
		return errorf(ReasonEarUnfit, "the microphone is unfit: %s", c.unfitText())
	}
	return nil
}

func (c *cycle) unfitText() string {
	t := ""
	for _, f := range c.sortedFindings() {
		if f.Unfit {
			if t != "" {
				t += "; "
			}
			t += f.Name + ": " + f.Detail
		}
	}
	return t
}

// relaysAsCommanded compares each relay's line and sense with its known state.
func (c *cycle) relaysAsCommanded(ctx context.Context) error {
	for _, s := range c.b.Specs {
		want, known, since := c.a.State(s.Name)
		if !known {
			continue
		}
		if err := c.readBack(s, want); err != nil {
			return err
		}
		sense := c.b.Sense(s.Name)
		if sense == nil {
			continue
		}
		if s.Role == RolePower && !want && c.b.Clock.Now().Sub(since) < drain {
			continue // capacitors
		}
		if err := c.senseIs(ctx, sense, s, want); err != nil {
			return err
		}
	}
	if n := c.b.Sense("network"); n != nil {
		up, err := n.On(ctx)
		if err != nil {
			return errorf(ReasonSense, "read the sense of the network: %w", err)
		}
		if !up {
			return errorf(ReasonNetworkDown, "the reference host does not answer: the rig's network is down; check cable, switch and address")
		}
	}
	return nil
}

// readBack compares a relay's line with what was commanded.
func (c *cycle) readBack(s RelaySpec, want bool) error {
	on, err := c.b.Relays.Read(s.Name)
	switch {
	case errors.Is(err, ErrNoReadBack):
		return nil
	case err != nil:
		return errorf(ReasonRelayReadBack, "read relay %q back: %w", s.Name, err)
	case on != want:
		return errorf(ReasonRelayReadBack, "relay %q was switched %s and its line reads %s: is another program driving it?", s.Name, onOff(want), onOff(on))
	}
	return nil
}

// senseIs waits for the relay's sense to see what was commanded.
func (c *cycle) senseIs(ctx context.Context, sense Sense, s RelaySpec, want bool) error {
	since := c.b.Clock.Now()
	on, err := c.b.follow(ctx, sense, s, want)
	if s.Role == RolePower && !want {
		c.excuse(since) // the DUT's capacitors
	}
	c.takeEdges()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return errorf(ReasonSense, "read the sense of relay %q: %w", s.Name, err)
	}
	k := Check{Name: "sense/" + s.Name, Kind: AboutRelay, Wanted: onOff(want), Seen: onOff(on), Outcome: CheckPass}
	if on != want {
		k.Outcome = CheckFail
		c.check(k)
		return c.contactFault(s, want)
	}
	if key := k.Name + k.Wanted + k.Seen; !c.agreed[key] { // once for each way of each relay is evidence enough
		c.agreed[key] = true
		c.check(k)
	}
	switch {
	case s.Role == RolePress && want:
		c.seen.pressClosed = true
	case s.Role == RolePress:
		c.seen.pressOpened = true
	case want:
		c.seen.powerOn = true
	default:
		c.seen.powerCut, c.seen.powerCutSensed = true, true
	}
	return nil
}

// contactFault names the fault of a contact that did not follow its line.
func (c *cycle) contactFault(s RelaySpec, want bool) error {
	switch {
	case s.Role == RolePress && want:
		return errorf(ReasonResetOpen, "relay %q was pressed and its sense sees the pins open: check contact, wires and the plug on the pins", s.Name)
	case s.Role == RolePress:
		return errorf(ReasonResetWelded, "relay %q was released and its sense sees the pins shorted: a welded contact; replace the relay", s.Name)
	case want:
		return errorf(ReasonPowerOpen, "relay %q was switched on and its sense sees no supply: check contact, wires and the supply itself", s.Name)
	}
	return errorf(ReasonPowerWelded, "relay %q was switched off and its sense still sees the supply: a welded contact; replace the relay", s.Name)
}

// takeEdges puts what the senses saw change onto the timeline.
func (c *cycle) takeEdges() {
	for _, s := range c.b.Senses {
		if es, ok := s.(EdgeSense); ok {
			for _, e := range es.Edges() {
				if !e.Time.Before(c.start) {
					c.event(Event{At: e.Time.Sub(c.start), Kind: "sense", Name: s.Of(), On: e.On})
				}
			}
		}
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
