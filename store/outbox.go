package store

import (
	"context"
	"database/sql"
	"time"
)

// Message is one thing to tell the outside. It waits in the outbox until it was
// delivered, or given up.
type Message struct {
	Seq   int64     `json:"seq"` // given by the outbox
	Run   string    `json:"run"`
	Kind  string    `json:"kind"`
	At    time.Time `json:"at"` // wall time: a label
	Body  string    `json:"body"`
	Tries int       `json:"tries"`
}

// Post puts messages into the outbox: they are on the disk when it returns nil.
// It is carried out also when ctx is cancelled already.
func (s *Store) Post(ctx context.Context, ms ...Message) error {
	ctx = context.WithoutCancel(ctx)
	return s.transact(ctx, "post a message", func(tx *sql.Tx) error { return post(ctx, tx, ms) })
}

func post(ctx context.Context, tx *sql.Tx, ms []Message) error {
	for _, m := range ms {
		if _, err := tx.ExecContext(ctx, "INSERT INTO outbox (run, kind, at, body) VALUES (?, ?, ?, ?)", m.Run, m.Kind, stamp(m.At), m.Body); err != nil {
			return err
		}
	}
	return nil
}

// Waiting is the message of a bench's runs that has waited longest; ErrNotFound
// where none does. "" is any bench.
func (s *Store) Waiting(ctx context.Context, bench string) (Message, error) {
	var m Message
	var at string
	err := s.read.QueryRowContext(ctx, `SELECT seq, run, kind, at, body, tries FROM outbox
		WHERE done IS NULL AND (?1 = '' OR run IN (SELECT id FROM runs WHERE bench = ?1)) ORDER BY seq LIMIT 1`, bench).
		Scan(&m.Seq, &m.Run, &m.Kind, &at, &m.Body, &m.Tries)
	if err == nil {
		m.At, err = unstamp(at)
	}
	return m, explain(s.path, "look into the outbox", none(err))
}

// Tried notes that a message was sent in vain, and why.
func (s *Store) Tried(ctx context.Context, seq int64, why string) error {
	return s.transact(ctx, "note a delivery", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE outbox SET tries = tries + 1, note = ? WHERE seq = ?", why, seq)
		return err
	})
}

// Delivered takes a message out of the outbox; gaveUp, if not empty, says why
// it never will be.
func (s *Store) Delivered(ctx context.Context, seq int64, at time.Time, gaveUp string) error {
	return s.transact(ctx, "note a delivery", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE outbox SET tries = tries + 1, done = ?, note = ? WHERE seq = ?", stamp(at), gaveUp, seq)
		return err
	})
}

// Ask leaves a request for the soak that works on the run, such as "go-on" or
// "stop". ErrNotFound for an unknown run.
func (s *Store) Ask(ctx context.Context, run, what string, at time.Time) error {
	return s.transact(ctx, "ask run "+run, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "INSERT INTO requests (run, what, at) SELECT seq, ?, ? FROM runs WHERE id = ?", what, stamp(at), run)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return none(sql.ErrNoRows)
		}
		return nil
	})
}

// Asked takes the oldest request of the run that was not taken yet; "" where
// there is none.
func (s *Store) Asked(ctx context.Context, run string, at time.Time) (what string, err error) {
	var seq int64
	err = s.read.QueryRowContext(ctx, `SELECT q.seq, q.what FROM requests q JOIN runs r ON r.seq = q.run
		WHERE r.id = ? AND q.done IS NULL ORDER BY q.seq LIMIT 1`, run).Scan(&seq, &what)
	if none(err) == ErrNotFound {
		return "", nil
	}
	if err != nil {
		return "", explain(s.path, "look for requests to run "+run, err)
	}
	return what, s.transact(ctx, "take a request to run "+run, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE requests SET done = ? WHERE seq = ?", stamp(at), seq)
		return err
	})
}
