package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"resetrig/rig"
)

// State is where a run stands.
type State string

// The states of a run.
const (
	StateRunning     State = "running"     // its process lives
	StateEnded       State = "ended"       // by EndRun
	StateInterrupted State = "interrupted" // its process died
)

// Summary is a run in one line. Its counts are those of Counts.
type Summary struct {
	Run
	State  State  `json:"state"`
	Counts Counts `json:"counts"`
}

// List are the runs that fit Run, Bench and Limit of the filter, the newest
// first, without their frozen texts.
func (s *Store) List(ctx context.Context, f Filter) ([]Summary, error) {
	f.Scenario, f.Outcomes, f.Control = "", nil, nil
	where, args, err := f.whereBefore(ctx, s, "runs", "r.seq")
	if err != nil {
		return nil, explain(s.path, "list runs", err)
	}
	sums, err := s.list(ctx, where, args, f.Limit)
	if err != nil {
		return nil, explain(s.path, "list runs", err)
	}
	for i := range sums {
		sums[i].Frozen = nil
		if sums[i].Counts, err = s.Counts(ctx, sums[i].ID); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// whereBefore is where, and the place in the table that a page begins after.
func (f Filter) whereBefore(ctx context.Context, s *Store, table, column string) (string, []any, error) {
	where, args := f.where()
	if f.Before == "" {
		return where, args, nil
	}
	var seq int64
	if err := s.read.QueryRowContext(ctx, "SELECT seq FROM "+table+" WHERE id = ?", f.Before).Scan(&seq); err != nil {
		return "", nil, none(err)
	}
	return where + " AND " + column + " < ?", append(args, seq), nil
}

// list are runs without their counts.
func (s *Store) list(ctx context.Context, where string, args []any, limit int) ([]Summary, error) {
	if limit <= 0 {
		limit = -1
	}
	rows, err := s.read.QueryContext(ctx, `SELECT r.seq, r.id, r.kind, r.bench, r.scenario, r.planned, r.started, r.version, r.frozen,
		coalesce(r.ended, ''), coalesce(r.exit, 0), r.note, r.labels FROM runs r WHERE `+where+` ORDER BY r.seq DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var sums []Summary
	for rows.Next() {
		var m Summary
		var seq int64
		var started, frozen, ended, labels string
		if err := rows.Scan(&seq, &m.ID, &m.Kind, &m.Bench, &m.Scenario, &m.Planned, &started, &m.Version, &frozen, &ended, &m.Exit, &m.Note, &labels); err != nil {
			return nil, err
		}
		if m.Started, err = unstamp(started); err != nil {
			return nil, err
		}
		if m.Ended, err = unstamp(ended); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(frozen), &m.Frozen); err != nil {
			return nil, err
		}
		if labels != "{}" {
			if err := json.Unmarshal([]byte(labels), &m.Labels); err != nil {
				return nil, err
			}
		}
		m.State = StateEnded
		if ended == "" {
			live, err := s.alive(seq)
			if err != nil {
				return nil, err
			}
			if m.State = StateInterrupted; live {
				m.State = StateRunning
			}
		}
		sums = append(sums, m)
	}
	return sums, rows.Err()
}

// CycleSummary is a cycle in one line. Outcome is "" for one without a record.
type CycleSummary struct {
	// Seq is its record's place among all that were committed; 0 without one.
	Seq         int64           `json:"seq,omitempty"`
	ID          string          `json:"id"`
	Run         string          `json:"run"`
	Cycle       int             `json:"cycle"`
	Attempt     int             `json:"attempt"`
	Control     bool            `json:"control,omitempty"`
	Bench       string          `json:"bench"`
	Scenario    string          `json:"scenario"`
	Started     time.Time       `json:"started"`
	Took        time.Duration   `json:"took_ns"`
	Outcome     rig.Outcome     `json:"outcome"`
	Attribution rig.Attribution `json:"attribution,omitempty"`
	Reason      rig.Reason      `json:"reason,omitempty"`
	// Elapsed is the soak's own time when it began, Phase where a cycle that
	// was interrupted had come to.
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
	Phase   string        `json:"phase,omitempty"`
}

// Cycles are the cycles begun that fit the filter, the newest first.
func (s *Store) Cycles(ctx context.Context, f Filter) ([]CycleSummary, error) {
	cs, err := s.cycles(ctx, f)
	return cs, explain(s.path, "list cycles", err)
}

func (s *Store) cycles(ctx context.Context, f Filter) ([]CycleSummary, error) {
	where, args, err := f.whereBefore(ctx, s, "cycles", "c.seq")
	if err != nil {
		return nil, err
	}
	limit := f.Limit
	if limit <= 0 {
		limit = -1
	}
	return s.summaries(ctx, `FROM cycles c JOIN runs r ON r.seq = c.run LEFT JOIN records d ON d.cycle = c.seq LEFT JOIN commits m ON m.cycle = c.seq
		WHERE `+where+` ORDER BY c.seq DESC LIMIT ?`, append(args, limit)...)
}

// summaries are cycles c of runs r with their records d and commits m.
func (s *Store) summaries(ctx context.Context, from string, args ...any) ([]CycleSummary, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT coalesce(m.seq, 0), c.id, r.id, c.n, c.attempt, c.control, r.bench, coalesce(nullif(c.scenario, ''), r.scenario),
		c.started, coalesce(d.took_ns, 0), coalesce(d.outcome, ''), coalesce(d.attribution, ''), coalesce(d.reason, ''), c.elapsed_ns, c.phase `+from, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var cs []CycleSummary
	for rows.Next() {
		var c CycleSummary
		var started string
		if err := rows.Scan(&c.Seq, &c.ID, &c.Run, &c.Cycle, &c.Attempt, &c.Control, &c.Bench, &c.Scenario, &started, &c.Took, &c.Outcome, &c.Attribution, &c.Reason, &c.Elapsed, &c.Phase); err != nil {
			return nil, err
		}
		if c.Started, err = unstamp(started); err != nil {
			return nil, err
		}
		cs = append(cs, c)
	}
	return cs, rows.Err()
}

// Tally counts attempts by how they ended.
type Tally struct {
	Pass         int                `json:"pass"`
	FailProven   int                `json:"fail_proven"`
	FailPresumed int                `json:"fail_presumed"`
	Error        int                `json:"error"`
	Aborted      int                `json:"aborted"`
	Reasons      map[rig.Reason]int `json:"reasons,omitempty"`
}

// Fail is every fail, proven or presumed.
func (t Tally) Fail() int { return t.FailProven + t.FailPresumed }

// All is every attempt counted.
func (t Tally) All() int { return t.Pass + t.Fail() + t.Error + t.Aborted }

// Counts says how the cycles of a run ended. They add up:
// Begun = First.All + Retries.All + Controls.All + Open.
type Counts struct {
	Begun    int   `json:"begun"`    // attempts begun, controls included
	Open     int   `json:"open"`     // without a record: running, or interrupted
	First    Tally `json:"first"`    // first attempts: what a rate is made of
	Retries  Tally `json:"retries"`  // later attempts after an error
	Controls Tally `json:"controls"` // cycles that must not reset, every attempt
}

// Counts counts the cycles of a run, "" for all runs.
func (s *Store) Counts(ctx context.Context, run string) (Counts, error) {
	c, err := s.counts(ctx, run)
	return c, explain(s.path, "count cycles", err)
}

func (s *Store) counts(ctx context.Context, run string) (c Counts, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT c.control, c.attempt > 1, d.outcome, d.attribution, d.reason, count(*)
		FROM cycles c LEFT JOIN records d ON d.cycle = c.seq
		WHERE ?1 = '' OR c.run = (SELECT seq FROM runs WHERE id = ?1) GROUP BY 1, 2, 3, 4, 5`, run)
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		var control, retry bool
		var outcome, attribution, reason sql.NullString
		var n int
		if err := rows.Scan(&control, &retry, &outcome, &attribution, &reason, &n); err != nil {
			return c, err
		}
		c.Begun += n
		if !outcome.Valid {
			c.Open += n
			continue
		}
		t := &c.First
		switch {
		case control:
			t = &c.Controls
		case retry:
			t = &c.Retries
		}
		t.add(rig.Outcome(outcome.String), rig.Attribution(attribution.String), rig.Reason(reason.String), n)
	}
	return c, rows.Err()
}

func (t *Tally) add(o rig.Outcome, a rig.Attribution, why rig.Reason, n int) {
	switch {
	case o == rig.Pass:
		t.Pass += n
	case o == rig.Fail && a == rig.Proven:
		t.FailProven += n
	case o == rig.Fail: // whatever was not proven
		t.FailPresumed += n
	case o == rig.Error:
		t.Error += n
	default:
		t.Aborted += n
	}
	if why != "" {
		if t.Reasons == nil {
			t.Reasons = map[rig.Reason]int{}
		}
		t.Reasons[why] += n
	}
}
