package rig

import "time"

// What a cycle's sound is kept as: cut to the window that matters, or whole.
const (
	cutSound   = "beep.wav"
	wholeSound = "cycle.wav"
)

const (
	soundBefore = 5 * time.Second // of the room, before the first of what matters
	soundAfter  = 5 * time.Second // after the last
	soundWhole  = time.Minute     // of a cycle that came to nothing that matters: its last minute
	resetSounds = time.Minute     // after a reset over the network, for its beep
)

// endEar closes the ear, and keeps the sound where evidence is kept.
func (c *cycle) endEar() {
	if !c.kept() || c.dir == "" || !c.spooled {
		c.end(false)
		return
	}
	from, to := c.soundWindow()
	clipper, cuts := c.b.Ear.(Clipper)
	if cuts {
		err := clipper.Clip(c.artifact(cutSound), from, to)
		if cuts = err == nil; !cuts {
			c.findings["spool"] = Finding{Name: "spool", Detail: err.Error() + "; the whole cycle's sound is kept"}
		}
	}
	if !c.end(!cuts) {
		return
	}
	file := cutSound
	if !cuts {
		file, from, to = wholeSound, c.heardFrom, c.b.Clock.Now()
	}
	c.rec.Artifacts = append(c.rec.Artifacts, file)
	c.rec.Sound = &SoundRecord{File: file, From: from.Sub(c.start), To: to.Sub(c.start)}
}

func (c *cycle) end(keep bool) bool {
	err := c.b.Ear.End(keep)
	if err != nil {
		c.findings["spool"] = Finding{Name: "spool", Detail: err.Error()}
	}
	return err == nil
}

// soundWindow is from before the press or the power-on to after the release and
// the beep, as far as it was heard.
func (c *cycle) soundWindow() (from, to time.Time) {
	now := c.b.Clock.Now()
	from, to = now.Add(-soundWhole), now
	grow := func(t time.Time) {
		if from.IsZero() || t.Before(from) {
			from = t
		}
		if t.After(to) {
			to = t
		}
	}
	_, pressed := c.moments[Press]
	_, reset := c.moments[Reset]
	if pressed || reset {
		from, to = time.Time{}, time.Time{}
		for _, m := range []Moment{Press, PowerOn, Release} {
			if t, ok := c.moments[m]; ok && pressed {
				grow(t)
			}
		}
		if t, ok := c.moments[Reset]; ok {
			grow(t)
			grow(t.Add(resetSounds))
		}
		for _, b := range c.beeps {
			if b.Long && b.End.After(from) {
				grow(b.End)
			}
		}
		from, to = from.Add(-soundBefore), to.Add(soundAfter)
	}
	if from.Before(c.heardFrom) {
		from = c.heardFrom
	}
	if to.After(now) {
		to = now
	}
	return from, to
}
