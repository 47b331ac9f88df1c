package web

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"resetrig/rig"
)

// follower goes after the records as they are committed, of this process and of
// others, and puts their measurements into histograms. A record is read once, by
// its number; what was committed before the process began is not read at all.
type follower struct {
	ledger   Ledger
	measures Measures
	books    Books

	mu    sync.Mutex
	begun bool
	after int64
	when  map[string]map[rig.Outcome]time.Time // by bench: the ends of its last cycles

	measured map[string]*prometheus.HistogramVec
	cycle    *prometheus.HistogramVec
	lost     *prometheus.CounterVec
}

const (
	followBatch = 500
	followMost  = 40 // batches in one scrape; the next one goes on
)

func newFollower(r Rig) *follower {
	f := &follower{ledger: r.Ledger, measures: r.Measures, books: r.Books, when: map[string]map[rig.Outcome]time.Time{}}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "resetrig", Name: name, Help: help + " Since the process began, controls left out.", Buckets: buckets}, []string{"bench"})
	}
	f.measured = map[string]*prometheus.HistogramVec{
		"press_duration": histogram("press_duration_seconds", "How long the reset pins were shorted.", []float64{1, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60}),
		"beep_duration":  histogram("beep_duration_seconds", "Length of the long beep.", []float64{.25, .5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15}),
		"beep_frequency": histogram("beep_frequency_hertz", "Frequency of the long beep.", prometheus.LinearBuckets(1600, 200, 16)),
		"beep_snr":       histogram("beep_snr_decibels", "The long beep over the noise of a 24 kHz band.", prometheus.LinearBuckets(-10, 5, 13)),
		"restart_time":   histogram("restart_time_seconds", "From the release until the DUT could be worked with.", []float64{10, 20, 30, 40, 50, 60, 75, 90, 120, 150, 180, 240, 300, 600}),
		"rig_overhead":   histogram("rig_overhead_seconds", "What a cycle cost beside the DUT's time and the planned waits.", []float64{.005, .01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5}),
	}
	f.cycle = histogram("cycle_duration_seconds", "How long an attempt took, by the bench's clock.", []float64{10, 30, 60, 90, 120, 150, 180, 240, 300, 420, 600, 900, 1800})
	f.lost = prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "resetrig", Name: "ear_lost_seconds_total", Help: "Sound that the microphone lost, by overflows and dropouts. Since the process began."}, []string{"bench"})
	return f
}

func (f *follower) collectors() []prometheus.Collector {
	all := []prometheus.Collector{f.cycle, f.lost}
	for _, name := range slices.Sorted(maps.Keys(f.measured)) {
		all = append(all, f.measured[name])
	}
	return all
}

// begin notes where the books stand.
func (f *follower) begin(ctx context.Context) error {
	if f.begun || f.ledger == nil {
		return nil
	}
	last, err := f.ledger.Last(ctx)
	if err != nil {
		return err
	}
	f.after, f.begun = last, true
	return nil
}

// on takes in what was committed since.
func (f *follower) on(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ledger == nil {
		return nil
	}
	if err := f.begin(ctx); err != nil {
		return err
	}
	for range followMost {
		cs, err := f.ledger.Since(ctx, f.after, followBatch)
		if err != nil {
			return err
		}
		if len(cs) == 0 {
			return nil
		}
		var ms []Measured
		if f.measures != nil {
			if ms, err = f.measures.MeasuredSince(ctx, f.after, followBatch); err != nil {
				return err
			}
		}
		f.take(cs, ms)
		f.after = cs[len(cs)-1].Seq
	}
	return nil
}

func (f *follower) take(cs []Cycle, ms []Measured) {
	benches := map[int64]string{}
	for _, c := range cs {
		f.ended(c)
		if c.Control {
			continue
		}
		bench := clean(c.Bench, nameMost)
		if _, known := f.when[c.Bench]; !known {
			continue // too many
		}
		benches[c.Seq] = bench
		f.cycle.WithLabelValues(bench).Observe(c.Took.Seconds())
		f.lost.WithLabelValues(bench).Add(0)
	}
	for _, m := range ms {
		bench, ok := benches[m.Seq] // one that was committed in between waits for its cycle
		if !ok {
			continue
		}
		if h, ok := f.measured[m.Name]; ok {
			h.WithLabelValues(bench).Observe(m.Value)
		}
		if m.Name == "audio_lost" { // in ms
			f.lost.WithLabelValues(bench).Add(max(0, m.Value) / 1000)
		}
	}
}

// ended keeps when a bench's last cycle of an outcome ended. A simulated bench's
// clock runs ahead of the wall's.
func (f *follower) ended(c Cycle) {
	ends, known := f.when[c.Bench]
	if !known {
		if len(f.when) >= benchesMost {
			return
		}
		ends = map[rig.Outcome]time.Time{}
		f.when[c.Bench] = ends
	}
	at := c.Started.Add(c.Took)
	if now := time.Now(); at.After(now) {
		at = now
	}
	if !c.Control && at.After(ends[c.Outcome]) {
		ends[c.Outcome] = at
	}
}

// times are those of each bench's last cycles.
func (f *follower) times() map[string]map[rig.Outcome]time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]map[rig.Outcome]time.Time{}
	for b, ends := range f.when {
		out[b] = maps.Clone(ends)
	}
	return out
}

// benches are those that are known here.
func (f *follower) benches() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.when))
}

// before looks up the last cycles of the benches that were committed before the
// process began.
func (f *follower) before(ctx context.Context, benches []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.books == nil {
		return nil
	}
	for _, b := range benches {
		if _, known := f.when[b]; known || len(f.when) >= benchesMost {
			continue
		}
		var all []Cycle
		for _, o := range []rig.Outcome{rig.Pass, rig.Fail, rig.Error, rig.Aborted} {
			cs, err := f.books.Cycles(ctx, CycleFilter{Bench: b, Outcomes: []rig.Outcome{o}, Limit: 20}) // controls among them
			if err != nil {
				return err
			}
			all = append(all, cs...)
		}
		f.when[b] = map[rig.Outcome]time.Time{}
		for _, c := range all {
			f.ended(c)
		}
	}
	return nil
}
