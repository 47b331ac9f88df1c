package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/rig/rigtest"
)

// exerciseWish is what the command line says of an exercise.
type exerciseWish struct {
	said       string // the serial, where it was given instead of typed
	expendable bool
}

// exercise runs the suite that every bench must pass, and asks a person what no
// sense of the bench can see.
func (a *app) exercise(ctx context.Context, cfg *config.Bench, model *config.Model, wish exerciseWish, show func(finding)) (err error) {
	if cfg.DUT.Serial == "" {
		return usage(fmt.Errorf("%s: --exercise switches relays on the DUT that dut.serial names only, and the file names none", cfg.File))
	}
	said := wish.said
	if said == "" {
		fmt.Fprint(a.err, exerciseWarning(cfg, wish.expendable))
		if _, err := fmt.Fscanln(a.in, &said); err != nil {
			return usage(fmt.Errorf("nothing was switched: no answer; --yes-exercise %s answers for you", cfg.DUT.Serial))
		}
	}
	if said != cfg.DUT.Serial {
		return usage(fmt.Errorf("nothing was switched: the bench's DUT has serial %s, not %s", cfg.DUT.Serial, said))
	}
	w, err := a.wire(cfg, model, parts{relays: true, senses: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	count := newWear(w.bench)
	defer a.bookSwitchings(context.WithoutCancel(ctx), count, cfg.Name)
	w.before(1, 1)
	show(finding{"ok", "exercise", "begins: watch the relays' lamps", ""})
	var unsafe error
	results := rigtest.Run(ctx, rigtest.Subject{
		Bench: w.bench, Expendable: wish.expendable || cfg.Simulate != nil,
		Say: func(r rigtest.Result) {
			show(exerciseFinding(r))
			if r.Unsafe != nil {
				unsafe = r.Unsafe
			}
		},
	})
	for _, s := range w.bench.Specs {
		if s.Role == rig.RolePress && w.bench.Sense(s.Name) == nil && ctx.Err() == nil && wasPressed(results) {
			a.askLamp(s.Name, wish.said == "", show)
		}
	}
	return unsafe
}

// exerciseWarning says what will happen to the DUT, before it does.
func exerciseWarning(cfg *config.Bench, expendable bool) string {
	text := fmt.Sprintf("This powers the unit with serial %s, waits until it answers, cuts its power once,\n"+
		"shorts its reset pins some fifteen times for up to 1.5 s while it has none, and powers it again.\n", cfg.DUT.Serial)
	if expendable && cfg.Simulate == nil {
		text = fmt.Sprintf("This cuts the power of the unit with serial %s some fifteen times, also while it boots, and shorts its\n"+
			"reset pins some thirty times, also at power-on: it may be reset, and it may be harmed.\n", cfg.DUT.Serial)
	}
	return text + "Type its serial to go on: "
}

// exerciseFinding is a case as a finding of the check.
func exerciseFinding(r rigtest.Result) finding {
	f := finding{Level: "ok", What: "exercise " + r.Case, Text: fmt.Sprintf("wanted %s; saw %s", r.Wanted, r.Seen)}
	switch r.Outcome {
	case rigtest.Pass:
		if r.Seen == "" {
			f.Text = r.Wanted
		}
	case rigtest.Fail:
		f.Level = "bad"
		f.Remedy = "check active, contact, the wires and the relay itself; then exercise again, before any cycle"
	case rigtest.Skip:
		f.Level, f.Text = "skip", r.Seen
	}
	return f
}

// wasPressed reports whether a press was closed at all, long enough to be seen.
func wasPressed(results []rigtest.Result) bool {
	for _, r := range results {
		if r.Case == "press" {
			return r.Outcome == rigtest.Pass
		}
	}
	return false
}

// askLamp asks a person what no sense of the bench can see.
func (a *app) askLamp(relay string, ask bool, show func(finding)) {
	if !ask {
		show(finding{"warn", "exercise " + relay, "switched; no sense saw whether the contact followed", "fit a sense on the reset loop, or run it without --yes-exercise and watch the lamp"})
		return
	}
	fmt.Fprintf(a.err, "Did the lamp of relay %s light at each press, and is it dark now? [y/n] ", relay)
	var answer string
	if _, err := fmt.Fscanln(a.in, &answer); err != nil && !errors.Is(err, io.EOF) {
		answer = ""
	}
	if strings.HasPrefix(strings.ToLower(answer), "y") {
		show(finding{"ok", "exercise " + relay, "its lamp lit when pressed and is dark now, says who watched", ""})
		return
	}
	show(finding{"bad", "exercise " + relay, "its lamp did not do what a press does, says who watched", "check active: high or low in the bench file"})
}
