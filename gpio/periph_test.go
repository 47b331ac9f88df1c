package gpio_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"resetrig/gpio"
	"resetrig/rig"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	pgpio "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/pin"
)

// strictPin is a periph pin that tolerates Out and its name, nothing else: to
// ask a real one what it is turns an output into an input.
type strictPin struct {
	name string
	outs []pgpio.Level
	fail error
}

func (p *strictPin) last() pgpio.Level { return p.outs[len(p.outs)-1] }

func (p *strictPin) Out(l pgpio.Level) error {
	if p.fail != nil {
		return p.fail
	}
	p.outs = append(p.outs, l)
	return nil
}
func (p *strictPin) Name() string                           { return p.name }
func (p *strictPin) String() string                         { panic("String asks periph's pins for their function") }
func (p *strictPin) Halt() error                            { panic("Halt") }
func (p *strictPin) Number() int                            { panic("Number") }
func (p *strictPin) Function() string                       { panic("Function") }
func (p *strictPin) Func() pin.Func                         { panic("Func") }
func (p *strictPin) Read() pgpio.Level                      { panic("Read") }
func (p *strictPin) In(pgpio.Pull, pgpio.Edge) error        { panic("In") }
func (p *strictPin) WaitForEdge(time.Duration) bool         { panic("WaitForEdge") }
func (p *strictPin) Pull() pgpio.Pull                       { panic("Pull") }
func (p *strictPin) DefaultPull() pgpio.Pull                { panic("DefaultPull") }
func (p *strictPin) PWM(pgpio.Duty, physic.Frequency) error { panic("PWM") }

// aliasPin is another name of a pin.
type aliasPin struct {
	strictPin
	real pgpio.PinIO
}

func (p *aliasPin) Real() pgpio.PinIO { return p.real }

func pins(p ...pgpio.PinOut) []pgpio.PinOut { return p }

// closingPin is a strictPin that can be given back, as periph's can, without an error.
type closingPin struct {
	strictPin
	closed int
}

func (p *closingPin) Close() { p.closed++ }

func withRegistry(k *fakeKernel, t *testing.T, m map[string]pgpio.PinOut) gpio.Host {
	h := k.host(t)
	h.Registry = func(name string) (pgpio.PinOut, error) { return m[name], nil }
	return h
}

func periphSpec(pin string) gpio.RelaySpec {
	return gpio.RelaySpec{Name: "power", Pin: pin, Driver: gpio.Periph, ActiveLow: true, Contact: gpio.NO}
}

func TestPeriph(t *testing.T) {
	p := &closingPin{strictPin: strictPin{name: "FT232H.D4"}}
	h := withRegistry(pi(), t, map[string]pgpio.PinOut{"FT232H.D4": p})
	b, err := h.Open([]gpio.RelaySpec{periphSpec("FT232H.D4")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read("power"); !errors.Is(err, rig.ErrNoReadBack) {
		t.Errorf("Read: %v", err)
	}
	if err := b.Set("power", true); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p.outs, []pgpio.Level{pgpio.High, pgpio.Low, pgpio.High}); d != "" {
		t.Error("got -, want +:\n", d)
	}
	if p.closed != 1 {
		t.Errorf("closed %d times", p.closed)
	}
}

// A pin whose first Out fails is closed and never touched again.
func TestPeriphFirstOutFails(t *testing.T) {
	p := &closingPin{strictPin: strictPin{name: "D0", fail: errors.New("usb gone")}}
	h := withRegistry(pi(), t, map[string]pgpio.PinOut{"D0": p})
	_, err := h.Open([]gpio.RelaySpec{periphSpec("D0")}, nil)
	if err == nil || !strings.Contains(err.Error(), "relay power: switch line D0 inactive: usb gone") {
		t.Error(err)
	}
	if p.closed != 1 {
		t.Errorf("closed %d times", p.closed)
	}
}

func TestPeriphRefused(t *testing.T) {
	alias := &aliasPin{strictPin{name: "P1_37"}, &strictPin{name: "GPIO26"}}
	h := withRegistry(pi(), t, map[string]pgpio.PinOut{"GPIO26": &strictPin{name: "GPIO26"}, "P1_37": alias})
	tests := []struct {
		name, want string
		spec       gpio.RelaySpec
	}{
		{"a line", "pin GPIO26 is a line of the kernel's character device: use driver: cdev", periphSpec("GPIO26")},
		{"an alias of a line", "pin P1_37 is another name of the line GPIO26", periphSpec("P1_37")},
		{"unknown", "periph knows no pin D9", periphSpec("D9")},
		{"kept", "cannot keep one", func() gpio.RelaySpec { s := periphSpec("D0"); s.Keep = true; return s }()},
		{"another driver", "there are cdev, periph, i2c and web", func() gpio.RelaySpec { s := periphSpec("D0"); s.Driver = "sysfs"; return s }()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.Open([]gpio.RelaySpec{tt.spec}, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// Asking periph for a pin leaves descriptor 0 alone, which starting its host
// drivers would not.
func TestPeriphRegistry(t *testing.T) {
	var before, after unix.Stat_t
	if err := unix.Fstat(0, &before); err != nil {
		t.Fatal(err)
	}
	_, err := gpio.System().Open([]gpio.RelaySpec{periphSpec("FT232H.D4")}, nil)
	if !errors.Is(err, gpio.ErrNoLine) || !strings.Contains(err.Error(), "periph knows no pin FT232H.D4") {
		t.Error(err)
	}
	if err := unix.Fstat(0, &after); err != nil || after.Ino != before.Ino || after.Dev != before.Dev {
		t.Errorf("standard input is another file: %v", err)
	}
}

// A pin that a program registered with periph itself is found.
func TestPeriphRegistered(t *testing.T) {
	p := &strictPin{name: "USB.D4"}
	if err := gpioreg.Register(p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gpioreg.Unregister("USB.D4"); err != nil {
			t.Error(err)
		}
	})
	b, err := gpio.Open([]gpio.RelaySpec{periphSpec("USB.D4")})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestNewBankClosesOnFailure(t *testing.T) {
	good, bad := &strictPin{name: "a"}, &strictPin{name: "b", fail: errors.New("no")}
	_, err := gpio.NewBank([]gpio.RelaySpec{spec("x", "a", true, gpio.NO), spec("y", "b", false, gpio.NO)}, pins(good, bad), nil)
	if err == nil {
		t.Fatal("no error")
	}
	if d := cmp.Diff(good.outs, []pgpio.Level{pgpio.High, pgpio.High}); d != "" {
		t.Error(d)
	}
}
