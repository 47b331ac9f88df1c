package audio

import "math"

// deep looks for tones that no single frame shows: in a coherent second. Hann
// frames that overlap by half add up to a flat window, so a transform over the
// frames of one bin, each turned to a common phase, is the spectrum of the
// whole second at a resolution of 1 Hz, at the price of 64 points. It is made
// only for bins whose mean power has something to show; what passes is looked
// at once more in the samples themselves (faint.go).
type deep struct {
	n    int         // bins
	a, b int         // the band that may hold a beep, as indices of the floor's slices
	hist []complex64 // rows × bins
	row  int
	have int // frames in a row that were known
	fft  *fft
	gain [deepPoints]float32 // 1 over the noise's power in a line, or 0 out of the bin

	ignore  [8]ignored
	ignoreN int
	limit   float64 // energy over noise density from which it is no accident
}

// ignored is a tone that was refused: it need not be looked at again at once.
type ignored struct {
	hz    float64
	until int64
}

const (
	deepRows   = 32 // frames: 1.024 s
	deepPoints = 64
	deepEvery  = 2    // frames from one look to the next
	deepClip   = 16.0 // a frame's power over the floor counts no more than that

	screenLimit = 47 * unity * rows / 32 // mean power of a bin that is looked at: 1.47
	lineLimit   = 12.0                   // power of a line over the noise's that is looked at again
	lineShare   = 7.0                    // and over the mean power of its own bin

	// leastStatistic is the energy over the noise density from which a tone is
	// told among the refused.
	leastStatistic = 15.0
	// falseDensity is how often a second and Hertz of band noise exceeds a
	// statistic of 0, were its tail a straight e^−x all the way: measured
	// (docs/detector.md).
	falseDensity = 1.3e5
	// FalseAlarmEvery is the mean time between false long beeps in white noise,
	// in seconds, for which the limits are made: 30 days.
	FalseAlarmEvery = 30 * 86400.0
)

func newDeep(f *floor, lo, hi float64, p Profile) *deep {
	d := &deep{n: len(f.inv), a: f.a, b: f.b, fft: newFFT(2 * deepPoints)}
	d.hist = make([]complex64, deepRows*d.n)
	if p.FrequencyHz != 0 {
		lo, hi = p.FrequencyHz*(1-pitchGate), p.FrequencyHz*(1+pitchGate)
		d.a, d.b = max(f.a, int(lo/binHz)-f.lo), min(f.b, int(hi/binHz)+2-f.lo)
	}
	d.a, d.b = max(d.a, wide+1), min(d.b, d.n-wide-1)
	d.limit = StatisticFor(hi - lo)
	for q := range d.gain {
		k := q
		if k >= deepPoints/2 {
			k -= deepPoints
		}
		if k >= -18 && k <= 18 {
			turn := 2 * math.Pi * float64(k) / deepPoints
			// Frames that overlap by half share a sixth of their noise.
			d.gain[q] = float32(1 / (deepRows + 2*(deepRows-1)*math.Cos(turn)/6))
		}
	}
	return d
}

// StatisticFor is the statistic that white noise in a band exceeds once in
// FalseAlarmEvery, by extrapolation of its measured tail.
func StatisticFor(bandHz float64) float64 {
	return math.Log(falseDensity * bandHz * FalseAlarmEvery)
}

func (d *deep) reset() { d.row, d.have, d.ignoreN = 0, 0, 0 }

// take keeps a frame. One of which samples are missing adds nothing.
func (d *deep) take(lines []complex64, known bool) {
	row := d.hist[d.row*d.n : d.row*d.n+d.n]
	d.row = (d.row + 1) % deepRows
	d.have++
	if !known {
		clear(row)
		return
	}
	copy(row, lines)
}

// line is the strongest line within a bin over the last second: its power over
// the noise's, and its distance from the bin's middle in Hz. odd says that the
// bin's number is odd: its phase turns by half a turn a frame.
func (d *deep) line(bin int, inv float32, odd bool) (power, hz float64) {
	a := d.fft.a
	sign := float32(1)
	sum := float32(0)
	for m := range deepRows {
		x := d.hist[(d.row+m)%deepRows*d.n+bin]
		r := (real(x)*real(x) + imag(x)*imag(x)) * inv
		g := sign
		if r > deepClip {
			g *= float32(math.Sqrt(float64(deepClip / r)))
			r = deepClip
		}
		sum += r
		a[m] = complex(real(x)*g, imag(x)*g)
		if odd {
			sign = -sign
		}
	}
	clear(a[deepRows:])
	d.fft.transform()
	best, at := float32(0), 0
	for q, x := range d.fft.a {
		if p := (real(x)*real(x) + imag(x)*imag(x)) * d.gain[q] * inv; p > best {
			best, at = p, q
		}
	}
	if at >= deepPoints/2 {
		at -= deepPoints
	}
	if best*deepRows*4/3 < lineShare*sum {
		return 0, 0
	}
	return float64(best), float64(at) * workRate / hop / deepPoints
}

// dig looks for the strongest line that no track stands on and asks whether it
// is a beep.
func (d *Detector) dig(emit func(Event)) {
	e, f := d.deep, d.floor
	if e.have < deepRows {
		return
	}
	best, at := 0.0, 0.0
	for i := e.a; i < e.b; i++ {
		if f.slow[i] < screenLimit || d.stoodOn(i) {
			continue
		}
		p, off := e.line(i, f.inv[i], (i+f.lo)&1 == 1)
		if p <= best || p < lineLimit {
			continue
		}
		if hz := float64(i+f.lo)*binHz + off; !e.ignored(hz, d.frame) {
			best, at = p, hz
		}
	}
	if best > 0 && !d.faint(at, emit) {
		e.ignore[e.ignoreN%len(e.ignore)] = ignored{at, d.frame + 3*hop}
		e.ignoreN++
	}
}

func (e *deep) ignored(hz float64, now int64) bool {
	for _, x := range e.ignore[:min(e.ignoreN, len(e.ignore))] {
		if x.until > now && math.Abs(x.hz-hz) < 2 {
			return true
		}
	}
	return false
}

// stoodOn: a track that is followed frame by frame stands there, or did so
// within the second; or a faint one.
func (d *Detector) stoodOn(bin int) bool {
	for i := range d.tracks {
		t := &d.tracks[i]
		if t.id == 0 || bin < t.bin-6 || bin > t.bin+6 {
			continue
		}
		if t.active && (t.faint || t.state == long) || t.snr() >= 12 && t.last+deepRows*hop > d.frame {
			return true
		}
	}
	return false
}
