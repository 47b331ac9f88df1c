package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"resetrig/store"
)

func TestAuditLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	entries := []store.AuditEntry{
		{At: noon, Who: "eva", Role: "operator", Address: "192.0.2.7", Action: "start", Bench: "left", Run: "r1", Detail: "imou-hard-reset", Result: "ok"},
		{At: noon.Add(time.Second), Who: "?", Address: "192.0.2.9", Action: "login-failed", Result: "unknown token"},
		{At: noon.Add(2 * time.Second), Who: "eva", Role: "operator", Action: "comment", Bench: "right", Run: "r2", Cycle: "r2-0001", Result: "ok"},
	}
	for i := range entries {
		seq, err := s.Audit(t.Context(), entries[i])
		must(t, err)
		entries[i].Seq = seq
	}
	must(t, s.Close())
	s = open(t, path)
	for _, c := range []struct {
		name string
		f    store.AuditFilter
		want []store.AuditEntry
	}{
		{"all", store.AuditFilter{}, entries},
		{"of a run", store.AuditFilter{Run: "r2"}, entries[2:]},
		{"of a bench", store.AuditFilter{Bench: "left"}, entries[:1]},
		{"after", store.AuditFilter{AfterSeq: entries[0].Seq}, entries[1:]},
		{"limited", store.AuditFilter{Limit: 1}, entries[:1]},
		{"newest", store.AuditFilter{Newest: true, Limit: 1}, entries[2:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := s.AuditLog(t.Context(), c.f)
			must(t, err)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
	for _, q := range []string{"UPDATE audit SET who = 'nobody'", "DELETE FROM audit"} {
		if _, err := raw(t, path).Exec(q); err == nil {
			t.Errorf("%s: the log was changed", q)
		}
	}
}

// What a stranger sends is noted, and cannot fill the disk or break the text.
func TestAuditTakesAnything(t *testing.T) {
	s := fresh(t)
	_, err := s.Audit(t.Context(), store.AuditEntry{At: noon, Who: "\xff\x00", Action: "login-failed", Detail: strings.Repeat("ä", 1<<20)})
	must(t, err)
	got, err := s.AuditLog(t.Context(), store.AuditFilter{})
	must(t, err)
	if d := got[0].Detail; len(d) > 4<<10 || len(d) < 4<<10-1 || !utf8.ValidString(d) || !utf8.ValidString(got[0].Who) {
		t.Errorf("a detail of %d bytes, who %q", len(d), got[0].Who)
	}
}

func TestComments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	s := open(t, path)
	begin(t, s, "r1")
	begin(t, s, "r2")
	for _, run := range []string{"r1", "r2"} {
		must(t, s.Commit(t.Context(), full(run, 1, 1)))
	}
	must(t, s.BeginCycle(t.Context(), at("r1", 2, 1)))
	cs := []store.Comment{
		{Seq: 1, Cycle: cycleID("r1", 1, 1), At: noon, Who: "eva", Kind: store.Remark, Text: "the cable was loose\nI fixed it"},
		{Seq: 2, Cycle: cycleID("r2", 1, 1), At: noon, Who: "tom", Kind: store.Acknowledged},
		{Seq: 3, Cycle: cycleID("r1", 2, 1), At: noon, Who: "tom", Kind: store.Remark, Text: "it runs"},
	}
	for _, c := range cs {
		must(t, s.Comment(t.Context(), c))
	}
	for name, c := range map[string]store.Comment{
		"too long":     {Cycle: cs[0].Cycle, Kind: store.Remark, Text: strings.Repeat("x", store.CommentMost+1)},
		"no UTF-8":     {Cycle: cs[0].Cycle, Kind: store.Remark, Text: "\xff"},
		"a NUL":        {Cycle: cs[0].Cycle, Kind: store.Remark, Text: "a\x00b"},
		"empty":        {Cycle: cs[0].Cycle, Kind: store.Remark, Text: " \n"},
		"unknown kind": {Cycle: cs[0].Cycle, Kind: "verdict", Text: "pass"},
	} {
		if err := s.Comment(t.Context(), c); !errors.Is(err, store.ErrUnfit) {
			t.Errorf("%s: %v, want ErrUnfit", name, err)
		}
	}
	if err := s.Comment(t.Context(), store.Comment{Cycle: "r9-1", Kind: store.Remark, Text: "x"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown cycle: %v", err)
	}
	must(t, s.Close())
	s = open(t, path)
	for _, c := range []struct {
		id   string
		want []store.Comment
	}{{"", cs}, {"r1", []store.Comment{cs[0], cs[2]}}, {cs[1].Cycle, cs[1:2]}, {"r9", nil}} {
		got, err := s.Comments(t.Context(), c.id)
		must(t, err)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", c.id, d)
		}
	}
	r, err := s.Record(t.Context(), cs[0].Cycle)
	must(t, err)
	if d := cmp.Diff(full("r1", 1, 1), r); d != "" {
		t.Errorf("the record was changed (-want +got):\n%s", d)
	}
	must(t, s.Verify(t.Context()))
}
