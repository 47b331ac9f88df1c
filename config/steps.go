package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

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
	moments  = []string{"power-on", "power-off", "press", "release", "reset", "latest", "now"}
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
			short: func(string) rig.Step { return rig.FactoryReset{} }, words: []string{"all"}, args: func() args { return &resetArgs{} }},
		{word: "hear", phases: []string{"act", "assert"}, about: "judges the beeps of a window of the timeline; it never waits", args: func() args { return &hearArgs{} }},
		{word: "exec", phases: anywhere, about: "runs a program of the lab", args: func() args { return &execArgs{} }},
		{word: "restarted", phases: []string{"assert"}, about: "the recorder restarted, answers, and goes on answering", args: func() args { return &restartedArgs{Since: "latest"} }},
		{word: "default-state", phases: []string{"assert"}, about: "every check of the default state holds", bare: rig.DefaultState{}, args: func() args { return &functionsArgs{} }},
		{word: "persists", phases: []string{"assert"}, about: "the default state survives a further power cycle", args: func() args { return &persistsArgs{} }},
		{word: "still-marked", phases: []string{"assert"}, about: "everything marked is positively still there", bare: rig.StillMarked{}},
	}
}

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
