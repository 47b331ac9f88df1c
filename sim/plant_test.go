package sim_test

import (
	"slices"
	"testing"
	"time"

	"resetrig/rig"
	"resetrig/sim"
)

func TestHoldTakesTheResetAtFifteenSeconds(t *testing.T) {
	for _, c := range []struct {
		name   string
		hold   time.Duration
		resets int
	}{
		{"14 s", 14 * time.Second, 0},
		{"16 s", 16 * time.Second, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, "imou-old")
			b.up()
			b.markOld()
			b.act(c.hold)
			b.sleep(45 * time.Second)
			tr := b.w.Truth()
			if tr.Resets != c.resets || tr.Phase != "ready" {
				t.Fatalf("resets %d, phase %q; want %d, ready", tr.Resets, tr.Phase, c.resets)
			}
			password := marked
			if c.resets > 0 {
				password = "admin"
			}
			if s, text := b.cgi("/cgi-bin/magicBox.cgi?action=getMachineName", "admin", password); s != 200 {
				t.Errorf("login with %q: %d %q", password, s, text)
			}
		})
	}
}

// The pins are looked at right after power-on and at no other time.
func TestPinsAreSampledAtPowerOnOnly(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(b *bench)
	}{
		{"pressed a second late", func(b *bench) {
			b.set("power", false)
			b.sleep(5 * time.Second)
			b.set("power", true)
			b.sleep(time.Second)
			b.set("reset", true)
			b.sleep(20 * time.Second)
			b.set("reset", false)
		}},
		{"pressed without power", func(b *bench) {
			b.set("power", false)
			b.sleep(5 * time.Second)
			b.set("reset", true)
			b.sleep(20 * time.Second)
			b.set("reset", false)
			b.sleep(time.Second)
			b.set("power", true)
		}},
		{"off for less than the hold-up", func(b *bench) {
			b.set("reset", true)
			b.set("power", false)
			b.sleep(100 * time.Millisecond)
			b.set("power", true)
			b.sleep(20 * time.Second)
			b.set("reset", false)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, "imou-new")
			b.up()
			c.act(b)
			b.sleep(40 * time.Second)
			if tr := b.w.Truth(); tr.Resets != 0 || tr.Phase != "ready" {
				t.Errorf("resets %d, phase %q; want none, ready", tr.Resets, tr.Phase)
			}
		})
	}
}

func TestWaitsForTheRelease(t *testing.T) {
	b := newBench(t, "imou-new")
	b.set("reset", true)
	b.sleep(time.Second)
	b.set("power", true)
	b.sleep(2 * time.Minute)
	if got := b.w.Truth().Phase; got != "waiting" {
		t.Fatalf("pins still shorted: phase %q, want waiting", got)
	}
	b.set("reset", false)
	b.sleep(30 * time.Second)
	if got := b.w.Truth().Phase; got != "ready" {
		t.Errorf("after the release: phase %q, want ready", got)
	}
}

func TestPowerCutWhileWritingBricks(t *testing.T) {
	b := newBench(t, "imou-new")
	b.set("reset", true)
	b.sleep(time.Second)
	b.set("power", true)
	for b.w.Truth().Phase != "resetting" {
		b.sleep(50 * time.Millisecond)
	}
	b.set("power", false)
	b.sleep(5 * time.Second)
	b.set("reset", false)
	b.set("power", true)
	b.sleep(time.Minute)
	if tr := b.w.Truth(); !tr.Bricked || tr.Phase != "dead" {
		t.Fatalf("bricked %v, phase %q; want bricked and dead", tr.Bricked, tr.Phase)
	}
	if _, _, err := b.do("GET", "/", "", ""); err == nil {
		t.Error("a bricked unit answers")
	}
	b.w.BeginCycle(1)
	b.sleep(time.Minute)
	if tr := b.w.Truth(); tr.Phase != "dead" {
		t.Errorf("a bricked unit came back with the next cycle: phase %q", tr.Phase)
	}
	b.w.Repair()
	b.sleep(time.Minute)
	if tr := b.w.Truth(); tr.Phase != "ready" || tr.Initialised {
		t.Errorf("repaired: phase %q, initialised %v; want ready, false", tr.Phase, tr.Initialised)
	}
}

func TestBootTimesAreTheModels(t *testing.T) {
	for _, m := range sim.Models() {
		for seed := range uint64(10) {
			b := newBenchWith(t, sim.Options{Model: m, Seed: seed})
			b.set("power", true)
			began := b.clock.Now()
			first := time.Duration(0)
			for b.w.Truth().Phase != "ready" {
				b.sleep(100 * time.Millisecond)
				if p := b.w.Truth().Phase; first == 0 && (p == "starting" || p == "ready") {
					first = b.clock.Now().Sub(began)
				}
			}
			took := b.clock.Now().Sub(began)
			const slack = 200 * time.Millisecond
			if took < m.LeastBoot || took > m.MostBoot+slack {
				t.Errorf("%s, seed %d: ready after %v, want %v to %v", m.Name, seed, took, m.LeastBoot, m.MostBoot)
			}
			if first < m.LeastAnswer() {
				t.Errorf("%s, seed %d: first answer after %v, want %v or more", m.Name, seed, first, m.LeastAnswer())
			}
		}
	}
}

func TestSensesTellTheTruthWithEdges(t *testing.T) {
	b := newBench(t, "imou-new")
	power := b.w.Sense("power")
	began := b.clock.Now()
	b.set("power", true)
	if on, _ := power.On(t.Context()); on {
		t.Error("the contact closed before its time")
	}
	b.sleep(20 * time.Millisecond)
	if on, _ := power.On(t.Context()); !on {
		t.Error("the contact did not close")
	}
	b.set("power", false)
	b.sleep(time.Second)
	edges := power.(rig.EdgeSense).Edges()
	if len(edges) != 2 || !edges[0].On || edges[1].On {
		t.Fatalf("edges %v, want on and off", edges)
	}
	if d := edges[0].Time.Sub(began); d < 5*time.Millisecond || d > 10*time.Millisecond {
		t.Errorf("operated after %v, want 5 to 10 ms", d)
	}
	if again := power.(rig.EdgeSense).Edges(); len(again) != 0 {
		t.Errorf("edges came twice: %v", again)
	}
	if b.w.Sense("door") != nil {
		t.Error("there is a sense of a door")
	}
}

func TestWordsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		o    sim.Options
		want string
	}{
		{"fault", sim.Options{Faults: []sim.Fault{{Name: "no-beeb", Probability: 1}}}, `unknown simulated fault "no-beeb"; did you mean "no-beep"?`},
		{"probability", sim.Options{Faults: []sim.Fault{{Name: "no-beep", Probability: 1.5}}}, `want 0 to 1`},
		{"url", sim.Options{URL: "ftp://192.168.1.50"}, `want http://host`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := sim.New(c.o)
			if err == nil || !contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := sim.ModelNamed("imou-neu"); err == nil || !contains(err.Error(), `did you mean "imou-new"?`) {
		t.Errorf("model imou-neu: %v", err)
	}
	if err := newBench(t, "imou-new").w.Relays().Set("pwer", true); err == nil || !contains(err.Error(), `did you mean "power"?`) {
		t.Errorf("relay pwer: %v", err)
	}
}

func TestFaultsOfACycleDependOnSeedAndNumberOnly(t *testing.T) {
	faults := func(seed uint64, cycles ...int) [][]string {
		b := newBenchWith(t, sim.Options{Seed: seed, Faults: []sim.Fault{{Name: "no-beep", Probability: 0.5}, {Name: "slow-boot", Probability: 0.3}}})
		var all [][]string
		for _, n := range cycles {
			b.w.BeginCycle(n)
			all = append(all, b.w.Truth().Faults)
		}
		return all
	}
	a, z := faults(3, 1, 2, 3, 4, 5, 6, 7, 8), faults(3, 8, 7, 6, 5, 4, 3, 2, 1)
	slices.Reverse(z)
	some := 0
	for i := range a {
		if !slices.Equal(a[i], z[i]) {
			t.Errorf("cycle %d: %v and %v", i+1, a[i], z[i])
		}
		some += len(a[i])
	}
	if some == 0 || some == 16 {
		t.Errorf("%d faults in 8 cycles of two", some)
	}
}
