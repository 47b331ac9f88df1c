package config

import (
	"reflect"

	"go.yaml.in/yaml/v4"

	"resetrig/rig"
)

// scenarioFile is a scenario file as it is written.
type scenarioFile struct {
	Scenario string            `yaml:"scenario" jsonschema:"required,pattern=^[a-z0-9][a-z0-9-]*$" jsonschema_description:"the scenario's name: small letters, digits and dashes"`
	About    string            `yaml:"about" jsonschema_description:"what it does, in a sentence"`
	Control  bool              `yaml:"control" jsonschema_description:"true for a cycle that must not reset the recorder: proof that the test can fail"`
	Params   map[string]string `yaml:"params" jsonschema_description:"parameters with their defaults, which give them their type; $name stands for the value, -p name=value overrides it"`
	Arrange  steps             `yaml:"arrange" jsonschema_description:"brings the recorder into a known state that is provably not its default"`
	Act      steps             `yaml:"act" jsonschema:"required,minItems=1" jsonschema_description:"the reset procedure"`
	Assert   steps             `yaml:"assert" jsonschema:"required,minItems=1" jsonschema_description:"what must hold afterwards"`
}

// steps are the steps of one phase, not yet read.
type steps []yaml.Node

// LoadScenario reads a scenario file: data is its text, name what it is called
// in errors, overrides the values that flags -p gave for its parameters. The
// error is Problems.
func LoadScenario(name string, data []byte, overrides map[string]string) (*rig.Scenario, error) {
	d, usable := open(name, data)
	sc := &rig.Scenario{Source: string(data)}
	if usable {
		d.scenario(sc, overrides)
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return sc, nil
}

func (d *document) scenario(sc *rig.Scenario, overrides map[string]string) {
	var f scenarioFile
	d.load(d.root, nil, &f)
	d.rules(reflect.ValueOf(&f), nil)
	sc.Name, sc.About, sc.Control = f.Scenario, f.About, f.Control
	sc.Params = d.parameters(f.Params, overrides)

	phases := []struct {
		name string
		out  *[]rig.Step
	}{{"arrange", &sc.Arrange}, {"act", &sc.Act}, {"assert", &sc.Assert}}
	used := map[string]bool{}
	for _, ph := range phases {
		if list, _ := d.find(path{ph.name}); list != nil {
			d.substitute(list, path{ph.name}, sc.Params, used)
		}
	}
	d.unused(sc.Params, used)
	for _, ph := range phases {
		list, _ := d.find(path{ph.name})
		if list == nil || list.Kind != yaml.SequenceNode {
			continue
		}
		if len(list.Content) == 0 && ph.name != "arrange" {
			d.bad(path{ph.name}, "there are no steps", "resetrig scenarios shows the shipped ones as examples")
		}
		*ph.out = d.steps(list, ph.name)
	}
	if len(d.problems) == 0 { // the order of steps that are wrong in themselves means nothing
		d.order(sc)
	}
}
