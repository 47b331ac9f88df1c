package audio_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/pcm/synth"
	"resetrig/rig"
)

// roomSource gives a room's sound on a clock that Read moves.
type roomSource struct {
	room  *synth.Room
	began time.Time
	pos   int64
	loses map[int64]int64 // at a sample, that many are lost
	hides bool            // and the count does not say so
	fast  float64         // how much faster than it says the device's clock runs, ppm
	count int64
	fail  error
	opens int
}

func newSource(seed uint64) *roomSource {
	r := synth.NewRoom(rate, seed)
	r.SetNoise(synth.OfficeNoise())
	return &roomSource{room: r, began: time.Unix(1000, 0), loses: map[int64]int64{}}
}

func (s *roomSource) at(seconds float64) time.Time {
	return s.began.Add(time.Duration(seconds * float64(time.Second)))
}

func (s *roomSource) Open(context.Context) error { s.opens++; return nil }
func (s *roomSource) Close() error               { return nil }

func (s *roomSource) Read(ctx context.Context, until time.Time, emit func(pcm.Block)) error {
	buf := make([]float32, 320)
	for s.at(float64(s.pos+320)/rate).Compare(until) <= 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.fail != nil {
			return s.fail
		}
		s.room.Render(buf, s.pos)
		if n := s.loses[s.pos]; n > 0 {
			s.pos += n
			if !s.hides {
				s.count += n
			}
			continue
		}
		emit(pcm.Block{Start: s.count, Time: s.at(float64(s.pos) / rate / (1 + s.fast/1e6)), Rate: rate, Samples: buf})
		s.pos += 320
		s.count += 320
	}
	return nil
}

func newEar(t *testing.T, s audio.Source, noise float64) *audio.Ear {
	t.Helper()
	e, err := audio.NewEar(s, rate, profile, noise)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// listen goes on in steps of half a second and gathers all.
func listen(t *testing.T, e *audio.Ear, s *roomSource, to float64) (beeps []rig.Beep, found map[string]rig.Finding) {
	t.Helper()
	found = map[string]rig.Finding{}
	for at := float64(s.pos)/rate + 0.5; at <= to+0.01; at += 0.5 {
		h, err := e.Listen(t.Context(), s.at(at))
		if err != nil {
			t.Fatal(err)
		}
		beeps = append(beeps, h.Beeps...)
		for _, f := range h.Findings {
			if old, ok := found[f.Name]; !ok || !old.Unfit {
				found[f.Name] = f
			}
		}
	}
	return beeps, found
}

func TestEarHears(t *testing.T) {
	s := newSource(1)
	s.room.Add(synth.Piezo(s.room.Samples(3), s.room.Samples(2), 3100, -25))
	s.room.Add(synth.Chirp(rate, s.room.Samples(7), 3100, -25))
	// A loss before the beep must not move it.
	s.loses[16000] = 1600
	e := newEar(t, s, 0)
	spool := filepath.Join(t.TempDir(), "cycle.wav")
	if err := e.Begin(t.Context(), spool); err != nil {
		t.Fatal(err)
	}
	beeps, found := listen(t, e, s, 9)
	if len(beeps) != 3 || !beeps[0].Long || beeps[0].Ended || !beeps[1].Ended || beeps[0].ID != beeps[1].ID || beeps[2].Long {
		t.Fatalf("beeps: %+v", beeps)
	}
	for i, want := range []float64{3, 3, 7} {
		if d := beeps[i].Onset.Sub(s.at(want)); d.Abs() > 5*time.Millisecond {
			t.Errorf("beep %d begins %v late", i, d)
		}
	}
	if d := beeps[1].Duration() - 2*time.Second; d.Abs() > 5*time.Millisecond {
		t.Errorf("the beep is %v too long", d)
	}
	if f, ok := found["dropouts"]; !ok || f.Unfit || len(found) != 1 {
		t.Errorf("findings: %v", found)
	}
	if l := e.Level(); l.RMSdBFS > -50 || l.RMSdBFS < -75 || l.PeakDBFS < l.RMSdBFS {
		t.Errorf("level: %+v", l)
	}
	if n := len(e.Spectrum()); n != 512 {
		t.Errorf("a spectrum of %d bins", n)
	}
	if err := e.End(true); err != nil {
		t.Fatal(err)
	}
	if i, err := os.Stat(spool); err != nil || i.Size() < 8*rate*2 {
		t.Errorf("spool: %v, %v", i, err)
	}
	// The next cycle begins at nothing.
	if err := e.Begin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if beeps, found := listen(t, e, s, 12); len(beeps)+len(found) != 0 || s.opens != 2 {
		t.Errorf("second cycle: %v %v, %d opens", beeps, found, s.opens)
	}
}

func TestEarLost(t *testing.T) {
	s := newSource(3)
	e := newEar(t, s, 0)
	if err := e.Begin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	s.fail = errors.New("pulled out")
	if _, err := e.Listen(t.Context(), s.at(1)); !errors.Is(err, rig.ErrEarLost) || !errors.Is(err, s.fail) {
		t.Errorf("error %v", err)
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := e.Listen(ctx, s.at(1)); !errors.Is(err, stop) || errors.Is(err, rig.ErrEarLost) {
		t.Errorf("error %v", err)
	}
}

func TestSpectrumLevel(t *testing.T) {
	d, err := audio.NewDetector(rate, audio.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	d.Process(scene(1, 1, func(r *synth.Room) {
		r.Add(synth.Tone{FrequencyHz: 200 * audio.SpectrumHz, LevelDBFS: -20})
	}), func(audio.Event) {})
	if s := d.Spectrum(); math.Abs(float64(s[200])+20) > 0.1 || s[100] > -80 {
		t.Errorf("bin 200 is %.1f, bin 100 %.1f dBFS", s[200], s[100])
	}
}
