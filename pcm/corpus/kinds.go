package corpus

import (
	"math"
	"time"

	"resetrig/pcm/synth"
)

// kind builds one kind of recording; grade runs from 0, easy, to 1, hard.
type kind struct {
	name                   string
	seconds                float64 // 0: 8
	needsLevel, indistinct bool
	build                  func(s *scene, grade float64)
}

func kinds() []kind {
	var all []kind
	all = append(all, inNoise()...)
	all = append(all, hardBeeps()...)
	return append(all, impostors()...)
}

// one puts a long beep somewhere into the recording.
func (s *scene) one() {
	s.beep(2.5+s.rng.Float64(), 1.1+1.4*s.rng.Float64())
}

// inNoise are beeps in every noise, down to where they can just be heard.
func inNoise() []kind {
	noise := func(name string, set func(dB float64) synth.NoiseSpec) kind {
		return kind{name: name, build: func(s *scene, g float64) {
			s.level = LevelDBFS
			s.SetNoise(set(g))
			s.one()
		}}
	}
	sound := func(name string, add func(s *scene, g float64)) kind {
		return kind{name: name, build: func(s *scene, g float64) {
			s.office()
			add(s, g)
			s.one()
		}}
	}
	return []kind{
		// C/N0 from 64 down to 22 dB-Hz.
		noise("white", func(g float64) synth.NoiseSpec { return synth.NoiseSpec{White: -50 + 42*g} }),
		noise("pink", func(g float64) synth.NoiseSpec { return synth.NoiseSpec{White: -75, Pink: -50 + 40*g} }),
		noise("fan", func(g float64) synth.NoiseSpec {
			return synth.NoiseSpec{White: -65, Fan: -45 + 30*g, FanTone: -40 + 20*g, FanHz: 117 + 12*g}
		}),
		noise("hum", func(g float64) synth.NoiseSpec {
			return synth.NoiseSpec{White: -70, Pink: -60, Hum: -45 + 20*g, HumTop: 4000}
		}),
		noise("disk", func(g float64) synth.NoiseSpec {
			return synth.NoiseSpec{White: -60, Whirr: -50 + 20*g, Click: -30 + 20*g, ClicksPerS: 2 + 6*g}
		}),
		sound("speech", func(s *scene, g float64) { s.AddSound(0, synth.Speech(Rate, s.c.Seed, 8, -45+22*g)) }),
		sound("babble", func(s *scene, g float64) {
			for k := range uint64(4) {
				s.AddSound(0, synth.Speech(Rate, s.c.Seed*7+k, 8, -50+22*g))
			}
		}),
		sound("music", func(s *scene, g float64) {
			for _, n := range synth.Melody(Rate, s.c.Seed, 0, 8, 200, 1400, -45+22*g, 3) {
				s.Add(n)
			}
		}),
		sound("slams", func(s *scene, g float64) {
			for k := range 8 {
				s.AddSound(s.Samples(0.4+0.9*float64(k)), synth.Slam(Rate, s.c.Seed+uint64(k), -20+14*g, 0.03, 3000))
			}
		}),
		sound("keys", func(s *scene, g float64) {
			for k := range 50 {
				s.AddSound(s.Samples(0.15*float64(k)+0.1*s.rng.Float64()), synth.Slam(Rate, s.c.Seed+uint64(k), -36+16*g, 0.006, 5000))
			}
		}),
		sound("whine beside", func(s *scene, g float64) {
			s.Add(synth.Tone{FrequencyHz: s.hz * (1.06 - 0.03*g), LevelDBFS: -45 + 18*g})
		}),
		sound("echo", func(s *scene, g float64) { s.after = append(s.after, echo(s.rng, 0.2+0.5*g, -8)) }),
	}
}

// hardBeeps are long beeps that are easily missed.
func hardBeeps() []kind {
	return []kind{
		{name: "over a neighbour's", build: func(s *scene, g float64) {
			s.office()
			s.Add(synth.Piezo(s.Samples(1), s.Samples(6), s.hz*1.004, s.level-25+5*g))
			s.beep(2.5, 2)
		}},
		{name: "two a second apart", build: func(s *scene, _ float64) {
			s.office()
			s.beep(2, 1.4)
			s.beep(4.4, 1.4)
		}},
		{name: "after a chirp", build: func(s *scene, _ float64) {
			s.office()
			s.Add(synth.Chirp(Rate, s.Samples(2), s.hz, s.level))
			s.beep(2.3, 1.5)
		}},
		{name: "clipped", build: func(s *scene, g float64) {
			s.office()
			s.level = LevelDBFS + 9
			s.SetMic(synth.Mic{Clip: 0.12 - 0.08*g})
			s.one()
		}},
		{name: "automatic gain", build: func(s *scene, _ float64) {
			s.office()
			s.after = append(s.after, automaticGain)
			s.one()
		}},
		{name: "zeros inside", build: func(s *scene, g float64) {
			s.office()
			s.SetMic(synth.Mic{Dropouts: []synth.Gap{{At: s.Samples(2.9), Length: s.Samples(0.03 + 0.1*g)}, {At: s.Samples(3.5), Length: s.Samples(0.02)}}})
			s.beep(2.5, 2)
		}},
		{name: "cut out inside", build: func(s *scene, g float64) {
			s.office()
			s.beep(2.5, 2)
			n := s.Samples(0.005 + 0.02*g)
			s.c.Long[0].Length -= float64(n) / Rate
			s.after = append(s.after, func(x []float32) []float32 { return append(x[:3*Rate:3*Rate], x[3*Rate+n:]...) })
		}},
		{name: "drift", build: func(s *scene, g float64) {
			s.office()
			t := synth.Piezo(s.Samples(2.5), s.Samples(2), s.hz, s.level)
			t.GlideHzPerS = 0.001 * s.hz * (2*g - 1)
			s.Add(t)
			s.label(2.5, 2)
		}},
		{name: "weak fundamental", build: func(s *scene, g float64) {
			s.office()
			t := synth.Piezo(s.Samples(2.5), s.Samples(2), s.hz, s.level-3)
			t.Harmonics = []float64{1 + 2*g, 0.5}
			s.Add(t)
			s.label(2.5, 2)
		}},
		{name: "beats", build: func(s *scene, g float64) {
			s.office()
			s.beep(2.5, 2)
			s.Add(synth.Piezo(s.Samples(2.5), s.Samples(2), s.hz+2+4*g, s.level-9))
		}},
		{name: "begins inside", build: func(s *scene, _ float64) { s.office(); s.beep(-0.7, 2.2) }},
		{name: "ends inside", build: func(s *scene, _ float64) { s.office(); s.beep(6.5, 3) }},
		{name: "twelve bits", build: func(s *scene, _ float64) {
			s.office()
			s.SetMic(synth.Mic{QuantaBits: 12, FloorDBFS: -65, DC: 0.02})
			s.one()
		}},
	}
}

// impostors are recordings without a long beep.
func impostors() []kind {
	return []kind{
		{name: "no-disk alarm", build: func(s *scene, g float64) {
			s.office()
			on := 0.15 + 0.65*g
			id := s.Add(synth.Alarm(Rate, s.Samples(1), s.hz, s.level, time.Duration(on*1e9), time.Duration((on+0.25)*1e9)))
			s.Stop(id, s.Samples(7.5))
		}},
		{name: "POST chirps", build: func(s *scene, _ float64) {
			s.office()
			for k := range 14 {
				s.Add(synth.Chirp(Rate, s.Samples(1+0.4*float64(k)), s.hz, s.level))
			}
		}},
		{name: "broken", build: func(s *scene, g float64) {
			s.office()
			t := synth.Piezo(s.Samples(2), s.Samples(2.4), s.hz, s.level)
			gap := 0.06 + 0.24*g
			for at := 0.6; at < 2.4; at += 0.6 + gap {
				t.Gaps = append(t.Gaps, synth.Gap{At: s.Samples(at), Length: s.Samples(gap)})
			}
			s.Add(t)
		}},
		{name: "0.9 s", build: func(s *scene, g float64) {
			s.office()
			s.Add(synth.Piezo(s.Samples(2.5), s.Samples(0.95-0.4*g), s.hz, s.level))
		}},
		{name: "neighbour", needsLevel: true, build: func(s *scene, g float64) {
			s.office()
			s.Add(synth.Piezo(s.Samples(2.5), s.Samples(2), s.hz, LevelDBFS-20-5*g))
		}},
		{name: "other pitch", build: func(s *scene, g float64) {
			s.office()
			s.Add(synth.Piezo(s.Samples(2.5), s.Samples(2), FrequencyHz*[]float64{0.96, 1.04, 0.5, 2, 0.9}[int(4.99*g)], s.level))
		}},
		{name: "whine", build: func(s *scene, g float64) {
			s.office()
			s.Add(synth.Tone{FrequencyHz: s.hz, LevelDBFS: s.level - 15*g})
		}},
		{name: "siren", build: func(s *scene, g float64) {
			s.office()
			s.Add(synth.Tone{FrequencyHz: s.hz, LevelDBFS: s.level, VibratoHz: 0.3 + g, VibratoDepth: 200 + 300*g})
		}},
		{name: "whistle", build: func(s *scene, g float64) {
			s.office()
			s.Add(synth.Tone{
				Start: s.Samples(2.5), Length: s.Samples(2), FrequencyHz: s.hz, LevelDBFS: s.level,
				VibratoHz: 5, VibratoDepth: 12 + 30*g, Attack: 30 * time.Millisecond, Release: 30 * time.Millisecond,
			})
		}},
		{name: "flute", seconds: 20, build: func(s *scene, _ float64) {
			s.office()
			for _, n := range synth.Melody(Rate, s.c.Seed, 0, 19, 1500, 3400, -20, 0) {
				s.Add(n)
			}
		}},
		{name: "violin", seconds: 20, build: func(s *scene, _ float64) {
			s.office()
			for _, n := range synth.Melody(Rate, s.c.Seed, 0, 19, 200, 800, -14, 3) {
				s.Add(n)
			}
		}},
		{name: "piano", seconds: 20, build: func(s *scene, _ float64) {
			s.office()
			for _, n := range synth.Melody(Rate, s.c.Seed, 0, 19, 150, 3300, -14, 20) {
				s.Add(n)
			}
		}},
		{name: "vowels", seconds: 20, build: func(s *scene, _ float64) {
			s.office()
			for k := range 9 {
				s.AddSound(s.Samples(2*float64(k)), synth.Vowel(Rate, 100*s.c.Seed+uint64(k), 1.8, -12))
			}
		}},
		{name: "a synthesiser's note", indistinct: true, build: func(s *scene, _ float64) {
			// A steady pure note of the beep's frequency, level and length.
			s.office()
			s.Add(synth.Tone{
				Start: s.Samples(2.5), Length: s.Samples(2), FrequencyHz: s.hz, LevelDBFS: s.level,
				Harmonics: []float64{0.1}, Attack: 5 * time.Millisecond, Release: 10 * time.Millisecond,
			})
		}},
		{name: "a square's harmonic", build: func(s *scene, g float64) {
			s.office()
			n := math.Round(2 + 3*g)
			s.Add(synth.Tone{
				Start: s.Samples(2.5), Length: s.Samples(2), FrequencyHz: s.hz / n, LevelDBFS: -14,
				Harmonics: []float64{0.5, 0.33, 0.3, 0.25, 0.2}, Attack: 5 * time.Millisecond, Release: 20 * time.Millisecond,
			})
		}},
		{name: "washer and microwave", needsLevel: true, build: func(s *scene, g float64) {
			s.office()
			for k := range 5 {
				s.Add(synth.Piezo(s.Samples(1+1.2*float64(k)), s.Samples(0.4+0.15*g), s.hz, s.level))
			}
		}},
	}
}
