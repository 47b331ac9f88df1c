package main

import (
	"slices"
	"strings"
	"sync"
	"time"

	"resetrig/config"
	"resetrig/gpio"
	"resetrig/rig"
	"resetrig/web"
)

// hands stands between a bench and its relays and remembers what became of every
// switching: so a halt knows when the relays have taken it, without asking them.
type hands struct {
	rig.Relays
	tell func(name string, on, ok bool)

	mu   sync.Mutex
	last map[string]handled
	more chan struct{} // closed with the next switching
}

// handled is what a relay was last brought to; ok is false where the driver did
// not take it.
type handled struct {
	on, ok bool
	at     time.Time // by this computer's clock
}

func newHands(r rig.Relays, tell func(name string, on, ok bool)) *hands {
	return &hands{Relays: r, tell: tell, last: map[string]handled{}, more: make(chan struct{})}
}

// Set switches and remembers.
func (h *hands) Set(name string, on bool) error {
	err := h.Relays.Set(name, on)
	defer h.tell(name, on, err == nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[name] = handled{on, err == nil, time.Now()}
	close(h.more)
	h.more = make(chan struct{})
	return err
}

// off says whether each of these relays was switched off at since or later, when
// the last of them was, and what is closed with the next switching.
func (h *hands) off(names []string, since time.Time) (all bool, at time.Time, more <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all = true
	for _, n := range names {
		l := h.last[n]
		all = all && l.ok && !l.on && !l.at.Before(since)
		if l.at.After(at) {
			at = l.at
		}
	}
	return all, at, h.more
}

// relaysOf are the relays of a bench as its picture shows them.
func relaysOf(cfg *config.Bench) []web.LiveRelay {
	var out []web.LiveRelay
	for _, r := range cfg.Relays {
		out = append(out, web.LiveRelay{Name: r.Name, Role: r.Role, Contact: r.Contact, Safe: r.Safe})
	}
	return out
}

// onNetwork reports a relay whose switch is asked over the network.
func onNetwork(r config.Relay) bool {
	return gpio.Driver(r.Driver) == gpio.Web || strings.Contains(r.Pin, "://")
}

// readApart is the least time between two readings of a bench's lines for those
// who watch.
const readApart = 100 * time.Millisecond

// readback reads a bench's lines back for who watches. Who asks gets what was
// read last and never waits: the reading is this one's own goroutine's, and only
// while somebody asks. A switch on the network is not asked: its answer would
// keep its next order waiting.
type readback struct {
	relays rig.Relays
	names  []string
	wanted chan struct{}
	quit   chan struct{}
	ended  chan struct{}

	mu  sync.Mutex
	was map[string]bool
}

func newReadback(cfg *config.Bench, relays rig.Relays) *readback {
	b := &readback{relays: relays, wanted: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}), was: map[string]bool{}}
	for _, r := range cfg.Relays {
		if !onNetwork(r) {
			b.names = append(b.names, r.Name)
		}
	}
	go func() {
		defer close(b.ended)
		_ = rig.Guarded(func() error { b.run(); return nil }) // a picture that is lost costs nothing
	}()
	return b
}

func (b *readback) run() {
	for {
		select {
		case <-b.quit:
			return
		case <-b.wanted:
		}
		for _, n := range b.names {
			on, err := b.relays.Read(n)
			b.mu.Lock()
			if err == nil {
				b.was[n] = on
			} else {
				delete(b.was, n)
			}
			b.mu.Unlock()
		}
		select {
		case <-b.quit:
			return
		case <-time.After(readApart):
		}
	}
}

// line is web.LiveRun.Lines.
func (b *readback) line(relay string) (on, known bool) {
	if !slices.Contains(b.names, relay) {
		return false, false
	}
	select {
	case b.wanted <- struct{}{}:
	default:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	on, known = b.was[relay]
	return on, known
}

// close ends the reading and waits: after it nobody touches the lines.
func (b *readback) close() {
	close(b.quit)
	<-b.ended
}
