package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
)

// failWithSound runs a cycle of a unit that ignores the reset on a simulated
// bench, and gives its record and the folder of its evidence.
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
	return r, filepath.Join(a.state, "artifacts", r.ID)
}

// A cycle that did not pass leaves its sound from before the power-on to after
// the beep, and a picture of it.
func TestFailureLeavesItsSound(t *testing.T) {
	r, dir := failWithSound(t, "reset-partial")
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
	f, err := os.Open(filepath.Join(dir, "beep.wav"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := pcm.OpenWAV(bufio.NewReader(f))
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
	if _, err := os.Stat(filepath.Join(dir, "cycle.wav")); err == nil {
		t.Error("the whole cycle's sound is left, too")
	}
	data, err := os.ReadFile(filepath.Join(dir, "beep.png"))
	if err != nil {
		t.Fatal(err)
	}
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
	r, dir := failWithSound(t, "reset-partial")
	png := filepath.Join(dir, "beep.png")
	if err := os.Remove(png); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	p := pictures{app: &app{err: &errs}}
	if name := p.later(dir, r); name != "beep.png" {
		t.Errorf("the picture's name is %q", name)
	}
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(rig.ErrStop)
	p.draw(stopped)
	if _, err := os.Stat(png); err == nil || len(p.pending) != 1 {
		t.Error("it was drawn, or given up, after a stop")
	}
	p.draw(t.Context())
	if _, err := os.Stat(png); err != nil || len(p.pending) != 0 {
		t.Errorf("it was not drawn: %v, %v", err, p.pending)
	}
	r.Sound.File = "nothing.wav"
	p.later(dir, r)
	if p.draw(t.Context()); !strings.Contains(errs.String(), "nothing.wav") || len(p.pending) != 0 {
		t.Errorf("said %q", errs.String())
	}
	r.Sound = nil
	if name := p.later(dir, r); name != "" || len(p.pending) != 0 {
		t.Errorf("a record without a sound gets the picture %q", name)
	}
}
