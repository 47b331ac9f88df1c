package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"resetrig/rig"
)

// edgeTolerance is how far the record's time of a switching may be from the
// kernel's: what the rig says of its relays must be true.
const edgeTolerance = 5 * time.Millisecond

// cycleWithin bounds a whole cycle of guest time: 10 s off, 20 s hold, 20 s
// stable, two boots, and the health check.
const cycleWithin = 3 * time.Minute

// runCycle runs one cycle and returns its record.
func (t *trial) runCycle(b bench, scenario string) (rig.Record, *recorder, error) {
	var none rig.Record
	file, err := b.write(t.dir)
	if err != nil {
		return none, nil, err
	}
	r, err := t.startRecorder(b)
	if err != nil {
		return none, r, err
	}
	p, err := t.startRig("/bin/resetrig", "run", scenario, "--bench", file, "--json")
	if err != nil {
		return none, r, err
	}
	began := time.Now()
	code, err := p.wait(cycleWithin)
	if err != nil {
		return none, r, err
	}
	span := time.Since(began).Seconds()
	own := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	t.pi.bench.rigShare = own.Seconds() / span
	t.pi.bench.simShare = processor(r.cmd.Process.Pid).Seconds() / span
	t.figure("processor time in %.0f s: resetrig with its microphone %.1f s, the simulated recorder %.1f s, the tests %.1f s",
		span, own.Seconds(), processor(r.cmd.Process.Pid).Seconds(), processor(os.Getpid()).Seconds())
	list, err := records(p.stdout())
	if err != nil {
		return none, r, err
	}
	if len(list) != 1 || code != 0 || list[0].Outcome != rig.Pass {
		return none, r, fmt.Errorf("%s ends with %d and %d records, want 0 and one pass", scenario, code, len(list))
	}
	return list[0], r, nil
}

func hardResetNew(t *trial) error {
	return hardReset(t, bench{generation: "new"})
}

func hardResetOld(t *trial) error {
	return hardReset(t, bench{generation: "old", activeLow: true})
}

func hardReset(t *trial, b bench) error {
	rec, r, err := t.runCycle(b, "imou-hard-reset")
	if err != nil {
		return err
	}
	st, err := r.state()
	if err != nil {
		return err
	}
	if st["resets"] != 1.0 {
		return fmt.Errorf("the recorder was reset %v times, want once", st["resets"])
	}
	if err := t.edgesAgree(b, rec); err != nil {
		return err
	}
	t.beepAgrees(rec, r)
	t.seen = "the power line went " + t.path[powerLine] + ", the press " + t.path[resetLine]
	return t.released(b)
}

func controlShortPress(t *trial) error {
	return control(t, bench{generation: "new"}, "control-short-press")
}

func controlNoPress(t *trial) error {
	return control(t, bench{generation: "old", activeLow: true}, "control-no-press")
}

func control(t *trial, b bench, scenario string) error {
	rec, r, err := t.runCycle(b, scenario)
	if err != nil {
		return err
	}
	st, err := r.state()
	if err != nil {
		return err
	}
	if st["resets"] != 0.0 {
		return fmt.Errorf("the recorder was reset %v times by a control", st["resets"])
	}
	if err := t.edgesAgree(b, rec); err != nil {
		return err
	}
	return t.released(b)
}

// commanded is a change of a line that a switching makes.
type commanded struct {
	relay string
	on    bool
	at    time.Duration // on CLOCK_MONOTONIC
}

// edgesAgree holds the record's switchings against the kernel's trace: the same
// edges, in the same order, at the same time, and no other.
func (t *trial) edgesAgree(b bench, rec rig.Record) error {
	start := onMonotonic(rec.Started)
	worst := time.Duration(0)
	var kernel []commanded
	for _, of := range []struct {
		relay  string
		line   int
		closed bool
	}{{"power", powerLine, b.contact != "no"}, {"reset", resetLine, false}} {
		edges, writes, err := t.pi.trace.edges(of.line)
		if err != nil {
			return err
		}
		energised := high
		if b.activeLow {
			energised = low
		}
		var path []string
		for i, e := range edges {
			path = append(path, e.to.String())
			// The first is the request and the last the release: they switch nothing.
			if e.from != undriven && e.to != undriven {
				kernel = append(kernel, commanded{of.relay, (e.to == energised) != of.closed, e.at})
			}
			if e.from == undriven && i > 0 {
				return fmt.Errorf("the %s line was given up and taken again: %v", of.relay, levels(edges))
			}
			if e.from == undriven && e.to == energised {
				return fmt.Errorf("the %s line was energised by its request: %v", of.relay, levels(edges))
			}
			if e.to == undriven && e.from == energised && i+1 == len(edges) {
				return fmt.Errorf("the %s line was still energised when it was given back", of.relay)
			}
		}
		t.path[of.line] = strings.Join(path, " → ")
		t.figure("%s line GPIO%d: %s; %d writes", of.relay, of.line, t.path[of.line], writes)
	}
	sortByTime(kernel)
	var said []commanded
	for _, e := range rec.Timeline {
		if e.Kind == "relay" {
			said = append(said, commanded{e.Name, e.On, start + e.At})
		}
	}
	if len(said) != len(kernel) {
		return fmt.Errorf("the record has %d switchings and the kernel %d", len(said), len(kernel))
	}
	var pressed, released time.Duration
	for i, k := range kernel {
		s := said[i]
		if s.relay != k.relay || s.on != k.on {
			return fmt.Errorf("switching %d: the record says %s %v, the kernel %s %v", i+1, s.relay, s.on, k.relay, k.on)
		}
		late := s.at - k.at
		if late.Abs() > worst.Abs() {
			worst = late
		}
		if k.relay == "reset" && k.on {
			pressed = k.at
		} else if k.relay == "reset" {
			released = k.at
		}
		t.figure("%s %-5v kernel %.6f s, record %+.3f ms", k.relay, k.on, k.at.Seconds(), ms(late))
		t.pi.bench.step = append(t.pi.bench.step, late)
		if begun, found := stepOf(rec, k); found {
			t.pi.bench.toEdge = append(t.pi.bench.toEdge, k.at-start-begun)
		}
	}
	if worst.Abs() > edgeTolerance {
		return fmt.Errorf("the record is %v away from the kernel's edge, want %v at most", worst, edgeTolerance)
	}
	if pressed != 0 {
		length := released - pressed
		said := measured(rec, "press_duration")
		t.figure("press, edge to edge: %.6f s; press_duration in the record %.6f s", length.Seconds(), said)
		if math.Abs(length.Seconds()-said) > edgeTolerance.Seconds() {
			return fmt.Errorf("the press lasted %v edge to edge, and the record says %.6f s", length, said)
		}
	}
	return nil
}

// stepOf is when the step began that pressed or released. A switching of the
// power begins with questions to the recorder, which take their time.
func stepOf(rec rig.Record, k commanded) (begun time.Duration, found bool) {
	if k.relay != "reset" {
		return 0, false
	}
	name := map[bool]string{true: "press reset", false: "release reset"}[k.on]
	for _, s := range rec.Steps {
		if s.Step == name {
			return s.Began, true
		}
	}
	return 0, false
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func sortByTime(list []commanded) {
	for i := range list {
		for k := i; k > 0 && list[k].at < list[k-1].at; k-- {
			list[k], list[k-1] = list[k-1], list[k]
		}
	}
}

// measured is a measurement of a record, NaN where it has none.
func measured(rec rig.Record, name string) float64 {
	for _, m := range rec.Measurements {
		if m.Name == name {
			return m.Value
		}
	}
	return math.NaN()
}

// beepAgrees compares the long beep of the record with what the player played.
func (t *trial) beepAgrees(rec rig.Record, r *recorder) {
	start := onMonotonic(rec.Started)
	r.mu.Lock()
	events := append([]recorderEvent{}, r.events...)
	r.mu.Unlock()
	for _, b := range rec.Beeps {
		if b.Kind != "long" {
			continue
		}
		best := time.Hour
		for _, e := range events {
			if e.Event == "tone" && e.On {
				if d := start + b.Onset - time.Duration(e.Mono); d.Abs() < best.Abs() {
					best = d
				}
			}
		}
		t.figure("long beep: record %+.1f ms after it was played", ms(best))
		t.pi.bench.beep = append(t.pi.bench.beep, best)
	}
}

// released is true when both lines are given back.
func (t *trial) released(bench) error {
	for _, line := range []int{powerLine, resetLine} {
		if l := t.pi.level(line); l != undriven {
			return fmt.Errorf("GPIO%d is %v after the end", line, l)
		}
	}
	return nil
}
