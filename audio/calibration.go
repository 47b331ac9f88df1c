package audio

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Calibration is what one bench's ear has learned: the beep, and the noise of
// the room.
type Calibration struct {
	FrequencyHz float64 `json:"frequency_hz"`
	LevelDBFS   float64 `json:"level_dbfs"`
	LengthS     float64 `json:"length_s"`
	NoiseDBFS   float64 `json:"noise_dbfs"` // of the room, in the whole band
	// NoiseBandDBFS is the noise before the beeps within the tolerance of their
	// frequency, full scale being a sine's.
	NoiseBandDBFS float64 `json:"noise_band_dbfs"`
	SNRdB         float64 `json:"snr_db"`
	// Beeps is how many it was learned from; the spreads are between the
	// furthest of them.
	Beeps             int     `json:"beeps"`
	LeftOut           int     `json:"left_out"` // much weaker than the others
	FrequencySpreadHz float64 `json:"frequency_spread_hz"`
	LevelSpreadDB     float64 `json:"level_spread_db"`
	LengthSpreadS     float64 `json:"length_spread_s"`
	// HarmonicsDB are the levels of the 2nd, 3rd, … partial over the
	// fundamental's, up to 7.2 kHz.
	HarmonicsDB []float64 `json:"harmonics_db"`
	// MarginDB is how far above Thresholds.LeastCN0 this beep is.
	MarginDB   float64    `json:"margin_db"`
	Thresholds Thresholds `json:"thresholds"`
	// ClippedPercent of the samples of the loudest second were at full scale;
	// a level that was learned from clipped beeps is too low.
	ClippedPercent float64 `json:"clipped_percent"`
}

// Thresholds are the detector's limits for a beep that it knows.
type Thresholds struct {
	// PitchPercent is how far a tone may be beside the frequency, each way, and
	// DriftPercent how much it may drift while it lasts.
	PitchPercent float64 `json:"pitch_percent"`
	DriftPercent float64 `json:"drift_percent"`
	LevelBelowDB float64 `json:"level_below_db"`
	LevelAboveDB float64 `json:"level_above_db"`
	// LeastCN0 is the C/N0 in dB-Hz from which a beep of 2 s is heard in 99 of
	// 100 cases, as measured (docs/detector.md).
	LeastCN0 float64 `json:"least_cn0_dbhz"`
	// EnergyDB is the energy over the noise density that a weak tone must have,
	// and FalseAlarmEvery how rarely noise alone has it: an extrapolation of a
	// measured tail.
	EnergyDB        float64       `json:"energy_db"`
	FalseAlarmEvery time.Duration `json:"false_alarm_every_ns"`
}

// Thresholds are those of a detector with this profile, a frequency being
// known.
func (p Profile) Thresholds() Thresholds {
	return Thresholds{
		PitchPercent: 100 * pitchGate, DriftPercent: 100 * maxGlide, LevelBelowDB: levelBelow, LevelAboveDB: levelAbove,
		LeastCN0: leastCalibrated, EnergyDB: round1(10 * math.Log10(StatisticFor(2*pitchGate*p.FrequencyHz))),
		FalseAlarmEvery: time.Duration(FalseAlarmEvery * float64(time.Second)),
	}
}

// Profile is what the detector makes of the calibration.
func (c Calibration) Profile() Profile {
	return Profile{FrequencyHz: c.FrequencyHz, LevelDBFS: c.LevelDBFS}
}

// Doubts are what makes the calibration worth less, a sentence each, with what
// to do.
func (c Calibration) Doubts() []string {
	var w []string
	say := func(format string, a ...any) { w = append(w, fmt.Sprintf(format, a...)) }
	if c.Beeps < 3 {
		say("learned from %d beeps only: three show how much they differ", c.Beeps)
	}
	if c.LeftOut > 0 {
		say("%d weaker beeps were left out: are they another bench's?", c.LeftOut)
	}
	if c.ClippedPercent > 0.1 {
		say("%.1f %% of a second's samples are at full scale, so the level is too low: lower the gain and calibrate again", c.ClippedPercent)
	}
	if c.LevelSpreadDB > levelSpread {
		say("the beeps' levels differ by %.1f dB: has the microphone automatic gain, or was it moved?", c.LevelSpreadDB)
	}
	if c.FrequencySpreadHz > pitchSpread*c.FrequencyHz {
		say("the beeps' frequencies differ by %.1f Hz: are they of one unit?", c.FrequencySpreadHz)
	}
	if c.LengthSpreadS > lengthSpread*c.LengthS {
		say("the beeps' lengths differ by %.2f s: are they all the beep of the reset?", c.LengthSpreadS)
	}
	if c.MarginDB < scarceMargin {
		say("only %.0f dB above what can just be heard: move the microphone nearer", c.MarginDB)
	}
	if c.LengthS < 1 {
		say("the beep lasts %.2f s, less than the 1 s of a long one", c.LengthS)
	}
	return w
}

// The spreads of a calibration that are doubted. One buzzer at one place keeps a
// tenth of a decibel and of a percent.
const (
	levelSpread  = 3.0   // dB
	pitchSpread  = 0.005 // of the frequency
	lengthSpread = 0.5   // of the length; recorders beep for 2 to 3 s
	scarceMargin = 10.0  // dB
)

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
	var weak []string
	for _, e := range sum.Events {
		if e.Long && (nearHz == 0 || math.Abs(e.FrequencyHz/nearHz-1) < 0.1) {
			if e.SNRdB+band24 < leastLearned {
				weak = append(weak, fmt.Sprintf("%.0f Hz at %.1f s", e.FrequencyHz, e.Onset))
				continue
			}
			beeps = append(beeps, e)
		}
	}
	switch {
	case len(beeps) == 0 && len(weak) > 0:
		return Calibration{}, fmt.Errorf("calibrate: %w of %.1f s that could be learned from: %s are hardly over the noise; move the microphone nearer", ErrNoBeep, sum.DurationS, strings.Join(weak, ", "))
	case len(beeps) == 0:
		return Calibration{}, fmt.Errorf("calibrate: %w%s", ErrNoBeep, heard(sum))
	}
	// A beep that is so much weaker than another that a detector with the louder
	// one's level would refuse it is not this bench's.
	loudest := slices.MaxFunc(beeps, func(a, b Event) int { return cmp.Compare(a.LevelDBFS, b.LevelDBFS) }).LevelDBFS
	all := len(beeps)
	beeps = slices.DeleteFunc(beeps, func(e Event) bool { return e.LevelDBFS < loudest-levelBelow })
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
		FrequencyHz: tidy(f), Beeps: len(beeps), LeftOut: all - len(beeps),
		LevelDBFS: round1(middle(beeps, func(e Event) float64 { return e.LevelDBFS })),
		LengthS:   tidy(middle(beeps, func(e Event) float64 { return e.End - e.Onset })),
		SNRdB:     round1(middle(beeps, func(e Event) float64 { return e.SNRdB })),
		NoiseDBFS: round1(quiet(seconds)),
	}
	c.FrequencySpreadHz = tidy(spread(beeps, func(e Event) float64 { return e.FrequencyHz }))
	c.LevelSpreadDB = round1(spread(beeps, func(e Event) float64 { return e.LevelDBFS }))
	c.LengthSpreadS = tidy(spread(beeps, func(e Event) float64 { return e.End - e.Onset }))
	c.HarmonicsDB = middles(beeps, partials)
	c.Thresholds = c.Profile().Thresholds()
	c.MarginDB = round1(c.SNRdB + band24 - leastCalibrated)
	c.NoiseBandDBFS = round1(c.LevelDBFS - c.SNRdB - band24 + 10*math.Log10(2*pitchGate*c.FrequencyHz))
	for _, s := range seconds {
		c.ClippedPercent = max(c.ClippedPercent, round1(100*float64(s.clipped)/float64(s.count)))
	}
	return c, nil
}

// leastCalibrated is the C/N0 from which a beep of 2 s of a known frequency is
// heard in 99 of 100 cases, as measured.
const leastCalibrated = 16.8

// leastLearned is the C/N0 from which a beep is learned from: what is weaker may
// be a line of the fan, and where nothing is known of the beep yet any is one.
const leastLearned = 25.0

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
