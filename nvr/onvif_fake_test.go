package nvr_test

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

// soap is a small true ONVIF recorder, on httptest.
type soap struct {
	t     *testing.T
	srv   *httptest.Server
	clock rig.Clock

	mu       sync.Mutex
	token    bool          // it takes the login in the message
	ahead    time.Duration // its clock before the test's
	serial   string
	accounts map[string]string
	levels   map[string]string
	name     string
	refused  int
	locked   bool
	open     bool // it asks for no login
	resets   []string
	hook     func(w http.ResponseWriter, operation string, authed bool) bool
	requests []string
	fault    string // subcode with which every write is answered
}

func newSOAP(t *testing.T, clock rig.Clock) *soap {
	t.Helper()
	u := &soap{t: t, clock: clock, serial: "7A0012345678"}
	u.reset()
	u.srv = httptest.NewServer(u)
	t.Cleanup(u.srv.Close)
	return u
}

func (u *soap) reset() {
	u.accounts, u.levels = map[string]string{"admin": "admin"}, map[string]string{"admin": "Administrator"}
	u.name = "NVR"
}

func (u *soap) do(f func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f()
}

func (u *soap) say(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, `<?xml version="1.0" encoding="utf-8" standalone="yes" ?><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:ter="http://www.onvif.org/ver10/error"><env:Header/><env:Body>`+body+`</env:Body></env:Envelope>`)
}

func (u *soap) fails(w http.ResponseWriter, status int, code, sub, reason string) {
	u.say(w, status, "<env:Fault><env:Code><env:Value>env:"+code+"</env:Value><env:Subcode><env:Value>ter:"+sub+"</env:Value></env:Subcode></env:Code><env:Reason><env:Text xml:lang=\"en\">"+reason+"</env:Text></env:Reason></env:Fault>")
}

var (
	inBody  = regexp.MustCompile(`<s:Body><tds:(\w+)`)
	inToken = regexp.MustCompile(`<(?:wsse|wsu):(Username|Password|Nonce|Created)\b[^>]*>([^<]*)<`)
)

func (u *soap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	b, _ := io.ReadAll(r.Body)
	body := string(b)
	m := inBody.FindStringSubmatch(body)
	if r.URL.Path != "/onvif/device_service" || r.Method != "POST" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/soap+xml") {
		http.NotFound(w, r)
		return
	}
	if m == nil { // an empty request is malformed
		u.fails(w, 400, "Sender", "WellFormed", "no message")
		return
	}
	authed := r.Header.Get("Authorization") != "" || strings.Contains(body, "UsernameToken")
	u.requests = append(u.requests, map[bool]string{true: "+"}[authed]+m[1])
	if u.hook != nil && u.hook(w, m[1], authed) {
		return
	}
	if m[1] == "GetSystemDateAndTime" {
		t := u.clock.Now().Add(u.ahead).UTC()
		u.say(w, 200, fmt.Sprintf("<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType><tt:UTCDateTime><tt:Time><tt:Hour>%d</tt:Hour><tt:Minute>%d</tt:Minute><tt:Second>%d</tt:Second></tt:Time><tt:Date><tt:Year>%d</tt:Year><tt:Month>%d</tt:Month><tt:Day>%d</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>", t.Hour(), t.Minute(), t.Second(), t.Year(), int(t.Month()), t.Day()))
		return
	}
	if u.open || u.authorised(w, r, body, authed) {
		_, in, _ := strings.Cut(body, "<s:Body>")
		u.answer(w, m[1], in)
	}
}

const soapNonce = "c0ffee0123456789"

func (u *soap) authorised(w http.ResponseWriter, r *http.Request, body string, authed bool) bool {
	ok := false
	if u.token {
		ok = u.tokenLogin(body)
	} else {
		ok = digestLogin(r, "onvif", soapNonce, u.accounts)
	}
	switch {
	case ok && !u.locked:
		return true
	case authed && u.locked:
		u.fails(w, 400, "Sender", "NotAuthorized", "The account is locked")
		return false
	case authed:
		u.refused++
	}
	if u.token {
		u.fails(w, 400, "Sender", "NotAuthorized", "Sender not Authorized")
		return false
	}
	w.Header().Set("WWW-Authenticate", `Digest realm="onvif", qop="auth", nonce="`+soapNonce+`", algorithm="MD5", stale="FALSE"`)
	w.WriteHeader(401)
	return false
}

func (u *soap) tokenLogin(body string) bool {
	p := map[string]string{}
	for _, m := range inToken.FindAllStringSubmatch(body, -1) {
		p[m[1]] = m[2]
	}
	nonce, err := base64.StdEncoding.DecodeString(p["Nonce"])
	created, terr := time.Parse(time.RFC3339, p["Created"])
	pw, known := u.accounts[p["Username"]]
	if err != nil || terr != nil || !known {
		return false
	}
	sum := sha1.Sum([]byte(string(nonce) + p["Created"] + pw))
	skew := created.Sub(u.clock.Now().Add(u.ahead)).Abs()
	return skew < 5*time.Second && p["Password"] == base64.StdEncoding.EncodeToString(sum[:])
}

func (u *soap) answer(w http.ResponseWriter, operation, body string) {
	say := func(inside string) {
		u.say(w, 200, "<tds:"+operation+"Response>"+inside+"</tds:"+operation+"Response>")
	}
	if u.fault != "" && !strings.HasPrefix(operation, "Get") {
		u.fails(w, 400, "Sender", u.fault, "no")
		return
	}
	switch operation {
	case "GetDeviceInformation":
		say("<tds:Manufacturer>Acme</tds:Manufacturer><tds:Model>NVR-8</tds:Model><tds:FirmwareVersion>2.4.1,build 20210603</tds:FirmwareVersion><tds:SerialNumber>" + u.serial + "</tds:SerialNumber><tds:HardwareId>1.0</tds:HardwareId>")
	case "GetHostname":
		say("<tds:HostnameInformation><tt:FromDHCP>false</tt:FromDHCP><tt:Name>" + u.name + "</tt:Name></tds:HostnameInformation>")
	case "SetHostname":
		u.name = insideOf(body, "Name")
		say("")
	case "GetNTP":
		say("<tds:NTPInformation><tt:FromDHCP>false</tt:FromDHCP><tt:NTPManual><tt:Type>DNS</tt:Type><tt:DNSname>time.example</tt:DNSname></tt:NTPManual></tds:NTPInformation>")
	case "GetDiscoveryMode":
		say("<tds:DiscoveryMode>Discoverable</tds:DiscoveryMode>")
	case "GetNetworkInterfaces":
		say(`<tds:NetworkInterfaces token="eth0"><tt:Enabled>true</tt:Enabled><tt:Info><tt:Name>eth0</tt:Name><tt:HwAddress>38:af:29:00:00:05</tt:HwAddress></tt:Info></tds:NetworkInterfaces>` +
			`<tds:NetworkInterfaces token="eth1"><tt:Enabled>false</tt:Enabled><tt:Info><tt:Name>eth1</tt:Name><tt:HwAddress>38:af:29:00:00:06</tt:HwAddress></tt:Info></tds:NetworkInterfaces>`)
	case "GetUsers":
		list := ""
		for _, n := range slices.Sorted(maps.Keys(u.accounts)) {
			list += "<tds:User><tt:Username>" + n + "</tt:Username><tt:UserLevel>" + u.levels[n] + "</tt:UserLevel></tds:User>"
		}
		say(list)
	case "SetUser", "CreateUsers":
		n := insideOf(body, "Username")
		u.accounts[n], u.levels[n] = insideOf(body, "Password"), insideOf(body, "UserLevel")
		say("")
	case "DeleteUsers":
		delete(u.accounts, insideOf(body, "Username"))
		say("")
	case "SetSystemFactoryDefault":
		u.resets = append(u.resets, insideOf(body, "FactoryDefault"))
		say("")
		u.reset()
	default:
		u.fails(w, 400, "Receiver", "ActionNotSupported", "no such operation")
	}
}

type soapBench struct {
	u     *soap
	net   *segment
	book  *book
	clock *jump
	o     nvr.Options
}

func newSOAPBench(t *testing.T) *soapBench {
	t.Helper()
	clock := newJump()
	u := newSOAP(t, clock)
	b := &soapBench{u: u, book: newBook(), clock: clock, net: &segment{Network: nvr.RealNetwork(clock, "")}}
	b.o = nvr.Options{
		Model: nvr.Model{
			Name: "onvif-test", Dialect: nvr.DialectONVIF, Tables: []string{"Hostname", "NTP", "NetworkInterfaces"},
			Accounts: []rig.Credential{{User: "admin", Password: "admin"}},
		},
		URL: u.srv.URL, Clock: clock, Net: b.net, Ledger: b.book, Vault: b.book, Rand: chance(1),
		Identity: rig.Identity{Serial: u.serial},
	}
	return b
}

func (b *soapBench) open(t *testing.T) *nvr.Device {
	t.Helper()
	d, err := nvr.Open(b.o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
