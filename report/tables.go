package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"resetrig/rig"
	"resetrig/soak/stats"
)

// counts is the table of outcomes, which adds up.
func (s *sums) counts(p *printer, run Summary) {
	head := []string{"<Outcomes", "first attempts", "retries", "controls"}
	var rows [][]string
	for i, name := range outcomeNames {
		rows = append(rows, []string{name, count(s.outcomes[i][firsts]), count(s.outcomes[i][retries]), count(s.outcomes[i][controls])})
	}
	rows = append(rows, []string{"all", count(s.total(firsts)), count(s.total(retries)), count(s.total(controls))})
	p.linef("")
	p.table(head, rows)
	p.linef("")
	p.para("  ", s.inAll(&run))
}

// inAll says how the records add up.
func (s *sums) inAll(run *Summary) string {
	all := s.total(firsts) + s.total(retries) + s.total(controls)
	t := plural(all, "record") + " in all"
	if run.Begun > all {
		t += fmt.Sprintf(" of %s begun: %s without a record, running or interrupted", count(run.Begun), count(run.Begun-all))
	}
	if run.Planned > 0 {
		t += fmt.Sprintf("; %s of %s done", count(s.total(firsts)), plural(run.Planned, "planned cycle"))
	}
	return t + "."
}

// rates is the failure rate with both bounds.
func (s *sums) rates(p *printer) {
	o := s.outcomes
	fails := o[provenRow][firsts] + o[presumedRow][firsts]
	errs := o[errorRow][firsts]
	judged := o[passRow][firsts] + fails
	p.linef("")
	p.linef("  Failure rate of first attempts, with 95 %% confidence (Clopper–Pearson)")
	var rows [][]string
	for _, r := range []struct {
		name string
		k, n int
	}{
		{"errors left out", fails, judged},
		{"errors counted as failures", fails + errs, judged + errs},
	} {
		if r.n == 0 {
			rows = append(rows, []string{r.name, "0 of 0", "", "nothing was judged"})
			continue
		}
		rows = append(rows, []string{r.name, count(r.k) + " of " + count(r.n), percent(float64(r.k) / float64(r.n)), bounds(r.k, r.n)})
	}
	p.table([]string{"<", "", "", "<"}, rows)
}

// bounds says what k of n allows to claim.
func bounds(k, n int) string {
	switch k {
	case 0:
		return "at most " + percent(stats.AtMost(k, n, confidence)) + " (one-sided)"
	case n:
		return "at least " + percent(stats.AtLeast(k, n, confidence)) + " (one-sided)"
	}
	low, high := stats.Interval(k, n, confidence)
	return "[" + percent(low) + ", " + percent(high) + "]"
}

func (s *sums) reasonTable(p *printer) {
	if len(s.reasons) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(s.reasons), s.byReason)
	var rows [][]string
	for _, k := range keys {
		n := s.reasons[k]
		rows = append(rows, []string{clean(string(k.reason)), string(k.outcome), count(n[firsts]), count(n[retries]), count(n[controls])})
	}
	p.linef("")
	p.table([]string{"<Reasons", "<outcome", "first attempts", "retries", "controls"}, rows)
}

// byReason orders reasons: by outcome, then the frequent first.
func (s *sums) byReason(a, b reasonKey) int {
	return cmp.Or(cmp.Compare(order(a.outcome), order(b.outcome)), -cmp.Compare(sum(s.reasons[a]), sum(s.reasons[b])), cmp.Compare(a.reason, b.reason))
}

func sum(n *[classes]int) int { return n[firsts] + n[retries] + n[controls] }

func order(o rig.Outcome) int {
	return slices.Index([]rig.Outcome{rig.Fail, rig.Error, rig.Aborted, rig.Pass}, o)
}

func (s *sums) measurementTable(p *printer) {
	if len(s.measured) == 0 {
		return
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(s.measured)) {
		m := s.measured[name]
		lim := limits(m.min, m.max)
		if m.vary {
			lim = "vary"
		}
		outside := ""
		if lim != "" {
			outside = count(m.outside)
		}
		rows = append(rows, append(m.row(name, m.unit), lim, outside))
	}
	p.linef("")
	p.table([]string{"<Measurements", "n", "median", "min", "max", "<unit", "max in cycle", "<limits", "outside"}, rows)
}

// row is a spread in columns.
func (s *spread) row(name, unit string) []string {
	median := number(s.median())
	if s.stride > 1 {
		median = "~" + median
	}
	return []string{clean(name), count(s.n), median, number(s.min), number(s.max), clean(unit), strconv.Itoa(s.maxIn)}
}

// limits are the limits of a measurement; "" where there are none.
func limits(low, high *float64) string {
	switch {
	case low != nil && high != nil:
		return limit(*low) + " … " + limit(*high)
	case low != nil:
		return "≥ " + limit(*low)
	case high != nil:
		return "≤ " + limit(*high)
	}
	return ""
}

func (s *sums) beepTable(p *printer) {
	if len(s.beeps) > 0 {
		var rows [][]string
		for _, kind := range slices.Sorted(maps.Keys(s.beeps)) {
			b := s.beeps[kind]
			rows = append(rows, b.duration.row(kind+": duration", "s"), b.frequency.row(kind+": frequency", "Hz"), b.snr.row(kind+": SNR", "dB"))
		}
		p.linef("")
		p.table([]string{"<Beeps", "n", "median", "min", "max", "<unit", "max in cycle"}, rows)
	}
	if t := s.deafText(); t != "" {
		p.linef("")
		p.para("  ", t)
	}
	if len(s.findings) > 0 {
		var fs []string
		for _, name := range slices.Sorted(maps.Keys(s.findings)) {
			fs = append(fs, clean(name)+" "+count(s.findings[name]))
		}
		p.linef("")
		p.para("  ", "The ear's findings: "+strings.Join(fs, ", ")+".")
	}
}

// deafText names the cycles without a long beep, where others had one.
func (s *sums) deafText() string {
	if s.heard == 0 || s.deaf.n == 0 {
		return ""
	}
	var ns []string
	for _, r := range s.deaf.first[:min(len(s.deaf.first), 20)] {
		ns = append(ns, strconv.Itoa(r.Cycle))
	}
	return fmt.Sprintf("A long beep in %s, none in %s: %s%s.", plural(s.heard, "cycle"), count(s.deaf.n), strings.Join(ns, ", "), more(s.deaf.n-len(ns)))
}

func (s *sums) longestTable(p *printer) {
	if len(s.longest) < 2 {
		return
	}
	var rows [][]string
	for _, r := range s.longest {
		rows = append(rows, []string{span(r.Took), label(&r), verdict(&r), clean(r.ID)})
	}
	p.linef("")
	p.table([]string{"<Longest", "<", "<", "<"}, rows)
}
