package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// soakShort is a soak that every run of the suite has time for.
func soakShort(t *trial) error { return soak(t, 4, 0) }

// soakLong is thirty minutes of guest time: a cycle takes 65 s.
func soakLong(t *trial) error { return soak(t, 28, 30*time.Minute) }

// memory is what the program holds after a cycle, in kB: resident, and of that
// its own, without the pages of its files.
type memory struct{ rig, own, mic int }

// soak runs that many cycles, which must last that long, and wants each of them
// in the books, no sound lost, and no memory either.
func soak(t *trial, cycles int, least time.Duration) error {
	b := bench{generation: "new"}
	file, err := b.write(t.dir)
	if err != nil {
		return err
	}
	r, err := t.startRecorder(b)
	if err != nil {
		return err
	}
	began := time.Now()
	p, err := t.startRig(shipped, "soak", "imou-hard-reset", "--bench", file, "--cycles", strconv.Itoa(cycles), "--json", "--sound", "none")
	if err != nil {
		return err
	}
	var used []memory
	for p.running() {
		list, err := records(whole(p.stdout()))
		if err != nil {
			return err
		}
		if done := len(list); done > len(used) {
			m := memory{rig: held(p.cmd.Process.Pid, "VmRSS:"), own: held(p.cmd.Process.Pid, "RssAnon:")}
			for _, c := range children(p.cmd.Process.Pid) {
				m.mic += held(c, "VmRSS:")
			}
			used = append(used, m)
			fmt.Printf("    %s: cycle %d of %d after %.0f s: %s, resident %d kB, of it %d kB its own; the microphone's process %d kB\n",
				t.name, done, cycles, time.Since(began).Seconds(), list[done-1].Outcome, m.rig, m.own, m.mic)
		}
		if time.Since(began) > time.Duration(cycles)*cycleWithin {
			return fmt.Errorf("%d of %d cycles after %v", len(used), cycles, time.Since(began))
		}
		time.Sleep(time.Second)
	}
	took := time.Since(began)
	code, err := p.wait(time.Second)
	if err != nil {
		return err
	}
	list, err := records(p.stdout())
	if err != nil {
		return err
	}
	passed := 0
	for _, rec := range list {
		if rec.Outcome == rig.Pass {
			passed++
		}
		for _, f := range rec.Findings {
			return fmt.Errorf("cycle %d: the ear found %s: %s", rec.Cycle, f.Name, f.Detail)
		}
		t.beepAgrees(rec, r)
	}
	t.figure("%d cycles in %.0f s of guest time: %d pass, nothing found amiss in their sound; exit %d", len(list), took.Seconds(), passed, code)
	if code != 0 || len(list) != cycles || passed != cycles {
		return fmt.Errorf("%d records, %d pass, exit %d; want %d, %d, 0", len(list), passed, code, cycles, cycles)
	}
	if took < least {
		return fmt.Errorf("%d cycles took %v, want %v at least", cycles, took, least)
	}
	if e, found := r.told(func(e recorderEvent) bool { return e.Event == "play" }); found {
		return fmt.Errorf("the player: %s at frame %d", e.Text, e.Frame)
	}
	t.pi.bench.memory = used
	if err := flat(used); err != nil {
		return err
	}
	st, err := r.state()
	if err != nil {
		return err
	}
	if st["resets"] != float64(cycles) {
		return fmt.Errorf("the recorder was reset %v times in %d cycles", st["resets"], cycles)
	}
	return t.booked(cycles)
}

// startUp is what a process may take in its first cycles beside its share, in
// kB: pages of libraries that are read when they are first needed. What grows
// with each cycle shows in a soak's later quarters.
const startUp = 8 << 10

// flat is true of a memory that does not grow: not by more than four tenths
// over the first cycle, in which the ring of sound and the heap come, and in a long
// soak not by more than a tenth from the quarter after the first to the last, by
// their medians: a heap breathes by 2 MB.
func flat(used []memory) error {
	if len(used) == 0 {
		return errors.New("no cycle's memory was looked at")
	}
	for _, part := range []struct {
		name string
		kB   func(memory) int
	}{{"resetrig", func(m memory) int { return m.rig }}, {"the microphone's process", func(m memory) int { return m.mic }}} {
		var list []float64
		for _, m := range used {
			list = append(list, float64(part.kB(m)))
		}
		n := len(list)
		if first, last := list[0], list[n-1]; last > first*1.4+startUp {
			return fmt.Errorf("%s grew from %.0f kB after cycle 1 to %.0f kB after cycle %d", part.name, first, last, n)
		}
		if n < 16 {
			continue
		}
		if early, late := median(list[n/4:n/2]), median(list[n-n/4:]); late > early*1.1 {
			return fmt.Errorf("%s grew from %.0f kB in the second quarter of the soak to %.0f kB in the last", part.name, early, late)
		}
	}
	return nil
}

func median(list []float64) float64 { return slices.Sorted(slices.Values(list))[len(list)/2] }

// booked wants the books to have every cycle, and none open.
func (t *trial) booked(cycles int) error {
	l, err := t.startRig(shipped, "list", "--json")
	if err != nil {
		return err
	}
	if _, err := l.wait(20 * time.Second); err != nil {
		return err
	}
	var run struct {
		Counts struct {
			Begun, Open int
			First       struct{ Pass int }
		}
	}
	if err := json.Unmarshal([]byte(l.stdout()), &run); err != nil {
		return fmt.Errorf("resetrig list: %w: %s", err, l.tail())
	}
	c := run.Counts
	t.figure("in the books: %d cycles begun, %d passed at the first attempt, %d open", c.Begun, c.First.Pass, c.Open)
	if c.Begun != cycles || c.First.Pass != cycles || c.Open != 0 {
		return fmt.Errorf("the books do not account for %d cycles: %+v", cycles, c)
	}
	return nil
}

// whole is text up to its last line's end.
func whole(s string) string { return s[:strings.LastIndex(s, "\n")+1] }

// held is a figure of a process's memory in kB (proc(5), status).
func held(pid int, what string) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, what); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}
