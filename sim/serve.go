package sim

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"resetrig/pcm"
	"resetrig/rig"
)

// ServeOptions say where a simulated unit is served in real time.
type ServeOptions struct {
	// Options of the World. An empty URL becomes that of Listen, so that
	// discovery tells the address at which the unit really answers.
	Options
	Listen  string // TCP address of the unit's web server, ":0" chooses a port
	Control string // TCP address of the control port; "" has none
	// DHIP is the UDP address for discovery; "" has none. It takes unicast and
	// what the system delivers to that address; it joins no multicast group.
	DHIP string
	// Sound, if not nil, gets the microphone's sound as it comes: signed
	// 16-bit little-endian samples, mono, Options.Rate a second, no header. A
	// write must not block for long; an error ends the sound, nothing else.
	Sound io.Writer
}

// Server is a World that runs in real time.
//
// The unit's web server is there only when the unit has booted so far: before,
// and without power, connections are refused, since a program cannot be absent
// from loopback in another way. While it serves, requests and answers are
// those of the World. After a reset that moves the unit to another address the
// port stays closed.
//
// The control port speaks HTTP with JSON answers:
//
//	GET  /state            everything that is true now, see Truth
//	GET  /faults           all faults by name, see FaultInfo
//	POST /power?on=true    commands the power relay: the DUT powered or not
//	POST /reset?on=true    commands the reset relay: the pins shorted or not
//	POST /cycle?n=3        BeginCycle: draws the faults of cycle 3
//	POST /act              BeginAct
//	POST /repair           Repair
//
// A POST answers with the state after it, and 400 with {"error":…} for a value
// that it does not understand. Parameters may come as a form as well.
type Server struct {
	// Addr, ControlAddr and DHIPAddr are where it listens; "" where it does not.
	Addr, ControlAddr, DHIPAddr string

	w      *World
	clock  rig.Clock
	began  time.Time
	offset time.Duration // of the World when it was handed over
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	http net.Listener // nil while the unit does not listen
	err  error        // what ended it, or keeps it from listening
}

// tick is how often the plant is brought up to real time.
const tick = 10 * time.Millisecond

// Serve starts a simulated unit in real time. It runs until ctx is cancelled
// or Close is called; Wait waits for its end.
func Serve(ctx context.Context, o ServeOptions) (*Server, error) {
	var lc net.ListenConfig
	first, err := lc.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("simulated unit: %w", err)
	}
	s := &Server{Addr: first.Addr().String(), clock: rig.System(), http: first}
	if o.URL == "" {
		o.URL = "http://" + s.Addr
	}
	s.began = s.clock.Now()
	if o.Start.IsZero() {
		o.Start = s.began
	}
	if s.w, err = New(o.Options); err != nil {
		first.Close()
		return nil, err
	}
	s.offset = s.w.now
	ctx, s.cancel = context.WithCancelCause(ctx)
	fail := func(err error) (*Server, error) {
		s.cancel(err)
		s.wg.Wait()
		first.Close()
		return nil, err
	}
	if o.Control != "" {
		l, err := lc.Listen(ctx, "tcp", o.Control)
		if err != nil {
			return fail(fmt.Errorf("simulated unit's control port: %w", err))
		}
		s.ControlAddr = l.Addr().String()
		s.control(ctx, l)
	}
	if o.DHIP != "" {
		c, err := lc.ListenPacket(ctx, "udp", o.DHIP)
		if err != nil {
			return fail(fmt.Errorf("simulated unit's discovery port: %w", err))
		}
		s.DHIPAddr = c.LocalAddr().String()
		s.discovery(ctx, c, dhipPort)
	}
	if s.w.serving() {
		s.accept(ctx, first)
	} else {
		first.Close()
		s.http = nil
	}
	s.wg.Go(func() { s.run(ctx, o.Sound) })
	return s, nil
}

// World is the World behind the Server, whose relays may be switched directly.
// Nobody but the Server may move its time.
func (s *Server) World() *World { return s.w }

// Wait waits until the Server has ended and all that belongs to it is gone.
func (s *Server) Wait() error {
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the Server and waits.
func (s *Server) Close() error {
	s.cancel(nil)
	return s.Wait()
}

// run moves the plant's time along with real time.
func (s *Server) run(ctx context.Context, sound io.Writer) {
	ear := s.w.Sound()
	if sound != nil {
		if err := ear.Open(ctx); err != nil {
			sound = nil
		}
	}
	var raw []byte
	for s.clock.Sleep(ctx, tick) == nil {
		if sound == nil {
			s.catchUp(ctx)
		} else {
			var broken error
			err := ear.Read(ctx, s.now(), func(b pcm.Block) {
				raw = raw[:0]
				for _, x := range b.Samples {
					raw = binary.LittleEndian.AppendUint16(raw, uint16(int16(x*32767)))
				}
				if broken == nil {
					_, broken = sound.Write(raw)
				}
			})
			if err != nil && ctx.Err() == nil || broken != nil {
				sound = nil
			}
		}
		s.follow(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		s.http.Close()
		s.http = nil
	}
}

// now is real time as the World counts it.
func (s *Server) now() time.Time {
	w := s.w
	return w.start.Add(s.offset + s.clock.Now().Sub(s.began))
}

func (s *Server) catchUp(ctx context.Context) {
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	// The error is the cancelled ctx, which ends the loop around this.
	_ = w.advance(ctx, s.now().Sub(w.start))
}

// serving reports whether the unit's web server takes connections.
func (w *World) serving() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reach(w.unit.home, w.port) == serving
}

// follow opens and closes the unit's port as the unit does.
func (s *Server) follow(ctx context.Context) {
	want := s.w.serving()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case want && s.http == nil:
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", s.Addr)
		s.err = nil
		if err != nil {
			if ctx.Err() == nil {
				s.err = fmt.Errorf("simulated unit cannot listen again: %w", err) // tried again at the next tick
			}
			return
		}
		s.http = l
		s.accept(ctx, l)
	case !want && s.http != nil:
		s.http.Close()
		s.http = nil
	}
}

// accept serves connections until the listener is closed.
func (s *Server) accept(ctx context.Context, l net.Listener) {
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.answer(ctx, c) })
		}
	})
}

// patience is how long a client may take to say what it wants.
const patience = 30 * time.Second

// answer serves one request, which is all that a connection has.
func (s *Server) answer(ctx context.Context, c net.Conn) {
	ctx, cancel := rig.WithTimeout(ctx, s.clock, patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	defer c.Close()
	req, body, err := parse(bufio.NewReader(c))
	if err != nil {
		return
	}
	s.catchUp(ctx)
	w := s.w
	w.mu.Lock()
	life := w.life
	raw, takes, hang := w.respond(req, body)
	w.mu.Unlock()
	if hang {
		// Silent until the client or the Server has had enough.
		_, _ = io.Copy(io.Discard, c)
		return
	}
	if s.clock.Sleep(ctx, takes) != nil {
		return
	}
	s.catchUp(ctx)
	w.mu.Lock()
	gone := life != w.life
	w.mu.Unlock()
	if tcp, ok := c.(*net.TCPConn); ok && gone {
		_ = tcp.SetLinger(0) // a reset, as from a unit that restarts
		return
	}
	_, _ = c.Write(raw) // a client that went away is its own affair
}

// discovery answers searches, as those to a port of the unit.
func (s *Server) discovery(ctx context.Context, c net.PacketConn, port string) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	s.wg.Go(func() {
		defer stop()
		defer c.Close()
		b := make([]byte, 64<<10)
		for {
			n, from, err := c.ReadFrom(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // a refused answer of before: the next search is another
			}
			s.w.mu.Lock()
			answers := s.w.discovered(port, b[:n], false)
			if s.w.cutOff() {
				answers = nil
			}
			s.w.mu.Unlock()
			for _, a := range answers {
				_, _ = c.WriteTo(a, from)
			}
		}
	})
}
