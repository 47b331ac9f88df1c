package store_test

import (
	"runtime"
	"testing"

	"resetrig/store"
)

// Memory must not grow with the number of records, neither while they are
// committed nor while they are read.
func TestMemoryIsFlat(t *testing.T) {
	s := fresh(t)
	begin(t, s, "r1")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	commit := func(from, to int) {
		for n := from; n < to; n++ {
			must(t, s.Commit(t.Context(), full("r1", n, 1)))
		}
	}
	commit(0, 200)
	before := heap()
	commit(200, 1200)
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("1,000 commits hold %d more bytes", grown)
	}
	var n int
	var most uint64
	for _, err := range s.Records(t.Context(), store.Filter{}) {
		must(t, err)
		if n++; n%500 == 0 {
			most = max(most, heap())
		}
	}
	if n != 1200 || int64(most)-int64(before) > 2<<20 {
		t.Errorf("reading %d records held %d more bytes", n, int64(most)-int64(before))
	}
}

// One commit is about one sync of the disk.
func BenchmarkCommit(b *testing.B) {
	s := fresh(b)
	must(b, s.BeginRun(b.Context(), store.Run{ID: "r1"}))
	n := 0
	for b.Loop() {
		n++
		must(b, s.Commit(b.Context(), full("r1", n, 1)))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "commits/s")
}

// As a soak does it: begin, then commit.
func BenchmarkBeginAndCommit(b *testing.B) {
	s := fresh(b)
	must(b, s.BeginRun(b.Context(), store.Run{ID: "r1"}))
	n := 0
	for b.Loop() {
		n++
		must(b, s.BeginCycle(b.Context(), at("r1", n, 1)))
		must(b, s.Commit(b.Context(), full("r1", n, 1)))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "cycles/s")
}

func BenchmarkRecords(b *testing.B) {
	s := fresh(b)
	must(b, s.BeginRun(b.Context(), store.Run{ID: "r1"}))
	for n := range 1000 {
		must(b, s.Commit(b.Context(), full("r1", n, 1)))
	}
	n := 0
	for b.Loop() {
		for _, err := range s.Records(b.Context(), store.Filter{}) {
			must(b, err)
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
