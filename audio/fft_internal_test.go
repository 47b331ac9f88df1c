package audio

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"

	"resetrig/pcm/synth"
)

func TestFFTAgainstGonum(t *testing.T) {
	for _, n := range []int{8, 16, 64, 512, 1024, 2048, 4096} {
		f, ones, x := newFFT(n), make([]float32, n), make([]float32, n)
		x64 := make([]float64, n)
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		for i := range x {
			ones[i] = 1
			x[i] = float32(rng.NormFloat64())
			x64[i] = float64(x[i])
		}
		f.load(x, ones)
		f.transform()
		want := fourier.NewFFT(n).Coefficients(nil, x64)
		for k := 1; k < n/2; k++ {
			if d := cmplx.Abs(complex128(f.bin(k)) - want[k]); d > 3e-6*math.Sqrt(float64(n))*3 {
				t.Fatalf("n %d bin %d: %v, gonum %v", n, k, f.bin(k), want[k])
			}
		}
	}
}

// BenchmarkFFT holds the transform against gonum's, both ways of using it.
func BenchmarkFFT(b *testing.B) {
	for _, n := range []int{1024, 2048} {
		x, ones, p := make([]float32, n), make([]float32, n), make([]float32, n/2-2)
		x64, out := make([]float64, n), make([]complex128, n/2+1)
		for i := range x {
			x[i], ones[i] = float32(i%7), 1
			x64[i] = float64(i % 7)
		}
		b.Run(fmt.Sprintf("own/%d", n), func(b *testing.B) {
			f := newFFT(n)
			for b.Loop() {
				f.load(x, ones)
				f.transform()
				f.power(p, 1)
			}
		})
		b.Run(fmt.Sprintf("own-bare/%d", n), func(b *testing.B) {
			f := newFFT(n)
			for b.Loop() {
				f.transform()
			}
		})
		b.Run(fmt.Sprintf("gonum-real/%d", n), func(b *testing.B) {
			f := fourier.NewFFT(n)
			for b.Loop() {
				f.Coefficients(out, x64)
			}
		})
		b.Run(fmt.Sprintf("gonum-packed/%d", n), func(b *testing.B) {
			f := fourier.NewCmplxFFT(n / 2)
			c := make([]complex128, n/2)
			for i := range c {
				c[i] = complex(x64[2*i], x64[2*i+1])
			}
			d := make([]complex128, n/2)
			for b.Loop() {
				f.Coefficients(d, c)
			}
		})
	}
}

// BenchmarkShare prints how fast a room with a fan is heard, and which share of
// that time is the transform alone.
func BenchmarkShare(b *testing.B) {
	r := synth.NewRoom(workRate, 1)
	n := synth.OfficeNoise()
	n.Fan, n.FanTone = -60, -62
	r.SetNoise(n)
	r.Add(synth.Piezo(r.Samples(10), r.Samples(2), 3100, -25))
	x := make([]float32, 30*workRate)
	r.Render(x, 0)
	d, err := NewDetector(workRate, Profile{FrequencyHz: 3100, LevelDBFS: -25})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		d.Process(x, func(Event) {})
	}
	frames := float64(len(x) / hop)
	frame := b.Elapsed().Seconds() / float64(b.N) / frames
	begin := time.Now()
	for range 20000 {
		d.fft.load(d.at(0, frameLen), d.window)
		d.fft.transform()
	}
	bare := time.Since(begin).Seconds() / 20000
	b.ReportMetric(30/(frame*frames), "×realtime")
	b.ReportMetric(100*bare/frame, "%FFT")
	b.ReportMetric(frame*1e9, "ns/frame")
}
