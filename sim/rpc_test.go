package sim_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"resetrig/sim"
)

// session logs in over RPC2 and gives the session as JSON.
func (b *bench) session(user, password string) string {
	b.Helper()
	v := b.rpc("/RPC2_Login", `{"method":"global.login","params":{"userName":"`+user+`","password":"","clientType":"Web3.0","loginType":"Direct"},"id":1}`)
	p := v["params"].(map[string]any)
	if code := v["error"].(map[string]any)["code"]; code != 268632079.0 || v["result"] != false {
		b.Fatalf("first step of a login: %v", v)
	}
	session, _ := json.Marshal(v["session"])
	if f, ok := v["session"].(float64); ok {
		session, _ = json.Marshal(int64(f))
	}
	up := strings.ToUpper
	hash := up(md5hex(user + ":" + p["random"].(string) + ":" + up(md5hex(user+":"+p["realm"].(string)+":"+password))))
	v = b.rpc("/RPC2_Login", `{"method":"global.login","params":{"userName":"`+user+`","password":"`+hash+`","authorityType":"Default"},"id":2,"session":`+string(session)+`}`)
	if v["result"] != true {
		b.Fatalf("second step of a login: %v", v)
	}
	return string(session)
}

func TestRPC(t *testing.T) {
	for _, model := range []string{"imou-old", "imou-new"} {
		t.Run(model, func(t *testing.T) {
			o := sim.Options{Model: preset(t, model), Powered: true, Login: "Before-2026"}
			b := newBenchWith(t, o)
			s := b.session("admin", "Before-2026")
			call := func(method, params string) map[string]any {
				t.Helper()
				return b.rpc("/RPC2", `{"method":"`+method+`","params":`+params+`,"id":5,"session":`+s+`}`)
			}
			at := func(v map[string]any, keys ...string) any {
				var x any = v
				for _, k := range keys {
					m, _ := x.(map[string]any)
					x = m[k]
				}
				return x
			}
			if v := call("magicBox.getSerialNo", "null"); at(v, "params", "sn") != "4F0A2B1PAZ00001" || v["id"] != 5.0 {
				t.Errorf("serial: %v", v)
			}
			up := at(call("magicBox.getUpTime", "null"), "params", "info", "Last").(float64)
			b.sleep(10 * time.Second)
			if later := at(call("magicBox.getUpTime", "null"), "params", "info", "Last").(float64); later-up < 9 || later-up > 12 {
				t.Errorf("uptime %v, and %v ten seconds later", up, later)
			}
			if v := call("configManager.setConfig", `{"name":"Network","table":{"eth0":{"MTU":1400}}}`); v["result"] != true {
				t.Errorf("set: %v", v)
			}
			if v := call("configManager.getConfig", `{"name":"Network"}`); at(v, "params", "table", "eth0", "MTU") != 1400.0 {
				t.Errorf("get: %v", v)
			}
			if v := call("configManager.getDefault", `{"name":"Network"}`); at(v, "params", "table", "eth0", "MTU") != 1500.0 {
				t.Errorf("default: %v", v)
			}
			if v := call("configManager.setConfig", `{"name":"NTP","table":{"Enable":true}}`); v["result"] != true {
				t.Errorf("set: %v", v)
			}
			if v := call("configManager.restoreExcept", `{"names":[]}`); v["result"] != true {
				t.Errorf("restore: %v", v)
			}
			if v := call("configManager.getConfig", `{"name":"NTP"}`); at(v, "params", "table", "Enable") != false {
				t.Errorf("restored: %v", v)
			}
			if v := call("configManager.getConfig", `{"name":"Network"}`); at(v, "params", "table", "eth0", "MTU") != 1400.0 {
				t.Errorf("the network is kept: %v", v)
			}
			if v := call("magicBox.sing", "null"); at(v, "error", "code") != 268894210.0 {
				t.Errorf("no such method: %v", v)
			}
			if v := call("userManager.modifyPassword", `{"name":"admin","pwd":"After-2026","pwdOld":"Before-2026"}`); v["result"] != true {
				t.Errorf("password: %v", v)
			}
			if v := call("global.logout", "null"); v["result"] != true {
				t.Errorf("logout: %v", v)
			}
			if v := call("magicBox.getSerialNo", "null"); at(v, "error", "code") != 287637505.0 {
				t.Errorf("after the logout: %v", v)
			}
			b.session("admin", "After-2026")
		})
	}
}

func TestRPCTellsOfTheLock(t *testing.T) {
	b := newBenchWith(t, sim.Options{Powered: true, Login: "Before-2026"})
	login := func() map[string]any {
		v := b.rpc("/RPC2_Login", `{"method":"global.login","params":{"userName":"admin","password":""},"id":1}`)
		if v["error"].(map[string]any)["code"] == 268632081.0 {
			return v
		}
		return b.rpc("/RPC2_Login", `{"method":"global.login","params":{"userName":"admin","password":"00"},"id":2,"session":"`+v["session"].(string)+`"}`)
	}
	for _, left := range []float64{4, 3, 2, 1} {
		v := login()
		if code := v["error"].(map[string]any)["code"]; code != 268632085.0 {
			t.Errorf("code %v, want 268632085", code)
		}
		if got := v["params"].(map[string]any)["remainLoginTimes"]; got != left {
			t.Errorf("remainLoginTimes %v, want %v", got, left)
		}
	}
	login()
	v := login()
	if code := v["error"].(map[string]any)["code"]; code != 268632081.0 {
		t.Errorf("locked: code %v, want 268632081", code)
	}
	if got := v["params"].(map[string]any)["remainLockSecond"].(float64); got < 290 || got > 301 {
		t.Errorf("remainLockSecond %v", got)
	}
}
