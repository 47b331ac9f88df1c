package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/rig"
	"resetrig/store"
)

// lines are relays that do what they are told.
type lines map[string]bool

func (l lines) Set(name string, on bool) error { l[name] = on; return nil }
func (l lines) Read(name string) (bool, error) { return l[name], nil }

// Every switching of a relay is in its life account once: a cycle's by its
// record, the rest, at arming and disarming, at the end.
func TestEverySwitchingIsBooked(t *testing.T) {
	b := &rig.Bench{Name: "lab", Clock: rig.System(), Relays: lines{}, Specs: []rig.RelaySpec{
		{Name: "power", Role: rig.RolePower, Safe: rig.SafeOff}, {Name: "reset", Role: rig.RolePress, MaxOn: time.Minute},
	}}
	w := newWear(b)
	err := b.Arm(t.Context(), func(_ context.Context, a *rig.Armed) error {
		for range 3 {
			if err := a.On("reset", true); err != nil {
				return err
			}
			if err := a.Off("reset"); err != nil {
				return err
			}
		}
		return a.On("power", false) // left on: disarming switches it off
	})
	if err != nil {
		t.Fatal(err)
	}
	a := &app{state: t.TempDir(), err: new(strings.Builder)}
	db, err := store.Open(a.storePath())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w.booked(map[string]int{"reset": 4}) // a record has these already
	for range 2 {                        // the second time adds nothing
		if err := w.book(t.Context(), db, "lab"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Operations(t.Context(), "lab")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]int64{"power": 2, "reset": 2}, got); d != "" {
		t.Errorf("the life account (-want +got):\n%s", d)
	}
}

func TestLifeForecast(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		l    lifeOf
		want string
	}{
		{lifeOf{"reset", 80_000, 100_000, 200, 100, 100 * time.Minute, now}, "reset: 80000 of 100000 rated operations (80.0 %); 2.0 a cycle, so 10000 more cycles, at this pace until 2026-11-29"},
		{lifeOf{"power", 100_001, 100_000, 3, 1, time.Minute, now}, "power: 100001 of 100000 rated operations (100.0 %): past its rated life; replace it"},
	} {
		if got := lifeText(c.l); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// The warning comes once, when 80 % are passed, and at every start from then on.
func TestWearWarning(t *testing.T) {
	b := &rig.Bench{Name: "lab", Clock: rig.System(), Relays: lines{}, Specs: []rig.RelaySpec{{Name: "reset", Role: rig.RolePress, MaxOn: time.Minute, Life: 100}},
		Operations: map[string]int64{"reset": 77}}
	var said strings.Builder
	a := &app{err: &said}
	a.warnOfWear(b)
	w := newWear(b)
	for range 4 {
		_ = w.Set("reset", true)
		_ = w.Set("reset", false)
		a.remarkWear(w)
	}
	if n := strings.Count(said.String(), "plan its replacement"); n != 1 || !strings.Contains(said.String(), "come to 81 of its 100") {
		t.Errorf("it says:\n%s", said.String())
	}
	b.Operations["reset"] = 80
	if a.warnOfWear(b); strings.Count(said.String(), "plan its replacement") != 2 {
		t.Errorf("at the start it says:\n%s", said.String())
	}
}
