package sim_test

import (
	"testing"
	"time"

	"resetrig/pcm"
	"resetrig/sim"
)

// BenchmarkCycle is a reset of 90 s with its sound rendered at 16 kHz, read in
// steps of 100 ms, and a request each second; nobody detects.
func BenchmarkCycle(b *testing.B) {
	w, err := sim.New(sim.Options{Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	s, clock := w.Sound(), w.Clock()
	if err := s.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	emit := func(pcm.Block) {}
	b.ReportAllocs()
	began := clock.Now()
	for n := 0; b.Loop(); n++ {
		w.BeginCycle(n)
		wait := func(d time.Duration) {
			for end := clock.Now().Add(d); clock.Now().Before(end); {
				if err := s.Read(b.Context(), clock.Now().Add(100*time.Millisecond), emit); err != nil {
					b.Fatal(err)
				}
			}
		}
		for _, step := range []struct {
			relay string
			on    bool
			wait  time.Duration
		}{
			{"power", false, 10 * time.Second},
			{"reset", true, time.Second},
			{"power", true, 20 * time.Second},
			{"reset", false, 59 * time.Second},
		} {
			if err := w.Relays().Set(step.relay, step.on); err != nil {
				b.Fatal(err)
			}
			wait(step.wait)
		}
	}
	b.ReportMetric(clock.Now().Sub(began).Seconds()/b.Elapsed().Seconds(), "×real-time")
}
