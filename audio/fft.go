package audio

import (
	"math"
	"time"
)

// fft is a transform of real frames: a frame of n samples is packed into n/2
// complex ones, which Stockham passes of radix four turn into a spectrum
// without a step of sorting. It works in float32, whose rounding lies 130 dB
// under the strongest line, and allocates nothing after it was made.
//
// gonum's dsp/fourier, against which it is tested, takes several times as long
// (BenchmarkFFT), and the simulation spends most of its time here.
type fft struct {
	n       int // real samples, a power of two
	a, b    []complex64
	twiddle [][]complex64 // per pass of radix four: w, w², w³ for each p
	turn    []complex64   // for taking the packed spectrum apart
}

func newFFT(n int) *fft {
	m := n / 2
	f := &fft{n: n, a: make([]complex64, m), b: make([]complex64, m), turn: make([]complex64, m/2+1)}
	for size := m; size >= 4; size /= 4 {
		t := make([]complex64, 0, 3*size/4)
		for p := range size / 4 {
			for k := 1; k <= 3; k++ {
				t = append(t, unit(-float64(k*p)/float64(size)))
			}
		}
		f.twiddle = append(f.twiddle, t)
	}
	for k := range f.turn {
		f.turn[k] = unit(-float64(k) / float64(n))
	}
	return f
}

// unit is e^(2πi·turns).
func unit(turns float64) complex64 {
	s, c := math.Sincos(2 * math.Pi * turns)
	return complex(float32(c), float32(s))
}

// load packs a frame times its window.
func (f *fft) load(frame, window []float32) {
	frame, window = frame[:f.n], window[:f.n]
	a := f.a[:len(frame)/2]
	for i := range a {
		a[i] = complex(frame[2*i]*window[2*i], frame[2*i+1]*window[2*i+1])
	}
}

// transform turns what was loaded into its packed spectrum.
func (f *fft) transform() {
	x, y, s := f.a, f.b, 1
	size := len(x)
	for _, t := range f.twiddle {
		if s == 1 {
			firstPass(x, y, t)
		} else {
			pass(x, y, t, size/4, s)
		}
		x, y, size, s = y, x, size/4, s*4
	}
	if size == 2 {
		x0, x1, y0, y1 := x[:s], x[s:2*s], y[:s], y[s:2*s]
		for q := range y0 {
			u, v := x0[q], x1[q]
			y0[q], y1[q] = u+v, u-v
		}
		x, y = y, x
	}
	f.a, f.b = x, y
}

func firstPass(x, y, t []complex64) {
	n := len(x) / 4
	x0, x1, x2, x3 := x[:n], x[n:2*n], x[2*n:3*n], x[3*n:4*n]
	for p := range x0 {
		a, b, c, d := x0[p], x1[p], x2[p], x3[p]
		w, o := t[3*p:3*p+3:3*p+3], y[4*p:4*p+4:4*p+4]
		ac, am, bd, bm := a+c, a-c, b+d, b-d
		j := complex(-imag(bm), real(bm))
		o[0] = ac + bd
		o[1] = mul(w[0], am-j)
		o[2] = mul(w[1], ac-bd)
		o[3] = mul(w[2], am+j)
	}
}

func pass(x, y, t []complex64, quarter, s int) {
	for p := range quarter {
		w1, w2, w3 := t[3*p], t[3*p+1], t[3*p+2]
		x0, x1 := x[s*p:s*p+s], x[s*(p+quarter):s*(p+quarter)+s]
		x2, x3 := x[s*(p+2*quarter):s*(p+2*quarter)+s], x[s*(p+3*quarter):s*(p+3*quarter)+s]
		o := y[4*s*p : 4*s*p+4*s]
		y0, y1, y2, y3 := o[:s], o[s:2*s], o[2*s:3*s], o[3*s:4*s]
		for q := range y0 {
			a, b, c, d := x0[q], x1[q], x2[q], x3[q]
			ac, am, bd, bm := a+c, a-c, b+d, b-d
			j := complex(-imag(bm), real(bm))
			y0[q] = ac + bd
			y1[q] = mul(w1, am-j)
			y2[q] = mul(w2, ac-bd)
			y3[q] = mul(w3, am+j)
		}
	}
}

func mul(a, b complex64) complex64 {
	return complex(real(a)*real(b)-imag(a)*imag(b), real(a)*imag(b)+imag(a)*real(b))
}

// spectrum writes X[k] for k from lo on. Bins run from 1 to n/2−1.
func (f *fft) spectrum(dst []complex64, lo int) {
	for i := range dst {
		dst[i] = f.bin(lo + i)
	}
}

// power writes |X[k]|² of the real frame's spectrum for k from lo on. Bins run
// from 1 to n/2−1.
func (f *fft) power(dst []float32, lo int) {
	for i := range dst {
		x := f.bin(lo + i)
		dst[i] = real(x)*real(x) + imag(x)*imag(x)
	}
}

// bin is X[k] of the real frame, taken out of the packed spectrum.
func (f *fft) bin(k int) complex64 {
	m := len(f.a)
	z, c := f.a[k], f.a[m-k]
	c = complex(real(c), -imag(c))
	even, odd := z+c, z-c
	// −i·e^(−2πik/n)/2 times odd; the turns of the upper half mirror the lower.
	var w complex64
	if k <= m/2 {
		w = f.turn[k]
	} else {
		w = f.turn[m-k]
		w = complex(-real(w), imag(w))
	}
	t := mul(w, complex(imag(odd), -real(odd)))
	return complex((real(even)+real(t))/2, (imag(even)+imag(t))/2)
}

// MeasureFFT is the mean time of one of the detector's transforms, window and
// spectrum included, measured for about that long.
func MeasureFFT(span time.Duration) time.Duration {
	f, w := newFFT(frameLen), hann(frameLen)
	frame, lines := make([]float32, frameLen), make([]complex64, 300)
	start, n := time.Now(), 0
	for ; time.Since(start) < span; n++ {
		for range 100 {
			f.load(frame, w)
			f.transform()
			f.spectrum(lines, 80)
		}
	}
	return time.Since(start) / time.Duration(100*max(n, 1))
}
