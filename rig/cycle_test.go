package rig_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"resetrig/rig"
)

// dut answers as it is told to, a second after its power came on.
type dut struct {
	r     *relays
	probe func() (rig.Sight, error)
	on    time.Time
}

func (d *dut) Probe(ctx context.Context) (rig.Sight, error) {
	if err := context.Cause(ctx); err != nil {
		return rig.Sight{}, err
	}
	if d.probe != nil {
		return d.probe()
	}
	if !d.r.state("power") {
		d.on = time.Time{}
		return rig.Sight{Note: "silent"}, nil
	}
	if d.on.IsZero() {
		d.on = time.Now()
	}
	if time.Since(d.on) < 12*time.Second {
		return rig.Sight{Note: "silent"}, nil
	}
	return rig.Sight{Reach: rig.ReachReady, Init: rig.InitOld}, nil
}

func (d *dut) Provision(context.Context) ([]rig.Check, error) { return nil, nil }

func (d *dut) Mark(context.Context, rig.MarkSpec) (rig.Mark, error) {
	return rig.Mark{ID: "m", Values: []rig.MarkedValue{{What: "name", Was: "NVR", Is: "x"}}}, nil
}

func (d *dut) StillMarked(context.Context, rig.Mark) ([]rig.Check, error) {
	return []rig.Check{{Name: "marker/name", Kind: rig.AboutMarker, Outcome: rig.CheckFail}}, nil
}

func (d *dut) Default(context.Context, rig.Mark, rig.DefaultSpec) ([]rig.Check, error) {
	return []rig.Check{{Name: "marker/name", Kind: rig.AboutMarker, Outcome: rig.CheckPass}}, nil
}

func (d *dut) Holds(context.Context, rig.Mark) ([]rig.Check, error) { return nil, nil }

// ear hears one long beep 40 s after it began to listen, within the press, and can be lost.
type ear struct {
	began, lost time.Time
	told        bool
	silent      bool
}

func (e *ear) Begin(context.Context, string) error { e.began = time.Now(); return nil }
func (e *ear) End(bool) error                      { return nil }

func (e *ear) Listen(ctx context.Context, until time.Time) (rig.Hearing, error) {
	if err := rig.System().Sleep(ctx, time.Until(until)); err != nil {
		return rig.Hearing{}, err
	}
	if !e.lost.IsZero() && !time.Now().Before(e.lost) {
		return rig.Hearing{}, rig.ErrEarLost
	}
	onset := e.began.Add(40 * time.Second)
	if e.told || e.silent || time.Since(onset) < 2*time.Second {
		return rig.Hearing{}, nil
	}
	e.told = true
	return rig.Hearing{Beeps: []rig.Beep{{ID: 1, Onset: onset, End: onset.Add(2 * time.Second), Ended: true, Long: true}}}, nil
}

// hardReset is the scenario of these tests: 30 s to the press, 20 s held.
func hardReset(beep rig.BeepVerdict) *rig.Scenario {
	return &rig.Scenario{
		Name:    "hard-reset",
		Arrange: []rig.Step{rig.SwitchPower{Relay: "power", On: true}, rig.Reachable{Within: time.Minute}, rig.SetMark{}},
		Act: []rig.Step{
			rig.SwitchPower{Relay: "power"}, rig.Wait{For: 10 * time.Second}, rig.PressRelay{Relay: "reset"},
			rig.SwitchPower{Relay: "power", On: true},
			rig.Hold{For: 20 * time.Second, Since: rig.PowerOn, UntilBeepEnds: time.Second}, rig.ReleaseRelay{Relay: "reset"},
			rig.Hear{Beep: "long", From: rig.PowerOn, To: rig.Release, Verdict: beep},
		},
		Assert: []rig.Step{rig.Restarted{Within: 2 * time.Minute, Stable: 10 * time.Second, Since: rig.Latest}, rig.DefaultState{}},
	}
}

// What ends a cycle gives it its outcome; the press is open afterwards.
func TestCycleEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		beep    rig.BeepVerdict
		set     func(b *rig.Bench, r *relays, d *dut, e *ear, stop context.CancelCauseFunc)
		outcome rig.Outcome
		reason  rig.Reason
	}{
		{"the DUT never restarts", rig.BeepExpected, func(_ *rig.Bench, r *relays, d *dut, _ *ear, _ context.CancelCauseFunc) {
			pressed := false
			d.probe = func() (rig.Sight, error) {
				if pressed = pressed || r.state("reset") || !r.state("power"); pressed {
					return rig.Sight{Note: "silent"}, nil
				}
				return rig.Sight{Reach: rig.ReachReady}, nil
			}
		}, rig.Fail, rig.ReasonNoRestart},
		{"a panic in a device", rig.BeepExpected, func(_ *rig.Bench, r *relays, d *dut, _ *ear, _ context.CancelCauseFunc) {
			d.probe = func() (rig.Sight, error) { panic("defect") }
		}, rig.Error, rig.ReasonPanic},
		{"a panic elsewhere", rig.BeepExpected, func(b *rig.Bench, _ *relays, _ *dut, _ *ear, _ context.CancelCauseFunc) {
			time.AfterFunc(35*time.Second, func() { b.Fault(rig.Guarded(func() error { panic("elsewhere") })) })
		}, rig.Error, rig.ReasonPanic},
		{"a stop in the press", rig.BeepExpected, func(_ *rig.Bench, _ *relays, _ *dut, _ *ear, stop context.CancelCauseFunc) {
			time.AfterFunc(40*time.Second, func() { stop(rig.ErrStop) })
		}, rig.Aborted, rig.ReasonStopped},
		{"a stop in a request, which then says anything", rig.BeepExpected, func(_ *rig.Bench, _ *relays, d *dut, _ *ear, stop context.CancelCauseFunc) {
			d.probe = func() (rig.Sight, error) {
				stop(rig.ErrStop)
				return rig.Sight{}, rig.ErrWrongUnit
			}
		}, rig.Aborted, rig.ReasonStopped},
		{"another unit", rig.BeepExpected, func(_ *rig.Bench, _ *relays, d *dut, _ *ear, _ context.CancelCauseFunc) {
			d.probe = func() (rig.Sight, error) { return rig.Sight{}, rig.ErrWrongUnit }
		}, rig.Error, rig.ReasonWrongUnit},
		{"a line that does not follow", rig.BeepExpected, func(_ *rig.Bench, r *relays, _ *dut, _ *ear, _ context.CancelCauseFunc) {
			time.AfterFunc(5*time.Second, func() { r.mu.Lock(); r.stuck["power"] = true; r.mu.Unlock() })
		}, rig.Error, rig.ReasonRelayReadBack},
		{"an ear lost before a required beep", rig.BeepRequired, func(_ *rig.Bench, _ *relays, _ *dut, e *ear, _ context.CancelCauseFunc) {
			e.lost = time.Now().Add(35 * time.Second)
		}, rig.Error, rig.ReasonEarLost},
		{"an ear lost in the middle of a request", rig.BeepRequired, func(b *rig.Bench, _ *relays, _ *dut, _ *ear, _ context.CancelCauseFunc) {
			time.AfterFunc(5*time.Second, func() { b.Fault(rig.ErrEarLost) })
		}, rig.Error, rig.ReasonEarLost},
		{"a required beep that does not come", rig.BeepRequired, func(_ *rig.Bench, _ *relays, _ *dut, e *ear, _ context.CancelCauseFunc) {
			e.silent = true
		}, rig.Fail, rig.ReasonBeepMissing},
		{"a forbidden beep", rig.BeepForbidden, func(*rig.Bench, *relays, *dut, *ear, context.CancelCauseFunc) {}, rig.Fail, rig.ReasonBeepForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelays()
				d, e := &dut{r: r}, &ear{}
				b := testBench(r, rig.SafeKeep)
				b.Ear, b.EarCalibrated = e, true
				b.DUT = rig.DUT{Prober: d, Provisioner: d, Marker: d, Judge: d, LeastBoot: 10 * time.Second}
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				var rec rig.Record
				err := b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
					c.set(b, r, d, e, stop)
					rec = b.Cycle(ctx, a, hardReset(c.beep), rig.CycleSpec{ID: "1", Cycle: 1, Attempt: 1})
					if r.state("reset") {
						t.Error("the press is closed after the cycle")
					}
					return nil
				})
				var unsafe *rig.UnsafeError
				if err != nil && !errors.As(err, &unsafe) {
					t.Error(err)
				}
				if rec.Outcome != c.outcome || rec.Reason != c.reason {
					t.Errorf("%s %s, want %s %s: %s", rec.Outcome, rec.Reason, c.outcome, c.reason, rec.Text)
				}
			})
		})
	}
}

// An ear lost after the beep was judged, or where a beep is only expected, does
// not decide: the cycle goes on by the clock.
func TestEarLostWhereItDoesNotMatter(t *testing.T) {
	for beep, at := range map[rig.BeepVerdict]time.Duration{rig.BeepRequired: 65 * time.Second, rig.BeepExpected: 35 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			r := newRelays()
			d, e := &dut{r: r}, &ear{}
			b := testBench(r, rig.SafeKeep)
			b.Ear, b.EarCalibrated = e, true
			b.DUT = rig.DUT{Prober: d, Provisioner: d, Marker: d, Judge: d, LeastBoot: 5 * time.Second}
			var rec rig.Record
			_ = b.Arm(t.Context(), func(ctx context.Context, a *rig.Armed) error {
				e.lost = time.Now().Add(at)
				rec = b.Cycle(ctx, a, hardReset(beep), rig.CycleSpec{ID: "1", Cycle: 1, Attempt: 1})
				return nil
			})
			found := false
			for _, f := range rec.Findings {
				found = found || f.Name == "lost"
			}
			if !found {
				t.Errorf("%s: the record does not say that the ear was lost", beep)
			}
			if rec.Reason == rig.ReasonEarLost || rec.Reason == rig.ReasonEarUnfit {
				t.Errorf("%s: %s %s: %s", beep, rec.Outcome, rec.Reason, rec.Text)
			}
		})
	}
}

// A timeline begins at the cycle's start and goes forward, also where a relay
// was already as it was asked to be.
func TestTimelineGoesForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelays()
		r.on["power"] = false // switched off by somebody before us
		d := &dut{r: r}
		b := testBench(r, rig.SafeKeep)
		b.DUT = rig.DUT{Prober: d, Provisioner: d, Marker: d, Judge: d, LeastBoot: 5 * time.Second}
		var rec rig.Record
		_ = b.Arm(t.Context(), func(ctx context.Context, a *rig.Armed) error {
			sc := hardReset(rig.BeepExpected)
			sc.Arrange = append([]rig.Step{rig.SwitchPower{Relay: "power"}, rig.SwitchPower{Relay: "power"}, rig.Wait{For: 5 * time.Second}}, sc.Arrange...)
			rec = b.Cycle(ctx, a, sc, rig.CycleSpec{ID: "1", Cycle: 1, Attempt: 1})
			return nil
		})
		last := time.Duration(0)
		for _, e := range rec.Timeline {
			if e.At < last || e.At > rec.Took {
				t.Fatalf("%s %s at %v, after %v, in a cycle of %v", e.Kind, e.Name, e.At, last, rec.Took)
			}
			last = e.At
		}
	})
}
