package gpio

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"resetrig/rig"

	pgpio "periph.io/x/conn/v3/gpio"
)

// Contact is the contact of a relay that is wired to the DUT.
type Contact string

// The contacts: open, or closed, while the relay is not energised.
const (
	NO Contact = "no"
	NC Contact = "nc"
)

// Driver is who drives a relay's line.
type Driver string

// The drivers.
const (
	Cdev   Driver = "cdev"   // the kernel's character device
	Periph Driver = "periph" // a pin of periph that only it knows
	I2C    Driver = "i2c"    // a port expander: the pin has an @
	Web    Driver = "web"    // a switch on the network: the pin is an address with {on} in it
)

// RelaySpec is one relay as it is wired.
type RelaySpec struct {
	Name string
	// Pin is a line's name (GPIO26), chip and offset (gpiochip0:26), a name in
	// periph's registry, an expander's pin (tca9534@1:0x20/3), or the address of
	// a switch on the network (http://192.168.1.7/relay?on={on}).
	Pin    string
	Chip   string // narrows a line's name to a chip; optional
	Driver Driver // empty: Web for an address, I2C for a pin with an @, else Cdev
	// ActiveLow: a low voltage energises the relay.
	ActiveLow bool
	Contact   Contact
	// Keep: opening and closing leave the relay as it is. Else both switch the
	// DUT's side off: unpowered, not shorted.
	Keep bool
	// Press: the contact shorts the DUT's reset pins. It is never kept, and it
	// is the first to be made safe.
	Press bool
}

// Validate reports what cannot work.
func (s RelaySpec) Validate() error {
	switch {
	case s.Name == "":
		return errors.New("a relay has no name")
	case s.Pin == "":
		return fmt.Errorf("relay %s: it has no pin", s.Name)
	case s.Contact != NO && s.Contact != NC:
		return fmt.Errorf("relay %s: contact is %q; write no (normally open) or nc (normally closed)", s.Name, s.Contact)
	case s.Press && s.Keep:
		return fmt.Errorf("relay %s: a press is never kept: safe must be off", s.Name)
	}
	switch s.driver() {
	case Cdev, I2C, Web:
	case Periph:
		if s.Keep {
			return fmt.Errorf("relay %s: driver periph cannot look at an output without disturbing it, so it cannot keep one: use safe: off", s.Name)
		}
	default:
		return fmt.Errorf("relay %s: driver is %q; there are cdev, periph, i2c and web", s.Name, s.Driver)
	}
	return nil
}

func (s RelaySpec) driver() Driver {
	switch {
	case s.Driver == "" && strings.Contains(s.Pin, "://"):
		return Web
	case isExpander(s.Pin) && (s.Driver == "" || s.Driver == Periph):
		return I2C
	case s.Driver == "":
		return Cdev
	}
	return s.Driver
}

// Energised is whether the coil has current when the DUT's side is on.
func (s RelaySpec) Energised(on bool) bool { return on != (s.Contact == NC) }

// ReadBackError is a line that is not as it was set.
type ReadBackError struct {
	Relay, Line  string
	Wanted, Seen bool // active
}

func (e *ReadBackError) Error() string {
	return fmt.Sprintf("relay %s: line %s was set %s and reads back %s: something else drives it, or it is shorted",
		e.Relay, e.Line, activeWord(e.Wanted), activeWord(e.Seen))
}

func activeWord(active bool) string {
	if active {
		return "active"
	}
	return "inactive"
}

// Counter counts the switchings of a relay's coil.
type Counter interface {
	// Switched is called after each switching that changed the coil, or may
	// have. It must not block: a relay waits for it.
	Switched(relay string, on bool)
}

// stuckAfter is how long a switch waits for an earlier one of the same relay.
// A line's ioctl takes microseconds, an expander's transfer milliseconds.
const stuckAfter = time.Second

// relay is one open relay.
type relay struct {
	spec   RelaySpec
	pin    pgpio.PinOut
	back   ReadBacker // nil: cannot be read back
	invert bool       // the pin's levels are voltages: polarity is ours
	count  Counter    // may be nil

	busy chan struct{} // holds one token while the relay is being switched
	// What follows belongs to the holder of the token.
	known, energised bool
	failed           error // the driver's first error
	closed           bool
}

// newRelay takes over a pin. The pin is already as it shall be, or, where
// drive is set, is driven to the safe level now.
func newRelay(spec RelaySpec, pin pgpio.PinOut, count Counter, drive bool) (*relay, error) {
	r := &relay{spec: spec, pin: pin, count: count, busy: make(chan struct{}, 1)}
	r.back, _ = pin.(ReadBacker)
	if _, kernel := pin.(*Line); !kernel {
		r.invert = spec.ActiveLow
	}
	if drive {
		if err := r.set(false); err != nil {
			return nil, errors.Join(err, r.release())
		}
	}
	return r, nil
}

func (r *relay) lock() error {
	select {
	case r.busy <- struct{}{}:
		return nil
	default:
	}
	t := time.NewTimer(stuckAfter)
	defer t.Stop()
	select {
	case r.busy <- struct{}{}:
		return nil
	case <-t.C:
		return fmt.Errorf("relay %s: an earlier switch has been stuck in its driver for %v: its state is unknown", r.spec.Name, stuckAfter)
	}
}

func (r *relay) unlock() { <-r.busy }

// Set switches the DUT's side.
func (r *relay) Set(on bool) error {
	if err := r.lock(); err != nil {
		return err
	}
	defer r.unlock()
	if r.closed {
		return fmt.Errorf("relay %s: %w", r.spec.Name, ErrClosed)
	}
	return r.set(on)
}

// set switches. After a driver's error it takes only the safe state: what the
// driver does after an error is not known, but to try to be safe is always
// better than not to.
func (r *relay) set(on bool) error {
	if r.failed != nil && on {
		return fmt.Errorf("relay %s: its driver failed before and takes only the safe state now: %w", r.spec.Name, r.failed)
	}
	energised := r.spec.Energised(on)
	changed := !r.known || r.energised != energised
	touched := r.touched()
	r.known = false
	if err := r.pin.Out(pgpio.Level(energised != r.invert)); err != nil {
		err = fmt.Errorf("relay %s: switch line %s %s: %w", r.spec.Name, r.pin.Name(), activeWord(energised), err)
		if r.failed == nil {
			r.failed = err
		}
		return err
	}
	if changed && r.count != nil {
		r.count.Switched(r.spec.Name, on)
	}
	if r.back != nil {
		seen, err := r.active()
		if err != nil {
			return err
		}
		if seen != energised {
			return &ReadBackError{r.spec.Name, r.pin.Name(), energised, seen}
		}
	}
	r.known, r.energised = true, energised
	return touched
}

// touched is an error where the line is not as it was last set: someone who
// writes the SoC's registers had it meanwhile, which no watch of the kernel
// sees, and a press may have been open. It is told once, after the switch.
func (r *relay) touched() error {
	if r.back == nil || !r.known {
		return nil
	}
	seen, err := r.active()
	if err != nil || seen == r.energised {
		return nil // the switch itself tells of a line that cannot be read
	}
	return fmt.Errorf("before it was switched now, %w", &ReadBackError{r.spec.Name, r.pin.Name(), r.energised, seen})
}

// active reads the line back.
func (r *relay) active() (bool, error) {
	level, err := r.back.ReadBack()
	if err != nil {
		return false, fmt.Errorf("relay %s: %w", r.spec.Name, err)
	}
	return bool(level) != r.invert, nil
}

// Read is the line translated to the DUT's side.
func (r *relay) Read() (bool, error) {
	if r.back == nil {
		return false, fmt.Errorf("relay %s: line %s: %w", r.spec.Name, r.pin.Name(), rig.ErrNoReadBack)
	}
	if err := r.lock(); err != nil {
		return false, err
	}
	defer r.unlock()
	if r.closed {
		return false, fmt.Errorf("relay %s: %w", r.spec.Name, ErrClosed)
	}
	active, err := r.active()
	return active == r.spec.Energised(true), err
}

// Close makes the relay safe and gives its line back, that also where it could
// not be made safe.
func (r *relay) Close() error {
	if err := r.lock(); err != nil {
		return err
	}
	defer r.unlock()
	if r.closed {
		return nil
	}
	var err error
	if !r.spec.Keep {
		if err = r.set(false); err != nil {
			err = fmt.Errorf("its safe state was not reached: %w", err)
		}
	}
	r.closed = true
	return errors.Join(err, r.release())
}

// release gives the pin back where its driver knows how.
func (r *relay) release() error {
	var err error
	switch p := r.pin.(type) {
	case io.Closer:
		err = p.Close()
	case interface{ Close() }:
		p.Close()
	}
	if err != nil {
		return fmt.Errorf("relay %s: give back line %s: %w", r.spec.Name, r.pin.Name(), err)
	}
	return nil
}
