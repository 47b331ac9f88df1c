package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Baseline is a baseline file: what the DUT is like right after a known good
// reset. `resetrig nvr baseline record` writes it.
type Baseline struct {
	Model    string            `yaml:"model" jsonschema_description:"the model that it was recorded with"`
	Type     string            `yaml:"type" jsonschema_description:"the device type that the unit names"`
	Firmware string            `yaml:"firmware" jsonschema_description:"the firmware version; a unit with another one is not compared with this baseline"`
	Hardware string            `yaml:"hardware" jsonschema_description:"the hardware version that the unit names"`
	Init     string            `yaml:"init" jsonschema:"enum=uninitialised,enum=initialised,enum=old,enum=unknown" jsonschema_description:"whether it had an account right after the reset"`
	Users    []string          `yaml:"users" jsonschema_description:"the names of its accounts"`
	Ports    []int             `yaml:"ports" jsonschema_description:"its open TCP ports, of those that were tried"`
	Tried    []int             `yaml:"ports-tried" jsonschema_description:"the TCP ports that were tried"`
	Ignore   []string          `yaml:"ignore" jsonschema_description:"configuration keys that rightly differ, beside those of the model: the beginning of a key, or a pattern with * ? ["`
	Config   map[string]string `yaml:"config" jsonschema:"required" jsonschema_description:"each configuration key and its value as the unit gives it"`
	File     string            `yaml:"-"`
}

var baselineKey = regexp.MustCompile(`^[^\s:][^\s]*$`)

// LoadBaseline reads a baseline file. The error is Problems.
func LoadBaseline(name string, data []byte) (*Baseline, error) {
	d, usable := open(name, data)
	b := &Baseline{File: name}
	if usable {
		d.load(d.root, nil, b)
		d.rules(reflect.ValueOf(b), nil)
		for _, key := range slices.Sorted(maps.Keys(b.Config)) {
			if !baselineKey.MatchString(key) {
				d.bad(at("config", key), "this is no configuration key", "write table and key, like General.MachineName")
			}
		}
		for key, ports := range map[string][]int{"ports": b.Ports, "ports-tried": b.Tried} {
			for i, p := range ports {
				switch {
				case p < 1 || p > 65535:
					d.bad(at(key, strconv.Itoa(i)), fmt.Sprintf("%d is no TCP port", p), "write 1 to 65535")
				case key == "ports" && !slices.Contains(b.Tried, p):
					d.bad(at(key, strconv.Itoa(i)), fmt.Sprintf("port %d is not among ports-tried", p), "add it there: only what is tried again can be compared")
				}
			}
		}
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return b, nil
}

// YAML is the baseline as LoadBaseline reads it, its keys in order.
func (b Baseline) YAML() []byte {
	var s strings.Builder
	s.WriteString("# What the recorder is like right after a known good reset.\n")
	for _, f := range []struct{ key, value string }{
		{"model", b.Model}, {"type", b.Type}, {"firmware", b.Firmware}, {"hardware", b.Hardware}, {"init", b.Init},
	} {
		if f.value != "" {
			fmt.Fprintf(&s, "%s: %s\n", f.key, strconv.Quote(f.value))
		}
	}
	list := func(key string, values []string) {
		if len(values) > 0 {
			fmt.Fprintf(&s, "%s: [%s]\n", key, strings.Join(values, ", "))
		}
	}
	numbers := func(v []int) (out []string) {
		for _, n := range v {
			out = append(out, strconv.Itoa(n))
		}
		return out
	}
	quoted := func(v []string) (out []string) {
		for _, t := range v {
			out = append(out, strconv.Quote(t))
		}
		return out
	}
	list("users", quoted(b.Users))
	list("ports", numbers(b.Ports))
	list("ports-tried", numbers(b.Tried))
	list("ignore", quoted(b.Ignore))
	s.WriteString("config:\n")
	for _, key := range slices.Sorted(maps.Keys(b.Config)) {
		fmt.Fprintf(&s, "  %s: %s\n", strconv.Quote(key), strconv.Quote(b.Config[key]))
	}
	return []byte(s.String())
}
