package audio

import (
	"fmt"
	"math"
	"time"

	"resetrig/pcm"
	"resetrig/rig"
)

// The limits of the ear's health.
const (
	fullScale     = 0.985
	deadAfter     = 1.5  // seconds of nothing but zeros, or of one value
	quietAfter    = 2.0  // seconds below silentDBFS
	silentDBFS    = -100 // no microphone with its amplifier is as quiet
	clipShare     = 0.001
	clipNoise     = 0.01 // share from which the noise itself clips
	clipSeconds   = 3    // of the last 5, without a tone: unfit
	lostUnfit     = 0.25 // seconds lost of the last 10: more than the detector bridges
	zeroUnfit     = 1.0  // seconds of zeros in gaps that the detector bridges, of the last 10
	leapLimit     = 100 * time.Millisecond
	driftLimit    = 1000.0 // ppm; a sound card keeps 100
	dcLimit       = 0.1
	noiseApart    = 20.0 // dB from the calibrated noise
	healthStride  = 3    // every third sample is looked at
	healthSeconds = 10
	parts         = 4   // of a second
	scarce        = 6.0 // dB over what can just be heard: a beep is at risk
	scarceSeconds = 3   // in a row
)

// health watches what the ear is given. It judges whole seconds, a microphone
// that stopped as soon as it is known, and holds what it saw until it was told
// once.
type health struct {
	rate  int
	noise float64 // calibrated level of the room; 0: unknown

	seconds [healthSeconds]second
	n       int // seconds judged
	now     second
	part    second // of now, not yet in it
	filled  int    // samples of now and part

	value       float32 // the last sample's
	same        int     // samples in a row that have it
	quietRun    float64 // seconds
	scarce      int     // seconds in a row in which the room drowned the beep
	begun       bool
	first, last pcm.Block // without their samples
	lost        float64   // seconds, since the beginning
	losses      int
	gaps        int // losses that only zeros show
	driftPPM    float64
	holds       map[string]rig.Finding
}

// second is a second of sound in numbers.
type second struct {
	count, clipped int
	sum, square    float64
	lo, hi         float32
	lost, zeros    float64 // seconds
	tone           bool
}

func (s *second) level() float64 {
	if s.count == 0 {
		return -200
	}
	mean := s.sum / float64(s.count)
	return 10 * math.Log10(max(2*(s.square/float64(s.count)-mean*mean), 1e-20))
}

func newHealth(rate int, noise float64) *health {
	return &health{rate: rate, noise: noise, holds: map[string]rig.Finding{}}
}

func (h *health) reset() { *h = *newHealth(h.rate, h.noise) }

// hole is a loss before a block, as counted by capture or shown by its time.
func (h *health) hole(b pcm.Block) (lost int64) {
	if !h.begun {
		h.begun, h.first = true, b
		h.first.Samples = nil
	} else {
		lost = b.Start - h.last.Start
		byTime := b.Time.Sub(h.last.Time)
		if lost < 0 { // capture began anew
			lost = max(1, int64(byTime.Seconds()*float64(h.rate)))
		} else if leap := byTime - time.Duration(float64(lost)/float64(h.rate)*float64(time.Second)); leap > leapLimit {
			lost += int64(leap.Seconds() * float64(h.rate))
		}
		if span := b.Time.Sub(h.first.Time).Seconds(); span > driftSpan && h.losses == 0 {
			h.driftPPM = (float64(b.Start-h.first.Start)/float64(h.rate)/span - 1) * 1e6
		}
	}
	if lost > 0 || b.Lost {
		s := float64(lost) / float64(h.rate)
		h.losses++
		h.lost += s
		h.now.lost += s
	}
	h.last = pcm.Block{Start: b.Start + int64(len(b.Samples)), Time: b.End(), Rate: b.Rate}
	return lost
}

// hear takes a block's samples in; tone says that a tone sounds.
func (h *health) hear(x []float32, tone bool) {
	for len(x) > 0 {
		// A part ends with the sample that fills it, and so does the last one of a
		// rate that is no multiple of parts.
		k := h.filled * parts / h.rate
		end := ((k+1)*h.rate + parts - 1) / parts
		n := min(len(x), end-h.filled)
		h.part.take(x[:n])
		h.still(x[:n])
		h.now.tone = h.now.tone || tone
		if h.filled += n; h.filled == end {
			h.endPart()
		}
		if h.filled >= h.rate {
			h.judge()
		}
		x = x[n:]
	}
}

// still counts the samples in a row that are the same. Looked at from the end,
// sound costs a sample or two.
func (h *health) still(x []float32) {
	i, last := len(x), x[len(x)-1]
	for i > 0 && x[i-1] == last {
		i--
	}
	if i > 0 || last != h.value {
		h.same = 0
	}
	h.value, h.same = last, h.same+len(x)-i
	s := float64(h.same) / float64(h.rate)
	switch {
	case s < deadAfter:
	case last == 0:
		h.say("dead", true, "only digital silence for %.1f s: the microphone is muted, unplugged or broken", s)
	default:
		h.say("stuck", true, "the same value %.3f for %.1f s: the converter is stuck", last, s)
	}
}

// endPart looks for a silence that no microphone has. In a room that was as
// quiet when it was calibrated nothing is wrong.
func (h *health) endPart() {
	p := h.part
	h.now.add(p)
	h.part = second{}
	if p.level() >= silentDBFS || p.lo == p.hi || h.noise != 0 && h.noise < silentDBFS+noiseApart {
		h.quietRun = 0
		return
	}
	if h.quietRun += 1.0 / parts; h.quietRun >= quietAfter {
		h.say("silent", true, "%.0f dBFS for %.1f s, less than any microphone's own noise", p.level(), h.quietRun)
	}
}

// add takes another stretch in.
func (s *second) add(o second) {
	if s.count == 0 {
		s.lo, s.hi = o.lo, o.hi
	}
	s.lo, s.hi = min(s.lo, o.lo), max(s.hi, o.hi)
	s.count, s.clipped = s.count+o.count, s.clipped+o.clipped
	s.sum, s.square = s.sum+o.sum, s.square+o.square
}

func (s *second) take(x []float32) {
	lo, hi, sum, square, clipped := s.lo, s.hi, float32(0), float32(0), 0
	if s.count == 0 {
		lo, hi = x[0], x[0]
	}
	for i := 0; i < len(x); i += healthStride {
		v := x[i]
		sum += v
		square += v * v
		lo, hi = min(lo, v), max(hi, v)
		if v >= fullScale || v <= -fullScale {
			clipped++
		}
	}
	s.count += (len(x) + healthStride - 1) / healthStride
	s.lo, s.hi, s.clipped = lo, hi, s.clipped+clipped
	s.sum += float64(sum)
	s.square += float64(square)
}

// judge ends a second.
func (h *health) judge() {
	s := h.now
	h.seconds[h.n%healthSeconds] = s
	h.n++
	h.now, h.filled = second{}, 0
	h.find(s)
}

// gone: the microphone has stopped, and nothing else that it seems to say counts.
func (h *health) gone() bool {
	return float64(h.same) >= deadAfter*float64(h.rate) || h.quietRun >= quietAfter
}

// vanished notes a loss that zeros show: the count of samples runs on. The
// detector bridges a short one; a longer one breaks a beep.
func (h *health) vanished(s float64) {
	h.gaps++
	h.now.zeros += s
	if s > bridge {
		h.say("dropouts", true, "%.0f ms of zeros inside sound: the computer is too busy, or the device's cable is bad", s*1000)
	}
}

// drowned is told once a second how far the calibrated beep stands over what can
// just be heard in this room, in dB; known is false where it cannot be told.
func (h *health) drowned(margin float64, known bool) {
	if h.scarce++; !known || margin >= scarce {
		h.scarce = 0
	}
	if h.scarce >= scarceSeconds {
		h.say("noise", margin < 0, "the room is so loud around the beep's frequency that the calibrated beep is %.0f dB over what can just be heard", margin)
	}
}

func (h *health) say(name string, unfit bool, format string, a ...any) {
	if old, ok := h.holds[name]; ok && old.Unfit && !unfit {
		return
	}
	h.holds[name] = rig.Finding{Name: name, Detail: fmt.Sprintf(format, a...), Unfit: unfit}
}

// recent folds the last n seconds.
func (h *health) recent(n int, f func(second)) {
	for k := range min(n, h.n, healthSeconds) {
		f(h.seconds[(h.n-1-k)%healthSeconds])
	}
}

func (h *health) find(s second) {
	if h.gone() {
		return
	}
	if share := float64(s.clipped) / float64(max(s.count, 1)); share > clipShare {
		noisy := 0
		h.recent(5, func(s second) {
			if !s.tone && float64(s.clipped) > clipNoise*float64(s.count) {
				noisy++
			}
		})
		h.say("clipping", noisy >= clipSeconds, "%.1f %% of a second's samples at full scale: lower the gain", 100*share)
	}
	if mean := s.sum / float64(max(s.count, 1)); math.Abs(mean) > dcLimit && h.same*parts < h.rate { // not one that sticks
		h.say("dc", false, "a constant of %.2f of full scale in the sound", mean)
	}
	lost, zeros := 0.0, 0.0
	h.recent(healthSeconds, func(s second) { lost, zeros = lost+s.lost, zeros+s.zeros })
	if lost+zeros > 0 {
		h.say("dropouts", lost > lostUnfit || zeros > zeroUnfit, "%.0f ms lost in the last %d s, %d losses since the beginning: the computer is too busy, or the device's cable is bad", (lost+zeros)*1000, healthSeconds, h.losses+h.gaps)
	}
	if math.Abs(h.driftPPM) > driftLimit {
		h.say("drift", false, "the device's clock is off by %.0f ppm", h.driftPPM)
	}
	if h.noise != 0 && !s.tone {
		quietest := math.Inf(1)
		h.recent(5, func(s second) { quietest = min(quietest, s.level()) })
		if d := quietest - h.noise; h.n >= 5 && math.Abs(d) > noiseApart {
			h.say("level", false, "the room's noise is %.0f dBFS, %.0f dB from that of the calibration: the microphone was moved or its gain changed", quietest, d)
		}
	}
}

// findings are what holds, or has held since the last call.
func (h *health) findings() []rig.Finding {
	// A loss is told at once, not when its second is over.
	if h.now.lost > lostUnfit {
		h.say("dropouts", true, "%.0f ms lost at once: the computer is too busy, or the device's cable is bad", h.now.lost*1000)
	}
	var out []rig.Finding
	for _, name := range [...]string{"dead", "stuck", "silent", "clipping", "dropouts", "drift", "dc", "level", "noise", "gain", "whine", "beep-level", "spool"} {
		if f, ok := h.holds[name]; ok {
			out = append(out, f)
		}
	}
	clear(h.holds)
	return out
}
