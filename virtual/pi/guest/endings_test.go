package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The README's table of how the program ends has the rows that the cases hold
// up, no more and no other. What was measured is run.sh's to compare.
func TestReadmeHasTheEndings(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(readme), "| how the program ends, in a press | what the lines do |\n|---|---|\n")
	if !found {
		t.Fatal("README.md has no such table")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	rows := map[string]bool{}
	for _, of := range suites {
		for _, c := range of {
			if c.end.how != "" {
				rows["| "+c.end.how+" | "+c.end.lines+" |"] = true
			}
		}
	}
	want := slices.Sorted(maps.Keys(rows))
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(strings.Split(table, "\n")))); diff != "" {
		t.Errorf("the cases hold up other rows (-) than README.md has (+):\n%s", diff)
	}
}
