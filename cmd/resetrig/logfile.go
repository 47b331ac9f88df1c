package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// The log of long runs lies beside the results and keeps its size: a soak of a
// month must not fill the disk with words. An old part is never thrown away
// before a new one has begun.
const (
	logSize = 4 << 20 // of one part, bytes
	logKept = 4       // parts beside the one that is written
)

// rotating is a file that is put aside when it has grown to size: name.1 is the
// youngest of the old parts. An error of the disk is the writer's to see and
// keeps no part from being written later.
type rotating struct {
	mu   sync.Mutex
	path string
	size int64
	kept int
	f    *os.File
	has  int64
}

func openRotating(path string, size int64, kept int) (*rotating, error) {
	r := &rotating{path: path, size: size, kept: kept}
	return r, r.open()
}

func (r *rotating) open() error {
	if err := os.MkdirAll(filepath.Dir(r.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	r.f, r.has = f, fi.Size()
	return nil
}

// Write writes p whole into one part.
func (r *rotating) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.f != nil && r.has > 0 && r.has+int64(len(p)) > r.size {
		r.aside()
	}
	if r.f == nil {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	n, err := r.f.Write(p)
	r.has += int64(n)
	return n, err
}

// aside makes the file the youngest of the old parts.
func (r *rotating) aside() {
	_ = r.f.Close()
	r.f = nil
	part := func(i int) string { return fmt.Sprintf("%s.%d", r.path, i) }
	_ = os.Remove(part(r.kept))
	for i := r.kept - 1; i >= 1; i-- {
		_ = os.Rename(part(i), part(i+1)) // one that is not there yet
	}
	_ = os.Rename(r.path, part(1))
}

// Close closes the part that is written.
func (r *rotating) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}

// logToFile lets a long run's log go to a file too, from the level of
// information on. Where that is not possible the run goes on without.
func (a *app) logToFile() (done func()) {
	r, err := openRotating(filepath.Join(a.state, "resetrig.log"), logSize, logKept)
	if err != nil {
		a.log.Warn("no log is written", "err", err)
		return func() {}
	}
	before := a.log
	a.log = slog.New(slog.NewMultiHandler(before.Handler(), slog.NewTextHandler(io.Writer(r), &slog.HandlerOptions{Level: slog.LevelInfo})))
	return func() {
		a.log = before
		_ = r.Close()
	}
}
