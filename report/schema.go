package report

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/invopop/jsonschema"

	"resetrig/rig"
)

// RecordSchema is the JSON Schema (draft 2020-12) of a record, as JSON writes it
// one to a line. It is made from the struct itself, and strict: what is not in it
// does not occur in this version's records.
func RecordSchema() ([]byte, error) {
	r := &jsonschema.Reflector{DoNotReference: true, ExpandedStruct: true, Anonymous: true, Mapper: mapped}
	s := r.Reflect(rig.Record{})
	s.Version = jsonschema.Version
	s.Title = "resetrig record"
	s.Description = "Everything about one attempt of one cycle. docs/results.md says what each field means."
	for name, text := range recordFields {
		p, ok := s.Properties.Get(name)
		if !ok {
			return nil, fmt.Errorf("the record has no field %q", name)
		}
		p.Description = text
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of a record: %w", err)
	}
	return append(data, '\n'), nil
}

// mapped is the schema of the types that have a fixed list of values, or are
// written otherwise than Go has them.
func mapped(t reflect.Type) *jsonschema.Schema {
	words := func(vs ...any) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Enum: vs} }
	switch t {
	case reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{Type: "integer", Description: "nanoseconds"}
	case reflect.TypeFor[rig.Outcome]():
		return words(rig.Pass, rig.Fail, rig.Error, rig.Aborted)
	case reflect.TypeFor[rig.Attribution]():
		return words(rig.Proven, rig.Presumed)
	case reflect.TypeFor[rig.CheckOutcome]():
		return words(rig.CheckPass, rig.CheckFail, rig.CheckUnknown, rig.CheckWarn)
	}
	return nil
}

// recordFields says what the fields of a record mean, in a line.
var recordFields = map[string]string{
	"id":           "unique; the run's ID, the cycle's number, and the attempt where it is not the first",
	"run":          "the run's ID",
	"cycle":        "number of the cycle within the run, from 1; controls count by themselves",
	"attempt":      "1 is the first; further ones follow an error of the rig, and are never in a rate",
	"bench":        "the bench's name",
	"scenario":     "the scenario's name",
	"control":      "a cycle that must not reset; never in a rate",
	"params":       "the scenario's parameters as they were",
	"source":       "the scenario's text",
	"version":      "of resetrig",
	"started":      "wall time: a label, and no base for durations",
	"took_ns":      "how long it took, in nanoseconds",
	"outcome":      "how it ended",
	"attribution":  "of a fail alone: whether the rig's side was verified",
	"reason":       "why it ended so, one word of a fixed list; none for a pass",
	"text":         "the reason in words",
	"dut":          "who answered",
	"mark":         "what was changed on the DUT before the reset; secrets are starred",
	"steps":        "the scenario's steps as they went",
	"checks":       "each question on the DUT or the rig, with what was wanted and seen",
	"measurements": "named values with their unit and limits",
	"beeps":        "what the ear heard",
	"findings":     "what the ear said of its own health",
	"timeline":     "what happened, in order; at is nanoseconds since the cycle began",
	"operations":   "switchings of each relay in this cycle",
	"senses":       "which senses the bench had",
	"sound":        "the recording among the artifacts, and which piece of the cycle it is",
	"artifacts":    "files of evidence, by name",
	"hashes":       "the content of those artifacts that were whole when the record was committed: a picture is drawn later",
	"unsafe":       "relays whose safe state could not be reached",
}
