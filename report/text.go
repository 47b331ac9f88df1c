package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// Summary is what a report says of the run as a whole. Empty fields are left
// out.
type Summary struct {
	Run      string
	Kind     string // cycle, soak
	Bench    string
	Scenario string
	Version  string // of the program
	State    string // running, ended, interrupted
	Note     string // why it ended, in words
	Started  time.Time
	Ended    time.Time
	Planned  int
	// Begun is how many attempts began; those without a record are told. 0 is
	// unknown.
	Begun int
}

// Text writes the report of a run: what came out first, then the counts, the
// rate, what was measured, and every failed and errored cycle. records are
// gone through once. Where reading them fails, the report of what was read is
// written, says that it is incomplete, and the error is returned. The report
// of a single cycle is Cycle's.
func Text(w io.Writer, run Summary, records iter.Seq2[rig.Record, error]) error {
	s := newSums()
	var broken error
	for r, err := range records {
		if err != nil {
			broken = err
			break
		}
		s.add(&r)
	}
	p := &printer{w: w}
	p.linef("%s", strings.TrimSpace(clean(strings.Join([]string{"resetrig report:", run.Kind, run.Run}, " "))))
	p.linef("")
	if s.n == 1 && run.Begun <= 1 && run.Planned <= 1 && broken == nil { // counts of one say nothing
		return errors.Join(p.err, Cycle(w, s.only))
	}
	s.header(p, run, broken)
	if s.n == 0 {
		if run.Begun > 0 {
			p.linef("")
			p.linef("  %s begun, none has a record: running or interrupted.", plural(run.Begun, "cycle"))
		}
		return errors.Join(p.err, broken)
	}
	s.counts(p, run)
	s.rates(p)
	s.reasonTable(p)
	s.measurementTable(p)
	s.beepTable(p)
	s.longestTable(p)
	s.cycles(p, "Failed", &s.fails)
	s.cycles(p, "Errors: the rig could not tell", &s.errors)
	return errors.Join(p.err, broken)
}

func (s *sums) header(p *printer, run Summary, broken error) {
	p.para("  ", s.verdict())
	if s.unsafe.n > 0 {
		p.linef("")
		p.para("  ", "RELAYS IN DOUBT: the safe state of "+strings.Join(s.inDoubt(), ", ")+
			" could not be reached in "+plural(s.unsafe.n, "cycle")+". Look at the bench before anything else.")
	}
	if broken != nil {
		p.linef("")
		p.para("  ", "INCOMPLETE: reading the records stopped: "+clean(broken.Error()))
	}
	took := ""
	if !run.Ended.IsZero() && !run.Started.IsZero() {
		took = " (" + span(run.Ended.Sub(run.Started)) + ")"
	}
	if run.State != "" && run.State != "ended" {
		took += " " + run.State
	}
	versions := s.versions
	if len(versions) == 0 {
		versions = []string{run.Version}
	}
	var units []string
	for _, u := range s.units {
		units = append(units, identity(u))
	}
	p.linef("")
	p.pairs("bench", clean(run.Bench), "scenario", clean(run.Scenario), "DUT", clean(strings.Join(units, "; ")),
		"version", clean(strings.Join(versions, ", ")), "relays", clean(operations(s.operations)),
		"started", moment(run.Started), "ended", strings.TrimSpace(moment(run.Ended)+took), "note", short(run.Note))
}

// verdict is the run in one sentence.
func (s *sums) verdict() string {
	o := s.outcomes
	fails := o[provenRow][firsts] + o[presumedRow][firsts]
	judged := o[passRow][firsts] + fails
	var t string
	switch {
	case fails > 0:
		t = fmt.Sprintf("FAIL: %s of %s failed (%s proven, %s presumed)", count(fails), plural(judged, "judged cycle"),
			count(o[provenRow][firsts]), count(o[presumedRow][firsts]))
	case judged == 1:
		t = "PASS: the one judged cycle passed"
	case judged > 0:
		t = fmt.Sprintf("PASS: all %s passed", plural(judged, "judged cycle"))
	case s.total(firsts) > 0:
		t = "NO RESULT: no cycle was judged"
	default:
		t = "NO RESULT: there is no record"
	}
	if n := o[errorRow][firsts]; n > 0 {
		t += fmt.Sprintf("; %s ended in an error of the rig", plural(n, "more"))
	}
	if n := o[abortedRow][firsts]; n > 0 {
		t += fmt.Sprintf("; %s aborted", count(n))
	}
	if n := s.total(controls) - o[passRow][controls] - o[abortedRow][controls]; n > 0 {
		t += fmt.Sprintf("; %s of %s DID NOT HOLD", count(n), plural(s.total(controls), "control"))
	}
	return t + "."
}

func (s *sums) inDoubt() []string {
	var names []string
	for _, r := range s.unsafe.first {
		for _, u := range r.Unsafe {
			if u = clean(u); !slices.Contains(names, u) {
				names = append(names, u)
			}
		}
	}
	slices.Sort(names)
	return names
}

// counts is the table of outcomes, which adds up.
func (s *sums) counts(p *printer, run Summary) {
	head := []string{"<Outcomes", "first attempts", "retries", "controls"}
	var rows [][]string
	for i, name := range outcomeNames {
		rows = append(rows, []string{name, count(s.outcomes[i][firsts]), count(s.outcomes[i][retries]), count(s.outcomes[i][controls])})
	}
	all := s.total(firsts) + s.total(retries) + s.total(controls)
	rows = append(rows, []string{"all", count(s.total(firsts)), count(s.total(retries)), count(s.total(controls))})
	p.linef("")
	p.table(head, rows)
	p.linef("")
	t := plural(all, "record") + " in all"
	if run.Begun > all {
		t += fmt.Sprintf(" of %s begun: %s without a record, running or interrupted", count(run.Begun), count(run.Begun-all))
	}
	if run.Planned > 0 {
		t += fmt.Sprintf("; %s of %s done", count(s.total(firsts)), plural(run.Planned, "planned cycle"))
	}
	p.para("  ", t+".")
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
	const confidence = 0.95
	switch k {
	case 0:
		return "at most " + percent(AtMost(k, n, confidence)) + " (one-sided)"
	case n:
		return "at least " + percent(AtLeast(k, n, confidence)) + " (one-sided)"
	}
	low, high := Interval(k, n, confidence)
	return "[" + percent(low) + ", " + percent(high) + "]"
}

func (s *sums) reasonTable(p *printer) {
	if len(s.reasons) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(s.reasons), func(a, b reasonKey) int {
		return cmp.Or(cmp.Compare(order(a.outcome), order(b.outcome)), -cmp.Compare(sum(s.reasons[a]), sum(s.reasons[b])), cmp.Compare(a.reason, b.reason))
	})
	var rows [][]string
	for _, k := range keys {
		n := s.reasons[k]
		rows = append(rows, []string{clean(string(k.reason)), string(k.outcome), count(n[firsts]), count(n[retries]), count(n[controls])})
	}
	p.linef("")
	p.table([]string{"<Reasons", "<outcome", "first attempts", "retries", "controls"}, rows)
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
	if s.heard > 0 && s.deaf.n > 0 {
		var ns []string
		for _, r := range s.deaf.first[:min(len(s.deaf.first), 20)] {
			ns = append(ns, strconv.Itoa(r.Cycle))
		}
		p.linef("")
		p.para("  ", fmt.Sprintf("A long beep in %s, none in %s: %s%s.", plural(s.heard, "cycle"), count(s.deaf.n),
			strings.Join(ns, ", "), more(s.deaf.n-len(ns))))
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

// cycles lists what failed, the reason in words first.
func (s *sums) cycles(p *printer, title string, l *list) {
	if l.n == 0 {
		return
	}
	p.linef("")
	p.linef("  %s (%s)", title, count(l.n))
	for _, r := range l.first {
		p.linef("")
		text := short(r.Text)
		if text == "" {
			text = clean(string(r.Reason))
		}
		p.para("    ", text)
		p.para("      ", label(&r)+" · "+verdict(&r)+" · "+span(r.Took)+" · "+moment(r.Started))
		evidence := clean(r.ID)
		if len(r.Artifacts) > 0 {
			evidence += " · " + strings.Join(cleanAll(r.Artifacts), " ")
		}
		p.para("      ", evidence)
	}
	if n := l.n - len(l.first); n > 0 {
		p.linef("")
		p.linef("    (+%s more)", count(n))
	}
}

// label names a cycle: its number, and what is special about it.
func label(r *rig.Record) string {
	t := "cycle " + strconv.Itoa(r.Cycle)
	if r.Control {
		t = "control " + strconv.Itoa(r.Cycle)
	}
	if r.Attempt > 1 {
		t += ", attempt " + strconv.Itoa(r.Attempt)
	}
	return t
}

// verdict is the outcome with what qualifies it.
func verdict(r *rig.Record) string {
	t := string(r.Outcome)
	if r.Attribution != "" {
		t += ", " + string(r.Attribution)
	}
	if r.Reason != "" {
		t += ": " + string(r.Reason)
	}
	return clean(t)
}

func identity(d rig.Identity) string {
	return strings.TrimSpace(strings.Join([]string{d.Serial, d.MAC}, " "))
}

func cleanAll(ss []string) []string {
	var cs []string
	for _, s := range ss {
		cs = append(cs, clean(s))
	}
	return cs
}

// plural is "1 cycle", "2 cycles", "2 more".
func plural(n int, what string) string {
	if n != 1 && what != "more" {
		what += "s"
	}
	return count(n) + " " + what
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return " (+" + count(n) + " more)"
}
