package web

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"resetrig/rig"
)

// zoomsOf are the pieces of a cycle that can be looked at: the whole, and its
// phases.
func zoomsOf(r *rig.Record) []string {
	zs := []string{"whole"}
	for _, e := range r.Timeline {
		if e.Kind == "phase" && (e.Name == "arrange" || e.Name == "act" || e.Name == "assert") {
			zs = append(zs, e.Name)
		}
	}
	return zs
}

func zoomed(r *rig.Record, zoom string) (from, to time.Duration) {
	from, to = 0, max(r.Took, time.Second)
	in := false
	for _, e := range r.Timeline {
		if e.Kind != "phase" {
			continue
		}
		if in {
			to = e.At
			break
		}
		if e.Name == zoom {
			in, from = true, e.At
		}
	}
	if in { // with a little around it
		pad := max((to-from)/40, 200*time.Millisecond)
		from, to = max(0, from-pad), min(max(r.Took, time.Second), to+pad)
	}
	return from, to
}

// lane is one row of the chart.
type lane struct {
	name  string
	bars  []bar
	marks []mark
	level []float64 // the sound's, with its piece of the cycle
	from  time.Duration
	to    time.Duration
	tall  bool
}

type bar struct {
	from, to           time.Duration
	class, says, label string
}

type mark struct {
	at          time.Duration
	class, says string
}

// lanesOf are the rows of a cycle: phases, steps, relays, senses, sound, HTTP and
// checks, those without anything left out.
func lanesOf(r *rig.Record, http []exchange, env []float64) []lane {
	phases, relays := lane{name: "phase"}, map[string]*lane{}
	var order []string
	on := map[string]time.Duration{}
	was := map[string]bool{}
	phase, since := "", time.Duration(0)
	endPhase := func(at time.Duration) {
		if phase != "" {
			phases.bars = append(phases.bars, bar{since, at, "ph ph" + phaseClass(phase), fmt.Sprintf("%s, %s", phase, secondsText(since, at)), phase})
		}
	}
	checks := lane{name: "checks"}
	for _, e := range r.Timeline {
		switch e.Kind {
		case "phase":
			endPhase(e.At)
			phase, since = e.Name, e.At
		case "check":
			if class := map[string]string{"pass": "cpass", "fail": "cfail", "unknown": "cunknown", "warn": "cwarn"}[e.Text]; class != "" {
				checks.marks = append(checks.marks, mark{e.At, class, fmt.Sprintf("%s: %s at %.2f s", e.Name, e.Text, e.At.Seconds())})
			}
		case "relay", "sense":
			name := e.Name
			if e.Kind == "sense" {
				name += " seen"
			}
			l := relays[name]
			if l == nil {
				l = &lane{name: name}
				relays[name], order = l, append(order, name)
			}
			told, known := was[name]
			if !known && !e.On { // on since before the cycle
				told, on[name] = true, 0
			}
			if e.On && !told {
				on[name] = e.At
			}
			if !e.On && told {
				l.bars = append(l.bars, bar{on[name], e.At, "l" + e.Kind, fmt.Sprintf("%s on, %s", name, secondsText(on[name], e.At)), ""})
			}
			was[name] = e.On
		}
	}
	endPhase(r.Took)
	for _, name := range order {
		if was[name] {
			class := "lrelay"
			if strings.HasSuffix(name, " seen") {
				class = "lsense"
			}
			relays[name].bars = append(relays[name].bars, bar{on[name], r.Took, class, fmt.Sprintf("%s on, %s", name, secondsText(on[name], r.Took)), ""})
		}
	}
	steps := lane{name: "steps"}
	for i, s := range r.Steps {
		class := "st st" + []string{"a", "b"}[i%2]
		says := fmt.Sprintf("%s, %s", s.Step, secondsText(s.Began, s.Began+s.Took))
		if s.Error != "" {
			class, says = "st stbad", says+": "+s.Error
		}
		steps.bars = append(steps.bars, bar{s.Began, s.Began + s.Took, class, says, s.Step})
	}
	beeps := lane{name: "beeps"}
	for _, b := range r.Beeps {
		class := "lbeep"
		if b.Kind != "long" {
			class = "lshort"
		}
		beeps.bars = append(beeps.bars, bar{b.Onset, b.Onset + b.Duration, class, fmt.Sprintf("%s beep, %s, %.0f Hz, SNR %.0f dB", b.Kind, secondsText(b.Onset, b.Onset+b.Duration), b.FrequencyHz, b.SNRdB), ""})
	}
	sound := lane{name: "sound", tall: true, level: env}
	if r.Sound != nil {
		sound.from, sound.to = r.Sound.From, r.Sound.To
	}
	web := lane{name: "HTTP"}
	for _, x := range http {
		class := "hok"
		if x.Error != "" || x.Status >= 400 || x.Status == 0 {
			class = "hbad"
		}
		says := fmt.Sprintf("%s %s: %d at %.2f s %s", x.Method, x.URL, x.Status, x.At.Seconds(), x.Error)
		web.bars = append(web.bars, bar{x.At, x.At + x.Took, class, says, ""})
	}
	all := []lane{phases, steps}
	for _, name := range order {
		all = append(all, *relays[name])
	}
	all = append(all, beeps, sound, web, checks)
	var some []lane
	for _, l := range all {
		if len(l.bars)+len(l.marks)+len(l.level) > 0 {
			some = append(some, l)
		}
	}
	return some
}

func secondsText(from, to time.Duration) string {
	return fmt.Sprintf("%.2f s to %.2f s", from.Seconds(), to.Seconds())
}

func phaseClass(p string) string {
	switch p {
	case "arrange", "act", "assert", "health":
		return p
	}
	return "other"
}

// cycleChart draws a cycle between two moments on one axis of time.
func cycleChart(r *rig.Record, http []exchange, env []float64, from, to time.Duration) template.HTML {
	const w, left, right, top, row, tall = 900.0, 92.0, 12.0, 6.0, 24.0, 54.0
	lanes := lanesOf(r, http, env)
	h := top + 26
	for _, l := range lanes {
		h += rowOf(l, row, tall)
	}
	d := newDrawing("timeline", w, h, fmt.Sprintf("What happened between %.1f s and %.1f s of the cycle: %d lanes. The tables below say the same in words.", from.Seconds(), to.Seconds(), len(lanes)))
	x := scale{from.Seconds(), to.Seconds(), left, w - right}
	bottom := h - 26
	ts, digits := x.ticks(10)
	for _, v := range ts {
		d.line("grid", x.at(v), top, x.at(v), bottom)
		d.text("tick", x.at(v), bottom+16, "middle", fmt.Sprintf("%.*f s", digits, v))
	}
	y := top
	for _, l := range lanes {
		hh := rowOf(l, row, tall)
		d.text("lane", left-8, y+hh/2+4, "end", cut(l.name, 13))
		d.line("grid", left, y+hh, w-right, y+hh)
		for _, b := range l.bars {
			if b.to < from || b.from > to {
				continue
			}
			a, z := x.at(max(b.from, from).Seconds()), x.at(min(b.to, to).Seconds())
			d.rect(b.class, a, y+4, max(z-a, 2), hh-8, b.says)
			if n := int((z - a - 8) / 6.2); b.label != "" && n >= 4 {
				d.text("onbar", a+4, y+hh/2+4, "start", cut(b.label, n))
			}
		}
		if len(l.level) > 0 {
			drawLevel(d, l, x, y+3, hh-6, from, to)
		}
		for _, m := range l.marks {
			if m.at >= from && m.at <= to {
				drawMark(d, m, x.at(m.at.Seconds()), y+hh/2)
			}
		}
		y += hh
	}
	return d.done()
}

func rowOf(l lane, row, tall float64) float64 {
	if l.tall {
		return tall
	}
	return row
}

// cut shortens a text to so many letters.
func cut(s string, n int) string {
	if rs := []rune(s); len(rs) > n {
		return string(rs[:max(1, n-1)]) + "…"
	}
	return s
}

// drawMark is a check: its shape tells its outcome without colour.
func drawMark(d *drawing, m mark, x, y float64) {
	path := map[string]string{
		"cpass": "m-4 0 l3 4 l5 -8", "cfail": "m-5 -5 l10 10 m-10 0 l10 -10", "cunknown": "m-5 0 h10", "cwarn": "m0 -6 v7 m0 3 v2",
	}[m.class]
	d.path("mark "+m.class, fmt.Sprintf("M%s %s %s", px(x), px(y), path), m.says)
}

// levelFloor is where the sound's level begins to be drawn, in dBFS.
const levelFloor = -70.0

func drawLevel(d *drawing, l lane, x scale, y, h float64, from, to time.Duration) {
	var up []string
	for i, v := range l.level {
		at := l.from + time.Duration(float64(l.to-l.from)*(float64(i)+0.5)/float64(len(l.level)))
		if at < from || at > to {
			continue
		}
		db := levelFloor
		if v > 0 {
			db = max(levelFloor, 20*math.Log10(v))
		}
		up = append(up, px(x.at(at.Seconds()))+" "+px(y+h*db/levelFloor))
	}
	if len(up) < 2 {
		return
	}
	first, last := strings.Fields(up[0])[0], strings.Fields(up[len(up)-1])[0]
	d.path("level", "M"+first+" "+px(y+h)+" L"+strings.Join(up, " L")+" L"+last+" "+px(y+h)+" Z", fmt.Sprintf("level of the sound, from %.0f to 0 dBFS", levelFloor))
}
