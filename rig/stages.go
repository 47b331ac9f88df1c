package rig

import "time"

// stages are the moments at which a starting DUT showed itself, the lowest
// stage first. Each begins anew when the DUT goes away: what is measured is its
// last start.
type stages struct {
	link, alive, tcp time.Time
	lastAnswer       time.Time // of the start before
	answer           time.Time // the latest
}

// see takes in one look.
func (s *stages) see(sight Sight, now time.Time) {
	first := func(at *time.Time, seen bool) {
		switch {
		case !seen:
			*at = time.Time{}
		case at.IsZero():
			*at = now
		}
	}
	if sight.Link != LinkUnknown {
		first(&s.link, sight.Link == LinkUp)
	}
	first(&s.alive, sight.Alive || sight.Reach > ReachSilent)
	first(&s.tcp, sight.Reach > ReachSilent)
	switch {
	case sight.Reach >= ReachAnswers:
		s.answer = now
	case sight.Reach == ReachSilent && !s.answer.IsZero():
		s.lastAnswer, s.answer = s.answer, time.Time{}
	}
}

// measure keeps each stage that was seen, in seconds since a moment. They are
// as fine as the looks are apart.
func (s *stages) measure(c *cycle, since time.Time) {
	for _, m := range []struct {
		name string
		at   time.Time
	}{{"last_answer", s.lastAnswer}, {"first_link", s.link}, {"first_alive", s.alive}, {"first_tcp", s.tcp}} {
		if d := m.at.Sub(since); !m.at.IsZero() && d >= 0 {
			c.measure(m.name, d.Seconds(), "s")
		}
	}
}

// measureLogin keeps the time to the first login that was accepted.
func (c *cycle) measureLogin(checks []Check) {
	for _, k := range checks {
		if k.Kind == AboutLogin && k.Outcome == CheckPass && !k.At.IsZero() {
			c.measure("first_login", k.At.Sub(c.moment(Latest)).Seconds(), "s")
			return
		}
	}
}
