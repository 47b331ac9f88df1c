package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
)

// What opening a line is tested for.
var (
	ErrNoLine    = errors.New("no such line")
	ErrNoChip    = errors.New("no such GPIO chip")
	ErrAmbiguous = errors.New("several lines have that name")
	ErrBusy      = errors.New("the line is held by another program")
	ErrClosed    = errors.New("the relay is closed")
)

// place is a line, found.
type place struct {
	chip   string // device name, "gpiochip0"
	label  string // of the chip, "pinctrl-bcm2835"
	offset int
	info   gpiocdev.LineInfo
}

// find looks up a pin as users spell it: a line's name ("GPIO26"), or chip and
// offset ("gpiochip0:26", "/dev/gpiochip0:26"). chip, a device name or a label,
// narrows the search and may be empty.
func (h Host) find(pin, chip string) (place, error) {
	if dev, off, ok := chipAndOffset(pin); ok {
		if chip != "" {
			return place{}, fmt.Errorf("line %s: the pin names its chip, and chip: %s is given too; remove one", pin, chip)
		}
		return h.findOffset(pin, dev, off)
	}
	if pin == "" {
		return place{}, fmt.Errorf("%w: the pin is empty; write a line's name (GPIO26) or gpiochip0:26", ErrNoLine)
	}
	if n, err := strconv.Atoi(pin); err == nil {
		if chip == "" {
			return place{}, fmt.Errorf("%w: %q is a bare number; write the line's name (GPIO%d) or gpiochip0:%d", ErrNoLine, pin, n, n)
		}
		return h.findOffset(pin, chip, n)
	}
	return h.findName(pin, chip)
}

func chipAndOffset(pin string) (chip string, offset int, ok bool) {
	i := strings.LastIndexByte(pin, ':')
	if i <= 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(pin[i+1:])
	if err != nil || n < 0 {
		return "", 0, false
	}
	return pin[:i], n, true
}

func (h Host) findOffset(pin, dev string, offset int) (place, error) {
	c, err := h.openChip(dev)
	if err != nil {
		return place{}, fmt.Errorf("line %s: %w", pin, err)
	}
	defer c.Close() //nolint:errcheck // was only read
	if offset >= c.Lines() {
		return place{}, fmt.Errorf("%w: %s: %s has the lines 0 to %d", ErrNoLine, pin, c.Name(), c.Lines()-1)
	}
	info, err := c.LineInfo(offset)
	if err != nil {
		return place{}, fmt.Errorf("line %s: look at it: %w", pin, err)
	}
	return place{c.Name(), c.Label(), offset, info}, nil
}

// openChip opens a chip by device name, path, or label.
func (h Host) openChip(name string) (KernelChip, error) {
	c, err := h.Kernel.Chip(name)
	if err == nil {
		return c, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, permission(name, err)
	}
	for _, n := range h.Kernel.Chips() {
		o, openErr := h.Kernel.Chip(n)
		if openErr != nil {
			continue
		}
		if o.Label() == name {
			return o, nil
		}
		o.Close() //nolint:errcheck // was only read
	}
	return nil, fmt.Errorf("%w: %s (%w); %s", ErrNoChip, name, err, h.chipsPresent())
}

func (h Host) findName(name, chip string) (place, error) {
	var (
		found  []place
		denied error
	)
	for _, n := range h.Kernel.Chips() {
		c, err := h.Kernel.Chip(n)
		if errors.Is(err, fs.ErrPermission) {
			denied = permission(n, err)
		}
		if err != nil {
			continue
		}
		if chip == "" || chip == n || chip == "/dev/"+n || chip == c.Label() {
			for o := range c.Lines() {
				if info, err := c.LineInfo(o); err == nil && info.Name == name {
					found = append(found, place{c.Name(), c.Label(), o, info})
				}
			}
		}
		c.Close() //nolint:errcheck // was only read
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if denied != nil {
			return place{}, fmt.Errorf("%w: %s: %w", ErrNoLine, name, denied)
		}
		where := "on any chip"
		if chip != "" {
			where = "on chip " + chip
		}
		return place{}, fmt.Errorf("%w: %s %s; %s", ErrNoLine, name, where, h.chipsPresent())
	}
	var at []string
	for _, p := range found {
		at = append(at, fmt.Sprintf("%s:%d (%s)", p.chip, p.offset, p.label))
	}
	return place{}, fmt.Errorf("%w: %s is %s; write one of these as the pin", ErrAmbiguous, name, strings.Join(at, " and "))
}

// chipsPresent says in words what chips there are.
func (h Host) chipsPresent() string {
	var chips []string
	for _, n := range h.Kernel.Chips() {
		c, err := h.Kernel.Chip(n)
		if err != nil {
			chips = append(chips, n+" (cannot be opened: "+err.Error()+")")
			continue
		}
		chips = append(chips, fmt.Sprintf("%s (%s, %d lines)", n, c.Label(), c.Lines()))
		c.Close() //nolint:errcheck // was only read
	}
	if len(chips) == 0 {
		return "this computer has no /dev/gpiochip*: its kernel has no GPIO driver, or the program runs in a container without the device"
	}
	return "the chips here are " + strings.Join(chips, ", ")
}

func permission(chip string, err error) error {
	dev := "/dev/" + strings.TrimPrefix(chip, "/dev/")
	return fmt.Errorf("no permission for %s: add the user to the group gpio (sudo usermod -aG gpio $USER, then log in again), or check the group of the device: %w", dev, err)
}

// held says who has a line.
func held(pin, consumer string) error {
	if consumer == "" {
		consumer = "unnamed"
	}
	return fmt.Errorf("line %s is held by %q (consumer): end that program, or remove the overlay that claims the line: %w", pin, consumer, ErrBusy)
}

// request makes this process the owner of the line.
func (h Host) request(p place, pin string, c LineConfig) (KernelLine, error) {
	chip, err := h.openChip(p.chip)
	if err != nil {
		return nil, fmt.Errorf("line %s: %w", pin, err)
	}
	defer chip.Close() //nolint:errcheck // the line lives on without it
	l, err := chip.Request(p.offset, c)
	if err == nil {
		return l, nil
	}
	if errors.Is(err, unix.EBUSY) {
		holder := ""
		if info, infoErr := chip.LineInfo(p.offset); infoErr == nil {
			holder = info.Consumer
		}
		return nil, fmt.Errorf("%w (%w)", held(pin, holder), err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("line %s: %w", pin, permission(p.chip, err))
	}
	return nil, fmt.Errorf("line %s: request %s:%d: %w", pin, p.chip, p.offset, err)
}
