package gpio_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"resetrig/gpio"

	"github.com/google/go-cmp/cmp"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// fakeExpander is a port expander on an I²C bus with the levels at its pins.
type fakeExpander struct {
	mu           sync.Mutex
	addr         uint16
	in, out, dir byte
	ports        int
	raw          bool
	regs         [32]byte
	outside      byte // what a pin floats to as an input
	trace        []string
	fail         error
	shorted      bool
}

// newExpander is one as it is after power-on: latches high, pins inputs.
func newExpander(in, out, dir byte, ports int) *fakeExpander {
	e := &fakeExpander{addr: 0x20, in: in, out: out, dir: dir, ports: ports}
	for p := range ports {
		e.regs[out+byte(p)], e.regs[dir+byte(p)] = 0xff, 0xff
	}
	e.trace = []string{e.pins()}
	return e
}

func newPCF() *fakeExpander {
	e := &fakeExpander{addr: 0x20, raw: true, ports: 1}
	e.regs[0] = 0xff
	e.trace = []string{e.pins()}
	return e
}

// pins are the voltages: 0, 1, or z where nothing drives.
func (e *fakeExpander) pins() string {
	var s strings.Builder
	for p := range e.ports {
		for b := range 8 {
			switch {
			case !e.raw && e.regs[e.dir+byte(p)]&(1<<b) != 0:
				s.WriteByte('z')
			case e.regs[e.out+byte(p)]&(1<<b) != 0:
				s.WriteByte('1')
			default:
				s.WriteByte('0')
			}
		}
	}
	return s.String()
}

func (e *fakeExpander) level(port byte) byte {
	if e.raw {
		return e.regs[port]
	}
	v := e.regs[e.out+port]&^e.regs[e.dir+port] | e.outside&e.regs[e.dir+port]
	if e.shorted {
		return 0
	}
	return v
}

func (e *fakeExpander) Tx(addr uint16, w, r []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	if addr != e.addr {
		return errors.New("no acknowledge")
	}
	defer func() {
		if p := e.pins(); p != e.trace[len(e.trace)-1] {
			e.trace = append(e.trace, p)
		}
	}()
	if e.raw {
		copy(e.regs[:], w)
		for i := range r {
			r[i] = e.level(byte(i))
		}
		return nil
	}
	reg := w[0]
	for i, b := range w[1:] {
		e.regs[int(reg)+i] = b
	}
	for i := range r {
		if n := reg + byte(i); n >= e.in && n < e.in+byte(e.ports) {
			r[i] = e.level(n - e.in)
		} else {
			r[i] = e.regs[n]
		}
	}
	return nil
}

func (e *fakeExpander) SetSpeed(physic.Frequency) error { return nil }
func (e *fakeExpander) String() string                  { return "fake" }
func (e *fakeExpander) Close() error                    { return nil }

func (e *fakeExpander) host(t *testing.T) gpio.Host {
	h := pi().host(t)
	for _, d := range []string{"dev", "run/lock"} {
		if err := os.MkdirAll(filepath.Join(h.Root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(h.Root, "dev/i2c-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.I2C = func(int) (i2c.BusCloser, error) { return e, nil }
	return h
}

// The pins never drive a level that was not asked for, neighbours least of all.
func TestExpanderNoGlitch(t *testing.T) {
	tests := []struct {
		name, chip string
		e          *fakeExpander
		pin        int
		activeLow  bool
		want       []string
	}{
		{"active high", "tca9534", newExpander(0, 1, 3, 1), 3, false, []string{"zzzzzzzz", "zzz0zzzz", "zzz1zzzz", "zzz0zzzz"}},
		{"active low", "tca9534", newExpander(0, 1, 3, 1), 3, true, []string{"zzzzzzzz", "zzz1zzzz", "zzz0zzzz", "zzz1zzzz"}},
		{"second port", "tca9535", newExpander(0, 2, 6, 2), 9, false,
			[]string{"zzzzzzzzzzzzzzzz", "zzzzzzzzz0zzzzzz", "zzzzzzzzz1zzzzzz", "zzzzzzzzz0zzzzzz"}},
		{"mcp23017", "mcp23017", newExpander(0x12, 0x14, 0, 2), 15, false,
			[]string{"zzzzzzzzzzzzzzzz", "zzzzzzzzzzzzzzz0", "zzzzzzzzzzzzzzz1", "zzzzzzzzzzzzzzz0"}},
		{"mcp23008", "mcp23008", newExpander(9, 10, 0, 1), 0, true, []string{"zzzzzzzz", "1zzzzzzz", "0zzzzzzz", "1zzzzzzz"}},
		{"pcf8574 active low", "pcf8574", newPCF(), 2, true, []string{"11111111", "11011111", "11111111"}},
		{"pcf8574 active high", "pcf8574", newPCF(), 2, false, []string{"11111111", "11011111", "11111111", "11011111"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pin := fmt.Sprintf("%s@1:0x20/%d", tt.chip, tt.pin)
			b, err := tt.e.host(t).Open([]gpio.RelaySpec{spec("power", pin, tt.activeLow, gpio.NO)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Set("power", true); err != nil {
				t.Fatal(err)
			}
			if on, err := b.Read("power"); err != nil || !on {
				t.Errorf("Read = %v, %v", on, err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.e.trace, tt.want); d != "" {
				t.Error("got -, want +:\n", d)
			}
		})
	}
}

func TestExpanderKeep(t *testing.T) {
	e := newExpander(0, 1, 3, 1)
	e.regs[3], e.regs[1] = 0xf0, 0xf5 // pins 0 to 3 driven, 0 and 2 high
	e.trace = []string{e.pins()}
	s := spec("power", "tca9534@1:0x20/2", false, gpio.NO)
	s.Keep = true
	b, err := e.host(t).Open([]gpio.RelaySpec{s}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if on, err := b.Read("power"); err != nil || !on {
		t.Errorf("Read = %v, %v", on, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(e.trace, []string{"1010zzzz"}); d != "" {
		t.Error("got -, want +:\n", d)
	}
}

func TestExpanderErrors(t *testing.T) {
	e := newExpander(0, 1, 3, 1)
	h := e.host(t)
	open := func(pin string) error {
		b, err := h.Open([]gpio.RelaySpec{spec("power", pin, false, gpio.NO)}, nil)
		if err == nil {
			err = b.Close()
		}
		return err
	}
	for _, tt := range []struct{ pin, want string }{
		{"tca95xx@1:0x20/3", "chip tca95xx is not one of tca9534"},
		{"tca9534@1:0x20", "it is not complete; write chip@bus:address/pin, as tca9534@1:0x20/3"},
		{"tca9534@x:0x20/3", "bus x is no number"},
		{"tca9534@1:0x99/3", "address 0x99 is not between"},
		{"tca9534@1:0x20/8", "pin 8 is not between 0 and 7"},
		{"tca9534@1:0x21/0", "no acknowledge"},
		{"tca9534@7:0x20/0", "there is no /dev/i2c-7"},
	} {
		if err := open(tt.pin); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.pin, err, tt.want)
		}
	}

	first, err := h.Open([]gpio.RelaySpec{spec("power", "tca9534@1:0x20/1", false, gpio.NO)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := open("tca9534@1:0x20/1"); !errors.Is(err, gpio.ErrBusy) {
		t.Errorf("a pin with an owner: %v", err)
	}
	if err := open("tca9534@1:0x20/2"); err != nil {
		t.Errorf("another pin of the chip: %v", err)
	}
	e.shorted = true
	var mismatch *gpio.ReadBackError
	if err := first.Set("power", true); !errors.As(err, &mismatch) {
		t.Error(err)
	}
	e.shorted = false
	// A board that browned out comes back as inputs: the next switch sees it.
	e.regs[1], e.regs[3] = 0xff, 0xff
	if err := first.Set("power", false); err != nil {
		t.Error(err)
	}
	if got := e.pins(); got != "z0zzzzzz" {
		t.Errorf("after a brown-out: %s", got)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := open("tca9534@1:0x20/1"); err != nil {
		t.Errorf("given back: %v", err)
	}
}

// Two relays of one chip are switched from several goroutines, and neither
// undoes the other.
func TestExpanderConcurrency(t *testing.T) {
	e := newExpander(0, 1, 3, 1)
	b, err := e.host(t).Open([]gpio.RelaySpec{
		spec("a", "tca9534@1:0x20/0", false, gpio.NO), spec("b", "tca9534@1:0x20/7", false, gpio.NO),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		wg.Go(func() {
			for i := range 100 {
				if err := b.Set(name, i%2 == 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
