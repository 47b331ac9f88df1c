package synth

import (
	"math"
	"time"
)

// Tone is a sound with a pitch. Times are in samples of the room where they
// place it, in durations where they shape it.
type Tone struct {
	Start  int64 // number of its first sample
	Length int64 // in samples; 0 lasts until Stop

	FrequencyHz float64
	LevelDBFS   float64 // of the fundamental
	// Harmonics are the amplitudes of the 2nd, 3rd, … partial over the
	// fundamental's. Partials above half the rate are left out.
	Harmonics []float64

	Attack  time.Duration // rise at each beginning (raised cosine)
	Release time.Duration // fall before each end

	GlideHzPerS  float64 // the frequency's drift
	VibratoHz    float64 // how often the pitch swings
	VibratoDepth float64 // by how many Hz, each way
	TremoloHz    float64 // how often the level swings
	Tremolo      float64 // by which share of the amplitude, each way, 0–1
	FallDBPerS   float64 // how fast it dies away

	// On and Period make it repeat: it sounds for the first On of every Period
	// samples. Period 0 does not repeat.
	On, Period int64
	// Gaps are silences inside, counted from Start; the phase runs on.
	Gaps []Gap
}

// Gap is a silence inside a tone, in samples from its start.
type Gap struct{ At, Length int64 }

// grid is the number of samples between two exact phases; in between a
// recurrence runs. Counted from the tone's start, so that no cut of the
// rendering changes a sample.
const grid = 128

type voice struct {
	Tone
	id          int
	rate        float64
	amp         float64
	attack, rel int64
}

func newVoice(t Tone, rate, id int) voice {
	s := func(d time.Duration) int64 { return int64(d.Seconds() * float64(rate)) }
	return voice{Tone: t, id: id, rate: float64(rate), amp: amplitude(t.LevelDBFS), attack: s(t.Attack), rel: s(t.Release)}
}

func (v *voice) stop(at int64) {
	n := max(at-v.Start, 0)
	if v.Length == 0 || n < v.Length {
		v.Length = n
		if n == 0 {
			v.amp, v.Length = 0, 1
		}
	}
}

func (v *voice) over(at int64) bool { return v.Length > 0 && at >= v.Start+v.Length }

// phase is the fundamental's after n samples, in turns.
func (v *voice) phase(n int64) float64 {
	t := float64(n) / v.rate
	p := v.FrequencyHz*t + v.GlideHzPerS*t*t/2
	if v.VibratoHz > 0 {
		p -= v.VibratoDepth / (2 * math.Pi * v.VibratoHz) * math.Cos(2*math.Pi*v.VibratoHz*t)
	}
	return p
}

func (v *voice) render(dst []float32, start int64) {
	from, to := max(start-v.Start, 0), start+int64(len(dst))-v.Start
	if v.Length > 0 {
		to = min(to, v.Length)
	}
	if from >= to || v.amp == 0 {
		return
	}
	var gain [grid]float32
	for n := from - from%grid; n < to; n += grid {
		if !v.envelope(&gain, n) {
			continue
		}
		lo, hi := max(from, n), min(to, n+grid)
		v.partials(dst[lo+v.Start-start:hi+v.Start-start], &gain, n, int(lo-n))
	}
}

// partials adds all partials of the grid cell that begins at n, from its
// sample skip on.
func (v *voice) partials(dst []float32, gain *[grid]float32, n int64, skip int) {
	p0, p1 := v.phase(n), v.phase(n+grid)
	step := (p1 - p0) / grid
	for h := 0; h <= len(v.Harmonics); h++ {
		a, k := v.amp, float64(h+1)
		if h > 0 {
			a *= v.Harmonics[h-1]
		}
		if a == 0 || k*step >= 0.5 {
			continue
		}
		_, f := math.Modf(k * p0)
		s, c := math.Sincos(2 * math.Pi * f)
		ds, dc := math.Sincos(2 * math.Pi * k * step)
		s, c = s*a, c*a
		for i := 0; i < skip; i++ {
			s, c = s*dc+c*ds, c*dc-s*ds
		}
		g := gain[skip : skip+len(dst)]
		for i := range dst {
			dst[i] += float32(s) * g[i]
			s, c = s*dc+c*ds, c*dc-s*ds
		}
	}
}

// envelope fills the gain of the grid cell that begins at n, and reports
// whether anything sounds in it.
func (v *voice) envelope(gain *[grid]float32, n int64) bool {
	sounds := false
	plain := v.Period == 0 && len(v.Gaps) == 0 && v.Tremolo == 0 && v.FallDBPerS == 0 &&
		n >= v.attack && (v.Length == 0 || n+grid <= v.Length-v.rel)
	for i := range gain {
		g := 1.0
		if !plain {
			g = v.gain(n + int64(i))
		}
		gain[i] = float32(g)
		sounds = sounds || g != 0
	}
	return sounds
}

func (v *voice) gain(n int64) float64 {
	m, length := n, v.Length
	if v.Period > 0 {
		m, length = n%v.Period, v.On
		if v.Length > 0 {
			length = min(length, v.Length-(n-m))
		}
	}
	if length > 0 && m >= length {
		return 0
	}
	for _, g := range v.Gaps {
		if n >= g.At && n < g.At+g.Length {
			return 0
		}
	}
	a := 1.0
	if m < v.attack {
		a = 0.5 - 0.5*math.Cos(math.Pi*float64(m)/float64(v.attack))
	}
	if length > 0 && m >= length-v.rel {
		a *= 0.5 - 0.5*math.Cos(math.Pi*float64(length-m)/float64(v.rel))
	}
	t := float64(n) / v.rate
	if v.Tremolo > 0 {
		a *= 1 + v.Tremolo*math.Sin(2*math.Pi*v.TremoloHz*t)
	}
	if v.FallDBPerS > 0 {
		a *= amplitude(-v.FallDBPerS * float64(m) / v.rate)
	}
	return a
}
