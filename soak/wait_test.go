package soak_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"resetrig/rig"
	"resetrig/soak"
)

func at(t *testing.T, zone, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	when, err := time.ParseInLocation("2006-01-02 15:04", text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// Berlin: 2026-03-29 has no 02:00–03:00, 2026-10-25 has it twice.
func TestWindow(t *testing.T) {
	const zone = "Europe/Berlin"
	for _, c := range []struct {
		hours string
		days  []time.Weekday
		now   string
		later time.Duration // moves now, where an hour comes twice
		wait  time.Duration // 0: it is open
	}{
		{"22:00-06:00", nil, "2026-11-22 23:00", 0, 0},
		{"22:00-06:00", nil, "2026-11-22 05:59", 0, 0},
		{"22:00-06:00", nil, "2026-11-22 06:00", 0, 16 * time.Hour},
		{"08:00-17:00", nil, "2026-11-22 17:00", 0, 15 * time.Hour},
		{"08:00-17:00", []time.Weekday{time.Monday}, "2026-11-22 09:00", 0, 23 * time.Hour}, // a Sunday
		{"22:00-06:00", []time.Weekday{time.Sunday}, "2026-11-23 05:00", 0, 0},              // it opened on Sunday
		{"22:00-06:00", []time.Weekday{time.Monday}, "2026-11-23 05:00", 0, 17 * time.Hour},
		// The night in which an hour is left out: it opens when the clock is past it.
		{"02:30-06:00", nil, "2026-03-29 01:30", 0, 30 * time.Minute},
		{"22:00-06:00", nil, "2026-03-29 03:30", 0, 0},
		{"06:00-07:00", nil, "2026-03-29 01:00", 0, 4 * time.Hour}, // five by the clock
		// The night in which an hour comes twice: both are inside, or both outside.
		{"02:00-03:00", nil, "2026-10-25 01:30", 30 * time.Minute, 0},
		{"02:00-03:00", nil, "2026-10-25 01:30", 90 * time.Minute, 0},
		{"06:00-07:00", nil, "2026-10-25 01:00", 0, 6 * time.Hour}, // five by the clock
	} {
		w, err := soak.ParseWindow(c.hours)
		if err != nil {
			t.Fatal(err)
		}
		w.Days, w.Zone = c.days, at(t, zone, c.now).Location()
		now := at(t, zone, c.now).Add(c.later)
		if got := w.Open(now); got != (c.wait == 0) {
			t.Errorf("%s at %v: open %v", c.hours, now, got)
		}
		if got := w.Opens(now).Sub(now); got != c.wait {
			t.Errorf("%s at %v: opens after %v, want %v", c.hours, now, got, c.wait)
		}
	}
	for _, bad := range []string{"", "22:00", "25:00-06:00", "22-6"} {
		if _, err := soak.ParseWindow(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

// wishes are what a person asks for, by when since the start.
type wishes struct {
	clock rig.Clock
	start time.Time
	list  []wish
}

type wish struct {
	after time.Duration
	what  soak.Wish
}

func (w *wishes) Asked(context.Context) (soak.Wish, error) {
	if w.start.IsZero() {
		w.start = w.clock.Now()
	}
	if len(w.list) > 0 && w.clock.Now().Sub(w.start) >= w.list[0].after {
		what := w.list[0].what
		w.list = w.list[1:]
		return what, nil
	}
	return soak.NoWish, nil
}

// Cycles last 10 s. A hold ends by a person or by itself.
func TestHold(t *testing.T) {
	const h = time.Hour
	for _, c := range []struct {
		name   string
		fates  string
		hold   *soak.Hold
		wishes []wish
		want   soak.Tally
		err    error
		doing  string
		took   time.Duration // at least; an hour more at most
	}{
		{"a fail, and nobody comes", "pfp", &soak.Hold{For: 8 * h}, nil,
			soak.Tally{Cycles: 2, Attempts: 2, Pass: 1, FirstPass: 1, Presumed: 1, Doubted: 1, Stopped: "held for a person for 8h0m0s, and nobody came"},
			soak.ErrStopRule, "cycle, cycle, hold", 8 * h},
		{"a fail, and it goes on by itself", "pfp", &soak.Hold{For: 8 * h, GoOn: true}, nil,
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 2, FirstPass: 2, Presumed: 1, Doubted: 1}, nil, "cycle, cycle, hold, cycle", 8 * h},
		{"a fail, and a person lets it go on", "pfp", &soak.Hold{For: 8 * h}, []wish{{2 * h, soak.WishGoOn}},
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 2, FirstPass: 2, Presumed: 1, Doubted: 1}, nil, "cycle, cycle, hold, cycle", 2 * h},
		{"a fail, and a person ends it", "pfp", &soak.Hold{For: 8 * h}, []wish{{2 * h, soak.WishEnd}},
			soak.Tally{Cycles: 2, Attempts: 2, Pass: 1, FirstPass: 1, Presumed: 1, Doubted: 1, Stopped: "ended on request"},
			soak.ErrStopRule, "cycle, cycle, hold", 2 * h},
		{"held on request, between two cycles", "p", nil, []wish{{5 * time.Second, soak.WishToHold}, {3 * h, soak.WishGoOn}},
			soak.Tally{Cycles: 3, Attempts: 3, Pass: 3, FirstPass: 3}, nil, "cycle, hold, cycle, cycle", 3 * h},
		{"ended on request, after the cycle", "p", nil, []wish{{5 * time.Second, soak.WishEnd}},
			soak.Tally{Cycles: 1, Attempts: 1, Pass: 1, FirstPass: 1, Stopped: "ended on request"}, soak.ErrStopRule, "cycle", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var doing []string
			var began, ended time.Time
			b := &book{fate: &fate{attempts: c.fates}}
			got, err := run(t, soak.Plan{Cycles: 3, Hold: c.hold}, b, func(s *soak.Soak) {
				s.Person = &wishes{clock: s.Bench.Clock, list: c.wishes}
				began = s.Bench.Clock.Now()
				s.Watch = func(st soak.Status) { doing, ended = append(doing, st.Doing), s.Bench.Clock.Now() }
				b.after = func(int) { ended = s.Bench.Clock.Now() }
			})
			if got != c.want || !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Errorf("%+v, %v\nwant %+v, %v", got, err, c.want, c.err)
			}
			if s := strings.Join(doing, ", "); s != c.doing {
				t.Errorf("it did %s, want %s", s, c.doing)
			}
			if took := ended.Sub(began); c.err == nil && (took < c.took || took > c.took+h) {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A cycle begins in the window only, however long the soak has to wait for it.
func TestSoakWaitsForItsWindow(t *testing.T) {
	w, err := soak.ParseWindow("22:00-22:01")
	if err != nil {
		t.Fatal(err)
	}
	w.Zone = time.UTC
	b := &book{fate: &fate{attempts: "p"}}
	var begun []string
	got, err := run(t, soak.Plan{Cycles: 12, Window: &w}, b, func(s *soak.Soak) {
		s.Watch = func(st soak.Status) {
			if st.Doing == "cycle" {
				begun = append(begun, s.Bench.Clock.Now().UTC().Format("2 15:04"))
			}
		}
	})
	if err != nil || got.Pass != 12 {
		t.Fatalf("%+v, %v", got, err)
	}
	// Six cycles of 10 s fit into a minute: it takes two nights.
	if begun[0] != "1 22:00" || begun[5] != "1 22:00" || begun[6] != "2 22:00" || begun[11] != "2 22:00" {
		t.Errorf("begun at %v", begun)
	}
}
