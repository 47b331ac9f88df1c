package nvr

import (
	"fmt"
	"syscall"
)

// bindTo binds a socket to an interface (SO_BINDTODEVICE; since Linux 5.7 it
// needs no privilege).
func bindTo(iface string) func(network, address string, c syscall.RawConn) error {
	if iface == "" {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var bindErr error
		if err := c.Control(func(fd uintptr) {
			bindErr = syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, iface)
		}); err != nil {
			return err
		}
		if bindErr != nil {
			return fmt.Errorf("bind to interface %q: %w", iface, bindErr)
		}
		return nil
	}
}
