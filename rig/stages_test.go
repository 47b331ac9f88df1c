package rig_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"resetrig/rig"
)

// starting is a DUT that shows one stage after the other: its link 3 s after
// power-on, its address at 6 s, a connection at 9 s, an answer at 12 s.
type starting struct {
	dut
	checks []rig.Check
	spec   rig.DefaultSpec
}

func (d *starting) Probe(ctx context.Context) (rig.Sight, error) {
	if !d.r.state("power") {
		d.on = time.Time{}
		return rig.Sight{Link: rig.LinkDown}, nil
	}
	if d.on.IsZero() {
		d.on = time.Now()
	}
	s := rig.Sight{Link: rig.LinkDown}
	up := time.Since(d.on)
	if up >= 3*time.Second {
		s.Link = rig.LinkUp
	}
	s.Alive = up >= 6*time.Second
	switch {
	case up >= 14*time.Second:
		s.Reach = rig.ReachReady
	case up >= 12*time.Second:
		s.Reach = rig.ReachAnswers
	case up >= 9*time.Second:
		s.Reach = rig.ReachConnects
	}
	return s, nil
}

func (d *starting) Default(_ context.Context, _ rig.Mark, spec rig.DefaultSpec) ([]rig.Check, error) {
	d.spec = spec
	for i := range d.checks {
		if d.checks[i].Kind == rig.AboutLogin {
			d.checks[i].At = time.Now()
		}
	}
	return d.checks, nil
}

func cycleOf(t *testing.T, d *starting, sc *rig.Scenario) (rec rig.Record) {
	r := newRelays()
	d.r = r
	b := testBench(r, rig.SafeKeep)
	b.DUT = rig.DUT{Prober: d, Provisioner: d, Marker: d, Judge: d, LeastBoot: 10 * time.Second}
	if err := b.Arm(t.Context(), func(ctx context.Context, a *rig.Armed) error {
		rec = b.Cycle(ctx, a, sc, rig.CycleSpec{ID: "1", Cycle: 1, Attempt: 1})
		return nil
	}); err != nil {
		t.Error(err)
	}
	return rec
}

func powerCycle(reset bool) *rig.Scenario {
	sc := &rig.Scenario{
		Name:    "power-cycle",
		Arrange: []rig.Step{rig.SwitchPower{Relay: "power", On: true}, rig.Reachable{Within: time.Minute}, rig.SetMark{}},
		Act:     []rig.Step{rig.SwitchPower{Relay: "power"}, rig.Wait{For: 10 * time.Second}, rig.SwitchPower{Relay: "power", On: true}},
		Assert:  []rig.Step{rig.Restarted{Within: 2 * time.Minute, Stable: 10 * time.Second, Since: rig.Latest}},
	}
	if reset {
		sc.Assert = append(sc.Assert, rig.DefaultState{})
	}
	return sc
}

var gone = rig.Check{Name: "marker/name", Kind: rig.AboutMarker, Outcome: rig.CheckPass}

func TestStagesOfARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &starting{checks: []rig.Check{gone, {Name: "default-login", Kind: rig.AboutLogin, Outcome: rig.CheckPass}}}
		rec := cycleOf(t, d, powerCycle(true))
		if rec.Outcome != rig.Pass {
			t.Fatalf("%s %s: %s", rec.Outcome, rec.Reason, rec.Text)
		}
		got := map[string]float64{}
		for _, m := range rec.Measurements {
			got[m.Name] = m.Value
		}
		// A look a second: a stage is seen no later than one after it came.
		for name, want := range map[string]float64{"first_link": 3, "first_alive": 6, "first_tcp": 9, "first_answer": 12, "restart_time": 14} {
			if v, ok := got[name]; !ok || v < want || v > want+1.1 {
				t.Errorf("%s is %v (%t), want %v to %v", name, v, ok, want, want+1.1)
			}
		}
		if v := got["first_login"]; math.Abs(v-(got["restart_time"]+10)) > 2 {
			t.Errorf("first_login is %v, want some 10 s after %v: the judge logged in when it had been stable", v, got["restart_time"])
		}
		if d.spec.Since.IsZero() {
			t.Error("the judge was not told since when the DUT must have started")
		}
	})
}

// In its default state, and by its own uptime it never restarted.
func TestUptimeContradictsTheRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &starting{checks: []rig.Check{gone, {Name: "uptime", Kind: rig.AboutRestart, Wanted: "less than 30 s", Seen: "3 days", Outcome: rig.CheckFail}}}
		rec := cycleOf(t, d, powerCycle(true))
		if rec.Outcome != rig.Fail || rec.Reason != rig.ReasonNotRestarted || rec.Attribution != rig.Presumed {
			t.Errorf("%s %s %s, want fail %s presumed: nothing saw that the supply was cut", rec.Outcome, rec.Reason, rec.Attribution, rig.ReasonNotRestarted)
		}
	})
}
