package sim

import (
	"bufio"
	"bytes"
	"context"
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
// and answers go over it as real bytes, and cost time of the World.
func (w *World) RoundTripper() http.RoundTripper { return tripper{w} }

type tripper struct{ w *World }

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
	case u.phase == linked || port != w.port:
		return rejecting
	}
	return serving
}

// RoundTrip does what http.Transport would do, in the World's time. It fires
// the request's httptrace hooks, so that a client can tell a unit that takes
// connections and says nothing from one that is silent.
func (t tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	w, ctx := t.w, req.Context()
	host, port := req.URL.Hostname(), req.URL.Port()
	if port == "" {
		port = "80"
	}
	addr := net.JoinHostPort(host, port)
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		trace = &httptrace.ClientTrace{}
	}
	var sent bytes.Buffer
	err := req.Write(&sent)
	if req.Body != nil {
		req.Body.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	if req.URL.Scheme != "http" {
		return nil, fmt.Errorf("simulated network: scheme %q: the unit speaks http", req.URL.Scheme)
	}
	if trace.GetConn != nil {
		trace.GetConn(addr)
	}
	if trace.ConnectStart != nil {
		trace.ConnectStart("tcp", addr)
	}
	err = w.connect(ctx, host, port)
	if trace.ConnectDone != nil {
		trace.ConnectDone("tcp", addr, err)
	}
	if err != nil {
		return nil, err
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	raw, err := w.exchange(ctx, sent.Bytes())
	if err != nil {
		return nil, err
	}
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), req)
	if err != nil {
		return nil, fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", err)
	}
	return resp, nil
}

// connect is TCP's handshake.
func (w *World) connect(ctx context.Context, host, port string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fail := func(err error) error {
		n, _ := strconv.Atoi(port)
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(host), Port: n}, Err: err}
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
	return nil
}

// exchange sends a request's bytes over an open connection and waits for the
// answer's.
func (w *World) exchange(ctx context.Context, sent []byte) ([]byte, error) {
	req, body, err := parse(bufio.NewReader(bytes.NewReader(sent)))
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	fail := func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }
	life := w.life
	if err := w.advance(ctx, w.now+drawBetween(w.netRnd, tripLeast, tripMost)); err != nil {
		return nil, fail(err)
	}
	if life == w.life && !w.cutOff() {
		raw, takes, hang := w.respond(req, body)
		if !hang {
			if err := w.advance(ctx, w.now+takes); err != nil {
				return nil, fail(err)
			}
			if life == w.life && !w.cutOff() {
				return raw, nil
			}
		}
	}
	if w.unit.running && life != w.life { // it restarted under the connection
		return nil, fail(os.NewSyscallError("read", syscall.ECONNRESET))
	}
	if err := w.advance(ctx, w.now+hangBound); err != nil {
		return nil, fail(err)
	}
	return nil, fail(os.NewSyscallError("read", syscall.ETIMEDOUT))
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
