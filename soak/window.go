package soak

import (
	"fmt"
	"strings"
	"time"
)

// Window is the hours of the week in which cycles may begin, in local time: the
// wall clock's, since it is people who want the lab quiet. From is its first
// minute and To the first one after it; where To is not later than From the
// window ends on the next day. A cycle that runs when it closes is not cut.
type Window struct {
	From, To time.Duration  // of the local clock, from 0 up to 24 h
	Days     []time.Weekday // on which it opens; none: every day
	Zone     *time.Location // nil: the system's
}

// ParseWindow reads "22:00-06:00".
func ParseWindow(text string) (Window, error) {
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		return Window{}, fmt.Errorf("%q: want two times of the day, like 22:00-06:00", text)
	}
	var w Window
	for _, p := range []struct {
		text string
		to   *time.Duration
	}{{from, &w.From}, {to, &w.To}} {
		t, err := time.Parse("15:04", strings.TrimSpace(p.text))
		if err != nil {
			return w, fmt.Errorf("%q: %q is no time of the day, like 22:00", text, p.text)
		}
		*p.to = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	}
	return w, nil
}

func (w Window) zone() *time.Location {
	if w.Zone == nil {
		return time.Local
	}
	return w.Zone
}

// on reports whether the window opens on that day.
func (w Window) on(d time.Weekday) bool {
	for _, want := range w.Days {
		if want == d {
			return true
		}
	}
	return len(w.Days) == 0
}

// Open reports whether a cycle may begin at t. It reads the local clock as a
// person does: in a night in which an hour comes twice both are inside, and one
// that is left out is missed by nobody.
func (w Window) Open(t time.Time) bool {
	t = t.In(w.zone())
	at := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	today, yesterday := t.Weekday(), (t.Weekday()+6)%7
	if w.From < w.To {
		return at >= w.From && at < w.To && w.on(today)
	}
	return at >= w.From && w.on(today) || at < w.To && w.on(yesterday)
}

// Opens is the next moment at which the window is open, t itself where it is.
func (w Window) Opens(t time.Time) time.Time {
	if w.Open(t) {
		return t
	}
	local := t.In(w.zone())
	for day := 0; day <= 8; day++ {
		o := time.Date(local.Year(), local.Month(), local.Day()+day, int(w.From/time.Hour), int(w.From%time.Hour/time.Minute), 0, 0, w.zone())
		// A local time that does not exist comes out an hour off, to either side:
		// the first full minute around it that is inside.
		o = o.Add(-time.Hour)
		for range 121 {
			if o.After(t) && w.Open(o) {
				return o
			}
			o = o.Add(time.Minute)
		}
	}
	return t.Add(time.Minute) // no such moment within a week: asked again
}
