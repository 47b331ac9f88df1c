package main

import (
	"fmt"
	"maps"
	"math"
	"os/exec"
	"slices"
	"strings"

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

const own = 3 // ours: with frequency and level, with the frequency, with nothing

// corpusRun is what all made of one seed's recordings.
type corpusRun struct {
	recordings, longs int
	hours             float64
	scores            []score
	indistinct        map[string]int
}

// hear runs a corpus. Peers are tried where they are wanted.
func (b *bench) hear(seed uint64, peers []func([]float32) ([]span, error)) (*corpusRun, error) {
	r := &corpusRun{indistinct: map[string]int{}}
	for range own + len(peers) {
		r.scores = append(r.scores, score{misses: map[string]int{}, falses: map[string]int{}})
	}
	full := audio.Profile{FrequencyHz: corpus.FrequencyHz, LevelDBFS: corpus.LevelDBFS}
	for _, c := range corpus.Cases(b.each, seed) {
		x := c.Samples()
		r.recordings++
		r.hours += float64(len(x)) / rate / 3600
		if c.Indistinct {
			r.indistinct[c.Kind] += len(spans(full, x))
			continue
		}
		r.longs += len(c.Long)
		for i, p := range []audio.Profile{full, {FrequencyHz: corpus.FrequencyHz}, {}} {
			r.scores[i].take(c, spans(p, x))
		}
		for i, peer := range peers {
			found, err := peer(x)
			if err != nil {
				return nil, err
			}
			r.scores[own+i].take(c, found)
		}
	}
	return r, nil
}

// levelOnly are the kinds with beeps of another bench at the calibrated
// frequency, 20 to 25 dB weaker: nothing but the level tells them.
var levelOnly = []string{"neighbour", "over a neighbour's"}

// withoutLevel is how many false ones there are without the level, those that
// only the level tells apart.
func (r *corpusRun) withoutLevel() (others, level int) {
	for _, k := range levelOnly {
		level += r.scores[1].falses[k]
	}
	return r.scores[1].false - level, level
}

// corpus runs everything over the labelled recordings.
func (b *bench) corpus() error {
	names := []string{"this, frequency and level known", "this, frequency known", "this, nothing known", "FFT threshold, frequency known"}
	peers := []func([]float32) ([]span, error){func(x []float32) ([]span, error) { return thresholdRule(x), nil }}
	_, missing := exec.LookPath("ffmpeg")
	if missing == nil {
		names = append(names, "ffmpeg band-pass + silencedetect")
		peers = append(peers, ffmpegRule)
	}
	first, err := b.hear(1, peers)
	if err != nil {
		return err
	}
	b.title(fmt.Sprintf("The corpus: %d recordings, %.1f h, %d long beeps", first.recordings, first.hours, first.longs))
	b.line("| detector | found | false | missed in | false in |")
	b.line("|---|---|---|---|---|")
	for i, s := range first.scores {
		missed, falses := list(s.misses), list(s.falses)
		if i >= 2 {
			missed, falses = count(s.misses), count(s.falses)
		}
		b.line("| %s | %d (%.1f %%) | %d | %s | %s |", names[i], s.hits, 100*float64(s.hits)/float64(first.longs), s.false, missed, falses)
	}
	if missing != nil {
		b.line("\nffmpeg is not installed.")
	}
	b.line("")
	for k, n := range first.indistinct {
		b.line("Not to be told apart by any calibration, and left out above: %s (%d of %d taken for a beep).", k, n, b.each)
	}
	b.line("Not to be told apart by a calibration without a level: %s. They are beeps like one's own, only weaker.", strings.Join(levelOnly, ", "))
	b.line("")
	b.line("The rules were made on seed 1. Others:")
	b.line("")
	b.line("| seed | long beeps | frequency and level: found | false | frequency only: found | false, which only a level tells | false, others |")
	b.line("|---|---|---|---|---|---|---|")
	for seed := range uint64(b.seeds) {
		r := first
		if seed > 0 {
			if r, err = b.hear(seed+1, nil); err != nil {
				return err
			}
		}
		others, level := r.withoutLevel()
		s := r.scores
		b.line("| %d | %d | %d (%.1f %%)%s | %d%s | %d | %d | %d%s |", seed+1, r.longs, s[0].hits, 100*float64(s[0].hits)/float64(r.longs), where(s[0].misses),
			s[0].false, where(s[0].falses), s[1].hits, level, others, where(apart(s[1].falses)))
		b.want(float64(s[0].hits) >= 0.995*float64(r.longs) && s[0].false == 0, "corpus %d with a calibration: %d of %d, %d false", seed+1, s[0].hits, r.longs, s[0].false)
		b.want(others <= 5, "corpus %d without the level: %d false", seed+1, others)
	}
	b.line("\nWanted: ≥ 99.5 %% and no false one with the calibration; at most 5 false without the level, but for what only a level tells.")
	return nil
}

// apart are the kinds that more than a level tells apart.
func apart(m map[string]int) map[string]int {
	m = maps.Clone(m)
	for _, k := range levelOnly {
		delete(m, k)
	}
	return m
}

func where(m map[string]int) string {
	if len(m) == 0 {
		return ""
	}
	return ": " + list(m)
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
