package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Handler stands in front of next: what reaches it has passed every check of the
// package comment, and Who says whose request it is. /login, /logout and
// /login.css are answered here.
func (p *Policy) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := p.newWriter(rw)
		defer p.closeStream(w)
		setHeaders(w.Header(), r)
		r = p.limitBody(w, r)
		if status, why := p.refuse(r); status != 0 {
			if status == http.StatusMethodNotAllowed {
				w.Header().Set("Allow", strings.Join(methods, ", "))
			}
			p.deny(w, r, status, why)
			return
		}
		ctx, cancel := p.ends(r)
		defer cancel()
		p.admit(w, r.WithContext(ctx), next)
	})
}

// methods are those that anything here has. OPTIONS has no use without CORS, which
// there is none of; TRACE would show a page its own cookie.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

func safeMethod(m string) bool { return m == http.MethodGet || m == http.MethodHead }

// refuse is what is asked of every request, whoever sends it; status is 0 where
// it may go on.
func (p *Policy) refuse(r *http.Request) (status int, why string) {
	if !slices.Contains(methods, r.Method) {
		return http.StatusMethodNotAllowed, "method " + strconv.Quote(r.Method)
	}
	if !plainPath(r.URL.Path) {
		return http.StatusBadRequest, "the path has a dot segment, a backslash, a doubled slash or a control character"
	}
	if p.Local() {
		if why := refuseRemote(r); why != "" {
			return http.StatusMisdirectedRequest, why
		}
	}
	if err := p.cross.Check(r); err != nil {
		return http.StatusForbidden, "a page of another origin sent this: " + err.Error()
	}
	if why := refuseForeign(r); why != "" {
		return http.StatusForbidden, why
	}
	if r.ContentLength > orDefault(p.MaxBody, bodyMost) {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the request's body is larger than %d bytes", orDefault(p.MaxBody, bodyMost))
	}
	return 0, ""
}

// plainPath has nothing that different readers of a path understand differently:
// what is public is decided by it, and what answers, by somebody else.
func plainPath(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		return false
	}
	for s := range strings.SplitSeq(path, "/") {
		if s == "." || s == ".." {
			return false
		}
	}
	return !strings.ContainsFunc(path, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' })
}

// refuseRemote keeps a server without tokens to this computer: its peer, and the
// name by which it was asked. A page whose own name has been made to point at
// loopback (DNS rebinding) is of the same origin as we are for its browser, and
// only its name tells; a proxy lets the whole net in as one local peer.
func refuseRemote(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return "this server has no token file, and is for its own computer alone"
	}
	for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via"} {
		if r.Header.Get(h) != "" {
			return "a proxy makes this server reachable for others, and it has no token file: make one by `resetrig serve token NAME --role operator`"
		}
	}
	host, port := splitHost(r)
	if !loopbackName(host) {
		return fmt.Sprintf("this server is called localhost, and not %.100q", host)
	}
	if own := localPort(r); own != "" && port != own {
		return fmt.Sprintf("this server is at port %s, and not %.10q: through a tunnel, take the same port (ssh -L %s:localhost:%s)", own, port, own, own)
	}
	return ""
}

// splitHost is the name and the port that the client asked for.
func splitHost(r *http.Request) (host, port string) {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]"), "80"
		if r.TLS != nil {
			port = "443"
		}
	}
	return host, port
}

// loopbackName is localhost or an address of loopback itself: neither can be made
// to point here by somebody else's DNS.
func loopbackName(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Zone() == "" && a.Unmap().IsLoopback()
}

// localPort is the port that the connection came in at, "" where there is none.
func localPort(r *http.Request) string {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	_, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return ""
	}
	return port
}

// refuseForeign keeps pages of other origins from reading, too: not that they
// could see the answer, but they could tell its size and time, and hold streams
// open. Following a link to a page is all that they may do. Browsers say where a
// request comes from only to servers they trust (TLS, loopback); to others Origin
// alone tells, where there is one.
func refuseForeign(r *http.Request) string {
	if !safeMethod(r.Method) {
		return "" // CrossOriginProtection has looked
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return ""
	case "":
		origin := r.Header.Get("Origin")
		if origin == "" {
			return ""
		}
		if u, err := url.Parse(origin); err == nil && u.Host == r.Host {
			return ""
		}
	default:
		if r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
			return ""
		}
	}
	return "a page of another origin asks for this"
}

// limitBody bounds the body in size and time. (The deadline does no harm later: the
// server takes it away where the body has been read, and where it has not, it
// bounds the time for which the server reads the rest away.)
//
// The request is a copy: the server's own one keeps its body, of which the server
// knows how much is left, and reads no large one away before it answers.
func (p *Policy) limitBody(w *writer, r *http.Request) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		return r
	}
	_ = w.c.SetReadDeadline(time.Now().Add(orDefault(p.BodyWithin, bodyWithin))) // a recorder in a test has none
	limited := *r
	limited.Body = http.MaxBytesReader(w.ResponseWriter, r.Body, orDefault(p.MaxBody, bodyMost))
	return &limited
}

// ends makes a request that only reads end when the server does, so that streams
// do not keep it; what changes something goes on to its end.
func (p *Policy) ends(r *http.Request) (context.Context, func()) {
	closing, ok := r.Context().Value(closingKey).(context.Context)
	if !ok || !safeMethod(r.Method) {
		return r.Context(), func() {}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(closing, func() { cancel(http.ErrServerClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// admit finds out who asks, and lets them do what they may.
func (p *Policy) admit(w *writer, r *http.Request, next http.Handler) {
	g, err := p.identify(r)
	var no *refusal
	if errors.As(err, &no) {
		no.answer(p, w, r)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), grantKey, g))
	w.still = g.still
	switch {
	case p.ownPage(w, r, g):
	case g.Role == Nobody && !(safeMethod(r.Method) && p.public(r.URL.Path)):
		p.askLogin(w, r)
	case !safeMethod(r.Method) && !g.May(Operator):
		p.tellRefused(r.Context(), g.Identity, "refused", fmt.Sprintf("%s %.200s", r.Method, r.URL.Path))
		p.deny(w, r, http.StatusForbidden, needs(Operator, g.Identity))
	default:
		next.ServeHTTP(w, r)
	}
}

func (p *Policy) public(path string) bool {
	public := p.Public
	if public == nil {
		public = []string{"/healthz", "/readyz", "/static/"}
	}
	return slices.ContainsFunc(public, func(s string) bool {
		return path == s || strings.HasSuffix(s, "/") && strings.HasPrefix(path, s)
	})
}

// refusal is a login that is not taken.
type refusal struct {
	status int
	text   string
	wait   time.Duration
}

func (e *refusal) Error() string { return e.text }

func (e *refusal) answer(p *Policy, w http.ResponseWriter, r *http.Request) {
	if e.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(e.wait)))
	}
	p.deny(w, r, e.status, e.text)
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
