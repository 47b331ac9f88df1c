package audio

import "math"

// RefusalReason names the gate that a tone did not pass.
type RefusalReason string

// The gates, in their order.
const (
	TooWeak    RefusalReason = "too weak"                   // hardly over the noise
	TooShort   RefusalReason = "too short"                  // a tick, no beep
	NoRise     RefusalReason = "no rise"                    // as loud before it began: a whine of the room
	NoFall     RefusalReason = "neither rise nor fall seen" // there from the first sample to the last
	Unsteady   RefusalReason = "frequency unsteady"         // voice, whistle
	Glides     RefusalReason = "frequency glides"           // siren
	Fades      RefusalReason = "level unsteady"             // a plucked note, a fading one
	Overtone   RefusalReason = "overtone"                   // of something lower that began with it
	Splatter   RefusalReason = "another tone's edge"        // its energy is not at its frequency
	OtherPitch RefusalReason = "not the calibrated frequency"
	OtherLevel RefusalReason = "not the calibrated level" // a neighbour's
)

// The limits of the gates.
const (
	leastCN0    = 56.0  // Hz: 17.5 dB-Hz, two decibels over the limit for 1 s
	leastShort  = 316.0 // Hz: a short beep is believed from 25 dB-Hz
	leastEnergy = 30.0  // C/N0 times length: 15 dB for a short one
	leastRise   = 4.0   // 6 dB
	maxWander   = 0.0015
	// leastCoherence: a swing of ±12 Hz leaves less, a tone 5 dB under the beep
	// beside it leaves three quarters. Where another tone is known to sound
	// beside, it takes its share: then only one of ±15 Hz is told.
	leastCoherence   = 0.65
	crowdedCoherence = 0.5
	maxGlide         = 0.004 // of the frequency, a second
	pitchGate        = 0.025
	levelBelow       = 9.5
	levelAbove       = 12.0
)

// judge asks every gate; "" is a beep.
func (d *Detector) judge(t *track, m measured, end float64, isLong bool) RefusalReason {
	cn0, length := t.cn0(), (end-t.onset)/workRate
	p := d.profile
	switch {
	case cn0 < leastCN0 || cn0*length < leastEnergy || !isLong && cn0 < leastShort:
		return TooWeak
	case length < 0.030:
		return TooShort
	case p.FrequencyHz != 0 && math.Abs(t.hz/p.FrequencyHz-1) > pitchGate:
		return OtherPitch
	case p.LevelDBFS != 0 && (t.level() < p.LevelDBFS-levelBelow || t.level() > p.LevelDBFS+levelAbove):
		return OtherLevel
	}
	if !t.fromStart && !d.rises(t) {
		return NoRise
	}
	if t.fromStart && end >= float64(d.total)-frameLen/2 {
		return NoFall
	}
	if why := steady(t, m, cn0); why != "" {
		return why
	}
	if isLong && cn0 < 2*faintCN0 && !d.oneLine(t, end) {
		return Unsteady
	}
	if d.splatter(t, end) {
		return Splatter
	}
	if d.partial(t) || d.overtone(t, end) {
		return Overtone
	}
	return ""
}

// steady looks at the course of frequency and level.
func steady(t *track, m measured, cn0 float64) RefusalReason {
	if m.coarse {
		return ""
	}
	// A segment's phase is uncertain by 1/√(2·C/N0·T); so is the wander.
	noise := 1 / math.Sqrt(2*cn0*segSeconds) * math.Sqrt2 / (2 * math.Pi * segSeconds)
	least := leastCoherence
	if m.crowded {
		least = crowdedCoherence
	}
	slope := noise / (m.seconds * math.Sqrt(m.seconds/segSeconds)) * 3
	switch {
	case m.wander > maxWander*t.hz+1.5*noise || cn0 > 400 && m.coherence < least:
		return Unsteady
	case math.Abs(m.glide) > maxGlide*t.hz/max(m.seconds, 0.5)+3*slope:
		return Glides
	}
	// Noise moves a third's mean by about this.
	slack := 1 + 3/math.Sqrt(max(cn0*m.seconds/3, 1))
	first, mid, last := m.thirds[0], m.thirds[1], m.thirds[2]
	spread := 4 * (1 + 2/math.Sqrt(max(cn0*0.024, 0.5)))
	if mid > 2*last*slack || last > 2*mid*slack || first > 10*last*slack || last > 4*first*slack || m.spread > spread {
		return Fades
	}
	return ""
}

// rises: the quietest 40 ms of the 300 ms before the onset are 6 dB under the
// tone, at its frequency.
func (d *Detector) rises(t *track) bool {
	const width = 10 // blocks
	from := max(int64(t.onset-0.3*workRate), d.oldest(), 0)
	n := int(int64(t.onset-0.008*workRate)-from) / block
	if n < width {
		return true // it began with the sound, or right after
	}
	d.demodulate(from, n, t.hz)
	s := &d.scratch
	limit := t.amp * t.amp / 4 * (width * block) * (width * block) / leastRise
	for k := 0; k+width <= n; k += width / 2 {
		var z complex128
		missing := false
		for i := k; i < k+width; i++ {
			z += s.z[i]
			missing = missing || s.miss[i]
		}
		if !missing && real(z)*real(z)+imag(z)*imag(z) < limit {
			return true
		}
	}
	return false
}

// splatter: seen through a window without side lobes the tone is not there.
// What a loud tone elsewhere begins and ends with looks like a tone in plain
// sums, and so does the loud tone itself.
func (d *Detector) splatter(t *track, end float64) bool {
	from, to := int64(t.onset), int64(end)
	if skip := min((to-from-lowerLen)/2, workRate/50); skip > 0 {
		from, to = from+skip, to-skip
	}
	from = max(from, d.oldest())
	to = min(max(to, from+lowerLen), d.total)
	if to-from < lowerLen {
		return false
	}
	const gain = lowerLen / 4
	return d.line(from, to, t.hz) < t.amp*t.amp*gain*gain/4
}

// partial: another track, louder and in the ratio of small numbers, began at
// the same time.
func (d *Detector) partial(t *track) bool {
	for i := range d.tracks {
		o := &d.tracks[i]
		if o == t || o.id == t.id || o.power <= t.power || !o.active && o.last+4*hop < d.frame || o.id == 0 {
			continue
		}
		if math.Abs(o.onset-t.onset) < 0.08*workRate && related(o, t, d.floor.lo) {
			return true
		}
	}
	return false
}

func related(a, b *track, lo int) bool {
	hz := func(t *track) float64 {
		if t.hz != 0 {
			return t.hz
		}
		return float64(t.bin+lo) * binHz
	}
	r := hz(a) / hz(b)
	for m := 1.0; m <= 7; m++ {
		if k := math.Round(r * m); k >= 1 && k != m && math.Abs(r*m/k-1) < 0.006 {
			return true
		}
	}
	return false
}

const lowerLen = 512 // 32 ms

// overtone: something lower, in the ratio of small numbers, louder by 3 dB and
// narrow, began with the tone.
func (d *Detector) overtone(t *track, end float64) bool {
	from := int64(t.onset + 0.02*workRate)
	to := min(int64(end), from+8*lowerLen)
	if to-from < lowerLen {
		return false
	}
	own := d.line(from, to, t.hz)
	for m := 2.0; m <= 6; m++ {
		for k := 1.0; k < m; k++ {
			hz := t.hz * k / m
			if hz < 150 || math.Mod(m, k) == 0 && k > 1 {
				continue
			}
			low := d.line(from, to, hz)
			if low < 2*own {
				continue
			}
			if sides := d.line(from, to, hz-94) + d.line(from, to, hz+94); low < 4*sides {
				continue
			}
			before := int64(t.onset - 0.03*workRate)
			start := max(before-4*lowerLen, d.oldest(), 0)
			if t.fromStart || before-start < lowerLen || d.line(start, before, hz)*leastRise < low {
				return true
			}
		}
	}
	return false
}

// line is the mean power at a frequency over frames of lowerLen.
func (d *Detector) line(from, to int64, hz float64) float64 {
	s := &d.scratch
	// Four turn at a time, so that none waits for the one before.
	w := 2 * math.Pi * hz / workRate
	s0, c0 := 0.0, 1.0
	s1, c1 := math.Sincos(w)
	s2, c2 := 2*s1*c1, c1*c1-s1*s1
	s3, c3 := s2*c1+c2*s1, c2*c1-s2*s1
	ds, dc := 2*s2*c2, c2*c2-s2*s2
	window := (*[lowerLen]float32)(s.partial)
	for i := 0; i < lowerLen; i += 4 {
		w0, w1, w2, w3 := float64(window[i]), float64(window[i+1]), float64(window[i+2]), float64(window[i+3])
		s.sin[i], s.sin[i+1], s.sin[i+2], s.sin[i+3] = s0*w0, s1*w1, s2*w2, s3*w3
		s.cos[i], s.cos[i+1], s.cos[i+2], s.cos[i+3] = c0*w0, c1*w1, c2*w2, c3*w3
		s0, c0 = s0*dc+c0*ds, c0*dc-s0*ds
		s1, c1 = s1*dc+c1*ds, c1*dc-s1*ds
		s2, c2 = s2*dc+c2*ds, c2*dc-s2*ds
		s3, c3 = s3*dc+c3*ds, c3*dc-s3*ds
	}
	sum, n := 0.0, 0
	for ; from+lowerLen <= to; from += lowerLen {
		var re, im, re2, im2 float64
		x := (*[lowerLen]float32)(d.at(from, lowerLen))
		for i := 0; i < lowerLen; i += 2 {
			u, v := float64(x[i]), float64(x[i+1])
			re += u * s.cos[i]
			im += u * s.sin[i]
			re2 += v * s.cos[i+1]
			im2 += v * s.sin[i+1]
		}
		re, im = re+re2, im+im2
		sum += re*re + im*im
		n++
	}
	return sum / float64(max(n, 1))
}
