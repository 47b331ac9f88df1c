package sim

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"resetrig/pcm"
	"resetrig/pcm/synth"
	"resetrig/rig"
)

// Whose buzzer a tone is.
const (
	ownBuzzer = iota
	otherBuzzer
	nBuzzers
)

// humming is what the unit's fan and disk do.
type humming int

const (
	humOff humming = iota
	humFan
	humDisk // fan and disk
)

// room is all that the bench's microphone can hear. Sounds are noted when they
// happen and rendered when somebody reads, so silence costs nothing.
type room struct {
	synth *synth.Room
	crowd *crowd // nil: none
	rate  int
	hz    [nBuzzers]float64

	listening bool
	base      int64 // number of capture's first sample
	pos       int64 // the next sample to render
	tones     []toneNote
	hums      []humNote // what is still to be rendered; the last holds
	mic       synth.Mic
	micNew    bool
	agc       bool
	loudness  float64       // as the automatic gain sees it
	drops     *rand.Rand    // nil: no buffer is lost
	drop      synth.Gap     // the next one that is
	unplugAt  time.Duration // 0: never
	buf       []float32
	beeps     []BeepTruth
}

type toneNote struct {
	from, to int64
	level    float64
	whose    int
	id       int // in synth, 0: not yet there
}

type humNote struct {
	at   int64
	what humming
}

// blockSamples is the length of a block at most.
const blockSamples = 1024

func (r *room) setUp(o Options) (err error) {
	r.rate = o.Rate
	r.synth = synth.NewRoom(o.Rate, o.Seed)
	// Two units of one kind differ by some tenths of a percent, each in its way.
	spread := func(salt string) float64 {
		return 1 + 0.004*(float64(hexOf(fmt.Sprintf("%s/%d/%s", o.Serial, o.Seed, salt), 1)[0]%16)/15-0.5)
	}
	r.hz[ownBuzzer] = o.Model.Beep.FrequencyHz * spread("own")
	r.hz[otherBuzzer] = o.Model.Beep.FrequencyHz * spread("other") * 1.006
	r.buf = make([]float32, blockSamples)
	r.hums = []humNote{{0, humOff}}
	r.crowd, err = newCrowd(o.Room, o.Rate, o.Seed, o.Model.Beep.LevelDBFS)
	return err
}

// begin is a cycle's begin: the microphone is in again.
func (w *World) beginRoom() {
	r := &w.room
	r.unplugAt = 0
	r.mic = synth.Mic{}
	switch {
	case w.faults[micDead]:
		r.mic.Dead = true
	case w.faults[micClipped]:
		r.mic.GainDB = 66
	}
	r.micNew = true
	r.agc, r.drops, r.drop = w.faults[micGain], nil, synth.Gap{}
	if w.faults[micDropouts] {
		r.drops = rand.New(rand.NewPCG(w.opts.Seed^0x64726f70, uint64(w.cycle)))
		r.drop = synth.Gap{At: r.sample(w.now)}
	}
}

func (r *room) sample(t time.Duration) int64 {
	return int64(t/time.Second)*int64(r.rate) + int64(t%time.Second)*int64(r.rate)/int64(time.Second)
}

// tone notes a beep.
func (r *room) tone(from, to time.Duration, dBFS float64, whose int) {
	if !r.listening {
		r.prune(r.sample(from))
	}
	r.tones = append(r.tones, toneNote{from: r.sample(from), to: r.sample(to), level: dBFS, whose: whose})
	if len(r.beeps) == maxBeeps {
		r.beeps = append(r.beeps[:0], r.beeps[1:]...)
	}
	r.beeps = append(r.beeps, BeepTruth{From: from, To: to, FrequencyHz: r.hz[whose], LevelDBFS: dBFS, Own: whose == ownBuzzer})
}

// silence cuts the unit's own buzzer.
func (r *room) silence(now time.Duration) {
	at := r.sample(now)
	for i := range r.tones {
		t := &r.tones[i]
		if t.whose == ownBuzzer && t.to > at {
			t.to = max(at, t.from)
			if t.id != 0 {
				r.synth.Stop(t.id, t.to)
			}
		}
	}
	for i := range r.beeps {
		if b := &r.beeps[i]; b.Own && b.To > now {
			b.To = max(now, b.From)
		}
	}
}

// hum notes what fan and disk do from now on.
func (r *room) hum(now time.Duration, what humming) {
	if !r.listening {
		r.hums = r.hums[:0]
	}
	r.hums = append(r.hums, humNote{r.sample(now), what})
}

// prune forgets the tones that ended before a sample.
func (r *room) prune(before int64) {
	kept := r.tones[:0]
	for _, t := range r.tones {
		if t.to > before {
			kept = append(kept, t)
		}
	}
	r.tones = kept
}

func noiseOf(h humming) synth.NoiseSpec {
	n := synth.OfficeNoise()
	switch h {
	case humFan:
		n.Fan, n.FanTone = -58, -68
	case humDisk:
		n.Fan, n.FanTone = -58, -68
		n.Whirr, n.Click, n.ClicksPerS = -70, -45, 1.5
	}
	return n
}

// fill renders the next samples, up to but without number end, into buf, and
// stops early where the noise changes.
func (r *room) fill(end int64) []float32 {
	for len(r.hums) > 0 && r.hums[0].at <= r.pos {
		r.synth.SetNoise(noiseOf(r.hums[0].what))
		r.hums = append(r.hums[:0], r.hums[1:]...)
	}
	if len(r.hums) > 0 {
		end = min(end, r.hums[0].at)
	}
	if r.micNew {
		r.synth.SetMic(r.mic)
		r.micNew = false
	}
	n := min(end-r.pos, int64(len(r.buf)))
	for i := range r.tones {
		t := &r.tones[i]
		if t.id == 0 && t.from < r.pos+n && t.to > t.from {
			t.id = r.synth.Add(synth.Piezo(t.from, t.to-t.from, r.hz[t.whose], t.level))
		}
	}
	if r.crowd != nil {
		r.crowd.before(r.pos+n, r)
	}
	out := r.buf[:n]
	r.synth.Render(out, r.pos)
	r.spoil(out)
	r.pos += n
	r.prune(r.pos)
	return out
}

// spoil is what a microphone's electronics and a busy computer do to the samples
// from r.pos on.
func (r *room) spoil(x []float32) {
	if r.agc {
		for i, v := range x {
			r.loudness += (math.Abs(float64(v)) - r.loudness) / (0.05 * float64(r.rate))
			x[i] = float32(float64(v) / (1 + 30*r.loudness))
		}
	}
	if r.drops == nil {
		return
	}
	for end := r.pos + int64(len(x)); r.drop.At < end; {
		if from, to := max(r.drop.At, r.pos), min(r.drop.At+r.drop.Length, end); from < to {
			clear(x[from-r.pos : to-r.pos])
		}
		if r.drop.At+r.drop.Length > end {
			return // the rest of it is still to come
		}
		r.drop = synth.Gap{
			At:     r.drop.At + r.sample(drawBetween(r.drops, 2*time.Second, 4*time.Second)),
			Length: r.sample(drawBetween(r.drops, 10*time.Millisecond, 45*time.Millisecond)),
		}
	}
}

// Sound is the bench's microphone.
type Sound struct{ w *World }

// Sound is the microphone of the World's bench. It has one reader.
func (w *World) Sound() *Sound { return &Sound{w} }

func (s *Sound) unplugged() bool {
	r := &s.w.room
	return r.unplugAt != 0 && s.w.now >= r.unplugAt
}

// Open starts capture, or lets go of what was not read where it runs already.
func (s *Sound) Open(ctx context.Context) error {
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &w.room
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.unplugged():
		return fmt.Errorf("open the simulated microphone: no such device: %w", rig.ErrEarLost)
	}
	now := r.sample(w.now)
	if !r.listening {
		r.base, r.listening = now, true
	}
	r.pos = max(now, r.pos)
	r.prune(r.pos)
	return nil
}

// Read moves time to the moment until, if that is to come, and emits all sound
// up to it. A block is valid only inside emit.
func (s *Sound) Read(ctx context.Context, until time.Time, emit func(pcm.Block)) error {
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &w.room
	if !r.listening {
		return fmt.Errorf("read the simulated microphone: not open: %w", rig.ErrEarLost)
	}
	target := until.Sub(w.start)
	lost := false
	if r.unplugAt != 0 && target >= r.unplugAt {
		target, lost = r.unplugAt, true
	}
	err := w.advance(ctx, target)
	// An act that began on the way may have pulled the plug.
	if r.unplugAt != 0 && w.now >= r.unplugAt {
		lost = true
	}
	end := r.sample(w.now)
	if lost {
		end = min(end, r.sample(r.unplugAt))
	} else if err == nil {
		end = min(end, r.sample(max(target, 0)))
	}
	for r.pos < end {
		at := r.pos
		b := pcm.Block{Start: at - r.base, Time: w.wall(r.moment(at)), Rate: r.rate, Samples: r.fill(end)}
		w.mu.Unlock()
		func() {
			defer w.mu.Lock()
			emit(b)
		}()
	}
	switch {
	case err != nil:
		return err
	case lost:
		r.listening = false
		return fmt.Errorf("read the simulated microphone: device is gone: %w", rig.ErrEarLost)
	}
	return nil
}

// moment is when a sample is captured, rounded up so that it is not before
// what it holds.
func (r *room) moment(sample int64) time.Duration {
	n, rest := sample/int64(r.rate), sample%int64(r.rate)
	return time.Duration(n)*time.Second + time.Duration(rest)*time.Second/time.Duration(r.rate)
}

// Close ends capture.
func (s *Sound) Close() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	r := &s.w.room
	r.listening = false
	if n := len(r.hums); n > 1 {
		r.hums = append(r.hums[:0], r.hums[n-1])
	}
	return nil
}
