package audio

import (
	"math"
	"time"

	"resetrig/rig"
)

// How far a beep's times may be off: what the noise does to the estimate, what a
// buzzer's edges leave open, and what the clocks do.
const (
	// coverage times the standard deviation of a step's place holds at least 95 of
	// 100 true values, as measured; coverageWeak does where a beep is so weak that
	// the place is looked for in slots of 16 ms first.
	coverage     = 3.0
	coverageWeak = 9.0
	weak         = 2000.0 // Hz: 33 dB-Hz
	// A piezo rises within some 2 ms and falls within 3: where in them it begins
	// and ends is a matter of taste.
	riseTime, fallTime = 2e-3, 3e-3
	// crystalPPM is what a sound card keeps whose clock was not measured.
	crystalPPM = 100.0
	// driftSpan is how long the drift is measured at least, in seconds.
	driftSpan = 30.0
)

// Timed is a Source that knows by how much the times of its blocks may be off,
// other than by the drift of its clock. Without it they are taken as exact.
type Timed interface {
	// TimeUncertainty holds 95 of 100 times.
	TimeUncertainty() time.Duration
}

// sigmaStep is the standard deviation of the place of a step in a tone of that
// C/N0 in Hz, in seconds: the limit for an abrupt edge.
func sigmaStep(cn0 float64) float64 { return math.Sqrt(26) / (2 * cn0) }

// sigmaPitch is that of a tone's frequency, in Hz, measured over some seconds:
// the Cramér–Rao bound.
func sigmaPitch(cn0, seconds float64) float64 {
	return math.Sqrt(3 / (2 * math.Pi * math.Pi * cn0 * seconds * seconds * seconds))
}

// uncertain fills in how far a beep's times and frequency may be off.
func (e *Ear) uncertain(b *rig.Beep, v Event) {
	cn0 := math.Pow(10, (v.SNRdB+band24)/10)
	step := coverage * sigmaStep(cn0)
	if cn0 < weak {
		step = coverageWeak*sigmaStep(cn0) + float64(slotLen)/workRate
	}
	length := v.End - v.Onset
	ppm := crystalPPM
	if drift, within, known := e.health.drift(); known {
		ppm = math.Abs(drift) + within
	}
	clock := 0.0
	if t, ok := e.source.(Timed); ok {
		clock = t.TimeUncertainty().Seconds()
	}
	if !v.Cut {
		b.OnsetUncertainty = seconds(math.Sqrt(step*step+riseTime*riseTime+clock*clock) + 1.0/workRate)
	}
	if v.Ended && !v.Cut {
		b.LengthUncertainty = seconds(math.Sqrt(2*step*step+riseTime*riseTime+fallTime*fallTime) + ppm/1e6*length + 2.0/workRate)
	}
	// It is measured over a second, if the beep lasts as long.
	b.FrequencyUncertaintyHz = coverage*sigmaPitch(cn0, min(max(length, 0.05), 1)) + ppm/1e6*v.FrequencyHz
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// drift is how much faster than it says the device's clock runs, in millionths.
func (h *health) drift() (ppm, within float64, known bool) {
	span := h.last.Time.Sub(h.first.Time).Seconds()
	if !h.begun || h.losses > 0 || span < driftSpan {
		return 0, 0, false
	}
	// Either end's time may be off by some milliseconds.
	return h.driftPPM, 5e-3 / span * 1e6, true
}

// clock is the source's clock against the system's.
func (h *health) clock() rig.AudioClock {
	c := rig.AudioClock{Lost: seconds(h.lost), Losses: h.losses}
	c.DriftPPM, c.DriftUncertaintyPPM, c.Known = h.drift()
	return c
}
