package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"resetrig/rig"
)

// watchedLine is a line that a relay of the simulated recorder hangs on, read
// from outside the program that drives it.
type watchedLine struct {
	relay     string
	activeLow bool // the level that energises the relay
	closed    bool // wired to the contact that energising opens
	offset    int  // of the Pi's GPIO
	file      string
}

// parseLines reads power=GPIO26:low:nc,reset=GPIO20:high:no.
func parseLines(s string) ([]watchedLine, error) {
	var list []watchedLine
	for one := range strings.SplitSeq(s, ",") {
		relay, rest, ok := strings.Cut(one, "=")
		f := strings.Split(rest, ":")
		l := watchedLine{relay: relay, offset: -1}
		if ok && len(f) == 3 {
			if n, found := strings.CutPrefix(f[0], "GPIO"); found {
				l.offset, _ = strconv.Atoi(n) // 0 is no line of a relay
			} else if strings.HasPrefix(f[0], "/") {
				l.file = f[0]
			}
			l.activeLow, l.closed = f[1] == "low", f[2] == "nc"
			ok = (l.activeLow || f[1] == "high") && (l.closed || f[2] == "no") && (l.file != "" || l.offset > 0 && l.offset < 54)
		} else {
			ok = false
		}
		if !ok || relay != "power" && relay != "reset" {
			return nil, fmt.Errorf("--lines %q: want relay=line:level:contact, like power=GPIO26:low:nc; "+
				"the relay is power or reset, the line a GPIO of a Pi or the path of a file that holds 0 or 1, the level high or low, the contact no or nc", one)
		}
		list = append(list, l)
	}
	return list, nil
}

// registers are the GPIO registers of a Raspberry Pi up to 4 (BCM2835 ARM
// Peripherals, chapter 6), read only.
type registers struct{ mem []byte }

const (
	gpfsel = 0x00 // function, three bits a line, 1 is output
	gplev  = 0x34 // level
)

func openRegisters() (*registers, error) {
	f, err := os.Open("/proc/iomem")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	base := int64(0)
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if at, what, ok := strings.Cut(sc.Text(), " : "); ok && strings.Contains(what, "gpio@7e200000") {
			first, _, _ := strings.Cut(strings.TrimSpace(at), "-")
			base, _ = strconv.ParseInt(first, 16, 64)
		}
	}
	if base == 0 {
		return nil, errors.New("/proc/iomem shows no GPIO registers of a Raspberry Pi up to 4, or not to this user")
	}
	mem, err := os.OpenFile("/dev/mem", os.O_RDONLY|os.O_SYNC, 0)
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	m, err := unix.Mmap(int(mem.Fd()), base, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the GPIO registers (the kernel needs iomem=relaxed): %w", err)
	}
	return &registers{m}, nil
}

func (r *registers) at(offset int) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.mem[offset])))
}

// driven reports whether a line is an output, and its level.
func (r *registers) driven(line int) (output, high bool) {
	output = r.at(gpfsel+line/10*4)>>(line%10*3)&7 == 1
	return output, r.at(gplev+line/32*4)>>(line%32)&1 == 1
}

// read is whether the recorder's side is on: powered, or the pins shorted. A
// line that nobody drives energises nothing.
func (l watchedLine) read(r *registers) (bool, error) {
	output, high := true, false
	if l.file == "" {
		output, high = r.driven(l.offset)
	} else {
		b, err := os.ReadFile(l.file)
		if err != nil {
			return false, err
		}
		high = strings.TrimSpace(string(b)) == "1"
	}
	energised := output && high != l.activeLow
	return energised != l.closed, nil
}

// lineEvery is how often the lines are looked at: a relay needs longer to
// follow.
const lineEvery = 2 * time.Millisecond

// followLines switches the simulated relays as the lines go, until ctx ends.
func followLines(ctx context.Context, lines []watchedLine, relays rig.Relays, events *simEvents) error {
	var r *registers
	for _, l := range lines {
		if l.file == "" && r == nil {
			var err error
			if r, err = openRegisters(); err != nil {
				return fmt.Errorf("--lines: %w", err)
			}
			defer unix.Munmap(r.mem) //nolint:errcheck // its end is the process's
		}
	}
	was := map[string]bool{}
	clock := rig.System()
	for {
		for _, l := range lines {
			on, err := l.read(r)
			if err != nil {
				return fmt.Errorf("--lines: %w", err)
			}
			if before, known := was[l.relay]; known && before == on {
				continue
			}
			was[l.relay] = on
			if err := relays.Set(l.relay, on); err != nil {
				return err
			}
			events.say(simEvent{Event: "line", Relay: l.relay, On: on, Mono: monotonic()})
		}
		if clock.Sleep(ctx, lineEvery) != nil {
			return nil
		}
	}
}

// simEvent is one line of what the simulated recorder tells while it runs.
type simEvent struct {
	Event string `json:"event"` // line, tone, play
	Relay string `json:"relay,omitempty"`
	On    bool   `json:"on"`
	Mono  int64  `json:"monotonic_ns"` // CLOCK_MONOTONIC
	// Frame is the player's sample counter.
	Frame int64  `json:"frame,omitempty"`
	Text  string `json:"text,omitempty"`
}

// simEvents prints what is said once the first object is out, which has the
// addresses; what is said before follows it.
type simEvents struct {
	mu    sync.Mutex
	out   io.Writer
	begun bool
	early []simEvent
}

func (e *simEvents) begin(first any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begun = true
	err := json.NewEncoder(e.out).Encode(first)
	for _, v := range e.early {
		_ = json.NewEncoder(e.out).Encode(v)
	}
	return err
}

func (e *simEvents) say(v simEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.begun {
		e.early = append(e.early, v)
		return
	}
	_ = json.NewEncoder(e.out).Encode(v) // who does not read it has chosen so
}

// monotonic is the kernel's CLOCK_MONOTONIC, the same in every process.
func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}
