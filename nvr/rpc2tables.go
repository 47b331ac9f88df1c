package nvr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"resetrig/rig"
)

// A configuration table comes over the JSON-RPC as a tree. Its leaves are written
// as the CGI writes them, Table.key=value and Table[0].key=value, so that a
// baseline that was recorded over one route can be compared over the other.

// readTree reads JSON with its numbers as they are written: 8 stays 8.
func readTree(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: table: %v", rig.ErrGarbage, short(err.Error()))
	}
	return v, nil
}

// flatten writes the leaves of a tree under a name.
func flatten(name string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, sub := range v {
			flatten(name+"."+k, sub, into)
		}
	case []any:
		for i, sub := range v {
			flatten(name+"["+strconv.Itoa(i)+"]", sub, into)
		}
	default:
		into[name] = leafText(v)
	}
}

// leafText is a value as the CGI writes it: a number, or a number as a string,
// give the same.
func leafText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return "" // null
}

// graft puts a value into a tree at the rest of a key, behind the table's name:
// .eth0.IPAddress, [2].Name. The leaf must be there, and keeps its kind.
func graft(v any, rest, value string) (any, error) {
	if rest == "" {
		switch old := v.(type) {
		case json.Number:
			if _, err := strconv.ParseFloat(value, 64); err != nil {
				return nil, fmt.Errorf("%q is no number, and it holds %s", value, old)
			}
			return json.Number(value), nil
		case bool:
			b, err := strconv.ParseBool(value)
			if err != nil {
				return nil, fmt.Errorf("%q is neither true nor false", value)
			}
			return b, nil
		case string, nil:
			return value, nil
		}
		return nil, fmt.Errorf("it holds more than one value")
	}
	step, next := rest[1:], ""
	if i := strings.IndexAny(step, ".["); i >= 0 {
		step, next = step[:i], step[i:]
	}
	switch at := v.(type) {
	case map[string]any:
		if sub, ok := at[step]; ok && rest[0] == '.' {
			grown, err := graft(sub, next, value)
			at[step] = grown
			return at, err
		}
	case []any:
		if i, err := strconv.Atoi(strings.TrimSuffix(step, "]")); err == nil && rest[0] == '[' && i >= 0 && i < len(at) {
			grown, err := graft(at[i], next, value)
			at[i] = grown
			return at, err
		}
	}
	return nil, fmt.Errorf("there is no %s", step)
}
