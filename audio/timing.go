package audio

import (
	"math"
	"math/cmplx"
	"slices"
)

const (
	block      = 64  // samples of a demodulated block: 4 ms
	maxBlocks  = 512 // of what is measured
	segment    = 12  // blocks: 48 ms
	segSeconds = float64(segment*block) / workRate
)

// scratch is what the measuring needs, made once.
type scratch struct {
	z       []complex128 // demodulated blocks
	miss    []bool
	seg     []complex128
	pairs   []complex128 // of seg
	acc     []complex128 // running sums of seg
	val     []float64
	sorted  []float64
	inverse [endBlocks/faintSlot + 1]float64 // of a number of slots
	tone    []float64                        // a tone's samples near an edge
	rise    [slopeCount][slopeMost]float64   // raised cosines, one a length
	slopes  [slopeCount][slopeTries]float64
	re, im  [block]float64
	partial []float32 // Hann window of lower
	cos     [lowerLen]float64
	sin     [lowerLen]float64
}

func newScratch() scratch {
	s := scratch{
		z: make([]complex128, 0, endBlocks), miss: make([]bool, 0, endBlocks),
		seg: make([]complex128, 0, endBlocks), pairs: make([]complex128, 0, faintBlocks/faintSlot/2+1), acc: make([]complex128, maxBlocks+1), val: make([]float64, 0, maxBlocks),
		sorted: make([]float64, 0, maxBlocks), tone: make([]float64, 2*edgeReach), partial: hann(lowerLen),
	}
	for r := range s.rise {
		n := r * slopeStep
		for i := range n {
			s.rise[r][i] = 0.5 - 0.5*math.Cos(math.Pi*(float64(i)+0.5)/float64(n))
		}
	}
	for i := range s.inverse {
		s.inverse[i] = 1 / float64(max(i, 1))
	}
	return s
}

// measured is what a stretch of a tone's samples says.
type measured struct {
	hz, amp        float64
	seconds        float64
	wander         float64 // Hz: median deviation from a linear course
	glide          float64 // Hz a second
	thirds         [3]float64
	coherence      float64 // share of the power that is one sine within 48 ms
	crowded        bool    // another tone sounds beside it
	spread         float64 // upper over lower quartile of the power
	rise           float64 // sample from which it is 6 dB louder than at first, or 0
	gapFrom, gapTo float64 // samples; the first gap, if gapTo > 0
	coarse         bool    // too short for the above but hz and amp
}

// demodulate fills the scratch's blocks from a sample on.
func (d *Detector) demodulate(from int64, n int, hz float64) {
	s := &d.scratch
	s.z, s.miss = s.z[:0], s.miss[:0]
	w := 2 * math.Pi * hz / workRate
	ds, dc := math.Sincos(-w)
	re, im := 1.0, 0.0
	for i := range s.re {
		s.re[i], s.im[i] = re, im
		re, im = re*dc-im*ds, re*ds+im*dc
	}
	turn, at := complex(re, im), complex(1, 0) // a block's turn
	holes := d.holes.missing(from, from+int64(n*block)) > 0
	for k := range n {
		pos := from + int64(k*block)
		x := (*[block]float32)(d.at(pos, block))
		var re, im, re2, im2 float64
		for i := 0; i < block; i += 2 {
			u, v := float64(x[i]), float64(x[i+1])
			re += u * s.re[i]
			im += u * s.im[i]
			re2 += v * s.re[i+1]
			im2 += v * s.im[i+1]
		}
		s.z = append(s.z, complex(re+re2, im+im2)*at)
		at *= turn
		s.miss = append(s.miss, holes && d.holes.missing(pos, pos+block) > block/4)
	}
}

// turn rotates the blocks by a further frequency.
func (s *scratch) turn(hz float64) {
	w := 2 * math.Pi * hz * block / workRate
	at, step := complex(1, 0), cmplx.Rect(1, -w)
	for k := range s.z {
		s.z[k] *= at
		at *= step
	}
}

// sums adds up n blocks each into seg; a sum of which half is missing is 0.
func (s *scratch) sums(n int) {
	s.seg = s.seg[:0]
	for k := 0; k+n <= len(s.z); k += n {
		var z complex128
		have := 0
		for i := k; i < k+n; i++ {
			if !s.miss[i] {
				z += s.z[i]
				have++
			}
		}
		if have*2 < n {
			z = 0
		} else {
			z *= complex(float64(n)/float64(have), 0)
		}
		s.seg = append(s.seg, z)
	}
}

// pull is the frequency that remains between neighbouring sums of n blocks.
func (s *scratch) pull(n int) float64 {
	s.sums(n)
	var r complex128
	for k := 1; k < len(s.seg); k++ {
		r += s.seg[k] * cmplx.Conj(s.seg[k-1])
	}
	return cmplx.Phase(r) / (2 * math.Pi) * workRate / float64(n*block)
}

// measure looks at the samples [from, to) of a tone near hz.
func (d *Detector) measure(from, to, hz, n0 float64) measured {
	s := &d.scratch
	first := max(int64(from), d.oldest())
	n := min(int(int64(min(to, float64(d.total)))-first)/block, maxBlocks)
	m := measured{hz: hz, coarse: true}
	if n < 3 {
		return m
	}
	m.seconds = float64(n*block) / workRate
	d.demodulate(first, n, hz)
	m.crowded = d.crowded(hz)
	switch {
	case m.crowded && n >= 3*segment:
		d.tune(&m, s.pull(segment)) // wide sums would be pulled to the neighbour
	case m.crowded:
	case n >= 12:
		d.tune(&m, s.pull(1))
		d.tune(&m, s.pull(4))
	default:
		d.tune(&m, s.pull(1))
	}
	if n >= 5*segment {
		m.coarse = false
		d.course(&m, n0)
	}
	d.envelope(&m, first, n0)
	return m
}

// crowded: another tone, no weaker than a quarter, sounds within 200 Hz.
func (d *Detector) crowded(hz float64) bool {
	bin := int(math.Round(hz/binHz)) - d.floor.lo
	if bin < 1 || bin+1 >= len(d.power) {
		return false
	}
	own := d.three(bin)
	for i := range d.tracks {
		if t := &d.tracks[i]; t.active {
			if off := math.Abs(float64(t.bin+d.floor.lo)*binHz - hz); off > 2.5*binHz && off < 200 && t.power*4 > own {
				return true
			}
		}
	}
	return false
}

func (d *Detector) tune(m *measured, hz float64) {
	m.hz += hz
	d.scratch.turn(hz)
}

// course fits the phase: frequency, glide, and how much it wanders.
func (d *Detector) course(m *measured, n0 float64) {
	s := &d.scratch
	m.coherence = s.coherence(n0)
	s.differences(segment)
	if len(s.val) < 3 {
		return
	}
	mid := s.quantile(s.val, 0.5)
	// A line through the differences, those far off left out, is the glide.
	dev := s.spreadAround(s.val, mid, 0)
	var n, sx, sy, sxx, sxy float64
	for k, v := range s.val {
		if math.Abs(v-mid) <= 4*dev+0.05 {
			x := float64(k)
			n, sx, sy, sxx, sxy = n+1, sx+x, sy+v, sxx+x*x, sxy+x*v
		}
	}
	slope := 0.0
	if q := n*sxx - sx*sx; q > 0 && n >= 3 {
		slope = (n*sxy - sx*sy) / q
	}
	perHz := 2 * math.Pi * segSeconds
	centre := float64(len(s.val)-1) / 2
	m.wander = s.spreadAround(s.val, mid-slope*centre, slope) / perHz
	m.glide = slope / perHz / segSeconds
	// Least squares on the unwrapped phase where it runs without jumps.
	if s.spreadAround(s.val, mid, 0) < 0.5 && !s.jumps(mid) {
		phase, p := 0.0, 0.0
		n, sx, sy, sxx, sxy = 1, 0, 0, 0, 0
		for k, v := range s.val {
			x := float64(k + 1)
			phase += v - mid
			p = phase
			n, sx, sy, sxx, sxy = n+1, sx+x, sy+p, sxx+x*x, sxy+x*p
		}
		mid += (n*sxy - sx*sy) / (n*sxx - sx*sx)
	}
	d.tune(m, mid/perHz)
}

// differences fills val with the steps of phase between sums of n blocks.
func (s *scratch) differences(n int) {
	s.sums(n)
	s.val = s.val[:0]
	for k := 1; k < len(s.seg); k++ {
		if z := s.seg[k] * cmplx.Conj(s.seg[k-1]); z != 0 {
			s.val = append(s.val, cmplx.Phase(z))
		}
	}
}

// coherence compares the power of sums of 48 ms with that of 4 ms: a pitch
// that swings loses it.
func (s *scratch) coherence(n0 float64) float64 {
	noise := n0 / windowPower * block
	var single, sum float64
	for k, z := range s.z {
		if !s.miss[k] {
			single += real(z)*real(z) + imag(z)*imag(z) - noise
		}
	}
	s.sums(segment)
	have := 0
	for _, z := range s.seg {
		if z != 0 {
			sum += real(z)*real(z) + imag(z)*imag(z) - segment*noise
			have++
		}
	}
	if single <= 0 || have == 0 {
		return 1
	}
	return sum / float64(have) / (single / float64(len(s.z))) / (segment * segment)
}

// jumps: a difference lies far from the others, as where samples were cut out.
func (s *scratch) jumps(mid float64) bool {
	for _, v := range s.val {
		if math.Abs(v-mid) > 1.5 {
			return true
		}
	}
	return false
}

// spreadAround is the median deviation from a line.
func (s *scratch) spreadAround(x []float64, a, slope float64) float64 {
	s.sorted = s.sorted[:0]
	for k, v := range x {
		s.sorted = append(s.sorted, math.Abs(v-a-slope*float64(k)))
	}
	slices.Sort(s.sorted)
	return s.sorted[len(s.sorted)/2]
}

func (s *scratch) quantile(x []float64, q float64) float64 {
	s.sorted = append(s.sorted[:0], x...)
	slices.Sort(s.sorted)
	return s.sorted[int(q*float64(len(s.sorted)-1)+0.5)]
}

// envelope measures the amplitude and how it goes.
func (d *Detector) envelope(m *measured, first int64, n0 float64) {
	s := &d.scratch
	width := 6
	if len(s.z) < 12 {
		width = 1
	}
	s.sums(width)
	s.val = s.val[:0]
	for _, z := range s.seg {
		if z != 0 {
			s.val = append(s.val, real(z)*real(z)+imag(z)*imag(z))
		}
	}
	if len(s.val) == 0 {
		return
	}
	l := float64(width * block)
	noise := n0 / windowPower * l
	middle := s.quantile(s.val, 0.5)
	m.amp = math.Sqrt(max(middle-noise, middle/100)) * 2 / l
	if len(s.val) < 6 {
		m.thirds = [3]float64{1, 1, 1}
		m.spread = 1
		return
	}
	third := len(s.val) / 3
	for i := range m.thirds {
		for _, v := range s.val[i*third : (i+1)*third] {
			m.thirds[i] += v / float64(third)
		}
	}
	if m.thirds[0]*4 < m.thirds[2] {
		k := len(s.val) - 1
		for k > 0 && (s.val[k] >= m.thirds[2]/4 || s.val[k-1] >= m.thirds[2]/4) {
			k--
		}
		m.rise = float64(first + int64((k+1)*width*block))
	}
	m.spread = s.quantile(s.val, 0.75) / s.quantile(s.val, 0.25)
	d.gap(m, first, n0)
}

const (
	brokenAt = 0.045 // a silence from this on ends a beep
	gapFall  = 0.1   // of the power
)

// gap looks for the first silence in a tone: in sums of 12 ms where the noise
// allows it, of 48 ms else.
func (d *Detector) gap(m *measured, first int64, n0 float64) {
	s := &d.scratch
	width := 3
	cn0 := m.amp * m.amp * workRate / (4 * n0 / windowPower)
	if cn0*0.012 < 15 {
		width = segment
		if cn0*segSeconds < 15 {
			return
		}
	}
	l := float64(width * block)
	limit := gapFall * m.amp * m.amp * l * l / 4
	run := 0
	var z complex128
	for k := range s.z {
		// A running sum of the last width blocks.
		z += s.z[k]
		if k >= width {
			z -= s.z[k-width]
		}
		if k < width-1 {
			continue
		}
		low := real(z)*real(z)+imag(z)*imag(z) < limit
		if low && !s.miss[k] && !s.miss[max(0, k-width/2)] {
			run++
			continue
		}
		if d.gapRun(m, first, k, run, width) {
			return
		}
		run = 0
	}
	d.gapRun(m, first, len(s.z), run, width)
}

// gapRun: sums that are low are as many as the gap is longer than a sum, and a
// little more.
func (d *Detector) gapRun(m *measured, first int64, k, run, width int) bool {
	if float64((run+width-2)*block) < brokenAt*workRate || run == 0 {
		return false
	}
	m.gapFrom = float64(first + int64((k-run-width+1)*block))
	m.gapTo = float64(first + int64(k*block))
	return true
}
