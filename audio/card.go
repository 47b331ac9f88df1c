package audio

import (
	"slices"
	"sync"
	"time"
)

// Card is one sound card whose channels are the microphones of several benches.
// Its process is one, started by the first that opens and ended by the last that
// closes; a channel that is lost is lost for all of them, and whoever opens next
// starts another process.
type Card struct {
	opt      CaptureOptions
	channels []int

	mu     sync.Mutex
	s      *session
	starts int
}

// NewCard prepares a card's channels, those that the command delivers; nothing
// runs until a capture is opened. OnLost of the options is not used: each capture
// has its own.
func NewCard(opt CaptureOptions, channels ...int) *Card {
	return &Card{opt: opt.withDefaults(), channels: channels}
}

// Capture is the microphone on a channel of the card, or nil where the card was
// made without that one. onLost is as in CaptureOptions.
func (c *Card) Capture(channel int, onLost func(error)) *Capture {
	i := slices.Index(c.channels, channel)
	if i < 0 {
		return nil
	}
	return &Capture{card: c, index: i, onLost: onLost}
}

// join gives the running session, or starts one, and makes the capture a user of
// it.
func (c *Card) join(of *Capture) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s == nil || !c.s.join(of) {
		if c.s != nil {
			c.s.shutdown()
		}
		c.s = newSession(c.opt, c.channels)
		c.starts++
		c.s.join(of)
		c.s.start()
	}
	return c.s
}

// leave makes the capture a user no more; the last one ends the session.
func (c *Card) leave(of *Capture, s *session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.leave(of) > 0 {
		return nil
	}
	if c.s == s {
		c.s = nil
	}
	return s.shutdown()
}

// SharesWith reports whether one process captures both.
func (c *Capture) SharesWith(other *Capture) bool { return c.card == other.card }

func (c *Card) started() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.starts
}

// withDefaults fills in what is left out.
func (opt CaptureOptions) withDefaults() CaptureOptions {
	opt.Ring = max(opt.Ring, 30*time.Second)
	setDefault(&opt.Stall, 1500*time.Millisecond)
	setDefault(&opt.OpenTimeout, 2700*time.Millisecond)
	setDefault(&opt.Warmup, 250*time.Millisecond)
	if opt.Log == nil {
		opt.Log = discard
	}
	return opt
}
