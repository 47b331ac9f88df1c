package access_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/web/access"
)

// clock is one that only a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// place is a policy with its token file and what it told.
type place struct {
	*access.Policy
	t                *testing.T
	clock            *clock
	file             string
	viewer, operator string

	mu   sync.Mutex
	told []access.Entry
	logs []string
}

// withTokens has a viewer, vera, and an operator, otto.
func withTokens(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, clock: newClock(), file: filepath.Join(t.TempDir(), "tokens")}
	p.viewer, p.operator = p.add("vera", access.Viewer), p.add("otto", access.Operator)
	p.open(p.file)
	return p
}

// withoutTokens is for this computer alone.
func withoutTokens(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, clock: newClock()}
	p.open("")
	return p
}

func (p *place) open(file string) {
	p.t.Helper()
	var err error
	if p.Policy, err = access.Open(file, p.clock); err != nil {
		p.t.Fatal(err)
	}
	p.Told = func(_ context.Context, e access.Entry) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, e)
	}
	p.Log = func(doing string, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.logs = append(p.logs, doing+": "+err.Error())
	}
}

func (p *place) add(name string, role access.Role) string {
	p.t.Helper()
	token, err := access.AddToken(p.file, name, role)
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// write replaces the token file, and lets the time pass after which it is read.
func (p *place) write(text string) {
	p.t.Helper()
	if err := os.WriteFile(p.file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.clock.advance(time.Second)
}

// without takes the lines of a name out of the token file.
func (p *place) without(name string) {
	p.t.Helper()
	text, err := os.ReadFile(p.file)
	if err != nil {
		p.t.Fatal(err)
	}
	var left []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, name+" ") {
			left = append(left, line)
		}
	}
	p.write(strings.Join(left, ""))
}

// echo says who asks; /private and /static/x and everything else are the same.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		var large *http.MaxBytesError
		status := http.StatusBadRequest
		if errors.As(err, &large) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, err.Error(), status)
		return
	}
	id := access.Who(r.Context())
	_, _ = io.WriteString(w, id.Name+" "+id.Role.String()+" "+id.Addr)
})

// serve has the policy listen at a free port of loopback.
func (p *place) serve(h http.Handler) (addr string) {
	p.t.Helper()
	l, err := p.Listen("127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, l, h) }()
	p.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			p.t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// answer is what came back, read to its end.
type answer struct {
	*http.Response
	body string
}

// client is a browser without its rules: it keeps no cookie that it is not given,
// and follows nothing.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ask sends a request; header has its fields, one after the other.
func ask(t *testing.T, method, address, body string, header ...string) answer {
	t.Helper()
	a, err := tryAsk(client, method, address, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryAsk(c *http.Client, method, address, body string, header ...string) (answer, error) {
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	w, err := c.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	return answer{w, string(text)}, err
}

func (a answer) is(t *testing.T, what string, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%s: got %s, want %d: %.200s", what, a.Status, status, a.body)
	}
}

// login sends the login's form.
func login(t *testing.T, addr, token string, header ...string) answer {
	t.Helper()
	return ask(t, "POST", "http://"+addr+"/login", url.Values{"token": {token}, "next": {"/soak"}}.Encode(),
		append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

// session logs in and returns the cookie as a request sends it.
func session(t *testing.T, addr, token string, header ...string) string {
	t.Helper()
	a := login(t, addr, token, header...)
	a.is(t, "login", http.StatusSeeOther)
	for _, c := range a.Cookies() {
		if c.Value != "" {
			return c.Name + "=" + c.Value
		}
	}
	t.Fatalf("no cookie: %v", a.Header)
	return ""
}

// raw opens a connection from an address of this computer and writes to it.
func raw(t *testing.T, from, addr, text string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// from is a client at an address of this computer.
func from(ip string) *http.Client {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}, CheckRedirect: client.CheckRedirect}
}

func readAnswer(t *testing.T, c net.Conn) *http.Response {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(15 * time.Second)) // before any of the server's own bounds on a body
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// within waits for what must come, long before the test's own end.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: not within 20 s", what)
		panic("unreachable")
	}
}

// hashedLine is a line of a token file, made by hand.
func hashedLine(name, role, token string) string {
	return fmt.Sprintf("%s %s sha256:%x\n", name, role, sha256.Sum256([]byte(token)))
}
