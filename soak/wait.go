package soak

import (
	"context"
	"fmt"
	"time"
)

// How often a wait looks at the clock and at what a person wants. It is short:
// a wall clock that jumps, or a suspended rig, is noticed within it.
const look = time.Second

// wait lets everything pass that stands between two cycles: a hold, the pause,
// the closed window. The bench stays armed, its presses open.
func (s *Soak) wait(ctx context.Context, first bool) error {
	from := s.Bench.Clock.Now()
	err := s.waits(ctx, first)
	s.idle = s.idle.Add(s.Bench.Clock.Now().Sub(from)) // a planned wait is not the rig's own time
	return err
}

func (s *Soak) waits(ctx context.Context, first bool) error {
	next := s.books.Next()
	if !first && s.books.lastFailed && s.Plan.Hold != nil {
		if err := s.hold(ctx, s.Plan.Hold.For, s.Plan.Hold.GoOn, "the last cycle failed"); err != nil {
			return err
		}
	}
	if !first && s.Plan.Pause > 0 && !s.ended {
		until := s.Bench.Clock.Now().Add(s.Plan.Pause)
		s.tell(Status{Doing: "pause", Until: until, Next: next})
		if err := s.until(ctx, func(now time.Time) time.Time { return until }); err != nil {
			return err
		}
	}
	if w := s.Plan.Window; w != nil && !s.ended && !w.Open(s.Bench.Clock.Now()) {
		s.tell(Status{Doing: "window", Until: w.Opens(s.Bench.Clock.Now()), Next: next})
		if err := s.until(ctx, w.Opens); err != nil {
			return err
		}
	}
	if err := s.ask(ctx); err != nil {
		return err
	}
	if s.held && !s.ended {
		return s.hold(ctx, 0, false, "on request")
	}
	return nil
}

// until waits for what moment says, which is asked again and again: a moment on
// the wall clock moves with it.
func (s *Soak) until(ctx context.Context, moment func(now time.Time) time.Time) error {
	for !s.ended {
		now := s.Bench.Clock.Now()
		left := moment(now).Sub(now)
		if left <= 0 {
			return nil
		}
		if err := s.Bench.Clock.Sleep(ctx, min(left, look)); err != nil {
			return err
		}
		if err := s.ask(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hold keeps everything as it is until a person speaks, or expiry has passed; no
// expiry is none.
func (s *Soak) hold(ctx context.Context, expiry time.Duration, goOn bool, why string) error {
	s.held = true
	var end time.Time
	if expiry > 0 {
		end = s.Bench.Clock.Now().Add(expiry)
	}
	s.tell(Status{Doing: "hold", Until: end, Why: why, Next: s.books.Next()})
	for s.held && !s.ended {
		if err := s.ask(ctx); err != nil {
			return err
		}
		if !s.held || s.ended {
			return nil
		}
		if !end.IsZero() && !s.Bench.Clock.Now().Before(end) {
			s.held = false
			if !goOn {
				s.books.tally.Stopped = fmt.Sprintf("held for a person for %v, and nobody came", expiry)
				return fmt.Errorf("%w: %s", ErrStopRule, s.books.tally.Stopped)
			}
			return nil
		}
		if err := s.Bench.Clock.Sleep(ctx, look); err != nil {
			return err
		}
	}
	return nil
}

// ask takes what a person wants.
func (s *Soak) ask(ctx context.Context) error {
	if s.Person == nil {
		return context.Cause(ctx)
	}
	for {
		w, err := s.Person.Asked(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if err != nil {
			return err
		}
		switch w {
		case NoWish:
			return nil
		case WishGoOn:
			s.held = false
		case WishToHold:
			s.held = true
		case WishEnd:
			s.ended = true
		}
	}
}
