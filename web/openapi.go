package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/web/access"
)

// openAPI is the OpenAPI 3.1 document of the routes. Its schemas are made of the
// Go types that are sent, and are strict: what is not in them does not occur in
// this version.
func openAPI(routes []route, version string) ([]byte, error) {
	k, err := newSchemas()
	if err != nil {
		return nil, err
	}
	paths := map[string]map[string]any{}
	for _, r := range routes {
		op, err := k.operation(&r)
		if err != nil {
			return nil, fmt.Errorf("describe %s %s: %w", r.method, r.path, err)
		}
		if paths[r.path] == nil {
			paths[r.path] = map[string]any{}
		}
		paths[r.path][strings.ToLower(r.method)] = op
	}
	data, err := json.MarshalIndent(map[string]any{
		"openapi":           "3.1.0",
		"jsonSchemaDialect": jsonschema.Version,
		"info": map[string]any{
			"title": "resetrig", "version": cmp.Or(version, "dev"),
			"description": "What the benches of a rig do, what their runs came to, and the few things that may be done about it.\n\n" +
				"Fields whose name ends in `_ns` are durations in nanoseconds; times are RFC 3339, by the rig's wall clock. " +
				"What is refused is answered by a problem (RFC 9457). Nothing is changed by a GET. " +
				"`GET /events` streams the same as server-sent events, for pages. docs/api.md has examples.",
		},
		"servers": []any{map[string]any{"url": "/"}},
		"tags": []any{
			tag("live", "what the benches do now"), tag("benches", "the benches themselves"), tag("results", "runs, cycles, evidence"),
			tag("acting", "start, hold, stop: for operators, and written down"), tag("rig", "the rig"), tag("operation", "for whoever keeps it running"),
		},
		"paths": paths,
		"components": map[string]any{
			"schemas":         k.defs,
			"securitySchemes": map[string]any{"token": map[string]any{"type": "http", "scheme": "bearer", "description": "a token of `resetrig serve token`; none is wanted by a rig without a token file, which answers its own computer alone"}},
		},
	}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return append([]byte(strings.ReplaceAll(string(data), `"#/$defs/`, `"#/components/schemas/`)), '\n'), nil
}

func tag(name, about string) map[string]any {
	return map[string]any{"name": name, "description": about}
}

// schemas gathers the schemas of types by name.
type schemas struct {
	reflector jsonschema.Reflector
	defs      map[string]json.RawMessage
	types     map[string]reflect.Type
	clash     error
}

func newSchemas() (*schemas, error) {
	k := &schemas{defs: map[string]json.RawMessage{}, types: map[string]reflect.Type{}}
	words, err := fieldComments()
	if err != nil {
		return nil, err
	}
	k.reflector = jsonschema.Reflector{Anonymous: true, Mapper: apiMapped, Namer: k.name, CommentMap: words}
	record, err := report.RecordSchema()
	if err != nil {
		return nil, err
	}
	k.defs["Record"] = record
	return k, nil
}

// name is what a type is called in the document. A name stands for one type.
func (k *schemas) name(t reflect.Type) string {
	name := t.Name()
	if name == "" { // a list or a map stands where it is used
		return ""
	}
	if t == reflect.TypeFor[rig.Finding]() {
		name = "EarFinding"
	}
	if had, ok := k.types[name]; ok && had != t || name == "Record" {
		k.clash = fmt.Errorf("%v and %v have the same name in the OpenAPI document", had, t)
	}
	k.types[name] = t
	return name
}

// of is a reference to the schema of a type.
func (k *schemas) of(t reflect.Type) (map[string]any, error) {
	if t == reflect.TypeFor[rig.Record]() {
		return map[string]any{"$ref": "#/$defs/Record"}, nil
	}
	s := k.reflector.ReflectFromType(t)
	if k.clash != nil {
		return nil, k.clash
	}
	for name, def := range s.Definitions {
		if name == "Cycle" { // one that runs has no outcome yet
			p, ok := def.Properties.Get("outcome")
			if !ok || p.Enum == nil {
				return nil, fmt.Errorf("a cycle has no outcome")
			}
			p.Enum = slices.Concat(p.Enum, []any{""})
		}
		data, err := json.Marshal(def)
		if err != nil {
			return nil, err
		}
		k.defs[name] = data
	}
	if !strings.HasPrefix(s.Ref, "#/$defs/") {
		return nil, fmt.Errorf("%v has no name of its own", t)
	}
	return map[string]any{"$ref": s.Ref}, nil
}

// apiMapped is the schema of types that have a fixed list of values, or are
// written otherwise than Go has them.
func apiMapped(t reflect.Type) *jsonschema.Schema {
	words := func(vs ...any) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Enum: vs} }
	switch t {
	case reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{Type: "integer"}
	case reflect.TypeFor[rig.Outcome]():
		return words(rig.Pass, rig.Fail, rig.Error, rig.Aborted)
	case reflect.TypeFor[rig.Attribution]():
		return words(rig.Proven, rig.Presumed)
	case reflect.TypeFor[rig.CheckOutcome]():
		return words(rig.CheckPass, rig.CheckFail, rig.CheckUnknown, rig.CheckWarn)
	}
	return nil
}

// operation is one route.
func (k *schemas) operation(r *route) (map[string]any, error) {
	op := map[string]any{"operationId": r.id, "summary": r.about, "tags": []string{r.tag}}
	op["security"] = []any{}
	if r.role > access.Nobody {
		op["security"] = []any{map[string]any{"token": []string{}}}
		op["x-role"] = r.role.String()
	}
	var params []any
	for name := range pathNames(r.path) {
		params = append(params, map[string]any{
			"name": name, "in": "path", "required": true, "schema": map[string]any{"type": "string", "minLength": 1, "maxLength": nameMost},
		})
	}
	for _, p := range r.query {
		params = append(params, map[string]any{"name": p.name, "in": "query", "description": p.about, "schema": p.schema()})
	}
	if params != nil {
		op["parameters"] = params
	}
	if r.takes != nil {
		ref, err := k.of(r.takes)
		if err != nil {
			return nil, err
		}
		op["requestBody"] = map[string]any{"required": true, "content": map[string]any{"application/json": map[string]any{"schema": ref}}}
	}
	wrong, err := k.of(reflect.TypeFor[Problem]())
	if err != nil {
		return nil, err
	}
	responses := map[string]any{"default": map[string]any{
		"description": "It was not done, and why", "content": map[string]any{"application/problem+json": map[string]any{"schema": wrong}},
	}}
	content := map[string]any{}
	for _, m := range r.media {
		content[m] = map[string]any{}
	}
	if r.gives != nil {
		ref, err := k.of(r.gives)
		if err != nil {
			return nil, err
		}
		content["application/json"] = map[string]any{"schema": ref}
	}
	status := cmp.Or(r.status, http.StatusOK)
	responses[strconv.Itoa(status)] = map[string]any{"description": http.StatusText(status), "content": content}
	if r.path == readyPath {
		responses["503"] = map[string]any{"description": "Not ready, and why", "content": content}
	}
	op["responses"] = responses
	return op, nil
}

func (p param) schema() map[string]any {
	s := map[string]any{"type": "string", "minLength": 1, "maxLength": nameMost}
	switch {
	case p.most > 0:
		s = map[string]any{"type": "integer", "minimum": p.least, "maximum": p.most, "default": p.otherwise}
	case p.words != nil:
		s = map[string]any{"type": "string", "enum": p.words}
	}
	if p.many {
		return map[string]any{"type": "array", "items": s, "maxItems": listMost}
	}
	return s
}
