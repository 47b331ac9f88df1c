package sim

import (
	"context"
	"fmt"
	"time"

	"resetrig/rig"
)

// What a wire or a witness belongs to.
const (
	power = iota
	reset
	network
)

var wireNames = [...]string{power: "power", reset: "reset", network: "network"}

// wires are the two relays, their contacts, and who watches.
type wires struct {
	commanded [2]bool // as the line is
	contact   [2]bool // as the contact is: the truth
	welded    [2]bool
	open      [2]bool
	senses    []*sense
}

// Times of a small relay (Songle SRD on a module): operate ≤ 10 ms, release
// ≤ 5 ms of its own and up to 15 ms with the module's diode.
const (
	operateLeast, operateMost = 5 * time.Millisecond, 10 * time.Millisecond
	releaseLeast, releaseMost = 2 * time.Millisecond, 15 * time.Millisecond
)

// Relays are "power" and "reset", as commanded on the DUT's side. Set returns
// at once and moves no time; the contact follows some milliseconds later.
func (w *World) Relays() rig.Relays { return relays{w} }

type relays struct{ w *World }

func wireNamed(name string) (int, error) {
	for i, n := range wireNames[:network] {
		if n == name {
			return i, nil
		}
	}
	return 0, unknown("relay", name, wireNames[:network])
}

func (r relays) Set(name string, on bool) error {
	i, err := wireNamed(name)
	if err != nil {
		return err
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.set(i, on)
	return nil
}

func (r relays) Read(name string) (bool, error) {
	i, err := wireNamed(name)
	if err != nil {
		return false, err
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.w.wires.commanded[i], nil
}

// set is a command to a relay's line.
func (w *World) set(i int, on bool) {
	x := &w.wires
	was := x.commanded[i]
	x.commanded[i] = on
	if was == on {
		return
	}
	switch {
	case i == power && !on:
		w.beginAct()
		x.welded[power] = w.faults[powerWelded]
		x.open[power] = w.faults[powerOpen]
	case i == reset && on:
		x.open[reset] = w.faults[resetOpen]
		x.welded[reset] = w.faults[resetWelded]
	}
	delay := w.between(releaseLeast, releaseMost)
	if on {
		delay = w.between(operateLeast, operateMost)
	}
	w.plan(delay, 0, func() { w.follow(i) })
}

// follow brings a contact where its command and its faults put it.
func (w *World) follow(i int) {
	x := &w.wires
	on := x.commanded[i]
	switch {
	case x.welded[i] && x.contact[i]:
		on = true
	case x.open[i]:
		on = false
	}
	if on == x.contact[i] {
		return
	}
	x.contact[i] = on
	w.witness(i, on)
	if i == power {
		w.supply(on)
	} else {
		w.pins(on)
	}
}

// Sense is the witness of the "power" contact, of the "reset" loop or of the
// "network": whether the bench's network reaches as far as the unit's socket.
// It tells the truth, with the time of each edge (rig.EdgeSense). Another name
// is nil.
func (w *World) Sense(of string) rig.Sense {
	for i, n := range wireNames {
		if n == of {
			w.mu.Lock()
			defer w.mu.Unlock()
			s := &sense{w: w, of: i}
			w.wires.senses = append(w.wires.senses, s)
			return s
		}
	}
	return nil
}

// maxEdges is how many edges a sense keeps for a reader that never comes.
const maxEdges = 4096

type sense struct {
	w     *World
	of    int
	edges []rig.Edge
}

var _ rig.EdgeSense = (*sense)(nil)

func (s *sense) Of() string { return wireNames[s.of] }

func (s *sense) On(ctx context.Context) (bool, error) {
	if ctx.Err() != nil {
		return false, fmt.Errorf("read sense %s: %w", s.Of(), context.Cause(ctx))
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.of == network {
		return !s.w.cutOff(), nil
	}
	return s.w.wires.contact[s.of], nil
}

func (s *sense) Edges() []rig.Edge {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	e := s.edges
	s.edges = nil
	return e
}

// witness tells the senses of an edge.
func (w *World) witness(of int, on bool) {
	for _, s := range w.wires.senses {
		if s.of != of {
			continue
		}
		if len(s.edges) == maxEdges {
			s.edges = append(s.edges[:0], s.edges[1:]...)
		}
		s.edges = append(s.edges, rig.Edge{Time: w.wall(w.now), On: on})
	}
}

// cutOff reports whether nothing on the network reaches the unit.
func (w *World) cutOff() bool { return w.faults[networkDown] && w.act != arranging }
