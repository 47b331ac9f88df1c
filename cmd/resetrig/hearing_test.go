package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"resetrig/config"
	"resetrig/pcm/corpus"
	"resetrig/rig"
	"resetrig/sim"
)

// heard runs a cycle in a room, and gives its record and the unit's own long
// beeps as they really were, since the cycle's begin.
func heard(t *testing.T, seed uint64, faults string, room *config.Room) (rig.Record, []sim.BeepTruth) {
	t.Helper()
	cfg, model := simBench(t, "new", []string{"power", "reset"}, faults)
	cfg.Simulate.Seed, cfg.Simulate.Room = seed, room
	a := testApp(t)
	sc, err := loadScenario("imou-hard-reset", nil)
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
	var rec rig.Record
	var began time.Duration
	err = w.bench.Arm(t.Context(), func(ctx context.Context, armed *rig.Armed) error {
		w.before(1, 1)
		began = w.world.Truth().Now
		rec = w.bench.Cycle(ctx, armed, sc, rig.CycleSpec{ID: "test-1", Run: "test", Cycle: 1, Attempt: 1})
		return nil
	})
	var unsafe *rig.UnsafeError
	if err != nil && !errors.As(err, &unsafe) {
		t.Fatal(err)
	}
	var own []sim.BeepTruth
	for _, b := range w.world.Truth().Beeps {
		if b.Own && b.To-b.From >= time.Second && b.From >= began {
			b.From, b.To = b.From-began, b.To-began
			own = append(own, b)
		}
	}
	return rec, own
}

// hardOnTheEar are what the detector alone must tell from the unit's beep, or
// hear it through, at the levels of the corpus: a neighbour's beep 20 to 25 dB
// weaker, an alarm of 0.15 to 0.8 s at the beep's level, clipping, automatic
// gain, lost buffers; a room full of every kind of noise.
func hardOnTheEar() map[string]struct {
	faults  string
	room    *config.Room
	finding string
} {
	type hard = struct {
		faults  string
		room    *config.Room
		finding string
	}
	m := map[string]hard{
		"neighbour-beep": {faults: "neighbour-beep"},
		"no-disk-alarm":  {faults: "no-disk-alarm"},
		"mic-gain":       {faults: "mic-gain", finding: "gain"},
		"mic-dropouts":   {faults: "mic-dropouts", finding: "dropouts"},
		"all of them":    {faults: "neighbour-beep+no-disk-alarm+mic-dropouts", finding: "dropouts"},
	}
	// As loud as the beep for steady noise; what has tones or blows in its band
	// stays under it.
	for _, noise := range corpus.Noises() {
		snr := config.Decibels(0)
		switch noise {
		case "speech", "babble", "music", "slams", "keys":
			snr = 12
		}
		m["room of "+noise] = hard{room: &config.Room{Noise: noise, SNR: snr}}
	}
	return m
}

// TestEarDecidesAlone: whatever sounds in the room, the unit's beep is heard and
// timed, and a unit that gives none is found out; no verdict differs.
func TestEarDecidesAlone(t *testing.T) {
	const seeds = 20
	for name, c := range hardOnTheEar() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := uint64(seeds)
			if c.room != nil {
				n = 4
			}
			findings, timed, within := 0, 0, 0
			for seed := range n {
				rec, own := heard(t, seed, c.faults, c.room)
				if got := verdictLine(rec); got != "pass" {
					t.Errorf("seed %d: %s\n%s", seed, got, story(rec))
					continue
				}
				for _, b := range rec.Beeps {
					if b.Kind != "long" || len(own) == 0 {
						continue
					}
					off, longer := (b.Onset - own[0].From).Abs(), (b.Duration - own[0].To + own[0].From).Abs()
					if off > 100*time.Millisecond {
						t.Errorf("seed %d: a long beep at %v, the unit's was at %v", seed, b.Onset, own[0].From)
					}
					timed++
					if off <= b.OnsetUncertainty+time.Millisecond && longer <= b.DurationUncertainty+time.Millisecond {
						within++
					}
				}
				for _, f := range rec.Findings {
					if f.Name == c.finding {
						findings++
					}
				}
				rec, _ = heard(t, seed, strings.TrimPrefix(c.faults+"+no-beep", "+"), c.room)
				if got := verdictLine(rec); got != "fail proven beep-missing" {
					t.Errorf("seed %d, without a beep: %s\n%s", seed, got, story(rec))
				}
			}
			least := 9 // of 10
			if c.room != nil {
				least = 7 // the uncertainty knows of noise, not of voices in the band
			}
			if timed != int(n) || within*10 < timed*least {
				t.Errorf("%d beeps in %d cycles, %d of them within what is said of their uncertainty", timed, n, within)
			}
			if c.finding != "" && findings < int(n)*9/10 {
				t.Errorf("%s was found in %d of %d cycles", c.finding, findings, n)
			}
		})
	}
}

// TestUnfitEarIsNoVerdict: what the microphone cannot hear is the rig's.
func TestUnfitEarIsNoVerdict(t *testing.T) {
	for fault, want := range map[string]string{"mic-dead": "error ear-unfit", "mic-clipped": "error ear-unfit", "mic-unplugged": "error ear-lost"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(20) {
				for _, more := range []string{"", "+no-beep", "+reset-ignored+neighbour-beep"} {
					if rec, _ := heard(t, seed, fault+more, nil); verdictLine(rec) != want {
						t.Errorf("seed %d%s: %s, want %s\n%s", seed, more, verdictLine(rec), want, story(rec))
					}
				}
			}
		})
	}
}

// story is what a cycle heard and why it ended so.
func story(r rig.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s\n", r.Text)
	for _, k := range r.Beeps {
		fmt.Fprintf(&b, "  beep %s at %v for %v, %.1f Hz, %.1f dBFS\n", k.Kind, k.Onset, k.Duration, k.FrequencyHz, k.LevelDBFS)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "  finding %s, unfit %v: %s\n", f.Name, f.Unfit, f.Detail)
	}
	return b.String()
}
