package rigtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"resetrig/rig"
)

// way is a way in which what happens inside Arm can end.
type way struct {
	name string
	cuts bool // takes the power away whatever the bench's safe state
	// end ends it; the press is closed.
	end func(ctx context.Context, t *trial, stop context.CancelCauseFunc) error
	// is says whether Arm's error tells of that end.
	is func(error) bool
}

var errOwn = errors.New("the case's own error")

// ways is not changed.
var ways = []way{
	{
		name: "return",
		end:  func(context.Context, *trial, context.CancelCauseFunc) error { return nil },
		is:   func(err error) bool { return err == nil },
	},
	{
		name: "error",
		end:  func(context.Context, *trial, context.CancelCauseFunc) error { return errOwn },
		is:   func(err error) bool { return errors.Is(err, errOwn) },
	},
	{
		name: "panic",
		end:  func(context.Context, *trial, context.CancelCauseFunc) error { panic("made up by the case") },
		is:   isPanic,
	},
	{
		name: "panic-elsewhere",
		end: func(ctx context.Context, t *trial, _ context.CancelCauseFunc) error {
			done := make(chan struct{})
			go func() {
				defer close(done)
				t.b.Fault(rig.Guarded(func() error { panic("made up by the case, in another goroutine") }))
			}()
			<-done
			<-ctx.Done()
			return context.Cause(ctx)
		},
		is: isPanic,
	},
	{
		name: "stop",
		end: func(ctx context.Context, t *trial, stop context.CancelCauseFunc) error {
			return t.opensWhileStuck(ctx, func() { stop(rig.ErrStop) })
		},
		is: func(err error) bool { return errors.Is(err, rig.ErrStop) },
	},
	{
		name: "emergency", cuts: true,
		end: func(ctx context.Context, t *trial, _ context.CancelCauseFunc) error {
			return t.opensWhileStuck(ctx, func() { close(t.cut) })
		},
		is: func(err error) bool { return errors.Is(err, rig.ErrEmergency) },
	},
}

func isPanic(err error) bool {
	var p *rig.PanicError
	return errors.As(err, &p)
}

// opensWhileStuck does what ends the case, and then nothing at all, like a
// cycle in a request that hangs: the press must open all the same.
func (t *trial) opensWhileStuck(ctx context.Context, do func()) error {
	p, err := t.press()
	if err != nil {
		return err
	}
	mark, began := t.gate.since(), t.b.Clock.Now()
	do()
	w, err := t.gate.off(p.Name, mark)
	if err != nil {
		return err
	}
	t.figure(p.Name+"_opened_after", w.at.Sub(began))
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		return errors.New("the end was not told to what went on")
	}
	return context.Cause(ctx)
}

// endsSafe closes the press and ends in that way: on a DUT without power, or at
// its power-on, which is the most dangerous moment of a cycle.
func endsSafe(ctx context.Context, t *trial, w way, powered bool, safe rig.SafeState) error {
	p, err := t.press()
	if err != nil {
		return err
	}
	if t.live != "" {
		return skipf("no press: %s", t.live)
	}
	powers := t.of(rig.RolePower)
	for _, s := range powers {
		t.spec(s.Name, func(s *rig.RelaySpec) { s.Safe = safe })
	}
	t.b.WriteWindow = briefly // keepsPower is the case for it
	stopped, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var kept *rig.Armed
	began := false
	err = t.pressed(stopped, p, func(inner context.Context, a *rig.Armed) error {
		if powered {
			for _, s := range powers {
				if err := t.switched(inner, func() error { return a.On(s.Name, false) }); err != nil {
					return err
				}
			}
		}
		if err := t.b.Clock.Sleep(inner, briefly); err != nil {
			return err
		}
		kept, began = a, true
		return w.end(inner, t, stop)
	})
	var unsafe *rig.UnsafeError
	if !began || errors.As(err, &unsafe) {
		return err
	}
	if !w.is(err) {
		return fmt.Errorf("it ended by %s, and the error was: %v", w.name, err)
	}
	if err := kept.On(p.Name, true); err == nil {
		return errors.New("the handle still switches")
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	for _, s := range powers {
		want := powered && safe == rig.SafeKeep && !w.cuts
		if err := t.line(s.Name, want); err != nil {
			return err
		}
		if _, _, err := t.contact(ctx, s, want); err != nil {
			return err
		}
		t.saw("%s %s", s.Name, onOff(want))
	}
	return nil
}

// keepsPower ends while the DUT may be writing its flash, by a stop or by an
// error: the press opens before the wait for the write window, not after it.
func keepsPower(ctx context.Context, t *trial, byStop bool) error {
	p, err := t.press()
	if err != nil {
		return err
	}
	powers := t.of(rig.RolePower)
	if len(powers) == 0 {
		return skipf("the bench has no power relay")
	}
	if t.live != "" {
		return skipf("no press: %s", t.live)
	}
	power := powers[0]
	t.spec(power.Name, func(s *rig.RelaySpec) { s.Safe = rig.SafeOff })
	t.b.WriteWindow = 2 * time.Second
	stopped, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var writing time.Time
	var mark int
	err = t.pressed(stopped, p, func(inner context.Context, a *rig.Armed) error {
		if err := t.switched(inner, func() error { return a.On(power.Name, false) }); err != nil {
			return err
		}
		a.Writing()
		writing, mark = t.b.Clock.Now(), t.gate.since()
		if byStop {
			return t.opensWhileStuck(inner, func() { stop(rig.ErrStop) })
		}
		return errOwn
	})
	var unsafe *rig.UnsafeError
	if errors.As(err, &unsafe) || !errors.Is(err, rig.ErrStop) && !errors.Is(err, errOwn) {
		return err
	}
	opened, err := t.gate.off(p.Name, mark)
	if err != nil {
		return err
	}
	cut, err := t.gate.off(power.Name, mark)
	if err != nil {
		return err
	}
	t.figure("press_kept", opened.at.Sub(writing))
	t.figure("power_kept", cut.at.Sub(writing))
	if d := opened.at.Sub(writing); d > lateness {
		return fmt.Errorf("the press was opened %v after the end", d)
	}
	if d := cut.at.Sub(writing) - t.b.WriteWindow; d < 0 || d > lateness {
		return fmt.Errorf("the power was cut %v after the DUT may have begun to write, and its window is %v", cut.at.Sub(writing), t.b.WriteWindow)
	}
	return t.open(ctx)
}
