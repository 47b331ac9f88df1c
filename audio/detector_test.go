package audio_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm/synth"
)

const rate = 16000

var profile = audio.Profile{FrequencyHz: 3100, LevelDBFS: -25}

// scene is a room of some seconds, rendered.
func scene(seconds float64, seed uint64, build func(r *synth.Room)) []float32 {
	return sceneAt(rate, seconds, seed, build)
}

func sceneAt(rate int, seconds float64, seed uint64, build func(r *synth.Room)) []float32 {
	r := synth.NewRoom(rate, seed)
	build(r)
	x := make([]float32, r.Samples(seconds))
	r.Render(x, 0)
	return x
}

// hear runs a detector over samples in calls of a length and returns each
// beep's last event, in the order of their first.
func hear(t testing.TB, rate int, p audio.Profile, x []float32, call int) ([]audio.Event, []audio.Refusal) {
	t.Helper()
	d, err := audio.NewDetector(rate, p)
	if err != nil {
		t.Fatal(err)
	}
	var events []audio.Event
	emit := func(e audio.Event) {
		for i := range events {
			if events[i].ID == e.ID {
				events[i] = e
				return
			}
		}
		events = append(events, e)
	}
	var refused []audio.Refusal
	for len(x) > 0 {
		n := min(call, len(x))
		d.Process(x[:n], emit)
		refused = append(refused, d.Refused()...)
		x = x[n:]
	}
	d.Flush(emit)
	return events, append(refused, d.Refused()...)
}

func longs(events []audio.Event) []audio.Event {
	var l []audio.Event
	for _, e := range events {
		if e.Long {
			l = append(l, e)
		}
	}
	return l
}

func describe(events []audio.Event, refused []audio.Refusal) string {
	s := ""
	for _, e := range events {
		s += fmt.Sprintf("\n  beep %.4f–%.4f s long %v ended %v %.2f Hz %.1f dBFS SNR %.1f", e.Onset, e.End, e.Long, e.Ended, e.FrequencyHz, e.LevelDBFS, e.SNRdB)
	}
	for _, r := range refused {
		s += fmt.Sprintf("\n  refused %.4f–%.4f s %.1f Hz %.1f dBFS: %s", r.Onset, r.End, r.FrequencyHz, r.LevelDBFS, r.Reason)
	}
	return s
}

// white is the white noise that gives a tone of −25 dBFS that C/N0.
func white(cn0 float64) float64 { return -25 - cn0 + 10*math.Log10(rate/2) }

func TestLongBeepAtEveryNoise(t *testing.T) {
	for cn0 := 25.0; cn0 <= 80; cn0 += 5 {
		t.Run(fmt.Sprint(cn0), func(t *testing.T) {
			for seed := range uint64(12) {
				on, length := 2.0+float64(seed)*0.0137, 1.2+float64(seed)*0.11
				x := scene(6, seed, func(r *synth.Room) {
					r.SetNoise(synth.NoiseSpec{White: white(cn0)})
					r.Add(synth.Piezo(r.Samples(on), r.Samples(length), 3087.3+float64(seed)*1.7, -25))
				})
				events, refused := hear(t, rate, profile, x, 800)
				l := longs(events)
				if len(l) != 1 {
					t.Errorf("seed %d: %d long beeps, want 1%s", seed, len(l), describe(events, refused))
					continue
				}
				e, tol := l[0], 0.004
				if cn0 < 40 {
					tol = 0.02
				}
				if cn0 < 30 {
					tol = 0.08
				}
				if math.Abs(e.Onset-on) > tol || math.Abs(e.End-on-length) > tol {
					t.Errorf("seed %d: %.4f–%.4f s, want %.4f–%.4f", seed, e.Onset, e.End, on, on+length)
				}
				if d := e.FrequencyHz - 3087.3 - float64(seed)*1.7; math.Abs(d) > 1 && cn0 >= 30 {
					t.Errorf("seed %d: frequency off by %.2f Hz", seed, d)
				}
				if d := e.SNRdB + 43.8 - cn0; math.Abs(d) > 2.5 && cn0 >= 30 {
					t.Errorf("seed %d: SNR off by %.1f dB", seed, d)
				}
				if d := e.LevelDBFS + 25; math.Abs(d) > 1 && cn0 >= 30 {
					t.Errorf("seed %d: level off by %.1f dB", seed, d)
				}
			}
		})
	}
}

func TestLength(t *testing.T) {
	for _, c := range []struct {
		seconds float64
		long    bool
	}{{0.06, false}, {0.1, false}, {0.3, false}, {0.8, false}, {0.97, false}, {1.0, true}, {1.03, true}, {1.5, true}, {5, true}} {
		t.Run(fmt.Sprint(c.seconds), func(t *testing.T) {
			x := scene(9, 3, func(r *synth.Room) {
				r.SetNoise(synth.OfficeNoise())
				r.Add(synth.Piezo(r.Samples(2), r.Samples(c.seconds), 3100, -25))
			})
			events, refused := hear(t, rate, profile, x, 800)
			if len(events) != 1 || events[0].Long != c.long || !events[0].Ended {
				t.Fatalf("want one beep, long %v%s", c.long, describe(events, refused))
			}
			if d := events[0].End - events[0].Onset - c.seconds; math.Abs(d) > 0.004 {
				t.Errorf("length off by %.1f ms", d*1000)
			}
		})
	}
}

func TestLongTwice(t *testing.T) {
	x := scene(6, 3, func(r *synth.Room) {
		r.SetNoise(synth.OfficeNoise())
		r.Add(synth.Piezo(r.Samples(1), r.Samples(3), 3100, -25))
	})
	d, err := audio.NewDetector(rate, profile)
	if err != nil {
		t.Fatal(err)
	}
	at := 0.0
	var events []audio.Event
	for i := 0; i < len(x); i += 160 {
		at = float64(i+160) / rate
		d.Process(x[i:i+160], func(e audio.Event) {
			if len(events) == 0 && at-e.Onset > 1.13 {
				t.Errorf("said to be long %.3f s after the onset", at-e.Onset)
			}
			if len(events) == 1 && at-e.End > 0.2 {
				t.Errorf("said to have ended %.3f s after the end", at-e.End)
			}
			events = append(events, e)
		})
	}
	if len(events) != 2 || events[0].ID != events[1].ID || events[0].Ended || !events[1].Ended || !events[0].Long || !events[1].Long {
		t.Fatalf("want the beep twice: %s", describe(events, nil))
	}
}

func TestRates(t *testing.T) {
	for _, rt := range []int{8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000} {
		t.Run(fmt.Sprint(rt), func(t *testing.T) {
			x := sceneAt(rt, 5, 3, func(r *synth.Room) {
				r.SetNoise(synth.OfficeNoise())
				r.Add(synth.Piezo(r.Samples(1.5), r.Samples(1.7), 3100, -25))
			})
			events, refused := hear(t, rt, profile, x, 1111)
			l := longs(events)
			if len(l) != 1 || math.Abs(l[0].Onset-1.5) > 0.003 || math.Abs(l[0].End-3.2) > 0.004 || math.Abs(l[0].FrequencyHz-3100) > 0.2 {
				t.Errorf("want one long beep from 1.5 to 3.2 s%s", describe(events, refused))
			}
		})
	}
	for _, rt := range []int{0, 7999, 192000} {
		if _, err := audio.NewDetector(rt, audio.Profile{}); err == nil {
			t.Errorf("a rate of %d was taken", rt)
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	x := scene(30, 5, busy)
	d, err := audio.NewDetector(rate, audio.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	emit := func(audio.Event) { n++ }
	if a := testing.AllocsPerRun(3, func() { d.Process(x, emit) }); a != 0 {
		t.Errorf("%v allocations in 30 s of sound", a)
	}
	if n == 0 {
		t.Error("nothing was heard")
	}
}

// busy is a room with a bit of everything.
func busy(r *synth.Room) {
	n := synth.OfficeNoise()
	n.Fan, n.FanTone, n.Click, n.ClicksPerS = -60, -62, -30, 2
	r.SetNoise(n)
	r.Add(synth.Chirp(rate, r.Samples(2), 2700, -30))
	r.Add(synth.Piezo(r.Samples(4), r.Samples(2), 3100, -25))
	r.Add(synth.Alarm(rate, r.Samples(8), 2400, -35, 300*time.Millisecond, time.Second))
	r.AddSound(r.Samples(7), synth.Slam(rate, 2, -6, 0.05, 3000))
	r.AddSound(r.Samples(15), synth.Speech(rate, 2, 10, -30))
}

func TestCutsMakeNoDifference(t *testing.T) {
	for _, rt := range []int{16000, 48000} {
		x := sceneAt(rt, 30, 5, busy)
		want, wantRefused := hear(t, rt, audio.Profile{}, x, len(x))
		for _, call := range []int{1, 7, 160, 511, 512, 1024, 48000} {
			got, refused := hear(t, rt, audio.Profile{}, x, call)
			if a, b := describe(got, nil), describe(want, nil); a != b {
				t.Errorf("rate %d, calls of %d: %s\nin one call: %s", rt, call, a, b)
			}
			if len(refused) < len(wantRefused) {
				t.Errorf("rate %d, calls of %d: %d refusals, in one call %d", rt, call, len(refused), len(wantRefused))
			}
		}
	}
}

func BenchmarkDetector(b *testing.B) {
	for name, build := range map[string]func(*synth.Room){
		"quiet": func(r *synth.Room) { r.SetNoise(synth.OfficeNoise()) },
		"busy":  busy,
	} {
		for _, rt := range []int{16000, 48000} {
			x := sceneAt(rt, 30, 5, build)
			for _, p := range []audio.Profile{{}, profile} {
				b.Run(fmt.Sprintf("%s/%d/profile=%v", name, rt, p != audio.Profile{}), func(b *testing.B) {
					d, err := audio.NewDetector(rt, p)
					if err != nil {
						b.Fatal(err)
					}
					for b.Loop() {
						d.Process(x, func(audio.Event) {})
					}
					s := b.Elapsed().Seconds() / float64(b.N)
					b.ReportMetric(30/s, "×realtime")
					b.ReportMetric(s/(30.0*16000/512)*1e9, "ns/frame")
				})
			}
		}
	}
}

// TestAccuracy prints, by noise, what is found and how well, and holds the
// detector to the figures of its contract.
func TestAccuracy(t *testing.T) {
	for _, c := range []struct{ cn0, found, onsetMs, hz float64 }{
		{18, 0.98, 60, 1}, {20, 0.98, 30, 0.8}, {22, 1, 20, 0.8}, {25, 1, 12, 0.5}, {30, 1, 4, 0.3}, {40, 1, 1.2, 0.2}, {60, 1, 1.2, 0.05},
	} {
		const n = 60
		var onset, length, hz []float64
		for seed := range uint64(n) {
			on := 1.5 + 0.00731*float64(seed)
			x := scene(5, 1000+seed, func(r *synth.Room) {
				r.SetNoise(synth.NoiseSpec{White: white(c.cn0)})
				r.Add(synth.Piezo(r.Samples(on), r.Samples(2), 3100+0.37*float64(seed), -25))
			})
			events, _ := hear(t, rate, profile, x, 4096)
			l := longs(events)
			if len(l) != 1 {
				continue
			}
			onset = append(onset, 1000*math.Abs(l[0].Onset-on))
			length = append(length, 1000*math.Abs(l[0].End-l[0].Onset-2))
			hz = append(hz, math.Abs(l[0].FrequencyHz-3100-0.37*float64(seed)))
		}
		for _, v := range [][]float64{onset, length, hz} {
			slices.Sort(v)
		}
		q := func(v []float64, p float64) float64 { return v[int(p*float64(len(v)-1))] }
		if len(onset) < int(c.found*n) {
			t.Errorf("%.0f dB-Hz: found %d of %d", c.cn0, len(onset), n)
		}
		if len(onset) == 0 {
			continue
		}
		t.Logf("%2.0f dB-Hz: %d of %d; median (90 %%): onset %.2f (%.2f) ms, length %.2f (%.2f) ms, frequency %.3f (%.3f) Hz",
			c.cn0, len(onset), n, q(onset, 0.5), q(onset, 0.9), q(length, 0.5), q(length, 0.9), q(hz, 0.5), q(hz, 0.9))
		if q(onset, 0.5) > c.onsetMs || q(hz, 0.5) > c.hz {
			t.Errorf("%.0f dB-Hz: want onset within %.1f ms and frequency within %.2f Hz in the median", c.cn0, c.onsetMs, c.hz)
		}
	}
}
