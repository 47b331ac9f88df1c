package gpio

import (
	"fmt"
	"path/filepath"

	pgpio "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/host/v3/sysfs"
)

// Host is the computer whose lines, buses and interfaces are used. System is
// this one; a test gives another.
type Host struct {
	Kernel Kernel
	// Registry finds a pin that only periph knows. nil pin and nil error: there
	// is none.
	Registry func(name string) (pgpio.PinOut, error)
	// I2C opens /dev/i2c-<bus>.
	I2C func(bus int) (i2c.BusCloser, error)
	// Root is the folder in which /sys, /dev and /run are looked up: "/".
	Root string
}

// System is this computer.
func System() Host {
	return Host{
		Kernel:   chardev{},
		Registry: periphPin,
		I2C: func(bus int) (i2c.BusCloser, error) {
			b, err := sysfs.NewI2C(bus)
			if err != nil {
				return nil, err
			}
			return b, nil
		},
		Root: "/",
	}
}

// Open opens the relays of this computer; see Host.Open.
func Open(specs []RelaySpec) (*Bank, error) { return System().Open(specs, nil) }

// OpenInput opens an input line of this computer; see Host.OpenInput.
func OpenInput(spec InputSpec) (*Input, error) { return System().OpenInput(spec) }

// OpenINA219 opens a current sensor of this computer; see Host.OpenINA219.
func OpenINA219(spec CurrentSpec) (*Current, error) { return System().OpenINA219(spec) }

// OpenCarrier opens the carrier of an interface of this computer; see
// Host.OpenCarrier.
func OpenCarrier(spec CarrierSpec) (*Carrier, error) { return System().OpenCarrier(spec) }

func (h Host) path(p string) string { return filepath.Join(h.Root, p) }

// i2cBus opens a bus and says what to do where it cannot.
func (h Host) i2cBus(bus int) (i2c.BusCloser, error) {
	if err := h.i2cAccess(bus); err != nil {
		return nil, err
	}
	b, err := h.I2C(bus)
	if err != nil {
		return nil, fmt.Errorf("open I²C bus %d: %w", bus, err)
	}
	return b, nil
}
