package web

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak/stats"
)

// What a reckoning holds is bounded, whatever is in the records.
const (
	namesMost  = 64      // measurements, reasons
	valuesMost = 1 << 17 // of one measurement; those after it are not counted
)

// confidence is that of every interval.
const confidence = 0.95

func (s *Server) records(c *call) (report.Summary, iter.Seq2[rig.Record, error], error) {
	if s.rig.Reports == nil {
		return report.Summary{}, nil, absent("no reports")
	}
	r, err := s.run(c.Context(), c.PathValue("run"))
	if err != nil {
		return report.Summary{}, nil, err
	}
	sum, err := s.rig.Reports.Summary(c.Context(), r.ID)
	return sum, s.rig.Reports.Records(c.Context(), r.ID), err
}

func (s *Server) apiStatistics(c *call) (any, error) {
	sum, records, err := s.records(c)
	if err != nil {
		return nil, err
	}
	if had, ok := s.reckoned.of(&sum); ok {
		return had, nil
	}
	began := time.Now()
	k := reckoning{measured: map[string]*gathered{}, reasons: map[ReasonCount]int{}, counts: map[string]*Outcomes{"first": {}, "retry": {}, "control": {}}}
	k.claim.of(&sum)
	for r, err := range records {
		if err == nil {
			err = c.Context().Err()
		}
		if err != nil {
			return nil, err
		}
		k.add(&r)
	}
	st := k.statistics(sum)
	s.reckoned.keep(&sum, st, began)
	return st, nil
}

// reckoned are the statistics that were made last. They are made anew after ten
// times as long as they took, so that a program which asks again and again costs
// a rig a tenth of one processor at most; and where the run has ended meanwhile.
type reckoned struct {
	mu  sync.Mutex
	all map[string]reckonedOne // by run
}

type reckonedOne struct {
	state string // of the run
	ended time.Time
	until time.Time
	st    RunStatistics
}

const reckonedMost = 6 // runs

func (k *reckoned) of(sum *report.Summary) (RunStatistics, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	one, ok := k.all[sum.Run]
	return one.st, ok && one.state == sum.State && one.ended.Equal(sum.Ended) && time.Now().Before(one.until)
}

func (k *reckoned) keep(sum *report.Summary, st RunStatistics, began time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, had := k.all[sum.Run]; k.all == nil || !had && len(k.all) >= reckonedMost {
		k.all = map[string]reckonedOne{}
	}
	k.all[sum.Run] = reckonedOne{sum.State, sum.Ended, time.Now().Add(10 * time.Since(began)), st}
}

// reckoning is what the records of a run come to, one after the other.
type reckoning struct {
	n        int
	counts   map[string]*Outcomes
	reasons  map[ReasonCount]int
	measured map[string]*gathered
	failures stats.Groups
	claim    claim
}

type gathered struct {
	unit         string
	values       []float64
	lower, upper *float64
	outside      int
}

func (k *reckoning) add(r *rig.Record) {
	k.n++
	kind := "first"
	switch {
	case r.Control:
		kind = "control"
	case r.Attempt > 1:
		kind = "retry"
	}
	k.counts[kind].add(r.Outcome, r.Attribution)
	if key := (ReasonCount{Outcome: r.Outcome, Reason: r.Reason, Control: r.Control}); r.Reason != "" && (len(k.reasons) < namesMost || k.reasons[key] > 0) {
		k.reasons[key]++
	}
	if kind != "first" {
		return
	}
	k.claim.add(r)
	if r.Outcome == rig.Fail {
		k.failures.Add(report.SignatureOf(r), r.Cycle)
	}
	for _, m := range r.Measurements {
		g := k.measured[m.Name]
		if g == nil && len(k.measured) < namesMost {
			g = &gathered{unit: m.Unit}
			k.measured[m.Name] = g
		}
		if g == nil || len(g.values) == valuesMost || math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			continue
		}
		g.values = append(g.values, m.Value)
		if m.Min != nil || m.Max != nil {
			g.lower, g.upper = m.Min, m.Max
		}
		if m.Min != nil && m.Value < *m.Min || m.Max != nil && m.Value > *m.Max {
			g.outside++
		}
	}
}

func (o *Outcomes) add(out rig.Outcome, a rig.Attribution) {
	switch {
	case out == rig.Pass:
		o.Pass++
	case out == rig.Fail && a == rig.Proven:
		o.FailProven++
	case out == rig.Fail:
		o.FailPresumed++
	case out == rig.Error:
		o.Error++
	default:
		o.Aborted++
	}
}

func (k *reckoning) statistics(sum report.Summary) RunStatistics {
	st := RunStatistics{
		Run: sum.Run, Begun: sum.Begun, Records: k.n, First: *k.counts["first"], Retries: *k.counts["retry"], Controls: *k.counts["control"], Labels: sum.Labels,
	}
	st.Claim, st.Decision, st.Left = k.claim.say()
	o := stats.Outcomes(st.First)
	if o.Judged() > 0 {
		r := o.Rates(confidence)
		st.Rates = &RunRates{rate(r.PassRate), rate(r.FailLeftOut), rate(r.FailErrorsCount), rate(r.FirstPass), rate(r.ErrorRate)}
	}
	for key, n := range k.reasons {
		key.Count = n
		st.Reasons = append(st.Reasons, key)
	}
	slices.SortFunc(st.Reasons, func(a, b ReasonCount) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(fmt.Sprint(a.Control), fmt.Sprint(b.Control)))
	})
	for _, g := range k.failures.List() {
		st.Failures = append(st.Failures, FailureKind{g.Signature, g.Count, g.First, g.Last, g.Cycles})
	}
	for _, name := range slices.Sorted(maps.Keys(k.measured)) {
		g := k.measured[name]
		if len(g.values) == 0 {
			continue
		}
		d := stats.Describe(g.values, nil, nil)
		m := MeasurementSums{
			Name: name, Unit: g.unit, Count: d.N, Min: d.Min, Quartile1: d.Q1, Median: d.Median, Quartile3: d.Q3, Max: d.Max,
			Mean: d.Mean, Lower: g.lower, Upper: g.upper, Outside: g.outside,
		}
		if !math.IsNaN(d.SD) {
			m.Deviation = &d.SD
		}
		st.Measured = append(st.Measured, m)
	}
	for _, f := range sum.Files {
		st.Files = append(st.Files, FrozenFile{f.Name, f.SHA256})
	}
	for _, r := range sum.Life {
		st.Relays = append(st.Relays, RelayAccount{r.Relay, r.Operations, r.Rated})
	}
	return st
}

func rate(r stats.Rate) Rate { return Rate{r.Value, r.Low, r.High} }

// claim holds a run to its claim, by the test that it was planned with.
type claim struct {
	text       string
	fixed      *stats.Fixed
	sequential *stats.Sequential
}

func (c *claim) of(sum *report.Summary) {
	switch {
	case sum.Claim == nil:
		return
	case sum.Sequential:
		c.sequential = sum.Claim.Sequential(0, sum.Most)
	default:
		c.fixed = sum.Claim.Fixed()
	}
	c.text = sum.Claim.String()
}

func (c *claim) add(r *rig.Record) {
	failed := r.Outcome != rig.Pass // what is in doubt counts against it
	switch {
	case r.Outcome == rig.Aborted:
	case c.sequential != nil:
		c.sequential.Add(failed)
	case c.fixed != nil:
		c.fixed.Add(failed)
	}
}

func (c *claim) say() (text, decision string, left int) {
	switch {
	case c.sequential != nil:
		return c.text, string(c.sequential.Decision()), c.sequential.Left()
	case c.fixed != nil:
		return c.text, string(c.fixed.Decision()), c.fixed.Left()
	}
	return "", "", 0
}

func (s *Server) apiSeries(c *call) (any, error) {
	sum, records, err := s.records(c)
	if err != nil {
		return nil, err
	}
	out := Series{Run: sum.Run, Name: c.PathValue("measurement")}
	for r, err := range records {
		if err == nil {
			err = c.Context().Err()
		}
		if err != nil {
			return nil, err
		}
		if r.Control || r.Attempt > 1 {
			continue
		}
		for _, m := range r.Measurements {
			if m.Name != out.Name || math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
				continue
			}
			out.Unit = m.Unit
			if len(out.Points) < valuesMost {
				out.Points = append(out.Points, Point{r.Cycle, m.Value, m.Uncertainty, m.Outcome})
			}
		}
	}
	if len(out.Points) == 0 {
		return nil, fmt.Errorf("measurement %q of run %q: %w", out.Name, sum.Run, ErrNotFound)
	}
	return out, nil
}
