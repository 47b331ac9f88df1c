package store_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"resetrig/internal/need"
	"resetrig/store"
)

// A cut of the power loses what was not synced: the image of a mounted file
// system is copied while the writer stands still, and the copy must hold every
// record that was acknowledged. With synchronous=NORMAL it does not.
func TestPowerCut(t *testing.T) {
	need.Root(t)
	for _, tool := range []string{"mkfs.ext4", "mount", "umount"} {
		need.Tool(t, "root", tool)
	}
	dir := t.TempDir()
	mount := func(image, at string) {
		t.Helper()
		must(t, os.MkdirAll(at, 0o755))
		// A long commit interval: nothing reaches the image but what is synced.
		if out, err := exec.Command("mount", "-o", "loop,commit=300", image, at).CombinedOutput(); err != nil {
			need.Missing(t, "root", fmt.Sprintf("mounting an image: %v: %s", err, out))
		}
		t.Cleanup(func() { unix.Unmount(at, 0) })
	}
	image, disk := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 32<<20))
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	mount(image, disk)

	for i, n := range []int{1, 7, 60, 5, 12} {
		child, lab := "commit", "lab"
		if i > 2 {
			child, lab = "evidence", "lab2"
		}
		cmd, lines := startChild(t, child, filepath.Join(disk, lab, "results.db"), nil)
		var ids []string
		for len(ids) < n && lines.Scan() {
			ids = append(ids, lines.Text())
		}
		must(t, cmd.Process.Signal(syscall.SIGSTOP))
		b, err := os.ReadFile(image)
		must(t, err)
		must(t, cmd.Process.Kill())
		cmd.Wait() // says that it was killed
		if len(ids) < n {
			t.Fatalf("the child ended: %v", ids)
		}

		after := filepath.Join(dir, "after")
		must(t, os.WriteFile(after, b, 0o600))
		mount(after, after+".disk")
		s, err := store.Open(filepath.Join(after+".disk", lab, "results.db"))
		must(t, err)
		for _, id := range ids {
			if _, err := s.Record(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		if child == "evidence" {
			if records, _ := wantEvidence(t, s); records < n {
				t.Errorf("%d records with their evidence, %d were acknowledged", records, n)
			}
			must(t, errors.Join(s.Close(), unix.Unmount(after+".disk", 0)))
			continue
		}
		cs, err := s.Recall("dut")
		must(t, err)
		if last := ids[len(ids)-1]; len(cs) == 0 || cs[0].Password.Reveal() < last {
			t.Errorf("the vault does not hold the password of %s", last)
		}
		must(t, errors.Join(s.Verify(t.Context()), s.Close(), unix.Unmount(after+".disk", 0)))
	}
}

// What makes it so, for machines where the test above is skipped.
func TestSettings(t *testing.T) {
	s := fresh(t)
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		if got := store.Pragma(t, s, name); !strings.EqualFold(got, want) {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
