package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"math/rand/v2"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak/stats"
)

// kept is evidence of a size for each cycle with artifacts, and counts how much
// of it is asked for.
type kept struct {
	picture, sound int
	asked          *int
	err            error
}

func (k kept) Show(rig.Record) (report.Shown, error) {
	if k.asked != nil {
		*k.asked++
	}
	return report.Shown{
		Picture: bytes.Repeat([]byte{'P'}, k.picture), Sound: bytes.Repeat([]byte{'W'}, k.sound),
		SoundFrom: 9 * time.Second, SoundTo: 30 * time.Second,
	}, k.err
}

func pageOf(t *testing.T, s report.Summary, records iter.Seq2[rig.Record, error], e report.Evidence) string {
	t.Helper()
	return string(render(t, func(w io.Writer) error { return report.HTML(w, s, records, e) }))
}

var tags = regexp.MustCompile(`<[^>]*>`)

// says is the page as a reader without pictures has it.
func says(page string) string {
	page = regexp.MustCompile(`(?s)<(style|script)>.*?</(style|script)>`).ReplaceAllString(page, "")
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
}

// The page needs nothing that is not in it.
func TestPageStandsAlone(t *testing.T) {
	page := pageOf(t, run, soak(2500), kept{picture: 50, sound: 70})
	for _, m := range regexp.MustCompile(`(?:src|href|url|action|data)\s*=\s*"([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "data:") && !strings.HasPrefix(m[1], "#") {
			t.Errorf("it names %.80s", m[1])
		}
	}
	if regexp.MustCompile(`@import|url\(|<link|<iframe|fetch\(|XMLHttp`).MatchString(page) {
		t.Error("it loads something")
	}
	if !strings.Contains(page, `default-src 'none'`) {
		t.Error("no policy keeps it from loading")
	}
	if n := strings.Count(page, "src=\"data:image/png;base64,"); n < 3 || n != strings.Count(page, "src=\"data:audio/wav;base64,") {
		t.Errorf("%d pictures", n)
	}
	for _, m := range regexp.MustCompile(`<img [^>]*>`).FindAllString(page, -1) {
		if !strings.Contains(m, `alt="Spectrogram of the cycle`) {
			t.Errorf("%.60s…%s has no text", m, m[max(0, len(m)-60):])
		}
	}
	// Every link on the page leads to a place on it, and every place is one.
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if n := strings.Count(page, `id="`+m[1]+`"`); n != 1 {
			t.Errorf("#%s is there %d times", m[1], n)
		}
	}
	if n := strings.Count(page, "<svg"); n < 8 || n != strings.Count(page, `role="img" aria-label="`) {
		t.Errorf("%d drawings", n)
	}
	for _, m := range regexp.MustCompile(`<th[ >][^>]*>`).FindAllString(page, -1) {
		if !strings.Contains(m, "scope=") {
			t.Errorf("%s has no scope", m)
		}
	}
}

func TestPageSays(t *testing.T) {
	s := run
	s.Claim = &stats.Claim{Pass: .99, Confidence: .95}
	s.Labels = map[string]string{"ticket": "NVR-12"}
	s.Files = []report.File{{Name: "bench", SHA256: "feedface"}}
	s.Life = []report.RelayLife{{Relay: "power", Operations: 12_345, Rated: 100_000}}
	words := says(pageOf(t, s, soak(5000), nil))
	for _, want := range []string{
		"FAIL 9 of 4,991 judged cycles failed (5 proven, 4 presumed)", "4F0A2B1PAZ00001", "NVR-12", "feedface", "imou-hard-reset",
		"at least 99 % of resets succeed, with 95 % confidence. NOT SHOWN, and it can't be shown by this soak any more", "cycle 2 of those counted did not pass",
		"reset-partial, proven: marker/name 5", "reset-ignored, presumed 4", "The first failure came in cycle 2", "Weibull by maximum likelihood",
		"ear-lost", "control-short-press 99 1 0", "6 retries after an error, of which 6 passed", "12,345 100,000",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	// By Wald's test a soak with a failure can show the claim, and 586 cycles do not
	// yet.
	s.Sequential = true
	for _, c := range []struct {
		cycles int
		want   string
	}{{587, ". SHOWN (Wald's sequential test, which may be looked at after each cycle: decided at cycle 587 with 1 failure)"}, {586, "NOT SHOWN YET (Wald's"}} {
		rnd := rand.New(rand.NewPCG(1, 1))
		words := says(pageOf(t, s, func(yield func(rig.Record, error) bool) {
			for n := 1; n <= c.cycles; n++ {
				r := cycle(n, 1, rnd)
				if n == 300 {
					r = failed(r)
				}
				if !yield(r, nil) {
					return
				}
			}
		}, nil))
		if !strings.Contains(words, c.want) {
			t.Errorf("of %d cycles it does not say %q", c.cycles, c.want)
		}
	}
	if words := says(pageOf(t, s, of(), nil)); !strings.Contains(words, "NO RESULT There is no record") {
		t.Error("nothing is not said")
	}
}

// A change and a drift are found, and drawn.
func TestPageShowsChanges(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	page := pageOf(t, run, func(yield func(rig.Record, error) bool) {
		for n := 1; n <= 400; n++ {
			r := cycle(n, 1, rnd)
			if n >= 201 {
				r.Measurements[5].Value += 9
			}
			r.Measurements[3].Value -= float64(n) / 20
			r.Measurements[5].Max = ptr(40)
			if !yield(r, nil) {
				return
			}
		}
	}, nil)
	words := says(page)
	if !regexp.MustCompile(`It changed at cycle (19\d|20\d): from 2[12]\.\d+ to 3[12]\.\d+ s \(\+[89]\.\d+ s, `).MatchString(words) {
		t.Error("the change of the restart time is not said")
	}
	if !regexp.MustCompile(`It drifts: −(4[89]|5[0-2])\.\d+ Hz per 1,000 cycles`).MatchString(words) {
		t.Error("the drift of the frequency is not said")
	}
	if !strings.Contains(page, `class="change"`) || !strings.Contains(page, `class="limit"`) {
		t.Error("they are not drawn")
	}
}

// What the device says is text and nothing else.
func TestPageIsNotWrittenByTheDevice(t *testing.T) {
	r := failed(cycle(1, 1, rand.New(rand.NewPCG(1, 1))))
	const evil = "</title></style></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`\x00\x1b[2J"
	r.Text, r.DUT.Serial, r.Mark.Values[1].Is, r.Steps[0].Step, r.Artifacts[0], r.Reason = evil, evil, evil, evil, evil, evil
	r.Checks[0].Name, r.Checks[0].Seen, r.Measurements[0].Name, r.Measurements[0].Unit, r.Findings[0].Name, r.Source = evil, evil, evil, evil, evil, evil
	r.Checks[1].Differences = []rig.Difference{{Key: evil, Want: evil, Seen: evil}}
	r.Timeline[0].Name, r.Timeline[2].Name, r.Beeps[0].Kind = evil, evil, evil
	page := pageOf(t, report.Summary{Run: evil, Bench: evil, Note: evil, Labels: map[string]string{evil: evil}}, of(r, cycle(2, 1, rand.New(rand.NewPCG(2, 1)))), kept{err: errors.New(evil)})
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img src=x") || strings.ContainsAny(page, "\x00\x1b") {
		at := max(strings.Index(page, "<script>alert"), strings.Index(page, "<img src=x"), strings.IndexAny(page, "\x00\x1b"))
		t.Errorf("markup of the device's is on the page: %q", page[max(0, at-80):min(len(page), at+80)])
	}
	if strings.Count(page, "<script>") != 1 || strings.Count(page, "</head>") != 1 || strings.Count(page, "</style>") != 1 {
		t.Error("the page's own structure is broken")
	}
}

// One cycle has no statistics: its page shows the cycle, passed or not.
func TestPageOfOneCycle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, r := range []rig.Record{cycle(137, 1, rnd), failed(cycle(137, 1, rnd))} {
		r.Source, r.Artifacts = "scenario: x", []string{"sound.wav"}
		page := pageOf(t, report.Summary{Run: r.ID, Kind: "cycle"}, of(r), kept{picture: 50, sound: 70})
		words := says(page)
		for _, want := range []string{"The cycle Cycle 137", "Checks Outcome", "press_duration", "Text of the scenario"} {
			if !strings.Contains(words, want) {
				t.Errorf("%s: it does not say %q", r.Outcome, want)
			}
		}
		for _, bad := range []string{"Failure rate", "Weibull", "Median", "All that did not pass", "of resets succeed", "The outcome of each cycle"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: it says %q", r.Outcome, bad)
			}
		}
		if strings.Count(page, "data:image/png") != 1 || strings.Count(page, "<details class=\"open\" open>") != 1 {
			t.Errorf("%s: its evidence or its steps are not shown", r.Outcome)
		}
	}
}

// Of many failures, each kind is shown before the fourth of any, and how many
// are not is said.
func TestPageIsBounded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	asked := 0
	page := pageOf(t, run, func(yield func(rig.Record, error) bool) {
		for n := 1; n <= 900; n++ {
			r := failed(cycle(n, 1, rnd))
			if n > 880 {
				r.Reason = rig.Reason(fmt.Sprintf("kind-%d", n))
			}
			if !yield(r, nil) {
				return
			}
		}
	}, kept{picture: 400_000, sound: 800_000, asked: &asked})
	if len(page) > 20_000_000 || len(page) < 12_000_000 {
		t.Errorf("%d bytes", len(page))
	}
	words := says(page)
	for n := 881; n <= 900; n++ {
		if !strings.Contains(page, fmt.Sprintf("<h3><span class=\"key proven\"></span>Cycle %d ", n)) {
			t.Errorf("the only one of kind-%d is not shown", n)
		}
	}
	for _, want := range []string{"24 of 900 cycles that did not pass are shown in detail", "400 more are not listed", "are not embedded, to keep this page small"} {
		if !strings.Contains(words, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if asked > 30 {
		t.Errorf("the evidence of %d cycles was read", asked)
	}
}

func TestPageOfWhatWasRead(t *testing.T) {
	boom := errors.New("record 3 is damaged")
	var b bytes.Buffer
	err := report.HTML(&b, run, func(yield func(rig.Record, error) bool) {
		for r := range soak(3) {
			if !yield(r, nil) {
				return
			}
		}
		yield(rig.Record{}, boom)
	}, nil)
	if !errors.Is(err, boom) || !strings.Contains(says(b.String()), "INCOMPLETE Reading the records stopped: record 3 is damaged") || !strings.HasSuffix(b.String(), "</html>\n") {
		t.Errorf("error %v, %d bytes", err, b.Len())
	}
}

// 10,000 cycles are read in bounded memory, and so are 40,000.
func TestPageInBoundedMemory(t *testing.T) {
	held := func(n int) int64 {
		var before, during runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		records := soak(n)
		err := report.HTML(io.Discard, run, func(yield func(rig.Record, error) bool) {
			records(yield)
			runtime.GC()
			runtime.ReadMemStats(&during)
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return int64(during.HeapAlloc) - int64(before.HeapAlloc)
	}
	if n := held(40_000); n > 16<<20 { // six measurements of 40,000 values
		t.Errorf("40,000 records hold %d bytes", n)
	}
}

func BenchmarkHTML(b *testing.B) {
	for b.Loop() {
		if err := report.HTML(io.Discard, run, soak(10_000), kept{picture: 350_000, sound: 750_000}); err != nil {
			b.Fatal(err)
		}
	}
}
