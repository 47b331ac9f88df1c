package rig_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"resetrig/rig"
)

func testBench(r *relays, safe rig.SafeState) *rig.Bench {
	return &rig.Bench{
		Name: "test", Clock: rig.System(), Relays: r,
		Specs: []rig.RelaySpec{
			{Name: "power", Role: rig.RolePower, Safe: safe, MinOff: 3 * time.Second, PerHour: 4},
			{Name: "reset", Role: rig.RolePress, Safe: rig.SafeOff, MaxOn: 40 * time.Second},
		},
		WriteWindow: 30 * time.Second,
	}
}

// press is what a cycle does up to its most dangerous moment: the pins shorted
// and the DUT powered.
func press(t *testing.T, a *rig.Armed) {
	t.Helper()
	for _, step := range []error{a.Off("power"), a.On("reset", false)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	time.Sleep(5 * time.Second)
	if err := a.On("power", false); err != nil {
		t.Fatal(err)
	}
}

var errTest = errors.New("a test's own error")

// Every way to end a run opens the press, and brings the power to the bench's
// safe state.
func TestArmEndsSafe(t *testing.T) {
	ways := []struct {
		name string
		run  func(ctx context.Context, b *rig.Bench, stop context.CancelCauseFunc, emergency func()) error
		want error // what the error must be
	}{
		{"return", func(context.Context, *rig.Bench, context.CancelCauseFunc, func()) error { return nil }, nil},
		{"error", func(context.Context, *rig.Bench, context.CancelCauseFunc, func()) error { return errTest }, errTest},
		{"panic here", func(context.Context, *rig.Bench, context.CancelCauseFunc, func()) error { panic("here") }, &rig.PanicError{}},
		{"panic in another goroutine", func(ctx context.Context, b *rig.Bench, _ context.CancelCauseFunc, _ func()) error {
			go func() { b.Fault(rig.Guarded(func() error { panic("there") })) }()
			<-ctx.Done()
			return context.Cause(ctx)
		}, &rig.PanicError{}},
		{"cancel", func(ctx context.Context, _ *rig.Bench, stop context.CancelCauseFunc, _ func()) error {
			stop(rig.ErrStop)
			return context.Cause(ctx)
		}, rig.ErrStop},
		{"stuck in a request when stopped", func(ctx context.Context, b *rig.Bench, stop context.CancelCauseFunc, _ func()) error {
			stop(rig.ErrStop)
			synctest.Wait() // the cycle's goroutine does nothing at all
			if b.Relays.(*relays).state("reset") {
				t.Error("the press was still closed while the cycle was stuck")
			}
			return context.Cause(ctx)
		}, rig.ErrStop},
		{"emergency", func(ctx context.Context, b *rig.Bench, _ context.CancelCauseFunc, emergency func()) error {
			emergency()
			synctest.Wait()
			if r := b.Relays.(*relays); r.state("reset") || r.state("power") {
				t.Error("not everything was cut at once")
			}
			return context.Cause(ctx)
		}, rig.ErrEmergency},
		{"dead man", func(ctx context.Context, b *rig.Bench, _ context.CancelCauseFunc, _ func()) error {
			time.Sleep(41 * time.Second)
			if b.Relays.(*relays).state("reset") {
				t.Error("the dead man did not open the press")
			}
			return context.Cause(ctx)
		}, &rig.DeadManError{}},
		{"a relay that refuses twice", func(_ context.Context, b *rig.Bench, _ context.CancelCauseFunc, _ func()) error {
			b.Relays.(*relays).refuse["reset"] = 2
			return nil
		}, nil},
		{"a relay that refuses for good", func(_ context.Context, b *rig.Bench, _ context.CancelCauseFunc, _ func()) error {
			b.Relays.(*relays).refuse["reset"] = -1
			return errTest
		}, &rig.UnsafeError{}},
		{"a line that reads on", func(_ context.Context, b *rig.Bench, _ context.CancelCauseFunc, _ func()) error {
			b.Relays.(*relays).stuck["reset"] = true
			return nil
		}, &rig.UnsafeError{}},
		{"a relay that cannot be read back", func(_ context.Context, b *rig.Bench, _ context.CancelCauseFunc, _ func()) error {
			b.Relays.(*relays).blind = true
			return nil
		}, nil},
	}
	for _, safe := range []rig.SafeState{rig.SafeOff, rig.SafeKeep} {
		for _, way := range ways {
			t.Run(string(safe)+"/"+way.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRelays()
					b := testBench(r, safe)
					cut := make(chan struct{})
					b.Emergency = cut
					ctx, stop := context.WithCancelCause(t.Context())
					var handle *rig.Armed
					err := b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
						handle = a
						if r.state("reset") {
							t.Error("the press was closed when the bench was armed")
						}
						press(t, a)
						return way.run(ctx, b, stop, func() { close(cut) })
					})
					switch want := way.want.(type) {
					case *rig.PanicError:
						var got *rig.PanicError
						if !errors.As(err, &got) {
							t.Errorf("error %v, want a panic", err)
						}
					case *rig.DeadManError:
						var got *rig.DeadManError
						if !errors.As(err, &got) || got.Relay != "reset" {
							t.Errorf("error %v, want the dead man of reset", err)
						}
					case *rig.UnsafeError:
						var got *rig.UnsafeError
						if !errors.As(err, &got) || !slices.Equal(got.Relays, []string{"reset"}) {
							t.Errorf("error %v, want the relay reset in doubt", err)
						}
					default:
						if !errors.Is(err, want) || want == nil && err != nil {
							t.Errorf("error %v, want %v", err, want)
						}
					}
					var unsafe *rig.UnsafeError
					if r.state("reset") && !errors.As(err, &unsafe) {
						t.Error("the press is closed, and nothing says so")
					}
					if got, want := r.state("power"), safe == rig.SafeKeep && !errors.Is(err, rig.ErrEmergency); got != want {
						t.Errorf("powered %v, want %v", got, want)
					}
					if err := handle.On("reset", true); !errors.Is(err, rig.ErrDisarmed) && !errors.Is(err, rig.ErrEmergency) {
						t.Errorf("the handle still switches after Arm: %v", err)
					}
				})
			})
		}
	}
}

// A stop keeps the power of a DUT that may be writing its flash, and opens the
// press at once all the same; an emergency does not wait.
func TestStopWaitsForTheWriteWindow(t *testing.T) {
	for _, emergency := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRelays()
			b := testBench(r, rig.SafeOff)
			cut := make(chan struct{})
			b.Emergency = cut
			ctx, stop := context.WithCancelCause(t.Context())
			var stopped time.Time
			_ = b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
				press(t, a)
				a.Writing()
				stopped = time.Now()
				stop(rig.ErrStop)
				if emergency {
					time.AfterFunc(2*time.Second, func() { close(cut) })
				}
				time.AfterFunc(time.Second, func() {
					if r.state("reset") || !r.state("power") {
						t.Error("one second after the stop: want the press open and the power on")
					}
				})
				return context.Cause(ctx)
			})
			got := time.Since(stopped)
			want := b.WriteWindow
			if emergency {
				want = 2 * time.Second
			}
			if got < want || got > want+200*time.Millisecond {
				t.Errorf("the power was cut %v after the stop, want %v", got, want)
			}
		})
	}
}

func TestGuards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelays()
		b := testBench(r, rig.SafeOff)
		err := b.Arm(t.Context(), func(_ context.Context, a *rig.Armed) error {
			guard := func(err error) string {
				var g *rig.GuardError
				if errors.As(err, &g) {
					return g.Rule
				}
				return ""
			}
			if got := guard(a.On("power", false)); got != "min-off" {
				t.Errorf("power on at once: guard %q, want min-off", got)
			}
			time.Sleep(3 * time.Second)
			if err := a.On("power", false); err != nil {
				t.Errorf("power on after min-off: %v", err)
			}
			if got := guard(a.On("reset", false)); got != "the interlock with power" {
				t.Errorf("press while powered: guard %q, want the interlock", got)
			}
			if err := a.On("reset", true); err != nil {
				t.Errorf("press while powered, as the scenario says: %v", err)
			}
			for range 3 {
				if err := a.Off("power"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				if err := a.On("power", false); err != nil {
					t.Fatal(err)
				}
			}
			_ = a.Off("power")
			time.Sleep(3 * time.Second)
			if got := guard(a.On("power", false)); got != "per-hour" {
				t.Errorf("the fifth switching on within an hour: guard %q, want per-hour", got)
			}
			if err := a.On("valve", false); err == nil {
				t.Error("a relay that the bench has not was switched")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A bench that cannot be made safe is not armed.
func TestArmRefusesAnUnsafeBench(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelays()
		r.refuse["reset"] = -1
		err := testBench(r, rig.SafeOff).Arm(t.Context(), func(context.Context, *rig.Armed) error {
			t.Error("armed")
			return nil
		})
		var unsafe *rig.UnsafeError
		if !errors.As(err, &unsafe) {
			t.Errorf("error %v, want an UnsafeError", err)
		}
		if r.state("power") {
			t.Error("one relay that refused kept another from being made safe")
		}
	})
}

// slowRelays is a driver that closes the contact at once and comes back late.
type slowRelays struct {
	*relays
	slow time.Duration
}

func (r slowRelays) Set(name string, on bool) error {
	err := r.relays.Set(name, on)
	if on && name == "reset" {
		time.Sleep(r.slow)
	}
	return err
}

// The dead man counts from before the driver was asked, and opens the press
// although the driver has not come back.
func TestDeadManWithAStuckDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelays()
		b := testBench(r, rig.SafeKeep)
		b.Relays = slowRelays{r, 10 * time.Minute}
		err := b.Arm(t.Context(), func(ctx context.Context, a *rig.Armed) error {
			time.AfterFunc(41*time.Second, func() {
				if r.state("reset") {
					t.Error("a second after max-on the press is closed")
				}
			})
			if err := a.On("reset", true); err == nil {
				t.Error("a press that was opened while it was being closed counts as closed")
			}
			return context.Cause(ctx)
		})
		var dead *rig.DeadManError
		if !errors.As(err, &dead) {
			t.Errorf("error %v, want the dead man", err)
		}
		if r.state("reset") {
			t.Error("the press is closed")
		}
	})
}

// A stop that comes while the driver closes a press has the last word.
func TestStopOvertakesAPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelays()
		b := testBench(r, rig.SafeKeep)
		b.Relays = slowRelays{r, 3 * time.Second}
		ctx, stop := context.WithCancelCause(t.Context())
		_ = b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
			time.AfterFunc(time.Second, func() { stop(rig.ErrStop) })
			if err := a.On("reset", true); err == nil {
				t.Error("the press was closed after the stop")
			}
			if r.state("reset") {
				t.Error("the press is closed after the stop")
			}
			if err := a.On("reset", true); !errors.Is(err, rig.ErrStop) {
				t.Errorf("a press after the stop: %v", err)
			}
			return nil
		})
	})
}

// Each press of a powered DUT, however it ends, has its write window.
func TestEveryPressHasItsWriteWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelays()
		b := testBench(r, rig.SafeOff)
		ctx, stop := context.WithCancelCause(t.Context())
		var stopped time.Time
		_ = b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
			press(t, a)
			time.Sleep(16 * time.Second) // the DUT has taken the reset; nobody released yet
			stopped = time.Now()
			stop(rig.ErrStop)
			return context.Cause(ctx)
		})
		if got := time.Since(stopped); got < b.WriteWindow {
			t.Errorf("the power was cut %v after a stop in the hold, want %v", got, b.WriteWindow)
		}
	})
}

// Stopped while it is being made safe, a bench is safe and says stopped.
func TestArmStoppedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		stop(rig.ErrStop)
		r := newRelays()
		err := testBench(r, rig.SafeOff).Arm(ctx, func(context.Context, *rig.Armed) error {
			t.Error("armed")
			return nil
		})
		if !errors.Is(err, rig.ErrStop) || r.state("reset") || r.state("power") {
			t.Errorf("%v; pressed %v, powered %v", err, r.state("reset"), r.state("power"))
		}
	})
}

// lateRelays is a driver that closes the contact late, and comes back later.
type lateRelays struct{ *relays }

func (r lateRelays) Set(name string, on bool) error {
	if !on || name != "reset" {
		return r.relays.Set(name, on)
	}
	time.Sleep(3 * time.Second)
	err := r.relays.Set(name, on)
	time.Sleep(10 * time.Minute)
	return err
}

// A stop that was obeyed before the driver closed the contact leaves the dead
// man on its watch.
func TestDeadManOutlivesAStopThatCameTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelays()
		b := testBench(r, rig.SafeKeep)
		b.Relays = lateRelays{r}
		ctx, stop := context.WithCancelCause(t.Context())
		_ = b.Arm(ctx, func(_ context.Context, a *rig.Armed) error {
			time.AfterFunc(time.Second, func() { stop(rig.ErrStop) })
			time.AfterFunc(10*time.Second, func() {
				if !r.state("reset") {
					t.Error("the contact did not close late: this proves nothing")
				}
			})
			time.AfterFunc(41*time.Second, func() {
				if r.state("reset") {
					t.Error("a second after max-on the press is closed")
				}
			})
			return a.On("reset", true)
		})
		if r.state("reset") {
			t.Error("the press is closed")
		}
	})
}
