package rig

import (
	"context"
	"errors"
	"time"
)

// Clock is the time of a bench: the system's on a real one, the plant's in
// simulation. Times from one Clock may be compared and subtracted; wall time
// is a label and nothing more.
type Clock interface {
	// Now is the present moment. It never goes backwards.
	Now() time.Time
	// Sleep returns nil after d, or the cause of ctx as soon as it is cancelled.
	Sleep(ctx context.Context, d time.Duration) error
	// AfterFunc calls f once after d, in a goroutine of its own on a real clock
	// and inside the mover of time in simulation: f must not wait for the
	// caller. stop reports whether it prevented the call.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// ErrDeadline is the cause of a context that WithTimeout ended.
var ErrDeadline = errors.New("deadline exceeded on the bench's clock")

// WithTimeout is context.WithTimeout on a bench's clock: after d of that clock
// the context is cancelled with ErrDeadline as its cause. cancel must be called.
func WithTimeout(ctx context.Context, c Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := c.AfterFunc(d, func() { cancel(ErrDeadline) })
	return ctx, func() { stop(); cancel(context.Canceled) }
}

// System is the computer's own monotonic clock.
func System() Clock { return systemClock{} }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := context.Cause(ctx); err != nil || d <= 0 {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (systemClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}
