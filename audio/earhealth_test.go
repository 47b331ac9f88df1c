package audio_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/pcm/synth"
	"resetrig/rig"
)

// gained is a source behind a microphone with automatic gain.
type gained struct {
	*roomSource
	env float64
}

func findings(t *testing.T, e *audio.Ear, s *roomSource, seconds float64) map[string]rig.Finding {
	t.Helper()
	if err := e.Begin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	out := map[string]rig.Finding{}
	for at := 0.5; at <= seconds; at += 0.5 {
		h, err := e.Listen(t.Context(), s.at(at))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range h.Findings {
			out[f.Name] = f
		}
	}
	return out
}

func TestToneFindings(t *testing.T) {
	for name, c := range map[string]struct {
		build func(r *synth.Room)
		want  string // finding, or nothing
		says  string
	}{
		"beep":    {func(r *synth.Room) { r.Add(beepAt(r, 2, 2, -25)) }, "", ""},
		"far":     {func(r *synth.Room) { r.Add(beepAt(r, 2, 2, -42)) }, "beep-level", "-17 dB"},
		"whine":   {func(r *synth.Room) { r.Add(synth.Tone{FrequencyHz: 3130, LevelDBFS: -30}) }, "whine", "3130 Hz"},
		"outside": {func(r *synth.Room) { r.Add(synth.Tone{FrequencyHz: 3600, LevelDBFS: -30}) }, "", ""},
		"gain":    {func(r *synth.Room) { r.Add(beepAt(r, 2, 2, -25)) }, "gain", "automatic gain"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(3)
			c.build(s.room)
			var source audio.Source = s
			if name == "gain" {
				source = &gained{roomSource: s}
			}
			got := findings(t, newEar(t, source, 0), s, 8)
			for _, n := range []string{"gain", "whine", "beep-level"} {
				f, found := got[n]
				if found != (n == c.want) || found && (f.Unfit || !strings.Contains(f.Detail, c.says)) {
					t.Errorf("%s: %v %+v, want %q", n, found, f, c.want)
				}
			}
		})
	}
}

func (g *gained) Read(ctx context.Context, until time.Time, emit func(pcm.Block)) error {
	return g.roomSource.Read(ctx, until, func(b pcm.Block) {
		for i, v := range b.Samples {
			g.env += (math.Abs(float64(v)) - g.env) / (0.05 * rate)
			b.Samples[i] = float32(float64(v) / (1 + 30*g.env))
		}
		emit(b)
	})
}
