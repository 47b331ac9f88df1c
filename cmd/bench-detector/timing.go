package main

import (
	"math"
	"time"

	"resetrig/audio"
	"resetrig/pcm/corpus"
)

// timing measures accuracy where the noise allows it.
func (b *bench) timing() error {
	b.title("Timing and frequency")
	b.line("Errors: median (90th percentile), of a piezo's rise and fall of 2 ms. A beep's onset is where its rise begins, its end where its fall ends. Limit: of the onset of a step, √26/(2·C/N0).")
	b.line("")
	b.line("| C/N0 dB-Hz | found | onset ms | limit ms | duration ms | frequency Hz | decided after the onset s, most |")
	b.line("|---|---|---|---|---|---|---|")
	n := max(b.trials/4, 20)
	for _, cn0 := range []float64{20, 25, 30, 35, 40, 45, 50, 60, 70} {
		var onset, length, hz, late []float64
		found := 0
		for seed := range uint64(n) {
			t := newTrial(seed, cn0, corpus.FrequencyHz*0.98, corpus.FrequencyHz*1.02, 2*time.Millisecond)
			h := listen(audio.Profile{FrequencyHz: corpus.FrequencyHz, LevelDBFS: level}, t.x)
			for id, e := range h.events {
				if e.Long && math.Abs(e.FrequencyHz-t.hz) < 5 {
					found++
					onset = append(onset, 1000*math.Abs(e.Onset-t.onset))
					length = append(length, 1000*math.Abs(e.End-e.Onset-2))
					hz = append(hz, math.Abs(e.FrequencyHz-t.hz))
					late = append(late, h.decided[id]-t.onset)
				}
			}
		}
		two := func(v []float64) [2]float64 { return [2]float64{quantile(v, 0.5), quantile(v, 0.9)} }
		o, l, f := two(onset), two(length), two(hz)
		limit := 1000 * math.Sqrt(26) / (2 * math.Pow(10, cn0/10))
		b.line("| %.0f | %d of %d | %.2f (%.2f) | %.3f | %.2f (%.2f) | %.3f (%.3f) | %.3f |", cn0, found, n, o[0], o[1], limit, l[0], l[1], f[0], f[1], quantile(late, 1))
		if cn0 >= 40 {
			b.want(o[1] <= 1, "onset at %.0f dB-Hz", cn0)
			b.want(l[1] <= 5, "duration at %.0f dB-Hz", cn0)
			b.want(f[1] <= 0.5, "frequency at %.0f dB-Hz", cn0)
			b.want(quantile(late, 1) <= 1.1, "decision at %.0f dB-Hz", cn0)
		}
	}
	b.line("")
	b.line("The same at 40, 45 and 50 dB-Hz for other rises, falls being as long: 90th percentile of the onset's error in ms.")
	b.line("")
	b.line("| rise ms | 40 dB-Hz | 45 | 50 |")
	b.line("|---|---|---|---|")
	for _, rise := range []float64{0, 1, 2, 2.5, 3} {
		var q [3]float64
		for i, cn0 := range []float64{40, 45, 50} {
			var onset []float64
			for seed := range uint64(n) {
				t := newTrial(seed, cn0, corpus.FrequencyHz*0.98, corpus.FrequencyHz*1.02, time.Duration(rise*1e6))
				for _, e := range listen(audio.Profile{FrequencyHz: corpus.FrequencyHz, LevelDBFS: level}, t.x).events {
					if e.Long {
						onset = append(onset, 1000*math.Abs(e.Onset-t.onset))
					}
				}
			}
			q[i] = quantile(onset, 0.9)
			if rise <= 2 {
				b.want(q[i] <= 1, "onset of a beep that rises in %g ms, at %.0f dB-Hz", rise, cn0)
			}
		}
		b.line("| %g | %.2f | %.2f | %.2f |", rise, q[0], q[1], q[2])
	}
	b.line("")
	b.line("Whoever knows frequency, phase, level and noise and that the rise is abrupt or one of 3 ms, one as likely as the other, is still off by more than 1 ms at best in")
	for _, cn0 := range []float64{40, 41, 42} {
		b.line("- %.1f %% of beeps at %.0f dB-Hz;", 100*missedAtBest(cn0, 3*time.Millisecond, 20*b.trials), cn0)
	}
	b.line("and the standard error of an onset without bias, the rise being as unknown as the onset, is at least %.2f ms at 40 dB-Hz and 3 ms (Cramér and Rao), %.2f where it is known.", boundOfOnset(40, 3, false), boundOfOnset(40, 3, true))
	b.line("")
	b.line("Wanted from 40 dB-Hz on, at the 90th percentile: onset 1 ms, duration 5 ms, frequency 0.5 Hz; decided by 1.1 s.")
	return nil
}
