package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/soak/stats"
	"resetrig/store"
)

// series is one invocation: a cycle or a soak.
type series struct {
	kind     string // cycle, soak
	bench    string // file, "" for the simulated one
	scenario string // name or file, where the plan names none
	params   map[string]string
	plan     soak.Plan
	keep     string           // which evidence is kept, see config.Evidence; "" for what plan and bench say
	evidence *config.Evidence // the plan's; nil: the bench's
	// wired, if not nil, is told the bench when it was plugged together.
	wired func(*wiring) error
	// watch, if not nil, is told what the soak does.
	watch func(soak.Status)
	// begun, if not nil, is told the run when it is in the books.
	begun func(context.Context, *store.Store, store.Run)
	// cycle, if not nil, is told the ID of each cycle that begins.
	cycle func(id string)
	// parting, if not nil, is called when the run is over and its lines are still
	// held.
	parting func(context.Context)
	// super, if not nil, is told that the soak makes progress.
	super *supervisor

	labels map[string]string
	frozen map[string]string // nil: what a series of one scenario runs on
	resume string            // the run to go on with; "" begins one
	anyway bool              // also where a rule had ended it
	// attended: a person watches. A simulated soak that holds for one, for a time,
	// then gives them a fair part of it.
	attended bool
}

// result is what a series leaves behind.
type result struct {
	run   store.Run
	tally soak.Tally
	// control is true where the scenario is a control.
	control bool
	claim   *soak.Claim
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
	if err := s.Recover(ctx); err != nil { // no result is in it
		fmt.Fprintf(a.err, "resetrig: %v\n", err)
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
	if s.plan.Scenarios == nil {
		sc, err := loadScenario(s.scenario, s.params)
		if err != nil {
			return res, err
		}
		s.plan.Scenarios = []soak.Entry{{Scenario: sc}}
	}
	unlock, err := lockBench(cfg)
	if err != nil {
		return res, rigError(err)
	}
	defer unlock()
	if s.resume != "" {
		if err := a.safeFirst(cfg); err != nil {
			return res, err
		}
	}
	db, err := a.openStore(ctx)
	if err != nil {
		return res, errors.Join(a.safeFirst(cfg), err)
	}
	defer func() { err = errors.Join(err, rigError(db.Close())) }()

	p := parts{relays: true, ear: true, senses: true, plan: func(b *rig.Bench) error { return usage(s.plan.Check(b)) }}
	if cfg.Simulate == nil {
		p.accounts = db
	}
	w, err := a.wire(cfg, model, p)
	if err != nil {
		return res, err
	}
	pics := &pictures{app: a, db: db}
	defer func() { pics.draw(context.WithoutCancel(ctx)) }() // the lines are given back: now there is time
	defer func() { err = errors.Join(err, w.close()) }()
	w.bench.Observer = observe
	if s.wired != nil {
		if err := s.wired(w); err != nil {
			return res, err
		}
	}
	res, err = a.performWired(ctx, db, w, s, each, pics)
	if s.parting != nil {
		s.parting(ctx)
	}
	return res, err
}

// performWired runs and books a series on a bench that is plugged together.
func (a *app) performWired(ctx context.Context, db *store.Store, w *wiring, s series, each func(rig.Record), pics *pictures) (res result, err error) {
	first := s.plan.Scenarios[0].Scenario
	run, err := a.beginRun(ctx, db, w.cfg, s)
	if err != nil {
		return res, rigError(err)
	}
	res.run, res.control, res.claim = run, first.Control, s.plan.Claim
	if s.begun != nil {
		s.begun(ctx, db, run)
	}
	if w.bench.Operations, err = db.Operations(ctx, w.cfg.Name); err != nil {
		return res, rigError(err)
	}
	keep, err := newKeeper(ctx, a, db, run, evidenceRule(s, w.cfg))
	if err != nil {
		return res, rigError(err)
	}
	if s.kind == store.KindSoak && s.resume == "" {
		if err := a.sayDisk(ctx, db, w, &s.plan, keep.rule); err != nil {
			return res, rigError(err)
		}
	}
	wear := newWear(w.bench)
	a.warnOfWear(w.bench)
	mark := newMarker(db)
	j := &journal{
		a: a, db: db, run: run, plan: &s.plan, evidence: keep, each: each,
		before: w.before, begins: s.cycle, mark: mark, wear: wear, tell: a.teller(w.cfg, run), pictures: pics,
	}
	pics.drawn = keep.bound
	if w.ear != nil {
		pics.profile = w.ear.Profile()
	}
	w.bench.Observer = observers{w.bench.Observer, mark}
	if s.super != nil {
		p := passer{s.super, w.cfg.Name}
		s.super.join(p.bench)
		defer s.super.leave(p.bench)
		p.onBench(w.bench)
		w.bench.Observer = observers{w.bench.Observer, p}
	}
	done := a.deliver(ctx, db, w.cfg)
	var spins atomic.Bool
	watch := j.watch(s.watch)
	sk := &soak.Soak{
		Bench: w.bench, Plan: s.plan, Journal: j, Anyway: s.anyway,
		Person: person{db: db, run: run.ID, spins: &spins}, Watch: func(st soak.Status) {
			spins.Store(w.world != nil && st.Doing == "hold" && (st.Until.IsZero() || s.attended))
			watch(st)
		},
	}
	if s.resume != "" {
		sk.Past = past(ctx, db, run.ID, first.Control)
	}
	res.tally, err = sk.Run(ctx)
	select {
	case <-a.emergency: // perhaps when the bench was disarmed already: once more, and all of it
		err = errors.Join(err, w.bench.Arm(context.Background(), func(context.Context, *rig.Armed) error { return nil }))
	default:
	}
	mark.close()
	var lost *soak.LostRecordError
	if errors.As(err, &lost) {
		err = errors.Join(err, a.rescue(lost.Record))
	}
	if errors.Is(err, soak.ErrFinished) {
		err = nil
	}
	if werr := wear.book(ctx, db, w.cfg.Name); werr != nil {
		fmt.Fprintf(a.err, "resetrig: the relays' life account lacks the last switchings: %v\n", werr)
	}
	if s.kind != store.KindSweep {
		a.forecast(w.bench, wear, res.tally)
	}
	end := a.endRun(ctx, db, w.cfg, res, err)
	done()
	return res, errors.Join(err, rigError(end))
}

// beginRun begins a run, or goes on with one.
func (a *app) beginRun(ctx context.Context, db *store.Store, cfg *config.Bench, s series) (store.Run, error) {
	if s.resume != "" {
		return db.ResumeRun(ctx, s.resume)
	}
	first := s.plan.Scenarios[0].Scenario
	run := store.Run{
		ID: runID(), Kind: s.kind, Bench: cfg.Name, Scenario: first.Name, Planned: s.plan.Cycles,
		Started: time.Now(), Version: version, Frozen: s.frozen, Labels: s.labels,
	}
	if run.Frozen == nil {
		run.Frozen = map[string]string{"scenario": first.Source, "bench": cfg.File}
		maps.Copy(run.Frozen, first.Params)
	}
	return run, db.BeginRun(ctx, run)
}

// endRun closes the books of a run, and tells of its end.
func (a *app) endRun(ctx context.Context, db *store.Store, cfg *config.Bench, res result, err error) error {
	ctx = context.WithoutCancel(ctx)
	note := res.tally.Stopped
	if err != nil {
		note = err.Error()
	}
	event := "end"
	if err != nil || res.tally.Stopped != "" {
		event = "stop"
	}
	if res.run.Kind == store.KindSoak {
		t := res.tally
		if m, ok := a.teller(cfg, res.run)(notice{Event: event, Text: note, Exit: exitOf(res, err), Tally: &t}); ok {
			if perr := db.Post(ctx, m); perr != nil {
				a.log.Error("post the end of the run", "err", perr)
			}
		}
	}
	return db.EndRun(ctx, res.run.ID, time.Now(), exitOf(res, err), note)
}

// safeFirst makes a real bench's relays safe before anything else is asked:
// whatever held them last may have died with a press closed.
func (a *app) safeFirst(cfg *config.Bench) error {
	if cfg.Simulate != nil {
		return nil
	}
	w, err := a.wireToSafe(cfg.File)
	if err != nil {
		return &exit{exitUnsafe, fmt.Errorf("SAFE STATE NOT REACHED: nothing was switched: cut the power of the bench by hand: %w", err)}
	}
	count := newWear(w.bench)
	err = errors.Join(w.bench.Arm(context.Background(), func(context.Context, *rig.Armed) error { return nil }), w.close())
	a.bookSwitchings(context.Background(), count, cfg.Name)
	return err
}

// person is what people ask of a run, by way of the store.
type person struct {
	db  *store.Store
	run string
	// spins is true while a simulated soak waits for a person: its seconds pass at
	// once, the person's do not.
	spins *atomic.Bool
}

func (p person) Asked(ctx context.Context) (soak.Wish, error) {
	if p.spins.Load() {
		_ = rig.System().Sleep(ctx, 20*time.Millisecond)
	}
	what, err := p.db.Asked(ctx, p.run, time.Now())
	return soak.Wish(what), err
}

// past are the attempts of a run, in the order in which they began. In a soak
// of a control the controls are the cycles.
func past(ctx context.Context, db *store.Store, run string, controls bool) iter.Seq2[soak.Done, error] {
	return func(yield func(soak.Done, error) bool) {
		cs, err := db.Cycles(ctx, store.Filter{Run: run})
		if err != nil {
			yield(soak.Done{}, err)
			return
		}
		for _, c := range slices.Backward(cs) {
			if !yield(soak.Done{
				N: c.Cycle, Attempt: c.Attempt, Control: c.Control && !controls, Outcome: c.Outcome,
				Attribution: c.Attribution, Reason: c.Reason, Elapsed: c.Elapsed, Took: c.Took, Phase: c.Phase,
			}, nil) {
				return
			}
		}
	}
}

// exitOf is the code of a series: the first that holds of 5, 4, 1, 3, 0.
func exitOf(res result, err error) int {
	var unsafe *rig.UnsafeError
	t := res.tally
	switch {
	case errors.As(err, &unsafe):
		return exitUnsafe
	case errors.Is(err, rig.ErrStop), errors.Is(err, rig.ErrEmergency), errors.Is(err, soak.ErrEnded):
		return exitAborted
	case t.Fails() > 0:
		return exitFail
	case res.claim != nil && res.claim.Judge(t.Judged(), t.Doubted) != stats.Shown:
		return exitFail
	case t.Errors > 0, t.ControlsHeld < t.Controls, err != nil:
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
