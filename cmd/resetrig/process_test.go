package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"resetrig/audio/audiotest"
	"resetrig/rig"
	"resetrig/sim"
)

// These tests run the program as its own process against the simulated recorder
// as another, in real time and over TCP and UDP: what a bench's wires would
// carry goes through the recorder's control port.

// process is a running resetrig.
type process struct {
	*exec.Cmd
	out, err *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// command is the test binary in the role of resetrig: see TestMain.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0] = "resetrig"
	return cmd
}

func start(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{command(t, args...), &lockedBuffer{}, &lockedBuffer{}}
	p.Stdout, p.Stderr = p.out, p.err
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

// code waits for the process's end and gives its exit code; -1 is a signal.
func (p *process) code() int {
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// recorder is a simulated recorder in a process of its own.
type recorder struct {
	t                        testing.TB
	URL, Control, DHIP       string
	Serial                   string
	dir, state, bench, model string
}

// startRecorder starts one, and writes a bench file for it: relays through its
// control port. ear is the text of the bench's ear section.
func startRecorder(t testing.TB, dir, ear string, args ...string) *recorder {
	t.Helper()
	cmd := command(t, append([]string{"sim"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs lockedBuffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	r := &recorder{t: t, dir: dir, state: filepath.Join(dir, "state"), bench: filepath.Join(dir, "bench.yaml")}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, r)
	}
	if err != nil {
		t.Fatalf("the recorder does not say where it is: %v\n%s", err, errs.String())
	}
	text := fmt.Sprintf(`bench: process
dut: {model: imou-nvr-new, serial: %s, url: %q, discovery: %q}
relays:
  power: {pin: "%s/power?on={on}", active: high, safe: %%s}
  reset: {pin: "%s/reset?on={on}", active: high, max-on: 40s}
%s
`, r.Serial, r.URL, r.DHIP, r.Control, r.Control, ear)
	for _, safe := range []string{"keep", "off"} {
		name := r.bench
		if safe == "off" {
			name = filepath.Join(dir, "off.yaml")
		}
		if err := os.WriteFile(name, fmt.Appendf(nil, text, safe), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// truth is the recorder's own word on its wires.
func (r *recorder) truth() sim.Truth {
	r.t.Helper()
	resp, err := http.Get(r.Control + "/state")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var tr sim.Truth
	if err := json.NewDecoder(resp.Body).Decode(&tr); err != nil {
		r.t.Fatal(err)
	}
	return tr
}

// until waits for something that is true of the recorder.
func (r *recorder) until(what string, p *process, is func(sim.Truth) bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); !is(r.truth()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			said := ""
			if p != nil {
				said = p.err.String()
			}
			r.t.Fatalf("after a minute still not: %s; %+v\n%s", what, r.truth(), said)
		}
	}
}

// resetrig runs a command to its end.
func (r *recorder) resetrig(args ...string) (code int, out, errs string) {
	r.t.Helper()
	p := start(r.t, append([]string{"--state", r.state}, args...)...)
	code = p.code()
	return code, p.out.String(), p.err.String()
}

// pressing is a scenario that comes to its most dangerous moment soon: the pins
// shorted.
const pressing = `scenario: pressing
params: {hold: 30s}
arrange:
  - power: on
  - reachable: {within: 1m}
  - provision
  - mark: {password: unique}
act:
  - press: {relay: reset, powered: allow}
  - hold: {for: $hold, since: press}
  - release: reset
assert:
  - default-state
`

func TestEveryEndOpensThePress(t *testing.T) {
	dir := t.TempDir()
	scenario := filepath.Join(dir, "pressing.yaml")
	if err := os.WriteFile(scenario, []byte(pressing), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, bench string
		signals     []os.Signal
		code        int
		powered     bool // afterwards
		safe        bool // `resetrig safe` is needed
	}{
		{"SIGINT", "bench.yaml", []os.Signal{syscall.SIGINT}, exitAborted, true, false},
		{"SIGTERM", "bench.yaml", []os.Signal{syscall.SIGTERM}, exitAborted, true, false},
		{"SIGHUP", "off.yaml", []os.Signal{syscall.SIGHUP}, exitAborted, false, false},
		// The first one would keep the power for the write window.
		{"SIGINT twice cuts the power", "off.yaml", []os.Signal{syscall.SIGINT, syscall.SIGINT}, exitAborted, false, false},
		{"SIGKILL, then safe", "bench.yaml", []os.Signal{syscall.SIGKILL}, -1, true, true},
		{"SIGKILL, then safe, power off", "off.yaml", []os.Signal{syscall.SIGKILL}, -1, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startRecorder(t, t.TempDir(), "", "--powered") // somebody left it on
			bench := filepath.Join(r.dir, c.bench)
			p := start(t, "--state", r.state, "run", scenario, "--bench", bench)
			r.until("pressed", p, func(tr sim.Truth) bool { return tr.Shorted })
			for i, s := range c.signals {
				if i > 0 {
					// The second one comes while the first is being obeyed or later.
					for !strings.Contains(p.err.String(), "stopping") && p.ProcessState == nil {
						time.Sleep(5 * time.Millisecond)
					}
				}
				_ = p.Process.Signal(s)
			}
			signalled := time.Now()
			code := p.code()
			if took := time.Since(signalled); len(c.signals) > 1 && took > 30*time.Second {
				t.Errorf("the second signal was obeyed after %v: the write window was waited for", took)
			}
			if code != c.code {
				t.Errorf("exit code %d, want %d\n%s", code, c.code, p.err)
			}
			if c.safe {
				if !r.truth().Shorted {
					t.Error("the press opened by itself: this proves nothing")
				}
				if code, out, errs := r.resetrig("safe", "--bench", bench); code != 0 {
					t.Errorf("safe: exit code %d\n%s%s", code, out, errs)
				}
				// The next command closes the books of the cycle that died.
				_, out, errs := r.resetrig("list", "--cycles", "--json")
				if strings.Contains(out, "interrupted") {
					t.Error("list changed the books")
				}
				_, _, errs = r.resetrig("nvr", "state", "--bench", bench)
				if !strings.Contains(errs, "aborted (interrupted)") {
					t.Errorf("nobody says that a cycle was interrupted: %s", errs)
				}
				_, out, _ = r.resetrig("list", "--cycles", "--json")
				if !strings.Contains(out, `"outcome":"aborted","reason":"interrupted"`) {
					t.Errorf("the interrupted cycle is not in the books: %s", out)
				}
			}
			time.Sleep(50 * time.Millisecond) // contacts take 15 ms
			tr := r.truth()
			if tr.Shorted {
				t.Error("the pins are still shorted")
			}
			if tr.Power != c.powered {
				t.Errorf("powered %v, want %v\n%s", tr.Power, c.powered, p.err)
			}
		})
	}
}

func post(t testing.TB, url string) {
	t.Helper()
	resp, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
}

// A switch that cannot be reached any more is a relay in doubt: exit code 5.
func TestUnreachableSwitchIsUnsafe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	scenario := filepath.Join(dir, "pressing.yaml")
	if err := os.WriteFile(scenario, []byte(strings.Replace(pressing, "30s", "2s", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	// A proxy in front of the control port, which goes away in the press.
	r := startRecorder(t, dir, "", "--powered")
	gone := make(chan struct{})
	proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		select {
		case <-gone:
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_ = conn.Close()
			}
			return
		default:
		}
		resp, err := http.Post(r.Control+q.URL.String(), "", nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})}
	ln := listen(t)
	go func() { _ = proxy.Serve(ln) }()
	t.Cleanup(func() { _ = proxy.Close() })
	text, err := os.ReadFile(r.bench)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(r.Control), []byte("http://"+ln.Addr().String()))
	if err := os.WriteFile(r.bench, text, 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--state", r.state, "run", scenario, "--bench", r.bench, "--json")
	r.until("pressed", p, func(tr sim.Truth) bool { return tr.Shorted })
	close(gone)
	if code := p.code(); code != exitUnsafe {
		t.Errorf("exit code %d, want %d\n%s", code, exitUnsafe, p.err)
	}
	if e := p.err.String(); !strings.Contains(e, "SAFE STATE NOT REACHED") || !strings.Contains(e, "relay reset") {
		t.Errorf("it does not say which relay is in doubt: %s", e)
	}
	var rec rig.Record
	if err := json.Unmarshal([]byte(p.out.String()), &rec); err != nil || len(rec.Unsafe) == 0 || rec.Outcome != rig.Error {
		t.Errorf("record %v, outcome %s, unsafe %v: %v", rec.ID, rec.Outcome, rec.Unsafe, err)
	}
	if !r.truth().Shorted {
		t.Error("the press opened by itself: this proves nothing")
	}
}

// A whole reset in real time: HTTP over TCP, discovery over UDP, relays over the
// network, and the beep through a sound server, ALSA, PortAudio, the
// microphone's process and its pipe.
func TestRealTimeCycle(t *testing.T) {
	t.Setenv("RESETRIG_MIC", audiotest.BuildMic(t, version))
	server := audiotest.NewSoundServer(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "sound")
	server.Play(fifo, simRate)
	r := startRecorder(t, dir, "ear: {device: rigmic, beep: {frequency: 2730Hz, level: -24dBFS}}", "--sound", fifo)
	p := start(t, "--state", r.state, "run", "imou-hard-reset", "--bench", r.bench, "--json")
	code := p.code()
	var rec rig.Record
	if err := json.Unmarshal([]byte(p.out.String()), &rec); err != nil {
		t.Fatalf("no record: %v\n%s", err, p.err)
	}
	if code != exitPass || rec.Outcome != rig.Pass {
		t.Errorf("exit code %d, %s: %s\n%s", code, verdictLine(rec), rec.Text, p.err)
	}
	for _, m := range rec.Measurements {
		t.Logf("%-22s %8.3f %s", m.Name, m.Value, m.Unit)
	}
	for _, f := range rec.Findings {
		t.Logf("finding %s (unfit %v): %s", f.Name, f.Unfit, f.Detail)
	}
	if tr := r.truth(); tr.Resets != 1 || tr.Shorted {
		t.Errorf("the recorder was reset %d times, want once; shorted %v", tr.Resets, tr.Shorted)
	}

	// The recorder by hand, on the unit as the cycle left it: provisioned anew.
	by := func(want int, has string, args ...string) {
		t.Helper()
		code, out, errs := r.resetrig(append([]string{"nvr"}, args...)...)
		if code != want || !strings.Contains(out+errs, has) {
			t.Errorf("nvr %v: exit code %d, want %d, and %q in\n%s%s", args, code, want, has, out, errs)
		}
		if pw := r.truth().Passwords["admin"]; pw != "" && strings.Contains(out+errs, pw) {
			t.Errorf("nvr %v prints the password", args)
		}
	}
	by(exitFail, `"state":"not-default"`, "state", "--bench", r.bench, "--json")
	by(exitPass, r.Serial, "info", "--bench", r.bench)
	by(exitPass, r.Serial, "discover", "--to", r.DHIP, "--wait", "300ms")
	by(exitUsage, "nothing was changed", "mark", "--bench", r.bench)
	by(exitUsage, "nothing was changed", "reset", "--bench", r.bench, "--yes-wipe", "ANOTHER0001")
	by(exitPass, "***", "mark", "--bench", r.bench, "--yes-wipe", r.Serial)
	good := filepath.Join(dir, "good.txt")
	bad := filepath.Join(dir, "bad.txt")
	if err := os.WriteFile(good, []byte(r.truth().Passwords["admin"]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("Wr0ngPassword"), 0o600); err != nil {
		t.Fatal(err)
	}
	by(exitPass, "accepted", "login", "--url", r.URL, "--dhip", r.DHIP, "--password-file", good)
	by(exitFail, "refused", "login", "--url", r.URL, "--dhip", r.DHIP, "--password-file", bad)
	baseline := filepath.Join(dir, "baseline.yaml")
	by(exitPass, "", "baseline", "record", "--bench", r.bench, "-o", baseline)
	by(exitPass, "accepted", "reset", "--bench", r.bench, "--yes-wipe", r.Serial)
	r.until("reset over the network", nil, func(tr sim.Truth) bool { return tr.Resets == 2 && !tr.Initialised && tr.Phase == "ready" })
	by(exitPass, `"state":"default"`, "state", "--bench", r.bench, "--json")
	by(exitPass, "accepted as admin", "provision", "--bench", r.bench, "--yes-wipe", r.Serial)

	// Without power it cannot be told.
	post(t, r.Control+"/power?on=false")
	r.until("dark", nil, func(sim.Truth) bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	by(exitError, `"state":"unknown","reason":"dut-unreachable"`, "state", "--bench", r.bench, "--json")
	by(exitError, "unknown", "login", "--url", r.URL, "--password-file", good)
	secrets(t, r)
}

// secrets looks for the passwords of the recorder in everything that was kept,
// other than the vault.
func secrets(t *testing.T, r *recorder) {
	t.Helper()
	pw := r.truth().Passwords["admin"]
	err := filepath.WalkDir(r.state, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !bytes.Contains(data, []byte(pw)) {
			return nil
		}
		if !strings.Contains(path, "vault") && !strings.Contains(path, "secret") {
			t.Errorf("the password stands in %s", path)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A reader of the results that goes away after the first line (| head -1) ends
// nothing: every cycle is run and booked.
func TestReaderGoesAway(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	cmd := command(t, "--state", state, "soak", "imou-hard-reset", "--cycles", "20", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = bufio.NewReader(out).ReadByte()
	_ = out.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the soak ended with %v", err)
	}
	list := start(t, "--state", state, "list")
	if code := list.code(); code != 0 || !strings.Contains(list.out.String(), "20 pass") {
		t.Errorf("exit code %d: %s", code, list.out)
	}
}

// A terminal on which nobody reads any more (Ctrl-S) keeps no signal from its
// work.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	cmd := command(t, "--state", t.TempDir(), "soak", "imou-hard-reset", "--cycles", "100000")
	cmd.Stderr, cmd.Stdout = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 20000) // let it come into the soak
	if _, err := io.ReadFull(r, buf); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // the pipe fills
	_ = cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
		if code := cmd.ProcessState.ExitCode(); code != exitAborted {
			t.Errorf("exit code %d, want %d", code, exitAborted)
		}
	case <-time.After(30 * time.Second):
		t.Error("a stop was not obeyed while nobody read")
		_ = cmd.Process.Kill()
		<-ended
	}
}

// The relays are made safe although everything else about the bench is broken:
// no password in the environment, no model, no baseline.
func TestSafeNeedsNothingElse(t *testing.T) {
	t.Parallel()
	r := startRecorder(t, t.TempDir(), "", "--powered")
	text, err := os.ReadFile(r.bench)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(text), "discovery:", `login: {user: admin, password: "${NO_SUCH_VARIABLE}"}, baseline: gone.yaml, discovery:`, 1)
	broken = strings.Replace(broken, "imou-nvr-new", "./gone.yaml", 1)
	if err := os.WriteFile(r.bench, []byte(broken), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := r.resetrig("check", "--bench", r.bench); code != exitUsage {
		t.Errorf("check of a broken bench: exit code %d, want %d: this proves nothing: %s", code, exitUsage, errs)
	}
	post(t, r.Control+"/reset?on=true")
	r.until("pressed", nil, func(tr sim.Truth) bool { return tr.Shorted })
	if code, _, errs := r.resetrig("safe", "--bench", r.bench); code != 0 {
		t.Errorf("exit code %d: %s", code, errs)
	}
	time.Sleep(50 * time.Millisecond)
	if tr := r.truth(); tr.Shorted || !tr.Power {
		t.Errorf("shorted %v, powered %v", tr.Shorted, tr.Power)
	}
	if code, _, errs := r.resetrig("safe", "--bench", r.bench, "--cut"); code != 0 {
		t.Errorf("--cut: exit code %d: %s", code, errs)
	}
	r.until("cut", nil, func(tr sim.Truth) bool { return !tr.Power })
	if code, _, _ := r.resetrig("safe", "--bench", filepath.Join(r.dir, "gone.yaml")); code != exitUnsafe {
		t.Errorf("without a bench file: exit code %d, want %d", code, exitUnsafe)
	}
}

// What cannot work is refused before a line is taken: a bench with safe: off
// would lose its power.
func TestRefusedPlanMovesNothing(t *testing.T) {
	t.Parallel()
	r := startRecorder(t, t.TempDir(), "", "--powered")
	off, old := filepath.Join(r.dir, "off.yaml"), filepath.Join(r.dir, "old.yaml")
	text, err := os.ReadFile(off)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, bytes.Replace(text, []byte("imou-nvr-new"), []byte("dahua-nvr-old"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", "imou-hard-reset", "--bench", off, "-p", "hold=45s", "-p", "beep=expected"}, // longer than the dead man
		{"run", "imou-hard-reset", "--bench", off},                                          // no ear
		{"run", "imou-soft-reset-functions", "--bench", old},                                // no baseline, and a dialect that tells no defaults
	} {
		if code, _, errs := r.resetrig(args...); code != exitUsage {
			t.Errorf("%v: exit code %d, want %d: %s", args, code, exitUsage, errs)
		}
	}
	time.Sleep(50 * time.Millisecond)
	if tr := r.truth(); !tr.Power || tr.Boots > 1 {
		t.Errorf("powered %v after %d boots: a relay moved", tr.Power, tr.Boots)
	}
}
