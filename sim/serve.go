package sim

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"resetrig/pcm"
	"resetrig/rig"
)

// ServeOptions say where a simulated unit is served in real time.
type ServeOptions struct {
	// Options of the World. An empty URL becomes that of Listen, so that
	// discovery tells the address at which the unit really answers. An https URL
	// is refused: TLS comes by the model's quirks or by ListenTLS.
	Options
	Listen string // TCP address of the unit's web server, ":0" chooses a port
	// ListenTLS is the TCP address of its TLS; "" is a free port beside Listen
	// where a quirk gives the unit TLS, and none elsewhere. An address gives any
	// unit TLS.
	ListenTLS string
	// OtherPorts is the host on which the unit's other TCP ports are open, under
	// their own numbers; "" opens none.
	OtherPorts string
	Control    string // TCP address of the control port; "" has none
	// DHIP and WSD are the UDP addresses of the two discoveries; "" has none.
	// They take unicast and what the system delivers to that address.
	DHIP, WSD string
	// Groups names the network interface on which both discoveries' multicast
	// groups are joined at their own ports; "" joins none.
	Groups string
	// Sound, if not nil, gets the microphone's sound as it comes: signed
	// 16-bit little-endian samples, mono, Options.Rate a second, no header. A
	// write must not block for long; an error ends the sound, nothing else.
	Sound io.Writer
}

// Server is a World that runs in real time.
//
// The unit's TCP ports are there only when the unit has booted so far: before,
// and without power, connections are refused, since a program cannot be absent
// from loopback in another way. While it serves, requests and answers are
// those of the World. After a reset that moves the unit to another address the
// ports stay closed.
//
// The control port speaks HTTP with JSON answers:
//
//	GET  /state            everything that is true now, see Truth
//	GET  /faults           all faults by name, see FaultInfo
//	GET  /quirks           all quirks by name, see QuirkInfo
//	POST /power?on=true    commands the power relay: the DUT powered or not
//	POST /reset?on=true    commands the reset relay: the pins shorted or not
//	POST /cycle?n=3        BeginCycle: draws the faults of cycle 3
//	POST /act              BeginAct
//	POST /repair           Repair
//
// A POST answers with the state after it, and 400 with {"error":…} for a value
// that it does not understand. Parameters may come as a form as well.
type Server struct {
	// Where it listens; "" where it does not.
	Addr, TLSAddr, ControlAddr, DHIPAddr, WSDAddr string

	w      *World
	clock  rig.Clock
	began  time.Time
	offset time.Duration // of the World when it was handed over
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	gates []*gate
	err   error // what ended it, or keeps it from listening
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
	s := &Server{Addr: first.Addr().String(), clock: rig.System()}
	ctx, s.cancel = context.WithCancelCause(ctx)
	if err := s.start(ctx, o, first); err != nil {
		s.cancel(err)
		s.wg.Wait()
		first.Close()
		s.shut()
		return nil, err
	}
	s.wg.Go(func() { s.run(ctx, o.Sound) })
	return s, nil
}

// start opens everything.
func (s *Server) start(ctx context.Context, o ServeOptions, first net.Listener) (err error) {
	var lc net.ListenConfig
	if o.URL == "" {
		o.URL = "http://" + s.Addr
	}
	s.began = s.clock.Now()
	if o.Start.IsZero() {
		o.Start = s.began
	}
	if strings.HasPrefix(o.URL, "https:") {
		return fmt.Errorf("simulated unit in real time at %s: want an http URL, and TLS by ListenTLS or a quirk", o.URL)
	}
	if o.ListenTLS != "" {
		o.Quirks = append([]string{https}, o.Quirks...)
	}
	if s.w, err = New(o.Options); err != nil {
		return err
	}
	s.offset = s.w.now
	s.gates = []*gate{{addr: s.Addr, port: s.w.port, l: first}}
	if s.w.tlsPort != "" {
		if o.ListenTLS == "" {
			host, _, err := net.SplitHostPort(s.Addr)
			if err != nil {
				return fmt.Errorf("simulated unit: %w", err)
			}
			o.ListenTLS = net.JoinHostPort(host, "0")
		}
		l, err := lc.Listen(ctx, "tcp", o.ListenTLS)
		if err != nil {
			return fmt.Errorf("simulated unit's TLS port: %w", err)
		}
		s.TLSAddr = l.Addr().String()
		_, s.w.tlsPort, _ = net.SplitHostPort(s.TLSAddr)
		s.gates = append(s.gates, &gate{addr: s.TLSAddr, port: s.w.tlsPort, tls: s.w.tlsConfig(), l: l})
	}
	if o.OtherPorts != "" {
		for _, p := range append([]int{telnetPort}, s.w.model.Ports...) {
			n := strconv.Itoa(p)
			s.gates = append(s.gates, &gate{addr: net.JoinHostPort(o.OtherPorts, n), port: n, mute: true})
		}
	}
	if o.Control != "" {
		l, err := lc.Listen(ctx, "tcp", o.Control)
		if err != nil {
			return fmt.Errorf("simulated unit's control port: %w", err)
		}
		s.ControlAddr = l.Addr().String()
		s.control(ctx, l)
	}
	if err := s.discoveries(ctx, o); err != nil {
		return err
	}
	for _, g := range s.gates {
		if g.l != nil {
			s.accept(ctx, g, g.l)
		}
	}
	s.follow(ctx)
	return nil
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
	s.shut()
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
