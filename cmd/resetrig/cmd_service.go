package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"resetrig/config"
)

//go:embed unit.service.tmpl
var unitText string

// unit is what differs between the services of two benches.
type unit struct {
	About              []string // the first lines: what the unit is
	Description, Page  string   // Page: the man page of the command, where it is installed
	Name, File         string
	Program, State     string
	Start, Safe        string // arguments of the program, and of its safe after any end
	Final              string // exit codes after which it is not started again
	User, Groups, Home string
	Env                []string // files of the service's environment
	Watchdog           string
	root               string
}

// watchdogTime is how long a soak may come to nothing before systemd ends it:
// longer than any request to the DUT with its retries.
const watchdogTime = "180"

func (a *app) serviceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "service",
		Short: "The systemd service of a bench",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	u := unit{Watchdog: watchdogTime}
	var bench string
	var show bool
	install := &cobra.Command{
		Use:   "install --bench F",
		Short: "Write the unit that goes on with a bench's soak at every boot and after every death",
		Long: `Writes a hardened unit for systemd: notify, a watchdog that only the soak's own
progress feeds, the relays made safe after any end, restart and resume.

It runs as a user of its own (DynamicUser) that is in the groups gpio and audio,
unless --user says otherwise. Secrets that the bench file takes from the
environment stand in /etc/resetrig/NAME.env.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if bench == "" {
				return usage(errors.New("service install: --bench is missing: the simulated bench needs no service"))
			}
			text, err := a.unitOf(&u, bench)
			if err != nil {
				return err
			}
			if show {
				_, err := fmt.Fprint(a.out, text)
				return err
			}
			return a.installUnit(u, text)
		},
	}
	f := install.Flags()
	f.StringVar(&bench, "bench", "", "bench file")
	f.StringVar(&u.Name, "name", "", "the unit's name; resetrig-BENCH unless said otherwise")
	f.StringVar(&u.User, "user", "", "an existing user to run as, instead of one that systemd makes")
	f.StringVar(&u.Groups, "groups", "gpio audio", "groups that may use the lines and the microphone")
	f.StringVar(&u.root, "root", "/", "folder to install into, for packages and images")
	f.BoolVar(&show, "print", false, "print the unit instead of writing it")
	c.AddCommand(install, &cobra.Command{
		Use:       "template bench|dashboard",
		Short:     "Print a unit that packages install: resetrig@NAME for /etc/resetrig/NAME.yaml, or resetrig-serve",
		Hidden:    true,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"bench", "dashboard"},
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := packagedUnit(args[0]).text()
			if err == nil {
				_, err = fmt.Fprint(a.out, text)
			}
			return err
		},
	})
	return c
}

// forBench makes it the unit that goes on with a bench's soaks.
func (u *unit) forBench(name, file string) {
	u.About = []string{
		"Made by `resetrig service`. It goes on with the bench's newest soak that has",
		"something left of its plan: `resetrig soak … --enqueue` puts one there.",
	}
	u.Description, u.File = "resetrig on "+name, file
	u.Start, u.Safe = "soak --resume --bench "+file, "--bench "+file
	u.Final = "1 3 4 5"
}

// packagedUnit is a unit of the package, whose maintainer scripts make the user
// and its groups. %i is what systemd puts in: NAME of resetrig@NAME.
func packagedUnit(kind string) unit {
	u := unit{Name: "resetrig@", Program: "/usr/bin/resetrig", State: systemState, User: "resetrig", Home: "yes", Watchdog: watchdogTime}
	if kind == "bench" {
		u.forBench("%i", "/etc/resetrig/%i.yaml")
		u.Page = "soak"
		u.Env = []string{"/etc/resetrig/resetrig.env", "/etc/resetrig/%i.env"}
		return u
	}
	u.About = []string{
		"Made by `resetrig service`. The dashboard: http://127.0.0.1:8090 unless",
		"/etc/default/resetrig-serve says otherwise.",
	}
	u.Name, u.Description, u.Page = "resetrig-serve", "Dashboard of the resetrig benches", "serve"
	u.Env = []string{"/etc/resetrig/resetrig.env", "/etc/default/resetrig-serve"}
	// A bench that a service of its own has is left to it.
	u.Start, u.Safe = "serve $BENCHES $OPTIONS", "--unless-held $BENCHES"
	u.Final = "2 4 5" // a dashboard that broke is started again
	return u
}

// text fills the unit in.
func (u unit) text() (string, error) {
	t, err := template.New("unit").Parse(unitText)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, u)
	return b.String(), err
}

// unitOf is the text of a bench's unit.
func (a *app) unitOf(u *unit, bench string) (string, error) {
	data, err := config.ReadFile(bench)
	if err != nil {
		return "", usage(err)
	}
	// The service has the environment, this command perhaps has not.
	cfg, err := config.LoadBench(bench, data, config.Env{
		Lookup:   func(string) (string, bool) { return "unneeded", true },
		ReadFile: func(string) ([]byte, error) { return []byte("unneeded"), nil },
	})
	if err != nil {
		return "", usage(err)
	}
	if u.File, err = filepath.Abs(bench); err != nil {
		return "", usage(err)
	}
	if u.Program, err = os.Executable(); err != nil {
		return "", rigError(err)
	}
	u.State, u.Home = systemState, "yes"
	u.forBench(cfg.Name, u.File)
	if u.Name == "" {
		u.Name = "resetrig-" + cfg.Name
	}
	for _, path := range []string{u.File, u.Program} {
		if strings.ContainsAny(path, " \t\n\"'\\%$;") {
			return "", usage(fmt.Errorf("the path %q has letters that a unit would take for something else; move the file", path))
		}
		if strings.HasPrefix(path, "/home/") || strings.HasPrefix(path, "/root/") {
			u.Home = "read-only"
		}
	}
	if strings.ContainsAny(u.Name+u.User, "/ \t\n") || strings.ContainsAny(u.Groups, "/\n") {
		return "", usage(fmt.Errorf("--name %q --user %q --groups %q: want plain names", u.Name, u.User, u.Groups))
	}
	u.Env = []string{"/etc/resetrig/" + u.Name + ".env"}
	return u.text()
}

func (a *app) installUnit(u unit, text string) error {
	dir := filepath.Join(u.root, "etc/systemd/system")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return rigError(err)
	}
	path := filepath.Join(dir, u.Name+".service")
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return rigError(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return rigError(err)
	}
	fmt.Fprintf(a.out, "%s\n", path)
	fmt.Fprintf(a.err, "resetrig: now: systemctl daemon-reload && systemctl enable --now %s\n"+
		"resetrig: a soak for it: resetrig --state %s soak … --bench %s --enqueue\n", u.Name, u.State, u.File)
	return nil
}
