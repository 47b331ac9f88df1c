package synth

import (
	"math"
	"math/rand/v2"
	"time"
)

// Piezo is a piezo buzzer's tone of that length in samples (0 until Stop):
// odd partials stand out, it rises within 2 ms and falls within 3.
func Piezo(start, length int64, hz, dBFS float64) Tone {
	return Tone{
		Start: start, Length: length, FrequencyHz: hz, LevelDBFS: dBFS,
		Harmonics: []float64{0.12, 0.25, 0.05, 0.1},
		Attack:    2 * time.Millisecond, Release: 3 * time.Millisecond,
	}
}

// Chirp is the short beep of a power-on self-test: a piezo for 80 ms.
func Chirp(rate int, start int64, hz, dBFS float64) Tone {
	return Piezo(start, int64(rate)*80/1000, hz, dBFS)
}

// Alarm is a recorder's alarm, for one without a disk: a piezo that sounds for
// on of every period until Stop.
func Alarm(rate int, start int64, hz, dBFS float64, on, period time.Duration) Tone {
	t := Piezo(start, 0, hz, dBFS)
	t.On = int64(on.Seconds() * float64(rate))
	t.Period = int64(period.Seconds() * float64(rate))
	return t
}

// Slam is a burst of noise that peaks at about that level and decays with the
// time constant in seconds: a door, a key, a click; hz is where it grows dull.
func Slam(rate int, seed uint64, dBFS, decay, hz float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 9))
	f := lowpass(rate, hz)()
	x := make([]float32, int(7*decay*float64(rate))+1)
	peak := float32(0)
	for i := range x {
		t := float64(i) / float64(rate)
		y := float32(f(rng.NormFloat64()) * math.Exp(-t/decay) * (1 - math.Exp(-t/0.0005)))
		x[i] = y
		peak = max(peak, y, -y)
	}
	if peak > 0 {
		g := float32(amplitude(dBFS)) / peak
		for i := range x {
			x[i] *= g
		}
	}
	return x
}

// Speech is speech-like sound of that many seconds: voiced syllables whose
// pitch and formants wander, unvoiced hisses and pauses. Its loud parts have
// about that level.
func Speech(rate int, seed uint64, seconds, dBFS float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 11))
	x := make([]float32, int(seconds*float64(rate)))
	for at := 0; at < len(x); {
		n := int((0.08 + 0.3*rng.Float64()) * float64(rate))
		if at+n > len(x) {
			break
		}
		switch k := rng.Float64(); {
		case k < 0.65:
			vowel(x[at:at+n], rate, rng)
		case k < 0.85:
			hiss(x[at:at+n], rate, rng)
		}
		at += n
	}
	g := float32(amplitude(dBFS))
	for i := range x {
		x[i] *= g
	}
	return x
}

// Vowel is one sung vowel of that many seconds: a steady voice, the hardest of
// speech for a detector of tones.
func Vowel(rate int, seed uint64, seconds, dBFS float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 12))
	x := make([]float32, int(seconds*float64(rate)))
	vowel(x, rate, rng)
	g := float32(amplitude(dBFS))
	for i := range x {
		x[i] *= g
	}
	return x
}

func vowel(x []float32, rate int, rng *rand.Rand) {
	f0 := 90 + 160*rng.Float64()
	glide := (rng.Float64() - 0.5) * 0.4 * f0
	formants := [4]float64{300 + 500*rng.Float64(), 900 + 1400*rng.Float64(), 2400 + 600*rng.Float64(), 3300 + 500*rng.Float64()}
	top := int(min(5000, 0.45*float64(rate)) / (f0 * 1.3))
	amps := make([]float64, top+1)
	for k := 1; k <= top; k++ {
		f := float64(k) * f0
		for i, c := range formants {
			w := 60 + 40*float64(i)
			amps[k] += math.Pow(0.45, float64(i)) / (1 + (f-c)*(f-c)/(w*w))
		}
	}
	jitter, phase, d := 0.0, 0.0, 0.0
	// The vibrato's sine turns from sample to sample.
	vs, vc := 0.0, 1.0
	ds, dc := math.Sincos(2 * math.Pi * 5.5 / float64(rate))
	swell := func(i int) float64 { return math.Sin(math.Pi * math.Sqrt(min(float64(i)/float64(len(x)), 1))) }
	slope, loud := 0.0, 0.0
	var sin, twice, y [lanes]float64
	for i := 0; i < len(x); i += lanes {
		n := min(lanes, len(x)-i)
		for k := range n {
			i := i + k
			t := float64(i) / float64(len(x))
			if i%(rate/200) == 0 {
				jitter = 0.9*jitter + 0.004*rng.NormFloat64()
			}
			d = (f0 + glide*t) * (1 + jitter + 0.01*vs) / float64(rate)
			vs, vc = vs*dc+vc*ds, vc*dc-vs*ds
			phase += d
			if phase > 1 {
				phase--
			}
			s, c := math.Sincos(2 * math.Pi * phase)
			sin[k], twice[k] = s, 2*c
		}
		series(amps, &twice, &y)
		for k := range n {
			// How loud it is runs straight over eight samples, but for the start.
			switch i := i + k; {
			case i < 128:
				loud, slope = swell(i), 0
			case i%8 == 0:
				loud = swell(i)
				slope = (swell(i+8) - loud) / 8
			default:
				loud += slope
			}
			x[i+k] += float32(0.5 * y[k] * sin[k] * loud)
		}
	}
}

// lanes is how many samples' partials are added up at once.
const lanes = 4

// series is the sum over k of amps[k]·sin(kθ)/sin θ, of which 2·cos θ is given
// (Clenshaw's recurrence).
func series(amps []float64, twice, sum *[lanes]float64) {
	t0, t1, t2, t3 := twice[0], twice[1], twice[2], twice[3]
	var b0, b1, b2, b3, c0, c1, c2, c3 float64
	for k := len(amps) - 1; k >= 1; k-- {
		a := amps[k]
		b0, c0 = a+t0*b0-c0, b0
		b1, c1 = a+t1*b1-c1, b1
		b2, c2 = a+t2*b2-c2, b2
		b3, c3 = a+t3*b3-c3, b3
	}
	sum[0], sum[1], sum[2], sum[3] = b0, b1, b2, b3
}

func hiss(x []float32, rate int, rng *rand.Rand) {
	f := lowpass(rate, 1500)()
	for i := range x {
		v := rng.NormFloat64() * 0.08
		x[i] += float32((v - f(v)) * math.Sin(math.Pi*float64(i)/float64(len(x))))
	}
}

// Melody is notes of a plucked or, with fall 0, a sustained instrument between
// two pitches; each note lasts some tenths of a second and may overlap the
// next. The tones go into a room with Add.
func Melody(rate int, seed uint64, start int64, seconds, lowHz, highHz, dBFS, fallDBPerS float64) []Tone {
	rng := rand.New(rand.NewPCG(seed, 13))
	var notes []Tone
	for t := 0.0; t < seconds; {
		d := []float64{0.2, 0.3, 0.4, 0.6, 0.9, 1.6}[rng.IntN(6)]
		steps := int(12 * math.Log2(highHz/lowHz))
		hz := lowHz * math.Pow(2, float64(rng.IntN(steps+1))/12)
		notes = append(notes, Tone{
			Start: start + int64(t*float64(rate)), Length: int64(d * float64(rate)),
			FrequencyHz: hz, LevelDBFS: dBFS - 6*rng.Float64(),
			Harmonics: []float64{0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.08, 0.05},
			Attack:    15 * time.Millisecond, Release: 40 * time.Millisecond,
			VibratoHz: 5 + rng.Float64(), VibratoDepth: hz * 0.004, FallDBPerS: fallDBPerS,
		})
		t += d * (0.7 + 0.4*rng.Float64())
	}
	return notes
}
