package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"resetrig/config"
	"resetrig/rig"
)

// The table of verdicts, written by hand from the rules of a verdict: what each
// fault must end in, for each set of senses that a bench may have. It is the
// specification; the program is held against it.
//
// A fault of the rig that a fitted sense sees is an error, never a fail. Where
// no sense sees it, and the DUT looks guilty, the fail is presumed. A fault of
// the device is a fail; proven where everything on the rig's side that could
// explain it was ruled out by a sense or by the DUT's own doing (its beep, a
// part of it reset). What keeps the test from being arranged at all (a unit
// that takes no mark, a locked one, another unit) is an error: nothing was
// tested.
var fitted = [][]string{
	nil,                           // none
	{"power"},                     // supply sense
	{"reset"},                     // reset-loop sense
	{"power", "reset"},            // both
	{"power", "reset", "network"}, // all
}

// verdicts are the wanted ones: one for all columns, or one for each of fitted.
type verdictRow struct {
	faults string // joined by +
	want   []string
	only   string // generation, where the two differ
}

const (
	pass     = "pass"
	presumed = "fail presumed "
	proven   = "fail proven "
	rigFault = "error "
)

var verdictTable = []verdictRow{
	// Nothing wrong, and things that units do and that are no failure.
	{"", []string{pass}, ""},
	{"stale-nonce", []string{pass}, ""},
	{"address-moved", []string{pass}, ""},
	{"no-disk-alarm", []string{pass}, ""},
	{"neighbour-beep", []string{pass}, ""},
	{"old-state-then-reboot", []string{pass}, ""}, // it is default within the deadline, and stays so

	// The device's faults.
	{"no-beep", []string{proven + "beep-missing"}, ""}, // that it was reset clears the relays
	{"reset-ignored", []string{
		presumed + "reset-ignored", presumed + "reset-ignored", // an open contact would look the same
		presumed + "reset-ignored", // so would a supply that was never cut: a silent network is no proof
		proven + "reset-ignored", proven + "reset-ignored",
	}, ""},
	{"reset-partial-password", []string{proven + "reset-partial"}, ""},
	{"reset-partial-config", []string{proven + "reset-partial"}, ""},
	{"resets-on-power-on", []string{proven + "beep-missing"}, ""},
	{"default-reverts", []string{proven + "default-reverted"}, "new"},
	{"default-reverts", []string{proven + "reset-ignored"}, "old"}, // it beeped: it took the press
	{"boots-forever", []string{
		presumed + "unstable", presumed + "unstable", presumed + "unstable", presumed + "unstable", // a loose supply, or the network
		proven + "unstable",
	}, ""},
	{"dead-after-reset", []string{
		presumed + "no-restart", presumed + "no-restart", presumed + "no-restart", presumed + "no-restart",
		proven + "no-restart",
	}, ""},
	{"slow-boot", []string{
		presumed + "no-restart", presumed + "no-restart", presumed + "no-restart", presumed + "no-restart",
		proven + "no-restart",
	}, ""},
	{"http-hangs", []string{proven + "no-answer"}, ""}, // discovery says that it is the DUT that takes connections there
	{"http-garbage", []string{proven + "garbage-after-reset"}, ""},
	{"wrong-firmware", []string{proven + "firmware-mismatch"}, ""},

	// What keeps the test from being arranged.
	{"refused-write", []string{rigFault + "marker-refused"}, ""},
	{"lockout", []string{rigFault + "login-unknown"}, "old"}, // this firmware answers 401 to the right password while it is locked
	{"lockout", []string{rigFault + "locked"}, "new"},
	{"wrong-unit", []string{rigFault + "wrong-unit"}, ""},

	// The rig's faults.
	{"power-welded", []string{rigFault + "power-welded"}, ""}, // seen by the sense, or by a DUT that still answers
	{"power-open", []string{
		presumed + "no-restart", rigFault + "power-open", presumed + "no-restart", rigFault + "power-open", rigFault + "power-open",
	}, ""},
	{"reset-open", []string{
		presumed + "reset-ignored", presumed + "reset-ignored",
		rigFault + "reset-open", rigFault + "reset-open", rigFault + "reset-open",
	}, ""},
	{"reset-welded", []string{
		presumed + "no-restart", presumed + "no-restart", // the DUT waits for the release
		rigFault + "reset-welded", rigFault + "reset-welded", rigFault + "reset-welded",
	}, ""},
	{"mic-dead", []string{rigFault + "ear-unfit"}, ""},
	{"mic-clipped", []string{rigFault + "ear-unfit"}, ""},
	{"mic-unplugged", []string{rigFault + "ear-lost"}, ""},
	{"mic-gain", []string{pass}, ""},
	{"mic-dropouts", []string{pass}, ""},
	{"network-down", []string{
		presumed + "no-restart", presumed + "no-restart", presumed + "no-restart", presumed + "no-restart",
		rigFault + "network-down",
	}, ""},

	// Pairs: one fault must not hide another.
	{"no-beep+neighbour-beep", []string{proven + "beep-missing"}, ""},
	{"no-beep+no-disk-alarm", []string{proven + "beep-missing"}, ""},
	{"reset-ignored+neighbour-beep", []string{
		presumed + "reset-ignored", presumed + "reset-ignored", presumed + "reset-ignored",
		proven + "reset-ignored", proven + "reset-ignored",
	}, ""},
	{"reset-ignored+mic-dead", []string{rigFault + "ear-unfit"}, ""},
	{"reset-ignored+reset-open", []string{
		presumed + "reset-ignored", presumed + "reset-ignored",
		rigFault + "reset-open", rigFault + "reset-open", rigFault + "reset-open",
	}, ""},
	{"reset-ignored+no-disk-alarm", []string{
		presumed + "reset-ignored", presumed + "reset-ignored", presumed + "reset-ignored",
		proven + "reset-ignored", proven + "reset-ignored",
	}, ""},
	{"dead-after-reset+network-down", []string{
		presumed + "no-restart", presumed + "no-restart", presumed + "no-restart", presumed + "no-restart",
		rigFault + "network-down",
	}, ""},
}

// controlTable is what the controls must end in: pass where nothing was reset,
// error wherever they cannot show it.
var controlTable = []struct {
	scenario, fault string
	senses          []string
	want            string
}{
	{"control-short-press", "", nil, pass},
	{"control-no-press", "", nil, pass},
	{"control-press-unpowered", "", nil, pass},
	{"control-short-press", "", fitted[4], pass},
	{"control-no-press", "", fitted[4], pass},
	{"control-press-unpowered", "", fitted[4], pass},
	{"control-short-press", "resets-on-power-on", nil, rigFault + "control-not-held"},
	{"control-no-press", "resets-on-power-on", nil, rigFault + "control-not-held"},
	{"control-press-unpowered", "resets-on-power-on", fitted[4], rigFault + "control-not-held"},
	{"control-short-press", "reset-welded", nil, rigFault + "control-not-held"},
	{"control-short-press", "reset-welded", []string{"reset"}, rigFault + "reset-welded"},
	{"control-no-press", "dead-after-reset", nil, pass}, // nothing was reset
	{"control-no-press", "http-hangs", nil, rigFault + "control-not-held"},
	{"control-no-press", "slow-boot", nil, rigFault + "control-not-held"},
	{"control-no-press", "wrong-unit", nil, rigFault + "wrong-unit"},
	{"control-no-press", "power-welded", nil, rigFault + "power-welded"},
}

// softTable is Way 1, and the further power cycle.
var otherTable = []struct{ scenario, fault, want string }{
	{"imou-soft-reset", "", pass},
	{"imou-soft-reset", "reset-ignored", proven + "reset-ignored"},
	{"imou-soft-reset", "reset-partial-password", proven + "reset-partial"},
	{"imou-soft-reset", "reset-partial-config", proven + "reset-partial"},
	{"imou-soft-reset", "wrong-firmware", proven + "firmware-mismatch"},
	{"imou-hard-reset-persists", "", pass},
	{"imou-hard-reset-persists", "default-reverts-on-power-cycle", proven + "default-reverted"},
}

// testApp is an app that talks to nobody.
func testApp(t testing.TB) *app {
	return &app{
		in: strings.NewReader(""), out: io.Discard, err: io.Discard, state: t.TempDir(),
		log: slog.New(slog.DiscardHandler), emergency: make(chan struct{}),
	}
}

// simBench is the simulated bench of a generation, with senses and faults.
func simBench(t testing.TB, generation string, senses []string, faults string) (*config.Bench, *config.Model) {
	t.Helper()
	return benchOf(t, "imou-nvr-"+generation, "imou-"+generation, senses, faults)
}

// benchOf is the simulated bench of a model and the simulator's of its kind.
func benchOf(t testing.TB, modelName, simulated string, senses []string, faults string) (*config.Bench, *config.Model) {
	t.Helper()
	cfg, err := config.LoadBench("default-bench.yaml", config.DefaultBench(), config.System())
	if err != nil {
		t.Fatal(err)
	}
	cfg.DUT.Model = modelName
	cfg.Simulate.Model = simulated
	cfg.Simulate.Senses = senses
	for f := range strings.SplitSeq(faults, "+") {
		if f != "" {
			cfg.Simulate.Faults = append(cfg.Simulate.Faults, config.Fault{Name: f, Probability: 1})
		}
	}
	model, err := loadModel(cfg.DUT)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, model
}

// oneCycle runs a scenario once on a simulated bench.
func oneCycle(t testing.TB, cfg *config.Bench, model *config.Model, scenario string) rig.Record {
	t.Helper()
	a := testApp(t)
	sc, err := loadScenario(scenario, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := a.wire(cfg, model, parts{relays: true, ear: true, senses: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := w.bench.Plan(sc, 1); err != nil {
		t.Fatal(err)
	}
	var rec rig.Record
	err = w.bench.Arm(t.Context(), func(ctx context.Context, armed *rig.Armed) error {
		w.before(1, 1)
		rec = w.bench.Cycle(ctx, armed, sc, rig.CycleSpec{ID: "test-1", Run: "test", Cycle: 1, Attempt: 1})
		return nil
	})
	var unsafe *rig.UnsafeError
	if err != nil && !errors.As(err, &unsafe) {
		t.Fatal(err)
	}
	_ = w.bench.Clock.Sleep(t.Context(), 100*time.Millisecond) // contacts take a moment
	truth := w.world.Truth()
	if truth.Shorted && unsafe == nil && !strings.Contains(fmt.Sprint(cfg.Simulate.Faults), "reset-welded") {
		t.Error("the pins are still shorted, and nothing says so")
	}
	return rec
}

func verdictLine(r rig.Record) string {
	return strings.TrimSpace(strings.ReplaceAll(fmt.Sprintf("%s %s %s", r.Outcome, r.Attribution, r.Reason), "  ", " "))
}

func compareVerdict(t *testing.T, r rig.Record, want string) {
	t.Helper()
	if got := verdictLine(r); got != want {
		t.Errorf("verdict %q, want %q\n  %s", got, want, r.Text)
		for _, k := range r.Checks {
			t.Logf("  %-7s %-20s wanted %s, saw %s", k.Outcome, k.Name, k.Wanted, k.Seen)
		}
		for _, f := range r.Findings {
			t.Logf("  finding %s %v %s", f.Name, f.Unfit, f.Detail)
		}
	}
}

func TestVerdictForEveryFault(t *testing.T) {
	t.Parallel()
	for _, row := range verdictTable {
		for _, generation := range []string{"new", "old"} {
			if row.only != "" && row.only != generation {
				continue
			}
			for i, senses := range fitted {
				want := row.want[0]
				if len(row.want) > 1 {
					want = row.want[i]
				}
				name := strings.Join([]string{firstOf(row.faults, "no-fault"), generation, firstOf(strings.Join(senses, "+"), "no-sense")}, "/")
				t.Run(name, func(t *testing.T) {
					cfg, model := simBench(t, generation, senses, row.faults)
					compareVerdict(t, oneCycle(t, cfg, model, "imou-hard-reset"), want)
				})
			}
		}
	}
}

func TestControls(t *testing.T) {
	for _, c := range controlTable {
		for _, generation := range []string{"new", "old"} {
			t.Run(strings.Join([]string{c.scenario, generation, c.fault, strings.Join(c.senses, "+")}, "/"), func(t *testing.T) {
				cfg, model := simBench(t, generation, c.senses, c.fault)
				compareVerdict(t, oneCycle(t, cfg, model, c.scenario), c.want)
			})
		}
	}
}

func TestOtherScenarios(t *testing.T) {
	for _, c := range otherTable {
		for _, generation := range []string{"new", "old"} {
			t.Run(strings.Join([]string{c.scenario, generation, c.fault}, "/"), func(t *testing.T) {
				cfg, model := simBench(t, generation, fitted[4], c.fault)
				compareVerdict(t, oneCycle(t, cfg, model, c.scenario), c.want)
			})
		}
	}
}
