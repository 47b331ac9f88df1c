package nvr

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"resetrig/rig"
)

// Who a unit must be and who it has shown itself to be are two things. What is
// expected is the bench's word and what was learnt; what is seen begins anew
// with each look. Nothing is changed on a unit, and nothing said of one, that
// has not shown a field of what is expected: by discovery, by its serial number
// after a login, or by the hardware address in its configuration.

// errUnproven is a unit that answers and does not show who it is.
var errUnproven = rig.ErrUnidentified

// isUnit demands a proof: something known in both, and no contradiction.
func isUnit(a, b rig.Identity) bool {
	return !a.Contradicts(b) && (a.Serial != "" && a.Serial == b.Serial || a.MAC != "" && b.MAC != "" && bareMAC(a.MAC) == bareMAC(b.MAC))
}

// bind takes in who answered: it must not be another unit than expected, nor
// another than answered before. What is new is learnt once it is proven to be
// the unit, or if nobody was expected.
func (d *Device) bind(id rig.Identity, where string) error {
	for _, known := range []rig.Identity{d.id, d.seen} {
		if known.Contradicts(id) {
			d.seen = rig.Identity{}
			d.distrust()
			return wrongUnit(known, id, where)
		}
	}
	d.seen.Serial = cmp.Or(d.seen.Serial, id.Serial)
	d.seen.MAC = cmp.Or(d.seen.MAC, id.MAC)
	if (d.id == rig.Identity{}) || isUnit(d.id, d.seen) {
		d.id.Serial = cmp.Or(d.id.Serial, d.seen.Serial)
		d.id.MAC = cmp.Or(d.id.MAC, d.seen.MAC)
	}
	return nil
}

func wrongUnit(want, seen rig.Identity, where string) error {
	return fmt.Errorf("%s: %w: want %s, seen %s", where, rig.ErrWrongUnit, identityText(want), identityText(seen))
}

// proven is nil if the unit that answers has shown that it is the expected one,
// or if nobody is expected.
func (d *Device) proven() error {
	if (d.id == rig.Identity{}) || isUnit(d.id, d.seen) {
		return nil
	}
	remedy := "make discovery (UDP " + d.model.Endpoints.DiscoveryPort + ") reach it"
	if _, own := d.dialect.(discoverer); own {
		remedy = "write the mac of the port that answers into the bench file"
	}
	switch {
	case !d.dialect.can().mark:
		remedy = "the plain dialect cannot tell: leave serial and mac out of the bench file"
	case d.o.Identity != (rig.Identity{}):
		remedy += ", or leave serial and mac out of the bench file"
	}
	return fmt.Errorf("%s: %w: want %s, seen %s; %s", d.base, errUnproven, identityText(d.id), identityText(d.seen), remedy)
}

// mayProvision is nil if the unit is proven. Where the bench names nobody and
// discovery has never worked, an uninitialised unit has no way to show who it
// is: it may be given an account, and its serial number is compared then.
func (d *Device) mayProvision() error {
	if (d.o.Identity == rig.Identity{}) && !d.found {
		return nil
	}
	return d.proven()
}

// bindMAC compares the hardware address in the configuration, where neither
// discovery nor the serial number could be compared.
func (d *Device) bindMAC(ctx context.Context, s *session) error {
	if d.proven() == nil || d.id.MAC == "" {
		return nil
	}
	mac, err := d.dialect.mac(ctx, s, d.id.MAC)
	if errors.Is(err, rig.ErrUnsupported) || errors.Is(err, rig.ErrGarbage) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the hardware address: %w", err)
	}
	return d.bind(rig.Identity{MAC: mac}, d.base)
}
