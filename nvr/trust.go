package nvr

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	"resetrig/rig"
)

// Recorders sign their own certificates, so the first that is seen is believed
// and any other is another unit. Two things are watched for. A pin is kept under
// every name that the unit may have at the next start, its address before it
// has said who it is and its serial number after; and a first pin is given up if
// the one who showed it turns out to be a stranger. Where a model says that a
// factory reset changes the certificate, a new one is spoken to without a login
// until something else proves the unit (its hardware address, discovery, its
// serial number after a login with a default account, which is no secret), and
// pinned then.

// ErrCertificate is another certificate than the unit had before.
var ErrCertificate = errors.New("the certificate is another than the pinned one")

// pins is what the connections of a look showed. Handshakes run beside the
// device: its fields are theirs too.
type pins struct {
	mu      sync.Mutex
	fresh   []string // names under which a certificate was pinned and nobody proven yet
	offered string   // one that is not the pinned one, where the model allows that
	refusal error    // one that is not, where it does not
}

// begin forgets what an earlier look saw.
func (p *pins) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offered, p.refusal = "", nil
}

// take gives the refusal of this look, once.
func (p *pins) take() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.refusal
	p.refusal = nil
	return err
}

// trusted is shown each connection's certificate before a byte is sent on it.
func (w *wire) trusted(s tls.ConnectionState) error {
	t := w.d.o.Trust
	if t == nil {
		return nil
	}
	w.d.pins.mu.Lock()
	defer w.d.pins.mu.Unlock()
	err := w.compare(t, s)
	if errors.Is(err, rig.ErrWrongUnit) {
		w.d.pins.refusal = err
	}
	return err
}

// compare looks for a pin under the unit's names; pins is locked.
func (w *wire) compare(t Trust, s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return fmt.Errorf("%w: the unit showed none", ErrCertificate)
	}
	sum := sha256.Sum256(s.PeerCertificates[0].Raw)
	seen := hex.EncodeToString(sum[:])
	for _, name := range w.names {
		pinned, err := t.Pinned(name)
		switch {
		case err != nil:
			return fmt.Errorf("read the pinned certificate: %w", err)
		case pinned == seen:
			return nil
		case pinned == "":
			continue
		case !w.d.model.TLS.ChangesCertificate:
			return fmt.Errorf("%w: %w: pinned %s, seen %s; if its factory reset makes a new one, say so in the model: tls: {certificate: changes-at-reset}", rig.ErrWrongUnit, ErrCertificate, pinned, seen)
		case w.secret:
			return fmt.Errorf("%w: %w: pinned %s, seen %s; no password was sent", errUnproven, ErrCertificate, pinned, seen)
		}
		w.d.pins.offered = seen
		return nil
	}
	if err := t.Pin(w.names[0], seen); err != nil {
		return fmt.Errorf("pin the certificate: %w", err)
	}
	w.d.pins.fresh = append(w.d.pins.fresh, w.names[0])
	w.d.log.Info("certificate pinned", "unit", w.names[0], "sha256", seen)
	return nil
}

// settleTrust makes the pins follow a unit that has just shown who it is: under
// its own name, and with the certificate that it has now.
func (d *Device) settleTrust() error {
	if d.o.Trust == nil || (d.id == rig.Identity{}) || !isUnit(d.id, d.seen) {
		return nil
	}
	d.pins.mu.Lock()
	defer d.pins.mu.Unlock()
	names := d.ledgerKeys()
	is := d.pins.offered
	if is != "" {
		d.log.Warn("the unit has a new certificate and proved itself otherwise: pinned anew", "unit", names[0], "sha256", is)
	}
	for i := 0; is == "" && i < len(names); i++ {
		var err error
		if is, err = d.o.Trust.Pinned(names[i]); err != nil {
			return fmt.Errorf("read the pinned certificate: %w", err)
		}
	}
	for i, name := range names {
		was, err := d.o.Trust.Pinned(name)
		if err != nil {
			return fmt.Errorf("read the pinned certificate: %w", err)
		}
		if was == is || is == "" || was == "" && i > 0 && !slices.Contains(d.pins.fresh, name) {
			continue
		}
		if err := d.o.Trust.Pin(name, is); err != nil {
			return fmt.Errorf("pin the certificate: %w", err)
		}
	}
	d.pins.offered, d.pins.fresh = "", nil
	return nil
}

// distrust gives up what a stranger showed first.
func (d *Device) distrust() {
	d.pins.mu.Lock()
	defer d.pins.mu.Unlock()
	for _, name := range d.pins.fresh {
		if err := d.o.Trust.Pin(name, ""); err != nil {
			d.log.Error("forget a stranger's certificate", "unit", name, "error", err)
		}
	}
	d.pins.fresh = nil
}

// isDefault reports a login that everybody knows.
func (d *Device) isDefault(c rig.Credential) bool {
	return slices.ContainsFunc(d.model.Accounts, func(a rig.Credential) bool { return a.Password == c.Password })
}
