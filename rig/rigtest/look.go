package rigtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"resetrig/rig"
)

const (
	look    = 2 * time.Millisecond // between two looks at a sense
	drain   = 5 * time.Second      // a DUT's capacitors hold its supply up after a cut
	silence = 20 * time.Second     // a DUT without power falls silent within it
	probing = time.Second          // between two looks at the DUT
	// scatter is how much the lengths of a press may differ between line and
	// contact: operate and release times of slow modules, and a sense's way.
	scatter = 50 * time.Millisecond
)

// line is the level of a relay's line, on the DUT's side, as the kernel has it.
func (t *trial) line(name string, want bool) error {
	on, err := t.b.Relays.Read(name)
	switch {
	case errors.Is(err, rig.ErrNoReadBack):
		t.saw("line %s cannot be read back", name)
		return nil
	case err != nil:
		return fmt.Errorf("read relay %q back: %w", name, err)
	case on != want:
		return fmt.Errorf("the line of relay %q reads %s and was switched %s", name, onOff(on), onOff(want))
	}
	return nil
}

// contact waits for a relay's sense to see what was commanded, and gives the
// time that it took. Without a sense it lets the time pass in which the contact
// follows, and says that nothing saw it.
func (t *trial) contact(ctx context.Context, s rig.RelaySpec, want bool) (took time.Duration, fitted bool, err error) {
	within := s.Settle
	if within <= 0 {
		within = 100 * time.Millisecond
	}
	if s.Role == rig.RolePower {
		within = max(within, drain)
	}
	sense := t.b.Sense(s.Name)
	if sense == nil {
		return 0, false, t.b.Clock.Sleep(ctx, within)
	}
	began := t.b.Clock.Now()
	for {
		on, err := sense.On(ctx)
		took = t.b.Clock.Now().Sub(began)
		switch {
		case err != nil:
			return took, true, fmt.Errorf("read the sense of relay %q: %w", s.Name, err)
		case on == want:
			return took, true, nil
		case took >= within:
			return took, true, fmt.Errorf("the sense of relay %q %s, %v after it was switched %s", s.Name, onOff(on), within, onOff(want))
		}
		if err := t.b.Clock.Sleep(ctx, look); err != nil {
			return took, true, err
		}
	}
}

// is wants line and contact of a relay to be as commanded.
func (t *trial) is(ctx context.Context, s rig.RelaySpec, want bool) error {
	if err := t.line(s.Name, want); err != nil {
		return err
	}
	took, fitted, err := t.contact(ctx, s, want)
	switch {
	case err != nil:
		return err
	case fitted:
		t.figure(s.Name+"_"+onOff(want)+"_sensed", took)
	default:
		t.saw("%s %s by its line; no sense sees the contact", s.Name, onOff(want))
	}
	return nil
}

// open wants every press open, by line and sense.
func (t *trial) open(ctx context.Context) error {
	for _, p := range t.of(rig.RolePress) {
		if err := t.line(p.Name, false); err != nil {
			return err
		}
		if _, _, err := t.contact(ctx, p, false); err != nil {
			return err
		}
	}
	return nil
}

// takeEdges are the edges of a relay's sense since the last call.
func (t *trial) takeEdges(relay string) (edges []rig.Edge, fitted bool) {
	es, ok := t.b.Sense(relay).(rig.EdgeSense)
	if !ok {
		return nil, false
	}
	return es.Edges(), true
}

// pressEdges waits for the edges of one press: first closed, last opened.
func (t *trial) pressEdges(ctx context.Context, relay string) (closed, opened time.Time, fitted bool, err error) {
	deadline := t.b.Clock.Now().Add(time.Second)
	for {
		edges, ok := t.takeEdges(relay)
		if !ok {
			return closed, opened, false, nil
		}
		for _, e := range edges {
			if e.On && closed.IsZero() {
				closed = e.Time
			}
			if !e.On && !closed.IsZero() {
				opened = e.Time
			}
		}
		if !closed.IsZero() && !opened.IsZero() {
			return closed, opened, true, nil
		}
		if !t.b.Clock.Now().Before(deadline) {
			return closed, opened, true, fmt.Errorf("the sense of relay %q gave no edges of the press", relay)
		}
		if err := t.b.Clock.Sleep(ctx, look); err != nil {
			return closed, opened, true, err
		}
	}
}

// switched waits out the guards that time heals.
func (t *trial) switched(ctx context.Context, do func() error) error {
	for {
		err := do()
		var guard *rig.GuardError
		if !errors.As(err, &guard) || guard.Wait <= 0 || guard.Wait > time.Minute {
			return err
		}
		if err := t.b.Clock.Sleep(ctx, guard.Wait); err != nil {
			return err
		}
	}
}

// unpowered makes sure that a press is harmless: the power is off, and was seen
// to be.
func (t *trial) unpowered(ctx context.Context, a *rig.Armed) error {
	if t.live != "" {
		return skipf("no press: %s", t.live)
	}
	for _, p := range t.of(rig.RolePower) {
		if on, known, _ := a.State(p.Name); known && !on {
			continue
		}
		if err := t.switched(ctx, func() error { return a.Off(p.Name) }); err != nil {
			return err
		}
		if _, _, err := t.contact(ctx, p, false); err != nil {
			return err
		}
	}
	return nil
}

// reach waits until the DUT answers as one that can be worked with, and wants
// it to be the bench's.
func (t *trial) reach(ctx context.Context) (rig.Sight, error) {
	deadline := t.b.Clock.Now().Add(max(t.b.DUT.MostBoot, time.Minute))
	for {
		sight, err := t.sight(ctx)
		if err != nil || sight.Reach >= rig.ReachReady {
			return sight, err
		}
		if !t.b.Clock.Now().Before(deadline) {
			return sight, fmt.Errorf("the DUT does not answer: %s", sight.Note)
		}
		if err := t.b.Clock.Sleep(ctx, probing); err != nil {
			return sight, err
		}
	}
}

// sight is one look at the DUT. Another unit ends the suite.
func (t *trial) sight(ctx context.Context) (rig.Sight, error) {
	sight, err := t.b.DUT.Prober.Probe(ctx)
	if errors.Is(err, rig.ErrWrongUnit) {
		return sight, &haltError{err}
	}
	if err == nil && t.b.Identity.Contradicts(sight.Identity) {
		return sight, &haltError{fmt.Errorf("%w: serial %q, and the bench names %q", rig.ErrWrongUnit, sight.Identity.Serial, t.b.Identity.Serial)}
	}
	return sight, err
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
