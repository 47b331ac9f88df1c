package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPinsStay(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "resetrig.db"))
	if got, err := s.Pinned("serial:1"); got != "" || err != nil {
		t.Errorf("nothing was pinned: %q, %v", got, err)
	}
	for dut, pin := range map[string]string{"serial:1": "aa", "serial:2": "bb"} {
		if err := s.Pin(dut, pin); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, filepath.Join(dir, "resetrig.db"))
	for dut, want := range map[string]string{"serial:1": "aa", "serial:2": "bb", "serial:3": ""} {
		if got, err := s.Pinned(dut); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", dut, got, err, want)
		}
	}
	if err := s.Pin("serial:1", ""); err != nil {
		t.Error(err)
	}
	if got, err := s.Pinned("serial:1"); got != "" || err != nil {
		t.Errorf("a forgotten one is still %q, %v", got, err)
	}
}

// A damaged file must not make the next certificate a trusted one.
func TestDamagedPinsAreAnError(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "resetrig.db"))
	if err := s.Pin("serial:1", "aa"); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*", "certificates.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("files %v, %v", found, err)
	}
	if err := os.WriteFile(found[0], []byte(`{"serial:1":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Pinned("serial:1"); err == nil || !strings.Contains(err.Error(), "certificates.json") {
		t.Errorf("%q, %v", got, err)
	}
	if err := s.Pin("serial:1", "bb"); err == nil {
		t.Error("a damaged file was written over")
	}
}
