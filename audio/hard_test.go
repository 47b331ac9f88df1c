package audio_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm/synth"
)

// beepAt is the calibrated beep in a room.
func beepAt(r *synth.Room, on, length, dBFS float64) synth.Tone {
	return synth.Piezo(r.Samples(on), r.Samples(length), 3100, dBFS)
}

func office(r *synth.Room) { r.SetNoise(synth.OfficeNoise()) }

// span is a beep that must be found, within a tolerance that is 5 ms unless
// said.
type span struct{ on, off, tol float64 }

// TestHardCases holds the detector with a profile against what is easily taken
// for a long beep, and against long beeps that are easily missed.
func TestHardCases(t *testing.T) {
	cases := map[string]struct {
		build func(r *synth.Room)
		after func(x []float32)
		want  []span
	}{
		"no-disk alarm": {build: func(r *synth.Room) {
			office(r)
			for i, on := range []float64{0.15, 0.3, 0.5, 0.8} {
				id := r.Add(synth.Alarm(rate, r.Samples(1+float64(i)*4), 3100, -25, time.Duration(on*1e9), time.Duration((on+0.2)*1e9)))
				r.Stop(id, r.Samples(4.5+float64(i)*4))
			}
		}},
		"POST chirps": {build: func(r *synth.Room) {
			office(r)
			for i := range 20 {
				r.Add(synth.Chirp(rate, r.Samples(1+0.4*float64(i)), 3100, -22))
			}
		}},
		"neighbour": {build: func(r *synth.Room) {
			office(r)
			for i := range 4 {
				r.Add(beepAt(r, 1+4*float64(i), 2, -45-1.6*float64(i)))
			}
		}},
		"over a neighbour's": {build: func(r *synth.Room) {
			office(r)
			r.Add(synth.Piezo(r.Samples(2), r.Samples(6), 3112, -45))
			r.Add(beepAt(r, 4, 2, -25))
		}, want: []span{{4, 6, 0.01}}},
		"broken": {build: func(r *synth.Room) {
			office(r)
			for i, gap := range []float64{0.05, 0.06, 0.1, 0.2, 0.3} {
				b := beepAt(r, 1+4*float64(i), 2.4, -25)
				for at := 0.6; at < 2.4; at += 0.6 + gap {
					b.Gaps = append(b.Gaps, synth.Gap{At: r.Samples(at), Length: r.Samples(gap)})
				}
				r.Add(b)
			}
		}},
		"two a second apart": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, 2, 1.5, -25))
			r.Add(beepAt(r, 4.5, 1.5, -25))
		}, want: []span{{2, 3.5, 0}, {4.5, 6, 0}}},
		"after a chirp": {build: func(r *synth.Room) {
			office(r)
			r.Add(synth.Chirp(rate, r.Samples(2), 3100, -25))
			r.Add(beepAt(r, 2.25, 1.5, -25))
		}, want: []span{{2.25, 3.75, 0}}},
		"clipped": {build: func(r *synth.Room) {
			office(r)
			r.SetMic(synth.Mic{Clip: 0.03})
			r.Add(beepAt(r, 2, 2, -16))
		}, want: []span{{2, 4, 0}}},
		"automatic gain": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, 2, 2, -25))
		}, after: automaticGain, want: []span{{2, 4, 0.01}}},
		"zeros inside": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, 2, 2, -25))
			r.SetMic(synth.Mic{Dropouts: []synth.Gap{{At: r.Samples(2.4), Length: r.Samples(0.06)}, {At: r.Samples(2.9), Length: r.Samples(0.15)}}})
		}, want: []span{{2, 4, 0}}},
		"cut out inside": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, 2, 2, -25))
		}, after: func(x []float32) { copy(x[40000:], x[40321:]) }, want: []span{{2, 4 - 0.02, 0}}},
		"drift": {build: func(r *synth.Room) {
			office(r)
			b := beepAt(r, 2, 2, -25)
			b.GlideHzPerS = 3.1
			r.Add(b)
		}, want: []span{{2, 4, 0}}},
		"weak fundamental": {build: func(r *synth.Room) {
			office(r)
			b := beepAt(r, 2, 2, -28)
			b.Harmonics = []float64{2.5, 0.5}
			r.Add(b)
		}, want: []span{{2, 4, 0}}},
		"beats": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, 2, 2, -25))
			r.Add(synth.Piezo(r.Samples(2), r.Samples(2), 3104.5, -33))
		}, want: []span{{2, 4, 0}}},
		"begins inside": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, -1, 2.5, -25))
		}, want: []span{{0, 1.5, 0}}},
		"ends inside": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, 14, 0, -25))
		}, want: []span{{14, 16, 0}}},
		"in silence": {build: func(r *synth.Room) {
			r.Add(beepAt(r, 2, 2, -25))
		}, want: []span{{2, 4, 0}}},
		"broken in silence": {build: func(r *synth.Room) {
			b := beepAt(r, 2, 2, -25)
			b.Gaps = []synth.Gap{{At: r.Samples(0.7), Length: r.Samples(0.1)}, {At: r.Samples(1.4), Length: r.Samples(0.1)}}
			r.Add(b)
		}},
		"fan starts": {build: func(r *synth.Room) {
			n := synth.OfficeNoise()
			r.SetNoise(n)
			r.Add(beepAt(r, 3, 2, -25))
			r.Render(make([]float32, 32000), 0)
			n.Fan, n.FanTone = -42, -45
			r.SetNoise(n)
		}, want: []span{{3, 5, 0.01}}},
		"whine near": {build: func(r *synth.Room) {
			office(r)
			r.Add(synth.Tone{FrequencyHz: 3150, LevelDBFS: -30})
			r.Add(beepAt(r, 3, 2, -25))
		}, want: []span{{3, 5, 0.02}}},
		"steady whine": {build: func(r *synth.Room) {
			office(r)
			r.Add(synth.Tone{FrequencyHz: 3110, LevelDBFS: -27})
		}},
		"slams in it": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, 2, 2, -25))
			for i := range 6 {
				r.AddSound(r.Samples(1.5+0.45*float64(i)), synth.Slam(rate, uint64(i), -8, 0.04, 3000))
			}
		}, want: []span{{2, 4, 0.03}}},
		"speech over it": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, 2, 2, -25))
			r.AddSound(0, synth.Speech(rate, 3, 16, -26))
		}, want: []span{{2, 4, 0.03}}},
		"no numbers": {build: func(r *synth.Room) {
			office(r)
			r.Add(beepAt(r, 2, 2, -25))
		}, after: func(x []float32) {
			x[10000], x[20000] = float32(math.NaN()), float32(math.Inf(1))
			x[40000], x[40001], x[100000] = float32(math.NaN()), math.MaxFloat32, float32(math.Inf(-1))
		}, want: []span{{2, 4, 0}}},
		"hum": {build: func(r *synth.Room) {
			r.SetNoise(synth.NoiseSpec{White: -70, Pink: -60, Hum: -25, HumTop: 4000})
			r.Add(beepAt(r, 3, 2, -25))
		}, want: []span{{3, 5, 0.01}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(4) {
				x := make([]float32, 20*rate)
				if name == "ends inside" {
					x = x[:16*rate]
				}
				r := synth.NewRoom(rate, seed)
				c.build(r)
				r.Render(x, 0)
				if name == "fan starts" {
					// The building rendered the first two seconds in quiet.
					q := synth.NewRoom(rate, seed)
					office(q)
					q.Render(x[:2*rate], 0)
				}
				if c.after != nil {
					c.after(x)
				}
				events, refused := hear(t, rate, profile, x, 800)
				check(t, fmt.Sprintf("seed %d", seed), longs(events), c.want, describe(events, refused))
			}
		})
	}
}

func check(t *testing.T, name string, got []audio.Event, want []span, all string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d long beeps, want %d%s", name, len(got), len(want), all)
		return
	}
	for i, w := range want {
		tol := w.tol
		if tol == 0 {
			tol = 0.005
		}
		if math.Abs(got[i].Onset-w.on) > tol || math.Abs(got[i].End-w.off) > tol {
			t.Errorf("%s: %.4f–%.4f s, want %.4f–%.4f%s", name, got[i].Onset, got[i].End, w.on, w.off, all)
		}
	}
}

// automaticGain turns what is loud down by up to 10 dB within 100 ms.
func automaticGain(x []float32) {
	env := 0.0
	for i, v := range x {
		env += (math.Abs(float64(v)) - env) / (0.05 * rate)
		x[i] = float32(float64(v) / (1 + 30*env))
	}
}

// negatives are rooms without a long beep, for a minute each.
func negatives() map[string]func(r *synth.Room, seed uint64) {
	noise := func(n synth.NoiseSpec) func(*synth.Room, uint64) {
		return func(r *synth.Room, _ uint64) { r.SetNoise(n) }
	}
	melody := func(low, high, level, fall float64) func(*synth.Room, uint64) {
		return func(r *synth.Room, seed uint64) {
			office(r)
			for _, n := range synth.Melody(rate, seed, 0, 58, low, high, level, fall) {
				r.Add(n)
			}
		}
	}
	return map[string]func(r *synth.Room, seed uint64){
		"white":  noise(synth.NoiseSpec{White: -30}),
		"pink":   noise(synth.NoiseSpec{Pink: -25}),
		"fan":    noise(synth.NoiseSpec{White: -70, Fan: -30, FanTone: -25, FanHz: 123}),
		"hum":    noise(synth.NoiseSpec{White: -70, Hum: -15, HumTop: 7000}),
		"disk":   noise(synth.NoiseSpec{White: -65, Whirr: -35, Click: -10, ClicksPerS: 6}),
		"speech": func(r *synth.Room, seed uint64) { office(r); r.AddSound(0, synth.Speech(rate, seed, 59, -15)) },
		"babble": func(r *synth.Room, seed uint64) {
			office(r)
			for k := range uint64(4) {
				r.AddSound(0, synth.Speech(rate, 10*seed+k, 59, -20))
			}
		},
		"vowels": func(r *synth.Room, seed uint64) {
			office(r)
			for k := range 30 {
				r.AddSound(r.Samples(2*float64(k)), synth.Vowel(rate, 100*seed+uint64(k), 1.8, -12))
			}
		},
		"slams": func(r *synth.Room, seed uint64) {
			office(r)
			for k := range 100 {
				r.AddSound(r.Samples(0.5+0.55*float64(k)), synth.Slam(rate, 1000*seed+uint64(k), -3-float64(k%20), 0.01+0.01*float64(k%7), 1000+500*float64(k%9)))
			}
		},
		"flute":  melody(500, 2100, -18, 0),
		"violin": melody(200, 800, -14, 3),
		"piano":  melody(150, 3300, -14, 20),
		"whistle": func(r *synth.Room, _ uint64) {
			office(r)
			for k := range 15 {
				r.Add(synth.Tone{
					Start: r.Samples(1 + 3.8*float64(k)), Length: r.Samples(2), FrequencyHz: 3000 + 15*float64(k), LevelDBFS: -25,
					VibratoHz: 5, VibratoDepth: 12 + 2*float64(k), Attack: 30 * time.Millisecond, Release: 30 * time.Millisecond,
				})
			}
		},
		"siren": func(r *synth.Room, _ uint64) {
			office(r)
			r.Add(synth.Tone{FrequencyHz: 3000, LevelDBFS: -22, VibratoHz: 0.3, VibratoDepth: 500})
			r.Add(synth.Tone{FrequencyHz: 2000, LevelDBFS: -25, GlideHzPerS: 30})
		},
		"other pitch": func(r *synth.Room, _ uint64) {
			office(r)
			for k := range 10 {
				r.Add(synth.Piezo(r.Samples(1+5*float64(k)), r.Samples(2), 3100*[]float64{0.96, 1.04, 0.5, 2, 0.9, 0.97}[k%6], -25))
			}
		},
		"far and near": func(r *synth.Room, _ uint64) {
			office(r)
			for k := range 10 {
				r.Add(synth.Piezo(r.Samples(1+5*float64(k)), r.Samples(2), 3100, []float64{-45, -50, -38, -10}[k%4]))
			}
		},
		"music of squares": func(r *synth.Room, _ uint64) {
			office(r)
			for k := range 14 {
				r.Add(synth.Tone{
					Start: r.Samples(1 + 4*float64(k)), Length: r.Samples(2), FrequencyHz: 3100 / float64(2+k%5), LevelDBFS: -14,
					Harmonics: []float64{0.5, 0.33, 0.3, 0.25, 0.2}, Attack: 5 * time.Millisecond, Release: 20 * time.Millisecond,
				})
			}
		},
	}
}

func TestNoFalseLongBeep(t *testing.T) {
	minutes := 0
	for name, build := range negatives() {
		for seed := range uint64(2) {
			x := scene(60, 50+seed, func(r *synth.Room) { build(r, seed) })
			minutes++
			events, refused := hear(t, rate, profile, x, 800)
			if l := longs(events); len(l) > 0 {
				t.Errorf("%s, seed %d: %d long beeps%s", name, seed, len(l), describe(l, refused[:min(len(refused), 8)]))
			}
		}
	}
	t.Logf("%d minutes", minutes)
}
