package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// EvidenceUse is what the evidence takes on the disk. A content that several
// cycles have counts once.
type EvidenceUse struct {
	Bytes int64 `json:"bytes"`
	// Droppable are those that only passes, and cycles that were exported, have.
	Droppable int64 `json:"droppable"`
	// Passes and Others are cycles with evidence, Unexported those of the others
	// that were not exported: nothing drops theirs.
	Passes     int `json:"passes"`
	Others     int `json:"others"`
	Unexported int `json:"unexported"`
}

// EvidenceUse counts the evidence that is kept, of all runs. That of an older
// program, which nothing drops, is left out.
func (s *Store) EvidenceUse(ctx context.Context) (u EvidenceUse, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(sum(bytes), 0), coalesce(sum(CASE WHEN bound THEN 0 ELSE bytes END), 0) FROM
		(SELECT a.bytes, max(d.outcome <> 'pass' AND c.exported = '') bound
			FROM artifacts a JOIN records d ON d.cycle = a.cycle JOIN cycles c ON c.seq = a.cycle WHERE a.gone = '' GROUP BY a.sha256)`).
		Scan(&u.Bytes, &u.Droppable)
	if err == nil {
		err = s.read.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE d.outcome = 'pass'), count(*) FILTER (WHERE d.outcome <> 'pass'), count(*) FILTER (WHERE d.outcome <> 'pass' AND c.exported = '')
			FROM (SELECT DISTINCT cycle FROM artifacts WHERE gone = '') a JOIN records d ON d.cycle = a.cycle JOIN cycles c ON c.seq = a.cycle`).
			Scan(&u.Passes, &u.Others, &u.Unexported)
	}
	return u, explain(s.path, "count the evidence", err)
}

// Dropped is what MakeRoom dropped.
type Dropped struct {
	Bytes  int64
	Passes int // cycles
	Others int // that had been exported
}

// MakeRoom drops evidence of at least want bytes, as far as there is any that
// may go: that of passes first, then that of other cycles which was exported,
// the oldest first, a cycle's as a whole; the newest cycle's stays. What was not
// exported of a cycle that did not pass is never dropped. The records stay as
// they are.
func (s *Store) MakeRoom(ctx context.Context, want int64, now time.Time) (d Dropped, err error) {
	if want <= 0 {
		return d, nil
	}
	unlock, err := s.evidence.lock()
	if err != nil {
		return d, explain(s.path, "make room", err)
	}
	defer unlock()
	type candidate struct {
		cycle int64
		id    string
		pass  bool
	}
	for d.Bytes < want {
		var c candidate
		var sums []sum
		err := s.transact(ctx, "make room", func(tx *sql.Tx) error {
			if err := tx.QueryRowContext(ctx, `SELECT c.seq, c.id, d.outcome = 'pass' FROM artifacts a JOIN cycles c ON c.seq = a.cycle JOIN records d ON d.cycle = c.seq
				WHERE a.gone = '' AND (d.outcome = 'pass' OR c.exported <> '') AND c.seq < (SELECT max(cycle) FROM artifacts WHERE gone = '') ORDER BY d.outcome <> 'pass', c.seq LIMIT 1`).Scan(&c.cycle, &c.id, &c.pass); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE artifacts SET gone = ? WHERE cycle = ? AND gone = ''", stamp(now), c.cycle); err != nil {
				return err
			}
			sums, err = freed(ctx, tx, "a.cycle = ?", c.cycle)
			return err
		})
		if errors.Is(err, sql.ErrNoRows) {
			return d, nil
		} else if err != nil {
			return d, err
		}
		if c.pass {
			d.Passes++
		} else {
			d.Others++
		}
		for _, f := range sums {
			if err := removeFile(s.evidence.blob(f.sha256)); err != nil {
				return d, explain(s.path, "make room", err)
			}
			d.Bytes += f.bytes
		}
		if err := s.clearDir(ctx, c.id); err != nil {
			return d, explain(s.path, "make room", err)
		}
	}
	return d, nil
}

type sum struct {
	sha256 string
	bytes  int64
}

// freed are the contents that were dropped, where the term says, and that no
// other cycle keeps.
func freed(ctx context.Context, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, term string, args ...any,
) (sums []sum, err error) {
	rows, err := q.QueryContext(ctx, `SELECT DISTINCT a.sha256, a.bytes FROM artifacts a WHERE `+term+` AND a.gone <> ''
		AND NOT EXISTS (SELECT 1 FROM artifacts k WHERE k.sha256 = a.sha256 AND k.gone = '')`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f sum
		if err := rows.Scan(&f.sha256, &f.bytes); err != nil {
			return nil, err
		}
		sums = append(sums, f)
	}
	return sums, rows.Err()
}

// clearDir removes dropped files that were never moved.
func (s *Store) clearDir(ctx context.Context, cycle string) error {
	dir := s.evidence.cycle(cycle)
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	as, err := s.artifacts(ctx, cycle)
	if err != nil {
		return err
	}
	for _, a := range as {
		if a.Dropped() {
			if err := removeFile(filepath.Join(dir, a.Name)); err != nil {
				return err
			}
		}
	}
	_ = os.Remove(dir)
	return nil
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep deletes contents that were dropped when the program died. It goes by
// the files that are there: the books remember every drop.
func (s *Store) sweep(ctx context.Context) error {
	unlock, err := s.evidence.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return s.blobs(func(sum, path string) error {
		left, err := freed(ctx, s.read, "a.sha256 = ?", sum)
		if err != nil || len(left) == 0 {
			return err
		}
		return removeFile(path)
	})
}

// blobs calls f with every content that is there.
func (s *Store) blobs(f func(sum, path string) error) error {
	root := filepath.Join(s.evidence.dir, "blobs")
	shards, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, shard := range shards {
		if !shard.IsDir() {
			continue
		}
		list, err := os.ReadDir(filepath.Join(root, shard.Name()))
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := f(e.Name(), filepath.Join(root, shard.Name(), e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Free is how many bytes the disk under the evidence and the database has left
// for this user.
func (s *Store) Free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(s.path), &st); err != nil {
		return 0, explain(s.path, "ask for free space", err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// EvidenceProblem is a file of evidence that is not as it was committed.
type EvidenceProblem struct {
	Cycle string `json:"cycle"`
	Name  string `json:"name"`
	// Damaged: it is there, and is not what it was. Otherwise it is missing.
	Damaged bool `json:"damaged"`
	// Exported: a copy was made of it once.
	Exported bool   `json:"exported,omitempty"`
	Text     string `json:"text"`
}

// EvidenceChecked is what VerifyEvidence found.
type EvidenceChecked struct {
	Files    int               `json:"files"` // contents that were examined
	Bytes    int64             `json:"bytes"`
	Strays   int               `json:"strays"` // contents that no entry knows
	Problems []EvidenceProblem `json:"problems,omitempty"`
}

// VerifyEvidence reads every kept file and holds it against its hash. Nothing
// is changed.
func (s *Store) VerifyEvidence(ctx context.Context) (EvidenceChecked, error) {
	c, err := s.verifyEvidence(ctx)
	return c, explain(s.path, "verify the evidence", err)
}

func (s *Store) verifyEvidence(ctx context.Context) (c EvidenceChecked, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT c.id, a.name, a.sha256, a.bytes, c.exported <> '' FROM artifacts a JOIN cycles c ON c.seq = a.cycle
		WHERE a.gone = '' ORDER BY c.seq, a.name`)
	if err != nil {
		return c, err
	}
	type entry struct {
		cycle, name, sha256 string
		bytes               int64
		exported            bool
	}
	var all []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.cycle, &e.name, &e.sha256, &e.bytes, &e.exported); err != nil {
			rows.Close()
			return c, err
		}
		all = append(all, e)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return c, err
	}
	state := map[string]string{} // of each content: "" is whole
	missing := map[string]bool{}
	for _, e := range all {
		if err := ctx.Err(); err != nil {
			return c, err
		}
		wrong, seen := state[e.sha256]
		if !seen {
			var n int64
			wrong, n, err = s.examineBlob(ctx, e.cycle, e.name, e.sha256)
			if missing[e.sha256] = errors.Is(err, ErrNotFound); err != nil && !missing[e.sha256] {
				return c, err
			}
			state[e.sha256] = wrong
			c.Files++
			c.Bytes += n
		}
		if wrong != "" {
			c.Problems = append(c.Problems, EvidenceProblem{Cycle: e.cycle, Name: e.name, Damaged: !missing[e.sha256], Exported: e.exported, Text: wrong})
		}
	}
	err = s.blobs(func(sum, _ string) error {
		if _, known := state[sum]; known {
			return nil
		}
		var any bool
		err := s.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = ?)", sum).Scan(&any)
		if err == nil && !any {
			c.Strays++
		}
		return err
	})
	return c, err
}

// examineBlob reads a file of evidence; wrong says what is the matter with it,
// and an error that wraps ErrNotFound comes with one that is missing.
func (s *Store) examineBlob(ctx context.Context, cycle, name, want string) (wrong string, n int64, err error) {
	f, _, err := s.openArtifact(ctx, cycle, name)
	if errors.Is(err, ErrNotFound) {
		return "it is not there", 0, err
	} else if errors.Is(err, ErrDropped) {
		return "", 0, nil // meanwhile
	} else if err != nil {
		return "", 0, err
	}
	path := f.Name()
	f.Close()
	sum, n, err := hashFile(path, false)
	if err != nil {
		return fmt.Sprintf("it cannot be read: %v", err), 0, nil
	}
	if sum != want {
		return "its content has changed: " + path, n, nil
	}
	return "", n, nil
}

// Usual is what cycles of a scenario on a bench were like so far.
type Usual struct {
	Cycles int           // that passed
	Took   time.Duration // one of them, on average
}

// Usual looks at the passed cycles.
func (s *Store) Usual(ctx context.Context, bench, scenario string) (u Usual, err error) {
	var took float64
	err = s.read.QueryRowContext(ctx, "SELECT count(*), coalesce(avg(took_ns), 0) FROM (SELECT took_ns FROM records WHERE bench = ? AND scenario = ? AND outcome = 'pass' ORDER BY cycle DESC LIMIT 1000)", bench, scenario).Scan(&u.Cycles, &took)
	u.Took = time.Duration(took)
	return u, explain(s.path, "look at earlier cycles", err)
}
