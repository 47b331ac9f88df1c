package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/store"
	"resetrig/web"
)

// served is a dashboard in a process of its own.
type served struct {
	*process
	t   testing.TB
	url string
}

// startServe starts one and waits until it says where it is.
func startServe(t testing.TB, state string, args ...string) *served {
	t.Helper()
	p := start(t, append([]string{"--state", state, "serve", "--listen", "127.0.0.1:0"}, args...)...)
	s := &served{process: p, t: t}
	s.until("the dashboard says where it is", func() bool {
		line, _, whole := strings.Cut(p.out.String(), "\n")
		s.url = strings.TrimSuffix(line, "/")
		return whole
	})
	return s
}

func (s *served) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("after a minute still not: %s\n%s", what, s.err)
		}
	}
}

// call asks the API; the answer is in out, where that is not nil.
func (s *served) call(method, path, body string, out any) int {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(data, out); err != nil {
			s.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, data)
		}
	}
	return resp.StatusCode
}

// begin starts a soak and gives its ID.
func (s *served) begin(bench, wish string) string {
	s.t.Helper()
	var b struct{ Run, Detail string }
	if code := s.call("POST", "/api/v1/benches/"+bench+"/start", wish, &b); code != http.StatusCreated {
		s.t.Fatalf("start: %d %s\n%s", code, b.Detail, s.err)
	}
	return b.Run
}

func (s *served) moment(bench string) (m web.Moment) {
	s.t.Helper()
	if code := s.call("GET", "/api/v1/benches/"+bench+"/moment", "", &m); code != http.StatusOK {
		s.t.Fatalf("the moment of %s: %d", bench, code)
	}
	return m
}

func (s *served) run(id string) (r web.Run) {
	s.t.Helper()
	s.call("GET", "/api/v1/runs/"+id, "", &r)
	return r
}

func openDB(t testing.TB, state string) *store.Store {
	t.Helper()
	db, err := store.Open(filepath.Join(state, "resetrig.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// streamed reads the stream of a dashboard in the background: the numbers of the
// records that came, in their order.
type streamed struct {
	mu   sync.Mutex
	seqs []int64
	last string
	stop context.CancelFunc
	done chan struct{}
}

func stream(t testing.TB, url, lastID string) *streamed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	s := &streamed{stop: cancel, done: make(chan struct{}), last: lastID}
	t.Cleanup(cancel)
	go func() {
		defer close(s.done)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<22)
		event, id := "", ""
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				event = value
			case "id":
				id = value
			case "data":
				var cs []web.Cycle
				s.mu.Lock()
				if event == "cycles" && json.Unmarshal([]byte(value), &cs) == nil {
					for _, c := range cs {
						s.seqs = append(s.seqs, c.Seq)
					}
				}
				if id != "" {
					s.last, id = id, ""
				}
				s.mu.Unlock()
			}
		}
	}()
	return s
}

func (s *streamed) seen() ([]int64, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seqs), s.last
}

// From start to end on the page: begun, held, gone on, killed, and resumed by the
// dashboard that was started again; a page that was open all the time has each
// record once.
func TestServedSoakFromStartToEnd(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	s := startServe(t, state)
	page := stream(t, s.url, "")
	run := s.begin("simulated", `{"scenario":"imou-hard-reset","cycles":40,"params":{"beep":"expected"},"labels":{"ticket":"NVR-12"},"controls":["control-no-press"],"controls_every":10}`)
	s.until("cycles on the page", func() bool { seqs, _ := page.seen(); return len(seqs) > 4 })
	if code := s.call("POST", "/api/v1/runs/"+run+"/hold", "", nil); code != http.StatusAccepted {
		t.Errorf("hold: %d", code)
	}
	s.until("held", func() bool { return s.moment("simulated").Doing == "hold" })
	held := s.run(run).First.All()
	if m := s.moment("simulated"); m.Why != "on request" || m.Run != run || !m.Simulated || m.Of != 40 {
		t.Errorf("held: %+v", m)
	}
	time.Sleep(300 * time.Millisecond)
	if now := s.run(run).First.All(); now != held {
		t.Errorf("%d cycles ran while it was held", now-held)
	}
	s.call("POST", "/api/v1/runs/"+run+"/go-on", "", nil)
	s.until("gone on", func() bool { return s.run(run).First.All() > held+2 })

	_ = s.Process.Kill()
	s.code()
	<-page.done
	first, last := page.seen()

	s = startServe(t, state)
	if m := s.moment("simulated"); m.Doing != "idle" {
		t.Errorf("after the restart: %+v", m)
	}
	if st := s.run(run); st.State != "interrupted" || st.Labels["ticket"] != "NVR-12" {
		t.Errorf("the run after the death of its program: %+v", st)
	}
	page = stream(t, s.url, last)
	if code := s.call("POST", "/api/v1/runs/"+run+"/resume", "{}", nil); code != http.StatusCreated {
		t.Fatalf("resume: %d\n%s", code, s.err)
	}
	if code := s.call("POST", "/api/v1/runs/"+run+"/resume", "{}", nil); code != http.StatusConflict {
		t.Errorf("resumed twice: %d", code)
	}
	s.until("some more", func() bool { return s.run(run).First.All() > held+10 })
	if m := s.moment("simulated"); len(m.Strip) < 5 {
		t.Errorf("the strip of the resumed run has %d outcomes", len(m.Strip))
	}
	s.call("POST", "/api/v1/runs/"+run+"/end", "", nil)
	s.until("ended", func() bool { return s.run(run).State == "ended" && s.moment("simulated").Doing == "idle" })
	if st := s.run(run); !strings.Contains(st.Note, "ended on request") {
		t.Errorf("the run's note: %q", st.Note)
	}
	// It goes on once more: a wish from before is not one for now.
	if code := s.call("POST", "/api/v1/runs/"+run+"/resume", `{"anyway":true}`, nil); code != http.StatusCreated {
		t.Errorf("resumed anyway: %d", code)
	}
	s.until("done", func() bool { return s.run(run).State == "ended" && s.moment("simulated").Doing == "idle" })
	// A control that it was killed in counts nowhere.
	if st := s.run(run); st.Exit != exitPass || st.First.Pass != 40 {
		t.Errorf("at the end: %+v", st)
	}
	db := openDB(t, state)
	all, err := db.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.until("every record on the page", func() bool { _, last := page.seen(); return last == fmt.Sprint(all) })
	then, _ := page.seen()
	seqs := slices.Concat(first, then)
	for i, q := range seqs {
		if q != int64(i+1) {
			t.Fatalf("record %d came in the place of %d: one was missed, or came twice", q, i+1)
		}
	}
	var audit struct{ Entries []web.AuditEntry }
	s.call("GET", "/api/v1/audit", "", &audit)
	var did []string
	for _, e := range slices.Backward(audit.Entries) {
		did = append(did, e.Action+" "+e.Result[:2])
		if e.Who != "local" || e.At.IsZero() {
			t.Errorf("an entry by nobody: %+v", e)
		}
	}
	if got, want := strings.Join(did, ", "), "start ok, hold ok, go-on ok, resume ok, resume re, end ok, resume ok"; got != want {
		t.Errorf("the audit log: %s\nwant: %s", got, want)
	}
}

// After a fail the bench is held as it is, for a person who looks, comments and
// lets it go; a bench that nobody lets go ends.
func TestFailedUnitIsHeldForAPerson(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bench := filepath.Join(dir, "bad.yaml")
	text := strings.Replace(string(config.DefaultBench()), "simulate:", "simulate:\n  faults: [{name: reset-ignored}]", 1)
	if err := os.WriteFile(bench, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := testApp(t).readBench(bench)
	if err != nil {
		t.Fatal(err)
	}
	s := startServe(t, filepath.Join(dir, "state"), "--bench", bench)
	run := s.begin(cfg.Name, `{"scenario":"imou-hard-reset","cycles":2,"hold":"100h"}`)
	held := func() bool { m := s.moment(cfg.Name); return m.Doing == "hold" && m.Why == "the last cycle failed" }
	s.until("held after the fail", held)
	m := s.moment(cfg.Name)
	if len(m.Strip) != 1 || m.Strip[0].Outcome != rig.Fail || m.Until.IsZero() || m.Cycle != 2 {
		t.Errorf("held: %+v", m)
	}
	if code := s.call("POST", "/api/v1/cycles/"+m.Strip[0].ID+"/notes", `{"kind":"comment","text":"the plug was loose"}`, nil); code != http.StatusCreated {
		t.Errorf("a comment: %d", code)
	}
	s.call("POST", "/api/v1/runs/"+run+"/go-on", "", nil)
	s.until("the second fail", func() bool { return s.run(run).State == "ended" })
	if r := s.run(run); r.First.Fail() != 2 || r.Exit != exitFail {
		t.Errorf("the run: %+v", r)
	}
}

// A run of another process with the same results is shown, and asked; what only
// its process can do is refused, and said how.
func TestServeShowsOtherProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	p := start(t, append([]string{"--state", state}, quick(t, dir, 1_000_000)...)...)
	s := startServe(t, state)
	var m web.Moment
	s.until("the other process's run", func() bool {
		var all struct{ Moments []web.Moment }
		s.call("GET", "/api/v1/moments", "", &all)
		i := slices.IndexFunc(all.Moments, func(m web.Moment) bool { return m.Elsewhere && m.Cycle > 2 })
		if i >= 0 {
			m = all.Moments[i]
		}
		return i >= 0
	})
	if m.Run == "" || m.Tally.Cycles == 0 || m.Rate == nil {
		t.Errorf("the run of another process: %+v", m)
	}
	var no struct{ Detail string }
	if code := s.call("POST", "/api/v1/benches/"+m.Bench+"/emergency", "", &no); code != http.StatusConflict || !strings.Contains(no.Detail, "another process") {
		t.Errorf("emergency: %d %q", code, no.Detail)
	}
	if code := s.call("POST", "/api/v1/runs/"+m.Run+"/end", "", nil); code != http.StatusAccepted {
		t.Errorf("end: %d", code)
	}
	if code := p.code(); code != exitAborted {
		t.Errorf("the other process: exit code %d", code)
	}
	s.until("idle", func() bool { return s.moment(m.Bench).Doing == "idle" })
}

// soak --serve shows and halts its own soak; what cannot be served is refused
// before anything runs.
func TestSoakServesItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	taken := listen(t)
	bad := filepath.Join(dir, "tokens")
	if err := os.WriteFile(bad, []byte("not a token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"address already in use": {"--serve", taken.Addr().String()},
		"token":                  {"--serve", "127.0.0.1:0", "--tokens", bad},
		"others could reach it":  {"--serve", "0.0.0.0:0"},
		"tls-key":                {"--serve", "127.0.0.1:0", "--tls-cert", bad},
		"--serve is missing":     {"--tokens", bad},
	} {
		p := start(t, append(append([]string{"--state", state}, quick(t, dir, 10)...), args...)...)
		if code := p.code(); code != exitUsage || !strings.Contains(p.err.String(), name) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s", args, code, exitUsage, name, p.err)
		}
	}
	runs, err := openDB(t, state).List(t.Context(), store.Filter{})
	if err != nil || len(runs) > 0 {
		t.Errorf("refused soaks are in the books: %v, %v", runs, err)
	}

	p := start(t, append(append([]string{"--state", state}, quick(t, dir, 1_000_000)...), "--serve", "127.0.0.1:0")...)
	s := &served{process: p, t: t}
	s.until("the dashboard says where it is", func() bool {
		_, rest, said := strings.Cut(p.err.String(), "the dashboard is at ")
		line, _, whole := strings.Cut(rest, "\n")
		s.url = strings.TrimSuffix(line, "/")
		return said && whole
	})
	var all struct{ Moments []web.Moment }
	s.until("cycles", func() bool {
		s.call("GET", "/api/v1/moments", "", &all)
		return len(all.Moments) == 1 && all.Moments[0].Cycle > 3 && len(all.Moments[0].Strip) > 2
	})
	bench := all.Moments[0].Bench
	var no struct{ Detail string }
	if code := s.call("POST", "/api/v1/benches/"+bench+"/start", `{"scenario":"imou-hard-reset","cycles":1}`, &no); code != http.StatusConflict || !strings.Contains(no.Detail, "resetrig serve") {
		t.Errorf("start: %d %q", code, no.Detail)
	}
	if code := s.call("POST", "/api/v1/benches/"+bench+"/stop", "", nil); code != http.StatusOK {
		t.Errorf("stop: %d", code)
	}
	if code := p.code(); code != exitAborted || !strings.Contains(p.err.String(), "from the dashboard") {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
}

// A panic of what watches costs the cycle nothing.
func TestPanicOfThePageIsItsOwn(t *testing.T) {
	t.Parallel()
	f := newFloor(testApp(t), nil, web.NewLive(), func() {})
	var seen atomic.Int32
	o := &shielded{to: observerFunc(func(rig.Event) { seen.Add(1); panic("a bug of the page") }), say: f.quietly}
	o.Observe(rig.Event{})
	o.Observe(rig.Event{})
	if seen.Load() != 2 {
		t.Errorf("%d events were passed on, want 2", seen.Load())
	}
}

type observerFunc func(rig.Event)

func (f observerFunc) Observe(e rig.Event) { f(e) }

// The watchdog is fed while nothing runs, and by the soak alone while one does.
func TestIdleDashboardIsAlive(t *testing.T) {
	t.Parallel()
	said := 0
	s := &supervisor{passed: map[string]bool{}, now: time.Now, every: time.Hour, tell: func(string) { said++ }}
	s.idle()
	s.join("left")
	s.idle()
	if said != 1 {
		t.Errorf("fed %d times, want once: while nothing ran", said)
	}
	s.leave("left")
	s.idle()
	if said != 2 {
		t.Errorf("fed %d times, want twice", said)
	}
}
