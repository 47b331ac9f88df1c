package access_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"resetrig/web/access"
)

// pair is a certificate of its own signing, in files.
type pair struct {
	certFile, keyFile string
	cert, key         []byte
	serial            int64
}

func newPair(t *testing.T, c *clock, serial int64, life time.Duration) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "rig"}, DNSNames: []string{"rig.example"},
		NotBefore: c.Now().Add(-time.Hour), NotAfter: c.Now().Add(life)}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := pair{certFile: filepath.Join(dir, "rig.crt"), keyFile: filepath.Join(dir, "rig.key"), serial: serial,
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}
	p.write(t, p.cert, p.key)
	return p
}

func (p pair) write(t *testing.T, cert, key []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(p.certFile, cert, 0o644), os.WriteFile(p.keyFile, key, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// withTLS serves with tokens and a certificate.
func withTLS(t *testing.T, h http.Handler) (p *place, pr pair, addr string) {
	t.Helper()
	p = withTokens(t)
	pr = newPair(t, p.clock, 1, 24*time.Hour)
	if err := p.UseTLS(pr.certFile, pr.keyFile); err != nil {
		t.Fatal(err)
	}
	return p, pr, p.serve(h)
}

// secure is a client that takes any certificate, as one does who looks at it himself.
func secure(h2 bool) *http.Client {
	return &http.Client{CheckRedirect: client.CheckRedirect,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: h2, DisableKeepAlives: true}}
}

func TestTLS(t *testing.T) {
	p, _, addr := withTLS(t, echo)
	a, err := tryAsk(secure(false), "POST", "https://"+addr+"/login", "token="+p.operator, "Content-Type", "application/x-www-form-urlencoded",
		"Origin", "https://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	a.is(t, "login", http.StatusSeeOther)
	c := a.Cookies()
	_, port, _ := strings.Cut(addr, ":")
	if len(c) != 1 || !c[0].Secure || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Path != "/" || c[0].Domain != "" ||
		c[0].Name != "__Host-resetrig-"+port {
		t.Fatalf("got cookies %v", c)
	}
	for _, h2 := range []bool{false, true} {
		a, err = tryAsk(secure(h2), "GET", "https://"+addr+"/x", "", "Cookie", c[0].Name+"="+c[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		if a.body != "otto operator 127.0.0.1" || (a.ProtoMajor == 2) != h2 || !strings.HasPrefix(a.Header.Get("Strict-Transport-Security"), "max-age=") {
			t.Errorf("HTTP/2 %v: got %s %q %v", h2, a.Proto, a.body, a.Header)
		}
		// A cookie without the prefix may have come over plain HTTP, from anybody.
		a, err = tryAsk(secure(h2), "GET", "https://"+addr+"/x", "", "Cookie", "resetrig-"+port+"="+c[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		a.is(t, "a cookie of plain HTTP", 401)
	}
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		k, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if err == nil {
			_ = k.Close()
		}
		if good != (err == nil) {
			t.Errorf("%s: got %v", tls.VersionName(version), err)
		}
	}
}

func TestPlainHTTPOnTheTLSPort(t *testing.T) {
	p, _, addr := withTLS(t, echo)
	c := raw(t, "127.0.0.1", addr, "GET /x HTTP/1.1\r\nHost: "+addr+"\r\nAuthorization: Bearer "+p.operator+"\r\n\r\n")
	w := readAnswer(t, c)
	text, _ := io.ReadAll(w.Body)
	if w.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "HTTPS") || strings.Contains(string(text), "otto") {
		t.Errorf("got %s %q", w.Status, text)
	}
	a, err := tryAsk(secure(false), "GET", "https://"+addr+"/healthz", "")
	if err != nil {
		t.Fatal(err)
	}
	a.is(t, "TLS after it", 200)
}

func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	p := withTokens(t)
	pr := newPair(t, p.clock, 1, time.Hour)
	if err := p.UseTLS(pr.certFile, pr.keyFile); err != nil {
		t.Fatal(err)
	}
	p.HeaderWithin = 100 * time.Millisecond
	addr := p.serve(echo)
	cutOff(t, "nothing", raw(t, "127.0.0.1", addr, ""))
	cutOff(t, "half a hello", raw(t, "127.0.0.1", addr, "\x16\x03\x01\x02\x00\x01"))
}

func TestCertificateIsReadAgain(t *testing.T) {
	p, first, addr := withTLS(t, echo)
	serial := func() int64 {
		k, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		return k.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("got certificate %d", got)
	}
	second := newPair(t, p.clock, 2, 24*time.Hour)
	first.write(t, second.cert, first.key) // between the two renames
	p.clock.advance(10 * time.Second)
	for range 3 {
		if got := serial(); got != 1 {
			t.Errorf("half renewed: got certificate %d", got)
		}
		p.clock.advance(10 * time.Second)
	}
	p.mu.Lock()
	if len(p.logs) != 1 || !strings.Contains(p.logs[0], "does not belong to") {
		t.Errorf("logged %q, want the reason once", p.logs)
	}
	p.mu.Unlock()
	first.write(t, second.cert, second.key)
	p.clock.advance(10 * time.Second)
	if got := serial(); got != 2 {
		t.Errorf("renewed: got certificate %d", got)
	}
	if err := os.Remove(first.keyFile); err != nil {
		t.Fatal(err)
	}
	p.clock.advance(10 * time.Second)
	if got := serial(); got != 2 {
		t.Errorf("without its file: got certificate %d", got)
	}
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	c := newClock()
	p, err := access.Open("", c)
	if err != nil {
		t.Fatal(err)
	}
	a, b, old := newPair(t, c, 1, time.Hour), newPair(t, c, 2, time.Hour), newPair(t, c, 3, -time.Minute)
	open := newPair(t, c, 4, time.Hour)
	if err := os.Chmod(open.keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(t.TempDir(), "locked")
	if err := os.WriteFile(locked, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, k := range map[string]struct{ cert, key, want string }{
		"two pairs mixed":       {a.certFile, b.keyFile, "does not belong to the first certificate in " + a.certFile},
		"swapped":               {a.keyFile, a.certFile, "mode 0644"}, // the certificate is no secret, a key is
		"the key twice":         {a.keyFile, a.keyFile, "are the two files swapped?"},
		"a passphrase":          {a.certFile, locked, "has a passphrase"},
		"an empty key":          {a.certFile, empty, "has no key in PEM"},
		"an empty certificate":  {empty, a.keyFile, "has no certificate in PEM"},
		"no key":                {a.certFile, a.keyFile + ".none", "open the server's key"},
		"no certificate":        {a.certFile + ".none", a.keyFile, "open the server's certificate"},
		"a key others can read": {open.certFile, open.keyFile, "chmod 600 " + open.keyFile},
		"expired":               {old.certFile, old.keyFile, "has expired at 2026-03-01 11:59:00: renew it"},
	} {
		if err := p.UseTLS(k.cert, k.key); err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: got %v, want something with %q", what, err, k.want)
		}
	}
}

// TestSlowStreamReaderHTTP2: there a stream waits for its own window, and not for
// the socket.
func TestSlowStreamReaderHTTP2(t *testing.T) {
	t.Parallel()
	p := withTokens(t)
	pr := newPair(t, p.clock, 1, time.Hour)
	if err := p.UseTLS(pr.certFile, pr.keyFile); err != nil {
		t.Fatal(err)
	}
	p.EventWithin, p.WriteWithin = time.Second, time.Second
	event := access.Event("spectrum", "", []byte(strings.Repeat("x", 16<<10)))
	ended := make(chan error, 2)
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			_, err := w.Write(make([]byte, 32<<20))
			ended <- err
			return
		}
		s, err := access.NewStream(w, r)
		for err == nil {
			err = s.Send(event)
		}
		ended <- err
	}))
	c := secure(true)
	defer c.CloseIdleConnections()
	for _, path := range []string{"/events", "/page"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+p.viewer)
		w, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		if w.ProtoMajor != 2 {
			t.Fatalf("got %s", w.Proto)
		}
		if err := within(t, path, ended); err == nil {
			t.Errorf("%s ended without an error", path)
		}
	}
}

// A listener with TLS is bounded as one without.
func TestTLSConnectionsAreBounded(t *testing.T) {
	p := withTokens(t)
	pr := newPair(t, p.clock, 1, time.Hour)
	if err := p.UseTLS(pr.certFile, pr.keyFile); err != nil {
		t.Fatal(err)
	}
	p.MaxConnsEach = 2
	addr := p.serve(echo)
	var last net.Conn
	for range 2 {
		last = raw(t, "127.0.0.1", addr, "")
	}
	k, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		_ = k.Close()
		t.Error("a third was taken")
	}
	_ = last.Close()
	for range 10000 {
		k, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			continue
		}
		_, _ = io.WriteString(k, "GET /healthz HTTP/1.1\r\nHost: rig.example\r\nConnection: close\r\n\r\n")
		w, err := http.ReadResponse(bufio.NewReader(k), nil)
		_ = k.Close()
		if err == nil && w.StatusCode == 200 {
			return
		}
	}
	t.Error("no place became free")
}
