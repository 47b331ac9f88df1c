package nvr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"resetrig/rig"
)

// uptimeSlack is what a unit's whole seconds and the way of its answer may add.
const uptimeSlack = 2 * time.Second

// uptime asks how long ago the unit started: not before the moment since which it
// must have. Where nobody can tell there is no check.
func (e *examination) uptime(ctx context.Context, since time.Time) error {
	if since.IsZero() || e.blocked != nil || e.r == nil {
		return nil
	}
	var up, most time.Duration
	for again := true; ; again = false {
		var err error
		up, err = e.d.dialect.uptime(ctx, e.r.s)
		most = e.d.o.Clock.Now().Sub(since)
		c := rig.Check{Name: "uptime", Kind: rig.AboutRestart, Wanted: fmt.Sprintf("started within the last %v", most.Round(time.Second))}
		switch {
		case errors.Is(err, rig.ErrUnsupported), errors.Is(err, rig.ErrGarbage):
			return nil
		case err == nil && up > most+uptimeSlack && again:
			continue
		}
		return e.settle(ctx, &c, err, up <= most+uptimeSlack, fmt.Sprintf("it started %v ago", up))
	}
}
