package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"syscall"
)

// door is what is behind a TCP port of the unit.
type door int

const (
	noDoor    door = iota
	webDoor        // HTTP
	tlsDoor        // HTTP over TLS
	otherDoor      // something that takes connections and says nothing
)

// door is what is behind a port while the unit's services run.
func (w *World) door(port string) door {
	switch {
	case port == w.port:
		return webDoor
	case port == w.tlsPort && port != "":
		return tlsDoor
	}
	if n, err := strconv.Atoi(port); err == nil && (slices.Contains(w.model.Ports, n) || n == telnetPort && w.unit.telnet) {
		return otherDoor
	}
	return noDoor
}

const telnetPort = 23

// PortState is how a TCP port answers a connection.
type PortState string

// The states of a port.
const (
	PortOpen    PortState = "open"
	PortRefused PortState = "refused"
	PortSilent  PortState = "silent" // nobody there, or a unit that is not on the network
)

// Dial tries a TCP port of a host on the simulated network, and tells how it
// answers. It costs the World's time: a silent one until ctx's deadline on the
// World's Clock (see rig.WithTimeout) or until the system gives up, after 3 s.
// The error is ctx's cause where ctx ended first; the state then is
// PortSilent.
func (w *World) Dial(ctx context.Context, host string, port int) (PortState, error) {
	if port < 1 || port > 65535 {
		return PortSilent, fmt.Errorf("port %d: want 1 to 65535", port)
	}
	_, err := w.connect(ctx, host, strconv.Itoa(port))
	switch {
	case err == nil:
		return PortOpen, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return PortRefused, nil
	case errors.Is(err, syscall.EHOSTUNREACH):
		return PortSilent, nil
	}
	return PortSilent, err
}
