package audio

import (
	"fmt"
	"time"
)

// Profile is what a detector knows of the beep it waits for. The zero Profile
// knows nothing: it hears every steady tone from 1.2 to 6 kHz, a neighbour's
// as well as one's own.
type Profile struct {
	// FrequencyHz of the beep; others than ±2.5 % of it are refused. 0: any.
	FrequencyHz float64
	// LevelDBFS of the beep at this microphone; levels outside −9.5…+12 dB of it
	// are refused. 0: any.
	LevelDBFS float64
	// Long is the length from which a beep is long. 0: 1 s.
	Long time.Duration
}

// Event is a beep that was found. Times are seconds since the first sample that
// the detector was given.
type Event struct {
	ID int
	// Onset is where its rise begins, End where its fall ends. A weak beep's
	// onset is looked for once more when it has ended.
	Onset, End float64 // End is the last moment at which it sounded, as yet, when not Ended
	// Ended: its offset was seen. A beep that the sound ends in has none.
	Ended bool
	// Cut: the sound began inside the beep; its onset is not known.
	Cut         bool
	Long        bool
	FrequencyHz float64
	SNRdB       float64 // tone over the noise of a 24 kHz band, from before the onset
	LevelDBFS   float64
	// Statistic is that of a tone which was found in a coherent second: its
	// energy over the noise density. 0 where frames were enough.
	Statistic float64
}

// Refusal is a tone that is no beep, with the gate that it did not pass.
type Refusal struct {
	Onset, End  float64
	FrequencyHz float64
	LevelDBFS   float64
	Reason      RefusalReason
	// Statistic is, for a tone that was searched for in a coherent second, its
	// energy over the noise density; 0 for the others.
	Statistic float64
}

const (
	workRate  = 16000 // every input is brought to this rate
	frameLen  = 1024  // 64 ms: 15.6 Hz a bin
	hop       = 512
	ringLen   = 1 << 16 // 4.1 s of the past
	maxTracks = 24
	maxKept   = 32 // refusals

	// tolerance is how much shorter than Long a measured length may be.
	tolerance = 0.010
)

// Detector finds beeps in a stream of samples. It is causal, keeps four
// seconds of the past, and allocates nothing after NewDetector. It is not safe
// for use by several goroutines.
//
// Its stages are a file each: resample.go, fft.go, floor.go (what is louder
// than the noise was), track.go (what begins, lasts and ends), deep.go and
// faint.go (what only a coherent second shows), timing.go (when exactly, and at
// which frequency), gates.go (is it a beep).
type Detector struct {
	rate    int
	profile Profile
	long    float64 // seconds

	resample *resampler // nil at workRate
	chunk    []float32  // what the resampler gave

	ring  []float32 // ringLen, then the first frameLen again: any frame is one slice
	total int64     // samples written, at workRate
	frame int64     // start of the next frame
	base  float64   // seconds before sample 0: after a loss the count starts anew

	fft    *fft
	window []float32
	power  []float32 // of the bins of floor
	floor  *floor
	lines  []complex64 // the spectrum of the same bins
	deep   *deep
	holes  holes

	tracks  [maxTracks]track
	lastID  int
	past    pastBeep
	loudest loudest
	scratch scratch
	slopes  bool // the edge that is looked for is a long beep's: its rise is measured
	refused []Refusal
}

// NewDetector hears sound of that rate, 8 to 96 kHz.
func NewDetector(rate int, p Profile) (*Detector, error) {
	if rate < 8000 || rate > 96000 {
		return nil, fmt.Errorf("beep detector: %d samples a second: want 8000 to 96000", rate)
	}
	top := min(6000, 0.45*float64(rate))
	lo, hi := 1200.0, top
	if f := p.FrequencyHz; f != 0 {
		if f < 300 || f*1.06 > 0.45*float64(min(rate, workRate)) {
			return nil, fmt.Errorf("beep detector: calibrated frequency %.0f Hz: want 300 to %.0f", f, 0.45/1.06*float64(min(rate, workRate)))
		}
		lo, hi = f*0.94, f*1.06
	}
	d := &Detector{
		rate: rate, profile: p, long: p.Long.Seconds(),
		ring: make([]float32, ringLen+frameLen), chunk: make([]float32, 0, 4096),
		fft: newFFT(frameLen), window: hann(frameLen),
		floor:   newFloor(int(lo/binHz), int(hi/binHz)+1),
		scratch: newScratch(), refused: make([]Refusal, 0, maxKept),
	}
	if p.Long == 0 {
		d.long = 1
	}
	if d.long < 0.2 || d.long > 3 {
		return nil, fmt.Errorf("beep detector: long from %v: want 200ms to 3s", p.Long)
	}
	d.power = make([]float32, len(d.floor.inv))
	d.lines = make([]complex64, len(d.floor.inv))
	d.deep = newDeep(d.floor, lo, hi, p)
	if rate != workRate {
		d.resample = newResampler(rate, workRate)
	}
	return d, nil
}

// Reset forgets all sound: the next sample is at 0 s.
func (d *Detector) Reset() {
	d.total, d.frame, d.base, d.lastID = 0, 0, 0, 0
	clear(d.ring)
	d.floor.reset()
	d.deep.reset()
	d.past = pastBeep{}
	d.loudest = loudest{}
	d.holes.reset()
	d.tracks = [maxTracks]track{}
	d.refused = d.refused[:0]
	if d.resample != nil {
		d.resample.reset()
	}
}

// Rate is the rate of the samples that Process takes.
func (d *Detector) Rate() int { return d.rate }

// Process hears the samples that follow the last ones. emit gets a long beep
// when it has become long, about 1.1 s after its onset, and again when it has
// ended, a short one when it has ended. How the sound is cut into calls makes
// no difference.
func (d *Detector) Process(samples []float32, emit func(Event)) {
	if d.resample == nil {
		d.write(samples, emit)
		return
	}
	for len(samples) > 0 {
		n := min(len(samples), 1024)
		d.chunk = d.resample.process(d.chunk[:0], samples[:n])
		d.write(d.chunk, emit)
		samples = samples[n:]
	}
}

// Lost says that n samples were lost here. Up to a quarter of a second is
// bridged; a longer loss ends what sounds, without an offset.
func (d *Detector) Lost(n int64, emit func(Event)) {
	seconds := float64(n) / float64(d.rate)
	if n <= 0 {
		return
	}
	if seconds > bridge {
		d.Flush(emit)
		base := d.base + float64(d.total)/workRate + seconds
		if d.resample != nil {
			d.resample.reset()
		}
		d.total, d.frame, d.base = 0, 0, base
		d.deep.reset()
		d.past = pastBeep{}
		d.loudest = loudest{}
		d.holes.reset()
		d.tracks = [maxTracks]track{}
		return
	}
	from := d.total
	for n > 0 {
		k := min(n, int64(len(zeros)))
		d.Process(zeros[:k], emit)
		n -= k
	}
	d.holes.add(from, d.total, true)
}

var zeros [512]float32 // never written

// Flush ends the sound: what still sounds is emitted without an offset.
func (d *Detector) Flush(emit func(Event)) {
	if d.total >= frameLen && d.total > d.frame-hop+frameLen {
		d.frame = d.total - frameLen
		d.step(emit)
	}
	for i := range d.tracks {
		if d.tracks[i].active {
			d.cutOff(&d.tracks[i], emit)
		}
	}
}

// Refused are the last tones that were refused, at most 32, since the previous
// call. The slice is valid until the next Process.
func (d *Detector) Refused() []Refusal {
	r := d.refused
	d.refused = d.refused[len(d.refused):]
	if cap(d.refused) < maxKept {
		d.refused = r[:0]
	}
	return r
}

func (d *Detector) write(samples []float32, emit func(Event)) {
	for len(samples) > 0 {
		n := min(int64(len(samples)), d.frame+frameLen-d.total)
		at := d.total & (ringLen - 1)
		n = min(n, ringLen-at)
		copy(d.ring[at:at+n], samples[:n])
		if at < frameLen {
			copy(d.ring[ringLen+at:], samples[:min(n, frameLen-at)])
		}
		d.total += n
		samples = samples[n:]
		if d.total == d.frame+frameLen {
			d.step(emit)
			d.frame += hop
		}
	}
}

// at is n samples from number pos on; n is at most frameLen.
func (d *Detector) at(pos int64, n int) []float32 {
	i := int(pos & (ringLen - 1))
	return d.ring[i : i+n]
}

// oldest is the number of the oldest sample still kept.
func (d *Detector) oldest() int64 { return max(0, d.total-ringLen) }

// step hears one frame, [d.frame, d.frame+frameLen).
func (d *Detector) step(emit func(Event)) {
	d.holes.scan(d)
	known := d.holes.known(d.frame)
	d.transform()
	if x := d.power[0]; x-x != 0 {
		// A sample that is no number spoils every bin.
		d.mend()
		d.transform()
	}
	d.deep.take(d.lines, d.power, known)
	d.floor.hold(&d.tracks)
	seen := d.floor.update(d.power, known)
	if d.frame/hop%8 == 4 {
		d.floor.settle(d.deep.sum)
	}
	d.floor.release(&d.tracks)
	for i := range d.tracks {
		if d.tracks[i].active {
			d.follow(&d.tracks[i], known, emit)
		}
	}
	d.merge()
	if seen {
		d.search()
	}
	d.dig(emit)
}

// transform makes spectrum and powers of the frame.
func (d *Detector) transform() {
	d.fft.load(d.at(d.frame, frameLen), d.window)
	d.fft.transform()
	d.fft.spectrum(d.lines, d.floor.lo)
	for i, x := range d.lines {
		d.power[i] = real(x)*real(x) + imag(x)*imag(x)
	}
}

// mend makes zeros of the frame's samples that are no numbers, or beyond
// anything a converter gives.
func (d *Detector) mend() {
	for i := d.frame; i < d.frame+frameLen; i++ {
		k := i & (ringLen - 1)
		if v := d.ring[k]; !(v > -1e6 && v < 1e6) {
			d.ring[k] = 0
			if k < frameLen {
				d.ring[ringLen+k] = 0
			}
		}
	}
}

func (d *Detector) seconds(sample float64) float64 { return d.base + sample/workRate }

func (d *Detector) refuse(t *track, end float64, why RefusalReason) {
	t.reason = why
	if len(d.refused) == maxKept {
		copy(d.refused, d.refused[1:])
		d.refused = d.refused[:maxKept-1]
	}
	d.refused = append(d.refused, Refusal{
		Onset: d.seconds(t.onset), End: d.seconds(end),
		FrequencyHz: t.hz, LevelDBFS: t.level(), Reason: why, Statistic: t.lambda,
	})
}
