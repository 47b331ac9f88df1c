package nvr_test

import (
	"context"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/big"
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

// hik is a small true ISAPI recorder of one of the generations, on httptest.
type hik struct {
	t   *testing.T
	srv *httptest.Server

	mu       sync.Mutex
	gen      string
	ns       string
	serial   string
	version  string
	active   bool
	accounts map[string]string // name → password
	ids      map[string]string // id → name
	config   map[string]string // resource → document
	defaults map[string]string
	secret   string // of the challenge
	realm    string
	refused  int
	lockAt   int
	locked   bool
	noCheck  int            // status of userCheck where there is none
	code     map[string]int // resource → ResponseStatus code of a command; done only with 1 and 7
	busy     int            // commands answered with 2
	pending  func()         // what a reboot does
	hook     func(w http.ResponseWriter, r *http.Request) bool
	requests []string
	resets   []string
}

const (
	nsOld = "http://www.hikvision.com/ver20/XMLSchema"
	nsNew = "http://www.isapi.org/ver20/XMLSchema"
)

func newHik(t *testing.T, gen string) *hik {
	t.Helper()
	u := &hik{
		t: t, gen: gen, ns: nsOld, serial: "DS-7608NI-K2/8P0820190101CCRRD12345678WCVU", version: "V4.30.085",
		realm: "IP Camera(83813)", code: map[string]int{},
	}
	if gen == nvr.New {
		u.ns, u.realm = nsNew, "0123456789abcdef01234567"
	}
	u.defaults = map[string]string{
		"System/deviceInfo":         u.doc("DeviceInfo", "<deviceName>Embedded Net DVR</deviceName>\r\n<model>DS-7608NI-K2/8P</model>\r\n<serialNumber>%SERIAL%</serialNumber>\r\n<macAddress>bc:ad:28:00:00:01</macAddress>\r\n<firmwareVersion>%VERSION%</firmwareVersion>\r\n<firmwareReleasedDate>build 200916</firmwareReleasedDate>\r\n<deviceType>NVR</deviceType>\r\n"),
		"System/time":               u.doc("Time", "<timeMode>manual</timeMode>\r\n<localTime>2026-01-01T00:00:00+08:00</localTime>\r\n<timeZone>CST-8:00:00</timeZone>\r\n"),
		"System/Network/interfaces": u.doc("NetworkInterfaceList", "<NetworkInterface><id>1</id><IPAddress><addressingType>static</addressingType><ipAddress>192.168.1.64</ipAddress></IPAddress><Link><MACAddress>bc:ad:28:00:00:01</MACAddress></Link></NetworkInterface>\r\n"),
	}
	u.reset()
	u.srv = httptest.NewServer(u)
	t.Cleanup(u.srv.Close)
	return u
}

func (u *hik) doc(root, inside string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n<" + root + ` version="2.0" xmlns="` + u.ns + `">` + "\r\n" + inside + "</" + root + ">\r\n"
}

func (u *hik) reset() {
	u.config = maps.Clone(u.defaults)
	u.accounts, u.ids = map[string]string{}, map[string]string{}
	u.active = false
	if u.gen == nvr.Old {
		u.active, u.accounts["admin"], u.ids["1"] = true, "12345", "admin"
	}
}

func (u *hik) basicReset() {
	for k, v := range u.defaults {
		if k != "System/Network/interfaces" {
			u.config[k] = v
		}
	}
}

func (u *hik) do(f func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f()
}

func (u *hik) status(w http.ResponseWriter, code int) {
	text := map[int]string{1: "OK", 2: "Device Busy", 3: "Device Error", 4: "Invalid Operation", 5: "Invalid XML Format", 6: "Invalid XML Content", 7: "Reboot Required"}[code]
	sub := map[int]string{1: "ok", 2: "deviceBusy", 3: "deviceError", 4: "notSupport", 5: "badXmlFormat", 6: "badXmlContent", 7: "rebootRequired"}[code]
	http := map[int]int{4: 403, 5: 400, 6: 400}[code]
	if http != 0 {
		w.WriteHeader(http)
	}
	io.WriteString(w, u.doc("ResponseStatus", fmt.Sprintf("<requestURL>/x</requestURL>\r\n<statusCode>%d</statusCode>\r\n<statusString>%s</statusString>\r\n<subStatusCode>%s</subStatusCode>\r\n", code, text, sub)))
}

func (u *hik) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	login := ""
	if r.Header.Get("Authorization") != "" {
		login = " +login"
	}
	u.requests = append(u.requests, r.Method+" "+r.URL.Path+login)
	if u.hook != nil && u.hook(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	body, _ := io.ReadAll(r.Body)
	resource := strings.TrimPrefix(r.URL.Path, "/ISAPI/")
	switch {
	case r.URL.Path == "/SDK/activateStatus" && u.gen == nvr.New:
		io.WriteString(w, u.doc("ActivateStatus", fmt.Sprintf("<Activated>%v</Activated>\r\n", u.active)))
	case resource == "Security/challenge" && r.Method == "POST" && !u.active:
		u.challenge(w, string(body))
	case resource == "System/activate" && r.Method == "PUT" && !u.active:
		u.activate(w, string(body))
	case !strings.HasPrefix(r.URL.Path, "/ISAPI/"):
		http.NotFound(w, r)
	case u.authorised(w, r, resource):
		u.isapi(w, r, resource, string(body))
	}
}

var inKey = regexp.MustCompile(`<(?:key|password)>([^<]*)</`)

// challenge is the unit's side: 32 digits under the client's key.
func (u *hik) challenge(w http.ResponseWriter, body string) {
	text, _ := base64.StdEncoding.DecodeString(inKey.FindStringSubmatch(body)[1])
	n, ok := new(big.Int).SetString(string(text), 16)
	if !ok || len(text) != 256 {
		u.t.Errorf("the challenge's key is %d digits", len(text))
		return
	}
	u.secret = "00112233445566778899aabbccddeeff"
	c, err := rsa.EncryptPKCS1v15(rand.Reader, &rsa.PublicKey{N: n, E: 65537}, []byte(u.secret))
	if err != nil {
		u.t.Error(err)
	}
	io.WriteString(w, u.doc("Challenge", "<key>"+base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(c)))+"</key>"))
}

func (u *hik) activate(w http.ResponseWriter, body string) {
	text, _ := base64.StdEncoding.DecodeString(inKey.FindStringSubmatch(body)[1])
	sealed, err := hex.DecodeString(string(text))
	key, _ := hex.DecodeString(u.secret)
	if err != nil || len(sealed)%16 != 0 || len(key) != 16 {
		u.status(w, 6)
		return
	}
	block, _ := aes.NewCipher(key)
	for i := 0; i < len(sealed); i += 16 {
		block.Decrypt(sealed[i:], sealed[i:])
	}
	pw := strings.TrimRight(string(sealed[16:]), "\x00")
	if string(sealed[:16]) != u.secret[:16] || len(pw) < 8 {
		u.status(w, 6)
		return
	}
	u.active, u.accounts["admin"], u.ids["1"] = true, pw, "admin"
	u.status(w, 1)
}

// digestLogin reports whether a request carries the right digest for the nonce.
func digestLogin(r *http.Request, realm, nonce string, accounts map[string]string) bool {
	p := map[string]string{}
	for _, m := range authParam.FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
		p[m[1]] = m[2] + m[3]
	}
	pw, known := accounts[p["username"]]
	a1 := md5hex(p["username"] + ":" + realm + ":" + pw)
	a2 := md5hex(r.Method + ":" + r.URL.RequestURI())
	want := md5hex(strings.Join([]string{a1, p["nonce"], p["nc"], p["cnonce"], p["qop"], a2}, ":"))
	return known && want == p["response"] && p["nonce"] == nonce && p["uri"] == r.URL.RequestURI()
}

func (u *hik) authorised(w http.ResponseWriter, r *http.Request, resource string) bool {
	const nonce = "5a6d466d4d5467314d3251365a446b31597a51355a413d3d"
	sent := r.Header.Get("Authorization") != ""
	ok := digestLogin(r, u.realm, nonce, u.accounts)
	if sent && u.lockAt > 0 && u.refused >= u.lockAt {
		u.locked = true
	}
	if ok && !u.locked {
		u.refused = 0
		return true
	}
	if sent {
		u.refused++
	}
	w.Header().Set("WWW-Authenticate", `Digest qop="auth", realm="`+u.realm+`", nonce="`+nonce+`", stale="FALSE"`)
	if resource == "Security/userCheck" && u.noCheck == 0 {
		w.WriteHeader(401)
		lock, left := "unlock", max(0, 5-u.refused)
		if u.locked {
			lock, left = "lock", 0
		}
		io.WriteString(w, u.doc("userCheck", fmt.Sprintf("<statusValue>401</statusValue><statusString>Unauthorized</statusString><isDefaultPassword>false</isDefaultPassword><isActivated>%v</isActivated><lockStatus>%s</lockStatus><unlockTime>1800</unlockTime><retryLoginTime>%d</retryLoginTime>", u.active, lock, left)))
		return false
	}
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(401)
	io.WriteString(w, "<!DOCTYPE html>\r\n<html><head><title>Document Error: Unauthorized</title></head>\r\n<body><h2>Access Error: 401 -- Unauthorized</h2>\r\n<p>Authentication Error</p>\r\n</body>\r\n</html>\r\n")
	return false
}

func (u *hik) isapi(w http.ResponseWriter, r *http.Request, resource, body string) {
	if r.Method != http.MethodGet && u.busy > 0 {
		u.busy--
		u.status(w, 2)
		return
	}
	command := func(do func()) {
		code := u.code[resource]
		if code <= 1 {
			code = 1
			do()
		}
		if code == 7 {
			u.pending = do
		}
		u.status(w, code)
	}
	users := strings.TrimPrefix(resource, "Security/users/")
	switch {
	case resource == "Security/userCheck" && u.noCheck == 403:
		u.status(w, 4)
	case resource == "Security/userCheck" && u.noCheck != 0:
		w.WriteHeader(u.noCheck)
	case resource == "Security/userCheck":
		io.WriteString(w, u.doc("userCheck", "<statusValue>200</statusValue><statusString>OK</statusString><isDefaultPassword>false</isDefaultPassword><isActivated>true</isActivated>"))
	case resource == "System/status":
		io.WriteString(w, u.doc("DeviceStatus", "<deviceUpTime>42</deviceUpTime>"))
	case resource == "System/factoryReset" && r.Method == "PUT":
		u.resets = append(u.resets, r.URL.Query().Get("mode"))
		command(map[string]func(){"full": u.reset, "basic": u.basicReset}[r.URL.Query().Get("mode")])
	case resource == "System/reboot" && r.Method == "PUT":
		u.resets = append(u.resets, "reboot")
		if u.pending != nil {
			u.pending()
			u.pending = nil
		}
		u.status(w, 1)
	case resource == "Security/users" && r.Method == "GET":
		var list strings.Builder
		for _, id := range slices.Sorted(maps.Keys(u.ids)) {
			level := map[bool]string{true: "Administrator", false: "Viewer"}[u.ids[id] == "admin"]
			fmt.Fprintf(&list, "<User><id>%s</id><userName>%s</userName><userLevel>%s</userLevel></User>", id, u.ids[id], level)
		}
		io.WriteString(w, u.doc("UserList", list.String()))
	case resource == "Security/users" && r.Method == "POST":
		command(func() {
			u.accounts[inside(body, "userName")], u.ids["2"] = inside(body, "password"), inside(body, "userName")
		})
	case users != resource && r.Method == "PUT" && u.ids[users] == inside(body, "userName"):
		command(func() { u.accounts[u.ids[users]] = inside(body, "password") })
	case users != resource && r.Method == "DELETE":
		command(func() { delete(u.accounts, u.ids[users]); delete(u.ids, users) })
	case u.config[resource] != "" && r.Method == "GET":
		io.WriteString(w, strings.NewReplacer("%SERIAL%", u.serial, "%VERSION%", u.version).Replace(u.config[resource]))
	case u.config[resource] != "" && r.Method == "PUT":
		command(func() { u.config[resource] = body })
	default:
		u.status(w, 4)
	}
}

func inside(body, tag string) string {
	_, s, _ := strings.Cut(body, "<"+tag+">")
	s, _, _ = strings.Cut(s, "</"+tag+">")
	return s
}

// segment is a lab whose neighbours are known by their hardware addresses, and
// where WS-Discovery may be answered.
type segment struct {
	nvr.Network
	mac string
	wsd func(to, probe string) []nvr.Datagram
}

func (s *segment) Neighbour(context.Context, string) (string, bool) { return s.mac, s.mac != "" }

func (s *segment) Exchange(_ context.Context, to string, b []byte, _ time.Duration) ([]nvr.Datagram, error) {
	if s.wsd == nil {
		return nil, nil
	}
	return s.wsd(to, string(b)), nil
}

// hikBench is a unit and the options to open it with.
type hikBench struct {
	u    *hik
	net  *segment
	book *book
	o    nvr.Options
}

func newHikBench(t *testing.T, gen string) *hikBench {
	t.Helper()
	u := newHik(t, gen)
	clock := newJump()
	b := &hikBench{u: u, book: newBook(), net: &segment{Network: nvr.RealNetwork(clock, ""), mac: "bc:ad:28:00:00:01"}}
	b.o = nvr.Options{
		Model: nvr.Model{
			Name: "hikvision-test", Dialect: nvr.DialectHikvision, Generation: gen,
			Tables: []string{"System/deviceInfo", "System/time", "System/Network/interfaces"},
			Ignore: []string{"System/deviceInfo.serialNumber", "System/time.localTime"},
		},
		URL: u.srv.URL, Clock: clock, Net: b.net, Ledger: b.book, Vault: b.book, Rand: chance(1),
		Identity: rig.Identity{Serial: u.serial, MAC: "bc:ad:28:00:00:01"},
		Baseline: map[string]string{
			"System/deviceInfo.deviceName": "Embedded Net DVR", "System/deviceInfo.model": "DS-7608NI-K2/8P", "System/deviceInfo.macAddress": "bc:ad:28:00:00:01",
			"System/deviceInfo.firmwareVersion": "V4.30.085", "System/deviceInfo.firmwareReleasedDate": "build 200916", "System/deviceInfo.deviceType": "NVR",
			"System/time.timeMode": "manual", "System/time.timeZone": "CST-8:00:00",
			"System/Network/interfaces.NetworkInterface[0].id": "1", "System/Network/interfaces.NetworkInterface[0].IPAddress.addressingType": "static",
			"System/Network/interfaces.NetworkInterface[0].IPAddress.ipAddress": "192.168.1.64", "System/Network/interfaces.NetworkInterface[0].Link.MACAddress": "bc:ad:28:00:00:01",
		},
	}
	if gen == nvr.Old {
		b.o.Model.Accounts = []rig.Credential{{User: "admin", Password: "12345"}}
	}
	return b
}

func (b *hikBench) open(t *testing.T) *nvr.Device {
	t.Helper()
	d, err := nvr.Open(b.o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// marked opens a device and marks its unit.
func (b *hikBench) marked(t *testing.T) (*nvr.Device, rig.Mark) {
	t.Helper()
	d := b.open(t)
	if _, err := d.Provision(t.Context()); err != nil {
		t.Fatal("provision:", err)
	}
	m, err := d.Mark(t.Context(), rig.MarkSpec{Password: true, Name: true, Config: map[string]string{"System/time.timeZone": "CST-5:00:00"}})
	if err != nil {
		t.Fatal("mark:", err)
	}
	return d, m
}
