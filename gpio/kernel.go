package gpio

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/warthog618/go-gpiocdev"
)

// Kernel is what this package uses of the kernel's GPIO character device. The
// words and the plain types are gpiocdev's, which are the kernel's.
type Kernel interface {
	// Chips are the names of the devices there are ("gpiochip0"), each chip once.
	Chips() []string
	// Chip opens one by its name or path. It must be closed; lines requested
	// from it live on.
	Chip(name string) (KernelChip, error)
}

// KernelChip is one open chip.
type KernelChip interface {
	Name() string
	Label() string
	Lines() int
	// LineInfo looks at a line without requesting it.
	LineInfo(offset int) (gpiocdev.LineInfo, error)
	// Request makes this process the owner of a line. unix.EBUSY where it has
	// another.
	Request(offset int, c LineConfig) (KernelLine, error)
	// Watch calls f, from a goroutine that Close ends, whenever the line is
	// requested, released or reconfigured by anyone, this process included.
	Watch(offset int, f func(gpiocdev.LineInfoChangeEvent)) error
	Close() error
}

// KernelLine is a line that this process owns. Values are logical: 1 is active.
type KernelLine interface {
	Info() (gpiocdev.LineInfo, error)
	SetValue(v int) error
	// Value changes nothing, for outputs too.
	Value() (int, error)
	// Output makes a line that was requested as it is an output that drives v.
	Output(v int) error
	Close() error
}

// Direction is how a line is requested.
type Direction int

// The directions.
const (
	DirAsIs Direction = iota // undisturbed: to be looked at
	DirOut                   // driving Value from the first moment
	DirIn
)

// LineConfig is how a line is requested.
type LineConfig struct {
	Consumer  string
	Direction Direction
	ActiveLow bool
	Value     int // of an output, logical
	Bias      Bias
	Debounce  time.Duration
	// Events, for an input, gets both edges, in order, from one goroutine that
	// the line's Close ends.
	Events func(gpiocdev.LineEvent)
}

// Bias is the pull of an input.
type Bias string

// The biases; empty leaves it as the firmware has set it.
const (
	BiasAsIs Bias = ""
	BiasUp   Bias = "pull-up"
	BiasDown Bias = "pull-down"
	BiasOff  Bias = "disabled"
)

// eventBuffer is how many edges the kernel keeps for us: a bouncing contact
// makes some tens, the kernel's own default is 16.
const eventBuffer = 256

// chardev is the Kernel of this computer.
type chardev struct{}

// Chips leaves out symbolic links: Raspberry Pi OS has gpiochip4 point to
// gpiochip0.
func (chardev) Chips() []string {
	var names []string
	for _, n := range gpiocdev.Chips() {
		if fi, err := os.Lstat("/dev/" + n); err == nil && fi.Mode()&os.ModeSymlink == 0 {
			names = append(names, n)
		}
	}
	return names
}

func (chardev) Chip(name string) (KernelChip, error) {
	path := name
	if !strings.HasPrefix(path, "/dev/") {
		path = "/dev/" + path
	}
	// gpiocdev refuses links; a stable name made by udev is one.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	c, err := gpiocdev.NewChip(path)
	if err != nil {
		// gpiocdev opens only what its own look at /sys takes for a chip, and
		// says "not a character device" of others.
		if f, openErr := os.Open(path); openErr != nil {
			return nil, openErr
		} else if closeErr := f.Close(); closeErr != nil {
			return nil, errors.Join(err, closeErr)
		}
		return nil, err
	}
	return chardevChip{c}, nil
}

type chardevChip struct{ *gpiocdev.Chip }

func (c chardevChip) Name() string  { return c.Chip.Name }
func (c chardevChip) Label() string { return c.Chip.Label }

func (c chardevChip) Request(offset int, lc LineConfig) (KernelLine, error) {
	opts := []gpiocdev.LineReqOption{gpiocdev.WithConsumer(lc.Consumer), gpiocdev.LevelOption(lc.ActiveLow)}
	switch lc.Direction {
	case DirAsIs:
		opts = append(opts, gpiocdev.AsIs)
	case DirOut:
		opts = append(opts, gpiocdev.AsOutput(lc.Value))
	case DirIn:
		opts = append(opts, gpiocdev.AsInput)
		if lc.Events != nil {
			opts = append(opts, gpiocdev.WithBothEdges, gpiocdev.WithEventHandler(lc.Events),
				gpiocdev.WithEventBufferSize(eventBuffer))
		}
		if lc.Debounce > 0 {
			opts = append(opts, gpiocdev.WithDebounce(lc.Debounce))
		}
		switch lc.Bias {
		case BiasUp:
			opts = append(opts, gpiocdev.WithPullUp)
		case BiasDown:
			opts = append(opts, gpiocdev.WithPullDown)
		case BiasOff:
			opts = append(opts, gpiocdev.WithBiasDisabled)
		case BiasAsIs:
		}
	}
	l, err := c.Chip.RequestLine(offset, opts...)
	if err != nil {
		return nil, err
	}
	return chardevLine{l}, nil
}

func (c chardevChip) Watch(offset int, f func(gpiocdev.LineInfoChangeEvent)) error {
	_, err := c.Chip.WatchLineInfo(offset, f)
	return err
}

type chardevLine struct{ *gpiocdev.Line }

func (l chardevLine) Output(v int) error { return l.Line.Reconfigure(gpiocdev.AsOutput(v)) }
