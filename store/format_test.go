package store_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/rig"
	"resetrig/store"
)

// A database of the first format is read and gone on with: its records lie as
// plain text, the new ones packed.
func TestFirstFormatIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	db, err := sql.Open("sqlite", path)
	must(t, err)
	old := full("r1", 1, 1)
	old.Hashes = nil // there were none
	text, err := json.Marshal(old)
	must(t, err)
	for _, q := range []string{store.FirstFormat, store.Migration(0),
		`INSERT INTO runs (id, kind, bench, scenario, planned, started, version, frozen) VALUES ('r1', 'soak', 'lab-3-left', 'imou-hard-reset', 100, '2026-11-22T12:00:00Z', '1.0', '{"scenario":"x"}')`,
		`INSERT INTO cycles (id, run, n, attempt, control, scenario, started) VALUES ('r1-0001-1', 1, 1, 1, 0, '', '2026-11-22T12:00:00Z')`,
		`INSERT INTO records VALUES (1, 'fail', 'proven', 'reset-partial', 'lab-3-left', 'imou-hard-reset', ` + "112345678901" + `, 1)`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%v: %s", err, q)
		}
	}
	_, err = db.Exec("INSERT INTO bodies VALUES (1, ?, ?)", store.Checksum(text), string(text))
	must(t, err)
	_, err = db.Exec("INSERT INTO refusals VALUES ('dut', ?)", time.Now().Add(-time.Hour).UnixNano())
	must(t, errors.Join(err, db.Close()))
	must(t, os.Chmod(path, 0o600))

	s := open(t, path)
	must(t, s.Commit(t.Context(), full("r1", 2, 1)))
	var got []rig.Record
	for r, err := range s.Records(t.Context(), store.Filter{}) {
		must(t, err)
		got = append(got, r)
	}
	if d := cmp.Diff([]rig.Record{old, full("r1", 2, 1)}, got); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	one, err := s.Record(t.Context(), "r1-0001-1")
	must(t, err)
	if d := cmp.Diff(old, one); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
	must(t, s.Verify(t.Context()))
}

// A database of the second format is gone on with, and what it has is numbered;
// a program of that format that still writes into it is numbered too.
func TestSecondFormatIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	donor := fresh(t) // packs the record's text
	begin(t, donor, "r1")
	var packed []byte
	must(t, donor.Commit(t.Context(), full("r1", 1, 1)))
	db := raw(t, donor.Path())
	must(t, db.QueryRow("SELECT text FROM packed").Scan(&packed))
	must(t, db.Close())

	db, err := sql.Open("sqlite", path)
	must(t, err)
	text, err := json.Marshal(full("r1", 1, 1))
	must(t, err)
	insert := func(db *sql.DB, n int, began string) {
		t.Helper()
		_, err := db.Exec("INSERT INTO cycles (seq, id, run, n, attempt, control, scenario, started, phase) VALUES (?, ?, 1, ?, 1, 0, '', ?, 'act')", n, cycleID("r1", n, 1), n, began)
		must(t, err)
		_, err = db.Exec("INSERT INTO records VALUES (?, 'fail', 'proven', 'reset-partial', 'lab-3-left', 'imou-hard-reset', 112345678901, 1)", n)
		must(t, err)
		_, err = db.Exec("INSERT INTO packed VALUES (?, ?, ?)", n, store.Checksum(text), packed)
		must(t, err)
	}
	for _, q := range []string{
		store.FirstFormat, store.Migration(0), store.Migration(1), "PRAGMA user_version = 2",
		`INSERT INTO runs (id, kind, bench, scenario, planned, started, version, frozen) VALUES ('r1', 'soak', 'lab-3-left', 'imou-hard-reset', 100, '2026-11-22T12:00:00Z', '1.0', '{}')`,
		`INSERT INTO outbox (run, kind, at, body) VALUES ('r1', 'fail', '2026-11-22T12:00:00Z', 'a message')`,
		`INSERT INTO requests (run, what, at) VALUES (1, 'stop', '2026-11-22T12:00:00Z')`,
		`INSERT INTO refusals VALUES ('dut', 1, 'boot', 2)`,
		`INSERT INTO life VALUES ('lab-3-left', 'power', 77)`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%v: %s", err, q)
		}
	}
	insert(db, 1, "2026-11-22T12:00:00Z")
	if _, err := store.OpenReader(path); !errors.Is(err, store.ErrOlder) {
		t.Errorf("a reader of the format before: %v, want ErrOlder", err)
	}

	s := open(t, path)
	insert(db, 7, "2026-11-22T12:07:00Z") // by the program of the format before
	must(t, db.Close())
	must(t, s.Commit(t.Context(), full("r1", 3, 1)))
	must(t, s.Comment(t.Context(), store.Comment{Cycle: cycleID("r1", 1, 1), At: noon, Who: "eva", Kind: store.Remark, Text: "seen"}))
	var ids []string
	since, err := s.Since(t.Context(), 0, 0)
	must(t, err)
	for i, c := range since {
		if ids = append(ids, c.ID); c.Seq != int64(i+1) {
			t.Errorf("%s has number %d, want %d", c.ID, c.Seq, i+1)
		}
	}
	if d := cmp.Diff([]string{cycleID("r1", 1, 1), cycleID("r1", 7, 1), cycleID("r1", 3, 1)}, ids); d != "" {
		t.Errorf("in order of commit (-want +got):\n%s", d)
	}
	r, err := s.Record(t.Context(), cycleID("r1", 1, 1))
	must(t, err)
	if d := cmp.Diff(full("r1", 1, 1), r); d != "" {
		t.Errorf("the old record (-want +got):\n%s", d)
	}
	m, err := s.Waiting(t.Context(), "")
	must(t, err)
	what, err := s.Asked(t.Context(), "r1", noon)
	must(t, err)
	ops, err := s.Operations(t.Context(), "lab-3-left")
	must(t, err)
	if m.Body != "a message" || what != "stop" || ops["power"] != 79 {
		t.Errorf("outbox %+v, request %q, operations %v", m, what, ops)
	}
}

// The wall clock jumps; a lock-out does not end earlier for it.
func TestRefusalsOutliveClockJumps(t *testing.T) {
	const window = 30 * time.Minute
	for _, c := range []struct {
		name string
		wall time.Duration // that passed on the wall clock since the refusal
		boot time.Duration // that passed since the boot
		same bool          // the same boot
		want int
	}{
		{"a minute later", time.Minute, time.Minute, true, 1},
		{"the window later", 31 * time.Minute, 31 * time.Minute, true, 0},
		{"the clock was set forward by a day", 24 * time.Hour, time.Minute, true, 1},
		{"the clock was set back by a day", -24 * time.Hour, 2 * time.Hour, true, 1},
		{"suspended for an hour", time.Hour, time.Hour, true, 0},
		{"a reboot, and a clock that is set afterwards", 24 * time.Hour, 5 * time.Minute, false, 1},
		{"a reboot long ago", 24 * time.Hour, 40 * time.Minute, false, 0},
		{"a reboot long ago, with a clock that stood still", time.Minute, 40 * time.Minute, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fresh(t)
			store.SetHour(s, noon, "boot-a", 10*time.Hour)
			must(t, s.Refused("dut", noon))
			now, boot, since := noon.Add(c.wall), "boot-a", 10*time.Hour+c.boot
			if !c.same {
				boot, since = "boot-b", c.boot
			}
			store.SetHour(s, now, boot, since)
			if n, err := s.RefusedSince("dut", now.Add(-window)); err != nil || n != c.want {
				t.Errorf("%d refusals, %v; want %d", n, err, c.want)
			}
		})
	}
}

// What is known of an interrupted cycle is in its record.
func TestInterruptedCycleKeepsItsEvidence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	begin(t, s, "r1")
	c := at("r1", 1, 1)
	c.Elapsed = 90 * time.Second
	must(t, s.BeginCycle(t.Context(), c))
	must(t, s.Mark(t.Context(), c.ID, "arrange", map[string]int{"power": 1}))
	must(t, s.Mark(t.Context(), c.ID, "act", map[string]int{"power": 2, "reset": 1}))
	dir, err := s.CycleDir(c.ID)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "cycle.wav"), []byte("RIFF, and cut off"), 0o600))
	must(t, s.Close())

	s = open(t, path)
	rs, err := s.CloseInterrupted(t.Context())
	must(t, err)
	if len(rs) != 1 || rs[0].Operations["power"] != 2 || rs[0].Artifacts[0] != "cycle.wav" || rs[0].Hashes[0].Bytes != 17 {
		t.Fatalf("%+v", rs)
	}
	ops, err := s.Operations(t.Context(), "lab-3-left")
	must(t, err)
	if d := cmp.Diff(map[string]int64{"power": 2, "reset": 1}, ops); d != "" {
		t.Errorf("the relays' life (-want +got):\n%s", d)
	}
	list, err := s.Cycles(t.Context(), store.Filter{Run: "r1"})
	must(t, err)
	if len(list) != 1 || list[0].Phase != "act" || list[0].Elapsed != 90*time.Second || list[0].Outcome != rig.Aborted {
		t.Errorf("%+v", list)
	}
	// A mark that comes late changes nothing.
	must(t, s.Mark(t.Context(), c.ID, "assert", map[string]int{"power": 9}))
	if list, _ = s.Cycles(t.Context(), store.Filter{}); list[0].Phase != "act" {
		t.Errorf("the phase of a closed cycle became %s", list[0].Phase)
	}
}

func TestOutbox(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	begin(t, s, "r1")
	must(t, s.Commit(t.Context(), full("r1", 1, 1), store.Message{Run: "r1", Kind: "fail", At: noon, Body: "one"}))
	if err := s.Commit(t.Context(), full("r1", 1, 1), store.Message{Run: "r1", Kind: "fail", At: noon, Body: "twice"}); err == nil {
		t.Fatal("a record went in twice")
	}
	must(t, s.Post(t.Context(), store.Message{Run: "r2", Kind: "stop", At: noon, Body: "two"}))
	must(t, s.Close())

	s = open(t, path)
	m, err := s.Waiting(t.Context(), "")
	must(t, err)
	if m.Body != "one" || m.Run != "r1" || !m.At.Equal(noon) {
		t.Errorf("%+v", m)
	}
	must(t, s.Tried(t.Context(), m.Seq, "connection refused"))
	if m, _ = s.Waiting(t.Context(), "lab-3-left"); m.Tries != 1 {
		t.Errorf("%+v", m)
	}
	must(t, s.Delivered(t.Context(), m.Seq, noon, ""))
	if m, err = s.Waiting(t.Context(), ""); err != nil || m.Body != "two" {
		t.Errorf("%+v, %v", m, err)
	}
	must(t, s.Delivered(t.Context(), m.Seq, noon, "gave up"))
	if m, err = s.Waiting(t.Context(), ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestRequests(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	if err := s.Ask(t.Context(), "r9", "stop", noon); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown run: %v", err)
	}
	must(t, s.Ask(t.Context(), "r1", "go-on", noon))
	must(t, s.Ask(t.Context(), "r1", "stop", noon))
	for _, want := range []string{"go-on", "stop", "", ""} {
		if got, err := s.Asked(t.Context(), "r1", noon); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}
