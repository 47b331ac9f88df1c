package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport says which packages of this module each may import. Siblings never
// import each other; cmd alone knows everything.
var mayImport = map[string][]string{
	"rig":              {},
	"rig/rigtest":      {"rig"},
	"soak":             {"rig", "soak/stats"},
	"soak/stats":       {},
	"pcm":              {},
	"pcm/synth":        {"pcm"},
	"pcm/corpus":       {"pcm/synth"},
	"audio":            {"rig", "pcm"},
	"gpio":             {"rig"},
	"nvr":              {"rig"},
	"sim":              {"rig", "pcm", "pcm/synth", "pcm/corpus"},
	"config":           {"rig", "models", "scenarios"},
	"store":            {"rig"},
	"notify":           {"rig"},
	"report":           {"rig", "soak/stats"},
	"scenarios":        {},
	"models":           {},
	"cmd/resetrig-mic": {"pcm"},

	"virtual/gpiosim/guest": {"rig"},
	"virtual/pi/guest":      {"rig"},
	"audio/audiotest":       {"internal/need"},
	"internal/need":         {},
	"report/reporttest":     {"rig", "soak/stats"},
	"web":                   {"pcm", "report", "rig", "soak", "soak/stats", "web/access"},
	"web/access":            {},
	"web/access/accesstest": {"web/access"},

	"cmd/bench-detector": {"audio", "pcm", "pcm/corpus", "pcm/synth"},
}

// testsMay is what tests may import beyond that.
var testsMay = map[string][]string{
	"audio":  {"pcm/synth", "pcm/corpus", "audio/audiotest"},
	"config": {"examples", "testdata"},
	"report": {"report/reporttest"},
	"nvr":    {"internal/need"},
	"sim":    {"internal/need"},
	"store":  {"internal/need"},
	"web":    {"web/access/accesstest"},
}

func TestImportRules(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Standard", "resetrig/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, "resetrig/")
		if name == "cmd/resetrig" {
			continue
		}
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s has no rule: add one", name)
			continue
		}
		seen++
		check := func(imports, allowed []string) {
			for _, i := range imports {
				short, ours := strings.CutPrefix(i, "resetrig/")
				if ours && short != name && !slices.Contains(allowed, short) {
					t.Errorf("%s imports %s", name, short)
				}
				if strings.HasPrefix(name, "rig") && strings.Contains(strings.SplitN(i, "/", 2)[0], ".") {
					t.Errorf("%s imports %s: it has the standard library only", name, i)
				}
				if i == "testing" && name == "rig/rigtest" {
					t.Error("rig/rigtest imports testing: the shipped program runs it too")
				}
			}
		}
		check(p.Imports, allowed)
		check(slices.Concat(p.TestImports, p.XTestImports), slices.Concat(allowed, testsMay[name]))
	}
	if seen < 10 {
		t.Errorf("saw %d packages: the list was not read", seen)
	}
}
