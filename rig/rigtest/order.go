package rigtest

import (
	"context"
	"fmt"
	"time"

	"resetrig/rig"
)

// lag is how much later than the driver's return a moment may be in a record.
const lag = 5 * time.Millisecond

// move is one switching of a relay, on the cycle's timeline.
type move struct {
	relay string
	on    bool
}

// cycleOrder runs a real cycle, through the same runner as every scenario. Its
// press is over before the power comes back, so that no recorder takes it.
func cycleOrder(ctx context.Context, t *trial) error {
	p, power, err := t.cycleRelays()
	if err != nil {
		return err
	}
	if t.own(power.Name).Safe == rig.SafeOff && t.b.DUT.Prober == nil && !t.expendable {
		return skipf("nothing would tell when the DUT has booted, and the bench's safe state would cut it short")
	}
	return t.cycle(ctx, []rig.Step{
		rig.PressRelay{Relay: p.Name},
		rig.Hold{For: hold, Since: rig.Press},
		rig.ReleaseRelay{Relay: p.Name},
		rig.SwitchPower{Relay: power.Name, On: true},
	}, []move{{p.Name, true}, {p.Name, false}, {power.Name, true}}, hold)
}

// cycleAtPowerOn is the order of a reset with a press that is too short for one.
func cycleAtPowerOn(ctx context.Context, t *trial) error {
	p, power, err := t.cycleRelays()
	if err != nil {
		return err
	}
	const short = 3 * time.Second
	return t.cycle(ctx, []rig.Step{
		rig.PressRelay{Relay: p.Name},
		rig.SwitchPower{Relay: power.Name, On: true},
		rig.Hold{For: short, Since: rig.PowerOn},
		rig.ReleaseRelay{Relay: p.Name},
	}, []move{{p.Name, true}, {power.Name, true}, {p.Name, false}}, short)
}

func (t *trial) cycleRelays() (press, power rig.RelaySpec, err error) {
	if press, err = t.press(); err != nil {
		return press, power, err
	}
	powers := t.of(rig.RolePower)
	if len(powers) == 0 {
		return press, power, skipf("the bench has no power relay")
	}
	if t.live != "" {
		return press, powers[0], skipf("no press: %s", t.live)
	}
	return press, powers[0], nil
}

// cycle runs the steps on a DUT without power, and compares the record's
// switchings with those that reached the relays, and with the wanted ones.
func (t *trial) cycle(ctx context.Context, act []rig.Step, want []move, least time.Duration) error {
	sc := &rig.Scenario{Name: "rigtest", About: "the order of switching", Act: act}
	if err := t.b.Plan(sc, 1); err != nil {
		return err
	}
	var rec rig.Record
	var mark int
	var began time.Time
	ear := t.b.Ear
	t.b.Ear = nil // nothing is to be heard, and a microphone that fails must not end it
	defer func() { t.b.Ear = ear }()
	err := t.b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
		if err := t.unpowered(ctx, a); err != nil {
			return err
		}
		mark, began = t.gate.since(), t.b.Clock.Now()
		rec = t.b.Cycle(ctx, a, sc, rig.CycleSpec{ID: "rigtest", Run: "rigtest", Cycle: 1, Attempt: 1})
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range rec.Steps {
		if s.Error != "" {
			return fmt.Errorf("step %q: %s", s.Step, s.Error)
		}
	}
	var recorded []rig.Event
	for _, e := range rec.Timeline {
		if e.Kind == "relay" {
			recorded = append(recorded, e)
		}
	}
	writes := effective(t.gate.after(mark))
	if len(recorded) != len(want) || len(writes) != len(want) {
		return fmt.Errorf("wanted %d switchings, the record has %d and the relays saw %d", len(want), len(recorded), len(writes))
	}
	var worst time.Duration
	for i, m := range want {
		e, w := recorded[i], writes[i]
		if (move{e.Name, e.On}) != m || (move{w.relay, w.on}) != m {
			return fmt.Errorf("switching %d: wanted %s %s, the record has %s %s and the relay saw %s %s", i+1, m.relay, onOff(m.on), e.Name, onOff(e.On), w.relay, onOff(w.on))
		}
		worst = max(worst, (e.At - w.at.Sub(began)).Abs())
	}
	t.figure("record_off_by", worst)
	if worst > lag {
		return fmt.Errorf("a switching is %v from where the record has it: more than %v", worst, lag)
	}
	for _, m := range rec.Measurements {
		if m.Name == "press_duration" || m.Name == "press_duration_sensed" {
			t.figure(m.Name, time.Duration(m.Value*float64(time.Second)))
			if d := time.Duration(m.Value * float64(time.Second)); d < least-scatter {
				return fmt.Errorf("%s of %v, and %v at least was wanted", m.Name, d, least)
			}
		}
	}
	return nil
}

// effective are the switchings that changed something: opening what is open, as
// every end of a cycle does, is none.
func effective(trace []write) []write {
	on := map[string]bool{}
	var out []write
	for _, w := range trace {
		if w.err == nil && w.on != on[w.relay] {
			on[w.relay] = w.on
			out = append(out, w)
		}
	}
	return out
}
