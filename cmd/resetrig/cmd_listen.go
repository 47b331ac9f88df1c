package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"resetrig/audio"
	"resetrig/config"
	"resetrig/rig"
)

func (a *app) listenCommand() *cobra.Command {
	var wav, bench, device, frequency, level, calibration string
	var channel int
	var long, span time.Duration
	var asJSON, explain bool
	c := &cobra.Command{
		Use:   "listen --wav F | --bench F | --device D",
		Short: "The beep detector on a file or live",
		Long: `Finds beeps in a recording, or live at a bench's microphone or a sound device.
With --json it prints one object per beep, and a summary at the end.
--wav - reads from stdin.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			profile, err := profileOf(frequency, level, long)
			if err == nil && calibration != "" {
				profile, err = calibrated(calibration, profile, cmd.Flags().Changed("long"))
			}
			if err != nil {
				return usage(err)
			}
			if bench == "" {
				a.worthLess(profile)
			}
			switch {
			case wav != "" && bench == "" && device == "":
				return a.listenFile(cmd.Context(), wav, channel, profile, asJSON, explain)
			case wav == "" && (bench != "") != (device != ""):
				return a.listenLive(cmd.Context(), liveListen{bench: bench, device: device, channel: channel, profile: profile, span: span, json: asJSON, explain: explain})
			}
			return usage(errors.New("listen: want one of --wav, --bench and --device"))
		},
	}
	f := c.Flags()
	f.StringVar(&wav, "wav", "", "WAV file; - is stdin")
	f.StringVar(&bench, "bench", "", "bench file: its microphone, live")
	f.StringVar(&device, "device", "", "a part of a sound device's name, live")
	f.IntVar(&channel, "channel", 0, "channel, from 0; -1 is the mean of all")
	f.StringVar(&frequency, "frequency", "", "the beep's frequency, like 2730Hz; any otherwise")
	f.StringVar(&level, "level", "", "the beep's level at this microphone, like -20dBFS; any otherwise")
	f.DurationVar(&long, "long", time.Second, "how long a beep must last to be long")
	f.DurationVar(&span, "for", 0, "live: how long; until it is stopped otherwise")
	f.StringVar(&calibration, "calibration", "", "calibration file, as resetrig calibrate prints it")
	f.BoolVar(&explain, "explain", false, "print every tone that was refused too, and why")
	f.BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return c
}

// calibrated is the profile of a calibration file; what was said by flags wins.
func calibrated(name string, said audio.Profile, longSaid bool) (audio.Profile, error) {
	data, err := config.ReadFile(name)
	if err != nil {
		return said, err
	}
	c, err := config.LoadCalibration(name, data)
	if err != nil {
		return said, err
	}
	p := audio.Profile{FrequencyHz: float64(c.Frequency), LevelDBFS: float64(c.Level), Long: c.Long}
	if said.FrequencyHz != 0 {
		p.FrequencyHz = said.FrequencyHz
	}
	if said.LevelDBFS != 0 {
		p.LevelDBFS = said.LevelDBFS
	}
	if longSaid {
		p.Long = said.Long
	}
	return p, nil
}

// profileOf reads the flags that say what the beep is like; empty is any.
func profileOf(frequency, level string, long time.Duration) (audio.Profile, error) {
	var hz config.Hertz
	var dbfs config.DBFS
	if frequency != "" {
		if err := hz.UnmarshalText([]byte(frequency)); err != nil {
			return audio.Profile{}, fmt.Errorf("--frequency: %w", err)
		}
	}
	if level != "" {
		if err := dbfs.UnmarshalText([]byte(level)); err != nil {
			return audio.Profile{}, fmt.Errorf("--level: %w", err)
		}
	}
	return audio.Profile{FrequencyHz: float64(hz), LevelDBFS: float64(dbfs), Long: long}, nil
}

// worthLess says what an answer is worth without a calibration.
func (a *app) worthLess(p audio.Profile) {
	switch {
	case p.FrequencyHz == 0:
		fmt.Fprintln(a.err, "resetrig: without a calibration any long tone counts as the beep, a neighbour's too: the answer is worth less; see `resetrig calibrate`")
	case p.LevelDBFS == 0:
		fmt.Fprintln(a.err, "resetrig: without the beep's level a neighbour's beep of the same frequency counts too: the answer is worth less; see `resetrig calibrate`")
	}
}

// listenFile finds the beeps of a recording.
func (a *app) listenFile(ctx context.Context, name string, channel int, p audio.Profile, asJSON, explain bool) error {
	r, done, err := a.openWAV(ctx, name, channel, pipePatience)
	if err != nil {
		return usage(err)
	}
	defer func() { _ = done() }() // nothing was written
	tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if !asJSON {
		fmt.Fprintf(tw, "onset s\tduration s\tfrequency Hz\tSNR dB\tkind\t\n")
	}
	sum, err := audio.Analyze(stoppable{r, ctx}, p)
	for _, b := range sum.Lines {
		if asJSON {
			_ = json.NewEncoder(a.out).Encode(b)
			continue
		}
		fmt.Fprintf(tw, "%.3f\t%.3f\t%.1f\t%.1f\t%s\t\n", b.OnsetS, b.DurationS, b.FrequencyHz, b.SNRdB, b.Kind)
	}
	if explain {
		for _, t := range sum.Refused {
			l := t.Line()
			if asJSON {
				_ = json.NewEncoder(a.out).Encode(l)
				continue
			}
			fmt.Fprintf(tw, "%.3f\t%.3f\t%.1f\t\trefused: %s\t\n", l.OnsetS, l.DurationS, l.FrequencyHz, l.Reason)
		}
	}
	for _, w := range r.Warnings() {
		fmt.Fprintf(a.err, "resetrig: %s: %s\n", name, w)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return usage(fmt.Errorf("%s: %w", name, err))
	}
	if asJSON {
		return json.NewEncoder(a.out).Encode(sum)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%d beeps, %d of them long, in %.1f s\n", sum.Beeps, sum.Long, sum.DurationS)
	return err
}

// liveListen is what the command line says of listening live.
type liveListen struct {
	bench, device string
	channel       int
	profile       audio.Profile // for a device; a bench has its own
	span          time.Duration // 0: until stopped
	json, explain bool
}

// listenLive shows level, spectrum and beeps until it is stopped.
func (a *app) listenLive(ctx context.Context, l liveListen) (err error) {
	cfg := &config.Bench{Ear: &config.Ear{Device: l.device, Channel: l.channel}, File: "--device"}
	model := &config.Model{}
	model.Beep.Long = l.profile.Long
	if l.bench != "" {
		if cfg, model, err = a.loadBench(l.bench); err != nil {
			return err
		}
	}
	switch {
	case cfg.Simulate != nil:
		return usage(fmt.Errorf("%s: a simulated bench has no sound outside its cycles", cfg.File))
	case cfg.Ear == nil:
		return usage(fmt.Errorf("%s: the bench has no ear", cfg.File))
	}
	capture, profile, noise, err := a.openEar(cfg, model, nil)
	if err != nil {
		return err
	}
	if l.device != "" {
		profile = l.profile
	} else {
		a.worthLess(profile)
	}
	ear, err := audio.NewEar(capture, micRate, profile, noise)
	if err != nil {
		return usage(err)
	}
	defer func() { err = errors.Join(err, capture.Close()) }()
	if err := ear.Begin(ctx, ""); err != nil {
		return rigError(err)
	}
	defer func() { err = errors.Join(err, ear.End(false)) }()
	return a.follow(ctx, ear, rig.System(), l)
}

// follow prints what an ear hears.
func (a *app) follow(ctx context.Context, ear *audio.Ear, clock rig.Clock, l liveListen) error {
	start := clock.Now()
	_, tty := terminal(a.out)
	live := !l.json && tty
	known := map[string]bool{}
	beeps, longs := 0, 0
	// print shows one line: v as JSON, or text where the level stood.
	print := func(v any, format string, args ...any) {
		if l.json {
			_ = json.NewEncoder(a.out).Encode(v)
			return
		}
		if live {
			fmt.Fprint(a.out, "\r\x1b[K")
		}
		fmt.Fprintf(a.out, format+"\n", args...)
	}
	for l.span == 0 || clock.Now().Sub(start) < l.span {
		h, err := ear.Listen(ctx, clock.Now().Add(100*time.Millisecond))
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return rigError(err)
		}
		if live {
			fmt.Fprintf(a.out, "\r\x1b[K%s", levelLine(ear))
		}
		a.newFindings(h.Findings, known)
		for _, b := range h.Beeps {
			if !b.Ended {
				continue
			}
			beeps++
			kind := "short"
			if b.Long {
				kind = "long"
				longs++
			}
			v := audio.BeepLine{OnsetS: b.Onset.Sub(start).Seconds(), DurationS: b.Duration().Seconds(), FrequencyHz: b.FrequencyHz, SNRdB: b.SNRdB, Kind: kind}
			print(v, "%9.3f s  %-5s  %.3f s  %.1f Hz  SNR %.1f dB", v.OnsetS, kind, v.DurationS, v.FrequencyHz, v.SNRdB)
		}
		for _, t := range ear.Refused() {
			if !l.explain {
				continue
			}
			v := t.Line()
			v.OnsetS, v.DurationS = t.From.Sub(start).Seconds(), t.To.Sub(t.From).Seconds()
			print(v, "%9.3f s  -      %.3f s  %.1f Hz  refused: %s", v.OnsetS, v.DurationS, v.FrequencyHz, v.Reason)
		}
	}
	if live {
		fmt.Fprintln(a.out)
	}
	if l.json {
		return json.NewEncoder(a.out).Encode(audio.Summary{Summary: true, DurationS: clock.Now().Sub(start).Seconds(), Beeps: beeps, Long: longs})
	}
	return nil
}

// bars are the eighths of a cell.
var bars = []rune(" ▁▂▃▄▅▆▇█")

// levelLine is the level in dBFS and the spectrum from 0 to 8 kHz as a line.
func levelLine(e *audio.Ear) string {
	const cells = 56
	level := e.Level().RMSdBFS
	spectrum := e.Spectrum()
	var b strings.Builder
	fmt.Fprintf(&b, "%6.1f dBFS  0 kHz ", level)
	for i := range cells {
		if len(spectrum) == 0 {
			break
		}
		best := float32(-200)
		for _, v := range spectrum[i*len(spectrum)/cells : (i+1)*len(spectrum)/cells] {
			best = max(best, v)
		}
		n := int((best + 110) / 80 * float32(len(bars)-1)) // −110 … −30 dBFS
		b.WriteRune(bars[min(max(n, 0), len(bars)-1)])
	}
	b.WriteString(" 8 kHz")
	return b.String()
}
