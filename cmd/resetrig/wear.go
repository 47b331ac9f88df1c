package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
)

// wear counts what a bench's relays switch, also where no cycle runs: when the
// bench is armed and disarmed, in an exercise, by `resetrig safe`. A cycle's own
// switchings are in its record; the rest is booked at the end.
type wear struct {
	rig.Relays
	bench *rig.Bench

	mu     sync.Mutex
	last   map[string]bool
	n      map[string]int // switchings since the bench was wired
	inBook map[string]int // of these, in records
	warned map[string]bool
	since  time.Time
}

// newWear puts itself between the bench and its relays.
func newWear(b *rig.Bench) *wear {
	w := &wear{
		Relays: b.Relays, bench: b, last: map[string]bool{}, n: map[string]int{}, inBook: map[string]int{},
		warned: map[string]bool{}, since: b.Clock.Now(),
	}
	b.Relays = w
	return w
}

// Set switches, and counts a switching where the state changes or was unknown
// and is now on.
func (w *wear) Set(name string, on bool) error {
	err := w.Relays.Set(name, on)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		delete(w.last, name)
		return err
	}
	was, known := w.last[name]
	if known && was != on || !known && on {
		w.n[name]++
	}
	w.last[name] = on
	return nil
}

// booked notes switchings that a record has.
func (w *wear) booked(ops map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, n := range ops {
		w.inBook[name] += n
	}
}

// book adds to the life account what no record has.
func (w *wear) book(ctx context.Context, db *store.Store, bench string) error {
	w.mu.Lock()
	rest := map[string]int{}
	for name, n := range w.n {
		if more := n - w.inBook[name]; more > 0 {
			rest[name] = more
			w.inBook[name] += more
		}
	}
	w.mu.Unlock()
	if len(rest) == 0 {
		return nil
	}
	return db.Operated(context.WithoutCancel(ctx), bench, rest)
}

// worn is from which share of its rated life on a relay is warned of.
const worn = 0.8

// warnOfWear says which relays have used up most of their life.
func (a *app) warnOfWear(b *rig.Bench) {
	for _, s := range b.Specs {
		if n := b.Operations[s.Name]; s.Life > 0 && float64(n) >= worn*float64(s.Life) {
			fmt.Fprintf(a.err, "resetrig: relay %s has %d of its %d rated operations behind it: plan its replacement\n", s.Name, n, s.Life)
		}
	}
}

// remarkWear warns once of each relay that comes to the end of its life while
// the soak runs.
func (a *app) remarkWear(w *wear) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.bench.Specs {
		limit, had := worn*float64(s.Life), float64(w.bench.Operations[s.Name])
		if s.Life > 0 && !w.warned[s.Name] && had < limit && had+float64(w.n[s.Name]) >= limit {
			w.warned[s.Name] = true
			fmt.Fprintf(a.err, "resetrig: relay %s has come to %.0f of its %d rated operations: plan its replacement\n", s.Name, had+float64(w.n[s.Name]), s.Life)
		}
	}
}

// forecast says how long each relay will last at this soak's pace. A date is
// said where the pace is real time's.
func (a *app) forecast(b *rig.Bench, w *wear, t soak.Tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.Cycles < 2 {
		return
	}
	took := b.Clock.Now().Sub(w.since)
	for _, s := range b.Specs {
		n, had := w.n[s.Name], b.Operations[s.Name]
		if s.Life <= 0 || n == 0 {
			continue
		}
		fmt.Fprintf(a.err, "resetrig: relay %s\n", lifeText(lifeOf{name: s.Name, had: had + int64(n), rated: int64(s.Life), used: n, cycles: t.Cycles, took: took, now: b.Clock.Now()}))
	}
}

// lifeOf is what a forecast is made from.
type lifeOf struct {
	name       string
	had, rated int64
	used       int // in these cycles, which took so long
	cycles     int
	took       time.Duration
	now        time.Time
}

func lifeText(l lifeOf) string {
	t := fmt.Sprintf("%s: %d of %d rated operations (%.1f %%)", l.name, l.had, l.rated, 100*float64(l.had)/float64(l.rated))
	left := l.rated - l.had
	if left <= 0 {
		return t + ": past its rated life; replace it"
	}
	per := float64(l.used) / float64(l.cycles)
	cycles := float64(left) / per
	t += fmt.Sprintf("; %.1f a cycle, so %.0f more cycles", per, cycles)
	if days := cycles * l.took.Hours() / 24 / float64(l.cycles); days < 36500 {
		t += fmt.Sprintf(", at this pace until %s", l.now.Add(time.Duration(days*24*float64(time.Hour))).Format("2006-01-02"))
	}
	return t
}

// bookSwitchings adds to the life account what was switched where no run is
// booked. A store that cannot be opened is said, and keeps nobody from switching.
func (a *app) bookSwitchings(ctx context.Context, w *wear, bench string) {
	w.mu.Lock()
	any := len(w.n) > 0
	w.mu.Unlock()
	if !any {
		return
	}
	db, err := store.Open(filepath.Join(a.state, "resetrig.db"))
	if err == nil {
		err = w.book(ctx, db, bench)
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		fmt.Fprintf(a.err, "resetrig: the relays' life account lacks these switchings: %v\n", err)
	}
}
