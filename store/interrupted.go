package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"resetrig/rig"
)

// Interrupted are the cycles that began and were never committed, and whose
// run ended or whose process is gone; oldest first.
func (s *Store) Interrupted(ctx context.Context) ([]Cycle, error) {
	open, err := s.unfinished(ctx, s.read, 0)
	if err != nil {
		return nil, explain(s.path, "look for interrupted cycles", err)
	}
	var cs []Cycle
	for _, o := range open {
		cs = append(cs, o.Cycle)
	}
	return cs, nil
}

// CloseInterrupted commits a record for each interrupted cycle, outcome
// aborted, reason interrupted, and returns them: all or none.
func (s *Store) CloseInterrupted(ctx context.Context) (closed []rig.Record, err error) {
	err = s.transact(ctx, "close interrupted cycles", func(tx *sql.Tx) (err error) {
		closed, err = s.closeInterrupted(ctx, tx, 0)
		return err
	})
	return closed, err
}

// closeInterrupted does so within tx; run narrows it to that run, whose hold
// the caller has taken.
func (s *Store) closeInterrupted(ctx context.Context, tx *sql.Tx, run int64) ([]rig.Record, error) {
	open, err := s.unfinished(ctx, tx, run)
	if err != nil {
		return nil, err
	}
	var closed []rig.Record
	for _, o := range open {
		r := rig.Record{
			ID: o.ID, Run: o.Run, Cycle: o.N, Attempt: o.Attempt, Control: o.Control,
			Bench: o.bench, Scenario: o.Scenario, Source: o.source, Version: o.version, Started: o.Started,
			Outcome: rig.Aborted, Reason: rig.ReasonInterrupted,
			Text: "the program died within the cycle" + inPhase(o.phase) + ": nothing is known of the DUT's state or of the relays' since; " +
				"run `resetrig safe` and look at the DUT before the next cycle",
			Steps: []rig.StepRecord{}, Checks: []rig.Check{}, Measurements: []rig.Measurement{}, Beeps: []rig.BeepRecord{},
			Timeline: []rig.Event{}, Operations: o.operations, Senses: []string{},
		}
		if r.Hashes, err = s.Hash(o.ID, nil); err != nil {
			r.Findings = append(r.Findings, rig.Finding{Name: "evidence", Detail: err.Error()})
		}
		for _, a := range r.Hashes {
			r.Artifacts = append(r.Artifacts, a.Name)
		}
		if err := s.insertRecord(ctx, tx, r); err != nil {
			return nil, fmt.Errorf("cycle %s: %w", r.ID, err)
		}
		closed = append(closed, r)
	}
	return closed, nil
}

// openCycle is a cycle without a record, with what its record will need.
type openCycle struct {
	Cycle
	bench, version, source, phase string
	operations                    map[string]int
}

func inPhase(phase string) string {
	if phase == "" {
		return ""
	}
	return ", in its phase " + phase
}

// Mark notes where a running cycle has come to, and the switchings in it so
// far: what is known of it if the process dies. A cycle that has its record
// stays as it is.
func (s *Store) Mark(ctx context.Context, cycle, phase string, operations map[string]int) error {
	ops, err := json.Marshal(operations)
	if err != nil {
		return err
	}
	return s.transact(ctx, "mark cycle "+cycle, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE cycles SET phase = ?, operations = ?
			WHERE id = ? AND NOT EXISTS (SELECT 1 FROM records d WHERE d.cycle = cycles.seq)`, phase, string(ops), cycle)
		return err
	})
}

// unfinished are the cycles without a record that nobody works on; with run, all
// of that run's.
func (s *Store) unfinished(ctx context.Context, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, run int64,
) ([]openCycle, error) {
	rows, err := q.QueryContext(ctx, `SELECT c.id, r.id, c.n, c.attempt, c.control, coalesce(nullif(c.scenario, ''), r.scenario),
			c.started, r.bench, r.version, coalesce(r.frozen ->> ('$."source:' || c.scenario || '"'), r.frozen ->> '$.scenario', ''), r.seq, r.ended IS NOT NULL,
			c.phase, c.operations
		FROM cycles c JOIN runs r ON r.seq = c.run
		WHERE NOT EXISTS (SELECT 1 FROM records d WHERE d.cycle = c.seq) AND (?1 = 0 OR r.seq = ?1)
		ORDER BY c.seq`, run)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var open []openCycle
	for rows.Next() {
		var o openCycle
		var started, ops string
		var seq int64
		var ended bool
		if err := rows.Scan(&o.ID, &o.Run, &o.N, &o.Attempt, &o.Control, &o.Scenario, &started, &o.bench, &o.version, &o.source, &seq, &ended, &o.phase, &ops); err != nil {
			return nil, err
		}
		if o.Started, err = unstamp(started); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(ops), &o.operations); err != nil {
			return nil, err
		}
		if live, err := s.alive(seq); err != nil {
			return nil, err
		} else if live && !ended && run == 0 {
			continue
		}
		open = append(open, o)
	}
	return open, rows.Err()
}
