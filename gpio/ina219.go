package gpio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"resetrig/rig"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/ina219"
)

// CurrentSpec is an INA219 in the DUT's supply.
type CurrentSpec struct {
	Of   string // "power"
	Bus  int    // of /dev/i2c-<bus>
	Addr uint16 // 0: 0x40
	// Shunt is the resistor that the current flows through; 0: 0.1 Ω, as on
	// most boards.
	Shunt physic.ElectricResistance
	// Current and Voltage are the thresholds: above either, the DUT is powered.
	// A 0 is not asked. Voltage is the supply's after the shunt.
	Current physic.ElectricCurrent
	Voltage physic.ElectricPotential
}

const (
	// ina219Config: 32 V range, ±320 mV at the shunt, both averaged over 8
	// samples (4.26 ms each), continuous (TI SBOS448, table 3 to 5). periph's
	// own choice averages over 68 ms and ends at 16 V.
	ina219Config = 0x3ddf
	// ina219Fresh is the conversion-ready flag of the bus voltage register.
	ina219Fresh = 0x02
	// ina219Wait is how long the first conversion may take.
	ina219Wait = 200 * time.Millisecond
	// ina219Range is the shunt voltage that the current register must hold, a
	// quarter over what the ADC can reach, so that a power supply's inrush does
	// not overflow it.
	ina219Range = 400 * physic.MilliVolt
)

// Current is an INA219 as a sense.
type Current struct {
	spec CurrentSpec
	bus  i2c.BusCloser
	dev  *ina219.Dev
	mu   sync.Mutex
}

var _ rig.Sense = (*Current)(nil)

// OpenINA219 sets the sensor up and waits for its first conversion.
func (h Host) OpenINA219(spec CurrentSpec) (*Current, error) {
	if spec.Addr == 0 {
		spec.Addr = 0x40
	}
	if spec.Shunt == 0 {
		spec.Shunt = 100 * physic.MilliOhm
	}
	switch {
	case spec.Addr < 0x40 || spec.Addr > 0x4f:
		return nil, fmt.Errorf("sense of %s: an INA219 has an address from 0x40 to 0x4f, not %#x", spec.Of, spec.Addr)
	case spec.Shunt < physic.MilliOhm:
		return nil, fmt.Errorf("sense of %s: shunt %v is less than 1mΩ", spec.Of, spec.Shunt)
	case spec.Current < 0 || spec.Voltage < 0 || spec.Current == 0 && spec.Voltage == 0:
		return nil, fmt.Errorf("sense of %s: give a current or a voltage above which the DUT is powered", spec.Of)
	}
	// The least current that the shunt's ADC can tell from nothing: 10 µV.
	if least := current(10*physic.MicroVolt, spec.Shunt); spec.Current != 0 && spec.Current < 10*least {
		return nil, fmt.Errorf("sense of %s: a threshold of %v is too close to what the sensor can resolve with a shunt of %v (%v): use %v or more", spec.Of, spec.Current, spec.Shunt, least, 10*least)
	}
	if most := current(320*physic.MilliVolt, spec.Shunt); spec.Current >= most {
		return nil, fmt.Errorf("sense of %s: a threshold of %v is beyond what the sensor can measure with a shunt of %v (%v)", spec.Of, spec.Current, spec.Shunt, most)
	}
	bus, err := h.i2cBus(spec.Bus)
	if err != nil {
		return nil, fmt.Errorf("sense of %s: %w", spec.Of, err)
	}
	c := &Current{spec: spec, bus: bus}
	if err := c.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("sense of %s: INA219 at %#x on I²C bus %d: %w", spec.Of, spec.Addr, spec.Bus, err), bus.Close())
	}
	return c, nil
}

// current is what flows through a shunt.
func current(v physic.ElectricPotential, r physic.ElectricResistance) physic.ElectricCurrent {
	return physic.ElectricCurrent(float64(v) / float64(r) * float64(physic.Ampere))
}

func (c *Current) start() error {
	var err error
	c.dev, err = ina219.New(c.bus, &ina219.Opts{
		Address:       int(c.spec.Addr),
		SenseResistor: c.spec.Shunt,
		MaxCurrent:    current(ina219Range, c.spec.Shunt),
	})
	if err != nil {
		return fmt.Errorf("set it up: %w", err)
	}
	d := i2c.Dev{Bus: c.bus, Addr: c.spec.Addr}
	if err := d.Tx([]byte{0x00, ina219Config >> 8, ina219Config & 0xff}, nil); err != nil {
		return fmt.Errorf("set its range: %w", err)
	}
	// Before the first conversion every reading is zero, which would be "off".
	for end := time.Now().Add(ina219Wait); ; time.Sleep(time.Millisecond) {
		var v [2]byte
		if err := d.Tx([]byte{0x02}, v[:]); err != nil {
			return fmt.Errorf("wait for its first reading: %w", err)
		}
		if v[1]&ina219Fresh != 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("no reading within %v: is it an INA219?", ina219Wait)
		}
	}
}

// Of names what the sensor witnesses.
func (c *Current) Of() string { return c.spec.Of }

// On reports power: current in either direction, or voltage, above its
// threshold. The reading is at most 9 ms old.
func (c *Current) On(ctx context.Context) (bool, error) {
	i, v, err := c.Read(ctx)
	if err != nil {
		return false, err
	}
	if i < 0 {
		i = -i // the shunt may be wired either way round
	}
	return c.spec.Current != 0 && i > c.spec.Current || c.spec.Voltage != 0 && v > c.spec.Voltage, nil
}

// Read is the current through the shunt and the voltage after it.
func (c *Current) Read(ctx context.Context) (physic.ElectricCurrent, physic.ElectricPotential, error) {
	if err := context.Cause(ctx); err != nil {
		return 0, 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.dev.Sense()
	if err != nil {
		return 0, 0, fmt.Errorf("sense of %s: read the INA219 at %#x on I²C bus %d: %w", c.spec.Of, c.spec.Addr, c.spec.Bus, err)
	}
	return p.Current, p.Voltage, nil
}

// Close closes the bus.
func (c *Current) Close() error { return c.bus.Close() }
