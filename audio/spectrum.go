package audio

import "math"

// SpectrumHz is the width of a bin of Detector.Spectrum.
const SpectrumHz = binHz

// Spectrum is the levels in dBFS of the last 64 ms, a bin of SpectrumHz each
// from 0 to 8 kHz: a full-scale sine on a bin reads 0. It costs one transform
// and is for displays.
func (d *Detector) Spectrum() []float32 {
	v := display{fft: newFFT(frameLen)}
	d.show(&v)
	return v.levels()
}

// display is a spectrum on its way: the sound is copied while the detector
// stands still, and looked at when it goes on.
type display struct {
	fft    *fft
	loaded bool
}

// show takes the last sound out of the detector.
func (d *Detector) show(v *display) {
	from := d.total - frameLen
	v.loaded = from >= 0
	if v.loaded {
		v.fft.load(d.at(from, frameLen), d.window)
	}
}

// levels is the spectrum of what was taken.
func (v *display) levels() []float32 {
	out := make([]float32, frameLen/2)
	if !v.loaded {
		for i := range out {
			out[i] = -160
		}
		return out
	}
	v.fft.transform()
	v.fft.power(out[1:], 1)
	// A sine of amplitude 1 gives the sum of the window over two: a quarter of
	// the frame.
	const full = frameLen / 4 * frameLen / 4
	out[0] = out[1]
	for i, p := range out {
		out[i] = float32(10 * math.Log10(max(float64(p)/full, 1e-16)))
	}
	return out
}

// sounding: a tone well over the noise has lasted a quarter of a second.
func (d *Detector) sounding() bool {
	for i := range d.tracks {
		if t := &d.tracks[i]; t.active && t.snr() > 12 && d.frame-t.born >= 8*hop {
			return true
		}
	}
	return false
}

// Band is where the beep is looked for, in Hz; zero where any frequency will do.
func (p Profile) Band() (lowHz, highHz float64) {
	return p.FrequencyHz * (1 - pitchGate), p.FrequencyHz * (1 + pitchGate)
}
