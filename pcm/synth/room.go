package synth

import "math"

// Room is all that sounds around one microphone. It is not safe for use by
// several goroutines.
type Room struct {
	rate int
	seed uint64
	pos  int64 // the sample after the last that was rendered
	next int   // id of the next tone

	tones []voice
	clips []clip
	noise noise
	mic   mic
}

// NewRoom is a silent room with a perfect microphone. Rooms with the same rate
// and seed, given the same sounds, sound the same.
func NewRoom(rate int, seed uint64) *Room {
	return &Room{rate: rate, seed: seed, noise: newNoise(rate, seed), mic: newMic(seed)}
}

// Rate is the number of samples a second.
func (r *Room) Rate() int { return r.rate }

// Samples is the number of samples in that many seconds, rounded.
func (r *Room) Samples(seconds float64) int64 {
	return int64(math.Round(seconds * float64(r.rate)))
}

// Add lets a tone sound and returns the number by which Stop knows it.
func (r *Room) Add(t Tone) (id int) {
	r.next++
	r.tones = append(r.tones, newVoice(t, r.rate, r.next))
	return r.next
}

// Stop ends a tone at that sample, or earlier where it ends by itself; its
// release comes before the end. What has been rendered stays.
func (r *Room) Stop(id int, at int64) {
	for i := range r.tones {
		if r.tones[i].id == id {
			r.tones[i].stop(at)
			return
		}
	}
}

// AddSound mixes samples in from sample start on: a slam, a word, a recording.
// The slice is kept and not changed.
func (r *Room) AddSound(start int64, samples []float32) {
	r.clips = append(r.clips, clip{start, samples})
}

// SetNoise changes the room's noise from the next sample on, faded over 50 ms.
func (r *Room) SetNoise(n NoiseSpec) { r.noise.set(n, r.pos) }

// SetMic changes the microphone from the next sample on.
func (r *Room) SetMic(m Mic) { r.mic.set(m) }

// Render overwrites dst with the samples from number start on. Calls go forward:
// sounds that ended before start are forgotten.
func (r *Room) Render(dst []float32, start int64) {
	clear(dst)
	end := start + int64(len(dst))
	if !r.mic.deaf() {
		r.noise.render(dst, start)
		r.renderTones(dst, start)
		r.renderClips(dst, start, end)
	}
	r.mic.apply(dst, start, &r.noise)
	r.pos = end
}

func (r *Room) renderTones(dst []float32, start int64) {
	kept := r.tones[:0]
	for i := range r.tones {
		v := &r.tones[i]
		v.render(dst, start)
		if !v.over(start + int64(len(dst))) {
			kept = append(kept, *v)
		}
	}
	clear(r.tones[len(kept):])
	r.tones = kept
}

type clip struct {
	start   int64
	samples []float32
}

func (r *Room) renderClips(dst []float32, start, end int64) {
	kept := r.clips[:0]
	for _, c := range r.clips {
		addAt(dst, start, c.samples, c.start, 1)
		if c.start+int64(len(c.samples)) > end {
			kept = append(kept, c)
		}
	}
	clear(r.clips[len(kept):])
	r.clips = kept
}

// addAt adds gain·src, whose first sample has number at, to dst, whose first
// has number start.
func addAt(dst []float32, start int64, src []float32, at int64, gain float32) {
	if at < start {
		if start-at >= int64(len(src)) {
			return
		}
		src = src[start-at:]
	} else {
		if at-start >= int64(len(dst)) {
			return
		}
		dst = dst[at-start:]
	}
	n := min(len(dst), len(src))
	dst, src = dst[:n], src[:n]
	for i := range dst {
		dst[i] += gain * src[i]
	}
}

// amplitude is that of a sine of a level.
func amplitude(dBFS float64) float64 { return math.Pow(10, dBFS/20) }

// hash mixes numbers into one that looks random (splitmix64's finaliser).
func hash(a, b uint64) uint64 {
	x := a + b*0x9e3779b97f4a7c15 + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
