package rig

import (
	"fmt"
	"slices"
	"time"
)

// PlanError says why a scenario cannot work on a bench. It comes before any
// relay moves.
type PlanError struct {
	Scenario, Bench string
	Problems        []string
}

func (e *PlanError) Error() string {
	t := fmt.Sprintf("scenario %q cannot run on bench %q:", e.Scenario, e.Bench)
	for _, p := range e.Problems {
		t += "\n  " + p
	}
	return t
}

// Plan finds what would keep the scenario from working on the bench, for a
// number of cycles. nil, or a *PlanError that lists every problem.
func (b *Bench) Plan(sc *Scenario, cycles int) error {
	p := &planner{b: b}
	steps := [][]Step{sc.Arrange, sc.Act, sc.Assert}
	for _, phase := range steps {
		for _, s := range phase {
			p.step(s)
		}
	}
	for name := range p.pressed {
		p.add("relay %q is pressed and never released", name)
	}
	if cycles > 1 && b.DUT.NeedsProvision && p.resets && !p.provisions {
		p.add("%d cycles are planned, and nothing provisions the unit: after the first reset it has no login; add the step `provision` to arrange", cycles)
	}
	if len(p.problems) == 0 {
		return nil
	}
	return &PlanError{Scenario: sc.Name, Bench: b.Name, Problems: p.problems}
}

type planner struct {
	b          *Bench
	problems   []string
	marked     bool
	resets     bool
	provisions bool
	pressed    map[string]time.Duration // relay → longest time it will have been pressed
}

func (p *planner) add(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.problems, text) {
		p.problems = append(p.problems, text)
	}
}

func (p *planner) relay(name string, role Role) (RelaySpec, bool) {
	s, ok := p.b.Spec(name)
	if !ok {
		p.add("the bench has no relay %q", name)
		return s, false
	}
	if s.Role != role {
		p.add("relay %q is a %s relay, and the scenario needs a %s relay", name, s.Role, role)
		return s, false
	}
	return s, true
}

func (p *planner) need(has bool, step Step, what string) {
	if !has {
		p.add("step %q needs %s", step, what)
	}
}

// pass counts time that every closed press will have been closed.
func (p *planner) pass(d time.Duration) {
	for n := range p.pressed {
		p.pressed[n] += d
		p.deadMan(n)
	}
}

func (p *planner) deadMan(name string) {
	s, _ := p.b.Spec(name)
	if held := p.pressed[name]; s.MaxOn > 0 && held+time.Second > s.MaxOn {
		p.add("relay %q would be pressed for %v and its dead man (max-on) opens it after %v: raise max-on above %v or hold shorter",
			name, held, s.MaxOn, held+time.Second)
	}
}

func (p *planner) step(s Step) {
	dut := p.b.DUT
	switch s := s.(type) {
	case SwitchPower:
		p.relay(s.Relay, RolePower)
	case Wait:
		p.pass(s.For)
	case PressRelay:
		if spec, ok := p.relay(s.Relay, RolePress); ok {
			if spec.MaxOn <= 0 {
				p.add("relay %q has no dead man: a press needs max-on", s.Relay)
			}
			if p.pressed == nil {
				p.pressed = map[string]time.Duration{}
			}
			p.pressed[s.Relay] = 0
		}
	case ReleaseRelay:
		p.relay(s.Relay, RolePress)
		p.resets = p.resets || p.pressed[s.Relay] > 0
		delete(p.pressed, s.Relay)
	case Hold:
		if s.Cap > 0 && s.Cap < s.For {
			p.add("step %q: its cap of %v is shorter than the hold", s, s.Cap)
		}
		p.pass(s.For)
	case Hear:
		if s.Verdict != BeepExpected {
			p.need(p.b.Ear != nil, s, "a microphone, and the bench has no `ear`; with -p beep=expected a missing ear is recorded and the cycle goes on")
			p.need(p.b.Ear == nil || p.b.EarCalibrated, s, "a calibrated ear: this one cannot tell the DUT's beep from a neighbour's. `resetrig calibrate` learns it, or write ear.beep; with -p beep=expected it is recorded and the cycle goes on")
		}
	case Restarted, Reachable:
		p.need(dut.Prober != nil, s, "a DUT with a url")
	case Provision:
		p.provisions = true
		p.need(dut.Provisioner != nil, s, "a dialect that can provision")
	case SetMark:
		p.marked = true
		p.need(dut.Marker != nil, s, "a dialect that can mark")
	case StillMarked:
		p.need(dut.Marker != nil, s, "a dialect that can mark")
		p.needMark(s)
	case DefaultState:
		p.need(dut.Judge != nil, s, "a dialect that can judge the default state")
		p.need(len(s.Functions) == 0 || dut.HasBaseline, s, "dut.baseline, the configuration after a known good reset; `resetrig nvr baseline record` makes one")
		p.needMark(s)
	case Persists:
		p.relay("power", RolePower)
		p.need(dut.Judge != nil, s, "a dialect that can judge the default state")
		p.needMark(s)
	case FactoryReset:
		if s.WrongPassword {
			p.need(dut.Refuser != nil, s, "a dialect that can reset over the network")
			return
		}
		p.resets = p.resets || len(s.Functions) == 0
		p.need(dut.Resetter != nil, s, "a dialect that can reset over the network")
	case Exec:
		p.need(p.b.Programs != nil, s, "a bench that may run programs")
	default:
		p.add("step %q is unknown to this program", s)
	}
}

func (p *planner) needMark(s Step) {
	if !p.marked {
		p.add("step %q comes without a mark before it: a test that cannot fail proves nothing", s)
	}
}
