package report

import (
	"errors"
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"resetrig/rig"
	"resetrig/soak/stats"
)

// measureRow is a measurement with its figures, its picture, and what they say.
type measureRow struct {
	ID, Name, Unit                        string
	N, Median, Q1, Q3, Min, Max, Mean, SD string
	Limits, Outside, Cp, Cpk              string
	Picture                               template.HTML
	Says                                  []string
}

func newMeasureRow(s *series) measureRow {
	a := s.about
	m := measureRow{
		ID: anchor(s.name), Name: s.name, Unit: clean(s.unit), N: count(s.n), Median: number(a.Median), Q1: number(a.Q1), Q3: number(a.Q3),
		Min: number(a.Min), Max: number(a.Max), Mean: number(a.Mean), SD: number(a.SD), Limits: limits(s.min, s.max), Cp: index(a.Cp), Cpk: index(a.Cpk),
	}
	switch {
	case math.IsNaN(a.SD):
		m.SD = "–"
	case a.SD > 0 && a.SD < .0005:
		m.SD = "<\u00a00.001"
	}
	if m.Limits != "" {
		m.Outside = count(s.outside)
	}
	say := func(format string, args ...any) { m.Says = append(m.Says, fmt.Sprintf(format, args...)) }
	if s.stride > 1 {
		say("There are so many values that the figures are those of every %d.", s.stride)
	}
	if s.vary {
		say("The limits were not the same throughout: shown are the last ones.")
	}
	if s.outside > 0 {
		say("%s outside the limits.", plural(s.outside, "value")+map[bool]string{true: " lies", false: " lie"}[s.outside == 1])
	}
	changes := stats.Changes(s.values, stats.FalseAlarm)
	for _, c := range changes[:min(len(changes), 6)] {
		say("It changed at cycle %s: from %s to %s %s (%s, %s the usual spread).", count(s.cycles[c.At]), number(c.Before), number(c.After), m.Unit, signed(c.Size)+" "+m.Unit, spreads(c.Spreads))
	}
	if n := len(changes) - 6; n > 0 {
		say("And %s: it wanders or drifts.", plural(n, "further change"))
	}
	xs := make([]float64, len(s.cycles))
	for i, c := range s.cycles {
		xs[i] = float64(c) / 1000
	}
	t := stats.TrendOf(xs, s.values, confidence)
	switch {
	case math.IsNaN(t.P):
	case a.Min == a.Max:
		say("Every value is %s.", strings.TrimSpace(number(a.Median)+" "+m.Unit))
	case t.P < .01:
		say("It drifts: %s %s per 1,000 cycles [%s, %s] (Mann–Kendall p = %s).", signed(t.Slope), m.Unit, signed(t.Low), signed(t.High), pvalue(t.P))
	case len(changes) == 0:
		say("Steady: no change point and no drift were found (Mann–Kendall p = %s).", pvalue(t.P))
	}
	if a.Min == a.Max && s.min == nil && s.max == nil && s.n > 2 {
		return m // there is nothing to see
	}
	m.Picture = trend(s, changes[:min(len(changes), 6)])
	return m
}

func spreads(v float64) string {
	if math.IsInf(v, 0) || v > 99 {
		return "more than 99 times"
	}
	return fixed(v, 1) + " times"
}

func signed(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return "unknown"
	}
	text := number(v)
	if v != 0 && strings.Trim(text, "-0.") == "" {
		text = strconv.FormatFloat(v, 'g', 2, 64)
	}
	if v > 0 {
		return "+" + text
	}
	return strings.Replace(text, "-", "−", 1)
}

// pvalue is a probability as a person reads it.
func pvalue(p float64) string {
	if p < .0001 {
		return "less than 0.0001"
	}
	return fixed(p, 4)
}

func index(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return fixed(v, 2)
}

// anchor is a name as part of an address on the page.
func anchor(s string) string {
	return "m-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
}

func (p *page) health(run *Summary, g *gathered) {
	keys := slices.SortedFunc(maps.Keys(g.reasons), g.byReason)
	for _, k := range keys {
		if k.outcome == rig.Fail {
			continue
		}
		n := g.reasons[k]
		p.Errors = append(p.Errors, reasonRow{clean(string(k.reason)), string(k.outcome), count(n[firsts]), count(n[retries]), count(n[controls])})
	}
	for _, name := range slices.Sorted(maps.Keys(g.findings)) {
		p.Findings = append(p.Findings, pair{clean(name), plural(g.findings[name], "cycle")})
	}
	life := map[string]RelayLife{}
	for _, l := range run.Life {
		life[l.Relay] = l
	}
	for _, name := range slices.Sorted(maps.Keys(g.operations)) {
		row := relayRow{Relay: clean(name), Here: count(g.operations[name])}
		if l, ok := life[name]; ok {
			row.Life = count(int(l.Operations))
			if l.Rated > 0 {
				row.Rated = count(int(l.Rated))
				per := float64(g.operations[name]) / float64(g.n)
				switch left := l.Rated - l.Operations; {
				case left <= 0:
					row.Left = "used up: replace it"
				case per > 0:
					row.Left = "about " + count(int(float64(left)/per)) + " cycles"
				}
			}
		}
		p.Relays = append(p.Relays, row)
	}
	for _, name := range slices.Sorted(maps.Keys(g.controls)) {
		n := g.controls[name]
		p.Controls = append(p.Controls, controlRow{clean(name), count(n[passRow]), count(n[provenRow] + n[presumedRow]), count(n[errorRow]), count(n[abortedRow])})
	}
	if g.tried > 0 {
		p.Retries = fmt.Sprintf("%s after an error, of which %s passed. A retry never replaces its first attempt: the rates are made of first attempts alone.", plural(g.tried, "retry"), count(g.retryPass))
		p.Retries = strings.Replace(p.Retries, "retrys", "retries", 1)
	}
	for _, kind := range slices.Sorted(maps.Keys(g.beeps)) {
		b := g.beeps[kind]
		for _, one := range []struct {
			what, unit string
			s          *spread
		}{{"duration", "s", &b.duration}, {"frequency", "Hz", &b.frequency}, {"SNR", "dB", &b.snr}} {
			p.Beeps = append(p.Beeps, beepRow{clean(kind), one.what, count(one.s.n), number(one.s.median()), number(one.s.min), number(one.s.max), one.unit})
		}
	}
	p.Deaf = g.deafText()
}

// lives says how long it took until a failure.
func (p *page) lives(g *gathered) {
	o := g.Outcomes()
	switch {
	case o.Judged() == 0:
		return
	case o.Fail() == 0:
		p.Life.First = "No cycle failed in " + plural(o.Judged(), "judged cycle") + "."
		return
	}
	p.Life.First = "The first failure came in cycle " + count(g.firstFail) + "."
	w, err := stats.FitWeibull(g.lives, confidence)
	switch {
	case errors.Is(err, stats.ErrTooFewFailures):
		p.Life.Fit = fmt.Sprintf("With %s there are too few for a fit of the cycles between failures (at least %d).", plural(o.Fail(), "failure"), stats.WeibullLeast)
	case err != nil:
		p.Life.Fit = "No fit of the cycles between failures: " + clean(err.Error()) + "."
	default:
		meaning := "the interval of the shape includes 1: nothing speaks against failures that come at random"
		switch {
		case w.ShapeHigh < 1:
			meaning = "the shape is below 1: failures crowd together"
		case w.ShapeLow > 1:
			meaning = "the shape is above 1: failures come with age, or keep a distance"
		}
		p.Life.Fit = fmt.Sprintf("Cycles between failures, Weibull by maximum likelihood, the last stretch censored: shape %s [%s, %s], scale %s [%s, %s] cycles, mean %s cycles; %s.",
			number(w.Shape), number(w.ShapeLow), number(w.ShapeHigh), number(w.Scale), number(w.ScaleLow), number(w.ScaleHigh), number(w.Mean()), meaning)
	}
}
