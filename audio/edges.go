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
	return d.edge(t, at, max(t.onset, at-0.4*workRate), true)
}

// edge finds the sample at which a tone begins, or ends, near coarse; inside
// is a sample up to which, or from which, it sounds. First the power shows the
// place within some blocks, then the likelihood of a step within samples.
func (d *Detector) edge(t *track, coarse, inside float64, ending bool) float64 {
	reach := 0.080 * workRate
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
	best, sum, at := 0.0, 0.0, b
	dir, i, stop := int64(-1), b-1, a-1
	if ending {
		dir, i, stop, at = 1, a, b, a
	}
	c := z * cmplx.Rect(1, math.Mod(w*float64(i-from), 2*math.Pi))
	turn := cmplx.Rect(1, w*float64(dir))
	for ; i != stop; i += dir {
		v := real(c)
		sum += float64(d.ring[i&(ringLen-1)])*v - v*v/2
		c *= turn
		if sum > best {
			best, at = sum, i
			if ending {
				at++
			}
		}
	}
	return float64(at)
}

// product is the sum of the samples times e^(−iw(n−from)), the phase counted
// from the first sample.
func (d *Detector) product(from, to int64, w float64) (z complex128) {
	turn, c := cmplx.Rect(1, -w), complex(1, 0)
	for i := from; i < to; i++ {
		z += complex(float64(d.ring[i&(ringLen-1)]), 0) * c
		c *= turn
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
