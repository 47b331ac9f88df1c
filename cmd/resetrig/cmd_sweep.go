package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/soak/stats"
	"resetrig/store"
)

const sweepConfidence = 0.95

// span is a parameter and the values that it takes.
type span struct {
	name           string
	from, to, step float64
	unit           string // "s": the values are durations
}

// parseSpan reads name=FROM..TO/STEP.
func parseSpan(text string) (span, error) {
	wrong := usage(fmt.Errorf("-p %q: want one parameter as name=FROM..TO/STEP, like hold=1s..20s/1s", text))
	name, rest, ok := strings.Cut(text, "=")
	ends, step, ok2 := strings.Cut(rest, "/")
	from, to, ok3 := strings.Cut(ends, "..")
	if !ok || !ok2 || !ok3 || name == "" {
		return span{}, wrong
	}
	s := span{name: name}
	for _, v := range []struct {
		text string
		to   *float64
	}{{from, &s.from}, {to, &s.to}, {step, &s.step}} {
		if d, err := time.ParseDuration(v.text); err == nil && v.text != "0" {
			*v.to, s.unit = d.Seconds(), "s"
		} else if f, err := strconv.ParseFloat(v.text, 64); err == nil {
			*v.to = f
		} else {
			return span{}, wrong
		}
	}
	if s.step <= 0 || s.to <= s.from || (s.to-s.from)/s.step > 1000 {
		return span{}, usage(fmt.Errorf("-p %q: want FROM below TO, and at most 1000 steps", text))
	}
	return s, nil
}

// value is one of its values as a scenario reads it.
func (s span) value(x float64) string {
	if s.unit == "s" {
		return time.Duration(x*float64(time.Second) + 0.5).Round(time.Millisecond).String()
	}
	return strconv.FormatFloat(x, 'g', 6, 64)
}

func (s span) values() []float64 {
	var all []float64
	for i := 0; ; i++ {
		x := s.from + float64(i)*s.step
		if x > s.to+s.step*1e-9 {
			return all
		}
		all = append(all, x)
	}
}

func (a *app) sweepCommand() *cobra.Command {
	var bench, plot, within string
	var params []string
	var repeat, most int
	var adaptive, falling, asJSON bool
	c := &cobra.Command{
		Use:   "sweep SCENARIO -p name=FROM..TO/STEP",
		Short: "Where is the threshold: the reset's probability against a parameter",
		Long: `Runs the scenario with one parameter at several values and tells where the reset
begins to be taken, like: resetrig sweep imou-hard-reset -p hold=1s..20s/1s --repeat 5

A cycle that passes took the reset, one whose fail is reset-ignored did not; all
others say nothing of it and are counted apart. The values come in turn, so that a
drift of the rig does not look like a threshold. With --adaptive the next value is
the one that is expected to tell most, and the sweep ends when the threshold is
known to --within. The beep is made "expected" where the scenario has it as a
parameter, unless -p says otherwise: below the threshold there is none.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sw, fixed, err := sweepParams(params)
			if err != nil {
				return err
			}
			probe, err := loadScenario(args[0], fixed)
			if err != nil {
				return err
			}
			if _, has := probe.Params[sw.name]; !has {
				return usage(fmt.Errorf("scenario %s has no parameter %q; it has %s", args[0], sw.name, strings.Join(slices.Sorted(maps.Keys(probe.Params)), ", ")))
			}
			if _, has := probe.Params["beep"]; has && fixed["beep"] == "" {
				fixed["beep"] = string(rig.BeepExpected)
			}
			w := &sweeper{app: a, scenario: args[0], bench: bench, span: sw, fixed: fixed}
			if adaptive {
				near := sw.step
				if within != "" {
					if near, err = w.width(within); err != nil {
						return err
					}
				}
				err = w.search(cmd.Context(), near, most, !falling)
			} else {
				err = w.grid(cmd.Context(), repeat)
			}
			if perr := w.print(asJSON, plot); perr != nil {
				err = errors.Join(err, perr)
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&bench, "bench", "", "bench file; without it, the simulated bench")
	f.StringArrayVarP(&params, "param", "p", nil, "the parameter that is swept, name=FROM..TO/STEP, and others, name=value")
	f.IntVar(&repeat, "repeat", 5, "cycles at each value")
	f.BoolVar(&adaptive, "adaptive", false, "choose each value by what the cycles before told, instead of trying all")
	f.StringVar(&within, "within", "", "with --adaptive: how well the threshold is to be known; one step unless said otherwise")
	f.IntVar(&most, "cycles", 100, "with --adaptive: at most so many cycles")
	f.BoolVar(&falling, "falling", false, "with --adaptive: more of the parameter makes the reset less probable")
	f.StringVar(&plot, "plot", "", "file for a plot, SVG")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// sweepParams tells the parameter that is swept from those that are fixed.
func sweepParams(params []string) (span, map[string]string, error) {
	fixed := map[string]string{}
	var sw *span
	for _, p := range params {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return span{}, nil, usage(fmt.Errorf("-p %q: want name=value", p))
		}
		if !strings.Contains(value, "..") {
			fixed[name] = value
			continue
		}
		s, err := parseSpan(p)
		if err != nil {
			return span{}, nil, err
		}
		if sw != nil {
			return span{}, nil, usage(fmt.Errorf("-p %q: one parameter can be swept, and %s is already", p, sw.name))
		}
		sw = &s
	}
	if sw == nil {
		return span{}, nil, usage(errors.New("no parameter is swept: want -p name=FROM..TO/STEP, like -p hold=1s..20s/1s"))
	}
	return *sw, fixed, nil
}

// sweeper runs a sweep and keeps what it saw.
type sweeper struct {
	app             *app
	scenario, bench string
	span            span
	fixed           map[string]string
	run             string
	points          map[string]*stats.Point // by the value's text
	other           map[string]int          // outcomes that say nothing
	done            int
}

// width reads how well the threshold is to be known.
func (w *sweeper) width(text string) (float64, error) {
	if d, err := time.ParseDuration(text); err == nil && w.span.unit == "s" {
		return d.Seconds(), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f <= 0 {
		return 0, usage(fmt.Errorf("--within %q: want a value like one step", text))
	}
	return f, nil
}

// at is the scenario at one value.
func (w *sweeper) at(x float64) (soak.Entry, error) {
	p := maps.Clone(w.fixed)
	p[w.span.name] = w.span.value(x)
	sc, err := loadScenario(w.scenario, p)
	return soak.Entry{Scenario: sc}, err
}

// took books a record, and tells whether it said anything.
func (w *sweeper) took(r rig.Record) (happened, tells bool) {
	switch {
	case r.Outcome == rig.Pass:
		happened, tells = true, true
	case r.Outcome == rig.Fail && r.Reason == rig.ReasonResetIgnored:
		tells = true
	default:
		if w.other == nil {
			w.other = map[string]int{}
		}
		w.other[strings.TrimSpace(string(r.Outcome)+" "+string(r.Reason))]++
		return false, false
	}
	text := r.Params[w.span.name]
	if w.points == nil {
		w.points = map[string]*stats.Point{}
	}
	p := w.points[text]
	if p == nil {
		x := 0.0
		if d, err := time.ParseDuration(text); err == nil {
			x = d.Seconds()
		} else if x, err = strconv.ParseFloat(text, 64); err != nil {
			return false, false
		}
		p = &stats.Point{X: x}
		w.points[text] = p
	}
	p.N++
	if happened {
		p.K++
	}
	return happened, true
}

// grid tries every value, in turn.
func (w *sweeper) grid(ctx context.Context, repeat int) error {
	if repeat < 1 {
		return usage(errors.New("--repeat: want 1 at least"))
	}
	var plan soak.Plan
	for _, x := range w.span.values() {
		e, err := w.at(x)
		if err != nil {
			return err
		}
		plan.Scenarios = append(plan.Scenarios, e)
	}
	plan.Cycles = repeat * len(plan.Scenarios)
	return w.perform(ctx, plan, func(r rig.Record) { w.took(r) })
}

// search tries one value after the other, each chosen by those before.
func (w *sweeper) search(ctx context.Context, within float64, most int, rising bool) error {
	b := stats.NewBisection(w.span.from, w.span.to, w.span.step, rising)
	silent := 0
	for n := 1; n <= most && !(n > 2 && b.Done(sweepConfidence, within)); n++ {
		x := b.Next()
		e, err := w.at(x)
		if err != nil {
			return err
		}
		told := false
		if err := w.perform(ctx, soak.Plan{Scenarios: []soak.Entry{e}, Cycles: n}, func(r rig.Record) {
			if happened, tells := w.took(r); tells {
				b.Add(x, happened)
				told = true
			}
		}); err != nil {
			return err
		}
		if silent++; told {
			silent = 0
		}
		if silent >= 3 {
			return rigError(errors.New("three cycles in a row told nothing of the reset: look at their records"))
		}
	}
	return nil
}

// perform runs cycles and books them as one run. That some did not take the
// reset is what a sweep is for, and no fail of it.
func (w *sweeper) perform(ctx context.Context, plan soak.Plan, each func(rig.Record)) error {
	p := w.app.newProgress(false)
	p.plan(&plan, w.run != "")
	res, err := w.app.perform(ctx, series{kind: store.KindSweep, bench: w.bench, plan: plan, resume: w.run}, func(r rig.Record) {
		w.done++
		p.done(r, plan.Cycles)
		each(r)
	}, p)
	p.clear()
	w.run = cmp.Or(w.run, res.run.ID)
	if errors.Is(err, soak.ErrStopRule) || err == nil {
		return err
	}
	return finished(res, err)
}

// print writes what was found.
func (w *sweeper) print(asJSON bool, plot string) error {
	var points []stats.Point
	for _, p := range w.points {
		points = append(points, *p)
	}
	s := report.Sweep{
		Scenario: w.scenario, Parameter: w.span.name, Unit: w.span.unit,
		Threshold: stats.FindThreshold(points, sweepConfidence), Confidence: sweepConfidence,
	}
	for _, what := range slices.Sorted(maps.Keys(w.other)) {
		s.LeftOut = append(s.LeftOut, fmt.Sprintf("%d × %s", w.other[what], what))
	}
	if plot != "" {
		f, err := os.Create(plot)
		if err != nil {
			return usage(err)
		}
		if err := errors.Join(report.SweepSVG(f, s), f.Close()); err != nil {
			return rigError(fmt.Errorf("write the plot: %w", err))
		}
	}
	if asJSON {
		return json.NewEncoder(w.app.out).Encode(sweepJSON(w.run, s))
	}
	return report.SweepText(w.app.out, s)
}

// sweepJSON is the sweep as one object; what is not known is left out.
func sweepJSON(run string, s report.Sweep) map[string]any {
	t := s.Threshold
	points := []map[string]any{}
	for _, p := range t.Points {
		low, high := stats.Interval(p.K, p.N, s.Confidence)
		points = append(points, map[string]any{"value": p.X, "took": p.K, "of": p.N, "low": low, "high": high})
	}
	out := map[string]any{
		"run": run, "scenario": s.Scenario, "parameter": s.Parameter, "unit": s.Unit, "confidence": s.Confidence,
		"points": points, "left_out": s.LeftOut, "separated": t.Separated,
	}
	for name, v := range map[string]float64{"below": t.Below, "above": t.Above, "threshold": t.Value, "low": t.Low, "high": t.High} {
		if v-v == 0 { // a number, and finite
			out[name] = v
		}
	}
	return out
}
