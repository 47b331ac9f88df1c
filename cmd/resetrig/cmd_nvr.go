package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"resetrig/config"
	"resetrig/models"
	"resetrig/nvr"
	"resetrig/rig"
)

// nvrFlags say which recorder is meant: that of a bench, or one by address.
type nvrFlags struct {
	bench, url, model, user, passwordFile, dhip string
	asJSON                                      bool
	wipe                                        string
}

func (a *app) nvrCommand() *cobra.Command {
	var f nvrFlags
	c := &cobra.Command{
		Use:   "nvr",
		Short: "The recorder by hand",
		Long: `Talks to the recorder of a bench (--bench), or to one by its address (--url,
with --model). A password is read from the file that --password-file names, from
the variable RESETRIG_NVR_PASSWORD, or from the bench file; never from a flag,
which every user of the machine could read.`,
	}
	p := c.PersistentFlags()
	p.StringVar(&f.bench, "bench", "", "bench file")
	p.StringVar(&f.url, "url", "", "address of the recorder, like http://192.168.1.108")
	p.StringVar(&f.model, "model", "imou-nvr-new", "with --url: shipped model or model file; "+strings.Join(models.Names(), ", "))
	p.StringVar(&f.user, "user", "admin", "user of the login")
	p.StringVar(&f.passwordFile, "password-file", "", "file with the login's password")
	p.StringVar(&f.dhip, "dhip", "", "with --url: host:port that discovery asks; the unit's own port 37810 otherwise")
	p.BoolVar(&f.asJSON, "json", false, "print JSON")
	c.AddCommand(a.nvrState(&f), a.nvrInfo(&f), a.nvrLogin(&f), a.nvrMark(&f), a.nvrProvision(&f), a.nvrReset(&f), a.nvrDiscover(&f), a.nvrBaseline(&f))
	return c
}

// recorder opens the recorder that the flags mean. Its refused logins and its
// passwords are kept with the results.
func (a *app) recorder(ctx context.Context, f *nvrFlags) (*nvr.Device, func() error, error) {
	var cfg *config.Bench
	var model *config.Model
	var err error
	switch {
	case f.url != "" && f.bench != "":
		return nil, nil, usage(errors.New("--bench and --url: want one of them"))
	case f.url != "":
		cfg = &config.Bench{Name: "by-hand", File: "--url", DUT: config.DUT{Model: f.model, URL: strings.TrimSuffix(f.url, "/"), Discovery: f.dhip}}
		if f.dhip == "" {
			cfg.DUT.Discovery = "off"
		}
		model, err = loadModel(cfg.DUT)
		err = usage(err)
	default:
		cfg, model, err = a.loadBench(f.bench)
	}
	if err != nil {
		return nil, nil, err
	}
	if pw, ok, err := f.password(); err != nil {
		return nil, nil, usage(err)
	} else if ok {
		cfg.DUT.Login = config.Login{User: f.user, Password: pw}
	}
	db, err := a.openStore(ctx)
	if err != nil {
		return nil, nil, err
	}
	p := parts{accounts: db}
	if cfg.Simulate != nil {
		p.accounts = nil
	}
	w, err := a.wire(cfg, model, p)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	if w.device == nil {
		return nil, nil, errors.Join(usage(fmt.Errorf("%s: the bench has no url for its DUT", cfg.File)), db.Close())
	}
	w.startUnit(ctx)
	return w.device, func() error { return errors.Join(w.close(), db.Close()) }, nil
}

// password is the login's, from a file or the environment.
func (f *nvrFlags) password() (rig.Secret, bool, error) {
	if f.passwordFile == "" {
		pw, ok := os.LookupEnv("RESETRIG_NVR_PASSWORD")
		return rig.Secret(pw), ok, nil
	}
	data, err := os.ReadFile(f.passwordFile)
	if err != nil {
		return "", false, err
	}
	return rig.Secret(bytes.TrimRight(data, "\r\n")), true, nil
}

// nvrDo is a subcommand that talks to a recorder.
func (a *app) nvrDo(f *nvrFlags, use, short string, do func(ctx context.Context, d *nvr.Device) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, done, err := a.recorder(cmd.Context(), f)
			if err != nil {
				return err
			}
			err = do(cmd.Context(), d)
			return errors.Join(err, done())
		},
	}
}

// print writes v as JSON, or lets text write it for a person.
func (a *app) print(asJSON bool, v any, text func(io.Writer)) error {
	if asJSON {
		return json.NewEncoder(a.out).Encode(v)
	}
	tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	text(tw)
	return tw.Flush()
}

func printChecks(w io.Writer, checks []rig.Check) {
	for _, k := range checks {
		fmt.Fprintf(w, "  %s\t%s\twanted %s\tsaw %s\n", k.Outcome, k.Name, k.Wanted, k.Seen)
	}
}

func (a *app) nvrState(f *nvrFlags) *cobra.Command {
	c := a.nvrDo(f, "state", "Is it in its default state?", func(ctx context.Context, d *nvr.Device) error {
		st := d.State(ctx)
		err := a.print(f.asJSON, st, func(w io.Writer) {
			fmt.Fprintf(w, "%s", st.State)
			if st.Text != "" {
				fmt.Fprintf(w, ": %s", st.Text)
			}
			fmt.Fprintln(w)
			printChecks(w, st.Checks)
		})
		switch {
		case err != nil:
			return err
		case st.State == nvr.StateNotDefault:
			return &exit{exitFail, nil}
		case st.State != nvr.StateDefault:
			return &exit{exitError, nil}
		}
		return nil
	})
	c.Long = "Exit code 0: default, 1: not default, 3: it could not be told."
	return c
}

func (a *app) nvrInfo(f *nvrFlags) *cobra.Command {
	return a.nvrDo(f, "info", "Who it is", func(ctx context.Context, d *nvr.Device) error {
		i, err := d.Info(ctx)
		if err != nil {
			return rigError(err)
		}
		return a.print(f.asJSON, i, func(w io.Writer) {
			for _, l := range [][2]string{
				{"address", i.URL}, {"serial", i.Serial}, {"mac", i.MAC}, {"type", i.Type}, {"name", i.Name},
				{"vendor", i.Vendor}, {"firmware", i.Firmware}, {"hardware", i.Hardware}, {"init", string(i.Init)}, {"note", i.Note},
			} {
				if l[1] != "" {
					fmt.Fprintf(w, "%s\t%s\n", l[0], l[1])
				}
			}
		})
	})
}

func (a *app) nvrLogin(f *nvrFlags) *cobra.Command {
	c := a.nvrDo(f, "login", "Is the login accepted?", func(ctx context.Context, d *nvr.Device) error {
		pw, ok, err := f.password()
		if err != nil {
			return usage(err)
		}
		if !ok && f.bench == "" {
			return usage(errors.New("no password: use --password-file, RESETRIG_NVR_PASSWORD, or a bench file with a login"))
		}
		cred := rig.Credential{User: f.user, Password: pw}
		if !ok {
			cfg, _, err := a.loadBench(f.bench)
			if err != nil {
				return err
			}
			if cred = (rig.Credential{User: cfg.DUT.Login.User, Password: cfg.DUT.Login.Password}); cred.User == "" {
				return usage(fmt.Errorf("%s: dut has no login", f.bench))
			}
		}
		r := d.Login(ctx, cred)
		if err := a.print(f.asJSON, r, func(w io.Writer) { fmt.Fprintln(w, strings.TrimSuffix(r.Result+": "+r.Text, ": ")) }); err != nil {
			return err
		}
		switch r.Result {
		case nvr.LoginAccepted:
			return nil
		case nvr.LoginRefused:
			return &exit{exitFail, nil}
		}
		return &exit{exitError, nil}
	})
	c.Long = "Exit code 0: accepted, 1: refused, 3: it could not be told (unreachable, locked, or no answer that can be understood)."
	return c
}

// changing is nvrDo for commands that change the unit: only a unit that the
// user has named by its serial.
func (a *app) changing(f *nvrFlags, use, short string, do func(ctx context.Context, d *nvr.Device) error) *cobra.Command {
	c := a.nvrDo(f, use, short, func(ctx context.Context, d *nvr.Device) error {
		if _, err := d.Probe(ctx); err != nil {
			return rigError(err)
		}
		id := d.Identity()
		if id.Serial == "" {
			i, err := d.Info(ctx)
			if err != nil {
				return rigError(err)
			}
			id.Serial = i.Serial
		}
		name, is := "serial", id.Serial
		if is == "" { // a unit without an account may tell nothing else
			name, is = "hardware address", id.MAC
		}
		if is == "" {
			return rigError(errors.New("the unit tells neither its serial nor its hardware address: nothing is changed on a unit that cannot be told from another"))
		}
		said := f.wipe
		if said == "" {
			fmt.Fprintf(a.err, "This changes the unit with %s %s. Type its %s to go on: ", name, is, name)
			var line string
			if _, err := fmt.Fscanln(a.in, &line); err != nil {
				return usage(fmt.Errorf("nothing was changed: no answer; --yes-wipe %s answers for you", is))
			}
			said = line
		}
		if !strings.EqualFold(said, is) {
			return usage(fmt.Errorf("nothing was changed: the unit there has %s %s, not %s", name, is, said))
		}
		return do(ctx, d)
	})
	c.Flags().StringVar(&f.wipe, "yes-wipe", "", "the serial of the unit that may be changed (the hardware address of one that tells no serial), instead of asking")
	return c
}

func (a *app) nvrMark(f *nvrFlags) *cobra.Command {
	return a.changing(f, "mark", "Give it a unique password and name, kept with the results", func(ctx context.Context, d *nvr.Device) error {
		if _, err := d.Provision(ctx); err != nil {
			return rigError(err)
		}
		m, err := d.Mark(ctx, rig.MarkSpec{Password: true, Name: true})
		if err != nil {
			return rigError(err)
		}
		return a.print(f.asJSON, m, func(w io.Writer) {
			for _, v := range m.Values {
				fmt.Fprintf(w, "%s\twas %s\tis %s\n", v.What, v.Was, v.Is)
			}
		})
	})
}

func (a *app) nvrProvision(f *nvrFlags) *cobra.Command {
	return a.changing(f, "provision", "Give an uninitialised unit its first password, kept with the results", func(ctx context.Context, d *nvr.Device) error {
		checks, err := d.Provision(ctx)
		if err != nil {
			return rigError(err)
		}
		return a.print(f.asJSON, checks, func(w io.Writer) { printChecks(w, checks) })
	})
}

func (a *app) nvrReset(f *nvrFlags) *cobra.Command {
	var functions []string
	c := a.changing(f, "reset", "Way 1: reset it over the network", func(ctx context.Context, d *nvr.Device) error {
		if err := d.FactoryReset(ctx, functions); err != nil {
			if errors.Is(err, rig.ErrWrite) {
				return &exit{exitFail, err}
			}
			return rigError(err)
		}
		return a.print(f.asJSON, map[string]any{"accepted": true}, func(w io.Writer) {
			fmt.Fprintln(w, "accepted; `resetrig nvr state` tells what became of it")
		})
	})
	c.Flags().StringSliceVar(&functions, "functions", nil, "only these, like General,NTP; everything otherwise")
	return c
}

func (a *app) nvrDiscover(f *nvrFlags) *cobra.Command {
	var iface, addr string
	var wait time.Duration
	c := &cobra.Command{
		Use: "discover", Short: "Which recorders answer discovery (DHIP and WS-Discovery)", Args: cobra.NoArgs,
		Long: `Asks everybody on the network by DHIP (Dahua, IMOU) and by WS-Discovery (ONVIF).
--to asks one address: by WS-Discovery where its port is 3702, by DHIP otherwise.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			clock := rig.System()
			if f.bench != "" {
				cfg, _, err := a.loadBench(f.bench)
				if err != nil {
					return err
				}
				if iface == "" {
					iface = cfg.DUT.Interface
				}
				if !cmd.Flags().Changed("to") && cfg.DUT.Discovery != "" && cfg.DUT.Discovery != "off" {
					addr = cfg.DUT.Discovery
				}
			}
			asked := []string{addr}
			if addr == "" {
				asked = []string{discoveryOf(nvr.DialectIMOU), discoveryOf(nvr.DialectONVIF)}
			}
			found, err := discoverAt(cmd.Context(), nvr.RealNetwork(clock, iface), asked, wait)
			if err != nil {
				return rigError(err)
			}
			if f.asJSON {
				for _, d := range found {
					_ = json.NewEncoder(a.out).Encode(d)
				}
				return nil
			}
			return a.print(false, nil, func(w io.Writer) {
				if len(found) == 0 {
					fmt.Fprintln(w, "no recorder answered")
				}
				for _, d := range found {
					fmt.Fprintf(w, "%s:%d\t%s\t%s\t%s\t%s\t%s\n", d.IP, d.HTTPPort, d.Serial, d.MAC, d.Type, d.Version, initOf(d))
				}
			})
		},
	}
	c.Flags().StringVar(&addr, "to", "", "where the question goes: broadcast 255.255.255.255:37810, multicast 239.255.255.251:37810 or 239.255.255.250:3702, or one unit")
	c.Flags().StringVar(&iface, "interface", "", "network interface; the bench's, or the routes' choice")
	c.Flags().DurationVar(&wait, "wait", 2*time.Second, "how long answers are waited for")
	return c
}

func (a *app) nvrBaseline(f *nvrFlags) *cobra.Command {
	var out string
	c := &cobra.Command{Use: "baseline", Short: "What the unit is like right after a good reset"}
	write := func(ctx context.Context, d *nvr.Device, provision bool) error {
		b, err := d.Record(ctx, provision)
		if err != nil {
			return rigError(err)
		}
		data := baselineFile(d.Model(), b).YAML()
		if out == "" {
			_, err := a.out.Write(data)
			return err
		}
		return usage(os.WriteFile(out, data, 0o644))
	}
	record := a.nvrDo(f, "record", "Record configuration, identity, accounts, open ports and init state as they are now: run it after a known good reset", func(ctx context.Context, d *nvr.Device) error {
		return write(ctx, d, false)
	})
	fresh := a.changing(f, "record-fresh", "The same of a unit that has no account yet: it is given one first, so that its configuration can be read", func(ctx context.Context, d *nvr.Device) error {
		return write(ctx, d, true)
	})
	for _, r := range []*cobra.Command{record, fresh} {
		r.Flags().StringVarP(&out, "output", "o", "", "file to write; stdout otherwise")
	}
	c.AddCommand(fresh)
	c.AddCommand(record)
	return c
}

// discoverAt asks several addresses, one after the other. An address that
// cannot be asked is an error only where no other answered.
func discoverAt(ctx context.Context, n nvr.Network, addrs []string, wait time.Duration) ([]nvr.Found, error) {
	var all []nvr.Found
	var errs []error
	for _, addr := range addrs {
		ask := nvr.Discover
		if strings.HasSuffix(addr, ":3702") {
			ask = nvr.DiscoverONVIF
		}
		found, err := ask(ctx, n, addr, wait)
		if cause := context.Cause(ctx); cause != nil {
			return all, cause
		}
		all, errs = append(all, found...), append(errs, err)
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, errors.Join(errs...)
}

// initOf is what a discovered unit says of its initialisation.
func initOf(d nvr.Found) string {
	switch {
	case !d.InitKnown:
		return "old firmware"
	case d.Init&3 == 1:
		return "uninitialised"
	case d.Init&3 == 2:
		return "initialised"
	}
	return fmt.Sprintf("init %d", d.Init)
}
