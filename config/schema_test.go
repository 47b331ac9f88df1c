package config_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"resetrig/config"
)

// Broken files that a schema lets pass, by the reason.
var beyondSchema = map[string][]string{
	"a parser keeps one of two equal keys, or refuses the file itself": {
		"bench/duplicate-key", "bench/duplicate-relay", "scenario/duplicate-key", "scenario/step-duplicate-key", "model/duplicate-key",
		"bench/second-document", "scenario/second-document", "model/second-document", "bench/empty", "scenario/empty", "model/empty",
		"plan/duplicate-key", "baseline/duplicate", "bench/not-yaml", "bench/not-utf8", "bench/tab", "scenario/tab", "bench/anchor",
	},
	"depends on another key, or on a default": {
		"baseline/ports", "baseline/key", "plan/controls-every-without-controls", "plan/sequential-without-prove",
		"bench/identity-missing", "bench/url-missing", "bench/login-password-missing", "bench/login-two-passwords",
		"bench/relay-active-missing", "bench/relay-pin-missing", "bench/relay-min-over-max", "bench/two-relays-one-pin",
		"bench/press-kept", "bench/relay-kept-by-periph", "bench/relay-web-address", "bench/press-normally-closed", "bench/press-without-bound",
		"bench/sense-of-unknown-relay", "bench/sense-on-relay-pin", "bench/sense-active-missing", "bench/sense-key-of-another-kind",
		"bench/sense-network-by-pin", "bench/sense-relay-by-tcp", "bench/sense-press-by-carrier", "bench/sense-press-by-current",
		"bench/sense-current-incomplete", "bench/sense-bus-on-relay-pin", "bench/ear-device-missing", "bench/ear-beep-and-calibration",
		"bench/simulate-real-senses", "bench/simulate-senses-unknown", "bench/simulate-fault-twice",
		"model/generation-missing", "model/old-without-accounts", "model/new-with-accounts", "model/boot-order", "model/lockout-spare",
		"model/plain-missing", "model/route-in-dahua", "model/reset-by-in-dahua", "model/plain-without-accounts", "model/plain-with-generation", "model/plain-in-imou",
		"model/onvif-without-accounts", "model/onvif-with-generation", "model/onvif-in-imou", "model/hikvision-first-account",
	},
	"depends on the environment or on another file": {
		"bench/login-variable-unset", "bench/login-file-missing", "bench/login-variable-in-text",
		"bench/soak-webhook-variable-unset", "plan/window-zone",
	},
	"is a limit on a number with a unit, or on what stands in a text": {
		"bench/relay-settle-too-long", "bench/press-bound-too-long", "bench/sense-debounce-too-long", "bench/sense-tcp-port",
		"plan/label-empty", "plan/prove-shares", "plan/window-days", "plan/window-empty",
		"bench/mac-multicast", "bench/discovery", "bench/url-with-path",
		"scenario/step-zero-time", "scenario/restarted-stable-too-long", "scenario/hold-cap-too-short", "scenario/hear-limits",
		"calibration/limits", "calibration/drowned", "model/beep-range", "model/beep-long", "model/ignore-pattern", "scenario/mark-nothing", "scenario/mark-config-key",
	},
	"depends on the parameters": {
		"scenario/param-unknown", "scenario/param-unused", "scenario/param-of-wrong-kind", "scenario/param-as-key",
	},
	"depends on the order and the company of the steps": {
		"scenario/press-twice", "scenario/press-never-released", "scenario/press-powered", "scenario/release-without-press",
		"scenario/power-left-off", "scenario/hold-since-nothing", "scenario/hear-before-moment", "scenario/hear-empty-window",
		"scenario/restarted-since-nothing", "scenario/mark-twice", "scenario/default-state-without-mark", "scenario/nothing-judged",
		"scenario/still-marked-without-control", "scenario/control-without-still-marked", "scenario/control-wants-default",
		"scenario/control-with-reset", "scenario/persists-before-default", "scenario/factory-reset-twice", "scenario/functions-differ",
		"scenario/functions-twice", "scenario/wrong-password-no-control", "scenario/wrong-password-functions", "scenario/factory-reset-nothing", "scenario/functions-not-marked", "scenario/functions-all-marked",
	},
}

func schema(t *testing.T, kind string) *jsonschema.Schema {
	t.Helper()
	text, err := config.Schema(kind)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(kind, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(kind)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid checks a YAML file against a schema as an editor would.
func valid(s *jsonschema.Schema, data []byte) error {
	var v any
	if err := yaml.Load(data, &v, yaml.WithUniqueKeys(false)); err != nil {
		return nil // the editor's YAML says so before any schema
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

func TestSchemaAcceptsShippedFiles(t *testing.T) {
	for kind, list := range map[string][]string{
		"bench": benchFiles(t), "scenario": files(t, "../scenarios/*.yaml"), "model": files(t, "../models/*.yaml"),
	} {
		s := schema(t, kind)
		for _, f := range list {
			t.Run(kind+"/"+filepath.Base(f), func(t *testing.T) {
				if err := valid(s, read(t, f)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestSchemaRefusesBrokenFiles(t *testing.T) {
	beyond := map[string]string{}
	for reason, names := range beyondSchema {
		for _, n := range names {
			beyond[n] = reason
		}
	}
	for _, kind := range config.SchemaKinds() {
		s := schema(t, kind)
		for _, f := range files(t, "../testdata/broken/"+kind+"/*.yaml") {
			name := kind + "/" + strings.TrimSuffix(filepath.Base(f), ".yaml")
			reason, excepted := beyond[name]
			delete(beyond, name)
			t.Run(name, func(t *testing.T) {
				_, rest := wants(read(t, f))
				switch err := valid(s, rest); {
				case err == nil && !excepted:
					t.Error("the schema lets it pass, and it is not listed as beyond a schema")
				case err != nil && excepted:
					t.Errorf("the schema refuses it, and it is listed as beyond a schema (%s): %v", reason, err)
				}
			})
		}
	}
	for name := range beyond {
		t.Errorf("%s is listed as beyond a schema and does not exist", name)
	}
}

// An editor completes from the schema: every key has a description.
func TestSchemaDescribesEveryKey(t *testing.T) {
	for _, kind := range config.SchemaKinds() {
		text, err := config.Schema(kind)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		describe(t, kind, doc)
	}
}

func describe(t *testing.T, at string, node any) {
	switch n := node.(type) {
	case map[string]any:
		if props, ok := n["properties"].(map[string]any); ok {
			if n["additionalProperties"] != false {
				t.Errorf("%s: other keys are let pass", at)
			}
			_, isStep := n["description"]
			for key, p := range props {
				if p, ok := p.(map[string]any); ok && p["description"] == nil && !isStep {
					t.Errorf("%s.%s has no description", at, key)
				}
			}
		}
		for key, v := range n {
			describe(t, at+"."+key, v)
		}
	case []any:
		for _, v := range n {
			describe(t, at, v)
		}
	}
}

func TestSchemaOfUnknownKind(t *testing.T) {
	_, err := config.Schema("benhc")
	if err == nil || !strings.Contains(err.Error(), `did you mean "bench"?`) {
		t.Errorf("got %v, want the nearest kind", err)
	}
}
