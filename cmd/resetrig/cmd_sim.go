package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"resetrig/sim"
)

func (a *app) simCommand() *cobra.Command {
	var listen, listenTLS, otherPorts, control, dhip, wsd, groups, model, serial, mac, password, sound, play, lines, boot string
	var faults, quirks []string
	var seed uint64
	var powered, asJSON bool
	c := &cobra.Command{
		Use:   "sim",
		Short: "The simulated recorder in real time, for other programs",
		Long: `Serves the simulated recorder over TCP and UDP in real time. Its power and its
reset pins are set over the control port, which speaks HTTP:

  curl -X POST 'http://CONTROL/power?on=true'     apply power
  curl -X POST 'http://CONTROL/reset?on=true'     short the reset pins
  curl http://CONTROL/state                       everything that is true now

or read from the lines that another program drives:

  --lines power=GPIO26:high:nc,reset=GPIO20:high:no

with the level that energises each relay and the contact that is wired. A GPIO of
a Raspberry Pi is read from the SoC's registers; a path is read as a file of 0 or 1.

It prints one JSON object with its addresses and runs until it is stopped. With
--lines and --play it prints one for each edge and each tone too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := sim.ModelNamed(model)
			if err != nil {
				return usage(err)
			}
			if m, err = shorterBoot(m, boot); err != nil {
				return usage(err)
			}
			events := &simEvents{out: a.out}
			o := sim.ServeOptions{
				Options: sim.Options{Model: m, Seed: seed, Serial: serial, MAC: mac, Powered: powered, Login: password, Quirks: quirks},
				Listen:  listen, ListenTLS: listenTLS, OtherPorts: otherPorts,
				Control: control, DHIP: dhip, WSD: wsd, Groups: groups,
			}
			for _, f := range faults {
				o.Faults = append(o.Faults, sim.Fault{Name: f, Probability: 1})
			}
			if sound != "" {
				f, err := os.OpenFile(sound, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
				if err != nil {
					return usage(err)
				}
				defer f.Close()
				o.Sound = f
			}
			var watched []watchedLine
			if lines != "" {
				if watched, err = parseLines(lines); err != nil {
					return usage(err)
				}
			}
			if play != "" {
				o.Rate = micRate // a loopback does not resample
				p, err := openPlayer(play, o.Rate, events)
				if err != nil {
					return usage(err)
				}
				defer p.Close()
				o.Sound = p
			}
			ctx, cancel := context.WithCancelCause(cmd.Context())
			defer cancel(nil)
			s, err := sim.Serve(ctx, o)
			if err != nil {
				return usage(err)
			}
			where := map[string]string{
				"url": "http://" + s.Addr, "control": "http://" + s.ControlAddr, "dhip": s.DHIPAddr, "wsd": s.WSDAddr,
				"model": m.Name, "serial": serialOr(serial),
			}
			if s.TLSAddr != "" {
				where["tls"] = "https://" + s.TLSAddr
			}
			if err := events.begin(where); err != nil {
				return err
			}
			followed := make(chan error, 1)
			go func() { // ends with ctx, and is waited for
				var err error
				if watched != nil {
					err = followLines(ctx, watched, s.World().Relays(), events)
				}
				if err != nil {
					cancel(err)
				}
				followed <- err
			}()
			err = s.Wait()
			cancel(nil)
			if ferr := <-followed; ferr != nil {
				return rigError(ferr)
			}
			if err != nil && cmd.Context().Err() == nil {
				return rigError(err)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:0", "address of its web server")
	f.StringVar(&listenTLS, "listen-tls", "", "address of its TLS; empty for one beside the web server's where a quirk gives it TLS")
	f.StringVar(&otherPorts, "other-ports", "", "host on which its other TCP ports are open under their own numbers; empty for none")
	f.StringVar(&control, "control", "127.0.0.1:0", "address of the control port")
	f.StringVar(&dhip, "dhip", "127.0.0.1:0", "UDP address for DHIP discovery; empty for none")
	f.StringVar(&wsd, "wsd", "127.0.0.1:0", "UDP address for WS-Discovery; empty for none")
	f.StringVar(&groups, "groups", "", "network interface on which both discoveries' multicast groups are joined")
	f.StringVar(&model, "model", "imou-new", "kind of recorder: "+strings.Join(simModels(), ", "))
	f.StringArrayVar(&faults, "fault", nil, "a fault, active in every cycle; may be repeated; see `resetrig sim faults`")
	f.StringArrayVar(&quirks, "quirk", nil, "an oddity that the unit has, or with no- in front has not; may be repeated; see `resetrig sim quirks`")
	f.Uint64Var(&seed, "seed", 1, "of everything random")
	f.StringVar(&serial, "serial", "", "its serial number")
	f.StringVar(&mac, "mac", "", "its MAC address")
	f.StringVar(&password, "password", "", "the password of an initialised unit; without one, a new-generation unit is uninitialised")
	f.StringVar(&sound, "sound", "", "file or FIFO that gets the microphone's sound: 16 bit, mono, 16 kHz, no header")
	f.StringVar(&play, "play", "", "ALSA playback device that gets the sound, like hw:0,0 of a loopback card: 16 bit, mono, 48 kHz")
	f.StringVar(&lines, "lines", "", "lines that its relays hang on, like power=GPIO26:high:nc,reset=GPIO20:high:no")
	f.StringVar(&boot, "boot", "", "shortest and longest boot instead of the model's, like 3s..4s")
	f.BoolVar(&powered, "powered", false, "begin with the unit up")
	list := &cobra.Command{
		Use:   "faults",
		Short: "The faults that a simulated bench can have",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for _, f := range sim.Faults() {
				if asJSON {
					_ = json.NewEncoder(a.out).Encode(f)
					continue
				}
				fmt.Fprintf(tw, "%s\t%s\t%s\n", f.Name, f.Of, f.About)
			}
			return tw.Flush()
		},
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	odd := &cobra.Command{
		Use:   "quirks",
		Short: "The oddities that a simulated recorder can have",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for _, q := range sim.Quirks() {
				if asJSON {
					_ = json.NewEncoder(a.out).Encode(q)
					continue
				}
				brands := "all"
				if len(q.Brands) > 0 {
					brands = string(q.Brands[0])
				}
				for _, b := range q.Brands[min(1, len(q.Brands)):] {
					brands += ", " + string(b)
				}
				about := q.About
				if len(q.Models) > 0 {
					about += " [" + strings.Join(q.Models, ", ") + "]"
				}
				fmt.Fprintf(tw, "%s\t%s\t%s\n", q.Name, brands, about)
			}
			return tw.Flush()
		},
	}
	odd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	c.AddCommand(list, odd)
	return c
}

// shorterBoot is a model with other boot times.
func shorterBoot(m sim.Model, boot string) (sim.Model, error) {
	if boot == "" {
		return m, nil
	}
	least, most, ok := strings.Cut(boot, "..")
	var err, err2 error
	m.LeastBoot, err = time.ParseDuration(least)
	m.MostBoot, err2 = time.ParseDuration(most)
	if !ok || err != nil || err2 != nil || m.LeastBoot <= 0 || m.MostBoot < m.LeastBoot {
		return m, fmt.Errorf("--boot %q: want the shortest and the longest, like 3s..4s", boot)
	}
	return m, nil
}

func simModels() []string {
	var names []string
	for _, m := range sim.Models() {
		names = append(names, m.Name)
	}
	return names
}

// serialOr is the serial that the simulation gives a unit without one.
func serialOr(s string) string {
	if s == "" {
		return "4F0A2B1PAZ00001"
	}
	return s
}
