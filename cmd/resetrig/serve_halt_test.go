package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/sim"
	"resetrig/soak"
	"resetrig/web"
)

// Emergency: the press open and the power cut within 200 ms of the click, as the
// recorder itself sees its wires, also where the power would be kept; and what
// is begun afterwards begins with a bench as it was left.
func TestEmergencyFromTheDashboard(t *testing.T) {
	t.Parallel()
	for _, bench := range []string{"bench.yaml", "off.yaml"} {
		t.Run(bench, func(t *testing.T) {
			t.Parallel()
			r := startRecorder(t, t.TempDir(), "", "--powered")
			scenario := filepath.Join(r.dir, "pressing.yaml")
			if err := os.WriteFile(scenario, []byte(pressing), 0o644); err != nil {
				t.Fatal(err)
			}
			s := startServe(t, r.state, "--bench", filepath.Join(r.dir, bench), "--scenario", scenario)
			best := time.Hour
			for try := 1; try <= 3 && best > 200*time.Millisecond; try++ { // a busy machine may be late
				run := s.begin("process", `{"scenario":"pressing","cycles":2}`)
				r.until("pressed", s.process, func(tr sim.Truth) bool { return tr.Shorted })
				if m := s.moment("process"); m.Run != run || m.Phase != "act" {
					t.Errorf("while it presses: %+v", m)
				}
				var h web.Halted
				clicked := time.Now()
				answered := make(chan int)
				go func() {
					answered <- s.call("POST", "/api/v1/benches/process/emergency", "", &h)
				}()
				for r.truth().Shorted || r.truth().Power {
					if time.Since(clicked) > 30*time.Second {
						t.Fatalf("the recorder is still powered or shorted: %+v\n%s", r.truth(), s.err)
					}
				}
				seen := time.Since(clicked)
				if code := <-answered; code != http.StatusOK || !h.Safe || h.Run != run {
					t.Errorf("emergency: %d %+v", code, h)
				}
				t.Logf("try %d: the recorder's pins open and its power gone %v after the click; the relays had taken it after %v, the answer says", try, seen, h.Took)
				best = min(best, max(seen, h.Took))
				s.until("the run has ended", func() bool { return s.run(run).State == "ended" && s.moment("process").Doing == "idle" })
				if e := s.run(run); e.Exit != exitAborted {
					t.Errorf("the run's exit is %d: %s", e.Exit, e.Note)
				}
			}
			if best > 200*time.Millisecond {
				t.Errorf("the relays took their safe state %v after the click, want 200 ms", best)
			}
			var refused struct{ Detail string }
			if code := s.call("POST", "/api/v1/benches/process/emergency", "", &refused); code != http.StatusConflict || !strings.Contains(refused.Detail, "resetrig safe") {
				t.Errorf("emergency on an idle bench: %d %q", code, refused.Detail)
			}
		})
	}
}

// A stop from the page opens the press at once and leaves the power; SIGTERM of
// the dashboard stops what runs in the same way, and is no failure.
func TestStopFromTheDashboard(t *testing.T) {
	t.Parallel()
	r := startRecorder(t, t.TempDir(), "", "--powered")
	scenario := filepath.Join(r.dir, "pressing.yaml")
	if err := os.WriteFile(scenario, []byte(pressing), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, r.state, "--bench", r.bench, "--scenario", scenario)
	run := s.begin("process", `{"scenario":"pressing","cycles":2}`)
	r.until("pressed", s.process, func(tr sim.Truth) bool { return tr.Shorted })
	if code, _, errs := r.resetrig("soak", scenario, "--bench", r.bench, "--cycles", "1"); code != exitError || !strings.Contains(errs, "in use by another resetrig") {
		t.Errorf("a second program: exit code %d\n%s", code, errs)
	}
	var busy struct{ Detail string }
	if code := s.call("POST", "/api/v1/benches/process/start", `{"scenario":"pressing","cycles":2}`, &busy); code != http.StatusConflict || !strings.Contains(busy.Detail, "runs on bench process already") {
		t.Errorf("a second start: %d %s", code, busy.Detail)
	}
	var h web.Halted
	if code := s.call("POST", "/api/v1/benches/process/stop", "", &h); code != http.StatusOK || !h.Safe || h.Run != run {
		t.Errorf("stop: %d %+v", code, h)
	}
	r.until("open", s.process, func(tr sim.Truth) bool { return !tr.Shorted && tr.Power })
	s.until("the run has ended", func() bool { return s.run(run).State == "ended" && s.moment("process").Doing == "idle" })

	run = s.begin("process", `{"scenario":"pressing","cycles":2}`)
	r.until("pressed again", s.process, func(tr sim.Truth) bool { return tr.Shorted })
	_ = s.Process.Signal(syscall.SIGTERM)
	if code := s.code(); code != exitPass {
		t.Errorf("exit code %d\n%s", code, s.err)
	}
	if tr := r.truth(); tr.Shorted || !tr.Power {
		t.Errorf("after the end: %+v", tr)
	}
	db := openDB(t, r.state)
	one, err := db.Run(t.Context(), run)
	if err != nil || one.Ended.IsZero() || one.Exit != exitAborted {
		t.Errorf("the books: %+v, %v", one, err)
	}
}

// counted is a proxy before a recorder's control port that counts what switches
// something on.
func counted(t testing.TB, r *recorder) (ons func() []string) {
	t.Helper()
	to, err := url.Parse(r.Control)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var on []string
	proxy := httputil.NewSingleHostReverseProxy(to)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Query().Get("on") == "true" {
			mu.Lock()
			on = append(on, q.URL.Path)
			mu.Unlock()
		}
		proxy.ServeHTTP(w, q)
	}))
	t.Cleanup(h.Close)
	text, err := os.ReadFile(r.bench)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.bench, []byte(strings.ReplaceAll(string(text), r.Control, h.URL)), 0o644); err != nil {
		t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(on)
	}
}

// Nothing that can be sent switches a relay on outside a scenario: every route of
// the API's own document, with every method, and every way to be wrong.
func TestNoRequestEnergisesARelay(t *testing.T) {
	t.Parallel()
	r := startRecorder(t, t.TempDir(), "", "--powered")
	ons := counted(t, r)
	scenario := filepath.Join(r.dir, "pressing.yaml")
	if err := os.WriteFile(scenario, []byte(pressing), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, r.state, "--bench", r.bench)
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if code := s.call("GET", "/api/v1/openapi.json", "", &doc); code != http.StatusOK || len(doc.Paths) < 20 {
		t.Fatalf("the API's document: %d, %d paths", code, len(doc.Paths))
	}
	bodies := []string{
		"", "{}", `{"on":true}`, `{"relay":"reset","on":true}`, `{"relays":{"reset":true,"power":true}}`, `{"scenario":""}`,
		`{"scenario":"imou-hard-reset"}`, `{"scenario":"imou-hard-reset","cycles":-1}`, `{"scenario":"imou-hard-reset","cycles":1,"for":"never"}`,
		fmt.Sprintf(`{"scenario":%q,"cycles":1}`, scenario), `{"scenario":"../pressing","cycles":1}`, `{"scenario":"imou-hard-reset","cycles":1,"params":{"press":"1h"}}`,
		`{"scenario":"imou-hard-reset","cycles":1}` + "x", `{"scenario":"imou-hard-reset","cycles":1,"controls":["nothing"]}`, `{"scenario":"imou-hard-reset","prove":"200%@95%"}`,
		`{"anyway":true}`, `{"resume":"all"}`, `{"text":"on"}`, `[true]`,
	}
	asked := 0
	for path := range doc.Paths {
		for _, fill := range []string{"process", "reset", "power", "all", "20260101-000000-abcdef", "..%2F.."} {
			at := path
			for _, name := range []string{"bench", "run", "cycle", "artifact", "measurement"} {
				at = strings.ReplaceAll(at, "{"+name+"}", fill)
			}
			if at == path && fill != "process" {
				continue
			}
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				for i, body := range bodies {
					if method != "POST" && i > 2 {
						break
					}
					if code := s.call(method, at, body, nil); code == http.StatusCreated && !strings.Contains(path, "notes") {
						t.Errorf("%s %s %s: something was begun", method, at, body)
					}
					asked++
				}
			}
		}
	}
	if on := ons(); len(on) > 0 {
		t.Errorf("after %d requests these were switched on: %v", asked, on)
	}
	if tr := r.truth(); !tr.Power || tr.Shorted {
		t.Errorf("the recorder: %+v", tr)
	}
	t.Logf("%d requests, none of which switched anything on", asked)

	// The count counts: a scenario switches on, and the only thing in it.
	run := s.begin("process", `{"scenario":"control-no-press","cycles":1,"params":{"beep":"expected"}}`)
	s.until("power on", func() bool { return len(ons()) > 0 })
	s.call("POST", "/api/v1/benches/process/stop", "", nil)
	s.until("the run has ended", func() bool { return s.run(run).State == "ended" })
	if on := ons(); slices.Contains(on, "/reset") {
		t.Errorf("a control without a press switched on %v", on)
	}
}

// An emergency is held where to give the lines back would give the power back:
// until a person lets go, or the process ends.
func TestEmergencyIsHeldOnNormallyClosed(t *testing.T) {
	t.Parallel()
	a := testApp(t)
	for _, c := range []struct {
		contact string
		held    bool
	}{{"nc", true}, {"no", false}} {
		for _, end := range []string{"let go", "the process ends"} {
			f := newFloor(a, nil, web.NewLive(), func() {})
			s, err := f.enter("b")
			if err != nil {
				t.Fatal(err)
			}
			s.cut()
			w := &wiring{cfg: &config.Bench{Relays: config.Relays{{Name: "power", Pin: "GPIO23", Role: rig.RolePower, Contact: c.contact}}}}
			process, stop := context.WithCancel(t.Context())
			parted := make(chan struct{})
			go func() { defer close(parted); s.part(process, w, f.live.Bench("b")) }()
			if c.held {
				for end := time.Now().Add(30 * time.Second); !s.held(); time.Sleep(time.Millisecond) {
					if time.Now().After(end) {
						t.Fatal("the lines are not held")
					}
				}
				if _, err := f.enter("b"); !errors.Is(err, web.ErrRefused) || !strings.Contains(err.Error(), "let it go") {
					t.Errorf("a start on a bench that is held: %v", err)
				}
				if h, err := s.halt(web.HaltEmergency); err != nil || !h.Safe {
					t.Errorf("emergency again: %+v, %v", h, err)
				}
				if end == "let go" {
					s.mu.Lock()
					s.run = "r"
					s.mu.Unlock()
					if err := f.Ask(t.Context(), "r", soak.WishGoOn); err != nil {
						t.Errorf("let go: %v", err)
					}
				} else {
					stop()
				}
			}
			select {
			case <-parted:
			case <-time.After(30 * time.Second):
				t.Errorf("contact %s, %s: the lines are held for ever", c.contact, end)
			}
			stop()
		}
	}
}
