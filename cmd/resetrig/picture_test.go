package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"resetrig/pcm"
	"resetrig/rig"
	"resetrig/store"
)

// failWithSound runs a cycle of a unit that ignores the reset on a simulated
// bench, and gives its record and the state folder.
func failWithSound(t *testing.T, fault string) (rig.Record, string) {
	t.Helper()
	bench := filepath.Join(t.TempDir(), "bench.yaml")
	text := "bench: sim\ndut: {model: imou-nvr-new}\nsimulate: {model: imou-new, senses: [power, reset], faults: [{name: " + fault + "}]}\n"
	if err := os.WriteFile(bench, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	a := testApp(t)
	var out bytes.Buffer
	a.out = &out
	a.execute(t.Context(), []string{"--state", a.state, "run", "imou-hard-reset", "--bench", bench, "--sound", "fails", "--json"})
	var r rig.Record
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	return r, a.state
}

// artifactOf is a file of a cycle's evidence.
func artifactOf(t *testing.T, state, cycle, name string) []byte {
	t.Helper()
	db, err := store.OpenReader(filepath.Join(state, "resetrig.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f, _, err := openArtifact(t.Context(), db, cycle, name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A cycle that did not pass leaves its sound from before the power-on to after
// the beep, and a picture of it.
func TestFailureLeavesItsSound(t *testing.T) {
	r, state := failWithSound(t, "reset-partial")
	if r.Outcome != rig.Fail || r.Sound == nil || r.Sound.File != "beep.wav" || !slices.Contains(r.Artifacts, "beep.wav") || !slices.Contains(r.Artifacts, "beep.png") {
		t.Fatalf("%s %s, sound %+v, artifacts %v", r.Outcome, r.Reason, r.Sound, r.Artifacts)
	}
	var on, off time.Duration
	for _, e := range r.Timeline {
		switch {
		case e.Kind != "relay":
		case e.Name == "power" && e.On && off == 0:
			on = e.At
		case e.Name == "reset" && !e.On && off == 0:
			off = e.At
		}
	}
	long := slices.IndexFunc(r.Beeps, func(b rig.BeepRecord) bool { return b.Kind == "long" })
	if long < 0 || r.Sound.From > on-5*time.Second || r.Sound.To < off+5*time.Second || r.Sound.To-r.Sound.From > 45*time.Second {
		t.Errorf("power on %v, release %v, beeps %v, sound %+v", on, off, r.Beeps, r.Sound)
	}
	w, err := pcm.OpenWAV(bytes.NewReader(artifactOf(t, state, r.ID, "beep.wav")))
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 60*simRate)
	n, err := w.ReadBlock(x)
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if got := time.Duration(n) * time.Second / simRate; (got - (r.Sound.To - r.Sound.From)).Abs() > 20*time.Millisecond {
		t.Errorf("%v of sound, want %v", got, r.Sound.To-r.Sound.From)
	}
	// The beep is where the record says.
	loud := func(at time.Duration) float64 {
		i, sum := int((at-r.Sound.From).Seconds()*simRate), 0.0
		for _, v := range x[i : i+simRate/100] {
			sum += float64(v) * float64(v)
		}
		return 10 * math.Log10(sum/(simRate/100))
	}
	b := r.Beeps[long]
	if before, after := loud(b.Onset-15*time.Millisecond), loud(b.Onset+5*time.Millisecond); before > -45 || after < -35 {
		t.Errorf("at the beep's onset the level goes from %.0f to %.0f dB", before, after)
	}
	if slices.Contains(r.Artifacts, "cycle.wav") {
		t.Error("the whole cycle's sound is left, too")
	}
	if _, err := os.Stat(filepath.Join(state, "artifacts", r.ID)); err == nil {
		t.Error("the cycle's own folder is left")
	}
	for _, a := range r.Hashes { // what the record says is what is there
		data := artifactOf(t, state, r.ID, a.Name)
		if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != a.SHA256 || int64(len(data)) != a.Bytes {
			t.Errorf("%s: %d bytes, sum %s; the record says %+v", a.Name, len(data), sum, a)
		}
	}
	if len(r.Hashes) != 2 { // the sound and the transcript; the picture comes later
		t.Errorf("hashes %+v", r.Hashes)
	}
	data := artifactOf(t, state, r.ID, "beep.png")
	if to := os.Getenv("RESETRIG_PICTURE"); to != "" {
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := png.Decode(bytes.NewReader(data)); err != nil {
		t.Error(err)
	}
}

// A picture is drawn when no bench waits for it: a stop leaves it for later, and
// its failure takes nothing with it.
func TestPicturesWait(t *testing.T) {
	r, state := failWithSound(t, "reset-partial")
	db, err := store.Open(filepath.Join(state, "resetrig.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// The same cycle again, without its picture.
	again := r
	again.ID, again.Run, again.Cycle, again.Hashes = "again-1", "again", 1, nil
	if err := db.BeginRun(t.Context(), store.Run{ID: "again"}); err != nil {
		t.Fatal(err)
	}
	dir, err := db.CycleDir(again.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "beep.wav"), artifactOf(t, state, r.ID, "beep.wav"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again.Hashes, err = db.Hash(again.ID, []string{"beep.wav"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Commit(t.Context(), again), db.Settle(t.Context(), again.ID)); err != nil {
		t.Fatal(err)
	}
	drawn := func() bool {
		f, _, err := openArtifact(t.Context(), db, again.ID, "beep.png")
		if err == nil {
			f.Close()
		}
		return err == nil
	}
	var errs bytes.Buffer
	p := pictures{app: &app{err: &errs}, db: db}
	if name := p.of(again); name != "beep.png" {
		t.Errorf("the picture's name is %q", name)
	}
	p.missed(t.Context(), "again")
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(rig.ErrStop)
	p.draw(stopped)
	if drawn() || len(p.pending) != 1 {
		t.Error("it was drawn, or given up, after a stop")
	}
	p.draw(t.Context())
	if !drawn() || len(p.pending) != 0 {
		t.Errorf("it was not drawn: %s, %v", errs.String(), p.pending)
	}
	if p.missed(t.Context(), "again"); len(p.pending) != 0 {
		t.Error("a picture that is there is to be drawn again")
	}
	gone := again
	gone.Sound = &rig.SoundRecord{File: "nothing.wav"}
	p.later(gone)
	if p.draw(t.Context()); !strings.Contains(errs.String(), "nothing.wav") || len(p.pending) != 0 {
		t.Errorf("said %q", errs.String())
	}
	gone.Sound = nil
	if name := p.of(gone); name != "" {
		t.Errorf("a record without a sound gets the picture %q", name)
	}
}
