package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/invopop/jsonschema"

	"resetrig/rig"
)

// SchemaKinds are the kinds of files that have a schema.
func SchemaKinds() []string {
	return []string{"bench", "scenario", "model", "calibration", "baseline", "plan"}
}

// Schema is the JSON Schema (draft 2020-12) of a kind of file, for editors. It
// is made from the same structs and tags that the files are loaded with; rules
// between several keys are the loader's alone.
func Schema(kind string) ([]byte, error) {
	var v any
	switch kind {
	case "bench":
		v = &Bench{}
	case "scenario":
		v = &scenarioFile{}
	case "model":
		v = &Model{}
	case "plan":
		v = &Plan{}
	case "calibration":
		v = &Calibration{}
	case "baseline":
		v = &Baseline{}
	default:
		return nil, fmt.Errorf("there is no schema of %q; %s", kind, suggest(kind, SchemaKinds()))
	}
	g := &generator{}
	s := g.of(v)
	for _, phase := range anywhere {
		if list, ok := s.Properties.Get(phase); ok && kind == "scenario" {
			list.Items = g.steps(phase).Items
		}
	}
	s.Version = jsonschema.Version
	s.Title = "resetrig " + kind + " file"
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of %s: %w", kind, err)
	}
	return append(data, '\n'), nil
}

// generator makes schemas. In a step every value may be $name.
type generator struct{ inStep bool }

func (g *generator) of(v any) *jsonschema.Schema {
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, ExpandedStruct: true,
		DoNotReference: true, Anonymous: true, Mapper: g.mapped,
	}
	s := r.Reflect(v)
	s.Version = ""
	if g.inStep {
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			p.Value = orParam(p.Value)
		}
	}
	return s
}

const paramPattern = `^\$[a-z][a-z0-9-]*$`

// orParam lets a value be the name of a parameter too.
func orParam(s *jsonschema.Schema) *jsonschema.Schema {
	if s.Items != nil {
		s.Items = orParam(s.Items)
		return s
	}
	if s.Type == "object" || s.Type == "string" && s.Pattern == "" && len(s.Enum) == 0 {
		return s
	}
	description := s.Description
	s.Description = ""
	return &jsonschema.Schema{Description: description, AnyOf: []*jsonschema.Schema{s, {Type: "string", Pattern: paramPattern}}}
}

// decimal is a number as a file may write it.
const decimal = `[0-9]+(\.[0-9]+)?`

// mapped is the schema of the types that a file writes otherwise than Go has them.
func (g *generator) mapped(t reflect.Type) *jsonschema.Schema {
	text := func(pattern string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: pattern}
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return text(`^(` + decimal + `(h|m|s|ms|us))+$`)
	case reflect.TypeFor[Hertz]():
		return text(`^` + decimal + `k?Hz$`)
	case reflect.TypeFor[Band]():
		return text(`^` + decimal + `k?Hz\.\.` + decimal + `k?Hz$`)
	case reflect.TypeFor[DBFS]():
		return text(`^(-` + decimal + `|0(\.0+)?)dBFS$`)
	case reflect.TypeFor[Decibels]():
		return text(`^-?` + decimal + `dB$`)
	case reflect.TypeFor[DBHz]():
		return text(`^-?` + decimal + `dB-Hz$`)
	case reflect.TypeFor[Percent]():
		return text(`^` + decimal + `%$`)
	case reflect.TypeFor[HertzApart]():
		return text(`^` + decimal + `Hz$`)
	case reflect.TypeFor[Bytes]():
		return text(`^` + decimal + `([kMGT])?B$`)
	case reflect.TypeFor[Ohms]():
		return text(`^` + decimal + `m?(Ω|Ohm)$`)
	case reflect.TypeFor[Amperes]():
		return text(`^` + decimal + `m?A$`)
	case reflect.TypeFor[I2CAddress](): // unquoted, a YAML reader takes it for a number
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text(`^0x[0-9A-Fa-f]{1,2}$`), {Type: "integer", Minimum: "8", Maximum: "119"}}}
	case reflect.TypeFor[rig.Secret]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[Relays]():
		return byName(g.of(&Relay{}))
	case reflect.TypeFor[Senses]():
		s := g.of(&Sense{})
		for _, kind := range []string{"pin", "i2c", "tcp", "carrier"} {
			s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{kind}})
		}
		return byName(s)
	case reflect.TypeFor[PlanEntries]():
		return &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, g.of(&PlanEntry{})}}}
	case reflect.TypeFor[steps]():
		return &jsonschema.Schema{Type: "array"}
	}
	return nil
}

// byName is the schema of a mapping of names to s.
func byName(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", PropertyNames: &jsonschema.Schema{Pattern: relayName.String()}, AdditionalProperties: s}
}

// steps is the schema of a phase's list.
func (g *generator) steps(phase string) *jsonschema.Schema {
	list := &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{}}
	in := &generator{inStep: true}
	for _, k := range stepKinds() {
		if !slices.Contains(k.phases, phase) {
			continue
		}
		if k.bare != nil {
			list.Items.OneOf = append(list.Items.OneOf, &jsonschema.Schema{Const: k.word, Description: k.about})
		}
		var forms []*jsonschema.Schema
		if k.short != nil {
			forms = append(forms, k.shortSchema())
		}
		if k.args != nil {
			forms = append(forms, in.of(k.args()))
		}
		if len(forms) == 0 {
			continue
		}
		props := jsonschema.NewProperties()
		props.Set(k.word, &jsonschema.Schema{OneOf: forms})
		list.Items.OneOf = append(list.Items.OneOf, &jsonschema.Schema{
			Type: "object", Description: k.about, Properties: props, Required: []string{k.word}, AdditionalProperties: jsonschema.FalseSchema,
		})
	}
	return list
}

func (k stepKind) shortSchema() *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string", Pattern: relayName.String()}
	if k.words != nil {
		s = &jsonschema.Schema{}
		for _, w := range k.words {
			s.Enum = append(s.Enum, w)
		}
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "string", Pattern: paramPattern}}}
}
