package main

import (
	"slices"
	"strings"
	"testing"

	"resetrig/rig"
	"resetrig/rig/rigtest"
)

// suiteOn runs the suite of every bench on a simulated one and gives the
// outcome of each case.
func suiteOn(t *testing.T, generation string, senses []string, faults string, expendable bool, change func(*wiring)) map[string]rigtest.Result {
	t.Helper()
	cfg, model := simBench(t, generation, senses, faults)
	w, err := testApp(t).wire(cfg, model, parts{relays: true, senses: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	w.before(1, 1)
	if change != nil {
		change(w)
	}
	results := map[string]rigtest.Result{}
	for _, r := range rigtest.Run(t.Context(), rigtest.Subject{Bench: w.bench, Expendable: expendable}) {
		if _, twice := results[r.Case]; twice {
			t.Errorf("two cases are called %q", r.Case)
		}
		t.Logf("%-4s %s: wanted %s, saw %s", r.Outcome, r.Case, r.Wanted, r.Seen)
		results[r.Case] = r
	}
	return results
}

func failed(results map[string]rigtest.Result) []string {
	var names []string
	for _, r := range results {
		if r.Outcome == rigtest.Fail {
			names = append(names, r.Case)
		}
	}
	slices.Sort(names)
	return names
}

// The simulated bench passes every case, with every sense and with none, with
// either safe state of the power.
func TestRigtestOnTheSimulatedBench(t *testing.T) {
	for _, generation := range []string{"new", "old"} {
		for _, safe := range []rig.SafeState{rig.SafeKeep, rig.SafeOff} {
			for _, senses := range [][]string{{"power", "reset", "network"}, nil} {
				for _, expendable := range []bool{true, false} {
					name := strings.Join([]string{generation, string(safe), firstOf(strings.Join(senses, "+"), "no-sense"), map[bool]string{true: "expendable", false: "not-expendable"}[expendable]}, "/")
					t.Run(name, func(t *testing.T) {
						got := suiteOn(t, generation, senses, "", expendable, func(w *wiring) {
							for i := range w.bench.Specs {
								if w.bench.Specs[i].Role == rig.RolePower {
									w.bench.Specs[i].Safe = safe
								}
							}
						})
						for _, c := range rigtest.Cases() {
							r, ran := got[c.Name]
							if !ran || r.Outcome == rigtest.Fail || expendable && r.Outcome != rigtest.Pass && (c.Name != "welded" || len(senses) > 0) {
								t.Errorf("%s: %s: wanted %s, saw %s", c.Name, r.Outcome, r.Wanted, r.Seen)
							}
						}
					})
				}
			}
		}
	}
}

// Every fault of a relay that a fitted sense can see fails the case that looks
// for it, and no press follows where it would not be safe.
func TestRigtestFindsFaults(t *testing.T) {
	both := []string{"power", "reset"}
	for _, tt := range []struct {
		fault  string
		senses []string
		want   string // the first of the cases that must fail
	}{
		{"reset-open", both, "press"},
		{"reset-welded", both, "press"},
		{"power-open", both, "cycle"}, // the fault shows from the first cut on
		{"power-welded", both, "power-off"},
		{"power-welded", nil, "power-off"}, // the DUT still answers
	} {
		t.Run(tt.fault+"/"+firstOf(strings.Join(tt.senses, "+"), "no-sense"), func(t *testing.T) {
			got := suiteOn(t, "new", tt.senses, tt.fault, false, nil)
			if names := failed(got); !slices.Contains(names, tt.want) {
				t.Errorf("failed: %v, want %s among them", names, tt.want)
			}
			if tt.fault == "power-welded" && got["press"].Outcome != rigtest.Skip {
				t.Errorf("the DUT still has power, and the press was not skipped: %+v", got["press"])
			}
		})
	}
}

// Another unit at the DUT's address is found out before anything is cut.
func TestRigtestRefusesAnotherUnit(t *testing.T) {
	got := suiteOn(t, "new", []string{"power", "reset"}, "", false, func(w *wiring) {
		w.bench.Identity.Serial = "SOMEBODYELSES"
		if err := w.world.Relays().Set("power", true); err != nil {
			t.Error(err)
		}
		_ = w.bench.Clock.Sleep(t.Context(), w.model.Boot.Most)
		t.Cleanup(func() {
			if truth := w.world.Truth(); !truth.Power || truth.Boots != 1 {
				t.Errorf("another unit lost its power: %+v", truth)
			}
		})
	})
	if got["identity"].Outcome != rigtest.Fail || got["power-off"].Outcome != rigtest.Skip || got["press"].Outcome != rigtest.Skip {
		t.Errorf("identity %+v, power-off %+v", got["identity"], got["power-off"])
	}
}

// A rig whose promise is broken in any place is found out by the case that is
// there for it: the relays are the place where a test can break it.
func TestRigtestFindsRelaysThatLie(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"never opens", "press"}, {"presses when armed", "safe-at-start"}, {"reads on", "safe-at-start"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := suiteOn(t, "new", []string{"power"}, "", false, func(w *wiring) {
				w.bench.Relays = &liar{Relays: w.bench.Relays, how: tt.name}
			})
			if names := failed(got); !slices.Contains(names, tt.want) {
				t.Errorf("failed: %v, want %s among them", names, tt.want)
			}
		})
	}
}

// liar is a set of relays with a broken driver.
type liar struct {
	rig.Relays
	how     string
	pressed bool
}

func (l *liar) Set(name string, on bool) error {
	if name != "reset" {
		return l.Relays.Set(name, on)
	}
	switch l.how {
	case "never opens":
		on = on || l.pressed
		l.pressed = on
	case "presses when armed":
		on = true
	}
	return l.Relays.Set(name, on)
}

func (l *liar) Read(name string) (bool, error) {
	on, err := l.Relays.Read(name)
	return on || name == "reset" && l.how == "reads on", err
}
