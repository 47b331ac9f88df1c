package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"resetrig/rig"
	"resetrig/soak"
)

// progress shows how a run goes, on stderr: a live line on a terminal, a plain
// line per cycle elsewhere.
type progress struct {
	mu     sync.Mutex
	w      io.Writer
	live   bool
	width  int
	every  bool // a line for each step: a single cycle
	brief  bool // no lines at all: someone else tells what came of it
	drawn  time.Time
	prefix string
	phase  string
	name   string // before every line: which bench it is, where there are several

	goal   *soak.Plan // of a soak
	now    soak.Status
	begun  time.Time // of this part of the soak, by this computer's clock
	before soak.Tally
	told   bool // status was told once
}

func (a *app) newProgress(every bool) *progress {
	p := &progress{w: a.err, every: every, width: 80}
	if f, ok := terminal(a.err); ok {
		p.live = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			p.width = w
		}
	}
	return p
}

// redraw is the shortest time between two drawings of the live line.
const redraw = 50 * time.Millisecond

// Observe shows an event. It never waits for anything but the writer.
func (p *progress) Observe(e rig.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case "phase":
		p.phase = e.Name
		return
	case "sight":
		return
	case "step":
		if p.every && !p.live {
			fmt.Fprintf(p.w, "%9.2f s  %-7s  %s\n", e.At.Seconds(), p.phase, e.Text)
			return
		}
	case "beep":
		if p.every && e.On {
			p.line(fmt.Sprintf("%9.2f s  %-7s  a long beep sounds", e.At.Seconds(), "ear"))
			return
		}
	case "finding":
		if p.brief {
			return
		}
		p.line(fmt.Sprintf("%9.2f s  %-7s  %s: %s", e.At.Seconds(), "ear", e.Name, e.Text))
		return
	}
	text := fmt.Sprintf("%6.1f s  %s", e.At.Seconds(), p.phase)
	if e.Text != "" {
		text += ": " + e.Text
	}
	p.draw(text)
}

// draw redraws the live line, if there is one and it is time.
func (p *progress) draw(text string) {
	if p.live && time.Since(p.drawn) >= redraw {
		p.drawn = time.Now()
		fmt.Fprintf(p.w, "\r\x1b[K%s", cut(p.prefix+text, p.width-1))
	}
}

// cycle shows that cycle n of total begins.
func (p *progress) cycle(n, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prefix = fmt.Sprintf("cycle %d/%d ", n, total)
}

// done shows a record's outcome in one line.
func (p *progress) done(r rig.Record, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.brief {
		if p.live {
			fmt.Fprint(p.w, "\r\x1b[K")
		}
		return
	}
	p.line(oneLine(r, total))
}

// line writes a whole line, over the live one.
func (p *progress) line(s string) {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	fmt.Fprintln(p.w, p.name+s)
}

// oneLine is a cycle in one line: number, outcome, and what was measured or why.
func oneLine(r rig.Record, total int) string {
	word := string(r.Outcome)
	if r.Attribution != "" {
		word += " " + string(r.Attribution)
	}
	of := ""
	if total > 0 && !r.Control {
		of = fmt.Sprintf("/%d", total)
	}
	kind := "cycle"
	if r.Control && total != 1 {
		kind = "control"
	}
	t := fmt.Sprintf("%s %d%s  %-13s", kind, r.Cycle, of, word)
	if r.Attempt > 1 {
		t += fmt.Sprintf(" attempt %d", r.Attempt)
	}
	if r.Outcome != rig.Pass {
		return t + "  " + string(r.Reason) + ": " + firstLine(r.Text)
	}
	for _, m := range r.Measurements {
		switch m.Name {
		case "press_duration":
			t += fmt.Sprintf("  press %.2f s", m.Value)
		case "beep_duration":
			t += fmt.Sprintf("  beep %.2f s", m.Value)
		case "beep_frequency":
			t += fmt.Sprintf(" at %.0f Hz", m.Value)
		case "restart_time":
			t += fmt.Sprintf("  restart %.1f s", m.Value)
		}
	}
	if r.Control {
		t += "  control held: still marked"
	}
	return t
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
