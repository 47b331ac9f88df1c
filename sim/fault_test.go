package sim_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"resetrig/pcm"
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

// watch probes each second without credentials and tells the second, counted
// from now, at which the answer's realm, status or silence changed.
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

// found is one answer to a search.
type found struct {
	MAC, IP, Name string
	Init          *int
}

func (b *bench) search(to string) []found {
	b.Helper()
	text := []byte(`{"method":"DHDiscover.search","params":{"mac":"","uni":1}}`)
	q := make([]byte, 32, 128)
	binary.LittleEndian.PutUint32(q, 32)
	copy(q[4:], "DHIP")
	binary.LittleEndian.PutUint64(q[16:], uint64(len(text)))
	binary.LittleEndian.PutUint64(q[24:], uint64(len(text)))
	return b.exchange(to, append(q, text...))
}

func (b *bench) exchange(to string, datagram []byte) []found {
	b.Helper()
	ds, err := b.w.Exchange(b.Context(), to, datagram, time.Second)
	if err != nil {
		b.Fatal(err)
	}
	var all []found
	for _, d := range ds {
		p := d.Payload
		if len(p) < 32 || string(p[4:8]) != "DHIP" || binary.LittleEndian.Uint64(p[16:]) != uint64(len(p)-32) {
			b.Fatalf("answer %q", p)
		}
		var a struct {
			MAC    string
			Params struct {
				DeviceInfo struct {
					MachineName string
					Init        *int
					IPv4Address struct{ IPAddress string }
				}
			}
		}
		if err := json.Unmarshal([]byte(strings.TrimRight(string(p[32:]), "\x00")), &a); err != nil {
			b.Fatal(err)
		}
		all = append(all, found{a.MAC, a.Params.DeviceInfo.IPv4Address.IPAddress, a.Params.DeviceInfo.MachineName, a.Params.DeviceInfo.Init})
	}
	return all
}

func TestDiscovery(t *testing.T) {
	for _, c := range []struct {
		name string
		o    sim.Options
		init int // & 3, -1: has none
	}{
		{"old", sim.Options{Model: preset(t, "imou-old"), Powered: true}, -1},
		{"uninitialised", sim.Options{Powered: true}, 1},
		{"initialised", sim.Options{Powered: true, Login: "Before-2026"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBenchWith(t, c.o)
			one := b.search("192.168.1.50:37810")
			if len(one) != 1 || one[0].MAC != "9c:14:63:0a:2b:01" || one[0].Name != "NVR" {
				t.Fatalf("unicast: %+v", one)
			}
			init := -1
			if one[0].Init != nil {
				init = *one[0].Init & 3
			}
			if init != c.init {
				t.Errorf("Init & 3 = %d, want %d", init, c.init)
			}
			for _, to := range []string{"239.255.255.251:37810", "255.255.255.255:37810", "192.168.1.255:37810"} {
				units := map[string]int{}
				for _, f := range b.search(to) {
					units[f.MAC]++
				}
				if len(units) != 2 || units["9c:14:63:0a:2b:01"] != 2 {
					t.Errorf("%s: %v, want the unit twice and its neighbour", to, units)
				}
			}
			if got := b.exchange("192.168.1.50:37810", []byte(`{"method":"DHDiscover.search","params":{"mac":"","uni":1}}`)); len(got) != 0 {
				t.Error("bare JSON is answered")
			}
			if got := b.search("192.168.1.51:37810"); len(got) != 0 {
				t.Error("another address answers")
			}
			b.set("power", false)
			b.sleep(3 * time.Second)
			if got := b.search("192.168.1.50:37810"); len(got) != 0 {
				t.Error("answers without power")
			}
		})
	}
}

func TestTheAddressAfterAReset(t *testing.T) {
	for _, c := range []struct {
		name string
		o    sim.Options
		ip   string
	}{
		{"address-moved", sim.Options{Faults: []sim.Fault{{Name: "address-moved", Probability: 1}}}, "192.168.1.83"},
		{"moves to the default", sim.Options{MovesToDefault: true}, "192.168.1.108"},
		{"stays", sim.Options{}, "192.168.1.50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Powered = true
			b := newBenchWith(t, c.o)
			b.act(20 * time.Second)
			b.sleep(40 * time.Second)
			var ip string
			for _, f := range b.search("239.255.255.251:37810") {
				if f.MAC == "9c:14:63:0a:2b:01" {
					ip = f.IP
				}
			}
			if ip != c.ip {
				t.Errorf("at %q, want %q", ip, c.ip)
			}
			_, _, err := b.do("GET", "/", "", "")
			if (err == nil) != (ip == "192.168.1.50") {
				t.Errorf("the old address: %v", err)
			}
			b.url = "http://" + c.ip
			if _, _, err := b.do("GET", "/", "", ""); err != nil {
				t.Errorf("the new address: %v", err)
			}
		})
	}
}

const rate = 16000

// listenTo powers a unit, listens to an act of 20 s, and gives the sound from
// power off on, with the power-on at 6 s.
func listenTo(t *testing.T, faults ...string) (*bench, []float32) {
	b := newBench(t, "imou-new", faults...)
	b.up()
	s := b.w.Sound()
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.set("power", false)
	x := b.hear(s, 5*time.Second)
	b.set("reset", true)
	x = append(x, b.hear(s, time.Second)...)
	b.set("power", true)
	x = append(x, b.hear(s, 20*time.Second)...)
	b.set("reset", false)
	x = append(x, b.hear(s, 30*time.Second)...)
	return b, x
}

func rms(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return 10 * math.Log10(sum/float64(len(x))+1e-20)
}

func TestWhatIsHeard(t *testing.T) {
	hz := preset(t, "imou-new").Beep.FrequencyHz
	span := func(x []float32, from, to float64) []float32 { return x[int(from*rate):int(to*rate)] }
	t.Run("a reset", func(t *testing.T) {
		_, x := listenTo(t)
		if got := toneSeconds(span(x, 20.9, 25), rate, hz, -40); got < 1.9 || got > 3.2 {
			t.Errorf("the long beep lasts %v s, want 2 to 3", got)
		}
		if got := toneSeconds(span(x, 6, 8), rate, hz, -40); got < 0.05 || got > 0.4 {
			t.Errorf("the chirp lasts %v s, want 0.08 to 0.2", got)
		}
		if got := toneSeconds(span(x, 8, 20.9), rate, hz, -40); got != 0 {
			t.Errorf("%v s of tone within the hold", got)
		}
		if off, on := rms(span(x, 3, 5.9)), rms(span(x, 10, 12)); on < off+3 || off > -50 {
			t.Errorf("noise %.1f dB without power, %.1f with: the unit is not heard", off, on)
		}
	})
	for _, c := range []struct {
		fault       string
		least, most float64 // seconds of a strong tone where the long beep belongs
	}{
		{"no-beep", 0, 0}, {"reset-ignored", 0, 0}, {"reset-open", 0, 0}, {"resets-on-power-on", 0, 0}, {"mic-dead", 0, 0},
	} {
		t.Run(c.fault, func(t *testing.T) {
			_, x := listenTo(t, c.fault)
			if got := toneSeconds(span(x, 20.9, 25), rate, hz, -40); got < c.least || got > c.most {
				t.Errorf("%v s of tone, want %v to %v", got, c.least, c.most)
			}
		})
	}
	t.Run("mic-dead", func(t *testing.T) {
		_, x := listenTo(t, "mic-dead")
		for _, v := range x {
			if v != 0 {
				t.Fatal("a dead microphone hears")
			}
		}
	})
	t.Run("mic-clipped", func(t *testing.T) {
		_, x := listenTo(t, "mic-clipped")
		clipped := 0
		for _, v := range span(x, 8, 20) {
			if v == 1 || v == -1 {
				clipped++
			}
		}
		if share := float64(clipped) / (12 * rate); share < 0.1 {
			t.Errorf("%.3f of the noise clips", share)
		}
	})
	t.Run("neighbour-beep", func(t *testing.T) {
		_, x := listenTo(t, "neighbour-beep", "no-beep")
		own := preset(t, "imou-new").Beep.LevelDBFS
		if got := toneSeconds(span(x, 8, 26), rate, hz, own-30); got < 3 {
			t.Errorf("%v s of a weak tone, want 4 to 6 in two beeps", got)
		}
		if got := toneSeconds(span(x, 8, 26), rate, hz, own-15); got != 0 {
			t.Errorf("%v s of a strong tone", got)
		}
	})
	t.Run("no-disk-alarm", func(t *testing.T) {
		_, x := listenTo(t, "no-disk-alarm")
		got := toneSeconds(span(x, 46, 56), rate, hz, -40)
		if got < 0.5 || got > 8 {
			t.Errorf("%v s of alarm in ten", got)
		}
	})
	t.Run("mic-unplugged", func(t *testing.T) {
		b := newBench(t, "imou-new", "mic-unplugged")
		b.up()
		s := b.w.Sound()
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := b.clock.Now()
		b.set("power", false)
		var heard time.Time
		err := s.Read(t.Context(), began.Add(time.Minute), func(x pcm.Block) { heard = x.End() })
		if !errors.Is(err, rig.ErrEarLost) {
			t.Fatalf("error %v, want %v", err, rig.ErrEarLost)
		}
		at := b.clock.Now().Sub(began)
		if at < 3*time.Second || at > 15*time.Second || heard.Sub(began) < at-time.Second {
			t.Errorf("lost after %v, heard until %v", at, heard.Sub(began))
		}
		if err := s.Open(t.Context()); !errors.Is(err, rig.ErrEarLost) {
			t.Errorf("opened again: %v", err)
		}
	})
}

// Sound does not depend on how it is read, and has no hole where time was
// moved by others.
func TestSoundIsWhole(t *testing.T) {
	record := func(step time.Duration) (x []float32) {
		b := newBench(t, "imou-new")
		s := b.w.Sound()
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		b.set("power", true)
		began := b.clock.Now()
		next := int64(0)
		for b.clock.Now().Sub(began) < 12*time.Second {
			b.sleep(step / 2)
			err := s.Read(t.Context(), b.clock.Now().Add(step/2), func(k pcm.Block) {
				if k.Start != next {
					t.Fatalf("block begins at %d, want %d", k.Start, next)
				}
				if d := k.Time.Sub(began) - time.Duration(k.Start)*time.Second/rate; d < -time.Millisecond || d > time.Millisecond {
					t.Fatalf("sample %d has the time %v", k.Start, k.Time.Sub(began))
				}
				next += int64(len(k.Samples))
				x = append(x, k.Samples...)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return x
	}
	a, z := record(20*time.Millisecond), record(3*time.Second)
	if len(a) < 12*rate || len(z) < 12*rate {
		t.Fatalf("%d and %d samples", len(a), len(z))
	}
	for i := range 12 * rate {
		if a[i] != z[i] {
			t.Fatalf("sample %d differs: %v, %v", i, a[i], z[i])
		}
	}
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
