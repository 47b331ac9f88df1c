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
	// HarmonicsDB are the levels of the 2nd, 3rd, … partial over the
	// fundamental's, up to 7.2 kHz.
	HarmonicsDB []float64 `json:"harmonics_db" yaml:"harmonics_db"`
	// LeastCN0 is the C/N0 in dB-Hz from which such a beep is heard nearly
	// always (docs/detector.md), MarginDB how far above it this one is.
	LeastCN0 float64 `json:"least_cn0_dbhz" yaml:"least_cn0_dbhz"`
	MarginDB float64 `json:"margin_db" yaml:"margin_db"`
	// FalseAlarmEveryDays is how rarely noise alone is taken for this beep: an
	// extrapolation of measured tails.
	FalseAlarmEveryDays float64 `json:"false_alarm_every_days" yaml:"false_alarm_every_days"`
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
	return CalibrateAll([]SampleReader{r}, nearHz)
}

// CalibrateAll learns from several recordings, of beeps, of the room's silence,
// or of both.
func CalibrateAll(recordings []SampleReader, nearHz float64) (Calibration, error) {
	var sum Summary
	var seconds []second
	partials := map[int][]float64{}
	for i, r := range recordings {
		s, more, err := analyze(r, Profile{}, func(d *Detector, e Event) {
			if e.Long && !e.Ended {
				partials[i<<20|e.ID] = d.harmonics(e)
			}
		})
		if err != nil {
			return Calibration{}, fmt.Errorf("calibrate: %w", err)
		}
		for k := range s.Events {
			s.Events[k].ID |= i << 20 // no recording has a million beeps
		}
		sum.Events = append(sum.Events, s.Events...)
		sum.Refused = append(sum.Refused, s.Refused...)
		sum.DurationS += s.DurationS
		sum.Beeps += s.Beeps
		seconds = append(seconds, more...)
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
	c.HarmonicsDB = middles(beeps, partials)
	c.LeastCN0 = leastCalibrated
	c.MarginDB = round1(c.SNRdB + band24 - leastCalibrated)
	c.FalseAlarmEveryDays = FalseAlarmEvery / 86400
	for _, s := range seconds {
		c.ClippedPercent = max(c.ClippedPercent, round1(100*float64(s.clipped)/float64(s.count)))
	}
	return c, nil
}

// leastCalibrated is the C/N0 from which a beep of 2 s of a known frequency is
// heard in 99 of 100 cases, as measured.
const leastCalibrated = 16.8

// harmonics are the partials of a beep that has just become long.
func (d *Detector) harmonics(e Event) []float64 {
	from := max(int64((e.Onset-d.base+0.1)*workRate), d.oldest())
	to := min(from+32*lowerLen, d.total)
	if to-from < lowerLen {
		return nil
	}
	own := d.line(from, to, e.FrequencyHz)
	var out []float64
	for k := 2.0; k*e.FrequencyHz < 7200; k++ {
		out = append(out, 10*math.Log10(max(d.line(from, to, k*e.FrequencyHz)/own, 1e-9)))
	}
	return out
}

// middles are the medians of each partial over the beeps.
func middles(beeps []Event, partials map[int][]float64) []float64 {
	var out []float64
	for k := 0; ; k++ {
		var v []float64
		for _, b := range beeps {
			if p := partials[b.ID]; k < len(p) {
				v = append(v, p[k])
			}
		}
		if len(v) == 0 {
			return out
		}
		slices.Sort(v)
		out = append(out, round1(v[len(v)/2]))
	}
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

// quiet is the level of the room: that of the second at the lower decile.
func quiet(seconds []second) float64 {
	levels := make([]float64, len(seconds))
	for i := range seconds {
		levels[i] = seconds[i].level()
	}
	slices.Sort(levels)
	return levels[len(levels)/10]
}

func round1(v float64) float64 { return math.Round(v*10) / 10 }
