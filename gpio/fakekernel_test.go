package gpio_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/gpio"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
)

// fakeKernel is a small true GPIO subsystem: chips with lines that have a
// level, a direction and an owner, and do what a kernel's do. Everything that
// changes a line is in its trace.
type fakeKernel struct {
	mu      sync.Mutex
	chips   []*fakeChip
	persist bool // as Raspberry Pi kernels: a released output goes on driving
	trace   []string
}

type fakeChip struct {
	k           *fakeKernel
	name, label string
	lines       []*fakeLine
	openErr     error
}

type fakeLine struct {
	name      string
	high      bool // the voltage
	output    bool
	pull      bool // what an input floats to
	owner     string
	used      bool
	activeLow bool
	shorted   bool                     // stays low whatever is driven
	fail      map[string]error         // of request, set, value, output
	block     chan struct{}            // a set waits for it
	inSet     chan struct{}            // told when a set began
	events    func(gpiocdev.LineEvent) // of an input
	seq       uint32                   // of events
	watch     map[*fakeOpenChip]func(gpiocdev.LineInfoChangeEvent)
	offset    int
}

// newKernel has one chip per argument: name, label and line names. A line's
// name "" has no name.
func newKernel(chips ...[]string) *fakeKernel {
	k := &fakeKernel{}
	for _, c := range chips {
		fc := &fakeChip{k: k, name: c[0], label: c[1]}
		for i, n := range c[2:] {
			fc.lines = append(fc.lines, &fakeLine{name: n, offset: i, fail: map[string]error{}, watch: map[*fakeOpenChip]func(gpiocdev.LineInfoChangeEvent){}})
		}
		k.chips = append(k.chips, fc)
	}
	return k
}

// pi is a kernel like a Raspberry Pi's.
func pi() *fakeKernel {
	chip := []string{"gpiochip0", "pinctrl-bcm2835"}
	for i := range 28 {
		chip = append(chip, fmt.Sprintf("GPIO%d", i))
	}
	return newKernel(chip, []string{"gpiochip1", "raspberrypi-exp-gpio", "BT_ON", "WL_ON"})
}

func (k *fakeKernel) host(t *testing.T) gpio.Host {
	h := gpio.System()
	h.Kernel = k
	h.Root = t.TempDir()
	return h
}

func (k *fakeKernel) line(name string) *fakeLine {
	for _, c := range k.chips {
		for _, l := range c.lines {
			if l.name == name {
				return l
			}
		}
	}
	panic("no line " + name)
}

// see is a line as a voltmeter and gpioinfo see it.
func (k *fakeKernel) see(name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.line(name)
	return l.state() + map[bool]string{true: " " + l.owner, false: " free"}[l.used]
}

func (l *fakeLine) state() string {
	return map[bool]string{true: "out ", false: "in "}[l.output] + map[bool]string{true: "high", false: "low"}[l.level()]
}

func (l *fakeLine) level() bool { return l.high && !l.shorted }

func (k *fakeKernel) traced(what string, l *fakeLine) {
	k.trace = append(k.trace, what+" "+l.name+" "+l.state())
}

// traceOf is the trace of one line, and is emptied.
func (k *fakeKernel) takeTrace() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.trace
	k.trace = nil
	return t
}

func (k *fakeKernel) Chips() []string {
	var n []string
	for _, c := range k.chips {
		n = append(n, c.name)
	}
	return n
}

func (k *fakeKernel) Chip(name string) (gpio.KernelChip, error) {
	for _, c := range k.chips {
		if c.name == strings.TrimPrefix(name, "/dev/") {
			if c.openErr != nil {
				return nil, c.openErr
			}
			return &fakeOpenChip{c}, nil
		}
	}
	return nil, fmt.Errorf("open /dev/%s: %w", name, unix.ENOENT)
}

type fakeOpenChip struct{ *fakeChip }

func (c *fakeOpenChip) Name() string  { return c.name }
func (c *fakeOpenChip) Label() string { return c.label }
func (c *fakeOpenChip) Lines() int    { return len(c.lines) }

func (c *fakeOpenChip) Close() error {
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	for _, l := range c.lines {
		delete(l.watch, c)
	}
	return nil
}

func (l *fakeLine) info() gpiocdev.LineInfo {
	i := gpiocdev.LineInfo{Offset: l.offset, Name: l.name, Used: l.used, Consumer: l.owner}
	i.Config.ActiveLow = l.activeLow
	i.Config.Direction = gpiocdev.LineDirectionInput
	if l.output {
		i.Config.Direction = gpiocdev.LineDirectionOutput
	}
	return i
}

func (c *fakeOpenChip) LineInfo(o int) (gpiocdev.LineInfo, error) {
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	return c.lines[o].info(), nil
}

func (c *fakeOpenChip) Watch(o int, f func(gpiocdev.LineInfoChangeEvent)) error {
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	c.lines[o].watch[c] = f
	return nil
}

func (l *fakeLine) changed(t gpiocdev.LineInfoChangeType) {
	for _, f := range l.watch {
		f(gpiocdev.LineInfoChangeEvent{Info: l.info(), Type: t})
	}
}

func (c *fakeOpenChip) Request(o int, lc gpio.LineConfig) (gpio.KernelLine, error) {
	k := c.k
	k.mu.Lock()
	defer k.mu.Unlock()
	l := c.lines[o]
	if err := l.fail["request"]; err != nil {
		return nil, err
	}
	if l.used {
		return nil, unix.EBUSY
	}
	l.used, l.owner, l.activeLow = true, lc.Consumer, lc.ActiveLow
	switch lc.Direction {
	case gpio.DirOut:
		l.output, l.high = true, (lc.Value == 1) != lc.ActiveLow
	case gpio.DirIn:
		l.output, l.events, l.seq = false, lc.Events, 0
	case gpio.DirAsIs:
	}
	k.traced("request", l)
	l.changed(gpiocdev.LineRequested)
	return &fakeHandle{k, l, false}, nil
}

type fakeHandle struct {
	k      *fakeKernel
	l      *fakeLine
	closed bool
}

func (h *fakeHandle) Info() (gpiocdev.LineInfo, error) {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	return h.l.info(), nil
}

func (h *fakeHandle) SetValue(v int) error {
	if h.l.inSet != nil {
		h.l.inSet <- struct{}{}
	}
	if h.l.block != nil {
		<-h.l.block
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	switch {
	case h.closed:
		return gpiocdev.ErrClosed
	case !h.l.output:
		return unix.EPERM
	case h.l.fail["set"] != nil:
		return h.l.fail["set"]
	}
	h.l.high = (v == 1) != h.l.activeLow
	h.k.traced("set", h.l)
	return nil
}

func (h *fakeHandle) Value() (int, error) {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	if h.closed {
		return 0, gpiocdev.ErrClosed
	}
	if err := h.l.fail["value"]; err != nil {
		return 0, err
	}
	if h.l.level() != h.l.activeLow {
		return 1, nil
	}
	return 0, nil
}

func (h *fakeHandle) Output(v int) error {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	if err := h.l.fail["output"]; err != nil {
		return err
	}
	h.l.output, h.l.high = true, (v == 1) != h.l.activeLow
	h.k.traced("output", h.l)
	return nil
}

func (h *fakeHandle) Close() error {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	if h.closed {
		return gpiocdev.ErrClosed
	}
	h.closed = true
	h.k.release(h.l)
	return nil
}

// release gives a line back, as its owner's death does too.
func (k *fakeKernel) release(l *fakeLine) {
	l.used, l.owner, l.activeLow, l.events = false, "", false, nil
	k.traced("release", l)
	if l.output && !k.persist {
		l.output, l.high = false, l.pull
	}
	l.changed(gpiocdev.LineReleased)
}

// drive puts a voltage on an input from outside, lose edges of which the
// kernel's buffer has no room for.
func (k *fakeKernel) drive(name string, high bool, at time.Duration, lose uint32) {
	l := k.line(name)
	k.mu.Lock()
	l.high = high
	l.seq += 1 + lose
	e := gpiocdev.LineEvent{Offset: l.offset, Timestamp: at, Type: gpiocdev.LineEventFallingEdge, LineSeqno: l.seq}
	if high != l.activeLow {
		e.Type = gpiocdev.LineEventRisingEdge
	}
	f := l.events
	k.mu.Unlock()
	if f != nil {
		f(e)
	}
}

// only leaves the entries of a trace that speak of a line.
func only(trace []string, line string) []string {
	return slices.DeleteFunc(slices.Clone(trace), func(s string) bool { return !strings.Contains(s, " "+line+" ") })
}
