package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"resetrig/internal/need"
)

// disk is a mounted file system of its own, in an image.
type disk struct {
	t             testing.TB
	image, folder string
}

// newDisk makes an ext4 of so many bytes that writes nothing to its image but
// what is synced.
func newDisk(t testing.TB, name string, size int64) *disk {
	t.Helper()
	need.Root(t)
	for _, tool := range []string{"mkfs.ext4", "mount", "umount"} {
		need.Tool(t, "root", tool)
	}
	dir := t.TempDir()
	d := &disk{t: t, image: filepath.Join(dir, name), folder: filepath.Join(dir, name+".disk")}
	if err := errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, size)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", d.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	d.mount()
	return d
}

func (d *disk) mount() {
	d.t.Helper()
	if err := os.MkdirAll(d.folder, 0o755); err != nil {
		d.t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-o", "loop,commit=300", d.image, d.folder).CombinedOutput(); err != nil {
		need.Missing(d.t, "root", fmt.Sprintf("mounting an image: %v: %s", err, out))
	}
	d.t.Cleanup(func() { _ = unix.Unmount(d.folder, unix.MNT_DETACH) })
}

// after is the disk as it is after a cut of the power now: a copy of the image,
// mounted.
func (d *disk) after() *disk {
	d.t.Helper()
	data, err := os.ReadFile(d.image)
	if err != nil {
		d.t.Fatal(err)
	}
	dir := d.t.TempDir()
	c := &disk{t: d.t, image: filepath.Join(dir, "image"), folder: filepath.Join(dir, "disk")}
	if err := os.WriteFile(c.image, data, 0o600); err != nil {
		d.t.Fatal(err)
	}
	c.mount()
	return c
}

// The power goes in the middle of a soak, again and again: each resume goes on
// from what was on the disk, and nothing that was acknowledged is lost.
func TestSoakThroughPowerCuts(t *testing.T) {
	t.Parallel()
	const cycles = 60
	d := newDisk(t, "image", 48<<20)
	dir := t.TempDir()
	soak := quick(t, dir, cycles)
	resume := []string{"soak", "--resume", "--bench", filepath.Join(dir, "quick.yaml"), "--json"}
	acked := acknowledged{}
	args := soak
	for _, wait := range []int{1, 9, 4, 14} { // cycles until the power goes
		p := start(t, append([]string{"--state", filepath.Join(d.folder, "state")}, args...)...)
		for end := time.Now().Add(time.Minute); strings.Count(p.out.String(), "\n") < wait; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d cycles do not come: %s", wait, p.err)
			}
		}
		_ = p.Process.Signal(syscall.SIGSTOP)
		said := p.out.String()
		next := d.after()
		_ = p.Process.Kill()
		p.code()
		acked.read(t, strings.NewReader(said))
		d, args = next, resume
	}
	p := start(t, append([]string{"--state", filepath.Join(d.folder, "state")}, resume...)...)
	if code := p.code(); code != exitPass && code != exitFail && code != exitError {
		t.Fatalf("exit code %d\n%s", code, p.err)
	}
	acked.read(t, strings.NewReader(p.out.String()))
	checkSoaks(t, filepath.Join(d.folder, "state", "resetrig.db"), acked, cycles)
}

// A full disk stops the soak: clearly, with the relays safe, and with nothing
// lost; with space again it goes on.
func TestSoakOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t, "small", 16<<20)
	dir := t.TempDir()
	const cycles = 150
	args := append([]string{"--state", filepath.Join(d.folder, "state")}, quick(t, dir, cycles)...)
	ballast := filepath.Join(d.folder, "ballast")
	var fs unix.Statfs_t
	if err := unix.Statfs(d.folder, &fs); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ballast, make([]byte, int64(fs.Bavail)*int64(fs.Bsize)-500_000), 0o600); err != nil {
		t.Fatal(err)
	}
	acked := acknowledged{}
	p := start(t, args...)
	code := p.code()
	acked.read(t, strings.NewReader(p.out.String()))
	said := p.err.String()
	if code == exitPass || code == exitUnsafe || !strings.Contains(said, "the disk is full") || !strings.Contains(said, "free some space") {
		t.Fatalf("exit code %d after %d cycles\n%s", code, len(acked), said)
	}
	t.Logf("full after %d cycles: %s", len(acked), said)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	last := start(t, "--state", filepath.Join(d.folder, "state"), "soak", "--resume", "--json")
	if code := last.code(); code != exitPass && code != exitFail && code != exitError {
		t.Fatalf("exit code %d\n%s", code, last.err)
	}
	acked.read(t, strings.NewReader(last.out.String()))
	checkSoaks(t, filepath.Join(d.folder, "state", "resetrig.db"), acked, cycles)
}

// A file system that is read only, a store that is damaged and one of a later
// version: refused before a cycle, and left as they are.
func TestSoakOnABadStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := quick(t, dir, 3)
	good := filepath.Join(dir, "good")
	if p := start(t, append([]string{"--state", good}, args...)...); p.code() > exitError {
		t.Fatal(p.err)
	}
	whole, err := os.ReadFile(filepath.Join(good, "resetrig.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(b []byte) []byte
		says  string
	}{
		"damaged":  {func(b []byte) []byte { copy(b[len(b)/2:], make([]byte, 3000)); return b }, "damaged"},
		"cut off":  {func(b []byte) []byte { return b[:len(b)/3] }, "damaged"},
		"later":    {func(b []byte) []byte { b[63] = 99; return b }, "written by a newer version"},
		"no store": {func([]byte) []byte { return []byte("a letter to the lab\n") }, "not a database"},
	} {
		state := filepath.Join(dir, name)
		path := filepath.Join(state, "resetrig.db")
		if err := errors.Join(os.Mkdir(state, 0o700), os.WriteFile(path, c.spoil(append([]byte(nil), whole...)), 0o600)); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(path)
		for _, cmd := range [][]string{args, {"soak", "--resume"}} {
			p := start(t, append([]string{"--state", state}, cmd...)...)
			if code := p.code(); code != exitError || !strings.Contains(p.err.String(), c.says) || p.out.String() != "" {
				t.Errorf("%s: exit code %d, said %s", name, code, p.err)
			}
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s: the file was changed", name)
		}
	}

	d := newDisk(t, "ro", 8<<20)
	state := filepath.Join(d.folder, "state")
	if p := start(t, append([]string{"--state", state}, args...)...); p.code() > exitError {
		t.Fatal(p.err)
	}
	if out, err := exec.Command("mount", "-o", "remount,ro", d.folder).CombinedOutput(); err != nil {
		t.Fatalf("remount: %v: %s", err, out)
	}
	p := start(t, append([]string{"--state", state}, args...)...)
	if code := p.code(); code != exitError || !strings.Contains(p.err.String(), "cannot be written") || p.out.String() != "" {
		t.Errorf("read only: exit code %d, said %s", code, p.err)
	}
}
