package nvr_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

// trust is a memory of certificates, as durable as the test.
type trust struct {
	mu   sync.Mutex
	pins map[string]string
}

func newTrust() *trust { return &trust{pins: map[string]string{}} }

func (t *trust) Pinned(dut string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pins[dut], nil
}

func (t *trust) Pin(dut, fingerprint string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pins[dut] = fingerprint
	return nil
}

// certificate is a self-signed one, and its fingerprint.
func certificate(t *testing.T, old bool) (tls.Certificate, string) {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<31, 0)}
	var c tls.Certificate
	var err error
	var der []byte
	if old { // a key exchange of its time needs a key of its time
		var k *rsa.PrivateKey
		if k, err = rsa.GenerateKey(rand.Reader, 2048); err == nil {
			c.PrivateKey = k
			der, err = x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
		}
	} else {
		var k *ecdsa.PrivateKey
		if k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			c.PrivateKey = k
			der, err = x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Certificate = [][]byte{der}
	sum := sha256.Sum256(der)
	return c, hex.EncodeToString(sum[:])
}

// secure is a unit over https whose certificate can be changed.
type secure struct {
	*hikBench
	trust *trust
	mu    sync.Mutex
	cert  tls.Certificate
	print string
}

func newSecure(t *testing.T, gen string) *secure {
	t.Helper()
	s := &secure{hikBench: newHikBench(t, gen), trust: newTrust()}
	s.renew(t)
	srv := httptest.NewUnstartedServer(s.u)
	srv.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return &tls.Config{Certificates: []tls.Certificate{s.cert}}, nil
	}}
	srv.Config.ErrorLog = quiet
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s.o.URL, s.o.Trust = srv.URL, s.trust
	return s
}

// renew gives the unit another certificate.
func (s *secure) renew(t *testing.T) {
	t.Helper()
	c, print := certificate(t, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cert, s.print = c, print
}

// logins counts the requests with a login.
func (s *secure) logins() int {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	return strings.Count(strings.Join(s.u.requests, "\n"), "+login")
}

var known = rig.Credential{User: "admin", Password: "kn0wn-pw"}

func (s *secure) initialised() {
	s.u.do(func() { s.u.active, s.u.accounts["admin"], s.u.ids["1"] = true, known.Password.Reveal(), "admin" })
	s.o.Login = known
}

func TestAnotherCertificateIsAnotherUnit(t *testing.T) {
	s := newSecure(t, nvr.New)
	s.initialised()
	d := s.open(t)
	if r := d.Login(t.Context(), known); r.Result != nvr.LoginAccepted {
		t.Fatalf("%+v", r)
	}
	s.renew(t)
	asked, n := len(s.u.requests), s.logins()
	if _, err := d.Probe(t.Context()); !errors.Is(err, rig.ErrWrongUnit) || !errors.Is(err, nvr.ErrCertificate) {
		t.Errorf("probe: %v", err)
	}
	if r := d.Login(t.Context(), known); r.Result != nvr.LoginUnknown || r.Reason != rig.ReasonWrongUnit {
		t.Errorf("login: %+v", r)
	}
	if err := d.FactoryReset(t.Context(), nil); !errors.Is(err, rig.ErrWrongUnit) {
		t.Errorf("reset: %v", err)
	}
	if st := d.State(t.Context()); st.State != nvr.StateUnknown || st.Reason != rig.ReasonWrongUnit {
		t.Errorf("state: %+v", st)
	}
	if len(s.u.requests) != asked || s.logins() != n {
		t.Errorf("%v was sent to it", s.u.requests[asked:])
	}
}

// A unit is first known by its address, and by its serial number from the first
// login on: the pin holds under both, also at the next start.
func TestThePinFollowsTheName(t *testing.T) {
	s := newSecure(t, nvr.New)
	s.initialised()
	s.o.Identity, s.net.mac = rig.Identity{}, ""
	if r := s.open(t).Login(t.Context(), known); r.Result != nvr.LoginAccepted {
		t.Fatalf("%+v", r)
	}
	for _, name := range []string{"url:" + s.o.URL, "serial:" + s.u.serial} {
		if got := s.trust.pins[name]; got != s.print {
			t.Errorf("pinned for %s: %q, want %q", name, got, s.print)
		}
	}
	s.renew(t)
	for _, id := range []rig.Identity{{}, {Serial: s.u.serial}, {Serial: s.u.serial, MAC: "bc:ad:28:00:00:01"}} {
		s.o.Identity = id
		n := s.logins()
		if r := s.open(t).Login(t.Context(), known); r.Result != nvr.LoginUnknown || s.logins() != n {
			t.Errorf("%+v: %+v, %d logins were sent", id, r, s.logins()-n)
		}
	}
}

// A stranger that was there first leaves no pin behind.
func TestAStrangersPinIsGivenUp(t *testing.T) {
	s := newSecure(t, nvr.New)
	s.initialised()
	serial := s.u.serial
	s.o.Identity, s.net.mac = rig.Identity{Serial: serial}, ""
	s.u.do(func() { s.u.serial = "STRANGER" })
	d := s.open(t)
	if r := d.Login(t.Context(), known); r.Reason != rig.ReasonWrongUnit {
		t.Fatalf("%+v", r)
	}
	s.u.do(func() { s.u.serial = serial })
	s.renew(t) // ours has a certificate of its own
	if r := d.Login(t.Context(), known); r.Result != nvr.LoginAccepted {
		t.Errorf("%+v", r)
	}
	if got := s.trust.pins["serial:"+serial]; got != s.print {
		t.Errorf("pinned %q, want %q", got, s.print)
	}
}

// A model whose factory reset makes a new certificate: it is believed once
// something else proves the unit, and until then no password goes out.
func TestACertificateThatChangesAtAReset(t *testing.T) {
	for _, c := range []struct {
		name, gen string
		mac       string // seen after the reset
		ok        bool
	}{
		{"new, its hardware address proves it", nvr.New, "bc:ad:28:00:00:01", true},
		{"new, nothing proves it", nvr.New, "", false},
		{"old, its serial number does after the default login", nvr.Old, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSecure(t, c.gen)
			s.o.Model.TLS.ChangesCertificate = true
			d, m := s.marked(t)
			n := s.logins()
			s.u.do(s.u.reset)
			s.renew(t)
			s.net.mac = c.mac
			cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
			if err != nil {
				t.Fatal(err)
			}
			bad := 0
			for _, k := range cs {
				if k.Outcome == fail || k.Outcome == unknown {
					bad++
				}
			}
			pinned := s.trust.pins["serial:"+s.u.serial]
			if (bad == 0) != c.ok || (pinned == s.print) != c.ok {
				t.Errorf("%v; pinned anew is %v", outcomes(cs), pinned == s.print)
			}
			if !c.ok && s.logins() != n {
				t.Errorf("%d logins were sent to it", s.logins()-n)
			}
		})
	}
	// A password that is no default one waits for the proof.
	s := newSecure(t, nvr.New)
	s.initialised()
	s.o.Model.TLS.ChangesCertificate = true
	d := s.open(t)
	if r := d.Login(t.Context(), known); r.Result != nvr.LoginAccepted {
		t.Fatalf("%+v", r)
	}
	s.renew(t)
	s.net.mac = ""
	n := s.logins()
	if r := d.Login(t.Context(), known); r.Result != nvr.LoginUnknown || s.logins() != n {
		t.Errorf("%+v, %d logins were sent", r, s.logins()-n)
	}
	s.net.mac = "bc:ad:28:00:00:99"
	if r := d.Login(t.Context(), known); r.Reason != rig.ReasonWrongUnit || s.logins() != n {
		t.Errorf("another hardware address: %+v, %d logins were sent", r, s.logins()-n)
	}
	s.net.mac = "bc:ad:28:00:00:01"
	if r := d.Login(t.Context(), known); r.Result != nvr.LoginAccepted || s.trust.pins["serial:"+s.u.serial] != s.print {
		t.Errorf("%+v, pinned %v", r, s.trust.pins)
	}
}

// TLS below 1.2 is spoken where the model allows it, and nowhere else.
func TestOldTLSOnlyWhereAllowed(t *testing.T) {
	cert, _ := certificate(t, true)
	for _, c := range []struct {
		name   string
		server *tls.Config
		least  string
		ok     bool
	}{
		{"1.0, allowed", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, "1.0", true},
		{"1.0, not allowed", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, "", false},
		{"1.0, 1.1 allowed", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, "1.1", false},
		{"1.1, allowed", &tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, "1.1", true},
		{"1.0 with RSA alone, allowed", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, "1.0", true},
		{"1.2", &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}, "", true},
		{"1.3, 1.0 allowed", &tls.Config{}, "1.0", true},
	} {
		u := newHik(t, nvr.New)
		srv := httptest.NewUnstartedServer(u)
		c.server.Certificates = []tls.Certificate{cert}
		srv.TLS, srv.Config.ErrorLog = c.server, quiet
		srv.StartTLS()
		book := newBook()
		d, err := nvr.Open(nvr.Options{
			Model: nvr.Model{Dialect: nvr.DialectHikvision, Generation: nvr.New, TLS: nvr.TLSSpec{Least: c.least}},
			URL:   srv.URL, Clock: newJump(), Net: nvr.RealNetwork(rig.System(), ""), Ledger: book, Vault: book, Trust: newTrust(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if st := d.State(t.Context()); (st.State == nvr.StateDefault) != c.ok {
			t.Errorf("%s: %+v", c.name, st)
		}
		srv.Close()
	}
	book := newBook()
	if _, err := nvr.Open(nvr.Options{Model: nvr.Model{Dialect: nvr.DialectHikvision, Generation: nvr.New, TLS: nvr.TLSSpec{Least: "0.9"}}, URL: "https://127.0.0.1", Clock: newJump(), Net: nvr.RealNetwork(rig.System(), ""), Ledger: book, Vault: book}); err == nil {
		t.Error("TLS 0.9 was taken")
	}
}

// A unit that moves to https is followed there on its own host, and its
// certificate is pinned before a login goes out.
func TestARedirectToHTTPSIsPinned(t *testing.T) {
	s := newSecure(t, nvr.New)
	s.initialised()
	to := s.o.URL
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a login went out in the clear")
		}
		http.Redirect(w, r, to+"/", http.StatusMovedPermanently)
	}))
	defer plain.Close()
	s.o.URL = plain.URL
	d := s.open(t)
	if r := d.Login(t.Context(), known); r.Result != nvr.LoginAccepted || s.trust.pins["serial:"+s.u.serial] != s.print {
		t.Errorf("%+v, pinned %v", r, s.trust.pins)
	}
}

// Out of TLS a unit is not followed.
func TestARedirectOutOfTLSIsNotFollowed(t *testing.T) {
	s := newSecure(t, nvr.New)
	s.initialised()
	to := s.u.srv.URL // the same unit, in the clear
	s.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.TLS != nil {
			http.Redirect(w, r, to+r.URL.Path, http.StatusFound)
			return true
		}
		t.Errorf("asked in the clear: %s", r.URL.Path)
		return false
	}
	if r := s.open(t).Login(t.Context(), known); r.Result != nvr.LoginUnknown {
		t.Errorf("%+v", r)
	}
}

// A unit that discovery finds elsewhere, and that shows another certificate
// there, is none to follow.
func TestDiscoveryLeadsToAnotherCertificate(t *testing.T) {
	s := newSecure(t, nvr.New)
	s.initialised()
	d := s.open(t)
	if r := d.Login(t.Context(), known); r.Result != nvr.LoginAccepted {
		t.Fatalf("%+v", r)
	}
	home := s.o.URL
	s.o.URL, s.o.DiscoveryAddr = "https://127.0.0.2:1", "239.255.255.250:3702"
	s.trust.pins = map[string]string{"serial:" + s.u.serial: s.print}
	s.net.mac = ""
	s.net.wsd = func(_, probe string) []nvr.Datagram {
		return []nvr.Datagram{{From: "192.0.2.7:3702", Data: []byte(probeMatch(probe, "u", "onvif://www.onvif.org/MAC/bc:ad:28:00:00:01", home+"/onvif/device_service"))}}
	}
	if sight, err := s.open(t).Probe(t.Context()); err != nil || sight.Reach != rig.ReachReady || sight.URL != home {
		t.Errorf("with its own: %+v, %v", sight, err)
	}
	s.renew(t)
	if sight, err := s.open(t).Probe(t.Context()); !errors.Is(err, nvr.ErrCertificate) {
		t.Errorf("with another: %+v, %v", sight, err)
	}
}

func TestNeighbours(t *testing.T) {
	const table = `IP address       HW type     Flags       HW address            Mask     Device
192.168.1.64     0x1         0x2         bc:ad:28:00:00:01     *        eth1
192.168.1.65     0x1         0x0         00:00:00:00:00:00     *        eth1
192.168.1.66     0x1         0x6         bc:ad:28:00:00:03     *        eth0
192.168.1.67     0x1         0x2         bc:ad:28:00:00:04     *        eth0
192.168.1.67     0x1         0x2         bc:ad:28:00:00:05     *        eth1
192.168.1.68     0x1         0x2         nonsense              *        eth1
192.168.1.69     0x1
`
	for _, c := range []struct{ ip, iface, mac string }{
		{"192.168.1.64", "", "bc:ad:28:00:00:01"}, {"192.168.1.64", "eth1", "bc:ad:28:00:00:01"}, {"192.168.1.64", "eth0", ""},
		{"192.168.1.65", "", ""}, {"192.168.1.66", "", "bc:ad:28:00:00:03"}, {"192.168.1.6", "", ""},
		{"192.168.1.67", "", ""}, {"192.168.1.67", "eth1", "bc:ad:28:00:00:05"}, {"192.168.1.68", "", ""}, {"192.168.1.69", "", ""},
	} {
		if mac, ok := nvr.NeighbourIn(table, c.ip, c.iface); mac != c.mac || ok != (c.mac != "") {
			t.Errorf("%s at %q: %q, %v, want %q", c.ip, c.iface, mac, ok, c.mac)
		}
	}
	n, ok := nvr.RealNetwork(rig.System(), "").(nvr.Neighbours)
	if !ok {
		t.Fatal("the real network knows no neighbours")
	}
	if mac, ok := n.Neighbour(t.Context(), "127.0.0.1"); ok {
		t.Errorf("loopback has the address %s", mac)
	}
}
