package audio_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"resetrig/audio"
	"resetrig/pcm/synth"
)

// mostData bounds the fuzzer's input: each four bytes are a tone of up to two
// seconds, and it is the rendering of thousands that takes longer than a fuzzer
// waits for an answer, not the hearing.
const mostData = 128

// FuzzDetector feeds a detector sound made of the fuzzer's bytes: noise, tones
// that the bytes place, raw bit patterns, losses. It never panics, its events
// lie within the recording, and the cuts of the calls make no difference.
func FuzzDetector(f *testing.F) {
	f.Add([]byte("0 tone"), uint16(160), false)
	f.Add([]byte{1, 40, 10, 200, 3, 255, 128, 7, 9, 90, 14, 60}, uint16(1), true)
	f.Add([]byte{2, 0, 0, 192, 127, 0, 0, 128, 127, 255, 255, 255, 255}, uint16(4096), false)
	f.Add([]byte{3, 30, 0, 150, 20, 70, 0, 90, 35, 110, 3, 0}, uint16(512), true)
	f.Fuzz(func(t *testing.T, data []byte, call uint16, known bool) {
		if len(data) < 2 {
			return
		}
		data = data[:min(len(data), mostData)]
		p := audio.Profile{}
		if known {
			p = profile
		}
		x := soundOf(data)
		want := eventsOf(t, rate, p, x, func() int { return len(x) })
		got := eventsOf(t, rate, p, x, func() int { return int(call) + 32 })
		compareEvents(t, got, want)
	})
}

// compareEvents wants the same events from two detectors.
func compareEvents(t *testing.T, got, want []audio.Event) {
	t.Helper()
	if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
		t.Errorf("in other blocks:\n%s\nin one:\n%s", a, b)
	}
}

// moves is by how much a beep's onset may be put right at its end.
func moves(e audio.Event) float64 {
	if e.SNRdB+43.8 < 30 {
		return 0.25
	}
	return 0
}

// eventsOf are all events of a detector in their sequence, as the sound comes in
// blocks of those sizes. The order, the places and the numbers are checked.
func eventsOf(t *testing.T, rate int, p audio.Profile, x []float32, size func() int) []audio.Event {
	t.Helper()
	d, err := audio.NewDetector(rate, p)
	if err != nil {
		t.Fatal(err)
	}
	var events []audio.Event
	last := map[int]audio.Event{}
	at := 0
	emit := func(e audio.Event) {
		now := float64(at) / float64(rate)
		before, again := last[e.ID]
		switch {
		case !(e.Onset >= 0 && e.Onset <= e.End && e.End <= now+1e-6):
			t.Errorf("at %.3f s: %+v lies outside what was heard", now, e)
		case e.FrequencyHz-e.FrequencyHz != 0 || e.SNRdB-e.SNRdB != 0 || e.LevelDBFS-e.LevelDBFS != 0:
			t.Errorf("at %.3f s: %+v holds no number", now, e)
		case again && (before.Ended || !before.Long || !e.Long || math.Abs(e.Onset-before.Onset) > moves(before)):
			t.Errorf("at %.3f s: %+v follows %+v", now, e, before)
		case e.Long && e.End-e.Onset < 0.985:
			t.Errorf("at %.3f s: %+v is not long", now, e)
		}
		last[e.ID] = e
		events = append(events, e)
	}
	for at < len(x) {
		n := min(max(size(), 1), len(x)-at)
		block := x[at : at+n]
		at += n
		d.Process(block, emit)
	}
	d.Flush(emit)
	return events
}

// However the sound is cut into blocks, and at every rate, the events are the
// same: rooms with tones, raw bit patterns, losses.
func TestAnyBlocksGiveTheSameEvents(t *testing.T) {
	heard := 0
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 5))
		data := make([]byte, 2+r.IntN(40))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		p := audio.Profile{}
		if seed%3 == 0 {
			p = profile
		}
		x := soundOf(data)
		at := []int{8000, rate, 44100, 48000}[seed/4%4] // the same samples, as if of another rate
		if p.FrequencyHz*2 > 0.9*float64(at) {
			p = audio.Profile{}
		}
		want := eventsOf(t, at, p, x, func() int { return len(x) })
		heard += len(want)
		most := []int{7, 300, 5000}[seed%3]
		compareEvents(t, eventsOf(t, at, p, x, func() int { return 1 + r.IntN(most) }), want)
		if t.Failed() {
			t.Fatalf("seed %d, %d samples a second, %+v, bytes %v", seed, at, p, data)
		}
	}
	if heard < 40 {
		t.Errorf("only %d events in all: this shows nothing", heard)
	}
}

// soundOf makes two seconds of sound of bytes: the first says of which kind.
func soundOf(data []byte) []float32 {
	r := synth.NewRoom(rate, uint64(data[0]))
	r.SetNoise(synth.NoiseSpec{White: -90 + float64(data[1]%64)})
	rest := data[2:]
	for len(rest) >= 4 && data[0]%4 != 2 {
		r.Add(synth.Tone{
			Start: int64(rest[0]) * 125, Length: int64(rest[1])*125 + 1, FrequencyHz: 300 + 25*float64(rest[2]),
			LevelDBFS: -float64(rest[3]) / 3, GlideHzPerS: float64(rest[0]%5) * 3, VibratoHz: float64(rest[1] % 7), VibratoDepth: float64(rest[2] % 20),
		})
		rest = rest[4:]
	}
	x := make([]float32, 2*rate)
	r.Render(x, 0)
	if data[0]%4 == 2 {
		for i := 0; i+4 <= len(rest); i += 4 {
			x[(i*131+int(data[1])*97)%len(x)] = math.Float32frombits(binary.LittleEndian.Uint32(rest[i:]))
		}
	}
	if data[0]%4 == 3 {
		for i, b := range rest {
			at := i * 2999 % len(x)
			clear(x[at:min(at+int(b)*8, len(x))])
		}
	}
	return x
}
