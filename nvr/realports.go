package nvr

import (
	"context"
	"time"

	"resetrig/rig"
)

// Open implements Dialer.
func (n *realNetwork) Open(ctx context.Context, address string, within time.Duration) (bool, error) {
	bounded, cancel := rig.WithTimeout(ctx, n.clock, within)
	defer cancel()
	conn, err := n.dial(bounded, "tcp", address)
	if err == nil {
		_ = conn.Close() // nothing was said on it
	}
	return err == nil, context.Cause(ctx)
}
