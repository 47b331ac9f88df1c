package rigtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"resetrig/rig"
)

const (
	hold    = 500 * time.Millisecond  // of a press that is measured
	briefly = 100 * time.Millisecond  // of one that only has to be
	longest = time.Second             // max-on, where a case waits for the dead man
	leastOf = 1500 * time.Millisecond // min-off, where a case waits for it
	// lateness is how late a dead man or a guard may come on a computer that is
	// busy with other things.
	lateness = 250 * time.Millisecond
)

// pressed arms the bench, makes sure that the DUT has no power, and presses.
func (t *trial) pressed(ctx context.Context, p rig.RelaySpec, f func(context.Context, *rig.Armed) error) error {
	return t.b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
		if err := t.unpowered(ctx, a); err != nil {
			return err
		}
		if err := t.switched(ctx, func() error { return a.On(p.Name, false) }); err != nil {
			return err
		}
		if err := t.line(p.Name, true); err != nil {
			return err
		}
		return f(ctx, a)
	})
}

// pressFollows presses each press once and holds line, contact and commanded
// time against each other.
func pressFollows(ctx context.Context, t *trial) error {
	if _, err := t.press(); err != nil {
		return err
	}
	for _, p := range t.of(rig.RolePress) {
		t.takeEdges(p.Name)
		var on, off time.Time
		err := t.pressed(ctx, p, func(ctx context.Context, a *rig.Armed) error {
			_, _, on = a.State(p.Name)
			if err := t.is(ctx, p, true); err != nil {
				return err
			}
			if err := t.b.Clock.Sleep(ctx, hold-t.b.Clock.Now().Sub(on)); err != nil {
				return err
			}
			if err := a.Off(p.Name); err != nil {
				return err
			}
			_, _, off = a.State(p.Name)
			return t.is(ctx, p, false)
		})
		if err != nil {
			return err
		}
		t.figure(p.Name+"_commanded", off.Sub(on))
		closed, opened, fitted, err := t.pressEdges(ctx, p.Name)
		if err != nil {
			return err
		}
		if !fitted {
			continue
		}
		t.figure(p.Name+"_edge_to_edge", opened.Sub(closed))
		t.figure(p.Name+"_line_to_edge", closed.Sub(on))
		allowed := max(p.Settle, scatter)
		if d := opened.Sub(closed) - off.Sub(on); d.Abs() > allowed {
			return fmt.Errorf("the pins were shorted for %v and %v were commanded: more than %v apart", opened.Sub(closed), off.Sub(on), allowed)
		}
	}
	return nil
}

// deadMan forgets a press.
func deadMan(ctx context.Context, t *trial) error {
	p, err := t.press()
	if err != nil {
		return err
	}
	t.spec(p.Name, func(s *rig.RelaySpec) { s.MaxOn = longest })
	err = t.pressed(ctx, p, func(ctx context.Context, a *rig.Armed) error {
		_, _, on := a.State(p.Name)
		mark := t.gate.since()
		_ = t.b.Clock.Sleep(ctx, longest+lateness) // it ends early, with the dead man's word
		w, err := t.gate.off(p.Name, mark)
		if err != nil {
			return err
		}
		t.figure(p.Name+"_on", w.at.Sub(on))
		if d := w.at.Sub(on) - longest; d < 0 || d > lateness {
			return fmt.Errorf("the dead man opened the press after %v, and max-on was %v", w.at.Sub(on), longest)
		}
		var dead *rig.DeadManError
		select {
		case <-ctx.Done():
		case <-time.After(patience):
		}
		if !errors.As(context.Cause(ctx), &dead) {
			return fmt.Errorf("the dead man opened the press, and what went on was told %v", context.Cause(ctx))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.open(ctx)
}

// minOff presses twice in a row, in a cycle, which waits where a guard says so.
func minOff(ctx context.Context, t *trial) error {
	p, err := t.press()
	if err != nil {
		return err
	}
	t.spec(p.Name, func(s *rig.RelaySpec) { s.MinOff = leastOf })
	return t.pressed(ctx, p, func(ctx context.Context, a *rig.Armed) error {
		if err := t.b.Clock.Sleep(ctx, briefly); err != nil {
			return err
		}
		if err := a.Off(p.Name); err != nil {
			return err
		}
		_, _, off := a.State(p.Name)
		mark := t.gate.since()
		err := a.On(p.Name, false)
		var guard *rig.GuardError
		if !errors.As(err, &guard) || guard.Wait <= 0 || guard.Wait > leastOf || len(t.gate.after(mark)) > 0 {
			return fmt.Errorf("a press right after another: wanted min-off to refuse it for up to %v, got %v", leastOf, err)
		}
		if err := t.switched(ctx, func() error { return a.On(p.Name, false) }); err != nil {
			return err
		}
		_, _, on := a.State(p.Name)
		t.figure(p.Name+"_off", on.Sub(off))
		if on.Sub(off) < leastOf {
			return fmt.Errorf("the second press came %v after the first, and min-off is %v", on.Sub(off), leastOf)
		}
		return a.Off(p.Name)
	})
}

// perHour allows one press in the hour.
func perHour(ctx context.Context, t *trial) error {
	p, err := t.press()
	if err != nil {
		return err
	}
	t.spec(p.Name, func(s *rig.RelaySpec) { s.PerHour, s.MinOff = 1, 0 })
	return t.pressed(ctx, p, func(ctx context.Context, a *rig.Armed) error {
		if err := a.Off(p.Name); err != nil {
			return err
		}
		mark := t.gate.since()
		err := a.On(p.Name, false)
		var guard *rig.GuardError
		if !errors.As(err, &guard) || guard.Wait < 50*time.Minute || len(t.gate.after(mark)) > 0 {
			return fmt.Errorf("the second press of an hour that allows one: wanted per-hour to refuse it, got %v", err)
		}
		t.saw("%s, for another %v", guard.Rule, guard.Wait.Round(time.Minute))
		return nil
	})
}

// handleDead keeps a handle beyond its Arm.
func handleDead(ctx context.Context, t *trial) error {
	var kept *rig.Armed
	if err := t.b.Arm(ctx, func(_ context.Context, a *rig.Armed) error { kept = a; return nil }); err != nil {
		return err
	}
	mark := t.gate.since()
	for _, s := range t.b.Specs {
		if err := kept.On(s.Name, true); !errors.Is(err, rig.ErrDisarmed) {
			return fmt.Errorf("relay %q: wanted %q, got %v", s.Name, rig.ErrDisarmed, err)
		}
	}
	if w := t.gate.after(mark); len(w) > 0 {
		return fmt.Errorf("relay %q was switched after Arm had ended", w[0].relay)
	}
	return nil
}

func refusesTwice(ctx context.Context, t *trial) error {
	p, err := t.press()
	if err != nil {
		return err
	}
	var mark int
	err = t.pressed(ctx, p, func(context.Context, *rig.Armed) error {
		mark = t.gate.since()
		t.gate.refuses(p.Name, 2)
		return nil
	})
	if err != nil {
		return err
	}
	refused := 0
	for _, w := range t.gate.after(mark) {
		if errors.Is(w.err, errRefused) {
			refused++
		}
	}
	if refused != 2 {
		return fmt.Errorf("the relay refused %d times, and 2 were made up", refused)
	}
	t.saw("open after %d refusals", refused)
	return t.open(ctx)
}

// refuses keeps a relay from opening by the suite's own gate; the line itself
// is opened right afterwards.
func refuses(ctx context.Context, t *trial) error {
	p, err := t.press()
	if err != nil {
		return err
	}
	err = t.pressed(ctx, p, func(context.Context, *rig.Armed) error {
		t.gate.refuses(p.Name, -1)
		return nil
	})
	t.gate.refuses(p.Name, 0)
	if opened := t.b.Relays.Set(p.Name, false); opened != nil {
		return &rig.UnsafeError{Relays: []string{p.Name}, Err: opened}
	}
	var unsafe *rig.UnsafeError
	var skip *skipError
	switch {
	case errors.As(err, &skip):
		return err
	case !errors.As(err, &unsafe):
		return fmt.Errorf("a relay never opened, and the error was: %v", err)
	case len(unsafe.Relays) != 1 || unsafe.Relays[0] != p.Name:
		return fmt.Errorf("relay %q never opened, and %v are said to be in doubt", p.Name, unsafe.Relays)
	}
	t.saw("in doubt: %s", unsafe.Relays[0])
	return t.open(ctx)
}

// closedSense is the sense of a press that never opens.
type closedSense struct{ rig.Sense }

func (closedSense) On(context.Context) (bool, error) { return true, nil }

// welded lets the sense of a press say what it would of a welded contact. The
// contact itself opens.
func welded(ctx context.Context, t *trial) error {
	p, err := t.press()
	if err != nil {
		return err
	}
	senses := t.b.Senses
	if t.b.Sense(p.Name) == nil {
		return skipf("no sense sees press %q", p.Name)
	}
	defer func() { t.b.Senses = senses }()
	err = t.pressed(ctx, p, func(context.Context, *rig.Armed) error {
		t.b.Senses = slices.Clone(senses)
		for i, s := range senses {
			if s.Of() == p.Name {
				t.b.Senses[i] = closedSense{s}
			}
		}
		return nil
	})
	t.b.Senses = senses
	var unsafe *rig.UnsafeError
	if !errors.As(err, &unsafe) || len(unsafe.Relays) != 1 || unsafe.Relays[0] != p.Name {
		return errors.Join(fmt.Errorf("the sense of relay %q saw it closed, and nothing said so", p.Name), err)
	}
	t.saw("in doubt: %s", unsafe.Relays[0])
	return t.open(ctx)
}
