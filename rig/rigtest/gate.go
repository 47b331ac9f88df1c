package rigtest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"resetrig/rig"
)

// errGate is what a press gets that may not reach the DUT.
var errGate = errors.New("the suite's gate refused a press on a DUT that has power")

// errRefused is what a relay answers that a case makes refuse.
var errRefused = errors.New("the case makes this relay refuse")

// write is one switching that reached the gate.
type write struct {
	relay string
	on    bool
	at    time.Time // when the driver had accepted it
	err   error
}

// gate stands between the suite and the relays: it keeps a trace, makes a relay
// refuse where a case asks for it, and lets no press reach a powered DUT unless
// the DUT is expendable.
type gate struct {
	relays     rig.Relays
	clock      rig.Clock
	press      map[string]bool // names of the presses
	expendable bool

	mu      sync.Mutex
	powered map[string]bool // power relays that are, or may be, on
	trace   []write
	refuse  map[string]int // how many more switchings off a relay refuses; -1 all
	changed chan struct{}  // closed at the next switching
}

func newGate(b *rig.Bench, expendable bool) *gate {
	g := &gate{
		relays: b.Relays, clock: b.Clock, expendable: expendable,
		press: map[string]bool{}, powered: map[string]bool{}, refuse: map[string]int{},
		changed: make(chan struct{}),
	}
	for _, s := range b.Specs {
		if s.Role == rig.RolePress {
			g.press[s.Name] = true
			continue
		}
		on, err := b.Relays.Read(s.Name)
		g.powered[s.Name] = on || err != nil
	}
	return g
}

// Set passes the command on, and notes it.
func (g *gate) Set(name string, on bool) error {
	g.mu.Lock()
	if n := g.refuse[name]; !on && n != 0 {
		g.refuse[name] = max(n-1, -1)
		g.note(write{name, on, g.clock.Now(), errRefused})
		g.mu.Unlock()
		return errRefused
	}
	if on && g.press[name] && !g.expendable {
		for p, powered := range g.powered {
			if powered {
				err := fmt.Errorf("%w: relay %q is on, or nothing says that it is off", errGate, p)
				g.note(write{name, on, g.clock.Now(), err})
				g.mu.Unlock()
				return err
			}
		}
	}
	if !g.press[name] && on {
		g.powered[name] = true
	}
	g.mu.Unlock()

	err := g.relays.Set(name, on) // outside the lock: one driver that hangs must not keep another relay from opening

	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.press[name] {
		g.powered[name] = on || err != nil
	}
	g.note(write{name, on, g.clock.Now(), err})
	return err
}

// Read is the relays' own.
func (g *gate) Read(name string) (bool, error) { return g.relays.Read(name) }

// isPowered is whether a power relay is on, or may be.
func (g *gate) isPowered(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.powered[name]
}

// strict keeps presses from any powered DUT, an expendable one too, until the
// returned function is called.
func (g *gate) strict() (restore func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.expendable
	g.expendable = false
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.expendable = was
	}
}

// note is called with the lock held.
func (g *gate) note(w write) {
	g.trace = append(g.trace, w)
	close(g.changed)
	g.changed = make(chan struct{})
}

// since is the number of writes so far: a mark for after.
func (g *gate) since() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.trace)
}

// after are the writes since the mark.
func (g *gate) after(mark int) []write {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]write(nil), g.trace[mark:]...)
}

// refuses makes a relay refuse the next n switchings off; -1 all.
func (g *gate) refuses(name string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse[name] = n
}

// patience is how long, by the computer's own time, the suite waits for another
// goroutine of the program to do what it must do at once. It is a bound against
// hanging and no measurement: on simulated time nothing else can be waited for.
const patience = 5 * time.Second

// off waits until a relay was switched off after the mark, and says when.
func (g *gate) off(name string, mark int) (write, error) {
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		g.mu.Lock()
		changed := g.changed
		for _, w := range g.trace[mark:] {
			if w.relay == name && !w.on && w.err == nil {
				g.mu.Unlock()
				return w, nil
			}
		}
		g.mu.Unlock()
		select {
		case <-changed:
		case <-enough.C:
			return write{}, fmt.Errorf("relay %q was not switched off within %v", name, patience)
		}
	}
}
