package store

import (
	"context"
	"database/sql"
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
