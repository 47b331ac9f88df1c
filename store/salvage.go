package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"resetrig/rig"
)

// Salvaged says what was saved out of a damaged database.
type Salvaged struct {
	Runs    int `json:"runs"`
	Records int `json:"records"` // whole
	// Stubs are records whose text is lost and whose columns are left: outcome,
	// attribution, reason.
	Stubs []string `json:"stubs,omitempty"`
	// Lost are cycles of which nothing is left but that they began.
	Lost []string `json:"lost,omitempty"`
	// Damaged counts entries that could not be read at all.
	Damaged int `json:"damaged,omitempty"`
}

// Salvage copies what can be read of the database at from into a new one at to,
// which must not be there. from and its log are only read: the work is done on a
// copy of them, so that nothing that another attempt might need is changed.
func Salvage(ctx context.Context, from, to string) (s Salvaged, err error) {
	if _, err := os.Lstat(to); err == nil {
		return s, fmt.Errorf("salvage %s: %s: %w", from, to, ErrExists)
	}
	dir, err := os.MkdirTemp(filepath.Dir(to), ".resetrig-salvage-*")
	if err != nil {
		return s, explain(to, "salvage "+from, err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "db")
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(copied+suffix, from+suffix); err != nil && !(suffix != "" && errors.Is(err, os.ErrNotExist)) {
			return s, explain(from, "salvage", err)
		}
	}
	if err := wholeLength(copied); err != nil {
		return s, explain(from, "salvage", err)
	}
	src, err := sql.Open("sqlite", dsn(copied, "mode=rw&_pragma=busy_timeout(5000)&_pragma=cell_size_check(on)"))
	if err != nil {
		return s, err
	}
	defer src.Close()
	src.SetMaxOpenConns(1)
	var version int
	if err := src.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return s, explain(from, "salvage", err)
	}
	if version < 1 || version > len(migrations) {
		return s, explain(from, "salvage", fmt.Errorf("%w: its format is %d", ErrNewer, version))
	}
	dst, err := Open(to)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	g := &salvager{ctx: ctx, src: src, dst: dst, version: version, out: &s, runs: map[int64]bool{}}
	if err := g.all(); err != nil {
		return s, explain(to, "salvage "+from, err)
	}
	return s, dst.Verify(ctx)
}

// copyFile copies a file's bytes. It may be called before SQLite opens the file
// in this process, and not while.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// wholeLength gives a file that was cut off the length that its header names
// (sqlite.org/fileformat2.html, section 1.3): SQLite refuses a shorter one
// altogether, and of a page of zeros it misses that page alone.
func wholeLength(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [32]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return fmt.Errorf("%w: it is shorter than a header", ErrNotDatabase)
	}
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 {
		page = 65536
	}
	want := page * int64(binary.BigEndian.Uint32(head[28:]))
	const sane = 1 << 40
	fi, err := f.Stat()
	if err != nil || fi.Size() >= want || want > sane {
		return err
	}
	return f.Truncate(want)
}

// salvager reads row by row: one that cannot be read costs nothing but itself.
type salvager struct {
	ctx      context.Context
	src      *sql.DB
	dst      *Store
	version  int
	out      *Salvaged
	runs     map[int64]bool // that were saved
	tx       *sql.Tx
	enclosed int // rows in the transaction
}

// gap is how many numbers in a row may be missing before a table is taken to end.
const gap = 10_000

// rows walks through a table's numbers. one returns sql.ErrNoRows for a number
// that is not there, another error for one that cannot be read.
func (g *salvager) rows(table string, one func(seq int64) error) error {
	var last int64
	known := g.src.QueryRowContext(g.ctx, "SELECT seq FROM sqlite_sequence WHERE name = ?", table).Scan(&last) == nil
	damaged := 0 // since the last that could be read
	for seq, missing := int64(1), 0; known && seq <= last || !known && missing < gap; seq++ {
		if err := g.ctx.Err(); err != nil {
			return err
		}
		switch err := one(seq); {
		case err == nil:
			g.out.Damaged += damaged
			missing, damaged = 0, 0
		case errors.Is(err, sql.ErrNoRows):
			missing++
		case kind(err) == ErrCorrupt || kind(err) == ErrDisk:
			damaged++
			missing++
		default:
			return err
		}
	}
	if !known { // where the table ends is not known either
		damaged = min(damaged, 1)
	}
	g.out.Damaged += damaged
	return nil
}

func (g *salvager) all() (err error) {
	if g.tx, err = g.dst.write.BeginTx(g.ctx, nil); err != nil {
		return err
	}
	defer func() { g.tx.Rollback() }()
	if err := g.number(); err != nil {
		return err
	}
	if err := g.rows("runs", g.run); err != nil {
		return err
	}
	if err := g.rows("cycles", g.cycle); err != nil {
		return err
	}
	g.account()
	if err := g.beside(); err != nil {
		return err
	}
	return g.tx.Commit()
}

func (g *salvager) run(seq int64) error {
	cols := []any{new(string), new(string), new(string), new(string), new(int64), new(string), new(string), new(string), new(sql.NullString), new(sql.NullInt64), new(string), new(string)}
	labels := "'{}'"
	if g.version > 1 {
		labels = "labels"
	}
	if err := g.src.QueryRowContext(g.ctx, `SELECT id, kind, bench, scenario, planned, started, version, frozen, ended, exit, note, `+labels+`
		FROM runs WHERE seq = ?`, seq).Scan(cols...); err != nil {
		return err
	}
	_, err := g.tx.ExecContext(g.ctx, `INSERT INTO runs (seq, id, kind, bench, scenario, planned, started, version, frozen, ended, exit, note, labels)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append([]any{seq}, cols...)...)
	if err == nil {
		g.runs[seq] = true
		g.out.Runs++
	}
	return err
}

func (g *salvager) cycle(seq int64) error {
	var c Cycle
	var started string
	var run, elapsed int64
	var phase, exported string
	extra := "0, '', ''"
	switch {
	case g.version > 2:
		extra = "elapsed_ns, phase, exported"
	case g.version > 1:
		extra = "elapsed_ns, phase, ''"
	}
	err := g.src.QueryRowContext(g.ctx, "SELECT id, run, n, attempt, control, scenario, started, "+extra+" FROM cycles WHERE seq = ?", seq).
		Scan(&c.ID, &run, &c.N, &c.Attempt, &c.Control, &c.Scenario, &started, &elapsed, &phase, &exported)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return g.orphan(seq, err)
	}
	if err != nil {
		return err
	}
	r, stub := g.record(seq, c)
	if !g.runs[run] {
		if err := g.runOf(run, r, started); err != nil {
			return err
		}
	}
	if _, err := g.tx.ExecContext(g.ctx, `INSERT INTO cycles (seq, id, run, n, attempt, control, scenario, started, elapsed_ns, phase, exported)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, seq, c.ID, run, c.N, c.Attempt, c.Control, c.Scenario, started, elapsed, phase, exported); err != nil {
		return err
	}
	if r == nil {
		return nil // it was running, or is interrupted: the next program closes it
	}
	if err := g.tx.QueryRowContext(g.ctx, "SELECT id FROM runs WHERE seq = ?", run).Scan(&r.Run); err != nil {
		return err
	}
	r.ID, r.Cycle, r.Attempt, r.Control = c.ID, c.N, c.Attempt, c.Control
	if r.Started.IsZero() {
		r.Started, _ = unstamp(started)
	}
	if err := g.dst.insertRecord(g.ctx, g.tx, *r); err != nil {
		return err
	}
	switch {
	case !stub:
		g.out.Records++
	case r.Reason == rig.ReasonInterrupted:
		g.out.Lost = append(g.out.Lost, c.ID)
	default:
		g.out.Stubs = append(g.out.Stubs, c.ID)
	}
	return g.batch()
}

// orphan saves a record whose cycle's entry cannot be read, which is why: the
// record stands alone.
func (g *salvager) orphan(seq int64, why error) error {
	var b body
	query := "SELECT sum, NULL, text FROM packed WHERE cycle = ?"
	if g.version == 1 {
		query = "SELECT sum, json, NULL FROM bodies WHERE cycle = ?"
	}
	if err := g.src.QueryRowContext(g.ctx, query, seq).Scan(&b.sum, &b.json, &b.packed); err != nil {
		return why
	}
	r, err := b.record()
	if err != nil {
		return why
	}
	var run int64
	err = g.tx.QueryRowContext(g.ctx, "SELECT seq FROM runs WHERE id = ?", r.Run).Scan(&run)
	if errors.Is(err, sql.ErrNoRows) {
		if err = g.tx.QueryRowContext(g.ctx, "SELECT coalesce(max(seq), 0) + 1000000 FROM runs").Scan(&run); err == nil {
			err = g.runOf(run, &r, stamp(r.Started))
		}
	}
	if err != nil {
		return err
	}
	if _, err := g.tx.ExecContext(g.ctx, `INSERT INTO cycles (seq, id, run, n, attempt, control, scenario, started)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, seq, r.ID, run, r.Cycle, r.Attempt, r.Control, r.Scenario, stamp(r.Started)); err != nil {
		return err
	}
	if err := g.dst.insertRecord(g.ctx, g.tx, r); err != nil {
		return err
	}
	g.out.Records++
	return g.batch()
}

// batch ends a transaction now and then: a large database does not fit into one.
func (g *salvager) batch() (err error) {
	if g.enclosed++; g.enclosed < 500 {
		return nil
	}
	g.enclosed = 0
	if err := g.tx.Commit(); err != nil {
		return err
	}
	g.tx, err = g.dst.write.BeginTx(g.ctx, nil)
	return err
}

// record is the cycle's record: whole, or made of what is left of it. nil is a
// cycle that has none.
func (g *salvager) record(seq int64, c Cycle) (r *rig.Record, stub bool) {
	b := body{id: c.ID}
	columns, tables := bodyColumns, bodyTables
	if g.version == 1 {
		columns, tables = "coalesce(b.sum, -1), b.json, NULL", "LEFT JOIN bodies b ON b.cycle = d.cycle"
	}
	err := g.src.QueryRowContext(g.ctx, "SELECT "+columns+" FROM records d "+tables+" WHERE d.cycle = ?", seq).Scan(&b.sum, &b.json, &b.packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false
	}
	if err == nil {
		if whole, err := b.record(); err == nil {
			return &whole, false
		}
	}
	r = &rig.Record{
		Scenario: c.Scenario, Outcome: rig.Aborted, Reason: rig.ReasonInterrupted,
		Text:  "the store was damaged: nothing is left of this cycle's record",
		Steps: []rig.StepRecord{}, Checks: []rig.Check{}, Measurements: []rig.Measurement{}, Beeps: []rig.BeepRecord{},
		Timeline: []rig.Event{}, Operations: map[string]int{}, Senses: []string{},
	}
	var outcome, attribution, reason, bench, scenario string
	var took int64
	if err := g.src.QueryRowContext(g.ctx, "SELECT outcome, attribution, reason, bench, scenario, took_ns FROM records WHERE cycle = ?", seq).
		Scan(&outcome, &attribution, &reason, &bench, &scenario, &took); err != nil {
		return r, true
	}
	r.Outcome, r.Attribution, r.Reason, r.Bench, r.Scenario = rig.Outcome(outcome), rig.Attribution(attribution), rig.Reason(reason), bench, scenario
	r.Text = "the store was damaged: this cycle's outcome is left of its record, and nothing else"
	return r, true
}

// runOf puts a run in place whose entry cannot be read.
func (g *salvager) runOf(seq int64, r *rig.Record, started string) error {
	id, bench, scenario := fmt.Sprintf("lost-run-%d", seq), "", ""
	if r != nil && r.Run != "" {
		id = r.Run
	}
	if r != nil {
		bench, scenario = r.Bench, r.Scenario
	}
	_, err := g.tx.ExecContext(g.ctx, `INSERT INTO runs (seq, id, kind, bench, scenario, planned, started, version, frozen, ended, note)
		VALUES (?, ?, 'soak', ?, ?, 0, ?, '', '{}', ?, 'the store was damaged: the entry of this run is lost')`, seq, id, bench, scenario, started, started)
	if err == nil {
		g.runs[seq] = true
		g.out.Runs++
	}
	return err
}

// account copies what counts beside the records. Where it cannot be read, the
// relays' life is what the records say, and of refused logins nothing is known.
func (g *salvager) account() {
	for _, q := range []struct{ read, write string }{
		{"SELECT bench, relay, operations FROM life", "INSERT INTO life (bench, relay, operations) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET operations = max(operations, excluded.operations)"},
		{"SELECT dut, at, '' FROM refusals", "INSERT INTO refusals (dut, at, boot) VALUES (?, ?, ?)"},
	} {
		rows, err := g.src.QueryContext(g.ctx, q.read)
		if err != nil {
			g.out.Damaged++
			continue
		}
		for rows.Next() {
			var a, b, c any
			if err := rows.Scan(&a, &b, &c); err != nil {
				break
			}
			if _, err := g.tx.ExecContext(g.ctx, q.write, a, b, c); err != nil {
				break
			}
		}
		if rows.Err() != nil {
			g.out.Damaged++
		}
		rows.Close()
	}
}
