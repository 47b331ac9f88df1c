package soak_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
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
// last one repeats. For a control f is an error too: the marker cannot be seen.
type fate struct {
	attempts string
	n        int
}

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
	fate             *fate
	begun, committed []string
	done             []soak.Done
	slot             soak.Slot
	failBegin        int // at which call; 0 never
	failCommit       int
	dieAt            int // the begin after which the program dies: what follows never happened
	after            func(n int)
}

var (
	errFull = errors.New("the disk is full")
	errDied = errors.New("the program died")
)

func name(s soak.Slot) string {
	if s.Control {
		return fmt.Sprintf("%s c%d.%d", s.Scenario.Name, s.N, s.Attempt)
	}
	return fmt.Sprintf("%s %d.%d", s.Scenario.Name, s.N, s.Attempt)
}

func (b *book) Begin(_ context.Context, s soak.Slot) (rig.CycleSpec, error) {
	if b.failBegin--; b.failBegin == 0 {
		return rig.CycleSpec{}, errFull
	}
	b.fate.n++
	b.slot = s
	b.begun = append(b.begun, name(s))
	if b.dieAt > 0 && len(b.begun) == b.dieAt {
		b.done = append(b.done, soak.Done{N: s.N, Attempt: s.Attempt, Control: s.Control, Outcome: rig.Aborted, Reason: rig.ReasonInterrupted, Elapsed: s.Elapsed, Phase: "act"})
		return rig.CycleSpec{}, errDied
	}
	return rig.CycleSpec{ID: name(s), Cycle: s.N, Attempt: s.Attempt}, nil
}

func (b *book) Commit(_ context.Context, r rig.Record) error {
	if b.failCommit--; b.failCommit == 0 {
		return errFull
	}
	if r.ID != b.begun[len(b.begun)-1] {
		return errors.New("a record of a cycle that is not the last one begun")
	}
	b.committed = append(b.committed, fmt.Sprintf("%s %s", strings.TrimPrefix(r.ID, "probing "), r.Outcome))
	b.done = append(b.done, soak.Done{N: b.slot.N, Attempt: b.slot.Attempt, Control: b.slot.Control, Outcome: r.Outcome,
		Attribution: r.Attribution, Reason: r.Reason, Elapsed: b.slot.Elapsed, Took: r.Took})
	if b.after != nil {
		b.after(len(b.committed))
	}
	return nil
}

// past is what the journal has, as a resumed soak reads it.
func (b *book) past() iter.Seq2[soak.Done, error] {
	return func(yield func(soak.Done, error) bool) {
		for _, d := range b.done {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func probing(name string, control bool) *rig.Scenario {
	return &rig.Scenario{Name: name, Control: control, Assert: []rig.Step{rig.Restarted{Within: 10 * time.Second, Since: rig.Latest}}}
}

func entries(control bool, names ...string) []soak.Entry {
	var es []soak.Entry
	for _, n := range names {
		es = append(es, soak.Entry{Scenario: probing(n, control)})
	}
	return es
}

// run runs a plan of one scenario in a bubble of time that moves by itself.
func run(t *testing.T, p soak.Plan, b *book, change func(*soak.Soak)) (tally soak.Tally, err error) {
	t.Helper()
	if p.Scenarios == nil {
		p.Scenarios = entries(false, "probing")
	}
	synctest.Test(t, func(t *testing.T) {
		s := &soak.Soak{Plan: p, Journal: b, Bench: &rig.Bench{
			Name: "test", Clock: rig.System(), Relays: relays{},
			Specs: []rig.RelaySpec{{Name: "reset", Role: rig.RolePress, MaxOn: time.Minute}},
			DUT:   rig.DUT{Prober: b.fate},
		}}
		if change != nil {
			change(s)
		}
		tally, err = s.Run(t.Context())
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
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 2, Presumed: 1, FirstPass: 2, Doubted: 1}, nil},
		{"an error is, and its first attempt is kept", "peep", soak.Plan{Cycles: 2, Retries: 2}, book{}, "1.1 pass, 2.1 error, 2.2 error, 2.3 pass",
			soak.Tally{Cycles: 2, Attempts: 4, Pass: 2, FirstPass: 1, Doubted: 1}, nil},
		{"attempts are bounded", "e", soak.Plan{Cycles: 2, Retries: 1}, book{}, "1.1 error, 1.2 error, 2.1 error, 2.2 error",
			soak.Tally{Cycles: 2, Attempts: 4, Errors: 2, Doubted: 2}, nil},
		{"an error that fails the second time is a fail", "ef", soak.Plan{Cycles: 1, Retries: 1}, book{}, "1.1 error, 1.2 fail",
			soak.Tally{Cycles: 1, Attempts: 2, Presumed: 1, Doubted: 1}, nil},
		{"fails in a row stop it", "pff", soak.Plan{Cycles: 9, StopAfterFails: 2}, book{}, "1.1 pass, 2.1 fail, 3.1 fail",
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 1, Presumed: 2, FirstPass: 1, Doubted: 2, Stopped: "2 fails in a row"}, soak.ErrStopRule},
		{"errors between fails do not break a row of fails", "fef", soak.Plan{Cycles: 9, StopAfterFails: 2}, book{}, "1.1 fail, 2.1 error, 3.1 fail",
			soak.Tally{Cycles: 3, Attempts: 3, Presumed: 2, Errors: 1, Doubted: 3, Stopped: "2 fails in a row"}, soak.ErrStopRule},
		{"a pass does", "fpf", soak.Plan{Cycles: 3, StopAfterFails: 2}, book{}, "1.1 fail, 2.1 pass, 3.1 fail",
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 1, FirstPass: 1, Presumed: 2, Doubted: 2}, nil},
		{"fails in all stop it", "fpfpp", soak.Plan{Cycles: 9, StopAtFails: 2}, book{}, "1.1 fail, 2.1 pass, 3.1 fail",
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 1, FirstPass: 1, Presumed: 2, Doubted: 2, Stopped: "2 fails in all"}, soak.ErrStopRule},
		{"errors in a row stop it", "e", soak.Plan{Cycles: 9, StopAfterErrors: 2}, book{}, "1.1 error, 2.1 error",
			soak.Tally{Cycles: 2, Attempts: 2, Errors: 2, Doubted: 2, Stopped: "2 errors in a row"}, soak.ErrStopRule},
		{"a rule waits for the last attempt", "eepp", soak.Plan{Cycles: 2, Retries: 2, StopAfterErrors: 1}, book{}, "1.1 error, 1.2 error, 1.3 pass, 2.1 pass",
			soak.Tally{Cycles: 2, Attempts: 4, Pass: 2, FirstPass: 1, Doubted: 1}, nil},
		{"a rule at the last cycle stops nothing", "ff", soak.Plan{Cycles: 2, StopAfterFails: 2}, book{}, "1.1 fail, 2.1 fail",
			soak.Tally{Cycles: 2, Attempts: 2, Presumed: 2, Doubted: 2}, nil},
		{"a cycle that cannot be begun", "p", soak.Plan{Cycles: 3}, book{failBegin: 2}, "1.1 pass",
			soak.Tally{Cycles: 1, Attempts: 1, Pass: 1, FirstPass: 1}, errFull},
		{"a record that cannot be stored is counted, and comes with the error", "pf", soak.Plan{Cycles: 3}, book{failCommit: 2}, "1.1 pass",
			soak.Tally{Cycles: 2, Attempts: 2, Pass: 1, Presumed: 1, FirstPass: 1, Doubted: 1}, errFull},
		{"time", "p", soak.Plan{For: 25 * time.Second, Pause: 10 * time.Second}, book{}, "1.1 pass, 2.1 pass", // of 10 s each
			soak.Tally{Cycles: 2, Attempts: 2, Pass: 2, FirstPass: 2}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.book.fate = &fate{attempts: c.attempts}
			got, err := run(t, c.plan, &c.book, nil)
			if got != c.want {
				t.Errorf("tally %+v\nwant  %+v", got, c.want)
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
			if strings.HasPrefix(c.name, "a record") && (!errors.As(err, &lost) || lost.Record.Outcome != rig.Fail) {
				t.Errorf("the lost record is not in %v", err)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		plan soak.Plan
		want string
	}{
		{"in turn", soak.Plan{Cycles: 5, Scenarios: entries(false, "a", "b")}, "a 1.1, b 2.1, a 3.1, b 4.1, a 5.1"},
		{"weighted, and spread", soak.Plan{Cycles: 8, Scenarios: []soak.Entry{{Scenario: probing("a", false), Weight: 3}, {Scenario: probing("b", false)}}},
			"a 1.1, a 2.1, b 3.1, a 4.1, a 5.1, a 6.1, b 7.1, a 8.1"},
		{"controls at the start only", soak.Plan{Cycles: 2, Scenarios: entries(false, "a"), Controls: entries(true, "x", "y")},
			"x c1.1, y c2.1, a 1.1, a 2.1"},
		{"controls at the start and every second cycle", soak.Plan{Cycles: 5, Scenarios: entries(false, "a"), Controls: entries(true, "x", "y"), ControlsEvery: 2},
			"x c1.1, y c2.1, a 1.1, a 2.1, x c3.1, a 3.1, a 4.1, y c4.1, a 5.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &book{fate: &fate{attempts: "p"}}
			tally, err := run(t, c.plan, b, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(b.begun, ", "); got != c.want {
				t.Errorf("order\n%s\nwant\n%s", got, c.want)
			}
			if tally.Cycles != c.plan.Cycles || tally.Controls+tally.Cycles != len(b.begun) || tally.ControlsHeld != tally.Controls {
				t.Errorf("tally %+v", tally)
			}
		})
	}
}

// Wherever the program dies, the resumed soak does what is left and nothing
// twice: with the cycles that died it is the same order.
func TestResumeGoesOnAtTheExactCycle(t *testing.T) {
	plan := soak.Plan{Cycles: 7, Retries: 1, LostControlsGoOn: true, Scenarios: entries(false, "a", "b"), Controls: entries(true, "x"), ControlsEvery: 3}
	const fates = "ppepfpppeeppp"
	whole := &book{fate: &fate{attempts: fates}}
	if _, err := run(t, plan, whole, nil); err != nil {
		t.Fatal(err)
	}
	for at := 1; at <= len(whole.begun); at++ {
		b := &book{fate: &fate{attempts: fates}, dieAt: at}
		if _, err := run(t, plan, b, nil); !errors.Is(err, errDied) {
			t.Fatalf("it did not die at %d: %v", at, err)
		}
		died := b.begun[at-1]
		b.dieAt = 0
		tally, err := run(t, plan, b, func(s *soak.Soak) { s.Past = b.past() })
		if err != nil {
			t.Fatalf("died in %s: %v", died, err)
		}
		seen := map[string]bool{}
		for _, id := range b.begun {
			if seen[id] {
				t.Errorf("died in %s: %s began twice", died, id)
			}
			seen[id] = true
		}
		if tally.Judged() != 7 || tally.Pass+tally.Fails()+tally.Errors+tally.Aborted != tally.Cycles {
			t.Errorf("died in %s: tally %+v", died, tally)
		}
		// One more resume finds nothing to do, and the same tally.
		again, err := run(t, plan, b, func(s *soak.Soak) { s.Past = b.past() })
		if !errors.Is(err, soak.ErrFinished) || again != tally {
			t.Errorf("died in %s: resumed after its end: %v\n%+v\n%+v", died, err, again, tally)
		}
	}
}

// The soak's own time goes on where it was.
func TestResumedTime(t *testing.T) {
	plan := soak.Plan{For: 95 * time.Second, Pause: 10 * time.Second}
	b := &book{fate: &fate{attempts: "p"}, dieAt: 5}
	if _, err := run(t, plan, b, nil); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	b.dieAt = 0
	tally, err := run(t, plan, b, func(s *soak.Soak) { s.Past = b.past() })
	// Cycles of 10 s begin at 0, 20, 40, 60, and at 80 the one that died; then at
	// 80, and at 100 the last one.
	if err != nil || tally.Pass != 6 || tally.Aborted != 1 {
		t.Errorf("%+v, %v; want 6 passes", tally, err)
	}
}

func TestInterruptionsInTheSamePhase(t *testing.T) {
	died := func(n int, phase string) soak.Done {
		return soak.Done{N: n, Attempt: 1, Outcome: rig.Aborted, Reason: rig.ReasonInterrupted, Phase: phase}
	}
	pass := func(n int) soak.Done { return soak.Done{N: n, Attempt: 1, Outcome: rig.Pass} }
	for _, c := range []struct {
		name string
		done []soak.Done
		stop bool
	}{
		{"three in a row", []soak.Done{died(1, "act"), died(2, "act"), died(3, "act")}, true},
		{"in different phases", []soak.Done{died(1, "act"), died(2, "assert"), died(3, "act")}, false},
		{"the last three", []soak.Done{died(1, "arrange"), died(2, "act"), died(3, "act"), died(4, "act")}, true},
		{"a cycle ended in between", []soak.Done{died(1, "act"), died(2, "act"), pass(3), died(4, "act")}, false},
		{"gone on before", []soak.Done{died(1, "act"), died(2, "act"), died(3, "act"), died(4, "act")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &book{fate: &fate{attempts: "p"}, done: c.done}
			plan := soak.Plan{Cycles: 3, StopAfterInterruptions: 3}
			tally, err := run(t, plan, b, func(s *soak.Soak) { s.Past = b.past() })
			if errors.Is(err, soak.ErrStopRule) != c.stop || !c.stop && err != nil {
				t.Fatalf("%+v, %v", tally, err)
			}
			if !c.stop {
				return
			}
			if !strings.Contains(err.Error(), "same phase (act)") || len(b.begun) > 0 {
				t.Errorf("%v, begun %v", err, b.begun)
			}
			// A person who looked goes on, and the next resume knows it.
			if tally, err = run(t, plan, b, func(s *soak.Soak) { s.Past, s.Anyway = b.past(), true }); err != nil || tally.Pass != 3 {
				t.Errorf("anyway: %+v, %v", tally, err)
			}
		})
	}
}

// A control that does not hold ends the soak: what passed proves nothing then.
func TestLostControl(t *testing.T) {
	plan := soak.Plan{Cycles: 4, Controls: entries(true, "x"), ControlsEvery: 2}
	b := &book{fate: &fate{attempts: "pppfpp"}}
	tally, err := run(t, plan, b, nil)
	if !errors.Is(err, soak.ErrStopRule) || !strings.Contains(tally.Stopped, "control 2 did not hold") || tally.ControlsHeld != 1 || tally.Cycles != 2 {
		t.Errorf("%+v, %v", tally, err)
	}
	b = &book{fate: &fate{attempts: "pppfpp"}}
	plan.LostControlsGoOn = true
	if tally, err = run(t, plan, b, nil); err != nil || tally.Pass != 4 || tally.ControlsHeld != 1 {
		t.Errorf("%+v, %v", tally, err)
	}
	// The rig's own error in a control is tried again, and is no lost control.
	b = &book{fate: &fate{attempts: "epppp"}}
	plan.LostControlsGoOn, plan.Retries = false, 1
	if tally, err = run(t, plan, b, nil); err != nil || tally.Pass != 4 || tally.ControlsHeld != 2 {
		t.Errorf("%+v, %v: %v", tally, err, b.committed)
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		plan soak.Plan
		says string
	}{
		{soak.Plan{Scenarios: []soak.Entry{}, Cycles: 1}, "no scenario"},
		{soak.Plan{}, "no end"},
		{soak.Plan{Cycles: 1, Scenarios: append(entries(true, "x"), entries(false, "a")...)}, "is a control"},
		{soak.Plan{Cycles: 1, Controls: entries(false, "a")}, "is no control"},
	} {
		b := &book{fate: &fate{attempts: "p"}}
		if _, err := run(t, c.plan, b, nil); err == nil || !strings.Contains(err.Error(), c.says) || len(b.begun) > 0 {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
}

// A stop between two cycles is a stop, and not an error of the store.
func TestStopBetweenCycles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		b := &book{fate: &fate{attempts: "p"}, after: func(int) { stop(rig.ErrStop) }}
		s := &soak.Soak{
			Bench: &rig.Bench{Name: "test", Clock: rig.System(), Relays: relays{}, DUT: rig.DUT{Prober: b.fate}},
			Plan:  soak.Plan{Cycles: 5, Scenarios: entries(false, "probing"), Pause: time.Hour}, Journal: b,
		}
		got, err := s.Run(ctx)
		if !errors.Is(err, rig.ErrStop) {
			t.Errorf("error %v, want the stop", err)
		}
		if got.Cycles != 1 || got.Pass != 1 {
			t.Errorf("tally %+v", got)
		}
	})
}
