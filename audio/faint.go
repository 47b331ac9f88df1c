package audio

import (
	"math"
	"math/cmplx"
)

const (
	faintSlot  = 4                           // blocks of a slot: 16 ms
	slotLen    = faintSlot * block           // samples of a slot
	slotRate   = float64(workRate) / slotLen // slots a second
	faintSlots = maxBlocks / faintSlot       // 2 s
	faintCN0   = 500.0                       // Hz: under 27 dB-Hz frames say too little
	mostGlide  = 4.0                         // Hz a second
	glideStep  = 1.0
	glideWorth = 0.8 // a glide must make more of the tone than that
	faintAlive = 0.3 // of the power: the tone is there
)

// found is what the samples say about a tone in a coherent stretch.
type found struct {
	from, to int     // slots
	lambda   float64 // energy over noise density
	sum      complex128
	hz       float64 // beside the frequency asked for
	glide    float64 // Hz a second
}

// faint looks at a tone near hz in the samples of the last two seconds: since
// when it has sounded, how surely, how steadily. What passes every gate becomes
// a track.
func (d *Detector) faint(hz float64, emit func(Event)) bool {
	bin := int(math.Round(hz/binHz)) - d.floor.lo
	if bin < d.deep.a || bin >= d.deep.b {
		return false
	}
	first := max(d.total-maxBlocks*block, d.oldest())
	n := int(d.total-first) / block
	first = d.total - int64(n*block)
	d.demodulate(first, n, hz)
	s := &d.scratch
	s.sums(faintSlot)
	n0 := d.floor.noise(bin)
	noise := n0 / windowPower * slotLen // power of a slot's noise
	best := s.coherent(noise)
	if best.lambda < leastStatistic {
		return false
	}
	t := track{
		active: true, faint: true, bin: bin, born: d.frame, last: d.frame, n0: n0, noise: n0,
		hz: hz + best.hz + best.glide*float64(best.from+best.to-1)/2/slotRate, lambda: best.lambda, timed: true,
		onset: float64(first + int64(best.from*slotLen)),
	}
	end := float64(first + int64(best.to*slotLen))
	t.amp = 2 * cmplx.Abs(best.sum) / float64((best.to-best.from)*slotLen)
	t.power = t.amp * t.amp / 4 * frameLen * frameLen / 4 * 1.5
	if t.cn0() > 2*faintCN0 {
		return false // no faint one
	}
	if local := s.beside(best); local > 1.6*noise {
		t.lambda *= noise / local
		if t.lambda < leastStatistic {
			return false
		}
	}
	if best.from <= 3 && d.oldest() == 0 && first <= hop {
		t.fromStart = true
	}
	length := (end - t.onset) / workRate
	p := d.profile
	why := RefusalReason("")
	switch {
	case best.from <= 3:
		why = NoRise
	case length < d.long-tolerance && float64(d.total)-end < 0.1*workRate:
		return false // it may yet become long
	case length < d.long-tolerance:
		why = TooShort
	case p.FrequencyHz != 0 && math.Abs(t.hz/p.FrequencyHz-1) > pitchGate:
		why = OtherPitch
	case p.LevelDBFS != 0 && (t.level() < p.LevelDBFS-levelBelow || t.level() > p.LevelDBFS+levelAbove):
		why = OtherLevel
	case !s.even(best, noise):
		why = Unsteady
	case !s.rose(best, noise):
		why = NoRise
	case t.lambda < d.deep.limit:
		why = TooWeak
	case d.partial(&t) || d.overtone(&t, end):
		why = Overtone
	}
	if why != "" {
		d.refuse(&t, end, why)
		return false
	}
	return d.adopt(t, end, emit)
}

// coherent finds the stretch, frequency and glide with the most energy over
// the noise density among the slots.
func (s *scratch) coherent(noise float64) found {
	n := len(s.seg)
	best := found{from: max(0, n-64), to: n}
	// The frequency first, over the last second; then the stretch; then both
	// again, finer.
	s.pitch(&best, 2, 0.25)
	s.stretch(&best)
	s.pitch(&best, 0.75, 0.125)
	s.stretch(&best)
	best.lambda = real(best.sum)*real(best.sum) + imag(best.sum)*imag(best.sum)
	best.lambda /= noise * float64(best.to-best.from)
	return best
}

// pitch refines frequency and glide over a stretch.
func (s *scratch) pitch(b *found, reach, step float64) {
	mid := float64(b.from+b.to-1) / 2 / slotRate
	x := s.seg[b.from:b.to]
	top := -1.0
	hz, glide := b.hz, b.glide
	// The frequency of the stretch's middle is what is searched around.
	hz += glide * mid
	bestHz, bestGlide := hz, glide
	for g := -mostGlide; g <= mostGlide; g += glideStep {
		s.val = s.val[:0]
		for f := hz - reach; f <= hz+reach; f += step {
			z := sumTurned(x, b.from, f-g*mid, g)
			p := real(z)*real(z) + imag(z)*imag(z)
			if g != 0 {
				p *= glideWorth
			}
			if p > top {
				top, bestHz, bestGlide = p, f, g
			}
		}
	}
	b.glide = bestGlide
	b.hz = bestHz - bestGlide*mid
}

// sumTurned adds up slots from number first on, turned back by a frequency (at
// slot 0) and a glide.
func sumTurned(x []complex128, first int, hz, glide float64) complex128 {
	t := float64(first) / slotRate
	at := cmplx.Rect(1, -2*math.Pi*(hz*t+glide*t*t/2))
	step := cmplx.Rect(1, -2*math.Pi*((hz+glide*t)/slotRate+glide/slotRate/slotRate/2))
	turn := cmplx.Rect(1, -2*math.Pi*glide/slotRate/slotRate)
	var z complex128
	for _, v := range x {
		z += v * at
		at *= step
		step *= turn
	}
	return z
}

// stretch finds the run of slots, of half a second at least, in which the
// tone's energy stands highest over the noise.
func (s *scratch) stretch(b *found) {
	n := len(s.seg)
	acc := s.acc[:n+1]
	acc[0] = 0
	at := complex(1, 0)
	step := cmplx.Rect(1, -2*math.Pi*(b.hz/slotRate+b.glide/slotRate/slotRate/2))
	turn := cmplx.Rect(1, -2*math.Pi*b.glide/slotRate/slotRate)
	for k, v := range s.seg {
		acc[k+1] = acc[k] + v*at
		at *= step
		step *= turn
	}
	const least = 32
	top := -1.0
	for from := 0; from+least <= n; from++ {
		for to := from + least; to <= n; to++ {
			z := acc[to] - acc[from]
			if p := (real(z)*real(z) + imag(z)*imag(z)) / float64(to-from); p > top {
				top, b.from, b.to, b.sum = p, from, to, z
			}
		}
	}
}

// beside is the power of a slot's noise as the lines 3 to 20 Hz beside the tone
// have it: a burst or a voice fills them too.
func (s *scratch) beside(b found) float64 {
	sum, n := 0.0, 0
	for off := 3.0; off <= 20; off++ {
		for _, f := range [2]float64{b.hz + off, b.hz - off} {
			z := sumTurned(s.seg[b.from:b.to], b.from, f, b.glide)
			sum += real(z)*real(z) + imag(z)*imag(z)
			n++
		}
	}
	return sum / float64(n) / float64(b.to-b.from)
}

// even: each quarter of the stretch has its share of the tone.
func (s *scratch) even(b found, noise float64) bool {
	n := (b.to - b.from) / 4
	mean := b.sum / complex(float64(b.to-b.from)/float64(n), 0)
	rest := 0.0
	for k := range 4 {
		z := sumTurned(s.seg[b.from+k*n:b.from+k*n+n], b.from+k*n, b.hz, b.glide) - mean
		rest += real(z)*real(z) + imag(z)*imag(z)
	}
	return rest/(noise*float64(n)) < 14+0.15*b.lambda
}

// rose: what was there at its frequency before it began is a quarter of its
// power at most.
func (s *scratch) rose(b found, noise float64) bool {
	from := max(0, b.from-34)
	to := b.from - 3
	if to-from < 6 {
		return true
	}
	n := float64(to - from)
	z := sumTurned(s.seg[from:to], from, b.hz, b.glide)
	tone := b.lambda * noise / float64(b.to-b.from) // power of a slot's mean
	return (real(z)*real(z)+imag(z)*imag(z))/n < tone*n/leastRise+4*noise
}

// adopt makes a track of a tone that was found, in place of one that stands
// there, or goes on with a beep that was lost for a moment.
func (d *Detector) adopt(t track, end float64, emit func(Event)) bool {
	slot := -1
	for i := range d.tracks {
		o := &d.tracks[i]
		if o.active && o.bin >= t.bin-6 && o.bin <= t.bin+6 {
			slot = i
			break
		}
		if !o.active && slot < 0 && (o.last == 0 || o.last+4*hop <= d.frame) {
			slot = i
		}
	}
	if slot < 0 {
		return true
	}
	if o := &d.lastFaint; o.id != 0 && math.Abs(o.hz-t.hz) < 4 && t.onset < o.end+0.1*workRate {
		t.id, t.onset = o.id, o.onset
	} else {
		d.lastID++
		t.id = d.lastID
	}
	t.state = long
	if t.cn0() > faintCN0/2 {
		t.onset = d.edge(&t, t.onset, min(end, t.onset+0.4*workRate), false)
	}
	d.tracks[slot] = t
	emit(d.event(&t, end, false))
	return true
}

// faintBeep is the last faint beep that was emitted.
type faintBeep struct {
	id             int
	hz, onset, end float64
}

// followFaint asks twice in a quarter of a second whether a faint tone is still
// there.
func (d *Detector) followFaint(t *track, emit func(Event)) {
	t.last = d.frame
	if (d.frame-t.born)/hop%4 != 3 {
		return
	}
	const blocks = 64
	from := d.total - blocks*block
	if from < d.oldest() {
		return
	}
	d.demodulate(from, blocks, t.hz)
	s := &d.scratch
	s.sums(8)
	var z complex128
	top := 0.0
	for f := -2.0; f <= 2; f += 0.5 {
		z = sumTurnedAt(s.seg, f, slotRate/2)
		top = max(top, real(z)*real(z)+imag(z)*imag(z))
	}
	alive := t.amp * t.amp / 4 * (blocks * block) * (blocks * block) * faintAlive
	if top >= alive {
		t.low = 0
		return
	}
	if t.low++; t.low < 3 {
		return
	}
	t.active = false
	at := d.faintEnd(t)
	d.lastFaint = faintBeep{t.id, t.hz, t.onset, at}
	emit(d.event(t, at, true))
	d.floor.forget(t.bin)
}

func sumTurnedAt(x []complex128, hz, rate float64) complex128 {
	at, step := complex(1, 0), cmplx.Rect(1, -2*math.Pi*hz/rate)
	var z complex128
	for _, v := range x {
		z += v * at
		at *= step
	}
	return z
}

// faintEnd is where a faint tone that is gone ended: the stretch with the most
// energy, seen from its beginning.
func (d *Detector) faintEnd(t *track) float64 {
	first := max(d.total-maxBlocks*block, d.oldest(), int64(t.onset))
	n := int(d.total-first) / block / faintSlot * faintSlot
	if n < faintSlot {
		return float64(d.total)
	}
	d.demodulate(first, n, t.hz)
	s := &d.scratch
	s.sums(faintSlot)
	b := found{to: max(len(s.seg)-32, 1)}
	s.pitch(&b, 1, 0.25)
	var z complex128
	top, at := -1.0, 0
	for k, v := range s.seg {
		tt := float64(k) / slotRate
		z += v * cmplx.Rect(1, -2*math.Pi*(b.hz*tt+b.glide*tt*tt/2))
		if p := (real(z)*real(z) + imag(z)*imag(z)) / float64(k+1); k > 4 && p > top {
			top, at = p, k+1
		}
	}
	end := float64(first + int64(at*slotLen))
	if t.cn0() > faintCN0/2 {
		end = d.offset(t, end)
	}
	return end
}
