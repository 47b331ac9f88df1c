package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/rig"
	"resetrig/store"
)

// leave writes files into a cycle's folder.
func leave(t testing.TB, s *store.Store, cycle string, files map[string]string) {
	t.Helper()
	dir, err := s.CycleDir(cycle)
	must(t, err)
	for name, content := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
}

// booked commits a cycle that left files.
func booked(t testing.TB, s *store.Store, run string, n int, o rig.Outcome, files map[string]string) rig.Record {
	t.Helper()
	r := with(run, n, 1, o, "", "")
	r.Artifacts = nil
	leave(t, s, r.ID, files)
	var err error
	r.Hashes, err = s.Hash(r.ID, nil)
	must(t, err)
	for _, a := range r.Hashes {
		r.Artifacts = append(r.Artifacts, a.Name)
	}
	must(t, s.Commit(t.Context(), r))
	must(t, s.Settle(t.Context(), r.ID))
	return r
}

// content is a file of evidence, or why there is none.
func content(t testing.TB, s *store.Store, cycle, name string) (string, error) {
	t.Helper()
	f, _, err := s.OpenArtifact(t.Context(), cycle, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	must(t, err)
	return string(data), nil
}

// blobsOf are the contents that lie on the disk.
func blobsOf(t testing.TB, s *store.Store) (names []string) {
	t.Helper()
	root := filepath.Join(filepath.Dir(s.Path()), "artifacts")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && e.Name() != ".lock" {
			names = append(names, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

func sumOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// The record says what the files were, a content lies on the disk once, and is
// found by cycle and name; what is made later is found too.
func TestEvidenceIsFoundByItsContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	begin(t, s, "r1")
	one := booked(t, s, "r1", 1, rig.Fail, map[string]string{"beep.wav": "a beep", "cycle.har": "said"})
	two := booked(t, s, "r1", 2, rig.Pass, map[string]string{"beep.wav": "a beep"})
	leave(t, s, one.ID, map[string]string{"beep.png": "a picture"})
	must(t, s.Attach(t.Context(), one.ID, "beep.png"))
	must(t, s.Close())

	s = open(t, path)
	got, err := s.Record(t.Context(), one.ID)
	must(t, err)
	want := []rig.Artifact{{Name: "beep.wav", SHA256: sumOf("a beep"), Bytes: 6}, {Name: "cycle.har", SHA256: sumOf("said"), Bytes: 4}}
	if d := cmp.Diff(want, got.Hashes); d != "" {
		t.Errorf("the record's hashes (-want +got):\n%s", d)
	}
	for _, c := range []struct{ cycle, name, want string }{
		{one.ID, "beep.wav", "a beep"}, {one.ID, "cycle.har", "said"}, {one.ID, "beep.png", "a picture"}, {two.ID, "beep.wav", "a beep"},
	} {
		if got, err := content(t, s, c.cycle, c.name); err != nil || got != c.want {
			t.Errorf("%s of %s: %q, %v", c.name, c.cycle, got, err)
		}
	}
	if names := blobsOf(t, s); len(names) != 3 {
		t.Errorf("three contents lie as %v", names)
	}
	u, err := s.EvidenceUse(t.Context())
	must(t, err)
	if d := cmp.Diff(store.EvidenceUse{Bytes: 6 + 4 + 9, Passes: 1, Others: 1, Unexported: 1}, u); d != "" { // the pass's is the fail's too
		t.Errorf("use (-want +got):\n%s", d)
	}
	c, err := s.VerifyEvidence(t.Context())
	must(t, err)
	if d := cmp.Diff(store.EvidenceChecked{Files: 3, Bytes: 19}, c); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	must(t, s.Verify(t.Context()))
}

// Names come from anywhere, and lead nowhere but to evidence.
func TestEvidenceByWrongNames(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	r := booked(t, s, "r1", 1, rig.Fail, map[string]string{"beep.wav": "a beep"})
	leave(t, s, "old", map[string]string{"beep.wav": "of an older program"})
	if got, err := content(t, s, "old", "beep.wav"); err != nil || got != "of an older program" {
		t.Errorf("%q, %v", got, err)
	}
	dir, err := s.CycleDir("old")
	must(t, err)
	must(t, os.Symlink(s.Path(), filepath.Join(dir, "link.wav")))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	sum := sumOf("a beep")
	for _, c := range [][2]string{
		{r.ID, "../old/beep.wav"}, {r.ID, ".."}, {r.ID, ""}, {"", "beep.wav"}, {"..", "results.db"}, {".", "results.db"}, {r.ID + "/../old", "beep.wav"},
		{"blobs", ".lock"}, {"blobs", sum[:2]}, {"blobs/" + sum[:2], sum}, {"old", "link.wav"}, {"old", "folder"}, {"old", "/etc/passwd"}, {"old", "beep.wav\x00"}, {r.ID, "nothing"},
	} {
		if got, err := content(t, s, c[0], c[1]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q of %q: %q, %v; want ErrNotFound", c[1], c[0], got, err)
		}
	}
	for _, id := range []string{"..", "", "blobs", "a/b", ".x"} {
		if _, err := s.CycleDir(id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a folder for the cycle %q: %v", id, err)
		}
	}
}

// Passes are dropped first, then what was exported, the oldest first, and a
// cycle that did not pass and was not exported never.
func TestRoomIsMadeInOrder(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	kilo := func(c string) map[string]string {
		return map[string]string{"beep.wav": string(bytes.Repeat([]byte(c), 1000))}
	}
	var ids []string
	for n, o := range []rig.Outcome{rig.Fail, rig.Pass, rig.Error, rig.Pass, rig.Aborted, rig.Pass, rig.Fail} {
		ids = append(ids, booked(t, s, "r1", n+1, o, kilo(string(rune('a'+n)))).ID)
	}
	must(t, s.Exported(t.Context(), noon, ids[0], ids[4]))
	left := func() (now string) {
		for _, id := range ids {
			switch _, err := content(t, s, id, "beep.wav"); {
			case err == nil:
				now += "+"
			case errors.Is(err, store.ErrDropped):
				now += "-"
			default:
				t.Error(err)
			}
		}
		return now
	}
	for _, step := range []struct {
		want int64
		left string
		d    store.Dropped
	}{
		{0, "+++++++", store.Dropped{}},
		{1, "+-+++++", store.Dropped{Bytes: 1000, Passes: 1}},
		{1001, "+-+-+-+", store.Dropped{Bytes: 2000, Passes: 2}},
		{500, "--+-+-+", store.Dropped{Bytes: 1000, Others: 1}},
		{1 << 40, "--+---+", store.Dropped{Bytes: 1000, Others: 1}},
		{1 << 40, "--+---+", store.Dropped{}},
	} {
		d, err := s.MakeRoom(t.Context(), step.want, noon)
		must(t, err)
		if got := left(); got != step.left || d != step.d {
			t.Errorf("after room for %d: %s, %+v; want %s, %+v", step.want, got, d, step.left, step.d)
		}
	}
	if names := blobsOf(t, s); len(names) != 2 {
		t.Errorf("on the disk: %v", names)
	}
	// A program that died between the books and the disk leaves what was dropped.
	sum := sumOf(kilo("b")["beep.wav"])
	back := filepath.Join(filepath.Dir(s.Path()), "artifacts", "blobs", sum[:2], sum)
	must(t, os.WriteFile(back, []byte(kilo("b")["beep.wav"]), 0o600))
	must(t, s.Recover(t.Context()))
	if names := blobsOf(t, s); len(names) != 2 {
		t.Errorf("after the recovery: %v", names)
	}
	for _, id := range ids { // the records say what was there
		if r, err := s.Record(t.Context(), id); err != nil || len(r.Hashes) != 1 {
			t.Errorf("%s: %+v, %v", id, r.Hashes, err)
		}
	}
	u, err := s.EvidenceUse(t.Context())
	must(t, err)
	if d := cmp.Diff(store.EvidenceUse{Bytes: 2000, Others: 2, Unexported: 2}, u); d != "" {
		t.Errorf("use (-want +got):\n%s", d)
	}
}

// What a failure has too is not deleted with a pass.
func TestSharedContentStays(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	pass := booked(t, s, "r1", 1, rig.Pass, map[string]string{"beep.wav": "silence"})
	fail := booked(t, s, "r1", 2, rig.Fail, map[string]string{"beep.wav": "silence"})
	d, err := s.MakeRoom(t.Context(), 1, noon)
	must(t, err)
	if d.Bytes != 0 || d.Passes != 1 {
		t.Errorf("%+v", d)
	}
	if _, err := content(t, s, pass.ID, "beep.wav"); !errors.Is(err, store.ErrDropped) {
		t.Errorf("the pass's: %v", err)
	}
	if got, err := content(t, s, fail.ID, "beep.wav"); err != nil || got != "silence" {
		t.Errorf("the fail's: %q, %v", got, err)
	}
	// The same content comes again, and is kept again.
	again := booked(t, s, "r1", 3, rig.Pass, map[string]string{"beep.wav": "silence"})
	if got, err := content(t, s, again.ID, "beep.wav"); err != nil || got != "silence" {
		t.Errorf("again: %q, %v", got, err)
	}
}

// A check tells what is missing from what is damaged, and what nobody knows.
func TestDamagedEvidenceIsFound(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	var ids []string
	for n := range 4 {
		ids = append(ids, booked(t, s, "r1", n+1, rig.Fail, map[string]string{"beep.wav": fmt.Sprintf("beep %d", n)}).ID)
	}
	must(t, s.Exported(t.Context(), noon, ids[3]))
	place := func(n int) string {
		f, _, err := s.OpenArtifact(t.Context(), ids[n], "beep.wav")
		must(t, err)
		defer f.Close()
		return f.Name()
	}
	changed, cut, gone := place(0), place(1), place(3)
	must(t, os.WriteFile(changed, []byte("beep X"), 0o600))
	must(t, os.Truncate(cut, 3))
	must(t, os.Remove(gone))
	must(t, os.WriteFile(filepath.Join(filepath.Dir(changed), sumOf("stray")), []byte("stray"), 0o600))
	c, err := s.VerifyEvidence(t.Context())
	must(t, err)
	for i := range c.Problems {
		c.Problems[i].Text = ""
	}
	want := store.EvidenceChecked{Files: 4, Bytes: 6 + 3 + 6, Strays: 1, Problems: []store.EvidenceProblem{
		{Cycle: ids[0], Name: "beep.wav", Damaged: true}, {Cycle: ids[1], Name: "beep.wav", Damaged: true}, {Cycle: ids[3], Name: "beep.wav", Exported: true},
	}}
	if d := cmp.Diff(want, c); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	must(t, s.Recover(t.Context()))
	if _, err := os.Stat(filepath.Join(filepath.Dir(changed), sumOf("stray"))); err != nil {
		t.Error("what nobody knows was deleted")
	}
}

// keepEvidence is a program that keeps evidence until it is killed.
func keepEvidence(ctx context.Context, s *store.Store, run string) error {
	if _, err := s.CloseInterrupted(ctx); err != nil {
		return err
	}
	if err := errors.Join(s.Recover(ctx), s.BeginRun(ctx, store.Run{ID: run, Kind: store.KindSoak, Bench: "b", Scenario: "s", Started: noon})); err != nil {
		return err
	}
	for n := 1; ; n++ {
		r := with(run, n, 1, []rig.Outcome{rig.Pass, rig.Fail, rig.Pass, rig.Pass}[n%4], "", "")
		if err := s.BeginCycle(ctx, at(run, n, 1)); err != nil {
			return err
		}
		dir, err := s.CycleDir(r.ID)
		if err != nil {
			return err
		}
		for name, text := range map[string]string{"beep.wav": r.ID, "cycle.har": "the same each time"} {
			if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(text), 400), 0o600); err != nil {
				return err
			}
		}
		r.Artifacts = []string{"beep.wav", "cycle.har"}
		if r.Hashes, err = s.Hash(r.ID, r.Artifacts); err != nil {
			return err
		}
		r.Artifacts = append(r.Artifacts, "beep.png")
		if err := s.Commit(ctx, r); err != nil {
			return err
		}
		fmt.Println(r.ID)
		if err := s.Settle(ctx, r.ID); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "beep.png"), []byte("picture of "+r.ID), 0o600); err != nil {
			return err
		}
		if err := s.Attach(ctx, r.ID, "beep.png"); err != nil {
			return err
		}
		u, err := s.EvidenceUse(ctx)
		if err != nil {
			return err
		}
		if _, err := s.MakeRoom(ctx, u.Droppable-20_000, time.Now()); err != nil {
			return err
		}
	}
}

// wantEvidence holds what lies in a state folder against what its records say.
func wantEvidence(t *testing.T, s *store.Store) (records, dropped int) {
	t.Helper()
	_, err := s.CloseInterrupted(t.Context())
	must(t, errors.Join(err, s.Recover(t.Context())))
	kept := map[string]bool{}
	for r, err := range s.Records(t.Context(), store.Filter{}) {
		must(t, err)
		records++
		gone := 0
		for _, a := range r.Hashes {
			text, err := content(t, s, r.ID, a.Name)
			switch {
			case errors.Is(err, store.ErrDropped) && r.Outcome == rig.Pass:
				gone++
			case err != nil:
				t.Errorf("%s of %s, which is %s: %v", a.Name, r.ID, r.Outcome, err)
			case sumOf(text) != a.SHA256 || int64(len(text)) != a.Bytes:
				t.Errorf("%s of %s is not what its record says", a.Name, r.ID)
			}
		}
		if gone > 0 {
			dropped++
		}
		as, err := s.Artifacts(t.Context(), r.ID)
		must(t, err)
		for _, a := range as {
			if !a.Dropped() {
				kept[a.SHA256] = true
			}
		}
	}
	if names := blobsOf(t, s); len(names) != len(kept) {
		t.Errorf("%d contents are kept, and %d files lie there: %v", len(kept), len(names), names)
	}
	list, err := os.ReadDir(filepath.Join(filepath.Dir(s.Path()), "artifacts"))
	if err == nil && len(list) != 1 {
		t.Errorf("folders of cycles are left: %v", list)
	}
	c, err := s.VerifyEvidence(t.Context())
	must(t, err)
	if c.Problems != nil || c.Strays != 0 {
		t.Errorf("%+v", c)
	}
	must(t, s.Verify(t.Context()))
	return records, dropped
}

// Whenever the program is killed: what a record says of its evidence is true,
// that of failures is there, and nothing lies on the disk that is not booked.
func TestEvidenceSurvivesKills(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	rnd := rand.New(rand.NewPCG(3, 4))
	var records, dropped int
	for range 15 {
		cmd, lines := startChild(t, "evidence", path, nil)
		for i := 0; i < 1+rnd.IntN(6) && lines.Scan(); i++ {
		}
		time.Sleep(time.Duration(rnd.IntN(4000)) * time.Microsecond) // somewhere within what follows the commit
		must(t, cmd.Process.Kill())
		_, failed := finish(t, cmd, lines)
		if failed != "" {
			t.Fatal(failed)
		}
		s, err := store.Open(path)
		must(t, err)
		records, dropped = wantEvidence(t, s)
		must(t, s.Close())
	}
	if records < 15 || dropped == 0 {
		t.Errorf("%d records, the evidence of %d was dropped", records, dropped)
	}
	t.Logf("%d records, the evidence of %d was dropped", records, dropped)
}
