package audio

import "math"

const (
	gainDrop  = 4.0  // dB by which the noise falls as a beep begins: gain control
	whineLong = 5.0  // seconds from which a tone is a whine of the room
	mostKept  = 256  // refusals that an ear keeps between two questions
	gapLeast  = 80   // samples at workRate: no sound is zero for 5 ms
	gapDBFS   = -80  // of a sound that is never zero for as long
	farAway   = 40.0 // dB: a tone so much weaker than the beep is nobody's
	nearGate  = 3.0  // dB: a beep so near to being refused for its level is told
)

// gainDrop is by how many decibels the noise beside a beep fell when the beep
// began; 0 where there is too little sound to tell.
func (d *Detector) gainDrop(v Event) float64 {
	on := int64((v.Onset - d.base) * workRate)
	before, after := on-10*lowerLen, on+workRate*3/10
	if before < max(d.oldest(), 0) || after+10*lowerLen > d.total || d.holes.missing(before, after+10*lowerLen) > 0 {
		return 0
	}
	// Far enough from the tone that its lines do not reach.
	var was, is float64
	for _, off := range [...]float64{-770, -610, -450, 450, 610, 770} {
		hz := v.FrequencyHz + off
		if hz < 300 || hz > 7000 {
			continue
		}
		was += d.line(before, on-lowerLen, hz)
		is += d.line(after, after+9*lowerLen, hz)
	}
	if was <= 0 || is <= 0 {
		return 0
	}
	return 10 * math.Log10(was/is)
}

// whine is the loudest tone of the beep's band that has lasted for seconds
// without being a beep.
func (d *Detector) whine() (hz, level float64, ok bool) {
	best := 0.0
	for i := range d.tracks {
		t := &d.tracks[i]
		if !t.active || t.faint || t.state == long || float64(d.frame-t.born) < whineLong*workRate || t.power <= best {
			continue
		}
		f := (float64(t.bin+d.floor.lo) + d.tilt(t.bin)) * binHz
		if p := d.profile.FrequencyHz; p != 0 && math.Abs(f/p-1) > pitchGate {
			continue
		}
		best, hz, ok = t.power, f, true
	}
	// A sine's power in the three bins of a Hann frame.
	return hz, 20 * math.Log10(max(2*math.Sqrt(best/1.5)/(frameLen/2), 1e-9)), ok
}

// watchTones makes findings of what the detector refused, and keeps it for
// Refused.
func (e *Ear) watchTones() {
	for _, r := range e.detector.Refused() {
		if len(e.refused) == mostKept {
			e.refused = append(e.refused[:0], e.refused[1:]...)
		}
		e.refused = append(e.refused, RefusedTone{r, e.moment(r.Onset), e.moment(r.End)})
		p := e.detector.profile
		if r.Reason == OtherLevel && r.LevelDBFS > p.LevelDBFS-farAway && r.End-r.Onset >= e.detector.long-tolerance {
			e.health.say("beep-level", false, "a long tone of %.0f Hz at %.0f dBFS, %+.0f dB from the calibrated beep: another bench's, or the microphone was moved or its gain changed", r.FrequencyHz, r.LevelDBFS, r.LevelDBFS-p.LevelDBFS)
		}
	}
	if hz, level, ok := e.detector.whine(); ok {
		e.health.say("whine", false, "a steady tone of %.0f Hz at %.0f dBFS in the beep's band: beeps beside it are harder to hear", hz, level)
	}
}

// watchGain looks, at a long beep, whether its level is still that of the
// calibration, and whether the noise fell when it began.
func (e *Ear) watchGain(v Event) {
	if !v.Long || v.Ended || v.Cut {
		return
	}
	if p := e.detector.profile.LevelDBFS; p != 0 {
		if off := v.LevelDBFS - p; off < nearGate-levelBelow || off > levelAbove-nearGate {
			e.health.say("beep-level", false, "the beep's level of %.0f dBFS is %+.0f dB from the calibrated one, and would be refused %.0f dB further: calibrate again", v.LevelDBFS, off, nearGate)
		}
	}
	if drop := e.detector.gainDrop(v); drop > gainDrop {
		e.health.say("gain", false, "the noise fell by %.0f dB as a beep began: the microphone's automatic gain is at work, which makes levels worthless; switch it off", drop)
	}
}

// watchNoise looks, once a second, how far the calibrated beep stands over the
// noise around its frequency. What sounds there now tells nothing of it.
func (e *Ear) watchNoise() {
	d := e.detector
	p := d.profile
	if p.FrequencyHz == 0 || p.LevelDBFS == 0 || e.health.n < 5 || d.sounding() {
		e.health.drowned(0, false)
		return
	}
	bin := int(math.Round(p.FrequencyHz/binHz)) - d.floor.lo
	if bin < 0 || bin >= len(d.power) {
		return
	}
	// As track.cn0 has it.
	cn0 := p.LevelDBFS + 10*math.Log10(workRate*windowPower/(4*d.floor.noise(bin)))
	e.health.drowned(cn0-leastCalibrated, true)
}

// watchZeros takes runs of zeros inside sound for lost buffers, of which the
// device says nothing.
func (e *Ear) watchZeros() {
	h := &e.detector.holes
	if e.zeros > h.scanned { // it began anew
		e.zeros = 0
	}
	if h.silent() || e.health.seconds[max(e.health.n-1, 0)%healthSeconds].level() < gapDBFS {
		return
	}
	for _, x := range h.list[:h.n] {
		if x.to <= e.zeros || x.to >= h.scanned {
			continue // told, or not over
		}
		e.zeros = x.to
		if !x.declared && x.to-x.from >= gapLeast {
			e.health.vanished(float64(x.to-x.from) / workRate)
		}
	}
}
