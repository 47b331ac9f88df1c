package sim

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// element is an XML element as it was read.
type element struct {
	name xml.Name
	attr []xml.Attr
	text string
	kids []*element
}

// maxDepth is how deep a document may be nested.
const maxDepth = 32

var errXML = errors.New("no XML document")

// readXML reads a document. Entities other than XML's own are refused.
func readXML(b []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	root := &element{}
	stack := []*element{root}
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errXML
		}
		top := stack[len(stack)-1]
		switch x := t.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return nil, errXML
			}
			e := &element{name: x.Name, attr: append([]xml.Attr{}, x.Attr...)}
			top.kids = append(top.kids, e)
			stack = append(stack, e)
		case xml.EndElement:
			top.text = strings.TrimSpace(top.text)
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text += string(x)
		}
	}
	if len(root.kids) != 1 {
		return nil, errXML
	}
	return root.kids[0], nil
}

// kid is the first element down a path of local names, or nil.
func (e *element) kid(path ...string) *element {
	for _, p := range path {
		if e == nil {
			return nil
		}
		var found *element
		for _, k := range e.kids {
			if k.name.Local == p {
				found = k
				break
			}
		}
		e = found
	}
	return e
}

// at is the text of the first element down a path, "" where there is none.
func (e *element) at(path ...string) string {
	if k := e.kid(path...); k != nil {
		return k.text
	}
	return ""
}

// all are the elements of a name right below.
func (e *element) all(name string) []*element {
	var found []*element
	if e == nil {
		return nil
	}
	for _, k := range e.kids {
		if k.name.Local == name {
			found = append(found, k)
		}
	}
	return found
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// xmlText is a text as it stands in XML or HTML.
func xmlText(s string) string { return xmlEscapes.Replace(s) }

// tag is an element as it is written: a text, or what stands within.
func tag(name string, inner ...string) string {
	end, _, _ := strings.Cut(name, " ")
	return "<" + name + ">" + strings.Join(inner, "") + "</" + end + ">"
}

// leaf is an element with a text.
func leaf(name, text string) string { return tag(name, xmlText(text)) }
