package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"resetrig/rig"
)

var (
	paramName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	paramUse  = regexp.MustCompile(`^\$([A-Za-z][A-Za-z0-9_-]*)$`)
)

// verdicts are what a scenario can want of a beep.
var verdicts = []string{string(rig.BeepRequired), string(rig.BeepExpected), string(rig.BeepForbidden)}

// paramKind is the type of a parameter, which its default gives it.
type paramKind int

const (
	aText paramKind = iota
	aDuration
	aVerdict
)

func kindOfParam(def string) paramKind {
	if slices.Contains(verdicts, def) {
		return aVerdict
	}
	if _, err := parseDuration(def); err == nil || number.FindString(def) == def && def != "" {
		return aDuration
	}
	return aText
}

// check says why text is no value of the kind.
func (k paramKind) check(text string) *valueError {
	switch k {
	case aDuration:
		if _, err := parseDuration(text); err != nil {
			return asValueError(err)
		}
	case aVerdict:
		if !slices.Contains(verdicts, text) {
			return &valueError{fmt.Sprintf("%q is not known", shorten(text)), suggest(text, verdicts)}
		}
	case aText:
		if text == "" {
			return &valueError{"there is no value", "write one"}
		}
	}
	return nil
}

// parameters are the file's, with the overrides in place of their defaults.
func (d *document) parameters(defaults, overrides map[string]string) map[string]string {
	params := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(defaults)) {
		def := defaults[name]
		if !paramName.MatchString(name) {
			d.bad(path{"params", name}, fmt.Sprintf("%q cannot be a parameter's name", name), "use small letters, digits and dashes")
		}
		if wrong := kindOfParam(def).check(def); wrong != nil {
			d.bad(path{"params", name}, wrong.wrong, wrong.right)
		}
		params[name] = def
	}
	names := slices.Sorted(maps.Keys(params))
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		text := strings.TrimSpace(overrides[name])
		flag := Problem{File: "-p " + name + "=" + text}
		def, declared := defaults[name]
		if !declared {
			flag.Wrong, flag.Right = fmt.Sprintf("the scenario in %s has no parameter %q", d.file, name), suggest(name, names)
			d.problems = append(d.problems, flag)
			continue
		}
		if wrong := kindOfParam(def).check(text); wrong != nil {
			flag.Wrong, flag.Right = wrong.wrong, wrong.right+" (its default is "+def+")"
			d.problems = append(d.problems, flag)
			continue
		}
		params[name], d.flags[name] = text, text
	}
	return params
}

// substitute puts the parameters' values where $name stands as a whole value.
// $$ at the beginning of a value is one $ that means itself.
func (d *document) substitute(n *yaml.Node, p path, params map[string]string, used map[string]bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		if rest, escaped := strings.CutPrefix(n.Value, "$$"); escaped {
			n.Value = "$" + rest
			return
		}
		m := paramUse.FindStringSubmatch(n.Value)
		if m == nil {
			if strings.HasPrefix(n.Value, "$") {
				d.bad(p, fmt.Sprintf("%q is no parameter", shorten(n.Value)), "write $name and nothing around it, or $$ for a $ that means itself")
			}
			return
		}
		value, declared := params[m[1]]
		if !declared {
			d.bad(p, fmt.Sprintf("there is no parameter %q", m[1]), suggest(m[1], slices.Sorted(maps.Keys(params)))+"; declare it in params, with its default")
			return
		}
		used[m[1]] = true
		d.params[n] = m[1]
		n.Value = value
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if strings.HasPrefix(k.Value, "$") {
				d.report(mark{k.Line, k.Column}, p.to(k.Value), "a parameter cannot be a key", "a parameter stands for a value")
			}
			d.substitute(n.Content[i+1], p.to(k.Value), params, used)
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			d.substitute(c, p.to(strconv.Itoa(i)), params, used)
		}
	}
}

// unused reports parameters that no step uses: changing them would do nothing.
func (d *document) unused(params map[string]string, used map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !used[name] {
			d.bad(path{"params", name}, "no step uses this parameter", "write $"+name+" where it belongs, or remove it")
		}
	}
}
