package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"resetrig/rig"
)

// detail is a cycle shown with all that is known of it.
type detail struct {
	Anchor, Title, Class, Verdict, Text string
	Facts                               []pair
	Timelines                           []template.HTML
	Checks                              []checkRow
	Measured                            []measuredRow
	Steps                               []stepRow
	Findings                            []pair
	Artifacts                           string
	Open                                bool // what is folded elsewhere
	Comments                            []string

	record    *rig.Record
	outcome   rig.Outcome
	signature string
	asked     bool // for its evidence
	shown     Shown
	budget    *int
	evidence  Evidence
	EvidenceNote
}

// EvidenceNote says what of the evidence is not on the page.
type EvidenceNote struct{ Left string }

type checkRow struct {
	Class, Word, Name, Wanted, Seen string
	Differences                     []differenceRow
	More                            int
}

type differenceRow struct{ Key, Text string }

type measuredRow struct{ Name, Value, Unit, Limits, Word, Class string }

type stepRow struct{ At, Phase, Step, Took, Error string }

func (p *page) anchorOf(id string) string {
	for _, d := range p.Details {
		if d.record.ID == id {
			return d.Anchor
		}
	}
	return ""
}

// details are the cycles that did not pass, fails first, the groups in turn, so
// that the evidence that fits shows as many kinds as it can.
func (p *page) details(g *gathered, evidence Evidence) {
	budget := evidenceMost
	weight := map[rig.Outcome]int{rig.Fail: 0, rig.Error: 1}
	turn := map[string]int{}
	type ranked struct {
		r    *rig.Record
		turn int
	}
	slices.SortStableFunc(g.details, byCycle)
	var all []ranked
	for i := range g.details {
		r := &g.details[i]
		sig := string(r.Outcome) + SignatureOf(r)
		all = append(all, ranked{r, turn[sig]})
		turn[sig]++
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		if d := weight[a.r.Outcome] - weight[b.r.Outcome]; d != 0 {
			return d
		}
		return a.turn - b.turn
	})
	if g.reference != nil {
		p.Reference = newDetail(g.reference, "reference", &budget, evidence)
	}
	for i, one := range all {
		p.Details = append(p.Details, newDetail(one.r, fmt.Sprintf("d%d", i+1), &budget, evidence))
	}
	if left := g.rows.n - len(p.Details); left > 0 {
		p.DetailNote = fmt.Sprintf("%s of %s that did not pass are shown in detail, each kind of failure among them. The other %s are in the list below, and `resetrig report ID` shows each.",
			count(len(p.Details)), plural(g.rows.n, "cycle"), count(left))
	}
}

func newDetail(r *rig.Record, anchor string, budget *int, evidence Evidence) *detail {
	d := &detail{
		Anchor: anchor, Title: sentence(label(r)), Class: rowClass[rowOf(r)], Verdict: verdict(r), Text: sentence(short(r.Text)),
		record: r, outcome: r.Outcome, signature: SignatureOf(r), budget: budget, evidence: evidence,
		Artifacts: strings.Join(cleanAll(r.Artifacts), ", "),
	}
	fact := func(name, value string) {
		if value != "" {
			d.Facts = append(d.Facts, pair{name, value})
		}
	}
	fact("Record", clean(r.ID))
	fact("Started", moment(r.Started))
	fact("Took", span(r.Took))
	if r.Control {
		fact("Control", clean(r.Scenario))
	}
	fact("Senses", strings.Join(cleanAll(r.Senses), ", "))
	fact("Relays", clean(operations(r.Operations)))
	if r.Mark != nil {
		fact("Marked", marks(r.Mark))
	}
	if len(r.Unsafe) > 0 {
		fact("Relays in doubt", strings.Join(cleanAll(r.Unsafe), ", "))
	}
	d.timelines(r)
	for _, k := range r.Checks {
		seen := short(k.Seen)
		if k.Reason != "" {
			seen = strings.TrimSpace(seen + " (" + clean(string(k.Reason)) + ")")
		}
		row := checkRow{Class: "c" + clean(string(k.Outcome)), Word: checkSigns[k.Outcome], Name: clean(k.Name), Wanted: short(k.Wanted), Seen: seen}
		for _, f := range k.Differences[:min(len(k.Differences), mostDifferences)] {
			row.Differences = append(row.Differences, differenceRow{clean(f.Key), differenceText(f)})
		}
		if n := len(k.Differences); n > 0 { // the list says what was seen
			row.More, row.Seen = n-len(row.Differences), plural(n, "difference")+":"
		}
		d.Checks = append(d.Checks, row)
	}
	for _, m := range r.Measurements {
		d.Measured = append(d.Measured, measuredRow{clean(m.Name), number(m.Value), clean(m.Unit), limits(m.Min, m.Max), checkSigns[m.Outcome], "c" + clean(string(m.Outcome))})
	}
	for _, s := range r.Steps {
		e := short(s.Error)
		if s.Error == r.Text && e != "" {
			e = "as said above"
		}
		d.Steps = append(d.Steps, stepRow{fixed(s.Began.Seconds(), 3), clean(s.Phase), short(s.Step), fixed(s.Took.Seconds(), 3), e})
	}
	for _, f := range r.Findings {
		text := short(f.Detail)
		if f.Unfit {
			text += " (unfit: what it heard proves nothing)"
		}
		d.Findings = append(d.Findings, pair{clean(f.Name), text})
	}
	return d
}

var checkSigns = map[rig.CheckOutcome]string{
	rig.CheckPass: "✓ ok", rig.CheckFail: "✗ FAIL", rig.CheckUnknown: "? unknown", rig.CheckWarn: "! warn",
}

// timelines are the whole cycle and, where most of it is waiting, the act alone.
func (d *detail) timelines(r *rig.Record) {
	if r.Took <= 0 || len(r.Timeline) == 0 {
		return
	}
	name := label(r)
	from, to := act(r)
	if to > from && r.Took > 3*(to-from) {
		d.Timelines = append(d.Timelines, timelineOf(r, from, to, name+": the act", "The act"))
	}
	d.Timelines = append(d.Timelines, timelineOf(r, 0, r.Took, name+": the whole cycle", "The whole cycle"))
}

// act is where the relays work, with a little around it.
func act(r *rig.Record) (from, to time.Duration) {
	first, last := time.Duration(-1), time.Duration(-1)
	in := false
	for _, e := range r.Timeline {
		switch {
		case e.Kind == "phase":
			in = e.Name == "act"
		case e.Kind == "relay" && in:
			if first < 0 {
				first = e.At
			}
			last = e.At
		}
	}
	if first < 0 {
		return 0, 0
	}
	return max(0, first-2*time.Second), min(r.Took, last+6*time.Second)
}

// ask fetches the evidence while the page is written, so that one cycle's is held
// at a time, and within what the page may embed.
func (d *detail) ask() {
	if d.asked {
		return
	}
	d.asked = true
	if d.evidence == nil || len(d.record.Artifacts) == 0 {
		return
	}
	if *d.budget <= 0 {
		d.Left = "Its picture and sound are not embedded, to keep this page small."
		return
	}
	s, err := d.evidence.Show(*d.record)
	if err != nil {
		d.Left = "Its evidence could not be read: " + clean(err.Error())
		return
	}
	switch {
	case len(s.Picture)+len(s.Sound) <= *d.budget:
	case len(s.Picture) > 0 && len(s.Picture) <= *d.budget:
		s.Sound, d.Left = nil, "Its sound is not embedded, to keep this page small."
	default:
		d.Left = "Its picture and sound are not embedded, to keep this page small."
		return
	}
	*d.budget -= len(s.Picture) + len(s.Sound)
	d.shown = s
}

// Picture is the src of the spectrogram; "" where there is none.
func (d *detail) Picture() template.HTMLAttr {
	d.ask()
	if len(d.shown.Picture) == 0 {
		return ""
	}
	return dataURI("image/png", d.shown.Picture)
}

// Sound is the src of the clip; "" where there is none.
func (d *detail) Sound() template.HTMLAttr {
	d.ask()
	if len(d.shown.Sound) == 0 {
		return ""
	}
	return dataURI("audio/wav", d.shown.Sound)
}

// SoundNote says which piece of the cycle the clip is.
func (d *detail) SoundNote() string {
	if d.shown.SoundTo <= d.shown.SoundFrom {
		return ""
	}
	return fmt.Sprintf("from %.1f s to %.1f s of the cycle", d.shown.SoundFrom.Seconds(), d.shown.SoundTo.Seconds())
}

// Alt describes the picture to who can't see it.
func (d *detail) Alt() string {
	long := "no long beep"
	for _, b := range d.record.Beeps {
		if b.Kind == "long" {
			long = fmt.Sprintf("a long beep at %.1f s, %.2f s long, at %.0f Hz", b.Onset.Seconds(), b.Duration.Seconds(), b.FrequencyHz)
			break
		}
	}
	return "Spectrogram of the cycle's sound: " + long
}

// Done lets go of the evidence.
func (d *detail) Done() string {
	d.shown = Shown{}
	return ""
}
