package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	"resetrig/audio"
	"resetrig/config"
	"resetrig/pcm"
)

func (a *app) calibrateCommand() *cobra.Command {
	var wavs []string
	var live liveCalibration
	var frequency, out string
	var channel int
	var asJSON bool
	c := &cobra.Command{
		Use:   "calibrate --wav F [--wav F…] | --bench F [--reset]",
		Short: "Learn a bench's beep and the room's noise; prints the calibration",
		Long: `Learns from a few long beeps what the recorder sounds like at this microphone:
frequency, level, length, harmonics, and the noise of the room. It prints the
calibration file that ear.calibration of the bench names.

--wav learns from recordings; several may be given, also of the silent room.
--bench listens at the bench's microphone, until it has heard --beeps long
beeps: reset the recorder meanwhile, or let it beep by other means. With --reset
the rig resets it, --beeps times, by cycles of --scenario that are booked like
any others: the unit is wiped, so its serial is asked for.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var hz config.Hertz
			if frequency != "" {
				if err := hz.UnmarshalText([]byte(frequency)); err != nil {
					return usage(fmt.Errorf("--frequency: %w", err))
				}
			}
			learned := config.Calibration{}
			switch {
			case live.beeps < 1:
				return usage(fmt.Errorf("--beeps %d: want at least 1", live.beeps))
			case len(wavs) > 0 && live.bench == "" && !live.reset:
			case len(wavs) == 0 && live.bench != "":
				dir, err := os.MkdirTemp("", "resetrig-calibrate-")
				if err != nil {
					return rigError(err)
				}
				defer os.RemoveAll(dir)
				if wavs, err = a.recordLive(cmd.Context(), live, dir, &learned); err != nil {
					return err
				}
				channel = 0
			default:
				return usage(errors.New("calibrate: want --wav or --bench"))
			}
			cal, err := a.calibrateFiles(cmd.Context(), wavs, channel, float64(hz))
			if err != nil {
				return err
			}
			return a.printCalibration(cal, learned, out, asJSON)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&wavs, "wav", nil, "WAV file; may be given several times")
	f.StringVar(&live.bench, "bench", "", "bench file: its microphone, live")
	f.BoolVar(&live.reset, "reset", false, "with --bench: the rig itself resets the unit, which is wiped each time")
	f.StringVar(&live.scenario, "scenario", "imou-hard-reset", "with --reset: by which scenario")
	f.StringVar(&live.said, "yes-wipe", "", "with --reset: the serial of the unit that may be wiped, instead of asking")
	f.IntVar(&channel, "channel", 0, "channel of the recordings, from 0; -1 is the mean of all")
	f.StringVar(&frequency, "frequency", "", "about which frequency to learn (±10 %), where there are several")
	f.IntVar(&live.beeps, "beeps", 3, "live: how many long beeps to wait for")
	f.DurationVar(&live.span, "for", 30*time.Minute, "live, without --reset: how long to wait for them")
	f.StringVarP(&out, "output", "o", "", "write the calibration to this file too")
	f.BoolVar(&asJSON, "json", false, "print everything that was measured as one JSON object")
	return c
}

// calibrateFiles learns from recordings.
func (a *app) calibrateFiles(ctx context.Context, names []string, channel int, hz float64) (audio.Calibration, error) {
	var recordings []audio.SampleReader
	var readers []*pcm.WAVReader
	for _, name := range names {
		r, done, err := a.openWAV(ctx, name, channel, pipePatience)
		if err != nil {
			return audio.Calibration{}, usage(err)
		}
		defer func() { _ = done() }() // nothing was written
		recordings, readers = append(recordings, stoppable{r, ctx}), append(readers, r)
	}
	cal, err := audio.CalibrateAll(recordings, hz)
	if cause := context.Cause(ctx); cause != nil {
		return cal, cause
	}
	for i, r := range readers {
		for _, w := range r.Warnings() {
			fmt.Fprintf(a.err, "resetrig: %s: %s\n", names[i], w)
		}
	}
	if errors.Is(err, audio.ErrAmbiguous) {
		return cal, usage(fmt.Errorf("%w, with --frequency", err))
	}
	return cal, usage(err)
}

// printCalibration prints the file.
func (a *app) printCalibration(cal audio.Calibration, c config.Calibration, out string, asJSON bool) error {
	tenth := func(v float64) float64 { return math.Round(v*10) / 10 }
	millis := func(s float64) time.Duration { return time.Duration(math.Round(s*1000)) * time.Millisecond }
	c.Frequency, c.Level = config.Hertz(tenth(cal.FrequencyHz)), config.DBFS(cal.LevelDBFS)
	c.Long, c.Length = time.Second, millis(cal.LengthS)
	for _, h := range cal.HarmonicsDB {
		c.Harmonics = append(c.Harmonics, config.Decibels(h))
	}
	c.NoiseFloor, c.NoiseBand = config.DBFS(cal.NoiseDBFS), config.DBFS(cal.NoiseBandDBFS)
	c.Margin, c.Beeps = config.Decibels(cal.MarginDB), cal.Beeps
	c.Spread = &config.Spread{
		Frequency: config.HertzApart(tenth(cal.FrequencySpreadHz)), Level: config.Decibels(cal.LevelSpreadDB), Length: millis(cal.LengthSpreadS),
	}
	c.Thresholds = thresholds(audio.Profile{FrequencyHz: float64(c.Frequency), LevelDBFS: cal.LevelDBFS})
	text := c.YAML()
	if out != "" {
		if err := os.WriteFile(out, text, 0o644); err != nil {
			return rigError(err)
		}
	}
	for _, w := range cal.Doubts() {
		fmt.Fprintf(a.err, "resetrig: calibration: %s\n", w)
	}
	if asJSON {
		return json.NewEncoder(a.out).Encode(cal)
	}
	_, err := a.out.Write(text)
	return err
}

// thresholds are the detector's, as a calibration file has them.
func thresholds(p audio.Profile) *config.Thresholds {
	t := p.Thresholds()
	return &config.Thresholds{
		Frequency: config.Percent(t.PitchPercent), Drift: config.Percent(t.DriftPercent),
		LevelBelow: config.Decibels(t.LevelBelowDB), LevelAbove: config.Decibels(t.LevelAboveDB),
		Density: config.DBHz(t.LeastCN0), Energy: config.Decibels(t.EnergyDB), FalseAlarm: t.FalseAlarmEvery,
	}
}
