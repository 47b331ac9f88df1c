package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"resetrig/internal/need"
	"resetrig/rig"
	"resetrig/store"
)

// The test binary, started again with this variable, is a program that uses a
// store until it is killed or fails.
const childVar = "RESETRIG_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if child := os.Getenv(childVar); child != "" {
		if err := runChild(child, os.Args[len(os.Args)-1]); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func startChild(t *testing.T, child, path string, attr *syscall.SysProcAttr) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	if attr != nil { // another user may not be let to where it lies
		b, err := os.ReadFile(exe)
		must(t, err)
		exe = filepath.Join(filepath.Dir(path), "child")
		must(t, os.WriteFile(exe, b, 0o755))
	}
	cmd := exec.CommandContext(t.Context(), exe, path)
	cmd.Env = append(os.Environ(), childVar+"="+child)
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

func runChild(child, path string) error {
	ctx := context.Background()
	if child == "small-files" {
		// The kernel refuses to let any file grow beyond this, as a full disk does.
		signal.Ignore(syscall.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 400_000, Max: 400_000}); err != nil {
			return err
		}
	}
	s, err := store.Open(path)
	if err != nil {
		return err
	}
	defer s.Close()
	run := fmt.Sprintf("run%d", os.Getpid())
	if child == "evidence" {
		return keepEvidence(ctx, s, run)
	}
	if err := s.BeginRun(ctx, store.Run{ID: run, Kind: store.KindSoak, Bench: "b", Scenario: "s", Started: noon}); err != nil {
		return err
	}
	for n := 1; ; n++ {
		if err := s.BeginCycle(ctx, at(run, n, 1)); err != nil {
			return err
		}
		if err := s.Remember("dut", rig.Credential{User: "admin", Password: rig.Secret(cycleID(run, n, 1))}); err != nil {
			return err
		}
		if err := s.Commit(ctx, full(run, n, 1)); err != nil {
			return err
		}
		fmt.Println(cycleID(run, n, 1))
	}
}

// Whenever the program is killed: what it acknowledged is there, once, the
// cycle that it was in is known, and the vault holds its password.
func TestKilledAtAnyMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	rnd := rand.New(rand.NewPCG(1, 2))
	acknowledged := map[string]bool{}
	var newest string
	for range 30 {
		cmd, lines := startChild(t, "commit", path, nil)
		wait := 1 + rnd.IntN(25)
		for i := 0; i < wait && lines.Scan(); i++ {
			newest = lines.Text()
			acknowledged[newest] = true
		}
		time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond) // somewhere within the next cycle
		must(t, cmd.Process.Kill())
		for lines.Scan() { // what it said before it died counts too
			newest = lines.Text()
			acknowledged[newest] = true
		}
		cmd.Wait() // says that it was killed
		if strings.HasPrefix(newest, "error") {
			t.Fatal(newest)
		}

		s, err := store.Open(path)
		must(t, err)
		open, err := s.Interrupted(t.Context())
		must(t, err)
		closed, err := s.CloseInterrupted(t.Context())
		must(t, err)
		if len(open) > 1 || len(closed) != len(open) {
			t.Errorf("%d interrupted, %d closed", len(open), len(closed))
		}
		seen := map[string]int{}
		for r, err := range s.Records(t.Context(), store.Filter{}) {
			must(t, err)
			seen[r.ID]++
		}
		for id := range acknowledged {
			if seen[id] != 1 {
				t.Errorf("%s is there %d times", id, seen[id])
			}
		}
		cs, err := s.Recall("dut")
		must(t, err)
		if got := cs[0].Password.Reveal(); newest != "" && got < newest && got[:len(got)-7] == newest[:len(newest)-7] {
			t.Errorf("the vault's newest is %s, acknowledged %s", got, newest)
		}
		counts, err := s.Counts(t.Context(), "")
		must(t, err)
		if counts.Open != 0 || counts.Begun != len(seen) || counts.First.All() != len(seen) {
			t.Errorf("counts %+v of %d records", counts, len(seen))
		}
		must(t, errors.Join(s.Verify(t.Context()), s.Close()))
	}
	t.Logf("%d acknowledged over 30 kills", len(acknowledged))
}

// finish reads the child to its end: the IDs that it acknowledged, its error.
func finish(t *testing.T, cmd *exec.Cmd, lines *bufio.Scanner) (ids []string, failed string) {
	t.Helper()
	for lines.Scan() {
		if e, ok := strings.CutPrefix(lines.Text(), "error "); ok {
			failed = e
		} else {
			ids = append(ids, lines.Text())
		}
	}
	cmd.Wait() // its own error says it
	return ids, failed
}

func wantAll(t *testing.T, path string, ids []string) {
	t.Helper()
	s := open(t, path)
	for _, id := range ids {
		if _, err := s.Record(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	must(t, s.Verify(t.Context()))
}

func TestFilesThatCannotGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	must(t, open(t, path).Close())
	cmd, lines := startChild(t, "small-files", path, nil)
	ids, failed := finish(t, cmd, lines)
	if len(ids) == 0 || !strings.Contains(failed, "dmesg") {
		t.Fatalf("%d acknowledged, error %q", len(ids), failed)
	}
	t.Logf("after %d records: %s", len(ids), failed)
	wantAll(t, path, ids)
}

func TestFullDisk(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		need.Missing(t, "root", "mounting a small disk: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	path := filepath.Join(dir, "results.db")
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 200_000), 0o600))
	s := open(t, path)
	begin(t, s, "r1")
	var ids []string
	var failed rig.Record
	var err error
	for n := 1; err == nil && n < 10_000; n++ {
		failed = full("r1", n, 1)
		if err = s.Commit(t.Context(), failed); err == nil {
			ids = append(ids, failed.ID)
		}
	}
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "free some space") {
		t.Fatalf("got %v, want ErrFull and what to do", err)
	}
	t.Logf("after %d records: %v", len(ids), err)
	if _, err := s.Record(t.Context(), ids[len(ids)-1]); err != nil {
		t.Error(err)
	}
	// With space again the same record goes in, by the same Store.
	must(t, os.Remove(ballast))
	must(t, s.Commit(t.Context(), failed))
	must(t, s.Close())
	wantAll(t, path, append(ids, failed.ID))

	os.WriteFile(ballast, make([]byte, 2_000_000), 0o600) // as much as fits
	if s, err := store.Open(filepath.Join(dir, "new", "other.db")); !errors.Is(err, store.ErrFull) {
		if err == nil {
			s.Close()
		}
		t.Errorf("a new one on the full disk: %v, want ErrFull", err)
	}
}

func TestReadOnly(t *testing.T) {
	path := filled(t)
	var nobody *syscall.SysProcAttr
	if os.Geteuid() == 0 { // root may write everything: be nobody
		nobody = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		for d := filepath.Dir(path); d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
			must(t, os.Chmod(d, 0o755))
		}
	}
	must(t, os.Chmod(path, 0o444))
	cmd, lines := startChild(t, "commit", path, nobody)
	ids, failed := finish(t, cmd, lines)
	if len(ids) != 0 || !strings.Contains(failed, ": open: cannot be written") || !strings.Contains(failed, "write permission") {
		t.Errorf("%d committed, error %q", len(ids), failed)
	}
	t.Log(failed)
}
