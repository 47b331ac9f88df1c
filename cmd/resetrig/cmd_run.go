package main

import (
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
	soundFlag(c, &s.keep)
	c.PreRunE = func(*cobra.Command, []string) error {
		if err := soundFits(s.keep); err != nil {
			return err
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
