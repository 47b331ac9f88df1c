package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// discoveries opens the UDP ports.
func (s *Server) discoveries(ctx context.Context, o ServeOptions) error {
	var lc net.ListenConfig
	for _, d := range []struct {
		listen, port string
		addr         *string
	}{{o.DHIP, dhipPort, &s.DHIPAddr}, {o.WSD, wsPort, &s.WSDAddr}} {
		if d.listen != "" {
			c, err := lc.ListenPacket(ctx, "udp", d.listen)
			if err != nil {
				return fmt.Errorf("simulated unit's discovery port: %w", err)
			}
			*d.addr = c.LocalAddr().String()
			s.discovery(ctx, c, d.port, false)
		}
		if o.Groups == "" {
			continue
		}
		on, err := net.InterfaceByName(o.Groups)
		if err != nil {
			return fmt.Errorf("simulated unit's discovery on interface %s: %w", o.Groups, err)
		}
		port, _ := strconv.Atoi(d.port)
		c, err := net.ListenMulticastUDP("udp4", on, &net.UDPAddr{IP: net.ParseIP(groupOf(d.port)), Port: port})
		if err != nil {
			return fmt.Errorf("simulated unit joins %s on interface %s: %w", groupOf(d.port), o.Groups, err)
		}
		s.discovery(ctx, c, d.port, true)
	}
	return nil
}

// discovery answers searches, as those to a port of the unit or to its group.
func (s *Server) discovery(ctx context.Context, c net.PacketConn, port string, group bool) {
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
			s.catchUp(ctx)
			s.w.mu.Lock()
			answers := s.w.discovered(port, b[:n], group)
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
