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
	"slices"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:])) }

// suites are the cases that run on one emulated Pi, one after another.
var suites = map[string][]testCase{
	"cycles": {
		{name: "hard-reset-new-generation", run: hardResetNew},
		{name: "hard-reset-old-generation-active-low", run: hardResetOld, end: endActiveLow},
		{name: "control-short-press", run: controlShortPress},
		{name: "soak-of-four-cycles", run: soakShort},
		{name: "persist-gpio-outputs-told", run: persistTold},
		{name: "line-held-by-another", run: heldByAnother, end: endHeld},
		{name: "line-taken-away", run: takenAway, end: endTaken},
		{name: "dead-man-while-stuck-in-a-request", run: hangingServer, end: endStuck},
		{name: "benchmarks", run: benchmarks},
	},
	"faults": {
		{name: "control-no-press", run: controlNoPress},
		{name: "suite-of-every-bench", run: exercise},
		{name: "kill-in-arrange", end: endKill, run: dies(death{phase: "arrange", strike: send(syscall.SIGKILL), code: -1, limit: killIn}, bench{activeLow: true})},
		{name: "kill-without-power", end: endKill, run: dies(death{phase: "off", strike: send(syscall.SIGKILL), code: -1, limit: killIn}, bench{activeLow: true})},
		{name: "kill-in-the-press", end: endKill, run: dies(death{phase: "press", strike: send(syscall.SIGKILL), code: -1, limit: killIn}, bench{activeLow: true})},
		{name: "kill-in-assert", end: endKill, run: dies(death{phase: "assert", strike: send(syscall.SIGKILL), code: -1, limit: killIn}, bench{})},
		{name: "terminate-in-the-press", end: endStop, run: dies(death{phase: "press", strike: send(syscall.SIGTERM), code: 4, limit: stopIn, opens: true}, bench{activeLow: true})},
		{name: "interrupt-in-the-press", end: endStop, run: dies(death{phase: "press", strike: send(syscall.SIGINT), code: 4, limit: stopIn, opens: true}, bench{})},
		{name: "terminate-in-arrange", end: endStop, run: dies(death{phase: "arrange", strike: send(syscall.SIGTERM), code: 4, limit: stopIn}, bench{activeLow: true})},
		{name: "terminate-without-power", end: endStop, run: dies(death{phase: "off", strike: send(syscall.SIGTERM), code: 4, limit: stopIn}, bench{activeLow: true})},
		{name: "terminate-in-assert", end: endStop, run: dies(death{phase: "assert", strike: send(syscall.SIGTERM), code: 4, limit: stopIn}, bench{activeLow: true})},
		{name: "terminate-while-the-flash-is-written", end: endWriting, run: terminateWhileWriting},
		{name: "interrupt-twice-in-the-press", end: endTwice, run: dies(death{phase: "press", strike: send(syscall.SIGINT, syscall.SIGINT), code: 4, limit: stopIn, opens: true, cuts: true}, bench{contact: "no", safe: "off"})},
		{name: "interrupt-twice-cuts-kept-power", end: endTwice, run: dies(death{phase: "press", strike: send(syscall.SIGINT, syscall.SIGINT), code: 4, limit: stopIn, opens: true, cuts: true}, bench{contact: "no"})},
		{name: "interrupt-twice-in-arrange", end: endTwice, run: dies(death{phase: "arrange", strike: send(syscall.SIGINT, syscall.SIGINT), code: 4, limit: stopIn, cuts: true}, bench{activeLow: true})},
		{name: "interrupt-twice-without-power", end: endTwice, run: dies(death{phase: "off", strike: send(syscall.SIGINT, syscall.SIGINT), code: 4, limit: stopIn}, bench{activeLow: true})},
		{name: "interrupt-twice-in-assert", end: endTwice, run: dies(death{phase: "assert", strike: send(syscall.SIGINT, syscall.SIGINT), code: 4, limit: stopIn, cuts: true}, bench{activeLow: true})},
		{name: "out-of-memory-in-the-press", end: endMemory, run: dies(death{phase: "press", strike: outOfMemory, code: -1, limit: memoryIn}, bench{})},
		{name: "panic-in-the-press", end: endPanic, run: dies(death{phase: "press", program: panics, strike: panicNow, code: 2, limit: killIn}, bench{activeLow: true})},
		{name: "player-stops", run: playerStops, end: endSilence},
		{name: "sound-card-gone", run: cardGone, end: endCard},
	},
	"soak": {{name: "soak-of-thirty-minutes", run: soakLong}, {name: "benchmarks", run: benchmarks}},
}

// testCase is one thing that must hold. Its figures go to t.
type testCase struct {
	name string
	run  func(t *trial) error
	end  ending // the row of the README that it holds up, if any
}

// trial is one run of a case.
type trial struct {
	name  string
	pi    *pi
	dir   string // of this case alone
	procs []*process
	path  map[int]string // the levels that a line went through
	seen  string         // of the row in the README's table
	last  time.Duration  // when the last signal was sent, on CLOCK_MONOTONIC
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
	for _, name := range args {
		if known {
			break
		}
		c, found := named(name)
		if !found {
			fmt.Printf("no suite and no case is called %q\n", name)
			return 2
		}
		cases = append(cases, c)
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

// named is the case of that name, of whatever suite.
func named(name string) (testCase, bool) {
	for _, of := range suites {
		if i := slices.IndexFunc(of, func(c testCase) bool { return c.name == name }); i >= 0 {
			return of[i], true
		}
	}
	return testCase{}, false
}

// try runs one case, and ends whatever it leaves behind.
func (p *pi) try(c testCase) (err error) {
	began := time.Now()
	dir, err := os.MkdirTemp("/tmp", "case-")
	if err != nil {
		return err
	}
	t := &trial{name: c.name, pi: p, dir: dir, path: map[int]string{}}
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
		if c.end.how != "" {
			fmt.Printf("RESETRIG-VIRTUAL END | %s | %s | @ %s: %s\n", c.end.how, c.end.lines, c.name, t.seen)
		}
		return os.RemoveAll(dir)
	}
	for _, x := range t.procs {
		err = errors.Join(err, fmt.Errorf("%s said:\n%s", x.name, x.tail()))
	}
	return err
}
