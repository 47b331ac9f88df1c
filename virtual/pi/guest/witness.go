package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The lines of the bench: those of a Waveshare board's first two channels.
const (
	powerLine = 26
	resetLine = 20
)

// pi is the emulated computer, seen from outside the program under test.
type pi struct {
	registers []byte
	trace     tracer
	bench     figures
}

// figures are what the cases measured, for the table at the end.
type figures struct {
	toEdge []time.Duration // from the begin of a press's or a release's step to the kernel's edge
	step   []time.Duration // record's time of a switching, after the kernel's edge
	beep   []time.Duration // record's onset of a beep, after it was played
	memory []memory        // after each cycle of a soak
	// Of one core, over a whole cycle: the rig with its microphone, the recorder.
	rigShare, simShare float64
}

const registersAt = 0x3f200000 // GPIO of a Raspberry Pi 2 and 3

func openPi() (*pi, error) {
	mem, err := os.OpenFile("/dev/mem", os.O_RDWR|os.O_SYNC, 0)
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	p := &pi{}
	if p.registers, err = unix.Mmap(int(mem.Fd()), registersAt, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map the GPIO registers: %w", err)
	}
	if p.trace, err = openTracer(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *pi) register(offset int) *uint32 { return (*uint32)(unsafe.Pointer(&p.registers[offset])) }

// level is what a line is by the registers: undriven (an input), low or high.
func (p *pi) level(line int) level {
	if atomic.LoadUint32(p.register(line/10*4))>>(line%10*3)&7 != 1 {
		return undriven
	}
	if atomic.LoadUint32(p.register(0x34+line/32*4))>>(line%32)&1 == 1 {
		return high
	}
	return low
}

// makeInput takes a line away behind the kernel's back, as another program does
// that writes the registers. The machine's model has no pulls: it is driven low
// first, where the Pi's pull-down brings lines 9 to 27.
func (p *pi) makeInput(line int) {
	atomic.StoreUint32(p.register(0x28+line/32*4), 1<<(line%32))
	r := p.register(line / 10 * 4)
	atomic.StoreUint32(r, atomic.LoadUint32(r)&^(7<<(line%10*3)))
}

// level is the state of a line.
type level int

const (
	undriven level = iota
	low
	high
)

func (l level) String() string { return [...]string{"undriven", "low", "high"}[l] }

// tracer reads the kernel's trace of GPIO events: each write of a line, with
// its time, whoever made it.
type tracer struct {
	base int // the global number of the chip's first line
}

const tracing = "/sys/kernel/tracing/"

func openTracer() (tracer, error) {
	var t tracer
	b, err := os.ReadFile("/sys/kernel/debug/gpio")
	if err != nil {
		return t, err
	}
	m := regexp.MustCompile(`gpiochip\d+: GPIOs (\d+)-\d+, parent: platform/3f200000`).FindSubmatch(b)
	if m == nil {
		return t, fmt.Errorf("the kernel names no GPIO chip of a Raspberry Pi:\n%s", b)
	}
	t.base, _ = strconv.Atoi(string(m[1]))
	for _, w := range [][2]string{{"trace_clock", "mono"}, {"buffer_size_kb", "4096"}, {"events/gpio/enable", "1"}, {"tracing_on", "1"}} {
		if err := os.WriteFile(tracing+w[0], []byte(w[1]), 0); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (t tracer) clear() error { return os.WriteFile(tracing+"trace", nil, 0) }

// edge is a line that changed, at a moment of CLOCK_MONOTONIC.
type edge struct {
	at   time.Duration
	to   level
	from level
}

var traced = regexp.MustCompile(`\s(\d+)\.(\d{6}): gpio_(value|direction): (\d+) +(\S+) \(?(-?\d+)`)

// edges are the changes of a line since the trace was cleared. Every write
// counts, also one that changed nothing: writes is how many there were.
func (t tracer) edges(line int) (edges []edge, writes int, err error) {
	f, err := os.Open(tracing + "trace")
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	output, latch, now := false, low, undriven
	known := false
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		m := traced.FindStringSubmatch(sc.Text())
		if m == nil || m[4] != strconv.Itoa(t.base+line) {
			if strings.Contains(sc.Text(), "LOST") {
				return nil, 0, fmt.Errorf("the trace lost events: %s", sc.Text())
			}
			continue
		}
		s, _ := strconv.ParseInt(m[1], 10, 64)
		us, _ := strconv.ParseInt(m[2], 10, 64)
		at := time.Duration(s)*time.Second + time.Duration(us)*time.Microsecond
		switch {
		case m[3] == "value" && m[5] == "set":
			writes++
			latch = low
			if m[6] == "1" {
				latch = high
			}
		case m[3] == "direction":
			output = m[5] == "out"
			known = true
		default:
			continue // a read
		}
		to := undriven
		if output {
			to = latch
		}
		if known && to != now {
			edges = append(edges, edge{at, to, now})
			now = to
		}
	}
	return edges, writes, sc.Err()
}

// levels are the states that a line went through.
func levels(edges []edge) []level {
	var l []level
	for _, e := range edges {
		l = append(l, e.to)
	}
	return slices.Compact(l)
}

// monotonic is CLOCK_MONOTONIC.
func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return time.Duration(t.Nano())
}

// onMonotonic is a wall time on CLOCK_MONOTONIC. Nobody sets this computer's
// clock, so the two differ by a constant.
func onMonotonic(t time.Time) time.Duration {
	return monotonic() - time.Now().Round(0).Sub(t.Round(0))
}
