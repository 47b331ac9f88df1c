package main

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"resetrig/rig"
)

// supervisor is systemd, where it started this program. Its watchdog is fed by
// the progress of the soaks and by nothing else: each passes by with every event
// and every slice of a wait, from its own goroutine, and only when all of them
// have done so since the last time the watchdog is told. A soak that hangs
// anywhere ends that, and systemd ends the program.
type supervisor struct {
	tell  func(state string)
	every time.Duration // between two words; 0: there is no watchdog
	now   func() time.Time

	mu     sync.Mutex
	passed map[string]bool // bench → since the last word
	last   time.Time
}

// newSupervisor asks whether there is one.
func (a *app) newSupervisor() *supervisor {
	s := &supervisor{passed: map[string]bool{}, now: time.Now, tell: func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			a.log.Warn("tell systemd", "err", err)
		}
	}}
	if d, err := daemon.SdWatchdogEnabled(false); err == nil && d > 0 {
		s.every = d / 8
	}
	return s
}

// join says that a soak on this bench has to pass by from now on.
func (s *supervisor) join(bench string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed[bench] = false
}

// leave says that it has ended.
func (s *supervisor) leave(bench string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.passed, bench)
}

// feedIdle tells the watchdog while no soak runs, until ctx ends: a dashboard
// that waits is alive. What is returned is closed when it has ended.
func (s *supervisor) feedIdle(ctx context.Context) (ended chan struct{}) {
	ended = make(chan struct{})
	if s.every == 0 {
		close(ended)
		return ended
	}
	go func() {
		defer close(ended)
		tick := time.NewTicker(s.every)
		defer tick.Stop()
		for {
			s.idle()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return ended
}

// idle is one word of it.
func (s *supervisor) idle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.passed) == 0 {
		s.tell(daemon.SdNotifyWatchdog)
	}
}

// pass is called where a soak passes by.
func (s *supervisor) pass(bench string) {
	if s.every == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, in := s.passed[bench]; !in {
		return
	}
	s.passed[bench] = true
	if s.now().Sub(s.last) < s.every || slices.Contains(slices.Collect(maps.Values(s.passed)), false) {
		return
	}
	s.last = s.now()
	for b := range s.passed {
		s.passed[b] = false
	}
	s.tell(daemon.SdNotifyWatchdog)
}

// passer is a soak on its way through a bench.
type passer struct {
	s     *supervisor
	bench string
}

func (p passer) pass() { p.s.pass(p.bench) }

// Observe is a place where the soak passes by.
func (p passer) Observe(rig.Event) { p.pass() }

// onBench puts the passer where a bench waits. Without a watchdog the bench
// stays as it is.
func (p passer) onBench(b *rig.Bench) {
	if p.s.every == 0 {
		return
	}
	b.Clock = passingClock{b.Clock, p}
	if b.Ear == nil {
		return
	}
	ear := passingEar{b.Ear, b.Clock, p}
	b.Ear = ear
	if c, ok := ear.Ear.(rig.Clipper); ok {
		b.Ear = passingClipper{ear, c}
	}
}

// passEvery is how long one wait may keep the soak from passing by.
const passEvery = 5 * time.Second

type passingClock struct {
	rig.Clock
	p passer
}

func (c passingClock) Sleep(ctx context.Context, d time.Duration) error {
	for d > passEvery {
		if err := c.Clock.Sleep(ctx, passEvery); err != nil {
			return err
		}
		d -= passEvery
		c.p.pass()
	}
	defer c.p.pass()
	return c.Clock.Sleep(ctx, d)
}

type passingEar struct {
	rig.Ear
	clock rig.Clock
	p     passer
}

// Listen is one long read in slices, with everything that the slices heard.
func (e passingEar) Listen(ctx context.Context, until time.Time) (all rig.Hearing, err error) {
	for {
		next := until
		if soon := e.clock.Now().Add(passEvery); soon.Before(until) {
			next = soon
		}
		h, err := e.Ear.Listen(ctx, next)
		all.Beeps = append(all.Beeps, h.Beeps...)
		for _, f := range h.Findings {
			i := slices.IndexFunc(all.Findings, func(had rig.Finding) bool { return had.Name == f.Name })
			switch {
			case i < 0:
				all.Findings = append(all.Findings, f)
			case f.Unfit || !all.Findings[i].Unfit:
				all.Findings[i] = f
			}
		}
		e.p.pass()
		if err != nil || !next.Before(until) {
			return all, err
		}
	}
}

type passingClipper struct {
	passingEar
	rig.Clipper
}
