package access

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	headMost     = 16 << 10 // bytes of a request's head
	idleWithin   = 2 * time.Minute
	closeWithin  = 3 * time.Second // for what runs when the server ends
	socketBuffer = 128 << 10       // of the kernel's, for each connection
)

// CheckListen says why the server may not listen at an address; nil where it may.
// Without a token file that is this computer's loopback alone: localhost, 127.…
// or [::1], and a port.
func (p *Policy) CheckListen(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: it is HOST:PORT, like localhost:8080: %w", addr, err)
	}
	if !p.Local() || loopbackName(host) {
		return nil
	}
	if host == "" {
		host = "every address of this computer"
	}
	return fmt.Errorf("listen address %q is %s, where others could reach it and drive the rig: without a token file it is localhost:PORT; make one by `resetrig serve token NAME --role operator`", addr, host)
}

// Warning says what is doubtful about listening there, "" where nothing is.
func (p *Policy) Warning(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err == nil && p.pair == nil && !loopbackName(host) {
		return "tokens and sessions go over the network in the clear: give a certificate, or listen on localhost behind a tunnel or a proxy with one"
	}
	return ""
}

// Listen opens an address for Serve, with TLS where UseTLS has been called. It
// bounds the connections, in all and of each address, and the memory that the
// kernel keeps for each.
func (p *Policy) Listen(addr string) (net.Listener, error) {
	if err := p.CheckListen(addr); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	// What localhost is, this computer's hosts file says.
	if a, ok := l.Addr().(*net.TCPAddr); p.Local() && (!ok || !a.IP.IsLoopback()) {
		_ = l.Close()
		return nil, fmt.Errorf("listen address %q has become %s, where others could reach it: name 127.0.0.1", addr, l.Addr())
	}
	bounded := &listener{Listener: l, policy: p, each: map[string]int{}}
	return p.wrapTLS(bounded), nil
}

// Serve answers at l, which Listen opened, with h behind Handler, until ctx ends:
// streams and pages then end at once, what changes something has three seconds.
// nil where ctx ended it.
func (p *Policy) Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	closing, end := context.WithCancel(context.Background())
	defer end()
	srv := &http.Server{
		Handler:           p.Handler(h),
		ReadHeaderTimeout: orDefault(p.HeaderWithin, headerWithin), // a TLS handshake has as long
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    headMost,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), closingKey, closing)
		},
		ErrorLog: log.New(serverLog{p}, "", 0),
	}
	p.configureTLS(srv)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		end()
		last, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		if srv.Shutdown(last) != nil {
			_ = srv.Close() // somebody is still reading; there is nothing to lose
		}
	})
	err := srv.Serve(l)
	if stop() { // it ended by itself
		_ = srv.Close()
		return fmt.Errorf("serve the dashboard: %w", err)
	}
	<-ended
	if errors.Is(err, http.ErrServerClosed) || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve the dashboard: %w", err)
}

// serverLog passes on what net/http says of itself: panics of pages, and nothing
// of what strangers can make it say as often as they like.
type serverLog struct{ p *Policy }

func (s serverLog) Write(b []byte) (int, error) {
	text := strings.TrimSpace(string(b))
	if !strings.Contains(text, "TLS handshake error") {
		s.p.log("serve the dashboard", errors.New(text))
	}
	return len(b), nil
}

// listener refuses connections beyond its bounds, by closing them: one that is
// left waiting would wait in front of an operator.
type listener struct {
	net.Listener
	policy *Policy

	mu   sync.Mutex
	all  int
	each map[string]int
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := ""
		if a, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
			from = network(a.Addr().String())
		}
		if !l.take(from) {
			_ = c.Close()
			continue
		}
		if t, ok := c.(*net.TCPConn); ok {
			// Linux would let a reader who stands still have megabytes each.
			_ = t.SetWriteBuffer(socketBuffer)
		}
		return &conn{Conn: c, done: sync.OnceFunc(func() { l.give(from) })}, nil
	}
}

func (l *listener) take(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= orDefault(l.policy.MaxConns, connsMost) || l.each[from] >= orDefault(l.policy.MaxConnsEach, connsEach) {
		return false
	}
	l.all++
	l.each[from]++
	return true
}

func (l *listener) give(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.each[from]--; l.each[from] == 0 {
		delete(l.each, from)
	}
}

type conn struct {
	net.Conn
	done func()
}

func (c *conn) Close() error {
	c.done()
	return c.Conn.Close()
}
