package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"resetrig/config"
	"resetrig/rig"
)

func (a *app) safeCommand() *cobra.Command {
	var benches []string
	var cutPower, unlessHeld bool
	c := &cobra.Command{
		Use:   "safe --bench F",
		Short: "Every relay to its safe state, now",
		Long: `Opens every press and brings the power to the bench's safe state: off, or as
it is where the bench says keep. --cut takes the power away as well.

systemd runs it after any death of the service (ExecStopPost).

` + exitTable,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if len(benches) == 0 && !unlessHeld {
				return usage(fmt.Errorf("safe: --bench is missing: the simulated bench has no relays outside its process"))
			}
			var all error
			for _, bench := range benches {
				if unlessHeld && a.held(bench) {
					continue
				}
				all = errors.Join(all, a.makeSafe(bench, cutPower))
			}
			return all
		},
	}
	c.Flags().StringArrayVar(&benches, "bench", nil, "bench file, may be repeated")
	c.Flags().BoolVar(&cutPower, "cut", false, "take the power away too")
	c.Flags().BoolVar(&unlessHeld, "unless-held", false, "leave a bench alone that another resetrig has, and no --bench is no error")
	return c
}

// held reports whether another program has the bench, and so keeps it safe.
// It asks for the lines, the microphone and the DUT, and gives them back.
func (a *app) held(bench string) bool {
	cfg, err := readToSafe(bench)
	if err != nil {
		return false // not known: it is made safe
	}
	unlock, err := lockBench(cfg)
	if err != nil {
		fmt.Fprintf(a.err, "resetrig: left alone: %v\n", err)
		return true
	}
	unlock()
	return false
}

func (a *app) makeSafe(bench string, cutPower bool) error {
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
}

// wireToSafe opens the relays of a bench and as much else as can be had. It runs
// after a death, from a supervisor, where no password is in the environment and
// any other file may be broken: only what names the relays must be right.
func (a *app) wireToSafe(bench string) (*wiring, error) {
	cfg, err := readToSafe(bench)
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

// readToSafe reads a bench file where no secret is at hand.
func readToSafe(bench string) (*config.Bench, error) {
	data, err := config.ReadFile(bench)
	if err != nil {
		return nil, err
	}
	return config.LoadBench(bench, data, config.Env{
		Lookup:   func(string) (string, bool) { return "unneeded", true },
		ReadFile: func(string) ([]byte, error) { return []byte("unneeded"), nil },
	})
}
