package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// transact runs f in one transaction that is durable when transact returns
// nil. f may be run again. Where another process writes for longer than SQLite
// waits, as on an SD card that stalls, it tries again for a minute.
func (s *Store) transact(ctx context.Context, doing string, f func(*sql.Tx) error) error {
	if s.write == nil {
		return explain(s.path, doing, ErrReader)
	}
	const tries = 12 // times the busy_timeout of 5 s
	var err error
	for range tries {
		if err = s.once(ctx, f); kind(err) != ErrBusy {
			break
		}
	}
	return explain(s.path, doing, err)
}

func (s *Store) once(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		tx.Rollback() // f's error is the one to tell; a rollback's adds nothing
		return err
	}
	return tx.Commit()
}

// none makes SQL's word for nothing found ours.
func none(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// stamp is a wall time as text, exact to the nanosecond, its zone kept.
func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }

func unstamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}
