package store

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"

	"resetrig/rig"
)

// LastSeq is the number of the record committed last; 0 where there is none.
func (s *Store) LastSeq(ctx context.Context) (seq int64, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM commits").Scan(&seq)
	return seq, explain(s.path, "look for the last record", err)
}

// Since are the records committed after number seq, at most limit of them (0:
// all), in the order in which they were committed, across runs. Whoever has
// seen number n has seen every record up to n: the numbers outlive the program,
// and only grow. A seq above LastSeq is another database's.
func (s *Store) Since(ctx context.Context, seq int64, limit int) ([]CycleSummary, error) {
	if limit <= 0 {
		limit = -1
	}
	cs, err := s.summaries(ctx, "FROM commits m JOIN records d ON d.cycle = m.cycle JOIN cycles c ON c.seq = m.cycle JOIN runs r ON r.seq = c.run WHERE m.seq > ? ORDER BY m.seq LIMIT ?", seq, limit)
	return cs, explain(s.path, "read what was committed", err)
}

// Measured is one measurement of a committed record.
type Measured struct {
	Seq     int64            `json:"seq"` // the record's, as in Since
	Cycle   string           `json:"cycle"`
	Bench   string           `json:"bench"`
	Name    string           `json:"name"`
	Value   float64          `json:"value"`
	Unit    string           `json:"unit"`
	Outcome rig.CheckOutcome `json:"outcome"`
}

// MeasuredSince are the measurements of the records committed after number seq,
// of at most limit records (0: all), in their order.
func (s *Store) MeasuredSince(ctx context.Context, seq int64, limit int) ([]Measured, error) {
	ms, err := s.measuredSince(ctx, seq, limit)
	return ms, explain(s.path, "read measurements", err)
}

func (s *Store) measuredSince(ctx context.Context, seq int64, limit int) ([]Measured, error) {
	if limit <= 0 {
		limit = -1
	}
	rows, err := s.read.QueryContext(ctx, `WITH m AS (SELECT seq, cycle FROM commits WHERE seq > ? ORDER BY seq LIMIT ?)
		SELECT m.seq, c.id, d.bench, v.name, v.value, v.unit, v.outcome
		FROM m CROSS JOIN records d ON d.cycle = m.cycle JOIN cycles c ON c.seq = m.cycle JOIN measurements v ON v.cycle = m.cycle
		ORDER BY m.seq, v.i`, seq, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ms []Measured
	for rows.Next() {
		var m Measured
		if err := rows.Scan(&m.Seq, &m.Cycle, &m.Bench, &m.Name, &m.Value, &m.Unit, &m.Outcome); err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, rows.Err()
}

// Total is how many attempts ended so.
type Total struct {
	Bench       string          `json:"bench"`
	Scenario    string          `json:"scenario"`
	Control     bool            `json:"control,omitempty"`
	Retry       bool            `json:"retry,omitempty"` // a later attempt, after an error
	Outcome     rig.Outcome     `json:"outcome"`
	Attribution rig.Attribution `json:"attribution,omitempty"`
	Reason      rig.Reason      `json:"reason,omitempty"`
	N           int             `json:"n"`
}

// totals are what Totals has counted so far: a record is never changed, so only
// those committed since have to be looked at.
type totals struct {
	mu   sync.Mutex
	upto int64
	n    map[Total]int // the key's N is 0
}

// Totals counts every committed record, of all runs, by bench, scenario,
// outcome, attribution and reason, and tells the number of the last one
// counted. Its first call looks at all of them, a further one at those that
// have come since.
func (s *Store) Totals(ctx context.Context) (all []Total, upto int64, err error) {
	s.totals.mu.Lock()
	defer s.totals.mu.Unlock()
	if err := s.countOn(ctx); err != nil {
		return nil, 0, explain(s.path, "count all cycles", err)
	}
	for t, n := range s.totals.n {
		t.N = n
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Total) int {
		return cmp.Or(cmp.Compare(a.Bench, b.Bench), cmp.Compare(a.Scenario, b.Scenario), cmp.Compare(a.Outcome, b.Outcome),
			cmp.Compare(a.Attribution, b.Attribution), cmp.Compare(a.Reason, b.Reason), compareBool(a.Control, b.Control), compareBool(a.Retry, b.Retry))
	})
	return all, s.totals.upto, nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (s *Store) countOn(ctx context.Context) error {
	upto, err := s.LastSeq(ctx)
	if err != nil || upto == s.totals.upto {
		return err
	}
	rows, err := s.read.QueryContext(ctx, `SELECT d.bench, d.scenario, c.control, c.attempt > 1, d.outcome, d.attribution, d.reason, count(*)
		FROM commits m JOIN records d ON d.cycle = m.cycle JOIN cycles c ON c.seq = m.cycle
		WHERE m.seq > ? AND m.seq <= ? GROUP BY 1, 2, 3, 4, 5, 6, 7`, s.totals.upto, upto)
	if err != nil {
		return err
	}
	defer rows.Close()
	fresh := map[Total]int{}
	for rows.Next() {
		var t Total
		var n int
		if err := rows.Scan(&t.Bench, &t.Scenario, &t.Control, &t.Retry, &t.Outcome, &t.Attribution, &t.Reason, &n); err != nil {
			return err
		}
		fresh[t] += n
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if s.totals.n == nil {
		s.totals.n = map[Total]int{}
	}
	for t, n := range fresh {
		s.totals.n[t] += n
	}
	s.totals.upto = upto
	return nil
}

// Size is what the database takes on the disk, in bytes.
type Size struct {
	Database int64 `json:"database"`
	Log      int64 `json:"log"` // the write-ahead log, which is moved into the database now and then
}

// Size asks the file system.
func (s *Store) Size() (Size, error) {
	var z Size
	for _, f := range []struct {
		suffix string
		bytes  *int64
	}{{"", &z.Database}, {"-wal", &z.Log}} {
		fi, err := os.Stat(s.path + f.suffix)
		if errors.Is(err, fs.ErrNotExist) && f.suffix != "" {
			continue
		} else if err != nil {
			return z, explain(s.path, "measure", err)
		}
		*f.bytes = fi.Size()
	}
	return z, nil
}
