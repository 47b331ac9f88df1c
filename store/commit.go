package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"resetrig/rig"
)

// statements are prepared once on the writing connection: a soak in simulation
// commits thousands of cycles a minute.
type statements struct {
	begin, find, record, body, measure, life *sql.Stmt
}

func (p *statements) prepare(ctx context.Context, db *sql.DB) (err error) {
	for _, q := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&p.begin, `INSERT INTO cycles (id, n, attempt, control, scenario, started, elapsed_ns, run)
			SELECT ?, ?, ?, ?, ?, ?, ?, seq FROM runs WHERE id = ?`},
		{&p.find, `SELECT c.seq, r.id, c.n, c.attempt, c.control FROM cycles c JOIN runs r ON r.seq = c.run WHERE c.id = ?`},
		{&p.record, `INSERT INTO records (cycle, outcome, attribution, reason, bench, scenario, took_ns, unsafe)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`},
		{&p.body, `INSERT INTO packed (cycle, sum, text) VALUES (?, ?, ?)`},
		{&p.measure, `INSERT INTO measurements (cycle, i, name, value, unit, min, max, outcome)
			SELECT ?1, key, value ->> '$.name', CAST(value ->> '$.value' AS REAL), value ->> '$.unit',
				CAST(value ->> '$.min' AS REAL), CAST(value ->> '$.max' AS REAL), value ->> '$.outcome'
			FROM json_each(?2)`},
		{&p.life, `INSERT INTO life (bench, relay, operations) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET operations = operations + excluded.operations`},
	} {
		if *q.stmt, err = db.PrepareContext(ctx, q.text); err != nil {
			return err
		}
	}
	return nil
}

func (p *statements) close() {
	for _, stmt := range []*sql.Stmt{p.begin, p.find, p.record, p.body, p.measure, p.life} {
		if stmt != nil {
			stmt.Close()
		}
	}
}

// Commit stores a record: with its columns, measurements and switchings it is
// on the disk when Commit returns nil, and not at all otherwise; after an
// error the same record may be committed again. A second record of the same
// ID is ErrExists, never an overwrite. A cycle that was not begun begins here;
// its run must have begun. Commit is carried out also when ctx is cancelled
// already: an aborted cycle has a result too.
//
// A number that JSON cannot hold (infinite, not a number) is stored as 0, with
// a finding that names it: a result is not lost for one value.
//
// The messages go into the outbox with the record: both or neither.
func (s *Store) Commit(ctx context.Context, r rig.Record, tell ...Message) error {
	ctx = context.WithoutCancel(ctx)
	return s.transact(ctx, "commit cycle "+r.ID, func(tx *sql.Tx) error {
		if err := s.insertRecord(ctx, tx, r); err != nil {
			return err
		}
		return post(ctx, tx, tell)
	})
}

func (s *Store) insertRecord(ctx context.Context, tx *sql.Tx, r rig.Record) error {
	switch r.Outcome {
	case rig.Pass, rig.Fail, rig.Error, rig.Aborted:
	default:
		return fmt.Errorf("outcome %q is none of pass, fail, error, aborted", r.Outcome)
	}
	r = finite(r)
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	seq, err := s.begun(ctx, tx, r)
	if err != nil {
		return err
	}
	exec := func(stmt *sql.Stmt, args ...any) {
		if err == nil {
			_, err = tx.StmtContext(ctx, stmt).ExecContext(ctx, args...)
		}
	}
	exec(s.commit.record, seq, string(r.Outcome), string(r.Attribution), string(r.Reason), r.Bench, r.Scenario, int64(r.Took), len(r.Unsafe) > 0)
	exec(s.commit.body, seq, checksum(body), pack(body))
	if len(r.Measurements) > 0 && err == nil {
		var ms []byte
		if ms, err = json.Marshal(r.Measurements); err == nil {
			exec(s.commit.measure, seq, string(ms))
		}
	}
	if err == nil {
		err = s.insertArtifacts(ctx, tx, seq, r.Hashes)
	}
	for relay, n := range r.Operations {
		exec(s.commit.life, r.Bench, relay, n)
	}
	return err
}

// begun finds the record's cycle, or begins it.
func (s *Store) begun(ctx context.Context, tx *sql.Tx, r rig.Record) (seq int64, err error) {
	c := Cycle{ID: r.ID, Run: r.Run, N: r.Cycle, Attempt: r.Attempt, Control: r.Control, Scenario: r.Scenario, Started: r.Started}
	had := c
	err = tx.StmtContext(ctx, s.commit.find).QueryRowContext(ctx, r.ID).Scan(&seq, &had.Run, &had.N, &had.Attempt, &had.Control)
	if errors.Is(err, sql.ErrNoRows) {
		return s.insertCycle(ctx, tx, c)
	}
	if err == nil && had != c {
		err = fmt.Errorf("its record says run %s, cycle %d, attempt %d, control %v; it began as run %s, cycle %d, attempt %d, control %v",
			c.Run, c.N, c.Attempt, c.Control, had.Run, had.N, had.Attempt, had.Control)
	}
	return seq, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum finds bytes that changed on the disk: SQLite itself would not.
func checksum(b []byte) int64 { return int64(crc32.Checksum(b, castagnoli)) }

// finite is r with every number such that JSON can hold it.
func finite(r rig.Record) rig.Record {
	var lost []rig.Finding
	mend := func(what string, v *float64) {
		if math.IsInf(*v, 0) || math.IsNaN(*v) {
			lost = append(lost, rig.Finding{Name: "not-a-number", Detail: fmt.Sprintf("%s was %v and is stored as 0", what, *v)})
			*v = 0
		}
	}
	odd := func(vs ...float64) bool {
		for _, v := range vs {
			if math.IsInf(v, 0) || math.IsNaN(v) {
				return true
			}
		}
		return false
	}
	for i, m := range r.Measurements {
		limits := m
		for _, l := range []**float64{&limits.Min, &limits.Max} {
			if *l != nil && odd(**l) { // an infinite limit is none
				*l = nil
			}
		}
		if limits == m && !odd(m.Value) {
			continue
		}
		mend("measurement "+m.Name, &limits.Value)
		r.Measurements = replace(r.Measurements, i, limits)
	}
	for i, b := range r.Beeps {
		if !odd(b.FrequencyHz, b.SNRdB, b.LevelDBFS) {
			continue
		}
		at := fmt.Sprintf("of the beep at %v", b.Onset)
		mend("frequency "+at, &b.FrequencyHz)
		mend("SNR "+at, &b.SNRdB)
		mend("level "+at, &b.LevelDBFS)
		r.Beeps = replace(r.Beeps, i, b)
	}
	if lost != nil {
		r.Findings = append(append([]rig.Finding(nil), r.Findings...), lost...)
	}
	return r
}

// replace is s with another value at i; s itself, the caller's, stays.
func replace[T any](s []T, i int, v T) []T {
	s = append([]T(nil), s...)
	s[i] = v
	return s
}
