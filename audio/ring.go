package audio

import (
	"context"
	"sync"
	"time"

	"resetrig/pcm"
)

// Ring keeps the last seconds of a capture for any number of readers. Its
// writer never waits: a reader that falls behind by more than the ring loses
// the oldest sound, and is told how much.
type Ring struct {
	mu      sync.Mutex
	buf     []float32
	written int64 // samples since the ring was made
	blocks  []ringBlock
	first   int64         // number of blocks[0]
	more    chan struct{} // closed when something was added
	err     error         // why nothing more comes
}

// ringBlock is a block whose samples lie in the ring from position at.
type ringBlock struct {
	meta pcm.Block // without samples
	at   int64
	n    int
}

// NewRing makes a ring for span of sound at rate samples a second.
func NewRing(span time.Duration, rate int) *Ring {
	n := max(int(span.Seconds()*float64(rate)), pcm.MaxFrame)
	return &Ring{buf: make([]float32, n), more: make(chan struct{})}
}

// Write adds a block; its samples are copied. A block longer than the ring
// leaves only its end, marked as lost before.
func (r *Ring) Write(b pcm.Block) {
	if over := len(b.Samples) - len(r.buf); over > 0 {
		b.Time = b.Time.Add(pcm.Block{Rate: b.Rate, Samples: b.Samples[:over]}.Duration())
		b.Start += int64(over)
		b.Samples, b.Lost = b.Samples[over:], true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := int(r.written % int64(len(r.buf)))
	n := copy(r.buf[at:], b.Samples)
	copy(r.buf, b.Samples[n:])
	meta := b
	meta.Samples = nil
	r.blocks = append(r.blocks, ringBlock{meta, r.written, len(b.Samples)})
	r.written += int64(len(b.Samples))
	drop := 0
	for r.blocks[drop].at < r.written-int64(len(r.buf)) {
		drop++
	}
	r.blocks = r.blocks[drop:]
	r.first += int64(drop)
	r.wake()
}

// End says that nothing more comes, and why. Readers get err after what the
// ring still holds. Only the first call counts.
func (r *Ring) End(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
		r.wake()
	}
}

func (r *Ring) wake() {
	close(r.more)
	r.more = make(chan struct{})
}

// Cursor makes a reader that begins with the next block to be written.
func (r *Ring) Cursor() *Cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &Cursor{r: r, next: r.first + int64(len(r.blocks)), at: r.written}
}

// Cursor is one reader's place in a Ring. It belongs to one goroutine.
type Cursor struct {
	r    *Ring
	next int64 // number of the next block
	at   int64 // position after the last one that was read
	lost int64
	buf  []float32
}

// Lost is how many samples this reader lost because it was too slow.
func (c *Cursor) Lost() int64 { return c.lost }

// Next waits for the next block. Its samples are valid until the next call. A
// block before which this reader lost some has Lost set. It returns the cause
// when ctx is cancelled, and the error of End when the ring is empty and ended.
func (c *Cursor) Next(ctx context.Context) (pcm.Block, error) {
	for {
		b, ok, more, err := c.take()
		if ok {
			return b, nil
		}
		if err != nil {
			return pcm.Block{}, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return pcm.Block{}, context.Cause(ctx)
		}
	}
}

// take copies the next block out, if it is there.
func (c *Cursor) take() (b pcm.Block, ok bool, more <-chan struct{}, err error) {
	r := c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	i := c.next - r.first
	if i >= int64(len(r.blocks)) {
		return b, false, r.more, r.err
	}
	behind := i < 0
	i = max(i, 0)
	k := r.blocks[i]
	b = k.meta
	if behind {
		b.Lost = true
		c.lost += k.at - c.at
	}
	if cap(c.buf) < k.n {
		c.buf = make([]float32, k.n)
	}
	c.buf = c.buf[:k.n]
	from := int(k.at % int64(len(r.buf)))
	n := copy(c.buf, r.buf[from:])
	copy(c.buf[n:], r.buf)
	b.Samples = c.buf
	c.next, c.at = r.first+i+1, k.at+int64(k.n)
	return b, true, nil, nil
}
