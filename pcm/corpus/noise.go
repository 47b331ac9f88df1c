package corpus

import (
	"math"
	"math/rand/v2"

	"resetrig/pcm/synth"
)

// Noises are the names that Noise takes.
func Noises() []string {
	return []string{"white", "pink", "brown", "fan", "hum", "disk", "babble", "speech", "music", "slams", "keys"}
}

// Noise is an endless room without a beep. No sample of it is used twice, other
// than in a Room, whose noise repeats.
func Noise(kind string, seed uint64) func(dst []float32) {
	rng := rand.New(rand.NewPCG(seed, 21))
	gauss := func(dst []float32, level float64) {
		g := float32(math.Pow(10, level/20) / math.Sqrt2)
		for i := range dst {
			dst[i] = g * float32(rng.NormFloat64())
		}
	}
	switch kind {
	case "pink":
		var a, b, c float32
		return func(dst []float32) {
			gauss(dst, -45)
			for i, x := range dst {
				a = 0.99765*a + x*0.0990460
				b = 0.96300*b + x*0.2965164
				c = 0.57000*c + x*1.0526913
				dst[i] = a + b + c + x*0.1848
			}
		}
	case "brown":
		var a float32
		return func(dst []float32) {
			gauss(dst, -45)
			for i, x := range dst {
				a = 0.995*a + x
				dst[i] = a * 0.2
			}
		}
	case "fan", "hum", "disk":
		// Periodic lines over a noise of its own.
		spec := map[string]synth.NoiseSpec{
			"fan":  {FanTone: -35, FanHz: 123},
			"hum":  {Hum: -25, HumTop: 6000},
			"disk": {Whirr: -40, Click: -16, ClicksPerS: 5},
		}[kind]
		r := synth.NewRoom(Rate, seed)
		r.SetNoise(spec)
		at := int64(0)
		var low float32
		lines := []float32(nil)
		return func(dst []float32) {
			if len(lines) < len(dst) {
				lines = make([]float32, len(dst))
			}
			r.Render(lines[:len(dst)], at)
			at += int64(len(dst))
			gauss(dst, -50)
			for i, x := range dst {
				low += 0.3 * (x - low)
				dst[i] = 2*low + 0.3*x + lines[i]
			}
		}
	case "speech", "babble", "music", "slams", "keys":
		return events(kind, rng, gauss)
	}
	return func(dst []float32) { gauss(dst, -40) }
}

// events puts sounds over a quiet noise, ten seconds at a time.
func events(kind string, rng *rand.Rand, gauss func([]float32, float64)) func([]float32) {
	const span = 10
	var now []float32
	make10 := func() {
		room := synth.NewRoom(Rate, 1)
		level := -40 + 28*rng.Float64()
		switch kind {
		case "speech":
			room.AddSound(0, synth.Speech(Rate, rng.Uint64(), span, level))
		case "babble":
			for range 4 {
				room.AddSound(0, synth.Speech(Rate, rng.Uint64(), span, level-6))
			}
		case "music":
			low := 120 * math.Pow(2, 3*rng.Float64())
			fall := 10 * rng.Float64() * float64(rng.IntN(2))
			for _, n := range synth.Melody(Rate, rng.Uint64(), 0, span-1, low, 2.5*low, level, fall) {
				room.Add(n)
			}
		case "slams":
			for range 12 {
				room.AddSound(int64(rng.Float64()*(span-1)*Rate), synth.Slam(Rate, rng.Uint64(), -3-20*rng.Float64(), 0.01+0.06*rng.Float64(), 1000+4000*rng.Float64()))
			}
		case "keys":
			for range 70 {
				room.AddSound(int64(rng.Float64()*(span-0.2)*Rate), synth.Slam(Rate, rng.Uint64(), -15-20*rng.Float64(), 0.003+0.005*rng.Float64(), 3000+3000*rng.Float64()))
			}
		}
		if cap(now) < span*Rate {
			now = make([]float32, span*Rate)
		}
		now = now[:span*Rate]
		room.Render(now, 0)
	}
	return func(dst []float32) {
		gauss(dst, -58)
		for len(dst) > 0 {
			if len(now) == 0 {
				now = now[:0]
				make10()
			}
			n := min(len(dst), len(now))
			for i := range n {
				dst[i] += now[i]
			}
			dst, now = dst[n:], now[n:]
		}
	}
}
