package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A service keeps its results in a folder that belongs to its user. Whoever works
// on them as root (a soak put there, a cycle by hand, `safe` in a hurry) must not
// leave files that shut the service out.

// owner is a user and a group of the system.
type owner struct{ uid, gid int }

// ownerOf reports to whom a folder belongs, through a link to it.
func ownerOf(dir string) (owner, bool) {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return owner{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return owner{int(st.Uid), int(st.Gid)}, ok
}

// handOver gives what root has left in a state folder to the folder's owner. It
// does nothing for anyone else. Links are not followed, and a file with a second
// name is not touched: it may be another folder's.
func handOver(dir string) error {
	to, known := ownerOf(dir)
	if os.Geteuid() != 0 || !known || to.uid == 0 {
		return nil
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	return filepath.WalkDir(real, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			var info fs.FileInfo
			if info, err = e.Info(); err == nil {
				st, ok := info.Sys().(*syscall.Stat_t)
				if ok && st.Uid == 0 && (info.IsDir() || info.Mode().IsRegular() && st.Nlink == 1) {
					err = os.Lchown(path, to.uid, to.gid)
				}
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile
		}
		return err
	})
}
