// Command resetrig drives a reset test rig: it switches a recorder's power and
// shorts its reset pins, hears its long beep, proves its default state and
// keeps the books. This package is the wiring: the only place that knows every
// other. What a command means is in its package; here are flags, files,
// signals and exit codes.
//
// The trap: nothing below main may end the process, since a deferred safe state
// would not run.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/spf13/cobra"

	"resetrig/rig"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// version is set by the build, the same for resetrig-mic.
var version = "dev"

// The exit codes. A soak ends with the first that holds of 5, 4, 1, 3, 0.
const (
	exitPass    = 0
	exitFail    = 1
	exitUsage   = 2
	exitError   = 3
	exitAborted = 4
	exitUnsafe  = 5
)

const exitTable = `Exit codes:
  0  pass
  1  the DUT failed
  2  usage or configuration
  3  rig error: the rig could not tell
  4  aborted
  5  the safe state could not be reached`

// exit is an error with the code that the process ends with. A nil err prints
// nothing: what there is to say was said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exit{exitUsage, err}
}

func rigError(err error) error {
	if err == nil {
		return nil
	}
	return &exit{exitError, err}
}

// app is what every command is given.
type app struct {
	in       io.Reader
	out, err io.Writer
	state    string // folder of the store and the artifacts
	verbose  bool
	json     bool
	log      *slog.Logger

	emergency chan struct{} // closed: everything is cut at once
	onlooker  *atomic.Bool  // this command has no relays: a signal ends it without more
	cards     *cards        // of several benches; nil where there is one
}

func run(args []string, in io.Reader, out, errw io.Writer) int {
	stdout, stderr := newConsole(out), newConsole(errw)
	a := &app{in: in, out: stdout, err: stderr, emergency: make(chan struct{}), onlooker: new(atomic.Bool)}
	ctx, done := a.watchSignals()
	code := a.execute(ctx, args)
	stdout.close(ctx.Done())
	stderr.close(ctx.Done())
	done()
	return code
}

// execute runs the command that args name and gives the exit code.
func (a *app) execute(ctx context.Context, args []string) int {
	in, out, errw := a.in, a.out, a.err
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	err := rig.Guarded(func() error { return root.ExecuteContext(ctx) })
	if herr := handOver(a.state); herr != nil {
		fmt.Fprintf(errw, "resetrig: files of root are left in %s, and may shut its owner out: %v\n", a.state, herr)
	}
	if err == nil {
		return exitPass
	}
	code, say := exitCode(err)
	if say != nil {
		fmt.Fprintln(errw, "resetrig:", say)
	}
	return code
}

// exitCode is the code that an error ends the process with, and what is left to
// say of it.
func exitCode(err error) (code int, say error) {
	var e *exit
	var unsafe *rig.UnsafeError
	switch {
	case errors.As(err, &unsafe):
		return exitUnsafe, err
	case errors.As(err, &e) && e.err == nil:
		return e.code, nil
	case errors.As(err, &e):
		return e.code, err
	case errors.Is(err, rig.ErrStop), errors.Is(err, rig.ErrEmergency):
		return exitAborted, err
	}
	return exitError, err
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "resetrig",
		Short: "Hardware-in-the-loop reset tests of network video recorders",
		Long: `resetrig switches a recorder's power, shorts its reset pins, hears the long
beep with which it takes the reset, and proves over the network that it is in
its default state.

` + exitTable,
		SilenceUsage: true, SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			return usage(cobra.NoArgs(cmd, args))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			level := slog.LevelWarn
			if a.verbose {
				level = slog.LevelDebug
			}
			a.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.PersistentFlags().StringVar(&a.state, "state", defaultState(), "folder of the results and of what must survive")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "log what happens inside")
	for _, c := range []*cobra.Command{
		a.demoCommand(), a.runCommand(), a.soakCommand(), a.sweepCommand(), a.checkCommand(), a.listenCommand(), a.calibrateCommand(),
		a.nvrCommand(), a.simCommand(), a.safeCommand(),
		a.listCommand(), a.statusCommand(), a.reportCommand(), a.compareCommand(), a.storeCommand(), a.serviceCommand(), a.serveCommand(),
		a.scenariosCommand(), a.schemaCommand(), a.versionCommand(), a.manCommand(),
	} {
		root.AddCommand(c)
	}
	wrapArgs(root)
	return root
}

// wrapArgs makes a wrong number of arguments a usage error everywhere.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				var e *exit
				if errors.As(err, &e) {
					return err
				}
				return usage(fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath()))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}
