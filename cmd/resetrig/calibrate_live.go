package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"resetrig/audio"
	"resetrig/config"
	"resetrig/rig"
	"resetrig/soak"
)

// liveCalibration is what the command line says of a calibration at a bench.
type liveCalibration struct {
	bench, scenario string
	said            string // the serial of the unit that may be wiped
	reset           bool
	beeps           int
	span            time.Duration
}

// recordLive makes the recordings of beeps at a bench that a calibration is
// learned from, in the folder dir, and fills in where they come from.
func (a *app) recordLive(ctx context.Context, l liveCalibration, dir string, learned *config.Calibration) ([]string, error) {
	cfg, model, err := a.loadBench(l.bench)
	if err != nil {
		return nil, err
	}
	learned.Bench = cfg.Name
	if cfg.Ear != nil {
		learned.Device = cfg.Ear.Device
	}
	switch {
	case cfg.Simulate == nil && cfg.Ear == nil, cfg.Simulate != nil && !cfg.Simulate.Ear:
		return nil, usage(fmt.Errorf("%s: the bench has no ear", cfg.File))
	case l.reset:
		return a.recordResets(ctx, cfg, model, l, dir)
	case cfg.Simulate != nil:
		return nil, usage(fmt.Errorf("%s: a simulated bench has no sound outside its cycles: let it be reset with --reset", cfg.File))
	}
	name := filepath.Join(dir, "room.wav")
	return []string{name}, a.recordBench(ctx, cfg, model, l, name)
}

// recordBench records a bench's microphone until enough long beeps were heard.
func (a *app) recordBench(ctx context.Context, cfg *config.Bench, model *config.Model, l liveCalibration, wav string) (err error) {
	capture, _, _, err := a.openEar(cfg, model, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, capture.Close()) }()
	ear, err := audio.NewEar(capture, micRate, audio.Profile{}, 0)
	if err != nil {
		return usage(err)
	}
	if err := ear.Begin(ctx, wav); err != nil {
		return rigError(err)
	}
	defer func() { err = errors.Join(err, ear.End(true)) }()
	fmt.Fprintf(a.err, "resetrig: listening for %d long beeps, for %v at most; let the recorder beep now\n", l.beeps, l.span)
	heard := map[int]bool{}
	known := map[string]bool{}
	for start := time.Now(); time.Since(start) < l.span && len(heard) < l.beeps; {
		h, err := ear.Listen(ctx, time.Now().Add(250*time.Millisecond))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return rigError(err)
		}
		a.newFindings(h.Findings, known)
		for _, b := range h.Beeps {
			if b.Long && b.Ended && !heard[b.ID] {
				heard[b.ID] = true
				a.sayBeep(len(heard), l.beeps, b)
			}
		}
	}
	return nil
}

// newFindings says each finding of the ear once.
func (a *app) newFindings(fs []rig.Finding, known map[string]bool) {
	for _, f := range fs {
		if !known[f.Name] {
			known[f.Name] = true
			fmt.Fprintf(a.err, "resetrig: microphone: %s: %s\n", f.Name, f.Detail)
		}
	}
}

func (a *app) sayBeep(n, of int, b rig.Beep) {
	fmt.Fprintf(a.err, "resetrig: %d of %d: %.1f Hz, %.2f s, %.1f dBFS\n", n, of, b.FrequencyHz, b.Duration().Seconds(), b.LevelDBFS)
}

// recordResets lets the rig reset the unit, and keeps the sound around each
// power-on. The cycles are booked; they hear any long beep, for nothing is known
// of it yet.
func (a *app) recordResets(ctx context.Context, cfg *config.Bench, model *config.Model, l liveCalibration, dir string) ([]string, error) {
	if cfg.Simulate == nil {
		if err := a.mayWipe(cfg, l); err != nil {
			return nil, err
		}
	}
	sc, err := loadScenario(l.scenario, nil)
	if err != nil {
		return nil, err
	}
	params := map[string]string{}
	if _, asks := sc.Params["beep"]; asks {
		params["beep"] = string(rig.BeepExpected) // what it sounds like is not known yet
	}
	var tape *tape
	s := series{
		kind: "soak", scenario: l.scenario, params: params, keep: "none",
		plan: soak.Plan{Cycles: l.beeps, StopAfterErrors: 1},
		wired: func(w *wiring) error {
			var err error
			tape, err = newTape(a, w, model, dir, l.beeps)
			return err
		},
	}
	fmt.Fprintf(a.err, "resetrig: resetting %d times by %s\n", l.beeps, l.scenario)
	progress := a.newProgress(false)
	res, err := a.performOn(ctx, cfg, model, s, func(r rig.Record) { progress.done(r, l.beeps) }, nil)
	if err := finished(res, err); err != nil && (tape == nil || len(tape.files) == 0 || context.Cause(ctx) != nil) {
		return nil, err
	} else if err != nil {
		fmt.Fprintf(a.err, "resetrig: not every reset ended well: `resetrig report %s` tells; learning from what was heard\n", res.run.ID)
	}
	return tape.files, nil
}

// mayWipe asks for the serial of the unit that is to be wiped.
func (a *app) mayWipe(cfg *config.Bench, l liveCalibration) error {
	if cfg.DUT.Serial == "" {
		return usage(fmt.Errorf("%s: --reset wipes the DUT that dut.serial names only, and the file names none", cfg.File))
	}
	said := l.said
	if said == "" {
		fmt.Fprintf(a.err, "This resets the unit with serial %s %d times: everything on it is wiped.\nType its serial to go on: ", cfg.DUT.Serial, l.beeps)
		if _, err := fmt.Fscanln(a.in, &said); err != nil {
			return usage(fmt.Errorf("nothing was reset: no answer; --yes-wipe %s answers for you", cfg.DUT.Serial))
		}
	}
	if said != cfg.DUT.Serial {
		return usage(fmt.Errorf("nothing was reset: the bench's DUT has serial %s, not %s", cfg.DUT.Serial, said))
	}
	return nil
}

// tape is the ear of a bench that is being calibrated: it knows nothing of the
// beep, and keeps the sound from before each cycle's last power-on in its act to
// after its release.
type tape struct {
	*audio.Ear
	app      *app
	clock    rig.Clock
	dir      string
	want     int
	files    []string
	from, to time.Time
	pressed  bool
}

const (
	tapeBefore = 5 * time.Second // of the room, before the power comes
	tapeAfter  = 3 * time.Second // for the beep's end
)

// newTape takes the place of the bench's ear.
func newTape(a *app, w *wiring, model *config.Model, dir string, want int) (*tape, error) {
	rate := micRate
	if w.world != nil {
		rate = simRate
	}
	ear, err := audio.NewEar(w.source, rate, audio.Profile{Long: model.Beep.Long}, 0)
	if err != nil {
		return nil, usage(err)
	}
	t := &tape{Ear: ear, app: a, clock: w.bench.Clock, dir: dir, want: want}
	w.bench.Ear, w.bench.EarCalibrated, w.bench.Observer = t, false, t
	return t, nil
}

// Begin is rig.Ear's; the sound is spooled wherever the cycle keeps none.
func (t *tape) Begin(ctx context.Context, _ string) error {
	t.from, t.to, t.pressed = time.Time{}, time.Time{}, false
	return t.Ear.Begin(ctx, filepath.Join(t.dir, "cycle.wav"))
}

// Observe is rig.Observer's: it notes the moments.
func (t *tape) Observe(e rig.Event) {
	if e.Kind != "relay" {
		return
	}
	switch {
	case e.Name != "power" && e.On:
		t.pressed = true
	case e.Name != "power":
		t.to = t.clock.Now().Add(tapeAfter)
	case e.On && (t.pressed || t.from.IsZero()):
		t.from, t.pressed = t.clock.Now().Add(-tapeBefore), false
	}
}

// End is rig.Ear's: it cuts the recording out of the cycle's.
func (t *tape) End(bool) error {
	if t.from.IsZero() {
		return t.Ear.End(false)
	}
	if t.to.Before(t.from) {
		t.to = t.clock.Now()
	}
	name := filepath.Join(t.dir, fmt.Sprintf("beep-%d.wav", len(t.files)+1))
	err := t.Ear.Clip(name, t.from, t.to)
	if err == nil {
		t.files = append(t.files, name)
	}
	return errors.Join(err, t.Ear.End(false))
}
