package gpio

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"resetrig/rig"

	pgpio "periph.io/x/conn/v3/gpio"
)

// Bank is the open relays of a bench.
type Bank struct {
	relays map[string]*relay
	order  []*relay    // presses first: so they are closed
	buses  []io.Closer // closed after the relays
}

var _ rig.Relays = (*Bank)(nil)

// Open opens relays, each going to its safe state as its line is taken, or
// staying as it is where it is kept. Where one cannot be opened, those opened
// before it are closed in their safe state, and the error names it. count may
// be nil.
func (h Host) Open(specs []RelaySpec, count Counter) (*Bank, error) {
	b := &Bank{relays: make(map[string]*relay, len(specs))}
	x := expanders{host: h, open: map[string]*expander{}}
	err := b.open(h, &x, specs, count)
	b.buses = x.buses
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Bank) open(h Host, x *expanders, specs []RelaySpec, count Counter) error {
	// Everything that can be known is known before the first line moves.
	seen := map[string]string{}
	for _, s := range specs {
		if err := s.Validate(); err != nil {
			return err
		}
		if _, twice := seen["name "+s.Name]; twice {
			return fmt.Errorf("two relays are named %s", s.Name)
		}
		where, err := h.where(s)
		if err != nil {
			return fmt.Errorf("relay %s: %w", s.Name, err)
		}
		if other, twice := seen[where]; twice {
			return fmt.Errorf("the relays %s and %s have the same pin %s", other, s.Name, s.Pin)
		}
		seen["name "+s.Name], seen[where] = s.Name, s.Name
	}
	for _, s := range specs {
		r, err := h.openRelay(x, s, count)
		if err != nil {
			return err
		}
		b.add(r)
	}
	return nil
}

// where is one spelling for each pin, by which two relays on one are found.
func (h Host) where(s RelaySpec) (string, error) {
	switch s.driver() {
	case Cdev:
		p, err := h.find(s.Pin, s.Chip)
		if err == nil && p.info.Used {
			err = held(s.Pin, p.info.Consumer)
		}
		return fmt.Sprintf("line %s:%d", p.chip, p.offset), err
	case I2C:
		p, err := parseExpander(s.Pin)
		return fmt.Sprintf("expander %d:%#x/%d", p.bus, p.addr, p.pin), err
	}
	return "pin " + s.Pin, nil
}

func (h Host) openRelay(x *expanders, s RelaySpec, count Counter) (*relay, error) {
	// A kept relay that is not driven at all starts without current: so it is
	// without us.
	active := !s.Keep && s.Energised(false)
	var (
		pin pgpio.PinOut
		err error
	)
	driver := s.driver()
	switch driver {
	case Cdev:
		pin, err = h.openLine(s.Pin, s.Chip, s.Name, s.ActiveLow, active, s.Keep)
	case I2C:
		pin, err = x.openPin(s.Pin, pgpio.Level(active != s.ActiveLow), s.Keep)
	case Periph:
		pin, err = h.registered(s.Pin)
	case Web:
		pin, err = openWeb(s.Pin)
	}
	if err != nil {
		return nil, fmt.Errorf("relay %s: %w", s.Name, err)
	}
	r, err := newRelay(s, pin, count, driver == Periph || driver == Web && !s.Keep)
	if err != nil {
		return nil, err
	}
	if !s.Keep {
		r.known, r.energised = true, active
		err = r.proveSafe()
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// proveSafe reads a relay that was just opened back, where it can be.
func (r *relay) proveSafe() error {
	if r.back == nil {
		return nil
	}
	seen, err := r.active()
	if err == nil && seen != r.energised {
		err = &ReadBackError{r.spec.Name, r.pin.Name(), r.energised, seen}
	}
	return err
}

// NewBank is a bank of relays on pins that the caller has: each pin is driven
// to its relay's safe level first, and only then asked for anything. No relay
// can be kept, since a periph pin cannot be looked at without disturbing it.
// count may be nil.
func NewBank(specs []RelaySpec, pins []pgpio.PinOut, count Counter) (*Bank, error) {
	if len(specs) != len(pins) {
		return nil, fmt.Errorf("%d relays and %d pins", len(specs), len(pins))
	}
	b := &Bank{relays: make(map[string]*relay, len(specs))}
	for i, s := range specs {
		s.Driver = Periph
		err := s.Validate()
		if _, twice := b.relays[s.Name]; twice {
			err = fmt.Errorf("two relays are named %s", s.Name)
		}
		if err == nil {
			var r *relay
			if r, err = newRelay(s, pins[i], count, true); err == nil {
				b.add(r)
			}
		}
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

func (b *Bank) add(r *relay) {
	b.relays[r.spec.Name] = r
	b.order = append(b.order, r)
	slices.SortStableFunc(b.order, func(x, y *relay) int {
		switch {
		case x.spec.Press == y.spec.Press:
			return 0
		case x.spec.Press:
			return -1
		}
		return 1
	})
}

// Set switches the DUT's side of a relay and reads the line back where its
// driver can: a *ReadBackError where it is not as it was set. Different relays
// never wait for one another; a second Set of the same relay waits for the
// first for one second at most.
func (b *Bank) Set(name string, on bool) error {
	r, err := b.relay(name)
	if err != nil {
		return err
	}
	return r.Set(on)
}

// Read is the line of a relay, translated to the DUT's side.
func (b *Bank) Read(name string) (bool, error) {
	r, err := b.relay(name)
	if err != nil {
		return false, err
	}
	return r.Read()
}

func (b *Bank) relay(name string) (*relay, error) {
	r, ok := b.relays[name]
	if !ok {
		return nil, fmt.Errorf("there is no relay %q; there are %s", name, strings.Join(b.names(), ", "))
	}
	return r, nil
}

func (b *Bank) names() []string {
	var names []string
	for _, r := range b.order {
		names = append(names, r.spec.Name)
	}
	slices.Sort(names)
	return names
}

// Close makes every relay safe, presses first, leaves kept ones as they are,
// and gives the lines back. Every relay gets its turn whatever happens to the
// others; the error names each one whose safe state is in doubt. A second Close
// does nothing.
func (b *Bank) Close() error {
	var errs []error
	for _, r := range b.order {
		errs = append(errs, r.Close())
	}
	for _, c := range b.buses {
		errs = append(errs, c.Close())
	}
	b.buses = nil
	return errors.Join(errs...)
}
