package audio

import (
	"math"
	"math/cmplx"
)

const (
	faintSlot   = 4                           // blocks of a slot: 16 ms
	slotLen     = faintSlot * block           // samples of a slot
	slotRate    = float64(workRate) / slotLen // slots a second
	faintBlocks = 640                         // 2.56 s: two, and what was before
	endBlocks   = 896                         // 3.58 s, when one has ended
	faintCN0    = 500.0                       // Hz: under 27 dB-Hz frames say too little
	mostGlide   = 4.0                         // Hz a second
	glideStep   = 1.0
	glideCost   = 5.0  // a glide must add that to the statistic
	glideWorth  = 0.8  // another glide must make more of the tone than that
	faintAlive  = 0.3  // of the power: the tone is there
	beneath     = 1000 // 30 dB: so far under a tone its side lobes look like tones
	longSlack   = 3.0  // how much better a shorter stretch may be than a long one

	mayGrow     = 12 // slots: what ends nearer to now may yet become long
	beforeSlots = 12 // that must be seen before a beep, 0.2 s
)

// faintWindows are the coherent windows, in pairs of slots, that are tried:
// 1.06, 1.5 and 2 s, up to now. A few windows of fixed length have a much lower threshold
// than every stretch of the last two seconds would need.
var faintWindows = [...]int{33, 47, 63}

// found is what the samples say about a tone in a coherent stretch.
type found struct {
	lambda   float64 // energy over noise density in a window up to now
	from, to int     // slots of the stretch in which it is strongest
	sum      complex128
	power    float64 // energy over noise density there
	short    float64 // the same, of the best stretch that may be too short
	shortTo  int     // and its end
	hz       float64 // beside the frequency asked for, at slot 0
	glide    float64 // Hz a second
}

type faintAnswer int

const (
	faintNo faintAnswer = iota
	faintNotYet
	faintBeepFound
)

// faint looks at a tone near hz in the samples of the last seconds: how surely
// it sounds, since when, how steadily. What passes every gate becomes a track.
func (d *Detector) faint(hz float64, emit func(Event)) faintAnswer {
	bin := int(math.Round(hz/binHz)) - d.floor.lo
	if bin < d.deep.a || bin >= d.deep.b {
		return faintNo
	}
	first := max(d.total-faintBlocks*block, d.oldest())
	n := int(d.total-first) / slotLen * faintSlot
	first = d.total - int64(n*block)
	d.demodulate(first, n, hz)
	s := &d.scratch
	s.sums(faintSlot)
	n0 := d.floor.noise(bin)
	noise := n0 / windowPower * slotLen // power of a slot's noise
	best := s.coherent(noise, d.deep.limit)
	if best.lambda < leastStatistic {
		return faintNo
	}
	s.stretch(&best, noise, int(math.Ceil((d.long-tolerance)*slotRate)))
	t := track{
		active: true, faint: true, bin: bin, born: d.frame, last: d.frame, n0: n0, noise: n0,
		hz: hz + best.hz + best.glide*float64(best.from+best.to-1)/2/slotRate, lambda: best.lambda, timed: true,
		onset: float64(first + int64(best.from*slotLen)),
	}
	end := float64(first + int64(best.to*slotLen))
	t.amp = 2 * cmplx.Abs(best.sum) / float64((best.to-best.from)*slotLen)
	t.power = t.amp * t.amp / 4 * frameLen * frameLen / 4 * 1.5
	if t.cn0() > 2*faintCN0 || d.past.over(t.hz, t.onset, end) {
		return faintNo // no faint one, or no new one
	}
	if local := s.beside(best); local > 1.6*noise {
		t.lambda *= noise / local
		if t.lambda < leastStatistic {
			return faintNo
		}
	}
	seen := best.from
	if d.oldest() == 0 && first <= hop {
		seen = len(s.seg) // nothing was before
		t.fromStart = best.from <= 3
	}
	p := d.profile
	why := RefusalReason("")
	switch {
	case seen < beforeSlots || t.fromStart:
		why = NoRise
	case best.short > best.power+longSlack && len(s.seg)-best.shortTo < mayGrow:
		return faintNotYet // it may yet become long
	case best.short > best.power+longSlack:
		why = TooShort
	case p.FrequencyHz != 0 && math.Abs(t.hz/p.FrequencyHz-1) > pitchGate:
		why = OtherPitch
	case p.LevelDBFS != 0 && (t.level() < p.LevelDBFS-levelBelow || t.level() > p.LevelDBFS+levelAbove):
		why = OtherLevel
	case t.power*beneath < d.loudest.power && d.loudest.frame+loudFor >= d.frame:
		why = Splatter
	case !s.even(best, noise):
		why = Unsteady
	case !s.rose(best, noise):
		why = NoRise
	case t.lambda < d.deep.limit:
		why = TooWeak
	case d.partial(&t) || d.overtone(&t, end):
		why = Overtone
	}
	if why == TooWeak || why == TooShort {
		d.refuse(&t, end, why)
		return faintNotYet
	}
	if why != "" {
		d.refuse(&t, end, why)
		return faintNo
	}
	s.refine(&best, 0.5, 0.1)
	t.hz = hz + best.hz + best.glide*float64(best.from+best.to-1)/2/slotRate
	d.adopt(t, end, emit)
	return faintBeepFound
}

// coherent finds the window, frequency and glide with the most energy over the
// noise density among the slots.
func (s *scratch) coherent(noise, limit float64) found {
	// Pairs of slots are fine enough for what is searched here.
	s.pairs = s.pairs[:0]
	for k := len(s.seg) & 1; k < len(s.seg); k += 2 {
		s.pairs = append(s.pairs, s.seg[k]+s.seg[k+1])
	}
	best := found{}
	for _, glides := range [2]bool{false, true} {
		for _, n := range faintWindows {
			if n > len(s.pairs) {
				break
			}
			s.pitch(&best, n, noise, glides)
		}
		if best.lambda > limit+glideCost || best.lambda < leastStatistic-4 {
			break
		}
	}
	// From pairs, counted from their middle, to slots.
	at := (float64(len(s.seg)&1) + 0.5) / slotRate
	best.hz -= best.glide * at
	return best
}

// pitch tries frequencies, and glides, over the last n pairs of slots.
func (s *scratch) pitch(b *found, n int, noise float64, glides bool) {
	const rate = slotRate / 2
	from := len(s.pairs) - n
	x := s.pairs[from:]
	mid := float64(from+len(s.pairs)-1) / 2 / rate
	step := 0.2
	if n > 40 {
		step = 0.125
	}
	scale := 1 / (noise * float64(2*n))
	if !glides {
		for f := -1.0; f <= 1.0001; f += step {
			z := sumTurnedAt(x, f, rate)
			if p := (real(z)*real(z) + imag(z)*imag(z)) * scale; p > b.lambda {
				b.lambda, b.hz, b.glide = p, f, 0
			}
		}
		return
	}
	for k := -mostGlide / glideStep; k <= mostGlide/glideStep; k++ {
		g := k * glideStep
		if g == 0 {
			continue
		}
		for f := -1.0; f <= 1.0001; f += step {
			z := sumTurned(x, from, f-g*mid, g, rate)
			if p := (real(z)*real(z)+imag(z)*imag(z))*scale - glideCost; p > b.lambda {
				b.lambda, b.hz, b.glide = p, f-g*mid, g
			}
		}
	}
}

// refine looks for a stretch's frequency and glide more finely, within reach.
func (s *scratch) refine(b *found, reach, step float64) {
	mid := float64(b.from+b.to-1) / 2 / slotRate
	x := s.seg[b.from:b.to]
	top := -1.0
	// The frequency of the stretch's middle is what is searched around.
	hz, glide := b.hz+b.glide*mid, b.glide
	for g := max(glide-glideStep, -mostGlide); g <= min(glide+glideStep, mostGlide); g += glideStep {
		for f := hz - reach; f <= hz+reach; f += step {
			z := sumTurned(x, b.from, f-g*mid, g, slotRate)
			p := real(z)*real(z) + imag(z)*imag(z)
			if g != glide {
				p *= glideWorth
			}
			if p > top {
				top, b.hz, b.glide = p, f-g*mid, g
			}
		}
	}
}

// sumTurned adds up slots from number first on, turned back by a frequency (at
// slot 0) and a glide; rate is how many slots there are in a second.
func sumTurned(x []complex128, first int, hz, glide, rate float64) complex128 {
	t := float64(first) / rate
	at := cmplx.Rect(1, -2*math.Pi*(hz*t+glide*t*t/2))
	step := cmplx.Rect(1, -2*math.Pi*((hz+glide*t)/rate+glide/rate/rate/2))
	turn := cmplx.Rect(1, -2*math.Pi*glide/rate/rate)
	var z complex128
	for _, v := range x {
		z += v * at
		at *= step
		step *= turn
	}
	return z
}

// stretch finds the run of slots, of half a second at least, in which the
// tone's energy stands highest over the noise: the best of those that are long,
// and the best of all.
func (s *scratch) stretch(b *found, noise float64, long int) {
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
	b.power, b.short = -1, -1
	for from := 0; from+least <= n; from++ {
		a := acc[from]
		for i, v := range acc[from+least : n+1] {
			re, im := real(v)-real(a), imag(v)-imag(a)
			p := (re*re + im*im) * s.inverse[least+i]
			if p > b.short {
				b.short, b.shortTo = p, from+least+i
			}
			if p > b.power && least+i >= long {
				b.power, b.from, b.to, b.sum = p, from, from+least+i, complex(re, im)
			}
		}
	}
	b.power /= noise
	b.short /= noise
}

// beside is the power of a slot's noise as the lines 3 to 20 Hz beside the tone
// have it: a burst or a voice fills them too.
func (s *scratch) beside(b found) float64 {
	sum, n := 0.0, 0
	for off := 3.0; off <= 20; off++ {
		for _, f := range [2]float64{b.hz + off, b.hz - off} {
			z := sumTurned(s.seg[b.from:b.to], b.from, f, b.glide, slotRate)
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
		z := sumTurned(s.seg[b.from+k*n:b.from+k*n+n], b.from+k*n, b.hz, b.glide, slotRate) - mean
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
	z := sumTurned(s.seg[from:to], from, b.hz, b.glide, slotRate)
	tone := b.lambda * noise / float64(b.to-b.from) // power of a slot's mean
	return (real(z)*real(z)+imag(z)*imag(z))/n < tone*n/leastRise+4*noise
}

// oneLine: a weak tone that frames have shown is one line also in a coherent
// second, by the measure of those that only that shows. Babble and music fill
// frames with what wanders.
func (d *Detector) oneLine(t *track, end float64) bool {
	from := max(int64(t.onset), d.oldest())
	n := min(int(int64(min(end, float64(d.total)))-from)/slotLen, maxBlocks/faintSlot)
	if n < 4 {
		return true
	}
	d.demodulate(from, n*faintSlot, t.hz)
	s := &d.scratch
	s.sums(faintSlot)
	noise := t.n0 / windowPower * slotLen
	b := found{to: n}
	s.refine(&b, 1, 0.125)
	b.sum = sumTurned(s.seg, 0, b.hz, b.glide, slotRate)
	b.lambda = (real(b.sum)*real(b.sum) + imag(b.sum)*imag(b.sum)) / (noise * float64(n))
	if local := s.beside(b); local > 1.6*noise {
		b.lambda *= noise / local
	}
	return b.lambda >= d.deep.limit && s.even(b, noise)
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
	if o := &d.past; o.id != 0 && math.Abs(o.hz-t.hz) < 4 && t.onset < o.end+0.1*workRate {
		t.id, t.onset = o.id, o.onset
	} else {
		d.lastID++
		t.id = d.lastID
	}
	t.state = long
	if t.cn0() > faintCN0/2 {
		t.onset = d.edge(&t, t.onset, min(end, t.onset+0.4*workRate), false)
	}
	// Whatever else was opened on that tone is it.
	for i := range d.tracks {
		if o := &d.tracks[i]; o.bin >= t.bin-2 && o.bin <= t.bin+2 {
			o.active = false
		}
	}
	d.tracks[slot] = t
	emit(d.event(&t, end, false))
	return true
}

// pastBeep is the last long beep that has ended.
type pastBeep struct {
	id             int
	hz, onset, end float64
	faint          bool
}

// over: what sounds from a sample to another is that beep, which has ended.
func (o *pastBeep) over(hz, onset, end float64) bool {
	return o.id != 0 && math.Abs(o.hz-hz) < 4 && onset < o.end+0.1*workRate && (!o.faint || end < o.end+0.15*workRate)
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
	d.past = pastBeep{t.id, t.hz, t.onset, at, true}
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
// energy, seen from its beginning. Where all of the beep is still there, the
// beginning is looked for once more as well.
func (d *Detector) faintEnd(t *track) float64 {
	const before = workRate / 4
	first := max(d.total-endBlocks*block, d.oldest())
	whole := float64(first) <= t.onset-before || first == 0
	if !whole {
		first = max(d.total-maxBlocks*block, first, int64(t.onset))
	} else {
		first = max(first, int64(t.onset)-before)
	}
	n := int(d.total-first) / slotLen * faintSlot
	if n < faintSlot {
		return float64(d.total)
	}
	d.demodulate(first, n, t.hz)
	s := &d.scratch
	s.sums(faintSlot)
	b := found{from: 0, to: max(len(s.seg)-32, 1)}
	if whole {
		b.from = min(int(t.onset-float64(first))/slotLen, b.to-1)
	}
	s.refine(&b, 1, 0.25)
	if whole && !t.fromStart {
		s.stretch(&b, 1, int(math.Ceil((d.long-tolerance)*slotRate)))
	} else {
		s.last(&b)
	}
	end := float64(first + int64(b.to*slotLen))
	if onset := float64(first + int64(b.from*slotLen)); whole && !t.fromStart && math.Abs(onset-t.onset) < before {
		t.onset = onset
		if t.cn0() > faintCN0/2 {
			t.onset = d.edge(t, onset, min(end, onset+0.4*workRate), false)
		}
	}
	if t.cn0() > faintCN0/2 {
		end = d.offset(t, end)
	}
	return end
}

// last makes a stretch of all slots to where the energy over the noise is
// highest.
func (s *scratch) last(b *found) {
	var z complex128
	top := -1.0
	b.from = 0
	for k, v := range s.seg {
		at := float64(k) / slotRate
		z += v * cmplx.Rect(1, -2*math.Pi*(b.hz*at+b.glide*at*at/2))
		if p := (real(z)*real(z) + imag(z)*imag(z)) / float64(k+1); k > 4 && p > top {
			top, b.to = p, k+1
		}
	}
}
