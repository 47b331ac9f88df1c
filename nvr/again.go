package nvr

import (
	"context"
	"errors"
	"time"

	"resetrig/rig"
)

// One request that goes wrong says little: a network loses packets, a recorder
// that is busy drops a connection. So a question is asked again, after a pause,
// before silence or nonsense is believed.
const (
	againAfter  = 1500 * time.Millisecond // of the bench's clock
	againSilent = 2                       // repetitions after a reset, a time-out or a 5xx
	againNoise  = 1                       // repetitions after an answer that cannot be understood
)

// repetitions is how often a request that ended so is repeated.
func repetitions(ctx context.Context, err error) int {
	switch {
	case err == nil, context.Cause(ctx) != nil, errors.Is(err, rig.ErrWrite):
		return 0
	case errors.Is(err, rig.ErrUnreachable), errors.Is(err, errBusy):
		return againSilent
	case errors.Is(err, rig.ErrGarbage), errors.Is(err, errForbidden): // 403 is also said of a stale nonce
		return againNoise
	}
	return 0
}

func (d *Device) pause(ctx context.Context) error { return d.o.Clock.Sleep(ctx, againAfter) }

// again asks until there is an answer or the repetitions are spent. Only for
// what changes nothing on the unit.
func again[T any](ctx context.Context, d *Device, ask func() (T, error)) (T, error) {
	for n := 0; ; n++ {
		v, err := ask()
		if n >= repetitions(ctx, err) {
			return v, err
		}
		d.log.Debug("asked again", "after", err)
		if err := d.pause(ctx); err != nil {
			return v, err
		}
	}
}
