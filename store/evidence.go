package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"resetrig/rig"
)

// Evidence lies beside the database, in the folder artifacts:
//
//	artifacts/<cycle>/<name>            of a cycle that runs, or was made by format 2
//	artifacts/blobs/<aa>/<sha256>       of one that was committed
//
// A cycle writes its files into its own folder. Hash makes them durable there,
// Commit books them with the record, and Settle then moves them to their
// content's place. Whenever the program dies, a file is in one place or the
// other, and both are looked into: a record never names a file that was not
// durable before it. What no entry knows is never deleted: after a repair of
// the database such files may be all that is left of a cycle.

// evidence is the folder.
type evidence struct{ dir string }

func (e evidence) cycle(id string) string { return filepath.Join(e.dir, id) }

func (e evidence) blob(sum string) string { return filepath.Join(e.dir, "blobs", sum[:2], sum) }

// lock keeps other goroutines and processes from moving or deleting meanwhile.
func (e evidence) lock() (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Join(e.dir, "blobs"), 0o700); err != nil {
		return nil, err
	}
	return lockFile(filepath.Join(e.dir, "blobs", ".lock"))
}

// usable reports whether a name is that of a file within a folder: both come
// from outside.
func usable(names ...string) error {
	for _, n := range names {
		if n == "" || n[0] == '.' || len(n) > 255 || n != filepath.Base(n) || !filepath.IsLocal(n) || n == "blobs" || strings.ContainsRune(n, 0) {
			return fmt.Errorf("%w: %q is no name of evidence", ErrNotFound, n)
		}
	}
	return nil
}

// CycleDir is the folder of a cycle that runs, in which it leaves its evidence.
// It is made if it is not there.
func (s *Store) CycleDir(id string) (string, error) {
	if err := usable(id); err != nil {
		return "", explain(s.path, "make a folder for evidence", err)
	}
	dir := s.evidence.cycle(id)
	_, err := os.Stat(s.evidence.dir)
	fresh := errors.Is(err, fs.ErrNotExist)
	err = os.MkdirAll(dir, 0o700)
	if err == nil && fresh {
		err = syncDir(filepath.Dir(s.evidence.dir))
	}
	return dir, explain(s.path, "make a folder for evidence", err)
}

// Hash makes the files of a cycle's folder durable and tells their content, in
// the order of their names. nil names are all files that lie there. What can't
// be kept is in the error, and the rest all the same.
func (s *Store) Hash(cycle string, names []string) (hashes []rig.Artifact, err error) {
	dir := s.evidence.cycle(cycle)
	if names == nil {
		list, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		} else if err != nil {
			return nil, explain(s.path, "look for the evidence of "+cycle, err)
		}
		for _, e := range list {
			if e.Type().IsRegular() && usable(e.Name()) == nil {
				names = append(names, e.Name())
			}
		}
	}
	var errs []error
	for _, name := range slices.Sorted(slices.Values(names)) {
		a := rig.Artifact{Name: name}
		err := usable(cycle, name)
		if err == nil {
			a.SHA256, a.Bytes, err = hashFile(filepath.Join(dir, name), true)
		}
		if err != nil {
			errs = append(errs, explain(s.path, "keep the evidence of "+cycle, err))
			continue
		}
		hashes = append(hashes, a)
	}
	if len(hashes) > 0 {
		errs = append(errs, syncDir(dir), syncDir(s.evidence.dir))
	}
	return hashes, errors.Join(errs...)
}

// hashFile is a regular file's content in short; durable brings it to the disk.
func hashFile(path string, durable bool) (sum string, n int64, err error) {
	f, err := openRegular(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if n, err = io.Copy(h, f); err != nil {
		return "", 0, err
	}
	if durable {
		err = f.Sync()
	}
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// openRegular opens a file that is no folder, link or pipe.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: it is no file", path, fs.ErrNotExist)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// insertArtifacts books which content a cycle's files have.
func (s *Store) insertArtifacts(ctx context.Context, tx *sql.Tx, cycle int64, as []rig.Artifact) error {
	for _, a := range as {
		if _, err := tx.ExecContext(ctx, "INSERT INTO artifacts (cycle, name, sha256, bytes) VALUES (?, ?, ?, ?)", cycle, a.Name, a.SHA256, a.Bytes); err != nil {
			return fmt.Errorf("its evidence %s: %w", a.Name, err)
		}
	}
	return nil
}

// Attach adds a file of a committed cycle's folder to its evidence: what is made
// of it later, as a picture is. The record says nothing of its content.
func (s *Store) Attach(ctx context.Context, cycle, name string) error {
	as, err := s.Hash(cycle, []string{name})
	if err != nil {
		return err
	}
	err = s.transact(ctx, "add evidence to "+cycle, func(tx *sql.Tx) error {
		var seq int64
		if err := tx.QueryRowContext(ctx, "SELECT cycle FROM records JOIN cycles ON seq = cycle WHERE id = ?", cycle).Scan(&seq); err != nil {
			return none(err)
		}
		return s.insertArtifacts(ctx, tx, seq, as)
	})
	if err != nil {
		return err
	}
	return s.Settle(ctx, cycle)
}

// Settle moves the booked files of a committed cycle to their content's place,
// and removes its folder where nothing else is in it. Called again it goes on
// where it was cut off.
func (s *Store) Settle(ctx context.Context, cycle string) error {
	return explain(s.path, "settle the evidence of "+cycle, s.settle(ctx, cycle))
}

func (s *Store) settle(ctx context.Context, cycle string) error {
	if err := usable(cycle); err != nil {
		return err
	}
	dir := s.evidence.cycle(cycle)
	if _, err := os.Stat(dir); err != nil {
		return nil // there is nothing to move
	}
	unlock, err := s.evidence.lock()
	if err != nil {
		return err
	}
	defer unlock()
	as, err := s.artifacts(ctx, cycle)
	if err != nil {
		return err
	}
	shards := map[string]bool{}
	for _, a := range as {
		if a.Dropped() {
			continue
		}
		to := s.evidence.blob(a.SHA256)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		// Where the content is there already, this takes its place: it is the same.
		if err := os.Rename(filepath.Join(dir, a.Name), to); errors.Is(err, fs.ErrNotExist) {
			continue // it was moved before
		} else if err != nil {
			return err
		}
		shards[filepath.Dir(to)] = true
	}
	for shard := range shards {
		if err := errors.Join(syncDir(shard), syncDir(filepath.Dir(shard)), syncDir(s.evidence.dir)); err != nil {
			return err
		}
	}
	_ = os.Remove(dir) // only if nothing is left in it
	return nil
}

// Recover finishes what a program that died left of the evidence: files that
// were booked and not moved, and such as were dropped and not deleted. It comes
// after CloseInterrupted.
func (s *Store) Recover(ctx context.Context) error {
	return explain(s.path, "recover the evidence", s.recover(ctx))
}

func (s *Store) recover(ctx context.Context) error {
	list, err := os.ReadDir(s.evidence.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, e := range list {
		if !e.IsDir() || usable(e.Name()) != nil {
			continue
		}
		if err := s.recoverCycle(ctx, e.Name()); err != nil {
			return err
		}
	}
	return s.sweep(ctx)
}

// recoverCycle goes on with a committed cycle's folder, unless a program works
// on its run: that one does so itself.
func (s *Store) recoverCycle(ctx context.Context, id string) error {
	var run int64
	var booked bool
	err := s.read.QueryRowContext(ctx, "SELECT c.run, EXISTS (SELECT 1 FROM artifacts a WHERE a.cycle = c.seq) FROM records d JOIN cycles c ON c.seq = d.cycle WHERE c.id = ?", id).Scan(&run, &booked)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // it runs, or is nobody's
	} else if err != nil {
		return err
	}
	if live, err := s.alive(run); err != nil || live {
		return err
	}
	if !booked {
		_ = os.Remove(s.evidence.cycle(id)) // if it is empty; in format 2 the files stay there
		return nil
	}
	if err := s.settle(ctx, id); err != nil {
		return err
	}
	left, err := os.ReadDir(s.evidence.cycle(id))
	if err != nil {
		return nil // nothing is left
	}
	r, err := s.Record(ctx, id)
	if err != nil {
		return err
	}
	for _, e := range left {
		switch name := e.Name(); {
		case slices.Contains(r.Artifacts, name) && e.Type().IsRegular(): // a picture that was drawn, and not booked
			err = s.Attach(ctx, id, name)
		case name[0] == '.': // one that was being drawn
			err = removeFile(filepath.Join(s.evidence.cycle(id), name))
		}
		if err != nil {
			return err
		}
	}
	_ = os.Remove(s.evidence.cycle(id))
	return nil
}

// Artifact is a file of a cycle's evidence as the books have it.
type Artifact struct {
	rig.Artifact
	// Gone is when it was dropped to make room; "" while it is kept.
	Gone string `json:"gone,omitempty"`
}

// Dropped reports whether it was dropped to make room.
func (a Artifact) Dropped() bool { return a.Gone != "" }

// Artifacts are the files of a cycle that the books know, by name: those of its
// record, and what was added later. A cycle of an older program has none here,
// and may have files all the same.
func (s *Store) Artifacts(ctx context.Context, cycle string) ([]Artifact, error) {
	as, err := s.artifacts(ctx, cycle)
	return as, explain(s.path, "look for the evidence of "+cycle, err)
}

func (s *Store) artifacts(ctx context.Context, cycle string) ([]Artifact, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT name, sha256, bytes, gone FROM cycles c JOIN artifacts a ON a.cycle = c.seq WHERE c.id = ? ORDER BY name", cycle)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var as []Artifact
	for rows.Next() {
		var a Artifact
		if err := rows.Scan(&a.Name, &a.SHA256, &a.Bytes, &a.Gone); err != nil {
			return nil, err
		}
		as = append(as, a)
	}
	return as, rows.Err()
}

// OpenArtifact opens a file of a cycle's evidence by its name, wherever it lies;
// that of an older program has no hash. ErrNotFound for one that is not there,
// ErrDropped for one that was dropped to make room. Both names may come from
// anywhere. The caller closes it. What it holds is not compared with the hash:
// VerifyEvidence does that.
func (s *Store) OpenArtifact(ctx context.Context, cycle, name string) (*os.File, Artifact, error) {
	f, a, err := s.openArtifact(ctx, cycle, name)
	return f, a, explain(s.path, fmt.Sprintf("open %q of cycle %q", name, cycle), err)
}

func (s *Store) openArtifact(ctx context.Context, cycle, name string) (*os.File, Artifact, error) {
	a := Artifact{Artifact: rig.Artifact{Name: name}}
	if err := usable(cycle, name); err != nil {
		return nil, a, err
	}
	err := s.read.QueryRowContext(ctx, "SELECT sha256, bytes, gone FROM cycles c JOIN artifacts a ON a.cycle = c.seq WHERE c.id = ? AND a.name = ?", cycle, name).
		Scan(&a.SHA256, &a.Bytes, &a.Gone)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, a, err
	}
	if a.Dropped() {
		return nil, a, fmt.Errorf("%w, on %s", ErrDropped, a.Gone)
	}
	places := []string{filepath.Join(s.evidence.cycle(cycle), name)}
	if a.SHA256 != "" { // in between, a move may have come: look into the blobs last
		places = append([]string{s.evidence.blob(a.SHA256)}, append(places, s.evidence.blob(a.SHA256))...)
	}
	for _, place := range places {
		f, err := openRegular(place)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) {
			continue
		} else if err != nil {
			return nil, a, err
		}
		fi, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, a, err
		}
		a.Bytes = fi.Size()
		return f, a, nil
	}
	return nil, a, ErrNotFound
}

// Exported notes that the evidence of cycles was copied to elsewhere: it may be
// dropped from then on.
func (s *Store) Exported(ctx context.Context, at time.Time, cycles ...string) error {
	return s.transact(ctx, "note what was exported", func(tx *sql.Tx) error {
		for _, id := range cycles {
			if _, err := tx.ExecContext(ctx, "UPDATE cycles SET exported = ? WHERE id = ?", stamp(at), id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Undrawn are the records of a run that have a recording and lack the picture
// that they name: the program died before it was drawn.
func (s *Store) Undrawn(ctx context.Context, run string) (ids []string, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT c.id FROM runs r JOIN cycles c ON c.run = r.seq JOIN artifacts a ON a.cycle = c.seq
		WHERE r.id = ? AND a.gone = '' AND a.name LIKE '%.wav'
		AND NOT EXISTS (SELECT 1 FROM artifacts p WHERE p.cycle = c.seq AND p.name = substr(a.name, 1, length(a.name) - 4) || '.png')`, run)
	if err != nil {
		return nil, explain(s.path, "look for missing pictures", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, explain(s.path, "look for missing pictures", err)
		}
		ids = append(ids, id)
	}
	return ids, explain(s.path, "look for missing pictures", rows.Err())
}
