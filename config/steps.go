package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"resetrig/rig"
)

// stepKind is one word that can stand as a step.
type stepKind struct {
	word   string
	phases []string // where it may stand
	about  string
	bare   rig.Step // as the word alone; nil: it must say more
	// short is the step as `word: text`; nil: it has no such form. The text is
	// one of words, or if there are none a relay's name.
	short func(text string) rig.Step
	words []string
	// args is what stands behind the word as a mapping; nil: it has no such form.
	args func() args
}

// args are the keys of a step.
type args interface{ step() rig.Step }

var (
	anywhere = []string{"arrange", "act", "assert"}
	before   = []string{"arrange", "act"}
	moments  = []string{"power-on", "power-off", "press", "release", "reset", "latest"}
)

// stepKinds are all steps, in the order in which a cycle tends to have them.
func stepKinds() []stepKind {
	return []stepKind{
		{word: "power", phases: before, about: "turns the supply on or off; off is proven",
			short: func(t string) rig.Step { return rig.SwitchPower{Relay: "power", On: t == "on"} }, words: []string{"on", "off"},
			args: func() args { return &powerArgs{Relay: "power"} }},
		{word: "reachable", phases: anywhere, about: "the right unit answers before the time is over", args: func() args { return &reachableArgs{} }},
		{word: "provision", phases: []string{"arrange"}, about: "gives an uninitialised unit a password, and proves a login on any other", bare: rig.Provision{}},
		{word: "mark", phases: []string{"arrange"}, about: "changes things on the recorder so that its default state is provably gone", args: func() args { return &markArgs{} }},
		{word: "wait", phases: anywhere, about: "lets time pass, listening", args: func() args { return &waitArgs{} }},
		{word: "press", phases: []string{"act"}, about: "shorts the reset pins",
			short: func(t string) rig.Step { return rig.PressRelay{Relay: t} }, args: func() args { return &pressArgs{} }},
		{word: "hold", phases: []string{"act"}, about: "waits, listening, until so long after a moment, and if it says so until a long beep has ended", args: func() args { return &holdArgs{} }},
		{word: "release", phases: []string{"act"}, about: "opens the reset pins",
			short: func(t string) rig.Step { return rig.ReleaseRelay{Relay: t} }},
		{word: "factory-reset", phases: []string{"act"}, about: "resets over the network: all, or the functions named",
			short: func(string) rig.Step { return rig.FactoryReset{} }, words: []string{"all"}, args: func() args { return &functionsArgs{reset: true} }},
		{word: "hear", phases: []string{"act", "assert"}, about: "judges the beeps of a window of the timeline; it never waits", args: func() args { return &hearArgs{} }},
		{word: "exec", phases: anywhere, about: "runs a program of the lab", args: func() args { return &execArgs{} }},
		{word: "restarted", phases: []string{"assert"}, about: "the recorder restarted, answers, and goes on answering", args: func() args { return &restartedArgs{Since: "latest"} }},
		{word: "default-state", phases: []string{"assert"}, about: "every check of the default state holds", bare: rig.DefaultState{}, args: func() args { return &functionsArgs{} }},
		{word: "persists", phases: []string{"assert"}, about: "the default state survives a further power cycle", args: func() args { return &persistsArgs{} }},
		{word: "still-marked", phases: []string{"assert"}, about: "everything marked is positively still there", bare: rig.StillMarked{}},
	}
}

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
	Since         string        `yaml:"since" jsonschema:"required,enum=power-on,enum=power-off,enum=press,enum=release,enum=reset,enum=latest" jsonschema_description:"the moment that it counts from, like power-on"`
	UntilBeepEnds time.Duration `yaml:"until-beep-ends" jsonschema_description:"and, if a long beep sounds, so long after its end, like 1s"`
	Cap           time.Duration `yaml:"cap" jsonschema_description:"but never longer than this; a second before the dead man unless said otherwise"`
}

type hearArgs struct {
	Beep    string        `yaml:"beep" jsonschema:"required,enum=long" jsonschema_description:"long"`
	From    string        `yaml:"from" jsonschema:"required,enum=power-on,enum=power-off,enum=press,enum=release,enum=reset,enum=latest" jsonschema_description:"the moment at which the window begins, like power-on"`
	To      string        `yaml:"to" jsonschema:"required,enum=power-on,enum=power-off,enum=press,enum=release,enum=reset,enum=latest" jsonschema_description:"the moment at which it ends, like release"`
	Verdict string        `yaml:"verdict" jsonschema:"required,enum=required,enum=expected,enum=forbidden" jsonschema_description:"required, expected (its absence is only noted) or forbidden"`
	Least   time.Duration `yaml:"least" jsonschema_description:"the shortest that the beep may be"`
	Most    time.Duration `yaml:"most" jsonschema_description:"the longest that the beep may be"`
}

type restartedArgs struct {
	Within time.Duration `yaml:"within" jsonschema:"required" jsonschema_description:"how long it may take, like 5m"`
	Stable time.Duration `yaml:"stable" jsonschema:"required" jsonschema_description:"how long it must go on answering, like 20s"`
	Since  string        `yaml:"since" jsonschema:"enum=power-on,enum=power-off,enum=press,enum=release,enum=reset,enum=latest" jsonschema_description:"the moment that it counts from; latest unless said otherwise: the latest of power-on, release and reset"`
}

type persistsArgs struct {
	Off    time.Duration `yaml:"off" jsonschema:"required" jsonschema_description:"how long the power is off, like 5s"`
	Within time.Duration `yaml:"within" jsonschema:"required" jsonschema_description:"how long the start may take, like 5m"`
	Stable time.Duration `yaml:"stable" jsonschema:"required" jsonschema_description:"how long it must go on answering, like 20s"`
}

type functionsArgs struct {
	Functions []string `yaml:"functions" jsonschema:"required,minItems=1" jsonschema_description:"the configuration tables, like [General]"`
	reset     bool
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
	return rig.SetMark{Spec: rig.MarkSpec{Password: a.Password != "", Name: a.Name != "", Config: a.Config}}
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
func (a *functionsArgs) step() rig.Step {
	if a.reset {
		return rig.FactoryReset{Functions: a.Functions}
	}
	return rig.DefaultState{Functions: a.Functions}
}
func (a *execArgs) step() rig.Step { return rig.Exec{Argv: a.Run, Within: a.Within} }

// steps reads the steps of a phase. A step that is wrong in itself is left out,
// after it was reported.
func (d *document) steps(list *yaml.Node, phase string) []rig.Step {
	var read []rig.Step
	for i, n := range list.Content {
		p := path{phase, strconv.Itoa(i)}
		if s := d.step(n, p, phase); s != nil {
			read = append(read, s)
		}
	}
	return read
}

func (d *document) step(n *yaml.Node, p path, phase string) rig.Step {
	kinds := stepKinds()
	var words []string
	for _, k := range kinds {
		if slices.Contains(k.phases, phase) {
			words = append(words, k.word)
		}
	}
	word := n.Value
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		word = n.Content[0].Value
	} else if n.Kind != yaml.ScalarNode {
		d.bad(p, "a step has exactly one word", "write it like - wait: {for: 10s}, each step with its own dash")
		return nil
	}
	for _, k := range kinds {
		if k.word != word {
			continue
		}
		if !slices.Contains(k.phases, phase) {
			d.bad(p, fmt.Sprintf("%q cannot stand in %s", word, phase), "it belongs in "+oneOf(k.phases))
			return nil
		}
		return d.kind(k, n, p)
	}
	d.bad(p, fmt.Sprintf("there is no step %q", shorten(word)), suggest(word, words))
	return nil
}

// kind reads one step of a known kind in whichever of its forms it stands.
func (d *document) kind(k stepKind, n *yaml.Node, p path) rig.Step {
	if n.Kind == yaml.ScalarNode {
		if k.bare == nil {
			d.bad(p, fmt.Sprintf("%q says too little", k.word), "write it like - "+k.example())
		}
		return k.bare
	}
	v, p := n.Content[1], p.to(k.word)
	switch {
	case v.Kind == yaml.MappingNode && k.args != nil:
		a := k.args()
		was := len(d.problems)
		d.load(v, p, a)
		d.rules(reflect.ValueOf(a), p)
		d.listed(a, p)
		if len(d.problems) > was {
			return nil
		}
		return a.step()
	case v.Kind == yaml.ScalarNode && k.short != nil:
		was := len(d.problems)
		if k.words != nil {
			d.word(v.Value, k.words, p)
		} else if !relayName.MatchString(v.Value) {
			d.bad(p, fmt.Sprintf("%q is no relay's name", shorten(v.Value)), "write one of the bench's relays, like reset")
		}
		if len(d.problems) > was {
			return nil
		}
		return k.short(v.Value)
	}
	if !d.reported(p) {
		d.bad(p, kindOf(v)+" does not belong here", "write it like - "+k.example())
	}
	return nil
}

// example is the step as it may stand in a file, with every key that it must have.
func (k stepKind) example() string {
	switch {
	case k.short != nil && k.words != nil:
		return k.word + ": " + k.words[0]
	case k.short != nil:
		return k.word + ": reset"
	case k.bare != nil:
		return k.word
	}
	t := reflect.TypeOf(k.args()).Elem()
	var parts []string
	for i := range t.NumField() {
		f := t.Field(i)
		rules := tagRules(f)
		if _, must := rules["required"]; !must && k.word != "mark" {
			continue
		}
		value := "10s"
		if words, ok := rules["enum"]; ok {
			value, _, _ = strings.Cut(words, "|")
		} else if f.Type.Kind() == reflect.Slice {
			value = "[General]"
			if k.word == "exec" {
				value = "[program, argument]"
			}
		} else if f.Type.Kind() == reflect.Map {
			continue
		}
		parts = append(parts, fieldKey(f)+": "+value)
	}
	return k.word + ": {" + strings.Join(parts, ", ") + "}"
}

var (
	tableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	configKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\[[0-9]+\])?(\.[A-Za-z0-9_-]+(\[[0-9]+\])?)+$`)
)

// listed checks the lists and maps of a step, which have no rules in tags.
func (d *document) listed(a args, p path) {
	switch a := a.(type) {
	case *functionsArgs:
		if found, _ := d.find(p.to("functions")); found != nil && len(found.Content) == 0 && !d.reported(p.to("functions")) {
			d.bad(p.to("functions"), "the list is empty", "name a table, like [General]; leave the step's keys out to mean everything")
		}
		for i, f := range a.Functions {
			if !tableName.MatchString(f) || slices.Index(a.Functions, f) < i {
				d.bad(p.to("functions", strconv.Itoa(i)), fmt.Sprintf("%q is no table's name, or is named twice", f), "write each table once, like General")
			}
		}
	case *execArgs:
		if found, _ := d.find(p.to("run")); found != nil && (len(found.Content) == 0 || a.Run != nil && strings.TrimSpace(a.Run[0]) == "") && !d.reported(p.to("run")) {
			d.bad(p.to("run"), "no program is named", "write it first, like [flash-firmware, v2.bin]")
		}
	case *markArgs:
		if a.Password == "" && a.Name == "" && len(a.Config) == 0 {
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
