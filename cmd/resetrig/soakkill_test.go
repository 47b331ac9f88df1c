package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/sim"
	"resetrig/soak"
	"resetrig/store"
)

// quickBench is a bench whose cycles take milliseconds: nobody listens. Units
// and rig fail now and then, so that there are fails, errors and retries.
const quickBench = `bench: quick
dut: {model: imou-nvr-new}
soak: {stop-after-interruptions: 0, stop-after-fails: 0, stop-after-errors: 0, retries: 1}
simulate: {model: imou-new, ear: false, faults: [{name: reset-ignored, probability: 0.05}, {name: network-down, probability: 0.05}]}
`

// quickPlan has two scenarios in turn and controls.
const quickPlan = `plan: quick
scenarios:
  - {scenario: imou-hard-reset, weight: 2, params: {beep: expected}}
  - imou-soft-reset
controls: [{scenario: control-no-press, params: {beep: expected}}, {scenario: control-short-press, params: {beep: expected}}]
controls-every: 7
cycles: %d
stop: {lost-controls: go-on}
`

// quick writes both files, and gives the arguments that begin such a soak.
func quick(t testing.TB, dir string, cycles int) []string {
	t.Helper()
	for name, text := range map[string]string{"quick.yaml": quickBench, "plan.yaml": fmt.Sprintf(quickPlan, cycles)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"soak", "--plan", filepath.Join(dir, "plan.yaml"), "--bench", filepath.Join(dir, "quick.yaml"), "--json"}
}

// acknowledged is what a soak's process said was committed, by ID.
type acknowledged map[string]rig.Outcome

// read takes in the whole lines of a soak's output; the last one may be cut.
func (a acknowledged) read(t testing.TB, out io.Reader) {
	t.Helper()
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var r rig.Record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if _, twice := a[r.ID]; twice {
			t.Errorf("cycle %s was acknowledged twice", r.ID)
		}
		a[r.ID] = r.Outcome
	}
}

// Killed at 200 random moments, as the kernel or a person with kill -9 does it:
// no acknowledged cycle is lost or there twice, no soak cannot be resumed, the
// buckets add up, and the order of cycles and controls is that of one that
// nobody killed.
func TestSoakKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	const kills, cycles = 200, 150
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	begin := append(append([]string{"--state", state}, quick(t, dir, cycles)...), "--evidence", "keep=sampled,first=1000,budget=400kB")
	resume := []string{"--state", state, "soak", "--resume", "--bench", filepath.Join(dir, "quick.yaml"), "--json"}
	rnd := rand.New(rand.NewPCG(6, 2026))
	acked := acknowledged{}
	args, soaks := begin, 1
	for killed := 0; killed < kills; {
		p := start(t, args...)
		ended := make(chan struct{})
		go func() { defer close(ended); _ = p.Wait() }()
		select {
		case <-ended:
		case <-time.After(time.Duration(rnd.IntN(240)) * time.Millisecond):
			_ = p.Process.Kill()
			<-ended
		}
		code := p.ProcessState.ExitCode()
		acked.read(t, strings.NewReader(p.out.String()))
		said := p.err.String()
		switch {
		case code == -1:
			killed++
			args = resume
		case strings.Contains(said, "no soak to go on with"):
			args, soaks = begin, soaks+1 // killed before it began, or ended
		case code == exitPass || code == exitFail || code == exitError:
			args, soaks = begin, soaks+1
		default:
			t.Fatalf("after %d kills: exit code %d\n%s", killed, code, said)
		}
	}
	last := start(t, resume...)
	if code := last.code(); code != exitPass && code != exitFail && code != exitError {
		t.Fatalf("the last resume: exit code %d\n%s", code, last.err)
	}
	acked.read(t, strings.NewReader(last.out.String()))
	if checkSoaks(t, filepath.Join(state, "resetrig.db"), acked, cycles) == 0 {
		t.Error("no cycle was interrupted: this proves nothing")
	}
	t.Logf("%d soaks, %d cycles acknowledged", soaks, len(acked))
}

// checkSoaks holds every soak of a store against what was acknowledged and
// against its plan, and tells how many cycles were interrupted.
func checkSoaks(t *testing.T, path string, acked acknowledged, cycles int) (interrupted int) {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if c, err := db.VerifyEvidence(t.Context()); err != nil || c.Problems != nil || c.Strays > 0 {
		t.Errorf("evidence: %+v, %v", c, err)
	}
	seen := map[string]bool{}
	for r, err := range db.Records(t.Context(), store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[r.ID] {
			t.Errorf("cycle %s is there twice", r.ID)
		}
		seen[r.ID] = true
		if was, ok := acked[r.ID]; ok && was != r.Outcome {
			t.Errorf("cycle %s was acknowledged as %s and is %s", r.ID, was, r.Outcome)
		}
	}
	for id := range acked {
		if !seen[id] {
			t.Errorf("cycle %s was acknowledged and is lost", id)
		}
	}
	sums, err := db.List(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for i, sum := range sums {
		c := sum.Counts
		if c.Open != 0 || c.Begun != c.First.All()+c.Retries.All()+c.Controls.All() {
			t.Errorf("soak %s: the buckets do not add up: %+v", sum.ID, c)
		}
		run, err := db.Run(t.Context(), sum.ID)
		if err != nil {
			t.Fatal(err)
		}
		interrupted += c.First.Aborted + c.Retries.Aborted + c.Controls.Aborted
		tally := checkOrder(t, db, run)
		if i > 0 || sum.State == store.StateEnded { // all but the last one were let end
			if tally.Judged() != cycles {
				t.Errorf("soak %s ended with %d cycles judged, want %d", sum.ID, tally.Judged(), cycles)
			}
		}
	}
	t.Logf("%d cycles were interrupted", interrupted)
	return interrupted
}

// checkOrder walks through a soak's attempts: each is the one that the plan's
// books ask for next.
func checkOrder(t *testing.T, db *store.Store, run store.Run) soak.Tally {
	t.Helper()
	plan := frozenPlan(t, run)
	books, err := soak.NewBooks(&plan)
	if err != nil {
		t.Fatal(err)
	}
	cs, err := db.Cycles(t.Context(), store.Filter{Run: run.ID})
	if err != nil {
		t.Fatal(err)
	}
	for i := len(cs) - 1; i >= 0; i-- {
		c := cs[i]
		if _, finished, _ := books.Ended(); finished {
			t.Fatalf("soak %s had ended, and %s began", run.ID, c.ID)
		}
		want := books.Next()
		if c.Cycle != want.N || c.Attempt != want.Attempt || c.Control != want.Control || c.Scenario != want.Scenario.Name {
			t.Fatalf("soak %s: %s (%s, control %v) began where %d attempt %d (%s, control %v) was next",
				run.ID, c.ID, c.Scenario, c.Control, want.N, want.Attempt, want.Scenario.Name, want.Control)
		}
		books.Book(soak.Done{N: c.Cycle, Attempt: c.Attempt, Control: c.Control, Outcome: c.Outcome, Attribution: c.Attribution, Reason: c.Reason})
	}
	return books.Tally()
}

// frozenPlan is the plan that a run was begun with.
func frozenPlan(t *testing.T, run store.Run) soak.Plan {
	t.Helper()
	p, err := config.LoadPlan("plan", []byte(run.Frozen["plan"]))
	if err != nil {
		t.Fatal(err)
	}
	sp, err := soakPlan(p)
	if err != nil {
		t.Fatal(err)
	}
	return sp
}

// On real lines: killed in a press, which stays closed; the resumed soak opens it
// before anything else, books what it knows of the interrupted cycle and goes
// on. While it runs nobody else can have the bench.
func TestResumeOpensThePressFirst(t *testing.T) {
	t.Parallel()
	r := startRecorder(t, t.TempDir(), "", "--powered")
	scenario := filepath.Join(r.dir, "pressing.yaml")
	if err := os.WriteFile(scenario, []byte(pressing), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--state", r.state, "soak", scenario, "--bench", r.bench, "--cycles", "3")
	r.until("pressed", p, func(tr sim.Truth) bool { return tr.Shorted })
	if code, _, errs := r.resetrig("soak", scenario, "--bench", r.bench, "--cycles", "1"); code != exitError || !strings.Contains(errs, fmt.Sprintf("in use by another resetrig (process %d)", p.Process.Pid)) {
		t.Errorf("a second program: exit code %d\n%s", code, errs)
	}
	if !r.truth().Shorted {
		t.Error("the second program touched the lines")
	}
	time.Sleep(100 * time.Millisecond) // its mark is on its way
	_ = p.Process.Kill()
	p.code()
	if !r.truth().Shorted {
		t.Fatal("the press opened by itself: this proves nothing")
	}

	p = start(t, "--state", r.state, "soak", "--resume", "--bench", r.bench)
	r.until("opened", p, func(tr sim.Truth) bool { return !tr.Shorted })
	r.until("pressed again", p, func(tr sim.Truth) bool { return tr.Shorted })
	_ = p.Process.Signal(syscall.SIGTERM)
	if code := p.code(); code != exitAborted {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
	if r.truth().Shorted {
		t.Error("the pins are shorted after the stop")
	}
	db, err := store.Open(filepath.Join(r.state, "resetrig.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	cs, err := db.Cycles(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(cs) != 2 || cs[1].Cycle != 1 || cs[1].Reason != rig.ReasonInterrupted || cs[1].Phase != "act" || cs[0].Cycle != 2 || cs[0].Reason != rig.ReasonStopped {
		t.Fatalf("the books: %+v", cs)
	}
	rec, err := db.Record(t.Context(), cs[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Operations["reset"] != 1 || !strings.Contains(rec.Text, "phase act") || !strings.Contains(rec.Source, "scenario: pressing") {
		t.Errorf("the interrupted cycle: operations %v, %q, source %q", rec.Operations, rec.Text, rec.Source)
	}
}

// A person holds a soak that runs in another process, lets it go on, and ends it.
func TestPersonInAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	p := start(t, append([]string{"--state", state}, quick(t, dir, 1_000_000)...)...)
	cycles := func() int { return strings.Count(p.out.String(), "\n") }
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("after a minute still not: %s\n%s", what, p.err)
			}
		}
	}
	until("a cycle", func() bool { return cycles() > 0 })
	var r rig.Record
	if err := json.Unmarshal([]byte(strings.SplitN(p.out.String(), "\n", 2)[0]), &r); err != nil {
		t.Fatal(err)
	}
	ask := func(what string) {
		t.Helper()
		if q := start(t, "--state", state, "soak", what, r.Run); q.code() != exitPass {
			t.Fatalf("soak %s: %s", what, q.err)
		}
	}
	ask("hold")
	until("held", func() bool { return strings.Contains(p.err.String(), "the soak is held") })
	held := cycles()
	time.Sleep(200 * time.Millisecond)
	if now := cycles(); now > held+1 { // the last one's line may have been on its way
		t.Errorf("%d cycles ran while it was held", now-held)
	}
	ask("go-on")
	until("gone on", func() bool { return cycles() > held+2 })
	ask("end")
	if code := p.code(); code != exitAborted || !strings.Contains(p.err.String(), "ended on request") {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
	if q := start(t, "--state", state, "soak", "hold", r.Run); q.code() != exitUsage || !strings.Contains(q.err.String(), "is not running") {
		t.Errorf("a wish for a soak that has ended: %s", q.err)
	}
}
