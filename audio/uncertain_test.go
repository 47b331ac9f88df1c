package audio_test

import (
	"math"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm/synth"
	"resetrig/rig"
)

// oneBeep hears a beep that begins at 3 s and lasts 2, and gives its last word.
func oneBeep(t *testing.T, source audio.Source, s *roomSource) (rig.Beep, rig.Hearing, bool) {
	t.Helper()
	e := newEar(t, source, 0)
	if err := e.Begin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	h, err := e.Listen(t.Context(), s.at(8))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range h.Beeps {
		if b.Long && b.Ended {
			return b, h, true
		}
	}
	return rig.Beep{}, h, false
}

// What is said of the uncertainty holds: at least 95 of 100 beeps begin, last
// and sound as they are measured, and it is not said so wide that it says
// nothing.
func TestUncertainty(t *testing.T) {
	for _, cn0 := range []float64{25, 30, 36, 50} {
		const n = 60
		onset, length, pitch, all := 0, 0, 0, 0
		var widest time.Duration
		for seed := range uint64(n) {
			s := newSource(seed)
			s.room.SetNoise(synth.NoiseSpec{White: white(cn0)})
			s.room.Add(synth.Piezo(s.room.Samples(3), s.room.Samples(2), 3095+float64(seed%7), -25))
			b, _, ok := oneBeep(t, s, s)
			if !ok {
				continue
			}
			all++
			if b.Onset.Sub(s.at(3)).Abs() <= b.OnsetUncertainty {
				onset++
			}
			if (b.Duration() - 2*time.Second).Abs() <= b.LengthUncertainty {
				length++
			}
			if math.Abs(b.FrequencyHz-3095-float64(seed%7)) <= b.FrequencyUncertaintyHz {
				pitch++
			}
			widest = max(widest, b.OnsetUncertainty, b.LengthUncertainty)
		}
		if all < n*9/10 {
			t.Errorf("%v dB-Hz: only %d beeps found", cn0, all)
		}
		if least := all * 95 / 100; onset < least || length < least || pitch < least {
			t.Errorf("%v dB-Hz: of %d the onset holds in %d, the length in %d, the frequency in %d", cn0, all, onset, length, pitch)
		}
		// Of a length, nine times over for weak ones, the noise's estimate being off.
		times := 3.0
		if cn0 < 34 {
			times = 9
		}
		if limit := 0.03 + 1.5*times*math.Sqrt(26)/(2*math.Pow(10, (cn0-1.5)/10)); widest.Seconds() > limit {
			t.Errorf("%v dB-Hz: up to %v, want %.3f s at most", cn0, widest, limit)
		}
	}
}

// timed is a source whose times may be off.
type timed struct {
	*roomSource
	by time.Duration
}

func (s timed) TimeUncertainty() time.Duration { return s.by }

func TestUncertaintyOfClocks(t *testing.T) {
	s := newSource(1)
	s.room.Add(beepAt(s.room, 3, 2, -25))
	exact, h, _ := oneBeep(t, s, s)
	if exact.OnsetUncertainty > 2200*time.Microsecond || exact.LengthUncertainty > 4*time.Millisecond || exact.FrequencyUncertaintyHz > 0.4 || h.Clock.Known {
		t.Errorf("a beep of 60 dB-Hz: %+v, %+v", exact, h.Clock)
	}
	s = newSource(1)
	s.room.Add(beepAt(s.room, 3, 2, -25))
	off, _, _ := oneBeep(t, timed{s, 30 * time.Millisecond}, s)
	if off.OnsetUncertainty < 30*time.Millisecond || off.OnsetUncertainty > 31*time.Millisecond || off.LengthUncertainty != exact.LengthUncertainty {
		t.Errorf("with times that may be off by 30 ms: %+v", off)
	}
	// A beep that the listening began in has no onset.
	s = newSource(1)
	s.room.Add(beepAt(s.room, -1, 3, -25))
	if b, _, ok := oneBeep(t, s, s); !ok || b.OnsetUncertainty != 0 || b.LengthUncertainty != 0 || b.FrequencyUncertaintyHz == 0 {
		t.Errorf("a beep that began before: %v %+v", ok, b)
	}
	// The device's clock against the system's.
	s = newSource(1)
	s.fast = 150
	s.loses[320*10] = 0
	e := newEar(t, s, 0)
	if err := e.Begin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	h, err := e.Listen(t.Context(), s.at(60))
	if err != nil {
		t.Fatal(err)
	}
	if c := h.Clock; !c.Known || math.Abs(c.DriftPPM-150) > c.DriftUncertaintyPPM || c.DriftUncertaintyPPM > 100 || c.Losses != 0 {
		t.Errorf("60 s of a clock that is 150 ppm fast: %+v", c)
	}
	s.loses[s.pos] = 1600
	if h, err = e.Listen(t.Context(), s.at(62)); err != nil {
		t.Fatal(err)
	}
	if c := h.Clock; c.Known || c.Losses != 1 || c.Lost != 100*time.Millisecond {
		t.Errorf("after a loss of 0.1 s: %+v", c)
	}
}
