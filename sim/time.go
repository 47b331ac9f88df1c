package sim

import (
	"container/heap"
	"context"
	"time"

	"resetrig/rig"
)

// event is something due at a moment of virtual time.
type event struct {
	at    time.Duration // since Options.Start
	seq   uint64        // order among those of one moment
	life  uint64        // of the unit that planned it; 0: not the unit's
	fn    func()
	user  bool // an AfterFunc: runs without the lock
	index int  // in the queue, -1 outside
}

// queue is a heap of events.
type queue []*event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *queue) Push(x any) {
	e := x.(*event)
	e.index = len(*q)
	*q = append(*q, e)
}
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	e.index = -1
	return e
}

// plan puts fn on the queue, d from now. life binds it to the unit's present
// life: a restart or a loss of power forgets it.
func (w *World) plan(d time.Duration, life uint64, fn func()) *event {
	w.seq++
	e := &event{at: w.now + max(d, 0), seq: w.seq, life: life, fn: fn}
	heap.Push(&w.events, e)
	return e
}

// after plans for the unit's present life.
func (w *World) after(d time.Duration, fn func()) { w.plan(d, w.life, fn) }

// advance is the one mover of time: it brings the plant to the moment t,
// event by event, and stops early with the cause when ctx is cancelled. It is
// called with the lock held and gives it away while an AfterFunc runs, which
// may therefore switch relays, plan more, or even wait. t in the past is now.
func (w *World) advance(ctx context.Context, t time.Duration) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if len(w.events) == 0 || w.events[0].at > t {
			w.now = max(w.now, t)
			return nil
		}
		e := heap.Pop(&w.events).(*event)
		w.now = max(w.now, e.at)
		switch {
		case e.user:
			w.mu.Unlock()
			func() {
				defer w.mu.Lock()
				e.fn()
			}()
		case e.life == 0 || e.life == w.life:
			e.fn()
		}
	}
}

// Clock is the World's time. Its Sleep is what moves it.
func (w *World) Clock() rig.Clock { return worldClock{w} }

type worldClock struct{ w *World }

func (c worldClock) Now() time.Time {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.w.wall(c.w.now)
}

func (c worldClock) Sleep(ctx context.Context, d time.Duration) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.w.advance(ctx, c.w.now+max(d, 0))
}

func (c worldClock) AfterFunc(d time.Duration, f func()) func() bool {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.plan(d, 0, f)
	e.user = true
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if e.index < 0 {
			return false
		}
		heap.Remove(&w.events, e.index)
		return true
	}
}

// wall is a moment of the plant as others see it.
func (w *World) wall(t time.Duration) time.Time { return w.start.Add(t) }
