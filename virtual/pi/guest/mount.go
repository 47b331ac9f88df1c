package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func mountOver(folder, on string) error {
	if err := unix.Mount(folder, on, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", folder, on, err)
	}
	return nil
}

func unmount(path string) error { return unix.Unmount(path, 0) }
