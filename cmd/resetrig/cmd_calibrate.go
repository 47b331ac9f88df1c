package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"resetrig/audio"
	"resetrig/config"
	"resetrig/pcm"
)

func (a *app) calibrateCommand() *cobra.Command {
	var wavs []string
	var bench, frequency, out string
	var channel, beeps int
	var span time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:   "calibrate --wav F [--wav F…] | --bench F",
		Short: "Learn a bench's beep and the room's noise; prints the calibration",
		Long: `Learns from a few long beeps what the recorder sounds like at this microphone:
frequency, level, length, harmonics, and the noise of the room. It prints the
calibration file that ear.calibration of the bench names.

--wav learns from recordings; several may be given, also of the silent room.
--bench listens at the bench's microphone, until it has heard --beeps long
beeps: reset the recorder meanwhile, or let it beep by other means.`,
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
			case len(wavs) > 0 && bench == "":
			case len(wavs) == 0 && bench != "":
				dir, err := os.MkdirTemp("", "resetrig-calibrate-")
				if err != nil {
					return rigError(err)
				}
				defer os.RemoveAll(dir)
				name := filepath.Join(dir, "room.wav")
				if learned.Bench, learned.Device, err = a.recordBench(cmd.Context(), bench, name, beeps, span); err != nil {
					return err
				}
				wavs, channel = []string{name}, 0
			default:
				return usage(errors.New("calibrate: want --wav or --bench"))
			}
			cal, err := a.calibrateFiles(wavs, channel, float64(hz))
			if err != nil {
				return err
			}
			return a.printCalibration(cal, learned, out, asJSON)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&wavs, "wav", nil, "WAV file; may be given several times")
	f.StringVar(&bench, "bench", "", "bench file: its microphone, live")
	f.IntVar(&channel, "channel", 0, "channel of the recordings, from 0; -1 is the mean of all")
	f.StringVar(&frequency, "frequency", "", "about which frequency to learn (±10 %), where there are several")
	f.IntVar(&beeps, "beeps", 3, "live: how many long beeps to wait for")
	f.DurationVar(&span, "for", 30*time.Minute, "live: how long to wait for them")
	f.StringVarP(&out, "output", "o", "", "write the calibration to this file too")
	f.BoolVar(&asJSON, "json", false, "print everything that was measured as one JSON object")
	return c
}

// calibrateFiles learns from recordings.
func (a *app) calibrateFiles(names []string, channel int, hz float64) (audio.Calibration, error) {
	var recordings []audio.SampleReader
	var readers []*pcm.WAVReader
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return audio.Calibration{}, usage(err)
		}
		defer f.Close()
		r, err := pcm.OpenWAV(bufio.NewReader(f))
		if err != nil {
			return audio.Calibration{}, usage(fmt.Errorf("%s: %w", name, err))
		}
		if err := r.UseChannel(channel); err != nil {
			return audio.Calibration{}, usage(fmt.Errorf("%s: %w", name, err))
		}
		recordings, readers = append(recordings, r), append(readers, r)
	}
	cal, err := audio.CalibrateAll(recordings, hz)
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

// printCalibration prints the file, with what else was learned as comments.
func (a *app) printCalibration(cal audio.Calibration, c config.Calibration, out string, asJSON bool) error {
	c.Frequency, c.Level = config.Hertz(math.Round(cal.FrequencyHz*10)/10), config.DBFS(cal.LevelDBFS)
	c.Long, c.Length = time.Second, time.Duration(math.Round(cal.LengthS*1000))*time.Millisecond
	c.NoiseFloor, c.Beeps = config.DBFS(cal.NoiseDBFS), cal.Beeps
	var b strings.Builder
	fmt.Fprintf(&b, "# from %d beeps: frequency within %.1f Hz, level within %.1f dB of each other\n", cal.Beeps, cal.FrequencySpreadHz, cal.LevelSpreadDB)
	if len(cal.HarmonicsDB) > 0 {
		fmt.Fprintf(&b, "# harmonics, over the fundamental:")
		for i, v := range cal.HarmonicsDB {
			fmt.Fprintf(&b, " %d× %.1f dB", i+2, v)
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintf(&b, "# %.0f dB more noise would still do; thresholds are for one false long beep in %.0f days of noise (extrapolated)\n", cal.MarginDB, cal.FalseAlarmEveryDays)
	b.Write(c.YAML())
	if out != "" {
		if err := os.WriteFile(out, []byte(b.String()), 0o644); err != nil {
			return rigError(err)
		}
	}
	for _, w := range warnings(cal) {
		fmt.Fprintf(a.err, "resetrig: calibration: %s\n", w)
	}
	if asJSON {
		return json.NewEncoder(a.out).Encode(cal)
	}
	_, err := fmt.Fprint(a.out, b.String())
	return err
}

// warnings are what makes a calibration worth less.
func warnings(c audio.Calibration) []string {
	var w []string
	if c.Beeps < 3 {
		w = append(w, fmt.Sprintf("learned from %d beeps only: three show how much they differ", c.Beeps))
	}
	if c.ClippedPercent > 0.1 {
		w = append(w, fmt.Sprintf("%.1f %% of a second's samples are at full scale, so the level is too low: lower the gain and calibrate again", c.ClippedPercent))
	}
	if c.LevelSpreadDB > 6 {
		w = append(w, fmt.Sprintf("the beeps' levels differ by %.1f dB: does the microphone have automatic gain, or was it moved?", c.LevelSpreadDB))
	}
	if c.MarginDB < 10 {
		w = append(w, fmt.Sprintf("only %.0f dB above what can just be heard: move the microphone nearer", c.MarginDB))
	}
	if c.LengthS < 1 {
		w = append(w, fmt.Sprintf("the beep lasts %.2f s, less than the 1 s of a long one", c.LengthS))
	}
	return w
}

// recordBench records a bench's microphone until enough long beeps were heard.
func (a *app) recordBench(ctx context.Context, file, wav string, want int, span time.Duration) (bench, device string, err error) {
	cfg, model, err := a.loadBench(file)
	if err != nil {
		return "", "", err
	}
	switch {
	case cfg.Simulate != nil:
		return "", "", usage(fmt.Errorf("%s: a simulated bench has no sound outside its cycles", cfg.File))
	case cfg.Ear == nil:
		return "", "", usage(fmt.Errorf("%s: the bench has no ear", cfg.File))
	}
	capture, _, _, err := a.openEar(cfg, model, nil)
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, capture.Close()) }()
	ear, err := audio.NewEar(capture, micRate, audio.Profile{}, 0)
	if err != nil {
		return "", "", usage(err)
	}
	if err := ear.Begin(ctx, wav); err != nil {
		return "", "", rigError(err)
	}
	defer func() { err = errors.Join(err, ear.End(true)) }()
	fmt.Fprintf(a.err, "resetrig: listening for %d long beeps, for %v at most; let the recorder beep now\n", want, span)
	heard := map[int]bool{}
	known := map[string]bool{}
	for start := time.Now(); time.Since(start) < span && len(heard) < want; {
		h, err := ear.Listen(ctx, time.Now().Add(250*time.Millisecond))
		if ctx.Err() != nil {
			return "", "", context.Cause(ctx)
		}
		if err != nil {
			return "", "", rigError(err)
		}
		for _, f := range h.Findings {
			if !known[f.Name] {
				known[f.Name] = true
				fmt.Fprintf(a.err, "resetrig: microphone: %s: %s\n", f.Name, f.Detail)
			}
		}
		for _, b := range h.Beeps {
			if b.Long && b.Ended && !heard[b.ID] {
				heard[b.ID] = true
				fmt.Fprintf(a.err, "resetrig: %d of %d: %.1f Hz, %.2f s, %.1f dBFS\n", len(heard), want, b.FrequencyHz, b.Duration().Seconds(), b.LevelDBFS)
			}
		}
	}
	return cfg.Name, cfg.Ear.Device, nil
}
