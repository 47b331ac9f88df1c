package gpio_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"resetrig/gpio"
	"resetrig/rig"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func spec(name, pin string, activeLow bool, c gpio.Contact) gpio.RelaySpec {
	return gpio.RelaySpec{Name: name, Pin: pin, ActiveLow: activeLow, Contact: c}
}

// The voltages by hand: what the DUT's side wants, by polarity and contact.
func TestTruth(t *testing.T) {
	tests := []struct {
		activeLow bool
		contact   gpio.Contact
		on        bool
		want      string
	}{
		{false, gpio.NO, true, "out high"},
		{false, gpio.NO, false, "out low"},
		{false, gpio.NC, true, "out low"},
		{false, gpio.NC, false, "out high"},
		{true, gpio.NO, true, "out low"},
		{true, gpio.NO, false, "out high"},
		{true, gpio.NC, true, "out high"},
		{true, gpio.NC, false, "out low"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("activeLow=%v/%s/on=%v", tt.activeLow, tt.contact, tt.on), func(t *testing.T) {
			t.Run("cdev", func(t *testing.T) {
				k := pi()
				b, err := k.host(t).Open([]gpio.RelaySpec{spec("power", "GPIO26", tt.activeLow, tt.contact)}, nil)
				if err != nil {
					t.Fatal(err)
				}
				check(t, b, tt.on)
				if got, want := k.see("GPIO26"), tt.want+" resetrig:power"; got != want {
					t.Errorf("line is %q, want %q", got, want)
				}
			})
			t.Run("periph", func(t *testing.T) {
				p := &strictPin{name: "D0"}
				b, err := gpio.NewBank([]gpio.RelaySpec{spec("power", "D0", tt.activeLow, tt.contact)}, pins(p), nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Set("power", tt.on); err != nil {
					t.Fatal(err)
				}
				if got := "out " + map[bool]string{true: "high", false: "low"}[bool(p.last())]; got != tt.want {
					t.Errorf("pin is %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// check switches and reads back.
func check(t *testing.T, b *gpio.Bank, on bool) {
	t.Helper()
	for _, v := range []bool{!on, on} {
		if err := b.Set("power", v); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Read("power"); err != nil || got != v {
			t.Fatalf("Read = %v, %v, want %v", got, err, v)
		}
	}
}

// From taking the line to giving it back no level is driven that was not
// asked for, and every close ends safe.
func TestNoGlitch(t *testing.T) {
	tests := []struct {
		name string
		spec gpio.RelaySpec
		want []string
	}{
		{"active high", spec("reset", "GPIO20", false, gpio.NO),
			[]string{"request GPIO20 out low", "set GPIO20 out high", "set GPIO20 out low", "release GPIO20 out low"}},
		{"active low", spec("reset", "GPIO20", true, gpio.NO),
			[]string{"request GPIO20 out high", "set GPIO20 out low", "set GPIO20 out high", "release GPIO20 out high"}},
		{"normally closed", spec("reset", "GPIO20", false, gpio.NC),
			[]string{"request GPIO20 out high", "set GPIO20 out low", "set GPIO20 out high", "release GPIO20 out high"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := pi()
			b, err := k.host(t).Open([]gpio.RelaySpec{tt.spec}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Set("reset", true); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(b.Close(), b.Close()); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(k.takeTrace(), tt.want); d != "" {
				t.Error("got -, want +:\n", d)
			}
			if err := b.Set("reset", true); !errors.Is(err, gpio.ErrClosed) {
				t.Errorf("Set after Close: %v", err)
			}
			if _, err := b.Read("reset"); !errors.Is(err, gpio.ErrClosed) {
				t.Errorf("Read after Close: %v", err)
			}
		})
	}
}

func TestKeep(t *testing.T) {
	tests := []struct {
		name         string
		output, high bool // as found
		activeLow    bool
		contact      gpio.Contact
		want         []string
		on           bool
	}{
		{"driven high stays high", true, true, false, gpio.NO, []string{"request GPIO21 out high", "output GPIO21 out high"}, true},
		{"driven low stays low", true, false, false, gpio.NO, []string{"request GPIO21 out low", "output GPIO21 out low"}, false},
		{"active low, driven low stays low", true, false, true, gpio.NO, []string{"request GPIO21 out low", "output GPIO21 out low"}, true},
		{"active low, driven high, normally closed", true, true, true, gpio.NC, []string{"request GPIO21 out high", "output GPIO21 out high"}, true},
		{"not driven starts without current", false, true, false, gpio.NO, []string{"request GPIO21 in high", "output GPIO21 out low"}, false},
		{"not driven, normally closed, is powered", false, true, true, gpio.NC, []string{"request GPIO21 in high", "output GPIO21 out high"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := pi()
			k.persist = true
			l := k.line("GPIO21")
			l.output, l.high = tt.output, tt.high
			s := spec("power", "GPIO21", tt.activeLow, tt.contact)
			s.Keep = true
			b, err := k.host(t).Open([]gpio.RelaySpec{s}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if on, err := b.Read("power"); err != nil || on != tt.on {
				t.Errorf("Read = %v, %v, want %v", on, err, tt.on)
			}
			if d := cmp.Diff(k.takeTrace(), tt.want); d != "" {
				t.Error("opening: got -, want +:\n", d)
			}
			if err := b.Set("power", !tt.on); err != nil {
				t.Fatal(err)
			}
			before := l.state()
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if l.state() != before {
				t.Errorf("closed as %s, was %s", l.state(), before)
			}
		})
	}
}

// Whatever fails while a bank is opened, the relays before it end safe and
// free, and the error names the one that failed.
func TestPartialOpen(t *testing.T) {
	specs := func() []gpio.RelaySpec {
		return []gpio.RelaySpec{
			spec("a", "GPIO20", true, gpio.NO), spec("b", "GPIO21", false, gpio.NC), spec("c", "GPIO26", false, gpio.NO),
		}
	}
	tests := []struct {
		name  string
		spoil func(*fakeKernel, []gpio.RelaySpec)
		want  string
		moved bool
	}{
		{"busy in the meantime", func(k *fakeKernel, _ []gpio.RelaySpec) { k.line("GPIO26").fail["request"] = unix.EBUSY },
			`relay c: line GPIO26 is held by "unnamed" (consumer)`, true},
		{"busy", func(k *fakeKernel, _ []gpio.RelaySpec) { l := k.line("GPIO26"); l.used, l.owner = true, "fan" },
			`relay c: line GPIO26 is held by "fan" (consumer)`, false},
		{"shorted", func(k *fakeKernel, s []gpio.RelaySpec) { k.line("GPIO26").shorted = true; s[2].ActiveLow = true },
			"relay c: line GPIO26 was set inactive and reads back active", true},
		{"no read-back", func(k *fakeKernel, _ []gpio.RelaySpec) { k.line("GPIO26").fail["value"] = unix.EIO },
			"relay c: line GPIO26: read it back: input/output error", true},
		{"kept and not looked at", func(k *fakeKernel, s []gpio.RelaySpec) {
			s[2].Keep = true
			k.line("GPIO26").output = true
			k.line("GPIO26").fail["value"] = unix.EIO
		}, "relay c: line GPIO26: look at what it drives", true},
		{"kept and not taken", func(k *fakeKernel, s []gpio.RelaySpec) { s[2].Keep = true; k.line("GPIO26").fail["output"] = unix.EIO },
			"relay c: line GPIO26: take it over as an output", true},
		{"no such line", func(_ *fakeKernel, s []gpio.RelaySpec) { s[2].Pin = "GPIO99" },
			"relay c: no such line: GPIO99 on any chip; the chips here are gpiochip0 (pinctrl-bcm2835, 28 lines), gpiochip1 (raspberrypi-exp-gpio, 2 lines)", false},
		{"one pin twice", func(_ *fakeKernel, s []gpio.RelaySpec) { s[2].Pin = "gpiochip0:20" },
			"the relays a and c have the same pin gpiochip0:20", false},
		{"one name twice", func(_ *fakeKernel, s []gpio.RelaySpec) { s[2].Name = "a" }, "two relays are named a", false},
		{"no contact", func(_ *fakeKernel, s []gpio.RelaySpec) { s[2].Contact = "" }, `relay c: contact is ""`, false},
		{"a press kept", func(_ *fakeKernel, s []gpio.RelaySpec) { s[2].Press, s[2].Keep = true, true }, "a press is never kept", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, s := pi(), specs()
			tt.spoil(k, s)
			b, err := k.host(t).Open(s, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if b != nil {
				t.Error("a bank came with the error")
			}
			trace := k.takeTrace()
			if !tt.moved && len(trace) > 0 {
				t.Errorf("lines moved: %v", trace)
			}
			if tt.moved {
				want := []string{"request GPIO20 out high", "set GPIO20 out high", "release GPIO20 out high"}
				if d := cmp.Diff(only(trace, "GPIO20"), want); d != "" {
					t.Error("a: got -, want +:\n", d)
				}
				want = []string{"request GPIO21 out high", "set GPIO21 out high", "release GPIO21 out high"}
				if d := cmp.Diff(only(trace, "GPIO21"), want); d != "" {
					t.Error("b: got -, want +:\n", d)
				}
			}
			for _, l := range []string{"GPIO20", "GPIO21"} {
				if k.line(l).used {
					t.Errorf("%s is still held", l)
				}
			}
		})
	}
}

func TestBusyIsTold(t *testing.T) {
	k := pi()
	h := k.host(t)
	first, err := h.Open([]gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NO)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = h.Open([]gpio.RelaySpec{spec("reset", "gpiochip0:26", false, gpio.NO)}, nil)
	if !errors.Is(err, gpio.ErrBusy) || !strings.Contains(err.Error(), `line gpiochip0:26 is held by "resetrig:power" (consumer)`) {
		t.Error(err)
	}
}

func TestFinding(t *testing.T) {
	two := newKernel([]string{"gpiochip0", "pinctrl-rp1", "GPIO26", ""}, []string{"gpiochip4", "other", "X", "GPIO26"})
	none := newKernel()
	denied := pi()
	denied.chips[0].openErr = &fs.PathError{Op: "open", Path: "/dev/gpiochip0", Err: unix.EACCES}
	tests := []struct {
		name      string
		k         *fakeKernel
		pin, chip string
		is        error
		want      string
	}{
		{"by name", pi(), "GPIO26", "", nil, ""},
		{"by chip and offset", pi(), "gpiochip0:26", "", nil, ""},
		{"by path and offset", pi(), "/dev/gpiochip0:26", "", nil, ""},
		{"by label and offset", pi(), "pinctrl-bcm2835:26", "", nil, ""},
		{"by chip and bare number", pi(), "26", "gpiochip0", nil, ""},
		{"one of two by label", two, "GPIO26", "pinctrl-rp1", nil, ""},
		{"one of two by offset", two, "gpiochip4:1", "", nil, ""},
		{"ambiguous", two, "GPIO26", "", gpio.ErrAmbiguous, "GPIO26 is gpiochip0:0 (pinctrl-rp1) and gpiochip4:1 (other)"},
		{"bare number", pi(), "26", "", gpio.ErrNoLine, "write the line's name (GPIO26) or gpiochip0:26"},
		{"offset too high", pi(), "gpiochip1:2", "", gpio.ErrNoLine, "gpiochip1 has the lines 0 to 1"},
		{"chip twice", pi(), "gpiochip1:0", "gpiochip0", nil, "remove one"},
		{"no such chip", pi(), "gpiochip9:0", "", gpio.ErrNoChip, "the chips here are gpiochip0 (pinctrl-bcm2835, 28 lines)"},
		{"no chips", none, "GPIO26", "", gpio.ErrNoLine, "this computer has no /dev/gpiochip*"},
		{"no permission by name", denied, "GPIO26", "", fs.ErrPermission, "no permission for /dev/gpiochip0: add the user to the group gpio"},
		{"no permission by offset", denied, "gpiochip0:26", "", fs.ErrPermission, "no permission for /dev/gpiochip0: add the user to the group gpio"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec("power", tt.pin, false, gpio.NO)
			s.Chip = tt.chip
			b, err := tt.k.host(t).Open([]gpio.RelaySpec{s}, nil)
			if tt.want == "" && tt.is == nil {
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestReadBackMismatch(t *testing.T) {
	k := pi()
	b, err := k.host(t).Open([]gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NO)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.line("GPIO26").shorted = true
	var e *gpio.ReadBackError
	if err := b.Set("power", true); !errors.As(err, &e) {
		t.Fatal(err)
	}
	if d := cmp.Diff(*e, gpio.ReadBackError{Relay: "power", Line: "GPIO26", Wanted: true}); d != "" {
		t.Error(d)
	}
	want := "relay power: line GPIO26 was set active and reads back inactive: something else drives it, or it is shorted"
	if e.Error() != want {
		t.Errorf("got %q", e)
	}
}

// A line that someone else changed meanwhile is told by the next switch, once,
// and the switch is made all the same.
func TestTouchedLine(t *testing.T) {
	k := pi()
	b, err := k.host(t).Open([]gpio.RelaySpec{spec("reset", "GPIO20", false, gpio.NO)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Set("reset", true); err != nil {
		t.Fatal(err)
	}
	k.mu.Lock()
	k.line("GPIO20").high = false
	k.mu.Unlock()
	var rb *gpio.ReadBackError
	if err := b.Set("reset", false); !errors.As(err, &rb) || !rb.Wanted || rb.Seen {
		t.Errorf("Set = %v, want that the line was read low before", err)
	}
	if got, want := k.see("GPIO20"), "out low resetrig:reset"; got != want {
		t.Errorf("line is %q, want %q", got, want)
	}
	if err := b.Set("reset", false); err != nil {
		t.Errorf("the second Set = %v, want nothing more", err)
	}
}

// A relay that refuses keeps nobody from making the others safe, and is named.
func TestCloseGoesOn(t *testing.T) {
	k := pi()
	power := spec("power", "GPIO26", false, gpio.NO)
	press := spec("reset", "GPIO20", false, gpio.NO)
	press.Press = true
	b, err := k.host(t).Open([]gpio.RelaySpec{power, press}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"power", "reset"} {
		if err := b.Set(r, true); err != nil {
			t.Fatal(err)
		}
	}
	k.takeTrace()
	k.line("GPIO20").fail["set"] = unix.EIO
	if err := b.Set("reset", false); !errors.Is(err, unix.EIO) {
		t.Errorf("the driver's error is gone: %v", err)
	}
	if err := b.Set("reset", true); err == nil || !strings.Contains(err.Error(), "takes only the safe state") {
		t.Errorf("switched on after an error: %v", err)
	}
	err = b.Close()
	if err == nil || !strings.Contains(err.Error(), "its safe state was not reached: relay reset: switch line GPIO20 inactive") {
		t.Error(err)
	}
	want := []string{"release GPIO20 out high", "set GPIO26 out low", "release GPIO26 out low"}
	if d := cmp.Diff(k.takeTrace(), want); d != "" {
		t.Error("got -, want +:\n", d)
	}
}

// A switch that hangs in its driver holds up no other relay, and itself fails
// in time.
func TestStuck(t *testing.T) {
	k := pi()
	b, err := k.host(t).Open([]gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NO), spec("reset", "GPIO20", false, gpio.NO)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := k.line("GPIO26")
	l.block, l.inSet = make(chan struct{}), make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Set("power", true); err != nil {
			t.Error(err)
		}
	})
	<-l.inSet
	if err := b.Set("reset", true); err != nil {
		t.Error(err)
	}
	if err := b.Set("power", false); err == nil || !strings.Contains(err.Error(), "stuck in its driver") {
		t.Error(err)
	}
	close(l.block)
	wg.Wait()
}

type counter struct {
	sync.Mutex
	n map[string]int
}

func (c *counter) Switched(relay string, _ bool) {
	c.Lock()
	defer c.Unlock()
	c.n[relay]++
}

func TestCounter(t *testing.T) {
	k := pi()
	c := &counter{n: map[string]int{}}
	b, err := k.host(t).Open([]gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NC)}, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{false, true, true, false, false} {
		if err := b.Set("power", on); err != nil {
			t.Fatal(err)
		}
	}
	if c.n["power"] != 2 {
		t.Errorf("%d switchings, want 2", c.n["power"])
	}
}

func TestConcurrency(t *testing.T) {
	k := pi()
	c := &counter{n: map[string]int{}}
	b, err := k.host(t).Open([]gpio.RelaySpec{spec("power", "GPIO26", true, gpio.NC), spec("reset", "GPIO20", false, gpio.NO)}, c)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				name := []string{"power", "reset"}[(i+j)%2]
				if err := b.Set(name, j%3 == 0); err != nil && !errors.Is(err, gpio.ErrClosed) {
					t.Error(err)
				}
				if _, err := b.Read(name); err != nil && !errors.Is(err, gpio.ErrClosed) {
					t.Error(err)
				}
				if i == 7 && j == 150 {
					if err := b.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for _, line := range []string{"GPIO26", "GPIO20"} {
		trace := only(k.takeTraceCopy(), line)
		want := "release " + line + " out low"
		if got := trace[len(trace)-1]; got != want {
			t.Errorf("last of %s is %q, want %q", line, got, want)
		}
	}
}

func (k *fakeKernel) takeTraceCopy() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.trace...)
}

func TestUnknownRelay(t *testing.T) {
	b, err := gpio.NewBank(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Set("pwoer", true); err == nil {
		t.Error("no error")
	}
	var _ rig.Relays = b
}

// BenchmarkSet is the path from the call to the driver and back, read-back
// included, without the kernel's part.
func BenchmarkSet(b *testing.B) {
	k := pi()
	h := gpio.System()
	h.Kernel = k
	bank, err := h.Open([]gpio.RelaySpec{spec("power", "GPIO26", true, gpio.NC)}, nil)
	if err != nil {
		b.Fatal(err)
	}
	on := false
	for b.Loop() {
		on = !on
		k.trace = k.trace[:0]
		if err := bank.Set("power", on); err != nil {
			b.Fatal(err)
		}
	}
}
