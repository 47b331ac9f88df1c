package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"resetrig/audio"
	"resetrig/audio/audiotest"
	"resetrig/config"
	"resetrig/pcm/synth"
)

// playRoom plays, over and over until the test ends, a room with a long beep of
// 2730 Hz and -24 dBFS, and a neighbour's, to a FIFO.
func playRoom(t *testing.T, fifo string) {
	t.Helper()
	r := synth.NewRoom(simRate, 3)
	r.SetNoise(synth.OfficeNoise())
	for _, b := range [][2]float64{{1, -24}, {3.5, -46}} {
		r.Add(synth.Piezo(r.Samples(b[0]), r.Samples(1.5), 2730, b[1]))
	}
	x := make([]float32, 6*simRate)
	r.Render(x, 0)
	var data []byte
	for _, v := range x {
		data = binary.LittleEndian.AppendUint16(data, uint16(int16(v*32767)))
	}
	f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, err := f.Write(data); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = f.Close()
		wg.Wait()
	})
}

// A bench's beep is learned live, through a sound server, ALSA, PortAudio, the
// microphone's process and its pipe; then it is listened for with what was
// learned.
func TestLiveCalibration(t *testing.T) {
	t.Setenv("RESETRIG_MIC", audiotest.BuildMic(t, version))
	server := audiotest.NewSoundServer(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "sound")
	server.Play(fifo, simRate)
	playRoom(t, fifo)
	bench := func(name, ear string) string {
		name = filepath.Join(dir, name)
		text := fmt.Sprintf(`bench: live
dut: {model: imou-nvr-new, serial: LIVE0001, url: "http://127.0.0.1:9", discovery: "off"}
relays:
  power: {pin: GPIO23, active: high, contact: nc, safe: keep}
  reset: {pin: GPIO24, active: high, max-on: 40s}
ear: {device: rigmic%s}
`, ear)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	file := filepath.Join(dir, "ear.yaml")
	p := start(t, "calibrate", "--bench", bench("new.yaml", ""), "--beeps", "3", "--for", "40s", "--frequency", "2730Hz", "-o", file)
	if code := p.code(); code != exitPass {
		t.Fatalf("exit code %d: %s", code, p.err.String())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cal, err := config.LoadCalibration(file, data)
	if err != nil {
		t.Fatal(err)
	}
	if cal.Bench != "live" || cal.Device != "rigmic" || cal.Frequency < 2728 || cal.Frequency > 2732 || cal.Level < -25 || cal.Level > -23 ||
		cal.Length.Milliseconds() < 1200 || cal.Length.Milliseconds() > 1900 || cal.NoiseFloor > -55 || cal.Beeps < 1 || cal.Thresholds == nil {
		t.Errorf("learned:\n%s", data)
	}
	if !strings.Contains(p.err.String(), "of 3: 27") {
		t.Errorf("the beeps are not told as they come: %s", p.err.String())
	}

	// With it the beeps are long, and the neighbour's is refused, with the reason.
	p = start(t, "listen", "--bench", bench("known.yaml", ", calibration: ear.yaml"), "--for", "8s", "--json", "--explain")
	if code := p.code(); code != exitPass {
		t.Fatalf("exit code %d: %s", code, p.err.String())
	}
	longs, refused := 0, 0
	for line := range strings.Lines(p.out.String()) {
		var v struct {
			audio.RefusedLine
			Kind string
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		switch {
		case v.Kind == "long":
			longs++
		case v.Refused && v.Reason == audio.OtherLevel && v.DurationS > 0.9 && v.DurationS < 2 && v.OnsetS > -2 && v.OnsetS < 8:
			refused++
		}
	}
	if longs < 1 || longs > 2 || refused < 1 || refused > 2 {
		t.Errorf("%d long beeps, %d refused in\n%s\n%s", longs, refused, p.out.String(), p.err.String())
	}
}

// The rig resets a simulated unit to learn its beep; the file is what a bench
// takes.
func TestCalibrateByResets(t *testing.T) {
	dir := t.TempDir()
	bench, file := filepath.Join(dir, "bench.yaml"), filepath.Join(dir, "ear.yaml")
	text := "bench: sim\ndut: {model: imou-nvr-new}\nsimulate: {model: imou-new, senses: [power, reset], faults: [{name: neighbour-beep}, {name: no-disk-alarm}]}\n"
	if err := os.WriteFile(bench, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	a := testApp(t)
	if code := a.execute(t.Context(), []string{"--state", a.state, "calibrate", "--bench", bench, "--reset", "-o", file}); code != exitPass {
		t.Fatalf("exit code %d", code)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cal, err := config.LoadCalibration(file, data)
	if err != nil {
		t.Fatal(err)
	}
	if cal.Beeps != 3 || cal.Frequency < 2720 || cal.Frequency > 2740 || cal.Level != -24 || cal.Spread.Level > 0.5 {
		t.Errorf("learned:\n%s", data)
	}
	db, err := a.openStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, want := range []string{"power", "reset"} {
		if n, err := db.Operations(t.Context(), "sim"); err != nil || n[want] < 3 {
			t.Errorf("the switchings of %s are not in the books: %v, %v", want, n, err)
		}
	}
}

// check asks for a calibration where there is none, or one that does not fit.
func TestCheckAsksForCalibration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ear.yaml")
	known := audio.Profile{FrequencyHz: 2730, LevelDBFS: -24}
	cal := config.Calibration{Bench: "lab", Frequency: 2730, Level: -24, Beeps: 3, Margin: 30, Thresholds: thresholds(known)}
	other := cal
	other.Thresholds = thresholds(known)
	other.Thresholds.LevelBelow++
	for name, c := range map[string]struct {
		cal     *config.Calibration
		bench   string
		profile audio.Profile
		level   string
		says    string
	}{
		"none":            {nil, "lab", audio.Profile{}, "warn", "any long tone"},
		"no level":        {nil, "lab", audio.Profile{FrequencyHz: 2730}, "warn", "level is not known"},
		"by hand":         {nil, "lab", known, "warn", "by hand"},
		"good":            {&cal, "lab", known, "ok", "every 30 days"},
		"another bench's": {&cal, "lab-2", known, "warn", `learned on the bench "lab"`},
		"old thresholds":  {&other, "lab", known, "warn", "thresholds"},
		"before those":    {&config.Calibration{Frequency: 2730, Level: -24}, "lab", known, "warn", "thresholds"},
	} {
		cfg := &config.Bench{Name: c.bench, File: "bench.yaml", Ear: &config.Ear{}}
		if c.cal != nil {
			cfg.Ear.Calibration = file
			if err := os.WriteFile(file, c.cal.YAML(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got := checkCalibration(cfg, c.profile)
		if len(got) != 1 || got[0].Level != c.level || !strings.Contains(got[0].Text, c.says) ||
			c.level == "warn" && !strings.Contains(got[0].Remedy, "calibrate --bench bench.yaml --reset") {
			t.Errorf("%s: %+v, want %s with %q", name, got, c.level, c.says)
		}
	}
	if got := checkCalibration(&config.Bench{Simulate: &config.Simulate{}}, known); got != nil {
		t.Errorf("simulated: %+v", got)
	}
}
