package report

import (
	"slices"
	"time"
)

// Comment is what somebody said of a cycle. It is no part of the cycle's record,
// and changes nothing in the counts.
type Comment struct {
	Cycle        string // its ID
	At           time.Time
	Who          string
	Acknowledged bool // somebody has taken note of a rig error
	Text         string
}

// heading says who said it, and when.
func (c Comment) heading() string {
	t := clean(c.Who) + ", " + moment(c.At)
	if c.Acknowledged {
		t = "acknowledged by " + t
	}
	return t
}

// comments are those on the cycle of that ID, in one line each.
func comments(all []Comment, cycle string) (lines []string) {
	for _, c := range all {
		if c.Cycle == cycle {
			lines = append(lines, said(c))
		}
	}
	return lines
}

func said(c Comment) string {
	if text := clean(c.Text); text != "" {
		return c.heading() + ": " + text
	}
	return c.heading()
}

// besides are the comments on cycles that are not among the ones named.
func besides(all []Comment, named []string) (left []Comment) {
	for _, c := range all {
		if !slices.Contains(named, c.Cycle) {
			left = append(left, c)
		}
	}
	return left
}

// otherComments lists the comments on cycles that the report does not show by
// themselves.
func (s *sums) otherComments(p *printer) {
	var named []string
	for _, l := range []*list{&s.fails, &s.errors} {
		for _, r := range l.first {
			named = append(named, r.ID)
		}
	}
	left := besides(s.comments, named)
	if len(left) == 0 {
		return
	}
	p.linef("")
	p.linef("  Comments on other cycles (%s)", count(len(left)))
	for _, c := range left {
		p.para("    ", clean(c.Cycle)+" · "+said(c))
	}
}
