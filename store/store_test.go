package store_test

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/rig"
	"resetrig/store"
)

// Older ones could corrupt a database when the write-ahead log was reset.
func TestSQLiteIsRecentEnough(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	must(t, err)
	defer db.Close()
	var v string
	must(t, db.QueryRow("SELECT sqlite_version()").Scan(&v))
	n := 0
	for _, part := range strings.Split(v, ".") {
		i, err := strconv.Atoi(part)
		must(t, err)
		n = n*1000 + i
	}
	if n < 3_051_003 {
		t.Errorf("SQLite %s, want 3.51.3 at least", v)
	}
}

func TestRecordReturnsAsItWas(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	want := full("r1", 1, 1)
	v := reflect.ValueOf(want)
	for i := range v.NumField() {
		if f := v.Type().Field(i).Name; v.Field(i).IsZero() && f != "Control" {
			t.Fatalf("the sample leaves %s out", f)
		}
	}
	must(t, s.BeginCycle(t.Context(), at("r1", 1, 1)))
	must(t, s.Commit(t.Context(), want))
	got, err := s.Record(t.Context(), want.ID)
	must(t, err)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("record changed (-want +got):\n%s", d)
	}
	must(t, s.Verify(t.Context()))
}

func TestCommitIsOnce(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	first := with("r1", 1, 1, rig.Error, "", rig.ReasonEarLost)
	must(t, s.Commit(t.Context(), first)) // begins it too
	second := first
	second.Outcome, second.Reason = rig.Pass, ""
	if err := s.Commit(t.Context(), second); !errors.Is(err, store.ErrExists) {
		t.Errorf("second commit: %v, want ErrExists", err)
	}
	if err := s.BeginCycle(t.Context(), at("r1", 1, 1)); !errors.Is(err, store.ErrExists) {
		t.Errorf("second begin: %v, want ErrExists", err)
	}
	other := at("r1", 1, 1)
	other.ID = "another"
	if err := s.BeginCycle(t.Context(), other); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same attempt under another ID: %v, want ErrExists", err)
	}
	got, err := s.Record(t.Context(), first.ID)
	must(t, err)
	if got.Outcome != rig.Error {
		t.Errorf("outcome became %s", got.Outcome)
	}
	ops, err := s.Operations(t.Context(), "lab-3-left")
	must(t, err)
	if ops["power"] != 2 || ops["reset"] != 2 {
		t.Errorf("operations %v, want 2 and 2: the refused commit must not count", ops)
	}
	must(t, s.Operated(t.Context(), "lab-3-left", map[string]int{"reset": 3}))
	if ops, _ := s.Operations(t.Context(), "lab-3-left"); ops["reset"] != 5 {
		t.Errorf("operations %v, want reset 5", ops)
	}
}

func TestCommitRefusesWhatIsNoResult(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	must(t, s.BeginCycle(t.Context(), at("r1", 1, 1)))
	for name, r := range map[string]rig.Record{
		"no outcome":    with("r1", 1, 1, "", "", ""),
		"unknown run":   full("r9", 1, 1),
		"other attempt": func() rig.Record { r := full("r1", 1, 1); r.Attempt = 2; return r }(),
	} {
		if err := s.Commit(t.Context(), r); err == nil {
			t.Errorf("%s: committed", name)
		}
	}
	must(t, s.Commit(t.Context(), full("r1", 1, 1)))
}

func TestRecordsAreFinal(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	must(t, s.Commit(t.Context(), full("r1", 1, 1)))
	db := raw(t, s.Path())
	for _, q := range []string{"UPDATE records SET outcome = 'pass'", "DELETE FROM records", "UPDATE packed SET text = x'00'", "DELETE FROM packed"} {
		if _, err := db.Exec(q); err == nil {
			t.Errorf("%s: allowed", q)
		}
	}
}

// raw is a second connection to the database. The file itself must not be
// opened in a process that has it open (package comment).
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)")
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestCommitWithCancelledContext(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, s.Commit(ctx, with("r1", 1, 1, rig.Aborted, "", rig.ReasonStopped)))
	must(t, s.EndRun(ctx, "r1", noon, 4, "stopped"))
	if _, err := s.Record(t.Context(), cycleID("r1", 1, 1)); err != nil {
		t.Error(err)
	}
}

func TestNumbersThatJSONCannotHold(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	r := full("r1", 1, 1)
	r.Measurements[1].Value = math.NaN()
	r.Measurements[0].Max = ptr(math.Inf(1))
	r.Beeps[0].LevelDBFS = math.Inf(-1)
	must(t, s.Commit(t.Context(), r))
	got, err := s.Record(t.Context(), r.ID)
	must(t, err)
	if len(got.Findings) != 3 || got.Findings[1].Name != "not-a-number" || !strings.Contains(got.Findings[1].Detail, "restart_time was NaN") {
		t.Errorf("findings: %+v", got.Findings)
	}
	if got.Measurements[0].Max != nil {
		t.Error("an infinite limit is none")
	}
	if !math.IsNaN(r.Measurements[1].Value) || len(r.Findings) != 1 {
		t.Error("the caller's record was changed")
	}
}

func TestFieldsOfALaterVersion(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	must(t, s.BeginCycle(t.Context(), at("r1", 1, 1)))
	const text = `{"id":"r1-0001-1","outcome":"pass","took_ns":0,"spectrum":{"bins":[1,2]},"steps":[{"phase":"act","colour":"red"}]}`
	db := raw(t, s.Path())
	_, err := db.Exec(`INSERT INTO records SELECT seq, 'pass', '', '', '', '', 0, 0 FROM cycles`)
	must(t, err)
	_, err = db.Exec(`INSERT INTO bodies SELECT seq, ?, ? FROM cycles`, store.Checksum([]byte(text)), text)
	must(t, err)
	r, err := s.Record(t.Context(), "r1-0001-1")
	must(t, err)
	if r.Outcome != rig.Pass || len(r.Steps) != 1 || r.Steps[0].Phase != "act" {
		t.Errorf("read %+v", r)
	}
	must(t, s.Verify(t.Context()))
}

func TestPrefixes(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	for n := 1; n <= 7; n++ {
		must(t, s.Commit(t.Context(), full("r1", n, 1)))
	}
	must(t, s.Commit(t.Context(), full("r1", 2, 2)))
	for _, c := range []struct {
		id, want string
		err      error
		says     string
	}{
		{"r1-0003-1", "r1-0003-1", nil, ""},
		{"r1-0003", "r1-0003-1", nil, ""},
		{"r1-0002", "", store.ErrAmbiguous, "r1-0002-1, r1-0002-2"},
		{"r1", "", store.ErrAmbiguous, "r1-0001-1, r1-0002-1, r1-0002-2, r1-0003-1, …"},
		{"r2", "", store.ErrNotFound, "resetrig list"},
		{"%", "", store.ErrNotFound, ""},
		{"", "", store.ErrNotFound, ""},
	} {
		r, err := s.Record(t.Context(), c.id)
		if r.ID != c.want || !errors.Is(err, c.err) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("Record(%q) = %q, %v; want %q, %v saying %q", c.id, r.ID, err, c.want, c.err, c.says)
		}
	}
	if r, err := s.Run(t.Context(), "r"); err != nil || r.ID != "r1" || r.Frozen["scenario"] == "" || !r.Started.Equal(noon) {
		t.Errorf("Run: %+v, %v", r, err)
	}
}

func TestRecordsStream(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	begin(t, s, "r2")
	for n := 1; n <= 100; n++ {
		r := with("r1", n, 1, rig.Pass, "", "")
		if n%10 == 0 {
			r = with("r1", n, 1, rig.Fail, rig.Proven, rig.ReasonNoRestart)
		}
		must(t, s.Commit(t.Context(), r))
	}
	must(t, s.Commit(t.Context(), full("r2", 1, 1)))
	count := func(f store.Filter) (ns []int) {
		t.Helper()
		for r, err := range s.Records(t.Context(), f) {
			must(t, err)
			ns = append(ns, r.Cycle)
		}
		return ns
	}
	if n := len(count(store.Filter{})); n != 101 {
		t.Errorf("all: %d", n)
	}
	if ns := count(store.Filter{Run: "r1", Outcomes: []rig.Outcome{rig.Fail, rig.Error}}); len(ns) != 10 || ns[0] != 10 || ns[9] != 100 {
		t.Errorf("fails: %v", ns)
	}
	if ns := count(store.Filter{Run: "r1", Newest: true, Limit: 70}); len(ns) != 70 || ns[0] != 100 || ns[69] != 31 {
		t.Errorf("newest: %v", ns)
	}
	yes := true
	if n := len(count(store.Filter{Control: &yes})); n != 0 {
		t.Errorf("controls: %d", n)
	}
	// Committing within the loop neither blocks nor prolongs it.
	n := 0
	for _, err := range s.Records(t.Context(), store.Filter{}) {
		must(t, err)
		n++
		must(t, s.Commit(t.Context(), full("r2", n+1, 1)))
	}
	if n != 101 {
		t.Errorf("went through %d, want the 101 that were there at first", n)
	}
}

func TestCountsAddUp(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	begin(t, s, "other")
	must(t, s.Commit(t.Context(), full("other", 1, 1)))
	for _, r := range []rig.Record{
		with("r1", 1, 1, rig.Pass, "", ""),
		with("r1", 2, 1, rig.Fail, rig.Proven, rig.ReasonResetIgnored),
		with("r1", 3, 1, rig.Fail, rig.Presumed, rig.ReasonResetIgnored),
		with("r1", 4, 1, rig.Error, "", rig.ReasonEarLost),
		with("r1", 4, 2, rig.Pass, "", ""),
		with("r1", 5, 1, rig.Aborted, "", rig.ReasonStopped),
	} {
		must(t, s.Commit(t.Context(), r))
	}
	control := with("r1", 1, 1, rig.Pass, "", "")
	control.ID, control.Control = "r1-c1", true
	must(t, s.Commit(t.Context(), control))
	must(t, s.BeginCycle(t.Context(), at("r1", 6, 1)))
	got, err := s.Counts(t.Context(), "r1")
	must(t, err)
	want := store.Counts{
		Begun: 8, Open: 1,
		First: store.Tally{Pass: 1, FailProven: 1, FailPresumed: 1, Error: 1, Aborted: 1, Reasons: map[rig.Reason]int{
			rig.ReasonResetIgnored: 2, rig.ReasonEarLost: 1, rig.ReasonStopped: 1,
		}},
		Retries:  store.Tally{Pass: 1},
		Controls: store.Tally{Pass: 1},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
	if got.Begun != got.First.All()+got.Retries.All()+got.Controls.All()+got.Open {
		t.Error("they do not add up")
	}
	list, err := s.List(t.Context(), store.Filter{})
	must(t, err)
	if len(list) != 2 || list[0].ID != "other" || list[1].ID != "r1" || list[1].Counts.Begun != 8 || list[1].State != store.StateRunning {
		t.Errorf("list: %+v", list)
	}
	cycles, err := s.Cycles(t.Context(), store.Filter{Run: "r1", Limit: 2})
	must(t, err)
	if len(cycles) != 2 || cycles[0].Cycle != 6 || cycles[0].Outcome != "" || cycles[1].ID != "r1-c1" || cycles[0].Scenario != "imou-hard-reset" {
		t.Errorf("cycles: %+v", cycles)
	}
	c, o, err := s.Last(t.Context(), "r1", false)
	if err != nil || c.N != 6 || c.Attempt != 1 || o != "" {
		t.Errorf("last: %+v %q %v", c, o, err)
	}
}

func TestInterruptedAndResumed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	a := open(t, path)
	begin(t, a, "r1")
	must(t, a.Commit(t.Context(), full("r1", 1, 1)))
	must(t, a.BeginCycle(t.Context(), at("r1", 2, 1)))

	b := open(t, path) // as another process: locks belong to the open file
	for _, s := range []*store.Store{a, b} {
		if cs, err := s.Interrupted(t.Context()); err != nil || len(cs) != 0 {
			t.Errorf("while it runs: %v, %v", cs, err)
		}
	}
	for _, s := range []*store.Store{a, b} {
		if _, err := s.ResumeRun(t.Context(), "r1"); !errors.Is(err, store.ErrRunning) {
			t.Errorf("resume while it runs: %v, want ErrRunning", err)
		}
	}
	must(t, a.Close())
	list, err := b.List(t.Context(), store.Filter{})
	must(t, err)
	if list[0].State != store.StateInterrupted {
		t.Errorf("state %s", list[0].State)
	}
	cs, err := b.Interrupted(t.Context())
	must(t, err)
	if len(cs) != 1 || cs[0].ID != "r1-0002-1" || !cs[0].Started.Equal(noon) {
		t.Fatalf("interrupted: %+v", cs)
	}
	closed, err := b.CloseInterrupted(t.Context())
	must(t, err)
	if len(closed) != 1 || closed[0].Outcome != rig.Aborted || closed[0].Reason != rig.ReasonInterrupted || closed[0].Source == "" {
		t.Errorf("closed: %+v", closed)
	}
	if closed, err = b.CloseInterrupted(t.Context()); err != nil || len(closed) != 0 {
		t.Errorf("again: %v, %v", closed, err)
	}
	run, err := b.ResumeRun(t.Context(), "r1")
	must(t, err)
	if run.Planned != 100 || run.Frozen["scenario"] == "" {
		t.Errorf("resumed %+v", run)
	}
	must(t, b.BeginCycle(t.Context(), at("r1", 2, 2)))
	c := open(t, path)
	if cs, err := c.Interrupted(t.Context()); err != nil || len(cs) != 0 {
		t.Errorf("resumed and running: %v, %v", cs, err)
	}
	must(t, b.EndRun(t.Context(), "r1", noon, 4, "stopped")) // with a cycle left open
	if cs, err := c.Interrupted(t.Context()); err != nil || len(cs) != 1 {
		t.Errorf("ended with an open cycle: %v, %v", cs, err)
	}
	if _, err := c.ResumeRun(t.Context(), "r1"); err != nil { // closes it
		t.Error(err)
	}
	counts, err := c.Counts(t.Context(), "r1")
	must(t, err)
	if counts.Open != 0 || counts.Begun != 3 || counts.First.Aborted+counts.Retries.Aborted != 2 {
		t.Errorf("counts %+v", counts)
	}
	if err := c.EndRun(t.Context(), "nope", noon, 0, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ending an unknown run: %v", err)
	}
}

func TestTwoWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd ?#% name", "results.db")
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for _, id := range []string{"a", "b", "c"} {
		wg.Go(func() {
			s, err := store.Open(path) // at once: one creates it
			if err != nil {
				errs <- err
				return
			}
			defer s.Close()
			if err := s.BeginRun(t.Context(), store.Run{ID: id}); err != nil {
				errs <- err
			}
			for n := range 50 {
				if err := s.Commit(t.Context(), full(id, n, 1)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	s := open(t, path)
	counts, err := s.Counts(t.Context(), "")
	must(t, err)
	if counts.First.FailProven != 150 {
		t.Errorf("%+v", counts)
	}
	ops, err := s.Operations(t.Context(), "lab-3-left")
	must(t, err)
	if ops["power"] != 300 {
		t.Errorf("operations %v, want 300", ops)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".resetrig-new-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	fi, err := os.Stat(path)
	must(t, err)
	dir, err := os.Stat(filepath.Dir(path))
	must(t, err)
	if fi.Mode().Perm() != 0o600 || dir.Mode().Perm() != 0o700 {
		t.Errorf("modes %v, %v", fi.Mode(), dir.Mode())
	}
}
