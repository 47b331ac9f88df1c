package sim_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"resetrig/sim"
)

func TestQuirksAreKnown(t *testing.T) {
	for _, q := range sim.Quirks() {
		for _, on := range []string{q.Name, "no-" + q.Name} {
			model := "imou-new"
			if len(q.Brands) > 0 {
				model = map[sim.Brand]string{sim.Dahua: "imou-new", sim.Hikvision: "hikvision-new", sim.ONVIF: "onvif"}[q.Brands[0]]
			}
			if _, err := sim.New(sim.Options{Model: preset(t, model), Quirks: []string{on}}); err != nil {
				t.Errorf("%s: %v", on, err)
			}
		}
		if q.About == "" || !strings.HasSuffix(q.About, ".") {
			t.Errorf("%s: about %q", q.Name, q.About)
		}
	}
	for quirk, want := range map[string]string{
		"empty-wrote":        `did you mean "empty-write"`,
		"reset-needs-reboot": "the model",
	} {
		if _, err := sim.New(sim.Options{Quirks: []string{quirk}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", quirk, err)
		}
	}
}

// dahuaWith is a unit with quirks, up, with the password before.
func dahuaWith(t *testing.T, model string, quirks ...string) *bench {
	t.Helper()
	return newBenchWith(t, sim.Options{Model: preset(t, model), Powered: true, Login: before, Quirks: quirks})
}

func TestQuirksOfChallenges(t *testing.T) {
	for _, c := range []struct {
		quirk, has string
	}{
		{"challenge-tight", `",qop="auth",nonce="`},
		{"challenge-spaced", `", qop="auth", nonce="`},
		{"challenge-tabs", "\",\tqop=\"auth\""},
		{"challenge-unquoted", `qop=auth,`},
		{"challenge-capitals", `Digest Realm="`},
		{"challenge-trailing-comma", `stale="false",`},
		{"challenge-basic-too", `Basic realm="`},
		{"challenge-auth-int", `qop="auth-int, auth"`},
		{"sha256", `algorithm="SHA-256"`},
		{"basic-only", `Basic realm="Device_CGI"`},
	} {
		b := dahuaWith(t, "imou-new", c.quirk)
		resp, _, err := b.do("GET", getName, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if h := resp.Header.Get("WWW-Authenticate"); !strings.Contains(h, c.has) {
			t.Errorf("%s: %q, want %q in it", c.quirk, h, c.has)
		}
	}
	b := dahuaWith(t, "imou-new", "basic-only")
	basic := func(password string) int {
		resp, _, err := b.do("GET", getName, "", "Basic "+base64.StdEncoding.EncodeToString([]byte("admin:"+password)))
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	if right, wrong := basic(before), basic("nope"); right != 200 || wrong != 401 || b.w.Truth().RefusedLogins != 1 {
		t.Errorf("basic: %d with the right password, %d with a wrong one", right, wrong)
	}
}

func TestQuirksOfCGI(t *testing.T) {
	const set = "/cgi-bin/configManager.cgi?action=setConfig&General.MachineName=x"
	const full = "/cgi-bin/magicBox.cgi?action=resetSystemEx"
	for _, c := range []struct {
		name, model, quirk, path string
		status                   int
		body                     string
	}{
		{"the right password is refused", "imou-new", "cgi-refuses", getName, 401, "Error\r\nInvalid Authority!\r\n"},
		{"a write that lands", "imou-new", "empty-write", set, 200, ""},
		{"it landed", "imou-new", "no-empty-write", set, 200, "OK\r\n"},
		{"old error", "imou-old", "old-errors", "/cgi-bin/magicBox.cgi?action=dance", 400, "Error ErrorID = 0, Detail = Bad Request!"},
		{"LF", "imou-new", "lf-only", "/cgi-bin/magicBox.cgi?action=getSerialNo", 200, "sn=4F0A2B1PAZ00001\n"},
		{"space", "imou-new", "version-space", "/cgi-bin/magicBox.cgi?action=getSoftwareVersion", 200, "version=4.001.0000005.1.R build:2022-03-25\r\n"},
		{"comma", "imou-old", "no-version-space", "/cgi-bin/magicBox.cgi?action=getSoftwareVersion", 200, "version=2.212.0000.0.R,build:2013-11-14\r\n"},
		{"vendor", "dahua-new", "connection-close", "/cgi-bin/magicBox.cgi?action=getVendor", 200, "vendor=Dahua\r\n"},
		{"type 1", "imou-new", "reset-type-1", full + "&type=1", 200, "OK\r\n"},
		{"type 0", "imou-new", "reset-type-1", full + "&type=0", 400, "Error\r\nBad Request!\r\n"},
		{"type 1 of others", "imou-new", "no-reset-type-1", full + "&type=1", 400, "Error\r\nBad Request!\r\n"},
		{"no reset by CGI", "imou-new", "reset-only-by-envelope", full + "&type=0", 400, "Error\r\nBad Request!\r\n"},
		{"restore", "imou-new", "restore-fails", "/cgi-bin/configManager.cgi?action=restore&names[0]=NTP", 400, "Error\r\nBad Request!\r\n"},
		{"restoreExcept", "imou-new", "restore-except-error", "/cgi-bin/configManager.cgi?action=restoreExcept&names[0]=Network", 400, "Error\r\nBad Request!\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := dahuaWith(t, c.model, c.quirk)
			if s, body := b.cgi(c.path, "admin", before); s != c.status || body != c.body {
				t.Errorf("%d %q, want %d %q", s, body, c.status, c.body)
			}
			if c.path == set && b.w.Truth().MachineName != "x" {
				t.Error("not written")
			}
		})
	}
	t.Run("a restore that worked in spite of its error", func(t *testing.T) {
		b := dahuaWith(t, "imou-new", "restore-except-error")
		b.cgi(set, "admin", before)
		b.cgi("/cgi-bin/configManager.cgi?action=restoreExcept&names[0]=Network", "admin", before)
		if tr := b.w.Truth(); tr.MachineName != "NVR" || tr.Boots != 1 {
			t.Errorf("%+v", tr)
		}
	})
	t.Run("the reset drops its connection", func(t *testing.T) {
		b := dahuaWith(t, "imou-new", "reset-drops-connection")
		resp, _, err := b.do("GET", full+"&type=0", "", "")
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = b.do("GET", full+"&type=0", "", digest(resp.Header.Get("WWW-Authenticate"), "GET", full+"&type=0", "admin", before))
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v, want a reset connection", err)
		}
		b.sleep(time.Minute)
		if tr := b.w.Truth(); tr.Resets != 1 || tr.Initialised {
			t.Errorf("%+v", tr)
		}
	})
	t.Run("connections run out and come back", func(t *testing.T) {
		b := dahuaWith(t, "imou-new", "connections-limited")
		refused := 0
		for range 15 {
			if s, _ := b.cgi(getName, "admin", before); s == 401 {
				refused++
			}
		}
		if refused != 5 || b.w.Truth().RefusedLogins != 0 {
			t.Errorf("%d of 15 refused, %d in the log; want 5, 0", refused, b.w.Truth().RefusedLogins)
		}
		b.sleep(11 * time.Second)
		if s, _ := b.cgi(getName, "admin", before); s != 200 {
			t.Errorf("later: %d", s)
		}
	})
	t.Run("connections stay open", func(t *testing.T) {
		for quirk, want := range map[string]bool{"connection-close": true, "no-connection-close": false} {
			b := dahuaWith(t, "imou-new", quirk)
			if resp, _, err := b.do("GET", "/", "", ""); err != nil || resp.Close != want {
				t.Errorf("%s: close %v, %v", quirk, resp.Close, err)
			}
		}
	})
	t.Run("a lock outlives a reset", func(t *testing.T) {
		for quirk, want := range map[string]bool{"lock-kept": true, "no-lock-kept": false} {
			m := preset(t, "imou-old")
			m.LockWindow = time.Hour
			b := newBenchWith(t, sim.Options{Model: m, Powered: true, Login: before, Quirks: []string{quirk}})
			for range 5 {
				b.cgi(getName, "admin", "nope")
			}
			b.act(20 * time.Second)
			b.sleep(time.Minute)
			if got := b.w.Truth().Locked; got != want {
				t.Errorf("%s: locked %v", quirk, got)
			}
		}
	})
}

func TestQuirksOfRPC(t *testing.T) {
	serial := func(b *bench) string {
		s := b.session("admin", before)
		_, text, err := b.do("POST", "/RPC2", `{"method":"magicBox.getUpTime","params":null,"id":3,"session":`+s+`}`, "")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, c := range []struct{ model, quirk, want string }{
		{"imou-new", "result-handle", `"result":9,`},
		{"imou-new", "numbers-as-strings", `"Last":"`},
		{"imou-new", "no-numbers-as-strings", `"Last":20`},
		{"imou-new", "session-number", `"session":1005`},
		{"imou-old", "no-session-number", `"session":"`},
		{"imou-new", "cgi-refuses", `"result":true`},
		{"dahua-new", "connection-close", `"result":true`},
	} {
		var text string
		if c.quirk == "result-handle" {
			b := dahuaWith(t, c.model, c.quirk)
			v := b.rpc("/RPC2_Login", `{"method":"global.login","params":{"userName":"admin","password":""},"id":1}`)
			p := v["params"].(map[string]any)
			up := strings.ToUpper
			hash := up(md5hex("admin:" + p["random"].(string) + ":" + up(md5hex("admin:"+p["realm"].(string)+":"+before))))
			_, text, _ = b.do("POST", "/RPC2_Login", `{"method":"global.login","params":{"userName":"admin","password":"`+hash+`"},"id":2,"session":"`+v["session"].(string)+`"}`, "")
		} else {
			text = serial(dahuaWith(t, c.model, c.quirk))
		}
		if !strings.Contains(text, c.want) {
			t.Errorf("%s with %s: %q, want %s in it", c.model, c.quirk, text, c.want)
		}
	}
	t.Run("null params of an error", func(t *testing.T) {
		b := dahuaWith(t, "imou-new", "params-null")
		_, text, _ := b.do("POST", "/RPC2", `{"method":"magicBox.getSerialNo","params":null,"id":3,"session":"x"}`, "")
		if !strings.Contains(text, `"params":null`) || !strings.Contains(text, "287637505") {
			t.Errorf("%q", text)
		}
	})
	t.Run("where a lock is told", func(t *testing.T) {
		for quirk, want := range map[string]float64{"lock-at-first-step": 268632081, "no-lock-at-first-step": 268632079} {
			b := newBenchWith(t, sim.Options{Powered: true, Login: before, Quirks: []string{quirk}, Faults: []sim.Fault{{Name: "lockout", Probability: 1}}})
			v := b.rpc("/RPC2_Login", `{"method":"global.login","params":{"userName":"admin","password":""},"id":1}`)
			if code := v["error"].(map[string]any)["code"]; code != want {
				t.Errorf("%s: first step %v", quirk, code)
			}
			v = b.rpc("/RPC2_Login", `{"method":"global.login","params":{"userName":"admin","password":"00"},"id":2,"session":"`+v["session"].(string)+`"}`)
			if code := v["error"].(map[string]any)["code"]; quirk[:2] == "no" && code != 268632081.0 {
				t.Errorf("%s: second step %v", quirk, code)
			}
		}
	})
	t.Run("several calls in one, users, methods", func(t *testing.T) {
		b := dahuaWith(t, "dahua-new")
		s := b.session("admin", before)
		call := func(method, params string) map[string]any {
			return b.rpc("/RPC2", `{"method":"`+method+`","params":`+params+`,"id":5,"session":`+s+`}`)
		}
		v := call("system.multicall", `[{"method":"magicBox.getSerialNo","params":null,"id":6},{"method":"magicBox.sing","params":null,"id":7}]`)
		both, _ := v["params"].([]any)
		if len(both) != 2 || both[0].(map[string]any)["params"].(map[string]any)["sn"] != "4F0A2B1PAZ00001" || both[1].(map[string]any)["result"] != false {
			t.Errorf("multicall: %v", v)
		}
		text, _ := json.Marshal(call("system.listMethod", "null"))
		if !strings.Contains(string(text), "configManager.getDefault") {
			t.Errorf("listMethod: %s", text)
		}
		if v := call("userManager.addUser", `{"user":{"Name":"lab","Password":"lab-pass-1","Group":"user","Sharable":true,"Reserved":false}}`); v["result"] != true {
			t.Errorf("addUser: %v", v)
		}
		if s, _ := b.cgi(getName, "lab", "lab-pass-1"); s != 200 {
			t.Errorf("the new user: %d", s)
		}
		text, _ = json.Marshal(call("userManager.getUserInfo", `{"name":"lab"}`))
		if !strings.Contains(string(text), `"Group":"user"`) {
			t.Errorf("getUserInfo: %s", text)
		}
		if v := call("userManager.deleteUser", `{"name":"admin"}`); v["result"] != false {
			t.Errorf("a reserved user is deleted: %v", v)
		}
		if v := call("userManager.deleteUser", `{"name":"lab"}`); v["result"] != true {
			t.Errorf("deleteUser: %v", v)
		}
	})
}

func TestQuirksOfDHIP(t *testing.T) {
	ask := func(quirks ...string) []sim.Datagram {
		b := dahuaWith(t, "imou-new", quirks...)
		d, err := b.w.Exchange(t.Context(), "239.255.255.251:37810", dhipQuestion(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	plain := ask()
	if len(plain) != 3 || plain[0].Payload[len(plain[0].Payload)-1] != 0 || !bytes.Contains(plain[0].Payload, []byte(`"Init":3210`)) {
		t.Errorf("%d answers: %q", len(plain), plain)
	}
	odd := ask("no-dhip-nul", "no-dhip-several", "dhip-no-init")
	if len(odd) != 2 || odd[0].Payload[len(odd[0].Payload)-1] == 0 || bytes.Contains(odd[0].Payload, []byte(`"Init"`)) {
		t.Errorf("%d answers: %q", len(odd), odd)
	}
}

func TestBeepsTwice(t *testing.T) {
	for quirk, want := range map[string]int{"beeps-twice": 2, "no-beeps-twice": 1} {
		b := newBenchWith(t, sim.Options{Model: preset(t, "hikvision-old"), Quirks: []string{quirk}})
		b.act(20 * time.Second)
		long := 0
		for _, x := range b.w.Truth().Beeps {
			if x.To-x.From > time.Second {
				long++
			}
		}
		if long != want {
			t.Errorf("%s: %d long beeps", quirk, long)
		}
	}
}
