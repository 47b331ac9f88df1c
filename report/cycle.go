package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// Cycle writes one cycle as text: how it ended and why, its timeline, checks,
// measurements and evidence, and what people said of it.
func Cycle(w io.Writer, r rig.Record, said ...Comment) error {
	p := &printer{w: w}
	head := strings.ToUpper(string(r.Outcome))
	if r.Control {
		head = "CONTROL " + head
	}
	if r.Attribution != "" {
		head += ", " + string(r.Attribution)
	}
	if r.Reason != "" {
		head += ": " + string(r.Reason)
	}
	p.linef("%s", clean(head))
	if r.Text != "" {
		p.para("  ", short(r.Text))
	}
	if len(r.Unsafe) > 0 {
		p.para("  ", "RELAYS IN DOUBT: "+strings.Join(cleanAll(r.Unsafe), ", ")+". Look at the bench before anything else.")
	}
	p.linef("")
	p.pairs(
		"record", clean(r.ID), "run", fmt.Sprintf("%s, %s, attempt %d", clean(r.Run), label(&rig.Record{Cycle: r.Cycle, Control: r.Control}), r.Attempt),
		"bench", clean(r.Bench), "scenario", clean(r.Scenario+params(r.Params)), "DUT", clean(identity(r.DUT)),
		"started", moment(r.Started), "took", span(r.Took), "senses", cmp.Or(strings.Join(cleanAll(r.Senses), ", "), "none fitted"),
		"relays", clean(operations(r.Operations)), "version", clean(r.Version))
	if r.Mark != nil {
		p.pairs("marked", marks(r.Mark))
	}
	timeline(p, &r)
	checks(p, r.Checks)
	measurements(p, r.Measurements)
	if len(r.Findings) > 0 {
		p.linef("")
		p.linef("  The ear's findings")
		for _, f := range r.Findings {
			t := clean(f.Name) + ": " + short(f.Detail)
			if f.Unfit {
				t += " (unfit: what it heard proves nothing)"
			}
			p.para("    ", t)
		}
	}
	if len(r.Artifacts) > 0 {
		p.linef("")
		p.linef("  Evidence")
		for _, a := range r.Artifacts {
			p.linef("    %s", clean(a))
		}
	}
	if lines := comments(said, r.ID); lines != nil {
		p.linef("")
		p.linef("  Comments")
		for _, c := range lines {
			p.para("    ", c)
		}
	}
	return p.err
}

func params(ps map[string]string) string {
	var kv []string
	for _, k := range slices.Sorted(maps.Keys(ps)) {
		kv = append(kv, k+"="+ps[k])
	}
	if kv == nil {
		return ""
	}
	return " (" + strings.Join(kv, ", ") + ")"
}

func operations(ops map[string]int) string {
	var kv []string
	for _, k := range slices.Sorted(maps.Keys(ops)) {
		kv = append(kv, k+" switched "+plural(ops[k], "time"))
	}
	return strings.Join(kv, ", ")
}

func marks(m *rig.Mark) string {
	var ts []string
	for _, v := range m.Values {
		t := v.What
		if v.Was != v.Is { // a password's values are both ***
			t += fmt.Sprintf(" (%q → %q)", v.Was, v.Is)
		}
		ts = append(ts, t)
	}
	return short(strings.Join(ts, ", "))
}

// happening is an entry of a timeline.
type happening struct {
	at         time.Duration
	kind, text string
}

// timeline merges the steps, the events and the beeps.
func timeline(p *printer, r *rig.Record) {
	var ms []happening
	for _, s := range r.Steps {
		t := s.Step
		if s.Took >= 50*time.Millisecond {
			t += " (" + span(s.Took) + ")"
		}
		switch {
		case s.Error == "":
		case s.Error == r.Text:
			t += ": as said above"
		default:
			t += ": " + s.Error
		}
		ms = append(ms, happening{s.Began, s.Phase, t})
	}
	for _, b := range r.Beeps {
		ms = append(ms, happening{b.Onset, "beep", fmt.Sprintf("%s, %s, %s Hz, SNR %.0f dB, level %.0f dBFS",
			b.Kind, span(b.Duration), number(b.FrequencyHz), b.SNRdB, b.LevelDBFS)})
	}
	for _, e := range r.Timeline {
		t := strings.TrimSpace(e.Name + " " + e.Text)
		switch e.Kind {
		case "step":
			if len(r.Steps) > 0 { // said above, with its length
				continue
			}
		case "beep":
			if len(r.Beeps) > 0 {
				continue
			}
		case "check", "phase": // the checks have a table, the steps their phase
			continue
		case "relay", "sense":
			t = e.Name + " off " + e.Text
			if e.On {
				t = e.Name + " on " + e.Text
			}
		}
		ms = append(ms, happening{e.At, e.Kind, t})
	}
	if len(ms) == 0 {
		return
	}
	slices.SortStableFunc(ms, func(a, b happening) int { return cmp.Compare(a.at, b.at) })
	p.linef("")
	p.linef("  Timeline")
	for _, m := range ms {
		p.para(fmt.Sprintf("  %10.3f s  %-8s ", m.at.Seconds(), clean(m.kind)), short(m.text))
	}
}

var checkWords = map[rig.CheckOutcome]string{
	rig.CheckPass: "ok", rig.CheckFail: "FAIL", rig.CheckUnknown: "?", rig.CheckWarn: "warn",
}

func checks(p *printer, cs []rig.Check) {
	if len(cs) == 0 {
		return
	}
	wide := 0
	for _, c := range cs {
		wide = max(wide, len([]rune(clean(c.Name))))
	}
	p.linef("")
	p.linef("  Checks")
	for _, c := range cs {
		first := fmt.Sprintf("  %-4s  %-*s  ", cmp.Or(checkWords[c.Outcome], clean(string(c.Outcome))), min(wide, 24), clean(c.Name))
		seen := short(c.Seen)
		if c.Reason != "" {
			seen = strings.TrimSpace(seen + " (" + clean(string(c.Reason)) + ")")
		}
		wanted := short(c.Wanted)
		switch {
		case seen == wanted:
			p.para(first, seen)
		case len([]rune(first+wanted+seen)) <= width-len("wanted , saw "):
			p.linef("%swanted %s, saw %s", first, wanted, seen)
		default:
			p.para(first+"wanted ", wanted)
			p.para(strings.Repeat(" ", len([]rune(first)))+"saw    ", seen)
		}
		for _, d := range c.Differences[:min(len(c.Differences), mostDifferences)] {
			p.para("          ", clean(d.Key)+": "+differenceText(d))
		}
		if n := len(c.Differences) - mostDifferences; n > 0 {
			p.linef("          and %d more, in the record", n)
		}
	}
}

// mostDifferences bounds what is shown of one comparison.
const mostDifferences = 20

// differenceText is what was wanted of a key, and what was seen.
func differenceText(d rig.Difference) string {
	switch {
	case d.Want == "" && d.Seen != "":
		return "wanted nothing, saw " + strconv.Quote(short(d.Seen))
	case d.Seen == "" && d.Want != "":
		return "wanted " + strconv.Quote(short(d.Want)) + ", saw nothing"
	}
	return "wanted " + strconv.Quote(short(d.Want)) + ", saw " + strconv.Quote(short(d.Seen))
}

// withUncertainty is a value and by how much it may be off, to two digits of
// that.
func withUncertainty(m rig.Measurement) (value, within string) {
	if m.Uncertainty <= 0 {
		return number(m.Value), ""
	}
	digits := min(max(0, 1-int(math.Floor(math.Log10(m.Uncertainty)))), 6)
	return fmt.Sprintf("%.*f", digits, m.Value), fmt.Sprintf("± %.*f", digits, m.Uncertainty)
}

func measurements(p *printer, ms []rig.Measurement) {
	if len(ms) == 0 {
		return
	}
	var rows [][]string
	for _, m := range ms {
		value, within := withUncertainty(m)
		rows = append(rows, []string{
			clean(m.Name), value, within, clean(m.Unit), limits(m.Min, m.Max), cmp.Or(checkWords[m.Outcome], clean(string(m.Outcome))),
		})
	}
	p.linef("")
	p.table([]string{"<Measurements", "", "<", "<", "<limits", "<"}, rows)
}
