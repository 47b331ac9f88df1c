package nvr_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

// unit is a small true recorder of one of the generations, on httptest.
type unit struct {
	t   *testing.T
	srv *httptest.Server

	mu        sync.Mutex
	gen       string
	init      int
	serial    string
	mac       string
	version   string
	accounts  map[string]string
	config    map[string]string
	defaults  map[string]string
	nonce     int
	challenge func(nonce string) string // WWW-Authenticate
	refused   int                       // logins refused, as the unit counts
	lockAt    int                       // 403 from that many on; 0 never
	refuse    bool                      // 200 with Error to every write
	forget    bool                      // OK to every write, and nothing done
	empty     bool                      // an empty 200 to writes that land
	dropReset bool                      // drops the connection on a reset
	basicOnly bool
	dhipInit  *int // overrides the bits of discovery
	key       *rsa.PrivateKey
	requests  []string
	hook      func(w http.ResponseWriter, r *http.Request) bool // true: handled
	agreed    bool
	rpc       *rpcUnit // nil: it speaks no JSON-RPC
}

func newUnit(t *testing.T, gen string) *unit {
	t.Helper()
	u := &unit{
		t: t, gen: gen, serial: "4F0A2B1PAZ00001", mac: "38:af:29:00:00:01", version: "4.001.0000001.0,build:2024-02-02",
		accounts: map[string]string{}, key: testKey(t),
		challenge: func(n string) string {
			return `Digest realm="Login to ND021811019863",qop="auth",nonce="` + n + `",opaque="9a20c1"`
		},
	}
	u.defaults = map[string]string{
		"General.MachineName": "NVR", "General.LocalNo": "8",
		"Network.Hostname": "NVR", "Network.eth0.IPAddress": "192.168.1.108",
	}
	u.reset()
	u.srv = httptest.NewServer(u)
	t.Cleanup(u.srv.Close)
	return u
}

// reset is a factory reset.
func (u *unit) reset() {
	u.config = maps.Clone(u.defaults)
	u.accounts = map[string]string{}
	u.init, u.agreed = 1, false
	if u.gen == nvr.Old {
		u.init = 0
		u.accounts["admin"] = "admin"
	}
}

func testKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	b, err := os.ReadFile("testdata/key.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (u *unit) pub() string { return fmt.Sprintf("N:%X,E:010001", u.key.N) }

func (u *unit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	w.Header().Set("Connection", "close")
	login := ""
	if r.Header.Get("Authorization") != "" {
		login = " +login"
	}
	u.requests = append(u.requests, r.Method+" "+r.URL.Path+login)
	if u.hook != nil && u.hook(w, r) {
		return
	}
	switch {
	case r.URL.Path == "/":
		fmt.Fprint(w, "<html>login</html>")
	case strings.HasPrefix(r.URL.Path, "/RPC2") && u.rpc != nil:
		u.speak(w, r)
	case r.URL.Path == "/OutsideCmd" && u.gen == nvr.New && (u.rpc == nil || !u.rpc.mute):
		u.outside(w, r)
	case strings.HasPrefix(r.URL.Path, "/cgi-bin/"):
		if u.authorised(w, r) {
			u.cgi(w, r)
		}
	default:
		http.NotFound(w, r)
	}
}

func (u *unit) outside(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Method string
		Params json.RawMessage
	}
	b, _ := io.ReadAll(r.Body)
	if json.Unmarshal(b, &q) != nil || strings.Contains(string(b), "session") {
		http.Error(w, "Bad Request!", 400)
		return
	}
	no := func() { fmt.Fprint(w, `{"error":{"code":268894210,"message":"no right"},"id":1,"result":false}`) }
	yes := func(params string) { fmt.Fprintf(w, `{"id":1,"params":%s,"result":true}`, params) }
	switch q.Method {
	case "DevInit.getStatus":
		yes(fmt.Sprintf(`{"Init":%d,"Find":"AB"}`, u.init))
	case "Security.getEncryptInfo":
		yes(`{"AESPadding":["ZERO","PKCS7"],"asymmetric":"RSA","cipher":["AES","RPAC"],"pub":"` + u.pub() + `"}`)
	case "DevInit.setProtocolAgree":
		u.agreed = u.init == 1
		yes("null")
	case "DevInit.account":
		var e nvr.Envelope
		var a struct {
			Name, Pwd, CellPhone string
			Mail                 *string
		}
		if !u.agreed || u.refuse || json.Unmarshal(q.Params, &e) != nil || json.Unmarshal(u.open(e), &a) != nil || a.Mail == nil {
			no()
			return
		}
		u.accounts[a.Name], u.init = a.Pwd, 2
		yes("null")
	case "DevInit.access":
		yes("null")
	default:
		no()
	}
}

// open is the unit's side of the envelope.
func (u *unit) open(e nvr.Envelope) []byte {
	salt, err1 := hex.DecodeString(e.Salt)
	content, err2 := base64.StdEncoding.DecodeString(e.Content)
	digits, err3 := rsa.DecryptPKCS1v15(nil, u.key, salt)
	if err1 != nil || err2 != nil || err3 != nil || e.Cipher != "RPAC-256" || len(content)%16 != 0 {
		return nil
	}
	block, err := aes.NewCipher(digits)
	if err != nil {
		return nil
	}
	cipher.NewCBCDecrypter(block, []byte("0000000000000000")).CryptBlocks(content, content)
	return []byte(strings.TrimRight(string(content), "\x00"))
}

var authParam = regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^,\s]*))`)

func md5hex(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }

func (u *unit) authorised(w http.ResponseWriter, r *http.Request) bool {
	if u.lockAt > 0 && u.refused >= u.lockAt {
		http.Error(w, "Authority:check failure.", 403)
		return false
	}
	h := r.Header.Get("Authorization")
	ok := false
	if user, pw, basic := r.BasicAuth(); basic {
		ok = u.basicOnly && u.accounts[user] == pw && pw != ""
	} else if h != "" {
		p := map[string]string{}
		for _, m := range authParam.FindAllStringSubmatch(h, -1) {
			p[m[1]] = m[2] + m[3]
		}
		realm := regexp.MustCompile(`(?i)realm="([^"]*)"`).FindStringSubmatch(u.challenge("x"))[1]
		pw, known := u.accounts[p["username"]]
		a1 := md5hex(p["username"] + ":" + realm + ":" + pw)
		a2 := md5hex(r.Method + ":" + r.URL.RequestURI())
		want := md5hex(strings.Join([]string{a1, p["nonce"], p["nc"], p["cnonce"], p["qop"], a2}, ":"))
		// A nonce is good once.
		known = known && (u.rpc == nil || !u.rpc.deaf)
		ok = known && want == p["response"] && p["nonce"] == fmt.Sprint("n", u.nonce) && p["uri"] == r.URL.RequestURI()
		u.nonce++
	}
	if ok {
		return true
	}
	if h != "" {
		u.refused++
	} else {
		u.nonce++
	}
	if u.basicOnly {
		w.Header().Set("WWW-Authenticate", `Basic realm="Device_CGI"`)
	} else {
		w.Header().Set("WWW-Authenticate", u.challenge(fmt.Sprint("n", u.nonce)))
	}
	w.WriteHeader(401)
	fmt.Fprint(w, "Error\r\nInvalid Authority!\r\n")
	return false
}

func (u *unit) cgi(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	write := func(do func()) {
		switch {
		case u.refuse:
			fmt.Fprint(w, "Error\r\n")
		case u.forget:
			fmt.Fprint(w, "OK\r\n")
		case u.empty:
			do()
		default:
			do()
			fmt.Fprint(w, "OK\r\n")
		}
	}
	switch q.Get("action") {
	case "getSerialNo":
		fmt.Fprintf(w, "sn=%s\r\n", u.serial)
	case "getDeviceType":
		fmt.Fprint(w, "type=IMOU-NVR1104\r\n")
	case "getMachineName":
		fmt.Fprintf(w, "name=%s\r\n", u.config["General.MachineName"])
	case "getSoftwareVersion":
		fmt.Fprintf(w, "version=%s\r\n", u.version)
	case "getConfig":
		n := 0
		for _, k := range slices.Sorted(maps.Keys(u.config)) {
			if strings.HasPrefix(k, q.Get("name")+".") {
				fmt.Fprintf(w, "table.%s=%s\r\n", k, u.config[k])
				n++
			}
		}
		if n == 0 {
			w.WriteHeader(400)
			fmt.Fprint(w, "Error\r\nBad Request!\r\n")
		}
	case "setConfig":
		write(func() {
			for k := range q {
				if k != "action" {
					u.config[k] = q.Get(k)
				}
			}
		})
	case "modifyPassword":
		if u.accounts[q.Get("name")] != q.Get("pwdOld") {
			fmt.Fprint(w, "Error\r\n")
			return
		}
		write(func() { u.accounts[q.Get("name")] = q.Get("pwd") })
	case "getUserInfoAll":
		for i, name := range u.names() {
			fmt.Fprintf(w, "users[%d].Group=admin\r\nusers[%d].Name=%s\r\nusers[%d].Reserved=true\r\n", i, i, name, i)
		}
	case "addUser":
		write(func() { u.accounts[q.Get("user.Name")] = q.Get("user.Password") })
	case "deleteUser":
		write(func() { delete(u.accounts, q.Get("name")) })
	case "resetSystemEx":
		if u.dropReset {
			u.reset()
			drop(w)
			return
		}
		write(u.reset)
	case "restore":
		write(func() {
			for k, v := range u.defaults {
				if strings.HasPrefix(k, q.Get("names[0]")+".") {
					u.config[k] = v
				}
			}
		})
	default:
		w.WriteHeader(400)
		fmt.Fprint(w, "Error\r\nBad Request!\r\n")
	}
}

func drop(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		c.Close()
	}
}

// answerDHIP is the unit's datagram for a search with a right header.
func (u *unit) answerDHIP(b []byte) []nvr.Datagram {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(b) < 32 || binary.LittleEndian.Uint32(b) != 32 || string(b[4:8]) != "DHIP" || !json.Valid(b[32:]) {
		return nil
	}
	host, port := u.address()
	i := 3208 | u.init
	if u.dhipInit != nil {
		i = *u.dhipInit
	}
	msg := fmt.Sprintf(`{"mac":%q,"method":"client.notifyDevInfo","params":{"deviceInfo":{"DeviceClass":"NVR","DeviceType":"IMOU-NVR1104","HttpPort":%s,"Port":37777,"IPv4Address":{"IPAddress":%q},"MachineName":%q,"SerialNo":%q,"Vendor":"IMOU","Version":"4.001","Init":%d}}}`+"\n\x00",
		u.mac, port, host, u.config["General.MachineName"], u.serial, i)
	head := make([]byte, 32)
	binary.LittleEndian.PutUint32(head, 32)
	copy(head[4:], "DHIP")
	binary.LittleEndian.PutUint64(head[16:], uint64(len(msg)))
	binary.LittleEndian.PutUint64(head[24:], uint64(len(msg)))
	d := nvr.Datagram{From: host + ":37810", Data: append(head, msg...)}
	return []nvr.Datagram{d, d, d}
}

func (u *unit) address() (host, port string) {
	host, port, _ = strings.Cut(strings.TrimPrefix(u.srv.URL, "http://"), ":")
	return
}

func (u *unit) since(from int) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.requests[from:])
}

func (u *unit) do(f func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f()
}

// lab is a network with httptest servers and whatever answers datagrams.
type lab struct {
	real     nvr.Network
	mu       sync.Mutex
	sent     []string
	exchange func(to string, b []byte) []nvr.Datagram
}

func (l *lab) RoundTripper(v func(tls.ConnectionState) error) http.RoundTripper {
	return l.real.RoundTripper(v)
}
func (l *lab) Exchange(_ context.Context, to string, b []byte, _ time.Duration) ([]nvr.Datagram, error) {
	l.mu.Lock()
	l.sent = append(l.sent, string(b))
	l.mu.Unlock()
	if l.exchange == nil {
		return nil, nil
	}
	return l.exchange(to, b), nil
}

// book is a ledger and a vault in memory, which notes the order of things.
type book struct {
	mu      sync.Mutex
	refused map[string][]time.Time
	vault   map[string][]rig.Credential
	events  []string
	onStore func(rig.Credential)
}

func newBook() *book {
	return &book{refused: map[string][]time.Time{}, vault: map[string][]rig.Credential{}}
}

func (b *book) Refused(dut string, at time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused[dut] = append(b.refused[dut], at)
	return nil
}

func (b *book) RefusedSince(dut string, since time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, t := range b.refused[dut] {
		if !t.Before(since) {
			n++
		}
	}
	return n, nil
}

func (b *book) Clear(dut string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.refused, dut)
	return nil
}

func (b *book) Remember(dut string, c rig.Credential) error {
	if b.onStore != nil {
		b.onStore(c)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vault[dut] = append([]rig.Credential{c}, b.vault[dut]...)
	return nil
}

func (b *book) Recall(dut string) ([]rig.Credential, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.vault[dut]), nil
}

func (b *book) booked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, r := range b.refused {
		n += len(r)
	}
	return n
}

// seeded is a reader of reproducible bytes.
type seeded struct{ r *rand.Rand }

func (s seeded) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s.r.Uint32())
	}
	return len(p), nil
}

func chance(seed uint64) io.Reader { return seeded{rand.New(rand.NewPCG(seed, 1))} }

type bench struct {
	u    *unit
	lab  *lab
	book *book
	o    nvr.Options
	log  strings.Builder
}

// newBench is a unit and the options to open it with.
func newBench(t *testing.T, gen string) *bench {
	t.Helper()
	u := newUnit(t, gen)
	b := &bench{u: u, book: newBook(), lab: &lab{real: nvr.RealNetwork(rig.System(), "")}}
	b.lab.exchange = func(_ string, d []byte) []nvr.Datagram { return u.answerDHIP(d) }
	b.o = nvr.Options{
		Model: nvr.Model{
			Name: "test", Dialect: nvr.DialectIMOU, Generation: gen,
			Tables: []string{"General", "Network"}, Ignore: []string{"Network.eth0.IPAddress"},
		},
		URL: u.srv.URL, Clock: newJump(), Net: b.lab, Ledger: b.book, Vault: b.book, Rand: chance(1),
		Identity: rig.Identity{Serial: u.serial},
		Baseline: maps.Clone(u.defaults),
	}
	if gen == nvr.Old {
		b.o.Model.Accounts = []rig.Credential{{User: "admin", Password: "admin"}, {User: "888888", Password: "888888"}}
	}
	return b
}

func (b *bench) open(t *testing.T) *nvr.Device {
	t.Helper()
	d, err := nvr.Open(b.o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// outcomes are the checks as name → outcome.
func outcomes(cs []rig.Check) map[string]rig.CheckOutcome {
	out := map[string]rig.CheckOutcome{}
	for _, c := range cs {
		out[c.Name] = c.Outcome
	}
	return out
}

func find(cs []rig.Check, name string) rig.Check {
	for _, c := range cs {
		if c.Name == name {
			return c
		}
	}
	return rig.Check{}
}
