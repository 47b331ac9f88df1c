package rig

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// transcript is the file of what rig and DUT said to each other.
const transcript = "cycle.har"

// beginTranscript starts it where evidence is kept. A cycle is not given up for
// want of it.
func (c *cycle) beginTranscript() {
	t, path := c.b.DUT.Transcript, c.artifact(transcript)
	if t == nil || path == "" {
		return
	}
	if err := t.Begin(path); err != nil {
		c.findings["transcript"] = Finding{Name: "transcript", Detail: err.Error()}
		return
	}
	c.noted = true
}

func (c *cycle) endTranscript(keep bool) {
	if !c.noted {
		return
	}
	if err := c.b.DUT.Transcript.End(keep); err != nil {
		c.findings["transcript"] = Finding{Name: "transcript", Detail: err.Error()}
	}
	if keep {
		c.rec.Artifacts = append(c.rec.Artifacts, transcript)
	}
}

// finish fills in what the record says of the whole cycle and closes the ear.
func (c *cycle) finish(ctx context.Context) {
	r := c.rec
	if c.began {
		if c.hearing {
			// What was captured up to now belongs to this cycle's evidence.
			if h, err := c.b.Ear.Listen(context.WithoutCancel(ctx), c.b.Clock.Now()); err == nil {
				c.absorb(h)
			}
		}
		c.endEar()
	}
	c.endTranscript(c.kept())
	c.measureClock()
	for _, b := range c.beeps {
		kind := "short"
		if b.Long {
			kind = "long"
		}
		r.Beeps = append(r.Beeps, BeepRecord{
			Onset: b.Onset.Sub(c.start), Duration: b.Duration(),
			FrequencyHz: b.FrequencyHz, SNRdB: b.SNRdB, LevelDBFS: b.LevelDBFS, Kind: kind,
			OnsetUncertainty: b.OnsetUncertainty, DurationUncertainty: b.LengthUncertainty, FrequencyUncertaintyHz: b.FrequencyUncertaintyHz,
		})
	}
	c.takeEdges()
	slices.SortStableFunc(r.Timeline, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	r.Findings = c.sortedFindings()
	r.Operations = map[string]int{}
	for name, n := range c.a.operations() {
		r.Operations[name] = n - c.opsA[name]
	}
	r.Took = c.now()
	c.measureOverhead()
}

// kept reports whether the cycle's sound and transcript are kept.
func (c *cycle) kept() bool { return c.rec.Outcome != Pass || c.keep }

func (c *cycle) sortedFindings() []Finding {
	var fs []Finding
	for _, name := range slices.Sorted(maps.Keys(c.findings)) {
		fs = append(fs, c.findings[name])
	}
	return fs
}

// measureClock keeps how the microphone's clock ran, where it is known.
func (c *cycle) measureClock() {
	k := c.audio
	if k.Known {
		c.measure("audio_drift", k.DriftPPM, "ppm")
		c.within(k.DriftUncertaintyPPM)
	}
	if k.Losses > 0 {
		c.measure("audio_lost", k.Lost.Seconds()*1000, "ms")
	}
}

// within adds the uncertainty to the last measurement.
func (c *cycle) within(u float64) {
	c.rec.Measurements[len(c.rec.Measurements)-1].Uncertainty = u
}

// measure keeps a value that has no limits.
func (c *cycle) measure(name string, value float64, unit string) {
	c.rec.Measurements = append(c.rec.Measurements, Measurement{Name: name, Value: value, Unit: unit, Outcome: CheckPass})
}

// limits keeps a value and notes a fail where it lies outside; 0 is no limit.
func (c *cycle) limits(name string, value float64, unit string, least, most time.Duration) {
	m := Measurement{Name: name, Value: value, Unit: unit, Outcome: CheckPass}
	if least > 0 {
		v := least.Seconds()
		m.Min = &v
	}
	if most > 0 {
		v := most.Seconds()
		m.Max = &v
	}
	if m.Min != nil && value < *m.Min || m.Max != nil && value > *m.Max {
		m.Outcome = CheckFail
		c.fail(ReasonLimit, "%s of %.3f %s is outside its limits", name, value, unit)
	}
	c.rec.Measurements = append(c.rec.Measurements, m)
}
