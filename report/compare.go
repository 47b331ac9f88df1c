package report

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"

	"resetrig/rig"
	"resetrig/soak/stats"
)

// significant is the p-value below which a difference is called shown.
const significant = 0.05

// Comparison is two runs held against each other: A, what is known, and B, what
// is asked about.
type Comparison struct {
	A, B Compared
	// Rates is Fisher's test of the failure rates of first attempts, errors left
	// out; RatesErrorsCounted the same with errors counted as failures.
	Rates, RatesErrorsCounted stats.Fisher
	// Difference is the failure rate of B less that of A, with Newcombe's
	// interval.
	Difference, DifferenceLow, DifferenceHigh float64
	Measurements                              []ComparedMeasurement
	// Differences are what was not the same in the two runs, beside the results.
	Differences []Differing
}

// Compared is one of the two runs.
type Compared struct {
	Run      Summary
	Outcomes stats.Outcomes
	Firmware []string
}

// ComparedMeasurement is a measurement in both runs.
type ComparedMeasurement struct {
	Name, Unit       string
	NA, NB           int
	MedianA, MedianB float64
	Test             stats.MannWhitney
	// Adjusted is the p-value for the number of measurements that were compared
	// (Holm).
	Adjusted float64
}

// Differing is a thing that differs between the runs.
type Differing struct{ What, A, B string }

// Compare goes once through the records of each run and tests them against each
// other.
func Compare(a, b Summary, recordsA, recordsB iter.Seq2[rig.Record, error]) (Comparison, error) {
	ga, gb := gather(&a, recordsA), gather(&b, recordsB)
	for _, g := range []*gathered{ga, gb} {
		if g.broken != nil {
			return Comparison{}, g.broken
		}
	}
	oa, ob := ga.Outcomes(), gb.Outcomes()
	c := Comparison{
		A: Compared{a, oa, ga.firmware}, B: Compared{b, ob, gb.firmware},
		Rates:              stats.FisherTest(oa.Fail(), oa.Judged(), ob.Fail(), ob.Judged(), confidence),
		RatesErrorsCounted: stats.FisherTest(oa.Fail()+oa.Error, oa.Judged()+oa.Error, ob.Fail()+ob.Error, ob.Judged()+ob.Error, confidence),
	}
	c.Difference, c.DifferenceLow, c.DifferenceHigh = stats.Difference(oa.Fail(), oa.Judged(), ob.Fail(), ob.Judged(), confidence)
	c.measure(ga, gb)
	c.differ(ga, gb)
	return c, nil
}

func (c *Comparison) measure(a, b *gathered) {
	var ps []float64
	for _, s := range a.measurements() {
		o := b.series[s.name]
		if o == nil || len(o.values) == 0 || o.unit != s.unit {
			continue
		}
		m := ComparedMeasurement{Name: s.name, Unit: clean(s.unit), NA: s.n, NB: o.n, MedianA: s.about.Median, MedianB: o.about.Median,
			Test: stats.MannWhitneyTest(s.values, o.values, confidence)}
		c.Measurements = append(c.Measurements, m)
		ps = append(ps, m.Test.P)
	}
	for i, p := range stats.Holm(ps) {
		c.Measurements[i].Adjusted = p
	}
}

func (c *Comparison) differ(a, b *gathered) {
	add := func(what, x, y string) {
		if x, y = clean(x), clean(y); x != y {
			c.Differences = append(c.Differences, Differing{what, cmp.Or(x, "unknown"), cmp.Or(y, "unknown")})
		}
	}
	units := func(g *gathered) string {
		var us []string
		for _, u := range g.units {
			us = append(us, identity(u))
		}
		slices.Sort(us)
		return strings.Join(us, "; ")
	}
	join := func(ss []string) string { return strings.Join(slices.Sorted(slices.Values(ss)), ", ") }
	add("firmware", join(a.firmware), join(b.firmware))
	add("DUT", units(a), units(b))
	add("bench", c.A.Run.Bench, c.B.Run.Bench)
	add("scenario", c.A.Run.Scenario, c.B.Run.Scenario)
	add("parameters", join(a.params), join(b.params))
	add("resetrig", join(a.versions), join(b.versions))
	names := map[string]bool{}
	files := func(s Summary) map[string]string {
		m := map[string]string{}
		for _, f := range s.Files {
			m[f.Name], names[f.Name] = f.SHA256, true
		}
		return m
	}
	fa, fb := files(c.A.Run), files(c.B.Run)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if fa[name] != fb[name] {
			add("text of "+clean(name), hashStart(fa[name]), hashStart(fb[name]))
		}
	}
	labels := map[string]bool{}
	for _, m := range []map[string]string{c.A.Run.Labels, c.B.Run.Labels} {
		for k := range m {
			labels[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		add("label "+clean(k), c.A.Run.Labels[k], c.B.Run.Labels[k])
	}
}

func hashStart(h string) string {
	if h == "" {
		return "none"
	}
	return "sha256:" + h[:min(12, len(h))]
}

// Conclusions say plainly what can be concluded, and what can't.
func (c *Comparison) Conclusions() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	a, b := c.A.Outcomes, c.B.Outcomes
	shown := false
	switch {
	case a.Judged() == 0 || b.Judged() == 0:
		say("Nothing can be concluded on the failure rates: a run without a judged cycle has none.")
	case c.Rates.P < significant && c.Difference > 0:
		shown = true
		say("B fails more often than A: by %s points [%s, %s] (Fisher's p = %s).", points(c.Difference), points(c.DifferenceLow), points(c.DifferenceHigh), pvalue(c.Rates.P))
	case c.Rates.P < significant:
		shown = true
		say("B fails less often than A: by %s points [%s, %s] (Fisher's p = %s).", points(-c.Difference), points(-c.DifferenceHigh), points(-c.DifferenceLow), pvalue(c.Rates.P))
	default:
		say("No difference of the failure rates is shown (Fisher's p = %s). That does not make them equal: B's may be up to %s points higher or %s points lower than A's.",
			pvalue(c.Rates.P), points(max(0, c.DifferenceHigh)), points(max(0, -c.DifferenceLow)))
	}
	if (c.RatesErrorsCounted.P < significant) != (c.Rates.P < significant) {
		say("With errors of the rig counted as failures it is otherwise (p = %s): the errors decide, and the comparison is not safe. Look at them first.", pvalue(c.RatesErrorsCounted.P))
	}
	if a.FailPresumed+b.FailPresumed > 0 {
		say("%s of the fails are presumed: on these benches nothing could tell them from a fault of the rig.", count(a.FailPresumed+b.FailPresumed))
	}
	moved := 0
	for _, m := range c.Measurements {
		if m.Adjusted < significant {
			moved++
			say("%s is %s in B: by %s %s [%s, %s] (Mann–Whitney's p = %s, adjusted for %s).", m.Name, map[bool]string{true: "greater", false: "smaller"}[m.Test.Superiority > .5],
				number(math.Abs(m.Test.Shift)), m.Unit, signed(m.Test.Low), signed(m.Test.High), pvalue(m.Adjusted), plural(len(c.Measurements), "measurement"))
		}
	}
	if moved == 0 && len(c.Measurements) > 0 {
		say("No measurement differs.")
	}
	return append(out, c.why(shown || moved > 0)...)
}

// why says what a difference may be put down to.
func (c *Comparison) why(shown bool) []string {
	var what []string
	firmware := false
	for _, d := range c.Differences {
		if d.What == "firmware" {
			firmware = true
			continue
		}
		if !strings.HasPrefix(d.What, "label ") { // words, and nothing that acts
			what = append(what, d.What)
		}
	}
	switch {
	case firmware && len(what) == 0:
		return []string{"The runs differ in the firmware alone, as far as is known; what differed in time between them (temperature, wear) is not."}
	case firmware && shown:
		return []string{"What differs can't be put down to the firmware alone: the runs also differ in " + strings.Join(what, ", ") + "."}
	case len(what) > 0 && shown:
		return []string{"The firmware is the same. The runs differ in " + strings.Join(what, ", ") + ": each of them may be the reason."}
	case len(what) > 0:
		return []string{"The runs differ in " + strings.Join(what, ", ") + "."}
	case shown:
		return []string{"The runs differ in nothing that was recorded: the difference came with time, or with something that nobody wrote down."}
	}
	return nil
}

// points is a difference of rates in percentage points.
func points(v float64) string {
	s := fixed(v*100, 2)
	if v > 0 && s == "0.00" {
		s = "less than 0.01"
	}
	return strings.Replace(s, "-", "−", 1)
}

// CompareText writes the comparison for people.
func CompareText(w io.Writer, c Comparison) error {
	p := &printer{w: w}
	p.linef("resetrig compare: A %s, B %s", clean(c.A.Run.Run), clean(c.B.Run.Run))
	p.linef("")
	for _, t := range c.Conclusions() {
		p.para("  ", t)
	}
	p.linef("")
	var rows [][]string
	a, b := c.A.Outcomes, c.B.Outcomes
	for _, r := range []struct {
		name string
		a, b int
	}{
		{"pass", a.Pass, b.Pass}, {"fail, proven", a.FailProven, b.FailProven}, {"fail, presumed", a.FailPresumed, b.FailPresumed},
		{"error", a.Error, b.Error}, {"aborted", a.Aborted, b.Aborted}, {"all", a.All(), b.All()},
	} {
		rows = append(rows, []string{r.name, count(r.a), count(r.b)})
	}
	p.table([]string{"<First attempts", "A", "B"}, rows)
	p.linef("")
	rows = nil
	for _, one := range []struct {
		name string
		a, b stats.Rate
		test stats.Fisher
	}{
		{"errors left out", a.Rates(confidence).FailLeftOut, b.Rates(confidence).FailLeftOut, c.Rates},
		{"errors counted as failures", a.Rates(confidence).FailErrorsCount, b.Rates(confidence).FailErrorsCount, c.RatesErrorsCounted},
	} {
		rows = append(rows, []string{one.name, rateText(one.a), rateText(one.b), pvalue(one.test.P), odds(one.test)})
	}
	p.table([]string{"<Failure rate", "<A", "<B", "Fisher's p", "<odds ratio B to A"}, rows)
	if len(c.Measurements) > 0 {
		rows = nil
		for _, m := range c.Measurements {
			rows = append(rows, []string{m.Name, count(m.NA), count(m.NB), number(m.MedianA), number(m.MedianB), m.Unit,
				signed(m.Test.Shift) + " [" + signed(m.Test.Low) + ", " + signed(m.Test.High) + "]", pvalue(m.Adjusted)})
		}
		p.linef("")
		p.table([]string{"<Measurements", "n A", "n B", "median A", "median B", "<", "<shift B − A", "adjusted p"}, rows)
	}
	if len(c.Differences) > 0 {
		rows = nil
		for _, d := range c.Differences {
			rows = append(rows, []string{d.What, short(d.A), short(d.B)})
		}
		p.linef("")
		p.table([]string{"<What differs", "<A", "<B"}, rows)
	} else {
		p.linef("")
		p.linef("  Firmware, DUT, bench, scenario and program are the same.")
	}
	p.linef("")
	p.para("  ", "Intervals are 95 %: Clopper–Pearson's of a rate, the exact one of an odds ratio, Newcombe's of a difference, Hodges and Lehmann's of a shift. Differences are called shown below p = 0.05; with several measurements, below it after Holm's adjustment, which the intervals are without.")
	return p.err
}

func rateText(r stats.Rate) string {
	if !r.Known() {
		return "nothing was judged"
	}
	return percent(r.Value) + " [" + percent(r.Low) + ", " + percent(r.High) + "]"
}

func odds(f stats.Fisher) string {
	v := func(x float64) string {
		switch {
		case math.IsInf(x, 1):
			return "∞"
		case math.IsNaN(x):
			return "unknown"
		}
		return number(x)
	}
	return v(f.Odds) + " [" + v(f.Low) + ", " + v(f.High) + "]"
}
