package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"resetrig/audio"
	"resetrig/config"
	"resetrig/gpio"
	"resetrig/rig"
)

// finding is one thing that the check looked at.
type finding struct {
	Level  string `json:"level"` // ok, warn, bad, skip
	What   string `json:"what"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

func (a *app) checkCommand() *cobra.Command {
	var bench, serial string
	var exercise, expendable, asJSON bool
	c := &cobra.Command{
		Use:   "check --bench F",
		Short: "Health check of rig and bench; nothing energised unless --exercise",
		Long: `Examines the rig and a bench: chips, lines and who holds them, what the kernel
does with lines whose owner died, the microphone, the DUT and whether it is the
right one, clock, disk. Every finding says what to do.

--exercise then runs the suite that every bench must pass, after saying what will
happen and asking, and only on the DUT whose serial the bench file names: relays,
senses, guards, and every way to end a run. It proves polarity and wiring.
The DUT loses its power once; every press comes while it is off. --expendable
adds what a DUT that is needed should not see: presses at power-on, and cuts
while it boots.

Exit code 0: nothing is bad, 3: something is, 5: the safe state was not reached.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, model, err := a.loadBench(bench)
			if err != nil {
				return err
			}
			bad := 0
			show := func(f finding) {
				if f.Level == "bad" {
					bad++
				}
				if asJSON {
					_ = json.NewEncoder(a.out).Encode(f)
					return
				}
				fmt.Fprintf(a.out, "%-5s %s: %s\n", f.Level, f.What, f.Text)
				if f.Remedy != "" && f.Level != "ok" {
					fmt.Fprintf(a.out, "      → %s\n", f.Remedy)
				}
			}
			a.examine(cmd.Context(), cfg, model, show)
			if exercise && cmd.Context().Err() == nil {
				if err := a.exercise(cmd.Context(), cfg, model, exerciseWish{said: serial, expendable: expendable}, show); err != nil {
					return err
				}
			}
			if err := context.Cause(cmd.Context()); err != nil {
				return err
			}
			if bad > 0 {
				return &exit{exitError, fmt.Errorf("%d findings are bad", bad)}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&bench, "bench", "", "bench file; without one, the simulated bench")
	f.BoolVar(&exercise, "exercise", false, "run the suite that every bench must pass, after asking: it switches relays")
	f.BoolVar(&expendable, "expendable", false, "with --exercise: also what may reset the DUT or cut its power while it boots")
	f.StringVar(&serial, "yes-exercise", "", "the serial of the DUT, instead of asking")
	f.BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return c
}

// examine looks at everything that can be looked at without switching.
func (a *app) examine(ctx context.Context, cfg *config.Bench, model *config.Model, show func(finding)) {
	if cfg.Simulate == nil {
		for _, f := range gpio.System().Examine(wiringOf(cfg)) {
			show(finding{string(f.Level), f.What, f.Text, f.Remedy})
		}
	}
	show(a.diskSpace())
	show(clockState())
	w := a.wireToCheck(cfg, model, show)
	if w == nil {
		return
	}
	defer func() {
		if err := w.close(); err != nil {
			show(finding{"bad", "bench", err.Error(), ""})
		}
	}()
	w.startUnit(ctx)
	a.checkEar(ctx, w, show)
	a.checkSenses(ctx, w, show)
	a.checkDUT(ctx, w, show)
}

// wireToCheck opens as much of a bench as can be had: what is broken is a
// finding, and keeps nothing else from being looked at.
func (a *app) wireToCheck(cfg *config.Bench, model *config.Model, show func(finding)) *wiring {
	for _, p := range []struct {
		parts
		what string
	}{{parts{ear: true, senses: true}, "microphone or senses"}, {parts{senses: true}, "senses"}, {parts{}, "bench"}} {
		w, err := a.wire(cfg, model, p.parts)
		if err == nil {
			return w
		}
		show(finding{"bad", p.what, err.Error(), "mend what it names, then check again"})
	}
	return nil
}

// wiringOf are the lines of a bench.
func wiringOf(cfg *config.Bench) gpio.Wiring {
	w := gpio.Wiring{Relays: gpioRelays(cfg)}
	for _, s := range cfg.Senses {
		switch {
		case s.Pin != "":
			w.Inputs = append(w.Inputs, inputSpec(s))
		case s.I2C != "":
			if c, err := currentSpec(s); err == nil {
				w.Currents = append(w.Currents, c)
			}
		}
	}
	return w
}

const (
	diskWarn = 2 << 30   // two days of failed cycles with their sound
	diskBad  = 200 << 20 // some hundred cycles with their sound
)

func (a *app) diskSpace() finding {
	f := finding{What: "disk"}
	dir := a.state
	for { // the folder may not be there yet
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return finding{"bad", "disk", fmt.Sprintf("%s: %v", dir, err), "choose a folder with --state"}
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	f.Text = fmt.Sprintf("%.1f GiB free for %s", float64(free)/(1<<30), a.state)
	f.Remedy = "make room, or choose another folder with --state: a soak stops when its results cannot be stored"
	switch {
	case free < diskBad:
		f.Level = "bad"
	case free < diskWarn:
		f.Level = "warn"
	default:
		f.Level = "ok"
	}
	return f
}

// clockState tells whether wall time is synchronised. It is only a label, and
// a Pi has none of its own after a power cut.
func clockState() finding {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	now := time.Now().Format("2006-01-02 15:04:05 MST")
	switch {
	case err != nil:
		return finding{"warn", "clock", now + "; the kernel does not say whether it is synchronised", "look at it"}
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		return finding{"warn", "clock", now + ", not synchronised", "set up NTP, or the dates of the results are wrong; durations are right all the same"}
	}
	return finding{"ok", "clock", now + ", synchronised", ""}
}

// roomSpan is how long a room is listened to: a whine shows after 5 s, a noise
// that drowns the beep after 8, gain control and a drifting clock in cycles only.
const roomSpan = 9 * time.Second

// checkEar listens to the room for some seconds.
func (a *app) checkEar(ctx context.Context, w *wiring, show func(finding)) {
	if w.ear == nil {
		show(finding{"warn", "microphone", "the bench has none", "without an ear, scenarios run with -p beep=expected only, and an ignored press is harder to tell"})
		return
	}
	for _, f := range checkCalibration(w.cfg, w.ear.Profile()) {
		show(f)
	}
	if err := w.ear.Begin(ctx, ""); err != nil {
		show(finding{"bad", "microphone", err.Error(), "see the log with -v; `resetrig-mic --list` shows the devices"})
		return
	}
	defer func() { _ = w.ear.End(false) }()
	seen := map[string]rig.Finding{}
	end := w.bench.Clock.Now().Add(roomSpan)
	for w.bench.Clock.Now().Before(end) {
		h, err := w.ear.Listen(ctx, w.bench.Clock.Now().Add(250*time.Millisecond))
		if err != nil {
			show(finding{"bad", "microphone", err.Error(), "see the log with -v"})
			return
		}
		for _, f := range h.Findings {
			seen[f.Name] = f
		}
	}
	show(finding{"ok", "microphone", fmt.Sprintf("it delivers; level of the room %.1f dBFS", w.ear.Level().RMSdBFS), ""})
	for _, f := range seen {
		level := "warn"
		if f.Unfit {
			level = "bad"
		}
		show(finding{level, "microphone", f.Name + ": " + f.Detail, "check gain, cable and place of the microphone"})
	}
}

// checkCalibration asks for a calibration where there is none, or an old one.
func checkCalibration(cfg *config.Bench, p audio.Profile) []finding {
	warn := func(text, remedy string) []finding {
		return []finding{{"warn", "calibration", text, remedy}}
	}
	again := fmt.Sprintf("`resetrig calibrate --bench %s --reset -o ear.yaml` learns it; name the file in ear.calibration", cfg.File)
	switch {
	case cfg.Simulate != nil:
		return nil // the simulation says what its beep is
	case p.FrequencyHz == 0:
		return warn("there is none: any long tone counts as the beep, a neighbour's too", again)
	case p.LevelDBFS == 0:
		return warn("the beep's level is not known: a neighbour's beep counts too", again)
	case cfg.Ear.Calibration == "":
		return warn("the beep is known by hand (ear.beep), the noise of the room is not: a microphone that was moved is not noticed", again)
	}
	data, err := config.ReadFile(cfg.Ear.Calibration)
	if err != nil {
		return warn(err.Error(), again)
	}
	cal, err := config.LoadCalibration(cfg.Ear.Calibration, data)
	switch {
	case err != nil:
		return warn(err.Error(), again)
	case cal.Bench != "" && cal.Bench != cfg.Name:
		return warn(fmt.Sprintf("%s was learned on the bench %q, not on %q", cal.File, cal.Bench, cfg.Name), again)
	case cal.Thresholds == nil || *cal.Thresholds != *thresholds(p):
		return warn(cal.File+" was made by a version of another detector: its thresholds are not those that are used", again)
	}
	t := cal.Thresholds
	return []finding{{"ok", "calibration", fmt.Sprintf("%v beeps at %.0f Hz and %.0f dBFS; %.0f dB more noise would still do; noise alone is taken for one every %.0f days (extrapolated)",
		cal.Beeps, float64(cal.Frequency), float64(cal.Level), float64(cal.Margin), t.FalseAlarm.Hours()/24), ""}}
}

func (a *app) checkSenses(ctx context.Context, w *wiring, show func(finding)) {
	for _, of := range []string{"power", "reset", "network"} {
		s := w.bench.Sense(of)
		if s == nil {
			show(finding{"warn", "sense of " + of, "none is fitted", "without it a fail that it could explain is presumed, not proven"})
			continue
		}
		on, err := s.On(ctx)
		switch {
		case err != nil:
			show(finding{"bad", "sense of " + of, err.Error(), "check its wires and its pin"})
		case of == "reset" && on:
			show(finding{"bad", "sense of reset", "it sees the pins shorted, and nobody presses", "a welded contact, a wrong polarity, or a short: take the plug off the recorder's pins"})
		case of == "network" && !on:
			show(finding{"bad", "sense of network", "the reference does not answer", "check cable, switch and addresses"})
		default:
			show(finding{"ok", "sense of " + of, map[bool]string{true: "on", false: "off"}[on], ""})
		}
	}
}

func (a *app) checkDUT(ctx context.Context, w *wiring, show func(finding)) {
	if w.device == nil {
		show(finding{"warn", "DUT", "the bench has no url for it", "set dut.url"})
		return
	}
	sight, err := w.device.Probe(ctx)
	id := w.device.Identity()
	switch {
	case errors.Is(err, rig.ErrWrongUnit):
		show(finding{"bad", "DUT", err.Error(), "another recorder stands at this address: check dut.url and dut.serial"})
	case err != nil:
		show(finding{"bad", "DUT", err.Error(), ""})
	case sight.Reach < rig.ReachAnswers:
		show(finding{"warn", "DUT", "it does not answer: " + sight.Note, "is it powered? A scenario powers it itself"})
	case w.cfg.DUT.Serial == "" && w.cfg.DUT.MAC == "":
		show(finding{"warn", "DUT", fmt.Sprintf("answers at %s with serial %q, %s", sight.URL, id.Serial, sight.Init), fmt.Sprintf("set dut.serial: %s in the bench file, so that no other unit is reset", id.Serial)})
	case id == (rig.Identity{}):
		show(finding{"warn", "DUT", fmt.Sprintf("something answers at %s, %s, and nothing proves that it is the bench's unit", sight.URL, sight.Init), "make discovery (UDP 37810) reach it: without proof nothing on it is changed or judged"})
	default:
		show(finding{"ok", "DUT", fmt.Sprintf("the right one answers at %s: serial %q, %s", sight.URL, id.Serial, sight.Init), ""})
	}
}
