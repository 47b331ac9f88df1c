package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/report"
	"resetrig/rig"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, d)
	}
}

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.FixedZone("", 3600))

func ptr(f float64) *float64 { return &f }

func sec(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// cycle is what a cycle of imou-hard-reset gives on a unit that boots in 20 s.
func cycle(n, attempt int, rnd *rand.Rand) rig.Record {
	onset, long := 16.2+rnd.NormFloat64()*.1, 4+rnd.NormFloat64()*.03
	release := 10 + onset + long + 1
	restart := 21 + rnd.ExpFloat64()*2
	return rig.Record{
		ID: fmt.Sprintf("20261122-120000-lab3-%05d-%d", n, attempt), Run: "20261122-120000-lab3", Cycle: n, Attempt: attempt,
		Bench: "lab-3-left", Scenario: "imou-hard-reset", Params: map[string]string{"off": "10s", "hold": "15s", "restart": "5m"},
		Version: "0.1.0", Started: began.Add(time.Duration(n) * 2 * time.Minute), Took: sec(release + restart + 41.2),
		Outcome: rig.Pass,
		DUT:     rig.Identity{Serial: "4F0A2B1PAZ00001", MAC: "3c:ef:8c:12:34:56"},
		Mark: &rig.Mark{ID: "m", Values: []rig.MarkedValue{
			{What: "password", Was: "***", Is: "***"}, {What: "name", Was: "NVR", Is: "rig-7f3a90"},
		}},
		Steps: []rig.StepRecord{
			{Phase: "arrange", Step: "provision", Began: sec(.4), Took: sec(1.81)},
			{Phase: "arrange", Step: "mark", Began: sec(2.2), Took: sec(2.31)},
			{Phase: "act", Step: "power off", Began: sec(5), Took: sec(2.02)},
			{Phase: "act", Step: "wait 10s", Began: sec(7), Took: sec(3)},
			{Phase: "act", Step: "press reset", Began: sec(10)},
			{Phase: "act", Step: "power on", Began: sec(10.02)},
			{Phase: "act", Step: "hold 15s since power-on, until the beep ends", Began: sec(10.02), Took: sec(release - 10.02)},
			{Phase: "act", Step: "release reset", Began: sec(release)},
			{Phase: "act", Step: "hear long beep expected, from power-on to release", Began: sec(release + .03)},
			{Phase: "assert", Step: "restarted within 5m0s", Began: sec(release + .03), Took: sec(restart + 20)},
			{Phase: "assert", Step: "default-state", Began: sec(release + restart + 20), Took: sec(7.3)},
		},
		Checks: []rig.Check{
			{Name: "identity", Kind: rig.AboutIdentity, Wanted: "4F0A2B1PAZ00001", Seen: "4F0A2B1PAZ00001", Outcome: rig.CheckPass},
			{Name: "sense/power", Kind: rig.AboutRelay, Wanted: "off", Seen: "off", Outcome: rig.CheckPass},
			{Name: "restarted", Kind: rig.AboutRestart, Wanted: "restarted within 5m0s, then up for 20s", Seen: "uptime 18 s, 23.1 s after the release; up since", Outcome: rig.CheckPass},
			{Name: "init-state", Kind: rig.AboutInit, Wanted: "uninitialised", Seen: "uninitialised", Outcome: rig.CheckPass},
			{Name: "marker/name", Kind: rig.AboutMarker, Wanted: "NVR", Seen: "NVR", Outcome: rig.CheckPass},
		},
		Measurements: []rig.Measurement{
			{Name: "press_duration", Value: release - 10, Unit: "s", Min: ptr(15), Max: ptr(40), Outcome: rig.CheckPass},
			{Name: "beep_onset", Value: onset, Unit: "s", Uncertainty: 0.0213, Outcome: rig.CheckPass},
			{Name: "beep_duration", Value: long, Unit: "s", Min: ptr(3), Outcome: rig.CheckPass},
			{Name: "beep_frequency", Value: 2400 + rnd.NormFloat64()*5, Unit: "Hz", Outcome: rig.CheckPass},
			{Name: "beep_snr", Value: 31 + rnd.NormFloat64(), Unit: "dB", Outcome: rig.CheckPass},
			{Name: "restart_time", Value: restart, Unit: "s", Max: ptr(300), Outcome: rig.CheckPass},
		},
		Beeps: []rig.BeepRecord{
			{Onset: sec(11.4), Duration: sec(.12), FrequencyHz: 2398, SNRdB: 28, LevelDBFS: -25, Kind: "short"},
			{Onset: sec(10 + onset), Duration: sec(long), FrequencyHz: 2401, SNRdB: 31, LevelDBFS: -22, Kind: "long"},
		},
		Timeline: []rig.Event{
			{At: 0, Kind: "phase", Name: "health"},
			{At: sec(5), Kind: "step", Name: "act", Text: "power off"},
			{At: sec(5.001), Kind: "relay", Name: "power"},
			{At: sec(5.014), Kind: "sense", Name: "power"},
			{At: sec(10.001), Kind: "relay", Name: "reset", On: true},
			{At: sec(10.021), Kind: "relay", Name: "power", On: true},
			{At: sec(10.034), Kind: "sense", Name: "power", On: true},
			{At: sec(release), Kind: "relay", Name: "reset"},
		},
		Operations: map[string]int{"power": 2, "reset": 2}, Senses: []string{"power"},
	}
}

func failed(r rig.Record) rig.Record {
	r.Outcome, r.Attribution, r.Reason = rig.Fail, rig.Proven, rig.ReasonResetPartial
	r.Text = `marker/name: wanted NVR, saw rig-7f3a90: the password was reset, the machine name was kept. The unit is left as it is: look at it before the next cycle`
	r.Checks[4].Seen, r.Checks[4].Outcome = "rig-7f3a90", rig.CheckFail
	r.Checks = append(r.Checks, rig.Check{
		Name: "config/NetWork.eth0", Kind: rig.AboutConfig, Outcome: rig.CheckUnknown, Reason: rig.ReasonUnanswered,
		Wanted: "as in the baseline dahua-nvr4104-4.003: DhcpEnable=false IPAddress=192.168.1.108 SubnetMask=255.255.255.0",
		Seen:   "HTTP 503 after 3 tries, then \x1b[2J\x1b]0;owned\a garbage",
	})
	r.Artifacts = []string{"0002/cycle.wav", "0002/http.txt", "0002/spectrogram.png"}
	r.Findings = []rig.Finding{{Name: "late", Detail: "0.31 s of sound came late", Unfit: false}}
	return r
}

// soak is a soak of n cycles in which everything happens.
func soak(n int) iter.Seq2[rig.Record, error] {
	return func(yield func(rig.Record, error) bool) {
		rnd := rand.New(rand.NewPCG(3, 4))
		for i := 1; i <= n; i++ {
			r := cycle(i, 1, rnd)
			switch {
			case i%1201 == 2:
				r = failed(r)
			case i%1407 == 5:
				r.Outcome, r.Attribution, r.Reason = rig.Fail, rig.Presumed, rig.ReasonResetIgnored
				r.Text = "the DUT restarted and everything marked is still there; no sense on this bench can tell it from an open reset contact"
				r.Beeps, r.Measurements = r.Beeps[:1], r.Measurements[5:]
			case i%900 == 11:
				r.Outcome, r.Reason = rig.Error, rig.ReasonEarLost
				r.Text = "microphone: capture died: the device was unplugged. Plug it in again; `resetrig check` shows what is there"
				if !yield(r, nil) {
					return
				}
				r = cycle(i, 2, rnd)
			case i%2000 == 13:
				r.Outcome, r.Reason, r.Text = rig.Aborted, rig.ReasonInterrupted, "the program died within the cycle"
				r.Took, r.Measurements, r.Beeps = 0, []rig.Measurement{}, []rig.BeepRecord{}
			}
			if !yield(r, nil) {
				return
			}
			if i%50 == 0 {
				c := cycle(i/50, 1, rnd)
				c.ID, c.Scenario, c.Control, c.Beeps, c.Measurements = "c"+c.ID, "control-short-press", true, []rig.BeepRecord{}, []rig.Measurement{}
				if i == 250 {
					c.Outcome, c.Reason, c.Text = rig.Error, rig.ReasonControl, "a control must end still marked: marker/name: wanted rig-7f3a90, saw NVR"
				}
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

func of(rs ...rig.Record) iter.Seq2[rig.Record, error] {
	return func(yield func(rig.Record, error) bool) {
		for _, r := range rs {
			if !yield(r, nil) {
				return
			}
		}
	}
}

var run = report.Summary{
	Run: "20261122-120000-lab3", Kind: "soak", Bench: "lab-3-left", Scenario: "imou-hard-reset", Version: "0.1.0",
	State: "ended", Started: began, Ended: began.Add(167*time.Hour + 3*time.Minute), Planned: 5000, Begun: 5107,
}

func text(t *testing.T, run report.Summary, records iter.Seq2[rig.Record, error]) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Text(&b, run, records); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) { golden(t, "soak.txt", []byte(text(t, run, soak(5000)))) }

func TestTextOfOne(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	golden(t, "one.txt", []byte(text(t, report.Summary{Run: "r1", Kind: "cycle", Bench: "lab-3-left", Scenario: "imou-hard-reset", Planned: 1, Begun: 1}, of(cycle(1, 1, rnd)))))
}

func TestTextOfNone(t *testing.T) {
	golden(t, "none.txt", []byte(text(t, report.Summary{Run: "r1", Bench: "lab-3-left", Begun: 1}, of())))
}

func TestCycle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var b bytes.Buffer
	if err := errors.Join(report.Cycle(&b, cycle(1, 1, rnd)), report.Cycle(&b, failed(cycle(2, 2, rnd))), report.Cycle(&b, rig.Record{})); err != nil {
		t.Fatal(err)
	}
	golden(t, "cycle.txt", b.Bytes())
}

func TestUnsafeIsLoud(t *testing.T) {
	r := cycle(1, 1, rand.New(rand.NewPCG(1, 1)))
	r.Unsafe = []string{"reset"}
	var b bytes.Buffer
	if err := report.Cycle(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{b.String(), text(t, run, of(r)), text(t, report.Summary{}, of(r))} {
		if !strings.Contains(s, "RELAYS IN DOUBT") {
			t.Errorf("it does not say so:\n%s", s)
		}
	}
}

// What the device says must not reach the terminal's control.
func TestNoControlCharacters(t *testing.T) {
	r := failed(cycle(1, 1, rand.New(rand.NewPCG(1, 1))))
	const evil = "x\x1b[2J\r\b\x00\u202e\xff\u009b"
	r.Text, r.ID, r.DUT.Serial, r.Mark.Values[1].Is, r.Steps[0].Error, r.Artifacts[0] = evil, evil, evil, evil, evil, evil
	r.Checks[0].Seen, r.Measurements[0].Unit, r.Findings[0].Detail, r.Timeline[0].Kind = evil, evil, evil, evil
	var b bytes.Buffer
	if err := errors.Join(report.Cycle(&b, r), report.Text(&b, report.Summary{Run: evil, Note: evil}, of(r)),
		report.CSV(&b, of(r)), report.JUnit(&b, run, of(r))); err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile("[\x00-\x09\x0b-\x1f\x7f-\u009f\u202e]").FindString(b.String()); m != "" {
		t.Errorf("%q was printed", m)
	}
}

func TestLinesAreShort(t *testing.T) {
	for _, name := range []string{"soak.txt", "cycle.txt", "one.txt", "none.txt"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range strings.Split(string(b), "\n") {
			if n := len([]rune(l)); n > 100 {
				t.Errorf("%s:%d: %d columns: %s", name, i+1, n, l)
			}
		}
	}
}

func TestReadingStops(t *testing.T) {
	boom := errors.New("record 3 is damaged")
	records := func(yield func(rig.Record, error) bool) {
		for r := range soak(3) {
			if !yield(r, nil) {
				return
			}
		}
		yield(rig.Record{}, boom)
	}
	var b bytes.Buffer
	if err := report.Text(&b, run, records); !errors.Is(err, boom) {
		t.Errorf("Text: %v", err)
	}
	if s := b.String(); !strings.Contains(s, "INCOMPLETE: reading the records stopped: record 3 is damaged") || !strings.Contains(s, "3 records in all") {
		t.Errorf("what was read is not there:\n%s", s)
	}
	for _, err := range []error{report.JSON(io.Discard, records), report.CSV(io.Discard, records), report.JUnit(io.Discard, run, records)} {
		if !errors.Is(err, boom) {
			t.Errorf("got %v", err)
		}
	}
}

func TestJSONIsTheRecords(t *testing.T) {
	var b bytes.Buffer
	if err := report.JSON(&b, soak(20)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	i := 0
	for want := range soak(20) {
		var got rig.Record
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("line %d:\n%s", i+1, d)
		}
		i++
	}
	if i != len(lines) {
		t.Errorf("%d lines, want %d", len(lines), i)
	}
}

func TestCSV(t *testing.T) {
	r := failed(cycle(2, 1, rand.New(rand.NewPCG(1, 1))))
	r.Text = "=cmd|' /C calc'!A0, \"quoted\"\nsecond line"
	var b bytes.Buffer
	if err := report.CSV(&b, of(cycle(1, 1, rand.New(rand.NewPCG(1, 1))), r)); err != nil {
		t.Fatal(err)
	}
	golden(t, "cycles.csv", b.Bytes())
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 3 || !strings.HasPrefix(rows[2][13], "'=cmd") {
		t.Errorf("%q, %v", rows, err)
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	aborted := rig.Record{ID: "x", Cycle: 3, Attempt: 1, Outcome: rig.Aborted, Reason: rig.ReasonStopped, Text: "stopped on request"}
	rnd := rand.New(rand.NewPCG(1, 1))
	if err := report.JUnit(&b, run, of(cycle(1, 1, rnd), failed(cycle(2, 1, rnd)), aborted)); err != nil {
		t.Fatal(err)
	}
	golden(t, "junit.xml", b.Bytes())
	var suites struct {
		Tests  int `xml:"tests,attr"`
		Suites []struct {
			Failures int `xml:"failures,attr"`
			Skipped  int `xml:"skipped,attr"`
			Cases    []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Type string `xml:"type,attr"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	s := suites.Suites[0]
	if suites.Tests != 3 || s.Failures != 1 || s.Skipped != 1 || len(s.Cases) != 3 || s.Cases[1].Failure.Type != "reset-partial" {
		t.Errorf("read back: %+v", suites)
	}
}

// The report of a soak of weeks is made in the memory of a short one.
func TestMemoryIsFlat(t *testing.T) {
	held := func(n int) int64 {
		var before, during runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		records := soak(n)
		err := report.Text(io.Discard, run, func(yield func(rig.Record, error) bool) {
			records(yield)
			runtime.GC() // all is read, nothing is written
			runtime.ReadMemStats(&during)
		})
		if err != nil {
			t.Fatal(err)
		}
		return int64(during.HeapAlloc) - int64(before.HeapAlloc)
	}
	if n := held(40_000); n > 4<<20 {
		t.Errorf("40,000 records hold %d bytes", n)
	}
}

func TestListsAreBounded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	s := text(t, run, func(yield func(rig.Record, error) bool) {
		for n := 1; n <= 250 && yield(failed(cycle(n, 1, rnd)), nil); n++ {
		}
	})
	if !strings.Contains(s, "Failed (250)") || !strings.Contains(s, "(+150 more)") || strings.Contains(s, "cycle 101 ·") || !strings.Contains(s, "cycle 100 ·") {
		t.Error("want the first 100 of 250 and how many more")
	}
}

func BenchmarkText(b *testing.B) {
	for b.Loop() {
		if err := report.Text(io.Discard, run, soak(10_000)); err != nil {
			b.Fatal(err)
		}
	}
}
