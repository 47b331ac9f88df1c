package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"resetrig/rig"
)

// The kinds of runs.
const (
	KindCycle = "cycle"
	KindSoak  = "soak"
	KindSweep = "sweep"
)

// Run is one invocation: a cycle or a soak. Frozen holds the texts that it
// runs on (bench, scenario, model, …), so that a resumed run can be held to
// its plan; they must contain no secret.
type Run struct {
	ID       string            `json:"id"`
	Kind     string            `json:"kind"`
	Bench    string            `json:"bench"`
	Scenario string            `json:"scenario"`
	Planned  int               `json:"planned,omitempty"` // cycles; 0: open-ended
	Started  time.Time         `json:"started"`           // wall time: a label
	Version  string            `json:"version"`
	Frozen   map[string]string `json:"frozen,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"` // firmware build, ticket, lab: a person's words

	// Ended, Exit and Note are set by EndRun; Ended is zero until then.
	Ended time.Time `json:"ended,omitzero"`
	Exit  int       `json:"exit"`
	Note  string    `json:"note,omitempty"`
}

// Cycle is one begun attempt of a cycle. Scenario may be empty: the run's.
type Cycle struct {
	ID       string
	Run      string
	N        int // number within the run
	Attempt  int // 1 is the first
	Control  bool
	Scenario string
	Started  time.Time
	// Elapsed is the soak's own time when the cycle began: without the time in
	// which no process worked on it.
	Elapsed time.Duration
}

// BeginRun notes a run and holds it for this Store: until EndRun, Close or the
// end of the process it counts as running. ErrExists for an ID in use.
func (s *Store) BeginRun(ctx context.Context, r Run) error {
	if r.ID == "" {
		return explain(s.path, "begin a run", errors.New("it has no ID"))
	}
	frozen, err := json.Marshal(r.Frozen)
	if err != nil {
		return explain(s.path, "begin run "+r.ID, err)
	}
	labels, err := json.Marshal(r.Labels)
	if err != nil || r.Labels == nil {
		labels = []byte("{}")
	}
	var h held
	return h.settle(s, r.ID, s.transact(ctx, "begin run "+r.ID, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO runs (id, kind, bench, scenario, planned, started, version, frozen, labels)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.ID, r.Kind, r.Bench, r.Scenario, r.Planned, stamp(r.Started), r.Version, string(frozen), string(labels))
		if err != nil {
			return err
		}
		seq, err := res.LastInsertId()
		if err != nil {
			return err
		}
		return h.take(s, seq)
	}))
}

// ResumeRun takes up a run that ended or whose process has died: its
// interrupted cycles are closed as by CloseInterrupted, and it counts as
// running again. ErrRunning while its process lives. The caller holds the
// run's Frozen texts against its own, and goes on after Last.
func (s *Store) ResumeRun(ctx context.Context, id string) (Run, error) {
	var h held
	err := h.settle(s, id, s.transact(ctx, "resume run "+id, func(tx *sql.Tx) error {
		var seq int64
		if err := tx.QueryRowContext(ctx, "SELECT seq FROM runs WHERE id = ?", id).Scan(&seq); err != nil {
			return none(err)
		}
		if live, err := s.alive(seq); err != nil || live {
			return errors.Join(err, ErrRunning)
		}
		if err := h.take(s, seq); err != nil {
			return err
		}
		if _, err := s.closeInterrupted(ctx, tx, seq); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE runs SET ended = NULL, exit = NULL, note = '' WHERE seq = ?", seq)
		return err
	}))
	if err != nil {
		return Run{}, err
	}
	return s.Run(ctx, id)
}

// EndRun notes how a run ended (its exit code and, in words, why) and lets go
// of it. It is carried out also when ctx is cancelled already.
func (s *Store) EndRun(ctx context.Context, id string, ended time.Time, exit int, note string) error {
	ctx = context.WithoutCancel(ctx)
	err := s.transact(ctx, "end run "+id, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE runs SET ended = ?, exit = ?, note = ? WHERE id = ?", stamp(ended), exit, note, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	seq, held := s.mine[id]
	delete(s.mine, id)
	s.mu.Unlock()
	if held {
		return explain(s.path, "end run "+id, s.release(seq))
	}
	return nil
}

// held is a run's byte while the transaction that wants it is on its way.
type held struct {
	seq int64
	ok  bool
}

func (h *held) take(s *Store, seq int64) error {
	err := s.hold(seq)
	h.seq, h.ok = seq, err == nil
	return err
}

// settle keeps the byte as that of run id where the transaction went well, and
// gives it back where it did not.
func (h *held) settle(s *Store, id string, err error) error {
	if !h.ok {
		return err
	}
	if err != nil {
		return errors.Join(err, s.release(h.seq))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mine[id] = h.seq
	return nil
}

// BeginCycle notes durably that a cycle begins, so that it is known if the
// process dies within it. ErrExists for an ID, or a number and attempt of that
// run, which began before; ErrNotFound for an unknown run.
func (s *Store) BeginCycle(ctx context.Context, c Cycle) error {
	return s.transact(ctx, "begin cycle "+c.ID, func(tx *sql.Tx) error {
		_, err := s.insertCycle(ctx, tx, c)
		return err
	})
}

func (s *Store) insertCycle(ctx context.Context, tx *sql.Tx, c Cycle) (seq int64, err error) {
	res, err := tx.StmtContext(ctx, s.commit.begin).ExecContext(ctx, c.ID, c.N, c.Attempt, c.Control, c.Scenario, stamp(c.Started), int64(c.Elapsed), c.Run)
	if err != nil {
		return 0, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return 0, errors.Join(err, fmt.Errorf("run %q: %w: BeginRun comes first", c.Run, ErrNotFound))
	}
	return res.LastInsertId()
}

// Last is the cycle of a run that began last, controls apart from the others,
// and how it ended ("" while it runs). ErrNotFound where none began.
func (s *Store) Last(ctx context.Context, run string, control bool) (Cycle, rig.Outcome, error) {
	c := Cycle{Run: run}
	var started, outcome string
	err := s.read.QueryRowContext(ctx, `SELECT c.id, c.n, c.attempt, c.control, c.scenario, c.started, coalesce(d.outcome, '')
		FROM runs r JOIN cycles c ON c.run = r.seq LEFT JOIN records d ON d.cycle = c.seq
		WHERE r.id = ? AND c.control = ? ORDER BY c.n DESC, c.attempt DESC LIMIT 1`, run, control).
		Scan(&c.ID, &c.N, &c.Attempt, &c.Control, &c.Scenario, &started, &outcome)
	if err == nil {
		c.Started, err = unstamp(started)
	}
	return c, rig.Outcome(outcome), explain(s.path, "find the last cycle of run "+run, none(err))
}
