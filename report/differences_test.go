package report_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"resetrig/report"
	"resetrig/rig"
)

// What a comparison found stands key by key in the text and on the page.
func TestDifferencesAreShown(t *testing.T) {
	r := failed(cycle(1, 1, rand.New(rand.NewPCG(1, 1))))
	k := rig.Check{Name: "config/General", Kind: rig.AboutConfig, Wanted: "equal to the baseline", Seen: "differs", Outcome: rig.CheckFail}
	k.Differences = append(k.Differences, rig.Difference{Key: "General.LocalNo", Want: "8", Seen: "9"}, rig.Difference{Key: "General.New", Seen: "x"}, rig.Difference{Key: "General.Gone", Want: "y"})
	for i := range 20 {
		k.Differences = append(k.Differences, rig.Difference{Key: fmt.Sprint("General.K", i), Want: "1", Seen: "2"})
	}
	r.Checks = append(r.Checks, k)
	var text strings.Builder
	if err := report.Cycle(&text, r); err != nil {
		t.Fatal(err)
	}
	page := pageOf(t, report.Summary{Run: "r"}, of(r), kept{})
	for _, want := range []string{"General.LocalNo", "wanted \"8\", saw \"9\"", "General.New", "wanted nothing, saw \"x\"", "wanted \"y\", saw nothing", "and 3 more, in the record"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
		if !strings.Contains(strings.ReplaceAll(page, "&#34;", `"`), strings.TrimSuffix(want, "General.")) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "General.K19") {
		t.Error("the list on the page has no end")
	}
}
