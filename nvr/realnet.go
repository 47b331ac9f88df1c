package nvr

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"resetrig/rig"
)

// RealNetwork is the computer's own network. iface names the interface to the
// DUT ("eth1"): sockets are bound to it, so that 192.168.1.108 on the wrong
// side is not reached by chance. Empty leaves the choice to the routes.
func RealNetwork(clock rig.Clock, iface string) Network {
	bind := bindTo(iface)
	dial := net.Dialer{KeepAlive: -1, Control: bind}
	return &realNetwork{clock: clock, iface: iface, bind: bind, dial: dial.DialContext, least: tls.VersionTLS12}
}

type realNetwork struct {
	clock rig.Clock
	iface string
	bind  func(network, address string, c syscall.RawConn) error
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	least uint16 // TLS version
}

// tlsVersions are the versions that a model can allow.
var tlsVersions = map[string]uint16{"": tls.VersionTLS12, "1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12}

// speaking is the network with another least version of TLS. What speaks less
// than 1.2 also has the key exchanges of its time, which Go no longer offers by
// itself.
func (n *realNetwork) speaking(least uint16) Network {
	if least == n.least {
		return n
	}
	m := *n
	m.least = least
	return &m
}

// suites are the cipher suites for a least version; nil is Go's own choice.
func suites(least uint16) []uint16 {
	if least >= tls.VersionTLS12 {
		return nil
	}
	var ids []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, s.ID)
	}
	return ids
}

// RoundTripper implements Network.
func (n *realNetwork) RoundTripper(verify func(tls.ConnectionState) error) http.RoundTripper {
	return &http.Transport{
		DialContext:            n.dial,
		DisableKeepAlives:      true, // every recorder closes; a kept connection hides a restart
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		// Recorders sign their own certificates: verify compares them with what
		// was pinned.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: n.least, CipherSuites: suites(n.least), VerifyConnection: verify},
	}
}

// Exchange implements Network. Go allows broadcast on every UDP socket.
func (n *realNetwork) Exchange(ctx context.Context, to string, datagram []byte, wait time.Duration) ([]Datagram, error) {
	return n.Ask(ctx, to, datagram, wait, func(Datagram) bool { return false })
}

// Ask implements Asker.
func (n *realNetwork) Ask(ctx context.Context, to string, datagram []byte, wait time.Duration, enough func(Datagram) bool) ([]Datagram, error) {
	addr, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", to, err)
	}
	lc := net.ListenConfig{Control: n.bind}
	conn, err := lc.ListenPacket(ctx, "udp4", ":0")
	if err != nil {
		return nil, fmt.Errorf("open a UDP socket: %w", err)
	}
	defer conn.Close()
	// A deadline in the past ends the read below; when, the bench's clock says.
	end := func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) }
	stop := n.clock.AfterFunc(wait, end)
	defer stop()
	unhook := context.AfterFunc(ctx, end)
	defer unhook()
	if _, err := conn.WriteTo(datagram, addr); err != nil {
		return nil, fmt.Errorf("send to %s: %w", to, err)
	}
	var out []Datagram
	buf := make([]byte, 64<<10)
	for held := 0; held < maxAnswer; { // a flood is not collected
		k, from, err := conn.ReadFrom(buf)
		switch {
		case err == nil:
			d := Datagram{From: from.String(), Data: append([]byte(nil), buf[:k]...)}
			out = append(out, d)
			if held += k; enough(d) {
				return out, nil
			}
			continue
		case context.Cause(ctx) != nil:
			return out, context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return out, nil
		}
		return out, fmt.Errorf("receive from %s: %w", to, err)
	}
	return out, nil
}
