package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
)

// soakFlags are the flags of a soak, before they are a plan.
type soakFlags struct {
	benches  []string
	plan     string
	labels   []string
	params   []string
	keep     string
	evidence string
	resume   bool
	enqueue  bool
	anyway   bool
	json     bool

	serve                              webFlags
	cycles                             int
	forTime                            time.Duration
	prove                              string
	sequential                         bool
	controls                           []string
	controlsEvery                      int
	stopFails, stopErrors, stopAtFails int
	stopInterruptions                  int
	retries                            int
	pause                              time.Duration
	window                             string
	hold                               time.Duration
	holdThen                           string
}

func (a *app) soakCommand() *cobra.Command {
	var o soakFlags
	c := &cobra.Command{
		Use:   "soak SCENARIO… --cycles N | --for 72h | --prove 99%@95%",
		Short: "A series of cycles, each committed before the next begins",
		Long: `Runs a series of cycles. A scenario is the name of a shipped one, or a file;
several run in turn. A plan file (--plan, see ` + "`resetrig schema plan`" + `) says more, and
flags come before it.

Everything that the soak runs on is frozen with it: plan, scenarios, bench,
model, calibration. After any death of the program or the computer,
` + "`resetrig soak --resume [ID]`" + ` goes on at the next cycle: the interrupted one is booked
as aborted, and the relays are made safe first. What has changed meanwhile is
shown, and refused. A soak that a rule has stopped goes on with --anyway.

--prove counts what is in doubt against the claim: errors, and fails that are
only presumed. The fixed count of cycles without any decides, or, with
--sequential, Wald's test, which lets doubts happen and takes longer.

With several --bench each runs the whole plan, beside the others.

` + exitTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.resume {
				return a.resumeSoak(cmd, args, o)
			}
			return a.newSoak(cmd, args, o)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.benches, "bench", nil, "bench file, may be repeated; without one, the simulated bench")
	f.StringVar(&o.plan, "plan", "", "plan file")
	f.StringArrayVar(&o.labels, "label", nil, "a label of the soak, name=value; may be repeated")
	f.StringArrayVarP(&o.params, "param", "p", nil, "a parameter of the scenario, name=value; may be repeated")
	f.BoolVar(&o.json, "json", false, "print one JSON object per line")
	soundFlag(c, &o.keep)
	f.StringVar(&o.evidence, "evidence", "", "how much evidence is kept, like first=3,every=100,budget=2GB,reserve=200MB; the plan's or the bench's otherwise")
	f.BoolVar(&o.resume, "resume", false, "go on with a soak: the one named, or the newest")
	f.BoolVar(&o.enqueue, "enqueue", false, "freeze the soak and do not run it: --resume, or the service, begins it")
	f.BoolVar(&o.anyway, "anyway", false, "with --resume: also where a rule had stopped it")

	f.StringVar(&o.serve.listen, "serve", "", "serve the dashboard of this soak at HOST:PORT, like 127.0.0.1:8090")
	o.serve.add(f)

	f.IntVar(&o.cycles, "cycles", 0, "number of cycles; aborted ones do not count")
	f.DurationVar(&o.forTime, "for", 0, "how long, like 72h; time in which the rig was off does not count")
	f.StringVar(&o.prove, "prove", "", "a pass rate and a confidence, like 99%@95%: goes on until that is shown, or cannot be")
	f.BoolVar(&o.sequential, "sequential", false, "with --prove: Wald's sequential test decides, and lets failures happen")
	f.StringArrayVar(&o.controls, "control", nil, "a control to mix in, may be repeated: each once at the start, then in turn")
	f.IntVar(&o.controlsEvery, "controls-every", -1, "after how many cycles a control is mixed in; the bench's otherwise")
	f.IntVar(&o.stopFails, "stop-after-fails", -1, "stop after so many fails in a row, 0 never; the bench's otherwise")
	f.IntVar(&o.stopErrors, "stop-after-errors", -1, "stop after so many errors in a row, 0 never; the bench's otherwise")
	f.IntVar(&o.stopAtFails, "stop-at-fails", -1, "stop after so many fails in all, 0 never")
	f.IntVar(&o.stopInterruptions, "stop-after-interruptions", -1, "do not go on after so many cycles in a row died with the program in the same phase; the bench's otherwise")
	f.IntVar(&o.retries, "retries", -1, "attempts again of a cycle that ended in an error; the bench's otherwise")
	f.DurationVar(&o.pause, "pause", 0, "between two cycles")
	f.StringVar(&o.window, "window", "", "the hours in which cycles may begin, on the local clock, like 22:00-06:00")
	f.DurationVar(&o.hold, "hold", 0, "after a fail, keep the bench as it is for a person, so long at most")
	f.StringVar(&o.holdThen, "hold-then", "end", "when nobody came: end or go-on")
	c.AddCommand(a.askCommand("go-on", soak.WishGoOn, "Let a soak that is held go on"),
		a.askCommand("hold", soak.WishToHold, "Hold a soak after its cycle, the power as it is"),
		a.askCommand("end", soak.WishEnd, "End a soak after its cycle"))
	return c
}

// askCommand leaves a wish for a soak that runs in another process.
func (a *app) askCommand(name string, w soak.Wish, short string) *cobra.Command {
	return &cobra.Command{
		Use: name + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			db, err := store.Open(filepath.Join(a.state, "resetrig.db"))
			if err != nil {
				return rigError(err)
			}
			defer func() { err = errors.Join(err, rigError(db.Close())) }()
			run, err := db.Run(cmd.Context(), args[0])
			if err != nil {
				return usage(err)
			}
			sums, err := db.List(cmd.Context(), store.Filter{Run: run.ID})
			if err != nil {
				return rigError(err)
			}
			if len(sums) != 1 || sums[0].State != store.StateRunning {
				return usage(fmt.Errorf("run %s is not running", run.ID))
			}
			return rigError(db.Ask(cmd.Context(), run.ID, string(w), time.Now()))
		},
	}
}

// newSoak begins a soak on each bench.
func (a *app) newSoak(cmd *cobra.Command, args []string, o soakFlags) error {
	if err := soundFits(o.keep); err != nil {
		return err
	}
	if len(o.benches) == 0 {
		o.benches = []string{""}
	}
	var jobs []soakJob
	for _, file := range o.benches {
		cfg, model, err := a.loadBench(file)
		if err != nil {
			return err
		}
		plan, err := planOf(cmd, args, o, cfg)
		if err != nil {
			return usage(err)
		}
		job, err := a.job(cfg, model, file, plan, o)
		if err != nil {
			return err
		}
		jobs = append(jobs, job)
	}
	if o.enqueue {
		return a.enqueue(cmd.Context(), jobs)
	}
	return a.runJobs(cmd.Context(), jobs, o)
}

// enqueue books soaks that nobody runs yet.
func (a *app) enqueue(ctx context.Context, jobs []soakJob) (err error) {
	db, err := store.Open(a.storePath())
	if err != nil {
		return rigError(err)
	}
	defer func() { err = errors.Join(err, rigError(db.Close())) }()
	for _, j := range jobs {
		run, err := a.beginRun(ctx, db, j.cfg, j.s)
		if err == nil {
			err = db.EndRun(ctx, run.ID, time.Now(), exitPass, "it waits to be begun")
		}
		if err != nil {
			return rigError(err)
		}
		fmt.Fprintln(a.out, run.ID)
	}
	return nil
}

// soakJob is a soak on one bench.
type soakJob struct {
	cfg   *config.Bench
	model *config.Model
	s     series
	// each and observe, if not nil, are told every record and every event.
	each    func(rig.Record)
	observe rig.Observer
	quiet   bool // prints no report
}

// job freezes what a soak runs on.
func (a *app) job(cfg *config.Bench, model *config.Model, file string, plan *config.Plan, o soakFlags) (soakJob, error) {
	sp, err := soakPlan(plan)
	if err != nil {
		return soakJob{}, err
	}
	frozen, err := freeze(cfg, model, file, plan, sp)
	if err != nil {
		return soakJob{}, err
	}
	return soakJob{cfg: cfg, model: model, s: series{kind: store.KindSoak, plan: sp, keep: o.keep, evidence: plan.Evidence, labels: plan.Labels, frozen: frozen, anyway: o.anyway}}, nil
}

// runJobs runs the soaks beside each other, one runner each, and ends with the
// worst of their codes.
func (a *app) runJobs(ctx context.Context, jobs []soakJob, o soakFlags) error {
	var cfgs []*config.Bench
	for _, j := range jobs {
		cfgs = append(cfgs, j.cfg)
	}
	if err := a.sideBySide(cfgs); err != nil {
		return usage(err)
	}
	defer a.logToFile()()
	run := a.runJob
	if w := o.serve; w.listen == "" && w != (webFlags{}) {
		return usage(errors.New("--tokens, --tls-cert and --tls-key are the dashboard's: --serve is missing"))
	}
	if o.serve.listen != "" {
		d, err := a.dashboardOf(ctx, o.serve, jobs)
		if err != nil {
			return err
		}
		stop := d.start(func(error) {})
		defer func() {
			stop()
			_ = d.close() // the soak's own books are closed already
		}()
		run = d.floor.runHere
	}
	super := a.newSupervisor()
	for i := range jobs {
		jobs[i].s.super = super
	}
	super.tell("READY=1\nSTATUS=a soak on " + strings.Join(benchNames(jobs), ", "))
	if len(jobs) == 1 {
		return run(ctx, jobs[0], a.newProgress(false), o.json)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(jobs))
	for i, j := range jobs {
		p := a.newProgress(false)
		p.live, p.name = false, j.cfg.Name+"  "
		wg.Go(func() {
			errs[i] = rig.Guarded(func() error { return run(ctx, j, p, o.json) })
		})
	}
	wg.Wait()
	return worst(jobs, errs)
}

func benchNames(jobs []soakJob) []string {
	var names []string
	for _, j := range jobs {
		names = append(names, j.cfg.Name)
	}
	return names
}

// worst is the error whose exit code comes first of 5, 4, 1, 2, 3, 0, with what
// every bench has to say.
func worst(jobs []soakJob, errs []error) error {
	code, says := exitPass, []string{}
	rank := func(c int) int { return strings.IndexByte("\x05\x04\x01\x02\x03\x00", byte(c)) }
	for i, err := range errs {
		if err == nil {
			continue
		}
		c, say := exitCode(err)
		if say != nil {
			says = append(says, fmt.Sprintf("%s: %v", jobs[i].cfg.Name, say))
		}
		if rank(c) < rank(code) {
			code = c
		}
	}
	if code == exitPass {
		return nil
	}
	if len(says) == 0 {
		return &exit{code, nil}
	}
	return &exit{code, errors.New(strings.Join(says, "\nresetrig: "))}
}

// runJob runs one soak to its end, and prints its report.
func (a *app) runJob(ctx context.Context, j soakJob, p *progress, asJSON bool) error {
	if c := j.s.plan.Claim; c != nil {
		p.say("resetrig: " + c.Explain())
	}
	p.plan(&j.s.plan, j.s.resume != "")
	log := a.log.With("bench", j.cfg.Name)
	log.Info("a soak begins", "plan", j.s.frozen["plan"], "version", version, "resume", j.s.resume)
	next := j.s.watch
	j.s.watch = func(st soak.Status) {
		if next != nil {
			next(st)
		}
		p.status(st)
		if st.Doing != "cycle" && st.Doing != "pause" {
			log.Info("the soak waits", "doing", st.Doing, "until", st.Until, "why", st.Why)
			j.s.super.tell("STATUS=" + st.Doing + " " + st.Why)
		}
	}
	res, err := a.performOn(ctx, j.cfg, j.model, j.s, func(r rig.Record) {
		p.done(r, j.s.plan.Cycles)
		if j.each != nil {
			j.each(r)
		}
		log.Info(oneLine(r, j.s.plan.Cycles), "id", r.ID)
		if asJSON {
			_ = json.NewEncoder(a.out).Encode(r)
		}
	}, observers{p, j.observe})
	p.clear()
	log.Info("the soak has ended", "run", res.run.ID, "exit", exitOf(res, err), "tally", fmt.Sprintf("%+v", res.tally), "err", err)
	if c := j.s.plan.Claim; c != nil && res.tally.Cycles > 0 {
		p.say(fmt.Sprintf("resetrig: %s: %s after %d cycles, %d of them failed or in doubt", c, c.Judge(res.tally.Judged(), res.tally.Doubted), res.tally.Judged(), res.tally.Doubted))
	}
	if res.tally.Cycles+res.tally.Controls > 0 && !asJSON && !j.quiet {
		if rerr := a.printReport(context.WithoutCancel(ctx), res.run.ID, a.out); rerr != nil && err == nil {
			err = rerr
		}
	}
	return finished(res, err)
}
