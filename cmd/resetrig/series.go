package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
)

// series is one invocation: a cycle or a soak.
type series struct {
	kind     string // cycle, soak
	bench    string // file, "" for the simulated one
	scenario string // name or file
	params   map[string]string
	plan     soak.Plan
	keep     string // sound: fails, all, none, or "" for the bench's usual
	// wired, if not nil, is told the bench when it was plugged together.
	wired func(*wiring) error
}

// result is what a series leaves behind.
type result struct {
	run   store.Run
	tally soak.Tally
	// control is true where the scenario is a control.
	control bool
}

// loadScenario is a shipped scenario by name, or a file.
func loadScenario(name string, params map[string]string) (*rig.Scenario, error) {
	if data, file, ok := shippedScenario(name); ok {
		sc, err := config.LoadScenario(file, data, params)
		return sc, usage(err)
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, usage(fmt.Errorf("scenario %q: there is no shipped one of that name and no such file; `resetrig scenarios` lists the shipped ones", name))
	}
	data, err := config.ReadFile(name)
	if err != nil {
		return nil, usage(err)
	}
	sc, err := config.LoadScenario(name, data, params)
	return sc, usage(err)
}

// openStore opens the results, and closes the books of runs that died.
func (a *app) openStore(ctx context.Context) (*store.Store, error) {
	s, err := store.Open(filepath.Join(a.state, "resetrig.db"))
	if err != nil {
		return nil, rigError(err)
	}
	closed, err := s.CloseInterrupted(ctx)
	for _, r := range closed {
		fmt.Fprintf(a.err, "resetrig: cycle %s was interrupted by the end of its program: booked as aborted (interrupted)\n", r.ID)
	}
	if err != nil {
		return nil, rigError(errors.Join(err, s.Close()))
	}
	return s, nil
}

// perform runs a series on a bench and books it. each is told every record as
// it is committed. The error is the series' own; outcomes are in the result.
func (a *app) perform(ctx context.Context, s series, each func(rig.Record), observe rig.Observer) (res result, err error) {
	cfg, model, err := a.loadBench(s.bench)
	if err != nil {
		return res, err
	}
	return a.performOn(ctx, cfg, model, s, each, observe)
}

// performOn is perform on a bench that is loaded.
func (a *app) performOn(ctx context.Context, cfg *config.Bench, model *config.Model, s series, each func(rig.Record), observe rig.Observer) (res result, err error) {
	sc, err := loadScenario(s.scenario, s.params)
	if err != nil {
		return res, err
	}
	db, err := a.openStore(ctx)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, rigError(db.Close())) }()

	p := parts{relays: true, ear: true, senses: true, plan: func(b *rig.Bench) error {
		return usage(b.Plan(sc, s.plan.Cycles))
	}}
	if cfg.Simulate == nil {
		p.accounts = db
	}
	w, err := a.wire(cfg, model, p)
	if err != nil {
		return res, err
	}
	var j *journal
	defer func() {
		if j != nil { // the lines are given back: now there is time
			j.pictures.draw(context.WithoutCancel(ctx))
		}
	}()
	defer func() { err = errors.Join(err, w.close()) }()
	w.bench.Observer = observe
	if s.wired != nil {
		if err := s.wired(w); err != nil {
			return res, err
		}
	}
	if w.bench.Operations, err = db.Operations(ctx, cfg.Name); err != nil {
		return res, rigError(err)
	}
	a.warnOfWear(w.bench)

	run := store.Run{
		ID: runID(), Kind: s.kind, Bench: cfg.Name, Scenario: sc.Name, Planned: s.plan.Cycles,
		Started: time.Now(), Version: version, Frozen: map[string]string{"scenario": sc.Source, "bench": cfg.File},
	}
	maps.Copy(run.Frozen, sc.Params)
	if err := db.BeginRun(ctx, run); err != nil {
		return res, rigError(err)
	}
	res.run, res.control = run, sc.Control
	j = &journal{a: a, db: db, run: run, sc: sc, keep: s.keep, simulated: cfg.Simulate != nil, each: each, pictures: pictures{app: a}}
	if w.ear != nil {
		j.pictures.profile = w.ear.Profile()
	}
	res.tally, err = soak.Run(ctx, w.bench, sc, s.plan, j, w.before)
	select {
	case <-a.emergency: // perhaps when the bench was disarmed already: once more, and all of it
		err = errors.Join(err, w.bench.Arm(context.Background(), func(context.Context, *rig.Armed) error { return nil }))
	default:
	}
	var lost *soak.LostRecordError
	if errors.As(err, &lost) {
		err = errors.Join(err, a.rescue(lost.Record))
	}
	note := res.tally.Stopped
	if err != nil {
		note = err.Error()
	}
	end := db.EndRun(context.WithoutCancel(ctx), run.ID, time.Now(), exitOf(res, err), note)
	return res, errors.Join(err, rigError(end))
}

// exitOf is the code of a series: the first that holds of 5, 4, 1, 3, 0.
func exitOf(res result, err error) int {
	var unsafe *rig.UnsafeError
	t := res.tally
	switch {
	case errors.As(err, &unsafe):
		return exitUnsafe
	case t.Aborted > 0, errors.Is(err, rig.ErrStop), errors.Is(err, rig.ErrEmergency):
		return exitAborted
	case t.Fails() > 0:
		return exitFail
	case t.Errors > 0, err != nil:
		return exitError
	}
	return exitPass
}

// finished turns a series into the process's end: its code, and what is left to
// say.
func finished(res result, err error) error {
	if err == nil && exitOf(res, nil) == exitPass {
		return nil
	}
	var e *exit
	if errors.As(err, &e) && res.tally.Cycles == 0 {
		return err // nothing ran
	}
	if errors.Is(err, rig.ErrStop) || errors.Is(err, rig.ErrEmergency) || errors.Is(err, soak.ErrStopRule) {
		var unsafe *rig.UnsafeError
		if !errors.As(err, &unsafe) && errors.Is(err, soak.ErrStopRule) {
			return &exit{exitOf(res, err), err}
		}
	}
	return &exit{exitOf(res, err), err}
}

// warnOfWear says which relays have used up most of their life.
func (a *app) warnOfWear(b *rig.Bench) {
	for _, s := range b.Specs {
		if n := b.Operations[s.Name]; s.Life > 0 && n*10 > int64(s.Life)*8 {
			fmt.Fprintf(a.err, "resetrig: relay %s has %d of its %d operations behind it: plan its replacement\n", s.Name, n, s.Life)
		}
	}
}

// rescue writes a record that the store did not take to a file beside it, and
// to stderr where that fails too: a result is never lost.
func (a *app) rescue(r rig.Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name := filepath.Join(a.state, "rescued-"+r.ID+".json")
	if err := os.WriteFile(name, append(data, '\n'), 0o600); err == nil {
		return fmt.Errorf("it was saved as %s", name)
	}
	fmt.Fprintf(a.err, "%s\n", data)
	return errors.New("it was printed above, on stderr")
}

// runID is unique and sorts by time.
func runID() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // it never fails
	return fmt.Sprintf("%s-%x", time.Now().UTC().Format("20060102-150405"), b)
}

// journal books the cycles of a run.
type journal struct {
	a         *app
	db        *store.Store
	run       store.Run
	sc        *rig.Scenario
	keep      string
	simulated bool
	each      func(rig.Record)
	dir       string
	pictures  pictures
}

func (j *journal) Begin(ctx context.Context, cycle, attempt int) (rig.CycleSpec, error) {
	j.pictures.draw(ctx) // those of the cycle before; a stop leaves them for the end
	id := fmt.Sprintf("%s-%04d", j.run.ID, cycle)
	if attempt > 1 {
		id += fmt.Sprintf("r%d", attempt)
	}
	c := rig.CycleSpec{ID: id, Run: j.run.ID, Cycle: cycle, Attempt: attempt, Version: version}
	err := j.db.BeginCycle(ctx, store.Cycle{
		ID: id, Run: j.run.ID, N: cycle, Attempt: attempt,
		Control: j.sc.Control, Scenario: j.sc.Name, Started: time.Now(),
	})
	if err != nil {
		return c, err
	}
	// A simulated room sounds the same again under its seed: its sound is kept
	// only on request.
	if j.keep == "none" || j.keep == "" && j.simulated && !needsDir(j.sc) {
		return c, nil
	}
	j.dir = filepath.Join(j.a.state, "artifacts", id)
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return c, fmt.Errorf("make a folder for the cycle's evidence: %w", err)
	}
	c.Dir = j.dir
	return c, nil
}

// needsDir reports whether a step of the scenario leaves an artifact.
func needsDir(sc *rig.Scenario) bool {
	for _, phase := range [][]rig.Step{sc.Arrange, sc.Act, sc.Assert} {
		for _, s := range phase {
			if _, ok := s.(rig.Exec); ok {
				return true
			}
		}
	}
	return false
}

func (j *journal) Commit(ctx context.Context, r rig.Record) error {
	if name := j.pictures.later(j.dir, r); name != "" {
		r.Artifacts = append(slices.Clip(r.Artifacts), name)
	}
	if err := j.db.Commit(ctx, r); err != nil {
		return err
	}
	if j.dir != "" {
		_ = os.Remove(j.dir) // only if nothing was kept in it
		j.dir = ""
	}
	if j.each != nil {
		j.each(r)
	}
	return nil
}
