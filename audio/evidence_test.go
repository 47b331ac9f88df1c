package audio_test

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"resetrig/audio"
	"resetrig/pcm/synth"
)

func TestPicture(t *testing.T) {
	x := scene(12, 3, func(r *synth.Room) {
		office(r)
		r.Add(synth.Chirp(rate, r.Samples(1), 3100, -25))
		r.Add(beepAt(r, 3, 2, -25))
		r.Add(synth.Piezo(r.Samples(7), r.Samples(2), 4000, -25))
		r.AddSound(r.Samples(6), synth.Speech(rate, 3, 5, -30))
	})
	name := filepath.Join(t.TempDir(), "spectrogram.png")
	if err := (audio.Picture{Profile: profile, Title: "lab-3  20261122-1  FAIL: marker", From: 41.3}).DrawFile(name, &recording{x: x}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if to := os.Getenv("RESETRIG_PICTURE"); to != "" {
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	// The beep's frame is green where it began and ended; nothing else is in the
	// spectrogram but its length.
	first, last := -1, -1
	for px := range m.Bounds().Dx() {
		for py := range 56 + 420 {
			if r, g, b, _ := m.At(px, py).RGBA(); r>>8 == 60 && g>>8 == 230 && b>>8 == 90 {
				if first < 0 {
					first = px
				}
				last = px
			}
		}
	}
	if first != 96+300 || last < 96+498 || last > 96+501 {
		t.Errorf("the beep is drawn from %d to %d, want 396 to about 596", first, last)
	}
	if err := (audio.Picture{}).Draw(&bytes.Buffer{}, &recording{}); err == nil {
		t.Error("an empty recording was drawn")
	}
}
