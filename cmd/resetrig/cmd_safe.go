package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"resetrig/config"
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
			// A signal must not keep it from its work: it ends by itself.
			ctx := context.Background()
			w, err := a.wireToSafe(bench)
			if err != nil {
				return &exit{exitUnsafe, fmt.Errorf("SAFE STATE NOT REACHED: nothing was switched: cut the power of the bench by hand: %w", err)}
			}
			if cutPower {
				for i := range w.bench.Specs {
					w.bench.Specs[i].Safe = rig.SafeOff
				}
			}
			count := newWear(w.bench)
			err = w.bench.Arm(ctx, func(context.Context, *rig.Armed) error { return nil })
			// The lines are safe, or are not: the books come after that.
			defer a.bookSwitchings(ctx, count, w.cfg.Name)
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
				if r, ok := w.cfg.Relays.Named(s.Name); ok && r.Contact == "nc" && state == "off" && s.Role == rig.RolePower {
					fmt.Fprintf(a.err, "resetrig: relay %s is wired normally closed: a kernel that releases the line now closes it again; cut the supply by hand\n", s.Name)
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&bench, "bench", "", "bench file")
	c.Flags().BoolVar(&cutPower, "cut", false, "take the power away too")
	return c
}

// wireToSafe opens the relays of a bench and as much else as can be had. It runs
// after a death, from a supervisor, where no password is in the environment and
// any other file may be broken: only what names the relays must be right.
func (a *app) wireToSafe(bench string) (*wiring, error) {
	data, err := config.ReadFile(bench)
	if err != nil {
		return nil, err
	}
	env := config.Env{
		Lookup:   func(string) (string, bool) { return "unneeded", true },
		ReadFile: func(string) ([]byte, error) { return []byte("unneeded"), nil },
	}
	cfg, err := config.LoadBench(bench, data, env)
	if err != nil {
		return nil, err
	}
	// Nobody is talked to: the DUT's address and files are left out.
	cfg.DUT = config.DUT{Discovery: "off"}
	model := &config.Model{Dialect: "plain"}
	w, err := a.wire(cfg, model, parts{relays: true, senses: true})
	if err != nil && len(cfg.Senses) > 0 {
		fmt.Fprintf(a.err, "resetrig: going on without the senses: %v\n", err)
		w, err = a.wire(cfg, model, parts{relays: true})
	}
	return w, err
}
