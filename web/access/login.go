package access

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed login.html login.css
var files embed.FS

const loginMost = 4 << 10 // bytes of the login's form

// LoginView is what the login's page shows.
type LoginView struct {
	Next  string // where to go afterwards: a path of this server
	Wrong string // why the last try was refused, "" where there was none
}

// identify finds out who asks, by one witness alone: the bearer where there is
// one, otherwise the session's cookie. A wrong bearer is refused, whatever the
// cookie says.
func (p *Policy) identify(r *http.Request) (grant, error) {
	id := Identity{Addr: peer(r)}
	if p.Local() {
		id.Name, id.Role = local, Operator
		return grant{Identity: id, still: func() error { return nil }}, nil
	}
	list, err := p.tokens()
	if lines := r.Header.Values("Authorization"); len(lines) > 0 {
		if err != nil { // it is told where it is found
			return grant{}, &refusal{status: http.StatusServiceUnavailable, text: "nobody is let in: the token file cannot be used, and the server's log says why"}
		}
		return p.bearer(r, id, list, lines)
	}
	key, ok := p.cookie(r)
	if !ok {
		return grant{Identity: id}, nil
	}
	t, ok := p.session(key, list, true)
	if !ok {
		return grant{Identity: id}, nil
	}
	id.Name, id.Role = t.name, t.role
	// Who only watches has nothing to click: a viewer's stream keeps the session.
	return p.grant(id, t, func(list []token) bool { _, ok := p.session(key, list, id.Role == Viewer); return ok }), nil
}

// grant holds as long as the token does, with the same role, and also says so.
func (p *Policy) grant(id Identity, t token, also func([]token) bool) grant {
	return grant{Identity: id, still: func() error {
		list, _ := p.tokens()
		if now, ok := match(list, t.hash); !ok || now != t || !also(list) {
			return ErrEnded
		}
		return nil
	}}
}

func (p *Policy) bearer(r *http.Request, id Identity, list []token, lines []string) (grant, error) {
	kind, text, _ := strings.Cut(lines[0], " ")
	if len(lines) != 1 || !strings.EqualFold(kind, "Bearer") || !looksLikeToken(text) {
		return grant{}, &refusal{status: http.StatusUnauthorized, text: "the Authorization header is `Bearer` and a token of this server, once"}
	}
	t, err := p.try(r.Context(), byBearer, id, text, list)
	if err != nil {
		return grant{}, err
	}
	id.Name, id.Role = t.name, t.role
	return p.grant(id, t, func([]token) bool { return true }), nil
}

// try evaluates a token that somebody sent.
func (p *Policy) try(ctx context.Context, how string, id Identity, text string, list []token) (token, error) {
	hash := sha256.Sum256([]byte(text))
	var t token
	ok, fresh, wait := p.throttle.attempt(how, id.Addr, hash, func() (ok bool) {
		t, ok = match(list, hash)
		return ok && looksLikeToken(text)
	})
	switch {
	case ok:
		return t, nil
	case wait > 0:
		return token{}, &refusal{status: http.StatusTooManyRequests, wait: wait,
			text: fmt.Sprintf("too many wrong tokens: try again in %d s", seconds(wait))}
	}
	if fresh {
		p.tellRefused(ctx, id, "login refused", how)
	}
	return token{}, &refusal{status: http.StatusUnauthorized, text: "this token is not known here"}
}

// session is the token of a session that still holds, with its present role.
func (p *Policy) session(key [sha256.Size]byte, list []token, used bool) (token, bool) {
	hash, ok := p.sessions.token(key, orDefault(p.SessionIdle, sessionIdle), orDefault(p.SessionLife, sessionLife), used)
	if !ok {
		return token{}, false
	}
	return match(list, hash)
}

// cookieName: browsers give a host's cookies to all of its ports, so that two
// rigs on one host need two names. With TLS the prefix makes a browser take it
// from this host over TLS alone.
func cookieName(r *http.Request) string {
	name := "resetrig"
	if port := localPort(r); port != "" {
		name += "-" + port
	}
	if r.TLS != nil {
		name = "__Host-" + name
	}
	return name
}

// cookie is the hash of the session's secret. Two cookies of the name are none:
// somebody else has set one of them.
func (p *Policy) cookie(r *http.Request) (key [sha256.Size]byte, ok bool) {
	found := r.CookiesNamed(cookieName(r))
	if len(found) != 1 || len(found[0].Value) != 43 { // 32 bytes in base64
		return key, false
	}
	return sha256.Sum256([]byte(found[0].Value)), true
}

func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// ownPage answers the pages of the login.
func (p *Policy) ownPage(w *writer, r *http.Request, g grant) bool {
	switch r.URL.Path {
	case "/login.css":
		w.Header().Set("Cache-Control", "max-age=3600")
		http.ServeFileFS(w, r, files, "login.css")
	case "/login":
		switch {
		case r.Method == http.MethodPost && !p.Local():
			p.login(w, r, g)
		case !safeMethod(r.Method):
			p.deny(w, r, http.StatusMethodNotAllowed, "a login is a POST, and none is needed without a token file")
		case g.Role != Nobody:
			http.Redirect(w, r, localPath(r.URL.Query().Get("next")), http.StatusSeeOther)
		default:
			p.showLogin(w, r, http.StatusOK, LoginView{Next: localPath(r.URL.Query().Get("next"))})
		}
	case "/logout":
		if r.Method != http.MethodPost {
			p.deny(w, r, http.StatusMethodNotAllowed, "a logout is a POST")
			return true
		}
		p.logout(w, r, g)
	default:
		return false
	}
	return true
}

// login makes a session of a token. Its secret is always a new one; that of a
// session which the browser had is forgotten.
func (p *Policy) login(w http.ResponseWriter, r *http.Request, g grant) {
	r.Body = http.MaxBytesReader(w, r.Body, loginMost)
	if err := r.ParseForm(); err != nil {
		p.deny(w, r, http.StatusBadRequest, "the login's form cannot be read")
		return
	}
	view := LoginView{Next: localPath(r.PostForm.Get("next"))}
	if err := p.Err(); err != nil {
		view.Wrong = "Nobody can log in: the token file cannot be used. The server's log says why."
		p.showLogin(w, r, http.StatusServiceUnavailable, view)
		return
	}
	list, _ := p.tokens()
	t, err := p.try(r.Context(), byForm, Identity{Addr: g.Addr}, strings.TrimSpace(r.PostForm.Get("token")), list)
	if err != nil {
		no := err.(*refusal)
		if no.wait > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(seconds(no.wait)))
		}
		view.Wrong = strings.ToUpper(no.text[:1]) + no.text[1:] + "."
		p.showLogin(w, r, no.status, view)
		return
	}
	if key, ok := p.cookie(r); ok {
		p.sessions.end(key)
	}
	idle, life := orDefault(p.SessionIdle, sessionIdle), orDefault(p.SessionLife, sessionLife)
	http.SetCookie(w, p.newCookie(r, p.sessions.begin(t, idle, life), life))
	p.tell(r.Context(), Identity{Name: t.name, Role: t.role, Addr: g.Addr}, "login", "")
	http.Redirect(w, r, view.Next, http.StatusSeeOther)
}

func (p *Policy) newCookie(r *http.Request, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{Name: cookieName(r), Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil}
}

func (p *Policy) logout(w http.ResponseWriter, r *http.Request, g grant) {
	if key, ok := p.cookie(r); ok {
		p.sessions.end(key)
		if g.Role != Nobody {
			p.tell(r.Context(), g.Identity, "logout", "")
		}
	}
	c := p.newCookie(r, "", 0)
	c.MaxAge = -1
	http.SetCookie(w, c)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// askLogin answers whom nobody knows. A page comes back as a page that goes on to
// the login by itself: with a link on a stranger's page a browser sends no strict
// cookie, not even after a redirect, but it does when our own page goes on; and
// the login sends whoever has a session to where they wanted to go.
func (p *Policy) askLogin(w http.ResponseWriter, r *http.Request) {
	text := "this needs a login: `Authorization: Bearer TOKEN`, or /login in a browser"
	if !safeMethod(r.Method) || !strings.Contains(r.Header.Get("Accept"), "text/html") || strings.HasPrefix(r.URL.Path, "/api/") {
		p.deny(w, r, http.StatusUnauthorized, text)
		return
	}
	to := loginPath(r.URL.RequestURI())
	w.Header().Set("WWW-Authenticate", `Bearer realm="resetrig"`)
	w.Header().Set("Refresh", "0; url="+to)
	p.draw(w, http.StatusUnauthorized, "ask", to)
}

func (p *Policy) showLogin(w http.ResponseWriter, r *http.Request, status int, v LoginView) {
	if p.LoginPage != nil {
		p.LoginPage(&fixed{ResponseWriter: w, status: status}, r, v)
		return
	}
	p.draw(w, status, "login", v)
}

// fixed is an answer whose status is decided.
type fixed struct {
	http.ResponseWriter
	status int
	begun  bool
}

func (f *fixed) WriteHeader(int) {
	if !f.begun {
		f.begun = true
		f.ResponseWriter.WriteHeader(f.status)
	}
}

func (f *fixed) Write(b []byte) (int, error) {
	f.WriteHeader(f.status)
	return f.ResponseWriter.Write(b)
}

func (f *fixed) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (p *Policy) draw(w http.ResponseWriter, status int, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := p.pages.ExecuteTemplate(w, name, data); err != nil {
		p.log("draw the login", err)
	}
}

// loginPath is the login that goes on to a path.
func loginPath(next string) string {
	return "/login?" + url.Values{"next": {localPath(next)}}.Encode()
}

// pageOf is the page on which htmx asks for a part: what it says of it, without
// the host, which the browser knows better.
func pageOf(r *http.Request) string {
	u, err := url.Parse(r.Header.Get("HX-Current-URL"))
	if err != nil {
		return "/"
	}
	return u.RequestURI()
}

// localPath is where to go after the login: a path of this server, and / where it
// is anything else. Browsers take a backslash for a slash, drop tabs and line
// ends, and take what begins with two slashes for another host.
func localPath(s string) string {
	if len(s) > 2000 || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") ||
		strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '\\' || c >= 0x7f }) {
		return "/"
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !plainPath(u.Path) || u.Path == "/login" || u.Path == "/logout" {
		return "/"
	}
	return s
}
