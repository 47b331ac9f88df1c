package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"strings"

	"resetrig/rig"
)

// Filter narrows what is listed; its zero value is everything.
type Filter struct {
	Run      string        // run ID, exact
	Bench    string        // exact
	Scenario string        // exact
	Outcomes []rig.Outcome // any of these
	Control  *bool
	Limit    int  // 0: no limit
	Newest   bool // newest first; oldest first otherwise. List and Cycles are always newest first
	// Before is where a page of List or Cycles begins: after the run, or cycle, of
	// that ID, which is the last one of the page before. ErrNotFound.
	Before string
}

// where is the filter as SQL over records d, cycles c, runs r.
func (f Filter) where() (string, []any) {
	var terms []string
	var args []any
	add := func(term string, vs ...any) { terms, args = append(terms, term), append(args, vs...) }
	if f.Run != "" {
		add("r.id = ?", f.Run)
	}
	if f.Bench != "" {
		add("r.bench = ?", f.Bench)
	}
	if f.Scenario != "" {
		add("coalesce(nullif(c.scenario, ''), r.scenario) = ?", f.Scenario)
	}
	if f.Control != nil {
		add("c.control = ?", *f.Control)
	}
	if len(f.Outcomes) > 0 {
		var vs []any
		for _, o := range f.Outcomes {
			vs = append(vs, string(o))
		}
		add("d.outcome IN (?"+strings.Repeat(", ?", len(vs)-1)+")", vs...)
	}
	if len(terms) == 0 {
		return "true", nil
	}
	return strings.Join(terms, " AND "), args
}

// page is how many records are fetched at once: memory stays flat, and no
// reader keeps the log from being moved into the database.
const page = 32

// Records are the committed records that fit, one after the other, in the
// order in which their cycles began. What is committed after the first was
// asked for is left out. After an error there are no more. Breaking off is
// allowed, and so is going through it again.
func (s *Store) Records(ctx context.Context, f Filter) iter.Seq2[rig.Record, error] {
	return func(yield func(rig.Record, error) bool) {
		from, to, err := s.extent(ctx, f.Run)
		if err != nil {
			yield(rig.Record{}, explain(s.path, "read records", err))
			return
		}
		left := f.Limit
		for from <= to {
			n := page
			if f.Limit > 0 {
				n = min(page, left)
			}
			batch, err := s.batch(ctx, f, from, to, n)
			if err != nil {
				yield(rig.Record{}, explain(s.path, "read records", err))
				return
			}
			for _, b := range batch {
				r, err := b.record()
				if !yield(r, explain(s.path, "read record "+b.id, err)) || err != nil {
					return
				}
			}
			if left -= len(batch); len(batch) < n || f.Limit > 0 && left == 0 {
				return
			}
			if end := batch[len(batch)-1].seq; f.Newest {
				to = end - 1
			} else {
				from = end + 1
			}
		}
	}
}

// extent is where the records lie: those of a run where it is named.
func (s *Store) extent(ctx context.Context, run string) (from, to int64, err error) {
	from = 1
	if err = s.read.QueryRowContext(ctx, "SELECT coalesce(max(cycle), 0) FROM records").Scan(&to); err != nil || run == "" {
		return from, to, err
	}
	var last int64
	err = s.read.QueryRowContext(ctx, "SELECT coalesce(min(c.seq), 1), coalesce(max(c.seq), 0) FROM cycles c JOIN runs r ON r.seq = c.run WHERE r.id = ?", run).Scan(&from, &last)
	return from, min(to, last), err
}

// body is a record as it lies in the database.
type body struct {
	seq, sum int64
	id       string
	json     sql.NullString // in a store of the first format
	packed   []byte
}

// text is the record's text as it was committed.
func (b body) text() ([]byte, error) {
	if b.json.Valid {
		return []byte(b.json.String), nil
	}
	return unpack(b.packed)
}

// A record's text is in one of two tables; one in neither has no sum, and is
// told from one that is right by that.
const (
	bodyColumns = "coalesce(b.sum, p.sum, -1), b.json, p.text"
	bodyTables  = "LEFT JOIN bodies b ON b.cycle = d.cycle LEFT JOIN packed p ON p.cycle = d.cycle"
)

func (s *Store) batch(ctx context.Context, f Filter, from, to int64, n int) ([]body, error) {
	order := "ASC"
	if f.Newest {
		order = "DESC"
	}
	where, args := f.where()
	args = append(append([]any{from, to}, args...), n)
	// CROSS: the records are walked through in their order, from the first wanted
	// on. Left to choose, SQLite gathers and sorts a whole run for each page.
	rows, err := s.read.QueryContext(ctx, `SELECT d.cycle, c.id, `+bodyColumns+` FROM records d
		CROSS JOIN cycles c ON c.seq = d.cycle CROSS JOIN runs r ON r.seq = c.run `+bodyTables+`
		WHERE d.cycle BETWEEN ? AND ? AND `+where+` ORDER BY d.cycle `+order+` LIMIT ?`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	bs := make([]body, 0, n)
	for rows.Next() {
		var b body
		if err := rows.Scan(&b.seq, &b.id, &b.sum, &b.json, &b.packed); err != nil {
			return nil, err
		}
		bs = append(bs, b)
	}
	return bs, rows.Err()
}

// record is the record, if it is still what was committed. Fields that this
// program does not know, from a later one, are passed over.
func (b body) record() (r rig.Record, err error) {
	text, err := b.text()
	if err != nil {
		return r, fmt.Errorf("%w: it cannot be unpacked: %w", ErrCorrupt, err)
	}
	if checksum(text) != b.sum {
		return r, fmt.Errorf("%w: its checksum is wrong", ErrCorrupt)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return r, nil
}

// Record is the committed record of that ID, or of the only ID that begins so.
// ErrNotFound and ErrAmbiguous otherwise.
func (s *Store) Record(ctx context.Context, id string) (rig.Record, error) {
	full, err := s.complete(ctx, "SELECT c.id FROM cycles c JOIN records d ON d.cycle = c.seq WHERE c.id", "c.id", id)
	if err != nil {
		return rig.Record{}, explain(s.path, fmt.Sprintf("find record %q", id), err)
	}
	b := body{id: full}
	err = s.read.QueryRowContext(ctx, "SELECT "+bodyColumns+" FROM cycles c JOIN records d ON d.cycle = c.seq "+bodyTables+" WHERE c.id = ?", full).
		Scan(&b.sum, &b.json, &b.packed)
	if err != nil {
		return rig.Record{}, explain(s.path, "read record "+full, err)
	}
	r, err := b.record()
	return r, explain(s.path, "read record "+full, err)
}

// Run is the run of that ID, or of the only ID that begins so. ErrNotFound and
// ErrAmbiguous otherwise.
func (s *Store) Run(ctx context.Context, id string) (Run, error) {
	full, err := s.complete(ctx, "SELECT id FROM runs WHERE id", "id", id)
	if err != nil {
		return Run{}, explain(s.path, fmt.Sprintf("find run %q", id), err)
	}
	sums, err := s.list(ctx, "r.id = ?", []any{full}, 1)
	if err != nil {
		return Run{}, explain(s.path, "read run "+full, err)
	}
	return sums[0].Run, nil
}

// complete finds the one ID that is id or begins with it.
func (s *Store) complete(ctx context.Context, query, column, id string) (string, error) {
	if id == "" {
		return "", fmt.Errorf("%w: no ID was given", ErrNotFound)
	}
	const shown = 5
	rows, err := s.read.QueryContext(ctx, query+" >= ?1 AND "+column+" < ?1 || char(1114111) ORDER BY "+column+" LIMIT ?2", id, shown)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var fits []string
	for rows.Next() {
		var fit string
		if err := rows.Scan(&fit); err != nil {
			return "", err
		}
		if fit == id {
			return id, nil
		}
		fits = append(fits, fit)
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	switch len(fits) {
	case 0:
		return "", fmt.Errorf("%w: `resetrig list` shows what there is", ErrNotFound)
	case 1:
		return fits[0], nil
	case shown:
		fits[shown-1] = "…"
	}
	return "", fmt.Errorf("%w: %s", ErrAmbiguous, strings.Join(fits, ", "))
}

// Verify examines the whole database: SQLite's own check of every page, the
// references, and every record against its checksum and its columns. It takes
// minutes on a large one. nil means that everything is as it was committed.
func (s *Store) Verify(ctx context.Context) error {
	if err := s.quickCheck(ctx); err != nil {
		return explain(s.path, "verify", err)
	}
	var bad int
	err := s.read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM pragma_foreign_key_check)
		+ (SELECT count(*) FROM records d WHERE (SELECT count(*) FROM bodies WHERE cycle = d.cycle) + (SELECT count(*) FROM packed WHERE cycle = d.cycle) <> 1)
		+ (SELECT count(*) FROM records d WHERE NOT EXISTS (SELECT 1 FROM commits m WHERE m.cycle = d.cycle))`).Scan(&bad)
	if err == nil && bad > 0 {
		err = fmt.Errorf("%w: %d entries do not agree with each other", ErrCorrupt, bad)
	}
	if err != nil {
		return explain(s.path, "verify", err)
	}
	return s.verifyRecords(ctx)
}

// verifyRecords holds every record against its checksum and its columns.
func (s *Store) verifyRecords(ctx context.Context) error {
	for from := int64(1); ; {
		rows, err := s.batch(ctx, Filter{}, from, math.MaxInt64, page)
		if err != nil {
			return explain(s.path, "verify", err)
		}
		for _, b := range rows {
			r, err := b.record()
			if err == nil {
				err = s.columnsAgree(ctx, b, r)
			}
			if err != nil {
				return explain(s.path, "verify record "+b.id, err)
			}
			from = b.seq + 1
		}
		if len(rows) < page {
			return nil
		}
	}
}

func (s *Store) columnsAgree(ctx context.Context, b body, r rig.Record) error {
	var outcome string
	var took int64
	if err := s.read.QueryRowContext(ctx, "SELECT outcome, took_ns FROM records WHERE cycle = ?", b.seq).Scan(&outcome, &took); err != nil {
		return err
	}
	if outcome != string(r.Outcome) || took != int64(r.Took) || b.id != r.ID {
		return fmt.Errorf("%w: its columns do not agree with its text", ErrCorrupt)
	}
	for _, a := range r.Hashes {
		var had bool
		if err := s.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM artifacts WHERE cycle = ? AND name = ? AND sha256 = ? AND bytes = ?)", b.seq, a.Name, a.SHA256, a.Bytes).Scan(&had); err != nil {
			return err
		}
		if !had {
			return fmt.Errorf("%w: its evidence %s is booked otherwise than its text says", ErrCorrupt, a.Name)
		}
	}
	return nil
}
