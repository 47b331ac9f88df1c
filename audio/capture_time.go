package audio

import (
	"math"
	"time"

	"resetrig/pcm"
)

// timebase joins the two clocks of a capture: the counter of samples, which is
// smooth and silent about what was lost, and the time of capture, which is true
// and jitters by the scheduling of two processes. A block can only be seen too
// late, never too early, so the least delay seen is the truth.
type timebase struct {
	rate  int
	t0    time.Time     // of the first block, as it came
	base  int64         // the device's number of the first sample
	next  int64         // the device's number of the next sample
	shift int64         // samples lost, added to the device's counter
	est   time.Duration // of sample 0 after t0, by the best of what was seen

	overSince time.Time     // since when blocks come later than a jitter explains
	overLeast time.Duration // by how much at least

	spread float64 // mean square of how much later than est blocks come, s²

	settled time.Time // when est was first trusted
	estThen time.Duration
	last    time.Time
}

const (
	// jitterLimit is more than the buffers of the device and the pipe can delay
	// a block unseen (suggested latency 0.1–0.2 s, reported by the device).
	jitterLimit = 150 * time.Millisecond
	// jumpAfter is for how long blocks must come late before sound is known to
	// be lost: what was only delayed catches up within it.
	jumpAfter = time.Second
	// slewPPM is how fast the estimate follows a device that is slower than
	// nominal: crystals are within 100 ppm, cheap ones within 500.
	slewPPM = 1000
	// jitterBlocks is over how many blocks the jitter is averaged: about a second.
	jitterBlocks = 50
	// unseenLatency is what no device reports: what its converter and its bus hold
	// back, and how often its driver looks. A block of the microphone's process.
	unseenLatency = 20 * time.Millisecond
	// settleTime and driftTime are when the drift's measurement starts and from
	// which length on it says something: 1 ms of jitter in 20 s is 50 ppm.
	settleTime = 5 * time.Second
	driftTime  = 20 * time.Second
)

// span is the time that n samples take. It stays exact for years.
func (t *timebase) span(n int64) time.Duration {
	r := int64(t.rate)
	return time.Duration(n/r)*time.Second + time.Duration(n%r*int64(time.Second)/r)
}

func (t *timebase) samples(d time.Duration) int64 {
	return int64(math.Round(d.Seconds() * float64(t.rate)))
}

// place gives a block its number and time on the joined clock and reports how
// many samples were lost before it, and whether the device kept silent about it.
func (t *timebase) place(b pcm.Block) (placed pcm.Block, lost int64, silent bool) {
	if t.rate == 0 {
		t.rate, t.t0, t.base, t.next = b.Rate, b.Time, b.Start, b.Start
	}
	if gap := b.Start - t.next; gap > 0 {
		lost, b.Lost = gap, true
	}
	t.next = b.Start + int64(len(b.Samples))
	n := b.Start - t.base + t.shift
	excess := b.Time.Sub(t.t0) - t.span(n) - t.est
	switch {
	case excess <= 0:
		t.est += excess
		t.overSince = time.Time{}
	case b.Lost && lost == 0:
		// The device says that it lost sound, and never how much.
		lost = t.jump(excess)
		t.overSince = time.Time{}
	case excess <= jitterLimit:
		t.est += min(excess, b.Duration()*slewPPM/1e6)
		t.overSince = time.Time{}
	case t.overSince.IsZero():
		t.overSince, t.overLeast = b.Time, excess
	default:
		t.overLeast = min(t.overLeast, excess)
		if b.Time.Sub(t.overSince) >= jumpAfter {
			lost, silent, b.Lost = lost+t.jump(t.overLeast), true, true
			t.overSince = time.Time{}
		}
	}
	if late := max(excess, 0).Seconds(); late <= jitterLimit.Seconds() {
		t.spread += (late*late - t.spread) / jitterBlocks
	}
	t.last = b.Time
	if t.settled.IsZero() && b.Time.Sub(t.t0) >= settleTime {
		t.settled, t.estThen = b.Time, t.est
	}
	b.Start = b.Start - t.base + t.shift
	b.Time = t.t0.Add(t.est + t.span(b.Start))
	return b, lost, silent
}

// jump accounts for d of lost sound.
func (t *timebase) jump(d time.Duration) int64 {
	n := t.samples(d)
	t.shift += n
	return n
}

// driftPPM is how much slower than nominal the device's clock runs against the
// computer's, in millionths; ok only after long enough.
func (t *timebase) driftPPM() (ppm float64, ok bool) {
	over := t.last.Sub(t.settled)
	if t.settled.IsZero() || over < driftTime {
		return 0, false
	}
	return float64(t.est-t.estThen) / float64(over) * 1e6, true
}

// jitter is how much later than the estimate blocks come, root mean square.
func (t *timebase) jitter() time.Duration { return seconds(math.Sqrt(t.spread)) }
