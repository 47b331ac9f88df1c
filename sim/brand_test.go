package sim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"resetrig/sim"
)

// Each fault means the same to each brand. What it must show was written from
// the faults' descriptions.
func TestFaultsOfEveryBrand(t *testing.T) {
	for _, c := range []struct {
		fault          string
		pins           bool   // the reset is the pins', else a command's
		password, name string // after it
	}{
		{"", true, "default", "default"},
		{"", false, "default", "default"},
		{"no-beep", true, "default", "default"},
		{"reset-ignored", true, "marked", "marked"},
		{"reset-ignored", false, "marked", "marked"},
		{"reset-partial-password", true, "default", "marked"},
		{"reset-partial-password", false, "default", "marked"},
		{"reset-partial-config", true, "marked", "default"},
		{"reset-partial-config", false, "marked", "default"},
		{"resets-on-power-on", true, "default", "default"},
		{"default-reverts", true, "marked", "marked"},
		{"default-reverts", false, "marked", "marked"},
		{"old-state-then-reboot", true, "default", "default"},
		{"reset-open", true, "marked", "marked"},
		{"power-welded", true, "marked", "marked"},
		{"reboot-missing", false, "default", "default"},
		{"extra-port", true, "default", "default"},
	} {
		kind := "pins"
		if !c.pins {
			kind = "command"
		}
		t.Run(strings.TrimSpace(c.fault+" "+kind), func(t *testing.T) {
			everywhere(t, func(t *testing.T, v voice) {
				var faults []string
				if c.fault != "" {
					faults = append(faults, c.fault)
				}
				b := v.marked(t, faults...)
				boots := b.w.Truth().Boots
				if c.pins {
					b.act(20 * time.Second)
				} else if !v.reset(b, mark) {
					t.Fatal("the command is refused")
				}
				b.sleep(90 * time.Second)
				tr := b.w.Truth()
				password, name := v.state(b)
				if password != c.password || name != c.name {
					t.Errorf("password %s, name %s; want %s, %s", password, name, c.password, c.name)
				}
				if restarted := tr.Boots > boots; restarted == (c.fault == "reboot-missing" || c.fault == "power-welded") {
					t.Errorf("restarted %v", restarted)
				}
				port, err := b.w.Dial(t.Context(), "192.168.1.50", 23)
				if want := c.fault == "extra-port"; err != nil || (port == sim.PortOpen) != want {
					t.Errorf("port 23 is %s, %v", port, err)
				}
			})
		})
	}
}

func TestFaultsThatSilenceEveryBrand(t *testing.T) {
	for fault, forGood := range map[string]bool{
		"dead-after-reset": true, "frozen-at-logo": true, "slow-boot": false, "address-moved": true, "network-down": true, "power-open": true,
	} {
		t.Run(fault, func(t *testing.T) {
			everywhere(t, func(t *testing.T, v voice) {
				b := v.marked(t, fault)
				b.act(20 * time.Second)
				b.sleep(90 * time.Second)
				if !b.silent() {
					t.Error("answers")
				}
				b.sleep(12 * time.Minute)
				if b.silent() != forGood {
					t.Errorf("after 13 minutes: silent %v", !forGood)
				}
				if fault == "address-moved" && b.w.Truth().Address == "192.168.1.50" {
					t.Error("where it was")
				}
			})
		})
	}
}

func TestFaultsOfAnswersOfEveryBrand(t *testing.T) {
	everywhere(t, func(t *testing.T, v voice) {
		t.Run("refused-write", func(t *testing.T) {
			b := newBenchWith(t, sim.Options{Model: preset(t, v.model), Powered: true, Login: before, Faults: []sim.Fault{{Name: "refused-write", Probability: 1}}})
			if v.setName(b, before, "marked") || v.setPassword(b, before, mark) {
				t.Error("a write is taken")
			}
			if name, in := v.name(b, before); !in || name != v.factoryName {
				t.Errorf("name %q, let in %v", name, in)
			}
		})
		t.Run("reset-refused", func(t *testing.T) {
			b := v.marked(t, "reset-refused")
			boots := b.w.Truth().Boots
			if v.reset(b, mark) {
				t.Error("the command is taken")
			}
			b.sleep(time.Minute)
			if p, n := v.state(b); p != "marked" || n != "marked" || b.w.Truth().Boots != boots {
				t.Errorf("password %s, name %s, %d boots", p, n, b.w.Truth().Boots-boots)
			}
		})
		t.Run("a wrong password resets nothing", func(t *testing.T) {
			b := v.marked(t)
			boots := b.w.Truth().Boots
			if v.reset(b, "nope") {
				t.Error("the command is taken")
			}
			b.sleep(time.Minute)
			if p, n := v.state(b); p != "marked" || n != "marked" || b.w.Truth().Boots != boots {
				t.Errorf("password %s, name %s, %d boots", p, n, b.w.Truth().Boots-boots)
			}
		})
		t.Run("lockout", func(t *testing.T) {
			b := newBenchWith(t, sim.Options{Model: preset(t, v.model), Powered: true, Login: before, Faults: []sim.Fault{{Name: "lockout", Probability: 1}}})
			if _, in := v.name(b, before); in {
				t.Error("the right password is let in")
			}
		})
		t.Run("five refused logins lock", func(t *testing.T) {
			b := newBenchWith(t, sim.Options{Model: preset(t, v.model), Powered: true, Login: before})
			for range 5 {
				if _, in := v.name(b, "nope"); in {
					t.Error("a wrong password is let in")
				}
			}
			if _, in := v.name(b, before); in || !b.w.Truth().Locked {
				t.Error("the right password is let in while locked")
			}
			b.sleep(preset(t, v.model).LockWindow + time.Second)
			if _, in := v.name(b, before); !in {
				t.Error("still locked after its time")
			}
		})
		t.Run("wrong-firmware, wrong-unit", func(t *testing.T) {
			b := v.marked(t, "wrong-firmware")
			was := v.firmware(b, mark)
			b.act(time.Second) // too short to reset
			b.sleep(60 * time.Second)
			if now := v.firmware(b, mark); was == "" || now == "" || now == was {
				t.Errorf("firmware %q, then %q", was, now)
			}
			b = v.marked(t, "wrong-unit")
			own := v.serial(b, mark)
			b.act(20 * time.Second)
			b.sleep(60 * time.Second)
			if _, in := v.name(b, mark); in {
				t.Error("another unit knows the mark")
			}
			if other := v.serial(b, v.def); v.def != "" && (own == "" || other == "" || other == own) {
				t.Errorf("serial %q, then %q", own, other)
			}
		})
		t.Run("http-hangs", func(t *testing.T) {
			b := v.marked(t, "http-hangs")
			b.act(20 * time.Second)
			b.sleep(60 * time.Second)
			if s, _ := b.w.Dial(t.Context(), "192.168.1.50", 80); s != sim.PortOpen {
				t.Errorf("port %s", s)
			}
			if _, _, err := b.do("GET", "/", "", ""); err == nil {
				t.Error("answers")
			}
		})
		t.Run("boots-forever", func(t *testing.T) {
			b := v.marked(t, "boots-forever")
			b.act(20 * time.Second)
			b.sleep(10 * time.Minute)
			if n := b.w.Truth().Boots; n < 10 {
				t.Errorf("%d boots", n)
			}
		})
		t.Run("default-reverts-on-power-cycle", func(t *testing.T) {
			b := v.marked(t, "default-reverts-on-power-cycle")
			b.act(20 * time.Second)
			b.sleep(60 * time.Second)
			if _, in := v.name(b, mark); in {
				t.Error("not reset at first")
			}
			b.set("power", false)
			b.sleep(5 * time.Second)
			b.up()
			if name, in := v.name(b, mark); !in || name != "marked" {
				t.Error("the old state is not back")
			}
		})
		t.Run("reused nonces", func(t *testing.T) {
			for _, c := range []struct {
				quirks []string
				want   int
			}{{[]string{"one-shot-nonces"}, 401}, {[]string{"one-shot-nonces", "stale-nonce"}, 403}, {[]string{"no-one-shot-nonces"}, 200}} {
				b := newBenchWith(t, sim.Options{Model: preset(t, v.model), Powered: true, Login: before, Quirks: c.quirks})
				path, method, body := "/cgi-bin/magicBox.cgi?action=getSerialNo", "GET", ""
				switch {
				case strings.HasPrefix(v.model, "hik"):
					path = "/ISAPI/System/deviceInfo"
				case v.model == "onvif":
					path, method, body = "/onvif/device_service", "POST", envelope("", "<GetUsers/>")
				case v.model == "plain":
					path = "/config"
				}
				resp, _, err := b.do(method, path, body, "")
				if err != nil {
					t.Fatal(err)
				}
				first := digest(resp.Header.Get("WWW-Authenticate"), method, path, "admin", before)
				if resp, _, err = b.do(method, path, body, first); err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("first use of a nonce: %v, %v", resp, err)
				}
				second := digestNC(first, method, path, before)
				if resp, _, err = b.do(method, path, body, second); err != nil || resp.StatusCode != c.want {
					t.Errorf("%v: second use with nc=2: %v, %v; want %d", c.quirks, resp.StatusCode, err, c.want)
				}
				if resp, _, err = b.do(method, path, body, second); err != nil || c.want == 200 && resp.StatusCode != 401 {
					t.Errorf("%v: the same count again: %v, %v", c.quirks, resp.StatusCode, err)
				}
			}
		})
	})
}

// digestNC is an Authorization for the nonce of another, with the next count.
func digestNC(first, method, uri, password string) string {
	p := map[string]string{}
	for _, m := range param.FindAllStringSubmatch(first, -1) {
		p[m[1]] = m[2]
	}
	ha1 := md5hex("admin:" + p["realm"] + ":" + password)
	response := md5hex(ha1 + ":" + p["nonce"] + ":00000002:0a4f113b:auth:" + md5hex(method+":"+uri))
	first = strings.Replace(first, "nc=00000001", "nc=00000002", 1)
	return strings.Replace(first, `response="`+p["response"]+`"`, `response="`+response+`"`, 1)
}

func TestActivationIsLost(t *testing.T) {
	for _, v := range voices() {
		if v.provision == nil || v.def != "" {
			continue // has accounts, and no activation
		}
		t.Run(v.model, func(t *testing.T) {
			b := newBenchWith(t, sim.Options{Model: preset(t, v.model), Powered: true, Faults: []sim.Fault{{Name: "activation-lost", Probability: 1}}})
			if _, in := v.name(b, v.provision(b)); !in || v.blank(b) {
				t.Fatal("not activated")
			}
			b.set("power", false)
			b.sleep(5 * time.Second)
			b.up()
			if !v.blank(b) {
				t.Error("still activated")
			}
		})
	}
}
