package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/internal/need"
	"resetrig/rig"
)

// A log keeps its size, loses nothing that is young, and tears no line.
func TestLogRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "x.log")
	r, err := openRotating(path, 1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		if n == 100 { // a restart goes on with the same part
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err = openRotating(path, 1000, 3); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fmt.Fprintf(r, "line %03d of a log that is long\n", n); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var all string
	for _, name := range []string{".3", ".2", ".1", ""} {
		b, err := os.ReadFile(path + name)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 1000 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
		all += string(b)
	}
	if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 4 {
		t.Errorf("%d parts are there", len(list))
	}
	lines := strings.Split(strings.TrimSuffix(all, "\n"), "\n")
	for i, l := range lines {
		if want := fmt.Sprintf("line %03d of a log that is long", 200-len(lines)+i); l != want {
			t.Fatalf("%q where %q belongs", l, want)
		}
	}
	if len(lines) < 90 {
		t.Errorf("%d lines are left", len(lines))
	}
}

// deafClock hangs where it is told to.
type deafClock struct{ rig.Clock }

func (deafClock) Sleep(context.Context, time.Duration) error { return nil }

// The watchdog is fed by progress alone, and by that of every bench.
func TestWatchdogIsFedByProgress(t *testing.T) {
	now := time.Now()
	var told []string
	s := &supervisor{every: 10 * time.Second, passed: map[string]bool{}, now: func() time.Time { return now }, tell: func(x string) { told = append(told, x) }}
	a, b := passer{s, "a"}, passer{s, "b"}
	a.pass() // it has not joined: nothing of it counts
	s.join("a")
	s.join("b")
	step := func(want int, what string, ps ...passer) {
		t.Helper()
		now = now.Add(11 * time.Second)
		for _, p := range ps {
			p.pass()
		}
		if len(told) != want {
			t.Errorf("%s: told %d times, want %d", what, len(told), want)
		}
	}
	step(0, "one bench alone", a, a, a)
	step(1, "the other one too", b)
	step(2, "both", a, b)
	step(2, "one hangs", a, a)
	s.leave("b")
	step(3, "the one that hung has ended", a)
	a.pass()
	a.pass()
	if len(told) != 3 {
		t.Error("it is told more often than it needs")
	}
	bench := &rig.Bench{Clock: deafClock{rig.System()}}
	a.onBench(bench)
	now = now.Add(11 * time.Second)
	if err := bench.Clock.Sleep(t.Context(), time.Hour); err != nil || len(told) != 4 {
		t.Errorf("a long sleep: told %d times, %v", len(told), err)
	}
}

// earThatCounts hears a beep and a finding in each read.
type earThatCounts struct {
	rig.Ear
	reads int
	now   *time.Time
}

func (e *earThatCounts) Listen(_ context.Context, until time.Time) (rig.Hearing, error) {
	e.reads++
	*e.now = until
	h := rig.Hearing{Beeps: []rig.Beep{{ID: e.reads}}, Findings: []rig.Finding{{Name: "level", Unfit: e.reads == 2}}}
	if e.reads == 4 {
		return h, errors.New("enough")
	}
	return h, nil
}

type clockAt struct {
	rig.Clock
	now *time.Time
}

func (c clockAt) Now() time.Time { return *c.now }

// A long read in slices is what one read would be.
func TestSlicedListening(t *testing.T) {
	now := time.Now()
	s := &supervisor{every: time.Second, passed: map[string]bool{}, now: time.Now, tell: func(string) {}}
	ear := &earThatCounts{now: &now}
	b := &rig.Bench{Clock: clockAt{rig.System(), &now}, Ear: ear}
	passer{s, "a"}.onBench(b)
	h, err := b.Ear.Listen(t.Context(), now.Add(12*time.Second))
	if err != nil || ear.reads != 3 || len(h.Beeps) != 3 || len(h.Findings) != 1 || !h.Findings[0].Unfit {
		t.Errorf("%d reads, %+v, %v", ear.reads, h, err)
	}
	if h, err = b.Ear.Listen(t.Context(), now.Add(12*time.Second)); err == nil || len(h.Beeps) != 1 {
		t.Errorf("an error: %+v, %v", h, err)
	}
}

// The unit is one that systemd takes, and that little is left to exploit of.
func TestServiceUnit(t *testing.T) {
	dir := t.TempDir()
	bench := filepath.Join(dir, "lab.yaml")
	text := "bench: lab-3\ndut: {model: imou-nvr-new, serial: 4F0A2B1PAZ00001, url: http://127.0.0.1:9, login: {user: admin, password: \"${NO_SUCH_VARIABLE}\"}}\n" +
		"relays:\n  power: {pin: GPIO23, active: high}\n  reset: {pin: GPIO24, active: high, max-on: 40s}\n"
	if err := os.WriteFile(bench, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	a := testApp(t)
	var out strings.Builder
	a.out = &out
	if code := a.execute(t.Context(), []string{"service", "install", "--bench", bench, "--root", dir}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	path := filepath.Join(dir, "etc/systemd/system/resetrig-lab-3.service")
	if strings.TrimSpace(out.String()) != path {
		t.Errorf("it says %q", out.String())
	}
	unit, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"soak --resume --bench " + bench, "safe --bench " + bench, "Type=notify", "WatchdogSec=180", "DeviceAllow=char-alsa", "DeviceAllow=char-gpiochip",
		"Restart=on-failure", "RestartPreventExitStatus=1 3 4 5", "DynamicUser=yes", "SupplementaryGroups=gpio audio",
	} {
		if !strings.Contains(string(unit), want) {
			t.Errorf("the unit does not say %q", want)
		}
	}
	if strings.Contains(string(unit), "PrivateDevices=") {
		t.Error("PrivateDevices takes the lines and the microphone away")
	}
	for _, bad := range []string{"../x", "a b"} {
		if code := a.execute(t.Context(), []string{"service", "install", "--bench", bench, "--root", dir, "--name", bad}); code != exitUsage {
			t.Errorf("--name %q: exit code %d", bad, code)
		}
	}
	need.Tool(t, "systemd", "systemd-analyze")
	if b, err := exec.Command("systemd-analyze", "verify", path).CombinedOutput(); err != nil || strings.Contains(string(b), "resetrig-lab-3") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, b)
	}
	b, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", path).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, b)
	}
	m := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no level in\n%s", b)
	}
	if v, _ := strconv.ParseFloat(string(m[1]), 64); v > 2.0 {
		t.Errorf("the exposure level is %s, want 2.0 at most\n%s", m[1], b)
	} else {
		t.Logf("exposure level %s", m[1])
	}
}

// A fail and the end are told, in their order and once; what the receiver did
// not take is told in the next run.
func TestWebhookOfASoak(t *testing.T) {
	var mu sync.Mutex
	status, got := http.StatusServiceUnavailable, []string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var n notice
		if err := json.NewDecoder(q.Body).Decode(&n); err != nil {
			t.Error(err)
		}
		if status == http.StatusOK {
			got = append(got, fmt.Sprintf("%s %s %s", n.Event, n.Outcome, n.Reason))
			if n.Bench != "told" || n.Run == "" || n.Labels["ticket"] != "NVR-1" {
				t.Errorf("%+v", n)
			}
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	dir := t.TempDir()
	bench := filepath.Join(dir, "told.yaml")
	text := "bench: told\ndut: {model: imou-nvr-new}\nsimulate: {model: imou-new, ear: false, faults: [{name: reset-ignored}]}\n" +
		"soak: {stop-after-fails: 0, webhook: {url: \"" + srv.URL + "\", on: [fail, end]}}\n"
	if err := os.WriteFile(bench, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	a := testApp(t)
	var said strings.Builder
	a.err, a.out = &said, io.Discard
	soak := func() {
		t.Helper()
		code := a.execute(t.Context(), []string{"--state", a.state, "soak", "imou-hard-reset", "--bench", bench, "-p", "beep=expected", "--cycles", "2", "--label", "ticket=NVR-1"})
		if code != exitFail {
			t.Fatalf("exit code %d\n%s", code, said.String())
		}
	}
	soak()
	if !strings.Contains(said.String(), "waits for the next run") || strings.Contains(said.String(), srv.URL) {
		t.Errorf("it says\n%s", said.String())
	}
	mu.Lock()
	status = http.StatusOK
	mu.Unlock()
	soak()
	mu.Lock()
	defer mu.Unlock()
	one := []string{"fail fail reset-ignored", "fail fail reset-ignored", "end  "}
	if want := append(one, one...); !slices.Equal(got, want) {
		t.Errorf("told\n%q\nwant\n%q", got, want)
	}
}

// A soak may be frozen first and begun by the service.
func TestEnqueuedSoak(t *testing.T) {
	a := testApp(t)
	var out strings.Builder
	a.out, a.err = &out, io.Discard
	if code := a.execute(t.Context(), []string{"--state", a.state, "soak", "imou-hard-reset", "--cycles", "2", "--enqueue"}); code != 0 || out.Len() == 0 {
		t.Fatalf("exit code %d, %q", code, out.String())
	}
	id := strings.TrimSpace(out.String())
	out.Reset()
	if code := a.execute(t.Context(), []string{"--state", a.state, "soak", "--resume", "--json"}); code != 0 || strings.Count(out.String(), `"run":"`+id+`"`) != 2 {
		t.Errorf("exit code %d, %q", code, out.String())
	}
	if log, err := os.ReadFile(filepath.Join(a.state, "resetrig.log")); err != nil || !strings.Contains(string(log), "a soak begins") || !strings.Contains(string(log), "cycle 2/2") {
		t.Errorf("the log: %v\n%s", err, log)
	}
}

// Two benches run the whole plan beside each other, and the end is the worse of
// theirs.
func TestTwoBenches(t *testing.T) {
	dir := t.TempDir()
	args := []string{"soak", "imou-hard-reset", "-p", "beep=expected", "--cycles", "3", "--stop-after-fails", "0", "--json"}
	for name, faults := range map[string]string{"left": "", "right": ", faults: [{name: reset-ignored}]"} {
		file := filepath.Join(dir, name+".yaml")
		text := "bench: " + name + "\ndut: {model: imou-nvr-new}\nsimulate: {model: imou-new, ear: false" + faults + "}\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--bench", file)
	}
	a := testApp(t)
	var out, said lockedBuffer
	a.out, a.err = &out, &said
	if code := a.execute(t.Context(), append([]string{"--state", a.state}, args...)); code != exitFail {
		t.Errorf("exit code %d\n%s", code, said.String())
	}
	for _, want := range []string{`"bench":"left"`, `"bench":"right"`} {
		if n := strings.Count(out.String(), want); n != 3 {
			t.Errorf("%s comes %d times, want 3", want, n)
		}
	}
	if !strings.Contains(said.String(), "left  cycle 3/3  pass") || !strings.Contains(said.String(), "right  cycle 3/3  fail") {
		t.Errorf("it says\n%s", said.String())
	}
	if code := a.execute(t.Context(), append(append([]string{"--state", a.state}, args...), "--bench", filepath.Join(dir, "left.yaml"))); code != exitUsage {
		t.Errorf("a bench twice: exit code %d", code)
	}
}
