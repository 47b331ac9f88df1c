package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite", without cgo
)

// smallEnough is the size up to which a database is examined whole on opening;
// larger ones would keep a Pi waiting, Verify examines them.
const smallEnough = 16 << 20

// Store is an open database of results. Its methods may be called from any
// goroutine. Several processes may have one open: writers wait for each other,
// readers for nobody.
type Store struct {
	path     string
	write    *sql.DB // exactly one connection
	read     *sql.DB
	locks    *os.File
	vault    vault
	commit   statements
	hour     func() hour
	evidence evidence

	totals totals

	mu   sync.Mutex
	mine map[string]int64 // runs that this Store began or resumed: id → seq
}

// dsn is the database's address with the settings of a connection. The path's
// own ? % # are escaped: SQLite reads the address as a URI.
func dsn(path, settings string) string {
	return (&url.URL{Scheme: "file", Path: path}).String() + "?" + settings
}

const (
	writing = "_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=foreign_keys(on)&_pragma=busy_timeout(5000)&_txlock=immediate"
	reading = "_pragma=busy_timeout(5000)&_pragma=query_only(on)"
	looking = "mode=rw&_pragma=busy_timeout(5000)"
)

// Open opens the database at path, and makes it, with its folder, where there
// is none: folders 0700, file 0600. It proves that it can be written, and that
// its format is known. The errors say what to do; test them with errors.Is for
// ErrNewer, ErrNotDatabase, ErrCorrupt, ErrReadOnly, ErrFull. A file that
// cannot be used is left exactly as it was.
func Open(path string) (*Store, error) {
	ctx := context.Background()
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := ensure(ctx, path); err != nil {
		return nil, explain(path, "open", err)
	}
	s := &Store{path: path, mine: map[string]int64{}, hour: systemHour, vault: vault{dir: path + ".vault"}, evidence: evidence{dir: filepath.Join(filepath.Dir(path), "artifacts")}}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, explain(path, "open", err)
	}
	return s, nil
}

// OpenReader opens the database at path for reading alone, beside whoever
// writes: it waits for nobody, examines nothing but the format, and changes
// nothing; what writes is refused with ErrReader. ErrNotFound where there is no
// database, ErrOlder where an older program made it: Open brings it up to date.
func OpenReader(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{path: path, mine: map[string]int64{}, hour: systemHour, vault: vault{dir: path + ".vault"}, evidence: evidence{dir: filepath.Join(filepath.Dir(path), "artifacts")}}
	if err := s.openReader(context.Background()); err != nil {
		s.Close()
		return nil, explain(path, "open for reading", err)
	}
	return s, nil
}

func (s *Store) openReader(ctx context.Context) (err error) {
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no database", ErrNotFound)
	}
	if err := s.openRead(); err != nil {
		return err
	}
	var id int64
	err = s.read.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id)
	if kind(err) == ErrNotDatabase || err == nil && id != applicationID {
		return ErrNotDatabase
	}
	if err != nil {
		return err
	}
	have, err := format(ctx, s.read)
	if err != nil {
		return err
	}
	if have < len(migrations) {
		return fmt.Errorf("%w: its format is %d, this program's %d; any command that books results, such as `resetrig store check`, brings it up to date", ErrOlder, have, len(migrations))
	}
	s.locks, err = os.Open(s.path + ".lock") // a run that is held has made it
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// openRead opens the connections for reading.
func (s *Store) openRead() (err error) {
	if s.read, err = sql.Open("sqlite", dsn(s.path, "mode=ro&"+reading)); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(4)
	s.read.SetMaxIdleConns(4)
	return nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.write, err = sql.Open("sqlite", dsn(s.path, "mode=rw&"+writing)); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	if err := s.writable(ctx); err != nil {
		return err
	}
	if err := s.openRead(); err != nil {
		return err
	}
	if fi, err := os.Stat(s.path); err == nil && fi.Size() <= smallEnough {
		if err := s.quickCheck(ctx); err != nil {
			return err
		}
	}
	if err := s.commit.prepare(ctx, s.write); err != nil {
		return err
	}
	s.locks, err = os.OpenFile(s.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	return err
}

// writable proves that a transaction may write: SQLite opens a file without
// write permission for reading, and says so only when it is too late.
func (s *Store) writable(ctx context.Context) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return tx.Rollback()
}

// quickCheck lets SQLite look through every page.
func (s *Store) quickCheck(ctx context.Context) error {
	var said string
	if err := s.read.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, said)
	}
	return nil
}

// Path is the database's file.
func (s *Store) Path() string { return s.path }

// Close ends the runs' hold and closes the database. Runs that were not ended
// count as interrupted from then on.
func (s *Store) Close() error {
	var errs []error
	s.commit.close()
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.locks != nil {
		errs = append(errs, s.locks.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return explain(s.path, "close", err)
	}
	return nil
}

// ensure leaves a database of ours at path, or says why there cannot be one.
func ensure(ctx context.Context, path string) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return create(ctx, path)
	case err != nil:
		return err
	case fi.IsDir():
		return fmt.Errorf("%w: it is a folder; name a file in it, such as %s", ErrNotDatabase, filepath.Join(path, "results.db"))
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%w: it is no regular file", ErrNotDatabase)
	case fi.Size() == 0:
		// A database of ours appears whole, so this one was cut off, or never was one.
		return fmt.Errorf("%w: it is empty. If it never held results, delete it, and it will be made anew", ErrNotDatabase)
	}
	return examine(ctx, path)
}

// examine looks at an existing file and changes nothing in it.
func examine(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path, looking))
	if err != nil {
		return err
	}
	defer db.Close()
	var id int64
	err = db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id)
	if kind(err) == ErrNotDatabase || err == nil && id != applicationID {
		return fmt.Errorf("%w, and nothing was changed in it; name another file", ErrNotDatabase)
	}
	if err != nil {
		return err
	}
	_, err = format(ctx, db)
	return err
}

// create makes a database under another name and gives it its own when it is
// whole, so that a crash leaves none or all of it. Where two processes do so
// at once, the first wins and both go on.
func create(ctx context.Context, path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".resetrig-new-*.db") // 0600
	if err != nil {
		return err
	}
	temp := f.Name()
	defer func() {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			os.Remove(temp + suffix)
		}
	}()
	if err := f.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(temp, "mode=rw&"+writing))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	if err := migrate(ctx, db); err != nil {
		return err
	}
	// The last close moves the log into the file and syncs it.
	if err := db.Close(); err != nil {
		return err
	}
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without links, as on an SD card's FAT partition.
		if err := os.Rename(temp, path); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// syncDir makes a folder's entries durable. A folder that may not be opened,
// as a parent of ours may be, is left to the system.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
