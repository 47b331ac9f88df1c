package gpio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"resetrig/rig"

	"golang.org/x/sys/unix"
)

// NetworkSpec is a reference host on the DUT's network: a switch, a gateway.
// While it answers, the network is not what keeps the DUT silent.
type NetworkSpec struct {
	Of   string // "network"; empty: that
	Addr string // address and port, no name: finding a name's address needs a network too
	// Timeout of one try; 0: two seconds.
	Timeout time.Duration
	Clock   rig.Clock // nil: the system's
}

// Network is a reference host as a sense.
type Network struct{ spec NetworkSpec }

var _ rig.Sense = (*Network)(nil)

// OpenTCP checks the spec; it connects to nothing yet.
func OpenTCP(spec NetworkSpec) (*Network, error) {
	if spec.Of == "" {
		spec.Of = "network"
	}
	if spec.Timeout <= 0 {
		spec.Timeout = 2 * time.Second
	}
	if spec.Clock == nil {
		spec.Clock = rig.System()
	}
	if _, err := netip.ParseAddrPort(spec.Addr); err != nil {
		return nil, fmt.Errorf("sense of %s: reference host %q: write an IP address and a port, as 192.168.1.1:80: %w", spec.Of, spec.Addr, err)
	}
	return &Network{spec}, nil
}

// Of names what is witnessed.
func (n *Network) Of() string { return n.spec.Of }

// On tries one connection. A refused one is an answer too: the host is there.
func (n *Network) On(ctx context.Context) (bool, error) {
	limited, cancel := rig.WithTimeout(ctx, n.spec.Clock, n.spec.Timeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(limited, "tcp", n.spec.Addr)
	switch {
	case err == nil:
		if err := c.Close(); err != nil {
			return true, fmt.Errorf("sense of %s: close the connection: %w", n.spec.Of, err)
		}
		return true, nil
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
		return true, nil
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return false, fmt.Errorf("sense of %s: connect to %s: %w", n.spec.Of, n.spec.Addr, err)
	}
	return false, nil
}

// CarrierSpec is a network interface of this computer whose cable leads to the
// DUT.
type CarrierSpec struct {
	Of        string // "power" where the cable goes straight to the DUT, else "network"
	Interface string
}

// Carrier is the link of an interface as a sense.
type Carrier struct {
	spec CarrierSpec
	file string
}

var _ rig.Sense = (*Carrier)(nil)

// OpenCarrier looks whether the interface exists.
func (h Host) OpenCarrier(spec CarrierSpec) (*Carrier, error) {
	name := spec.Interface
	if name == "" || strings.ContainsAny(name, "/ ") || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("sense of %s: interface %q is no interface's name", spec.Of, name)
	}
	c := &Carrier{spec, h.path("/sys/class/net/" + name + "/carrier")}
	if _, err := os.Stat(c.file); err != nil {
		var there []string
		if all, err := os.ReadDir(h.path("/sys/class/net")); err == nil {
			for _, e := range all {
				there = append(there, e.Name())
			}
		}
		return nil, fmt.Errorf("sense of %s: there is no interface %s; there are %s", spec.Of, name, strings.Join(there, ", "))
	}
	return c, nil
}

// Of names what is witnessed.
func (c *Carrier) Of() string { return c.spec.Of }

// On is whether the interface has a link.
func (c *Carrier) On(ctx context.Context) (bool, error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	b, err := os.ReadFile(c.file)
	switch {
	case errors.Is(err, unix.EINVAL): // the kernel's answer for an interface that is not up
		return false, fmt.Errorf("sense of %s: interface %s is switched off: sudo ip link set %s up", c.spec.Of, c.spec.Interface, c.spec.Interface)
	case err != nil:
		return false, fmt.Errorf("sense of %s: %w", c.spec.Of, err)
	}
	switch s := strings.TrimSpace(string(b)); s {
	case "1":
		return true, nil
	case "0":
		return false, nil
	default:
		return false, fmt.Errorf("sense of %s: %s says %q, neither 0 nor 1", c.spec.Of, c.file, s)
	}
}
