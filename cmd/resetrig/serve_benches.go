package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"resetrig/audio"
	"resetrig/config"
	"resetrig/nvr"
	"resetrig/rig"
	"resetrig/scenarios"
	"resetrig/sim"
	"resetrig/store"
	"resetrig/web"
)

// webBenches is what the files of the benches, the results and the store's
// accounts say of them. No line is opened for it, and nobody is asked.
type webBenches struct{ f *floor }

var _ web.Benches = webBenches{}

func (b webBenches) Benches(ctx context.Context) ([]web.Bench, error) {
	var out []web.Bench
	for _, name := range slices.Sorted(maps.Keys(b.f.files)) {
		one, err := b.bench(ctx, name, b.f.files[name])
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// bench is one of them. A file that is broken is a finding; an error is the
// store's.
func (b webBenches) bench(ctx context.Context, name, file string) (web.Bench, error) {
	out := web.Bench{Name: name, File: file, Here: b.f.jobs != nil || b.f.on(name) != nil, Relays: []web.BenchRelay{}, Senses: []string{}, Findings: []web.Finding{}}
	cfg, model, err := b.f.a.readBench(file)
	if err != nil {
		out.Findings = append(out.Findings, web.Finding{Name: "bench file", Level: "bad", Text: err.Error(), Remedy: "mend the file; nothing can be begun on the bench until then"})
		return out, nil
	}
	out.Simulated = cfg.Simulate != nil
	out.Model, out.URL = cfg.DUT.Model, cfg.DUT.URL
	out.DUT = rig.Identity{Serial: cfg.DUT.Serial, MAC: cfg.DUT.MAC}
	for _, s := range cfg.Senses {
		out.Senses = append(out.Senses, s.Of)
	}
	if cfg.Simulate != nil {
		out.Senses = append(out.Senses, cfg.Simulate.Senses...)
	}
	life, err := b.f.db.Operations(ctx, name)
	if err != nil {
		return out, err
	}
	for _, r := range cfg.Relays {
		out.Relays = append(out.Relays, web.BenchRelay{
			Name: r.Name, Role: r.Role, Pin: r.Pin, Active: r.Active, Contact: r.Contact, Safe: r.Safe, MaxOn: r.MaxOn,
			Operations: life[r.Name], Rated: int64(r.Life),
		})
		if n := life[r.Name]; r.Life > 0 && float64(n) >= worn*float64(r.Life) {
			out.Findings = append(out.Findings, web.Finding{Name: "relay " + r.Name, Level: "warn", Text: fmt.Sprintf("%d of its %d rated operations are behind it", n, r.Life), Remedy: "plan its replacement"})
		}
	}
	out.Ear, out.Findings = earOf(cfg, model, out.Findings)
	last, err := b.last(ctx, &out)
	if err != nil {
		return out, err
	}
	if last.DUT != (rig.Identity{}) && out.DUT == (rig.Identity{}) {
		out.DUT = last.DUT
	}
	return out, b.lockout(cfg, model, &out)
}

// earOf is a bench's microphone as its files describe it.
func earOf(cfg *config.Bench, model *config.Model, fs []web.Finding) (*web.BenchEar, []web.Finding) {
	if s := cfg.Simulate; s != nil {
		m, err := sim.ModelNamed(s.Model)
		if err != nil || !s.Ear {
			return nil, fs
		}
		return &web.BenchEar{Device: "simulated", Calibrated: true, FrequencyHz: m.Beep.FrequencyHz, LevelDBFS: m.Beep.LevelDBFS}, fs
	}
	if cfg.Ear == nil {
		return nil, append(fs, web.Finding{Name: "microphone", Level: "warn", Text: "the bench has none", Remedy: "without an ear, scenarios run with beep=expected only"})
	}
	e := &web.BenchEar{Device: cfg.Ear.Device, Calibration: cfg.Ear.Calibration}
	p := audio.Profile{Long: model.Beep.Long}
	if data, err := config.ReadFile(e.Calibration); e.Calibration != "" && err == nil {
		if c, err := config.LoadCalibration(e.Calibration, data); err == nil {
			p = audio.Profile{FrequencyHz: float64(c.Frequency), LevelDBFS: float64(c.Level), Long: c.Long}
			e.NoiseDBFS = float64(c.NoiseFloor)
		}
		if fi, err := os.Stat(e.Calibration); err == nil {
			e.Learned = fi.ModTime()
		}
	}
	if k := cfg.Ear.Beep; k != nil {
		p = audio.Profile{FrequencyHz: float64(k.Frequency), LevelDBFS: float64(k.Level), Long: k.Long}
	}
	e.FrequencyHz, e.LevelDBFS, e.Calibrated = p.FrequencyHz, p.LevelDBFS, p.FrequencyHz > 0 && p.LevelDBFS < 0
	for _, f := range checkCalibration(cfg, p) {
		fs = append(fs, web.Finding{Name: f.What, Level: f.Level, Text: f.Text, Remedy: f.Remedy})
	}
	return e, fs
}

// last adds what the last record of the bench found, and what became of its last
// run.
func (b webBenches) last(ctx context.Context, out *web.Bench) (rig.Record, error) {
	runs, err := b.f.db.List(ctx, store.Filter{Bench: out.Name, Limit: 1})
	if err != nil {
		return rig.Record{}, err
	}
	if len(runs) > 0 && runs[0].State == store.StateInterrupted {
		out.Findings = append(out.Findings, web.Finding{
			Name: "last run", Level: "bad", Text: fmt.Sprintf("run %s died with its program: nothing is known of the relays since", runs[0].ID),
			Remedy: "go on with it, which makes the relays safe first, or run `resetrig safe`",
		})
	}
	cs, err := b.f.db.Cycles(ctx, store.Filter{Bench: out.Name, Limit: 3})
	if err != nil {
		return rig.Record{}, err
	}
	for _, c := range cs {
		if c.Outcome == "" {
			continue
		}
		r, err := b.f.db.Record(ctx, c.ID)
		if err != nil {
			return rig.Record{}, err
		}
		if out.Looked = r.Started.Add(r.Took); out.Looked.After(time.Now()) {
			out.Looked = time.Now() // a simulated bench's clock is ahead
		}
		for _, f := range r.Findings {
			out.Findings = append(out.Findings, web.Finding{Name: f.Name, Level: map[bool]string{true: "bad", false: "warn"}[f.Unfit], Text: fmt.Sprintf("%s (in cycle %s)", f.Detail, r.ID)})
		}
		if len(r.Unsafe) > 0 {
			out.Findings = append(out.Findings, web.Finding{Name: "safe state", Level: "bad", Text: fmt.Sprintf("it was not reached in cycle %s: relay %v", r.ID, r.Unsafe), Remedy: "cut the power of the bench by hand, and look at its relays"})
		}
		return r, nil
	}
	return rig.Record{}, nil
}

// lockout adds the account of refused logins. A simulated unit's ends with its
// process.
func (b webBenches) lockout(cfg *config.Bench, model *config.Model, out *web.Bench) error {
	l := model.Lockout
	if cfg.Simulate != nil || l.Tries == 0 || cfg.DUT.URL == "" {
		return nil
	}
	o := web.Lockout{Budget: l.Tries - l.Spare, Window: l.Window}
	for _, k := range nvr.AccountsOf(out.DUT, cfg.DUT.URL) {
		n, err := b.f.db.RefusedSince(k, time.Now().Add(-l.Window))
		if err != nil {
			return err
		}
		o.Refused += n
	}
	if o.Refused >= o.Budget {
		out.Findings = append(out.Findings, web.Finding{Name: "lockout", Level: "warn", Text: fmt.Sprintf("%d logins were refused in the last %v: no more are tried", o.Refused, o.Window), Remedy: "wait until they are older"})
	}
	out.Lockout = &o
	return nil
}

// Scenarios are the shipped ones and those that the program was started with.
func (b webBenches) Scenarios(_ context.Context, bench string) ([]web.Scenario, error) {
	if _, known := b.f.files[bench]; !known {
		return nil, fmt.Errorf("%w: there is no bench %q here", web.ErrNotFound, bench)
	}
	names := slices.Concat(slices.Sorted(maps.Keys(b.f.scenarios)), scenarios.Names())
	var out []web.Scenario
	var errs []error
	for _, name := range names {
		from := name
		if file, ours := b.f.scenarios[name]; ours {
			from = file
		}
		sc, err := loadScenario(from, nil)
		if err != nil { // a file that was changed since
			errs = append(errs, err)
			continue
		}
		out = append(out, web.Scenario{Name: name, About: sc.About, Control: sc.Control, Params: sc.Params})
	}
	if len(out) == 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}
