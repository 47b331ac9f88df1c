//go:build unix

package access

import (
	"io/fs"
	"os"
	"syscall"
)

// ownerOf is the user whose file it is.
func ownerOf(i fs.FileInfo) (uid int, known bool) {
	s, ok := i.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(s.Uid), true
}

// lockFile waits until nobody else has the file locked; closing it unlocks.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
