package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
)

// Level is how much a finding matters.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn" // works, and can hurt
	Bad  Level = "bad"  // does not work
)

// Finding is one thing that an examination saw.
type Finding struct {
	Level  Level  `json:"level"`
	What   string `json:"what"`             // what was looked at
	Text   string `json:"text"`             // what was seen
	Remedy string `json:"remedy,omitempty"` // what to do
}

// Wiring is all of a bench that this package drives or reads.
type Wiring struct {
	Relays   []RelaySpec
	Inputs   []InputSpec
	Currents []CurrentSpec
}

// Examine looks at chips, lines, owners, buses and the kernel's habits. It
// requests no line, energises nothing and writes nothing; it does not start
// periph's drivers.
func (h Host) Examine(w Wiring) []Finding {
	f := h.examineChips(w)
	for _, s := range w.Relays {
		f = append(f, h.examineRelay(s)...)
	}
	for _, s := range w.Inputs {
		_, found := h.examineLine("sense of "+s.Of, s.Pin, s.Chip, true)
		f = append(f, found)
	}
	f = append(f, h.examinePersist(w.Relays)...)
	return append(f, h.examineBuses(w)...)
}

func (h Host) examineChips(w Wiring) []Finding {
	var f []Finding
	for _, n := range h.Kernel.Chips() {
		c, err := h.Kernel.Chip(n)
		switch {
		case errors.Is(err, fs.ErrPermission):
			f = append(f, Finding{Bad, "chip " + n, "no permission", "add the user to the group gpio: sudo usermod -aG gpio $USER, then log in again"})
		case err != nil:
			f = append(f, Finding{Warn, "chip " + n, err.Error(), ""})
		default:
			f = append(f, Finding{OK, "chip " + n, fmt.Sprintf("%s, %d lines", c.Label(), c.Lines()), ""})
			c.Close() //nolint:errcheck // was only read
		}
	}
	needs := len(w.Inputs) > 0 || slices.ContainsFunc(w.Relays, func(s RelaySpec) bool { return s.driver() == Cdev })
	if len(f) == 0 && needs {
		f = append(f, Finding{Bad, "chips", h.chipsPresent(), "run on a computer with GPIO lines, or use an expander or the simulated bench"})
	}
	return f
}

func (h Host) examineRelay(s RelaySpec) []Finding {
	what := "relay " + s.Name
	if err := s.Validate(); err != nil {
		return []Finding{{Bad, what, err.Error(), ""}}
	}
	switch s.driver() {
	case I2C:
		p, err := parseExpander(s.Pin)
		if err != nil {
			return []Finding{{Bad, what, err.Error(), ""}}
		}
		return []Finding{{OK, what, fmt.Sprintf("pin %d of the %s at %#x on I²C bus %d; an expander's outputs survive the end of this program, whatever ends it", p.pin, p.chip, p.addr, p.bus), ""}}
	case Periph:
		if _, err := h.find(s.Pin, ""); err == nil {
			return []Finding{{Bad, what, "pin " + s.Pin + " is a line of the kernel's character device", "driver: cdev"}}
		}
		return []Finding{{Warn, what, "pin " + s.Pin + " is periph's: it has no read-back and no owner", "verify each switch by a sense"}}
	}
	p, found := h.examineLine(what, s.Pin, s.Chip, false)
	f := []Finding{found}
	if found.Level == Bad && p == nil {
		return f
	}
	return append(f, bootFindings(what, *p, s)...)
}

// examineLine describes a line; place is nil where there is none.
func (h Host) examineLine(what, pin, chip string, input bool) (*place, Finding) {
	p, err := h.find(pin, chip)
	if err != nil {
		return nil, Finding{Bad, what, err.Error(), ""}
	}
	text := fmt.Sprintf("%s:%d", p.chip, p.offset)
	if p.info.Name != "" {
		text += fmt.Sprintf(" %q", p.info.Name)
	}
	switch p.info.Config.Direction {
	case gpiocdev.LineDirectionOutput:
		text += ", output"
	case gpiocdev.LineDirectionInput:
		text += ", input"
	case gpiocdev.LineDirectionUnknown:
	}
	if p.info.Config.ActiveLow {
		text += ", active-low"
	}
	if p.info.Used {
		holder := p.info.Consumer
		if holder == "" {
			holder = "unnamed"
		}
		remedy := "end that program, or remove the overlay that claims the line"
		if strings.HasPrefix(holder, "resetrig:") {
			remedy = "another resetrig runs this bench: wait for it, or stop it"
		}
		return &p, Finding{Bad, what, fmt.Sprintf("%s, held by %q", text, holder), remedy}
	}
	if input && p.info.Config.Direction == gpiocdev.LineDirectionOutput {
		return &p, Finding{Warn, what, text + ": the line of a sense is driven", "find out what drives it before it is wired to an input"}
	}
	return &p, Finding{OK, what, text + ", free", ""}
}

// raspberryPi reports the main chip of a Raspberry Pi, whose offsets are its
// GPIO numbers.
func raspberryPi(label string) bool {
	return slices.Contains([]string{"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"}, label)
}

// bootFindings warns of lines that do something before this program runs
// (BCM2835 ARM Peripherals, table 6-31: GPIO0 to 8 pull up at reset, 9 to 27
// down).
func bootFindings(what string, p place, s RelaySpec) []Finding {
	if !raspberryPi(p.label) {
		return nil
	}
	var f []Finding
	n := p.offset
	switch {
	case n == 2 || n == 3:
		f = append(f, Finding{Warn, what, fmt.Sprintf("GPIO%d is I²C and has a fixed pull-up of 1.8 kΩ", n), "use another line, 9 to 27"})
	case n == 14 || n == 15:
		f = append(f, Finding{Warn, what, fmt.Sprintf("GPIO%d is the serial console: it toggles at boot", n), "use another line, 9 to 27"})
	case n == 0 || n == 1:
		f = append(f, Finding{Warn, what, fmt.Sprintf("GPIO%d is read by the firmware at boot (HAT EEPROM)", n), "use another line, 9 to 27"})
	}
	switch {
	case n <= 8 && !s.ActiveLow:
		f = append(f, Finding{Warn, what, fmt.Sprintf("GPIO%d pulls up at boot and the relay is active high: it may be energised until this program runs", n), "use GPIO9 to 27, or an external pull-down of 10 kΩ"})
	case n > 8 && n <= 27 && s.ActiveLow:
		f = append(f, Finding{Warn, what, fmt.Sprintf("GPIO%d pulls down at boot and the relay is active low: it may be energised until this program runs", n), "use GPIO4 to 8, an external pull-up, or an active-high board"})
	}
	return f
}

// examinePersist tells what lines do when this program is killed.
func (h Host) examinePersist(relays []RelaySpec) []Finding {
	var off, keep []string
	closed := 0 // kept powered by a contact that needs no current
	for _, s := range relays {
		switch {
		case s.driver() != Cdev:
		case s.Keep && s.Contact == NC:
			closed++
		case s.Keep:
			keep = append(keep, s.Name)
		default:
			off = append(off, s.Name)
		}
	}
	if len(off)+len(keep)+closed == 0 {
		return nil
	}
	const what = "lines after a kill"
	var f []Finding
	files, _ := filepath.Glob(h.path("/sys/module/pinctrl_*/parameters/persist_gpio_outputs")) // errs on bad patterns only
	persist := false
	for _, file := range files {
		module := filepath.Base(filepath.Dir(filepath.Dir(file)))
		b, err := os.ReadFile(file)
		if err != nil {
			f = append(f, Finding{Warn, what, fmt.Sprintf("%s: %v", module, err), ""})
			continue
		}
		if v := strings.TrimSpace(string(b)); v != "Y" && v != "1" {
			continue
		}
		persist = true
		if len(off) > 0 {
			f = append(f, Finding{Warn, what,
				fmt.Sprintf("%s.persist_gpio_outputs is on: if this program is killed, the kernel goes on driving %s as it was", module, strings.Join(off, ", ")),
				"dtparam=strict_gpiod in /boot/firmware/config.txt, or " + module + ".persist_gpio_outputs=n in cmdline.txt, then reboot; and ExecStopPost=resetrig safe in the service"})
		}
	}
	if len(keep) > 0 && !persist {
		f = append(f, Finding{Warn, what,
			fmt.Sprintf("the kernel makes lines inputs when this program ends, for whatever reason: %s is kept only while it runs, then its coil loses its current", strings.Join(keep, ", ")),
			"wire the kept relay so that it needs no current (contact: nc for power), or leave persist_gpio_outputs on"})
	}
	if len(f) == 0 {
		f = append(f, Finding{OK, what, map[bool]string{
			true:  "the kernel goes on driving kept relays",
			false: "the kernel makes lines inputs when this program ends: no coil keeps its current",
		}[persist], ""})
	}
	return f
}

func (h Host) examineBuses(w Wiring) []Finding {
	var buses []int
	for _, s := range w.Relays {
		if p, err := parseExpander(s.Pin); err == nil {
			buses = append(buses, p.bus)
		}
	}
	for _, s := range w.Currents {
		buses = append(buses, s.Bus)
	}
	slices.Sort(buses)
	var f []Finding
	for _, bus := range slices.Compact(buses) {
		what := "I²C bus " + strconv.Itoa(bus)
		if err := h.i2cAccess(bus); err != nil {
			f = append(f, Finding{Bad, what, err.Error(), ""})
		} else {
			f = append(f, Finding{OK, what, "there, and may be used", ""})
		}
	}
	return f
}

// i2cAccess reports why a bus cannot be used.
func (h Host) i2cAccess(bus int) error {
	dev := "/dev/i2c-" + strconv.Itoa(bus)
	err := unix.Access(h.path(dev), unix.R_OK|unix.W_OK)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s: dtparam=i2c_arm=on in /boot/firmware/config.txt and the module i2c-dev (sudo raspi-config, Interface Options, I2C): %w", dev, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission for %s: add the user to the group i2c (sudo usermod -aG i2c $USER, then log in again): %w", dev, err)
	case err != nil:
		return fmt.Errorf("%s: %w", dev, err)
	}
	return nil
}
