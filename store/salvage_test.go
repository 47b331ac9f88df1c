package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/rig"
	"resetrig/store"
)

// What is whole in a damaged database is saved as it was, what is not is told,
// and the damaged file stays as it is.
func TestSalvage(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(b []byte) []byte
		least int // records saved, of 60
		lost  bool
	}{
		{"whole", func(b []byte) []byte { return b }, 60, false},
		{"pages overwritten", func(b []byte) []byte {
			for i := len(b) / 4096 / 2 * 4096; i+4096 < len(b); i += 5 * 4096 {
				copy(b[i:], bytes.Repeat([]byte{0xa5}, 4096))
			}
			return b
		}, 10, true},
		{"cut off", func(b []byte) []byte { return b[:len(b)*7/8] }, 5, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filled(t)
			want := map[string]rig.Record{}
			for n := range 60 {
				r := full("r1", n, 1)
				want[r.ID] = r
			}
			b, err := os.ReadFile(path)
			must(t, err)
			b = c.spoil(b)
			must(t, os.WriteFile(path, b, 0o600))
			to := filepath.Join(t.TempDir(), "saved.db")
			got, err := store.Salvage(t.Context(), path, to)
			must(t, err)
			t.Logf("%+v", got)
			if got.Records < c.least || c.lost == (got.Records == 60) {
				t.Errorf("%d records were saved", got.Records)
			}
			s := open(t, to)
			n := 0
			for r, err := range s.Records(t.Context(), store.Filter{}) {
				must(t, err)
				if len(r.Steps) == 0 { // a stub
					continue
				}
				n++
				if d := cmp.Diff(want[r.ID], r); d != "" {
					t.Fatalf("record changed (-want +got):\n%s", d)
				}
			}
			if n != got.Records {
				t.Errorf("%d records are there, %d were told", n, got.Records)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, b) {
				t.Error("the damaged file was changed")
			}
			if _, err := store.Salvage(t.Context(), path, to); !errors.Is(err, store.ErrExists) {
				t.Errorf("a second time: %v, want ErrExists", err)
			}
		})
	}
}

// A record whose text is lost keeps its outcome.
func TestSalvageKeepsOutcomes(t *testing.T) {
	path := filled(t)
	execute(t, path, "DROP TRIGGER packed_stay; UPDATE packed SET text = x'00' WHERE cycle = 17")
	to := filepath.Join(t.TempDir(), "saved.db")
	got, err := store.Salvage(t.Context(), path, to)
	must(t, err)
	if got.Records != 59 || len(got.Stubs) != 1 {
		t.Fatalf("%+v", got)
	}
	r, err := open(t, to).Record(t.Context(), got.Stubs[0])
	must(t, err)
	if r.Outcome != rig.Fail || r.Attribution != rig.Proven || r.Reason != rig.ReasonResetPartial {
		t.Errorf("%+v", r)
	}
}

// What people did and said is saved with the records, and the numbers go on.
func TestSalvageKeepsWhatPeopleSaid(t *testing.T) {
	path := filled(t)
	s := open(t, path)
	id := cycleID("r1", 3, 1)
	must(t, s.Comment(t.Context(), store.Comment{Cycle: id, At: noon, Who: "eva", Kind: store.Remark, Text: "loose cable"}))
	_, err := s.Audit(t.Context(), store.AuditEntry{At: noon, Who: "eva", Action: "start", Run: "r1"})
	must(t, err)
	comments, err := s.Comments(t.Context(), "")
	must(t, err)
	audit, err := s.AuditLog(t.Context(), store.AuditFilter{})
	must(t, err)
	last, err := s.LastSeq(t.Context())
	must(t, err)
	must(t, s.Close())
	to := filepath.Join(t.TempDir(), "saved.db")
	_, err = store.Salvage(t.Context(), path, to)
	must(t, err)
	saved := open(t, to)
	gotComments, err := saved.Comments(t.Context(), "")
	must(t, err)
	gotAudit, err := saved.AuditLog(t.Context(), store.AuditFilter{})
	must(t, err)
	if d := cmp.Diff(comments, gotComments) + cmp.Diff(audit, gotAudit); d != "" || len(audit) != 1 {
		t.Errorf("-want +got:\n%s", d)
	}
	if anew, err := saved.Since(t.Context(), last, 0); err != nil || len(anew) != 60 {
		t.Errorf("who has seen number %d is shown %d records, %v; want all 60", last, len(anew), err)
	}
}
