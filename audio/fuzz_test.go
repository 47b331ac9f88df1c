package audio_test

import (
	"encoding/binary"
	"math"
	"testing"

	"resetrig/audio"
	"resetrig/pcm/synth"
)

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
		p := audio.Profile{}
		if known {
			p = profile
		}
		x := soundOf(data)
		want := eventsOf(t, p, x, len(x))
		got := eventsOf(t, p, x, int(call)+32)
		if a, b := describe(got, nil), describe(want, nil); a != b {
			t.Errorf("in calls of %d:%s\nin one:%s", int(call)+1, a, b)
		}
		end := float64(len(x)) / rate
		for i, e := range want {
			if !(e.Onset >= 0 && e.Onset <= e.End && e.End <= end+1e-6) || e.FrequencyHz-e.FrequencyHz != 0 || e.SNRdB-e.SNRdB != 0 {
				t.Errorf("event %d of %.3f s: %+v", i, end, e)
			}
		}
	})
}

// eventsOf are the events of a detector, the calls' sequence checked.
func eventsOf(t *testing.T, p audio.Profile, x []float32, call int) []audio.Event {
	events, _ := hear(t, rate, p, x, max(call, 1))
	return events
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
