package sim_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"resetrig/pcm"
	"resetrig/rig"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestAfterFuncsRunInOrderInsideAdvance(t *testing.T) {
	b := newBench(t, "imou-new")
	began := b.clock.Now()
	var got []string
	note := func(s string) func() {
		return func() { got = append(got, s+" "+b.clock.Now().Sub(began).String()) }
	}
	b.clock.AfterFunc(3*time.Second, note("c"))
	b.clock.AfterFunc(time.Second, note("a"))
	b.clock.AfterFunc(time.Second, note("b"))
	stop := b.clock.AfterFunc(2*time.Second, note("never"))
	if !stop() || stop() {
		t.Error("stop must report once that it prevented the call")
	}
	b.clock.AfterFunc(1500*time.Millisecond, func() {
		b.clock.AfterFunc(time.Second, note("nested"))
		if err := b.w.Relays().Set("reset", true); err != nil {
			t.Error(err)
		}
	})
	b.sleep(4 * time.Second)
	want := []string{"a 1s", "b 1s", "nested 2.5s", "c 3s"}
	if !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
	if !b.sense("reset") {
		t.Error("a relay set by an AfterFunc did not follow")
	}
	if now := b.clock.Now().Sub(began); now != 4*time.Second {
		t.Errorf("slept to %v, want 4s", now)
	}
}

func TestAfterFuncMayWaitItself(t *testing.T) {
	b := newBench(t, "imou-new")
	began := b.clock.Now()
	b.clock.AfterFunc(time.Second, func() { b.sleep(5 * time.Second) })
	b.sleep(2 * time.Second)
	if now := b.clock.Now().Sub(began); now != 6*time.Second {
		t.Errorf("now %v, want 6s: time never goes back", now)
	}
}

func TestSleepEndsWithTheCause(t *testing.T) {
	b := newBench(t, "imou-new")
	began := b.clock.Now()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("dead man")
	b.clock.AfterFunc(time.Second, func() { cancel(why) })
	if err := b.clock.Sleep(ctx, time.Hour); !errors.Is(err, why) {
		t.Errorf("error %v, want %v", err, why)
	}
	if now := b.clock.Now().Sub(began); now != time.Second {
		t.Errorf("ended at %v, want 1s", now)
	}
}

func TestTimeoutIsOfTheClock(t *testing.T) {
	b := newBench(t, "imou-new", "http-hangs")
	b.up()
	b.act(0)
	b.sleep(40 * time.Second)
	began := b.clock.Now()
	_, _, err := b.do("GET", "/", "", "")
	if !errors.Is(err, rig.ErrDeadline) {
		t.Errorf("error %v, want %v", err, rig.ErrDeadline)
	}
	if d := b.clock.Now().Sub(began); d != 5*time.Second {
		t.Errorf("hung for %v, want 5s", d)
	}
}

// Two Worlds of one seed, driven alike, agree in every sample, edge and byte.
func TestSameSeedSameWorld(t *testing.T) {
	type trace struct {
		samples []float32
		times   []time.Time
		edges   []rig.Edge
		bodies  []string
		truth   string
	}
	run := func(seed uint64) trace {
		var tr trace
		b := newBench(t, "imou-old", "neighbour-beep", "no-disk-alarm")
		if seed != 7 {
			b = newBenchWith(t, optionsWith(t, "imou-old", seed))
		}
		power := b.w.Sense("power").(rig.EdgeSense)
		s := b.w.Sound()
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		hear := func(d time.Duration) {
			err := s.Read(t.Context(), b.clock.Now().Add(d), func(x pcm.Block) {
				tr.samples = append(tr.samples, x.Samples...)
				tr.times = append(tr.times, x.Time)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		b.set("power", true)
		hear(40 * time.Second)
		for range 3 {
			resp, text, err := b.do("GET", "/cgi-bin/magicBox.cgi?action=getSerialNo", "", "")
			if err != nil {
				t.Fatal(err)
			}
			tr.bodies = append(tr.bodies, resp.Header.Get("WWW-Authenticate")+text)
		}
		b.set("power", false)
		hear(3 * time.Second)
		tr.edges = power.Edges()
		tr.truth = b.w.Truth().Phase
		return tr
	}
	a, z, other := run(7), run(7), run(8)
	if !slices.Equal(a.samples, z.samples) || !slices.Equal(a.times, z.times) || !slices.Equal(a.bodies, z.bodies) || !slices.Equal(a.edges, z.edges) || a.truth != z.truth {
		t.Error("two worlds of one seed differ")
	}
	if slices.Equal(a.samples, other.samples) || slices.Equal(a.bodies, other.bodies) {
		t.Error("another seed gives the same world")
	}
}
