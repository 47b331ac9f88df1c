package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
)

// journal books the cycles of a run.
type journal struct {
	a        *app
	db       *store.Store
	run      store.Run
	plan     *soak.Plan
	evidence *keeper
	each     func(rig.Record)
	before   func(cycle, attempt int)
	begins   func(id string)
	mark     *marker
	wear     *wear
	tell     func(notice) (store.Message, bool)
	dir      string // of the cycle's evidence; "" keeps none
	pictures *pictures
	begun    bool // a cycle
}

// controlsApart keeps the draws of a control from those of the cycle with the
// same number.
const controlsApart = attemptsApart / 2

func (j *journal) Begin(ctx context.Context, s soak.Slot) (rig.CycleSpec, error) {
	if !j.begun {
		j.begun = true
		j.pictures.missed(ctx, j.run.ID)
	}
	j.pictures.draw(ctx) // those of the cycle before; a stop leaves them for the end
	mark, draws := "", s.N
	if s.Control {
		mark, draws = "c", s.N+controlsApart
	}
	j.before(draws, s.Attempt)
	id := fmt.Sprintf("%s-%s%04d", j.run.ID, mark, s.N)
	if s.Attempt > 1 {
		id += fmt.Sprintf("r%d", s.Attempt)
	}
	c := rig.CycleSpec{ID: id, Run: j.run.ID, Cycle: s.N, Attempt: s.Attempt, Version: version}
	err := j.db.BeginCycle(ctx, store.Cycle{
		ID: id, Run: j.run.ID, N: s.N, Attempt: s.Attempt,
		Control: s.Scenario.Control, Scenario: s.Scenario.Name, Started: time.Now(), Elapsed: s.Elapsed,
	})
	if err != nil {
		return c, err
	}
	j.mark.begin(id)
	if j.begins != nil {
		j.begins(id)
	}
	j.dir = ""
	folder, pass := j.evidence.begin(ctx, s.Scenario)
	if !folder {
		return c, nil
	}
	if j.dir, err = j.db.CycleDir(id); err != nil {
		return c, err
	}
	c.Dir, c.KeepPass = j.dir, pass
	return c, nil
}

// needsDir reports whether a step of the scenario leaves an artifact.
func needsDir(sc *rig.Scenario) bool {
	for _, phase := range [][]rig.Step{sc.Arrange, sc.Act, sc.Assert} {
		for _, s := range phase {
			if _, ok := s.(rig.Exec); ok {
				return true
			}
		}
	}
	return false
}

func (j *journal) Commit(ctx context.Context, r rig.Record) error {
	j.mark.end()
	ctx = context.WithoutCancel(ctx) // a cycle that was stopped has evidence too
	var err error
	if j.dir != "" && len(r.Artifacts) > 0 {
		r.Hashes, err = j.db.Hash(r.ID, r.Artifacts)
	}
	j.evidence.remark(&r, err)
	picture := j.pictures.of(r)
	if picture != "" {
		r.Artifacts = append(slices.Clip(r.Artifacts), picture)
	}
	if err := j.db.Commit(ctx, r, j.notices(r)...); err != nil {
		return err
	}
	j.wear.booked(r.Operations)
	j.a.remarkWear(j.wear)
	if j.dir != "" {
		if err := j.db.Settle(ctx, r.ID); err != nil { // the next program goes on with it
			fmt.Fprintf(j.a.err, "resetrig: %v\n", err)
		}
		j.dir = ""
	}
	if picture != "" {
		j.pictures.later(r)
	}
	j.evidence.committed(ctx, r)
	if j.each != nil {
		j.each(r)
	}
	return nil
}

// notices are what the outside is told of a record.
func (j *journal) notices(r rig.Record) []store.Message {
	event := map[rig.Outcome]string{rig.Fail: "fail", rig.Error: "error"}[r.Outcome]
	if event == "" || j.run.Kind != store.KindSoak || event == "error" && r.Attempt <= j.plan.Retries && r.Reason != rig.ReasonControl {
		return nil // nothing, or it is tried again
	}
	if m, ok := j.tell(notice{Event: event, Cycle: r.ID, Outcome: r.Outcome, Attribution: r.Attribution, Reason: r.Reason, Text: r.Text}); ok {
		return []store.Message{m}
	}
	return nil
}

// watch passes on what the soak does, and posts that it holds.
func (j *journal) watch(next func(soak.Status)) func(soak.Status) {
	return func(s soak.Status) {
		if s.Doing == "hold" {
			text := "the soak is held: " + s.Why
			if !s.Until.IsZero() {
				text += ", until " + s.Until.Local().Format("2006-01-02 15:04")
			}
			fmt.Fprintf(j.a.err, "resetrig: %s; `resetrig soak go-on %s` lets it go on, `resetrig soak end %s` ends it\n", text, j.run.ID, j.run.ID)
			if m, ok := j.tell(notice{Event: "hold", Text: text, Tally: &s.Tally}); ok {
				if err := j.db.Post(context.Background(), m); err != nil {
					j.a.log.Error("post the hold", "err", err)
				}
			}
		}
		if next != nil {
			next(s)
		}
	}
}

// observers are told every event, one after the other.
type observers []rig.Observer

func (o observers) Observe(e rig.Event) {
	for _, one := range o {
		if one != nil {
			one.Observe(e)
		}
	}
}

// marker notes in the store where a running cycle has come to, so that it is
// known of one that dies with the program. It never makes the cycle wait: what
// it could not write in time is overtaken by what came next.
type marker struct {
	db    *store.Store
	mu    sync.Mutex
	more  *sync.Cond
	cycle string
	phase string
	ops   map[string]int
	dirty bool
	quit  bool
	ended chan struct{}
}

// marksApart is the least time between two marks: a simulated cycle comes to
// nothing worth a sync of the disk within it.
const marksApart = 20 * time.Millisecond

func newMarker(db *store.Store) *marker {
	m := &marker{db: db, ended: make(chan struct{})}
	m.more = sync.NewCond(&m.mu)
	go func() {
		defer close(m.ended)
		_ = rig.Guarded(func() error { m.run(); return nil }) // a mark that is lost costs no result
	}()
	return m
}

func (m *marker) begin(cycle string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cycle, m.phase, m.ops, m.dirty = cycle, "", map[string]int{}, false
}

// end stops marking the cycle: its record has everything.
func (m *marker) end() { m.begin("") }

// Observe takes in where the cycle is. It does not wait.
func (m *marker) Observe(e rig.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e.Kind {
	case "phase":
		m.phase = e.Name
	case "relay":
		m.ops[e.Name]++
	default:
		return
	}
	m.dirty = m.cycle != ""
	m.more.Signal()
}

func (m *marker) run() {
	for {
		m.mu.Lock()
		for !m.dirty && !m.quit {
			m.more.Wait()
		}
		if m.quit {
			m.mu.Unlock()
			return
		}
		cycle, phase := m.cycle, m.phase
		ops := make(map[string]int, len(m.ops))
		for k, n := range m.ops {
			ops[k] = n
		}
		m.dirty = false
		m.mu.Unlock()
		if err := m.db.Mark(context.Background(), cycle, phase, ops); errors.Is(err, store.ErrFull) {
			return // the commit will say so
		}
		time.Sleep(marksApart)
	}
}

// close ends the marking and waits.
func (m *marker) close() {
	m.mu.Lock()
	m.quit = true
	m.more.Signal()
	m.mu.Unlock()
	<-m.ended
}
