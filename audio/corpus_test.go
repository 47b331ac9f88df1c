package audio_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"resetrig/audio"
	"resetrig/pcm/corpus"
	"resetrig/pcm/synth"
)

// TestCorpus holds a calibrated detector to every kind of the labelled corpus:
// every long beep, no other. `make bench-detector` runs many of each.
func TestCorpus(t *testing.T) {
	calibrated := audio.Profile{FrequencyHz: corpus.FrequencyHz, LevelDBFS: corpus.LevelDBFS}
	for _, c := range corpus.Cases(2, 5) {
		if c.Indistinct {
			continue
		}
		t.Run(fmt.Sprintf("%s/%d", c.Kind, c.Seed), func(t *testing.T) {
			events, refused := hear(t, rate, calibrated, c.Samples(), 800)
			l := longs(events)
			if len(l) != len(c.Long) {
				t.Fatalf("%d long beeps, want %d%s", len(l), len(c.Long), describe(events, refused))
			}
			for i, w := range c.Long {
				if math.Abs(l[i].Onset-w.Onset) > 0.1 || math.Abs(l[i].FrequencyHz-w.FrequencyHz) > 8 {
					t.Errorf("want %+v%s", w, describe(l[i:i+1], nil))
				}
			}
		})
	}
}

func TestCorpusIsRepeatable(t *testing.T) {
	a, b := corpus.Cases(1, 9), corpus.Cases(1, 9)
	for i := 0; i < len(a); i += 5 {
		x, y := a[i].Samples(), b[i].Samples()
		if len(x) != len(y) {
			t.Fatalf("%s: %d and %d samples", a[i].Kind, len(x), len(y))
		}
		for k := range x {
			if x[k] != y[k] {
				t.Fatalf("%s: sample %d differs", a[i].Kind, k)
			}
		}
	}
}

// TestFaintBeeps: two decibels over the coherent limit of a second, nearly all
// are found, and noise alone is no beep. The figures are in docs/detector.md.
func TestFaintBeeps(t *testing.T) {
	for _, c := range []struct {
		p    audio.Profile
		cn0  float64
		want int
	}{{audio.Profile{}, 17.5, 39}, {audio.Profile{FrequencyHz: 3100}, 16.8, 39}} {
		const n = 40
		found, other := 0, 0
		for seed := range uint64(n) {
			rng := rand.New(rand.NewPCG(seed, 3))
			r := synth.NewRoom(rate, seed)
			hz := 3050 + 100*rng.Float64()
			r.Add(synth.Tone{Start: 35200, Length: 2 * rate, FrequencyHz: hz, LevelDBFS: -25})
			x := make([]float32, 6*rate)
			r.Render(x, 0)
			sigma := math.Pow(10, -25.0/20) / math.Sqrt2 * math.Sqrt(rate/2/math.Pow(10, c.cn0/10))
			for i := range x {
				x[i] += float32(sigma * rng.NormFloat64())
			}
			events, _ := hear(t, rate, c.p, x, 1600)
			hit := false
			for _, e := range longs(events) {
				if math.Abs(e.FrequencyHz-hz) < 5 {
					hit = true
				} else {
					other++
					t.Logf("%.1f Hz from %.3f to %.3f s, for %.1f Hz from 2.2 to 4.2", e.FrequencyHz, e.Onset, e.End, hz)
				}
			}
			if hit {
				found++
			}
		}
		if found < c.want || other > 0 {
			t.Errorf("%+v at %.1f dB-Hz: %d of %d found, want %d; %d others", c.p, c.cn0, found, n, c.want, other)
		}
	}
}

// TestNoiseAloneIsSilent: a quarter of an hour of white noise, without a
// profile, has no beep, long or short.
func TestNoiseAloneIsSilent(t *testing.T) {
	d, err := audio.NewDetector(rate, audio.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	noise := corpus.Noise("white", 5)
	x := make([]float32, rate)
	for range 900 {
		noise(x)
		d.Process(x, func(e audio.Event) { t.Errorf("a beep in noise: %+v", e) })
	}
}

// TestCasesThatFailed holds recordings that were once heard wrong, with the
// frequency alone where level is 0.
func TestCasesThatFailed(t *testing.T) {
	for _, c := range []struct {
		kind         string
		seed, number uint64
		level        float64
	}{
		// A clipped tone's lines fill a narrow band: the floor came up under all of
		// them, and no track was opened before it had.
		{"clipped", 5, 5015155, corpus.LevelDBFS},
		{"clipped", 5, 5015155, 0},
		// After a loud voice the floor was wrong by 20 dB, bin by bin, for seconds.
		{"vowels", 4, 4037349, 0},
	} {
		t.Run(fmt.Sprintf("%s/%d/%g", c.kind, c.number, c.level), func(t *testing.T) {
			r := caseOf(t, c.kind, c.seed, c.number)
			events, refused := hear(t, rate, audio.Profile{FrequencyHz: corpus.FrequencyHz, LevelDBFS: c.level}, r.Samples(), 800)
			var want []span
			for _, w := range r.Long {
				want = append(want, span{on: w.Onset, off: w.Onset + w.Length})
			}
			check(t, c.kind, longs(events), want, describe(events, refused))
		})
	}
}

// TestFaintToneHidesNoBeep: what is taken for a faint beep, because a room's
// echoes make lines of its noise, goes on when the beep begins two bins beside.
func TestFaintToneHidesNoBeep(t *testing.T) {
	c := caseOf(t, "echo", 5, 5011120)
	events, _ := hear(t, rate, audio.Profile{FrequencyHz: corpus.FrequencyHz}, c.Samples(), 800)
	for _, e := range longs(events) {
		if math.Abs(e.Onset-c.Long[0].Onset) < 0.005 && math.Abs(e.End-c.Long[0].Onset-c.Long[0].Length) < 0.005 {
			return
		}
	}
	t.Errorf("want %+v%s", c.Long[0], describe(events, nil))
}

// TestVoicesAndMusic hold no long beep, four voices at once not even without a
// profile. The rates of a day are in docs/detector.md.
func TestVoicesAndMusic(t *testing.T) {
	for _, c := range []struct {
		kind    string
		profile audio.Profile
		seconds int
	}{{"babble", audio.Profile{}, 180}, {"music", audio.Profile{FrequencyHz: corpus.FrequencyHz}, 240}} {
		t.Run(c.kind, func(t *testing.T) {
			d, err := audio.NewDetector(rate, c.profile)
			if err != nil {
				t.Fatal(err)
			}
			noise := corpus.Noise(c.kind, 1000)
			x := make([]float32, 3200) // whoever asks for other lengths hears other noise
			for range 5 * c.seconds {
				noise(x)
				d.Process(x, func(e audio.Event) {
					if e.Long {
						t.Errorf("a beep: %+v", e)
					}
				})
			}
		})
	}
}

// caseOf is one of the corpus that `make bench-detector` hears.
func caseOf(t *testing.T, kind string, seed, number uint64) corpus.Case {
	t.Helper()
	for _, c := range corpus.Of(kind, 14, seed) {
		if c.Seed == number {
			return c
		}
	}
	t.Fatalf("%s: no recording %d", kind, number)
	return corpus.Case{}
}
