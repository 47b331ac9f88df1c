package main

import (
	"fmt"
	"time"

	"resetrig/soak"
	"resetrig/soak/stats"
)

// The live line of a soak: where it is, how many of how many, the pass rate with
// its interval, and when it will be done. On no terminal the cycles have a line
// each, and what the soak waits for has one.

// plan says what is going to run.
func (p *progress) plan(goal *soak.Plan, resumed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goal, p.begun = goal, time.Now()
	if !resumed {
		p.told = true // what was there before this part is nothing
	}
}

// say writes a line of its own.
func (p *progress) say(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(s)
}

// clear takes the live line away.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// status is told what the soak does.
func (p *progress) status(s soak.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.told {
		p.before, p.told = s.Tally, true
	}
	p.now = s
	p.prefix = p.soakPrefix()
	if s.Doing == "cycle" {
		return
	}
	text := map[string]string{"pause": "a pause", "window": "waits for its window", "hold": "held for a person"}[s.Doing]
	if !s.Until.IsZero() {
		text += " until " + s.Until.Local().Format("2006-01-02 15:04:05")
	}
	switch {
	case p.live:
		p.drawn = time.Time{}
		p.draw(text)
	case s.Doing != "pause":
		p.line(text)
	}
}

// soakPrefix is what stands before what the cycle does. The caller has the lock.
func (p *progress) soakPrefix() string {
	t, g := p.now.Tally, p.goal
	kind := "cycle"
	if p.now.Next.Control {
		kind = "control"
	}
	text := fmt.Sprintf("%s %d", kind, p.now.Next.N)
	if g != nil && g.Cycles > 0 && !p.now.Next.Control {
		text += fmt.Sprintf("/%d", g.Cycles)
	}
	if a := p.now.Next.Attempt; a > 1 {
		text += fmt.Sprintf(" attempt %d", a)
	}
	if judged := t.Pass + t.Fails(); judged > 0 {
		low, high := stats.Interval(t.Pass, judged, 0.95)
		text += fmt.Sprintf("  %.4g %% pass [%.4g, %.4g]", 100*float64(t.Pass)/float64(judged), 100*low, 100*high)
	}
	if n := t.Fails(); n > 0 {
		text += fmt.Sprintf("  %d fail", n)
	}
	if t.Errors > 0 {
		text += fmt.Sprintf("  %d error", t.Errors)
	}
	if eta, ok := p.eta(); ok {
		text += "  done " + eta
	}
	return text + "  "
}

// eta is when the soak will be done at its pace: of what ends it first.
func (p *progress) eta() (string, bool) {
	g, t := p.goal, p.now.Tally
	if g == nil {
		return "", false
	}
	took, n := time.Since(p.begun), t.Judged()-p.before.Judged()
	var left time.Duration
	known := false
	sooner := func(d time.Duration) {
		if !known || d < left {
			left, known = d, true
		}
	}
	if n > 0 {
		each := took / time.Duration(n)
		if g.Cycles > 0 {
			sooner(each * time.Duration(max(0, g.Cycles-t.Judged())))
		}
		if g.Claim != nil {
			sooner(each * time.Duration(g.Claim.Left(t.Judged(), t.Doubted)))
		}
	}
	if done := p.now.Next.Elapsed; g.For > 0 && done > 0 && n > 0 {
		sooner(time.Duration(float64(took) * float64(max(0, g.For-done)) / float64(done)))
	}
	if !known {
		return "", false
	}
	at := time.Now().Add(left)
	if left > 20*time.Hour {
		return at.Format("Mon 15:04"), true
	}
	return at.Format("15:04"), true
}
