package report

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"

	"resetrig/rig"
	"resetrig/soak/stats"
)

// What a page holds is bounded; what is left out is counted.
const (
	seriesKept  = 1 << 16 // values of a measurement; beyond, every 2nd, 4th, … is held
	seriesMost  = 40      // measurements with a trend
	detailed    = 24      // cycles that did not pass, shown with all that is known
	perGroup    = 3       // of them, of one signature while others wait
	stripMost   = 5000    // cycles that did not pass, in the strip
	tabled      = 500     // rows of the table of what did not pass
	sourcesMost = 8       // different texts of scenarios
)

// series is a measurement over the first attempts, controls left out.
type series struct {
	name, unit string
	min, max   *float64 // limits; those of the last record that has any
	vary       bool
	outside    int
	n          int
	stride     int
	cycles     []int
	values     []float64
	about      stats.Description
}

func (s *series) add(m rig.Measurement, cycle int) {
	if s.n == 0 {
		s.unit, s.min, s.max, s.stride = clean(m.Unit), m.Min, m.Max, 1
	} else if !same(s.min, m.Min) || !same(s.max, m.Max) {
		s.vary, s.min, s.max = true, m.Min, m.Max
	}
	if m.Min != nil && m.Value < *m.Min || m.Max != nil && m.Value > *m.Max {
		s.outside++
	}
	if s.n%s.stride == 0 {
		if len(s.values) == seriesKept {
			for i := range seriesKept / 2 {
				s.values[i], s.cycles[i] = s.values[2*i], s.cycles[2*i]
			}
			s.values, s.cycles = s.values[:seriesKept/2], s.cycles[:seriesKept/2]
			s.stride *= 2
		}
		if s.n%s.stride == 0 {
			s.values, s.cycles = append(s.values, m.Value), append(s.cycles, cycle)
		}
	}
	s.n++
}

// outcomeStrip is what the strip shows: each cycle that did not pass, and the
// last one of all.
type outcomeStrip struct {
	all  []stripMark
	left int
}

type stripMark struct{ cycle, row int }

func (o *outcomeStrip) add(cycle, row int) {
	if n := len(o.all); n > 0 && o.all[n-1].row == passRow {
		o.all = o.all[:n-1] // only the last pass is needed, for the axis
	}
	if len(o.all) >= stripMost && row != passRow {
		o.left++
		return
	}
	o.all = append(o.all, stripMark{cycle, row})
}

// gathered is everything that a page says, gathered in one pass.
type gathered struct {
	*sums
	series    map[string]*series
	strip     outcomeStrip
	groups    stats.Groups
	details   []rig.Record
	seen      map[string]int // records of a signature, kept or not
	rows      list           // what did not pass
	firmware  []string
	params    []string
	sources   []string // texts of scenarios
	lives     []stats.Life
	since     int // judged cycles since the last fail
	firstFail int // cycle
	claim     claimTest
	reference *rig.Record // a pass that left evidence
	controls  map[string]*[outcomeRows]int
	tried     int
	retryPass int
	broken    error
}

func newGathered(run *Summary) *gathered {
	g := &gathered{
		sums: newSums(), series: map[string]*series{}, seen: map[string]int{},
		controls: map[string]*[outcomeRows]int{},
	}
	g.rows.most = tabled
	g.claim.begin(run)
	return g
}

// gather goes through the records once. Where reading fails, what was read is
// kept, and broken says why.
func gather(run *Summary, records iter.Seq2[rig.Record, error]) *gathered {
	g := newGathered(run)
	for r, err := range records {
		if err != nil {
			g.broken = err
			break
		}
		g.take(&r)
	}
	if g.since > 0 {
		g.lives = append(g.lives, stats.Life{Cycles: float64(g.since), Censored: true})
	}
	for _, s := range g.series {
		s.about = stats.Describe(s.values, s.min, s.max)
		s.about.Outside = s.outside
	}
	return g
}

func (g *gathered) take(r *rig.Record) {
	g.add(r)
	row := rowOf(r)
	switch classOf(r) {
	case controls:
		if n := entry(g.controls, r.Scenario); n != nil {
			if n[row]++; r.Outcome == rig.Error && r.Reason == rig.ReasonControl {
				n[row], n[presumedRow] = n[row]-1, n[presumedRow]+1 // it did not hold
			}
		}
		if row == errorRow || row == provenRow || row == presumedRow {
			g.keep(r)
		}
		return
	case retries:
		if g.tried++; r.Outcome == rig.Pass {
			g.retryPass++
		}
	case firsts:
		g.first(r, row)
	}
	firmwareOf(r, &g.firmware)
	once(&g.params, strings.Trim(params(r.Params), " ()"))
	if r.Source != "" && len(g.sources) < sourcesMost && !slices.Contains(g.sources, r.Source) {
		g.sources = append(g.sources, r.Source)
	}
	if g.reference == nil && r.Outcome == rig.Pass && len(r.Artifacts) > 0 {
		c := *r
		g.reference = &c
	}
}

func (g *gathered) first(r *rig.Record, row int) {
	g.strip.add(r.Cycle, row)
	g.claim.add(r)
	switch row {
	case passRow:
		g.since++
	case provenRow, presumedRow:
		if g.firstFail == 0 {
			g.firstFail = r.Cycle
		}
		if len(g.lives) < seriesKept {
			g.lives = append(g.lives, stats.Life{Cycles: float64(g.since + 1)})
		}
		g.since = 0
		g.groups.Add(SignatureOf(r), r.Cycle)
	}
	for _, m := range r.Measurements {
		s := g.series[m.Name]
		if s == nil {
			if len(g.series) >= seriesMost {
				continue
			}
			s = &series{name: clean(m.Name)}
			g.series[m.Name] = s
		}
		if !math.IsNaN(m.Value) && !math.IsInf(m.Value, 0) {
			s.add(m, r.Cycle)
		}
	}
	if row == provenRow || row == presumedRow || row == errorRow {
		g.keep(r)
	}
}

// keep holds a record for the details: the first of each signature before the
// fourth of any.
func (g *gathered) keep(r *rig.Record) {
	g.rows.add(r)
	sig := string(r.Outcome) + SignatureOf(r)
	if len(g.seen) < seriesKept {
		g.seen[sig]++
	}
	if len(g.details) < detailed {
		g.details = append(g.details, *r)
		return
	}
	if g.seen[sig] > perGroup {
		return
	}
	// Make room: the last one of the signature that has most, if it has more.
	most, at := g.seen[sig], -1
	held := map[string]int{}
	for i := range g.details {
		s := string(g.details[i].Outcome) + SignatureOf(&g.details[i])
		if held[s]++; held[s] > perGroup && held[s] > most {
			most, at = held[s], i
		}
	}
	if at >= 0 {
		g.details = append(slices.Delete(g.details, at, at+1), *r)
	}
}

// firmwareOf adds the firmware that the DUT said it has.
func firmwareOf(r *rig.Record, to *[]string) {
	for _, k := range r.Checks {
		if k.Kind == rig.AboutFirmware && k.Outcome != rig.CheckUnknown {
			once(to, k.Seen)
		}
	}
}

// once adds a text that is not there yet, up to a bound.
func once(to *[]string, s string) {
	if s = clean(s); s != "" && len(*to) < nameLimit && !slices.Contains(*to, s) {
		*to = append(*to, s)
	}
}

// SignatureOf is the kind of a failure: its reason, its attribution and the
// checks that failed.
func SignatureOf(r *rig.Record) string {
	var failed []string
	for _, k := range r.Checks {
		if k.Outcome == rig.CheckFail {
			failed = append(failed, clean(k.Name))
		}
	}
	return stats.Signature(clean(string(r.Reason)), clean(string(r.Attribution)), failed)
}

// Outcomes are the first attempts, controls left out, as the statistics take
// them.
func (s *sums) Outcomes() stats.Outcomes {
	return stats.Outcomes{
		Pass: s.outcomes[passRow][firsts], FailProven: s.outcomes[provenRow][firsts], FailPresumed: s.outcomes[presumedRow][firsts],
		Error: s.outcomes[errorRow][firsts], Aborted: s.outcomes[abortedRow][firsts],
	}
}

// measurements are the series by name, those with values.
func (g *gathered) measurements() []*series {
	var ss []*series
	for _, name := range slices.Sorted(maps.Keys(g.series)) {
		if s := g.series[name]; len(s.values) > 0 {
			ss = append(ss, s)
		}
	}
	return ss
}

// claimTest holds a soak to its claim, cycle by cycle as the soak itself did.
// What is in doubt counts against it: presumed fails and errors of the rig.
type claimTest struct {
	claim      *stats.Claim
	fixed      *stats.Fixed
	sequential *stats.Sequential
}

func (c *claimTest) begin(run *Summary) {
	if c.claim = run.Claim; c.claim == nil {
		return
	}
	if run.Sequential {
		c.sequential = c.claim.Sequential(0, run.Most)
	} else {
		c.fixed = c.claim.Fixed()
	}
}

func (c *claimTest) add(r *rig.Record) {
	if c.claim == nil || r.Outcome == rig.Aborted {
		return
	}
	if failed := r.Outcome != rig.Pass; c.sequential != nil {
		c.sequential.Add(failed)
	} else {
		c.fixed.Add(failed)
	}
}

func (c *claimTest) decision() stats.Decision {
	if c.sequential != nil {
		return c.sequential.Decision()
	}
	return c.fixed.Decision()
}

// say is the claim and where it stands, in a sentence.
func (c *claimTest) say() string {
	if c.claim == nil {
		return ""
	}
	head := "The claim: at least " + limit(100*c.claim.Pass) + " % of resets succeed, with " + limit(100*c.claim.Confidence) + " % confidence. "
	var how, left string
	if s := c.sequential; s != nil {
		how = "Wald's sequential test, which may be looked at after each cycle"
		left = plural(s.Left(), "more cycle")
		if c.decision() != stats.Undecided {
			how += ": decided at cycle " + count(s.Done) + " with " + plural(s.Fails, "failure")
		}
	} else {
		how = "the fixed count, " + count(c.fixed.Need) + " cycles without one failure"
		left = plural(c.fixed.Left(), "more cycle")
		if c.decision() == stats.Refuted {
			how += ": cycle " + count(c.fixed.Done) + " of those counted did not pass"
		}
	}
	switch c.decision() {
	case stats.Shown:
		return head + "SHOWN (" + how + ")."
	case stats.Refuted:
		return head + "NOT SHOWN, and it can't be shown by this soak any more (" + how + "). What is in doubt counts against a claim: errors of the rig and presumed fails."
	}
	return head + "NOT SHOWN YET (" + how + "): " + left + " without a failure would show it."
}

// worth is what the cycles show without any claim.
func worth(o stats.Outcomes) string {
	if o.Judged() == 0 {
		return ""
	}
	r := o.Rates(confidence)
	t := "These cycles show, with " + limit(100*confidence) + " % confidence, that at least " + percentDown(r.PassRate.AtLeast) + " of resets succeed"
	if o.Error > 0 {
		counted := stats.NewRate(o.Pass, o.Judged()+o.Error, confidence)
		t += "; if every error of the rig hid a failure, at least " + percentDown(counted.AtLeast)
	}
	return t + "."
}

// confidence is that of every interval in a report.
const confidence = 0.95

// percentDown is a rate rounded down: a bound is never made better by its
// rounding.
func percentDown(rate float64) string {
	digits := 2
	if rate > .999 {
		digits = 4
	}
	m := math.Pow10(digits + 2)
	return fixed(math.Floor(rate*m+1e-9)/m*100, digits) + " %"
}

// byCycle orders what is shown.
func byCycle(a, b rig.Record) int {
	return cmp.Or(cmp.Compare(a.Cycle, b.Cycle), cmp.Compare(a.Attempt, b.Attempt))
}
