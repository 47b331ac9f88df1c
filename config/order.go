package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"resetrig/rig"
)

// sequence follows a scenario step by step, as far as its text tells.
type sequence struct {
	d       *document
	at      path               // of the step that is looked at
	power   map[string]bool    // by relay; absent: not known
	pressed map[string]path    // closed presses, and where they were closed
	moments map[rig.Moment]int // the step, counted through all phases, at which each happened last
	n       int                // that count
	marked  *rig.MarkSpec      // what was marked
	reset   *rig.FactoryReset  // the reset over the network
	where   map[string]path    // the judging steps by word
	judged  *rig.DefaultState  // the question on the default state
}

// order checks what only the order and the company of the steps tell: that a
// test can fail, and that what a step counts from has happened.
func (d *document) order(sc *rig.Scenario) {
	q := &sequence{d: d, power: map[string]bool{}, pressed: map[string]path{}, moments: map[rig.Moment]int{}, where: map[string]path{}}
	q.phase("arrange", sc.Arrange)
	q.phase("act", sc.Act)
	for _, relay := range slices.Sorted(maps.Keys(q.pressed)) {
		d.bad(q.pressed[relay], fmt.Sprintf("%s is pressed and never released", relay), "add - release: "+relay+" before the end of act")
	}
	if on, known := q.power["power"]; known && !on {
		d.bad(path{"act"}, "the recorder has no power at the end of act", "add - power: on")
	}
	q.phase("assert", sc.Assert)
	q.verdict(sc)
}

func (q *sequence) bad(wrong, right string) { q.d.bad(q.at, wrong, right) }

func (q *sequence) happened(m rig.Moment) {
	q.moments[m] = q.n
	if m == rig.PowerOn || m == rig.Release || m == rig.Reset {
		q.moments[rig.Latest] = q.n
	}
}

// needs reports a moment that has not happened when a step counts from it.
func (q *sequence) needs(m rig.Moment, key string) {
	if _, ok := q.moments[m]; ok {
		return
	}
	var known []string
	for _, k := range moments {
		if _, ok := q.moments[rig.Moment(k)]; ok {
			known = append(known, k)
		}
	}
	right := "nothing that could be counted from has happened before it"
	if len(known) > 0 {
		right = "before this step there is " + oneOf(known)
	}
	q.d.bad(q.at.to(key), fmt.Sprintf("%s has not happened when this step begins", m), right)
}

func (q *sequence) phase(name string, list []rig.Step) {
	for i, s := range list {
		q.n++
		q.at = path{name, strconv.Itoa(i)}
		q.step(s)
	}
}

func (q *sequence) step(s rig.Step) {
	switch s := s.(type) {
	case rig.SwitchPower:
		q.power[s.Relay] = s.On
		q.happened(map[bool]rig.Moment{true: rig.PowerOn, false: rig.PowerOff}[s.On])
	case rig.PressRelay:
		q.press(s)
	case rig.ReleaseRelay:
		if _, ok := q.pressed[s.Relay]; !ok {
			q.bad(fmt.Sprintf("%s is not pressed here", s.Relay), "put - press: "+s.Relay+" before it")
		}
		delete(q.pressed, s.Relay)
		q.happened(rig.Release)
	case rig.Hold:
		q.needs(s.Since, "hold")
	case rig.Hear:
		q.needs(s.From, "hear")
		if s.To == rig.Now { // it comes after all
			break
		}
		q.needs(s.To, "hear")
		if from, to := q.moments[s.From], q.moments[s.To]; from > 0 && to > 0 && from >= to {
			q.bad(fmt.Sprintf("the window from %s to %s is empty", s.From, s.To), "end it with a moment that comes after its beginning")
		}
	case rig.Restarted:
		q.needs(s.Since, "restarted")
		q.where["restarted"] = q.at
	case rig.FactoryReset:
		if s.WrongPassword {
			q.where["wrong-password"] = q.at
			break
		}
		if q.reset != nil {
			q.bad("the recorder is reset already", "one cycle has one reset: remove one of the two")
		}
		q.reset = &s
		q.happened(rig.Reset)
	case rig.SetMark:
		if q.marked != nil {
			q.bad("the recorder is marked already", "put everything into one mark")
		}
		q.marked = &s.Spec
	case rig.DefaultState:
		q.judged = &s
		q.where["default-state"] = q.at
		q.needsMark()
	case rig.Persists:
		if _, ok := q.where["default-state"]; !ok {
			q.bad("nothing was judged that could persist", "put - default-state before it")
		}
		q.where["persists"] = q.at
	case rig.StillMarked:
		q.where["still-marked"] = q.at
		q.needsMark()
	}
}

func (q *sequence) press(s rig.PressRelay) {
	if _, ok := q.pressed[s.Relay]; ok {
		q.bad(s.Relay+" is pressed already", "release it first")
	}
	if on, known := q.power["power"]; known && on && !s.Powered {
		q.bad("the recorder has power here, and a press belongs before it gets it", "put - power: off before it, or write press: {relay: "+s.Relay+", powered: allow}")
	}
	q.pressed[s.Relay] = q.at
	q.happened(rig.Press)
}

func (q *sequence) needsMark() {
	if q.marked == nil {
		q.bad("nothing was marked in arrange, and a test that cannot fail proves nothing", "add - mark: {password: unique, name: unique} to arrange")
	}
}

// verdict checks that the scenario as a whole can come to a true verdict.
func (q *sequence) verdict(sc *rig.Scenario) {
	def, isJudged := q.where["default-state"]
	kept, isKept := q.where["still-marked"]
	switch {
	case sc.Control && isJudged:
		q.d.bad(def, "a control must not reset, and this wants the default state", "write - still-marked in its place, or remove control: true")
	case sc.Control && !isKept:
		q.d.bad(path{"assert"}, "nothing shows that the control did not reset", "add - still-marked")
	case !sc.Control && isKept:
		q.d.bad(kept, "a reset takes the mark away", "write - default-state in its place, or control: true if nothing may be reset")
	case !sc.Control && !isJudged:
		q.d.bad(path{"assert"}, "nothing judges the default state", "add - default-state")
	}
	if wrong, ok := q.where["wrong-password"]; ok && !sc.Control {
		q.d.bad(wrong, "a reset with a wrong password must be refused, and this is no control", "add control: true, or remove with: wrong-password")
	}
	if sc.Control && q.reset != nil {
		q.d.bad(path{"control"}, "a control must not reset, and act has a factory-reset", "remove one of the two")
	}
	if q.judged != nil && !sc.Control {
		q.functions(def)
	}
}

// functions checks that a reset of individual functions is judged as such, and
// that the mark can tell it from a reset of nothing and of everything.
func (q *sequence) functions(def path) {
	var reset []string
	if q.reset != nil {
		reset = q.reset.Functions
	}
	if !sameWords(reset, q.judged.Functions) {
		q.d.bad(def, fmt.Sprintf("act resets %s and this judges %s", everything(reset), everything(q.judged.Functions)), "name the same functions in both")
		return
	}
	if len(reset) == 0 || q.marked == nil {
		return
	}
	within, outside := false, q.marked.Password || q.marked.User
	tables := slices.Collect(maps.Keys(q.marked.Config))
	if q.marked.Name {
		tables = append(tables, "General.MachineName")
	}
	if slices.ContainsFunc(reset, func(f string) bool { return slices.Contains(wide, f) }) {
		within, tables = len(tables) > 0, nil // what of it is restored, the recorder's dialect knows
	}
	for _, key := range tables {
		table, _, _ := strings.Cut(key, ".")
		table, _, _ = strings.Cut(table, "[")
		if slices.Contains(reset, table) {
			within = true
		} else {
			outside = true
		}
	}
	if !within {
		q.d.bad(def, "nothing is marked within the functions that are reset, so a reset of nothing would pass", "mark something in "+oneOf(reset)+", like {config: {"+reset[0]+".Key: unique}}")
	}
	if !outside {
		q.d.bad(def, "everything marked is within the functions that are reset, so a reset of everything would pass", "mark something else too, like {password: unique}")
	}
}

// wide are functions that restore most tables and keep the accounts: Hikvision's
// basic, ONVIF's soft, and the Default of Dahua's web page.
var wide = []string{"basic", "soft", "Default"}

func everything(functions []string) string {
	if len(functions) == 0 {
		return "everything"
	}
	return strings.Join(functions, ", ")
}

func sameWords(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
