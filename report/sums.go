package report

import (
	"cmp"
	"slices"

	"resetrig/rig"
)

// What is listed one by one is bounded; what is left out is counted.
const (
	listed    = 100 // failed, errored cycles
	longest   = 5
	nameLimit = 64 // different measurements, reasons, units: more is no report
)

// class is the column in which a record counts.
type class int

const (
	firsts class = iota // first attempts: what the rate is made of
	retries
	controls
	classes
)

func classOf(r *rig.Record) class {
	switch {
	case r.Control:
		return controls
	case r.Attempt > 1:
		return retries
	}
	return firsts
}

// The rows of outcomes.
const (
	passRow = iota
	provenRow
	presumedRow
	errorRow
	abortedRow
	outcomeRows
)

var outcomeNames = [outcomeRows]string{"pass", "fail, proven", "fail, presumed", "error", "aborted"}

func rowOf(r *rig.Record) int {
	switch r.Outcome {
	case rig.Pass:
		return passRow
	case rig.Fail:
		if r.Attribution == rig.Proven {
			return provenRow
		}
		return presumedRow
	case rig.Error:
		return errorRow
	}
	return abortedRow
}

// sums is everything that Text says, gathered in one pass.
type sums struct {
	n        int
	comments []Comment
	only     rig.Record // the first, while it is the only one
	outcomes [outcomeRows][classes]int
	reasons  map[reasonKey]*[classes]int
	measured map[string]*measured
	beeps    map[string]*beeps
	findings map[string]int
	units    []rig.Identity
	versions []string
	// operations of the relays in these records
	operations map[string]int
	unsafe     list
	fails      list
	errors     list
	longest    []rig.Record
	deaf       list // without a long beep, controls and aborted left out
	heard      int  // with one
}

type reasonKey struct {
	outcome rig.Outcome
	reason  rig.Reason
}

type measured struct {
	spread
	unit     string
	min, max *float64
	vary     bool // limits were not the same throughout
	outside  int
}

type beeps struct{ duration, frequency, snr spread }

// list holds the first records and counts the rest. Of each it keeps what an
// entry shows.
type list struct {
	first []rig.Record
	n     int
	most  int // 0: listed
}

func (l *list) add(r *rig.Record) {
	if l.n++; len(l.first) < cmp.Or(l.most, listed) {
		l.first = append(l.first, brief(r))
	}
}

// brief is a record without its bulk.
func brief(r *rig.Record) rig.Record {
	b := rig.Record{
		ID: r.ID, Cycle: r.Cycle, Attempt: r.Attempt, Control: r.Control, Started: r.Started, Took: r.Took,
		Outcome: r.Outcome, Attribution: r.Attribution, Reason: r.Reason, Text: r.Text, Unsafe: r.Unsafe,
	}
	b.Artifacts = slices.Clone(r.Artifacts[:min(len(r.Artifacts), 1)])
	if len(r.Artifacts) > 1 {
		b.Artifacts = append(b.Artifacts, "(+"+count(len(r.Artifacts)-1)+" more)")
	}
	return b
}

func newSums() *sums {
	return &sums{
		reasons: map[reasonKey]*[classes]int{}, measured: map[string]*measured{},
		beeps: map[string]*beeps{}, findings: map[string]int{}, operations: map[string]int{},
	}
}

func (s *sums) add(r *rig.Record) {
	if s.n++; s.n == 1 {
		s.only = *r
	} else {
		s.only = rig.Record{}
	}
	c := classOf(r)
	s.outcomes[rowOf(r)][c]++
	if r.Reason != "" {
		if n := entry(s.reasons, reasonKey{r.Outcome, r.Reason}); n != nil {
			n[c]++
		}
	}
	switch r.Outcome {
	case rig.Fail:
		s.fails.add(r)
	case rig.Error:
		s.errors.add(r)
	}
	if len(r.Unsafe) > 0 {
		s.unsafe.add(r)
	}
	for _, f := range r.Findings {
		if n := s.findings[f.Name]; n > 0 || len(s.findings) < nameLimit {
			s.findings[f.Name] = n + 1
		}
	}
	for relay, n := range r.Operations {
		s.operations[relay] += n
	}
	if r.DUT != (rig.Identity{}) && len(s.units) < nameLimit && !slices.Contains(s.units, r.DUT) {
		s.units = append(s.units, r.DUT)
	}
	if r.Version != "" && len(s.versions) < nameLimit && !slices.Contains(s.versions, r.Version) {
		s.versions = append(s.versions, r.Version)
	}
	s.longest = append(s.longest, brief(r))
	slices.SortStableFunc(s.longest, func(a, b rig.Record) int { return cmp.Compare(b.Took, a.Took) })
	s.longest = s.longest[:min(len(s.longest), longest)]
	if c != controls { // theirs are other by design
		s.addMeasurements(r)
		s.addBeeps(r)
	}
}

func (s *sums) addMeasurements(r *rig.Record) {
	for _, m := range r.Measurements {
		v := entry(s.measured, m.Name)
		if v == nil {
			continue
		}
		if v.n == 0 {
			v.unit, v.min, v.max = m.Unit, m.Min, m.Max
		}
		v.vary = v.vary || !same(v.min, m.Min) || !same(v.max, m.Max)
		if m.Min != nil && m.Value < *m.Min || m.Max != nil && m.Value > *m.Max {
			v.outside++
		}
		v.add(m.Value, r.Cycle)
	}
}

func (s *sums) addBeeps(r *rig.Record) {
	long := false
	for _, b := range r.Beeps {
		long = long || b.Kind == "long"
		if k := entry(s.beeps, b.Kind); k != nil {
			k.duration.add(b.Duration.Seconds(), r.Cycle)
			k.frequency.add(b.FrequencyHz, r.Cycle)
			k.snr.add(b.SNRdB, r.Cycle)
		}
	}
	switch {
	case long:
		s.heard++
	case r.Outcome == rig.Pass || r.Outcome == rig.Fail:
		s.deaf.add(r)
	}
}

// entry is the map's entry of that name, made where there is none; nil where
// there are too many.
func entry[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil && len(m) < nameLimit {
		v = new(V)
		m[k] = v
	}
	return v
}

func same(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }

// total is the count of a row over every class, or of a class over every row.
func (s *sums) total(c class) (n int) {
	for _, row := range s.outcomes {
		n += row[c]
	}
	return n
}
