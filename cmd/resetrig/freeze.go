package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"resetrig/config"
	"resetrig/models"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
)

// What a soak runs on is frozen with it: each text by its name, and the hash of
// all of them. A resumed soak is held to it. The version of the program is kept
// and may change: an update is one of the reasons for which a soak is resumed.

// The names in a run's frozen texts that are none of the texts.
const (
	frozenBenchFile = "bench-file" // where the bench file is; "" is the simulated bench
	frozenHash      = "hash"
	frozenVersion   = "version"
	// frozenSource and a scenario's name: its text, for the record of a cycle that
	// is interrupted (store.CloseInterrupted).
	frozenSource = "source:"
)

// freeze collects the texts. Secrets are not in them.
func freeze(cfg *config.Bench, model *config.Model, file string, plan *config.Plan, sp soak.Plan) (map[string]string, error) {
	text, err := config.PlanYAML(plan)
	if err != nil {
		return nil, err
	}
	f := map[string]string{"plan": string(text), frozenVersion: version}
	if file != "" {
		if file, err = filepath.Abs(file); err != nil {
			return nil, err
		}
	}
	f[frozenBenchFile] = file
	for i, list := range [][]soak.Entry{sp.Scenarios, sp.Controls} {
		for n, e := range list {
			name := fmt.Sprintf("%s %d, %s", []string{"scenario", "control"}[i], n+1, e.Scenario.Name)
			f[name] = e.Scenario.Source
			f[frozenSource+e.Scenario.Name] = e.Scenario.Source
		}
	}
	f["bench"], err = benchText(cfg, file)
	if err != nil {
		return nil, err
	}
	for name, path := range map[string]string{"baseline": cfg.DUT.Baseline, "calibration": calibrationOf(cfg)} {
		if path == "" {
			continue
		}
		data, err := config.ReadFile(path)
		if err != nil {
			return nil, usage(err)
		}
		f[name] = string(data)
	}
	if f["model"], err = modelText(cfg.DUT, model); err != nil {
		return nil, err
	}
	f[frozenHash] = hashOf(f)
	return f, nil
}

func calibrationOf(cfg *config.Bench) string {
	if cfg.Ear == nil {
		return ""
	}
	return cfg.Ear.Calibration
}

// benchText is the bench file's text with its secrets starred.
func benchText(cfg *config.Bench, file string) (string, error) {
	data := config.DefaultBench()
	if file != "" {
		var err error
		if data, err = config.ReadFile(file); err != nil {
			return "", usage(err)
		}
	}
	text := string(data)
	secrets := []rig.Secret{cfg.DUT.Login.Password}
	if w := cfg.Soak.Webhook; w != nil {
		secrets = append(secrets, w.URL)
	}
	for _, s := range secrets {
		if v := s.Reveal(); v != "" {
			text = strings.ReplaceAll(text, v, "***")
		}
	}
	return text, nil
}

func modelText(d config.DUT, _ *config.Model) (string, error) {
	var data []byte
	var err error
	if d.ModelIsFile() {
		data, err = config.ReadFile(d.Model)
	} else {
		data, err = models.Read(d.Model)
	}
	return string(data), usage(err)
}

// hashOf is the hash of the frozen texts, the version left out.
func hashOf(f map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if name != frozenHash && name != frozenVersion {
			fmt.Fprintf(h, "%q %q\n", name, f[name])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// changed shows how what is there now differs from what was frozen; "" where it
// does not.
func changed(was, is map[string]string) string {
	var b strings.Builder
	names := map[string]bool{}
	for _, m := range []map[string]string{was, is} {
		for name := range m {
			names[name] = name != frozenHash && name != frozenVersion && !strings.HasPrefix(name, frozenSource)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if names[name] && was[name] != is[name] {
			b.Write(diff.Diff("frozen/"+name, []byte(was[name]), "now/"+name, []byte(is[name])))
		}
	}
	return b.String()
}

// resumeSoak goes on with a soak, and refuses one whose ground has changed.
func (a *app) resumeSoak(cmd *cobra.Command, args []string, o soakFlags) error {
	if len(args) > 1 || len(o.benches) > 1 || o.plan != "" {
		return usage(fmt.Errorf("--resume takes the ID of one soak, or --bench for the newest of that bench; its plan is frozen with it"))
	}
	run, err := a.toResume(cmd.Context(), args, o)
	if err != nil {
		return err
	}
	if run.ID == "" {
		fmt.Fprintln(a.err, "resetrig: there is no soak to go on with")
		return nil
	}
	if file := run.Frozen[frozenBenchFile]; len(o.benches) == 1 {
		if given, err := filepath.Abs(o.benches[0]); err != nil || given != file {
			return usage(fmt.Errorf("soak %s runs on the bench file %s, not on %s", run.ID, file, o.benches[0]))
		}
	}
	job, err := a.resumed(run, o, func(p *config.Plan) error { return flagsOver(cmd, nil, o, p) })
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "resetrig: going on with soak %s of %s\n", run.ID, run.Started.Local().Format("2006-01-02 15:04"))
	return a.runJobs(cmd.Context(), []soakJob{job}, o)
}

// resumed is what is left of a soak, on what it was frozen with. over may change
// its plan. Where it cannot go on the bench is made safe all the same.
func (a *app) resumed(run store.Run, o soakFlags, over func(*config.Plan) error) (soakJob, error) {
	file := run.Frozen[frozenBenchFile]
	cfg, model, err := a.loadBench(file)
	if err != nil {
		return soakJob{}, errors.Join(a.safeAnyway(file), err)
	}
	plan, err := config.LoadPlan("the frozen plan of "+run.ID, []byte(run.Frozen["plan"]))
	if err != nil {
		return soakJob{}, usage(err)
	}
	if err := over(plan); err != nil {
		return soakJob{}, usage(err)
	}
	job, err := a.job(cfg, model, file, plan, o)
	if err != nil {
		return soakJob{}, errors.Join(a.safeAnyway(file), err)
	}
	if job.s.frozen[frozenHash] != run.Frozen[frozenHash] {
		d := changed(run.Frozen, job.s.frozen)
		if d != "" {
			return soakJob{}, errors.Join(a.safeAnyway(file), usage(fmt.Errorf("soak %s was frozen with other files or another plan, and its results would mix two tests; put them back, or begin a new soak:\n%s", run.ID, d)))
		}
	}
	if was := run.Frozen[frozenVersion]; was != version {
		fmt.Fprintf(a.err, "resetrig: soak %s was begun by version %s, and goes on with %s: each record says which\n", run.ID, was, version)
	}
	job.s.resume = run.ID
	return job, nil
}

// safeAnyway makes the bench of a soak that cannot go on safe all the same.
func (a *app) safeAnyway(file string) error {
	if file == "" {
		return nil
	}
	w, err := a.wireToSafe(file)
	if err != nil {
		return &exit{exitUnsafe, fmt.Errorf("SAFE STATE NOT REACHED: nothing was switched: cut the power of the bench by hand: %w", err)}
	}
	if w.cfg.Simulate != nil {
		return w.close()
	}
	return errors.Join(w.bench.Arm(context.Background(), func(context.Context, *rig.Armed) error { return nil }), w.close())
}

// toResume is the soak that is named, or the newest of the bench, unless that
// one is done. An empty ID is none.
func (a *app) toResume(ctx context.Context, args []string, o soakFlags) (run store.Run, err error) {
	file := ""
	if len(o.benches) == 1 {
		if file, err = filepath.Abs(o.benches[0]); err != nil {
			return run, usage(err)
		}
	}
	db, err := store.Open(filepath.Join(a.state, "resetrig.db"))
	if err != nil {
		if file != "" {
			err = errors.Join(a.safeAnyway(file), err)
		}
		return run, rigError(err)
	}
	defer func() { err = errors.Join(err, rigError(db.Close())) }()
	if len(args) == 1 {
		run, err = db.Run(ctx, args[0])
		if err == nil && (run.Kind != store.KindSoak || run.Frozen["plan"] == "") {
			err = fmt.Errorf("run %s is no soak that can be resumed", run.ID)
		}
		return run, usage(err)
	}
	sums, err := db.List(ctx, store.Filter{})
	if err != nil {
		return run, rigError(err)
	}
	for _, s := range sums {
		if s.Kind != store.KindSoak {
			continue
		}
		r, err := db.Run(ctx, s.ID)
		if err != nil {
			return run, rigError(err)
		}
		if r.Frozen["plan"] == "" || file != "" && r.Frozen[frozenBenchFile] != file {
			continue
		}
		if s.State == store.StateRunning {
			return run, usage(fmt.Errorf("soak %s is running", s.ID))
		}
		if done, err := soakIsDone(ctx, db, r); err != nil || done {
			return store.Run{}, rigError(err)
		}
		return r, nil
	}
	return run, nil
}

// soakIsDone reports whether nothing is left of a soak's plan. A plan that
// cannot be read any more is not done: resuming it says why.
func soakIsDone(ctx context.Context, db *store.Store, r store.Run) (bool, error) {
	plan, err := config.LoadPlan("plan", []byte(r.Frozen["plan"]))
	if err != nil {
		return false, nil
	}
	sp, err := soakPlan(plan)
	if err != nil {
		return false, nil
	}
	books, err := soak.NewBooks(&sp)
	if err != nil {
		return false, nil
	}
	for d, err := range past(ctx, db, r.ID, sp.Scenarios[0].Scenario.Control) {
		if err != nil {
			return false, err
		}
		if d.Outcome != "" {
			books.Book(d)
		}
	}
	_, finished, _ := books.Ended()
	return finished, nil
}
