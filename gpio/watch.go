package gpio

import (
	"errors"
	"fmt"

	"github.com/warthog618/go-gpiocdev"
)

// Interference is what someone else did to a relay's line.
type Interference struct {
	Relay, Line string
	What        string // in words
}

// Watch reports every request, release and reconfiguration of the bank's
// character-device lines that is not the bank's own, until stop is called.
// report is called from a goroutine that stop ends; it must not call stop.
// Stop the watch before the bank is closed: giving lines back is a release too.
//
// It sees what goes through the kernel: a chip that is unbound, another program
// that takes the line then. It cannot see what writes the SoC's registers
// (pinctrl, raspi-gpio, periph's memory-mapped pins); the read-back does.
func (b *Bank) Watch(h Host, report func(Interference)) (stop func() error, err error) {
	var chips []KernelChip
	stop = func() error {
		var errs []error
		for _, c := range chips {
			errs = append(errs, c.Close())
		}
		chips = nil
		return errors.Join(errs...)
	}
	byChip := map[string]KernelChip{}
	for _, r := range b.order {
		l, ok := r.pin.(*Line)
		if !ok {
			continue
		}
		c, ok := byChip[l.chip]
		if !ok {
			if c, err = h.openChip(l.chip); err != nil {
				return nil, errors.Join(err, stop())
			}
			byChip[l.chip] = c
			chips = append(chips, c)
		}
		relay := r.spec.Name
		err := c.Watch(l.offset, func(e gpiocdev.LineInfoChangeEvent) {
			if what := l.foreign(e); what != "" {
				report(Interference{relay, l.pin, what})
			}
		})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("relay %s: watch line %s: %w", relay, l.pin, err), stop())
		}
	}
	return stop, nil
}

// foreign says what a change was, or nothing where it left us the owner.
func (l *Line) foreign(e gpiocdev.LineInfoChangeEvent) string {
	switch {
	case e.Type == gpiocdev.LineReleased:
		return "the line was taken from this program: what drives the relay now is not known"
	case e.Info.Consumer != consumerAsKept(l.consumer):
		return fmt.Sprintf("the line is now held by %q", e.Info.Consumer)
	case e.Info.Config.Direction != gpiocdev.LineDirectionOutput:
		return "the line is no longer an output"
	}
	return ""
}

// consumerAsKept is a label as the kernel reports it: 31 bytes of it.
func consumerAsKept(s string) string {
	if len(s) > 31 {
		return s[:31]
	}
	return s
}
