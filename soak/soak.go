// Package soak runs a series of cycles and keeps its books: every started cycle
// ends in exactly one outcome, is committed before the next begins, and the
// first attempt's outcome is never overwritten.
//
// It knows the order of cycles and controls, when to wait and when to stop, and
// where a series that was interrupted goes on; it does not know how a cycle goes
// (rig) nor where a record lies (the Journal). The trap: a second source of
// truth. Where a soak stands is computed from the plan and the records alone, by
// the same code for one that runs and for one that is resumed; a retry never
// hides the first failure, and what a person allowed is seen from what ran.
package soak

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"resetrig/rig"
)

// Journal keeps what must not be lost. Both calls are durable when they return
// nil; after an error the series stops, with the relays safe.
type Journal interface {
	// Begin notes that a cycle starts, so that a cycle that the program dies in
	// is known, and names it.
	Begin(ctx context.Context, s Slot) (rig.CycleSpec, error)
	// Commit stores the record.
	Commit(ctx context.Context, r rig.Record) error
}

// Person is who can be asked what to do with a soak that runs or is held.
type Person interface {
	// Asked is what a person has asked for since the last call; it does not wait.
	Asked(ctx context.Context) (Wish, error)
}

// Wish is what a person wants of a soak.
type Wish string

// The wishes.
const (
	NoWish     Wish = ""
	WishGoOn   Wish = "go-on" // from a hold
	WishToHold Wish = "hold"  // before the next cycle
	WishEnd    Wish = "end"   // after this cycle
)

// Status is what a soak is about: for who watches.
type Status struct {
	Doing string    // cycle, pause, window, hold
	Until time.Time // for a wait
	Why   string
	Next  Slot // the cycle that begins or will begin
	Tally Tally
}

// Soak is a series on a bench. Past are the attempts that ended already, in
// their order: those of a series that is resumed; nil for a new one.
type Soak struct {
	Bench   *rig.Bench
	Plan    Plan
	Journal Journal
	Past    iter.Seq2[Done, error]
	Anyway  bool   // go on although a rule had ended it: a person has looked
	Person  Person // nil: nobody can be asked
	// Watch is told what the soak does, from its own goroutine; nil: nobody.
	Watch func(Status)

	books *Books
	began time.Time     // of this part, by the bench's clock
	had   time.Duration // elapsed before this part
	idle  time.Time     // the end of the last attempt, by the bench's clock
	held  bool          // by a wish, or by a fail
	ended bool          // by a wish
}

// ErrStopRule is wrapped by the error of a series that a rule stopped.
var ErrStopRule = errors.New("the soak was stopped by its own rule")

// ErrEnded is wrapped, beside ErrStopRule, by the error of a series that a person
// ended between two cycles.
var ErrEnded = errors.New("ended on request")

// ErrFinished is returned by a resumed series that has nothing left to do.
var ErrFinished = errors.New("the soak has ended already: nothing is left of its plan")

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

// Run arms the bench and runs what is left of the plan, one cycle after another.
// The error is that of Bench.Arm, of the journal, ErrFinished, or wraps
// ErrStopRule; outcomes are in the tally, those of Past included.
func (s *Soak) Run(ctx context.Context) (Tally, error) {
	var err error
	if s.books, err = NewBooks(&s.Plan); err != nil {
		return Tally{}, err
	}
	if err := s.Plan.Check(s.Bench); err != nil {
		return Tally{}, err
	}
	if s.Past != nil {
		for d, err := range s.Past {
			if err != nil {
				return s.books.Tally(), fmt.Errorf("read what was done before: %w", err)
			}
			s.books.Book(d)
		}
	}
	if err := s.mayGoOn(); err != nil {
		return s.tally(), err
	}
	s.had = s.books.Elapsed()
	err = s.Bench.Arm(ctx, s.series)
	return s.tally(), err
}

// mayGoOn asks the rules before a resumed series begins.
func (s *Soak) mayGoOn() error {
	over, finished, why := s.books.Ended()
	switch {
	case finished:
		return ErrFinished
	case over && !s.Anyway:
		s.books.tally.Stopped = why
		return fmt.Errorf("%w: %s", ErrStopRule, why)
	case over:
		s.books.Forgive()
	}
	return nil
}

func (s *Soak) tally() Tally { return s.books.Tally() }

func (s *Soak) series(ctx context.Context, a *rig.Armed) error {
	s.began = s.Bench.Clock.Now()
	s.idle = s.began
	for first := true; ctx.Err() == nil; first = false {
		if err := s.wait(ctx, first); err != nil {
			return err
		}
		if s.ended {
			s.books.tally.Stopped = ErrEnded.Error()
			return fmt.Errorf("%w: %w", ErrStopRule, ErrEnded)
		}
		rec, err := s.attempt(ctx, a)
		switch {
		case err != nil:
			return err
		case rec.Outcome == rig.Aborted:
			return context.Cause(ctx)
		case len(rec.Unsafe) > 0:
			s.books.tally.Stopped = "the safe state was not reached"
			return &rig.UnsafeError{Relays: rec.Unsafe, Err: errors.New(rec.Text)}
		}
		over, finished, why := s.books.Ended()
		if finished {
			return context.Cause(ctx)
		}
		if over {
			s.books.tally.Stopped = why
			return fmt.Errorf("%w: %s", ErrStopRule, why)
		}
	}
	return context.Cause(ctx)
}

// attempt runs and books one attempt.
func (s *Soak) attempt(ctx context.Context, a *rig.Armed) (rig.Record, error) {
	slot := s.books.Next()
	slot.Elapsed = s.had + s.Bench.Clock.Now().Sub(s.began)
	s.tell(Status{Doing: "cycle", Next: slot})
	spec, err := s.Journal.Begin(ctx, slot)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return rig.Record{}, cause
	}
	if err != nil {
		return rig.Record{}, fmt.Errorf("begin cycle %d: %w", slot.N, err)
	}
	spec.Idle = s.idle
	rec := s.Bench.Cycle(ctx, a, slot.Scenario, spec)
	s.idle = s.Bench.Clock.Now()
	s.books.Book(Done{
		N: slot.N, Attempt: slot.Attempt, Control: slot.Control, Outcome: rec.Outcome, Attribution: rec.Attribution,
		Reason: rec.Reason, Elapsed: slot.Elapsed, Took: rec.Took,
	})
	if err := s.Journal.Commit(context.WithoutCancel(ctx), rec); err != nil {
		return rec, &LostRecordError{Record: rec, Err: err}
	}
	return rec, nil
}

func (s *Soak) tell(st Status) {
	if s.Watch != nil {
		st.Tally = s.tally()
		s.Watch(st)
	}
}
