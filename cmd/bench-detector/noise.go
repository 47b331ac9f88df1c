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
	for _, kind := range b.kinds {
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

// extrapolate fits an exponential to the tail, by the mean excess over its
// beginning, and follows it to the threshold.
func (t *tail) extrapolate(threshold float64) string {
	from := 16
	for from+1 < tailTop && t.count[from+1] >= 150 {
		from++
	}
	if t.count[from] < 20 {
		return "too few to tell"
	}
	excess := 0
	for _, n := range t.count[from+1:] {
		excess += n
	}
	s := float64(excess) / float64(t.count[from])
	slope := math.Log(s / (1 + s))
	perDay := 24 * float64(t.count[from]) / t.hours * math.Exp(slope*(threshold-float64(from)))
	return fmt.Sprintf("%.2g d (%d from %d on, e^%.2f·x)", 1/perDay, t.count[from], from, slope)
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
