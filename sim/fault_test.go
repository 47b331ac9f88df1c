package sim_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"resetrig/rig"
	"resetrig/sim"
)

const getName = "/cgi-bin/magicBox.cgi?action=getMachineName"

// state is what the network shows of a unit of the old generation: which
// password is let in, and which name it has.
func (b *bench) state() (defaultPassword bool, name string) {
	b.Helper()
	for _, password := range []string{"admin", marked} {
		if s, text := b.cgi(getName, "admin", password); s == 200 {
			return password == "admin", strings.TrimSpace(strings.TrimPrefix(text, "name="))
		}
	}
	b.Fatal("no login is let in")
	return false, ""
}

// resetWith marks a unit, resets it by the pins and waits d after the release.
func resetWith(t *testing.T, d time.Duration, faults ...string) *bench {
	t.Helper()
	b := newBench(t, "imou-old", faults...)
	b.up()
	b.markOld()
	if def, name := b.state(); def || name != "marked" {
		t.Fatalf("the fault %v disturbs the arrange: default password %v, name %q", faults, def, name)
	}
	b.act(20 * time.Second)
	b.sleep(d)
	return b
}

func TestFaultsOfWhatIsReset(t *testing.T) {
	for _, c := range []struct {
		fault    string
		password bool // the default one
		name     string
	}{
		{"", true, "NVR"},
		{"no-beep", true, "NVR"},
		{"reset-ignored", false, "marked"},
		{"reset-partial-password", true, "marked"},
		{"reset-partial-config", false, "NVR"},
		{"resets-on-power-on", true, "NVR"},
		{"reset-open", false, "marked"},
		{"power-welded", false, "marked"},
	} {
		t.Run("with "+c.fault, func(t *testing.T) {
			var faults []string
			if c.fault != "" {
				faults = append(faults, c.fault)
			}
			b := resetWith(t, 30*time.Second, faults...)
			if def, name := b.state(); def != c.password || name != c.name {
				t.Errorf("default password %v, name %q; want %v, %q", def, name, c.password, c.name)
			}
		})
	}
	t.Run("half of it by the seed", func(t *testing.T) {
		seen := map[bool]bool{}
		for seed := range uint64(12) {
			b := newBenchWith(t, sim.Options{Model: preset(t, "imou-old"), Seed: seed, Faults: []sim.Fault{{Name: "reset-partial", Probability: 1}}})
			b.up()
			b.markOld()
			b.act(20 * time.Second)
			b.sleep(30 * time.Second)
			def, name := b.state()
			if def == (name == "NVR") {
				t.Fatalf("seed %d: default password %v, name %q: not a half", seed, def, name)
			}
			seen[def] = true
		}
		if len(seen) != 2 {
			t.Error("always the same half")
		}
	})
	t.Run("resets although nothing is pressed", func(t *testing.T) {
		b := newBench(t, "imou-old", "resets-on-power-on")
		b.up()
		b.markOld()
		b.set("power", false)
		b.sleep(5 * time.Second)
		b.up()
		if def, _ := b.state(); !def {
			t.Error("nothing was reset")
		}
	})
}

func TestNewGenerationIsResetIntoUninitialised(t *testing.T) {
	for _, c := range []struct {
		fault string
		want  float64
	}{{"no-beep", 1}, {"reset-ignored", 2}, {"reset-partial-password", 1}, {"reset-partial-config", 2}} {
		t.Run(c.fault, func(t *testing.T) {
			b := newBenchWith(t, sim.Options{Login: "Before-2026", Powered: true, Faults: []sim.Fault{{Name: c.fault, Probability: 1}}})
			b.act(20 * time.Second)
			b.sleep(30 * time.Second)
			if got := b.initState(); got != c.want {
				t.Errorf("Init %v, want %v", got, c.want)
			}
		})
	}
}

// uptimes asks each second, without credentials, whether the unit is ready, and
// counts the answers, the silences and the changes from one to the other.
func (b *bench) uptimes(d time.Duration) (answered, silent int, restarts int) {
	b.Helper()
	was := false
	for began := b.clock.Now(); b.clock.Now().Sub(began) < d; {
		resp, _, err := b.do("GET", "/cgi-bin/magicBox.cgi?action=getSerialNo", "", "")
		ok := err == nil && resp.StatusCode == 401
		switch {
		case ok:
			answered++
		default:
			silent++
			if was {
				restarts++
			}
		}
		was = ok
		b.sleep(time.Second)
	}
	return
}

func TestFaultsOfComingBack(t *testing.T) {
	t.Run("default-reverts", func(t *testing.T) {
		b := resetWith(t, 24*time.Second, "default-reverts")
		if def, _ := b.state(); !def {
			t.Error("not the default state right after the boot")
		}
		b.sleep(20 * time.Second)
		if def, name := b.state(); def || name != "marked" {
			t.Error("the old state is not back")
		}
	})
	t.Run("default-reverts-on-power-cycle", func(t *testing.T) {
		b := resetWith(t, 60*time.Second, "default-reverts-on-power-cycle")
		if def, _ := b.state(); !def {
			t.Error("not the default state after the reset")
		}
		b.set("power", false)
		b.sleep(5 * time.Second)
		b.up()
		if def, name := b.state(); def || name != "marked" {
			t.Error("the old state is not back after a power cycle")
		}
	})
	t.Run("old-state-then-reboot", func(t *testing.T) {
		b := resetWith(t, 25*time.Second, "old-state-then-reboot")
		if def, name := b.state(); def || name != "marked" {
			t.Error("not the old state at first")
		}
		if _, _, restarts := b.uptimes(50 * time.Second); restarts != 1 {
			t.Errorf("%d restarts of its own, want 1", restarts)
		}
		if def, name := b.state(); !def || name != "NVR" {
			t.Error("not the default state at last")
		}
	})
	t.Run("boots-forever", func(t *testing.T) {
		b := resetWith(t, 0, "boots-forever")
		answered, _, restarts := b.uptimes(10 * time.Minute)
		if restarts < 3 || answered == 0 {
			t.Errorf("%d restarts, %d answers in ten minutes", restarts, answered)
		}
	})
	t.Run("dead-after-reset", func(t *testing.T) {
		b := resetWith(t, 0, "dead-after-reset")
		if answered, _, _ := b.uptimes(10 * time.Minute); answered != 0 {
			t.Errorf("%d answers of a dead unit", answered)
		}
		if !b.sense("power") {
			t.Error("it has power all the same")
		}
	})
	t.Run("slow-boot", func(t *testing.T) {
		b := resetWith(t, 9*time.Minute, "slow-boot")
		if _, _, err := b.do("GET", "/", "", ""); err == nil {
			t.Error("up within nine minutes")
		}
		b.sleep(3 * time.Minute)
		if def, _ := b.state(); !def {
			t.Error("not the default state after all")
		}
	})
	t.Run("http-garbage", func(t *testing.T) {
		b := resetWith(t, 40*time.Second, "http-garbage")
		for range 20 {
			resp, text, err := b.do("GET", getName, "", "")
			if err == nil && (resp.StatusCode != 200 || !strings.ContainsFunc(text, func(r rune) bool { return r > 126 || r < 9 })) {
				t.Errorf("an answer with sense: %d %q", resp.StatusCode, text)
			}
			if errors.Is(err, rig.ErrDeadline) {
				t.Errorf("silence: %v", err)
			}
		}
	})
	t.Run("wrong-firmware", func(t *testing.T) {
		b := newBench(t, "imou-old", "wrong-firmware")
		b.up()
		_, before := b.cgi("/cgi-bin/magicBox.cgi?action=getSoftwareVersion", "admin", "admin")
		b.act(20 * time.Second)
		b.sleep(30 * time.Second)
		if _, after := b.cgi("/cgi-bin/magicBox.cgi?action=getSoftwareVersion", "admin", "admin"); after == before {
			t.Errorf("still %q", after)
		}
	})
	t.Run("wrong-unit", func(t *testing.T) {
		b := resetWith(t, 40*time.Second, "wrong-unit")
		_, text := b.cgi("/cgi-bin/magicBox.cgi?action=getSerialNo", "admin", "admin")
		d := b.search("192.168.1.50:37810")
		if text == "sn=4F0A2B1PAZ00001\r\n" || len(d) != 1 || d[0].MAC == "9c:14:63:0a:2b:01" || d[0].MAC == "" {
			t.Errorf("serial %q, discovery %+v: not another unit", text, d)
		}
	})
}

func TestFaultsOfTheArrange(t *testing.T) {
	t.Run("refused-write", func(t *testing.T) {
		b := newBench(t, "imou-old", "refused-write")
		b.up()
		for _, path := range []string{
			"/cgi-bin/configManager.cgi?action=setConfig&General.MachineName=x",
			"/cgi-bin/userManager.cgi?action=modifyPassword&name=admin&pwd=x&pwdOld=admin",
		} {
			if s, text := b.cgi(path, "admin", "admin"); s != 200 || text != "Error" {
				t.Errorf("%s: %d %q, want 200 Error", path, s, text)
			}
		}
		if def, name := b.state(); !def || name != "NVR" {
			t.Error("it wrote all the same")
		}
	})
	t.Run("lockout", func(t *testing.T) {
		for model, want := range map[string]int{"imou-old": 401, "imou-new": 403} {
			o := sim.Options{Model: preset(t, model), Login: "Before-2026", Powered: true, Faults: []sim.Fault{{Name: "lockout", Probability: 1}}}
			b := newBenchWith(t, o)
			b.sleep(time.Hour)
			if s, _ := b.cgi(getName, "admin", "Before-2026"); s != want {
				t.Errorf("%s: %d, want %d", model, s, want)
			}
		}
	})
	t.Run("network-down", func(t *testing.T) {
		b := newBench(t, "imou-old", "network-down")
		b.up()
		b.state()
		if !b.sense("network") {
			t.Error("down before the act")
		}
		b.act(20 * time.Second)
		b.sleep(40 * time.Second)
		if _, _, err := b.do("GET", "/", "", ""); err == nil || b.sense("network") || len(b.search("239.255.255.251:37810")) != 0 {
			t.Errorf("not down in the act: %v", err)
		}
	})
}

func TestFaultsOfTheContacts(t *testing.T) {
	type seen struct{ powerOff, powerOn, pressed, released bool } // what the senses say then
	for _, c := range []struct {
		fault string
		want  seen
	}{
		{"no-beep", seen{false, true, true, false}},
		{"power-welded", seen{true, true, true, false}},
		{"power-open", seen{false, false, true, false}},
		{"reset-open", seen{false, true, false, false}},
		{"reset-welded", seen{false, true, true, true}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			b := newBench(t, "imou-old", c.fault)
			b.up()
			b.state()
			var got seen
			b.set("power", false)
			b.sleep(5 * time.Second)
			got.powerOff = b.sense("power")
			b.set("reset", true)
			b.sleep(time.Second)
			got.pressed = b.sense("reset")
			b.set("power", true)
			b.sleep(20 * time.Second)
			got.powerOn = b.sense("power")
			b.set("reset", false)
			b.sleep(time.Second)
			got.released = b.sense("reset")
			if got != c.want {
				t.Errorf("senses %+v, want %+v", got, c.want)
			}
			if on, err := b.w.Relays().Read("power"); err != nil || !on {
				t.Errorf("the line reads %v, %v; want what was commanded", on, err)
			}
		})
	}
	t.Run("put right with the next cycle", func(t *testing.T) {
		b := newBenchWith(t, sim.Options{Powered: true, Faults: []sim.Fault{{Name: "reset-welded", Probability: 0.5}}})
		for n := range 40 {
			b.w.BeginCycle(n)
			b.sleep(time.Second)
			if b.sense("reset") {
				t.Fatalf("cycle %d begins with the pins shorted", n)
			}
			b.act(time.Second)
			b.sleep(time.Second)
			welded := len(b.w.Truth().Faults) > 0
			if b.sense("reset") != welded {
				t.Errorf("cycle %d: shorted %v, want %v", n, !welded, welded)
			}
		}
	})
}

// Whatever befell the cycle before, each begins with a unit that comes up.
func TestEachCycleBeginsMended(t *testing.T) {
	for _, f := range sim.Faults() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			b := newBenchWith(t, sim.Options{Seed: 5, Powered: true, Faults: []sim.Fault{{Name: f.Name, Probability: 0.5}}})
			hit := 0
			for n := range 12 {
				b.w.BeginCycle(n)
				b.set("power", true)
				b.sleep(40 * time.Second)
				tr := b.w.Truth()
				if tr.Phase != "ready" || tr.Address != "192.168.1.50" || tr.Serial != "4F0A2B1PAZ00001" || tr.Bricked {
					t.Fatalf("cycle %d begins with %+v", n, tr)
				}
				if len(tr.Faults) > 0 {
					hit++
				}
				b.act(21 * time.Second)
				b.sleep(45 * time.Second)
			}
			if hit == 0 || hit == 12 {
				t.Errorf("active in %d of 12 cycles", hit)
			}
		})
	}
}
