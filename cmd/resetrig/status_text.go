package main

import (
	"fmt"
	"strings"
	"time"

	"resetrig/rig"
	"resetrig/soak/stats"
	"resetrig/web"
)

// cells are a bench's line.
func (b benchStatus) cells() []string {
	m := b.Now
	cells := []string{m.Bench, b.does(), b.cycles(), b.rate(), "", strip(m.Strip)}
	if m.Run != "" && !m.ETA.IsZero() {
		layout := "15:04"
		if m.ETA.Sub(m.At) > 20*time.Hour {
			layout = "2006-01-02 15:04"
		}
		cells[4] = m.ETA.Local().Format(layout)
	}
	return cells
}

// does is what the bench does, in words.
func (b benchStatus) does() string {
	m := b.Now
	var t string
	switch {
	case m.Run == "" && b.Run == nil:
		return "idle"
	case m.Run == "":
		return "idle; " + runEnd(*b.Run)
	case m.Doing != web.Cycles:
		t = map[string]string{"pause": "pauses", "window": "waits for its window", "hold": "held for a person"}[m.Doing]
		if !m.Until.IsZero() {
			t += " until " + m.Until.Local().Format("15:04:05")
		}
		if m.Why != "" {
			t += ": " + m.Why
		}
	default:
		t = m.Scenario
		if m.Control {
			t = "control " + t
		}
		if m.Attempt > 1 {
			t += fmt.Sprintf(", attempt %d", m.Attempt)
		}
		for _, part := range []string{m.Phase, m.Step} {
			if part != "" {
				t += ", " + part
			}
		}
	}
	if m.Elsewhere {
		t += " (another process)"
	}
	return t
}

// runEnd is how a run ended.
func runEnd(r web.Run) string {
	if r.State == "interrupted" {
		return "the last run died with its program: resetrig soak --resume " + r.ID
	}
	words := map[int]string{
		exitPass: "passed", exitFail: "the DUT failed", exitUsage: "was refused", exitError: "rig error", exitAborted: "was stopped",
		exitUnsafe: "UNSAFE: cut the bench's power by hand",
	}
	t := fmt.Sprintf("%s %s: %s", r.Kind, r.ID, words[r.Exit])
	if !r.Ended.IsZero() {
		t += ", " + r.Ended.Local().Format("2006-01-02 15:04")
	}
	return t
}

func (b benchStatus) cycles() string {
	m := b.Now
	if m.Run == "" {
		if b.Run == nil {
			return ""
		}
		return fmt.Sprint(b.Run.First.All())
	}
	if m.Of > 0 {
		return fmt.Sprintf("%d of %d", m.Tally.Cycles, m.Of)
	}
	return fmt.Sprint(m.Tally.Cycles)
}

func (b benchStatus) rate() string {
	r := b.Now.Rate
	if b.Now.Run == "" {
		r = nil
		if b.Run != nil {
			if o := stats.Outcomes(b.Run.First); o.Judged() > 0 {
				rate := o.Rates(0.95).PassRate
				r = &web.Rate{Rate: rate.Value, Low: rate.Low, High: rate.High}
			}
		}
	}
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%.1f %% (%.1f–%.1f)", 100*r.Rate, 100*r.Low, 100*r.High)
}

// strip are the last outcomes, a letter each.
func strip(marks []web.Mark) string {
	if n := len(marks); n > statusStrip {
		marks = marks[n-statusStrip:]
	}
	var t strings.Builder
	for _, m := range marks {
		c := byte('?')
		switch {
		case m.Control && m.Outcome == rig.Pass:
			c = 'c'
		case m.Control && m.Outcome != rig.Aborted:
			c = 'C'
		case m.Outcome == rig.Pass:
			c = '.'
		case m.Outcome == rig.Fail && m.Attribution == rig.Proven:
			c = 'F'
		case m.Outcome == rig.Fail:
			c = 'f'
		case m.Outcome == rig.Error:
			c = 'E'
		case m.Outcome == rig.Aborted:
			c = 'A'
		}
		t.WriteByte(c)
	}
	return t.String()
}

// codeOf is what a run has come to so far, as an exit code: 5, 1, 3 or 0.
func codeOf(r *web.Run) int {
	switch {
	case r == nil:
		return exitPass
	case r.State == "ended" && r.Exit == exitUnsafe:
		return exitUnsafe
	case r.First.Fail() > 0, r.State == "ended" && r.Exit == exitFail:
		return exitFail
	case r.First.Error > 0, r.State == "interrupted", r.State == "ended" && r.Exit == exitError, r.Controls.All()-r.Controls.Pass-r.Controls.Aborted > 0:
		return exitError
	}
	return exitPass
}

// worse is the first that holds of 5, 1, 3, 0.
func worse(a, b int) int {
	for _, c := range []int{exitUnsafe, exitFail, exitError} {
		if a == c || b == c {
			return c
		}
	}
	return exitPass
}
