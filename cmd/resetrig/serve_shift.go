package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"resetrig/audio"
	"resetrig/config"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
	"resetrig/web"
)

// shift is one run on a bench of this process, from before its lines are taken
// until they are given back. It has an emergency of its own: a page cuts one
// bench, the process's signals cut them all.
type shift struct {
	f     *floor
	bench string
	cut   func()          // the emergency; may be called more than once
	isCut <-chan struct{} // closed by it
	begun chan struct{}   // closed when the run is in the books
	ended chan struct{}   // closed when the lines are given back

	mu      sync.Mutex
	stop    context.CancelCauseFunc // nil until it runs
	halted  error                   // a halt from before that
	hands   *hands                  // nil until the bench is wired
	cfg     *config.Bench
	run     string
	over    bool          // nothing is switched any more
	release chan struct{} // closed: an emergency that is held is let go; nil: none is
	err     error         // valid after ended
}

func newShift(f *floor, bench string) *shift {
	emergency := make(chan struct{})
	return &shift{
		f: f, bench: bench, isCut: emergency, cut: sync.OnceFunc(func() { close(emergency) }),
		begun: make(chan struct{}), ended: make(chan struct{}),
	}
}

// perform runs a job to its end. It is called once.
func (s *shift) perform(ctx context.Context, j soakJob, p *progress, asJSON bool) (err error) {
	live := s.f.live.Bench(s.bench)
	defer func() {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		s.f.quietly("show the end of a run", func() { live.End(endText(err)) })
		s.f.leave(s)
		close(s.ended)
	}()
	process := ctx
	ctx, stop := context.WithCancelCause(process)
	defer stop(nil)
	s.mu.Lock()
	s.stop, s.cfg = stop, j.cfg
	if s.halted != nil {
		stop(s.halted)
	}
	s.mu.Unlock()

	a := *s.f.a // with an emergency of its own
	cut := make(chan struct{})
	a.emergency = cut
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.f.a.emergency:
			close(cut)
		case <-s.isCut:
			close(cut)
		case <-over:
		}
	}()
	defer func() { close(over); <-watched }()

	seen := &shielded{to: live, say: s.f.quietly}
	j.observe = seen
	before := j.each
	j.each = func(r rig.Record) {
		if before != nil {
			before(r)
		}
		s.f.quietly("show a record", func() { live.Done(r); s.f.committed() })
	}
	j.s.watch = func(st soak.Status) { s.f.quietly("show what a soak does", func() { live.Status(st) }) }
	j.s.attended = true
	j.s.cycle = func(id string) { s.f.quietly("show a cycle", func() { live.Cycle(id) }) }
	var w *wiring
	j.s.wired = func(wired *wiring) error { w = wired; s.wire(w); return nil }
	j.s.begun = func(ctx context.Context, db *store.Store, run store.Run) { s.begin(ctx, db, run, w, &j.s.plan) }
	j.s.parting = func(context.Context) {
		s.part(process, w, live)
		s.mu.Lock()
		s.over = true
		s.mu.Unlock()
	}
	return rig.Guarded(func() error { return a.runJob(ctx, j, p, asJSON) })
}

// wire puts what watches onto a bench that was plugged together.
func (s *shift) wire(w *wiring) {
	live := s.f.live.Bench(s.bench)
	h := newHands(w.bench.Relays, func(name string, on, ok bool) {
		s.f.quietly("show a relay", func() { live.Switched(name, on, ok) })
	})
	w.bench.Relays = h
	s.mu.Lock()
	s.hands = h
	s.mu.Unlock()
}

// begin shows a run that is in the books.
func (s *shift) begin(ctx context.Context, db *store.Store, run store.Run, w *wiring, plan *soak.Plan) {
	s.mu.Lock()
	s.run = run.ID
	s.mu.Unlock()
	s.f.quietly("show a run", func() {
		back := newReadback(w.cfg, s.hands.Relays)
		w.closers = append(w.closers, func() error { back.close(); return nil })
		r := web.LiveRun{
			ID: run.ID, Kind: run.Kind, Simulated: w.world != nil, Plan: plan, Relays: relaysOf(w.cfg), Lines: back.line, Strip: lastMarks(ctx, db, run.ID),
		}
		if w.ear != nil {
			r.Sound = soundOf(w.ear)
		}
		s.f.live.Bench(s.bench).Begin(r)
	})
	close(s.begun)
}

// part keeps the lines of a bench that was cut in an emergency, where to give
// them back would give the power back: a contact `nc` closes then. They are kept
// until a person lets go, or the program ends.
func (s *shift) part(process context.Context, w *wiring, live *web.LiveBench) {
	select {
	case <-s.isCut:
	default:
		return
	}
	if w.world != nil || !slices.ContainsFunc(w.cfg.Relays, func(r config.Relay) bool {
		return r.Role == rig.RolePower && r.Contact == "nc" && !onNetwork(r)
	}) {
		return
	}
	release := make(chan struct{})
	s.mu.Lock()
	s.release = release
	s.mu.Unlock()
	s.f.quietly("show a hold", func() {
		live.Status(soak.Status{Doing: "hold", Why: "emergency: the power is cut and its line is held; to go on lets it go, and the contact nc gives the power back"})
	})
	select {
	case <-release:
	case <-process.Done():
	}
}

// letGo ends the hold after an emergency; false where there is none.
func (s *shift) letGo() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.release == nil {
		return false
	}
	close(s.release)
	s.release = nil
	return true
}

// held reports whether an emergency is held.
func (s *shift) held() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.release != nil
}

// id is the run's; "" before it is in the books.
func (s *shift) id() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run
}

// failed is how it ended, once it has.
func (s *shift) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// haltWithin is how long a halt waits for the relays before it says that it does
// not know.
const haltWithin = time.Second

// halt ends the run, and says when the relays have taken it.
func (s *shift) halt(how web.Halting) (web.Halted, error) {
	since := time.Now()
	s.mu.Lock()
	run, held, over := s.run, s.release != nil, s.over
	s.mu.Unlock()
	switch {
	case held:
		return web.Halted{Run: run, Safe: true, Text: "it is cut already, and held until a person lets it go"}, nil
	case over:
		return web.Halted{Run: run}, fmt.Errorf("%w: run %s is over, and its lines are given back: every press is open, the power is as the bench says; `resetrig safe --bench F --cut` takes it away", web.ErrRefused, run)
	}
	cause := fmt.Errorf("%w (from the dashboard)", rig.ErrStop)
	if how == web.HaltEmergency {
		cause = fmt.Errorf("%w (from the dashboard)", rig.ErrEmergency)
		s.cut() // first: what comes after it may wait
	}
	s.mu.Lock()
	if s.stop != nil {
		s.stop(cause)
	} else {
		s.halted = cause
	}
	h := web.Halted{Run: s.run}
	var relays config.Relays // none: no line was taken yet
	if s.cfg != nil {
		relays = s.cfg.Relays
	}
	s.mu.Unlock()

	var names []string
	for _, r := range relays {
		if r.Role == rig.RolePress || how == web.HaltEmergency {
			names = append(names, r.Name)
		}
	}
	h.Safe, h.Took = s.relaysOff(names, since)
	h.Text = haltText(how, relays, h.Safe)
	return h, nil
}

// relaysOff waits until the relays were switched off after since, for a second.
// After the run's end they are what its error says.
func (s *shift) relaysOff(names []string, since time.Time) (safe bool, took time.Duration) {
	late := time.NewTimer(haltWithin)
	defer late.Stop()
	for {
		s.mu.Lock()
		hands, more := s.hands, (<-chan struct{})(nil)
		s.mu.Unlock()
		if hands != nil {
			var all bool
			var at time.Time
			if all, at, more = hands.off(names, since); all {
				return true, max(0, at.Sub(since))
			}
		} else {
			more = closedAfter(5 * time.Millisecond)
		}
		select {
		case <-more:
		case <-s.ended:
			s.mu.Lock()
			defer s.mu.Unlock()
			var unsafe *rig.UnsafeError
			return !errors.As(s.err, &unsafe), time.Since(since)
		case <-late.C:
			return false, time.Since(since)
		}
	}
}

// closedAfter is a channel that something comes out of after a while.
func closedAfter(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

func haltText(how web.Halting, relays config.Relays, safe bool) string {
	if !safe {
		return "NOT CONFIRMED: a relay has not taken its safe state within a second: cut the bench's power by hand"
	}
	if how == web.HaltEmergency {
		return "every press is open and the power is cut"
	}
	keeps := true
	for _, r := range relays {
		keeps = keeps && (r.Role != rig.RolePower || r.Safe == rig.SafeKeep)
	}
	if keeps {
		return "every press is open, the power stays as it is"
	}
	return "every press is open; the power goes when the recorder's write window has passed"
}

// endText is how a run ended, in a line.
func endText(err error) string {
	if err == nil {
		return "ended: everything passed"
	}
	code, say := exitCode(err)
	text := map[int]string{
		exitFail: "ended: the DUT failed", exitUsage: "not begun", exitError: "ended with a rig error", exitAborted: "stopped",
		exitUnsafe: "SAFE STATE NOT REACHED: cut the power of the bench by hand",
	}[code]
	if say != nil {
		text += ": " + firstLine(say.Error())
	}
	return text
}

// stripMarks is how many outcomes of a resumed run are shown at once.
const stripMarks = 60

// lastMarks are the last outcomes of a run, the oldest first.
func lastMarks(ctx context.Context, db *store.Store, run string) []web.Mark {
	cs, err := db.Cycles(ctx, store.Filter{Run: run, Limit: stripMarks})
	if err != nil {
		return nil // a picture less
	}
	var out []web.Mark
	for _, c := range slices.Backward(cs) {
		if c.Outcome != "" {
			out = append(out, web.Mark{ID: c.ID, Cycle: c.Cycle, Control: c.Control, Outcome: c.Outcome, Attribution: c.Attribution, Reason: c.Reason})
		}
	}
	return out
}

// deafAfter is how long a spectrum that does not change is shown: between two
// cycles nobody listens.
const deafAfter = 2 * time.Second

// soundOf shows what an ear hears. It is called by one goroutine after the other.
func soundOf(ear *audio.Ear) web.SoundSource {
	low, high := ear.Profile().Band()
	var mu sync.Mutex
	heard, since := int64(-1), time.Now()
	return func() (web.Spectrum, bool) {
		n := ear.Heard()
		mu.Lock()
		if n != heard {
			heard, since = n, time.Now()
		}
		deaf := n == 0 || time.Since(since) > deafAfter
		mu.Unlock()
		if deaf {
			return web.Spectrum{}, false
		}
		l := ear.Level()
		return web.Spectrum{BinHz: audio.SpectrumHz, DBFS: ear.Spectrum(), Low: low, High: high, RMS: l.RMSdBFS, Peak: l.PeakDBFS}, true
	}
}

// shielded is an observer whose panic costs the page its picture, and the cycle
// nothing.
type shielded struct {
	to  rig.Observer
	say func(doing string, do func())
}

func (s *shielded) Observe(e rig.Event) { s.say("show an event", func() { s.to.Observe(e) }) }
