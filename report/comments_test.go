package report_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"resetrig/report"
)

// What people said stands beside its cycle, in every form that people read, and
// is text and nothing else.
func TestCommentsStandBesideTheirCycle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	one, two, three := cycle(1, 1, rnd), failed(cycle(2, 1, rnd)), cycle(3, 1, rnd)
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	long := strings.Repeat("the cable was loose ", 200)
	s := run
	s.Comments = []report.Comment{
		{Cycle: two.ID, At: at, Who: "eva", Text: long},
		{Cycle: two.ID, At: at, Who: "tom", Acknowledged: true},
		{Cycle: one.ID, At: at, Who: "<b>eva", Text: "</p><script>alert(1)</script>\x1b[2J"},
	}
	var text bytes.Buffer
	if err := report.Text(&text, s, of(one, two, three)); err != nil {
		t.Fatal(err)
	}
	plain := strings.Join(strings.Fields(text.String()), " ")
	page := pageOf(t, s, of(one, two, three), nil)
	words := says(page)
	for form, got := range map[string]string{"text": plain, "html": words} {
		for _, want := range []string{"eva, 2026-11-22 12:00:00 +00:00: " + strings.TrimSpace(long), "acknowledged by tom, 2026-11-22", "Comments on other cycles", one.ID} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %.40q is not in it", form, want)
			}
		}
	}
	if strings.Contains(page, "<script>alert") || strings.ContainsAny(page+plain, "\x1b") || strings.Contains(page, "<b>eva") {
		t.Error("a comment is more than text")
	}
	if i, j := strings.Index(page, `<article class="cycle" id="d1">`), strings.Index(page, "acknowledged by tom"); i < 0 || j < i || j > strings.Index(page[i:], "</article>")+i {
		t.Error("the comment does not stand beside its cycle")
	}
	text.Reset()
	if err := report.Cycle(&text, two, s.Comments...); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); !strings.Contains(got, "acknowledged by tom") || strings.Contains(got, "alert") {
		t.Errorf("of one cycle:\n%s", got)
	}
}
