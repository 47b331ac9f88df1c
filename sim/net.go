package sim

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What the network costs.
const (
	tripLeast, tripMost = 300 * time.Microsecond, 3 * time.Millisecond
	// arpGivesUp is how long Linux asks for a silent neighbour's MAC address
	// before connect fails with "no route to host" (3 tries, 1 s apart).
	arpGivesUp = 3 * time.Second
	// hangBound ends a wait for an answer that will never come, where the
	// caller set no deadline of the World's Clock.
	hangBound = 10 * time.Minute
)

// RoundTripper is the simulated network between the rig and the unit. Requests
// and answers go over it as real bytes, and cost time of the World. For https
// it takes every certificate, see RoundTripperTLS.
func (w *World) RoundTripper() http.RoundTripper { return tripper{w, nil} }

type tripper struct {
	w      *World
	verify func(tls.ConnectionState) error
}

// reached is how far a connection to the unit gets now.
type reached int

const (
	silent reached = iota
	rejecting
	serving
)

func (w *World) reach(host, port string) reached {
	u := &w.unit
	switch {
	case w.cutOff() || !u.running || u.phase < linked || u.phase > ready || host != w.address():
		return silent
	case u.phase == linked || w.door(port) == noDoor:
		return rejecting
	}
	return serving
}

// RoundTrip does what http.Transport would do, in the World's time, except
// that it neither asks for compression nor undoes it. It fires the request's
// httptrace hooks, so that a client can tell a unit that takes connections and
// says nothing from one that is silent. An answer that never ends comes piece
// by piece as its body is read, in the World's time too.
func (t tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	w, ctx := t.w, req.Context()
	host, port, secure := req.URL.Hostname(), req.URL.Port(), req.URL.Scheme == "https"
	if port == "" {
		port = "80"
		if secure {
			port = "443"
		}
	}
	addr := net.JoinHostPort(host, port)
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		trace = &httptrace.ClientTrace{}
	}
	var sent bytes.Buffer
	// Without the context, whose trace would hear of a request that is written
	// before there is a connection.
	err := req.WithContext(context.Background()).Write(&sent)
	if req.Body != nil {
		req.Body.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	if !secure && req.URL.Scheme != "http" {
		return nil, fmt.Errorf("simulated network: scheme %q: want http or https", req.URL.Scheme)
	}
	if trace.GetConn != nil {
		trace.GetConn(addr)
	}
	if trace.ConnectStart != nil {
		trace.ConnectStart("tcp", addr)
	}
	life, err := w.connect(ctx, host, port)
	if trace.ConnectDone != nil {
		trace.ConnectDone("tcp", addr, err)
	}
	if err != nil {
		return nil, err
	}
	var state *tls.ConnectionState
	if secure {
		if state, err = t.secure(ctx, trace, host, port, life); err != nil {
			return nil, err
		}
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	r, life, err := w.exchange(ctx, sent.Bytes(), port, secure)
	if err != nil {
		return nil, err
	}
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	var wire io.Reader = bytes.NewReader(r.raw)
	if r.more != nil {
		wire = &stream{w: w, ctx: ctx, life: life, reply: r}
	}
	resp, err := http.ReadResponse(bufio.NewReader(wire), req)
	if err != nil {
		return nil, fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", err)
	}
	resp.TLS = state
	return resp, nil
}

// secure is the TLS handshake, and the client's look at the certificate.
func (t tripper) secure(ctx context.Context, trace *httptrace.ClientTrace, host, port string, life uint64) (*tls.ConnectionState, error) {
	if trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	state, err := t.w.handshake(ctx, host, port, life)
	if err == nil && t.verify != nil {
		err = t.verify(state)
	}
	if trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(state, err)
	}
	if err != nil {
		return nil, err
	}
	return &state, nil
}

// connect is TCP's handshake. It gives the unit's life in which it was made.
func (w *World) connect(ctx context.Context, host, port string) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fail := func(err error) (uint64, error) {
		n, _ := strconv.Atoi(port)
		return 0, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(host), Port: n}, Err: err}
	}
	if err := w.advance(ctx, w.now+drawBetween(w.netRnd, tripLeast, tripMost)); err != nil {
		return fail(err)
	}
	switch w.reach(host, port) {
	case silent:
		if err := w.advance(ctx, w.now+arpGivesUp); err != nil {
			return fail(err)
		}
		return fail(os.NewSyscallError("connect", syscall.EHOSTUNREACH))
	case rejecting:
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	return w.life, nil
}

// exchange sends a request's bytes over an open connection and waits for the
// first bytes of the reply.
func (w *World) exchange(ctx context.Context, sent []byte, port string, secure bool) (reply, uint64, error) {
	req, body, err := parse(bufio.NewReader(bytes.NewReader(sent)))
	if err != nil {
		return reply{}, 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	fail := func(err error) (reply, uint64, error) {
		return reply{}, 0, &net.OpError{Op: "read", Net: "tcp", Err: err}
	}
	life := w.life
	if err := w.advance(ctx, w.now+drawBetween(w.netRnd, tripLeast, tripMost)); err != nil {
		return fail(err)
	}
	if life == w.life && !w.cutOff() {
		r := w.behind(port, req, body, secure)
		if !r.hang {
			if err := w.advance(ctx, w.now+r.takes); err != nil {
				return fail(err)
			}
			if r.drop {
				return fail(os.NewSyscallError("read", syscall.ECONNRESET))
			}
			if life == w.life && !w.cutOff() {
				return r, life, nil
			}
		}
	}
	return fail(w.wait(ctx, life))
}

// behind is the reply of whatever listens on a port to a request.
func (w *World) behind(port string, req *http.Request, body []byte, secure bool) reply {
	switch d := w.door(port); {
	case d == otherDoor || d == noDoor:
		return reply{drop: true}
	case d == tlsDoor && !secure:
		return reply{raw: answer{status: 400, kind: "text/html", body: "<html><body>400 The plain HTTP request was sent to HTTPS port</body></html>\r\n"}.bytes(false)}
	}
	return w.respond(req, body, secure)
}

// stream is a reply that comes in pieces.
type stream struct {
	w    *World
	ctx  context.Context // of the request whose body this is
	life uint64
	reply
	left []byte
}

func (s *stream) Read(p []byte) (int, error) {
	if len(s.raw) > 0 {
		n := copy(p, s.raw)
		s.raw = s.raw[n:]
		return n, nil
	}
	if len(s.left) == 0 {
		w := s.w
		w.mu.Lock()
		defer w.mu.Unlock()
		err := w.advance(s.ctx, w.now+s.pause)
		if err == nil && (s.life != w.life || w.cutOff()) {
			err = w.wait(s.ctx, s.life)
		}
		if err != nil {
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: err}
		}
		if s.left = s.more(); len(s.left) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// maxBody is how much of a request's body the server reads.
const maxBody = 1 << 20

// parse reads one request as the unit's server does.
func parse(r *bufio.Reader) (*http.Request, []byte, error) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, nil, fmt.Errorf("read request: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxBody))
	if err != nil {
		return nil, nil, fmt.Errorf("read request body: %w", err)
	}
	return req, body, nil
}

// Datagram is one UDP answer.
type Datagram struct {
	From    string // address and port
	Payload []byte
}

// groupOf is the multicast group of a discovery port.
func groupOf(port string) string {
	if port == dhipPort {
		return dhipGroup
	}
	return wsGroup
}

// discovered are the unit's answers to a datagram to a UDP port.
func (w *World) discovered(port string, datagram []byte, many bool) [][]byte {
	if w.unit.phase != starting && w.unit.phase != ready {
		return nil
	}
	return w.speaks.discovered(port, datagram, many)
}

// Exchange sends a datagram to an address with port, which may be a group's or
// a broadcast's, and gathers what comes back within wait of the World's time.
func (w *World) Exchange(ctx context.Context, to string, datagram []byte, wait time.Duration) ([]Datagram, error) {
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		return nil, fmt.Errorf("send datagram: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	deadline := w.now + max(wait, 0)
	if err := w.advance(ctx, min(w.now+drawBetween(w.netRnd, tripLeast, tripMost), deadline)); err != nil {
		return nil, err
	}
	var got []Datagram
	if !w.cutOff() {
		many := host == groupOf(port) || host == "255.255.255.255" || strings.HasSuffix(host, ".255")
		if many || host == w.address() {
			for _, a := range w.discovered(port, datagram, many) {
				got = append(got, Datagram{net.JoinHostPort(w.address(), port), a})
			}
		}
		if port == dhipPort && many {
			if d, ok := dhipNeighbour(datagram); ok {
				got = append(got, d)
			}
		}
	}
	return got, w.advance(ctx, deadline)
}
