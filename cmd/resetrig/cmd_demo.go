package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/soak"
)

// demoPart is a short series of the demo, and what it must end in.
type demoPart struct {
	scenario string
	fault    string // of the simulated bench; "" is none
	want     rig.Outcome
	reason   rig.Reason
	about    string
}

// demoFaults are shown one cycle each: a test that cannot fail proves nothing.
var demoFaults = []demoPart{
	{"imou-hard-reset", "reset-ignored", rig.Fail, rig.ReasonResetIgnored, "a recorder that ignores the reset"},
	{"imou-hard-reset", "reset-partial-password", rig.Fail, rig.ReasonResetPartial, "one that forgets its password and keeps its configuration"},
	{"imou-hard-reset", "no-beep", rig.Fail, rig.ReasonBeepMissing, "one that resets without a sound"},
	{"imou-hard-reset", "default-reverts", rig.Fail, rig.ReasonReverted, "one whose old state comes back"},
	{"imou-hard-reset", "dead-after-reset", rig.Fail, rig.ReasonNoRestart, "one that never starts again"},
	{"imou-hard-reset", "mic-unplugged", rig.Error, rig.ReasonEarLost, "a rig whose microphone is pulled out: not the recorder's fault"},
	{"imou-hard-reset", "reset-welded", rig.Error, rig.ReasonResetWelded, "a rig whose reset contact welds: not the recorder's fault"},
}

var demoControls = []demoPart{
	{"control-short-press", "", rig.Pass, "", "pressed for 3 s only"},
	{"control-no-press", "", rig.Pass, "", "never pressed"},
	{"control-press-unpowered", "", rig.Pass, "", "pressed without power"},
}

func (a *app) demoCommand() *cobra.Command {
	var out string
	var cycles int
	c := &cobra.Command{
		Use:   "demo",
		Short: "A soak on the simulated bench, ending with a report",
		Long: `Runs the main job on the simulated bench, on virtual time: a soak of a healthy
recorder, the controls that must not reset it, and a cycle each of recorders and
rigs that are faulty. The report is printed, and written to a file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cycles < 1 {
				return usage(fmt.Errorf("--cycles %d: want at least 1", cycles))
			}
			return a.demo(cmd.Context(), out, cycles)
		},
	}
	c.Flags().StringVar(&out, "out", "demo", "folder for the report and the results")
	c.Flags().IntVar(&cycles, "cycles", 20, "cycles of the soak")
	return c
}

func (a *app) demo(ctx context.Context, out string, cycles int) (err error) {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return usage(err)
	}
	a.state = filepath.Join(out, "state")
	name := filepath.Join(out, "report.txt")
	file, err := os.Create(name)
	if err != nil {
		return usage(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	both := io.MultiWriter(a.out, file)

	fmt.Fprintf(a.err, "A soak of %d cycles on the simulated bench, with real-length cycles on virtual time.\n", cycles)
	main, err := a.demoSeries(ctx, demoPart{scenario: "imou-hard-reset"}, cycles)
	if err != nil {
		return finished(main, err)
	}
	if err := a.printReport(ctx, main.run.ID, both); err != nil {
		return err
	}
	settle(a.out)
	wrong := main.tally.Cycles - main.tally.Pass
	fmt.Fprintln(a.err, "\nThe controls must not reset it, and the faults must be told: one cycle each.")
	fmt.Fprintf(both, "\nCONTROLS AND FAULTS: what proves that the test can fail\n")
	for _, p := range append(demoControls[:len(demoControls):len(demoControls)], demoFaults...) {
		rec, err := a.demoOne(ctx, p)
		if err != nil {
			return err
		}
		verdict := "as it must"
		if rec.Outcome != p.want || rec.Reason != p.reason {
			verdict = fmt.Sprintf("WRONG, want %s %s", p.want, p.reason)
			wrong++
		}
		word := string(rec.Outcome)
		if rec.Attribution != "" {
			word += " " + string(rec.Attribution)
		}
		fmt.Fprintf(both, "  %-24s %-14s %-18s %s: %s\n", firstOf(p.fault, p.scenario), word, rec.Reason, p.about, verdict)
	}
	settle(a.out)
	fmt.Fprintf(a.err, "\nThe report is in %s; `resetrig list --state %s` and `resetrig report ID --state %s` show more.\n", name, a.state, a.state)
	if wrong > 0 {
		return &exit{exitError, fmt.Errorf("%d cycles of the demo ended otherwise than they must", wrong)}
	}
	return nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// demoSeries runs one part on a simulated bench that has its fault.
func (a *app) demoSeries(ctx context.Context, p demoPart, cycles int) (result, error) {
	var last *rig.Record
	res, err := a.demoRun(ctx, p, cycles, &last)
	return res, err
}

func (a *app) demoOne(ctx context.Context, p demoPart) (rig.Record, error) {
	var last *rig.Record
	_, err := a.demoRun(ctx, p, 1, &last)
	var unsafe *rig.UnsafeError
	if err != nil && (last == nil || !errors.As(err, &unsafe) || p.reason != rig.ReasonResetWelded) {
		return rig.Record{}, err
	}
	return *last, nil
}

func (a *app) demoRun(ctx context.Context, p demoPart, cycles int, last **rig.Record) (result, error) {
	cfg, err := config.LoadBench("default-bench.yaml", config.DefaultBench(), config.System())
	if err != nil {
		return result{}, usage(err)
	}
	if p.fault != "" {
		cfg.Simulate.Faults = []config.Fault{{Name: p.fault, Probability: 1}}
	}
	model, err := loadModel(cfg.DUT)
	if err != nil {
		return result{}, usage(err)
	}
	show := a.newProgress(false)
	show.cycle(1, cycles)
	show.brief = cycles == 1
	kind := "soak"
	if cycles == 1 {
		kind = "cycle"
	}
	s := series{kind: kind, scenario: p.scenario, plan: soak.Plan{Cycles: cycles}}
	return a.performOn(ctx, cfg, model, s, func(r rig.Record) {
		*last = &r
		show.done(r, cycles)
		show.cycle(r.Cycle+1, cycles)
	}, show)
}
