package store_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/store"
)

// Page after page is the whole list, also where something was begun meanwhile.
func TestPagesAreTheWholeList(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "results.db"))
	for _, run := range []string{"a", "b", "c"} {
		begin(t, s, run)
		for n := range 5 {
			must(t, s.Commit(t.Context(), full(run, n+1, 1)))
		}
	}
	var all, paged, runs []string
	cs, err := s.Cycles(t.Context(), store.Filter{Run: "b"})
	must(t, err)
	for _, c := range cs {
		all = append(all, c.ID)
	}
	for before := ""; ; before = paged[len(paged)-1] {
		cs, err := s.Cycles(t.Context(), store.Filter{Run: "b", Limit: 2, Before: before})
		must(t, err)
		for _, c := range cs {
			paged = append(paged, c.ID)
		}
		if len(cs) < 2 {
			break
		}
	}
	if d := cmp.Diff(all, paged); d != "" || len(all) != 5 {
		t.Errorf("cycles by pages (-whole +pages):\n%s", d)
	}
	for before := ""; ; before = runs[len(runs)-1] {
		rs, err := s.List(t.Context(), store.Filter{Limit: 1, Before: before})
		must(t, err)
		if len(rs) == 0 {
			break
		}
		runs = append(runs, rs[0].ID)
	}
	if !slices.Equal(runs, []string{"c", "b", "a"}) {
		t.Errorf("runs by pages: %v", runs)
	}
	if _, err := s.Cycles(t.Context(), store.Filter{Before: "never"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("cycles before one that is not there: %v", err)
	}
	if _, err := s.List(t.Context(), store.Filter{Before: "never"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("runs before one that is not there: %v", err)
	}
}
