package config

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Bytes is an amount of storage: 2GB, 500MB. In powers of ten, as disks are sold.
type Bytes int64

var byteUnits = []unit{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"TB", 1e12}, {"B", 1}}

// UnmarshalText reads an amount above zero.
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := quantity(string(text), "size", "2GB or 500MB", byteUnits)
	if err == nil && (v < 1 || v >= math.MaxInt64) {
		err = &valueError{fmt.Sprintf("%s is no size", text), "write one above zero, like 2GB"}
	}
	*b = Bytes(v)
	return err
}

// MarshalText writes the amount so that it reads back as the same.
func (b Bytes) MarshalText() ([]byte, error) {
	for _, u := range []unit{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if b != 0 && int64(b)%int64(u.factor) == 0 {
			return fmt.Appendf(nil, "%d%s", int64(b)/int64(u.factor), u.name), nil
		}
	}
	return fmt.Appendf(nil, "%dB", int64(b)), nil
}

// What is kept of the cycles' sound and transcripts.
const (
	KeepNone    = "none"
	KeepFails   = "fails"   // of every cycle that does not pass
	KeepSampled = "sampled" // of the first passes and every so many-th, too
)

// Evidence says which cycles leave their sound and transcript, and how much of
// the disk that may take. A field that a file does not mention is unset: First
// and Every Unset, the others their zero values; see Or.
type Evidence struct {
	Keep    string `yaml:"keep,omitempty" jsonschema:"enum=none,enum=fails,enum=sampled" jsonschema_description:"which cycles leave their sound and transcript: none, fails (all that do not pass), or sampled (the first passes and every so many-th, too). sampled unless said otherwise, and none on a simulated bench"`
	First   int    `yaml:"first" jsonschema:"minimum=0" jsonschema_description:"how many passes at the start of a run are kept; 3 unless said otherwise"`
	Every   int    `yaml:"every" jsonschema:"minimum=0" jsonschema_description:"every so many-th pass is kept, 0 none; 100 unless said otherwise"`
	Budget  Bytes  `yaml:"budget,omitempty" jsonschema_description:"how much the evidence in a state folder may take, of all its runs: passes are dropped for it before failures, and a failure that was not exported never; 2GB unless said otherwise"`
	Reserve Bytes  `yaml:"reserve,omitempty" jsonschema_description:"how much of the disk is left to the results: below it no evidence is kept; 200MB unless said otherwise"`
}

// UnmarshalYAML leaves what the file does not say.
func (e *Evidence) UnmarshalYAML(n *yaml.Node) error {
	type plain Evidence
	*e = NoEvidence()
	return n.Load((*plain)(e), strict)
}

// NoEvidence leaves everything unset.
func NoEvidence() Evidence { return Evidence{First: Unset, Every: Unset} }

// Or is e, with what it leaves unset taken from usual.
func (e Evidence) Or(usual Evidence) Evidence {
	if e.Keep == "" {
		e.Keep = usual.Keep
	}
	if e.First == Unset {
		e.First = usual.First
	}
	if e.Every == Unset {
		e.Every = usual.Every
	}
	if e.Budget == 0 {
		e.Budget = usual.Budget
	}
	if e.Reserve == 0 {
		e.Reserve = usual.Reserve
	}
	return e
}

// UsualEvidence is what holds where neither flags nor files say anything. The
// room of a simulated bench sounds the same again under its seed.
func UsualEvidence(simulated bool) Evidence {
	e := Evidence{Keep: KeepSampled, First: 3, Every: 100, Budget: 2e9, Reserve: 200e6}
	if simulated {
		e.Keep = KeepNone
	}
	return e
}

// ParseEvidence reads what a flag says, like first=3,every=100,budget=2GB, by
// the rules of the files.
func ParseEvidence(text string) (Evidence, error) {
	d, usable := open("--evidence", []byte(strings.ReplaceAll(strings.ReplaceAll(text, ",", "\n"), "=", ": ")))
	e := NoEvidence()
	if usable {
		d.load(d.root, nil, &e)
		d.rules(reflect.ValueOf(&e), nil)
	}
	if len(d.problems) > 0 {
		return e, d.problems.sorted()
	}
	return e, nil
}
