package access

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Clock is what sessions, back-off and the looks at files go by; rig.Clock is
// one. Deadlines of sockets are the system's.
type Clock interface{ Now() time.Time }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// What the settings are unless said otherwise.
const (
	sessionIdle  = 12 * time.Hour     // a shift
	sessionLife  = 7 * 24 * time.Hour // whatever is done with it
	bodyMost     = 1 << 20
	bodyWithin   = 20 * time.Second
	headerWithin = 5 * time.Second
	writeWithin  = 30 * time.Second
	eventWithin  = 5 * time.Second
	streamsMost  = 512
	connsMost    = 2048
	connsEach    = 768 // of one address
)

// Entry is something that the audit log should have: a login, a logout, a login
// refused.
type Entry struct {
	Who  Identity // Name is "" where nobody was recognised
	What string   // login, login refused, logout, refused (it needs an operator)
	Text string   // why
}

// Policy is who may reach a server, and as what. Its fields are settings; they
// are not changed once Handler was called. Its methods may be called from any
// goroutine.
type Policy struct {
	// SessionIdle and SessionLife end a browser's session: after that long without
	// a request, and after that long in any case. 12 h and 7 days unless said
	// otherwise. A viewer who watches a stream is not idle.
	SessionIdle, SessionLife time.Duration
	// MaxBody is the largest request in bytes; 1 MiB unless said otherwise.
	MaxBody int64
	// HeaderWithin, BodyWithin and WriteWithin are how long a client may take for
	// the head of a request, for its body, and for each 32 KiB of the answer; 5, 20
	// and 30 s unless said otherwise. EventWithin is that of Stream.Send; 5 s.
	HeaderWithin, BodyWithin, WriteWithin, EventWithin time.Duration
	// MaxStreams are open at once, MaxConns connections, and MaxConnsEach of those
	// from one address (of IPv6, one /64). 512, 2048 and 768 unless said otherwise.
	MaxStreams, MaxConns, MaxConnsEach int
	// Public are the paths that need no login beside the login's own: exact, or
	// ending in a slash for what lies below. /healthz, /readyz and /static/ unless
	// said otherwise.
	Public []string
	// LoginPage draws the page with the login's form in place of our own: it posts
	// `token` and `next` to /login. Its status is set here, whatever it writes.
	LoginPage func(w http.ResponseWriter, r *http.Request, v LoginView)
	// Deny answers what is refused in place of our own answer, which is JSON under
	// /api/ ({"error": text}) and plain text elsewhere. Outside of /api/ it is asked
	// only for those who were let in: what a stranger's page is refused with says
	// nothing of the rig.
	Deny func(w http.ResponseWriter, r *http.Request, status int, text string)
	// Told is called for what the audit log should have, in the goroutine of the
	// request. What is refused is told a hundred times at once and then once a
	// minute, with the number of those left out: it costs a disk more than whoever
	// is refused.
	Told func(ctx context.Context, e Entry)
	// Log is told what nobody else can be told: a token file or a certificate that
	// cannot be read any more.
	Log func(doing string, err error)

	clock    Clock
	file     *tokenFile // nil: without tokens
	pair     *keyPair   // nil: without TLS
	cross    *http.CrossOriginProtection
	throttle *throttle
	sessions *sessions
	pages    *template.Template

	mu      sync.Mutex
	streams int
	refused budget
}

// Open makes a policy of a token file, and of none where file is "": then the
// server is for this computer alone. clock may be nil. The error of a file that
// cannot be used says what to do.
func Open(file string, clock Clock) (*Policy, error) {
	if clock == nil {
		clock = systemClock{}
	}
	pages, err := template.ParseFS(files, "login.html")
	if err != nil {
		return nil, err
	}
	p := &Policy{clock: clock, cross: http.NewCrossOriginProtection(), throttle: newThrottle(clock), sessions: newSessions(clock), pages: pages}
	if file == "" {
		return p, nil
	}
	p.file = &tokenFile{path: file}
	if p.file.read(); p.file.err != nil {
		return nil, p.file.err
	}
	p.file.looked = clock.Now()
	return p, nil
}

// Local reports whether there is no token file.
func (p *Policy) Local() bool { return p.file == nil }

// Err says why nobody can log in now, nil where all is well: for /readyz and the
// like. A token file that has become unreadable or wrong lets nobody in until it
// is repaired: whose token was to be taken out cannot be known.
func (p *Policy) Err() error {
	if p.file == nil {
		return nil
	}
	_, err := p.tokens()
	return err
}

// tokens are the present ones; they are read anew once a second at most.
func (p *Policy) tokens() ([]token, error) {
	list, err, fresh := p.file.now(p.clock.Now())
	if fresh {
		if err != nil {
			p.log("read the token file", err)
		} else {
			p.sessions.keep(list)
		}
	}
	return list, err
}

func (p *Policy) log(doing string, err error) {
	if p.Log != nil {
		p.Log(doing, err)
	}
}

// tell goes on although who asked has hung up: that would be a way past the log.
func (p *Policy) tell(ctx context.Context, who Identity, what, text string) {
	if p.Told != nil {
		p.Told(context.WithoutCancel(ctx), Entry{Who: who, What: what, Text: text})
	}
}

// budget is how often something may still be told.
type budget struct {
	spent   float64
	at      time.Time
	leftOut int
}

const (
	tellBurst = 100
	tellEvery = time.Minute
)

// tellRefused tells what was refused, unless too much was.
func (p *Policy) tellRefused(ctx context.Context, who Identity, what, text string) {
	now := p.clock.Now()
	p.mu.Lock()
	b := &p.refused
	b.spent = max(0, b.spent-now.Sub(b.at).Minutes()/tellEvery.Minutes())
	b.at = now
	if b.spent > tellBurst-1 {
		b.leftOut++
		p.mu.Unlock()
		return
	}
	b.spent++
	n := b.leftOut
	b.leftOut = 0
	p.mu.Unlock()
	if n > 0 {
		text += fmt.Sprintf(" (%d more were refused before it)", n)
	}
	p.tell(ctx, who, what, text)
}

func (p *Policy) writeWithin() time.Duration { return orDefault(p.WriteWithin, writeWithin) }

// openStream counts a stream, which ends with its handler.
func (p *Policy) openStream(w *writer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.stream {
		return true
	}
	if p.streams >= orDefault(p.MaxStreams, streamsMost) {
		return false
	}
	p.streams++
	w.stream = true
	return true
}

func (p *Policy) closeStream(w *writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.stream {
		p.streams--
		w.stream = false
	}
}

// deny answers what is refused. A request of htmx goes to the login where one
// would help.
func (p *Policy) deny(w http.ResponseWriter, r *http.Request, status int, text string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="resetrig"`)
		if r.Header.Get("HX-Request") != "" {
			w.Header().Set("HX-Redirect", loginPath(pageOf(r)))
		}
	}
	switch {
	case p != nil && p.Deny != nil && (strings.HasPrefix(r.URL.Path, "/api/") || Who(r.Context()).May(Viewer)):
		p.Deny(w, r, status, text)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": text}) // who asked is gone
	default:
		http.Error(w, fmt.Sprintf("%d %s: %s", status, http.StatusText(status), text), status)
	}
}

func orDefault[T int | int64 | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}
