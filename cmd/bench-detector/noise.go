package main

import (
	"fmt"
	"math"

	"resetrig/audio"
	"resetrig/pcm/corpus"
)

const tailTop = 120

// tail counts how often noise reached a statistic.
type tail struct {
	hours float64
	count [tailTop]int // of those at or above
	long  int
	short int
}

func (t *tail) add(statistic float64) {
	for k := range min(int(statistic)+1, tailTop) {
		t.count[k]++
	}
}

// noise listens to every kind of noise for some hours.
func (b *bench) noise() error {
	b.title(fmt.Sprintf("False alarms: %g h of every kind of noise", b.hours))
	b.line("White noise decides the threshold. Its rate is an **extrapolation** of the measured tail to the threshold; the bound is what the simulated time alone shows with 95 %% confidence (3 over the time when none was seen).")
	b.line("")
	b.line("| noise | profile | long | short | statistic ≥ 16 | ≥ 20 | ≥ 24 | ≥ 28 | threshold | extrapolated: one in | bound: one in |")
	b.line("|---|---|---|---|---|---|---|---|---|---|---|")
	for _, kind := range corpus.Noises() {
		for k, p := range []audio.Profile{{}, {FrequencyHz: corpus.FrequencyHz}} {
			t, err := b.listenTo(kind, uint64(k), p)
			if err != nil {
				return err
			}
			name, band := "none", 4800.0
			if k == 1 {
				name, band = "±2.5 %", 0.05*corpus.FrequencyHz
			}
			threshold := audio.StatisticFor(band)
			b.line("| %s | %s | %d | %d | %d | %d | %d | %d | %.1f | %s | %.1f d |", kind, name, t.long, t.short, t.count[16], t.count[20], t.count[24], t.count[28],
				threshold, t.extrapolate(threshold), t.hours/24/bound(t.long))
			fmt.Fprintf(b.progress, "  %s, %s\n", kind, name)
		}
	}
	b.line("")
	b.line("Wanted: one in 30 days in white noise.")
	return nil
}

func (b *bench) listenTo(kind string, seed uint64, p audio.Profile) (*tail, error) {
	d, err := audio.NewDetector(rate, p)
	if err != nil {
		return nil, err
	}
	source := corpus.Noise(kind, 1000+seed)
	t := &tail{hours: b.hours}
	long := map[int]bool{}
	emit := func(e audio.Event) {
		switch {
		case e.Long && !long[e.ID]:
			long[e.ID] = true
			t.long++
			t.add(e.Statistic)
		case !e.Long:
			t.short++
		}
	}
	buf := make([]float32, 3200)
	for range int(b.hours * 3600 * rate / float64(len(buf))) {
		source(buf)
		d.Process(buf, emit)
		for _, r := range d.Refused() {
			if r.Reason == audio.TooWeak && r.Statistic > 0 {
				t.add(r.Statistic)
			}
		}
	}
	return t, nil
}

// extrapolate fits a straight line to the logarithm of the tail and follows it
// to the threshold.
func (t *tail) extrapolate(threshold float64) string {
	// From where it has a few hundred counts to where it has ten.
	lo := 16
	hi := lo
	for hi+1 < tailTop && t.count[hi+1] >= 10 {
		hi++
	}
	if hi-lo < 3 {
		return "too few to tell"
	}
	lo = max(lo, hi-5)
	slope := (math.Log(float64(t.count[hi])) - math.Log(float64(t.count[lo]))) / float64(hi-lo)
	perHour := float64(t.count[hi]) / t.hours * math.Exp(slope*(threshold-float64(hi)))
	return fmt.Sprintf("%.0f d (tail e^%.2f·x from %d to %d)", 1/perHour/24, slope, lo, hi)
}

// bound is the most events that a count makes likely, with 95 % confidence.
func bound(n int) float64 {
	// Poisson: 0 → 3.0, 1 → 4.7, 2 → 6.3, …; the normal one for many.
	small := []float64{3.0, 4.74, 6.30, 7.75, 9.15, 10.51}
	if n < len(small) {
		return small[n]
	}
	return float64(n) + 1.645*math.Sqrt(float64(n)) + 2
}
