package audio

import (
	"cmp"
	"errors"
	"io"
	"math"
	"slices"
)

// SampleReader is a recording; *pcm.WAVReader is one.
type SampleReader interface {
	Rate() int
	// ReadBlock fills dst with the next samples and says how many they are;
	// io.EOF comes after the last.
	ReadBlock(dst []float32) (int, error)
}

// BeepLine is a beep as `resetrig listen --json` prints it.
type BeepLine struct {
	OnsetS      float64 `json:"onset_s"`
	DurationS   float64 `json:"duration_s"`
	FrequencyHz float64 `json:"frequency_hz"`
	SNRdB       float64 `json:"snr_db"`
	Kind        string  `json:"kind"` // long, short
}

// Summary is the last line of `resetrig listen --json`; the beeps, in the
// order of their onsets, and what was refused come with it.
type Summary struct {
	Summary   bool    `json:"summary"` // always true
	DurationS float64 `json:"duration_s"`
	Beeps     int     `json:"beeps"`
	Long      int     `json:"long"`

	Lines   []BeepLine `json:"-"`
	Events  []Event    `json:"-"`
	Refused []Refusal  `json:"-"`
}

// RefusedLine is a refused tone as `resetrig listen --json --explain` prints it.
type RefusedLine struct {
	Refused     bool          `json:"refused"` // always true
	OnsetS      float64       `json:"onset_s"`
	DurationS   float64       `json:"duration_s"`
	FrequencyHz float64       `json:"frequency_hz"`
	LevelDBFS   float64       `json:"level_dbfs"`
	Statistic   float64       `json:"statistic,omitempty"` // of a faint one: energy over noise density
	Reason      RefusalReason `json:"reason"`
}

// Line is the refusal as a line.
func (r Refusal) Line() RefusedLine {
	return RefusedLine{
		Refused: true, OnsetS: tidy(r.Onset), DurationS: tidy(r.End - r.Onset),
		FrequencyHz: tidy(math.Round(r.FrequencyHz*100) / 100), LevelDBFS: round1(r.LevelDBFS), Statistic: round1(r.Statistic), Reason: r.Reason,
	}
}

// Line is the event as a line, rounded to what is meant by it.
func (e Event) Line() BeepLine {
	kind := "short"
	if e.Long {
		kind = "long"
	}
	round := func(v, unit float64) float64 { return math.Round(v/unit) * unit }
	return BeepLine{
		OnsetS: tidy(round(e.Onset, 1e-4)), DurationS: tidy(round(e.End-e.Onset, 1e-4)),
		FrequencyHz: tidy(round(e.FrequencyHz, 0.01)), SNRdB: tidy(round(e.SNRdB, 0.1)), Kind: kind,
	}
}

// tidy takes the binary dust off a rounded number.
func tidy(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// Analyze hears a whole recording. The error is the reader's or, for a rate or
// profile that no detector takes, the detector's; what was heard comes with
// it.
func Analyze(r SampleReader, p Profile) (Summary, error) {
	s, _, err := analyze(r, p, nil)
	return s, err
}

// analyze returns the levels of the recording's seconds as well. hook, if not
// nil, sees every event when it comes, while its sound is still there.
func analyze(r SampleReader, p Profile, hook func(*Detector, Event)) (Summary, []second, error) {
	sum := Summary{Summary: true}
	d, err := NewDetector(r.Rate(), p)
	if err != nil {
		return sum, nil, err
	}
	last := map[int]Event{}
	emit := func(e Event) {
		last[e.ID] = e
		if hook != nil {
			hook(d, e)
		}
	}
	var seconds []second
	var now second
	total, buf := int64(0), make([]float32, 4096)
	for {
		n, rerr := r.ReadBlock(buf)
		if n > 0 {
			d.Process(buf[:n], emit)
			sum.Refused = append(sum.Refused, d.Refused()...)
			if now.take(buf[:n]); now.count*healthStride >= r.Rate() {
				seconds, now = append(seconds, now), second{}
			}
			total += int64(n)
		}
		if rerr != nil {
			if !errors.Is(rerr, io.EOF) {
				err = rerr
			}
			break
		}
	}
	d.Flush(emit)
	sum.Refused = append(sum.Refused, d.Refused()...)
	sum.DurationS = tidy(float64(total) / float64(r.Rate()))
	for _, e := range last {
		sum.Events = append(sum.Events, e)
	}
	slices.SortFunc(sum.Events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Onset, b.Onset), cmp.Compare(a.ID, b.ID))
	})
	for _, e := range sum.Events {
		sum.Lines = append(sum.Lines, e.Line())
		sum.Beeps++
		if e.Long {
			sum.Long++
		}
	}
	if now.count > 0 {
		seconds = append(seconds, now)
	}
	return sum, seconds, err
}

func amplitudeDB(a float32) float64 { return 20 * math.Log10(max(float64(a), 1e-10)) }
