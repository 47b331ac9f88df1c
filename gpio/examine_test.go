package gpio_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"resetrig/gpio"

	"golang.org/x/sys/unix"
)

func persist(t *testing.T, h gpio.Host, module, v string) {
	t.Helper()
	dir := filepath.Join(h.Root, "sys/module", module, "parameters")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "persist_gpio_outputs"), []byte(v+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestExamine(t *testing.T) {
	keep := spec("power", "GPIO26", false, gpio.NO)
	keep.Keep = true
	closed := spec("power", "GPIO26", false, gpio.NC)
	closed.Keep = true
	tests := []struct {
		name string
		w    gpio.Wiring
		with func(*testing.T, *fakeKernel, gpio.Host)
		want []string // each in one finding, level first
		not  []string
	}{
		{"all well", gpio.Wiring{Relays: []gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NO)}, Inputs: []gpio.InputSpec{{Of: "power", Pin: "GPIO25"}}}, nil,
			[]string{
				"ok chip gpiochip0: pinctrl-bcm2835, 28 lines",
				`ok relay power: gpiochip0:26 "GPIO26", input, free`,
				`ok sense of power: gpiochip0:25 "GPIO25", input, free`,
				"ok lines after a kill: the kernel makes lines inputs",
			}, []string{"warn", "bad"}},
		{"a Pi's own kernel", gpio.Wiring{Relays: []gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NO)}},
			func(t *testing.T, _ *fakeKernel, h gpio.Host) { persist(t, h, "pinctrl_rp1", "Y") },
			[]string{"warn lines after a kill: pinctrl_rp1.persist_gpio_outputs is on: if this program is killed, the kernel goes on driving power as it was → dtparam=strict_gpiod in /boot/firmware/config.txt, or pinctrl_rp1.persist_gpio_outputs=n"}, nil},
		{"kept on a Pi's own kernel", gpio.Wiring{Relays: []gpio.RelaySpec{keep}},
			func(t *testing.T, _ *fakeKernel, h gpio.Host) { persist(t, h, "pinctrl_bcm2835", "Y") },
			[]string{"ok lines after a kill: the kernel goes on driving kept relays"}, []string{"warn"}},
		{"kept elsewhere", gpio.Wiring{Relays: []gpio.RelaySpec{keep}},
			func(t *testing.T, _ *fakeKernel, h gpio.Host) { persist(t, h, "pinctrl_bcm2835", "N") },
			[]string{"warn lines after a kill: the kernel makes lines inputs when this program ends, for whatever reason: power is kept only while it runs"}, nil},
		{"kept by a closed contact", gpio.Wiring{Relays: []gpio.RelaySpec{closed}},
			func(t *testing.T, _ *fakeKernel, h gpio.Host) { persist(t, h, "pinctrl_bcm2835", "N") },
			[]string{"ok lines after a kill: the kernel makes lines inputs"}, []string{"warn"}},
		{"held", gpio.Wiring{Relays: []gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NO)}},
			func(_ *testing.T, k *fakeKernel, _ gpio.Host) {
				l := k.line("GPIO26")
				l.used, l.owner, l.output = true, "fan", true
			},
			[]string{`bad relay power: gpiochip0:26 "GPIO26", output, held by "fan" → end that program`}, nil},
		{"missing", gpio.Wiring{Relays: []gpio.RelaySpec{spec("power", "GPIO77", false, gpio.NO)}}, nil,
			[]string{"bad relay power: no such line: GPIO77"}, nil},
		{"pull-up at boot", gpio.Wiring{Relays: []gpio.RelaySpec{spec("power", "GPIO5", false, gpio.NO)}}, nil,
			[]string{"warn relay power: GPIO5 pulls up at boot and the relay is active high"}, nil},
		{"pull-down at boot", gpio.Wiring{Relays: []gpio.RelaySpec{spec("power", "GPIO26", true, gpio.NO)}}, nil,
			[]string{"warn relay power: GPIO26 pulls down at boot and the relay is active low"}, nil},
		{"I²C and UART", gpio.Wiring{Relays: []gpio.RelaySpec{spec("a", "GPIO2", true, gpio.NO), spec("b", "GPIO14", false, gpio.NO)}}, nil,
			[]string{"warn relay a: GPIO2 is I²C", "warn relay b: GPIO14 is the serial console"}, nil},
		{"another chip's offsets are no GPIO numbers", gpio.Wiring{Relays: []gpio.RelaySpec{spec("a", "WL_ON", false, gpio.NO)}}, nil,
			nil, []string{"pulls"}},
		{"no I²C bus", gpio.Wiring{Relays: []gpio.RelaySpec{spec("a", "tca9534@1:0x20/1", false, gpio.NO)}, Currents: []gpio.CurrentSpec{{Bus: 1}}}, nil,
			[]string{"ok relay a: pin 1 of the tca9534 at 0x20 on I²C bus 1", "bad I²C bus 1: there is no /dev/i2c-1: dtparam=i2c_arm=on"}, nil},
		{"no permission", gpio.Wiring{Relays: []gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NO)}},
			func(_ *testing.T, k *fakeKernel, _ gpio.Host) {
				k.chips[0].openErr = &fs.PathError{Op: "open", Path: "/dev/gpiochip0", Err: unix.EACCES}
			},
			[]string{"bad chip gpiochip0: no permission → add the user to the group gpio", "bad relay power: no such line: GPIO26: no permission"}, nil},
		{"no chips", gpio.Wiring{Relays: []gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NO)}},
			func(_ *testing.T, k *fakeKernel, _ gpio.Host) { k.chips = nil },
			[]string{"bad chips: this computer has no /dev/gpiochip*"}, nil},
		{"periph", gpio.Wiring{Relays: []gpio.RelaySpec{periphSpec("FT232H.D4"), func() gpio.RelaySpec { s := periphSpec("GPIO26"); s.Name = "b"; return s }()}}, nil,
			[]string{"warn relay power: pin FT232H.D4 is periph's", "bad relay b: pin GPIO26 is a line of the kernel's character device → driver: cdev"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := pi()
			h := k.host(t)
			if tt.with != nil {
				tt.with(t, k, h)
			}
			var lines []string
			for _, f := range h.Examine(tt.w) {
				s := string(f.Level) + " " + f.What + ": " + f.Text
				if f.Remedy != "" {
					s += " → " + f.Remedy
				}
				lines = append(lines, s)
			}
			all := strings.Join(lines, "\n")
			for _, w := range tt.want {
				if !strings.Contains(all, w) {
					t.Errorf("no %q in\n%s", w, all)
				}
			}
			for _, n := range tt.not {
				if strings.Contains(all, n) {
					t.Errorf("%q in\n%s", n, all)
				}
			}
			if trace := k.takeTrace(); len(trace) != 0 {
				t.Errorf("examining touched lines: %v", trace)
			}
		})
	}
}

func TestWatch(t *testing.T) {
	k := pi()
	h := k.host(t)
	b, err := h.Open([]gpio.RelaySpec{spec("power", "GPIO26", false, gpio.NO)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var seen []gpio.Interference
	stop, err := b.Watch(h, func(i gpio.Interference) { seen = append(seen, i) })
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Set("power", true); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 0 {
		t.Fatalf("our own switch is interference: %v", seen)
	}
	// The chip's driver is unbound, and another program is faster than we.
	k.mu.Lock()
	k.release(k.line("GPIO26"))
	k.mu.Unlock()
	s := spec("fan", "GPIO26", false, gpio.NO)
	other, err := h.Open([]gpio.RelaySpec{s}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[0].Relay != "power" || seen[0].Line != "GPIO26" ||
		!strings.Contains(seen[0].What, "was taken") || !strings.Contains(seen[1].What, `held by "resetrig:fan"`) {
		t.Errorf("seen %v", seen)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if len(seen) != 2 {
		t.Errorf("seen after stop: %v", seen[2:])
	}
}
