package sim_test

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"resetrig/sim"
)

// put sends a document and gives the status code of the answer.
func (b *bench) put(path, body, password string) string {
	b.Helper()
	_, text := b.ask("PUT", path, body, "admin", password)
	return between(text, "<statusCode>", "</")
}

func hik(t *testing.T, model string, quirks ...string) *bench {
	return newBenchWith(t, sim.Options{Model: preset(t, model), Powered: true, Login: before, Quirks: quirks})
}

func TestHikvisionBeforeActivation(t *testing.T) {
	b := newBenchWith(t, sim.Options{Model: preset(t, "hikvision-new"), Powered: true})
	for _, c := range []struct{ method, path string }{
		{"GET", "/ISAPI/System/deviceInfo"}, {"GET", "/ISAPI/Security/userCheck"}, {"PUT", "/ISAPI/System/factoryReset?mode=full"},
	} {
		status, text := b.ask(c.method, c.path, "", "admin", "12345")
		if status != 403 || !strings.Contains(text, "<subStatusCode>notActivated<") || !strings.Contains(text, "<statusCode>4<") {
			t.Errorf("%s %s: %d %q", c.method, c.path, status, text)
		}
	}
	if got := b.activate("short1"); got != "6" {
		t.Errorf("a weak password: status code %s, want 6", got)
	}
	if got := b.activate(before); got != "1" {
		t.Errorf("activation: status code %s, want 1", got)
	}
	if got := b.activate("Another-2026"); got != "4" {
		t.Errorf("a second activation: status code %s, want 4", got)
	}
	if _, text, _ := b.do("GET", "/SDK/activateStatus", "", ""); !strings.Contains(text, "<Activated>true</Activated>") {
		t.Errorf("%q", text)
	}
	if status, _ := b.ask("GET", "/ISAPI/System/deviceInfo", "", "admin", before); status != 200 {
		t.Errorf("login: %d", status)
	}
	if tr := b.w.Truth(); tr.RefusedLogins != 0 {
		t.Errorf("%d refused logins", tr.RefusedLogins)
	}
	// A challenge is good for one activation, and its first half is checked.
	b = newBenchWith(t, sim.Options{Model: preset(t, "hikvision-new"), Powered: true})
	for _, body := range []string{"<ActivateInfo><password>QUJD</password></ActivateInfo>", "<ActivateInfo/>", "nonsense"} {
		if _, text, _ := b.do("PUT", "/ISAPI/System/activate", body, ""); strings.Contains(text, "<statusCode>1<") {
			t.Errorf("%q without a challenge: %q", body, text)
		}
	}
	if got := b.activateWith(b.challenged(), "0123456789abcdef", before); got != "6" {
		t.Errorf("another head: status code %s, want 6", got)
	}
	digits := b.challenged()
	if got := b.activateWith(digits, digits[:16], "weak"); got != "6" {
		t.Errorf("a weak password: status code %s, want 6", got)
	}
	if got := b.activateWith(digits, digits[:16], before); got != "4" {
		t.Errorf("a challenge's second use: status code %s, want 4", got)
	}
	for _, key := range []string{"", "AAAA", "!!", strings.Repeat("A", 400)} {
		if _, text, _ := b.do("POST", "/ISAPI/Security/challenge", "<PublicKey><key>"+key+"</key></PublicKey>", ""); !strings.Contains(text, "<statusCode>6<") {
			t.Errorf("key %q: %q", key, text)
		}
	}
}

func TestHikvisionOldHasNoActivation(t *testing.T) {
	b := newBenchWith(t, sim.Options{Model: preset(t, "hikvision-old"), Powered: true})
	if resp, _, err := b.do("GET", "/SDK/activateStatus", "", ""); err != nil || resp.StatusCode != 404 {
		t.Errorf("%v, %v", resp, err)
	}
	if _, text := b.ask("GET", "/ISAPI/Security/userCheck", "", "admin", "12345"); !strings.Contains(text, "<isDefaultPassword>true<") {
		t.Errorf("%q", text)
	}
}

func TestISAPIForms(t *testing.T) {
	for _, c := range []struct{ model, realm, space string }{
		{"hikvision-old", `Digest qop="auth", realm="IP Camera(83813)", nonce="`, "http://www.hikvision.com/ver20/XMLSchema"},
		{"hikvision-new", `Digest realm="`, "http://www.isapi.org/ver20/XMLSchema"},
	} {
		b := hik(t, c.model)
		resp, _, err := b.do("GET", "/ISAPI/System/deviceInfo", "", "")
		if err != nil {
			t.Fatal(err)
		}
		h := resp.Header.Get("WWW-Authenticate")
		if !strings.HasPrefix(h, c.realm) || !strings.HasSuffix(h, `stale="FALSE"`) || resp.Close != (c.model == "hikvision-old") {
			t.Errorf("%s: %q, close %v", c.model, h, resp.Close)
		}
		_, text := b.ask("GET", "/ISAPI/System/deviceInfo", "", "admin", before)
		var info struct {
			XMLName xml.Name
			Serial  string `xml:"serialNumber"`
			Type    string `xml:"deviceType"`
		}
		if err := xml.Unmarshal([]byte(text), &info); err != nil || info.XMLName.Space != c.space || info.XMLName.Local != "DeviceInfo" || info.Serial != "4F0A2B1PAZ00001" || info.Type != "NVR" {
			t.Errorf("%s: %+v, %v", c.model, info, err)
		}
	}
}

func TestISAPIResources(t *testing.T) {
	b := hik(t, "hikvision-new")
	get := func(path string) string {
		t.Helper()
		status, text := b.ask("GET", path, "", "admin", before)
		if status != 200 {
			t.Errorf("GET %s: %d", path, status)
		}
		return text
	}
	for _, c := range []struct{ path, body, shown string }{
		{"/ISAPI/System/deviceInfo", `<DeviceInfo xmlns="http://www.isapi.org/ver20/XMLSchema"><deviceName>a &amp; b</deviceName><serialNumber>mine</serialNumber></DeviceInfo>`, "<deviceName>a &amp; b</deviceName>"},
		{"/ISAPI/System/time", "<Time><timeMode>NTP</timeMode></Time>", "<timeMode>NTP</timeMode>"},
		{"/ISAPI/System/time/ntpServers", "<NTPServerList><NTPServer><id>1</id><hostName>ntp.example</hostName></NTPServer></NTPServerList>", "<hostName>ntp.example</hostName>"},
		{"/ISAPI/System/time/ntpServers/1", "<NTPServer><portNo>1123</portNo></NTPServer>", "<portNo>1123</portNo>"},
		{"/ISAPI/System/Network/interfaces/1", "<NetworkInterface><IPAddress><DefaultGateway><ipAddress>192.168.1.9</ipAddress></DefaultGateway></IPAddress></NetworkInterface>", "<DefaultGateway><ipAddress>192.168.1.9</ipAddress></DefaultGateway>"},
		{"/ISAPI/System/Network/UPnP", "<UPnP><enabled>true</enabled></UPnP>", "<enabled>true</enabled>"},
	} {
		if code := b.put(c.path, c.body, before); code != "1" {
			t.Errorf("PUT %s: status code %s", c.path, code)
		}
		if text := get(c.path); !strings.Contains(text, c.shown) {
			t.Errorf("%s: %q, want %q", c.path, text, c.shown)
		}
	}
	if text := get("/isapi/system/deviceinfo"); strings.Contains(text, "mine") {
		t.Error("the serial number was written")
	}
	for _, c := range []struct{ path, body, want string }{
		{"/ISAPI/System/deviceInfo", "no xml", "5"},
		{"/ISAPI/System/deviceInfo", "<Other><deviceName>x</deviceName></Other>", "6"},
		{"/ISAPI/System/deviceInfo", "<DeviceInfo/>", "6"},
		{"/ISAPI/System/deviceInfo", `<!DOCTYPE x [<!ENTITY a "b">]><DeviceInfo><deviceName>&a;</deviceName></DeviceInfo>`, "5"},
		{"/ISAPI/System/nonsense", "<x/>", "4"},
		{"/ISAPI/System/factoryReset?mode=other", "", "6"},
		{"/ISAPI/Security/users/1", "<User><userName>admin</userName><password>weak</password></User>", "6"},
		{"/ISAPI/Security/users/9", "<User><userName>admin</userName></User>", "4"},
	} {
		if code := b.put(c.path, c.body, before); code != c.want {
			t.Errorf("PUT %s %q: status code %s, want %s", c.path, c.body, code, c.want)
		}
	}
	if code := b.put("/ISAPI/System/time", "<Time><localTime>2030-02-03T04:05:06+00:00</localTime></Time>", before); code != "1" {
		t.Errorf("set the time: %s", code)
	}
	if text := get("/ISAPI/System/time"); !strings.Contains(text, "<localTime>2030-02-03T04:05:0") {
		t.Errorf("time %q", text)
	}
	up := between(get("/ISAPI/System/status"), "<deviceUpTime>", "</")
	b.sleep(100 * time.Second)
	if later := between(get("/ISAPI/System/status"), "<deviceUpTime>", "</"); len(later) != 3 || later == up {
		t.Errorf("uptime %s, then %s", up, later)
	}
}

func TestISAPIUsers(t *testing.T) {
	b := hik(t, "hikvision-new")
	if s, text := b.ask("POST", "/ISAPI/Security/users", "<User><userName>lab</userName><password>labpass-1</password></User>", "admin", before); s != 200 || !strings.Contains(text, "<statusCode>1<") {
		t.Fatalf("%d %q", s, text)
	}
	_, text := b.ask("GET", "/ISAPI/Security/users", "", "admin", before)
	if !strings.Contains(text, "<User><id>2</id><userName>lab</userName><userLevel>Viewer</userLevel></User>") || strings.Contains(text, "labpass") {
		t.Errorf("%q", text)
	}
	if s, text := b.ask("PUT", "/ISAPI/System/factoryReset?mode=full", "", "lab", "labpass-1"); s != 403 || !strings.Contains(text, "lowPrivilege") {
		t.Errorf("a viewer resets: %d %q", s, text)
	}
	if s, _ := b.ask("DELETE", "/ISAPI/Security/users/2", "", "admin", before); s != 200 {
		t.Errorf("delete: %d", s)
	}
	if s, _ := b.ask("DELETE", "/ISAPI/Security/users/1", "", "admin", before); s != 403 {
		t.Errorf("delete the administrator: %d", s)
	}
	if s, _ := b.ask("GET", "/ISAPI/System/status", "", "lab", "labpass-1"); s != 401 {
		t.Errorf("a deleted user: %d", s)
	}
}

func TestISAPILock(t *testing.T) {
	b := hik(t, "hikvision-old")
	check := func(password string) (int, string) {
		return b.ask("GET", "/ISAPI/Security/userCheck", "", "admin", password)
	}
	for i, left := range []string{"4", "3", "2", "1"} {
		if s, text := check("wrong"); s != 401 || between(text, "<retryLoginTime>", "</") != left || between(text, "<lockStatus>", "</") != "unlock" {
			t.Errorf("try %d: %d %q", i, s, text)
		}
	}
	check("wrong")
	s, text := check(before)
	if s != 401 || between(text, "<lockStatus>", "</") != "lock" || between(text, "<statusValue>", "</") != "401" {
		t.Errorf("the right password while locked: %d %q", s, text)
	}
	if n := between(text, "<unlockTime>", "</"); len(n) != 4 || n < "1790" || n > "1800" {
		t.Errorf("unlockTime %s", n)
	}
	b.sleep(1801 * time.Second)
	if s, _ := check(before); s != 200 {
		t.Errorf("after the lock: %d", s)
	}
}

func TestISAPIFactoryReset(t *testing.T) {
	t.Run("full, and the client reboots", func(t *testing.T) {
		b := hik(t, "hikvision-new")
		b.put("/ISAPI/System/deviceInfo", "<DeviceInfo><deviceName>marked</deviceName></DeviceInfo>", before)
		if code := b.put("/ISAPI/System/factoryReset?mode=full", "", before); code != "7" {
			t.Fatalf("status code %s, want 7", code)
		}
		b.sleep(10 * time.Minute)
		if tr := b.w.Truth(); tr.Resets != 0 || tr.MachineName != "marked" {
			t.Errorf("reset without a reboot: %+v", tr)
		}
		if code := b.put("/ISAPI/System/reboot", "", before); code != "1" {
			t.Errorf("reboot: %s", code)
		}
		b.sleep(time.Minute)
		if tr := b.w.Truth(); tr.Resets != 1 || tr.Initialised || tr.MachineName == "marked" {
			t.Errorf("not reset: %+v", tr)
		}
	})
	t.Run("forgotten with the power", func(t *testing.T) {
		b := hik(t, "hikvision-new")
		b.put("/ISAPI/System/factoryReset?mode=full", "", before)
		b.set("power", false)
		b.sleep(5 * time.Second)
		b.up()
		b.put("/ISAPI/System/reboot", "", before)
		b.sleep(time.Minute)
		if tr := b.w.Truth(); tr.Resets != 0 {
			t.Error("reset all the same")
		}
	})
	t.Run("basic keeps network and users", func(t *testing.T) {
		b := hik(t, "hikvision-new", "no-reset-needs-reboot", "reset-busy")
		b.put("/ISAPI/System/deviceInfo", "<DeviceInfo><deviceName>marked</deviceName></DeviceInfo>", before)
		b.put("/ISAPI/System/Network/interfaces/1", "<NetworkInterface><Link><MTU>1400</MTU></Link></NetworkInterface>", before)
		if code := b.put("/ISAPI/System/factoryReset?mode=basic", "", before); code != "2" {
			t.Errorf("at first busy: %s", code)
		}
		if code := b.put("/ISAPI/System/factoryReset?mode=basic", "", before); code != "1" {
			t.Errorf("status code %s, want 1", code)
		}
		b.sleep(time.Minute)
		_, text := b.ask("GET", "/ISAPI/System/Network/interfaces/1", "", "admin", before)
		if tr := b.w.Truth(); tr.Resets != 1 || tr.MachineName == "marked" || !strings.Contains(text, "<MTU>1400</MTU>") {
			t.Errorf("%+v %q", tr, text)
		}
	})
}
