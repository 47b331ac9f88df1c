package nvr

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"resetrig/rig"
)

// The bounds of an XML answer: far beyond what a recorder sends, and small
// beside what a machine has.
const (
	maxDepth    = 32
	maxElements = 20000
)

// element is one node of an XML answer. Names are without their prefix:
// firmware differs in the namespaces, and one that forgets to declare its prefix
// is understood all the same.
type element struct {
	name  string
	space string
	attrs []xml.Attr
	text  string // of a leaf, without the white space around it
	kids  []*element

	// Where it stands in the text it was read from: its first tag, and what is
	// between that and its last.
	tag, from, to int
}

// parseXML reads a whole document. What is not XML, breaks off, is nested too
// deep or declares entities is rig.ErrGarbage.
func parseXML(body string) (*element, error) {
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("%w: %v", rig.ErrGarbage, errTooLong)
	}
	dec := xml.NewDecoder(strings.NewReader(body))
	dec.CharsetReader = charset
	var root *element
	var open []*element
	n := 0
	bad := func(why string) (*element, error) {
		return nil, fmt.Errorf("%w: the answer is no XML: %s: %s", rig.ErrGarbage, why, short(body[:min(len(body), 120)]))
	}
	for {
		at := int(dec.InputOffset())
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return bad(err.Error())
		}
		switch t := t.(type) {
		case xml.StartElement:
			if n++; n > maxElements || len(open) >= maxDepth {
				return bad("too many elements")
			}
			e := &element{name: t.Name.Local, space: t.Name.Space, attrs: t.Copy().Attr, tag: at, from: int(dec.InputOffset())}
			switch {
			case len(open) > 0:
				up := open[len(open)-1]
				up.kids = append(up.kids, e)
			case root != nil:
				return bad("it has two roots")
			default:
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			e := open[len(open)-1]
			e.to = at
			e.text = strings.TrimSpace(e.text)
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			} else if strings.Trim(string(t), " \t\r\n\x00\ufeff") != "" {
				return bad("text outside of it")
			}
		case xml.Directive:
			return bad("it declares a document type")
		}
	}
	if root == nil || len(open) > 0 {
		return bad("it breaks off")
	}
	return root, nil
}

// asUTF8 makes a body readable whose bytes are not what its label says. It
// reports whether the text is as it came.
func asUTF8(body string) (string, bool) {
	trimmed := strings.TrimRight(strings.TrimPrefix(body, "\ufeff"), "\x00")
	valid := strings.ToValidUTF8(trimmed, "\uFFFD")
	return valid, valid == body
}

// charset is for the labels that recorders write. Everything was made UTF-8
// before; ISO 8859-1 is the one in which that would change a letter.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(label)) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1", "iso8859-1", "windows-1252":
		return in, nil
	}
	return nil, fmt.Errorf("its character set is %q", short(label))
}

// document reads an answer's XML, whatever its character set's label says.
func document(body string) (*element, error) {
	head := strings.ToLower(body[:min(len(body), 120)])
	for _, latin := range []string{`"iso-8859-1"`, `'iso-8859-1'`, `"windows-1252"`, `'windows-1252'`} {
		if strings.Contains(head, latin) && !utf8.ValidString(body) {
			r := make([]rune, 0, len(body))
			for i := range len(body) {
				r = append(r, rune(body[i]))
			}
			return parseXML(string(r))
		}
	}
	text, _ := asUTF8(body)
	return parseXML(text)
}

// child is the first element of that name below e, or nil. nil has none.
func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for _, k := range e.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// at follows names from e, or is nil.
func (e *element) at(names ...string) *element {
	for _, n := range names {
		e = e.child(n)
	}
	return e
}

// value is the text of a child, or "".
func (e *element) value(name string) string {
	if k := e.child(name); k != nil {
		return k.text
	}
	return ""
}

// flatten puts every leaf below e into out as prefix.name.name → text. Elements
// that repeat, and the members of a list, carry their number: name[0].
func (e *element) flatten(prefix string, out map[string]*element) {
	many := map[string]int{}
	for _, k := range e.kids {
		many[k.name]++
	}
	seen := map[string]int{}
	for _, k := range e.kids {
		key := prefix + "." + k.name
		if many[k.name] > 1 || strings.HasSuffix(e.name, "List") {
			key += fmt.Sprintf("[%d]", seen[k.name])
			seen[k.name]++
		}
		if len(k.kids) == 0 {
			out[key] = k
		} else {
			k.flatten(key, out)
		}
	}
}

// texts are flatten's leaves as they compare and print.
func texts(leaves map[string]*element) map[string]string {
	out := make(map[string]string, len(leaves))
	for k, e := range leaves {
		out[k] = e.text
	}
	return out
}

// replace is body with another text in a leaf that was parsed from it.
func (e *element) replace(body, value string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(value)) // a Builder does not fail
	if tag := body[e.tag:e.from]; strings.HasSuffix(tag, "/>") {
		name, _, _ := strings.Cut(strings.TrimLeft(strings.TrimSuffix(tag, "/>"), "<"), " ")
		return body[:e.tag] + strings.TrimSuffix(tag, "/>") + ">" + b.String() + "</" + strings.TrimSpace(name) + ">" + body[e.from:]
	}
	return body[:e.from] + b.String() + body[e.to:]
}

// escaped is a text as XML carries it.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
