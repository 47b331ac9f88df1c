package gpio_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"resetrig/gpio"
)

// The tests of this file drive a real kernel. RESETRIG_GPIO_CHIP names a chip
// whose lines 0 to 3 are free and wired to nothing, as gpio-sim makes them
// (gpiochip0). RESETRIG_GPIO_SIM, optional, is the folder in which gpio-sim
// shows the voltages and takes the pulls
// (/sys/devices/platform/gpio-sim.0/gpiochip0).
func simChip(t *testing.T) (chip string, w simWitness) {
	chip = os.Getenv("RESETRIG_GPIO_CHIP")
	if chip == "" {
		t.Skip("RESETRIG_GPIO_CHIP is not set: no GPIO chip of a real kernel to test on")
	}
	return chip, simWitness{t, os.Getenv("RESETRIG_GPIO_SIM")}
}

// simWitness looks at gpio-sim's lines from the other side.
type simWitness struct {
	t   *testing.T
	dir string
}

func (w simWitness) file(line int, name string) string {
	return filepath.Join(w.dir, "sim_gpio"+strconv.Itoa(line), name)
}

func (w simWitness) want(line int, high bool) {
	w.t.Helper()
	if w.dir == "" {
		return
	}
	b, err := os.ReadFile(w.file(line, "value"))
	if err != nil {
		w.t.Fatal(err)
	}
	if got := strings.TrimSpace(string(b)) == "1"; got != high {
		w.t.Errorf("line %d is high: %v, want %v", line, got, high)
	}
}

func (w simWitness) pull(line int, up bool) {
	w.t.Helper()
	v := map[bool]string{true: "pull-up", false: "pull-down"}[up]
	if err := os.WriteFile(w.file(line, "pull"), []byte(v), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func TestRealKernelRelay(t *testing.T) {
	chip, w := simChip(t)
	for _, tt := range []struct {
		activeLow bool
		contact   gpio.Contact
		onHigh    bool
	}{{false, gpio.NO, true}, {true, gpio.NO, false}, {false, gpio.NC, false}, {true, gpio.NC, true}} {
		t.Run(fmt.Sprintf("activeLow=%v/%s", tt.activeLow, tt.contact), func(t *testing.T) {
			w.t = t
			pin := chip + ":0"
			b, err := gpio.Open([]gpio.RelaySpec{spec("power", pin, tt.activeLow, tt.contact)})
			if err != nil {
				t.Fatal(err)
			}
			w.want(0, !tt.onHigh)
			for _, on := range []bool{true, false, true} {
				if err := b.Set("power", on); err != nil {
					t.Fatal(err)
				}
				w.want(0, on == tt.onHigh)
				if got, err := b.Read("power"); err != nil || got != on {
					t.Errorf("Read = %v, %v, want %v", got, err, on)
				}
			}
			_, err = gpio.Open([]gpio.RelaySpec{spec("other", pin, false, gpio.NO)})
			if !errors.Is(err, gpio.ErrBusy) || !strings.Contains(err.Error(), `held by "resetrig:power"`) {
				t.Errorf("second owner: %v", err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// gpio-sim leaves a released line an output that drives its pull: so it stands
// in for a kernel that goes on driving.
func TestRealKernelKeep(t *testing.T) {
	chip, w := simChip(t)
	if w.dir == "" {
		t.Skip("RESETRIG_GPIO_SIM is not set: nothing shows the voltage")
	}
	for _, high := range []bool{true, false} {
		for _, activeLow := range []bool{false, true} {
			t.Run(fmt.Sprintf("high=%v/activeLow=%v", high, activeLow), func(t *testing.T) {
				w.t = t
				s := spec("power", chip+":1", activeLow, gpio.NO)
				b, err := gpio.Open([]gpio.RelaySpec{s})
				if err != nil {
					t.Fatal(err)
				}
				w.pull(1, high)
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				w.want(1, high)
				s.Keep = true
				if b, err = gpio.Open([]gpio.RelaySpec{s}); err != nil {
					t.Fatal(err)
				}
				w.want(1, high)
				if on, err := b.Read("power"); err != nil || on != (high != activeLow) {
					t.Errorf("Read = %v, %v", on, err)
				}
				if err := b.Set("power", high == activeLow); err != nil {
					t.Fatal(err)
				}
				w.want(1, !high)
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func TestRealKernelWatch(t *testing.T) {
	chip, _ := simChip(t)
	b, err := gpio.Open([]gpio.RelaySpec{spec("power", chip+":0", true, gpio.NO)})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan gpio.Interference, 16)
	stop, err := b.Watch(gpio.System(), func(i gpio.Interference) { seen <- i })
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		if err := b.Set("power", on); err != nil {
			t.Fatal(err)
		}
	}
	// Closing before the watch is stopped: the line is released, and that is
	// the first thing it sees.
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case i := <-seen:
		if i.Relay != "power" || !strings.Contains(i.What, "was taken") {
			t.Errorf("saw %v", i)
		}
	case <-time.After(10 * time.Second):
		t.Error("the release was not seen")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestRealKernelInput(t *testing.T) {
	chip, w := simChip(t)
	if w.dir == "" {
		t.Skip("RESETRIG_GPIO_SIM is not set: nothing drives the input")
	}
	w.pull(2, false)
	in, err := gpio.OpenInput(gpio.InputSpec{Of: "reset", Pin: chip + ":2"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	began := time.Now()
	for _, up := range []bool{true, false} {
		w.pull(2, up)
		if on, err := in.On(t.Context()); err != nil || on != up {
			t.Errorf("On = %v, %v, want %v", on, err, up)
		}
	}
	// The edges come through the kernel's queue: ask until both are there.
	edges := in.Edges()
	for end := time.Now().Add(5 * time.Second); len(edges) < 2 && time.Now().Before(end); {
		edges = append(edges, in.Edges()...)
	}
	ended := time.Now()
	if len(edges) != 2 || !edges[0].On || edges[1].On {
		t.Fatalf("edges %v", edges)
	}
	if edges[0].Time.Before(began) || edges[1].Time.Before(edges[0].Time) || edges[1].Time.After(ended) {
		t.Errorf("edges at %v and %v, between %v and %v", edges[0].Time, edges[1].Time, began, ended)
	}
}

func TestRealKernelExamine(t *testing.T) {
	chip, _ := simChip(t)
	pin := chip + ":3"
	level := func() gpio.Level {
		for _, f := range gpio.System().Examine(gpio.Wiring{Relays: []gpio.RelaySpec{spec("power", pin, false, gpio.NO)}}) {
			if f.What == "relay power" {
				return f.Level
			}
		}
		return ""
	}
	if got := level(); got != gpio.OK {
		t.Errorf("free line: %q", got)
	}
	b, err := gpio.Open([]gpio.RelaySpec{spec("power", pin, false, gpio.NO)})
	if err != nil {
		t.Fatal(err)
	}
	if got := level(); got != gpio.Bad {
		t.Errorf("held line: %q", got)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkRealKernelSet is a switch with its two ioctls.
func BenchmarkRealKernelSet(b *testing.B) {
	chip := os.Getenv("RESETRIG_GPIO_CHIP")
	if chip == "" {
		b.Skip("RESETRIG_GPIO_CHIP is not set")
	}
	bank, err := gpio.Open([]gpio.RelaySpec{spec("power", chip+":0", true, gpio.NO)})
	if err != nil {
		b.Fatal(err)
	}
	defer bank.Close()
	on := false
	for b.Loop() {
		on = !on
		if err := bank.Set("power", on); err != nil {
			b.Fatal(err)
		}
	}
}
