package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"resetrig/rig"
	"resetrig/store"
)

// filled is a closed database of some dozen records.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	begin(t, s, "r1")
	for n := range 60 {
		must(t, s.Commit(t.Context(), full("r1", n, 1)))
	}
	must(t, s.Close())
	return path
}

func execute(t *testing.T, path, q string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = db.Exec(q)
	must(t, errors.Join(err, db.Close()))
}

// What cannot be opened says why and what to do, and stays as it was.
func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  error
		says  string
	}{
		{"newer", func(t *testing.T, p string) { execute(t, p, "PRAGMA user_version = 99") }, store.ErrNewer, "its format is 99, this program knows up to 3. Nothing was changed; update resetrig"},
		{"a folder", func(t *testing.T, p string) { must(t, os.Remove(p)); must(t, os.Mkdir(p, 0o700)) }, store.ErrNotDatabase, "it is a folder; name a file in it"},
		{"text", func(t *testing.T, p string) {
			must(t, os.WriteFile(p, []byte(strings.Repeat("bench: x\n", 1000)), 0o600))
		}, store.ErrNotDatabase, "nothing was changed in it; name another file"},
		{"short text", func(t *testing.T, p string) { must(t, os.WriteFile(p, []byte("x"), 0o600)) }, store.ErrNotDatabase, ""},
		{"empty", func(t *testing.T, p string) { must(t, os.Truncate(p, 0)) }, store.ErrNotDatabase, "it is empty"},
		{"another program's", func(t *testing.T, p string) { must(t, os.Remove(p)); execute(t, p, "CREATE TABLE t (x)") }, store.ErrNotDatabase, "name another file"},
		{"truncated", func(t *testing.T, p string) {
			fi, err := os.Stat(p)
			must(t, err)
			must(t, os.Truncate(p, fi.Size()/2))
		}, store.ErrCorrupt, "resetrig store repair"},
		{"pages overwritten", func(t *testing.T, p string) {
			b, err := os.ReadFile(p)
			must(t, err)
			for i := 4096; i < len(b); i += 4096 {
				copy(b[i:], bytes.Repeat([]byte{0xa5}, 64))
			}
			must(t, os.WriteFile(p, b, 0o600))
		}, store.ErrCorrupt, "sqlite3 FILE .recover"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filled(t)
			c.spoil(t, path)
			before, _ := os.ReadFile(path) // a folder has none
			s, err := store.Open(path)
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v\nwant %v, saying %q and the path", err, c.want, c.says)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

// A byte that changes within a record's text is no damage to SQLite.
func TestFlippedByteInARecord(t *testing.T) {
	path := filled(t)
	var text []byte
	db := raw(t, path)
	must(t, db.QueryRow("SELECT text FROM packed WHERE cycle = 17").Scan(&text))
	must(t, db.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	at := bytes.Index(b, text)
	if at < 0 {
		t.Fatal("the text is not in the file as it is in the database")
	}
	b[at+len(text)/2] ^= 0x10
	must(t, os.WriteFile(path, b, 0o600))
	s := open(t, path)
	if err := s.Verify(t.Context()); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("Verify: %v, want ErrCorrupt", err)
	}
	var bad, good int
	for _, err := range s.Records(t.Context(), store.Filter{}) {
		if good++; err != nil {
			bad++
			if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "r1-0") {
				t.Errorf("%v", err)
			}
		}
	}
	if bad != 1 {
		t.Errorf("%d errors, want 1", bad)
	}
}

func TestColumnsThatDisagree(t *testing.T) {
	for _, change := range []string{
		"DROP TRIGGER records_stay; UPDATE records SET outcome = 'pass' WHERE cycle = 17",
		"UPDATE artifacts SET bytes = 17 WHERE cycle = 17",
		"DELETE FROM commits WHERE cycle = 17",
	} {
		path := filled(t)
		execute(t, path, change)
		s := open(t, path)
		if err := s.Verify(t.Context()); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: Verify: %v, want ErrCorrupt", change, err)
		}
	}
}

func TestVault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	const dut = "../4F0A/2B1P:AZ 00001"
	if cs, err := s.Recall(dut); err != nil || len(cs) != 0 {
		t.Fatalf("at first: %v, %v", cs, err)
	}
	for i := range 40 {
		must(t, s.Remember(dut, rig.Credential{User: "admin", Password: rig.Secret("Geheim-" + strings.Repeat("x", i))}))
	}
	must(t, s.Remember(dut, rig.Credential{User: "admin", Password: "Geheim-" + rig.Secret(strings.Repeat("x", 30))})) // again: to the front
	must(t, s.Remember(strings.Repeat("long", 100), rig.Credential{User: "u", Password: "p"}))
	must(t, s.Close())

	s = open(t, path)
	cs, err := s.Recall(dut)
	must(t, err)
	if len(cs) != 32 || cs[0].Password.Reveal() != "Geheim-"+strings.Repeat("x", 30) || cs[1].Password.Reveal() != "Geheim-"+strings.Repeat("x", 39) {
		t.Errorf("%d remembered, first %q", len(cs), cs[0].Password.Reveal())
	}
	if err := s.Remember(dut, rig.Credential{User: "admin", Password: "\xff"}); err == nil {
		t.Error("a password that JSON would change was taken")
	}
	dir := path + ".vault"
	fi, err := os.Stat(dir)
	must(t, err)
	entries, err := os.ReadDir(dir)
	must(t, err)
	if fi.Mode().Perm() != 0o700 || len(entries) != 3 { // two DUTs, the lock
		t.Errorf("mode %v, %v", fi.Mode(), entries)
	}
	var file string
	for _, e := range entries {
		fi, err := e.Info()
		must(t, err)
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), fi.Mode())
		}
		if strings.Contains(e.Name(), "4F0A") {
			file = filepath.Join(dir, e.Name())
		}
	}
	whole, err := os.ReadFile(file)
	must(t, err)
	for name, spoilt := range map[string][]byte{
		"another byte": bytes.Replace(whole, []byte("Geheim-xx"), []byte("Geheim-xy"), 1),
		"cut off":      whole[:len(whole)/2],
		"empty":        {},
	} {
		must(t, os.WriteFile(file, spoilt, 0o600))
		if _, err := s.Recall(dut); err == nil || !strings.Contains(err.Error(), "move it away") || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: Recall: %v", name, err)
		}
		if err := s.Remember(dut, rig.Credential{User: "a", Password: "b"}); err == nil {
			t.Errorf("%s: Remember overwrote it", name)
		}
		if b, _ := os.ReadFile(file); !bytes.Equal(b, spoilt) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestSecretsStayInTheVault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	begin(t, s, "r1")
	const secret = "Rz7-very-secret"
	c := rig.Credential{User: "admin", Password: secret}
	must(t, s.Remember("dut", c))
	must(t, s.Refused("dut", noon))
	r := full("r1", 1, 1)
	r.Mark.Values[0].Is = c.Password.String()
	must(t, s.Commit(t.Context(), r))
	must(t, s.Close())
	files, err := filepath.Glob(path + "*")
	must(t, err)
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(secret)) { // a folder cannot be read so
			t.Errorf("%s contains the password", filepath.Base(f))
		}
	}
}

func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	for i := range 300 {
		must(t, s.Refused("a", noon.Add(time.Duration(i)*time.Second)))
	}
	must(t, s.Refused("b", noon))
	must(t, s.Close())
	s = open(t, path)
	for _, c := range []struct {
		dut        string
		from, want int
	}{{"a", 290, 10}, {"a", 299, 1}, {"a", 300, 0}, {"a", 0, 256}, {"b", 0, 1}, {"c", 0, 0}} {
		if n, err := s.RefusedSince(c.dut, noon.Add(time.Duration(c.from)*time.Second)); err != nil || n != c.want {
			t.Errorf("%s since %d s: %d, %v; want %d", c.dut, c.from, n, err, c.want)
		}
	}
	must(t, s.Clear("a"))
	if n, err := s.RefusedSince("a", noon); err != nil || n != 0 {
		t.Errorf("cleared: %d, %v", n, err)
	}
	if n, err := s.RefusedSince("b", noon); err != nil || n != 1 {
		t.Errorf("another DUT's: %d, %v", n, err)
	}
}
