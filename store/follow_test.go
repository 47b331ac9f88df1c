package store_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/rig"
	"resetrig/store"
)

// Who follows the numbers sees each record once, in the order of the commits,
// while several processes commit.
func TestSinceMissesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	const runs, each = 3, 40
	var wg sync.WaitGroup
	for i := range runs {
		s := open(t, path)
		run := []string{"a", "b", "c"}[i]
		begin(t, s, run)
		wg.Go(func() {
			for n := range each {
				if err := s.Commit(t.Context(), full(run, n+1, 1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	reader, err := store.OpenReader(path)
	must(t, err)
	defer reader.Close()
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var last int64
	next := map[string]int{}
	for finished := false; ; {
		cs, err := reader.Since(t.Context(), last, 7)
		must(t, err)
		for _, c := range cs {
			if next[c.Run]++; c.Cycle != next[c.Run] || c.Seq <= last {
				t.Fatalf("%s has number %d after %d; want cycle %d", c.ID, c.Seq, last, next[c.Run])
			}
			last = c.Seq
		}
		if len(cs) == 0 && finished {
			break
		}
		select {
		case <-done:
			finished = true
		default:
		}
	}
	if d := cmp.Diff(map[string]int{"a": each, "b": each, "c": each}, next); d != "" {
		t.Errorf("records seen (-want +got):\n%s", d)
	}
	if seq, err := reader.LastSeq(t.Context()); err != nil || seq != last || seq != runs*each {
		t.Errorf("LastSeq %d, %v; want %d", seq, err, last)
	}
	list, err := reader.Cycles(t.Context(), store.Filter{Run: "b", Limit: 1})
	must(t, err)
	if list[0].Seq == 0 {
		t.Error("Cycles tells no number")
	}
	one, err := reader.Since(t.Context(), list[0].Seq-1, 1)
	must(t, err)
	if d := cmp.Diff(list, one); d != "" {
		t.Errorf("Cycles and Since differ:\n%s", d)
	}
}

func TestTotalsAgreeWithCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	begin(t, s, "r1")
	reader, err := store.OpenReader(path)
	must(t, err)
	defer reader.Close()
	control := with("r1", 1, 1, rig.Pass, "", "")
	control.ID, control.Control = "r1-c1", true
	for _, step := range [][]rig.Record{
		{with("r1", 1, 1, rig.Pass, "", ""), with("r1", 2, 1, rig.Fail, rig.Proven, rig.ReasonResetPartial), control},
		{},
		{with("r1", 3, 1, rig.Error, "", rig.ReasonUnanswered), with("r1", 3, 2, rig.Pass, "", ""), with("r1", 4, 1, rig.Fail, rig.Presumed, rig.ReasonResetPartial)},
	} {
		for _, r := range step {
			must(t, s.Commit(t.Context(), r))
		}
		all, upto, err := reader.Totals(t.Context())
		must(t, err)
		counts, err := s.Counts(t.Context(), "")
		must(t, err)
		var first, retries, controls, fails int
		for _, c := range all {
			switch {
			case c.Control:
				controls += c.N
			case c.Retry:
				retries += c.N
			default:
				first += c.N
			}
			if c.Outcome == rig.Fail {
				fails += c.N
			}
			if c.Bench != "lab-3-left" || c.Scenario != "imou-hard-reset" {
				t.Errorf("%+v", c)
			}
		}
		if first != counts.First.All() || retries != counts.Retries.All() || controls != counts.Controls.All() || fails != counts.First.Fail() {
			t.Errorf("totals %+v, counts %+v", all, counts)
		}
		if int(upto) != counts.Begun {
			t.Errorf("counted up to %d of %d", upto, counts.Begun)
		}
	}
}

func TestMeasuredSince(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	for n := range 3 {
		must(t, s.Commit(t.Context(), full("r1", n+1, 1)))
	}
	got, err := s.MeasuredSince(t.Context(), 1, 1)
	must(t, err)
	want := []store.Measured{
		{Seq: 2, Cycle: cycleID("r1", 2, 1), Bench: "lab-3-left", Name: "press_duration", Value: 17.000000001, Unit: "s", Outcome: rig.CheckPass},
		{Seq: 2, Cycle: cycleID("r1", 2, 1), Bench: "lab-3-left", Name: "restart_time", Value: 1.0 / 3, Unit: "s", Outcome: rig.CheckPass},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A reader reads beside a process that holds the write lock, and changes nothing.
func TestReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	if _, err := store.OpenReader(path); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no database: %v, want ErrNotFound", err)
	}
	s := open(t, path)
	begin(t, s, "r1")
	must(t, s.Commit(t.Context(), full("r1", 1, 1)))
	db := raw(t, path)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, q := range []string{"PRAGMA journal_mode", "BEGIN IMMEDIATE", "DELETE FROM life"} { // somebody is in the midst of writing
		_, err := db.Exec(q)
		must(t, err)
	}
	began := time.Now()
	r, err := store.OpenReader(path)
	must(t, err)
	defer r.Close()
	list, err := r.List(t.Context(), store.Filter{})
	must(t, err)
	if len(list) != 1 || list[0].State != store.StateRunning || list[0].Counts.Begun != 1 {
		t.Errorf("%+v", list)
	}
	rec, err := r.Record(t.Context(), cycleID("r1", 1, 1))
	must(t, err)
	if d := cmp.Diff(full("r1", 1, 1), rec); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	size, err := r.Size()
	must(t, err)
	if size.Database == 0 || size.Log == 0 {
		t.Errorf("%+v", size)
	}
	if took := time.Since(began); took > 4*time.Second { // a writer would wait for 5 s
		t.Errorf("the reader waited %v for the writer", took)
	}
	if err := r.Commit(t.Context(), full("r1", 2, 1)); !errors.Is(err, store.ErrReader) {
		t.Errorf("Commit: %v, want ErrReader", err)
	}
	if _, err := r.Audit(t.Context(), store.AuditEntry{Action: "stop"}); !errors.Is(err, store.ErrReader) {
		t.Errorf("Audit: %v, want ErrReader", err)
	}
}
