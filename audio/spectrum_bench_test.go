package audio_test

import (
	"context"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
)

// blocks is a source that has one block to give.
type blocks struct{ b pcm.Block }

func (s blocks) Open(context.Context) error { return nil }
func (s blocks) Close() error               { return nil }
func (s blocks) Read(_ context.Context, _ time.Time, emit func(pcm.Block)) error {
	emit(s.b)
	return nil
}

// BenchmarkEarSpectrum is what a picture of the sound costs who looks at it.
func BenchmarkEarSpectrum(b *testing.B) {
	ear, err := audio.NewEar(blocks{pcm.Block{Rate: 48000, Time: time.Unix(1, 0), Samples: make([]float32, 4800)}}, 48000, audio.Profile{}, 0)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := ear.Listen(b.Context(), time.Unix(2, 0)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		ear.Spectrum()
	}
}

// BenchmarkEarWhileWatched is what 100 ms of sound cost the ear, with nobody
// looking and with somebody who looks as often as can be.
func BenchmarkEarWhileWatched(b *testing.B) {
	for _, watched := range []bool{false, true} {
		name := map[bool]string{false: "nobody", true: "somebody"}[watched]
		b.Run(name, func(b *testing.B) {
			src := &blocks{pcm.Block{Rate: 48000, Time: time.Unix(1, 0), Samples: make([]float32, 4800)}}
			ear, err := audio.NewEar(src, 48000, audio.Profile{}, 0)
			if err != nil {
				b.Fatal(err)
			}
			quit, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				for watched {
					select {
					case <-quit:
						return
					default:
						ear.Spectrum()
						ear.Level()
					}
				}
			}()
			worst := time.Duration(0)
			for b.Loop() {
				began := time.Now()
				if _, err := ear.Listen(b.Context(), time.Unix(2, 0)); err != nil {
					b.Fatal(err)
				}
				worst = max(worst, time.Since(began))
				src.b.Start += int64(len(src.b.Samples))
				src.b.Time = src.b.Time.Add(100 * time.Millisecond)
			}
			close(quit)
			<-ended
			b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
		})
	}
}
