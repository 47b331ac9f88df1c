package synth

import (
	"math"
	"math/rand/v2"
)

// NoiseSpec is the noise of a room. A level of 0 is off; all others are dBFS
// over the whole band.
type NoiseSpec struct {
	White float64 // amplifiers, air
	Pink  float64 // rooms
	// Fan is a fan's rush of air, FanTone its blades' hum at FanHz (0: 120) and
	// its overtones.
	Fan, FanTone, FanHz float64
	// Hum is the mains': MainsHz (0: 50) with its overtones up to HumTop Hz
	// (0: 2000).
	Hum, MainsHz, HumTop float64
	// Whirr is a running disk's spindle (120 Hz and its overtones), Click the
	// peak of its heads' clicks, ClicksPerS how many of them there are.
	Whirr, Click, ClicksPerS float64
}

// OfficeNoise is the noise of a quiet office: pink −62 dBFS, some white, hum.
func OfficeNoise() NoiseSpec { return NoiseSpec{White: -78, Pink: -62, Hum: -70} }

// The noise is a sum of two loops whose lengths have no common factor: it
// repeats after their product, two days at 16 kHz.
const loopA, loopB = 65537, 49999

type loops struct{ a, b []float32 }

type noise struct {
	rate    int
	seed    uint64
	spec    NoiseSpec
	sources [nSources]source
	clicks  [4][]float32
}

type source struct {
	loops     // b is nil for what is periodic
	key       float64
	now, was  float32 // gains
	changedAt int64
	changed   bool
	keyB      float64
}

const (
	srcWhite = iota
	srcPink
	srcFan
	srcFanTone
	srcHum
	srcWhirr
	nSources
)

// fade is how long a change of the noise takes, in seconds.
const fade = 0.05

func newNoise(rate int, seed uint64) noise { return noise{rate: rate, seed: seed} }

// white is the white loops, made when first wanted; σ² of their sum is 1/2,
// the power of a full-scale sine.
func (n *noise) white() loops {
	s := &n.sources[srcWhite]
	if s.a == nil {
		s.loops = n.gauss(1)
	}
	return s.loops
}

func (n *noise) gauss(salt uint64) loops {
	rng := rand.New(rand.NewPCG(n.seed, salt))
	l := loops{make([]float32, loopA), make([]float32, loopB)}
	for _, x := range [][]float32{l.a, l.b} {
		for i := range x {
			x[i] = float32(rng.NormFloat64() * 0.5)
		}
	}
	return l
}

// shaped is noise through a filter that is run round the loop, so that its end
// meets its beginning; the power is set to 1/4 each.
func (n *noise) shaped(salt uint64, filter func() func(float64) float64) loops {
	l := n.gauss(salt)
	for _, x := range [][]float32{l.a, l.b} {
		f := filter()
		for _, v := range x[len(x)/2:] {
			f(float64(v))
		}
		sum := 0.0
		for i, v := range x {
			y := f(float64(v))
			x[i] = float32(y)
			sum += y * y
		}
		g := float32(0.5 / math.Sqrt(sum/float64(len(x))))
		for i := range x {
			x[i] *= g
		}
	}
	return l
}

// pink is a −3 dB/octave filter, Kellet's three poles, within half a dB of it
// from 40 Hz at 16 kHz up.
func pink() func(float64) float64 {
	var a, b, c float64
	return func(x float64) float64 {
		a = 0.99765*a + x*0.0990460
		b = 0.96300*b + x*0.2965164
		c = 0.57000*c + x*1.0526913
		return a + b + c + x*0.1848
	}
}

// lowpass has one pole.
func lowpass(rate int, hz float64) func() func(float64) float64 {
	k := 1 - math.Exp(-2*math.Pi*hz/float64(rate))
	return func() func(float64) float64 {
		var y float64
		return func(x float64) float64 { y += k * (x - y); return y }
	}
}

// comb is one second of a tone and its overtones, falling with their number,
// with the power 1/2.
func (n *noise) comb(hz, top, slope float64, salt uint64) []float32 {
	hz = math.Round(hz)
	x := make([]float32, n.rate)
	sum := 0.0
	for k := 1; float64(k)*hz < min(top, float64(n.rate)/2); k++ {
		v := newVoice(Tone{FrequencyHz: float64(k) * hz, LevelDBFS: -slope * math.Log2(float64(k))}, n.rate, 0)
		// Each partial begins at another phase: the loop is turned by it.
		y := make([]float32, n.rate)
		v.render(y, 0)
		turn := int(hash(n.seed+salt, uint64(k)) % uint64(n.rate))
		for i := range x {
			x[i] += y[(i+turn)%n.rate]
		}
	}
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	if sum > 0 {
		g := float32(math.Sqrt(0.5 / (sum / float64(len(x)))))
		for i := range x {
			x[i] *= g
		}
	}
	return x
}

func (n *noise) set(spec NoiseSpec, at int64) {
	or := func(v, d float64) float64 {
		if v == 0 {
			return d
		}
		return v
	}
	n.spec = spec
	levels := [nSources]float64{spec.White, spec.Pink, spec.Fan, spec.FanTone, spec.Hum, spec.Whirr}
	fan, mains, top := or(spec.FanHz, 120), or(spec.MainsHz, 50), or(spec.HumTop, 2000)
	for i := range n.sources {
		s := &n.sources[i]
		if levels[i] != 0 {
			switch {
			case i == srcWhite:
				n.white()
			case i == srcPink && s.a == nil:
				s.loops = n.shaped(2, pink)
			case i == srcFan && s.a == nil:
				s.loops = n.shaped(3, lowpass(n.rate, 900))
			case i == srcFanTone && (s.a == nil || s.key != fan):
				s.a, s.key = n.comb(fan, 10*fan+1, 6, 4), fan
			case i == srcHum && (s.a == nil || s.key != mains || s.keyB != top):
				s.a, s.key, s.keyB = n.comb(mains, top, 5, 5), mains, top
			case i == srcWhirr && s.a == nil:
				s.a = n.comb(120, 2000, 4, 6)
			}
		}
		s.to(levels[i], at, n.fadeSamples())
	}
	if spec.Click != 0 && n.clicks[0] == nil {
		for i := range n.clicks {
			n.clicks[i] = Slam(n.rate, n.seed+uint64(i)+100, 0, 0.001+0.001*float64(i), 4000)
		}
	}
}

func (n *noise) fadeSamples() int64 { return int64(fade * float64(n.rate)) }

// to begins a fade from what sounds at that sample to the level.
func (s *source) to(dBFS float64, at, length int64) {
	g := float32(0)
	if dBFS != 0 {
		g = float32(amplitude(dBFS))
	}
	if g == s.now {
		return
	}
	s.was = s.gain(at, length)
	s.now, s.changedAt, s.changed = g, at, at > 0
}

func (s *source) gain(at, length int64) float32 {
	if !s.changed || at >= s.changedAt+length {
		return s.now
	}
	return s.was + (s.now-s.was)*float32(max(at-s.changedAt, 0))/float32(length)
}

func (n *noise) render(dst []float32, start int64) {
	length := n.fadeSamples()
	for i := range n.sources {
		s := &n.sources[i]
		rest, at := dst, start
		for s.changed && len(rest) > 0 && at < s.changedAt+length {
			// In a fade the gain is that of the sample.
			s.add(rest[:1], at, s.gain(at, length))
			rest, at = rest[1:], at+1
		}
		if s.now != 0 {
			s.add(rest, at, s.now)
		}
	}
	if n.spec.Click != 0 && n.spec.ClicksPerS > 0 {
		n.renderClicks(dst, start)
	}
}

// renderClicks looks at slots of a sixteenth of a second; each has a click or
// none, at a place of its own.
func (n *noise) renderClicks(dst []float32, start int64) {
	slot := int64(n.rate / 16)
	g := float32(amplitude(n.spec.Click))
	longest := int64(len(n.clicks[len(n.clicks)-1]))
	for k := max(start-longest, 0) / slot; k*slot < start+int64(len(dst)); k++ {
		h := hash(n.seed+7, uint64(k))
		if float64(h>>40)/(1<<24) < n.spec.ClicksPerS/16 {
			addAt(dst, start, n.clicks[h&3], k*slot+int64(h>>8&0xffff)*slot>>16, g)
		}
	}
}

// add adds the loops, wherever in them the sample is.
func (l *loops) add(dst []float32, start int64, gain float32) {
	for len(dst) > 0 {
		a := l.a[start%int64(len(l.a)):]
		if l.b == nil {
			k := min(len(dst), len(a))
			d, a := dst[:k], a[:k]
			for i := range d {
				d[i] += gain * a[i]
			}
			dst, start = dst[k:], start+int64(k)
			continue
		}
		b := l.b[start%int64(len(l.b)):]
		k := min(len(dst), len(a), len(b))
		d, a, b := dst[:k], a[:k], b[:k]
		for i := range d {
			d[i] += gain * (a[i] + b[i])
		}
		dst, start = dst[k:], start+int64(k)
	}
}
