package main

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"resetrig/pcm"
	"resetrig/rig"
	"resetrig/store"
)

// out runs the command in this process and gives what it printed to stdout.
func out(t *testing.T, state string, want int, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(append(args, "--state", state), strings.NewReader(""), &stdout, &stderr); code != want {
		t.Fatalf("%v: exit %d, want %d\n%s", args, code, want, stderr.String())
	}
	return stdout.String()
}

// Real records of every kind are as `schema record` says: strictly, so that a
// field that somebody adds without a word in it is found here.
func TestRecordsFitTheirSchema(t *testing.T) {
	dir := t.TempDir()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(out(t, dir, 0, "schema", "record")))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("record.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("record.json")
	if err != nil {
		t.Fatal(err)
	}
	bench := filepath.Join(dir, "bench.yaml")
	text := "bench: faulty\ndut: {model: imou-nvr-new}\nsoak: {stop-after-fails: 0, stop-after-errors: 0, retries: 1}\n" +
		"simulate:\n  model: imou-new\n  seed: 5\n  senses: [power, reset, network]\n  faults:\n" +
		"    - {name: reset-partial, probability: 0.3}\n    - {name: mic-unplugged, probability: 0.3}\n    - {name: dead-after-reset, probability: 0.2}\n"
	if err := os.WriteFile(bench, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kinds := map[rig.Outcome]int{}
	for _, args := range [][]string{
		{"soak", "imou-hard-reset", "--bench", bench, "--cycles", "15", "--sound", "fails", "--json"},
		{"run", "control-short-press", "--json"},
	} {
		var stdout, stderr bytes.Buffer
		run(append(args, "--state", dir), strings.NewReader(""), &stdout, &stderr)
		for line := range bytes.Lines(stdout.Bytes()) {
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if err := s.Validate(doc); err != nil {
				t.Errorf("%.120s: %v", line, err)
			}
			var r rig.Record
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			kinds[r.Outcome]++
		}
	}
	if kinds[rig.Pass] == 0 || kinds[rig.Fail] == 0 || kinds[rig.Error] == 0 {
		t.Errorf("there were not all kinds: %v", kinds)
	}
}

// The clip on a page is the piece of the cycle that it says, of a recording that
// is itself a piece.
func TestEvidenceOfACycle(t *testing.T) {
	state := t.TempDir()
	dir := filepath.Join(state, "artifacts", "r1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "beep.wav"))
	if err != nil {
		t.Fatal(err)
	}
	const rate = 16000
	w, err := pcm.NewWAVWriter(f, rate)
	if err != nil {
		t.Fatal(err)
	}
	sec := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	samples := make([]float32, 40*rate) // of the cycle's 10th to 50th second; loud from 22 to 24 s
	for i := 12 * rate; i < 14*rate; i++ {
		samples[i] = .5
	}
	if err := w.Write(samples); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "beep.png"), []byte("picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := rig.Record{
		ID: "r1", Took: sec(90), Artifacts: []string{"beep.wav", "beep.png"}, Sound: &rig.SoundRecord{File: "beep.wav", From: sec(10), To: sec(50)},
		Timeline: []rig.Event{
			{At: sec(12), Kind: "phase", Name: "act"}, {At: sec(12), Kind: "relay", Name: "power"}, {At: sec(20), Kind: "relay", Name: "reset", On: true},
			{At: sec(20.5), Kind: "relay", Name: "power", On: true}, {At: sec(30), Kind: "relay", Name: "reset"},
			{At: sec(31), Kind: "phase", Name: "assert"}, {At: sec(70), Kind: "relay", Name: "power", On: true},
		},
	}
	db, err := store.Open(filepath.Join(state, "resetrig.db")) // which knows nothing of the cycle, as of one of an older program
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	e := evidenceIn(t.Context(), db)
	s, err := e.Show(r)
	if err != nil || string(s.Picture) != "picture" || s.SoundFrom != sec(19.5) || s.SoundTo != sec(32) {
		t.Fatalf("%d bytes of picture, sound from %v to %v, %v", len(s.Picture), s.SoundFrom, s.SoundTo, err)
	}
	wav, err := pcm.OpenWAV(bytes.NewReader(s.Sound))
	if err != nil {
		t.Fatal(err)
	}
	heard := make([]float32, 60*rate)
	n := 0
	for n < len(heard) {
		k, err := wav.ReadBlock(heard[n:])
		if n += k; err != nil || k == 0 {
			break
		}
	}
	if want := int(12.5 * rate); n != want {
		t.Errorf("%d samples, want %d", n, want)
	}
	loud := func(at float64) bool { return math.Abs(float64(heard[int((at-19.5)*rate)])-.5) < .01 }
	if loud(21.9) || !loud(22.1) || !loud(23.9) || loud(24.1) {
		t.Error("the clip is not the piece that it says")
	}

	// A picture is drawn again; what is gone is left out; what is damaged is said; a name that leads out of the folder is not followed.
	if err := os.Remove(filepath.Join(dir, "beep.png")); err != nil {
		t.Fatal(err)
	}
	if s, err := e.Show(r); err != nil || s.Sound == nil {
		t.Errorf("without its picture: %v", err)
	} else if _, err := png.Decode(bytes.NewReader(s.Picture)); err != nil {
		t.Errorf("the picture was not drawn again: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "beep.wav"), []byte("no sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Show(r); err == nil {
		t.Error("a damaged recording is no error")
	}
	if err := os.Remove(filepath.Join(dir, "beep.wav")); err != nil {
		t.Fatal(err)
	}
	if s, err := e.Show(r); err != nil || s.Sound != nil || s.Picture != nil {
		t.Errorf("without anything: %v", err)
	}
	r.Sound.File = "../../secret.wav"
	if s, err := e.Show(r); err != nil || s.Sound != nil {
		t.Errorf("%d bytes, %v", len(s.Sound), err)
	}
	r.ID = ".."
	if _, err := e.Show(r); err == nil {
		t.Error("an ID that is a path is no error")
	}
}
