package audio

import "math"

// deep looks for tones that no single frame shows: in a coherent second. Hann
// frames that overlap by half add up to a flat window, so a transform over the
// frames of one bin, each turned to a common phase, is the spectrum of the
// whole second at a resolution of 1 Hz, at the price of 64 points. It is made
// only for bins whose mean power has something to show; what passes is looked
// at once more in the samples themselves (faint.go).
type deep struct {
	n       int         // bins
	a, b    int         // the band that may hold a beep, as indices of the floor's slices
	hist    []complex64 // rows × bins
	sum     []float64   // power of each bin, over all rows
	base    []float32   // 1 over the noise power of the bins around each
	rest    []int64     // the frame until which a bin with nothing in it is left alone
	row     int
	have    int  // frames in a row that were known
	next    int  // where the next frame's look goes on
	crowded bool // the last look did not get round
	fft     *fft
	gain    [deepRows]float32 // 1 over the noise's power in a line, or 0 out of the bin

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
	deepRows  = 32   // frames: 1.024 s
	deepLines = 25   // lines of a Hertz that belong to a bin: its own and some of its neighbours'
	deepBins  = 12   // bins that are looked at in one frame, at most
	deepClip  = 16.0 // a frame's power over the floor counts no more than that
	deepLoud  = 64.0 // one that is louder is loud

	screenLimit = 2.7 * deepRows // power of two bins over a bin's noise that is looked at
	lineLimit   = 14.0           // power of a line over the noise's that is looked at again
	lineShare   = 11.0           // and over the mean power of its own bin
	lineBeside  = 9.0            // and over the mean of the lines beside it

	// leastStatistic is the energy over the noise density from which a tone is
	// told among the refused.
	leastStatistic = 18.0
	// FalseDensity is how often a second and Hertz of band noise exceeds a
	// statistic of 0, were its tail a straight e^−x all the way: measured
	// (docs/detector.md).
	FalseDensity = 1000.0
	// FalseAlarmEvery is the mean time between false long beeps in white noise,
	// in seconds, for which the limits are made: 30 days.
	FalseAlarmEvery = 30 * 86400.0
)

func newDeep(f *floor, lo, hi float64, p Profile) *deep {
	d := &deep{n: len(f.inv), a: f.a, b: f.b, fft: newFFT(2 * deepRows)}
	d.hist = make([]complex64, deepRows*d.n)
	d.sum, d.base = make([]float64, d.n), make([]float32, d.n)
	d.rest = make([]int64, d.n)
	if p.FrequencyHz != 0 {
		lo, hi = p.FrequencyHz*(1-pitchGate), p.FrequencyHz*(1+pitchGate)
		d.a, d.b = max(f.a, int(lo/binHz)-f.lo), min(f.b, int(hi/binHz)+2-f.lo)
	}
	d.a, d.b = max(d.a, wide+1), min(d.b, d.n-wide-3)
	d.limit = StatisticFor(hi - lo)
	for q := range d.gain {
		k := q
		if k >= deepRows/2 {
			k -= deepRows
		}
		if k >= -deepLines/2 && k <= deepLines/2 {
			turn := 2 * math.Pi * float64(k) / deepRows
			// Frames that overlap by half share a sixth of their noise.
			d.gain[q] = float32(1 / (deepRows + 2*(deepRows-1)*math.Cos(turn)/6))
		}
	}
	return d
}

// StatisticFor is the statistic that white noise in a band exceeds once in
// FalseAlarmEvery, by extrapolation of its measured tail.
func StatisticFor(bandHz float64) float64 {
	return math.Log(FalseDensity * bandHz * FalseAlarmEvery)
}

func (d *deep) reset() {
	d.row, d.have, d.next, d.ignoreN, d.crowded = 0, 0, 0, 0, false
	clear(d.hist)
	clear(d.sum)
	clear(d.rest)
}

// take keeps a frame. One of which samples are missing adds nothing.
func (d *deep) take(lines []complex64, power []float32, known bool) {
	row := d.hist[d.row*d.n : d.row*d.n+d.n]
	sum := d.sum[:len(row)]
	for i, x := range row {
		sum[i] -= float64(real(x)*real(x) + imag(x)*imag(x))
	}
	d.row = (d.row + 1) % deepRows
	d.have++
	if !known {
		clear(row)
		return
	}
	copy(row, lines)
	power = power[:len(sum)]
	for i, p := range power {
		sum[i] += float64(p)
	}
}

// around spreads the floor over neighbours: a bin's own has learned a part of
// what sounds there.
func (d *deep) around(inv []float32) {
	const reach = 12
	sum, n := float32(0), 0
	for i := range min(reach, len(inv)) {
		sum += inv[i]
		n++
	}
	for i := range inv {
		if k := i + reach; k < len(inv) {
			sum += inv[k]
			n++
		}
		if k := i - reach - 1; k >= 0 {
			sum -= inv[k]
			n--
		}
		d.base[i] = sum / float32(n)
	}
}

// line is the strongest line within a bin over the last second: its power over
// the noise's, and its distance from the bin's middle in Hz. odd says that the
// bin's number is odd: its phase turns by half a turn a frame. What does not
// stand out of its own bin is told as less than lineLimit.
func (d *deep) line(bin int, inv float32, odd bool) (power, hz float64) {
	a := d.fft.a
	sign := float32(1)
	sum, loud := float32(0), 0
	for m, row := 0, d.row*d.n+bin; m < deepRows; m++ {
		x := d.hist[row]
		if row += d.n; row >= len(d.hist) {
			row -= len(d.hist)
		}
		r := (real(x)*real(x) + imag(x)*imag(x)) * inv
		g := sign
		if r > deepClip {
			if r > deepLoud {
				if loud++; loud > 6 {
					return 0, 0 // frames are enough for that one
				}
			}
			g *= float32(math.Sqrt(float64(deepClip / r)))
			r = deepClip
		}
		sum += r
		a[m] = complex(real(x)*g, imag(x)*g)
		if odd {
			sign = -sign
		}
	}
	d.fft.transform()
	best, at, all := float32(0), 0.0, float32(0)
	x := (*[deepRows]complex64)(d.fft.a)
	was := x[deepRows/2-1]
	for k, q := -deepRows/2, deepRows/2; k < deepRows/2; k, q = k+1, (q+1)%deepRows {
		z := x[q]
		p := (real(z)*real(z) + imag(z)*imag(z)) * d.gain[q]
		// Half a line lower, by what is in both.
		h := z - was
		ph := (real(h)*real(h) + imag(h)*imag(h)) * d.gain[q] / 2
		was = z
		all += p
		if p > best {
			best, at = p, float64(k)
		}
		if ph > best {
			best, at = ph, float64(k)-0.5
		}
	}
	power, least := float64(best*inv), float32(1)
	least = min(least, best*inv*deepRows*4/3/(lineShare*sum))
	// What lies farther than 2 Hz beside: a voice or a burst fills it too.
	n := float32(deepLines)
	for k := int(math.Floor(at)) - 1; k <= int(math.Ceil(at))+1; k++ {
		if g := d.gain[k&(deepRows-1)]; g > 0 {
			z := x[k&(deepRows-1)]
			all -= (real(z)*real(z) + imag(z)*imag(z)) * g
			n--
		}
	}
	least = min(least, best*n/(lineBeside*all))
	if least < 1 {
		power = min(power, lineLimit-1) * float64(least)
	}
	return power, at * workRate / hop / deepRows
}

// dig looks for the strongest line that no track stands on and asks whether it
// is a beep. Where much stands out, as in a room full of voices, the bins take
// turns.
func (d *Detector) dig(emit func(Event)) {
	e, f := d.deep, d.floor
	if e.have < deepRows {
		return
	}
	if d.frame/hop%8 == 0 {
		e.around(f.inv)
	}
	if e.crowded {
		e.crowded = false // where much stands out, every other frame is enough
		return
	}
	best, at := 0.0, 0.0
	i, looks := e.next, deepBins
	for n := e.b - e.a; n > 0 && looks > 0; n-- {
		if i++; i >= e.b || i < e.a {
			i = e.a
		}
		// A tone between two bins is in both: the pair that is louder than those
		// beside it.
		w := e.sum[i-1 : i+4 : i+4]
		if pair := w[1] + w[2]; pair*float64(e.base[i]) < screenLimit || pair < w[0]+w[1] || pair < w[2]+w[3] {
			continue
		}
		k, other := i, i+1
		if w[2]+w[3]/2 > w[1]+w[0]/2 {
			k, other = other, k
		}
		if e.rest[k] > d.frame || d.stoodOn(k) {
			continue
		}
		looks--
		p, off := e.line(k, e.base[k], (k+f.lo)&1 == 1)
		if p < lineLimit {
			p2, off2 := e.line(other, e.base[other], (other+f.lo)&1 == 1)
			if max(p, p2) < lineLimit/2 {
				e.rest[k] = d.frame + 3*hop // a second does not come up in two frames
			}
			k, p, off = other, p2, off2
		}
		if p <= best || p < lineLimit {
			continue
		}
		if hz := float64(k+f.lo)*binHz + off; !e.ignored(hz, d.frame) {
			best, at = p, hz
		}
	}
	e.next, e.crowded = i, looks == 0
	if best == 0 {
		return
	}
	pause := int64(4)
	switch d.faint(at, emit) {
	case faintBeepFound:
		return
	case faintNotYet:
		pause = 1
	}
	e.ignore[e.ignoreN%len(e.ignore)] = ignored{at, d.frame + pause*hop}
	e.ignoreN++
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
		if t.active && (t.faint || t.state == long) || t.snr() >= 22 && t.last+deepRows*hop > d.frame {
			return true
		}
	}
	return false
}
