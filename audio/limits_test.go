package audio_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm/synth"
)

// inWhite is a tone of −25 dBFS with that C/N0 in white noise.
func inWhite(seed uint64, seconds, cn0 float64, tone func(r *synth.Room) synth.Tone) []float32 {
	r := synth.NewRoom(rate, seed)
	r.Add(tone(r))
	x := make([]float32, int(seconds*rate))
	r.Render(x, 0)
	rng := rand.New(rand.NewPCG(seed, 4))
	sigma := math.Pow(10, -25.0/20) / math.Sqrt2 * math.Sqrt(rate/2/math.Pow(10, cn0/10))
	for i := range x {
		x[i] += float32(sigma * rng.NormFloat64())
	}
	return x
}

// TestFaintBeepsAreSaidInTime: what can just be heard is said to be long 1.1 s
// after its onset, not at its end.
func TestFaintBeepsAreSaidInTime(t *testing.T) {
	for _, c := range []struct {
		p   audio.Profile
		cn0 float64
	}{{audio.Profile{}, 17.5}, {audio.Profile{FrequencyHz: 3100}, 17.2}} {
		const n = 40
		in := 0
		for seed := range uint64(n) {
			onset := 2.2 + 0.1*float64(seed)/n
			x := inWhite(seed, 3.5, c.cn0, func(r *synth.Room) synth.Tone {
				return synth.Tone{Start: r.Samples(onset), Length: 2 * rate, FrequencyHz: 3060 + 2.1*float64(seed), LevelDBFS: -25}
			})
			d, err := audio.NewDetector(rate, c.p)
			if err != nil {
				t.Fatal(err)
			}
			said := false
			d.Process(x[:int((onset+1.1)*rate)], func(e audio.Event) { said = said || e.Long })
			if said {
				in++
			}
		}
		if in < n-2 {
			t.Errorf("%+v at %.1f dB-Hz: %d of %d said within 1.1 s", c.p, c.cn0, in, n)
		}
	}
}

// TestOnsetIsWhereTheRiseBegins, be it abrupt or a piezo's.
func TestOnsetIsWhereTheRiseBegins(t *testing.T) {
	for _, rise := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond} {
		var onset, length []float64
		for seed := range uint64(40) {
			x := inWhite(seed, 3, 46, func(r *synth.Room) synth.Tone {
				return synth.Tone{Start: 19200 + int64(seed), Length: 20800, FrequencyHz: 3075 + 1.3*float64(seed), LevelDBFS: -25, Attack: rise, Release: rise}
			})
			events, refused := hear(t, rate, profile, x, 1600)
			l := longs(events)
			if len(l) != 1 {
				t.Fatalf("rise %v, seed %d: %d long beeps%s", rise, seed, len(l), describe(events, refused))
			}
			onset = append(onset, 1000*math.Abs(l[0].Onset-1.2-float64(seed)/rate))
			length = append(length, 1000*math.Abs(l[0].End-l[0].Onset-1.3))
		}
		slices.Sort(onset)
		slices.Sort(length)
		if onset[36] > 1.1 || length[36] > 3 {
			t.Errorf("rise %v: 90 %% of the onsets within %.2f ms, of the lengths within %.2f", rise, onset[36], length[36])
		}
	}
}

// TestSideLobesAreNoBeeps: a loud beep in a quiet room is one beep, whatever
// its frequency.
func TestSideLobesAreNoBeeps(t *testing.T) {
	for k := range 24 {
		hz := 2400 + 36.7*float64(k)
		x := scene(6, uint64(k), func(r *synth.Room) {
			office(r)
			r.Add(synth.Tone{Start: 2 * rate, Length: 24000, FrequencyHz: hz, LevelDBFS: -20, Attack: 2 * time.Millisecond, Release: 3 * time.Millisecond})
		})
		events, refused := hear(t, rate, audio.Profile{}, x, 1600)
		for _, e := range events {
			if math.Abs(e.FrequencyHz-hz) > 5 {
				t.Errorf("a beep of %.1f Hz is not the only one%s", hz, describe(events, refused))
				break
			}
		}
	}
}
