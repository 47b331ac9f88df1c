package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The lines of the bench on gpio-sim's chip; init names them.
const (
	powerLine, resetLine   = 4, 5 // GPIO26, GPIO20: relays
	supplySense, loopSense = 6, 7 // GPIO5, GPIO6: inputs
)

const (
	simFolder = "/sys/devices/platform/gpio-sim.0/gpiochip0"
	tracing   = "/sys/kernel/tracing"
)

func lineFile(line int, name string) string {
	return filepath.Join(simFolder, "sim_gpio"+strconv.Itoa(line), name)
}

// voltage is a line's file, kept open: it is read hundreds of times a second.
type voltage struct{ f *os.File }

func openVoltage(line int) (voltage, error) {
	f, err := os.Open(lineFile(line, "value"))
	return voltage{f}, err
}

func (v voltage) high() (bool, error) {
	var b [1]byte
	_, err := v.f.ReadAt(b[:], 0)
	return b[0] == '1', err
}

// pull drives an input, or says where an output goes that nobody drives.
func pull(line int, up bool) error {
	v := "pull-down"
	if up {
		v = "pull-up"
	}
	return os.WriteFile(lineFile(line, "pull"), []byte(v), 0o600)
}

// monotonic is the kernel's clock of lines and traces.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // the clock is always there on Linux
	}
	return time.Duration(ts.Nano())
}

// level is one write to a line, as the kernel traced it.
type level struct {
	line int
	high bool
	at   time.Duration // on the monotonic clock
}

// traceWrites begins a trace of every write to a line.
func traceWrites() error {
	for _, w := range [][2]string{
		{"tracing_on", "0"}, {"trace_clock", "mono"}, {"buffer_size_kb", "4096"}, {"trace", ""},
		{"events/gpio/gpio_value/filter", "get == 0"}, {"events/gpio/gpio_value/enable", "1"},
		{"events/gpio/gpio_direction/enable", "1"}, {"tracing_on", "1"},
	} {
		if err := os.WriteFile(filepath.Join(tracing, w[0]), []byte(w[1]), 0o600); err != nil {
			return fmt.Errorf("trace the lines: %w", err)
		}
	}
	return nil
}

// firstGPIO is the number by which the kernel's traces call line 0.
func firstGPIO() (int, error) {
	chips, err := filepath.Glob("/sys/class/gpio/gpiochip*/base")
	if err != nil || len(chips) != 1 {
		return 0, fmt.Errorf("want one chip in /sys/class/gpio, found %d (%v)", len(chips), err)
	}
	b, err := os.ReadFile(chips[0])
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// tracedWrites are the writes since traceWrites, oldest first.
func tracedWrites() ([]level, error) {
	first, err := firstGPIO()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(tracing, "trace"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var writes []level
	for sc := bufio.NewScanner(f); sc.Scan(); {
		// resetrig-123 [000] ..... 12.345678: gpio_value: 500 set 1
		before, what, ok := strings.Cut(sc.Text(), ": gpio_value: ")
		if !ok || strings.HasPrefix(before, "#") {
			continue
		}
		var n, v int
		if _, err := fmt.Sscanf(what, "%d set %d", &n, &v); err != nil {
			continue
		}
		words := strings.Fields(before)
		seconds, err := strconv.ParseFloat(words[len(words)-1], 64)
		if err != nil {
			return nil, fmt.Errorf("the trace's line %q: %w", sc.Text(), err)
		}
		writes = append(writes, level{n - first, v == 1, time.Duration(seconds * float64(time.Second))})
	}
	return writes, nil
}
