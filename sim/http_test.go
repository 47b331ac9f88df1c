package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	icholy "github.com/icholy/digest"

	"resetrig/rig"
	"resetrig/sim"
)

func TestCGIBodies(t *testing.T) {
	b := newBench(t, "imou-old")
	b.up()
	for _, c := range []struct {
		name, path   string
		status       int
		body         string
		user, passwd string
	}{
		{"device type", "magicBox.cgi?action=getDeviceType", 200, "type=NVR1104HS-W\r\n", "admin", "admin"},
		{"serial", "magicBox.cgi?action=getSerialNo", 200, "sn=4F0A2B1PAZ00001\r\n", "admin", "admin"},
		{"name", "magicBox.cgi?action=getMachineName", 200, "name=NVR\r\n", "admin", "admin"},
		{"software", "magicBox.cgi?action=getSoftwareVersion", 200, "version=2.212.0000.0.R build:2013-11-14\r\n", "admin", "admin"},
		{"hardware", "magicBox.cgi?action=getHardwareVersion", 200, "version=1.00\r\n", "admin", "admin"},
		{"vendor", "magicBox.cgi?action=getVendor", 200, "vendor=IMOU\r\n", "admin", "admin"},
		{"class", "magicBox.cgi?action=getDeviceClass", 200, "class=NVR\r\n", "admin", "admin"},
		{"system info", "magicBox.cgi?action=getSystemInfo", 200, "deviceType=NVR1104HS-W\r\nhardwareVersion=1.00\r\nprocessor=ST7108\r\nserialNumber=4F0A2B1PAZ00001\r\nupdateSerial=NVR1104HS-W\r\n", "admin", "admin"},
		{"general", "configManager.cgi?action=getConfig&name=General", 200, "table.General.LocalNo=8\r\ntable.General.LockLoginEnable=true\r\ntable.General.LockLoginTimes=5\r\ntable.General.LoginFailLockTime=300\r\ntable.General.MachineName=NVR\r\ntable.General.MaxOnlineTime=3600\r\n", "admin", "admin"},
		{"no such table", "configManager.cgi?action=getConfig&name=Nonsense", 400, "Error\r\nBad Request!\r\n", "admin", "admin"},
		{"no such action", "magicBox.cgi?action=dance", 400, "Error\r\nBad Request!\r\n", "admin", "admin"},
		{"action not first", "configManager.cgi?name=General&action=getConfig", 400, "Error\r\nBad Request!\r\n", "admin", "admin"},
		{"set", "configManager.cgi?action=setConfig&General.MachineName=a%20b&NTP.Enable=true", 200, "OK\r\n", "admin", "admin"},
		{"set read back", "magicBox.cgi?action=getMachineName", 200, "name=a b\r\n", "888888", "888888"},
		{"set unknown key", "configManager.cgi?action=setConfig&General.Nonsense=1", 400, "Error\r\nBad Request!\r\n", "admin", "admin"},
		{"set without the right", "configManager.cgi?action=setConfig&NTP.Enable=false", 403, "Authority:check failure.", "666666", "666666"},
		{"reset without the right", "magicBox.cgi?action=resetSystemEx&type=0", 403, "Authority:check failure.", "666666", "666666"},
		{"restore", "configManager.cgi?action=restore&names[0]=NTP", 200, "OK\r\n", "admin", "admin"},
		{"restored", "configManager.cgi?action=getConfig&name=UPnP", 200, "table.UPnP.Enable=false\r\ntable.UPnP.Mode=Host\r\ntable.UPnP.StartDeviceDiscover=true\r\n", "admin", "admin"},
		{"wrong old password", "userManager.cgi?action=modifyPassword&name=admin&pwd=x&pwdOld=wrong", 200, "Error", "admin", "admin"},
		{"add a user", "userManager.cgi?action=addUser&user.Name=lab&user.Password=labpass1&user.Group=user&user.Sharable=true&user.Reserved=false", 200, "OK\r\n", "admin", "admin"},
		{"the user is let in", "magicBox.cgi?action=getMachineName", 200, "name=a b\r\n", "lab", "labpass1"},
		{"delete the user", "userManager.cgi?action=deleteUser&name=lab", 200, "OK\r\n", "admin", "admin"},
		{"reserved users stay", "userManager.cgi?action=deleteUser&name=admin", 200, "Error", "admin", "admin"},
		{"wrong password", "magicBox.cgi?action=getMachineName", 401, "Error\r\nInvalid Authority!\r\n", "admin", "nope"},
		{"hidden account", "magicBox.cgi?action=getMachineName", 401, "Error\r\nInvalid Authority!\r\n", "default", "default"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := b.cgi("/cgi-bin/"+c.path, c.user, c.passwd)
			if status != c.status || body != c.body {
				t.Errorf("%d %q, want %d %q", status, body, c.status, c.body)
			}
		})
	}
	_, users := b.cgi("/cgi-bin/userManager.cgi?action=getUserInfoAll", "admin", "admin")
	if !strings.Contains(users, "users[2].Name=admin\r\nusers[2].Reserved=true\r\n") || strings.Contains(users, "default") {
		t.Errorf("users %q", users)
	}
	_, now := b.cgi("/cgi-bin/global.cgi?action=getCurrentTime", "admin", "admin")
	if !strings.HasPrefix(now, "result=2026-01-01 00:00:") {
		t.Errorf("time %q", now)
	}
}

func TestChallengesAreFreshAndConnectionsClose(t *testing.T) {
	for _, c := range []struct{ model, realm, tail string }{
		{"imou-old", `Digest realm="DH_9C14630A2B01",qop="auth",nonce="`, `"`},
		{"imou-new", `Digest realm="Login to `, `opaque="", stale="false"`},
	} {
		t.Run(c.model, func(t *testing.T) {
			b := newBench(t, c.model)
			b.up()
			seen := map[string]bool{}
			for range 5 {
				resp, body, err := b.do("GET", "/cgi-bin/magicBox.cgi?action=getSerialNo", "", "")
				if err != nil {
					t.Fatal(err)
				}
				h := resp.Header.Get("WWW-Authenticate")
				if resp.StatusCode != 401 || body != "Error\r\nInvalid Authority!\r\n" || !resp.Close {
					t.Errorf("%d %q close %v", resp.StatusCode, body, resp.Close)
				}
				if !strings.HasPrefix(h, c.realm) || !strings.HasSuffix(h, c.tail) || seen[h] {
					t.Errorf("challenge %q", h)
				}
				seen[h] = true
			}
		})
	}
}

// A client that somebody else wrote is let in, and one that reuses nonces is
// treated as its firmware treats it.
func TestForeignDigestClient(t *testing.T) {
	for _, c := range []struct {
		name    string
		noReuse bool
		faults  []string
		want    []int
		log     int // refused logins in the unit's log
	}{
		{"fresh challenges", true, nil, []int{200, 200, 200}, 0},
		{"reused challenge", false, nil, []int{200, 200, 200}, 2},
		{"reused challenge, stale nonces forbidden", false, []string{"stale-nonce"}, []int{200, 403, 403}, 2},
		{"fresh challenges, stale nonces forbidden", true, []string{"stale-nonce"}, []int{200, 200, 200}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, "imou-old", c.faults...)
			b.up()
			client := &http.Client{Transport: &icholy.Transport{Username: "admin", Password: "admin", Transport: b.rt, NoReuse: c.noReuse}}
			for i, want := range c.want {
				resp, err := client.Get(b.url + "/cgi-bin/magicBox.cgi?action=getSerialNo")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != want {
					t.Errorf("request %d: %d, want %d", i, resp.StatusCode, want)
				}
			}
			if got := b.w.Truth().RefusedLogins; got != c.log {
				t.Errorf("%d refused logins in the log, want %d", got, c.log)
			}
		})
	}
}

func TestUninitialisedRefusesEveryCGI(t *testing.T) {
	b := newBench(t, "imou-new")
	b.up()
	for _, password := range []string{"admin", ""} {
		if s, body := b.cgi("/cgi-bin/magicBox.cgi?action=getSerialNo", "admin", password); s != 401 || body != "Error\r\nInvalid Authority!\r\n" {
			t.Errorf("password %q: %d %q", password, s, body)
		}
	}
	if got := b.initState(); got != 1 {
		t.Errorf("Init %v, want 1", got)
	}
	v := b.rpc("/RPC2_Login", `{"method":"global.login","params":{"userName":"admin","password":""},"id":1}`)
	session := v["session"].(string)
	v = b.rpc("/RPC2_Login", `{"method":"global.login","params":{"userName":"admin","password":"X","authorityType":"Default"},"id":2,"session":"`+session+`"}`)
	if code := v["error"].(map[string]any)["code"]; code != 268632086.0 {
		t.Errorf("second step of a login: code %v, want 268632086", code)
	}
	if tr := b.w.Truth(); tr.RefusedLogins != 2 {
		t.Errorf("%d refused logins, want the 2 of CGI", tr.RefusedLogins)
	}
}

// The envelopes were made by openssl.
func TestProvisioningWithForeignEnvelopes(t *testing.T) {
	for _, file := range []string{"envelope-32.json", "envelope-16.json"} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			var v struct {
				Password string
				Params   json.RawMessage
			}
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			b := newBench(t, "imou-new")
			b.up()
			account := `{"method":"DevInit.account","params":` + string(v.Params) + `,"id":2}`
			if a := b.rpc("/OutsideCmd", account); a["result"] != false {
				t.Errorf("an account before the protocol was agreed to: %v", a)
			}
			for _, call := range []string{
				`{"method":"DevInit.setProtocolAgree","params":{"ProtocolEnable":true},"id":1}`,
				account,
				`{"method":"DevInit.access","params":{"NetAccess":0,"UpgradeCheck":2},"id":3}`,
			} {
				if a := b.rpc("/OutsideCmd", call); a["result"] != true {
					t.Fatalf("%s: %v", call, a)
				}
			}
			if got := b.initState(); got != 2 {
				t.Errorf("Init %v, want 2", got)
			}
			if s, _ := b.cgi("/cgi-bin/magicBox.cgi?action=getSerialNo", "admin", v.Password); s != 200 {
				t.Errorf("login with the new password: %d", s)
			}
			if a := b.rpc("/OutsideCmd", account); a["result"] != false {
				t.Errorf("a second account: %v", a)
			}
		})
	}
	b := newBench(t, "imou-new")
	b.up()
	b.rpc("/OutsideCmd", `{"method":"DevInit.setProtocolAgree","params":{"ProtocolEnable":true},"id":1}`)
	for _, params := range []string{`{}`, `null`, `{"cipher":"RPAC-256","salt":"00","content":""}`, `{"cipher":"RPAC-256","salt":"zz","content":"AAAA"}`} {
		if a := b.rpc("/OutsideCmd", `{"method":"DevInit.account","params":`+params+`,"id":2}`); a["result"] != false {
			t.Errorf("envelope %s was taken: %v", params, a)
		}
	}
}

func TestEncryptInfoIsTheVectorsKey(t *testing.T) {
	b := newBench(t, "imou-new")
	b.up()
	a := b.rpc("/OutsideCmd", `{"method":"Security.getEncryptInfo","params":null,"id":1}`)
	z := b.rpc("/RPC2", `{"method":"Security.getEncryptInfo","params":null,"id":1,"session":0}`)
	pub := a["params"].(map[string]any)["pub"].(string)
	if !strings.HasPrefix(pub, "N:CA3F2AC4") || !strings.HasSuffix(pub, ",E:010001") || z["params"].(map[string]any)["pub"] != pub {
		t.Errorf("pub %q", pub)
	}
}

func TestPasswordRule(t *testing.T) {
	for password, want := range map[string]string{
		"short1":                            "Error",
		"onlyletters":                       "Error",
		"12345678":                          "Error",
		"with:colon1":                       "Error",
		"with%26amp1":                       "Error",
		"letters1":                          "OK\r\n",
		"Letters-and-signs":                 "OK\r\n",
		"123456789012345678901234567890abc": "Error", // 33
	} {
		b := newBenchWith(t, sim.Options{Login: "Before-2026", Powered: true})
		_, body := b.cgi("/cgi-bin/userManager.cgi?action=modifyPassword&name=admin&pwd="+password+"&pwdOld=Before-2026", "admin", "Before-2026")
		if body != want {
			t.Errorf("password %q: %q, want %q", password, body, want)
		}
	}
}

func TestLockout(t *testing.T) {
	const path = "/cgi-bin/magicBox.cgi?action=getSerialNo"
	for _, c := range []struct {
		name, model string
		locked      int
		body        string
		extends     bool
	}{
		{"401 while locked", "imou-old", 401, "Error\r\nInvalid Authority!\r\n", false},
		{"403 while locked, each try extends", "imou-new", 403, "Authority:check failure.", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := sim.Options{Model: preset(t, c.model), Powered: true, Login: "Before-2026"}
			b := newBenchWith(t, o)
			for i := range 4 {
				if s, _ := b.cgi(path, "admin", "wrong"); s != 401 {
					t.Fatalf("try %d: %d", i, s)
				}
			}
			if s, _ := b.cgi(path, "admin", "Before-2026"); s != 200 {
				t.Fatalf("the fifth, right: %d", s)
			}
			for range 5 {
				b.cgi(path, "admin", "wrong")
			}
			if s, body := b.cgi(path, "admin", "Before-2026"); s != c.locked || body != c.body {
				t.Errorf("locked: %d %q, want %d %q", s, body, c.locked, c.body)
			}
			b.sleep(200 * time.Second)
			b.cgi(path, "admin", "Before-2026")
			b.sleep(110 * time.Second)
			want := 200
			if c.extends {
				want = c.locked
			}
			if s, _ := b.cgi(path, "admin", "Before-2026"); s != want {
				t.Errorf("310 s after the lock: %d, want %d", s, want)
			}
			b.sleep(301 * time.Second)
			if s, _ := b.cgi(path, "admin", "Before-2026"); s != 200 {
				t.Errorf("long after the lock: %d, want 200", s)
			}
		})
	}
}

func TestWayOne(t *testing.T) {
	b := newBench(t, "imou-old")
	b.up()
	b.markOld()
	if s, body := b.cgi("/cgi-bin/magicBox.cgi?action=resetSystemEx&type=0", "admin", marked); s != 200 || body != "OK\r\n" {
		t.Fatalf("reset: %d %q", s, body)
	}
	b.sleep(45 * time.Second)
	if s, body := b.cgi("/cgi-bin/magicBox.cgi?action=getMachineName", "admin", "admin"); s != 200 || body != "name=NVR\r\n" {
		t.Errorf("after it: %d %q", s, body)
	}
	if tr := b.w.Truth(); tr.Resets != 1 || tr.Boots != 2 {
		t.Errorf("resets %d, boots %d; want 1, 2", tr.Resets, tr.Boots)
	}
}

// What a client sees on the way from power-on to ready.
func TestPhasesOnTheNetwork(t *testing.T) {
	b := newBench(t, "imou-new")
	b.set("power", true)
	var seen []string
	note := func(s string) {
		if len(seen) == 0 || seen[len(seen)-1] != s {
			seen = append(seen, s)
		}
	}
	for range 120 {
		connected := false
		ctx, cancel := rig.WithTimeout(t.Context(), b.clock, 300*time.Millisecond)
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
		resp, _, err := request(ctx, b.rt, "POST", b.url+"/OutsideCmd", `{"method":"DevInit.getStatus"}`, "")
		cancel()
		switch {
		case errors.Is(err, rig.ErrDeadline) && !connected:
			note("silent")
		case errors.Is(err, syscall.ECONNREFUSED) && !connected:
			note("refused")
		case err != nil:
			t.Fatal(err)
		default:
			note(resp.Status[:3])
		}
		b.sleep(300 * time.Millisecond)
	}
	if got := strings.Join(seen, " "); got != "silent refused 503 401 200" {
		t.Errorf("seen %q, want silent refused 503 401 200", got)
	}
	if _, _, err := request(t.Context(), b.rt, "GET", "http://192.168.1.51/", "", ""); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("another address: %v", err)
	}
	if _, _, err := request(t.Context(), b.rt, "GET", "http://192.168.1.50:81/", "", ""); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("another port: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped"))
	if _, _, err := request(ctx, b.rt, "GET", b.url, "", ""); err == nil || !contains(err.Error(), "stopped") {
		t.Errorf("cancelled: %v", err)
	}
}

// A unit that loses its power, or restarts, under an open connection.
func TestConnectionsBreak(t *testing.T) {
	hung, reset := 0, 0
	for seed := range uint64(30) {
		m := preset(t, "imou-new")
		m.LeastHoldUp, m.MostHoldUp = time.Millisecond, 2*time.Millisecond
		b := newBenchWith(t, sim.Options{Model: m, Seed: seed, Powered: true, Login: "Before-2026"})
		connected := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
			connected = true
			b.set("power", false)
		}})
		ctx, cancel := rig.WithTimeout(ctx, b.clock, 5*time.Second)
		_, _, err := request(ctx, b.rt, "GET", b.url+"/", "", "")
		cancel()
		if connected && errors.Is(err, rig.ErrDeadline) {
			hung++
		} else if err != nil {
			t.Errorf("seed %d, power off: %v", seed, err)
		}
		b.set("power", true)
		b.sleep(40 * time.Second)
		if s, _ := b.cgi("/cgi-bin/magicBox.cgi?action=reboot", "admin", "Before-2026"); s != 200 {
			t.Fatalf("reboot: %d", s)
		}
		for range 1000 {
			if _, _, err = b.do("GET", "/", "", ""); err != nil {
				break
			}
		}
		if errors.Is(err, syscall.ECONNRESET) {
			reset++
		} else if !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("seed %d, reboot: %v", seed, err)
		}
	}
	if hung == 0 || reset == 0 {
		t.Errorf("%d requests hung when the power went, %d were reset by a restart", hung, reset)
	}
}
