package gpio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	pgpio "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// Port expanders are driven by their registers over periph's I²C bus, not by
// periph's device packages, whose order is wrong for a relay: tca95xx and
// mcp23xxx make a pin an output before they set its level, which drives the
// power-on level meanwhile; pcf857x believes every latch low at the start,
// skips the first write of a low, and pulls all other pins low with the first
// high. None of them locks, and all keep copies of registers that a brown-out
// of the board falsifies.

// expanderModel is how the registers of a chip lie. The second port of a
// 16-pin chip is at the next register.
type expanderModel struct {
	pins         int
	in, out, dir byte // dir: a 1 is an input
	// raw: no registers. A write sets the latches, a read gives the pins; a
	// latch that is high is a weak pull-up (TI SCPS068, §8.3).
	raw bool
}

func expanderModelOf(chip string) (expanderModel, bool) {
	switch chip {
	case "tca9534", "tca9534a", "tca9554", "tca9554a", "tca9538", "pca9534", "pca9554", "pca9538", "tca6408", "tca6408a":
		return expanderModel{pins: 8, in: 0, out: 1, dir: 3}, true // TI SCPS197, table 4
	case "tca9535", "tca9539", "tca9555", "tca6416", "tca6416a", "pca9535", "pca9539", "pca9555":
		return expanderModel{pins: 16, in: 0, out: 2, dir: 6}, true // TI SCPS201, table 2
	case "mcp23008":
		return expanderModel{pins: 8, in: 0x09, out: 0x0a, dir: 0x00}, true // Microchip DS21919, table 1-2
	case "mcp23017":
		return expanderModel{pins: 16, in: 0x12, out: 0x14, dir: 0x00}, true // DS20001952, table 3-3, BANK = 0
	case "pcf8574", "pcf8574a":
		return expanderModel{pins: 8, raw: true}, true
	case "pcf8575":
		return expanderModel{pins: 16, raw: true}, true
	}
	return expanderModel{}, false
}

func isExpander(pin string) bool { return strings.Contains(pin, "@") }

// expanderPlace is chip@bus:address/pin.
type expanderPlace struct {
	chip  string
	model expanderModel
	bus   int
	addr  uint16
	pin   int
}

func parseExpander(s string) (expanderPlace, error) {
	bad := func(what string) (expanderPlace, error) {
		return expanderPlace{}, fmt.Errorf("pin %s: %s; write chip@bus:address/pin, as tca9534@1:0x20/3", s, what)
	}
	chip, rest, _ := strings.Cut(s, "@")
	bus, rest, ok1 := strings.Cut(rest, ":")
	addr, pin, ok2 := strings.Cut(rest, "/")
	if !ok1 || !ok2 {
		return bad("it is not complete")
	}
	p := expanderPlace{chip: strings.ToLower(chip)}
	var ok bool
	if p.model, ok = expanderModelOf(p.chip); !ok {
		return bad("chip " + chip + " is not one of tca9534, tca9535, tca9538, tca9539, tca9554, tca9555, tca6408, tca6416 (also pca…), mcp23008, mcp23017, pcf8574, pcf8575; the exact type matters, its registers differ")
	}
	var err error
	if p.bus, err = strconv.Atoi(bus); err != nil || p.bus < 0 {
		return bad("bus " + bus + " is no number")
	}
	a, err := strconv.ParseUint(addr, 0, 16)
	if err != nil || a < 0x08 || a > 0x77 {
		return bad("address " + addr + " is not between 0x08 and 0x77")
	}
	p.addr = uint16(a)
	if p.pin, err = strconv.Atoi(pin); err != nil || p.pin < 0 || p.pin >= p.model.pins {
		return bad(fmt.Sprintf("pin %s is not between 0 and %d", pin, p.model.pins-1))
	}
	return p, nil
}

// expanders are the buses and chips that one bank uses.
type expanders struct {
	host  Host
	byBus map[int]i2c.BusCloser
	open  map[string]*expander
	buses []io.Closer
}

// expander is one chip. Its registers are read before each change: a copy
// would undo what another program switched, or not see a brown-out.
type expander struct {
	dev   i2c.Dev
	model expanderModel
	lock  string // file that every program of ours locks for a change
	mu    sync.Mutex
}

func (x *expanders) openPin(pin string, initial pgpio.Level, keep bool) (*expanderPin, error) {
	p, err := parseExpander(pin)
	if err != nil {
		return nil, err
	}
	bus, ok := x.byBus[p.bus]
	if !ok {
		if bus, err = x.host.i2cBus(p.bus); err != nil {
			return nil, fmt.Errorf("pin %s: %w", pin, err)
		}
		if x.byBus == nil {
			x.byBus = map[int]i2c.BusCloser{}
		}
		x.byBus[p.bus] = bus
		x.buses = append(x.buses, bus)
	}
	key := fmt.Sprintf("%d-%#x", p.bus, p.addr)
	e, ok := x.open[key]
	if !ok {
		e = &expander{
			dev:   i2c.Dev{Bus: bus, Addr: p.addr},
			model: p.model,
			lock:  x.host.path("/run/lock/resetrig-i2c-" + key),
		}
		x.open[key] = e
	}
	if e.model != p.model {
		return nil, fmt.Errorf("pin %s: another relay says that this address is a different chip", pin)
	}
	owner, err := lockFile(fmt.Sprintf("%s-%d", e.lock, p.pin), 0)
	if err != nil {
		return nil, fmt.Errorf("pin %s is held by another resetrig: %w", pin, errors.Join(ErrBusy, err))
	}
	ep := &expanderPin{pin: pin, e: e, n: p.pin, owner: owner}
	if err := ep.take(initial, keep); err != nil {
		return nil, errors.Join(err, owner.Close())
	}
	return ep, nil
}

// lockFile locks a file until it is closed, or this process dies, trying for
// wait.
func lockFile(path string, wait time.Duration) (*os.File, error) {
	// Without O_CREATE first: in a sticky folder that flag is refused for a
	// file of another user (fs.protected_regular).
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o644)
	}
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(wait); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		time.Sleep(time.Millisecond)
	}
}

// expanderPin is one pin of an expander as a periph output. Its levels are
// voltages.
type expanderPin struct {
	pin   string
	e     *expander
	n     int
	owner *os.File
}

var (
	_ pgpio.PinOut = (*expanderPin)(nil)
	_ ReadBacker   = (*expanderPin)(nil)
)

// take makes the pin an output at initial, or, with keep, at what it drives.
func (p *expanderPin) take(initial pgpio.Level, keep bool) error {
	if keep {
		driven, err := p.driven()
		if err != nil {
			return fmt.Errorf("pin %s: look at it: %w", p.pin, err)
		}
		if driven {
			return nil
		}
	}
	return p.Out(initial)
}

// driven reports an output. A chip without directions always drives.
func (p *expanderPin) driven() (bool, error) {
	if p.e.model.raw {
		return true, nil
	}
	dir, err := p.e.register(p.e.model.dir, p.n)
	return dir&bit(p.n) == 0, err
}

func bit(n int) byte { return 1 << (n % 8) }

// register reads the 8 bits of a register that pin n is in.
func (e *expander) register(reg byte, n int) (byte, error) {
	var r [1]byte
	err := e.dev.Tx([]byte{reg + byte(n/8)}, r[:])
	return r[0], err
}

// change sets or clears the pin's bit of a register.
func (e *expander) change(reg byte, n int, on bool) error {
	v, err := e.register(reg, n)
	if err != nil {
		return err
	}
	if on {
		v |= bit(n)
	} else {
		v &^= bit(n)
	}
	return e.dev.Tx([]byte{reg + byte(n/8), v}, nil)
}

// Out sets the latch first and the direction after it, so that the pin never
// drives another level.
func (p *expanderPin) Out(l pgpio.Level) (err error) {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	f, err := lockFile(p.e.lock, stuckAfter)
	if err != nil {
		return fmt.Errorf("pin %s: %w", p.pin, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if p.e.model.raw {
		err = p.e.rawOut(p.n, bool(l))
	} else if err = p.e.change(p.e.model.out, p.n, bool(l)); err == nil {
		err = p.e.change(p.e.model.dir, p.n, false)
	}
	if err != nil {
		return fmt.Errorf("pin %s: set it: %w", p.pin, err)
	}
	return nil
}

func (e *expander) rawOut(n int, high bool) error {
	v := make([]byte, e.model.pins/8)
	if err := e.dev.Tx(nil, v); err != nil {
		return err
	}
	if high {
		v[n/8] |= bit(n)
	} else {
		v[n/8] &^= bit(n)
	}
	return e.dev.Tx(v, nil)
}

// ReadBack is the level at the pin itself, not the latch.
func (p *expanderPin) ReadBack() (pgpio.Level, error) {
	var (
		v   byte
		err error
	)
	if p.e.model.raw {
		b := make([]byte, p.e.model.pins/8)
		err = p.e.dev.Tx(nil, b)
		v = b[p.n/8]
	} else {
		v, err = p.e.register(p.e.model.in, p.n)
	}
	if err != nil {
		return pgpio.Low, fmt.Errorf("pin %s: read it back: %w", p.pin, err)
	}
	return v&bit(p.n) != 0, nil
}

// Close gives the pin free for other programs; it goes on driving.
func (p *expanderPin) Close() error { return p.owner.Close() }

// String is the pin as the user spells it.
func (p *expanderPin) String() string { return p.pin }

// Name is the pin as the user spells it.
func (p *expanderPin) Name() string { return p.pin }

// Number is the pin's number on its chip.
func (p *expanderPin) Number() int { return p.n }

// Halt does nothing.
func (p *expanderPin) Halt() error { return nil }

// Function is OUT.
func (p *expanderPin) Function() string { return string(pgpio.OUT) }

// PWM is refused.
func (p *expanderPin) PWM(pgpio.Duty, physic.Frequency) error {
	return fmt.Errorf("pin %s: an expander has no PWM", p.pin)
}
