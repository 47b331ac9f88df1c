// Command guest is what runs inside the emulated Raspberry Pi: it plugs a bench
// together from the shipped programs (the simulated recorder on the lines'
// far side, the rig on the near side), does to it what can happen to a bench,
// and asks witnesses that are not the program under test: the SoC's registers,
// the kernel's trace of every write to a line, and the simulated recorder.
//
// It knows nothing of the program's inside; of its words it knows the record.
//
// The trap: guest time is a count of instructions. A busy host does not disturb
// it, and a time read here says nothing about the host's.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:])) }

// suites are the cases that run on one emulated Pi, one after another. Those of
// "open" are demands that the program does not meet yet: each moves to one of
// the others with what mends it.
var suites = map[string][]testCase{
	"cycles": {
		{"hard-reset-new-generation", hardResetNew},
		{"control-short-press", controlShortPress},
		{"soak-of-three-cycles", soakShort},
		{"persist-gpio-outputs-told", persistTold},
		{"line-held-by-another", heldByAnother},
		{"line-taken-away", takenAway},
		{"dead-man-while-stuck-in-a-request", hangingServer},
		{"benchmarks", benchmarks},
	},
	"faults": {
		{"hard-reset-old-generation-active-low", hardResetOld},
		{"control-no-press", controlNoPress},
		{"kill-in-arrange", dies(death{phase: "arrange", strike: send(syscall.SIGKILL), code: -1}, bench{activeLow: true})},
		{"kill-without-power", dies(death{phase: "off", strike: send(syscall.SIGKILL), code: -1}, bench{activeLow: true})},
		{"kill-in-the-press", dies(death{phase: "press", strike: send(syscall.SIGKILL), code: -1}, bench{activeLow: true})},
		{"kill-in-assert", dies(death{phase: "assert", strike: send(syscall.SIGKILL), code: -1}, bench{})},
		{"terminate-in-the-press", dies(death{phase: "press", strike: send(syscall.SIGTERM), code: 4, opens: true}, bench{activeLow: true})},
		{"terminate-while-the-flash-is-written", terminateWhileWriting},
		{"interrupt-twice-in-the-press", dies(death{phase: "press", strike: send(syscall.SIGINT, syscall.SIGINT), code: 4, opens: true, cuts: true}, bench{contact: "no", safe: "off"})},
		{"out-of-memory-in-the-press", dies(death{phase: "press", strike: outOfMemory, code: -1}, bench{})},
		{"panic-in-the-press", dies(death{phase: "press", program: panics, strike: panicNow, code: 2}, bench{activeLow: true})},
		{"player-stops", playerStops(wholeHold)},
		{"sound-card-gone", cardGone},
	},
	"open": {
		{"player-stops-is-told-in-time", playerStops(lostEar)},
		{"interrupt-twice-cuts-kept-power", dies(death{phase: "press", strike: send(syscall.SIGINT, syscall.SIGINT), code: 4, opens: true, cuts: true}, bench{contact: "no"})},
	},
	"soak": {{"soak-of-thirty-minutes", soakLong}, {"benchmarks", benchmarks}},
}

// testCase is one thing that must hold. Its figures go to t.
type testCase struct {
	name string
	run  func(t *trial) error
}

// trial is one run of a case.
type trial struct {
	name  string
	pi    *pi
	dir   string // of this case alone
	procs []*process
}

// figure prints a number that the case found.
func (t *trial) figure(format string, a ...any) {
	fmt.Printf("    %s: %s\n", t.name, fmt.Sprintf(format, a...))
}

func run(args []string) int {
	if len(args) > 0 && args[0] == "hold" {
		return holdLine(args[1:])
	}
	if len(args) == 0 {
		fmt.Println("usage: guest SUITE, or guest CASE…")
		return 2
	}
	cases, known := suites[args[0]]
	if !known {
		taken := map[string]bool{}
		for _, of := range suites {
			for _, c := range of {
				if !taken[c.name] && strings.Contains(" "+strings.Join(args, " ")+" ", " "+c.name+" ") {
					cases, taken[c.name] = append(cases, c), true
				}
			}
		}
	}
	if len(cases) == 0 {
		fmt.Printf("no suite and no case is called %q\n", args)
		return 2
	}
	p, err := openPi()
	if err != nil {
		fmt.Println("FAIL the bench:", err)
		return 3
	}
	failed := 0
	for _, c := range cases {
		if err := p.try(c); err != nil {
			failed++
			fmt.Printf("FAIL %s: %v\n", c.name, err)
		}
	}
	fmt.Printf("%d of %d cases held\n", len(cases)-failed, len(cases))
	if failed > 0 {
		return 1
	}
	return 0
}

// try runs one case, and ends whatever it leaves behind.
func (p *pi) try(c testCase) (err error) {
	began := time.Now()
	dir, err := os.MkdirTemp("/tmp", "case-")
	if err != nil {
		return err
	}
	t := &trial{name: c.name, pi: p, dir: dir}
	if err := p.trace.clear(); err != nil {
		return err
	}
	err = c.run(t)
	for _, x := range t.procs {
		if x.running() {
			x.kill()
		}
	}
	if err == nil {
		fmt.Printf("ok   %s (%.1f s of guest time)\n", c.name, time.Since(began).Seconds())
		return os.RemoveAll(dir)
	}
	for _, x := range t.procs {
		err = errors.Join(err, fmt.Errorf("%s said:\n%s", x.name, x.tail()))
	}
	return err
}
