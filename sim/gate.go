package sim

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	"resetrig/rig"
)

// gate is one TCP port of a served unit, open while the unit has it open.
type gate struct {
	addr string      // where it really is
	port string      // the unit's number of it
	tls  *tls.Config // nil without TLS
	mute bool        // takes connections and says nothing
	l    net.Listener
}

// listens reports whether the unit has a port open.
func (w *World) listens(port string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reach(w.unit.home, port) == serving
}

// follow opens and closes the ports as the unit does.
func (s *Server) follow(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = nil
	for _, g := range s.gates {
		switch want := s.w.listens(g.port); {
		case want && g.l == nil:
			var lc net.ListenConfig
			l, err := lc.Listen(ctx, "tcp", g.addr)
			if err != nil {
				if ctx.Err() == nil {
					s.err = fmt.Errorf("simulated unit cannot listen: %w", err) // tried again at the next tick
				}
				continue
			}
			g.l = l
			s.accept(ctx, g, l)
		case !want && g.l != nil:
			g.l.Close()
			g.l = nil
		}
	}
}

// shut closes all ports.
func (s *Server) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gates {
		if g.l != nil {
			g.l.Close()
			g.l = nil
		}
	}
}

// accept serves connections until the listener is closed.
func (s *Server) accept(ctx context.Context, g *gate, l net.Listener) {
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() {
				defer c.Close()
				s.converse(ctx, g, c)
			})
		}
	})
}

// patience is how long a client may take to say what it wants.
const patience = 30 * time.Second

// converse serves a connection's requests, one where the unit closes after it.
func (s *Server) converse(ctx context.Context, g *gate, raw net.Conn) {
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if g.mute {
		_, _ = io.Copy(io.Discard, raw)
		return
	}
	c := raw
	if g.tls != nil {
		c = tls.Server(raw, g.tls)
	}
	for r := bufio.NewReader(c); s.answer(ctx, g, raw, c, r); {
	}
}

// answer serves one request, and reports whether the connection stays.
func (s *Server) answer(ctx context.Context, g *gate, raw, c net.Conn, r *bufio.Reader) bool {
	asking, cancel := rig.WithTimeout(ctx, s.clock, patience)
	stop := context.AfterFunc(asking, func() { raw.Close() })
	req, body, err := parse(r)
	stop()
	cancel()
	if err != nil {
		return false
	}
	s.catchUp(ctx)
	w := s.w
	w.mu.Lock()
	life := w.life
	re := w.behind(g.port, req, body, g.tls != nil)
	w.mu.Unlock()
	if re.hang {
		// Silent until the client or the Server has had enough.
		_, _ = io.Copy(io.Discard, c)
		return false
	}
	for wait := re.takes; ; wait = re.pause {
		if s.clock.Sleep(ctx, wait) != nil {
			return false
		}
		s.catchUp(ctx)
		w.mu.Lock()
		gone := life != w.life
		w.mu.Unlock()
		if gone || re.drop {
			if tcp, ok := raw.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset, as from a unit that restarts
			}
			return false
		}
		if _, err := c.Write(re.raw); err != nil {
			return false // a client that went away is its own affair
		}
		if re.more == nil {
			break
		}
		if re.raw = re.more(); len(re.raw) == 0 {
			return false
		}
	}
	if !re.keep && g.tls != nil {
		c.Close() // with its close notify
	}
	return re.keep
}
