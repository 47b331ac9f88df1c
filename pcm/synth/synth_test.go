package synth_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"resetrig/pcm/synth"
)

const rate = 16000

// lively is a room in which everything sounds.
func lively() *synth.Room {
	r := synth.NewRoom(rate, 7)
	r.SetNoise(synth.NoiseSpec{White: -70, Pink: -60, Fan: -50, FanTone: -55, Hum: -60, Whirr: -58, Click: -20, ClicksPerS: 3})
	r.SetMic(synth.Mic{GainDB: 6, FloorDBFS: -80, DC: 0.01, Dropouts: []synth.Gap{{At: 30000, Length: 777}}})
	r.Add(synth.Piezo(5000, 20000, 3100, -20))
	r.Add(synth.Alarm(rate, 9000, 2700, -30, 300*time.Millisecond, time.Second))
	v := synth.Piezo(1000, 30000, 2000, -25)
	v.VibratoHz, v.VibratoDepth, v.TremoloHz, v.Tremolo, v.GlideHzPerS = 5, 10, 3, 0.2, 4
	v.Gaps = []synth.Gap{{At: 4000, Length: 800}}
	r.Stop(r.Add(v), 24000)
	r.AddSound(12345, synth.Slam(rate, 3, -6, 0.03, 2000))
	return r
}

func TestCutsDoNotMatter(t *testing.T) {
	want := make([]float32, 48000)
	lively().Render(want, 0)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		r, got := lively(), make([]float32, len(want))
		for at := 0; at < len(got); {
			n := min(1+rng.IntN(900), len(got)-at)
			r.Render(got[at:at+n], int64(at))
			at += n
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("sample %d is %v, in one piece it was %v", i, got[i], want[i])
			}
		}
	}
}

// dBFS is the level of samples on AES17's scale.
func dBFS(x []float32) float64 {
	s := 0.0
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return 10 * math.Log10(2*s/float64(len(x)))
}

func TestLevels(t *testing.T) {
	cases := map[string]struct {
		set  func(*synth.Room)
		want float64
	}{
		"tone":  {func(r *synth.Room) { r.Add(synth.Tone{FrequencyHz: 3000, LevelDBFS: -20}) }, -20},
		"white": {func(r *synth.Room) { r.SetNoise(synth.NoiseSpec{White: -40}) }, -40},
		"pink":  {func(r *synth.Room) { r.SetNoise(synth.NoiseSpec{Pink: -40}) }, -40},
		"fan":   {func(r *synth.Room) { r.SetNoise(synth.NoiseSpec{Fan: -45}) }, -45},
		"hum":   {func(r *synth.Room) { r.SetNoise(synth.NoiseSpec{Hum: -30}) }, -30},
		"whirr": {func(r *synth.Room) { r.SetNoise(synth.NoiseSpec{Whirr: -33}) }, -33},
		"gain": {func(r *synth.Room) {
			r.SetNoise(synth.NoiseSpec{White: -40})
			r.SetMic(synth.Mic{GainDB: 10})
		}, -30},
		"floor": {func(r *synth.Room) { r.SetMic(synth.Mic{FloorDBFS: -80}) }, -80},
		"clip": {func(r *synth.Room) {
			r.Add(synth.Tone{FrequencyHz: 1013, LevelDBFS: 60})
			r.SetMic(synth.Mic{Clip: 0.5})
		}, -3},
		"stuck": {func(r *synth.Room) { r.SetMic(synth.Mic{Stuck: true, StuckAt: 0.1}) }, -17},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := synth.NewRoom(rate, 5)
			c.set(r)
			x := make([]float32, 4*rate)
			r.Render(x, 0)
			if got := dBFS(x); math.Abs(got-c.want) > 0.5 {
				t.Errorf("level %.2f dBFS, want %.1f", got, c.want)
			}
		})
	}
}

func TestWhen(t *testing.T) {
	r := synth.NewRoom(rate, 5)
	id := r.Add(synth.Piezo(1000, 0, 3000, -10))
	x := make([]float32, 4000)
	r.Stop(id, 3000)
	r.Render(x, 0)
	if before, inside, after := dBFS(x[:1000]), dBFS(x[1100:2900]), dBFS(x[3000:]); !math.IsInf(before, -1) || inside < -11 || !math.IsInf(after, -1) {
		t.Errorf("before %.1f, inside %.1f, after %.1f dBFS", before, inside, after)
	}
}

func TestDeadIsZero(t *testing.T) {
	r := lively()
	r.SetMic(synth.Mic{Dead: true})
	x := make([]float32, 20000)
	r.Render(x, 0)
	for i, v := range x {
		if v != 0 {
			t.Fatalf("sample %d of a dead microphone is %v", i, v)
		}
	}
}

func TestNoiseFadesWithoutAStep(t *testing.T) {
	r := synth.NewRoom(rate, 5)
	r.SetNoise(synth.NoiseSpec{Hum: -10})
	x := make([]float32, 4000)
	r.Render(x[:1000], 0)
	r.SetNoise(synth.NoiseSpec{})
	r.Render(x[1000:], 1000)
	if l := dBFS(x[900:1100]); l < -25 {
		t.Errorf("the hum stopped at once: %.1f dBFS", l)
	}
	if l := dBFS(x[2000:]); !math.IsInf(l, -1) {
		t.Errorf("the hum did not stop: %.1f dBFS", l)
	}
}

func BenchmarkRoom(b *testing.B) {
	for name, n := range map[string]synth.NoiseSpec{
		"white+pink": {White: -70, Pink: -60},
		"office+fan": {White: -78, Pink: -62, Hum: -70, Fan: -60, FanTone: -65},
		"all":        {White: -70, Pink: -60, Fan: -50, FanTone: -55, Hum: -60, Whirr: -58, Click: -20, ClicksPerS: 3},
	} {
		b.Run(name, func(b *testing.B) {
			r := synth.NewRoom(rate, 7)
			r.SetNoise(n)
			benchmark(b, r)
		})
	}
	b.Run("piezo", func(b *testing.B) {
		r := synth.NewRoom(rate, 7)
		r.Add(synth.Piezo(0, 0, 3000, -20))
		benchmark(b, r)
	})
}

func benchmark(b *testing.B, r *synth.Room) {
	x := make([]float32, 320)
	at := int64(0)
	for b.Loop() {
		r.Render(x, at)
		at += int64(len(x))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/sample")
}
