package soak_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"resetrig/rig"
	"resetrig/soak"
)

// relays remembers what it was told.
type relays map[string]bool

func (r relays) Set(name string, on bool) error { r[name] = on; return nil }
func (r relays) Read(name string) (bool, error) { return r[name], nil }

// fate is what each attempt ends in, a letter each: p pass, f fail, e error. The
// last one repeats.
type fate struct {
	attempts string
	n        int
}

func (f *fate) before(int, int) { f.n++ }

func (f *fate) now() byte { return f.attempts[min(f.n, len(f.attempts))-1] }

// Probe is silent where the attempt is to fail, and another unit where it is an
// error.
func (f *fate) Probe(context.Context) (rig.Sight, error) {
	switch f.now() {
	case 'e':
		return rig.Sight{}, rig.ErrWrongUnit
	case 'f':
		return rig.Sight{}, nil
	}
	return rig.Sight{Reach: rig.ReachReady}, nil
}

// book is a journal that keeps what it is told, and fails where it is told.
type book struct {
	begun, committed []string
	failBegin        int // at which call; 0 never
	failCommit       int
}

var errFull = errors.New("the disk is full")

func (b *book) Begin(_ context.Context, cycle, attempt int) (rig.CycleSpec, error) {
	if b.failBegin--; b.failBegin == 0 {
		return rig.CycleSpec{}, errFull
	}
	id := fmt.Sprintf("%d.%d", cycle, attempt)
	b.begun = append(b.begun, id)
	return rig.CycleSpec{ID: id, Cycle: cycle, Attempt: attempt}, nil
}

func (b *book) Commit(_ context.Context, r rig.Record) error {
	if b.failCommit--; b.failCommit == 0 {
		return errFull
	}
	if len(b.committed) != len(b.begun)-1 {
		return errors.New("a cycle began before the last one was committed")
	}
	b.committed = append(b.committed, fmt.Sprintf("%s %s", r.ID, r.Outcome))
	return nil
}

var probing = &rig.Scenario{Name: "probing", Assert: []rig.Step{rig.Restarted{Within: 10 * time.Second, Since: rig.Latest}}}

func run(t *testing.T, attempts string, p soak.Plan, b *book, change func(*rig.Bench)) (soak.Tally, error) {
	t.Helper()
	var tally soak.Tally
	var err error
	synctest.Test(t, func(t *testing.T) {
		f := &fate{attempts: attempts}
		bench := &rig.Bench{
			Name: "test", Clock: rig.System(), Relays: relays{},
			Specs: []rig.RelaySpec{{Name: "reset", Role: rig.RolePress, MaxOn: time.Minute}},
			DUT:   rig.DUT{Prober: f},
		}
		if change != nil {
			change(bench)
		}
		tally, err = soak.Run(t.Context(), bench, probing, p, b, f.before)
	})
	return tally, err
}

func TestSeries(t *testing.T) {
	for _, c := range []struct {
		name, attempts string
		plan           soak.Plan
		book           book
		committed      string
		want           soak.Tally
		err            error
	}{
		{"all pass", "p", soak.Plan{Cycles: 3}, book{}, "1.1 pass, 2.1 pass, 3.1 pass",
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 3, FirstPass: 3}, nil},
		{"a fail is not tried again", "pfp", soak.Plan{Cycles: 3, Retries: 2, StopAfterFails: 2}, book{}, "1.1 pass, 2.1 fail, 3.1 pass",
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 2, Presumed: 1, FirstPass: 2}, nil},
		{"an error is, and its first attempt is kept", "peep", soak.Plan{Cycles: 2, Retries: 2}, book{}, "1.1 pass, 2.1 error, 2.2 error, 2.3 pass",
			soak.Tally{Cycles: 2, Attempts: 4, Pass: 2, FirstPass: 1}, nil},
		{"fails in a row stop it", "pff", soak.Plan{Cycles: 9, StopAfterFails: 2}, book{}, "1.1 pass, 2.1 fail, 3.1 fail",
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 1, Presumed: 2, FirstPass: 1, Stopped: "2 fails in a row"}, soak.ErrStopRule},
		{"errors between fails do not break a row of fails", "fef", soak.Plan{Cycles: 9, StopAfterFails: 2}, book{}, "1.1 fail, 2.1 error, 3.1 fail",
			soak.Tally{Cycles: 3, Attempts: 3, Presumed: 2, Errors: 1, Stopped: "2 fails in a row"}, soak.ErrStopRule},
		{"errors in a row stop it", "e", soak.Plan{Cycles: 9, StopAfterErrors: 2}, book{}, "1.1 error, 2.1 error",
			soak.Tally{Cycles: 2, Attempts: 2, Errors: 2, Stopped: "2 errors in a row"}, soak.ErrStopRule},
		{"a rule at the last cycle stops nothing", "ff", soak.Plan{Cycles: 2, StopAfterFails: 2}, book{}, "1.1 fail, 2.1 fail",
			soak.Tally{Cycles: 2, Attempts: 2, Presumed: 2}, nil},
		{"a cycle that cannot be begun", "p", soak.Plan{Cycles: 3}, book{failBegin: 2}, "1.1 pass",
			soak.Tally{Cycles: 1, Attempts: 1, Pass: 1, FirstPass: 1}, errFull},
		{"a record that cannot be stored is counted, and comes with the error", "pf", soak.Plan{Cycles: 3}, book{failCommit: 2}, "1.1 pass",
			soak.Tally{Cycles: 2, Attempts: 2, Pass: 1, Presumed: 1, FirstPass: 1}, errFull},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := run(t, c.attempts, c.plan, &c.book, nil)
			if got != c.want {
				t.Errorf("tally %+v, want %+v", got, c.want)
			}
			if !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if s := strings.Join(c.book.committed, ", "); s != c.committed {
				t.Errorf("committed %s, want %s", s, c.committed)
			}
			if sum := got.Pass + got.Fails() + got.Errors + got.Aborted; sum != got.Cycles {
				t.Errorf("the outcomes add up to %d, and %d cycles ended", sum, got.Cycles)
			}
			var lost *soak.LostRecordError
			if c.book.failCommit == 0 && c.name[0] == 'a' && errors.As(err, &lost) && lost.Record.Outcome != rig.Fail {
				t.Errorf("the lost record is %+v", lost.Record)
			}
		})
	}
}

// A stop between two cycles is a stop, and not an error of the store.
func TestStopBetweenCycles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fate{attempts: "p"}
		bench := &rig.Bench{Name: "test", Clock: rig.System(), Relays: relays{}, DUT: rig.DUT{Prober: f}}
		ctx, stop := context.WithCancelCause(t.Context())
		b := &stopping{stop: stop}
		got, err := soak.Run(ctx, bench, probing, soak.Plan{Cycles: 5}, b, f.before)
		if !errors.Is(err, rig.ErrStop) {
			t.Errorf("error %v, want the stop", err)
		}
		if got.Cycles != 1 || got.Pass != 1 {
			t.Errorf("tally %+v", got)
		}
	})
}

// stopping is a journal whose first commit is followed by a stop, after which a
// store refuses to work.
type stopping struct {
	book
	stop context.CancelCauseFunc
}

func (s *stopping) Commit(ctx context.Context, r rig.Record) error {
	s.stop(rig.ErrStop)
	return s.book.Commit(ctx, r)
}

func (s *stopping) Begin(ctx context.Context, cycle, attempt int) (rig.CycleSpec, error) {
	if ctx.Err() != nil {
		return rig.CycleSpec{}, ctx.Err()
	}
	return s.book.Begin(ctx, cycle, attempt)
}
