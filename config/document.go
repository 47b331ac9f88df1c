package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// mark is a place in a file.
type mark struct{ line, column int }

// document is a parsed file and what was found wrong with it so far.
type document struct {
	file     string
	root     *yaml.Node // the top mapping; empty if there is none
	problems Problems
	found    map[mark]bool    // places of problems
	index    map[string]entry // by path.id
	keys     map[mark]path    // of mapping keys
	values   map[mark]value
	params   map[*yaml.Node]string // the parameter that a value came from
	flags    map[string]string     // parameters that a flag gave their value
	meant    map[string]bool       // keys that an unknown one was probably meant to be
}

type value struct {
	node *yaml.Node
	path path
}

// open parses a file. It returns the document even where it is broken; then
// usable is false and nothing but its problems counts.
func open(file string, data []byte) (d *document, usable bool) {
	d = &document{file: file, root: &yaml.Node{Kind: yaml.MappingNode}, found: map[mark]bool{}, index: map[string]entry{},
		keys: map[mark]path{}, values: map[mark]value{}, params: map[*yaml.Node]string{}, flags: map[string]string{}, meant: map[string]bool{}}
	whole := func(wrong, right string) (*document, bool) {
		d.problems = append(d.problems, Problem{File: file, Wrong: wrong, Right: right})
		return d, false
	}
	if len(data) > MaxFile {
		d.problems = Problems{tooLarge(file, int64(len(data)))}
		return d, false
	}
	if i := invalidUTF8(data); i >= 0 {
		d.report(mark{1 + bytes.Count(data[:i], []byte("\n")), 1}, nil, "this is not text in UTF-8", "save the file as UTF-8, or name the right one")
		return d, false
	}
	var top yaml.Node
	if err := yaml.Load(data, &top); err != nil {
		for _, e := range loadErrors(err) {
			switch {
			case strings.Contains(e.Message, "no documents"):
				return whole("the file is empty", "resetrig schema shows what belongs in it")
			case strings.Contains(e.Message, "found multiple"):
				d.report(mark{secondDocument(data), 1}, nil, "there is a second document in the file", "remove the line --- and what follows it")
				return d, false
			}
			d.syntax(e, data)
		}
		return d, false
	}
	if len(top.Content) == 0 {
		return whole("the file is empty", "resetrig schema shows what belongs in it")
	}
	if n := top.Content[0]; n.Kind != yaml.MappingNode {
		d.report(mark{n.Line, n.Column}, nil, "this is "+kindOf(n), "a file of this kind is a list of lines key: value")
		return d, false
	}
	d.root = top.Content[0]
	d.index[""] = entry{d.root, d.root}
	return d, d.walk(d.root, nil)
}

// secondDocument is the line of the --- that begins it.
func secondDocument(data []byte) int {
	content := false
	for i, line := range bytes.Split(data, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("---")) {
			if content {
				return i + 1
			}
			continue
		}
		line = bytes.TrimSpace(line)
		content = content || len(line) > 0 && line[0] != '#'
	}
	return 1
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

// loadErrors are the single errors that the YAML library packs into one.
func loadErrors(err error) []*yaml.LoadError {
	var many *yaml.LoadErrors
	if errors.As(err, &many) {
		return many.Errors
	}
	var one *yaml.LoadError
	if errors.As(err, &one) {
		return []*yaml.LoadError{one}
	}
	return []*yaml.LoadError{{Message: err.Error()}}
}

// syntax reports an error of the YAML itself.
func (d *document) syntax(e *yaml.LoadError, data []byte) {
	right := "look at this line and the one above it: brackets, quotes, indentation"
	lines := bytes.Split(data, []byte("\n"))
	if i := e.Mark.Line - 1; i >= 0 && i < len(lines) {
		if indent := lines[i][:len(lines[i])-len(bytes.TrimLeft(lines[i], " \t"))]; bytes.Contains(indent, []byte("\t")) {
			d.report(mark{e.Mark.Line, e.Mark.Column}, nil, "a tab in the indentation", "YAML is indented with spaces")
			return
		}
	}
	message := e.Message
	if e.ContextMsg != "" {
		message += " " + e.ContextMsg
	}
	d.report(mark{e.Mark.Line, e.Mark.Column}, nil, "this is not YAML: "+message, right)
}

func (d *document) report(at mark, key path, wrong, right string) {
	d.found[at] = true
	if len(d.problems) >= enough {
		return
	}
	d.problems = append(d.problems, Problem{File: d.file, Line: at.line, Column: at.column, Key: key.String(), Wrong: wrong, Right: right})
}

// walk notes where every key and value is and reports what no file may have:
// duplicate keys, anchors, merge keys. It reports whether
// the tree is safe to load.
func (d *document) walk(n *yaml.Node, at path) bool {
	here := mark{n.Line, n.Column}
	d.values[here] = value{n, at}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.report(here, at, "an anchor or alias", "write the value out where it is needed")
		return false
	}
	ok := true
	switch n.Kind {
	case yaml.MappingNode:
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge" {
				d.report(mark{k.Line, k.Column}, at, "a key that is no word", "write key: value")
				ok = false
				continue
			}
			key := at.to(k.Value)
			if line, dup := seen[k.Value]; dup {
				d.report(mark{k.Line, k.Column}, key, "this key is already in line "+strconv.Itoa(line), "keep one of the two")
			}
			seen[k.Value] = k.Line
			d.keys[mark{k.Line, k.Column}] = key
			d.enter(key, k, v)
			ok = d.walk(v, key) && ok
		}
	case yaml.SequenceNode:
		for i, v := range n.Content {
			p := at.to(strconv.Itoa(i))
			d.enter(p, v, v)
			ok = d.walk(v, p) && ok
		}
	}
	return ok
}

// empty reports keys without a value, which the library takes for absent ones.
func (d *document) empty() {
	for _, v := range d.values {
		if v.node.ShortTag() == "!!null" {
			d.report(mark{v.node.Line, v.node.Column}, v.path, "there is no value", "write one, or remove the key")
		}
	}
}

// find is the value at a path, or nil; near is the node of the deepest part of
// the path that is there: the value itself, or the key of what should hold it.
func (d *document) find(p path) (found, near *yaml.Node) {
	if e, ok := d.index[p.id()]; ok {
		return e.value, e.value
	}
	for n := len(p) - 1; n > 0; n-- {
		if e, ok := d.index[p[:n].id()]; ok {
			return nil, e.key
		}
	}
	return nil, d.root
}

// entry is a value and the key that leads to it; in a list, the value twice.
type entry struct{ key, value *yaml.Node }

// id is the path as a key of a map: no part of it can hold a NUL byte in YAML.
func (p path) id() string { return strings.Join(p, "\x00") }

func (d *document) enter(p path, key, value *yaml.Node) {
	if _, dup := d.index[p.id()]; !dup {
		d.index[p.id()] = entry{key, value}
	}
}

// bad reports a problem with the value at p, at the nearest place that exists.
func (d *document) bad(p path, wrong, right string) {
	_, near := d.find(p)
	if param := d.params[near]; param != "" {
		origin := "$" + param
		if v, flag := d.flags[param]; flag {
			origin = "-p " + param + "=" + v
		}
		wrong += " (from " + origin + ")"
	}
	d.report(mark{near.Line, near.Column}, p, wrong, right)
}

// missing reports a key that must be there, unless an unknown key that was
// reported already is probably it.
func (d *document) missing(p path, right string) {
	if !d.meant[p.String()] {
		d.bad(p, "is missing", right)
	}
}

// mapping reports whether there is a mapping at p.
func (d *document) mapping(p path) bool {
	found, _ := d.find(p)
	return found != nil && found.Kind == yaml.MappingNode
}

var (
	unknownField = regexp.MustCompile(`^field (.*) not found in type `)
	alreadySet   = regexp.MustCompile(`already (set|defined)`)
)

// load decodes the node at p into out, strictly, and reports what does not fit
// in the words of the file.
func (d *document) load(n *yaml.Node, p path, out any) {
	if n == d.root {
		d.empty()
	}
	err := n.Load(out, strict)
	if err == nil {
		return
	}
	root := reflect.TypeOf(out)
	for _, e := range loadErrors(err) {
		if len(d.problems) >= enough {
			return
		}
		at := mark{e.Mark.Line, e.Mark.Column}
		if alreadySet.MatchString(e.Message) {
			continue // walk has said so
		}
		if m := unknownField.FindStringSubmatch(e.Message); m != nil {
			key := d.keys[at]
			above := key[:len(key)-1]
			known := keysOf(typeAt(root, above[len(p):]))
			d.report(at, key, fmt.Sprintf("unknown key %q", shorten(m[1])), suggest(m[1], known))
			d.meant[above.to(Nearest(m[1], known)).String()] = true
			continue
		}
		v, known := d.values[at]
		if !known {
			d.report(at, p, e.Message, "")
			continue
		}
		if d.reported(v.path) {
			continue // the cause has been reported
		}
		var wrong *valueError
		if !errors.As(e.Unwrap(), &wrong) {
			wrong = misfit(v.node, typeAt(root, v.path[len(p):]))
		}
		d.bad(v.path, wrong.wrong, wrong.right)
	}
}

// misfit says why a node cannot be a value of type t.
func misfit(n *yaml.Node, t reflect.Type) *valueError {
	if t == nil {
		return &valueError{kindOf(n) + " does not belong here", ""}
	}
	if t == reflect.TypeFor[time.Duration]() && n.Kind == yaml.ScalarNode {
		if _, err := parseDuration(n.Value); err != nil {
			return asValueError(err)
		}
	}
	right := map[reflect.Kind]string{
		reflect.Bool: "write true or false", reflect.String: "write a text", reflect.Slice: "write a list, like [a, b]",
		reflect.Int: "write a whole number", reflect.Uint64: "write a whole number of zero or more", reflect.Uint8: "write an address like 0x40",
		reflect.Float64: "write a number", reflect.Map: "write key: value", reflect.Struct: "write key: value", reflect.Int64: "write a duration like 10s",
	}[t.Kind()]
	if keys := keysOf(t); len(keys) > 0 {
		right += ", with keys out of " + strings.Join(keys, ", ")
	}
	if n.Kind == yaml.ScalarNode {
		return &valueError{fmt.Sprintf("%q does not belong here", n.Value), right}
	}
	return &valueError{kindOf(n) + " does not belong here", right}
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("the text %q", shorten(n.Value))
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
