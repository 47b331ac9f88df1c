package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A run is alive as long as its process holds the run's byte in the lock file:
// an open-file-description lock at the offset of the run's number. The kernel
// drops it when the process dies, however it dies; unlike a process id it is
// never another's, and unlike a POSIX lock it survives another descriptor's
// closing. Linux only.

// hold takes the run's byte; ErrRunning where another has it.
func (s *Store) hold(seq int64) error {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: seq, Len: 1}
	err := unix.FcntlFlock(s.locks.Fd(), unix.F_OFD_SETLK, &l)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrRunning
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", s.locks.Name(), err)
	}
	return nil
}

// release gives the run's byte back.
func (s *Store) release(seq int64) error {
	l := unix.Flock_t{Type: unix.F_UNLCK, Whence: io.SeekStart, Start: seq, Len: 1}
	if err := unix.FcntlFlock(s.locks.Fd(), unix.F_OFD_SETLK, &l); err != nil {
		return fmt.Errorf("unlock %s: %w", s.locks.Name(), err)
	}
	return nil
}

// alive reports whether somebody holds the run's byte, this Store included.
func (s *Store) alive(seq int64) (bool, error) {
	s.mu.Lock()
	for _, m := range s.mine { // a lock of one's own is invisible to F_OFD_GETLK
		if m == seq {
			s.mu.Unlock()
			return true, nil
		}
	}
	s.mu.Unlock()
	if s.locks == nil {
		return false, nil // a reader of a database in which nothing ever ran
	}
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: seq, Len: 1}
	if err := unix.FcntlFlock(s.locks.Fd(), unix.F_OFD_GETLK, &l); err != nil {
		return false, fmt.Errorf("look at the lock %s: %w", s.locks.Name(), err)
	}
	return l.Type != unix.F_UNLCK, nil
}

// lockFile waits until nobody else, goroutine or process, has the file's lock.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
