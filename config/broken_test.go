package config_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/config"
)

var update = flag.Bool("update", false, "rewrite the # want: lines of the broken files")

const wantMark = "# want: "

// loadKind loads a file as the kind that its folder is named after.
func loadKind(kind, name string, data []byte) error {
	var err error
	switch kind {
	case "bench":
		_, err = config.LoadBench(name, data, testEnv())
	case "scenario":
		_, err = config.LoadScenario(name, data, nil)
	case "model":
		_, err = config.LoadModel(name, data)
	case "calibration":
		_, err = config.LoadCalibration(name, data)
	case "plan":
		_, err = config.LoadPlan(name, data)
	case "baseline":
		_, err = config.LoadBaseline(name, data)
	default:
		err = errors.New("no such kind of file: " + kind)
	}
	return err
}

// wants splits a broken file into its # want: lines and the rest.
func wants(data []byte) (want []string, rest []byte) {
	for bytes.HasPrefix(data, []byte(wantMark)) {
		line, after, _ := bytes.Cut(data, []byte("\n"))
		want, data = append(want, string(line[len(wantMark):])), after
	}
	return want, data
}

// Every rule has a file that breaks it and begins with the whole text of its
// error, all problems of the file together.
func TestBrokenFiles(t *testing.T) {
	for _, f := range files(t, "../testdata/broken/*/*.yaml") {
		kind := filepath.Base(filepath.Dir(f))
		t.Run(kind+"/"+filepath.Base(f), func(t *testing.T) {
			data := read(t, f)
			if *update {
				data = rewrite(t, kind, f, data)
			}
			want, _ := wants(data)
			if len(want) == 0 {
				t.Fatal("it has no # want: line")
			}
			got := problems(t, loadKind(kind, f, data), f)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// problems are the lines of an error without the name of the file.
func problems(t *testing.T, err error, file string) []string {
	t.Helper()
	var all config.Problems
	if !errors.As(err, &all) {
		t.Fatalf("got %v, want Problems", err)
	}
	var lines []string
	for _, p := range all {
		text := p.Error()
		rest, ok := strings.CutPrefix(text, file+":")
		if !ok {
			t.Errorf("%q does not begin with the file", text)
		}
		if p.Right == "" {
			t.Errorf("%q does not say what would be right", text)
		}
		if strings.ContainsAny(text, "\n") {
			t.Errorf("%q is more than a line", text)
		}
		lines = append(lines, strings.TrimSpace(rest))
	}
	return lines
}

// rewrite puts the errors that come now into the file's head.
func rewrite(t *testing.T, kind, file string, data []byte) []byte {
	_, rest := wants(data)
	n := len(problems(t, loadKind(kind, file, rest), file))
	padded := append(bytes.Repeat([]byte("# \n"), n), rest...)
	var out []byte
	for _, line := range problems(t, loadKind(kind, file, padded), file) {
		out = append(out, wantMark+line+"\n"...)
	}
	out = append(out, rest...)
	if err := os.WriteFile(file, out, 0o644); err != nil {
		t.Fatal(err)
	}
	return out
}
