package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

type powerArgs struct {
	Relay string `yaml:"relay" jsonschema_description:"which power relay; power unless said otherwise"`
	State string `yaml:"state" jsonschema:"required,enum=on,enum=off" jsonschema_description:"on or off"`
}

type reachableArgs struct {
	Within time.Duration `yaml:"within" jsonschema:"required" jsonschema_description:"how long it may take, like 5m"`
}

type markArgs struct {
	Password string            `yaml:"password" jsonschema:"enum=unique" jsonschema_description:"unique: a new password is made up for each cycle"`
	Name     string            `yaml:"name" jsonschema:"enum=unique" jsonschema_description:"unique: a new name is made up for each cycle"`
	User     string            `yaml:"user" jsonschema:"enum=unique" jsonschema_description:"unique: a further account is made for each cycle"`
	Config   map[string]string `yaml:"config" jsonschema_description:"configuration keys and their values, like {NTP.Address: unique}; unique makes one up"`
}

type waitArgs struct {
	For time.Duration `yaml:"for" jsonschema:"required" jsonschema_description:"how long, like 10s"`
}

type pressArgs struct {
	Relay   string `yaml:"relay" jsonschema:"required" jsonschema_description:"which press relay, like reset"`
	Powered string `yaml:"powered" jsonschema:"enum=allow,enum=refuse" jsonschema_description:"allow: also while the recorder has power; refuse unless said otherwise"`
}

type holdArgs struct {
	For           time.Duration `yaml:"for" jsonschema:"required" jsonschema_description:"how long at least, like 15s"`
	Since         string        `yaml:"since" jsonschema:"required,enum=power-on,enum=power-off,enum=press,enum=release,enum=reset,enum=latest,enum=now" jsonschema_description:"the moment that it counts from, like power-on"`
	UntilBeepEnds time.Duration `yaml:"until-beep-ends" jsonschema_description:"and, if a long beep sounds, so long after its end, like 1s"`
	Cap           time.Duration `yaml:"cap" jsonschema_description:"but never longer than this; a second before the dead man unless said otherwise"`
}

type hearArgs struct {
	Beep    string        `yaml:"beep" jsonschema:"required,enum=long" jsonschema_description:"long"`
	From    string        `yaml:"from" jsonschema:"required,enum=power-on,enum=power-off,enum=press,enum=release,enum=reset,enum=latest,enum=now" jsonschema_description:"the moment at which the window begins, like power-on"`
	To      string        `yaml:"to" jsonschema:"required,enum=power-on,enum=power-off,enum=press,enum=release,enum=reset,enum=latest,enum=now" jsonschema_description:"the moment at which it ends, like release"`
	Verdict string        `yaml:"verdict" jsonschema:"required,enum=required,enum=expected,enum=forbidden" jsonschema_description:"required, expected (its absence is only noted) or forbidden"`
	Least   time.Duration `yaml:"least" jsonschema_description:"the shortest that the beep may be"`
	Most    time.Duration `yaml:"most" jsonschema_description:"the longest that the beep may be"`
}

type restartedArgs struct {
	Within time.Duration `yaml:"within" jsonschema:"required" jsonschema_description:"how long it may take, like 5m"`
	Stable time.Duration `yaml:"stable" jsonschema:"required" jsonschema_description:"how long it must go on answering, like 20s"`
	Since  string        `yaml:"since" jsonschema:"enum=power-on,enum=power-off,enum=press,enum=release,enum=reset,enum=latest,enum=now" jsonschema_description:"the moment that it counts from; latest unless said otherwise: the latest of power-on, release and reset"`
}

type persistsArgs struct {
	Off    time.Duration `yaml:"off" jsonschema:"required" jsonschema_description:"how long the power is off, like 5s"`
	Within time.Duration `yaml:"within" jsonschema:"required" jsonschema_description:"how long the start may take, like 5m"`
	Stable time.Duration `yaml:"stable" jsonschema:"required" jsonschema_description:"how long it must go on answering, like 20s"`
}

type functionsArgs struct {
	Functions []string `yaml:"functions" jsonschema:"required,minItems=1" jsonschema_description:"the configuration tables, like [General]"`
}

type resetArgs struct {
	Functions []string `yaml:"functions" jsonschema:"minItems=1" jsonschema_description:"the configuration tables, like [General]; everything otherwise"`
	With      string   `yaml:"with" jsonschema:"enum=wrong-password" jsonschema_description:"wrong-password: a reset of everything, sent with a password that is not the recorder's, which must refuse it; for a control"`
}

type execArgs struct {
	Run    []string      `yaml:"run" jsonschema:"required,minItems=1" jsonschema_description:"the program and its arguments, like [flash-firmware, v2.bin]"`
	Within time.Duration `yaml:"within" jsonschema:"required" jsonschema_description:"how long it may take, like 1m"`
}

func (a *powerArgs) step() rig.Step { return rig.SwitchPower{Relay: a.Relay, On: a.State == "on"} }
func (a *reachableArgs) step() rig.Step {
	return rig.Reachable{Within: a.Within}
}
func (a *markArgs) step() rig.Step {
	return rig.SetMark{Spec: rig.MarkSpec{Password: a.Password != "", Name: a.Name != "", User: a.User != "", Config: a.Config}}
}
func (a *waitArgs) step() rig.Step { return rig.Wait{For: a.For} }
func (a *pressArgs) step() rig.Step {
	return rig.PressRelay{Relay: a.Relay, Powered: a.Powered == "allow"}
}
func (a *holdArgs) step() rig.Step {
	return rig.Hold{For: a.For, Since: rig.Moment(a.Since), UntilBeepEnds: a.UntilBeepEnds, Cap: a.Cap}
}
func (a *hearArgs) step() rig.Step {
	return rig.Hear{Beep: a.Beep, From: rig.Moment(a.From), To: rig.Moment(a.To),
		Verdict: rig.BeepVerdict(a.Verdict), Least: a.Least, Most: a.Most}
}
func (a *restartedArgs) step() rig.Step {
	return rig.Restarted{Within: a.Within, Stable: a.Stable, Since: rig.Moment(a.Since)}
}
func (a *persistsArgs) step() rig.Step {
	return rig.Persists{Off: a.Off, Within: a.Within, Stable: a.Stable}
}
func (a *functionsArgs) step() rig.Step { return rig.DefaultState{Functions: a.Functions} }
func (a *resetArgs) step() rig.Step {
	return rig.FactoryReset{Functions: a.Functions, WrongPassword: a.With != ""}
}
func (a *execArgs) step() rig.Step { return rig.Exec{Argv: a.Run, Within: a.Within} }

var (
	tableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	configKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\[[0-9]+\])?(\.[A-Za-z0-9_-]+(\[[0-9]+\])?)+$`)
)

// listed checks the lists and maps of a step, which have no rules in tags.
func (d *document) listed(a args, p path) {
	switch a := a.(type) {
	case *functionsArgs:
		d.tables(a.Functions, p)
	case *resetArgs:
		d.tables(a.Functions, p)
		found, _ := d.find(p.to("functions"))
		switch {
		case a.With != "" && found != nil:
			d.bad(p.to("functions"), "a wrong password is tried with a reset of everything", "remove functions, or with")
		case a.With == "" && found == nil && !d.reported(p.to("with")):
			d.bad(p, "it says neither what nor with what", "write factory-reset: all, or {functions: [General]}")
		}
	case *execArgs:
		if found, _ := d.find(p.to("run")); found != nil && (len(found.Content) == 0 || a.Run != nil && strings.TrimSpace(a.Run[0]) == "") && !d.reported(p.to("run")) {
			d.bad(p.to("run"), "no program is named", "write it first, like [flash-firmware, v2.bin]")
		}
	case *markArgs:
		if a.Password == "" && a.Name == "" && a.User == "" && len(a.Config) == 0 {
			d.bad(p, "nothing is marked", "write it like {password: unique, name: unique}")
		}
		for key, v := range a.Config {
			if !configKey.MatchString(key) && !strings.HasPrefix(key, "$") {
				d.bad(p.to("config", key), fmt.Sprintf("%q is no configuration key", key), "write table and key, like NTP.Address")
			}
			if v == "" {
				d.bad(p.to("config", key), "there is no value", "write unique, or the value to set")
			}
		}
	case *hearArgs:
		if a.Most > 0 && a.Least > a.Most {
			d.bad(p.to("least"), fmt.Sprintf("%v at least and %v at most", a.Least, a.Most), "no beep can be both; make least shorter than most")
		}
	case *holdArgs:
		if a.Cap > 0 && a.Cap < a.For {
			d.bad(p.to("cap"), fmt.Sprintf("%v is shorter than the hold of %v", a.Cap, a.For), "write a cap longer than for")
		}
	case *restartedArgs:
		if a.Within > 0 && a.Stable >= a.Within {
			d.bad(p.to("stable"), fmt.Sprintf("%v does not fit into within, %v", a.Stable, a.Within), "the time to be stable is part of within: make that longer")
		}
	case *persistsArgs:
		if a.Within > 0 && a.Stable >= a.Within {
			d.bad(p.to("stable"), fmt.Sprintf("%v does not fit into within, %v", a.Stable, a.Within), "the time to be stable is part of within: make that longer")
		}
	}
}

// tables checks the names of configuration tables.
func (d *document) tables(names []string, p path) {
	if found, _ := d.find(p.to("functions")); found != nil && len(found.Content) == 0 && !d.reported(p.to("functions")) {
		d.bad(p.to("functions"), "the list is empty", "name a table, like [General]; leave the step's keys out to mean everything")
	}
	for i, f := range names {
		if !tableName.MatchString(f) || slices.Index(names, f) < i {
			d.bad(p.to("functions", strconv.Itoa(i)), fmt.Sprintf("%q is no table's name, or is named twice", f), "write each table once, like General")
		}
	}
}
