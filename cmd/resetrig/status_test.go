package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/web"
	"resetrig/web/access"
)

// dashboardFor serves a rig's API behind TLS, as `resetrig serve` does: a bench
// that runs, and one that is idle.
func dashboardFor(t *testing.T, token string) *httptest.Server {
	t.Helper()
	live := web.NewLive()
	live.Bench("right")
	b := live.Bench("left")
	b.Begin(web.LiveRun{ID: "run-1", Kind: "soak", Plan: &soak.Plan{Cycles: 100, Scenarios: []soak.Entry{{Scenario: &rig.Scenario{Name: "imou-hard-reset"}}}}})
	b.Status(soak.Status{Doing: "cycle", Next: soak.Slot{N: 12, Attempt: 1}, Tally: soak.Tally{Cycles: 11, Pass: 9, Proven: 1, Errors: 1}})
	b.Observe(rig.Event{Kind: "phase", Name: "act"})
	b.Observe(rig.Event{Kind: "step", Text: "hold 20s\x1b[2J"})
	b.Done(rig.Record{ID: "run-1-0010", Cycle: 10, Outcome: rig.Fail, Attribution: rig.Proven})
	b.Done(rig.Record{ID: "run-1-0011", Cycle: 11, Outcome: rig.Error})
	s, err := web.New(web.Rig{Name: "pi", Version: "9.9", Live: live, Books: statusBooks{}}, func(doing string, err error) { t.Log(doing, err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
			web.Deny(w, r, http.StatusUnauthorized, "this needs a login as viewer")
			return
		}
		s.ServeHTTP(w, r.WithContext(access.WithIdentity(r.Context(), access.Identity{Name: "jo", Role: access.Viewer})))
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // refused certificates are wanted
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// statusBooks has one run on each bench.
type statusBooks struct{ web.Books }

func (statusBooks) Runs(_ context.Context, f web.RunFilter) ([]web.Run, error) {
	if f.Bench == "right" {
		return []web.Run{{ID: "run-0", Kind: "soak", Bench: "right", State: "ended", Exit: exitUnsafe, First: web.Outcomes{Pass: 3}}}, nil
	}
	return []web.Run{{ID: "run-1", Kind: "soak", Bench: "left", State: "running", First: web.Outcomes{Pass: 9, FailProven: 1, Error: 1}}}, nil
}

func (statusBooks) Cycles(_ context.Context, f web.CycleFilter) ([]web.Cycle, error) {
	if f.Run != "run-0" {
		return nil, web.ErrNotFound
	}
	return []web.Cycle{{ID: "b", Outcome: rig.Aborted}, {ID: "a", Control: true, Outcome: rig.Pass}}, nil
}

// asked runs the command and gives its exit code and what it said.
func asked(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	cmd := command(t, append([]string{"--state", filepath.Join(t.TempDir(), "none"), "status"}, args...)...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	_ = cmd.Run() // the code is looked at
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// file writes a file of the test's own.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestStatusOfARig(t *testing.T) {
	t.Parallel()
	srv := dashboardFor(t, "rrt_good")
	pin := fmt.Sprintf("%x", sha256.Sum256(srv.Certificate().Raw))
	ca := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	good, bad := file(t, "rrt_good\n"), file(t, "rrt_bad\n")
	at := []string{"--rig", srv.URL}
	plain := httptest.NewServer(http.RedirectHandler(srv.URL+"/api/v1/rig", http.StatusFound))
	defer plain.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	defer other.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	defer broken.Close()
	hangs := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	defer slow.Close()
	defer close(hangs)
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"pinned", append(at, "--token-file", good, "--fingerprint", "SHA256:"+strings.ToUpper(pin)), 0, ""},
		{"with its CA", append(at, "--token-file", good, "--ca", ca), 0, ""},
		{"both", append(at, "--token-file", good, "--ca", ca, "--fingerprint", pin), 0, ""},
		{"the worst of the runs", append(at, "--token-file", good, "--ca", ca, "--exit-code"), exitUnsafe, ""},
		{"unknown CA", append(at, "--token-file", good), exitUsage, "--fingerprint"},
		{"another certificate", append(at, "--token-file", good, "--fingerprint", strings.Repeat("0", 64)), exitUsage, pin},
		{"another certificate of a known CA", append(at, "--token-file", good, "--ca", ca, "--fingerprint", strings.Repeat("0", 64)), exitUsage, pin},
		{"no token", append(at, "--ca", ca), exitUsage, "--token-file"},
		{"wrong token", append(at, "--ca", ca, "--token-file", bad), exitUsage, "login"},
		{"no fingerprint", append(at, "--fingerprint", "12"), exitUsage, "64"},
		{"no token in the file", append(at, "--token-file", file(t, "two words")), exitUsage, "one token"},
		{"a token in the clear", []string{"--rig", "http://192.0.2.1:8090", "--token-file", good}, exitUsage, "in the clear"},
		{"a token without a rig", []string{"--token-file", good}, exitUsage, "--rig"},
		{"no address", []string{"--rig", "pi.lab"}, exitUsage, "https://"},
		{"nobody there", []string{"--rig", "http://127.0.0.1:1"}, exitError, "cannot be reached"},
		{"something else", []string{"--rig", other.URL}, exitError, "none of this version's"},
		{"broken", []string{"--rig", broken.URL}, exitError, "500"},
		{"elsewhere", []string{"--rig", plain.URL, "--token-file", good}, exitUsage, "302"},
		{"too slow", []string{"--rig", slow.URL, "--timeout", "100ms"}, exitError, "cannot be reached"},
	} {
		code, out, said := asked(t, c.args...)
		if code != c.code || !strings.Contains(said, c.says) || (c.says == "") != strings.Contains(out, "rig pi, resetrig 9.9") {
			t.Errorf("%s: exit %d, want %d, saying %q:\n%s%s", c.name, code, c.code, c.says, out, said)
		}
	}

	_, out, _ := asked(t, append(at, "--token-file", good, "--ca", ca)...)
	for _, want := range []string{"imou-hard-reset, act, hold 20s.[2J", "11 of 100", "90.0 % (55.5–99.7)", "FE", "UNSAFE: cut the bench's power by hand", "cA"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	_, out, _ = asked(t, append(at, "--token-file", good, "--ca", ca, "--json")...)
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var b benchStatus
		if err := json.Unmarshal([]byte(line), &b); err != nil || b.Now.Bench != []string{"left", "right"}[i] || b.Run == nil {
			t.Errorf("line %d: %v\n%s", i, err, line)
		}
	}
}

// Watched, it shows what changes, says once that the rig is gone, and goes on
// when it is back.
func TestStatusWatches(t *testing.T) {
	t.Parallel()
	srv := dashboardFor(t, "")
	var down atomic.Bool
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		srv.Config.Handler.ServeHTTP(w, r)
	}))
	defer front.Close()
	p := start(t, "status", "--rig", front.URL, "--watch", "--every", "100ms")
	until := func(what string, is func() bool) {
		t.Helper()
		for range 600 {
			if is() {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%s:\n%s\n%s", what, p.out, p.err)
	}
	lines := func() int { return strings.Count(p.out.String(), "BENCH") }
	until("nothing was shown", func() bool { return lines() == 1 })
	down.Store(true)
	until("its absence was not told", func() bool { return strings.Contains(p.err.String(), "503") })
	down.Store(false)
	until("its return was not shown", func() bool { return lines() == 2 })
	if n := strings.Count(p.err.String(), "503"); n != 1 {
		t.Errorf("told %d times that it was gone", n)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	if code := p.ProcessState.ExitCode(); code != exitAborted || strings.Contains(p.err.String(), "power") {
		t.Errorf("exit %d after Ctrl-C, saying\n%s", code, p.err)
	}
}

// Without a rig the state folder tells: a run that has ended, and none.
func TestStatusOfTheStateFolder(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	if code, out, said := asked(t); code != 0 || out != "" || !strings.Contains(said, "no runs") {
		t.Errorf("of nothing: exit %d\n%s%s", code, out, said)
	}
	if out, err := command(t, "--state", state, "soak", "imou-hard-reset", "--cycles", "2").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := command(t, "--state", state, "status", "--exit-code").Output()
	if err != nil || !strings.Contains(string(out), "passed") || !strings.Contains(string(out), "100.0 % (15.8–100.0)") || !strings.Contains(string(out), "..\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
