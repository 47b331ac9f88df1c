// Package soak runs a series of cycles and keeps its books: every started cycle
// ends in exactly one outcome, is committed before the next begins, and the
// first attempt's outcome is never overwritten.
//
// It knows the order of cycles and when to stop; it does not know how a cycle
// goes (rig) nor where a record lies (the Journal). The trap: a retry that
// hides the first failure. Retries exist for errors only, and each is a record
// of its own.
package soak

import (
	"context"
	"errors"
	"fmt"

	"resetrig/rig"
)

// Plan is a series: how many cycles, and what ends it early. A zero rule never
// holds.
type Plan struct {
	Cycles          int
	StopAfterFails  int // this many fails in a row
	StopAfterErrors int // this many errors in a row
	Retries         int // further attempts of a cycle that ended in an error
}

// Journal keeps what must not be lost. Both calls are durable when they return
// nil; after an error the series stops, with the relays safe.
type Journal interface {
	// Begin notes that a cycle starts, so that a cycle that the program dies in
	// is known, and names it.
	Begin(ctx context.Context, cycle, attempt int) (rig.CycleSpec, error)
	// Commit stores the record.
	Commit(ctx context.Context, r rig.Record) error
}

// Tally counts cycles by their last attempt's outcome, and first attempts.
type Tally struct {
	Cycles   int // that began and ended
	Attempts int
	Pass     int
	Proven   int // fails whose rig side was verified
	Presumed int
	Errors   int
	Aborted  int
	// FirstPass is the number of cycles whose first attempt passed.
	FirstPass int
	// Stopped says why the series ended before its last cycle.
	Stopped string
}

// Fails is the number of cycles that failed.
func (t Tally) Fails() int { return t.Proven + t.Presumed }

// ErrStopRule is wrapped by the error of a series that a rule stopped.
var ErrStopRule = errors.New("the soak was stopped by its own rule")

// LostRecordError carries a record that could not be committed, so that whoever
// called can still save it.
type LostRecordError struct {
	Record rig.Record
	Err    error
}

func (e *LostRecordError) Error() string {
	return fmt.Sprintf("the record of cycle %d could not be stored: %v", e.Record.Cycle, e.Err)
}

func (e *LostRecordError) Unwrap() error { return e.Err }

// Run arms the bench and runs the plan's cycles one after another. before is
// called ahead of each attempt, and may be nil. The error is that of Bench.Arm,
// of the journal, or wraps ErrStopRule; outcomes are in the tally.
func Run(ctx context.Context, b *rig.Bench, sc *rig.Scenario, p Plan, j Journal, before func(cycle, attempt int)) (Tally, error) {
	var t Tally
	if err := b.Plan(sc, p.Cycles); err != nil {
		return t, err
	}
	err := b.Arm(ctx, func(ctx context.Context, a *rig.Armed) error {
		return series(ctx, b, a, sc, p, j, before, &t)
	})
	return t, err
}

func series(ctx context.Context, b *rig.Bench, a *rig.Armed, sc *rig.Scenario, p Plan, j Journal, before func(int, int), t *Tally) error {
	fails, errs := 0, 0
	for n := 1; n <= p.Cycles && ctx.Err() == nil; n++ {
		rec, err := attempts(ctx, b, a, sc, p, j, n, before, t)
		if rec.Outcome == "" {
			return err // it did not begin
		}
		t.Cycles++
		switch rec.Outcome {
		case rig.Pass:
			t.Pass++
			fails, errs = 0, 0
		case rig.Fail:
			if rec.Attribution == rig.Proven {
				t.Proven++
			} else {
				t.Presumed++
			}
			fails, errs = fails+1, 0
		case rig.Error:
			t.Errors++
			errs++
		case rig.Aborted:
			t.Aborted++
			return errors.Join(err, context.Cause(ctx))
		}
		if err != nil {
			return err
		}
		switch {
		case len(rec.Unsafe) > 0:
			t.Stopped = "the safe state was not reached"
			return &rig.UnsafeError{Relays: rec.Unsafe, Err: errors.New(rec.Text)}
		case p.StopAfterFails > 0 && fails >= p.StopAfterFails:
			t.Stopped = fmt.Sprintf("%d fails in a row", fails)
		case p.StopAfterErrors > 0 && errs >= p.StopAfterErrors:
			t.Stopped = fmt.Sprintf("%d errors in a row", errs)
		default:
			continue
		}
		if n < p.Cycles {
			return fmt.Errorf("%w: %s", ErrStopRule, t.Stopped)
		}
		t.Stopped = ""
	}
	return context.Cause(ctx)
}

// attempts runs one cycle until an attempt is no error, or none is left. Every
// attempt is committed; the last one's record is returned.
func attempts(ctx context.Context, b *rig.Bench, a *rig.Armed, sc *rig.Scenario, p Plan, j Journal, n int, before func(int, int), t *Tally) (rig.Record, error) {
	for try := 1; ; try++ {
		if before != nil {
			before(n, try)
		}
		spec, err := j.Begin(ctx, n, try)
		if cause := context.Cause(ctx); err != nil && cause != nil {
			return rig.Record{}, cause
		}
		if err != nil {
			return rig.Record{}, fmt.Errorf("begin cycle %d: %w", n, err)
		}
		t.Attempts++
		rec := b.Cycle(ctx, a, sc, spec)
		if err := j.Commit(context.WithoutCancel(ctx), rec); err != nil {
			return rec, &LostRecordError{Record: rec, Err: err}
		}
		if try == 1 && rec.Outcome == rig.Pass {
			t.FirstPass++
		}
		if rec.Outcome != rig.Error || try > p.Retries || len(rec.Unsafe) > 0 || ctx.Err() != nil {
			return rec, nil
		}
	}
}
