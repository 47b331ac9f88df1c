package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What callers test an error for. The message around it says where, what was
// being done, and what to do.
var (
	ErrNotFound    = errors.New("no such entry")
	ErrAmbiguous   = errors.New("the beginning fits more than one entry")
	ErrExists      = errors.New("exists already")
	ErrRunning     = errors.New("its process is still running")
	ErrNewer       = errors.New("written by a newer version of resetrig")
	ErrOlder       = errors.New("written by an older version of resetrig")
	ErrReader      = errors.New("it was opened for reading alone")
	ErrDropped     = errors.New("it was dropped to make room")
	ErrUnfit       = errors.New("it cannot be kept as it is")
	ErrNotDatabase = errors.New("not a database of resetrig")
	ErrCorrupt     = errors.New("damaged")
	ErrReadOnly    = errors.New("cannot be written")
	ErrFull        = errors.New("the disk is full")
	ErrDisk        = errors.New("the disk does not do what it should")
	ErrBusy        = errors.New("held by another process for too long")
)

var remedies = []struct{ is, text error }{
	{ErrFull, errors.New("free some space there and try again; what was committed is safe")},
	{ErrReadOnly, errors.New("give this user write permission on the file and its folder, or name another database")},
	{ErrCorrupt, errors.New("keep the file; `resetrig store repair` copies what can be saved into a new one, and `sqlite3 FILE .recover` looks deeper")},
	{ErrDisk, errors.New("see the kernel's log (dmesg): a card that wears out, or a limit on the size of files; what was committed is safe")},
	{ErrBusy, errors.New("see which other resetrig uses it, or give this run a database of its own")},
}

// explain says where, what was being done, and what to do. The cause stays
// testable, with the sentinel that it amounts to.
func explain(path, doing string, err error) error {
	if err == nil {
		return nil
	}
	if is := cause(path, kind(err)); is != nil && !errors.Is(err, is) {
		err = fmt.Errorf("%w (%w)", is, err)
	}
	for _, r := range remedies {
		if errors.Is(err, r.is) {
			return fmt.Errorf("store %s: %s: %w: %w", path, doing, err, r.text)
		}
	}
	return fmt.Errorf("store %s: %s: %w", path, doing, err)
}

// cause looks behind an error of the disk: SQLite gives no more than that where
// it could not make its log on a disk that is full, or mounted read only.
func cause(path string, is error) error {
	if is != ErrDisk {
		return is
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &fs); err != nil {
		return is
	}
	const little = 64 << 10 // the log and its index want that much
	switch {
	case fs.Flags&unix.ST_RDONLY != 0:
		return ErrReadOnly
	case fs.Bavail*uint64(fs.Bsize) < little:
		return ErrFull
	}
	return is
}

// kind is the sentinel that an error of SQLite or of the system amounts to.
func kind(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return ErrFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return ErrReadOnly
	}
	switch code(err) & 0xff {
	case sqlite3.SQLITE_FULL:
		return ErrFull
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return ErrReadOnly
	case sqlite3.SQLITE_CORRUPT:
		return ErrCorrupt
	case sqlite3.SQLITE_NOTADB:
		return ErrNotDatabase
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		return ErrDisk
	case sqlite3.SQLITE_BUSY:
		return ErrBusy
	}
	switch code(err) {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return ErrExists
	}
	return nil
}

// code is SQLite's extended result code, 0 for any other error.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
