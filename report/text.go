package report

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
	"resetrig/soak/stats"
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

	// Claim is what the soak was to show; nil for nothing. Sequential: Wald's test
	// decided it, and not the fixed count. Most is the number of cycles at which
	// the soak was to end anyway; 0: none.
	Claim      *stats.Claim
	Sequential bool
	Most       int
	// Labels and Files say what was run: words of the lab, and each text that the
	// run was frozen on, with its hash.
	Labels map[string]string
	Files  []File
	// Life are the relays with what they have behind them.
	Life []RelayLife
	// Comments are what people said of its cycles, oldest first.
	Comments []Comment
}

// File is a text that a run was frozen on.
type File struct {
	Name   string // scenario, bench, model, …
	SHA256 string
}

// RelayLife is a relay's account.
type RelayLife struct {
	Relay      string
	Operations int64 // in all its life on this bench
	Rated      int64 // 0: the bench does not say
}

// Text writes the report of a run: what came out first, then the counts, the
// rate, what was measured, and every failed and errored cycle. records are
// gone through once. Where reading them fails, the report of what was read is
// written, says that it is incomplete, and the error is returned. The report
// of a single cycle is Cycle's.
func Text(w io.Writer, run Summary, records iter.Seq2[rig.Record, error]) error {
	s := newSums()
	s.comments = run.Comments
	var claim claimTest
	claim.begin(&run)
	var broken error
	for r, err := range records {
		if err != nil {
			broken = err
			break
		}
		s.add(&r)
		if classOf(&r) == firsts {
			claim.add(&r)
		}
	}
	p := &printer{w: w}
	p.linef("%s", strings.TrimSpace(clean(strings.Join([]string{"resetrig report:", run.Kind, run.Run}, " "))))
	p.linef("")
	if s.n == 1 && run.Begun <= 1 && run.Planned <= 1 && broken == nil { // counts of one say nothing
		return errors.Join(p.err, Cycle(w, s.only, run.Comments...))
	}
	s.header(p, run, claim.say(), broken)
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
	s.otherComments(p)
	return errors.Join(p.err, broken)
}

func (s *sums) header(p *printer, run Summary, claim string, broken error) {
	p.para("  ", s.verdict())
	for _, t := range []string{claim, worth(s.Outcomes())} {
		if t != "" {
			p.para("  ", t)
		}
	}
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
	if n := s.lostControls(); n > 0 {
		t += fmt.Sprintf("; %s of %s DID NOT HOLD", count(n), plural(s.total(controls), "control"))
	}
	if n := o[errorRow][controls] + o[provenRow][controls] + o[presumedRow][controls] - s.lostControls(); n > 0 {
		t += fmt.Sprintf("; %s ended in an error of the rig", plural(n, "control"))
	}
	return t + "."
}

// lostControls is how many controls did not hold. One that ended in another error
// of the rig says nothing of that.
func (s *sums) lostControls() int {
	n := s.outcomes[provenRow][controls] + s.outcomes[presumedRow][controls]
	if of := s.reasons[reasonKey{rig.Error, rig.ReasonControl}]; of != nil {
		n += of[controls]
	}
	return n
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
		for _, c := range comments(s.comments, r.ID) {
			p.para("      ", c)
		}
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
