package audio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"resetrig/pcm"
	"resetrig/rig"
)

// Ear is rig.Ear over a Source: it feeds the detector, the health check and
// the spool, and puts the detector's seconds on the clock of the blocks.
// Begin, Listen and End belong to one goroutine; Level and Spectrum may be
// called from others.
type Ear struct {
	source Source
	rate   int

	mu       sync.Mutex // over what follows, for Level and Spectrum
	detector *Detector
	health   *health
	anchors  [128]anchor
	n        int
	heard    int64 // samples, lost ones included
	level    Level
	spool    *Spool
	beeps    []rig.Beep
	refused  []RefusedTone
	zeros    int64 // of the detector's samples: up to there zeros were looked for
	wrong    error // a block that cannot be understood
	emit     func(Event)
	take     func(pcm.Block)

	showing sync.Mutex // over shown; taken before mu
	shown   display
}

var _ rig.Ear = (*Ear)(nil)

// anchor ties the detector's seconds to a moment.
type anchor struct {
	seconds float64
	at      time.Time
}

// Level is how loud the last block was.
type Level struct{ RMSdBFS, PeakDBFS float64 }

// NewEar hears a source of that rate. noiseDBFS is the calibrated noise of the
// room, 0 if it is not known.
func NewEar(source Source, rate int, p Profile, noiseDBFS float64) (*Ear, error) {
	d, err := NewDetector(rate, p)
	if err != nil {
		return nil, err
	}
	e := &Ear{source: source, rate: rate, detector: d, health: newHealth(rate, noiseDBFS)}
	e.emit = e.beep
	e.take = e.block
	return e, nil
}

// Begin is as rig.Ear says. The sound before it is forgotten.
func (e *Ear) Begin(ctx context.Context, spool string) error {
	if err := e.End(false); err != nil {
		return err
	}
	e.mu.Lock()
	e.detector.Reset()
	e.health.reset()
	e.n, e.heard, e.beeps, e.wrong, e.level = 0, 0, e.beeps[:0], nil, Level{-200, -200}
	e.refused, e.zeros = e.refused[:0], 0
	e.mu.Unlock()
	if spool != "" {
		s, err := CreateSpool(spool, e.rate)
		if err != nil {
			return err
		}
		e.spool = s
	}
	if err := e.source.Open(ctx); err != nil {
		return errors.Join(lost(ctx, err), e.End(false))
	}
	return nil
}

// Listen is as rig.Ear says. What was heard before an error comes with it.
func (e *Ear) Listen(ctx context.Context, until time.Time) (rig.Hearing, error) {
	err := e.source.Read(ctx, until, e.take)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		err = e.wrong
	}
	h := rig.Hearing{Findings: e.health.findings(), Clock: e.health.clock()}
	if len(e.beeps) > 0 {
		h.Beeps = append(h.Beeps, e.beeps...)
		e.beeps = e.beeps[:0]
	}
	return h, lost(ctx, err)
}

// End is as rig.Ear says. Capture stays open for the next cycle.
func (e *Ear) End(keep bool) error {
	s := e.spool
	e.spool = nil
	if s == nil {
		return nil
	}
	return s.Close(keep)
}

// Close ends capture and drops a spool that was not ended.
func (e *Ear) Close() error { return errors.Join(e.End(false), e.source.Close()) }

// Clip copies the sound between two moments out of the cycle's spool.
func (e *Ear) Clip(to string, from, until time.Time) error {
	if e.spool == nil {
		return fmt.Errorf("clip %s: nothing is spooled", to)
	}
	return e.spool.Clip(to, from, until)
}

// Level is how loud it was last.
func (e *Ear) Level() Level {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.level
}

// Spectrum is Detector.Spectrum of the last sound. The ear waits for the copy of
// 64 ms of it, and not for the transform.
func (e *Ear) Spectrum() []float32 {
	e.showing.Lock()
	defer e.showing.Unlock()
	if e.shown.fft == nil {
		e.shown.fft = newFFT(frameLen)
	}
	e.mu.Lock()
	e.detector.show(&e.shown)
	e.mu.Unlock()
	return e.shown.levels()
}

// Rate is how many samples of sound a second the ear takes, and spools.
func (e *Ear) Rate() int { return e.rate }

// Heard is how many samples were heard in this cycle: who shows a spectrum sees
// by it whether there is a newer one.
func (e *Ear) Heard() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard
}

// Profile is what the ear knows of the beep.
func (e *Ear) Profile() Profile { return e.detector.profile }

// RefusedTone is a refusal with the moments of its onset and end.
type RefusedTone struct {
	Refusal
	From, To time.Time
}

// Refused are the tones that the detector refused since the last call, the last
// 256.
func (e *Ear) Refused() []RefusedTone {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := append([]RefusedTone(nil), e.refused...)
	e.refused = e.refused[:0]
	return out
}

// lost makes an error of a source one that wraps rig.ErrEarLost; a cancelled
// context's cause stays what it is.
func lost(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, rig.ErrEarLost):
		return err
	}
	return fmt.Errorf("%w: %w", rig.ErrEarLost, err)
}

// block hears one block of the source.
func (e *Ear) block(b pcm.Block) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b.Rate != e.rate {
		e.wrong = fmt.Errorf("a block of %d samples a second: the ear was made for %d", b.Rate, e.rate)
		return
	}
	if len(b.Samples) == 0 {
		return
	}
	if gone := e.health.hole(b); gone > 0 {
		e.heard += gone
		e.detector.Lost(gone, e.emit)
		e.tie(b, true)
	} else {
		e.tie(b, e.n == 0)
	}
	e.heard += int64(len(b.Samples))
	before, judged := e.health.part, e.health.n
	e.detector.Process(b.Samples, e.emit)
	e.health.hear(b.Samples, e.detector.sounding())
	e.watchTones()
	e.watchZeros()
	if e.health.n > judged {
		e.watchNoise()
	}
	e.level = loudness(b.Samples, before, e.health.part)
	if e.spool != nil {
		if err := e.spool.Write(b); err != nil {
			e.health.say("spool", false, "%v", err)
		}
	}
}

// loudness is the level of what a block added to its part of a second.
func loudness(x []float32, before, now second) Level {
	if now.count < before.count { // it ended in the block
		before = second{}
	}
	s := second{count: now.count - before.count, sum: now.sum - before.sum, square: now.square - before.square}
	if s.count == 0 {
		s.take(x)
		now = s
	}
	return Level{RMSdBFS: s.level(), PeakDBFS: amplitudeDB(max(now.hi, -now.lo))}
}

// tie notes a moment for the seconds of the detector, one a second or now.
func (e *Ear) tie(b pcm.Block, now bool) {
	s := float64(e.heard) / float64(e.rate)
	if now || s >= e.anchors[(e.n-1)%len(e.anchors)].seconds+1 {
		e.anchors[e.n%len(e.anchors)] = anchor{s, b.Time}
		e.n++
	}
}

// moment is the time of a second of the detector.
func (e *Ear) moment(seconds float64) time.Time {
	a := e.anchors[max(0, e.n-len(e.anchors))%len(e.anchors)]
	for k := e.n - 1; k >= max(0, e.n-len(e.anchors)); k-- {
		if a = e.anchors[k%len(e.anchors)]; a.seconds <= seconds {
			break
		}
	}
	return a.at.Add(time.Duration((seconds - a.seconds) * float64(time.Second)))
}

func (e *Ear) beep(v Event) {
	e.watchGain(v)
	b := rig.Beep{
		ID: v.ID, Onset: e.moment(v.Onset), Ended: v.Ended, Long: v.Long,
		FrequencyHz: v.FrequencyHz, SNRdB: v.SNRdB, LevelDBFS: v.LevelDBFS,
	}
	b.End = b.Onset.Add(seconds(v.End - v.Onset)) // by the device's clock, which does not jitter
	e.uncertain(&b, v)
	e.beeps = append(e.beeps, b)
}
