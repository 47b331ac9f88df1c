package audio

import (
	"context"
	"time"

	"resetrig/pcm"
)

// Source gives the sound of a room, in real or simulated time. It has one
// reader, which calls its methods one after the other.
type Source interface {
	// Open starts capture, and returns nil when it runs: the first block that
	// Read emits was captured after the call. On a Source that runs already it
	// only lets go of what was not read; on one that was lost it starts anew.
	Open(ctx context.Context) error
	// Read emits every block captured up to the moment until, in order, waiting
	// for it on a real source. A block is valid only inside emit, and an error
	// of emit is not asked for: what listens must not stop. It ends with the
	// cause when ctx is cancelled, and with an error that wraps rig.ErrEarLost
	// when capture died; Open may then be called again.
	Read(ctx context.Context, until time.Time, emit func(pcm.Block)) error
	// Close ends capture. It may be called at any time, and twice.
	Close() error
}
