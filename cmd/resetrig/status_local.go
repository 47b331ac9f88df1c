package main

import (
	"context"
	"time"

	"resetrig/soak"
	"resetrig/web"
)

// localStatus is the state folder of this computer. It sees what is committed,
// of runs of any process, and nothing in between.
type localStatus struct {
	books webBooks
	state string
	runs  map[string]web.Run // the newest of each bench
}

const localRuns = 500 // the newest, in which a bench's last one is looked for

func (l *localStatus) name(context.Context) (string, error) {
	return "state folder " + l.state + ", resetrig " + version, nil
}

func (l *localStatus) moments(ctx context.Context) ([]web.Moment, error) {
	runs, err := l.books.Runs(ctx, web.RunFilter{Limit: localRuns})
	if err != nil {
		return nil, rigError(err)
	}
	l.runs = map[string]web.Run{}
	var ms []web.Moment
	for _, r := range runs { // the newest first; one that runs goes before one that began after it
		had, known := l.runs[r.Bench]
		if known && (had.State == "running" || r.State != "running") {
			continue
		}
		l.runs[r.Bench] = r
	}
	live := web.NewLive()
	for bench, r := range l.runs {
		b := live.Bench(bench)
		if r.State != "running" {
			continue
		}
		e := web.Elsewhere{Run: r.ID, Kind: r.Kind, Scenario: r.Scenario, Of: r.Planned, Tally: tallyOf(r)}
		cs, err := l.books.Cycles(ctx, web.CycleFilter{Run: r.ID, Limit: 1})
		if err != nil {
			return nil, rigError(err)
		}
		if len(cs) > 0 {
			e.CycleID, e.Cycle, e.Attempt, e.Control, e.Scenario = cs[0].ID, cs[0].Cycle, cs[0].Attempt, cs[0].Control, cs[0].Scenario
		}
		b.Follow(&e)
	}
	for _, m := range live.Moments() {
		if r := l.runs[m.Bench]; m.Run != "" {
			reckonLocal(&m, r, time.Now())
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// tallyOf is a run's books as the dashboard's tally has them: by first attempts.
func tallyOf(r web.Run) soak.Tally {
	o, c := r.First, r.Controls
	return soak.Tally{
		Cycles: o.All(), Attempts: o.All(), Pass: o.Pass, Proven: o.FailProven, Presumed: o.FailPresumed, Errors: o.Error, Aborted: o.Aborted,
		FirstPass: o.Pass, Doubted: o.Fail() + o.Error, Controls: c.All() - c.Aborted, ControlsHeld: c.Pass,
	}
}

// reckonLocal says when a run will end: at the pace that it had since it began,
// which is too slow where it was interrupted.
func reckonLocal(m *web.Moment, r web.Run, now time.Time) {
	if done := m.Tally.Cycles; done > 0 {
		m.PerCycle = now.Sub(r.Started) / time.Duration(done)
		if m.Of > 0 {
			m.ETA = now.Add(m.PerCycle * time.Duration(max(0, m.Of-m.Tally.Judged())))
		}
	}
}

func (l *localStatus) last(_ context.Context, bench string) (*web.Run, error) {
	if r, ok := l.runs[bench]; ok {
		return &r, nil
	}
	return nil, nil
}

func (l *localStatus) cycles(ctx context.Context, run string) ([]web.Cycle, error) {
	cs, err := l.books.Cycles(ctx, web.CycleFilter{Run: run, Limit: statusStrip})
	return cs, rigError(err)
}
