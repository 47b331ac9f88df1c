package report

import (
	"bufio"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
	"resetrig/soak/stats"
)

// Evidence finds what a cycle left behind. It is asked while the page is
// written, for one cycle after the other, and for a bounded number of them.
type Evidence interface {
	// Show gives the pictures and sounds of a record, as they are to be shown. A
	// cycle without any has none and no error.
	Show(r rig.Record) (Shown, error)
}

// Shown is the evidence of one cycle. Each part may be empty.
type Shown struct {
	Picture []byte // PNG
	Sound   []byte // WAV
	// SoundFrom and SoundTo are the piece of the cycle that the sound is.
	SoundFrom, SoundTo time.Duration
}

// evidenceMost is how many bytes of evidence a page embeds; with the third that
// base64 adds, it stays below 20 MB.
const evidenceMost = 11_500_000

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// HTML writes one self-contained page for people: the verdict, what was run, how
// it came out, every failure with its evidence, every measurement over the
// cycles, and the health of the rig. It needs no other file and no network, reads
// on screen, on a telephone and on paper, and without scripts.
//
// records are gone through once, and a bounded part of them is held. Where
// reading them fails, the page of what was read is written, says that it is
// incomplete, and the error is returned. evidence may be nil.
func HTML(w io.Writer, run Summary, records iter.Seq2[rig.Record, error], evidence Evidence) error {
	g := gather(&run, records)
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("the page's template: %w", err)
	}
	p := newPage(&run, g, evidence)
	b := bufio.NewWriterSize(w, 1<<16)
	if err := t.Execute(b, p); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return g.broken
}

// page is what the template is given. Everything in it is text that was cleaned,
// or drawn here.
type page struct {
	Title, Style string
	CSS          template.CSS
	JS           template.JS
	Verdict      banner
	Broken       string
	Unsafe       string
	Claim, Worth string
	Tiles        []tile
	Run          []pair
	Files        []File
	Counts       []countRow
	CountNote    string
	Rates        []rateRow
	Strip        template.HTML
	StripLeft    int
	Groups       []groupRow
	Details      []*detail
	Single       bool // one cycle, of which there are no statistics
	DetailNote   string
	Reference    *detail
	Measurements []measureRow
	Findings     []pair
	Errors       []reasonRow
	Relays       []relayRow
	Controls     []controlRow
	Retries      string
	Life         lifeText
	Rows         []notPassed
	RowsLeft     int
	Comments     []pair // on cycles that are not shown in detail
	Sources      []string
	Beeps        []beepRow
	Deaf         string
}

type banner struct{ Class, Word, Text string }

type tile struct{ ID, Value, Name, Note string }

type pair struct{ Name, Value string }

type countRow struct {
	ID, Class, Name             string
	First, Retries, Controls, _ string
}

type rateRow struct{ ID, Name, Of, Value, Interval, Bound string }

type groupRow struct {
	Signature   string
	Count       string
	First, Last int
	Cycles      string
	Anchor      string
}

type reasonRow struct{ Reason, Outcome, First, Retries, Controls string }

type relayRow struct{ Relay, Here, Life, Rated, Left string }

type controlRow struct{ Scenario, Held, Lost, Unsure, Aborted string }

type lifeText struct{ First, Fit string }

type notPassed struct {
	Cycle                        int
	Label, Verdict, Class, Text  string
	Took, Started, ID, Anchor, S string
	Short, Minute                string // label and moment, as short as a table can have them
}

func newNotPassed(r *rig.Record, anchor string) notPassed {
	return notPassed{
		Cycle: r.Cycle, Label: label(r), Short: strings.TrimPrefix(label(r), "cycle "), Verdict: verdict(r), Class: rowClass[rowOf(r)], Text: short(r.Text),
		Took: span(r.Took), Started: moment(r.Started), Minute: minute(r.Started), ID: clean(r.ID), Anchor: anchor,
		S: strconv.FormatFloat(r.Took.Seconds(), 'f', 3, 64),
	}
}

type beepRow struct{ Kind, What, N, Median, Min, Max, Unit string }

func newPage(run *Summary, g *gathered, evidence Evidence) *page {
	p := &page{
		Title: strings.TrimSpace("Report of " + clean(run.Kind+" "+run.Run)),
		CSS:   template.CSS(pageStyle), JS: template.JS(pageScript), //nolint:gosec // shipped with the program
		Claim: g.claim.say(), Worth: worth(g.Outcomes()),
	}
	if g.broken != nil {
		p.Broken = clean(g.broken.Error())
	}
	p.verdict(g)
	p.whatRan(run, g)
	for _, s := range g.sources {
		p.Sources = append(p.Sources, cleanLines(s))
	}
	if g.n == 1 {
		p.single(run, g, evidence)
		return p
	}
	p.tiles(g)
	p.counts(run, g)
	p.rates(g)
	p.Strip, p.StripLeft = strip(&g.strip), g.strip.left
	p.details(g, evidence)
	p.comments(run.Comments)
	p.groups(g)
	for _, s := range g.measurements() {
		p.Measurements = append(p.Measurements, newMeasureRow(s))
	}
	p.health(run, g)
	p.lives(g)
	for i := range g.rows.first {
		r := &g.rows.first[i]
		p.Rows = append(p.Rows, newNotPassed(r, p.anchorOf(r.ID)))
	}
	p.RowsLeft = g.rows.n - len(g.rows.first)
	return p
}

// single is the page of one cycle: all that is known of it, and nothing that
// takes many.
func (p *page) single(run *Summary, g *gathered, evidence Evidence) {
	budget := evidenceMost
	d := newDetail(&g.only, "d1", &budget, evidence)
	p.Single, d.Open = true, true
	p.Worth, p.Details = "", []*detail{d}
	p.comments(run.Comments)
}

// comments puts what people said beside the cycles that are shown, and the rest
// into a list.
func (p *page) comments(all []Comment) {
	var named []string
	shown := p.Details
	if p.Reference != nil {
		shown = append([]*detail{p.Reference}, shown...)
	}
	for _, d := range shown {
		named = append(named, d.record.ID)
		d.Comments = comments(all, d.record.ID)
	}
	for _, c := range besides(all, named) {
		p.Comments = append(p.Comments, pair{clean(c.Cycle), said(c)})
	}
}

func (p *page) verdict(g *gathered) {
	t := g.verdict()
	word, text, _ := strings.Cut(t, ": ")
	class := map[string]string{"FAIL": "proven", "PASS": "pass", "NO RESULT": "error"}[word]
	o := g.Outcomes()
	lost := g.total(controls) - g.outcomes[passRow][controls] - g.outcomes[abortedRow][controls]
	if word == "PASS" && (o.Error > 0 || lost > 0 || len(g.unsafe.first) > 0) {
		class = "presumed"
	}
	p.Verdict = banner{class, word, sentence(text)}
	if g.unsafe.n > 0 {
		p.Unsafe = "The safe state of " + strings.Join(g.inDoubt(), ", ") + " could not be reached in " + g.unsafeIn() + ". Look at the bench before anything else."
	}
}

// unsafeIn names the cycles whose safe state was not reached.
func (s *sums) unsafeIn() string {
	var in []string
	for i := range s.unsafe.first[:min(len(s.unsafe.first), 12)] {
		in = append(in, label(&s.unsafe.first[i]))
	}
	return strings.Join(in, ", ") + more(s.unsafe.n-len(in))
}

// sentence begins with a capital.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func (p *page) tiles(g *gathered) {
	o := g.Outcomes()
	r := o.Rates(confidence)
	add := func(id, value, name, note string) { p.Tiles = append(p.Tiles, tile{id, value, name, note}) }
	add("t-judged", count(o.Judged()), "cycles judged", "of "+count(o.All()))
	if r.FailLeftOut.Known() {
		add("t-rate", percent(r.FailLeftOut.Value), "failure rate", bounds(o.Fail(), o.Judged()))
	}
	add("t-proven", count(o.FailProven), "fails, proven", "the rig's side was verified")
	if o.FailPresumed > 0 {
		add("t-presumed", count(o.FailPresumed), "fails, presumed", "nothing on the bench could tell")
	}
	add("t-errors", count(o.Error), "errors of the rig", "outside the rate")
	if n := g.total(controls); n > 0 {
		add("t-controls", count(g.outcomes[passRow][controls])+" of "+count(n), "controls held", "proof that the test can fail")
	}
}

func (p *page) whatRan(run *Summary, g *gathered) {
	add := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			p.Run = append(p.Run, pair{name, value})
		}
	}
	var units []string
	for _, u := range g.units {
		units = append(units, clean(identity(u)))
	}
	versions := cleanAll(g.versions)
	if len(versions) == 0 {
		versions = cleanAll([]string{run.Version})
	}
	took := ""
	if !run.Ended.IsZero() && !run.Started.IsZero() {
		took = " (" + span(run.Ended.Sub(run.Started)) + ")"
	}
	if run.State != "" && run.State != "ended" {
		took += " " + clean(run.State)
	}
	add("Run", clean(run.Kind+" "+run.Run))
	add("Scenario", clean(run.Scenario))
	add("Parameters", strings.Join(g.params, "; "))
	add("Bench", clean(run.Bench))
	add("DUT", strings.Join(units, "; "))
	add("Firmware seen", strings.Join(g.firmware, "; "))
	add("resetrig", strings.Join(versions, ", "))
	var labels []string
	for _, k := range slices.Sorted(maps.Keys(run.Labels)) {
		labels = append(labels, clean(k)+" "+clean(run.Labels[k]))
	}
	add("Labels", strings.Join(labels, "; "))
	add("Started", moment(run.Started))
	add("Ended", moment(run.Ended)+took)
	add("Note", short(run.Note))
	there := map[string]bool{}
	for _, f := range run.Files {
		if !there[f.SHA256] { // one text may have been frozen under two names
			p.Files = append(p.Files, File{clean(f.Name), clean(f.SHA256)})
		}
		there[f.SHA256] = true
	}
}

func (p *page) counts(run *Summary, g *gathered) {
	for i, name := range outcomeNames {
		o := g.outcomes[i]
		p.Counts = append(p.Counts, countRow{ID: rowClass[i], Class: rowClass[i], Name: name, First: count(o[firsts]), Retries: count(o[retries]), Controls: count(o[controls])})
	}
	p.Counts = append(p.Counts, countRow{ID: "all", Name: "all", First: count(g.total(firsts)), Retries: count(g.total(retries)), Controls: count(g.total(controls))})
	p.CountNote = g.inAll(run)
}

func (p *page) rates(g *gathered) {
	r := g.Outcomes().Rates(confidence)
	add := func(id, name string, rate stats.Rate, least bool) {
		row := rateRow{ID: id, Name: name, Of: count(rate.K) + " of " + count(rate.N), Value: "–", Interval: "nothing was judged"}
		if rate.Known() {
			row.Value, row.Interval = percent(rate.Value), "["+percent(rate.Low)+", "+percent(rate.High)+"]"
			row.Bound = "at most " + percent(rate.AtMost)
			if least {
				row.Bound = "at least " + percentDown(rate.AtLeast)
			}
		}
		p.Rates = append(p.Rates, row)
	}
	add("left-out", "Failure rate, errors left out", r.FailLeftOut, false)
	add("counted", "Failure rate, errors counted as failures", r.FailErrorsCount, false)
	add("proven", "Failure rate, only what is proven", r.FailProven, false)
	add("first", "Passed at the first attempt", r.FirstPass, true)
	add("errors", "Errors of the rig", r.ErrorRate, false)
}

func (p *page) groups(g *gathered) {
	for _, one := range g.groups.List() {
		row := groupRow{Signature: one.Signature, Count: count(one.Count), First: one.First, Last: one.Last}
		var ns []string
		for _, c := range one.Cycles[:min(len(one.Cycles), 12)] {
			ns = append(ns, strconv.Itoa(c))
		}
		row.Cycles = strings.Join(ns, ", ") + more(one.Count-len(ns))
		for _, d := range p.Details {
			if d.signature == one.Signature && d.outcome == rig.Fail {
				row.Anchor = d.Anchor
				break
			}
		}
		p.Groups = append(p.Groups, row)
	}
}

// minute is a wall time in a list; the zone is said at the run's own times.
func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02 15:04")
}

func dataURI(kind string, b []byte) template.HTMLAttr {
	return template.HTMLAttr(`src="data:` + kind + `;base64,` + base64.StdEncoding.EncodeToString(b) + `"`) //nolint:gosec // base64 has no character of HTML's
}
