package rig

import (
	"context"
	"errors"
	"slices"
	"time"
)

// slice is how far a wait listens at once: how soon it notices a beep's end.
const slice = 100 * time.Millisecond

// earLatency is how long after a beep's onset the ear may take to tell that it
// is long, its length of 1 s included.
const earLatency = 1500 * time.Millisecond

// listen lets time pass until t by reading the ear; without an ear it sleeps.
// every, if not nil, runs after each slice and ends the wait by returning true.
func (c *cycle) listen(ctx context.Context, t time.Time, every func() (bool, error)) error {
	defer c.excuseUntil(c.b.Clock.Now(), t)
	for {
		now := c.b.Clock.Now()
		next := t
		if every != nil && next.Sub(now) > slice {
			next = now.Add(slice)
		}
		if err := c.hearUntil(ctx, next); err != nil {
			return err
		}
		if every != nil {
			if done, err := every(); done || err != nil {
				return err
			}
		}
		if !next.Before(t) {
			return context.Cause(ctx)
		}
	}
}

// hearUntil is one read of the ear, or one sleep where there is none to read.
func (c *cycle) hearUntil(ctx context.Context, t time.Time) error {
	if !c.hearing {
		if d := t.Sub(c.b.Clock.Now()); d > 0 {
			return c.b.Clock.Sleep(ctx, d)
		}
		return context.Cause(ctx)
	}
	h, err := c.b.Ear.Listen(ctx, t)
	c.absorb(h)
	if errors.Is(err, ErrEarLost) {
		return c.earLost(ctx, err)
	}
	return err
}

// absorb puts what was heard onto the timeline.
func (c *cycle) absorb(h Hearing) {
	for _, b := range h.Beeps {
		if i, known := c.beepAt[b.ID]; known {
			c.beeps[i] = b
		} else {
			c.beepAt[b.ID] = len(c.beeps)
			c.beeps = append(c.beeps, b)
		}
		kind, text := "short", "ended"
		if b.Long {
			kind = "long"
		}
		if !b.Ended {
			text = "sounds"
		}
		c.event(Event{At: b.Onset.Sub(c.start), Kind: "beep", Name: kind, Text: text, On: !b.Ended})
	}
	c.audio = h.Clock
	unfit := false
	for _, f := range h.Findings {
		unfit = unfit || f.Unfit
		if old, known := c.findings[f.Name]; !known || !old.Unfit && f.Unfit {
			c.findings[f.Name] = f
			c.event(Event{At: c.now(), Kind: "finding", Name: f.Name, Text: f.Detail})
		}
	}
	if now := c.b.Clock.Now(); unfit && (len(c.unfit) == 0 || now.Sub(c.unfit[len(c.unfit)-1]) >= time.Second) {
		c.unfit = append(c.unfit, now)
	}
}

// toldLater is how long after it began an unfitness may be told: a dead
// microphone is known after 2 s, a clipping room after 5.
const toldLater = 5 * time.Second

// unfitWithin reports whether the ear was unfit in a window of the timeline.
func (c *cycle) unfitWithin(from, to time.Time) bool {
	return slices.ContainsFunc(c.unfit, func(t time.Time) bool {
		return !t.Before(from) && !t.After(to.Add(toldLater))
	})
}

// earLost notes that capture died. The cycle ends there if a beep is still to
// be judged by it, and goes on by the Clock if none is.
func (c *cycle) earLost(ctx context.Context, err error) error {
	c.hearing = false
	if c.lost == nil {
		c.lost = err
		c.findings["lost"] = Finding{Name: "lost", Detail: err.Error(), Unfit: true}
		c.event(Event{At: c.now(), Kind: "finding", Name: "lost", Text: err.Error()})
	}
	if c.earMatters() {
		return errorf(ReasonEarLost, "%w", err)
	}
	return context.Cause(ctx)
}

// earMatters reports whether a step that needs a fit ear is still to come.
func (c *cycle) earMatters() bool { return c.strictHears.get() > 0 }

// longBeep is the first long beep whose onset lies within [from, to].
func (c *cycle) longBeep(from, to time.Time) (Beep, bool) {
	for _, b := range c.beeps {
		if b.Long && !b.Onset.Before(from) && !b.Onset.After(to) {
			return b, true
		}
	}
	return Beep{}, false
}
