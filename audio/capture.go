package audio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"resetrig/pcm"
	"resetrig/rig"
)

// CaptureOptions say how a microphone is captured.
type CaptureOptions struct {
	// Command is the microphone's process with its arguments: see MicCommand.
	Command []string
	// Version must be the one that the process says of itself.
	Version string
	// Ring is how much sound is kept for a reader that is busy; at least 30 s,
	// which is also the default.
	Ring time.Duration
	// Stall is for how long nothing may come from a running device before it is
	// lost: 1.5 s by default, so that it is known within 3 s.
	Stall time.Duration
	// OpenTimeout bounds each stage of opening: the process starting, the sound
	// library finding its devices, the device opening and delivering its first
	// block. 2.7 s by default: the library needs 0.2–2 s, the first block of
	// some devices 2 s, and after 3 s the error must be there.
	OpenTimeout time.Duration
	// Warmup is how much sound is discarded after opening, while the delay of
	// the device settles; 0.25 s by default.
	Warmup time.Duration
	// OnLost is called once when a running capture is lost, from the watchdog:
	// it cancels whatever does not wait in Read. It must not call the Capture.
	OnLost func(error)
	Log    *slog.Logger // nil: no log
}

// Stats is what a capture counted since its device was opened.
type Stats struct {
	Device      string
	Rate        int
	Starts      int   // processes started by this Capture so far
	Blocks      int64 // delivered
	Samples     int64 // delivered
	LostSamples int64 // known to be lost by the device
	Overflows   int   // losses that the device reported
	Stalls      int   // losses that it did not report, seen by the clock alone
	ReaderLost  int64 // samples lost because Read was not called within the ring's span
	// MaxLate is the longest time from the capture of a block's last sample to
	// its arrival here.
	MaxLate time.Duration
	// Jitter is how much later than expected blocks come of late, root mean square.
	Jitter time.Duration
	// DriftPPM is how much slower than nominal the device's clock is, 0 until
	// DriftKnown.
	DriftPPM   float64
	DriftKnown bool
}

// Capture is a Source: a microphone, captured in a process of its own, which
// may die, hang or be killed without harm.
type Capture struct {
	card   *Card
	index  int // of its channel among the card's
	onLost func(error)

	mu sync.Mutex
	s  *session // the one that it is a user of

	// What belongs to the one reader.
	cur  *Cursor
	from time.Time // blocks from before are of no interest
	end  time.Time // of the last block that was read

	readerLost atomic.Int64
}

var (
	_ Source = (*Capture)(nil)
	_ Timed  = (*Capture)(nil)
)

var discard = slog.New(slog.DiscardHandler)

// NewCapture prepares the capture of a card that has no other user; nothing runs
// until Open.
func NewCapture(opt CaptureOptions) *Capture {
	return NewCard(opt, 0).Capture(0, opt.OnLost)
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// lostError is a loss of the ear in words of its own.
type lostError struct{ text string }

func (e *lostError) Error() string { return e.text }
func (e *lostError) Unwrap() error { return rig.ErrEarLost }

func lostf(format string, a ...any) error { return &lostError{fmt.Sprintf(format, a...)} }

var errClosed = lostf("the microphone's capture is closed")

// using is the session that the capture uses, or nil.
func (c *Capture) using() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s
}

// Open starts the microphone's process, or, after a loss, ends what is left of
// it and starts another; see Source. Its errors wrap rig.ErrEarLost, other than
// the cause of a cancelled ctx.
func (c *Capture) Open(ctx context.Context) error {
	c.cur = nil
	if len(c.card.opt.Command) == 0 {
		return lostf("no program captures the microphone: none was named")
	}
	s := c.using()
	if s == nil || !s.alive() {
		if s != nil {
			_ = c.leave()
		}
		s = c.card.join(c)
		c.mu.Lock()
		c.s = s
		c.mu.Unlock()
	}
	var err error
	select {
	case <-s.ready:
		if r := s.rings[c.index].Load(); r != nil && s.alive() {
			c.cur, c.from, c.end = r.Cursor(), time.Now(), time.Time{}
			c.readerLost.Store(0)
			return nil
		}
		err = s.failure()
	case <-s.failed:
		err = s.failure()
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	_ = c.leave()
	return err
}

// leave lets go of the session.
func (c *Capture) leave() error {
	c.mu.Lock()
	s := c.s
	c.s = nil
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	return c.card.leave(c, s)
}

// Read emits the sound captured up to until; see Source.
func (c *Capture) Read(ctx context.Context, until time.Time, emit func(pcm.Block)) error {
	if c.cur == nil {
		return errClosed
	}
	for c.end.Before(until) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if c.using() == nil {
			return errClosed // the card's sound may go on, for others
		}
		b, err := c.cur.Next(ctx)
		if err != nil {
			return err
		}
		c.readerLost.Store(c.cur.Lost())
		c.end = b.End()
		if !b.Time.Before(c.from) {
			emit(b)
		}
	}
	return nil
}

// Close ends the process, if no other channel of the card is in use, and waits
// for all that belongs to it.
func (c *Capture) Close() error { return c.leave() }

// Ring is the sound of the running capture for a further reader, or nil. It
// ends when the capture is lost or closed; after another Open it is another.
func (c *Capture) Ring() *Ring {
	if s := c.using(); s != nil {
		return s.rings[c.index].Load()
	}
	return nil
}

// Stats is what was counted since the device was opened.
func (c *Capture) Stats() Stats {
	var st Stats
	if s := c.using(); s != nil {
		s.mu.Lock()
		st = s.stats
		s.mu.Unlock()
		st.ReaderLost = c.readerLost.Load()
	}
	st.Starts = c.card.started()
	return st
}

// TimeUncertainty is what the times of the blocks may be off by: a latency of the
// device that nobody reports, and what the jitter leaves of itself in the
// estimate, which is a third of it or less.
func (c *Capture) TimeUncertainty() time.Duration { return unseenLatency + c.Stats().Jitter/2 }

// session is one life of the microphone's process.
type session struct {
	opt      CaptureOptions
	channels []int
	log      *slog.Logger

	rings    []atomic.Pointer[Ring] // by channel, in their order; nil until the device is open
	ready    chan struct{}          // closed when sound flows
	failed   chan struct{}          // closed when the session is lost
	quit     chan struct{}          // closed when it shall end
	done     chan struct{}          // closed when all of it has ended
	progress chan progress          // what the reader sees, the newest alone
	quitOnce sync.Once

	mu     sync.Mutex
	users  map[*Capture]bool
	err    error
	endErr error
	stats  Stats
}

func newSession(opt CaptureOptions, channels []int) *session {
	return &session{
		opt: opt, channels: channels, log: opt.Log, rings: make([]atomic.Pointer[Ring], len(channels)),
		ready: make(chan struct{}), failed: make(chan struct{}),
		quit: make(chan struct{}), done: make(chan struct{}),
		progress: make(chan progress, 1), users: map[*Capture]bool{},
	}
}

// join makes a capture a user; false where the session is lost.
func (s *session) join(c *Capture) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.users[c] = true
	}
	return s.err == nil
}

// leave gives the number of users that are left.
func (s *session) leave(c *Capture) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, c)
	return len(s.users)
}

// alive reports whether sound flows.
func (s *session) alive() bool {
	select {
	case <-s.failed:
		return false
	case <-s.done:
		return false
	default:
	}
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

func (s *session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// lose declares the session lost: readers and the owner learn it before the
// process is dealt with, which may take longer.
func (s *session) lose(err error) {
	var told []func(error)
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = err
		for c := range s.users {
			if c.onLost != nil {
				told = append(told, c.onLost)
			}
		}
	}
	s.mu.Unlock()
	if !first {
		return
	}
	close(s.failed)
	for i := range s.rings {
		if r := s.rings[i].Load(); r != nil {
			r.End(err)
		}
	}
	ran := false
	select {
	case <-s.ready:
		ran = true
	default:
	}
	if !ran || errors.Is(err, errClosed) {
		return
	}
	for _, tell := range told {
		tell(err)
	}
}

// shutdown ends the session and waits until nothing of it is left.
func (s *session) shutdown() error {
	s.quitOnce.Do(func() { close(s.quit) })
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endErr
}
