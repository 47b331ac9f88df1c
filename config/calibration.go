package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Calibration is what one bench's ear has learned.
type Calibration struct {
	Bench      string        `yaml:"bench" jsonschema_description:"the bench that it was learned on"`
	Device     string        `yaml:"device" jsonschema_description:"the microphone that it was learned with"`
	Frequency  Hertz         `yaml:"frequency" jsonschema:"required" jsonschema_description:"the beep's frequency, like 2730Hz"`
	Level      DBFS          `yaml:"level" jsonschema:"required" jsonschema_description:"its level at this microphone, like -20dBFS"`
	Long       time.Duration `yaml:"long" jsonschema_description:"how long a beep must last to be long; 1s unless said otherwise"`
	Length     time.Duration `yaml:"length" jsonschema_description:"how long the beep was that it was learned from"`
	NoiseFloor DBFS          `yaml:"noise-floor" jsonschema_description:"the room's level without the beep, like -62dBFS"`
	Beeps      int           `yaml:"beeps" jsonschema:"minimum=0" jsonschema_description:"from how many beeps it was learned"`
	// File is the name that the calibration was loaded from.
	File string `yaml:"-"`
}

// LoadCalibration reads a calibration file. The error is Problems.
func LoadCalibration(name string, data []byte) (*Calibration, error) {
	d, usable := open(name, data)
	c := &Calibration{File: name, Long: time.Second}
	if usable {
		d.load(d.root, nil, c)
		d.rules(reflect.ValueOf(c), nil)
		d.beep(c.Frequency, c.Long, nil)
		if c.NoiseFloor != 0 && c.NoiseFloor >= c.Level {
			d.bad(at("noise-floor"), fmt.Sprintf("the room at %s drowns a beep at %s", format(float64(c.NoiseFloor), "dBFS"), format(float64(c.Level), "dBFS")), "calibrate again: move the microphone, or lower its gain if it clips")
		}
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return c, nil
}

// YAML is the calibration as LoadCalibration reads it.
func (c Calibration) YAML() []byte {
	var b strings.Builder
	line := func(key string, value []byte) {
		if len(value) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	duration := func(d time.Duration) []byte {
		if d == 0 {
			return nil
		}
		return []byte(d.String())
	}
	line("bench", quoted(c.Bench))
	line("device", quoted(c.Device))
	line("frequency", format(float64(c.Frequency), "Hz"))
	line("level", format(float64(c.Level), "dBFS"))
	line("long", duration(c.Long))
	line("length", duration(c.Length))
	if c.NoiseFloor != 0 {
		line("noise-floor", format(float64(c.NoiseFloor), "dBFS"))
	}
	if c.Beeps > 0 {
		line("beeps", []byte(strconv.Itoa(c.Beeps)))
	}
	return []byte(b.String())
}

// quoted is a text as a YAML scalar; nothing for nothing. Go's quotes are YAML's.
func quoted(s string) []byte {
	if s == "" {
		return nil
	}
	return strconv.AppendQuote(nil, s)
}

var baselineKey = regexp.MustCompile(`^[^\s:][^\s]*$`)

// LoadBaseline reads a baseline: the DUT's configuration right after a known
// good reset, each key with its value as the DUT gives it. The error is Problems.
func LoadBaseline(name string, data []byte) (map[string]string, error) {
	d, usable := open(name, data)
	values := map[string]string{}
	if usable {
		for i := 0; i+1 < len(d.root.Content); i += 2 {
			k, v := d.root.Content[i], d.root.Content[i+1]
			switch {
			case !baselineKey.MatchString(k.Value):
				d.report(mark{k.Line, k.Column}, path{k.Value}, "this is no configuration key", "write table and key, like General.MachineName")
			case v.Kind != yaml.ScalarNode:
				d.report(mark{v.Line, v.Column}, path{k.Value}, kindOf(v)+" does not belong here", "write one line a key, like General.MachineName: NVR")
			case v.ShortTag() == "!!null" && v.Value != "null":
				values[k.Value] = ""
			default:
				values[k.Value] = v.Value
			}
		}
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return values, nil
}

// BaselineYAML is a baseline as LoadBaseline reads it, its keys in order.
func BaselineYAML(values map[string]string) []byte {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%s: %s\n", strconv.Quote(key), strconv.Quote(values[key]))
	}
	return []byte(b.String())
}
