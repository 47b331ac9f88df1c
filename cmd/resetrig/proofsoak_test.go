package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/report/reporttest"
	"resetrig/rig"
	"resetrig/sim"
	"resetrig/store"
)

// The proof of the whole: a soak in which every fault of the hand-written tables
// comes now and then, killed at random moments, must end with each of them booked
// as the tables say. Small here; `make proof-soak` runs 10,000 cycles with a
// hundredth of them faulty and 50 kills, and once more without a kill, for the
// memory, and leaves the reports to look at.
const (
	proofCycles   = 300
	proofKills    = 8
	proofControls = 50  // after so many cycles
	proofShare    = 0.3 // of the cycles have a fault, where they are so few
	// The goals of 10,000 cycles.
	proofBytes    = 6 << 10                // of the store for each cycle
	proofOverhead = 250 * time.Millisecond // of the rig in each cycle
	proofGrowth   = 1.10                   // of the resident memory from cycle 1,000 on
	proofReport   = 5 * time.Second        // of the processor, for the page
	proofPage     = 20_000_000             // bytes of it
)

const proofBench = `bench: proof
dut: {model: imou-nvr-new}
soak: {stop-after-interruptions: 0, stop-after-fails: 0, stop-after-errors: 0, retries: 1}
simulate: {model: imou-new, seed: %d, senses: [power, reset, network], ear: true, faults: [%s]}
`

// A DUT that said it is locked is left alone for the five minutes that such a
// lock lasts, so that what comes in the meantime could not show: hence the pause.
const proofPlan = `plan: proof
scenarios: [imou-hard-reset]
controls: [control-no-press]
controls-every: %d
cycles: %d
pause: 6m
stop: {lost-controls: go-on}
labels: {firmware: 4.001.0000005.1.R, lab: simulated}
`

// faultyControls are the verdicts of control-no-press, with all senses fitted;
// written by hand. Nothing is pressed, so that what comes of a reset does not
// come; what keeps the DUT from showing that it still has its marks is an error.
var faultyControls = map[string]string{
	"": pass, "stale-nonce": pass, "address-moved": pass, "no-disk-alarm": pass, "neighbour-beep": pass, "old-state-then-reboot": pass,
	"no-beep": pass, "reset-ignored": pass, "reset-partial-password": pass, "reset-partial-config": pass, "default-reverts": pass,
	"dead-after-reset": pass, "reset-open": pass, "reset-welded": pass, "mic-gain": pass, "mic-dropouts": pass,
	"wrong-firmware":     pass, // the marks are all that a control asks for
	"resets-on-power-on": rigFault + "control-not-held", "boots-forever": rigFault + "control-not-held",
	"slow-boot": rigFault + "control-not-held", "http-hangs": rigFault + "control-not-held", "http-garbage": rigFault + "control-not-held",
	"refused-write": rigFault + "marker-refused", "lockout": rigFault + "locked", "wrong-unit": rigFault + "wrong-unit",
	"power-welded": rigFault + "power-welded", "power-open": rigFault + "power-open", "network-down": rigFault + "network-down",
	"mic-dead": rigFault + "ear-unfit", "mic-clipped": rigFault + "ear-unfit", "mic-unplugged": rigFault + "ear-lost",
}

// proofVerdict is what a cycle with these faults must be booked as, with all
// senses fitted. known is false where the tables do not say.
func proofVerdict(faults []string, control bool) (want string, known bool) {
	switch {
	case control && len(faults) <= 1:
		want, known = faultyControls[strings.Join(faults, "")]
		return want, known
	case control:
		return "", false
	case len(faults) <= 1:
		for _, row := range verdictTable {
			if row.faults == strings.Join(faults, "") && row.only != "old" {
				return row.want[min(len(row.want)-1, len(fitted)-1)], true
			}
		}
	case len(faults) == 2:
		var at []int
		for _, f := range faults {
			for i, p := range pairOrder {
				if p.fault == sameInPairs(f) {
					at = append(at, i)
				}
			}
		}
		if len(at) == 2 && at[0] != at[1] {
			return wantOfPair(at[0], at[1], "new"), true
		}
	}
	return "", false
}

// sameInPairs is the fault that stands for another of its kind in pairOrder.
func sameInPairs(fault string) string {
	switch fault {
	case "mic-clipped":
		return "mic-dead"
	case "mic-gain", "mic-dropouts":
		return "no-disk-alarm" // no failure, alone or together
	}
	return fault
}

// proofFaults are all single faults of the table. A welded reset contact ends the
// process, which is not what a run for the memory wants.
func proofFaults(kills int) (names []string) {
	for _, row := range verdictTable {
		if row.faults != "" && !strings.Contains(row.faults, "+") && row.only != "old" && (kills > 0 || row.faults != "reset-welded") {
			names = append(names, row.faults)
		}
	}
	return names
}

// witness is a simulated unit of the same seed that nobody drives: it tells which
// faults the soak's own is given in an attempt, and knows nothing of how the
// program ran, judged or booked it.
type witness struct{ world *sim.World }

func newWitness(t testing.TB, seed uint64, names []string, share float64) witness {
	t.Helper()
	o := sim.Options{Seed: seed}
	for _, n := range names {
		o.Faults = append(o.Faults, sim.Fault{Name: n, Probability: share / float64(len(names))})
	}
	w, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return witness{w}
}

func (w witness) faults(n, attempt int, control bool) []string {
	n += (attempt - 1) * attemptsApart
	if control {
		n += controlsApart
	}
	w.world.BeginCycle(n)
	return w.world.Truth().Faults
}

// proofSeed is the first seed under which every fault comes alone, and none of
// the cycles to come has faults that the tables say nothing of.
func proofSeed(t testing.TB, cycles, spare int, names []string, share float64) uint64 {
	t.Helper()
	for seed := uint64(1); seed < 5000; seed++ {
		w, alone, good := newWitness(t, seed, names, share), map[string]bool{}, true
		for n := 1; n <= cycles+spare && good; n++ {
			fs := w.faults(n, 1, false)
			want, known := proofVerdict(fs, false)
			if good = known; strings.HasPrefix(want, rigFault) {
				_, good = proofVerdict(w.faults(n, 2, false), false)
			}
			if len(fs) == 1 && n <= cycles {
				alone[fs[0]] = true
			}
		}
		for n := 1; n <= (cycles+spare)/proofControls+1+spare && good; n++ {
			want, known := proofVerdict(w.faults(n, 1, true), true)
			if good = known; strings.HasPrefix(want, rigFault) {
				_, good = proofVerdict(w.faults(n, 2, true), true)
			}
		}
		if good && len(alone) == len(names) {
			return seed
		}
	}
	t.Fatal("no seed brings every fault")
	return 0
}

// acks takes in what a soak's process acknowledges, line by line.
type acks struct {
	mu    sync.Mutex
	part  []byte
	all   acknowledged
	twice []string
}

func (a *acks) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.part = append(a.part, p...)
	for {
		i := slices.Index(a.part, '\n')
		if i < 0 {
			return len(p), nil
		}
		var r struct {
			ID      string
			Outcome rig.Outcome
		}
		if err := json.Unmarshal(a.part[:i], &r); err != nil {
			return 0, fmt.Errorf("%w: %s", err, a.part[:i])
		}
		if _, there := a.all[r.ID]; there {
			a.twice = append(a.twice, r.ID)
		}
		a.all[r.ID] = r.Outcome
		a.part = a.part[i+1:]
	}
}

// cut forgets the line that a kill has torn.
func (a *acks) cut() { a.mu.Lock(); defer a.mu.Unlock(); a.part = nil }

func (a *acks) count() int { a.mu.Lock(); defer a.mu.Unlock(); return len(a.all) }

func fromEnv(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestProofSoak(t *testing.T) {
	t.Parallel()
	cycles, kills := fromEnv(t, "RESETRIG_PROOF_CYCLES", proofCycles), fromEnv(t, "RESETRIG_PROOF_KILLS", proofKills)
	dir := os.Getenv("RESETRIG_PROOF_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	share := max(0.01, min(proofShare, float64(proofCycles)/float64(cycles)*proofShare))
	names := proofFaults(kills)
	seed := proofSeed(t, cycles, 2*kills, names, share)
	state, bench, plan := filepath.Join(dir, "state"), filepath.Join(dir, "bench.yaml"), filepath.Join(dir, "plan.yaml")
	var faults []string
	for _, f := range names {
		faults = append(faults, fmt.Sprintf("{name: %s, probability: %v}", f, share/float64(len(names))))
	}
	for name, text := range map[string]string{bench: fmt.Sprintf(proofBench, seed, strings.Join(faults, ", ")), plan: fmt.Sprintf(proofPlan, proofControls, cycles)} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	acked := runAndKill(t, state, bench, plan, cycles, kills, seed)
	wall := time.Since(began)
	if interrupted := checkSoaks(t, filepath.Join(state, "resetrig.db"), acked, cycles); kills > 0 && interrupted == 0 {
		t.Error("no cycle was interrupted: this proves nothing")
	}
	run := checkVerdicts(t, state, newWitness(t, seed, names, share), len(names), wall)
	checkReports(t, state, dir, run)
}

// runAndKill runs the soak to its end, through so many SIGKILLs at random
// moments.
func runAndKill(t *testing.T, state, bench, plan string, cycles, kills int, seed uint64) acknowledged {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, uint64(kills)))
	var when []int // by then acknowledged
	for range kills {
		when = append(when, rnd.IntN(cycles-cycles/20))
	}
	slices.Sort(when)
	begin := []string{"--state", state, "soak", "--plan", plan, "--bench", bench, "--json"}
	resume := []string{"--state", state, "soak", "--resume", "--bench", bench, "--json"}
	a := &acks{all: acknowledged{}}
	var memory []residence
	for args := begin; ; {
		var said lockedBuffer
		cmd := command(t, args...)
		cmd.Stdout, cmd.Stderr = a, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended, before, started := make(chan struct{}), a.count(), time.Now()
		go func() { defer close(ended); _ = cmd.Wait() }()
		for running := true; running; {
			select {
			case <-ended:
				running = false
			case <-time.After(10 * time.Millisecond):
				done := a.count()
				memory = append(memory, residence{done, residentOf(cmd)})
				if len(when) > 0 && done >= when[0] && (done > before || args[3] != "--resume") {
					each := time.Since(started) / time.Duration(max(1, done-before))
					time.Sleep(time.Duration(rnd.Int64N(int64(2*each) + 1)))
					_ = cmd.Process.Kill()
				}
			}
		}
		a.cut()
		switch code := cmd.ProcessState.ExitCode(); {
		case code == -1:
			when = when[1:]
			args = resume
		case strings.Contains(said.String(), "no soak to go on with"):
			args = begin // killed before it began
		case code == exitUnsafe && strings.Contains(said.String(), "relay reset in doubt"):
			args = resume // a person has replaced the relay; the verdicts tell whether it was welded
		case code == exitFail && len(when) == 0:
			if len(a.twice) > 0 {
				t.Errorf("acknowledged twice: %v", a.twice)
			}
			if kills == 0 {
				checkResidence(t, memory, cycles)
			}
			return a.all
		default:
			t.Fatalf("after %d cycles, with %d kills to come: exit code %d\n%s", a.count(), len(when), code, said.String())
		}
	}
}

// residence is the memory of a process after so many cycles, in bytes.
type residence struct {
	cycles, bytes int
}

func residentOf(cmd *exec.Cmd) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize()
}

// checkResidence holds the memory at the end against that at cycle 1,000: the
// medians of a hundred cycles each.
func checkResidence(t *testing.T, all []residence, cycles int) {
	t.Helper()
	near := func(cycle int) float64 {
		var at []int
		for _, r := range all {
			if r.cycles > cycle-100 && r.cycles <= cycle && r.bytes > 0 {
				at = append(at, r.bytes)
			}
		}
		if len(at) == 0 {
			t.Fatalf("no memory was read around cycle %d", cycle)
		}
		slices.Sort(at)
		return float64(at[len(at)/2]) / 1e6
	}
	for n := 1000; n < cycles; n += 1000 {
		t.Logf("cycle %5d: %.1f MB resident", n, near(n))
	}
	early, late := near(min(1000, cycles/2)), near(cycles)
	t.Logf("cycle %5d: %.1f MB resident, %+.1f %%", cycles, late, 100*(late/early-1))
	if late > early*proofGrowth {
		t.Errorf("the memory grows: %.1f MB, then %.1f MB", early, late)
	}
}

// checkVerdicts holds every record against the tables, and gives the run's ID.
func checkVerdicts(t *testing.T, state string, w witness, kinds int, wall time.Duration) (run string) {
	t.Helper()
	db, err := store.Open(filepath.Join(state, "resetrig.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	booked := map[string]int{} // by fault
	attempts, faulty, pairs, interrupted, passed := 0, 0, 0, 0, 0
	var overhead []float64
	for r, err := range db.Records(t.Context(), store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		attempts++
		if run = r.Run; r.Reason == rig.ReasonInterrupted {
			interrupted++
			continue
		}
		faults := w.faults(r.Cycle, r.Attempt, r.Control)
		want, known := proofVerdict(faults, r.Control)
		if got := verdictLine(r); !known {
			t.Errorf("%s with %v: the tables do not say; it is %q", r.ID, faults, got)
		} else if got != want {
			t.Errorf("%s with %v is %q, want %q: %s", r.ID, faults, got, want, r.Text)
		}
		if r.Outcome == rig.Pass {
			passed++
		}
		for _, f := range faults {
			booked[f]++
		}
		if len(faults) > 0 {
			faulty++
		}
		if len(faults) > 1 {
			pairs++
		}
		for _, m := range r.Measurements {
			if m.Name == "rig_overhead" {
				overhead = append(overhead, m.Value)
			}
		}
	}
	slices.Sort(overhead)
	t.Logf("%d attempts, %d passed, %d interrupted; %d with faults, %d of them with two; of %d kinds:", attempts, passed, interrupted, faulty, pairs, len(booked))
	t.Logf("%v", booked)
	if len(booked) < kinds-2 { // one or two may have died with the program
		t.Errorf("%d kinds of faults were booked, want %d", len(booked), kinds)
	}
	t.Logf("%s in all, %.0f ms an attempt; the rig's own part: median %.0f ms, most %.0f ms", wall.Round(time.Second),
		wall.Seconds()*1e3/float64(attempts), 1e3*overhead[len(overhead)/2], 1e3*overhead[len(overhead)-1])
	if most := overhead[len(overhead)*99/100]; most > proofOverhead.Seconds() {
		t.Errorf("the rig's own part of a cycle takes %.3f s", most)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	each := fi.Size() / int64(attempts)
	t.Logf("%.1f MB of store, %d bytes an attempt", float64(fi.Size())/1e6, each)
	if each >= proofBytes {
		t.Errorf("the store takes %d bytes an attempt, want fewer than %d", each, proofBytes)
	}
	return run
}

// checkReports writes the run's reports in every format: they must say the same,
// in time and of a size to send around.
func checkReports(t *testing.T, state, dir, run string) {
	t.Helper()
	files := map[string][]byte{}
	for format, name := range map[string]string{"html": "report.html", "junit": "report.xml", "csv": "report.csv", "json": "report.jsonl"} {
		path := filepath.Join(dir, name)
		cmd := command(t, "--state", state, "report", run, "--format", format, "-o", path)
		began := time.Now()
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("report --format %s: %v\n%s", format, err, b)
		}
		wall, own := time.Since(began), cmd.ProcessState.UserTime()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[format] = data
		t.Logf("%-5s %.1f MB in %.1f s, %.1f s of the processor", format, float64(len(data))/1e6, wall.Seconds(), own.Seconds())
		if format == "html" && (own > proofReport || len(data) > proofPage) {
			t.Errorf("the page takes %v of the processor and %d bytes", own, len(data))
		}
	}
	f := reporttest.Agree(t, files["html"], files["junit"], files["csv"], files["json"]).First
	list, err := command(t, "--state", state, "list").CombinedOutput()
	if want := fmt.Sprintf("%d pass  %d fail  %d error", f.Pass, f.Fail(), f.Error); err != nil || !strings.Contains(string(list), want) {
		t.Errorf("the list does not say %q: %v\n%s", want, err, list)
	}
}

var _ io.Writer = (*acks)(nil)
