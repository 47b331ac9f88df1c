package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// benchPage is a bench with what its figures mean.
type benchPage struct {
	Bench
	Worst   string // ok, warn, bad: of its findings
	Relays  []relayPage
	Runs    []Run
	LearnIn string // age of the calibration
	Stale   bool
}

type relayPage struct {
	BenchRelay
	Used     float64 // part of its rated life, 0 to 1 and more
	Forecast string
	State    string // ok, warn, bad
}

const (
	wornAt        = 0.8                 // of a relay's rated life: worth a warning
	calibratedFor = 90 * 24 * time.Hour // an ear that was taught longer ago is worth a look
	paceRuns      = 20                  // last runs of a bench from which its pace is reckoned
)

func (p *pages) benchPage(b Bench, runs []Run) benchPage {
	page := benchPage{Bench: b, Worst: "ok", Runs: runs}
	for _, f := range b.Findings {
		if f.Level == "bad" || f.Level == "warn" && page.Worst == "ok" {
			page.Worst = f.Level
		}
	}
	for _, r := range b.Relays {
		page.Relays = append(page.Relays, forecast(r, runs, time.Now()))
	}
	if e := b.Ear; e != nil && e.Calibrated && !e.Learned.IsZero() {
		age := time.Since(e.Learned)
		page.LearnIn, page.Stale = agoText(time.Now(), e.Learned), age > calibratedFor
	}
	return page
}

// forecast says how long a relay will last at the pace of the bench's last runs.
func forecast(r BenchRelay, runs []Run, now time.Time) relayPage {
	o := relayPage{BenchRelay: r, State: "ok"}
	if r.Rated <= 0 {
		o.Forecast = "the bench file says no rated life"
		return o
	}
	o.Used = float64(r.Operations) / float64(r.Rated)
	left := r.Rated - r.Operations
	switch {
	case left <= 0:
		o.State, o.Forecast = "bad", "used up: replace it"
		return o
	case o.Used >= wornAt:
		o.State = "warn"
	}
	// Two switchings a cycle are what every scenario has.
	o.Forecast = "about " + countText(left/2) + " cycles left"
	cycles, from := 0, now
	for _, run := range runs {
		if !run.Started.IsZero() {
			cycles += run.First.All() + run.Controls.All()
			if run.Started.Before(from) {
				from = run.Started
			}
		}
	}
	if days := now.Sub(from).Hours() / 24; cycles > 0 && days > 1.0/24 {
		perDay := float64(cycles) * 2 / days
		if end := float64(left) / perDay; end < 20*365 {
			o.Forecast += ", until about " + now.AddDate(0, 0, int(end)).Format("2006-01-02") + " at the pace of its last runs"
		}
	}
	return o
}

// benches is GET /benches.
func (p *pages) benches(w http.ResponseWriter, r *http.Request) error {
	if p.s.rig.Benches == nil {
		return notFound("This rig says nothing of its benches.")
	}
	all, err := p.s.rig.Benches.Benches(r.Context())
	if err != nil {
		return err
	}
	var list []benchPage
	for _, b := range all {
		list = append(list, p.benchPage(b, nil))
	}
	v := p.view(r, "Benches", "benches")
	v.Page = list
	return p.render(w, http.StatusOK, "benches", v)
}

// bench is GET /benches/{name}.
func (p *pages) bench(w http.ResponseWriter, r *http.Request) error {
	b, err := p.benchOf(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	if b == nil {
		return notFound("There is no such bench on this rig.")
	}
	var runs []Run
	if p.s.rig.Books != nil {
		if runs, err = p.s.rig.Books.Runs(r.Context(), RunFilter{Bench: b.Name, Limit: paceRuns}); err != nil {
			return err
		}
	}
	v := p.view(r, "Bench "+b.Name, "benches")
	v.Page = p.benchPage(*b, runs)
	return p.render(w, http.StatusOK, "bench", v)
}

const auditShown = 100

// audit is GET /audit: who did what, the newest first.
func (p *pages) audit(w http.ResponseWriter, r *http.Request) error {
	if p.s.rig.Audit == nil {
		return notFound("This rig keeps no audit log.")
	}
	before := int64(0)
	if t := r.URL.Query().Get("before"); t != "" {
		n, err := strconv.ParseInt(t, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: before: want the number of an entry", ErrInput)
		}
		before = n
	}
	all, err := p.s.rig.Audit.AuditLog(r.Context(), before, auditShown)
	if err != nil {
		return err
	}
	page := struct {
		Entries []AuditEntry
		Before  int64 // of the next page, 0: there is none
		Newest  bool
	}{all, 0, before == 0}
	if len(all) == auditShown {
		page.Before = slices.MinFunc(all, func(a, b AuditEntry) int { return int(a.Seq - b.Seq) }).Seq
	}
	v := p.view(r, "Audit log", "audit")
	v.Page = page
	return p.render(w, http.StatusOK, "audit", v)
}
