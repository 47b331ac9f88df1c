package gpio

import (
	"errors"
	"fmt"
	"time"

	"github.com/warthog618/go-gpiocdev"
	pgpio "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/pin"
)

// ReadBacker is what a pin has whose output can be read back.
type ReadBacker interface {
	// ReadBack is the level at which the output is now. It changes nothing.
	ReadBack() (pgpio.Level, error)
}

// Line is an output of the character device as a periph pin.
//
// Its levels are logical: High is active. The kernel turns that into a voltage,
// by the line's active-low flag. No method but Out changes the line; Read,
// Func and Function only look.
type Line struct {
	pin      string // as the user spells it
	chip     string
	offset   int
	line     KernelLine
	consumer string
}

var (
	_ pgpio.PinIO = (*Line)(nil)
	_ pin.PinFunc = (*Line)(nil)
	_ ReadBacker  = (*Line)(nil)
)

// openLine requests an output that drives active from the first moment.
//
// With keep, a level that is being driven is not disturbed. The kernel's
// promise for that: a request without a direction touches neither direction nor
// level, and while it is held nobody else can change them through the kernel;
// the request refreshes the kernel's idea of the direction from the hardware,
// so the look comes after it, never before; making it an output then sets level
// and direction together, to the level it has. A line found as an input drives
// nothing, and starts at active.
func (h Host) openLine(pinName, chip, relay string, activeLow, active, keep bool) (*Line, error) {
	p, err := h.find(pinName, chip)
	if err != nil {
		return nil, err
	}
	l := &Line{pin: pinName, chip: p.chip, offset: p.offset, consumer: consumer(relay)}
	c := LineConfig{Consumer: l.consumer, Direction: DirOut, ActiveLow: activeLow, Value: value(active)}
	if !keep {
		l.line, err = h.request(p, pinName, c)
		return l, err
	}
	c.Direction = DirAsIs
	if l.line, err = h.request(p, pinName, c); err != nil {
		return nil, err
	}
	v := c.Value
	info, err := l.line.Info()
	if err == nil && info.Config.Direction == gpiocdev.LineDirectionOutput {
		v, err = l.line.Value()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("line %s: look at what it drives: %w", pinName, err), l.line.Close())
	}
	if err := l.line.Output(v); err != nil {
		return nil, errors.Join(fmt.Errorf("line %s: take it over as an output: %w", pinName, err), l.line.Close())
	}
	return l, nil
}

// consumer is the label under which gpioinfo shows the line. The kernel keeps
// 31 bytes of it.
func consumer(relay string) string { return "resetrig:" + relay }

func value(active bool) int {
	if active {
		return 1
	}
	return 0
}

// Out drives the line: High is active.
func (l *Line) Out(level pgpio.Level) error {
	if err := l.line.SetValue(value(bool(level))); err != nil {
		return fmt.Errorf("line %s: set it: %w", l.pin, err)
	}
	return nil
}

// ReadBack is the line's logical level as the kernel reads it.
func (l *Line) ReadBack() (pgpio.Level, error) {
	v, err := l.line.Value()
	if err != nil {
		return pgpio.Low, fmt.Errorf("line %s: read it back: %w", l.pin, err)
	}
	return v != 0, nil
}

// Close gives the line back to the kernel at the level it has.
func (l *Line) Close() error { return l.line.Close() }

// Read is ReadBack for periph; an error reads as Low, so ask ReadBack.
func (l *Line) Read() pgpio.Level {
	level, err := l.ReadBack()
	return err == nil && level
}

// String is the pin as the user spells it.
func (l *Line) String() string { return l.pin }

// Name is the pin as the user spells it.
func (l *Line) Name() string { return l.pin }

// Number is the line's offset on its chip.
func (l *Line) Number() int { return l.offset }

// Halt does nothing: an output has nothing that could be waited for.
func (l *Line) Halt() error { return nil }

// Function is Func for older periph programs.
func (l *Line) Function() string { return string(l.Func()) }

// Func looks at the output and leaves it alone.
func (l *Line) Func() pin.Func {
	if l.Read() {
		return pgpio.OUT_HIGH
	}
	return pgpio.OUT_LOW
}

// SupportedFuncs is output, and nothing else.
func (l *Line) SupportedFuncs() []pin.Func { return []pin.Func{pgpio.OUT} }

// SetFunc takes OUT_LOW and OUT_HIGH; a relay's line becomes nothing else.
func (l *Line) SetFunc(f pin.Func) error {
	switch f {
	case pgpio.OUT_LOW:
		return l.Out(pgpio.Low)
	case pgpio.OUT_HIGH:
		return l.Out(pgpio.High)
	}
	return fmt.Errorf("line %s is a relay's output: it cannot become %s", l.pin, f)
}

// In is refused: a relay's line stays an output.
func (l *Line) In(pgpio.Pull, pgpio.Edge) error {
	return fmt.Errorf("line %s is a relay's output: it cannot become an input", l.pin)
}

// WaitForEdge is false: an output has no edges to wait for.
func (l *Line) WaitForEdge(time.Duration) bool { return false }

// Pull is not known of an output.
func (l *Line) Pull() pgpio.Pull { return pgpio.PullNoChange }

// DefaultPull is not known to the character device.
func (l *Line) DefaultPull() pgpio.Pull { return pgpio.PullNoChange }

// PWM is refused: a relay is no dimmer.
func (l *Line) PWM(pgpio.Duty, physic.Frequency) error {
	return fmt.Errorf("line %s is a relay's output: it cannot do PWM", l.pin)
}
