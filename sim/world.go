package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Options say what to simulate. Zero values are sensible ones.
type Options struct {
	Model  Model // zero: imou-new
	Faults []Fault
	Seed   uint64
	Rate   int       // of the sound, samples a second; 0: 16000
	Start  time.Time // moment at which virtual time begins; zero: 2026-01-01 00:00 UTC
	URL    string    // where the unit answers, over TLS too where it is https; "": http://192.168.1.50
	Serial string    // "": 4F0A2B1PAZ00001
	MAC    string    // "": 9c:14:63:0a:2b:01
	// MovesToDefault sends the unit to its model's default address at a reset;
	// else the network's DHCP server gives it the same one again.
	MovesToDefault bool
	// Powered says that the world begins with the unit up since long ago.
	Powered bool
	// Quirks are added to the model's, and with "no-" in front taken away.
	Quirks []string
	// Room is what else sounds in it.
	Room RoomNoise
	// Login, where it has a password, is what a unit that begins initialised
	// was given; else a unit of the new generation begins uninitialised.
	Login string
}

// World is one simulated unit with its room, its wires and its time. Its
// methods may be called from any goroutine; one should move the time.
type World struct {
	mu     sync.Mutex
	opts   Options
	model  Model
	quirks map[string]bool
	speaks personality
	start  time.Time
	now    time.Duration
	seq    uint64
	events queue

	cycle  int
	faults map[string]bool
	act    actState
	rnd    *rand.Rand // the plant's
	netRnd *rand.Rand // the network's, so that a client's habits change nothing of the plant

	life     uint64 // of the unit: one more with each start and each loss of power
	supplies int    // changes of the supply
	port     string // of the web server
	tlsPort  string // "" where it has no TLS
	wires    wires
	unit     unit
	server   server
	room     room
}

// actState is how far a cycle's act has come.
type actState int

const (
	arranging actState = iota
	acting             // the act began: power went off
	acted              // powered on since, or told to reset itself
)

// New makes a world, without power unless the options say otherwise, and draws
// the faults of cycle 0. The error names an unknown fault or a broken model.
func New(o Options) (*World, error) {
	if o.Model.Name == "" && o.Model.Generation == "" {
		o.Model = Models()[0]
	}
	if err := o.Model.check(); err != nil {
		return nil, err
	}
	if err := checkFaults(o.Faults); err != nil {
		return nil, err
	}
	if o.Rate == 0 {
		o.Rate = 16000
	}
	if o.Rate < 8000 || o.Rate > 192000 {
		return nil, fmt.Errorf("simulated sound at %d samples a second: want 8000 to 192000", o.Rate)
	}
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	defaultTo(&o.URL, "http://192.168.1.50")
	defaultTo(&o.Serial, "4F0A2B1PAZ00001")
	defaultTo(&o.MAC, "9c:14:63:0a:2b:01")
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("address of the simulated unit: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("address of the simulated unit %q: want http://host, https://host or either with :port", o.URL)
	}
	w := &World{opts: o, model: o.Model, start: o.Start}
	if w.quirks, err = quirksOf(o.Model, o.Quirks); err != nil {
		return nil, err
	}
	switch {
	case u.Scheme == "https":
		w.tlsPort = u.Port()
		defaultTo(&w.tlsPort, "443")
	case w.quirk(https) || w.quirk(httpsRedirect):
		w.port, w.tlsPort = u.Port(), "443"
	default:
		w.port = u.Port()
	}
	defaultTo(&w.port, "80")
	if w.speaks, err = personalityOf(w, o.Model.Brand); err != nil {
		return nil, err
	}
	w.unit.home = u.Hostname()
	w.unit.flash = w.factoryFlash()
	w.unit.flash.setAddress(w.unit.home)
	if o.Login != "" {
		w.unit.flash.provision(o.Login)
	}
	w.server.key = serverKey()
	if err := w.room.setUp(o); err != nil {
		return nil, err
	}
	w.BeginCycle(0)
	if o.Powered {
		w.wires.commanded[power], w.wires.contact[power] = true, true
		w.powerUp()
		w.mu.Lock()
		for w.unit.phase != ready {
			if err := w.advance(context.Background(), w.events[0].at); err != nil {
				break
			}
		}
		w.start = o.Start.Add(-w.now) // the moment of handing over is Start
		w.mu.Unlock()
	}
	return w, nil
}

func defaultTo(s *string, d string) {
	if *s == "" {
		*s = d
	}
}

// BeginCycle says that cycle n begins: it draws its faults, by seed and n
// only, and undoes what those of the cycle before did to wires, microphone,
// network and unit, as if someone had put it right. What the unit holds in its
// flash stays, except that a unit at another address is brought home; a unit
// that was bricked by a power cut stays so, see Repair.
func (w *World) BeginCycle(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cutOff() {
		defer w.witness(network, true)
	}
	w.cycle, w.act = n, arranging
	w.faults = draw(w.opts.Faults, w.opts.Seed, n)
	w.rnd = rand.New(rand.NewPCG(w.opts.Seed, uint64(n)))
	w.netRnd = rand.New(rand.NewPCG(w.opts.Seed^0x6e6574, uint64(n)))
	w.beginRoom()
	w.mend()
	if w.faults[neighbourBeep] {
		w.neighbour(w.between(2*time.Second, 6*time.Second))
	}
	if w.faults[noDiskAlarm] && w.unit.up() {
		w.alarm()
	}
	w.follow(power)
	w.follow(reset)
}

// BeginAct says that the cycle's act begins, where the World shall not find
// that out by itself (see Faults).
func (w *World) BeginAct() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beginAct()
}

func (w *World) beginAct() {
	if w.act != arranging {
		return
	}
	w.act = acting
	if w.faults[micUnplugged] {
		w.room.unplugAt = w.now + w.between(3*time.Second, 15*time.Second)
	}
	if w.faults[neighbourBeep] {
		w.neighbour(w.between(500*time.Millisecond, 3*time.Second))
	}
	if w.faults[networkDown] {
		w.witness(network, false)
	}
}

// Repair replaces a bricked unit's board: factory state, same unit.
func (w *World) Repair() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unit.bricked = false
	w.unit.flash = w.factoryFlash()
	w.unit.flash.setAddress(w.unit.home)
	if w.unit.phase == dead {
		w.restart()
	}
}

// between draws a duration between two bounds.
func (w *World) between(least, most time.Duration) time.Duration {
	return drawBetween(w.rnd, least, most)
}

func drawBetween(r *rand.Rand, least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// hexOf is n hex digits that belong to what, and never change.
func hexOf(what string, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s/%d", what, i)
		fmt.Fprintf(&b, "%016x", h.Sum64())
	}
	return b.String()[:n]
}
