//go:build !linux

package nvr

import (
	"errors"
	"syscall"
)

// bindTo knows no way to bind to an interface here.
func bindTo(iface string) func(network, address string, c syscall.RawConn) error {
	if iface == "" {
		return nil
	}
	return func(string, string, syscall.RawConn) error {
		return errors.New("binding to an interface is only known on Linux; leave the bench's interface empty")
	}
}
