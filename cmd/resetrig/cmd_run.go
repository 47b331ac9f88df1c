package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak"
)

// seriesFlags are the flags that run and soak share.
func seriesFlags(c *cobra.Command, s *series, params *[]string, asJSON *bool) {
	f := c.Flags()
	f.StringVar(&s.bench, "bench", "", "bench file; without one, the simulated bench")
	f.StringArrayVarP(params, "param", "p", nil, "a parameter of the scenario, name=value; may be repeated")
	f.BoolVar(asJSON, "json", false, "print one JSON object per line")
	f.StringVar(&s.keep, "sound", "", "whether cycles leave their sound: fails (real benches' default) or none (simulated ones')")
	c.PreRunE = func(*cobra.Command, []string) error {
		if s.keep != "" && s.keep != "fails" && s.keep != "none" {
			return usage(fmt.Errorf("--sound %q: want fails or none", s.keep))
		}
		var err error
		s.params, err = parseParams(*params)
		return usage(err)
	}
}

func parseParams(list []string) (map[string]string, error) {
	m := map[string]string{}
	for _, p := range list {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("-p %q: want name=value", p)
		}
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("-p %s is given twice", name)
		}
		m[name] = value
	}
	return m, nil
}

func (a *app) runCommand() *cobra.Command {
	s := series{kind: "cycle", plan: soak.Plan{Cycles: 1}}
	var params []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "One cycle",
		Long:  "Runs one cycle of a scenario: the name of a shipped one, or a file.\n\n" + exitTable,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.scenario = args[0]
			p := a.newProgress(true)
			res, err := a.perform(cmd.Context(), s, func(r rig.Record) {
				p.done(r, 1)
				if asJSON {
					_ = json.NewEncoder(a.out).Encode(r)
				} else if rerr := report.Cycle(a.out, r); rerr != nil {
					a.log.Error("print the record", "err", rerr)
				}
			}, p)
			return finished(res, err)
		},
	}
	seriesFlags(c, &s, &params, &asJSON)
	return c
}

func (a *app) soakCommand() *cobra.Command {
	s := series{kind: "soak"}
	var params []string
	var asJSON bool
	stopFails, stopErrors, retries := -1, -1, -1
	c := &cobra.Command{
		Use:   "soak SCENARIO --cycles N",
		Short: "A series of cycles, each committed before the next begins",
		Long:  "Runs a series of cycles of a scenario: the name of a shipped one, or a file.\n\n" + exitTable,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.plan.Cycles < 1 {
				return usage(fmt.Errorf("--cycles %d: want at least 1", s.plan.Cycles))
			}
			cfg, model, err := a.loadBench(s.bench)
			if err != nil {
				return err
			}
			s.scenario = args[0]
			s.plan.StopAfterFails, s.plan.StopAfterErrors, s.plan.Retries = cfg.Soak.StopAfterFails, cfg.Soak.StopAfterErrors, cfg.Soak.Retries
			for _, o := range []struct {
				flag int
				to   *int
			}{{stopFails, &s.plan.StopAfterFails}, {stopErrors, &s.plan.StopAfterErrors}, {retries, &s.plan.Retries}} {
				if o.flag >= 0 {
					*o.to = o.flag
				}
			}
			p := a.newProgress(false)
			p.cycle(1, s.plan.Cycles)
			res, err := a.performOn(cmd.Context(), cfg, model, s, func(r rig.Record) {
				p.done(r, s.plan.Cycles)
				p.cycle(r.Cycle+1, s.plan.Cycles)
				if asJSON {
					_ = json.NewEncoder(a.out).Encode(r)
				}
			}, p)
			if res.tally.Cycles > 0 && !asJSON {
				if rerr := a.printReport(context.WithoutCancel(cmd.Context()), res.run.ID, a.out); rerr != nil && err == nil {
					err = rerr
				}
			}
			return finished(res, err)
		},
	}
	seriesFlags(c, &s, &params, &asJSON)
	f := c.Flags()
	f.IntVar(&s.plan.Cycles, "cycles", 0, "number of cycles")
	f.IntVar(&stopFails, "stop-after-fails", -1, "stop after so many fails in a row, 0 never; the bench's otherwise")
	f.IntVar(&stopErrors, "stop-after-errors", -1, "stop after so many errors in a row, 0 never; the bench's otherwise")
	f.IntVar(&retries, "retries", -1, "attempts again of a cycle that ended in an error; the bench's otherwise")
	return c
}
