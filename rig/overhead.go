package rig

import "time"

// maxOverhead is what the rig's own part of a cycle may take before it is
// remarked on; no outcome depends on it.
const maxOverhead = 250 * time.Millisecond

// recordersTime reports whether a step lasts as long as the recorder, or the
// lab's own program, takes: what the rig does meanwhile costs nothing.
func recordersTime(s Step) bool {
	switch s.(type) {
	case Hold, Reachable, Restarted, Provision, SetMark, StillMarked, DefaultState, Persists, FactoryReset, Exec:
		return true
	}
	return false
}

// excuse takes the time since a moment out of the rig's own.
func (c *cycle) excuse(since time.Time) { c.excused += c.b.Clock.Now().Sub(since) }

// excuseUntil takes out a planned wait, from a moment to another. What a wait
// lasts longer than planned is the rig's own.
func (c *cycle) excuseUntil(since, until time.Time) {
	if planned := until.Sub(since); planned > 0 {
		c.excused += min(planned, c.b.Clock.Now().Sub(since))
	}
}

// measureOverhead keeps what the cycle cost beside the recorder's time and the
// planned waits: switching and proving relays, opening and closing the ear,
// waits that ended late, evidence, and, where the cycle follows another, the
// books in between.
func (c *cycle) measureOverhead() {
	own := c.rec.Took - c.excused
	if !c.idle.IsZero() && c.start.After(c.idle) {
		own += c.start.Sub(c.idle)
	}
	most := maxOverhead.Seconds()
	m := Measurement{Name: "rig_overhead", Value: max(0, own.Seconds()), Unit: "s", Max: &most, Outcome: CheckPass}
	if m.Value > most {
		m.Outcome = CheckWarn
	}
	c.rec.Measurements = append(c.rec.Measurements, m)
}
