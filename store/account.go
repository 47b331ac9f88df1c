package store

import (
	"context"
	"database/sql"
	"time"
)

// Operations are the switchings of each relay of a bench over its life.
func (s *Store) Operations(ctx context.Context, bench string) (map[string]int64, error) {
	ops, err := s.operations(ctx, bench)
	return ops, explain(s.path, "count the operations of bench "+bench, err)
}

func (s *Store) operations(ctx context.Context, bench string) (map[string]int64, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT relay, operations FROM life WHERE bench = ?", bench)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	ops := map[string]int64{}
	for rows.Next() {
		var relay string
		var n int64
		if err := rows.Scan(&relay, &n); err != nil {
			return nil, err
		}
		ops[relay] = n
	}
	return ops, rows.Err()
}

// Operated adds switchings that happened outside a cycle: an exercise, a safe
// state brought about by hand. A cycle's own are added by Commit.
func (s *Store) Operated(ctx context.Context, bench string, operations map[string]int) error {
	return s.transact(ctx, "add operations of bench "+bench, func(tx *sql.Tx) error {
		for relay, n := range operations {
			if _, err := tx.StmtContext(ctx, s.commit.life).ExecContext(ctx, bench, relay, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// Refused notes, durably, that the DUT refused a login at that time. It keeps
// what is needed: the last few hundred of each DUT.
func (s *Store) Refused(dut string, at time.Time) error {
	const kept = 256
	ctx := context.Background()
	return s.transact(ctx, "note a refused login of "+dut, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO refusals (dut, at) VALUES (?, ?)", dut, at.UnixNano()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM refusals WHERE dut = ?1 AND rowid <=
			(SELECT rowid FROM refusals WHERE dut = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)`, dut, kept)
		return err
	})
}

// RefusedSince counts the refused logins of the DUT at that time and later.
// One that lies in the future, as after a Pi's clock went back, counts.
func (s *Store) RefusedSince(dut string, since time.Time) (n int, err error) {
	err = s.read.QueryRow("SELECT count(*) FROM refusals WHERE dut = ? AND at >= ?", dut, since.UnixNano()).Scan(&n)
	return n, explain(s.path, "count the refused logins of "+dut, err)
}

// Clear forgets the refused logins of the DUT, as it does itself when it is
// reset or accepts one.
func (s *Store) Clear(dut string) error {
	ctx := context.Background()
	return s.transact(ctx, "clear the refused logins of "+dut, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM refusals WHERE dut = ?", dut)
		return err
	})
}
