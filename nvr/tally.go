package nvr

import "time"

// tally is what a unit says of the refusals that are left until it locks. It
// counts those of others too, of which the ledger knows nothing.
type tally struct {
	left int
	at   time.Time // zero: it said nothing
}

// triesLeft notes the unit's own word.
func (d *Device) triesLeft(n int) { d.told = tally{n, d.o.Clock.Now()} }

// spent is how many refusals that makes, as long as it was said after since.
func (t tally) spent(l Lockout, since time.Time) int {
	if t.at.IsZero() || t.at.Before(since) {
		return 0
	}
	return l.Tries - t.left
}
