package gpio

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"golang.org/x/sys/unix"
	pgpio "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/host/v3"
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
		return nil, fmt.Errorf("%w: periph knows no pin %s; %s", ErrNoLine, name, h.chipsPresent())
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

// periphPin is the Registry of this computer.
func periphPin(name string) (pgpio.PinOut, error) {
	failed, err := startPeriph()
	if err != nil {
		return nil, fmt.Errorf("pin %s: start periph's drivers: %w", name, err)
	}
	// ByName is nil in an interface where there is none.
	if p := gpioreg.ByName(name); p != nil {
		return p, nil
	}
	if failed != "" {
		return nil, fmt.Errorf("%w: periph knows no pin %s, and these of its drivers failed: %s", ErrNoLine, name, failed)
	}
	return nil, nil
}

// startPeriph starts periph's drivers, once in the life of the process, and
// says which failed: Init itself returns nil although they did.
//
// Where two device files name one chip (Raspberry Pi OS links gpiochip4 to
// gpiochip0) Init closes descriptor 0. So that this hits nothing, and the
// program's standard input survives, descriptor 0 is held open by a copy, and
// put back.
func startPeriph() (failed string, err error) {
	restore, err := holdStdin()
	if err != nil {
		return "", err
	}
	state, err := host.Init()
	err = errors.Join(err, restore())
	if err != nil {
		return "", err
	}
	var names []string
	for _, f := range state.Failed {
		names = append(names, f.String())
	}
	return strings.Join(names, "; "), nil
}

// holdStdin makes sure that descriptor 0 is open, and gives the function that
// puts it back. That fails where somebody else got the number meanwhile: taking
// it away would break them.
func holdStdin() (restore func() error, err error) {
	if _, err := unix.FcntlInt(0, unix.F_GETFD, 0); errors.Is(err, unix.EBADF) {
		fd, err := unix.Open("/dev/null", unix.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("open /dev/null as standard input: %w", err)
		}
		if fd != 0 { // another thread was faster: the number is taken, which is all we want
			if err := unix.Close(fd); err != nil {
				return nil, fmt.Errorf("close /dev/null: %w", err)
			}
		}
	}
	held, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("keep standard input: %w", err)
	}
	return func() error {
		defer unix.Close(held) //nolint:errcheck // a copy
		var was, is unix.Stat_t
		if err := unix.Fstat(held, &was); err != nil {
			return fmt.Errorf("look at standard input: %w", err)
		}
		if err := unix.Fstat(0, &is); err == nil {
			if was.Dev == is.Dev && was.Ino == is.Ino && was.Rdev == is.Rdev {
				return nil
			}
			return errors.New("a driver of periph closed standard input and something else took its descriptor; start the program again, with driver: cdev")
		}
		if err := unix.Dup3(held, 0, 0); err != nil {
			return fmt.Errorf("put standard input back: %w", err)
		}
		return nil
	}, nil
}
