package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"resetrig/config"
	"resetrig/rig"
)

// simulatedUnit is a kind of recorder as both sides have it: the model file of
// the client, and the simulator's.
type simulatedUnit struct {
	name, model, sim string
	// like is the generation whose column of the table it follows: new units
	// say themselves that they have no account, old ones take a default login.
	like   string
	quirks []string
}

// unitsOfEveryDialect are the kinds that a reset can be shown on. The plain
// dialect marks nothing: no reset is begun on it.
var unitsOfEveryDialect = []simulatedUnit{
	{name: "imou-new", model: "imou-nvr-new", sim: "imou-new", like: "new"},
	{name: "imou-old", model: "imou-nvr-old", sim: "imou-old", like: "old"},
	{name: "imou-new-without-cgi", model: "imou-nvr-new", sim: "imou-new", like: "new", quirks: []string{"cgi-refuses", "session-number", "numbers-as-strings"}},
	{name: "dahua-new", model: "dahua-nvr-new", sim: "dahua-new", like: "new"},
	{name: "dahua-old", model: "dahua-nvr-old", sim: "dahua-old", like: "old"},
	{name: "hikvision-new", model: "hikvision-nvr-new", sim: "hikvision-new", like: "new"},
	{name: "hikvision-old", model: "hikvision-nvr-old", sim: "hikvision-old", like: "old"},
	{name: "onvif", model: "onvif-any", sim: "onvif", like: "old"},
}

func (u simulatedUnit) bench(t testing.TB, senses []string, faults string) (*config.Bench, *config.Model) {
	t.Helper()
	cfg, model := benchOf(t, u.model, u.sim, senses, faults)
	cfg.Simulate.Quirks = slices.Clone(u.quirks)
	return cfg, model
}

// The table of verdicts holds for each dialect and generation. The table's own
// test covers every set of senses on imou; here are the two ends of it.
func TestVerdictForEveryDialect(t *testing.T) {
	t.Parallel()
	for _, u := range unitsOfEveryDialect {
		if strings.HasPrefix(u.name, "imou-") && len(u.quirks) == 0 {
			continue // TestVerdictForEveryFault
		}
		for _, row := range verdictTable {
			if row.only != "" && row.only != u.like {
				continue
			}
			for _, i := range []int{0, len(fitted) - 1} {
				want := row.want[0]
				if len(row.want) > 1 {
					want = row.want[i]
				}
				if other, ok := exceptions[u.name+"/"+row.faults]; ok {
					want = other
				}
				t.Run(strings.Join([]string{u.name, firstOf(row.faults, "no-fault"), firstOf(strings.Join(fitted[i], "+"), "no-sense")}, "/"), func(t *testing.T) {
					cfg, model := u.bench(t, fitted[i], row.faults)
					compareVerdict(t, oneCycle(t, cfg, model, "imou-hard-reset"), want)
				})
			}
		}
	}
}

// exceptions are the rows in which a kind of recorder rightly differs, each
// with its reason.
var exceptions = map[string]string{
	// ISAPI says that it is locked, where old Dahua firmware only answers 401.
	"hikvision-old/lockout": rigFault + "locked",
	// ONVIF is off there, so that no discovery finds a unit that has moved: one
	// that is silent at its address may be well at another.
	"hikvision-new/address-moved":    presumed + "no-restart",
	"hikvision-old/address-moved":    presumed + "no-restart",
	"hikvision-new/dead-after-reset": presumed + "no-restart",
	"hikvision-old/dead-after-reset": presumed + "no-restart",
	"hikvision-new/slow-boot":        presumed + "no-restart",
	"hikvision-old/slow-boot":        presumed + "no-restart",
}

// The proof spends no refused login that it does not need: none where an init or
// activation state proves it, at most two elsewhere, a cycle.
func TestRefusedLoginsOfAHundredCycles(t *testing.T) {
	t.Parallel()
	const cycles = 100
	for _, u := range unitsOfEveryDialect {
		t.Run(u.name, func(t *testing.T) {
			for _, c := range []struct {
				faults string
				most   float64 // refused logins a cycle
			}{
				{"", map[string]float64{"new": 0, "old": 0}[u.like]},
				{"reset-ignored", map[string]float64{"new": 0, "old": 2}[u.like]},
			} {
				cfg, model := u.bench(t, fitted[4], c.faults)
				refused, outcomes := refusedLogins(t, cfg, model, cycles)
				t.Logf("%s, %s: %d refused logins in %d cycles (%v)", u.name, firstOf(c.faults, "no fault"), refused, cycles, outcomes)
				if float64(refused) > c.most*cycles {
					t.Errorf("%s: %d refused logins in %d cycles, want at most %.0f a cycle", firstOf(c.faults, "no fault"), refused, cycles, c.most)
				}
			}
		})
	}
}

// refusedLogins runs a series and counts what the recorder refused.
func refusedLogins(t testing.TB, cfg *config.Bench, model *config.Model, cycles int) (int, string) {
	t.Helper()
	a := testApp(t)
	w, recs := cyclesOn(t, a, cfg, model, "imou-hard-reset", cycles)
	count := map[string]int{}
	for _, r := range recs {
		count[strings.TrimSpace(string(r.Outcome)+" "+string(r.Reason))]++
	}
	return w.world.Truth().RefusedLogins, fmt.Sprint(count)
}

// cyclesOn runs cycles of a scenario on one bench, which stays armed.
func cyclesOn(t testing.TB, a *app, cfg *config.Bench, model *config.Model, scenario string, cycles int) (*wiring, []rig.Record) {
	t.Helper()
	sc, err := loadScenario(scenario, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := a.wire(cfg, model, parts{relays: true, ear: true, senses: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.close() })
	var recs []rig.Record
	if err := w.bench.Arm(t.Context(), func(ctx context.Context, armed *rig.Armed) error {
		for n := 1; n <= cycles; n++ {
			w.before(n, 1)
			recs = append(recs, w.bench.Cycle(ctx, armed, sc, rig.CycleSpec{ID: fmt.Sprint("c", n), Run: "test", Cycle: n, Attempt: 1}))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return w, recs
}
