// Package accesstest holds a table of routes to what package access promises of
// all of them: nothing changes by a GET, nor by anybody but an operator on a page
// of this origin, and nothing is answered to somebody unknown.
//
// It knows routes and a description of the state behind them, and no more. It
// imports no package testing, so that it can be used from anywhere. The trap: a
// row whose path does not exist would pass everything, so each row must also do
// what it is for.
package accesstest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"resetrig/web/access"
)

// TB is what is needed of a *testing.T.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	TempDir() string
}

// Route is a row of the table.
type Route struct {
	Method string // GET, or what changes something
	Path   string // with its query, and with values for its wildcards that exist
	Type   string // of the body; a form unless said otherwise
	Body   string // of a request that does something
	// Public is a GET that needs no login.
	Public bool
}

func (r Route) String() string { return r.Method + " " + r.Path }

// Check sends h, which it puts behind a Policy, each row in every way in which it
// must do nothing, and each row at last as it is meant, when it must not be
// refused. state describes everything that a request could change, and is called
// between any two requests.
func Check(t TB, h http.Handler, rows []Route, state func() string) {
	t.Helper()
	c := newChecker(t, h, state)
	for _, r := range rows {
		if r.Method == http.MethodGet {
			c.read(r)
		} else {
			c.change(r)
		}
		c.noChangeByReading(r)
		for _, method := range []string{http.MethodOptions, http.MethodTrace, "CONNECT", "PROPFIND"} {
			if got := c.send(method, r, c.operator, nil).Code; got != http.StatusMethodNotAllowed {
				t.Errorf("%s by %s: got %d, want %d", r, method, got, http.StatusMethodNotAllowed)
			}
		}
	}
	for _, r := range rows {
		got := c.ask(r.Method, r, c.operator, nil).Code
		if slices.Contains([]int{401, 403, 404, 405}, got) || got >= 500 {
			t.Errorf("%s by an operator: got %d: the row does not do what it is for", r, got)
		}
	}
}

type checker struct {
	t                TB
	h                http.Handler
	state            func() string
	before           string
	viewer, operator string
}

func newChecker(t TB, h http.Handler, state func() string) *checker {
	t.Helper()
	c := &checker{t: t, state: state, before: state()}
	file := filepath.Join(t.TempDir(), "tokens")
	var err error
	if c.viewer, err = access.AddToken(file, "vera", access.Viewer); err != nil {
		t.Fatalf("%v", err)
	}
	if c.operator, err = access.AddToken(file, "otto", access.Operator); err != nil {
		t.Fatalf("%v", err)
	}
	p, err := access.Open(file, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	c.h = p.Handler(h)
	return c
}

// read is a row that only shows something.
func (c *checker) read(r Route) {
	c.t.Helper()
	nobody := c.send(r.Method, r, "", nil).Code
	if refused := nobody == http.StatusUnauthorized; refused == r.Public {
		c.t.Errorf("%s by nobody: got %d; public is %v", r, nobody, r.Public)
	}
	for what, header := range foreign {
		if got := c.send(r.Method, r, c.operator, header).Code; got != http.StatusForbidden {
			c.t.Errorf("%s from %s: got %d, want 403", r, what, got)
		}
	}
	w := c.send(r.Method, r, c.viewer, nil)
	if w.Code >= 400 && w.Code != http.StatusForbidden {
		c.t.Errorf("%s by a viewer: got %d", r, w.Code)
	}
	c.page(r, w)
}

// change is a row that does something: only an operator may, from here.
func (c *checker) change(r Route) {
	c.t.Helper()
	if got := c.send(r.Method, r, "", nil).Code; got != http.StatusUnauthorized {
		c.t.Errorf("%s by nobody: got %d, want 401", r, got)
	}
	if got := c.send(r.Method, r, c.viewer, nil).Code; got != http.StatusForbidden {
		c.t.Errorf("%s by a viewer: got %d, want 403", r, got)
	}
	for what, header := range foreign {
		if got := c.send(r.Method, r, c.operator, header).Code; got != http.StatusForbidden {
			c.t.Errorf("%s from %s: got %d, want 403", r, what, got)
		}
	}
}

// foreign is how requests of other origins' pages look.
var foreign = map[string]http.Header{
	"another site":            {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"cors"}},
	"another port":            {"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"no-cors"}},
	"another origin, old":     {"Origin": {"https://elsewhere.example"}},
	"a sandboxed frame's old": {"Origin": {"null"}},
}

// noChangeByReading asks for what the row does in the ways in which some servers
// can be made to do it by a GET.
func (c *checker) noChangeByReading(r Route) {
	c.t.Helper()
	in := r
	if r.Body != "" {
		form, err := url.ParseQuery(r.Body)
		if err != nil || r.Type != "" {
			form = url.Values{"body": {r.Body}}
		}
		form.Set("_method", r.Method)
		sep := "?"
		if strings.Contains(r.Path, "?") {
			sep = "&"
		}
		in.Path += sep + form.Encode()
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		c.send(method, in, c.operator, http.Header{"X-Http-Method-Override": {r.Method}, "X-Http-Method": {r.Method}, "X-Method-Override": {r.Method}})
	}
}

// send asks, and sees to it that nothing has changed.
func (c *checker) send(method string, r Route, token string, header http.Header) *httptest.ResponseRecorder {
	c.t.Helper()
	w := c.ask(method, r, token, header)
	if now := c.state(); now != c.before {
		c.t.Errorf("%s by %s (%s) has changed something: it was\n%s\nand is\n%s", r, method, who(token, header), c.before, now)
		c.before = now
	}
	return w
}

func who(token string, header http.Header) string {
	if token == "" {
		return "without a token"
	}
	return fmt.Sprint("with a token and ", header)
}

func (c *checker) ask(method string, r Route, token string, header http.Header) *httptest.ResponseRecorder {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, method, r.Path, strings.NewReader(r.Body))
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "text/html, */*")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r.Type != "" {
		req.Header.Set("Content-Type", r.Type)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(&onceStreamed{w, cancel}, req)
	return w
}

// onceStreamed is a viewer of a stream of events who leaves after the first.
type onceStreamed struct {
	*httptest.ResponseRecorder
	leave func()
}

func (w *onceStreamed) Write(b []byte) (int, error) {
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
		defer w.leave()
	}
	return w.ResponseRecorder.Write(b)
}

// SetWriteDeadline is there because streams insist on it.
func (w *onceStreamed) SetWriteDeadline(time.Time) error { return nil }

var (
	inlineScript = regexp.MustCompile(`(?is)<script\b([^>]*)>`)
	inlineStyle  = regexp.MustCompile(`(?i)<style\b|<[^>]+\sstyle\s*=`)
	inlineEvent  = regexp.MustCompile(`(?i)<[^>]+\s(on[a-z]+|hx-on[:-][a-z:-]+)\s*=`)
	outside      = regexp.MustCompile(`(?i)<(?:script|link|img|audio|video|source|iframe|form|use)\b[^>]*\s(?:src|href|action)\s*=\s*["']?\s*(?:https?:)?//`)
	scriptSource = regexp.MustCompile(`(?i)\ssrc\s*=|\stype\s*=\s*["']?application/(?:ld\+)?json`)
)

// page holds a page to its content security policy: what the policy would refuse
// in a browser is not there.
func (c *checker) page(r Route, w *httptest.ResponseRecorder) {
	c.t.Helper()
	h := w.Header()
	if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") == "" && w.Body.Len() > 0 {
		c.t.Errorf("%s: Content-Type %q, X-Content-Type-Options %q", r, h.Get("Content-Type"), h.Get("X-Content-Type-Options"))
	}
	policy := h.Get("Content-Security-Policy")
	if !slices.Contains([]string{access.PageCSP, access.ArtifactCSP, access.ReportCSP}, policy) {
		c.t.Errorf("%s: the content security policy is %q", r, policy)
	}
	if !strings.HasPrefix(h.Get("Content-Type"), "text/html") || policy != access.PageCSP {
		return
	}
	body := w.Body.Bytes()
	for _, m := range inlineScript.FindAllSubmatch(body, -1) {
		if !scriptSource.Match(m[1]) {
			c.t.Errorf("%s has an inline script: %.80s", r, m[0])
		}
	}
	for what, re := range map[string]*regexp.Regexp{"an inline style": inlineStyle, "an inline handler": inlineEvent, "an outside address": outside} {
		if m := re.Find(body); m != nil {
			c.t.Errorf("%s has %s: %.120s", r, what, bytes.TrimSpace(m))
		}
	}
}
