package sim

import (
	"fmt"
	"math"

	"resetrig/pcm/corpus"
)

// RoomNoise is a noise that fills the room besides the unit's own and the
// office's: the bench is rehearsed in a hard room.
type RoomNoise struct {
	Noise string  // one of corpus.Noises; "": none
	SNRdB float64 // the power of the unit's beep over the noise's, in the whole band
}

// noiseSpan is how much of the noise is made at once, and noiseGauge how much of
// it its level is measured on: a kind that comes and goes changes every ten
// seconds.
const (
	noiseSpan  = corpus.Rate
	noiseGauge = 60 * corpus.Rate
)

// crowd makes a room's noise as it is needed.
type crowd struct {
	next  func([]float32)
	gain  float32
	until int64 // the sample after the last that was made
}

func newCrowd(n RoomNoise, rate int, seed uint64, beepDBFS float64) (*crowd, error) {
	if n.Noise == "" {
		return nil, nil
	}
	kinds := corpus.Noises()
	known := false
	for _, k := range kinds {
		known = known || k == n.Noise
	}
	switch {
	case !known:
		return nil, unknown("noise of a room", n.Noise, kinds)
	case rate != corpus.Rate:
		return nil, fmt.Errorf("noise of a simulated room at %d samples a second: it is made for %d", rate, corpus.Rate)
	case !(n.SNRdB >= -40 && n.SNRdB <= 80):
		return nil, fmt.Errorf("noise of a simulated room %v dB under the beep: want -40 to 80", n.SNRdB)
	}
	x := make([]float32, noiseSpan)
	gauge, power := corpus.Noise(n.Noise, seed), 0.0
	for range noiseGauge / noiseSpan {
		gauge(x)
		for _, v := range x {
			power += float64(v) * float64(v) / noiseGauge
		}
	}
	// A sine's power is half the square of its amplitude.
	want := math.Pow(10, (beepDBFS-n.SNRdB)/10) / 2
	return &crowd{next: corpus.Noise(n.Noise, seed), gain: float32(math.Sqrt(want / power))}, nil
}

// before fills the room up to a sample; what nobody heard is left out.
func (c *crowd) before(end int64, r *room) {
	c.until = max(c.until, r.pos)
	for c.until < end {
		x := make([]float32, noiseSpan)
		c.next(x)
		for i := range x {
			x[i] *= c.gain
		}
		r.synth.AddSound(c.until, x)
		c.until += noiseSpan
	}
}
