package audio

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Calibration is what one bench's ear has learned: the beep, and the noise of
// the room.
type Calibration struct {
	FrequencyHz float64 `json:"frequency_hz" yaml:"frequency_hz"`
	LevelDBFS   float64 `json:"level_dbfs" yaml:"level_dbfs"`
	LengthS     float64 `json:"length_s" yaml:"length_s"`
	NoiseDBFS   float64 `json:"noise_dbfs" yaml:"noise_dbfs"`
	SNRdB       float64 `json:"snr_db" yaml:"snr_db"`
	// Beeps is how many it was learned from; the spreads are between the
	// furthest of them.
	Beeps             int     `json:"beeps" yaml:"beeps"`
	FrequencySpreadHz float64 `json:"frequency_spread_hz" yaml:"frequency_spread_hz"`
	LevelSpreadDB     float64 `json:"level_spread_db" yaml:"level_spread_db"`
	// ClippedPercent of the samples of the loudest second were at full scale;
	// a level that was learned from clipped beeps is too low.
	ClippedPercent float64 `json:"clipped_percent" yaml:"clipped_percent"`
}

// Profile is what the detector makes of the calibration.
func (c Calibration) Profile() Profile {
	return Profile{FrequencyHz: c.FrequencyHz, LevelDBFS: c.LevelDBFS}
}

// What Calibrate's errors are tested for.
var (
	ErrNoBeep    = errors.New("no long beep in the recording")
	ErrAmbiguous = errors.New("long beeps of different frequencies in the recording")
)

// Calibrate learns from a recording of a few long beeps. nearHz, if not 0, says
// about which frequency (±10 %) to learn; without it there must be beeps of one
// frequency only.
func Calibrate(r SampleReader, nearHz float64) (Calibration, error) {
	sum, seconds, err := analyze(r, Profile{})
	if err != nil {
		return Calibration{}, fmt.Errorf("calibrate: %w", err)
	}
	var beeps []Event
	for _, e := range sum.Events {
		if e.Long && (nearHz == 0 || math.Abs(e.FrequencyHz/nearHz-1) < 0.1) {
			beeps = append(beeps, e)
		}
	}
	if len(beeps) == 0 {
		return Calibration{}, fmt.Errorf("calibrate: %w%s", ErrNoBeep, heard(sum))
	}
	f := middle(beeps, func(e Event) float64 { return e.FrequencyHz })
	var others []string
	for _, e := range beeps {
		if math.Abs(e.FrequencyHz/f-1) > pitchGate {
			others = append(others, fmt.Sprintf("%.0f Hz at %.1f s", e.FrequencyHz, e.Onset))
		}
	}
	if len(others) > 0 {
		return Calibration{}, fmt.Errorf("calibrate: %w: %.0f Hz, but also %s; say about which one to learn", ErrAmbiguous, f, strings.Join(others, ", "))
	}
	c := Calibration{
		FrequencyHz: tidy(f), Beeps: len(beeps),
		LevelDBFS: round1(middle(beeps, func(e Event) float64 { return e.LevelDBFS })),
		LengthS:   tidy(middle(beeps, func(e Event) float64 { return e.End - e.Onset })),
		SNRdB:     round1(middle(beeps, func(e Event) float64 { return e.SNRdB })),
		NoiseDBFS: round1(quiet(seconds)),
	}
	c.FrequencySpreadHz = tidy(spread(beeps, func(e Event) float64 { return e.FrequencyHz }))
	c.LevelSpreadDB = round1(spread(beeps, func(e Event) float64 { return e.LevelDBFS }))
	for _, s := range seconds {
		c.ClippedPercent = max(c.ClippedPercent, round1(100*float64(s.clipped)/float64(s.count)))
	}
	return c, nil
}

// heard says what there was instead of a long beep.
func heard(s Summary) string {
	switch {
	case s.Beeps > 0:
		return fmt.Sprintf(" of %.1f s, only %d short ones", s.DurationS, s.Beeps)
	case len(s.Refused) > 0:
		r := s.Refused[0]
		for _, q := range s.Refused {
			if q.End-q.Onset > r.End-r.Onset {
				r = q
			}
		}
		return fmt.Sprintf(" of %.1f s; the longest tone, %.0f Hz at %.1f s, is none: %s", s.DurationS, r.FrequencyHz, r.Onset, r.Reason)
	}
	return fmt.Sprintf(" of %.1f s", s.DurationS)
}

func middle(e []Event, of func(Event) float64) float64 {
	v := values(e, of)
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

func spread(e []Event, of func(Event) float64) float64 {
	v := values(e, of)
	return v[len(v)-1] - v[0]
}

func values(e []Event, of func(Event) float64) []float64 {
	v := make([]float64, len(e))
	for i := range e {
		v[i] = of(e[i])
	}
	slices.Sort(v)
	return v
}

// quiet is the level of the room: that of the second at the lower quartile.
func quiet(seconds []second) float64 {
	levels := make([]float64, len(seconds))
	for i := range seconds {
		levels[i] = seconds[i].level()
	}
	slices.Sort(levels)
	return levels[len(levels)/4]
}

func round1(v float64) float64 { return math.Round(v*10) / 10 }
