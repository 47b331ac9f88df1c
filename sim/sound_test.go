package sim_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"resetrig/pcm"
	"resetrig/pcm/corpus"
	"resetrig/rig"
	"resetrig/sim"
)

const rate = 16000

// listenTo powers a unit, listens to an act of 20 s, and gives the sound from
// power off on, with the power-on at 6 s.
func listenTo(t *testing.T, faults ...string) (*bench, []float32) {
	b := newBench(t, "imou-new", faults...)
	b.up()
	s := b.w.Sound()
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.set("power", false)
	x := b.hear(s, 5*time.Second)
	b.set("reset", true)
	x = append(x, b.hear(s, time.Second)...)
	b.set("power", true)
	x = append(x, b.hear(s, 20*time.Second)...)
	b.set("reset", false)
	x = append(x, b.hear(s, 30*time.Second)...)
	return b, x
}

func rms(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return 10 * math.Log10(sum/float64(len(x))+1e-20)
}

func TestWhatIsHeard(t *testing.T) {
	hz := preset(t, "imou-new").Beep.FrequencyHz
	span := func(x []float32, from, to float64) []float32 { return x[int(from*rate):int(to*rate)] }
	t.Run("a reset", func(t *testing.T) {
		_, x := listenTo(t)
		if got := toneSeconds(span(x, 20.9, 25), rate, hz, -40); got < 1.9 || got > 3.2 {
			t.Errorf("the long beep lasts %v s, want 2 to 3", got)
		}
		if got := toneSeconds(span(x, 6, 8), rate, hz, -40); got < 0.05 || got > 0.4 {
			t.Errorf("the chirp lasts %v s, want 0.08 to 0.2", got)
		}
		if got := toneSeconds(span(x, 8, 20.9), rate, hz, -40); got != 0 {
			t.Errorf("%v s of tone within the hold", got)
		}
		if off, on := rms(span(x, 3, 5.9)), rms(span(x, 10, 12)); on < off+3 || off > -50 {
			t.Errorf("noise %.1f dB without power, %.1f with: the unit is not heard", off, on)
		}
	})
	for _, c := range []struct {
		fault       string
		least, most float64 // seconds of a strong tone where the long beep belongs
	}{
		{"no-beep", 0, 0}, {"reset-ignored", 0, 0}, {"reset-open", 0, 0}, {"resets-on-power-on", 0, 0}, {"mic-dead", 0, 0},
	} {
		t.Run(c.fault, func(t *testing.T) {
			_, x := listenTo(t, c.fault)
			if got := toneSeconds(span(x, 20.9, 25), rate, hz, -40); got < c.least || got > c.most {
				t.Errorf("%v s of tone, want %v to %v", got, c.least, c.most)
			}
		})
	}
	t.Run("mic-dead", func(t *testing.T) {
		_, x := listenTo(t, "mic-dead")
		for _, v := range x {
			if v != 0 {
				t.Fatal("a dead microphone hears")
			}
		}
	})
	t.Run("mic-clipped", func(t *testing.T) {
		_, x := listenTo(t, "mic-clipped")
		clipped := 0
		for _, v := range span(x, 8, 20) {
			if v == 1 || v == -1 {
				clipped++
			}
		}
		if share := float64(clipped) / (12 * rate); share < 0.1 {
			t.Errorf("%.3f of the noise clips", share)
		}
	})
	t.Run("neighbour-beep", func(t *testing.T) {
		_, x := listenTo(t, "neighbour-beep", "no-beep")
		own := preset(t, "imou-new").Beep.LevelDBFS
		if got := toneSeconds(span(x, 8, 26), rate, hz, own-30); got < 3 {
			t.Errorf("%v s of a weak tone, want 4 to 6 in two beeps", got)
		}
		if got := toneSeconds(span(x, 8, 26), rate, hz, own-15); got != 0 {
			t.Errorf("%v s of a strong tone", got)
		}
	})
	t.Run("no-disk-alarm", func(t *testing.T) {
		_, x := listenTo(t, "no-disk-alarm")
		got := toneSeconds(span(x, 46, 56), rate, hz, -40)
		if got < 0.5 || got > 8 {
			t.Errorf("%v s of alarm in ten", got)
		}
	})
	t.Run("mic-unplugged", func(t *testing.T) {
		b := newBench(t, "imou-new", "mic-unplugged")
		b.up()
		s := b.w.Sound()
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := b.clock.Now()
		b.set("power", false)
		var heard time.Time
		err := s.Read(t.Context(), began.Add(time.Minute), func(x pcm.Block) { heard = x.End() })
		if !errors.Is(err, rig.ErrEarLost) {
			t.Fatalf("error %v, want %v", err, rig.ErrEarLost)
		}
		at := b.clock.Now().Sub(began)
		if at < 3*time.Second || at > 15*time.Second || heard.Sub(began) < at-time.Second {
			t.Errorf("lost after %v, heard until %v", at, heard.Sub(began))
		}
		if err := s.Open(t.Context()); !errors.Is(err, rig.ErrEarLost) {
			t.Errorf("opened again: %v", err)
		}
	})
}

// Sound does not depend on how it is read, and has no hole where time was
// moved by others.
func TestSoundIsWhole(t *testing.T) {
	record := func(step time.Duration) (x []float32) {
		b := newBench(t, "imou-new")
		s := b.w.Sound()
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		b.set("power", true)
		began := b.clock.Now()
		next := int64(0)
		for b.clock.Now().Sub(began) < 12*time.Second {
			b.sleep(step / 2)
			err := s.Read(t.Context(), b.clock.Now().Add(step/2), func(k pcm.Block) {
				if k.Start != next {
					t.Fatalf("block begins at %d, want %d", k.Start, next)
				}
				if d := k.Time.Sub(began) - time.Duration(k.Start)*time.Second/rate; d < -time.Millisecond || d > time.Millisecond {
					t.Fatalf("sample %d has the time %v", k.Start, k.Time.Sub(began))
				}
				next += int64(len(k.Samples))
				x = append(x, k.Samples...)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return x
	}
	a, z := record(20*time.Millisecond), record(3*time.Second)
	if len(a) < 12*rate || len(z) < 12*rate {
		t.Fatalf("%d and %d samples", len(a), len(z))
	}
	for i := range 12 * rate {
		if a[i] != z[i] {
			t.Fatalf("sample %d differs: %v, %v", i, a[i], z[i])
		}
	}
}

// A room may be filled with any of the corpus's noises, so and so far under the
// beep; what is heard of it does not depend on how it is read, and a dead
// microphone hears nothing of it.
func TestRoomNoise(t *testing.T) {
	record := func(o sim.Options, step, span time.Duration) []float32 {
		t.Helper()
		w, err := sim.New(o)
		if err != nil {
			t.Fatal(err)
		}
		s := w.Sound()
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		var x []float32
		for began := w.Clock().Now(); w.Clock().Now().Sub(began) < span; {
			if err := s.Read(t.Context(), w.Clock().Now().Add(step), func(b pcm.Block) { x = append(x, b.Samples...) }); err != nil {
				t.Fatal(err)
			}
		}
		return x
	}
	level := preset(t, "imou-new").Beep.LevelDBFS
	for i, noise := range corpus.Noises() {
		snr, span := []float64{-3, 20}[i%2], 5*time.Second
		switch noise {
		case "babble", "speech", "music", "slams", "keys":
			span = time.Minute // what comes and goes is as loud as its gauge only in the long run
		}
		x := record(sim.Options{Seed: 3, Room: sim.RoomNoise{Noise: noise, SNRdB: snr}}, time.Second, span)
		// A sine of the beep's level has 3 dB less than its amplitude says.
		if got, want := rms(x), level-3.01-snr; math.Abs(got-want) > 1.5 {
			t.Errorf("%s, %v dB: the noise is %.1f dB, want %.1f", noise, snr, got, want)
		}
	}
	o := sim.Options{Seed: 5, Room: sim.RoomNoise{Noise: "keys", SNRdB: 6}}
	a, b := record(o, 30*time.Millisecond, 12*time.Second), record(o, 5*time.Second, 12*time.Second)
	for i := range 12 * rate {
		if a[i] != b[i] {
			t.Fatalf("sample %d differs: %v, %v", i, a[i], b[i])
		}
	}
	o.Faults = []sim.Fault{{Name: "mic-dead", Probability: 1}}
	for _, v := range record(o, time.Second, 3*time.Second) {
		if v != 0 {
			t.Fatal("a dead microphone hears the room")
		}
	}
	for _, c := range []struct {
		o    sim.Options
		says string
	}{
		{sim.Options{Room: sim.RoomNoise{Noise: "speach"}}, `"speech"`},
		{sim.Options{Room: sim.RoomNoise{Noise: "pink"}, Rate: 48000}, "16000"},
		{sim.Options{Room: sim.RoomNoise{Noise: "pink", SNRdB: 200}}, "-40 to 80"},
	} {
		if _, err := sim.New(c.o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q in it", c.o.Room, err, c.says)
		}
	}
}
