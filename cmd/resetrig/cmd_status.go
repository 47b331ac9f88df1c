package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"resetrig/rig"
	"resetrig/store"
	"resetrig/web"
)

// statusSource is where a status comes from: another rig's API, or the state
// folder of this one.
type statusSource interface {
	name(ctx context.Context) (string, error)
	// moments are all benches, by name.
	moments(ctx context.Context) ([]web.Moment, error)
	// last is a bench's newest run; nil is none.
	last(ctx context.Context, bench string) (*web.Run, error)
	// cycles are the last ones of a run, the newest first.
	cycles(ctx context.Context, run string) ([]web.Cycle, error)
}

// statusStrip is how many outcomes are shown.
const statusStrip = 30

// benchStatus is one bench, as --json prints it.
type benchStatus struct {
	Now web.Moment `json:"now"`
	// Run is its newest run: the one that runs, or the last one.
	Run *web.Run `json:"run,omitempty"`
}

type statusFlags struct {
	rig      rigFlags
	json     bool
	watch    bool
	every    time.Duration
	exitCode bool
}

func (a *app) statusCommand() *cobra.Command {
	var f statusFlags
	c := &cobra.Command{
		Use:   "status [--rig URL]",
		Short: "What the benches do now, and what came of their last runs",
		Long: `Asks the dashboard of a rig (` + "`resetrig serve`" + `) what its benches do: the cycle,
its phase and step, the pass rate with its 95 % interval, when it will be over,
and the last outcomes, the newest on the right:

  .  pass      F  fail, proven      f  fail, presumed
  E  rig error A  aborted           c  control that held   C  control that did not

Without --rig the state folder of this computer is read, which knows what was
committed and nothing in between.

Exit codes:
  0  the rig answered; what it says is on stdout
  2  wrong flags; or the rig refuses the token, or has another certificate
  3  the rig cannot be reached, or cannot say
  4  interrupted
With --exit-code, instead of 0, the worst that the newest runs came to, the
first that holds of 5 (unsafe), 1 (the DUT failed), 3 (rig error, interrupted).`,
		Example: `  resetrig status
  resetrig status --rig http://localhost:8090 --watch
  resetrig status --rig https://pi.lab:8090 --token-file ~/.resetrig-token --ca lab-ca.pem --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.rig.url, "rig", "", "address of the rig's dashboard, like https://pi.lab:8090; without it, the state folder is read")
	fs.StringVar(&f.rig.tokenFile, "token-file", "", "file with the token for it, nothing else in it")
	fs.StringVar(&f.rig.ca, "ca", "", "file with the certificates that the rig's is to be signed by, PEM; the system's otherwise")
	fs.StringVar(&f.rig.fingerprint, "fingerprint", "", "SHA-256 of the rig's own certificate, instead of a CA: no other is taken")
	fs.DurationVar(&f.rig.within, "timeout", 10*time.Second, "how long one question may take")
	fs.BoolVar(&f.json, "json", false, "print one JSON object per bench and line")
	fs.BoolVarP(&f.watch, "watch", "w", false, "go on until Ctrl-C, and show what has changed")
	fs.DurationVar(&f.every, "every", 2*time.Second, "with --watch, how often to ask")
	fs.BoolVar(&f.exitCode, "exit-code", false, "exit with the worst that the newest runs came to")
	return c
}

func (a *app) status(ctx context.Context, f statusFlags) error {
	if f.every < 100*time.Millisecond || f.rig.within <= 0 {
		return usage(errors.New("--every is 100ms at least, and --timeout more than 0"))
	}
	if a.onlooker != nil {
		a.onlooker.Store(true)
	}
	source, done, err := a.statusSource(f.rig)
	if err != nil {
		return err
	}
	defer done()
	show := &statusShow{a: a, f: f, source: source}
	_, show.live = terminal(a.out)
	if !f.watch {
		code, err := show.once(ctx)
		if err != nil {
			return err
		}
		if f.exitCode && code != exitPass {
			return &exit{code: code}
		}
		return nil
	}
	for {
		_, err := show.once(ctx)
		var e *exit
		switch {
		case context.Cause(ctx) != nil:
			return &exit{code: exitAborted}
		case errors.As(err, &e) && e.code == exitError && show.was: // it was there: perhaps it comes back
			show.gone(err)
		case err != nil:
			return err
		}
		if err := rig.System().Sleep(ctx, f.every); err != nil {
			return &exit{code: exitAborted}
		}
	}
}

// statusSource opens what is asked.
func (a *app) statusSource(f rigFlags) (statusSource, func(), error) {
	if f.url != "" {
		c, err := newRigClient(f)
		return c, func() {}, err
	}
	if f.tokenFile != "" || f.ca != "" || f.fingerprint != "" {
		return nil, nil, usage(errors.New("--token-file, --ca and --fingerprint go with --rig"))
	}
	db, err := store.OpenReader(filepath.Join(a.state, "resetrig.db"))
	if errors.Is(err, store.ErrNotFound) {
		fmt.Fprintf(a.err, "resetrig: no runs in %s yet\n", a.state)
		return noStatus{}, func() {}, nil
	}
	if err != nil {
		return nil, nil, rigError(err)
	}
	return &localStatus{books: webBooks{a, db}, state: a.state}, func() { _ = db.Close() }, nil
}

// noStatus is a state folder without a run.
type noStatus struct{}

func (noStatus) name(context.Context) (string, error)                { return "", nil }
func (noStatus) moments(context.Context) ([]web.Moment, error)       { return nil, nil }
func (noStatus) last(context.Context, string) (*web.Run, error)      { return nil, nil }
func (noStatus) cycles(context.Context, string) ([]web.Cycle, error) { return nil, nil }

// statusShow prints what a source says.
type statusShow struct {
	a      *app
	f      statusFlags
	source statusSource
	live   bool   // a terminal: a watch draws over what it drew
	was    bool   // it has answered once
	shown  string // last time
	lines  int
	head   string
}

// once asks and prints. The code is what --exit-code exits with.
func (s *statusShow) once(ctx context.Context) (code int, err error) {
	if s.head == "" {
		if s.head, err = s.source.name(ctx); err != nil {
			return 0, err
		}
	}
	ms, err := s.source.moments(ctx)
	if err != nil {
		return 0, err
	}
	var all []benchStatus
	for _, m := range ms {
		b := benchStatus{Now: m}
		if b.Run, err = s.source.last(ctx, m.Bench); err != nil {
			return 0, err
		}
		if len(m.Strip) == 0 && b.Run != nil {
			cs, err := s.source.cycles(ctx, b.Run.ID)
			if err != nil {
				return 0, err
			}
			for _, c := range slices.Backward(cs) {
				if c.Outcome != "" {
					b.Now.Strip = append(b.Now.Strip, web.Mark{ID: c.ID, Cycle: c.Cycle, Control: c.Control, Outcome: c.Outcome, Attribution: c.Attribution, Reason: c.Reason})
				}
			}
		}
		code = worse(code, codeOf(b.Run))
		all = append(all, b)
	}
	s.was = true
	text, compare, err := s.render(all)
	if err != nil {
		return 0, err
	}
	if compare == s.shown { // nothing but the clock has changed
		return code, nil
	}
	s.shown = compare
	s.print(text)
	return code, nil
}

// print writes it, over the last one on a terminal.
func (s *statusShow) print(text string) {
	if s.f.watch && s.live && !s.f.json {
		if s.lines > 0 {
			fmt.Fprintf(s.a.out, "\x1b[%dA\x1b[J", s.lines)
		}
		s.lines = strings.Count(text, "\n")
	}
	_, _ = io.WriteString(s.a.out, text) // a console that is gone ends the command by its signal
}

func (s *statusShow) gone(err error) {
	if s.shown != err.Error() {
		fmt.Fprintln(s.a.err, "resetrig:", err)
		s.shown, s.lines = err.Error(), 0
	}
}

// render is the text, and what of it makes it another one.
func (s *statusShow) render(all []benchStatus) (text, compare string, err error) {
	var b, same bytes.Buffer
	if s.f.json {
		for _, one := range all {
			enc := json.NewEncoder(&b)
			if err := enc.Encode(one); err != nil {
				return "", "", err
			}
			one.Now.At, one.Now.Version, one.Now.ETA, one.Now.PerCycle = time.Time{}, 0, time.Time{}, 0
			if err := json.NewEncoder(&same).Encode(one); err != nil {
				return "", "", err
			}
		}
		return b.String(), same.String(), nil
	}
	if s.head != "" {
		fmt.Fprintf(&b, "%s\n", strings.Map(printable, s.head))
	}
	if len(all) == 0 {
		return b.String(), b.String(), nil
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "BENCH\tDOES\tCYCLES\tPASS RATE\tENDS\tLAST OUTCOMES")
	for _, one := range all {
		fmt.Fprintln(tw, strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			return printable(r)
		}, strings.Join(one.cells(), "\t")))
	}
	if err := tw.Flush(); err != nil {
		return "", "", err
	}
	return b.String(), b.String(), nil
}
