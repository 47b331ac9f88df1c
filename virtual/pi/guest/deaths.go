package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"resetrig/rig"
)

// death is a way in which the program ends, at some moment of a cycle.
type death struct {
	phase   string // arrange, off, press, assert: see moment
	program string
	strike  func(t *trial, p *process) error
	// code is the exit code, -1 where a signal ended it.
	code int
	// limit is how long the process may take to be gone, and its lines to be
	// inputs. A kill is the kernel's work alone, an orderly stop closes the books,
	// and a group that is out of memory is searched for memory first.
	limit time.Duration
	// opens says that the program itself opens the press, and cuts that it cuts
	// the power.
	opens, cuts bool
}

const (
	shipped = "/bin/resetrig"
	panics  = "/bin/resetrig-panics"
)

// betweenSignals is how far apart a person's two interrupts are at the least. A
// stop before the act takes no more than some 50 ms: a second interrupt after
// that finds nobody.
const betweenSignals = 10 * time.Millisecond

func send(signals ...syscall.Signal) func(*trial, *process) error {
	return func(t *trial, p *process) error {
		for i, s := range signals {
			if i > 0 {
				time.Sleep(betweenSignals)
			}
			t.last = monotonic()
			if err := p.signal(s); err != nil {
				return err
			}
		}
		return nil
	}
}

// dies makes a case of a death, on an active-low or active-high bench.
func dies(d death, b bench) func(*trial) error {
	if d.program == "" {
		d.program = shipped
	}
	return func(t *trial) error { return t.death(d, b) }
}

func (t *trial) death(d death, b bench) error {
	b.generation = "new"
	file, err := b.write(t.dir)
	if err != nil {
		return err
	}
	if _, err := t.startRecorder(b); err != nil {
		return err
	}
	p, err := t.startRig(d.program, "run", "imou-hard-reset", "--bench", file, "--json", "-p", "off=4s")
	if err != nil {
		return err
	}
	if err := t.moment(p, b, d.phase); err != nil {
		return err
	}
	before := [2]level{t.pi.level(resetLine), t.pi.level(powerLine)}
	struck := monotonic()
	if err := d.strike(t, p); err != nil {
		return err
	}
	code, err := p.wait(30 * time.Second)
	if err != nil {
		return err
	}
	gone := monotonic()
	if code != d.code {
		return fmt.Errorf("exit code %d, want %d", code, d.code)
	}
	// The kernel gives the lines back while the process is torn down.
	for _, line := range []int{powerLine, resetLine} {
		if err := t.pi.waitLine(line, undriven, time.Second); err != nil {
			return err
		}
	}
	given := monotonic()
	reset, _, err := t.pi.trace.edges(resetLine)
	if err != nil {
		return err
	}
	power, _, err := t.pi.trace.edges(powerLine)
	if err != nil {
		return err
	}
	if err := b.quiet(reset, struck); err != nil {
		return err
	}
	opened := after(reset, struck, b.pressed() == low)
	cut := after(power, struck, (b.contact == "no") == (b.pressed() == low))
	t.figure("at the strike: reset %v, power %v; process gone after %.1f ms, both lines inputs after %.1f ms", before[0], before[1], ms(gone-struck), ms(given-struck))
	if given-struck > d.limit {
		return fmt.Errorf("the lines were given back %v after the strike, want %v at most", given-struck, d.limit)
	}
	t.seen = fmt.Sprintf("inputs after %.1f ms", ms(given-struck))
	if d.opens {
		if opened == 0 {
			return errors.New("the program did not open the press before it ended")
		}
		t.seen = fmt.Sprintf("opened after %.1f ms", ms(opened-struck))
		t.figure("press %s", t.seen)
		if opened-struck > opensIn {
			return fmt.Errorf("the press opened %v after the strike, want %v at most", opened-struck, opensIn)
		}
	}
	switch {
	case !d.cuts && cut != 0:
		return errors.New("the power was cut")
	case d.cuts && cut == 0:
		return errors.New("the power was not cut")
	case d.cuts:
		t.figure("power cut %.1f ms after the last signal", ms(cut-t.last))
		t.seen += fmt.Sprintf(", cut %.1f ms after the second", ms(cut-t.last))
		if cut < t.last || cut-t.last > cutsIn {
			return fmt.Errorf("the power was cut %v after the last signal, want %v at most", cut-t.last, cutsIn)
		}
	}
	// Whoever was started by it must be gone as well.
	if err := until(3*time.Second, "the microphone's process to be gone", func() bool { return !anyRuns("resetrig-mic") }); err != nil {
		return err
	}
	if err := t.pi.trace.clear(); err != nil {
		return err
	}
	if err := t.safe(file); err != nil {
		return err
	}
	edges, writes, err := t.pi.trace.edges(resetLine)
	if err != nil {
		return err
	}
	for _, e := range edges {
		if e.to == b.pressed() {
			return fmt.Errorf("resetrig safe shorted the pins: %v", levels(edges))
		}
	}
	if err := t.released(b); err != nil {
		return err
	}
	t.figure("then `resetrig safe`: reset %v, %d writes, exit 0; both lines undriven", levels(edges), writes)
	list, err := records(p.stdout())
	if err != nil {
		return err
	}
	booked := "nothing yet: the next start books the cycle as interrupted"
	if len(list) == 1 {
		booked = string(list[0].Outcome)
		if list[0].Outcome != rig.Aborted {
			return fmt.Errorf("booked as %s", list[0].Outcome)
		}
	}
	t.figure("booked: %s", booked)
	if len(list) == 1 {
		return nil
	}
	// A death without a word is booked by the next one that opens the books.
	l, err := t.startRig(shipped, "list", "--json")
	if err != nil {
		return err
	}
	if _, err := l.wait(20 * time.Second); err != nil {
		return err
	}
	if !strings.Contains(l.stderr(), "interrupted") && !strings.Contains(l.stdout(), "aborted") {
		return fmt.Errorf("the books do not have the interrupted cycle: %s", l.tail())
	}
	return nil
}

// quiet is true of the line of a press that was taken without an edge, was
// pressed once at most, and was not touched after a strike but to open it.
func (b bench) quiet(edges []edge, struck time.Duration) error {
	presses := 0
	for i, e := range edges {
		if e.to != b.pressed() {
			continue
		}
		presses++
		if i == 0 || e.from == undriven || e.at >= struck || presses > 1 {
			return fmt.Errorf("the pins were shorted by the request, again, or after the strike: %v", levels(edges))
		}
	}
	return nil
}

// moment waits for a random moment of a phase: arrange, off (no power), press
// (pins shorted, power on) or assert (pins open again).
func (t *trial) moment(p *process, b bench, phase string) error {
	released := low
	if b.activeLow {
		released = high
	}
	reset := func(l level) func() bool {
		return func() bool { return t.pi.level(resetLine) == l || !p.running() }
	}
	powered := func(want bool) func() bool {
		return func() bool {
			energised := t.pi.level(powerLine) == b.pressed()
			return (energised == (b.contact == "no")) == want || !p.running()
		}
	}
	steps := []struct {
		phase, what string
		ok          func() bool
		span        time.Duration
	}{
		{"arrange", "the lines to be requested", reset(released), 2 * time.Second},
		{"off", "the power to go", powered(false), 5 * time.Second},
		{"press", "the press", reset(b.pressed()), 0},
		{"press", "the power to come", powered(true), 10 * time.Second},
		{"assert", "the release", reset(released), 10 * time.Second},
	}
	for _, s := range steps {
		if err := until(60*time.Second, s.what, s.ok); err != nil {
			return err
		}
		if !p.running() {
			return errors.New("the program ended before the strike")
		}
		if s.phase == phase && s.span > 0 {
			in := rand.N(s.span)
			time.Sleep(in)
			t.figure("%.3f s after %s", in.Seconds(), s.what)
			return nil
		}
	}
	return fmt.Errorf("no phase %q", phase)
}

// after is when a line went to a level, after a moment: low or high.
func after(edges []edge, moment time.Duration, toHigh bool) time.Duration {
	for _, e := range edges {
		if e.at >= moment && e.to == map[bool]level{true: high, false: low}[toHigh] {
			return e.at
		}
	}
	return 0
}

// anyRuns reports whether a program of that name runs.
func anyRuns(name string) bool {
	list, _ := filepath.Glob("/proc/[0-9]*/comm") // errs on bad patterns only
	for _, f := range list {
		b, err := os.ReadFile(f)
		if err == nil && strings.HasPrefix(name, strings.TrimSpace(string(b))) && len(b) > 8 {
			if stat, err := os.ReadFile(filepath.Dir(f) + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
				return strings.TrimSpace(string(b)) == name[:min(len(name), 15)]
			}
		}
	}
	return false
}

// outOfMemory has the kernel kill the whole group, as systemd has it.
func outOfMemory(t *trial, p *process) error {
	group := filepath.Join("/tmp/cgroup", strconv.Itoa(p.cmd.Process.Pid))
	write := func(file, text string) error { return os.WriteFile(file, []byte(text), 0o644) }
	if err := write("/tmp/cgroup/cgroup.subtree_control", "+memory"); err != nil {
		return err
	}
	if err := os.Mkdir(group, 0o755); err != nil {
		return err
	}
	for _, pid := range append(children(p.cmd.Process.Pid), p.cmd.Process.Pid) {
		if err := write(filepath.Join(group, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(group, "memory.oom.group"), "1"); err != nil {
		return err
	}
	if err := write(filepath.Join(group, "memory.max"), "64K"); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		return errors.New("the kernel has not killed it within 20 s")
	}
	b, err := os.ReadFile(filepath.Join(group, "memory.events"))
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), "oom_kill ") || strings.Contains(string(b), "oom_kill 0") {
		return fmt.Errorf("no out-of-memory kill: %s", b)
	}
	return nil
}

// panicNow has a goroutine of the program panic.
func panicNow(*trial, *process) error { return os.WriteFile("/tmp/panic-now", nil, 0o644) }
