package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
)

// evidenceBench writes a bench file with a fault, "" for none, and with what it
// says of evidence.
func evidenceBench(t *testing.T, fault, evidence string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "bench.yaml")
	faults := ""
	if fault != "" {
		faults = ", faults: [{name: " + fault + "}]"
	}
	text := "bench: sim\ndut: {model: imou-nvr-new}\nsoak: {stop-after-fails: 0, stop-after-errors: 0, retries: 0}\n" +
		"simulate: {model: imou-new, senses: [power, reset]" + faults + "}\nevidence: " + evidence + "\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// soaked runs a soak to its end, and gives its records and what it said.
func soaked(t *testing.T, state string, want int, args ...string) (rs []rig.Record, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(append([]string{"soak", "imou-hard-reset", "--json", "--state", state}, args...), strings.NewReader(""), &stdout, &stderr)
	if code != want {
		t.Fatalf("exit %d, want %d\n%s", code, want, stderr.String())
	}
	for line := range bytes.Lines(stdout.Bytes()) {
		var r rig.Record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		rs = append(rs, r)
	}
	return rs, stderr.String()
}

func openState(t *testing.T, state string) *store.Store {
	t.Helper()
	db, err := store.Open(filepath.Join(state, "resetrig.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// kept are the cycles whose evidence is on the disk, as its records say.
func kept(t *testing.T, db *store.Store, rs []rig.Record) (ids []string) {
	t.Helper()
	for _, r := range rs {
		as, err := db.Artifacts(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(as) > 0 && !as[0].Dropped() {
			kind := ""
			if r.Control {
				kind = "c"
			}
			ids = append(ids, fmt.Sprint(kind, r.Cycle))
		}
	}
	return ids
}

// The first passes and every so many-th leave their sound and transcript, those
// of controls counted by themselves; a soak that goes on counts on. What it says
// at its start that it will take is true within a factor of two.
func TestPassesAreSampled(t *testing.T) {
	state := t.TempDir()
	bench := evidenceBench(t, "", "{keep: sampled, first: 2, every: 5}")
	a := testApp(t)
	a.state = state
	ctx, cancel := context.WithCancelCause(t.Context())
	cfg, model, err := a.loadBench(bench)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := loadScenario("imou-hard-reset", nil)
	if err != nil {
		t.Fatal(err)
	}
	control, err := loadScenario("control-no-press", nil)
	if err != nil {
		t.Fatal(err)
	}
	plan := soak.Plan{Scenarios: []soak.Entry{{Scenario: sc}}, Controls: []soak.Entry{{Scenario: control}}, ControlsEvery: 4, Cycles: 11}
	var rs []rig.Record
	each := func(r rig.Record) {
		if rs = append(rs, r); len(rs) == 7 {
			cancel(rig.ErrStop)
		}
	}
	s := series{kind: store.KindSoak, plan: plan}
	res, err := a.performOn(ctx, cfg, model, s, each, nil)
	if err == nil || len(rs) != 7 {
		t.Fatalf("%d cycles, %v", len(rs), err)
	}
	s.resume = res.run.ID
	if _, err := a.performOn(t.Context(), cfg, model, s, each, nil); err != nil {
		t.Fatal(err)
	}
	db := openState(t, state)
	want := []string{"c1", "1", "2", "c2", "5", "10"}
	if d := cmp.Diff(want, kept(t, db, rs)); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	for _, r := range rs {
		if len(r.Hashes) > 0 && (len(r.Hashes) != 2 || r.Sound == nil || !slices.Contains(r.Artifacts, "beep.png")) {
			t.Errorf("%s: %v", r.ID, r.Artifacts)
		}
		for _, h := range r.Hashes {
			if sum := fmt.Sprintf("%x", sha256.Sum256(artifactOf(t, state, r.ID, h.Name))); sum != h.SHA256 {
				t.Errorf("%s of %s is not what its record says", h.Name, r.ID)
			}
		}
	}

	// The plan, in a state folder that has seen nothing.
	empty := openState(t, t.TempDir())
	w, err := a.wire(cfg, model, parts{relays: true, ear: true, senses: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	p, err := predict(t.Context(), empty, w.bench, &plan, evidenceRule(series{}, cfg), w.ear.Rate())
	if err != nil {
		t.Fatal(err)
	}
	use, err := db.EvidenceUse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	size, err := db.Size()
	if err != nil {
		t.Fatal(err)
	}
	p.Fails = 0 // there was none
	var took float64
	for _, r := range rs {
		took += r.Took.Seconds()
	}
	took /= float64(len(rs))
	for _, c := range []struct {
		what            string
		predicted, real float64
	}{
		{"evidence", float64(p.Evidence()), float64(use.Bytes)}, {"results", float64(p.Results()), float64(size.Database + size.Log)}, {"a cycle's time", p.Takes.Seconds(), took},
	} {
		t.Logf("%s: %.4g predicted, %.4g in fact", c.what, c.predicted, c.real)
		if c.predicted < c.real/2 || c.predicted > c.real*2 {
			t.Errorf("%s: %.4g was predicted, it took %.4g", c.what, c.predicted, c.real)
		}
	}
	if p.Passes != 6 || p.Cycles != 14 {
		t.Errorf("%d passes of %d cycles were predicted to leave evidence", p.Passes, p.Cycles)
	}
}

// Passes make room for each other; failures are kept beyond the budget, and then
// no pass is.
func TestBudgetOfEvidence(t *testing.T) {
	state := t.TempDir()
	rs, _ := soaked(t, state, 0, "--cycles", "6", "--bench", evidenceBench(t, "", "{keep: fails}"), "--evidence", "keep=sampled,first=100,budget=4MB")
	db := openState(t, state)
	use, err := db.EvidenceUse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := kept(t, db, rs); use.Bytes > 4e6 || len(got) < 2 || got[len(got)-1] != "6" || slices.Contains(got, "1") {
		t.Errorf("%d bytes, of %v", use.Bytes, got)
	}

	fails, said := soaked(t, state, 1, "--cycles", "4", "--bench", evidenceBench(t, "reset-partial", "{keep: sampled, budget: 4MB}"))
	if got := kept(t, db, fails); len(got) != 4 {
		t.Errorf("of four failures %v are kept", got)
	}
	if got := kept(t, db, rs); len(got) != 0 {
		t.Errorf("the passes %v are kept beside more failures than the budget has room for", got)
	}
	if n := strings.Count(said, "is spent by cycles that did not pass"); n != 2 { // the person, and the log on stderr
		t.Errorf("it was said %d times:\n%s", n, said)
	}
	passes, _ := soaked(t, state, 0, "--cycles", "2", "--bench", evidenceBench(t, "", "{keep: sampled, budget: 4MB}"))
	if got := kept(t, db, passes); len(got) != 0 {
		t.Errorf("the passes %v were kept", got)
	}
	log, err := db.AuditLog(t.Context(), store.AuditFilter{})
	if err != nil || len(log) != 2 || log[0].Action != "evidence" {
		t.Errorf("%+v, %v", log, err)
	}

	// What was exported makes room again.
	folder := filepath.Join(t.TempDir(), "out")
	out(t, state, 0, "store", "export", "--evidence", folder, "--run", fails[0].Run)
	for _, h := range fails[0].Hashes {
		data, err := os.ReadFile(filepath.Join(folder, fails[0].ID, h.Name))
		if sum := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || sum != h.SHA256 {
			t.Errorf("%s in the export: %v", h.Name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, fails[0].ID, "beep.png")); err != nil {
		t.Error(err)
	}
	passes, _ = soaked(t, state, 0, "--cycles", "1", "--bench", evidenceBench(t, "", "{keep: sampled, budget: 4MB}"))
	if got := kept(t, db, passes); len(got) != 1 {
		t.Errorf("after the export the passes %v were kept", got)
	}
	if got := kept(t, db, fails); len(got) == 4 {
		t.Error("nothing that was exported was dropped")
	}
	if printed := out(t, state, 0, "store", "check"); !strings.Contains(printed, "evidence: ") {
		t.Errorf("the check says %s", printed)
	}
}

// A disk that is nearly full belongs to the results.
func TestReserveBelongsToTheResults(t *testing.T) {
	state := t.TempDir()
	rs, said := soaked(t, state, 1, "--cycles", "3", "--bench", evidenceBench(t, "reset-partial", "{keep: fails, reserve: 100000TB}"))
	if len(rs) != 3 || len(kept(t, openState(t, state), rs)) != 0 {
		t.Errorf("%d cycles, of which some kept evidence", len(rs))
	}
	for _, r := range rs {
		if r.Outcome != rig.Fail || !slices.ContainsFunc(r.Findings, func(f rig.Finding) bool { return f.Name == "evidence" && strings.Contains(f.Detail, "reserve") }) {
			t.Errorf("%s %s: findings %+v", r.ID, r.Outcome, r.Findings)
		}
	}
	if !strings.Contains(said, "WARNING: that is more than the disk has") || strings.Count(said, "no evidence is kept: ") != 2 {
		t.Errorf("it said\n%s", said)
	}
}

// A check tells what is damaged from what is missing, and says what to do.
func TestStoreCheckOfEvidence(t *testing.T) {
	state := t.TempDir()
	rs, _ := soaked(t, state, 1, "--cycles", "2", "--bench", evidenceBench(t, "reset-partial", "{keep: fails}"))
	place := func(r rig.Record, name string) string {
		for _, h := range r.Hashes {
			if h.Name == name {
				return filepath.Join(state, "artifacts", "blobs", h.SHA256[:2], h.SHA256)
			}
		}
		t.Fatalf("%s has no %s", r.ID, name)
		return ""
	}
	f, err := os.OpenFile(place(rs[0], "beep.wav"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xa5}, 5000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(place(rs[1], "cycle.har")); err != nil {
		t.Fatal(err)
	}
	printed := out(t, state, 3, "store", "check")
	for _, want := range []string{"beep.wav of cycle " + rs[0].ID + ": DAMAGED", "cycle.har of cycle " + rs[1].ID + ": missing: ", ": whole: 2 attempts"} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is not in\n%s", want, printed)
		}
	}
	// What is damaged is not taken for exported.
	out(t, state, 3, "store", "export", "--evidence", filepath.Join(state, "out"))
	if use, err := openState(t, state).EvidenceUse(t.Context()); err != nil || use.Unexported != 2 {
		t.Errorf("%+v, %v", use, err)
	}
}

// What the command line says comes before the plan, and that before the bench.
func TestWhichEvidenceIsKept(t *testing.T) {
	real, simulated := &config.Bench{}, &config.Bench{Simulate: &config.Simulate{}}
	fails := &config.Evidence{Keep: config.KeepFails, First: config.Unset, Every: 7}
	for _, c := range []struct {
		name string
		s    series
		cfg  *config.Bench
		keep string
		each int
	}{
		{"a real bench", series{}, real, config.KeepSampled, 100},
		{"a simulated one", series{}, simulated, config.KeepNone, 100},
		{"the plan", series{evidence: fails}, real, config.KeepFails, 7},
		{"the bench", series{}, &config.Bench{Evidence: fails}, config.KeepFails, 7},
		{"--sound over the plan", series{keep: config.KeepSampled, evidence: fails}, simulated, config.KeepSampled, 7},
	} {
		if e := evidenceRule(c.s, c.cfg); e.Keep != c.keep || e.Every != c.each || e.First != 3 || e.Budget != 2e9 {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}
