package audio

import (
	"math"
	"math/cmplx"
)

// time finds when a track began, and its frequency, from what is known up to
// the sample end. It leaves a track untimed that stands beside its tone.
func (d *Detector) time(t *track, end float64) {
	hz := (float64(t.bin+d.floor.lo) + d.tilt(t.bin)) * binHz
	if t.hz != 0 {
		hz = t.hz
	}
	skip := min(0.048*workRate, (end-t.onset)/4)
	m := d.measure(t.onset+skip, end-skip/4, hz, t.n0)
	if bin := float64(t.bin+d.floor.lo) * binHz; m.amp == 0 || math.Abs(m.hz-bin) > 3.5*binHz || d.known(t, m.hz) {
		return
	}
	t.hz, t.amp, t.timed = m.hz, m.amp, true
	if t.fromStart && t.onset <= hop {
		t.onset = 0
		return
	}
	d.slopes = end-t.onset >= 0.9*d.long*workRate
	if !d.slopes && d.partial(t) {
		// The many overtones of a voice need no more.
		t.timed = false
		d.refuse(t, end, Overtone)
		return
	}
	t.onset = max(t.notBefore, d.edge(t, t.onset, min(end, t.onset+0.4*workRate), false))
}

// known: another track stands nearer to this tone, or has it already.
func (d *Detector) known(t *track, hz float64) bool {
	off := func(t *track) float64 { return math.Abs(float64(t.bin+d.floor.lo)*binHz - hz) }
	for i := range d.tracks {
		o := &d.tracks[i]
		if o.id == t.id || !o.active || o.power <= t.power {
			continue
		}
		if o.timed && math.Abs(o.hz-hz) < 2*binHz || off(o) < off(t) && off(o) < 2*binHz {
			return true
		}
	}
	return false
}

// tilt is how far beside its bin a tone lies, from the last frame's powers.
func (d *Detector) tilt(bin int) float64 {
	a, b, c := math.Sqrt(float64(d.power[bin-1])), math.Sqrt(float64(d.power[bin])), math.Sqrt(float64(d.power[bin+1]))
	if b == 0 || b < a || b < c {
		return 0
	}
	// Exact for a Hann window: the ratio of the two strongest lines.
	if c > a {
		return max(-0.5, min(0.5, (2*c-b)/(b+c)))
	}
	return max(-0.5, min(0.5, -(2*a-b)/(a+b)))
}

// offset finds the end of a track near a sample.
func (d *Detector) offset(t *track, at float64) float64 {
	d.slopes = at-t.onset >= 0.9*d.long*workRate
	return d.edge(t, at, max(t.onset, at-0.4*workRate), true)
}

// edge finds the sample at which a tone begins, or ends, near coarse; inside
// is a sample up to which, or from which, it sounds. First the power shows the
// place within some blocks, then the likelihood of a step within samples, then
// that of a rise or fall of up to 3 ms. A beep begins where its rise does and
// ends where its fall does.
func (d *Detector) edge(t *track, coarse, inside float64, ending bool) float64 {
	reach := float64(edgeReach)
	if t.cn0()*0.012 > 15 {
		coarse = d.walk(t, coarse, inside, ending)
		reach = 0.016 * workRate
	}
	// The reference: 100 ms of the tone next to the edge, or what there is.
	dir := 1.0
	if ending {
		dir = -1
	}
	length := math.Abs(inside - coarse)
	near := min(reach, length/4)
	far := min(near+0.1*workRate, length)
	lo, hi := coarse+dir*near, coarse+dir*far
	if ending {
		lo, hi = hi, lo
	}
	return d.step1(t, coarse, near, reach, lo, hi, ending)
}

// step1 is the likelihood of a step from noise to the tone: x·w − w²/2 summed
// over the tone's side, w being the tone as the reference has it.
func (d *Detector) step1(t *track, coarse, near, reach, refLo, refHi float64, ending bool) float64 {
	from, to := max(int64(refLo), d.oldest()), min(int64(refHi), d.total)
	if to-from < 64 {
		return coarse
	}
	w := 2 * math.Pi * t.hz / workRate
	if half := (to - from) / 2; half >= 256 && t.cn0()*float64(half)/workRate > 15 {
		// Near its edge the tone may be a few Hz beside its mean.
		a, b := d.product(from, from+half, w), d.product(from+half, to, w)
		w += cmplx.Phase(b*cmplx.Conj(a)*cmplx.Rect(1, -math.Mod(w*float64(half), 2*math.Pi))) / float64(half)
	}
	z := d.product(from, to, w) * complex(2/float64(to-from), 0)

	lo, hi := coarse-reach, coarse+near
	if ending {
		lo, hi = coarse-near, coarse+reach
	}
	a, b := max(int64(lo), d.oldest(), 0), min(int64(hi), d.total)
	d.wave(a, b, w, z*cmplx.Rect(1, math.Mod(w*float64(a-from), 2*math.Pi)))
	x := d.scratch.tone[:b-a]
	best, sum, at := 0.0, 0.0, b
	if ending {
		at = a
		for i, v := range x {
			k := a + int64(i)
			if sum += float64(d.ring[k&(ringLen-1)])*v - v*v/2; sum > best {
				best, at = sum, k+1
			}
		}
		return d.slope(t, x, a, at, -1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		k, v := a+int64(i), x[i]
		if sum += float64(d.ring[k&(ringLen-1)])*v - v*v/2; sum > best {
			best, at = sum, k
		}
	}
	return d.slope(t, x, a, at, 1)
}

const (
	edgeReach  = workRate * 80 / 1000
	slopeStep  = 8                  // samples: rises of 0, 0.5, … 3 ms
	slopeCount = 7                  // of them
	slopeMost  = 6 * slopeStep      // 3 ms
	slopeMean  = slopeMost / 4      // half of the mean rise: from its half to its beginning
	slopeTries = slopeMost + 24 + 1 // places from 3 ms outside of a step to 1.5 inside
)

// slopeWeight makes an abrupt rise and the slowest one likelier beforehand, so
// that the error is no greater there than between.
var slopeWeight = [slopeCount]float64{2.5, 1, 1, 1, 1, 1, 0.7}

// slope makes of the sample at which a step fits best the one at which the
// tone's rise begins (dir 1), or its fall ends (dir −1): the mean over all
// places and lengths of a raised cosine, each weighed by its likelihood. x is
// the tone's samples from number a on. Where nobody asks for that, or it can't
// be seen, a mean rise is taken off.
func (d *Detector) slope(t *track, x []float64, a, at int64, dir int64) float64 {
	const n = slopeTries + slopeMost
	out := at - dir*slopeMost // the outermost place
	if dir < 0 {
		out-- // at is the sample after the last
	}
	first := out - a
	last := first + dir*(n-1)
	plain := float64(at - dir*slopeMean)
	if !d.slopes || min(first, last) < 0 || max(first, last) >= int64(len(x)) {
		return max(plain, 0)
	}
	s := &d.scratch
	var u, v [n]float64
	for j := range u {
		i := first + dir*int64(j)
		w := x[i]
		u[j], v[j] = float64(d.ring[(a+i)&(ringLen-1)])*w, w*w/2
	}
	inside := 0.0 // what all of x from a place inwards says
	var cum [n + 1]float64
	for j := n - 1; j >= 0; j-- {
		inside += u[j] - v[j]
		cum[j] = inside
	}
	cum[n] = 0
	variance := t.n0 / windowPower
	top := math.Inf(-1)
	for r := range slopeCount {
		rise := s.rise[r][:r*slopeStep]
		for k := range slopeTries {
			l := cum[k+len(rise)]
			for i, g := range rise {
				l += g * (u[k+i] - g*v[k+i])
			}
			l /= variance
			s.slopes[r][k] = l
			top = max(top, l)
		}
	}
	weight, sum := 0.0, 0.0
	for r := range s.slopes {
		for k, l := range s.slopes[r] {
			if l > top-20 {
				p := slopeWeight[r] * math.Exp(l-top)
				weight += p
				sum += p * float64(k)
			}
		}
	}
	place := float64(out) + float64(dir)*sum/weight
	if dir < 0 {
		place++
	}
	return max(place, 0)
}

// wave fills the scratch's tone with the samples [a, b) of a tone that is z at
// the first.
func (d *Detector) wave(a, b int64, w float64, z complex128) {
	s := &d.scratch
	ds, dc := math.Sincos(w)
	re, im := 1.0, 0.0
	for i := range s.re {
		s.re[i], s.im[i] = re, im
		re, im = re*dc-im*ds, re*ds+im*dc
	}
	turn := complex(re, im)
	x := s.tone[:max(b-a, 0)]
	for len(x) > 0 {
		n := min(len(x), block)
		re, im := real(z), imag(z)
		for i := range x[:n] {
			x[i] = re*s.re[i] - im*s.im[i]
		}
		z *= turn
		x = x[n:]
	}
}

// product is the sum of the samples times e^(−iw(n−from)), the phase counted
// from the first sample.
func (d *Detector) product(from, to int64, w float64) (z complex128) {
	s := &d.scratch
	ds, dc := math.Sincos(-w)
	re, im := 1.0, 0.0
	for i := range s.re {
		s.re[i], s.im[i] = re, im
		re, im = re*dc-im*ds, re*ds+im*dc
	}
	turn, at := complex(re, im), complex(1, 0)
	for ; from < to; from += block {
		var re, im float64
		n := min(to-from, block)
		for i, v := range d.at(from, int(n)) {
			re += float64(v) * s.re[i]
			im += float64(v) * s.im[i]
		}
		z += complex(re, im) * at
		at *= turn
	}
	return z
}

// walk goes from inside a tone towards its edge until three sums of 12 ms are
// a quarter of the tone's power or less.
func (d *Detector) walk(t *track, coarse, inside float64, ending bool) float64 {
	const outside = 0.112 * workRate
	within := min(0.064*workRate, math.Abs(inside-coarse)/2)
	lo, hi := coarse-outside, coarse+within
	if ending {
		lo, hi = coarse-within, coarse+outside
	}
	a, b := max(int64(lo), d.oldest(), 0), min(int64(hi), d.total)
	n := int(b-a) / block
	if n < 4 {
		return coarse
	}
	d.demodulate(a, n, t.hz)
	s := &d.scratch
	limit := t.amp * t.amp / 4 * (3 * block) * (3 * block) / 4
	i, dir := 1, 1
	if !ending {
		i, dir = n-2, -1
	}
	low := 0
	for ; i >= 1 && i < n-1; i += dir {
		z := s.z[i-1] + s.z[i] + s.z[i+1]
		if real(z)*real(z)+imag(z)*imag(z) >= limit || s.miss[i] {
			low = 0
			continue
		}
		if low++; low == 3 {
			// The first low sum has half a block of tone, about.
			k := i - 2*dir
			return float64(a + int64(k*block+block/2))
		}
	}
	if low > 0 {
		return float64(a + int64((i-low*dir)*block+block/2))
	}
	if ending {
		return float64(b)
	}
	return float64(a)
}
