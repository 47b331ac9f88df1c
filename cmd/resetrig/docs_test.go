package main

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"resetrig/config"
)

// The documentation's commands are run: every line of a block of sh, in a folder
// where the block's lab.yaml is a simulated bench. Files that a block of yaml
// begins with "# file: NAME" are written there, after the program has read them.

// standIn is the bench that stands in for the lab's. Its unit is of the old
// generation, whose login is known without a command before: each command has a
// world of its own.
const standIn = `bench: lab
dut:
  model: imou-nvr-old
  serial: ` + standInSerial + `
simulate: {model: imou-old, seed: 3, senses: [power, reset, network]}
`

const standInSerial = "4F0A2B1PAZ00001"

// elsewhere are first words of lines that other tests run: make's targets are the
// suite itself, and what wants root is done by the package's test.
var elsewhere = []string{"make", "sudo", "git", "cd"}

// serves are commands that go on until they are stopped.
var serves = regexp.MustCompile(`^resetrig (--\S+ \S+ )*(serve( --.*)?|sim( --.*)?|soak .* --serve .*)$`)

func TestDocs(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range append(files, "../../README.md") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil && !strings.Contains(m[1], "://") {
					t.Errorf("a link leads nowhere: %s", m[1])
				}
			}
			newDocRun(t).all(string(text))
		})
	}
}

// docRun is one document as its reader follows it.
type docRun struct {
	t       *testing.T
	dir     string
	env     []string
	port    string // in place of the dashboard's
	running []*exec.Cmd
	logs    []*lockedBuffer
}

func newDocRun(t *testing.T) *docRun {
	t.Helper()
	d := &docRun{t: t, dir: t.TempDir()}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(d.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(bin, "resetrig")); err != nil {
		t.Fatal(err)
	}
	d.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "RESETRIG_STATE="+filepath.Join(d.dir, "state"), "NVR_PW=secret")
	ln := listen(t)
	_, d.port, _ = net.SplitHostPort(ln.Addr().String())
	_ = ln.Close()
	d.write("lab.yaml", standIn)
	for _, side := range []string{"left", "right"} {
		d.write(side+".yaml", strings.Replace(strings.Replace(standIn, "bench: lab", "bench: "+side, 1), standInSerial, "4F0A2B1PAZ0000"+side[:1], 1))
	}
	for name, from := range map[string]string{"night.yaml": "../../examples/plans/night.yaml"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		d.write(name, string(text))
	}
	t.Cleanup(d.stop)
	return d
}

func (d *docRun) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)\)`)

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

func (d *docRun) all(text string) {
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "yaml":
			if name, ok := strings.CutPrefix(firstLine(m[2]), "# file: "); ok {
				d.file(name, m[2])
			}
		case "sh":
			for line := range strings.Lines(strings.ReplaceAll(m[2], "\\\n", "")) {
				line, _, _ = strings.Cut(line, " # ")
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					d.line(line)
				}
			}
		}
	}
	d.stop()
}

// file reads a document's file as the program would, and leaves it for the
// commands; a bench with lines is stood in for.
func (d *docRun) file(name, text string) {
	d.t.Helper()
	switch firstWord := strings.Fields(strings.SplitN(text, "\n", 3)[1])[0]; firstWord {
	case "bench:":
		cfg, err := config.LoadBench(name, []byte(text), config.System())
		if err != nil {
			d.t.Errorf("%s: %v", name, err)
			return
		}
		if cfg.Simulate == nil {
			text = strings.Replace(standIn, "bench: lab", "bench: "+cfg.Name, 1)
		}
	case "scenario:", "model:", "plan:": // the commands that follow read them
	default:
		d.t.Errorf("%s begins with %q: what kind of file is that?", name, firstWord)
	}
	d.write(name, text)
}

func (d *docRun) line(line string) {
	d.t.Helper()
	line = strings.ReplaceAll(line, "bin/resetrig", "resetrig")
	word := strings.Fields(line)[0]
	if slices.Contains(elsewhere, word) {
		if word == "make" {
			if out, err := exec.Command("make", "-C", "../..", "-n", strings.Fields(line)[1]).CombinedOutput(); err != nil {
				d.t.Errorf("%s: %v\n%s", line, err, out)
			}
		}
		return
	}
	if word != "resetrig" && word != "curl" {
		d.t.Errorf("%s: nothing runs this: say where it is tested", line)
		return
	}
	if strings.HasPrefix(line, "resetrig serve") && !strings.HasPrefix(line, "resetrig serve token") && !strings.Contains(line, "--listen") {
		line += " --listen 127.0.0.1:8090"
	}
	line = d.ids(strings.ReplaceAll(line, ":8090", ":"+d.port))
	ctx, stop := context.WithTimeout(d.t.Context(), 3*time.Minute)
	defer stop()
	if serves.MatchString(line) {
		d.serve(line)
		return
	}
	cmd := d.shell(ctx, line)
	cmd.Stdin = strings.NewReader(standInSerial + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Errorf("%s: %v\n%s", line, err, tail(out))
	}
}

func (d *docRun) shell(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = d.dir, d.env
	return cmd
}

// serve begins a command that goes on, and waits until it says where.
func (d *docRun) serve(line string) {
	d.t.Helper()
	cmd, log := d.shell(context.Background(), "exec "+line), &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.running, d.logs = append(d.running, cmd), append(d.logs, log)
	for range 300 {
		if strings.Contains(log.String(), "http") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.t.Errorf("%s: it never said where it is:\n%s", line, log.String())
}

// stop ends what was left running, in the orderly way.
func (d *docRun) stop() {
	for i, cmd := range d.running {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != exitPass && code != exitAborted {
			d.t.Errorf("%s ended with %d:\n%s", cmd.Args[2], code, d.logs[i].String())
		}
	}
	d.running, d.logs = nil, nil
}

var (
	idWord  = regexp.MustCompile(`\bID\b`)
	twoRuns = regexp.MustCompile(`\bA B\b`)
)

// ids puts the newest runs where a document says ID, or A and B.
func (d *docRun) ids(line string) string {
	if !idWord.MatchString(line) && !twoRuns.MatchString(line) {
		return line
	}
	out, err := d.shell(d.t.Context(), "resetrig list").Output()
	if err != nil {
		d.t.Fatalf("list: %v", err)
	}
	var runs []string
	for l := range strings.Lines(string(out)) {
		runs = append(runs, strings.Fields(l)[0])
	}
	if len(runs) == 0 {
		d.t.Fatalf("%s: there is no run yet", line)
	}
	line = idWord.ReplaceAllString(line, runs[0])
	return twoRuns.ReplaceAllString(line, runs[0]+" "+runs[len(runs)-1])
}

func tail(out []byte) []byte {
	return bytes.TrimSpace(out[max(0, len(out)-2000):])
}

// Each reason stands in docs/faults.md, in the table of its kind, and nothing
// else does.
func TestEveryReasonIsExplained(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "../../rig/reason.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, decl := range f.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		kind := "aborted"
		switch about := g.Doc.Text(); {
		case strings.Contains(about, "fail"):
			kind = "fail"
		case strings.Contains(about, "error"):
			kind = "error"
		}
		for _, s := range g.Specs {
			text, err := strconv.Unquote(s.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			want[kind] = append(want[kind], text)
		}
	}
	text, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	got, kind := map[string][]string{}, ""
	heading, row := regexp.MustCompile("^## .*`(\\w+)`"), regexp.MustCompile("^\\| `([^`]+)` \\| .{20,} \\| .{10,} \\|$")
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := heading.FindStringSubmatch(line); m != nil {
			kind = m[1]
		} else if m := row.FindStringSubmatch(line); m != nil {
			got[kind] = append(got[kind], m[1])
		}
	}
	for _, kind := range []string{"fail", "error", "aborted"} {
		slices.Sort(want[kind])
		slices.Sort(got[kind])
		if fmt.Sprint(want[kind]) != fmt.Sprint(got[kind]) || len(want[kind]) < 3 {
			t.Errorf("%s: docs/faults.md has\n%v, the program\n%v", kind, got[kind], want[kind])
		}
	}
}
