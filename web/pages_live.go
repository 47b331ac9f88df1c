package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"resetrig/rig"
)

// now is a bench as it is, in words: what the template and the script show.
type now struct {
	Moment
	Wires   []wire
	Says    string // the first line: what it does
	StepFor time.Duration
	Here    bool // this process can run something on it
	Known   bool // it is a bench of this rig
	Power   powerWords
	Holding bool
}

// moment is the bench of that name as it is; its relays are those of its file
// where nothing has run yet.
func (p *pages) moment(b *Bench, m Moment) now {
	n := now{Moment: m}
	if b != nil {
		n.Known, n.Here, n.Simulated = true, b.Here, m.Simulated || b.Simulated
		if len(m.Relays) == 0 {
			for _, r := range b.Relays {
				n.Relays = append(n.Relays, LiveRelay{Name: r.Name, Role: r.Role, Contact: r.Contact, Safe: r.Safe})
			}
		}
	}
	n.Wires = wires(n.Moment)
	n.Says = doingText(m)
	n.Power = powerOf(n.Relays)
	n.Holding = m.Doing == "hold"
	if m.StepWithin > 0 {
		n.StepFor = min(m.StepWithin, max(0, m.InCycle-m.StepBegan))
	}
	return n
}

// doingText is what a bench does, in a line. The script says the same.
func doingText(m Moment) string {
	name := "cycle"
	if m.Control {
		name = "control"
	}
	at := ""
	if m.Cycle > 0 {
		at = fmt.Sprintf(" %s %s", name, countText(m.Cycle))
		if m.Of > 0 && !m.Control {
			at += " of " + countText(m.Of)
		}
		if m.Attempt > 1 {
			at += fmt.Sprintf(", attempt %d", m.Attempt)
		}
	}
	switch m.Doing {
	case Idle, "":
		return "Idle"
	case Cycles:
		if at == "" {
			return "Begins"
		}
		return "Runs" + at
	case "pause":
		return "Pauses before" + at
	case "window":
		return "Waits for its hours, before" + at
	case "hold":
		return "Holds for a person, before" + at
	}
	return m.Doing
}

// powerWords say what each way of ending does to the relays of this bench.
type powerWords struct{ Hold, End, Stop, Emergency string }

func powerOf(rs []LiveRelay) powerWords {
	keeps, cuts := false, false
	for _, r := range rs {
		if r.Role == rig.RolePower {
			keeps = keeps || r.Safe == rig.SafeKeep
			cuts = cuts || r.Safe != rig.SafeKeep
		}
	}
	w := powerWords{Hold: "the power stays", End: "no power relay", Stop: "the pins open now", Emergency: "the pins open now"}
	switch {
	case keeps && !cuts:
		w.End, w.Stop, w.Emergency = "the power stays as it is", "pins open now, the power stays as it is", "pins open and the power is cut NOW"
	case cuts:
		w.End, w.Stop, w.Emergency = "the power goes off", "pins open now, power off after the write window", "pins open and the power is cut NOW"
	}
	return w
}

// benchOf is the bench's page entry, nil where the rig does not say.
func (p *pages) benchOf(ctx context.Context, name string) (*Bench, error) {
	if p.s.rig.Benches == nil {
		return nil, nil
	}
	all, err := p.s.rig.Benches.Benches(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
	}
	return nil, nil
}

// overview is GET /: every bench in a card; where there is one alone, its page.
func (p *pages) overview(w http.ResponseWriter, r *http.Request) error {
	var known []Bench
	if p.s.rig.Benches != nil {
		var err error
		if known, err = p.s.rig.Benches.Benches(r.Context()); err != nil {
			return err
		}
	}
	var all []now
	for _, m := range p.s.rig.Live.Moments() {
		i := slices.IndexFunc(known, func(b Bench) bool { return b.Name == m.Bench })
		if i < 0 {
			all = append(all, p.moment(nil, m))
		} else {
			all = append(all, p.moment(&known[i], m))
		}
	}
	for i := range known {
		if !slices.ContainsFunc(all, func(n now) bool { return n.Bench == known[i].Name }) {
			all = append(all, p.moment(&known[i], Moment{Bench: known[i].Name, Doing: Idle, Answers: "unknown"}))
		}
	}
	if len(all) == 1 {
		http.Redirect(w, r, livePath(all[0].Bench), http.StatusSeeOther)
		return nil
	}
	v := p.view(r, "Benches now", "live")
	v.Page = all
	return p.render(w, http.StatusOK, "overview", v)
}

// livePage is what live.html is given.
type livePage struct {
	now
	Wiring  template.HTML
	Start   *startForm // nil: nothing can be started here
	Resumes []Run      // runs of the bench that can be gone on with
}

type startForm struct {
	Bench     string
	Scenarios []Scenario
	Controls  []Scenario
	Chosen    scenarioChoice
}

type scenarioChoice struct {
	Name, About string
	Params      []scenarioParam
}

type scenarioParam struct{ Name, Default string }

// live is GET /live/{bench}.
func (p *pages) live(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("bench")
	b, err := p.benchOf(r.Context(), name)
	if err != nil {
		return err
	}
	var m *Moment
	for _, one := range p.s.rig.Live.Moments() {
		if one.Bench == name {
			m = &one
			break
		}
	}
	switch {
	case m == nil && b == nil:
		return notFound("There is no such bench on this rig.")
	case m == nil:
		m = &Moment{Bench: name, Doing: Idle, Answers: "unknown"}
	}
	page := livePage{now: p.moment(b, *m)}
	page.Wiring = wiring(page.Wires, page.Answers)
	if page.Here && p.s.rig.Doer != nil {
		if page.Start, err = p.startForm(r.Context(), name, ""); err != nil {
			return err
		}
		if page.Resumes, err = p.resumes(r.Context(), name); err != nil {
			return err
		}
	}
	v := p.view(r, name, "live")
	v.Bench = name
	v.Page = page
	return p.render(w, http.StatusOK, "live", v)
}

// resumes are the last runs of a bench that did not come to their end.
func (p *pages) resumes(ctx context.Context, bench string) ([]Run, error) {
	if p.s.rig.Books == nil {
		return nil, nil
	}
	runs, err := p.s.rig.Books.Runs(ctx, RunFilter{Bench: bench, Kind: "soak", Limit: 5})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(runs, func(r Run) bool { return !resumable(r) }), nil
}

// resumable says whether a run can be gone on with: it is a soak that was
// interrupted, or was ended before its last cycle.
func resumable(r Run) bool {
	if r.Kind != "soak" || r.State == "running" {
		return false
	}
	return r.State == "interrupted" || r.Planned > 0 && r.First.All() < r.Planned
}

func (p *pages) startForm(ctx context.Context, bench, chosen string) (*startForm, error) {
	all, err := p.s.rig.Benches.Scenarios(ctx, bench)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := &startForm{Bench: bench}
	for _, s := range all {
		if s.Control {
			f.Controls = append(f.Controls, s)
		}
	}
	f.Scenarios = slices.Clone(all)
	slices.SortStableFunc(f.Scenarios, func(a, b Scenario) int { // what resets comes first
		switch {
		case a.Control == b.Control:
			return 0
		case b.Control:
			return -1
		}
		return 1
	})
	i := slices.IndexFunc(f.Scenarios, func(s Scenario) bool { return s.Name == chosen })
	if i < 0 {
		if i = slices.IndexFunc(f.Scenarios, func(s Scenario) bool { return s.Name == "imou-hard-reset" }); i < 0 {
			i = 0
		}
	}
	if len(f.Scenarios) > 0 {
		s := f.Scenarios[i]
		f.Chosen = scenarioChoice{Name: s.Name, About: s.About}
		for k, v := range s.Params {
			f.Chosen.Params = append(f.Chosen.Params, scenarioParam{k, v})
		}
		slices.SortFunc(f.Chosen.Params, func(a, b scenarioParam) int {
			if a.Name < b.Name {
				return -1
			}
			return 1
		})
	}
	return f, nil
}

// parameters is GET /live/{bench}/parameters?scenario=: the fields of one
// scenario's parameters.
func (p *pages) parameters(w http.ResponseWriter, r *http.Request) error {
	if p.s.rig.Benches == nil {
		return notFound("There are no scenarios here.")
	}
	f, err := p.startForm(r.Context(), r.PathValue("bench"), r.URL.Query().Get("scenario"))
	if err != nil {
		return err
	}
	if f == nil {
		return notFound("There is no such bench on this rig.")
	}
	return p.part(w, http.StatusOK, "live", "parameters", f.Chosen)
}
