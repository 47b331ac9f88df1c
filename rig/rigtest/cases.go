package rigtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"resetrig/rig"
)

// Cases are the suite, in the order in which it runs. The power is cut once,
// every press that a real DUT sees is in that one gap, and it comes back at the
// end.
func Cases() []Case {
	cases := []Case{
		{Name: "safe-at-start", Wanted: "presses open, power as it was", run: safeAtStart},
		{Name: "power-on", Wanted: "power on, by line and sense", run: powerOn},
		{Name: "identity", Wanted: "the bench's own unit answers", run: identity},
		{Name: "interlock", Wanted: "a press on a DUT that has power is refused", run: interlock},
		{Name: "power-off", Wanted: "power off, by line and sense or by silence", run: powerOff},
		{Name: "press", Wanted: "the pins shorted while pressed and open again, as long as commanded", run: pressFollows},
		{Name: "dead-man", Wanted: "a press that is forgotten is opened after its longest time", run: deadMan},
		{Name: "min-off", Wanted: "a second press waits for its least time off", run: minOff},
		{Name: "per-hour", Wanted: "one more press than the hour allows is refused", run: perHour},
		{Name: "handle-dead", Wanted: "nothing switches through a handle whose Arm has ended", run: handleDead},
		{Name: "refuses-twice", Wanted: "a relay that refuses to open is tried again", run: refusesTwice},
		{Name: "refuses", Wanted: "a relay that never opens is said to be in doubt, by name", run: refuses},
		{Name: "welded", Wanted: "a press whose sense still sees it closed is said to be in doubt, by name", run: welded},
	}
	for _, w := range ways {
		cases = append(cases, Case{Name: "ends-safe/" + w.name, Wanted: "the press open, nothing left on", run: func(ctx context.Context, t *trial) error {
			return endsSafe(ctx, t, w, false, rig.SafeKeep)
		}})
	}
	cases = append(cases, Case{Name: "cycle", Wanted: "press, release, power on: in this order, at these times", run: cycleOrder})
	for _, safe := range []rig.SafeState{rig.SafeKeep, rig.SafeOff} {
		for _, w := range ways {
			wanted := "the press open, the power as it is"
			if safe == rig.SafeOff || w.cuts {
				wanted = "the press open, the power off"
			}
			cases = append(cases, Case{
				Name: "ends-safe/" + w.name + "/power-" + string(safe), Wanted: wanted,
				expendable: "it presses at power-on, and cuts the power while the DUT boots",
				run: func(ctx context.Context, t *trial) error {
					return endsSafe(ctx, t, w, true, safe)
				},
			})
		}
	}
	return append(cases,
		Case{
			Name: "stop-keeps-power", Wanted: "the press open at once, the power on until the write window has passed",
			expendable: "it presses at power-on, and cuts the power while the DUT boots",
			run:        func(ctx context.Context, t *trial) error { return keepsPower(ctx, t, true) },
		},
		Case{
			Name: "error-keeps-power", Wanted: "the press open at once, the power on until the write window has passed",
			expendable: "it presses at power-on, and cuts the power while the DUT boots",
			run:        func(ctx context.Context, t *trial) error { return keepsPower(ctx, t, false) },
		},
		Case{
			Name: "cycle-at-power-on", Wanted: "press, power on, release: in this order, at these times",
			expendable: "it presses at power-on", run: cycleAtPowerOn,
		},
		Case{Name: "safe-at-end", Wanted: "the DUT as it was found, presses open, power in its safe state", run: safeAtEnd},
	)
}

// safeAtStart arms a bench of which nothing is known and does nothing with it.
func safeAtStart(ctx context.Context, t *trial) error {
	was := map[string]bool{}
	for _, p := range t.of(rig.RolePower) {
		on, err := t.b.Relays.Read(p.Name)
		if err == nil {
			was[p.Name] = on
		}
	}
	mark := t.gate.since()
	err := t.b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
		for _, s := range t.b.Specs {
			on, known, _ := a.State(s.Name)
			before, readable := was[s.Name]
			switch {
			case s.Role == rig.RolePress && (!known || on):
				return fmt.Errorf("press %q is taken to be on, or not known, in an armed bench", s.Name)
			case s.Role == rig.RolePower && readable && (!known || on != before):
				return fmt.Errorf("power %q was %s and is taken to be %s", s.Name, onOff(before), onOff(on))
			}
			t.saw("%s %s", s.Name, onOff(on))
		}
		return t.open(ctx)
	})
	for _, w := range t.gate.after(mark) {
		if w.on {
			return errors.Join(err, fmt.Errorf("arming switched relay %q on", w.relay))
		}
	}
	return err
}

// powerOn brings the power on where it is not: what follows asks the DUT who it
// is. A relay that is on already is looked at and left alone.
func powerOn(ctx context.Context, t *trial) error {
	powers := t.of(rig.RolePower)
	if len(powers) == 0 {
		t.live = "" // nothing here can power it: its supply is not the rig's
		return skipf("the bench has no power relay")
	}
	return t.b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
		for _, p := range powers {
			if on, known, _ := a.State(p.Name); !known || !on {
				if err := t.switched(ctx, func() error { return a.On(p.Name, false) }); err != nil {
					return err
				}
			}
			if err := t.is(ctx, p, true); err != nil {
				return err
			}
		}
		return nil
	})
}

// identity is asked before anything is cut or pressed.
func identity(ctx context.Context, t *trial) error {
	if t.b.DUT.Prober == nil {
		return skipf("the bench has no address of its DUT")
	}
	return t.b.Arm(ctx, func(ctx context.Context, _ *rig.Armed) error {
		sight, err := t.reach(ctx)
		if err != nil {
			var halt *haltError
			if context.Cause(ctx) == nil && !errors.As(err, &halt) {
				err = &haltError{fmt.Errorf("nothing tells that this is the bench's unit: %w", err)}
			}
			return err
		}
		if sight.Identity == (rig.Identity{}) {
			return skipf("it answers, and does not say who it is without a login")
		}
		t.saw("serial %q, MAC %q at %s", sight.Identity.Serial, sight.Identity.MAC, sight.URL)
		return nil
	})
}

// interlock asks for the press that must never be. The gate keeps it from a
// real DUT should the guard fail.
func interlock(ctx context.Context, t *trial) error {
	press, err := t.press()
	if err != nil {
		return err
	}
	if len(t.of(rig.RolePower)) == 0 {
		return skipf("the bench has no power relay to be interlocked with")
	}
	defer t.gate.strict()()
	return t.b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
		mark := t.gate.since()
		err := a.On(press.Name, false)
		var guard *rig.GuardError
		switch {
		case len(t.gate.after(mark)) > 0:
			return errors.New("no guard kept the press from the relay")
		case !errors.As(err, &guard):
			return fmt.Errorf("the press was refused, and by no guard: %v", err)
		}
		t.saw("%s", guard.Rule)
		return nil
	})
}

// powerOff is the one cut that a real DUT sees.
func powerOff(ctx context.Context, t *trial) error {
	powers := t.of(rig.RolePower)
	if len(powers) == 0 {
		return skipf("the bench has no power relay")
	}
	return t.b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
		sensed := true
		for _, p := range powers {
			if err := t.switched(ctx, func() error { return a.Off(p.Name) }); err != nil {
				return err
			}
			if err := t.is(ctx, p, false); err != nil {
				return err
			}
			sensed = sensed && t.b.Sense(p.Name) != nil
		}
		if t.b.DUT.Prober == nil {
			if sensed {
				t.live = ""
			}
			return nil
		}
		began := t.b.Clock.Now()
		for {
			sight, err := t.sight(ctx)
			took := t.b.Clock.Now().Sub(began)
			switch {
			case err != nil:
				return err
			case sight.Reach == rig.ReachSilent:
				t.live = ""
				t.saw("silent within %v", took.Round(time.Millisecond))
				return nil
			case took >= silence:
				t.live = "it still answers with its power off"
				return fmt.Errorf("the DUT still answers %v after its power was cut: a welded contact, or the relay is not in its supply", silence)
			}
			if err := t.b.Clock.Sleep(ctx, probing/2); err != nil {
				return err
			}
		}
	})
}

// safeAtEnd gives the DUT back with its power on, and lets the bench end as its
// own safe states say: a cut comes only when the DUT has booted.
func safeAtEnd(ctx context.Context, t *trial) error {
	mark := t.gate.since()
	err := t.b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
		for _, p := range t.of(rig.RolePower) {
			on, known, _ := a.State(p.Name)
			if t.live == "" && t.own(p.Name).Safe == rig.SafeKeep && (!known || !on) {
				if err := t.switched(ctx, func() error { return a.On(p.Name, false) }); err != nil {
					return err
				}
				if err := t.is(ctx, p, true); err != nil {
					return err
				}
				on = true
			}
			if on && t.b.DUT.Prober != nil {
				if _, err := t.reach(ctx); err != nil {
					return err
				}
				t.saw("the DUT answers")
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.b.Specs = t.specs // the bench's own safe states
	for range 2 {       // once from the state that it has, once from the safe one
		if err := t.b.Arm(ctx, func(context.Context, *rig.Armed) error { return nil }); err != nil {
			return err
		}
	}
	for _, w := range t.gate.after(mark) {
		if t.gate.press[w.relay] && w.on {
			return fmt.Errorf("relay %q was pressed", w.relay)
		}
	}
	for _, s := range t.specs {
		want := s.Role == rig.RolePower && s.Safe == rig.SafeKeep && t.gate.isPowered(s.Name)
		if err := t.is(ctx, s, want); err != nil {
			return err
		}
	}
	return nil
}
