package sim

import (
	"crypto/rsa"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// server is what the unit's web server holds in memory.
type server struct {
	key      *rsa.PrivateKey
	certs    map[string]keyed
	nonces   nonces
	sessions map[string]*session
	ids      uint32

	awaiting *keeping        // a reset that the next reboot does
	busyOnce bool            // a reset was answered with busy
	dialogue string          // the random text of an activation's challenge
	tokens   map[string]bool // WS-UsernameTokens that came

	wrong       []time.Duration // refused logins within the window
	lockedUntil time.Duration
	recent      []time.Duration // requests, where connections are limited
	refusals    int             // in the whole life of the World
}

// forget drops what does not survive a restart. A lock does not either, unless
// it is the unit's quirk.
func (w *World) forget() {
	s := &w.server
	s.nonces, s.sessions, s.recent, s.tokens = nonces{}, nil, nil, nil
	s.awaiting, s.busyOnce, s.dialogue = nil, false, ""
	if !w.quirk(lockKept) {
		s.unlock()
	}
}

func (s *server) unlock() { s.wrong, s.lockedUntil = nil, 0 }

// answer is one response before it becomes bytes.
type answer struct {
	status int
	header string // further header lines, each with CRLF
	kind   string // content type; "": text/plain
	body   string
	drop   bool // the connection is dropped instead
}

const (
	bodyOK         = "OK\r\n"
	bodyBadRequest = "Error\r\nBad Request!\r\n"
	bodyNoLogin    = "Error\r\nInvalid Authority!\r\n"
	bodyForbidden  = "Authority:check failure."
	bodyRefused    = "Error"
)

func okBody() answer     { return answer{status: 200, body: bodyOK} }
func badRequest() answer { return answer{status: 400, body: bodyBadRequest} }
func forbidden() answer  { return answer{status: 403, body: bodyForbidden} }
func refusedWriteBody() answer {
	return answer{status: 200, body: bodyRefused}
}

// unauthorized is a 401 with a fresh challenge.
func (w *World) unauthorized() answer { return w.speaks.unauthorized() }

// commonScheme is what quirks make of any brand's login.
func (w *World) commonScheme() scheme {
	return scheme{
		basic: w.quirk(basicOnly), sha256: w.quirk(sha256Quirk),
		reuse: !w.quirk(oneShotNonces), authInt: w.quirk(challengeAuthInt),
	}
}

// reply is an answer as it goes over the wire.
type reply struct {
	raw   []byte
	more  func() []byte // further pieces, each pause after the one before; nil is the end
	pause time.Duration
	takes time.Duration // until raw comes
	hang  bool          // nothing will ever come
	drop  bool          // the connection is reset instead
	keep  bool          // the connection stays open for another request
}

// bytes is the answer as it goes over the wire.
func (a answer) bytes(keep bool) []byte {
	kind, connection := a.kind, "close"
	if kind == "" {
		kind = "text/plain;charset=utf-8"
	}
	if keep {
		connection = "keep-alive"
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nConnection: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s",
		a.status, http.StatusText(a.status), connection, kind, len(a.body), a.header, a.body)
}

// respond is the web server: a request comes in, over TLS where it is secure,
// and a reply goes out.
func (w *World) respond(req *http.Request, body []byte, secure bool) reply {
	takes := drawBetween(w.netRnd, 4*time.Millisecond, 30*time.Millisecond)
	hostile := w.hostile()
	switch {
	case hostile == httpHangs:
		return reply{hang: true}
	case hostile == httpGarbage:
		return reply{raw: w.garbage(), takes: takes}
	case hostile != "":
		if r, ok := w.instead(hostile, req); ok {
			r.takes = takes
			return r
		}
	}
	a := w.answer(req, body, secure)
	if a.drop {
		return reply{drop: true, takes: takes}
	}
	if hostile != "" {
		return reply{raw: spoil(hostile, a), takes: takes}
	}
	keep := !w.quirk(connectionClose) && !req.Close
	return reply{raw: a.bytes(keep), takes: takes, keep: keep}
}

// answer is what a unit that is well says.
func (w *World) answer(req *http.Request, body []byte, secure bool) answer {
	if w.unit.phase == starting {
		// The web server is up before its services: first 503, then 401 for
		// everything, the right password included.
		if w.now < w.unit.bootEnds-(w.unit.bootEnds-w.unit.kernelAt)/12 {
			return answer{status: 503, body: "Service Unavailable\r\n"}
		}
		return w.unauthorized()
	}
	if !secure && w.quirk(httpsRedirect) {
		host := req.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if w.tlsPort != "443" {
			host = net.JoinHostPort(host, w.tlsPort)
		}
		return answer{status: 302, header: "Location: https://" + host + req.URL.RequestURI() + "\r\n"}
	}
	return w.speaks.route(req, body)
}

// garbage is what a broken web server sends: no HTTP, half of an answer, or an
// answer full of noise.
func (w *World) garbage() []byte {
	noise := make([]byte, 64+w.netRnd.IntN(192))
	for i := range noise {
		noise[i] = byte(w.netRnd.Uint32())
	}
	switch w.netRnd.IntN(3) {
	case 0:
		return append([]byte{0xff, 0x00}, noise...)
	case 1:
		return append([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 4096\r\n\r\n"), noise...)
	}
	return append([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: "+
		strconv.Itoa(len(noise))+"\r\n\r\n"), noise...)
}

// locked reports whether logins are locked now.
func (w *World) locked() bool { return w.faults[lockedOut] || w.now < w.server.lockedUntil }

// lockRule is the lock as the unit is configured: tries and window.
func (w *World) lockRule() (tries int, window time.Duration) {
	f := w.front()
	switch f.value("General", "LockLoginEnable") {
	case "true":
	case "": // no setting of this brand
		return w.model.LockTries, w.model.LockWindow
	default:
		return 0, 0
	}
	tries, _ = strconv.Atoi(f.value("General", "LockLoginTimes"))
	seconds, _ := strconv.Atoi(f.value("General", "LoginFailLockTime"))
	return tries, time.Duration(seconds) * time.Second
}

// refuse counts a refused login, and locks when there were too many.
func (w *World) refuse() {
	s := &w.server
	s.refusals++
	tries, window := w.lockRule()
	if tries <= 0 {
		return
	}
	if w.now < s.lockedUntil {
		if w.model.LockExtends {
			s.lockedUntil = w.now + window
		}
		return
	}
	kept := s.wrong[:0]
	for _, t := range s.wrong {
		if t > w.now-window {
			kept = append(kept, t)
		}
	}
	s.wrong = append(kept, w.now)
	if len(s.wrong) >= tries {
		s.wrong, s.lockedUntil = nil, w.now+window
	}
}

// remaining is what the unit tells of its lock.
func (w *World) remaining() (seconds, times int) {
	tries, window := w.lockRule()
	switch {
	case w.faults[lockedOut]:
		return int(window.Seconds()), 0
	case w.locked():
		return int((w.server.lockedUntil - w.now).Seconds()) + 1, 0
	}
	return 0, max(tries-len(w.server.wrong), 0)
}

// login judges a request's credentials, counts, and says what to answer where
// they are not accepted.
func (w *World) login(req *http.Request, body []byte) (*user, *answer) {
	header := req.Header.Get("Authorization")
	if header == "" {
		a := w.unauthorized()
		return nil, &a
	}
	v, u := w.judge(header, req.Method, req.RequestURI, body)
	switch {
	case w.locked():
		w.refuse()
		deny := w.unauthorized
		if w.quirk(lock403) {
			deny = w.speaks.forbidden
		}
		a := deny()
		return nil, &a
	case v == accepted && w.front().initialised:
		w.server.wrong = nil
		return u, nil
	case v == reused:
		w.server.refusals++ // in its log a refused login, though it locks nothing
		if w.faults[staleNonce] || w.quirk(staleNonce) {
			a := w.speaks.forbidden()
			return nil, &a
		}
	case v == malformed: // no login was tried: another challenge, another target
	default:
		w.refuse()
	}
	a := w.unauthorized()
	return nil, &a
}
