package gpio

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	pgpio "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
)

// registered finds a pin that only periph knows. A pin that is a line of this
// computer too is refused: periph's own drivers for those glitch an active-low
// output when they take it, turn an output into an input when they are asked
// what it is, and, memory-mapped, bypass the kernel's ownership.
func (h Host) registered(name string) (pgpio.PinOut, error) {
	if _, err := h.find(name, ""); err == nil || errors.Is(err, ErrAmbiguous) {
		return nil, fmt.Errorf("pin %s is a line of the kernel's character device: use driver: cdev", name)
	}
	p, err := h.Registry(name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("%w: periph knows no pin %s in this program (its USB drivers need cgo and are not linked in); %s", ErrNoLine, name, h.chipsPresent())
	}
	var real any = p
	if alias, ok := p.(pgpio.RealPin); ok {
		r := alias.Real()
		real = r
		if _, err := h.find(r.Name(), ""); err == nil || errors.Is(err, ErrAmbiguous) {
			return nil, fmt.Errorf("pin %s is another name of the line %s of the kernel's character device: use driver: cdev with pin: %s", name, r.Name(), r.Name())
		}
	}
	if hostDriver(real) {
		return nil, fmt.Errorf("pin %s is a GPIO of this computer's own chips: use driver: cdev with the line's name or gpiochip0:N; %s", name, h.chipsPresent())
	}
	return p, nil
}

// hostDriver reports a pin of one of periph's drivers for the host's own
// chips: bcm283x, gpioioctl, sysfs and their like. A USB bridge's is none.
func hostDriver(p any) bool {
	t := reflect.TypeOf(p)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	const module = "periph.io/x/host/v3/"
	return strings.HasPrefix(t.PkgPath(), module) && t.PkgPath() != module+"ftdi"
}

// periphPin is the Registry of this computer: what is registered in this
// process. It does not start periph's host drivers (host.Init), on purpose.
// Every pin that those know is one of this computer's own chips, which are
// refused anyway, and starting them does harm: where a link names a chip twice,
// as gpiochip4 does on Raspberry Pi OS, Init closes descriptor 0, the next file
// that anything opens gets that number for good, and nothing can give it back;
// on a Pi 5 it maps addresses that are not the GPIO's; drivers that fail leave
// it a nil error. The one driver that would be of use, ftdi, needs cgo: a build
// that links it gives Host a Registry that starts it and looks at State.Failed.
func periphPin(name string) (pgpio.PinOut, error) {
	// ByName is nil in an interface where there is none.
	if p := gpioreg.ByName(name); p != nil {
		return p, nil
	}
	return nil, nil
}
