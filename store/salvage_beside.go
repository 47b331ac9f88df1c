package store

import "strings"

// number lets the records' numbers go on after those of the damaged database:
// who has seen its last is shown everything anew.
func (g *salvager) number() error {
	if g.version < 3 {
		return nil
	}
	var last int64
	if err := g.src.QueryRowContext(g.ctx, "SELECT seq FROM sqlite_sequence WHERE name = 'commits'").Scan(&last); err != nil {
		return nil // none was committed, or it cannot be known
	}
	if _, err := g.tx.ExecContext(g.ctx, "DELETE FROM sqlite_sequence WHERE name = 'commits'"); err != nil {
		return err
	}
	_, err := g.tx.ExecContext(g.ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES ('commits', ?)", last)
	return err
}

// beside copies what people did and said, and which files are evidence, row by
// row.
func (g *salvager) beside() error {
	if g.version < 3 {
		return nil
	}
	for _, t := range []struct{ table, columns string }{
		{"audit", "at, who, role, address, action, bench, run, cycle, detail, result"},
		{"comments", "cycle, at, who, kind, text"},
	} {
		n := strings.Count(t.columns, ",") + 1
		err := g.rows(t.table, func(seq int64) error {
			cols := make([]any, n)
			for i := range cols {
				cols[i] = new(string)
			}
			if err := g.src.QueryRowContext(g.ctx, "SELECT "+t.columns+" FROM "+t.table+" WHERE seq = ?", seq).Scan(cols...); err != nil {
				return err
			}
			if _, err := g.tx.ExecContext(g.ctx, "INSERT INTO "+t.table+" (seq, "+t.columns+") VALUES (?"+strings.Repeat(", ?", n)+")", append([]any{seq}, cols...)...); err != nil {
				return err
			}
			return g.batch()
		})
		if err != nil {
			return err
		}
	}
	return g.rows("cycles", g.artifacts)
}

// artifacts copies which files a saved cycle has. Those that its record names
// are there already.
func (g *salvager) artifacts(seq int64) error {
	rows, err := g.src.QueryContext(g.ctx, "SELECT name, sha256, bytes, gone FROM artifacts WHERE cycle = ?", seq)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, sum, gone string
		var bytes int64
		if err := rows.Scan(&name, &sum, &bytes, &gone); err != nil {
			return err
		}
		if _, err := g.tx.ExecContext(g.ctx, `INSERT INTO artifacts (cycle, name, sha256, bytes, gone) SELECT seq, ?2, ?3, ?4, ?5 FROM cycles WHERE seq = ?1
			ON CONFLICT DO UPDATE SET gone = excluded.gone`, seq, name, sum, bytes, gone); err != nil {
			return err
		}
	}
	return rows.Err()
}
