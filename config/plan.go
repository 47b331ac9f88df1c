package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Plan is a plan file: what a soak runs, how often, and what ends it.
type Plan struct {
	Name          string            `yaml:"plan" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$" jsonschema_description:"the plan's name: letters, digits, dots and dashes"`
	Labels        map[string]string `yaml:"labels,omitempty" jsonschema_description:"words that the results are found by, like firmware: 4.001, ticket: NVR-12, lab: left"`
	Scenarios     PlanEntries       `yaml:"scenarios" jsonschema:"required,minItems=1" jsonschema_description:"the scenarios, which run in turn, or as often as their weights say: names of shipped ones, or files, relative to the plan file"`
	Controls      PlanEntries       `yaml:"controls,omitempty" jsonschema_description:"the controls, which must not reset: each runs once at the start, and then one, in turn, after every controls-every cycles"`
	ControlsEvery int               `yaml:"controls-every,omitempty" jsonschema:"minimum=0" jsonschema_description:"after how many cycles a control is mixed in; 0 is at the start only"`

	Cycles     int           `yaml:"cycles,omitempty" jsonschema:"minimum=1" jsonschema_description:"how many cycles; those that were aborted do not count"`
	For        time.Duration `yaml:"for,omitempty" jsonschema_description:"how long, like 72h; the time in which the rig was off does not count"`
	Prove      string        `yaml:"prove,omitempty" jsonschema:"pattern=^[0-9]+(\\.[0-9]+)?%@[0-9]+(\\.[0-9]+)?%$" jsonschema_description:"a pass rate and a confidence, like 99%@95%: the soak goes on until that is shown, or cannot be"`
	Sequential bool          `yaml:"sequential,omitempty" jsonschema_description:"Wald's sequential test decides on prove, and lets failures happen; otherwise the fixed count of cycles without a failure"`

	Stop     PlanStop      `yaml:"stop,omitempty" jsonschema_description:"what ends the soak early; what is not said here is the bench's"`
	Hold     *PlanHold     `yaml:"hold,omitempty" jsonschema_description:"after a fail, the bench is kept as it is until a person says go on"`
	Retries  int           `yaml:"retries" jsonschema:"minimum=0,maximum=10" jsonschema_description:"how often a cycle that ended in an error is tried again; the bench's unless said otherwise"`
	Evidence *Evidence     `yaml:"evidence,omitempty" jsonschema_description:"which cycles leave their sound and transcript, and how much of the disk that may take; what is not said here is the bench's"`
	Pause    time.Duration `yaml:"pause,omitempty" jsonschema_description:"between two cycles, like 30s"`
	Window   *PlanWindow   `yaml:"window,omitempty" jsonschema_description:"the hours in which cycles may begin"`
	// File is the name that the plan was loaded from.
	File string `yaml:"-"`
}

// PlanStop are the stop rules; Unset is one that the plan does not mention.
type PlanStop struct {
	FailsInRow    int    `yaml:"fails-in-a-row" jsonschema:"minimum=0" jsonschema_description:"stop after so many fails in a row, 0 never"`
	ErrorsInRow   int    `yaml:"errors-in-a-row" jsonschema:"minimum=0" jsonschema_description:"stop after so many errors in a row, 0 never"`
	Fails         int    `yaml:"fails" jsonschema:"minimum=0" jsonschema_description:"stop after so many fails in all, 0 never"`
	Interruptions int    `yaml:"interruptions" jsonschema:"minimum=0" jsonschema_description:"do not go on after so many cycles in a row died with the program in the same phase, 0 always; 3 unless said otherwise"`
	LostControls  string `yaml:"lost-controls,omitempty" jsonschema:"enum=stop,enum=go-on" jsonschema_description:"what happens when a control does not hold: stop unless said otherwise"`
}

// Unset is a number that the plan leaves to the bench.
const Unset = -1

// PlanHold is what happens after a fail.
type PlanHold struct {
	For  time.Duration `yaml:"for" jsonschema:"required" jsonschema_description:"how long a person is waited for, like 8h"`
	Then string        `yaml:"then,omitempty" jsonschema:"enum=end,enum=go-on" jsonschema_description:"what happens when nobody came: end unless said otherwise"`
}

// PlanWindow is when cycles may begin.
type PlanWindow struct {
	Hours string   `yaml:"hours" jsonschema:"required,pattern=^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$" jsonschema_description:"from and to, on the local clock, like 22:00-06:00"`
	Days  []string `yaml:"days,omitempty" jsonschema_description:"the days on which it opens, like [mon, tue]; every day unless said otherwise"`
	Zone  string   `yaml:"zone,omitempty" jsonschema:"pattern=^[A-Za-z0-9_+/-]+$" jsonschema_description:"the time zone, like Europe/Berlin; the system's unless said otherwise"`
}

// PlanEntry is one scenario of a plan.
type PlanEntry struct {
	Scenario string            `yaml:"scenario" jsonschema:"required" jsonschema_description:"the name of a shipped scenario, or a file"`
	Weight   int               `yaml:"weight,omitempty" jsonschema:"minimum=1,maximum=1000" jsonschema_description:"how often it runs beside the others; 1 unless said otherwise"`
	Params   map[string]string `yaml:"params,omitempty" jsonschema_description:"values for its parameters, like hold: 25s"`
}

// PlanEntries are scenarios in the order of the file. A name alone is an entry.
type PlanEntries []PlanEntry

// UnmarshalYAML reads names and mappings.
func (e *PlanEntries) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return &valueError{kindOf(n) + " does not belong here", "write a list, like [imou-hard-reset]"}
	}
	var wrong []*yaml.LoadError
	*e = make(PlanEntries, len(n.Content))
	for i, c := range n.Content {
		if c.Kind == yaml.ScalarNode {
			(*e)[i] = PlanEntry{Scenario: c.Value}
		} else if err := c.Load(&(*e)[i], strict); err != nil {
			wrong = append(wrong, loadErrors(err)...)
		}
	}
	if len(wrong) > 0 {
		return &yaml.LoadErrors{Errors: wrong}
	}
	return nil
}

// UnmarshalYAML leaves what the file does not say to the bench.
func (s *PlanStop) UnmarshalYAML(n *yaml.Node) error {
	type plain PlanStop
	*s = NoPlanStop()
	return n.Load((*plain)(s), strict)
}

// NoPlanStop leaves every rule to the bench.
func NoPlanStop() PlanStop {
	return PlanStop{FailsInRow: Unset, ErrorsInRow: Unset, Fails: Unset, Interruptions: Unset}
}

// Weekdays are the days as a plan file names them, Sunday first.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Weekday is the day of that name.
func Weekday(name string) (time.Weekday, bool) {
	i := slices.Index(weekdays, name)
	return time.Weekday(max(i, 0)), i >= 0
}

// LoadPlan reads a plan file: data is its text, name what it is called in
// errors. Files that it names are joined with its folder. The error is Problems.
func LoadPlan(name string, data []byte) (*Plan, error) {
	d, usable := open(name, data)
	p := &Plan{File: name, Retries: Unset, Stop: NoPlanStop()}
	if usable {
		d.load(d.root, nil, p)
		d.rules(reflect.ValueOf(p), nil)
		d.plan(p)
		for _, list := range []PlanEntries{p.Scenarios, p.Controls} {
			for i := range list {
				if s := &list[i].Scenario; fileLike(*s) && !filepath.IsAbs(*s) {
					*s = filepath.Join(filepath.Dir(name), *s)
				}
			}
		}
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return p, nil
}

// fileLike reports whether a scenario's name is that of a file.
func fileLike(name string) bool {
	return strings.ContainsAny(name, "/\\") || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// plan checks what concerns several keys at once.
func (d *document) plan(p *Plan) {
	if found, _ := d.find(at("scenarios")); found != nil && found.Kind == yaml.SequenceNode && len(found.Content) == 0 {
		d.bad(at("scenarios"), "there is none", "name one, like [imou-hard-reset]; resetrig scenarios lists the shipped ones")
	}
	if p.ControlsEvery > 0 && len(p.Controls) == 0 {
		d.bad(at("controls-every"), "there are no controls", "name some, like controls: [control-no-press]")
	}
	if p.Sequential && p.Prove == "" {
		d.bad(at("sequential"), "there is nothing to prove", "write prove: 99%@95%")
	}
	for _, key := range []struct {
		text string
		at   path
	}{{p.Prove, at("prove")}} {
		for part := range strings.SplitSeq(key.text, "@") {
			share := strings.TrimSuffix(part, "%")
			if v, ok := bound(share); ok && (v <= 0 || v >= 100) {
				d.bad(key.at, part+" is no share between 0% and 100%", "write both between 0% and 100%, like 99%@95%")
			}
		}
	}
	if p.Hold != nil && p.Hold.For < 0 {
		d.bad(at("hold", "for"), "is negative", "write a duration like 8h")
	}
	if w := p.Window; w != nil {
		if from, to, ok := strings.Cut(w.Hours, "-"); ok && from == to {
			d.bad(at("window", "hours"), "the window is empty", "write two different times, like 22:00-06:00")
		}
		seen := map[string]bool{}
		for i, day := range w.Days {
			here := at("window", "days", fmt.Sprint(i))
			if _, ok := Weekday(day); !ok {
				d.word(day, weekdays, here)
			} else if seen[day] {
				d.bad(here, day+" stands here twice", "name each day once")
			}
			seen[day] = true
		}
		if w.Zone != "" {
			if _, err := time.LoadLocation(w.Zone); err != nil {
				d.bad(at("window", "zone"), fmt.Sprintf("%q is no time zone that this system knows", shorten(w.Zone)), "write one like Europe/Berlin, or leave it out")
			}
		}
	}
	for name, value := range p.Labels {
		if value == "" {
			d.bad(at("labels", name), "the label is empty", "write its value")
		}
	}
}

// PlanYAML is the plan as a file that LoadPlan reads as the same plan.
func PlanYAML(p *Plan) ([]byte, error) { return yaml.Dump(p) }
