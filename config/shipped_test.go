package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/config"
	"resetrig/rig"
)

func testEnv() config.Env {
	e := config.System()
	e.Lookup = func(name string) (string, bool) {
		if name == "NVR_PW" {
			return "s3cret-pw", true
		}
		return "", false
	}
	return e
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no files match %s (%v)", pattern, err)
	}
	return found
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := config.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func benchFiles(t *testing.T) []string {
	var found []string
	for _, f := range files(t, "../examples/benches/*.yaml") {
		if !strings.Contains(filepath.Base(f), ".ear.") && !strings.Contains(filepath.Base(f), ".baseline.") {
			found = append(found, f)
		}
	}
	return append(found, "default-bench.yaml")
}

func TestShippedScenariosLoad(t *testing.T) {
	for _, f := range files(t, "../scenarios/*.yaml") {
		t.Run(filepath.Base(f), func(t *testing.T) {
			sc, err := config.LoadScenario(f, read(t, f), nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.TrimSuffix(filepath.Base(f), ".yaml"); sc.Name != want {
				t.Errorf("scenario %q in the file of %q", sc.Name, want)
			}
			if control := strings.HasPrefix(sc.Name, "control-") || strings.HasSuffix(sc.Name, "-wrong-password"); sc.Control != control {
				t.Errorf("control is %v, want %v by its name", sc.Control, control)
			}
			if sc.About == "" {
				t.Error("it says nothing about itself")
			}
		})
	}
}

func TestShippedModelsLoad(t *testing.T) {
	for _, f := range files(t, "../models/*.yaml") {
		t.Run(filepath.Base(f), func(t *testing.T) {
			m, err := config.LoadModel(f, read(t, f))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.TrimSuffix(filepath.Base(f), ".yaml"); m.Name != want {
				t.Errorf("model %q in the file of %q", m.Name, want)
			}
		})
	}
}

func TestExampleBenchesLoad(t *testing.T) {
	for _, f := range benchFiles(t) {
		t.Run(filepath.Base(f), func(t *testing.T) {
			b, err := config.LoadBench(f, read(t, f), testEnv())
			if err != nil {
				t.Fatal(err)
			}
			if b.Ear != nil && b.Ear.Calibration != "" {
				if _, err := config.LoadCalibration(b.Ear.Calibration, read(t, b.Ear.Calibration)); err != nil {
					t.Error(err)
				}
			}
			if b.DUT.Baseline != "" {
				if _, err := config.LoadBaseline(b.DUT.Baseline, read(t, b.DUT.Baseline)); err != nil {
					t.Error(err)
				}
			}
			if _, err := os.Stat(filepath.Join("../models", b.DUT.Model+".yaml")); err != nil {
				t.Errorf("model %q is not shipped", b.DUT.Model)
			}
		})
	}
}

func TestExampleIsTheDefaultBench(t *testing.T) {
	def, err := config.LoadBench("default-bench.yaml", config.DefaultBench(), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	f := "../examples/benches/simulated.yaml"
	example, err := config.LoadBench(f, read(t, f), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	example.File = def.File
	if diff := cmp.Diff(def, example); diff != "" {
		t.Error(diff)
	}
}

// The hard reset as it is written, step by step: what every verdict of the lab
// hangs on.
func TestHardResetSteps(t *testing.T) {
	sc, err := config.LoadScenario("imou-hard-reset.yaml", read(t, "../scenarios/imou-hard-reset.yaml"), map[string]string{"hold": "12s", "beep": "expected"})
	if err != nil {
		t.Fatal(err)
	}
	const s, m = 1e9, 60e9
	got := [][]rig.Step{sc.Arrange, sc.Act, sc.Assert}
	want := [][]rig.Step{
		{rig.SwitchPower{Relay: "power", On: true}, rig.Reachable{Within: 5 * m}, rig.Provision{},
			rig.SetMark{Spec: rig.MarkSpec{Password: true, Name: true}}},
		{rig.SwitchPower{Relay: "power"}, rig.Wait{For: 10 * s}, rig.PressRelay{Relay: "reset"}, rig.SwitchPower{Relay: "power", On: true},
			rig.Hold{For: 12 * s, Since: rig.PowerOn, UntilBeepEnds: 1 * s}, rig.ReleaseRelay{Relay: "reset"},
			rig.Hear{Beep: "long", From: rig.PowerOn, To: rig.Release, Verdict: rig.BeepExpected}},
		{rig.Restarted{Within: 5 * m, Stable: 20 * s, Since: rig.Latest}, rig.DefaultState{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantParams := map[string]string{"off": "10s", "hold": "12s", "restart": "5m", "stable": "20s", "beep": "expected"}
	if diff := cmp.Diff(wantParams, sc.Params); diff != "" {
		t.Error(diff)
	}
}
