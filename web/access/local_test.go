package access_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"resetrig/web/access"
)

func TestWithoutTokensLoopbackAlone(t *testing.T) {
	open, closed := withTokens(t), withoutTokens(t)
	for addr, loopback := range map[string]bool{
		"localhost:8080": true, "LOCALHOST:0": true, "127.0.0.1:8080": true, "127.4.5.6:80": true, "[::1]:8080": true,
		"[::ffff:127.0.0.1]:80": true,
		":8080":                 false, "0.0.0.0:8080": false, "[::]:8080": false, "192.0.2.1:8080": false,
		"rig.example:8080": false, "localhost.example:80": false, "127.0.0.1.example:80": false,
		"[::ffff:192.0.2.1]:80": false, "[fe80::1%lo]:80": false, "2130706433:80": false,
	} {
		err := closed.CheckListen(addr)
		if loopback != (err == nil) {
			t.Errorf("%s: got %v", addr, err)
		}
		if err != nil && !strings.Contains(err.Error(), "resetrig serve token NAME") {
			t.Errorf("%s: %v does not say what to do", addr, err)
		}
		if _, err := closed.Listen(addr); !loopback && err == nil {
			t.Errorf("%s was listened at", addr)
		}
		if err := open.CheckListen(addr); err != nil {
			t.Errorf("%s with tokens: %v", addr, err)
		}
		if warned := open.Warning(addr) != ""; warned == loopback {
			t.Errorf("%s with tokens and without TLS: warned %v", addr, warned)
		}
	}
	for _, p := range []*place{open, closed} {
		if err := p.CheckListen("8080"); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
			t.Errorf("a bare port: got %v", err)
		}
	}
}

func TestWithoutTokensEverybodyHereIsLocal(t *testing.T) {
	p := withoutTokens(t)
	addr := p.serve(echo)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		if a := ask(t, method, "http://"+addr+"/x", ""); a.body != "local operator 127.0.0.1" {
			t.Errorf("%s: got %d %q", method, a.StatusCode, a.body)
		}
	}
	ask(t, "GET", "http://"+addr+"/login?next=/soak", "").is(t, "login", http.StatusSeeOther)
	login(t, addr, "x").is(t, "a login", http.StatusMethodNotAllowed)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.told) != 0 {
		t.Errorf("told %v", p.told)
	}
}

func TestRebinding(t *testing.T) {
	p := withoutTokens(t)
	addr := p.serve(echo)
	_, port, _ := net.SplitHostPort(addr)
	for host, good := range map[string]bool{
		"localhost:" + port: true, "LocalHost:" + port: true, "127.0.0.1:" + port: true, "[::1]:" + port: true, "127.0.0.9:" + port: true,
		"attacker.example:" + port: false, "localhost.attacker.example:" + port: false, "127.0.0.1.attacker.example:" + port: false,
		"attacker.example": false, "localhost": false, "localhost:1": false, "127.0.0.1": false, "127.0.0.1:80": false,
		"10.0.0.1:" + port: false, "0.0.0.0:" + port: false, "[::]:" + port: false, "localhost.:" + port: false,
		"app.localhost:" + port: false, "localhost:" + port + "0": false, "2130706433:" + port: false,
	} {
		for _, method := range []string{"GET", "POST"} {
			// The page is of that name's own origin, as far as its browser can tell.
			a := ask(t, method, "http://"+addr+"/api/v1/state", "", "Host", host, "Sec-Fetch-Site", "same-origin", "Origin", "http://"+host)
			if good && a.StatusCode != 200 {
				t.Errorf("%s for %s: got %s: %s", method, host, a.Status, a.body)
			}
			// net/http itself refuses some with 400.
			if !good && a.StatusCode != http.StatusMisdirectedRequest && a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s for %s: got %s: %s", method, host, a.Status, a.body)
			}
		}
	}
	c := raw(t, "127.0.0.1", addr, "GET /who HTTP/1.0\r\n\r\n")
	if w := readAnswer(t, c); w.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("no name at all: got %s", w.Status)
	}
	// net/http's client takes a zone out.
	c = raw(t, "127.0.0.1", addr, "GET /who HTTP/1.1\r\nHost: [::1%lo]:"+port+"\r\n\r\n")
	if w := readAnswer(t, c); w.StatusCode == 200 {
		t.Errorf("a zone: got %s", w.Status)
	}
	// An absolute target overrides the Host header: it is what counts.
	c = raw(t, "127.0.0.1", addr, "GET http://attacker.example/who HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
	if w := readAnswer(t, c); w.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("an absolute target: got %s", w.Status)
	}
}

func TestWithoutTokensNoProxy(t *testing.T) {
	addr := withoutTokens(t).serve(echo)
	for _, h := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "Via", "x-forwarded-host"} {
		a := ask(t, "GET", "http://"+addr+"/", "", h, "192.0.2.7")
		a.is(t, h, http.StatusMisdirectedRequest)
		if !strings.Contains(a.body, "token file") {
			t.Errorf("%s: %q does not say what to do", h, a.body)
		}
	}
}

// TestWithoutTokensNoStrangers is for a server that listens elsewhere although
// CheckListen was not asked.
func TestWithoutTokensNoStrangers(t *testing.T) {
	h := withoutTokens(t).Handler(echo)
	for _, peer := range []string{"192.0.2.7:1234", "[2001:db8::1]:80", "[::ffff:192.0.2.1]:80", "@", ""} {
		r, w := httptest.NewRequest("GET", "http://localhost/", nil), httptest.NewRecorder()
		r.RemoteAddr = peer
		if h.ServeHTTP(w, r); w.Code != http.StatusMisdirectedRequest {
			t.Errorf("from %q: got %d", peer, w.Code)
		}
	}
}

func TestWhoWithoutPolicy(t *testing.T) {
	h := access.Require(access.Viewer, echo)
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("nobody: got %d", w.Code)
	}
	r = r.WithContext(access.WithIdentity(r.Context(), access.Identity{Name: "vera", Role: access.Viewer}))
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Body.String() != "vera viewer " {
		t.Errorf("a viewer: got %d %q", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	if access.Require(access.Operator, echo).ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("a viewer where an operator is needed: got %d", w.Code)
	}
}
