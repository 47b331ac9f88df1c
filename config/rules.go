package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// named is a list that a file writes as a mapping; nameAt is the key of an entry.
type named interface{ nameAt(i int) string }

// fieldKey is the key under which a file has a field; "" if it has none.
func fieldKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if key == "-" {
		return ""
	}
	return key
}

// base is the type behind pointers.
func base(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// typeAt is the type that the path leads to from t, or nil.
func typeAt(t reflect.Type, p path) reflect.Type {
	t = base(t)
	for _, part := range p {
		if t == nil {
			return nil
		}
		switch t.Kind() {
		case reflect.Struct:
			t = fieldType(t, part)
		case reflect.Map, reflect.Slice:
			t = t.Elem()
		default:
			return nil
		}
		t = base(t)
	}
	return t
}

func fieldType(t reflect.Type, key string) reflect.Type {
	for i := range t.NumField() {
		if f := t.Field(i); fieldKey(f) == key && key != "" {
			return f.Type
		}
	}
	return nil
}

// keysOf are the keys of a struct in a file, in the order of their fields.
func keysOf(t reflect.Type) []string {
	var keys []string
	if t = base(t); t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if key := fieldKey(t.Field(i)); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// rules checks a loaded value against the jsonschema tags of its type:
// required, enum, pattern, minimum, maximum; and that no duration is negative.
func (d *document) rules(v reflect.Value, p path) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		if !d.mapping(p) {
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			key := fieldKey(f)
			if key == "" {
				continue
			}
			at := p.to(key)
			rules := tagRules(f)
			found, _ := d.find(at)
			if found == nil {
				if _, must := rules["required"]; must {
					d.missing(at, "wanted: "+f.Tag.Get("jsonschema_description"))
				}
				continue
			}
			d.tags(v.Field(i), f, rules, at)
			d.rules(v.Field(i), at)
		}
	case reflect.Slice:
		for i := range v.Len() {
			name := strconv.Itoa(i)
			if n, ok := v.Interface().(named); ok {
				name = n.nameAt(i)
			}
			d.rules(v.Index(i), p.to(name))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			d.rules(v.MapIndex(k), p.to(k.String()))
		}
	}
}

// tagRules are the rules of a field: pattern → its expression, enum → its words
// with | between them.
func tagRules(f reflect.StructField) map[string]string {
	rules := map[string]string{}
	tag := strings.ReplaceAll(f.Tag.Get("jsonschema"), `\,`, "\x00")
	for rule := range strings.SplitSeq(tag, ",") {
		rule = strings.ReplaceAll(rule, "\x00", ",")
		name, arg, _ := strings.Cut(rule, "=")
		if old, more := rules[name]; more {
			arg = old + "|" + arg
		}
		rules[name] = arg
	}
	return rules
}

func (d *document) tags(v reflect.Value, f reflect.StructField, rules map[string]string, at path) {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		_, must := rules["required"]
		switch dur := time.Duration(v.Int()); {
		case dur < 0:
			d.bad(at, fmt.Sprintf("%v is negative", dur), "write a duration like 10s")
		case dur == 0 && must && !d.reported(at):
			d.bad(at, "is no time at all", "write a duration above zero, like 10s")
		}
		return
	}
	described := f.Tag.Get("jsonschema_description")
	switch v.Kind() {
	case reflect.String:
		text := v.String()
		if words, ok := rules["enum"]; ok && !d.reported(at) {
			d.word(text, strings.Split(words, "|"), at)
		}
		if pattern, ok := rules["pattern"]; ok && !d.reported(at) && !regexp.MustCompile(pattern).MatchString(text) {
			d.bad(at, fmt.Sprintf("%q is not right here", shorten(text)), "wanted: "+described)
		}
	case reflect.Int, reflect.Float64:
		x := v.Convert(reflect.TypeFor[float64]()).Float()
		low, hasLow := bound(rules["minimum"])
		high, hasHigh := bound(rules["maximum"])
		if hasLow && x < low {
			d.bad(at, fmt.Sprintf("%v is too little", x), fmt.Sprintf("write %v or more", low))
		}
		if hasHigh && x > high {
			d.bad(at, fmt.Sprintf("%v is too much", x), fmt.Sprintf("write %v or less", high))
		}
	}
}

func bound(text string) (float64, bool) {
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil
}

// word reports a text that is none of the words.
func (d *document) word(text string, words []string, at path) {
	for _, w := range words {
		if w == text {
			return
		}
	}
	d.bad(at, fmt.Sprintf("%q is not known", shorten(text)), suggest(text, words))
}

// reported says whether the value at p, or the parameter that it came from, was
// found wrong already: then its Go value means nothing.
func (d *document) reported(p path) bool {
	_, near := d.find(p)
	if param := d.params[near]; param != "" && d.reported(path{"params", param}) {
		return true
	}
	return d.found[mark{near.Line, near.Column}]
}
