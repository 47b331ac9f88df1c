package report_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/report"
	"resetrig/rig"
)

// A digest in between changes nothing of the ones after it: what a run comes to
// is the same whether somebody looked while it ran or not.
func TestGatheringWhileItRuns(t *testing.T) {
	s := report.Summary{Run: "r", Kind: "soak"}
	looked, once := report.NewGathering(s), report.NewGathering(s)
	a, b := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		ra, rb := cycle(n+1, 1, a), cycle(n+1, 1, b)
		if n%9 == 3 {
			ra.Outcome, ra.Attribution, ra.Reason = rig.Fail, rig.Proven, rig.ReasonBeepMissing
			rb.Outcome, rb.Attribution, rb.Reason = ra.Outcome, ra.Attribution, ra.Reason
		}
		looked.Take(ra)
		once.Take(rb)
		if n%25 == 0 {
			looked.Digest(s)
		}
	}
	got, want := looked.Digest(s), once.Digest(s)
	if len(want.NotPassed) == 0 || len(want.Trends) == 0 || want.Outcomes.All() != 200 {
		t.Fatalf("200 cycles came to %d that did not pass, %d trends, %+v", len(want.NotPassed), len(want.Trends), want.Outcomes)
	}
	for _, pair := range [][2]any{{got.Counts, want.Counts}, {got.Rates, want.Rates}, {got.NotPassed, want.NotPassed}, {got.Groups, want.Groups}, {got.Life, want.Life}, {got.Verdict, want.Verdict}} {
		if d := cmp.Diff(pair[1], pair[0], cmp.Exporter(func(reflect.Type) bool { return true })); d != "" {
			t.Error(d)
		}
	}
}
