package main

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"resetrig/audio"
	"resetrig/pcm/corpus"
)

// peak is a tone that passed every gate but for its statistic, or that one too.
type peak struct {
	hz, at, statistic float64
	long              bool
}

// tail is what a detector made of hours of noise.
type tail struct {
	hours       float64
	long, short int
	peaks       []peak // one for each second and tone
	open        []peak // the last ones, which may yet grow
}

// add joins what is told frame by frame of the same tone.
func (t *tail) add(p peak) {
	kept := t.open[:0]
	joined := false
	for _, o := range t.open {
		switch {
		case !joined && math.Abs(o.hz-p.hz) < 5 && p.at-o.at < 1.1:
			joined = true
			o.statistic, o.at, o.long = max(o.statistic, p.statistic), p.at, o.long || p.long
			kept = append(kept, o)
		case p.at-o.at >= 1.1:
			t.peaks = append(t.peaks, o)
		default:
			kept = append(kept, o)
		}
	}
	t.open = kept
	if !joined {
		t.open = append(t.open, p)
	}
}

func (t *tail) close() {
	t.peaks = append(t.peaks, t.open...)
	t.open = nil
}

// from counts the peaks of a statistic or more.
func (t *tail) from(statistic float64) int {
	n := 0
	for _, p := range t.peaks {
		if p.statistic >= statistic {
			n++
		}
	}
	return n
}

// ears are detectors in one room: one that knows nothing, one that knows the
// frequency, one that knows the level as well.
type ears struct {
	detector [3]*audio.Detector
	tail     [3]tail
	long     [3]map[int]bool
	at       float64
}

var earProfiles = [3]audio.Profile{{}, {FrequencyHz: corpus.FrequencyHz}, {FrequencyHz: corpus.FrequencyHz, LevelDBFS: corpus.LevelDBFS}}

// earNames and earBands: the band is that in which the detector may find a beep.
var (
	earNames = [3]string{"none", "±2.5 %", "±2.5 %, level"}
	earBands = [3]float64{4800, 0.05 * corpus.FrequencyHz, 0.05 * corpus.FrequencyHz}
)

func newEars(sampleRate int) (*ears, error) {
	e := &ears{}
	for k, p := range earProfiles {
		d, err := audio.NewDetector(sampleRate, p)
		if err != nil {
			return nil, err
		}
		e.detector[k], e.long[k] = d, map[int]bool{}
	}
	return e, nil
}

func (e *ears) hear(x []float32) {
	e.at += float64(len(x)) / float64(e.detector[0].Rate())
	for k, d := range e.detector {
		t := &e.tail[k]
		d.Process(x, func(v audio.Event) {
			switch {
			case v.Long && !e.long[k][v.ID]:
				e.long[k][v.ID] = true
				t.long++
				t.add(peak{v.FrequencyHz, e.at, v.Statistic, true})
			case !v.Long:
				t.short++
			}
		})
		for _, r := range d.Refused() {
			if r.Reason == audio.TooWeak && r.Statistic > 0 {
				t.add(peak{r.FrequencyHz, e.at, r.Statistic, false})
			}
		}
	}
}

// noise listens to every kind of noise for some hours.
func (b *bench) noise() error {
	b.title("False alarms")
	b.line("Hours of noise without a beep. \"≥ 20\" counts tones that passed every gate with a statistic of 20 or more, one a second and tone. \"One in\" is an **extrapolation** of the tail from where it is told on to the threshold, by its mean excess, with the 95 %% interval of the fit in brackets; \"bound\" is what the simulated time alone shows with 95 %% confidence.")
	b.line("")
	b.line("| noise | profile | long | short | ≥ 20 | ≥ 22 | ≥ 24 | ≥ 26 | threshold | tail | extrapolated: one in | bound: one in |")
	b.line("|---|---|---|---|---|---|---|---|---|---|---|---|")
	type result struct {
		ears *ears
		err  error
	}
	results := make([]result, len(b.kinds))
	// Two kinds at a time: each result belongs to one index.
	var wait sync.WaitGroup
	next := make(chan int)
	for range 2 {
		wait.Go(func() {
			for i := range next {
				e, err := b.listenTo(b.kinds[i])
				results[i] = result{e, err}
			}
		})
	}
	for i := range b.kinds {
		next <- i
	}
	close(next)
	wait.Wait()
	white := tail{}
	for i, kind := range b.kinds {
		if results[i].err != nil {
			return results[i].err
		}
		for k := range earProfiles {
			t := &results[i].ears.tail[k]
			t.print(b, kind, k)
			if stationary(kind) {
				b.want(t.long == 0, "%s noise, profile %s: %d false long beeps", kind, earNames[k], t.long)
			}
			if kind == "white" && k == 0 {
				white = *t
			}
		}
	}
	b.line("")
	b.line("The threshold is ln(%g · band in Hz · 30 days).", audio.FalseDensity)
	if white.hours > 0 {
		b.whiteTail(&white)
	}
	return b.spoken()
}

// stationary: nothing in that noise is meant to sound like a tone that begins.
func stationary(kind string) bool {
	return slices.Contains([]string{"white", "pink", "brown", "fan", "hum"}, kind)
}

func (t *tail) print(b *bench, name string, k int) {
	threshold := audio.StatisticFor(earBands[k])
	fit := t.fit(20)
	b.line("| %s, %.3g h | %s | %d | %d | %d | %d | %d | %d | %.1f | %s | %s | %.2g d |", name, t.hours, earNames[k], t.long, t.short,
		t.from(20), t.from(22), t.from(24), t.from(26), threshold, fit.shape(), fit.every(threshold), t.hours/24/bound(t.long))
}

// whiteTail decides whether the threshold is what it is said to be.
func (b *bench) whiteTail(t *tail) {
	fit := t.fit(20)
	for k, band := range earBands[:2] {
		threshold := audio.StatisticFor(band)
		// White noise is the same everywhere in the band: the wide band's tail,
		// by its share, is the narrow one's.
		f := fit
		f.perDay *= band / earBands[0]
		if f.n < 20 {
			b.line("White noise, profile %s: %d peaks are too few to tell a rate; HOURS=24 has enough.", earNames[k], f.n)
			continue
		}
		b.line("White noise, profile %s, from the tail of the whole band: one in %s at %.1f (%s).", earNames[k], f.every(threshold), threshold, b.want(f.rate(threshold) < 1.0/30, "white noise, profile %s: fewer than one false alarm in 30 days", earNames[k]))
	}
}

func (b *bench) listenTo(kind string) (*ears, error) {
	e, err := newEars(rate)
	if err != nil {
		return nil, err
	}
	hours := b.hours
	if kind == "white" {
		hours *= b.white
	}
	source := corpus.Noise(kind, 1000)
	buf := make([]float32, 3200)
	n := int(hours * 3600 * rate / float64(len(buf)))
	for i := range n {
		source(buf)
		e.hear(buf)
		if i%(n/10+1) == 0 {
			fmt.Fprintf(b.progress, "  %s: %.0f %%\n", kind, 100*float64(i)/float64(n))
		}
	}
	for k := range e.tail {
		e.tail[k].hours = hours
		e.tail[k].close()
	}
	return e, nil
}

// fit is an exponential tail.
type fit struct {
	from   float64
	n      int
	perDay float64 // at from
	slope  float64 // of its logarithm; −1 is that of a single look at white noise
}

// fit takes the mean excess over a statistic.
func (t *tail) fit(from float64) fit {
	f := fit{from: from}
	excess := 0.0
	for _, p := range t.peaks {
		if p.statistic >= from {
			f.n++
			excess += p.statistic - from
		}
	}
	f.perDay = 24 * float64(f.n) / t.hours
	if f.n > 0 && excess > 0 {
		f.slope = -float64(f.n) / excess
	}
	return f
}

// rate is how many a day reach a statistic.
func (f fit) rate(statistic float64) float64 {
	return f.perDay * math.Exp(f.slope*(statistic-f.from))
}

func (f fit) shape() string {
	if f.n < 10 {
		return "–"
	}
	return fmt.Sprintf("e^%.2f·x", f.slope)
}

// every is the mean time between two, with its 95 % interval.
func (f fit) every(statistic float64) string {
	if f.n < 10 {
		return "too few to tell"
	}
	x := f.slope * (statistic - f.from)
	spread := math.Exp(1.96 * math.Sqrt((1+x*x)/float64(f.n)))
	days := 1 / f.rate(statistic)
	return fmt.Sprintf("%s d (%s–%s)", days2(days), days2(days/spread), days2(days*spread))
}

func days2(d float64) string {
	if d >= 10 {
		return fmt.Sprintf("%.0f", d)
	}
	return fmt.Sprintf("%.2g", d)
}

// bound is the most events that a count makes likely, with 95 % confidence.
func bound(n int) float64 {
	// Poisson: 0 → 3.0, 1 → 4.7, 2 → 6.3, …; the normal one for many.
	small := []float64{3.0, 4.74, 6.30, 7.75, 9.15, 10.51}
	if n < len(small) {
		return small[n]
	}
	return float64(n) + 1.645*math.Sqrt(float64(n)) + 2
}
