package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"resetrig/rig"
)

func (a *app) safeCommand() *cobra.Command {
	var bench string
	var cutPower bool
	c := &cobra.Command{
		Use:   "safe --bench F",
		Short: "Every relay to its safe state, now",
		Long: `Opens every press and brings the power to the bench's safe state: off, or as
it is where the bench says keep. --cut takes the power away as well.

systemd runs it after any death of the service (ExecStopPost).

` + exitTable,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if bench == "" {
				return usage(fmt.Errorf("safe: --bench is missing: the simulated bench has no relays outside its process"))
			}
			cfg, model, err := a.loadBench(bench)
			if err != nil {
				return err
			}
			// A signal must not keep it from its work: it ends by itself.
			ctx := context.Background()
			w, err := a.wire(cfg, model, parts{relays: true, senses: true})
			if err != nil {
				return &exit{exitUnsafe, fmt.Errorf("SAFE STATE NOT REACHED: cut the power of the bench by hand: %w", err)}
			}
			if cutPower {
				for i := range w.bench.Specs {
					w.bench.Specs[i].Safe = rig.SafeOff
				}
			}
			err = w.bench.Arm(ctx, func(context.Context, *rig.Armed) error { return nil })
			if cerr := w.close(); err == nil && cerr != nil {
				err = &exit{exitUnsafe, cerr}
			}
			if err != nil {
				return err
			}
			for _, s := range w.bench.Specs {
				state := "off"
				if s.Safe == rig.SafeKeep && s.Role != rig.RolePress {
					state = "kept as it was"
				}
				fmt.Fprintf(a.out, "%s: %s\n", s.Name, state)
			}
			return nil
		},
	}
	c.Flags().StringVar(&bench, "bench", "", "bench file")
	c.Flags().BoolVar(&cutPower, "cut", false, "take the power away too")
	return c
}
