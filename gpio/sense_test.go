package gpio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"resetrig/gpio"
	"resetrig/rig"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"
)

// monotonic is the kernel's clock, by which edges are stamped.
func monotonic(t *testing.T) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

func TestInput(t *testing.T) {
	k := pi()
	k.line("GPIO25").high = true
	in, err := k.host(t).OpenInput(gpio.InputSpec{Of: "power", Pin: "GPIO25", ActiveLow: true, Bias: gpio.BiasUp})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.see("GPIO25"); got != "in high resetrig:sense-power" {
		t.Errorf("line is %q", got)
	}
	on := func() bool {
		t.Helper()
		on, err := in.On(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return on
	}
	if on() {
		t.Error("on at the start")
	}
	now := time.Now()
	mono := monotonic(t)
	k.drive("GPIO25", false, mono-300*time.Millisecond, 0)
	if !on() {
		t.Error("off while low")
	}
	k.drive("GPIO25", true, mono-100*time.Millisecond, 2)
	edges := in.Edges()
	if len(edges) != 2 || !edges[0].On || edges[1].On {
		t.Fatalf("edges %v", edges)
	}
	for i, ago := range []time.Duration{300 * time.Millisecond, 100 * time.Millisecond} {
		if d := now.Sub(edges[i].Time) - ago; d.Abs() > 5*time.Millisecond {
			t.Errorf("edge %d is %v off", i, d)
		}
	}
	if d := edges[1].Time.Sub(edges[0].Time) - 200*time.Millisecond; d.Abs() > time.Millisecond {
		t.Errorf("between edges: %v off", d)
	}
	if !strings.Contains(edges[0].Time.String(), "m=") {
		t.Error("no monotonic reading")
	}
	if in.Lost() != 2 || len(in.Edges()) != 0 {
		t.Errorf("lost %d, and edges come twice", in.Lost())
	}
	if err := errors.Join(in.Close(), in.Close()); err != nil {
		t.Error(err)
	}
	if k.line("GPIO25").used {
		t.Error("the line is still held")
	}
}

// A contact that chatters for ever costs no more than the buffer, and the
// newest edge is there.
func TestInputBounded(t *testing.T) {
	k := pi()
	in, err := k.host(t).OpenInput(gpio.InputSpec{Of: "reset", Pin: "GPIO25"})
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	for i := range n {
		k.drive("GPIO25", i >= n-2, monotonic(t), 0)
	}
	e := in.Edges()
	if len(e)+in.Lost() != n || len(e) != 4096 || !e[len(e)-1].On || !e[len(e)-2].On || e[0].On {
		t.Errorf("%d kept, %d lost of %d, newest %v", len(e), in.Lost(), n, e[len(e)-1].On)
	}
}

func TestInputBusy(t *testing.T) {
	k := pi()
	h := k.host(t)
	k.line("GPIO25").used, k.line("GPIO25").owner = true, "button"
	_, err := h.OpenInput(gpio.InputSpec{Of: "reset", Pin: "GPIO25"})
	if !errors.Is(err, gpio.ErrBusy) || !strings.Contains(err.Error(), `sense of reset: line GPIO25 is held by "button"`) {
		t.Error(err)
	}
}

// ina219 plays a sensor with a 0.1 Ω shunt that reads a current and a voltage.
// The bytes are by the datasheet: 10 µV and 4 mV a step, 4 A/2¹⁵ for current.
func ina219(t *testing.T, reads ...[]i2ctest.IO) gpio.Host {
	w := func(b ...byte) i2ctest.IO { return i2ctest.IO{Addr: 0x40, W: b} }
	ops := []i2ctest.IO{
		w(0x05, 0x0d, 0x1b), // calibration 0.04096/(4 A/2¹⁵ × 0.1 Ω) = 3355
		w(0x00, 0x1f, 0xff),
		w(0x00, 0x3d, 0xdf),
		{Addr: 0x40, W: []byte{0x02}, R: []byte{0, 0}}, // not converted yet
		{Addr: 0x40, W: []byte{0x02}, R: []byte{0, 2}},
	}
	for _, r := range reads {
		ops = append(ops, r...)
	}
	p := &i2ctest.Playback{Ops: ops, DontPanic: true}
	e := newExpander(0, 1, 3, 1)
	h := e.host(t)
	h.I2C = func(int) (i2c.BusCloser, error) { return p, nil }
	return h
}

func reading(shunt, bus, current uint16) []i2ctest.IO {
	r := func(reg byte, v uint16) i2ctest.IO {
		return i2ctest.IO{Addr: 0x40, W: []byte{reg}, R: []byte{byte(v >> 8), byte(v)}}
	}
	return []i2ctest.IO{r(1, shunt), r(2, bus), r(4, current), r(3, 0)}
}

func TestINA219(t *testing.T) {
	const twelve = 3000<<3 | 2 // 12 V
	minus := uint16(65536 - 4096)
	tests := []struct {
		name    string
		spec    gpio.CurrentSpec
		reading []i2ctest.IO
		want    bool
	}{
		{"0.5 A over 0.2 A", gpio.CurrentSpec{Current: 200 * physic.MilliAmpere}, reading(5000, twelve, 4096), true},
		{"0.5 A, wired the other way round", gpio.CurrentSpec{Current: 200 * physic.MilliAmpere}, reading(60536, twelve, minus), true},
		{"0.1 A under 0.2 A, voltage not asked", gpio.CurrentSpec{Current: 200 * physic.MilliAmpere}, reading(1000, twelve, 819), false},
		{"12 V over 6 V", gpio.CurrentSpec{Voltage: 6 * physic.Volt}, reading(0, twelve, 0), true},
		{"2 V under 6 V, current not asked", gpio.CurrentSpec{Voltage: 6 * physic.Volt}, reading(5000, 500<<3|2, 4096), false},
		{"either", gpio.CurrentSpec{Current: physic.Ampere, Voltage: 6 * physic.Volt}, reading(0, twelve, 0), true},
		{"neither", gpio.CurrentSpec{Current: physic.Ampere, Voltage: 6 * physic.Volt}, reading(0, 2, 0), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Of, tt.spec.Bus = "power", 1
			c, err := ina219(t, tt.reading).OpenINA219(tt.spec)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.On(t.Context()); err != nil || got != tt.want {
				t.Errorf("On = %v, %v, want %v", got, err, tt.want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestINA219Errors(t *testing.T) {
	h := ina219(t)
	tests := []struct {
		want string
		spec gpio.CurrentSpec
	}{
		{"give a current or a voltage", gpio.CurrentSpec{}},
		{"an INA219 has an address from 0x40", gpio.CurrentSpec{Addr: 0x20, Current: physic.Ampere}},
		{"too close to what the sensor can resolve", gpio.CurrentSpec{Current: physic.MicroAmpere}},
		{"beyond what the sensor can measure", gpio.CurrentSpec{Current: 4 * physic.Ampere}},
		{"there is no /dev/i2c-3", gpio.CurrentSpec{Bus: 3, Current: physic.Ampere}},
	}
	for _, tt := range tests {
		if _, err := h.OpenINA219(tt.spec); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
	c, err := h.OpenINA219(gpio.CurrentSpec{Of: "power", Bus: 1, Current: physic.Ampere})
	if err != nil {
		t.Fatal(err)
	}
	if on, err := c.On(t.Context()); err == nil || on { // the playback is at its end
		t.Errorf("On = %v, %v", on, err)
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n, err := gpio.OpenTCP(gpio.NetworkSpec{Addr: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if n.Of() != "network" {
		t.Error(n.Of())
	}
	if on, err := n.On(t.Context()); err != nil || !on {
		t.Errorf("accepting: %v, %v", on, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if on, err := n.On(t.Context()); err != nil || !on {
		t.Errorf("refusing: %v, %v", on, err)
	}
	gone, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := n.On(gone); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	// A clock that is at its deadline at once: a host that does not answer.
	quick, err := gpio.OpenTCP(gpio.NetworkSpec{Addr: l.Addr().String(), Clock: dueClock{rig.System()}})
	if err != nil {
		t.Fatal(err)
	}
	if on, err := quick.On(t.Context()); err != nil || on {
		t.Errorf("silent: %v, %v", on, err)
	}
	if _, err := gpio.OpenTCP(gpio.NetworkSpec{Addr: "gateway:80"}); err == nil {
		t.Error("a name was taken")
	}
}

// dueClock runs every AfterFunc at once.
type dueClock struct{ rig.Clock }

func (dueClock) AfterFunc(_ time.Duration, f func()) func() bool {
	f()
	return func() bool { return false }
}

func TestCarrier(t *testing.T) {
	h := pi().host(t)
	dir := filepath.Join(h.Root, "sys/class/net/eth1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "carrier"), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1\n")
	c, err := h.OpenCarrier(gpio.CarrierSpec{Of: "power", Interface: "eth1"})
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{"1\n": true, "0\n": false} {
		write(s)
		if on, err := c.On(t.Context()); err != nil || on != want {
			t.Errorf("%q: %v, %v", s, on, err)
		}
	}
	write("")
	if _, err := c.On(t.Context()); err == nil {
		t.Error("an empty file said something")
	}
	for _, name := range []string{"eth9", "../eth1", ""} {
		if _, err := h.OpenCarrier(gpio.CarrierSpec{Interface: name}); err == nil {
			t.Errorf("interface %q was taken", name)
		}
	}
}
