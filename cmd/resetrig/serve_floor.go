package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
	"resetrig/web"
)

// floor is where the benches of this process stand: what runs on each, and who
// may ask what of it. It is the dashboard's Doer. Nothing that it does switches
// a relay on: it begins soaks, as the command line does, and ends them.
type floor struct {
	a         *app
	db        *store.Store
	live      *web.Live
	committed func()            // this process has committed a record
	super     *supervisor       // systemd
	files     map[string]string // bench → its file, "" is the simulated one
	scenarios map[string]string // name → file, beside the shipped ones
	// jobs are begun by the goroutine that owns the runs; nil where this process
	// runs its own soak and begins nothing from outside.
	jobs    chan floorJob
	closing chan struct{} // closed: nothing is begun any more

	mu     sync.Mutex
	shifts map[string]*shift // by bench
	unsafe error             // of a run whose safe state was not reached
}

type floorJob struct {
	s *shift
	j soakJob
}

var _ web.Doer = (*floor)(nil)

func newFloor(a *app, db *store.Store, live *web.Live, committed func()) *floor {
	return &floor{a: a, db: db, live: live, committed: committed, files: map[string]string{}, scenarios: map[string]string{}, shifts: map[string]*shift{}, closing: make(chan struct{})}
}

// quietly does something for the dashboard: a panic in it costs the page, and
// nothing else.
func (f *floor) quietly(doing string, do func()) {
	if err := rig.Guarded(func() error { do(); return nil }); err != nil {
		f.a.log.Error("the dashboard: "+doing, "err", err)
	}
}

// run begins what is asked for, a goroutine for each run, until ctx ends; then
// it waits until every run has stopped in its orderly way.
func (f *floor) run(ctx context.Context) error {
	var wg sync.WaitGroup
	for {
		select {
		case <-ctx.Done():
			close(f.closing)
			wg.Wait()
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.unsafe
		case job := <-f.jobs:
			wg.Go(func() { f.perform(ctx, job) })
		}
	}
}

// perform runs one job on a bench that was entered for it.
func (f *floor) perform(ctx context.Context, job floorJob) {
	p := f.a.newProgress(false)
	p.live, p.brief, p.name = false, true, job.s.bench+"  "
	job.j.quiet = true
	job.j.s.super = f.super
	err := job.s.perform(ctx, job.j, p, false)
	var unsafe *rig.UnsafeError
	if errors.As(err, &unsafe) {
		fmt.Fprintf(f.a.err, "resetrig: bench %s: %v\n", job.s.bench, err)
		f.mu.Lock()
		f.unsafe = errors.Join(f.unsafe, err)
		f.mu.Unlock()
	}
}

// enter takes a bench for a run; ErrRefused where one is on it.
func (f *floor) enter(bench string) (*shift, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.shifts[bench]; s != nil {
		if s.held() {
			return nil, fmt.Errorf("%w: bench %s was cut in an emergency, and its lines are held: let it go first (go on)", web.ErrRefused, bench)
		}
		return nil, fmt.Errorf("%w: something runs on bench %s already: one run at a time has a bench", web.ErrRefused, bench)
	}
	s := newShift(f, bench)
	f.shifts[bench] = s
	return s, nil
}

func (f *floor) leave(s *shift) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.shifts, s.bench)
}

// on is what runs on a bench of this process; nil is nothing.
func (f *floor) on(bench string) *shift {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shifts[bench]
}

// runs is the shift that works on a run; nil where none here does.
func (f *floor) runs(run string) *shift {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.shifts {
		if run != "" && s.id() == run {
			return s
		}
	}
	return nil
}

// beginWithin is how long a start waits for the run to be in the books.
const beginWithin = 20 * time.Second

// Start is web.Doer.
func (f *floor) Start(ctx context.Context, w web.Start) (string, error) {
	if f.jobs == nil {
		return "", fmt.Errorf("%w: this process runs its own soak; `resetrig serve` begins others", web.ErrRefused)
	}
	file, known := f.files[w.Bench]
	if !known {
		return "", fmt.Errorf("%w: there is no bench %q here", web.ErrNotFound, w.Bench)
	}
	s, err := f.enter(w.Bench)
	if err != nil {
		return "", err
	}
	j, err := f.job(ctx, w, file)
	if err != nil {
		f.leave(s)
		return "", f.wrong(err)
	}
	late := time.NewTimer(beginWithin)
	defer late.Stop()
	select {
	case f.jobs <- floorJob{s, j}:
	case <-f.closing:
		f.leave(s)
		return "", fmt.Errorf("%w: this process is about to end", web.ErrRefused)
	}
	select {
	case <-s.begun:
		return s.id(), nil
	case <-s.ended:
		if id := s.id(); id != "" { // it was begun, and soon over
			return id, nil
		}
		return "", f.wrong(s.failed())
	case <-late.C:
		return "", fmt.Errorf("%w: the bench is still being made ready; look at it again", web.ErrRefused)
	}
}

// wrong is an error of a start as the person is told it.
func (f *floor) wrong(err error) error {
	var e *exit
	switch {
	case err == nil:
		return fmt.Errorf("%w: it ended at once", web.ErrRefused)
	case errors.Is(err, web.ErrRefused), errors.Is(err, web.ErrInput), errors.Is(err, web.ErrNotFound):
		return err
	case errors.As(err, &e) && e.code == exitUsage:
		return fmt.Errorf("%w: %w", web.ErrInput, err)
	}
	return fmt.Errorf("%w: %w", web.ErrRefused, err)
}

// job is what is asked for, as the command line would have made it.
func (f *floor) job(ctx context.Context, w web.Start, file string) (soakJob, error) {
	if w.Resume != "" {
		return f.resume(ctx, w, file)
	}
	cfg, model, err := f.a.readBench(file)
	if err != nil {
		return soakJob{}, err
	}
	plan, err := f.plan(w, cfg)
	if err != nil {
		return soakJob{}, usage(err)
	}
	return f.a.job(cfg, model, file, plan, soakFlags{})
}

// plan is a start as a plan.
func (f *floor) plan(w web.Start, cfg *config.Bench) (*config.Plan, error) {
	p := &config.Plan{Name: "dashboard", Retries: config.Unset, Stop: config.NoPlanStop(), Labels: w.Labels, Cycles: w.Cycles, Prove: w.Prove, ControlsEvery: w.ControlsEvery}
	for _, d := range []struct {
		name, text string
		to         *time.Duration
	}{{"for", w.For, &p.For}, {"hold", w.Hold, new(time.Duration)}} {
		if d.text == "" {
			continue
		}
		t, err := time.ParseDuration(d.text)
		if err != nil || t <= 0 {
			return nil, fmt.Errorf("%s %q: want a time above zero, like 72h or 90m", d.name, d.text)
		}
		if *d.to = t; d.name == "hold" {
			p.Hold = &config.PlanHold{For: t, Then: "end"}
		}
	}
	name, err := f.scenario(w.Scenario)
	if err != nil {
		return nil, err
	}
	p.Scenarios = config.PlanEntries{{Scenario: name, Params: w.Params}}
	for _, c := range w.Controls {
		if name, err = f.scenario(c); err != nil {
			return nil, err
		}
		p.Controls = append(p.Controls, config.PlanEntry{Scenario: name})
	}
	benchUnder(p, cfg.Soak)
	text, err := config.PlanYAML(p) // the rules of a plan file hold for a page's too
	if err != nil {
		return nil, err
	}
	return config.LoadPlan("what was asked for", text)
}

// scenario is a scenario that may be begun from outside: a shipped one, or a
// file that was named when the program was started. Any other file may be
// anything, and have programs to run in it.
func (f *floor) scenario(name string) (string, error) {
	if file, ok := f.scenarios[name]; ok {
		return file, nil
	}
	if _, _, shipped := shippedScenario(name); shipped {
		return name, nil
	}
	return "", fmt.Errorf("there is no scenario %q here: there are the shipped ones, and the files that `resetrig serve --scenario` named", name)
}

// resume is what is left of a run that ended or was interrupted.
func (f *floor) resume(ctx context.Context, w web.Start, file string) (soakJob, error) {
	run, err := f.db.Run(ctx, w.Resume)
	if err != nil {
		return soakJob{}, webError(err)
	}
	abs := file
	if file != "" {
		if abs, err = filepath.Abs(file); err != nil {
			return soakJob{}, err
		}
	}
	switch {
	case run.Kind != store.KindSoak || run.Frozen["plan"] == "":
		return soakJob{}, fmt.Errorf("%w: run %s is no soak that can be resumed", web.ErrInput, run.ID)
	case run.Bench != w.Bench || run.Frozen[frozenBenchFile] != abs:
		return soakJob{}, fmt.Errorf("%w: soak %s runs on bench %s, %s", web.ErrInput, run.ID, run.Bench, run.Frozen[frozenBenchFile])
	}
	if state, err := f.state(ctx, run.ID); err != nil || state == store.StateRunning {
		return soakJob{}, errors.Join(err, fmt.Errorf("%w: soak %s is running", web.ErrRefused, run.ID))
	}
	if done, err := soakIsDone(ctx, f.db, run); err != nil || done {
		return soakJob{}, errors.Join(err, fmt.Errorf("%w: nothing is left of the plan of soak %s", web.ErrRefused, run.ID))
	}
	for { // what was asked of it before it ended is over
		if asked, err := f.db.Asked(ctx, run.ID, time.Now()); err != nil || asked == "" {
			break
		}
	}
	// Where it cannot go on the bench is made safe: only if nobody else has it.
	cfg, _, err := f.a.readBench(file)
	if err != nil {
		return soakJob{}, err
	}
	unlock, err := lockBench(cfg)
	if err != nil {
		return soakJob{}, err
	}
	defer unlock()
	return f.a.resumed(run, soakFlags{anyway: w.Anyway}, func(*config.Plan) error { return nil })
}

func (f *floor) state(ctx context.Context, run string) (store.State, error) {
	sums, err := f.db.List(ctx, store.Filter{Run: run})
	if err != nil {
		return "", err
	}
	if len(sums) != 1 {
		return "", fmt.Errorf("%w: there is no run %q", web.ErrNotFound, run)
	}
	return sums[0].State, nil
}

// Ask is web.Doer.
func (f *floor) Ask(ctx context.Context, run string, w soak.Wish) error {
	if s := f.runs(run); s != nil && w == soak.WishGoOn && s.letGo() {
		return nil
	}
	state, err := f.state(ctx, run)
	if err != nil {
		return webError(err)
	}
	if state != store.StateRunning {
		return fmt.Errorf("%w: run %s is not running: it is %s", web.ErrRefused, run, state)
	}
	return webError(f.db.Ask(ctx, run, string(w), time.Now()))
}

// Halt is web.Doer.
func (f *floor) Halt(ctx context.Context, bench string, how web.Halting) (web.Halted, error) {
	if s := f.on(bench); s != nil {
		return s.halt(how)
	}
	running, err := f.db.Running(ctx)
	if err != nil {
		return web.Halted{}, err
	}
	if i := slices.IndexFunc(running, func(r store.Summary) bool { return r.Bench == bench }); i >= 0 {
		return web.Halted{}, fmt.Errorf("%w: run %s on bench %s belongs to another process%s: end it after its cycle from here, or stop it there (Ctrl-C, kill -INT; twice cuts everything)",
			web.ErrRefused, running[i].ID, bench, f.holderOf(bench))
	}
	file, known := f.files[bench]
	switch {
	case !known:
		return web.Halted{}, fmt.Errorf("%w: there is no bench %q here", web.ErrNotFound, bench)
	case file == "":
		return web.Halted{}, fmt.Errorf("%w: nothing runs on bench %s", web.ErrRefused, bench)
	}
	return web.Halted{}, fmt.Errorf("%w: nothing runs on bench %s, so that nobody here holds its lines: `resetrig safe --bench %s` opens every press, with --cut it takes the power too", web.ErrRefused, bench, file)
}

// holderOf says which process has a bench, where the kernel tells.
func (f *floor) holderOf(bench string) string {
	file, known := f.files[bench]
	if !known || file == "" {
		return ""
	}
	cfg, _, err := f.a.readBench(file)
	if err != nil {
		return ""
	}
	for _, n := range lockNames(cfg) {
		if h := holder(n); h != "" {
			return h
		}
	}
	return ""
}
