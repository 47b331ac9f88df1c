package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"resetrig/rig"
	"resetrig/store"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.FixedZone("", 3600))

func open(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fresh(t testing.TB) *store.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "results.db"))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func begin(t testing.TB, s *store.Store, id string) {
	t.Helper()
	must(t, s.BeginRun(t.Context(), store.Run{
		ID: id, Kind: store.KindSoak, Bench: "lab-3-left", Scenario: "imou-hard-reset", Planned: 100,
		Started: noon, Version: "1.2.3", Frozen: map[string]string{"scenario": "scenario: imou-hard-reset\n"},
	}))
}

func cycleID(run string, n, attempt int) string { return fmt.Sprintf("%s-%04d-%d", run, n, attempt) }

func at(run string, n, attempt int) store.Cycle {
	return store.Cycle{ID: cycleID(run, n, attempt), Run: run, N: n, Attempt: attempt, Started: noon}
}

func ptr(f float64) *float64 { return &f }

// full is a record with every field set.
func full(run string, n, attempt int) rig.Record {
	return rig.Record{
		ID: cycleID(run, n, attempt), Run: run, Cycle: n, Attempt: attempt,
		Bench: "lab-3-left", Scenario: "imou-hard-reset", Params: map[string]string{"off": "10s", "hold": "15s"},
		Source: "scenario: imou-hard-reset\nparams: {off: 10s}\n", Version: "1.2.3", Started: noon, Took: 112*time.Second + 345678901,
		Outcome: rig.Fail, Attribution: rig.Proven, Reason: rig.ReasonResetPartial, Text: "the password was reset, the name \x01 „NVR“ was kept",
		DUT:  rig.Identity{Serial: "4F0A2B1PAZ00001", MAC: "3c:ef:8c:12:34:56"},
		Mark: &rig.Mark{ID: "m1", Values: []rig.MarkedValue{{What: "password", Was: "***", Is: "***"}, {What: "name", Was: "NVR", Is: "rig-7f3a"}}},
		Steps: []rig.StepRecord{
			{Phase: "arrange", Step: "mark", Began: time.Second, Took: 2 * time.Second},
			{Phase: "act", Step: "press reset", Began: 13 * time.Second, Took: 17 * time.Second, Error: "late"},
		},
		Checks: []rig.Check{{
			Name: "marker: name", Kind: rig.AboutMarker, Wanted: "NVR", Seen: "rig-7f3a", Outcome: rig.CheckFail,
			Reason: rig.ReasonUnanswered,
		}},
		Measurements: []rig.Measurement{
			{Name: "press_duration", Value: 17.000000001, Unit: "s", Min: ptr(15), Max: ptr(40), Outcome: rig.CheckPass},
			{Name: "restart_time", Value: 1.0 / 3, Unit: "s", Outcome: rig.CheckPass},
		},
		Beeps:      []rig.BeepRecord{{Onset: 20 * time.Second, Duration: 4 * time.Second, FrequencyHz: 2400.5, SNRdB: 31.2, LevelDBFS: -22.25, Kind: "long"}},
		Findings:   []rig.Finding{{Name: "late", Detail: "0.3 s", Unfit: true}},
		Timeline:   []rig.Event{{At: 10 * time.Second, Kind: "relay", Name: "power", Text: "off", On: true}},
		Operations: map[string]int{"power": 2, "reset": 2}, Senses: []string{"power"},
		Artifacts: []string{"0001/cycle.wav"}, Unsafe: []string{"reset"},
		Hashes: []rig.Artifact{{Name: "0001/cycle.wav", SHA256: strings.Repeat("0a", 32), Bytes: 1 << 33}},
		Sound:  &rig.SoundRecord{File: "cycle.wav", From: 5 * time.Second, To: 50 * time.Second},
	}
}

// with is full with another outcome.
func with(run string, n, attempt int, o rig.Outcome, a rig.Attribution, why rig.Reason) rig.Record {
	r := full(run, n, attempt)
	r.Outcome, r.Attribution, r.Reason = o, a, why
	return r
}
