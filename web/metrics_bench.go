package web

import (
	"context"
	"slices"
)

// benchNames are the benches that have metrics: those that this rig serves, and
// those that something is told of live.
func (s *Server) benchNames(ctx context.Context) ([]string, error) {
	var names []string
	for _, m := range s.rig.Live.Moments() {
		names = append(names, m.Bench)
	}
	if s.rig.Benches != nil {
		all, err := s.rig.Benches.Benches(ctx)
		if err != nil {
			return nil, err
		}
		for _, b := range all {
			names = append(names, b.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), benchesMost)], nil
}

// benches are wiring and health.
func (m *metrics) benches(ctx context.Context, k *gauges) error {
	if m.s.rig.Benches == nil {
		return nil
	}
	all, err := m.s.rig.Benches.Benches(ctx)
	if err != nil {
		return err
	}
	for _, b := range all[:min(len(all), benchesMost)] {
		for _, r := range b.Relays {
			if r.Rated > 0 {
				k.set(metricDescs.rated, float64(r.Rated), b.Name, r.Name)
			}
		}
		if l := b.Lockout; l != nil {
			k.set(metricDescs.refused, float64(l.Refused), b.Name)
			k.set(metricDescs.budget, float64(l.Budget), b.Name)
		}
		if e := b.Ear; e != nil && e.Calibrated {
			k.at(metricDescs.calibrated, e.Learned, b.Name)
			if e.NoiseDBFS != 0 {
				k.set(metricDescs.noise, e.NoiseDBFS, b.Name)
			}
		}
		for _, level := range []string{"ok", "warn", "bad"} {
			n := 0
			for _, f := range b.Findings {
				if f.Level == level {
					n++
				}
			}
			k.set(metricDescs.findings, float64(n), b.Name, level)
		}
	}
	return nil
}

// The state sets' words.
var (
	doings = []string{Idle, Cycles, "pause", "window", "hold"}
	phases = []string{"health", "arrange", "act", "assert"}
)

// live is what the benches of this process do now.
func (m *metrics) live(_ context.Context, k *gauges) error {
	all := m.s.rig.Live.Moments()
	for _, b := range all[:min(len(all), benchesMost)] {
		for _, d := range doings {
			k.set(metricDescs.doing, one(b.Doing == d), b.Bench, d)
		}
		for _, p := range phases {
			k.set(metricDescs.phase, one(b.Phase == p), b.Bench, p)
		}
		for _, r := range b.Relays {
			on := r.Read
			if on == nil {
				on = r.Commanded
			}
			if on != nil {
				k.set(metricDescs.relayOn, one(*on), b.Bench, r.Name)
			}
		}
		if b.Run == "" {
			continue
		}
		k.at(metricDescs.lastEvent, b.EventAt, b.Bench)
		k.at(metricDescs.eta, b.ETA, b.Bench)
		k.set(metricDescs.cycle, float64(b.Cycle), b.Bench)
		k.set(metricDescs.planned, float64(b.Of), b.Bench)
		if r := b.Rate; r != nil {
			k.set(metricDescs.passRatio, r.Rate, b.Bench)
			k.set(metricDescs.passLow, r.Low, b.Bench)
		}
		var said []string
		for _, f := range b.Findings {
			if !slices.Contains(said, f.Name) {
				said = append(said, f.Name)
				k.set(metricDescs.earSays, 1, b.Bench, f.Name)
			}
		}
	}
	return nil
}
