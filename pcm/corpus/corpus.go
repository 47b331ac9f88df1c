// Package corpus makes labelled recordings to try a beep detector on: every
// case that is easily taken for a long beep or easily missed, at graded levels,
// in rooms and through microphones with faults. Everything is a function of a
// seed: the same seed gives the same samples.
//
// It knows nothing of detectors. The trap: a label says what was put into the
// recording, not what can be heard in it; Case.CN0 says how much there is to
// hear.
package corpus

import (
	"math"
	"math/rand/v2"

	"resetrig/pcm/synth"
)

// Rate is the samples a second of every recording.
const Rate = 16000

// What every case's own beep is like, give or take the room: the calibration.
const (
	FrequencyHz = 3100.0
	LevelDBFS   = -25.0
)

// Beep is a label.
type Beep struct {
	Onset, Length float64 // seconds
	FrequencyHz   float64
	// Cut: the recording begins or ends inside it.
	Cut bool
}

// Case is one recording, made when asked for.
type Case struct {
	Kind string
	Seed uint64
	// Long are the long beeps in it, in order.
	Long []Beep
	// NeedsLevel: without a calibrated level this is a beep like any other.
	NeedsLevel bool
	// Indistinct: it differs from the calibrated beep in nothing that can be
	// measured, or by less than a room changes it.
	Indistinct bool

	render func() []float32
}

// Samples renders the recording.
func (c Case) Samples() []float32 { return c.render() }

// scene collects what a recording is made of.
type scene struct {
	*synth.Room
	rng     *rand.Rand
	seconds float64
	level   float64 // of the beep
	hz      float64
	c       *Case
	after   []func(x []float32) []float32
}

// beep adds a long beep and its label.
func (s *scene) beep(on, length float64) {
	s.Add(synth.Piezo(s.Samples(on), s.Samples(length), s.hz, s.level))
	s.label(on, length)
}

func (s *scene) label(on, length float64) {
	b := Beep{Onset: on, Length: length, FrequencyHz: s.hz}
	if on < 0 || on+length > s.seconds {
		b.Cut = true
		b.Length = min(on+length, s.seconds) - max(on, 0)
		b.Onset = max(on, 0)
	}
	s.c.Long = append(s.c.Long, b)
}

func (s *scene) office() { s.SetNoise(synth.OfficeNoise()) }

// Cases are n recordings of every kind, from a seed.
func Cases(n int, seed uint64) []Case { return Of("", n, seed) }

// Of are those of one kind alone; "" is every kind.
func Of(name string, n int, seed uint64) []Case {
	var all []Case
	for i, k := range kinds() {
		if name != "" && k.name != name {
			continue
		}
		for j := range n {
			s := seed*1_000_003 + uint64(i)*1009 + uint64(j)
			c := Case{Kind: k.name, Seed: s, NeedsLevel: k.needsLevel, Indistinct: k.indistinct}
			build := func(c *Case) []float32 {
				rng := rand.New(rand.NewPCG(s, uint64(j)))
				sc := &scene{
					Room: synth.NewRoom(Rate, s), rng: rng, seconds: 8, c: c,
					level: LevelDBFS + 10*rng.Float64() - 4, hz: FrequencyHz * (1 + 0.01*(rng.Float64()-0.5)),
				}
				if k.seconds > 0 {
					sc.seconds = k.seconds
				}
				k.build(sc, float64(j)/float64(max(n-1, 1)))
				x := make([]float32, sc.count())
				sc.Render(x, 0)
				for _, f := range sc.after {
					x = f(x)
				}
				return x
			}
			k.labels(&c, build)
			all = append(all, c)
		}
	}
	return all
}

// count is the recording's length in samples.
func (s *scene) count() int { return int(math.Round(s.seconds * Rate)) }

func (k kind) labels(c *Case, build func(*Case) []float32) {
	// The labels come from a build whose samples are let go.
	labelled := *c
	build(&labelled)
	*c = labelled
	c.render = func() []float32 { spare := Case{}; return build(&spare) }
}

// echo is a room: a tail of reflections that dies away by 60 dB in so many
// seconds, at a level under the direct sound.
func echo(rng *rand.Rand, seconds, level float64) func([]float32) []float32 {
	type tap struct {
		at   int
		gain float32
	}
	var taps []tap
	g := math.Pow(10, level/20)
	for t := 0.004; t < seconds; t += 0.002 + 0.01*rng.Float64() {
		a := g * math.Pow(10, -3*t/seconds) * (2*rng.Float64() - 1)
		taps = append(taps, tap{int(t * Rate), float32(a)})
	}
	return func(x []float32) []float32 {
		y := append([]float32(nil), x...)
		for _, t := range taps {
			for i := t.at; i < len(y); i++ {
				y[i] += t.gain * x[i-t.at]
			}
		}
		return y
	}
}

// automaticGain turns down what is loud, by up to some 10 dB within 100 ms.
func automaticGain(x []float32) []float32 {
	env := 0.0
	for i, v := range x {
		env += (math.Abs(float64(v)) - env) / (0.05 * Rate)
		x[i] = float32(float64(v) / (1 + 30*env))
	}
	return x
}
