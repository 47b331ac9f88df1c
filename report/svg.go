package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"

	"resetrig/rig"
	"resetrig/soak/stats"
)

// drawing collects an SVG. Colours and fonts are classes of the page's style, so
// that a drawing follows light, dark and paper.
type drawing struct {
	strings.Builder
	w, h float64
}

func newDrawing(w, h float64, label string) *drawing {
	d := &drawing{w: w, h: h}
	fmt.Fprintf(d, `<svg viewBox="0 0 %s %s" role="img" aria-label="%s">`, px(w), px(h), html.EscapeString(label))
	return d
}

func (d *drawing) done() template.HTML {
	d.WriteString("</svg>")
	return template.HTML(d.String()) //nolint:gosec // every text in it went through EscapeString
}

func px(v float64) string {
	return strings.TrimSuffix(strings.TrimSuffix(fmt.Sprintf("%.1f", v), "0"), ".")
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, px(x1), px(y1), px(x2), px(y2))
}

func (d *drawing) rect(class string, x, y, w, h float64, title string) {
	fmt.Fprintf(d, `<rect class="%s" x="%s" y="%s" width="%s" height="%s">`, class, px(x), px(y), px(w), px(h))
	if title != "" {
		fmt.Fprintf(d, "<title>%s</title>", html.EscapeString(title))
	}
	d.WriteString("</rect>")
}

func (d *drawing) text(class string, x, y float64, anchor, s string) {
	fmt.Fprintf(d, `<text class="%s" x="%s" y="%s" text-anchor="%s">%s</text>`, class, px(x), px(y), anchor, html.EscapeString(s))
}

func (d *drawing) dot(class string, x, y, r float64, title string) {
	fmt.Fprintf(d, `<circle class="%s" cx="%s" cy="%s" r="%s">`, class, px(x), px(y), px(r))
	if title != "" {
		fmt.Fprintf(d, "<title>%s</title>", html.EscapeString(title))
	}
	d.WriteString("</circle>")
}

// scale maps values to pixels.
type scale struct{ from, to, a, b float64 }

func (s scale) at(v float64) float64 {
	if s.to == s.from {
		return (s.a + s.b) / 2
	}
	return s.a + (v-s.from)/(s.to-s.from)*(s.b-s.a)
}

// ticks are round values within the scale, about n of them.
func (s scale) ticks(n int) []float64 {
	span := s.to - s.from
	if !(span > 0) {
		return []float64{s.from}
	}
	step := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, m := range []float64{1, 2, 5, 10} {
		if span/(step*m) <= float64(n) {
			step *= m
			break
		}
	}
	var ts []float64
	for v := math.Ceil(s.from/step-1e-9) * step; v <= s.to+step*1e-9; v += step {
		ts = append(ts, math.Round(v/step)*step+0) // + 0: no −0
	}
	return ts
}

// tick is a round value on an axis whose values lie step apart.
func tick(v, step float64) string {
	if a := math.Abs(v); a >= 10_000 && step >= 1 {
		return count(int(math.Round(v)))
	}
	digits := 0
	if step > 0 {
		digits = max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	}
	return fixed(v, min(digits, 9))
}

// step is how far ticks lie apart.
func step(ts []float64) float64 {
	if len(ts) < 2 {
		return 1
	}
	return ts[1] - ts[0]
}

// Up to dotsMost values are drawn one by one, more as bucketMost stretches: what
// an eye can tell apart on a page.
const (
	dotsMost   = 720
	bucketMost = 180
)

// trend draws a measurement over the cycles: every value where there are few,
// else the median and the extent of each stretch; with its limits, and with a
// line where it changed.
func trend(s *series, changes []stats.Change) template.HTML {
	const w, h, left, right, top, bottom = 900.0, 190.0, 66.0, 30.0, 20.0, 26.0
	d := newDrawing(w, h, fmt.Sprintf("%s over the cycles: median %s, from %s to %s %s", s.name, number(s.about.Median), number(s.about.Min), number(s.about.Max), s.unit))
	x := scale{float64(s.cycles[0]), float64(s.cycles[len(s.cycles)-1]), left, w - right}
	lo, hi := s.about.Min, s.about.Max
	// Less than a thousandth of the value is no spread that anyone looks for.
	pad := max((hi-lo)*.08, (math.Abs(hi)*.001-(hi-lo))/2)
	if pad == 0 {
		pad = 1
	}
	// A limit is in the picture where it does not flatten what was measured.
	var away []string
	for _, l := range []struct {
		v    *float64
		name string
	}{{s.min, "lower limit"}, {s.max, "upper limit"}} {
		switch {
		case l.v == nil:
		case *l.v >= lo-3*(hi-lo+pad) && *l.v <= hi+3*(hi-lo+pad):
			lo, hi = min(lo, *l.v), max(hi, *l.v)
		default:
			away = append(away, l.name+" "+limit(*l.v)+" "+s.unit+" lies outside the picture")
		}
	}
	y := scale{lo - pad, hi + pad, h - bottom, top}
	ticks := y.ticks(4)
	for _, v := range ticks {
		d.line("grid", left, y.at(v), w-right, y.at(v))
		d.text("tick", left-6, y.at(v)+4, "end", tick(v, step(ticks)))
	}
	for _, v := range x.ticks(8) {
		if v == math.Trunc(v) {
			d.line("axis", x.at(v), h-bottom, x.at(v), h-bottom+4)
			d.text("tick", x.at(v), h-bottom+16, "middle", count(int(v)))
		}
	}
	d.line("axis", left, h-bottom, w-right, h-bottom)
	d.text("tick", left-6, 12, "end", s.unit)
	if len(s.values) <= dotsMost {
		for i, v := range s.values {
			d.dot("value", x.at(float64(s.cycles[i])), y.at(v), 2, "")
		}
	} else {
		s.drawBuckets(d, x, y)
	}
	for _, l := range []*float64{s.min, s.max} {
		if l != nil && *l >= y.from && *l <= y.to {
			d.line("limit", left, y.at(*l), w-right, y.at(*l))
			d.text("limitword", w-right, y.at(*l)-4, "end", "limit "+limit(*l))
		}
	}
	for _, c := range changes {
		at := x.at(float64(s.cycles[c.At]))
		d.line("change", at, top-4, at, h-bottom)
		anchor, dx := "start", 4.0
		if at > w*.8 {
			anchor, dx = "end", -4
		}
		d.text("changeword", at+dx, top+6, anchor, fmt.Sprintf("cycle %s: %s → %s", count(s.cycles[c.At]), number(c.Before), number(c.After)))
	}
	d.text("tick", left, 12, "start", strings.Join(away, "; "))
	return d.done()
}

func (s *series) drawBuckets(d *drawing, x, y scale) {
	var band, mid []string
	var low []string
	for i := range bucketMost {
		from, to := i*len(s.values)/bucketMost, (i+1)*len(s.values)/bucketMost
		a := stats.Describe(s.values[from:to], nil, nil)
		at := px(x.at(float64(s.cycles[from]+s.cycles[to-1]) / 2))
		band = append(band, at+","+px(y.at(a.Max)))
		low = append(low, at+","+px(y.at(a.Min)))
		mid = append(mid, at+","+px(y.at(a.Median)))
	}
	for i := len(low) - 1; i >= 0; i-- {
		band = append(band, low[i])
	}
	fmt.Fprintf(d, `<polygon class="band" points="%s"/><polyline class="mid" points="%s"/>`, strings.Join(band, " "), strings.Join(mid, " "))
}

// strip draws every cycle's outcome in order: a stretch of cycles is as red as
// the share of it that failed. Fails and errors are never thinned away: each has
// its tick.
func strip(o *outcomeStrip) template.HTML {
	const w, h, left, right = 900.0, 74.0, 66.0, 30.0
	d := newDrawing(w, h, "The outcome of each cycle in order")
	if len(o.all) == 0 {
		return d.done()
	}
	last := o.all[len(o.all)-1].cycle
	x := scale{1, float64(max(last, 2)), left, w - right}
	d.rect("pass", left, 14, w-left-right, 30, "")
	wide := max(1.4, min(8, (w-left-right)/float64(last)))
	for _, m := range o.all {
		if m.row == passRow {
			continue
		}
		y, hh := 14.0, 30.0
		if m.row == errorRow || m.row == abortedRow {
			y, hh = 30, 14
		}
		d.rect(rowClass[m.row], x.at(float64(m.cycle))-wide/2, y, wide, hh, fmt.Sprintf("cycle %d: %s", m.cycle, outcomeNames[m.row]))
	}
	for _, v := range x.ticks(8) {
		if v == math.Trunc(v) && v >= 1 {
			d.line("axis", x.at(v), 44, x.at(v), 49)
			d.text("tick", x.at(v), 62, "middle", count(int(v)))
		}
	}
	d.text("tick", left-6, 33, "end", "cycle")
	return d.done()
}

// lane is one row of a timeline.
type lane struct {
	name  string
	spans []laneSpan
}

type laneSpan struct {
	from, to time.Duration
	class    string
	title    string
	dot      bool
}

// timelineOf draws a cycle between two moments: phases, relays, senses, beeps
// and checks, a lane each.
func timelineOf(r *rig.Record, from, to time.Duration, label, title string) template.HTML {
	lanes := lanesOf(r)
	const w, left, right, top, row = 900.0, 110.0, 30.0, 20.0, 20.0
	h := top + row*float64(len(lanes)) + 26
	d := newDrawing(w, h, label)
	x := scale{from.Seconds(), to.Seconds(), left, w - right}
	bottom := top + row*float64(len(lanes))
	ticks := x.ticks(10)
	d.text("tick", left, 13, "start", title)
	for _, v := range ticks {
		d.line("grid", x.at(v), top, x.at(v), bottom)
		d.text("tick", x.at(v), bottom+15, "middle", tick(v, step(ticks))+" s")
	}
	for i, l := range lanes {
		y := top + row*float64(i)
		d.text("lane", left-8, y+14, "end", l.name)
		d.line("grid", left, y+row, w-right, y+row)
		for _, s := range l.spans {
			if s.to < from || s.from > to {
				continue
			}
			a, b := x.at(max(s.from, from).Seconds()), x.at(min(s.to, to).Seconds())
			if s.dot {
				mark(d, s.class, a, y+row/2, s.title)
				continue
			}
			d.rect(s.class, a, y+4, max(b-a, 1.5), row-8, s.title)
			if l.name == "phase" && b-a > 44 {
				d.text("onbar", a+4, y+14, "start", s.title)
			}
		}
	}
	return d.done()
}

// mark is a check on the timeline: its shape tells its outcome without colour.
func mark(d *drawing, class string, x, y float64, title string) {
	path := map[string]string{
		"cpass": "M-3 0 L-1 3 L4 -4", "cfail": "M-4 -4 L4 4 M-4 4 L4 -4", "cunknown": "M-4 0 L4 0", "cwarn": "M0 -4 L0 1 M0 3 L0 4",
	}[class]
	fmt.Fprintf(d, `<path class="%s" transform="translate(%s %s)" d="%s"><title>%s</title></path>`, class, px(x), px(y), path, html.EscapeString(title))
}

// seenSuffix marks the lane of a sense.
const seenSuffix = " seen"

// lanesOf are the lanes of a record, those without anything left out.
func lanesOf(r *rig.Record) []lane {
	var order []string
	by := map[string]*lane{}
	of := func(name string) *lane {
		if by[name] == nil {
			by[name] = &lane{name: name}
			order = append(order, name)
		}
		return by[name]
	}
	of("phase")
	on := map[string]time.Duration{}
	was := map[string]bool{}
	var phase string
	var since time.Duration
	endPhase := func(at time.Duration) {
		if phase != "" {
			of("phase").spans = append(of("phase").spans, laneSpan{from: since, to: at, class: "ph" + phaseClass(phase), title: phase})
		}
	}
	for _, e := range r.Timeline {
		switch e.Kind {
		case "phase":
			endPhase(e.At)
			phase, since = clean(e.Name), e.At
		case "relay", "sense":
			name := clean(e.Name)
			if e.Kind == "sense" {
				name += seenSuffix
			}
			l := of(name)
			if e.On && !was[name] {
				on[name], was[name] = e.At, true
			}
			if _, told := was[name]; !e.On && !told { // on since before the cycle
				was[name] = true
			}
			if !e.On && was[name] {
				was[name] = false
				l.spans = append(l.spans, laneSpan{from: on[name], to: e.At, class: "l" + e.Kind, title: fmt.Sprintf("%s on from %.2f to %.2f s", name, on[name].Seconds(), e.At.Seconds())})
			}
		}
	}
	endPhase(r.Took)
	for name, still := range was {
		if still {
			class := "lrelay"
			if strings.HasSuffix(name, seenSuffix) {
				class = "lsense"
			}
			by[name].spans = append(by[name].spans, laneSpan{from: on[name], to: r.Took, class: class, title: fmt.Sprintf("%s on from %.2f s", name, on[name].Seconds())})
		}
	}
	for _, b := range r.Beeps {
		class := "lbeep"
		if b.Kind != "long" {
			class = "lshort"
		}
		l := of("beeps")
		l.spans = append(l.spans, laneSpan{from: b.Onset, to: b.Onset + b.Duration, class: class, title: fmt.Sprintf("%s beep at %.2f s, %.2f s long, %.0f Hz, SNR %.0f dB", clean(b.Kind), b.Onset.Seconds(), b.Duration.Seconds(), b.FrequencyHz, b.SNRdB)})
	}
	for _, e := range r.Timeline {
		if e.Kind != "check" {
			continue
		}
		class := map[string]string{"pass": "cpass", "fail": "cfail", "unknown": "cunknown", "warn": "cwarn"}[e.Text]
		if class == "" {
			continue
		}
		l := of("checks")
		l.spans = append(l.spans, laneSpan{from: e.At, to: e.At, class: class, title: fmt.Sprintf("%s: %s at %.2f s", clean(e.Name), e.Text, e.At.Seconds()), dot: true})
	}
	var lanes []lane
	for _, name := range order {
		if len(by[name].spans) > 0 {
			lanes = append(lanes, *by[name])
		}
	}
	return lanes
}

func phaseClass(p string) string {
	switch p {
	case "arrange", "act", "assert", "health":
		return p
	}
	return "other"
}

var rowClass = [outcomeRows]string{"pass", "proven", "presumed", "error", "aborted"}
