package main

import (
	"fmt"
	"math"
	"os/exec"
	"slices"

	"resetrig/audio"
	"resetrig/pcm/corpus"
)

// score counts what one detector made of the corpus.
type score struct {
	hits, false int
	misses      map[string]int
	falses      map[string]int
}

func (s *score) take(c corpus.Case, found []span) {
	used := make([]bool, len(found))
	for _, l := range c.Long {
		hit := false
		for i, f := range found {
			if !used[i] && math.Abs(f.from-l.Onset) < 0.25 && f.to > l.Onset+0.5*l.Length {
				used[i], hit = true, true
				break
			}
		}
		if hit {
			s.hits++
		} else {
			s.misses[c.Kind]++
		}
	}
	for i := range found {
		if !used[i] {
			s.false++
			s.falses[c.Kind]++
		}
	}
}

func spans(p audio.Profile, x []float32) []span {
	var out []span
	for _, e := range listen(p, x).events {
		if e.Long {
			out = append(out, span{e.Onset, e.End})
		}
	}
	slices.SortFunc(out, func(a, b span) int { return int(1000 * (a.from - b.from)) })
	return out
}

// corpus runs everything over the labelled recordings.
func (b *bench) corpus() error {
	cases := corpus.Cases(b.each, 1)
	longs, seconds := 0, 0.0
	for _, c := range cases {
		if !c.Indistinct {
			longs += len(c.Long)
		}
	}
	names := []string{"this, frequency and level known", "this, frequency known", "this, nothing known", "FFT threshold, frequency known"}
	_, err := exec.LookPath("ffmpeg")
	withFFmpeg := err == nil
	if withFFmpeg {
		names = append(names, "ffmpeg band-pass + silencedetect")
	}
	scores := make([]score, len(names))
	for i := range scores {
		scores[i] = score{misses: map[string]int{}, falses: map[string]int{}}
	}
	indistinct := map[string]int{}
	for _, c := range cases {
		x := c.Samples()
		seconds += float64(len(x)) / rate
		full := audio.Profile{FrequencyHz: corpus.FrequencyHz, LevelDBFS: corpus.LevelDBFS}
		if c.Indistinct {
			indistinct[c.Kind] += len(spans(full, x))
			continue
		}
		scores[0].take(c, spans(full, x))
		scores[1].take(c, spans(audio.Profile{FrequencyHz: corpus.FrequencyHz}, x))
		scores[2].take(c, spans(audio.Profile{}, x))
		scores[3].take(c, thresholdRule(x))
		if withFFmpeg {
			f, err := ffmpegRule(x)
			if err != nil {
				return err
			}
			scores[4].take(c, f)
		}
	}
	b.title(fmt.Sprintf("The corpus: %d recordings, %.1f h, %d long beeps", len(cases), seconds/3600, longs))
	b.line("| detector | found | false | missed in | false in |")
	b.line("|---|---|---|---|---|")
	for i, s := range scores {
		missed, falses := list(s.misses), list(s.falses)
		if i >= 2 {
			missed, falses = count(s.misses), count(s.falses)
		}
		b.line("| %s | %d (%.1f %%) | %d | %s | %s |", names[i], s.hits, 100*float64(s.hits)/float64(longs), s.false, missed, falses)
	}
	if !withFFmpeg {
		b.line("\nffmpeg is not installed.")
	}
	b.line("")
	for k, n := range indistinct {
		b.line("Not to be told apart by any calibration, and left out above: %s (%d of %d taken for a beep).", k, n, b.each)
	}
	b.want(float64(scores[0].hits) >= 0.995*float64(longs) && scores[0].false == 0, "corpus with a calibration: %d of %d, %d false", scores[0].hits, longs, scores[0].false)
	noLevel := scores[1].false
	for _, c := range []string{"neighbour", "over a neighbour's"} {
		noLevel -= scores[1].falses[c]
	}
	b.line("\nWanted: ≥ 99.5 %% and no false one with the calibration; at most 5 false without the level, neighbours' beeps apart, which only the level tells (%d here).", noLevel)
	b.want(noLevel <= 5, "corpus without the level: %d false", noLevel)
	return nil
}

func list(m map[string]int) string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	s := ""
	for i, k := range keys {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s %d", k, m[k])
	}
	if s == "" {
		return "–"
	}
	return s
}

func count(m map[string]int) string {
	if len(m) == 0 {
		return "–"
	}
	return fmt.Sprintf("%d kinds", len(m))
}
