package nvr

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"

	"resetrig/rig"
)

// ErrCertificate is another certificate than the unit had before.
var ErrCertificate = errors.New("the certificate is another than the pinned one")

// trusted compares a connection's certificate with the pinned one, and pins the
// first. It is asked before anything is sent.
func (d *Device) trusted(s tls.ConnectionState) error {
	if d.o.Trust == nil {
		return nil
	}
	if len(s.PeerCertificates) == 0 {
		return fmt.Errorf("%w: the unit showed none", ErrCertificate)
	}
	sum := sha256.Sum256(s.PeerCertificates[0].Raw)
	seen := hex.EncodeToString(sum[:])
	pinned, err := d.o.Trust.Pinned(d.keys()[0])
	switch {
	case err != nil:
		return fmt.Errorf("read the pinned certificate: %w", err)
	case pinned == "":
		if err := d.o.Trust.Pin(d.keys()[0], seen); err != nil {
			return fmt.Errorf("pin the certificate: %w", err)
		}
		d.log.Info("certificate pinned", "unit", d.keys()[0], "sha256", seen)
		return nil
	case pinned != seen:
		return fmt.Errorf("%w: %w: pinned %s, seen %s", rig.ErrWrongUnit, ErrCertificate, pinned, seen)
	}
	return nil
}
