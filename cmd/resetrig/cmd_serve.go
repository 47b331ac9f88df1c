package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/store"
	"resetrig/web"
	"resetrig/web/access"
)

// webFlags say where the dashboard is, and who may reach it.
type webFlags struct {
	listen, tokens, cert, key string
}

func (w *webFlags) add(f *pflag.FlagSet) {
	f.StringVar(&w.tokens, "tokens", "", "token file of the dashboard; without one it is for this computer alone")
	f.StringVar(&w.cert, "tls-cert", "", "certificate file of the dashboard, PEM")
	f.StringVar(&w.key, "tls-key", "", "key file of the certificate, PEM")
}

func (a *app) serveCommand() *cobra.Command {
	var benches, files []string
	var w webFlags
	c := &cobra.Command{
		Use:   "serve [--bench F]…",
		Short: "The dashboard of the rig, and its API",
		Long: `Serves the dashboard: what the benches do now, what their soaks came to, and the
few things that a person may do about it. Soaks begun on it run in this process,
as ` + "`resetrig soak`" + ` would run them; those of other processes with the same --state
are shown too.

Without --tokens it listens on this computer alone, and whoever has a login here
is its operator. ` + "`resetrig serve token NAME --role operator --tokens F`" + ` makes a token
and the file.

SIGTERM stops what runs in an orderly way, and then the dashboard; once more cuts
everything.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd.Context(), w, benches, files)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&benches, "bench", nil, "bench file, may be repeated; without one, the simulated bench")
	f.StringArrayVar(&files, "scenario", nil, "scenario file that may be begun beside the shipped ones, may be repeated")
	f.StringVar(&w.listen, "listen", "127.0.0.1:8090", "address of the dashboard, HOST:PORT")
	w.add(f)
	c.AddCommand(a.tokenCommand())
	return c
}

func (a *app) tokenCommand() *cobra.Command {
	var file, role string
	c := &cobra.Command{
		Use:   "token NAME --role viewer|operator --tokens F",
		Short: "Make a token for the dashboard, and print it once",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if file == "" {
				return usage(errors.New("serve token: --tokens is missing: the file that the token is added to"))
			}
			r, err := access.ParseRole(role)
			if err != nil {
				return usage(err)
			}
			token, err := access.AddToken(file, args[0], r)
			if err != nil {
				return usage(err)
			}
			fmt.Fprintf(a.err, "resetrig: a token for %s, %s; it is shown this once:\n", args[0], r)
			_, err = fmt.Fprintln(a.out, token)
			return err
		},
	}
	c.Flags().StringVar(&file, "tokens", "", "token file, made where there is none")
	c.Flags().StringVar(&role, "role", "viewer", "viewer sees everything, operator starts and stops")
	return c
}

// dashboard is a server of the page, beside whatever this process runs.
type dashboard struct {
	a      *app
	floor  *floor
	server *web.Server
	policy *access.Policy
	ln     net.Listener
	db     *store.Store
}

// openDashboard opens everything that can be refused: nothing runs yet.
func (a *app) openDashboard(ctx context.Context, w webFlags, benches map[string]string) (d *dashboard, err error) {
	d = &dashboard{a: a}
	if d.policy, err = access.Open(w.tokens, nil); err != nil {
		return nil, usage(err)
	}
	if (w.cert == "") != (w.key == "") {
		return nil, usage(errors.New("--tls-cert and --tls-key belong together"))
	}
	if w.cert != "" {
		if err := d.policy.UseTLS(w.cert, w.key); err != nil {
			return nil, usage(err)
		}
	}
	if d.ln, err = d.policy.Listen(w.listen); err != nil {
		return nil, usage(fmt.Errorf("the dashboard cannot listen: %w", err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.ln.Close())
		}
	}()
	if d.db, err = a.openStore(ctx); err != nil {
		return nil, err
	}
	live := web.NewLive()
	d.floor = newFloor(a, d.db, live, func() { d.server.Committed() })
	d.floor.files = benches
	for name := range benches {
		live.Bench(name)
	}
	books := webBooks{a, d.db}
	host, _ := os.Hostname()
	d.server, err = web.New(web.Rig{
		Name: host, Version: version, State: a.state, Live: live, Books: books, Ledger: books, Measures: books, Notes: books, Audit: books,
		Reports: books, Files: books, Benches: webBenches{d.floor}, Doer: d.floor, Login: d.policy.Err,
	}, d.log)
	if err != nil {
		return nil, errors.Join(err, d.db.Close())
	}
	d.policy.Log = d.log
	d.policy.Deny, d.policy.LoginPage = d.server.Denied, d.server.LoginPage
	d.policy.LoginPage = d.server.LoginPage
	d.policy.Deny = func(w http.ResponseWriter, r *http.Request, status int, text string) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			web.Deny(w, r, status, text)
			return
		}
		d.server.Denied(w, r, status, text)
	}
	d.policy.Told = func(ctx context.Context, e access.Entry) {
		a := store.AuditEntry{At: time.Now(), Who: e.Who.Name, Role: e.Who.Role.String(), Address: e.Who.Addr, Action: e.What, Detail: e.Text, Result: "ok"}
		if strings.Contains(e.What, "refused") {
			a.Result = "refused"
		}
		_, err := d.db.Audit(ctx, a)
		if err != nil {
			d.log("write to the audit log: "+e.What, err)
		}
	}
	return d, nil
}

func (d *dashboard) log(doing string, err error) { d.a.log.Warn("the dashboard: "+doing, "err", err) }

// url is where a browser on this computer finds it.
func (d *dashboard) url(w webFlags) string {
	scheme := "http"
	if w.cert != "" {
		scheme = "https"
	}
	return scheme + "://" + d.ln.Addr().String() + "/"
}

// start serves in goroutines of its own until stop is called, which waits for
// them. What goes wrong there is logged, and told to broken; it costs nothing
// but the page.
func (d *dashboard) start(broken func(error)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		err := rig.Guarded(func() error { return d.policy.Serve(ctx, d.ln, d.server) })
		if err != nil {
			fmt.Fprintf(d.a.err, "resetrig: the dashboard has ended, what runs goes on: %v\n", err)
			broken(err)
		}
	})
	wg.Go(func() {
		_ = rig.Guarded(func() error { d.floor.follow(ctx); return nil }) // it guards each look itself
	})
	return func() {
		cancel()
		wg.Wait()
		d.server.Close()
	}
}

func (d *dashboard) close() error { return rigError(d.db.Close()) }

// dashboardOf is the dashboard beside soaks of the command line: it shows and
// halts them, and begins none.
func (a *app) dashboardOf(ctx context.Context, w webFlags, jobs []soakJob) (*dashboard, error) {
	benches := map[string]string{}
	for _, j := range jobs {
		benches[j.cfg.Name] = j.s.frozen[frozenBenchFile]
	}
	d, err := a.openDashboard(ctx, w, benches)
	if err != nil {
		return nil, err
	}
	if t := d.policy.Warning(w.listen); t != "" {
		fmt.Fprintln(a.err, "resetrig:", t)
	}
	fmt.Fprintf(a.err, "resetrig: the dashboard is at %s\n", d.url(w))
	return d, nil
}

// runHere is runJob where the dashboard sees it.
func (f *floor) runHere(ctx context.Context, j soakJob, p *progress, asJSON bool) error {
	s, err := f.enter(j.cfg.Name)
	if err != nil {
		return err
	}
	return s.perform(ctx, j, p, asJSON)
}

// serve runs the dashboard until a signal.
func (a *app) serve(ctx context.Context, w webFlags, benchFiles, scenarioFiles []string) (err error) {
	benches, err := a.benchesOf(benchFiles)
	if err != nil {
		return err
	}
	scenarios, err := scenariosOf(scenarioFiles)
	if err != nil {
		return err
	}
	defer a.logToFile()()
	d, err := a.openDashboard(ctx, w, benches)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	d.floor.scenarios = scenarios
	d.floor.jobs = make(chan floorJob)
	d.floor.super = a.newSupervisor()
	d.floor.safeAfterDeath(ctx)

	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var broken error
	stop := d.start(func(err error) {
		broken = err
		d.floor.whenIdle(ctx, func() { end(err) })
	})
	if t := d.policy.Warning(w.listen); t != "" {
		fmt.Fprintln(a.err, "resetrig:", t)
	}
	fmt.Fprintln(a.out, d.url(w))
	a.log.Info("the dashboard is there", "url", d.url(w), "version", version)
	d.floor.super.tell("READY=1\nSTATUS=the dashboard is at " + d.url(w))
	fed := d.floor.super.feedIdle(ctx)
	err = d.floor.run(ctx)
	d.floor.super.tell("STOPPING=1")
	stop()
	<-fed
	if err != nil {
		return err
	}
	return rigError(broken)
}

// benchesOf are the benches by name, each with its file.
func (a *app) benchesOf(files []string) (map[string]string, error) {
	if len(files) == 0 {
		files = []string{""}
	}
	var cfgs []*config.Bench
	out := map[string]string{}
	for _, f := range files {
		cfg, _, err := a.loadBench(f)
		if err != nil {
			return nil, err
		}
		if f != "" {
			if f, err = filepath.Abs(f); err != nil {
				return nil, usage(err)
			}
		}
		cfgs = append(cfgs, cfg)
		out[cfg.Name] = f
	}
	return out, usage(a.sideBySide(cfgs))
}

// scenariosOf are the scenarios by name, each with its file.
func scenariosOf(files []string) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range files {
		sc, err := loadScenario(f, nil)
		if err != nil {
			return nil, err
		}
		abs, err := filepath.Abs(f)
		if err != nil {
			return nil, usage(err)
		}
		if _, _, shipped := shippedScenario(sc.Name); shipped || out[sc.Name] != "" {
			return nil, usage(fmt.Errorf("--scenario %s: there is another scenario called %s", f, sc.Name))
		}
		if strings.ContainsAny(sc.Name, "/\\") {
			return nil, usage(fmt.Errorf("--scenario %s: the name %q is a path", f, sc.Name))
		}
		out[sc.Name] = abs
	}
	return out, nil
}

// safeAfterDeath makes the benches safe whose last run died with its program: a
// press may be closed yet. A bench that another program has is left to it.
func (f *floor) safeAfterDeath(ctx context.Context) {
	for name, file := range f.files {
		if file == "" {
			continue
		}
		runs, err := f.db.List(ctx, store.Filter{Bench: name, Limit: 1})
		if err != nil || len(runs) == 0 || runs[0].State != store.StateInterrupted {
			continue
		}
		cfg, _, err := f.a.readBench(file)
		if err != nil {
			continue // its page says so
		}
		unlock, err := lockBench(cfg)
		if err != nil {
			continue
		}
		if err := f.a.safeFirst(cfg); err != nil {
			fmt.Fprintf(f.a.err, "resetrig: bench %s: its last run died with its program: %v\n", name, err)
		}
		unlock()
	}
}

// whenIdle calls do when nothing runs any more, or ctx ends.
func (f *floor) whenIdle(ctx context.Context, do func()) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		f.mu.Lock()
		idle := len(f.shifts) == 0
		f.mu.Unlock()
		if idle || ctx.Err() != nil {
			do()
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
