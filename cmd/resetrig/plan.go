package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"resetrig/config"
	"resetrig/soak"
)

// planOf is the plan of a soak: the file's, what flags say over it, and what
// neither says from the bench.
func planOf(cmd *cobra.Command, args []string, o soakFlags, cfg *config.Bench) (*config.Plan, error) {
	p := &config.Plan{Name: "flags", Retries: config.Unset, Stop: config.NoPlanStop()}
	if o.plan != "" {
		data, err := config.ReadFile(o.plan)
		if err == nil {
			p, err = config.LoadPlan(o.plan, data)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(args) == 0 && len(p.Scenarios) == 0 {
		return nil, fmt.Errorf("a soak needs a scenario, or a plan that names some; see `%s --help`", cmd.CommandPath())
	}
	if err := flagsOver(cmd, args, o, p); err != nil {
		return nil, err
	}
	benchUnder(p, cfg.Soak)
	if p.Evidence != nil || cfg.Evidence != nil || o.keep != "" {
		e := evidenceRule(series{keep: o.keep, evidence: p.Evidence}, cfg)
		p.Evidence = &e
	}
	if p.Cycles == 0 && p.For == 0 && p.Prove == "" {
		return nil, fmt.Errorf("the soak has no end: give --cycles N (want at least 1), --for 72h or --prove 99%%@95%%")
	}
	return p, nil
}

// flagsOver puts what was given on the command line over the plan.
func flagsOver(cmd *cobra.Command, args []string, o soakFlags, p *config.Plan) error {
	params, err := parseParams(o.params)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		p.Scenarios = nil
		for _, name := range args {
			e := config.PlanEntry{Scenario: settled(name)}
			if len(params) > 0 {
				e.Params = params
			}
			p.Scenarios = append(p.Scenarios, e)
		}
	} else if len(params) > 0 {
		return fmt.Errorf("-p belongs to a scenario of the command line; those of a plan have their params there")
	}
	labels, err := parseParams(o.labels)
	if err != nil {
		return fmt.Errorf("--label: %s", strings.Replace(err.Error(), "-p ", "", 1))
	}
	for k, v := range labels {
		if p.Labels == nil {
			p.Labels = map[string]string{}
		}
		p.Labels[k] = v
	}
	given := cmd.Flags().Changed
	if given("cycles") {
		if o.cycles < 1 {
			return fmt.Errorf("--cycles %d: want at least 1", o.cycles)
		}
		p.Cycles = o.cycles
	}
	for _, f := range []struct {
		name string
		from time.Duration
		to   *time.Duration
	}{{"for", o.forTime, &p.For}, {"pause", o.pause, &p.Pause}} {
		if given(f.name) {
			if f.from <= 0 {
				return fmt.Errorf("--%s %v: want a time above zero", f.name, f.from)
			}
			*f.to = f.from
		}
	}
	if given("prove") {
		p.Prove = o.prove
	}
	if given("sequential") {
		p.Sequential = o.sequential
	}
	if given("control") {
		p.Controls = nil
		for _, name := range o.controls {
			p.Controls = append(p.Controls, config.PlanEntry{Scenario: settled(name)})
		}
	}
	for _, f := range []struct {
		name string
		from int
		to   *int
	}{
		{"controls-every", o.controlsEvery, &p.ControlsEvery}, {"stop-after-fails", o.stopFails, &p.Stop.FailsInRow},
		{"stop-after-errors", o.stopErrors, &p.Stop.ErrorsInRow}, {"stop-at-fails", o.stopAtFails, &p.Stop.Fails},
		{"stop-after-interruptions", o.stopInterruptions, &p.Stop.Interruptions}, {"retries", o.retries, &p.Retries},
	} {
		if given(f.name) {
			if f.from < 0 {
				return fmt.Errorf("--%s %d: want 0 or more", f.name, f.from)
			}
			*f.to = f.from
		}
	}
	if o.evidence != "" {
		e, err := config.ParseEvidence(o.evidence)
		if err != nil {
			return err
		}
		if p.Evidence != nil {
			e = e.Or(*p.Evidence)
		}
		p.Evidence = &e
	}
	if given("window") {
		p.Window = &config.PlanWindow{Hours: o.window}
	}
	if given("hold") {
		if o.hold <= 0 || o.holdThen != "end" && o.holdThen != "go-on" {
			return fmt.Errorf("--hold %v --hold-then %s: want a time above zero, and end or go-on", o.hold, o.holdThen)
		}
		p.Hold = &config.PlanHold{For: o.hold, Then: o.holdThen}
	}
	return nil
}

// settled is a scenario's name, or its file such that it is found from anywhere.
func settled(name string) string {
	if _, _, shipped := shippedScenario(name); shipped {
		return name
	}
	if abs, err := filepath.Abs(name); err == nil {
		if _, err := os.Stat(abs); err == nil {
			return abs
		}
	}
	return name
}

// benchUnder fills in what neither flags nor file say.
func benchUnder(p *config.Plan, b config.Soak) {
	for _, f := range []struct {
		to    *int
		usual int
	}{
		{&p.Stop.FailsInRow, b.StopAfterFails}, {&p.Stop.ErrorsInRow, b.StopAfterErrors}, {&p.Stop.Fails, 0},
		{&p.Stop.Interruptions, b.StopAfterInterruptions}, {&p.Retries, b.Retries},
	} {
		if *f.to == config.Unset {
			*f.to = f.usual
		}
	}
	if p.Controls == nil {
		for _, name := range b.Controls {
			p.Controls = append(p.Controls, config.PlanEntry{Scenario: settled(name)})
		}
		if p.ControlsEvery == 0 && len(p.Controls) > 0 {
			p.ControlsEvery = b.ControlsEvery
		}
	}
	for _, list := range []config.PlanEntries{p.Scenarios, p.Controls} {
		for i := range list {
			list[i].Scenario = settled(list[i].Scenario)
		}
	}
}

// soakPlan is a plan with its scenarios loaded.
func soakPlan(p *config.Plan) (soak.Plan, error) {
	sp := soak.Plan{
		Cycles: p.Cycles, For: p.For, ControlsEvery: p.ControlsEvery, Retries: p.Retries, Pause: p.Pause,
		StopAfterFails: p.Stop.FailsInRow, StopAfterErrors: p.Stop.ErrorsInRow, StopAtFails: p.Stop.Fails,
		StopAfterInterruptions: p.Stop.Interruptions, LostControlsGoOn: p.Stop.LostControls == "go-on",
	}
	if p.ControlsEvery > 0 && len(p.Controls) == 0 {
		return sp, usage(fmt.Errorf("a control every %d cycles, and no control is named: --control control-no-press", p.ControlsEvery))
	}
	for _, list := range []struct {
		from config.PlanEntries
		to   *[]soak.Entry
	}{{p.Scenarios, &sp.Scenarios}, {p.Controls, &sp.Controls}} {
		for _, e := range list.from {
			sc, err := loadScenario(e.Scenario, e.Params)
			if err != nil {
				return sp, err
			}
			*list.to = append(*list.to, soak.Entry{Scenario: sc, Weight: e.Weight})
		}
	}
	if p.Prove != "" {
		c, err := soak.ParseClaim(p.Prove)
		if err != nil {
			return sp, usage(err)
		}
		c.Sequential, c.Most = p.Sequential, p.Cycles
		sp.Claim = &c
	} else if p.Sequential {
		return sp, usage(fmt.Errorf("--sequential: there is nothing to prove; give --prove 99%%@95%%"))
	}
	if p.Hold != nil {
		sp.Hold = &soak.Hold{For: p.Hold.For, GoOn: p.Hold.Then == "go-on"}
	}
	if p.Window != nil {
		w, err := soakWindow(p.Window)
		if err != nil {
			return sp, usage(err)
		}
		sp.Window = &w
	}
	return sp, nil
}

func soakWindow(p *config.PlanWindow) (soak.Window, error) {
	w, err := soak.ParseWindow(p.Hours)
	if err != nil {
		return w, err
	}
	for _, name := range p.Days {
		day, ok := config.Weekday(name)
		if ok && !slices.Contains(w.Days, day) {
			w.Days = append(w.Days, day)
		}
	}
	if p.Zone != "" {
		w.Zone, err = time.LoadLocation(p.Zone)
	}
	return w, err
}
