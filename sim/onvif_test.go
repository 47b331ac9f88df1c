package sim_test

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"resetrig/sim"
)

// token is a Security header as WS-UsernameToken has it.
func token(user, password, nonce string, created time.Time) string {
	at := created.UTC().Format(time.RFC3339)
	sum := sha1.Sum([]byte(nonce + at + password))
	return fmt.Sprintf(`<s:Header><Security xmlns="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><UsernameToken><Username>%s</Username>`+
		`<Password Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest">%s</Password><Nonce>%s</Nonce>`+
		`<Created xmlns="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">%s</Created></UsernameToken></Security></s:Header>`,
		user, base64.StdEncoding.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString([]byte(nonce)), at)
}

const devicePath = "/onvif/device_service"

// tokened sends a call with a token and gives the status.
func (b *bench) tokened(call, password, nonce string, created time.Time) int {
	b.Helper()
	resp, _, err := b.do("POST", devicePath, envelope(token("admin", password, nonce, created), call), "")
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode
}

// deviceTime is the unit's clock, which it tells to anybody.
func (b *bench) deviceTime() time.Time {
	b.Helper()
	_, text, err := b.do("POST", devicePath, envelope("", "<GetSystemDateAndTime/>"), "")
	if err != nil {
		b.Fatal(err)
	}
	var v struct {
		H int `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Time>Hour"`
		M int `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Time>Minute"`
		S int `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Time>Second"`
		Y int `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Date>Year"`
		O int `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Date>Month"`
		D int `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Date>Day"`
	}
	if err := xml.Unmarshal([]byte(text), &v); err != nil {
		b.Fatalf("%v in %q", err, text)
	}
	return time.Date(v.Y, time.Month(v.O), v.D, v.H, v.M, v.S, 0, time.UTC)
}

func TestUsernameTokens(t *testing.T) {
	b := newBenchWith(t, sim.Options{Model: preset(t, "onvif"), Powered: true})
	now := b.deviceTime()
	if now.Year() != 1970 {
		t.Errorf("the clock of a unit fresh from the factory: %v", now)
	}
	const call = "<GetDeviceInformation/>"
	for _, c := range []struct {
		name, password, nonce string
		created               time.Time
		want                  int
	}{
		{"by the unit's clock", "admin", "one", now, 200},
		{"came before", "admin", "one", now, 401},
		{"by the rig's clock", "admin", "two", b.clock.Now(), 401},
		{"four minutes off", "admin", "three", now.Add(-4 * time.Minute), 200},
		{"six minutes off", "admin", "four", now.Add(6 * time.Minute), 401},
		{"wrong password", "nope", "five", now, 401},
	} {
		if got := b.tokened(call, c.password, c.nonce, c.created); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if n := b.w.Truth().RefusedLogins; n != 4 {
		t.Errorf("%d refused logins, want 4", n)
	}
	set := `<SetSystemDateAndTime><DateTimeType>Manual</DateTimeType><UTCDateTime><Time><Hour>4</Hour><Minute>5</Minute><Second>6</Second></Time><Date><Year>2026</Year><Month>1</Month><Day>2</Day></Date></UTCDateTime></SetSystemDateAndTime>`
	if s, text := b.soap(set, "admin"); s != 200 {
		t.Fatalf("set the clock: %d %q", s, text)
	}
	if got := b.deviceTime(); got.Sub(time.Date(2026, 1, 2, 4, 5, 6, 0, time.UTC)).Abs() > 2*time.Second {
		t.Errorf("set to %v", got)
	}
	b.act(20 * time.Second)
	b.sleep(60 * time.Second)
	if got := b.deviceTime(); got.Year() != 1970 {
		t.Errorf("after a reset %v", got)
	}
}

func TestONVIFLogins(t *testing.T) {
	for _, c := range []struct {
		name           string
		quirks         []string
		none           int // without a login
		challenge      bool
		digest, tokens int
	}{
		{"both", nil, 401, true, 200, 200},
		{"400", []string{"not-authorized-400"}, 400, false, 400, 200},
		{"tokens", []string{"ws-token-only"}, 401, false, 401, 200},
		{"digest", []string{"digest-only"}, 401, true, 200, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBenchWith(t, sim.Options{Model: preset(t, "onvif"), Powered: true, Quirks: c.quirks})
			resp, text, err := b.do("POST", devicePath, envelope("", "<GetUsers/>"), "")
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.none || (resp.Header.Get("WWW-Authenticate") != "") != c.challenge {
				t.Errorf("without a login: %d %v", resp.StatusCode, resp.Header)
			}
			if !strings.Contains(text, "<env:Value>env:Sender</env:Value><env:Subcode><env:Value>ter:NotAuthorized</env:Value>") {
				t.Errorf("fault %q", text)
			}
			if s, _ := b.soap("<GetUsers/>", "admin"); s != c.digest {
				t.Errorf("digest: %d, want %d", s, c.digest)
			}
			if s := b.tokened("<GetUsers/>", "admin", "one", b.deviceTime()); s != c.tokens {
				t.Errorf("token: %d, want %d", s, c.tokens)
			}
		})
	}
}

func TestONVIFDevice(t *testing.T) {
	b := newBenchWith(t, sim.Options{Model: preset(t, "onvif"), Powered: true})
	for _, call := range []string{"GetSystemDateAndTime", "GetCapabilities", "GetServices", "GetHostname"} {
		if resp, text, err := b.do("POST", devicePath, envelope("", "<"+call+"/>"), ""); err != nil || resp.StatusCode != 200 || !strings.Contains(text, "<tds:"+call+"Response>") {
			t.Errorf("%s without a login: %v %q", call, err, text)
		}
	}
	user := func(name, password, level string) string {
		return `<User xmlns:t="http://www.onvif.org/ver10/schema"><t:Username>` + name + `</t:Username><t:Password>` + password + `</t:Password><t:UserLevel>` + level + `</t:UserLevel></User>`
	}
	for _, c := range []struct {
		call   string
		status int
		want   string
	}{
		{"<GetDeviceInformation/>", 200, "<tds:Manufacturer>Acme</tds:Manufacturer><tds:Model>NVR-8</tds:Model><tds:FirmwareVersion>2.4.1</tds:FirmwareVersion><tds:SerialNumber>4F0A2B1PAZ00001</tds:SerialNumber>"},
		{"<GetUsers/>", 200, "<tt:Username>admin</tt:Username><tt:UserLevel>Administrator</tt:UserLevel>"},
		{"<CreateUsers>" + user("lab", "lab-pass", "User") + "</CreateUsers>", 200, ""},
		{"<CreateUsers>" + user("lab", "lab-pass", "User") + "</CreateUsers>", 400, "ter:UsernameClash"},
		{"<GetUsers/>", 200, "<tt:Username>lab</tt:Username><tt:UserLevel>User</tt:UserLevel>"},
		{"<SetUser>" + user("lab", "", "Administrator") + "</SetUser>", 400, "ter:Password"},
		{"<SetUser>" + user("nobody", "x", "User") + "</SetUser>", 400, "ter:UsernameMissing"},
		{"<DeleteUsers><Username>lab</Username></DeleteUsers>", 200, ""},
		{"<DeleteUsers><Username>admin</Username></DeleteUsers>", 400, "ter:FixedUser"},
		{"<SetHostname><Name>lab-7</Name></SetHostname>", 200, ""},
		{"<SetHostname><Name>lab 7</Name></SetHostname>", 400, "ter:InvalidHostname"},
		{"<GetHostname/>", 200, "<tt:Name>lab-7</tt:Name>"},
		{`<SetNTP><FromDHCP>false</FromDHCP><NTPManual xmlns:t="http://www.onvif.org/ver10/schema"><t:Type>DNS</t:Type><t:DNSname>ntp.example</t:DNSname></NTPManual></SetNTP>`, 200, ""},
		{"<GetNTP/>", 200, "<tt:DNSname>ntp.example</tt:DNSname>"},
		{"<GetNetworkInterfaces/>", 200, "<tt:HwAddress>9c:14:63:0a:2b:01</tt:HwAddress>"},
		{"<GetNetworkDefaultGateway/>", 200, "<tt:IPv4Address>192.168.1.1</tt:IPv4Address>"},
		{"<GetDNS/>", 200, "<tt:IPv4Address>8.8.8.8</tt:IPv4Address>"},
		{"<SetScopes><Scopes>onvif://www.onvif.org/location/lab</Scopes></SetScopes>", 200, ""},
		{"<GetScopes/>", 200, "<tt:ScopeDef>Configurable</tt:ScopeDef><tt:ScopeItem>onvif://www.onvif.org/location/lab</tt:ScopeItem>"},
		{"<SetSystemFactoryDefault><FactoryDefault>Other</FactoryDefault></SetSystemFactoryDefault>", 400, "ter:InvalidArgVal"},
		{"<Dance/>", 400, "ter:ActionNotSupported"},
	} {
		if s, text := b.soap(c.call, "admin"); s != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %q; want %d, %q", c.call, s, text, c.status, c.want)
		}
	}
	for _, body := range []string{"nonsense", "<a/>", `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><a/></s:Body></s:Envelope>`} {
		if resp, _, err := b.do("POST", devicePath, body, ""); err != nil || resp.StatusCode != 400 {
			t.Errorf("%q: %v, %v", body, resp, err)
		}
	}
}

func TestONVIFResets(t *testing.T) {
	for _, kind := range []string{"Hard", "Soft"} {
		b := newBenchWith(t, sim.Options{Model: preset(t, "onvif"), Powered: true, Login: before, MovesToDefault: true})
		b.soap("<SetHostname><Name>marked</Name></SetHostname>", before)
		s, text := b.soap("<SetSystemFactoryDefault><FactoryDefault>"+kind+"</FactoryDefault></SetSystemFactoryDefault>", before)
		if s != 200 || !strings.Contains(text, "<tds:SetSystemFactoryDefaultResponse></tds:SetSystemFactoryDefaultResponse>") {
			t.Fatalf("%s: %d %q", kind, s, text)
		}
		b.sleep(time.Minute)
		tr := b.w.Truth()
		if tr.Passwords["admin"] != "admin" || tr.MachineName != "NVR" || tr.Resets != 1 {
			t.Errorf("%s: %+v", kind, tr)
		}
		if want := map[string]string{"Hard": "192.168.1.108", "Soft": "192.168.1.50"}[kind]; tr.Address != want {
			t.Errorf("%s: at %s, want %s", kind, tr.Address, want)
		}
	}
	b := newBenchWith(t, sim.Options{Model: preset(t, "onvif"), Powered: true})
	boots := b.w.Truth().Boots
	if s, text := b.soap("<SystemReboot/>", "admin"); s != 200 || !strings.Contains(text, "<tds:Message>") {
		t.Errorf("reboot: %d %q", s, text)
	}
	b.sleep(time.Minute)
	if tr := b.w.Truth(); tr.Boots != boots+1 || tr.Resets != 0 {
		t.Errorf("%+v", tr)
	}
}

func TestONVIFWithoutAccounts(t *testing.T) {
	m := preset(t, "onvif")
	m.Accounts = nil
	b := newBenchWith(t, sim.Options{Model: m, Powered: true})
	create := `<CreateUsers><User><Username>admin</Username><Password>` + before + `</Password><UserLevel>Administrator</UserLevel></User></CreateUsers>`
	for _, call := range []string{"<GetDeviceInformation/>", create} {
		if resp, text, err := b.do("POST", devicePath, envelope("", call), ""); err != nil || resp.StatusCode != 200 {
			t.Errorf("%s without a login: %v %q", call, err, text)
		}
	}
	if resp, _, err := b.do("POST", devicePath, envelope("", "<GetUsers/>"), ""); err != nil || resp.StatusCode != 401 {
		t.Errorf("once there is an account: %v, %v", resp, err)
	}
	if s, _ := b.soap("<GetUsers/>", before); s != 200 {
		t.Errorf("login: %d", s)
	}
}

func TestONVIFBesideOthers(t *testing.T) {
	for model, want := range map[string]int{"dahua-new": 200, "dahua-old": 200, "imou-new": 404, "hikvision-new": 404} {
		b := newBenchWith(t, sim.Options{Model: preset(t, model), Powered: true, Login: before})
		if s, _ := b.soap("<GetDeviceInformation/>", before); s != want {
			t.Errorf("%s: %d, want %d", model, s, want)
		}
	}
	b := newBenchWith(t, sim.Options{Model: preset(t, "hikvision-new"), Powered: true, Login: before, Quirks: []string{"onvif"}})
	if s, text := b.soap("<GetDeviceInformation/>", before); s != 200 || !strings.Contains(text, "HIKVISION") {
		t.Errorf("hikvision with ONVIF on: %d %q", s, text)
	}
}

const probe = `<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Header>` +
	`<a:MessageID>urn:uuid:11111111-2222-4333-8444-555555555555</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>` +
	`<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header><s:Body>` +
	`<Probe xmlns="http://schemas.xmlsoap.org/ws/2005/04/discovery"><Types xmlns:dn="http://www.onvif.org/ver10/network/wsdl">dn:NetworkVideoTransmitter</Types></Probe></s:Body></s:Envelope>`

func TestWSDiscovery(t *testing.T) {
	b := newBenchWith(t, sim.Options{Model: preset(t, "onvif"), Powered: true})
	ask := func(to, q string) []sim.Datagram {
		t.Helper()
		d, err := b.w.Exchange(t.Context(), to, []byte(q), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, to := range []string{"239.255.255.250:3702", "192.168.1.50:3702"} {
		d := ask(to, probe)
		if len(d) != 1 || d[0].From != "192.168.1.50:3702" {
			t.Fatalf("%s: %v", to, d)
		}
		var v struct {
			Relates string `xml:"Header>RelatesTo"`
			Address string `xml:"Body>ProbeMatches>ProbeMatch>EndpointReference>Address"`
			Types   string `xml:"Body>ProbeMatches>ProbeMatch>Types"`
			Scopes  string `xml:"Body>ProbeMatches>ProbeMatch>Scopes"`
			XAddrs  string `xml:"Body>ProbeMatches>ProbeMatch>XAddrs"`
		}
		if err := xml.Unmarshal(d[0].Payload, &v); err != nil {
			t.Fatal(err)
		}
		if v.Relates != "urn:uuid:11111111-2222-4333-8444-555555555555" || !strings.HasPrefix(v.Address, "urn:uuid:") || len(v.Address) != 45 ||
			!strings.Contains(v.Types, "NetworkVideoTransmitter") || v.XAddrs != "http://192.168.1.50/onvif/device_service" ||
			!strings.Contains(v.Scopes, "onvif://www.onvif.org/name/NVR") || !strings.Contains(v.Scopes, "/MAC/9c:14:63:0a:2b:01") {
			t.Errorf("%+v", v)
		}
	}
	for name, q := range map[string]string{
		"nonsense": "nonsense", "an empty datagram": "",
		"other types":  strings.Replace(probe, "dn:NetworkVideoTransmitter", "dn:Printer", 1),
		"other scopes": strings.Replace(probe, "</Probe>", "<Scopes>onvif://www.onvif.org/name/other</Scopes></Probe>", 1),
	} {
		if d := ask("239.255.255.250:3702", q); len(d) != 0 {
			t.Errorf("%s is answered: %v", name, d)
		}
	}
	if d := ask("192.168.1.51:3702", probe); len(d) != 0 {
		t.Errorf("another address answers: %v", d)
	}
	b.set("power", false)
	b.sleep(5 * time.Second)
	if d := ask("239.255.255.250:3702", probe); len(d) != 0 {
		t.Error("answers without power")
	}
}
