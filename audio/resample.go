package audio

import "math"

// resampler brings sound from one rate to another: a windowed sinc in phases.
// Its delay is taken out, so that output sample k lies at k/out seconds.
type resampler struct {
	up, down int // out/in in lowest terms
	taps     int // per phase
	coef     []float32
	hist     []float32 // the last taps−1 inputs, then the new ones
	n        int       // of them
	next     int       // position of the next output, in 1/up of an input sample, from hist[0]
}

func newResampler(in, out int) *resampler {
	g := gcd(in, out)
	r := &resampler{up: out / g, down: in / g}
	cut := 0.46 * min(1, float64(out)/float64(in)) // in cycles per input sample
	half := int(math.Ceil(14 / (2 * cut) / 0.5))   // zero crossings to each side
	r.taps = 2 * half
	r.coef = make([]float32, r.up*r.taps)
	for p := range r.up {
		sum := 0.0
		c := r.coef[p*r.taps : (p+1)*r.taps]
		for k := range c {
			t := float64(k-half+1) - float64(p)/float64(r.up)
			v := 2 * cut
			if t != 0 {
				v = math.Sin(2*math.Pi*cut*t) / (math.Pi * t)
			}
			v *= blackman(t / float64(half))
			sum += v
			c[k] = float32(v)
		}
		for k := range c {
			c[k] = float32(float64(c[k]) / sum)
		}
	}
	r.hist = make([]float32, r.taps+1024)
	r.reset()
	return r
}

// blackman is the Blackman–Harris window over −1…1.
func blackman(t float64) float64 {
	if t <= -1 || t >= 1 {
		return 0
	}
	return 0.35875 + 0.48829*math.Cos(math.Pi*t) + 0.14128*math.Cos(2*math.Pi*t) + 0.01168*math.Cos(3*math.Pi*t)
}

func (r *resampler) reset() {
	clear(r.hist)
	// The first output's middle tap falls on the first input.
	r.n, r.next = r.taps/2-1, 0
}

// process appends what can be computed to dst. in has at most 1024 samples.
func (r *resampler) process(dst, in []float32) []float32 {
	r.n += copy(r.hist[r.n:], in)
	for {
		i, p := r.next/r.up, r.next%r.up
		if i+r.taps > r.n {
			break
		}
		c, x := r.coef[p*r.taps:(p+1)*r.taps], r.hist[i:i+r.taps]
		var a, b float32
		for k := 0; k+1 < len(c) && k+1 < len(x); k += 2 {
			a += c[k] * x[k]
			b += c[k+1] * x[k+1]
		}
		dst = append(dst, a+b)
		r.next += r.down
	}
	if drop := min(r.next/r.up, r.n); drop > 0 {
		copy(r.hist, r.hist[drop:r.n])
		r.n -= drop
		r.next -= drop * r.up
	}
	return dst
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
