package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak/stats"
)

const (
	runsShown   = 200
	cyclesShown = 300
	plotPoints  = 1000 // of a measurement, in the browser
)

// runs is GET /runs.
func (p *pages) runs(w http.ResponseWriter, r *http.Request) error {
	if p.s.rig.Books == nil {
		return notFound("This rig keeps no results.")
	}
	q := r.URL.Query()
	f := RunFilter{Bench: q.Get("bench"), Kind: q.Get("kind"), Limit: runsShown}
	all, err := p.s.rig.Books.Runs(r.Context(), f)
	if err != nil {
		return err
	}
	v := p.view(r, "Runs", "runs")
	v.Fresh = r.URL.RequestURI()
	v.Page = struct {
		Filter RunFilter
		Runs   []Run
		Full   bool
	}{f, all, len(all) == runsShown}
	return p.render(w, http.StatusOK, "runs", v)
}

// runOf is one run in a line.
func (p *pages) runOf(r *http.Request, id string) (Run, error) {
	if p.s.rig.Books == nil || p.s.rig.Reports == nil {
		return Run{}, notFound("This rig keeps no results.")
	}
	if !plain(id) {
		return Run{}, notFound("There is no such run.")
	}
	all, err := p.s.rig.Books.Runs(r.Context(), RunFilter{ID: id, Limit: 1})
	if err != nil {
		return Run{}, err
	}
	if len(all) == 0 {
		return Run{}, notFound("There is no such run.")
	}
	return all[0], nil
}

type runPage struct {
	Run
	*report.Digest
	Cycles    []Cycle
	Shown     int
	Rate      *stats.Rate
	Resumable bool
	Live      bool // it runs on a bench of this process
	Power     powerWords
	Formats   []string
}

// run is GET /runs/{run}: a soak, or another series.
func (p *pages) run(w http.ResponseWriter, r *http.Request) error {
	one, err := p.runOf(r, r.PathValue("run"))
	if err != nil {
		return err
	}
	if one.Kind == "sweep" && r.URL.Query().Get("as") != "soak" {
		http.Redirect(w, r, "/sweeps/"+one.ID, http.StatusSeeOther)
		return nil
	}
	d, _, err := p.sheets.of(r.Context(), one.ID)
	if err != nil {
		return err
	}
	page := runPage{Run: one, Digest: d, Resumable: resumable(one), Formats: []string{"html", "json", "csv", "junit", "text"}}
	if page.Cycles, err = p.s.rig.Books.Cycles(r.Context(), CycleFilter{Run: one.ID, Limit: cyclesShown}); err != nil {
		return err
	}
	page.Shown = cyclesShown
	if d.Outcomes.Judged() > 0 {
		rates := d.Outcomes.Rates(0.95)
		page.Rate = &rates.PassRate
	}
	for _, m := range p.s.rig.Live.Moments() {
		if m.Run == one.ID && m.Run != "" {
			page.Live, page.Power = true, powerOf(m.Relays)
		}
	}
	if b, err := p.benchOf(r.Context(), one.Bench); err != nil || b == nil || !b.Here {
		page.Resumable = false
	}
	v := p.view(r, one.Kind+" "+one.ID, "runs")
	if one.State == "running" {
		v.Fresh = runPath(one.ID)
	}
	v.Page = page
	return p.render(w, http.StatusOK, "run", v)
}

// plot is a measurement as the browser plots it.
type plot struct {
	ID, Name, Unit string
	Cycles         []int
	Values         []float64
	Min            *float64 `json:",omitempty"`
	Max            *float64 `json:",omitempty"`
	Of             int      // values that there are
}

// trends is GET /runs/{run}/trends: what is plotted, as JSON.
func (p *pages) trends(w http.ResponseWriter, r *http.Request) error {
	one, err := p.runOf(r, r.PathValue("run"))
	if err != nil {
		return err
	}
	d, _, err := p.sheets.of(r.Context(), one.ID)
	if err != nil {
		return err
	}
	plots := []plot{}
	for _, t := range d.Trends {
		q := plot{ID: t.ID, Name: t.Name, Unit: t.Unit, Min: t.Lower, Max: t.Upper, Of: len(t.Values)}
		q.Cycles, q.Values = thinned(t.Cycles, t.Values, plotPoints)
		plots = append(plots, q)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(plots)
}

// thinned keeps of many values the least and the greatest of each stretch: no
// outlier is lost.
func thinned(cycles []int, values []float64, most int) ([]int, []float64) {
	if len(values) <= most {
		return cycles, values
	}
	var cs []int
	var vs []float64
	n := most / 2
	for i := range n {
		from, to := i*len(values)/n, (i+1)*len(values)/n
		lo, hi := from, from
		for k := from; k < to; k++ {
			if values[k] < values[lo] {
				lo = k
			}
			if values[k] > values[hi] {
				hi = k
			}
		}
		for _, k := range []int{min(lo, hi), max(lo, hi)} {
			cs, vs = append(cs, cycles[k]), append(vs, values[k])
		}
	}
	return cs, vs
}

// sweep is GET /sweeps/{run}.
func (p *pages) sweep(w http.ResponseWriter, r *http.Request) error {
	one, err := p.runOf(r, r.PathValue("run"))
	if err != nil {
		return err
	}
	if one.Kind != "sweep" {
		return notFound("This run is no sweep.")
	}
	seen := newSwept()
	for rec, err := range p.s.rig.Reports.Records(r.Context(), one.ID) {
		if err != nil {
			return err
		}
		seen.take(rec)
	}
	page := struct {
		Run
		Found   bool
		Picture template.HTML
		Text    string
		Cycles  []Cycle
	}{Run: one}
	if s, ok := seen.sweep(one.Scenario); ok {
		var svg, text strings.Builder
		if err := errors.Join(report.SweepSVG(&svg, s), report.SweepText(&text, s)); err != nil {
			return fmt.Errorf("draw the sweep: %w", err)
		}
		page.Found, page.Text = true, text.String()
		page.Picture = template.HTML(svg.String()) //nolint:gosec // report escapes every text in it
	}
	if page.Cycles, err = p.s.rig.Books.Cycles(r.Context(), CycleFilter{Run: one.ID, Limit: cyclesShown}); err != nil {
		return err
	}
	v := p.view(r, "sweep "+one.ID, "runs")
	if one.State == "running" {
		v.Fresh = "/sweeps/" + one.ID
	}
	v.Page = page
	return p.render(w, http.StatusOK, "sweep", v)
}

// swept collects what cycles say of a threshold, for each parameter that takes
// more than one value: which one was swept is not among what a run knows.
type swept struct {
	points map[string]map[string]*stats.Point // parameter → its text → outcome
	other  map[string]int
}

func newSwept() *swept {
	return &swept{points: map[string]map[string]*stats.Point{}, other: map[string]int{}}
}

// take books a cycle as `resetrig sweep` does: a pass took the reset, a fail for
// reset-ignored did not, and all others say nothing of it.
func (s *swept) take(r rig.Record) {
	took := r.Outcome == rig.Pass
	if !took && (r.Outcome != rig.Fail || r.Reason != rig.ReasonResetIgnored) {
		s.other[strings.TrimSpace(string(r.Outcome)+" "+string(r.Reason))]++
		return
	}
	for name, text := range r.Params {
		x, _, ok := valueOf(text)
		if !ok {
			continue
		}
		if s.points[name] == nil {
			s.points[name] = map[string]*stats.Point{}
		}
		pt := s.points[name][text]
		if pt == nil {
			pt = &stats.Point{X: x}
			s.points[name][text] = pt
		}
		if pt.N++; took {
			pt.K++
		}
	}
}

// valueOf reads a parameter that can be swept: a duration, in seconds, or a bare
// number.
func valueOf(text string) (x float64, unit string, ok bool) {
	if d, err := time.ParseDuration(text); err == nil {
		return d.Seconds(), "s", true
	}
	x, err := strconv.ParseFloat(text, 64)
	return x, "", err == nil && !math.IsNaN(x) && !math.IsInf(x, 0)
}

// sweep is the sweep over the parameter with most values; false where none has
// two.
func (s *swept) sweep(scenario string) (report.Sweep, bool) {
	best, most := "", 1
	for name, texts := range s.points {
		if n := len(texts); n > most || n == most && n > 1 && name < best {
			best, most = name, n
		}
	}
	if best == "" {
		return report.Sweep{}, false
	}
	out := report.Sweep{Scenario: scenario, Parameter: best, Confidence: 0.95}
	var points []stats.Point
	for text, pt := range s.points[best] {
		_, out.Unit, _ = valueOf(text)
		points = append(points, *pt)
	}
	out.Threshold = stats.FindThreshold(points, out.Confidence)
	for what, n := range s.other {
		out.LeftOut = append(out.LeftOut, fmt.Sprintf("%d × %s", n, what))
	}
	return out, true
}
