package main

import (
	"context"
	"maps"
	"time"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
	"resetrig/web"
)

// followApart is the time between two looks for what other processes run.
const followApart = time.Second

// follower shows the runs of other processes that share the results: which cycle
// they are in, and the phase that it has come to.
type follower struct {
	f     *floor
	seen  map[string]string // run → its newest cycle, as it was counted
	had   map[string]web.Elsewhere
	shown map[string]bool // benches
}

// follow looks until ctx ends.
func (f *floor) follow(ctx context.Context) {
	l := follower{f: f, seen: map[string]string{}, had: map[string]web.Elsewhere{}, shown: map[string]bool{}}
	tick := time.NewTicker(followApart)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := rig.Guarded(func() error { return l.look(ctx) }); err != nil && ctx.Err() == nil {
			f.a.log.Warn("the dashboard: look for runs of other processes", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (l *follower) look(ctx context.Context) error {
	running, err := l.f.db.Running(ctx)
	if err != nil {
		return err
	}
	now, alive := map[string]bool{}, map[string]bool{}
	for _, r := range running {
		alive[r.ID] = true
	}
	maps.DeleteFunc(l.had, func(run string, _ web.Elsewhere) bool { return !alive[run] })
	maps.DeleteFunc(l.seen, func(run, _ string) bool { return !alive[run] })
	for _, r := range running { // the newest first
		if now[r.Bench] || l.f.on(r.Bench) != nil {
			continue
		}
		e, err := l.run(ctx, r)
		if err != nil {
			return err
		}
		now[r.Bench] = true
		l.f.live.Bench(r.Bench).Follow(&e)
	}
	for bench := range l.shown {
		if !now[bench] {
			l.f.live.Bench(bench).Follow(nil)
		}
	}
	l.shown = now
	return nil
}

// run is one of them. It is counted anew when its newest cycle is another, or has
// ended.
func (l *follower) run(ctx context.Context, r store.Summary) (web.Elsewhere, error) {
	cs, err := l.f.db.Cycles(ctx, store.Filter{Run: r.ID, Limit: 1})
	if err != nil {
		return web.Elsewhere{}, err
	}
	e := web.Elsewhere{Run: r.ID, Kind: r.Kind, Scenario: r.Scenario, Of: r.Planned}
	state := "none"
	if len(cs) > 0 {
		c := cs[0]
		e.CycleID, e.Cycle, e.Attempt, e.Control, e.Scenario = c.ID, c.Cycle, c.Attempt, c.Control, c.Scenario
		if c.Outcome == "" {
			e.Phase = c.Phase
		}
		state = c.ID + " " + string(c.Outcome)
	}
	if had, ok := l.had[r.ID]; ok && l.seen[r.ID] == state {
		e.Tally, e.Strip = had.Tally, had.Strip
		return e, nil
	}
	n, err := l.f.db.Counts(ctx, r.ID)
	if err != nil {
		return e, err
	}
	t := n.First
	e.Tally = soak.Tally{
		Cycles: t.All(), Attempts: t.All() + n.Retries.All(), Pass: t.Pass, Proven: t.FailProven, Presumed: t.FailPresumed, Errors: t.Error, Aborted: t.Aborted,
		FirstPass: t.Pass, Controls: n.Controls.All() - n.Controls.Aborted, ControlsHeld: n.Controls.Pass,
	}
	e.Strip = lastMarks(ctx, l.f.db, r.ID)
	l.had[r.ID], l.seen[r.ID] = e, state
	return e, nil
}
