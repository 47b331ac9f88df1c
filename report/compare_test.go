package report_test

import (
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"

	"resetrig/report"
	"resetrig/rig"
)

// withFirmware is a soak on that firmware, of which every so manieth cycle fails,
// with a restart that takes so much longer.
func withFirmware(firmware string, n, every int, slower float64, seed uint64) iter.Seq2[rig.Record, error] {
	return func(yield func(rig.Record, error) bool) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		for i := 1; i <= n; i++ {
			r := cycle(i, 1, rnd)
			r.Checks = append(r.Checks, rig.Check{Name: "firmware", Kind: rig.AboutFirmware, Seen: firmware, Outcome: rig.CheckPass})
			r.Measurements[5].Value += slower
			if i%every == 0 {
				r = failed(r)
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func compared(t *testing.T, b report.Summary, records iter.Seq2[rig.Record, error]) string {
	t.Helper()
	a := run
	a.Files = []report.File{{Name: "scenario", SHA256: "aaaaaaaaaaaaaaaaaa"}}
	c, err := report.Compare(a, b, withFirmware("4.001", 400, 200, 0, 1), records)
	if err != nil {
		t.Fatal(err)
	}
	return string(render(t, func(w io.Writer) error { return report.CompareText(w, c) }))
}

func TestCompare(t *testing.T) {
	b := run
	b.Run = "20261123-080000-lab3"
	b.Files = []report.File{{Name: "scenario", SHA256: "aaaaaaaaaaaaaaaaaa"}}
	worse := compared(t, b, withFirmware("4.002", 300, 15, 3, 2))
	golden(t, "compare.txt", []byte(worse))
	same := strings.Join(strings.Fields(compared(t, b, withFirmware("4.002", 400, 200, 0, 5))), " ")
	for _, want := range []string{"No difference of the failure rates is shown", "That does not make them equal: B's may be up to", "No measurement differs", "differ in the firmware alone"} {
		if !strings.Contains(same, want) {
			t.Errorf("of two that are alike it does not say %q:\n%s", want, same)
		}
	}
	b.Files[0].SHA256, b.Bench = "bbbbbbbbbbbbbbbbbb", "right"
	if other := strings.Join(strings.Fields(compared(t, b, withFirmware("4.002", 300, 15, 3, 2))), " "); !strings.Contains(other, "can't be put down to the firmware alone: the runs also differ in bench, text of scenario.") {
		t.Errorf("what else differs is not said:\n%s", other)
	}
	if none := strings.Join(strings.Fields(compared(t, b, of())), " "); !strings.Contains(none, "Nothing can be concluded") || !strings.Contains(none, "nothing was judged") {
		t.Errorf("against nothing:\n%s", none)
	}
}

// Errors that only one of the runs has can make the difference.
func TestCompareWithErrors(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	s := compared(t, run, func(yield func(rig.Record, error) bool) {
		for i := 1; i <= 300; i++ {
			r := cycle(i, 1, rnd)
			if i%10 == 0 {
				r.Outcome, r.Reason = rig.Error, rig.ReasonEarLost
			}
			if !yield(r, nil) {
				return
			}
		}
	})
	if !strings.Contains(strings.Join(strings.Fields(s), " "), "With errors of the rig counted as failures it is otherwise") {
		t.Errorf("that errors decide is not said:\n%s", s)
	}
}

func TestCompareReadingStops(t *testing.T) {
	boom := errors.New("record 3 is damaged")
	broken := func(yield func(rig.Record, error) bool) { yield(rig.Record{}, boom) }
	if _, err := report.Compare(run, run, soak(3), broken); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}
