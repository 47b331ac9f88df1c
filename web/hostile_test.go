package web_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/web"
	"resetrig/web/access"
	"resetrig/web/access/accesstest"
)

// hostileText is in every text that comes from elsewhere: firmware, files, people.
const hostileText = "javascript:alert(1)//\"'`><x-evil onload=alert(1)></script></style></title>{{.}}${1}\r\n\r\nevent: evil\ndata: {}\n\n\u2028\u202e%0d%0a&lt;x-evil&gt;"

// hostileOf puts it behind every text of a value.
func hostileOf[T any](v T) T {
	p := reflect.New(reflect.TypeFor[T]()).Elem()
	p.Set(reflect.ValueOf(&v).Elem())
	hostileValue(p)
	return p.Interface().(T)
}

func hostileValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + hostileText)
	case reflect.Pointer:
		if !v.IsNil() {
			n := reflect.New(v.Type().Elem())
			n.Elem().Set(v.Elem())
			hostileValue(n.Elem())
			v.Set(n)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			// What is told by these is a word of ours, or its key.
			if !f.IsExported() || slices.Contains([]string{"ID", "Run", "Cycle", "Outcome", "Attribution", "State", "Kind", "Doing"}, f.Name) {
				continue
			}
			hostileValue(v.Field(i))
		}
	case reflect.Slice:
		n := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(n, v)
		for i := range n.Len() {
			hostileValue(n.Index(i))
		}
		v.Set(n)
	case reflect.Map:
		if v.IsNil() {
			return
		}
		n := reflect.MakeMap(v.Type())
		for it := v.MapRange(); it.Next(); {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			k.Set(it.Key())
			e.Set(it.Value())
			hostileValue(k)
			hostileValue(e)
			n.SetMapIndex(k, e)
		}
		v.Set(n)
	}
}

// hostile is the lab with everything in it poisoned.
type hostile struct{ *lab }

func hostileAll[T any](v []T, err error) ([]T, error) {
	for i := range v {
		v[i] = hostileOf(v[i])
	}
	return v, err
}

func (h hostile) Runs(ctx context.Context, f web.RunFilter) ([]web.Run, error) {
	f.Bench = strings.TrimSuffix(f.Bench, hostileText)
	return hostileAll(h.lab.Runs(ctx, f))
}
func (h hostile) Cycles(ctx context.Context, f web.CycleFilter) ([]web.Cycle, error) {
	return hostileAll(h.lab.Cycles(ctx, f))
}
func (h hostile) Record(ctx context.Context, id string) (rig.Record, error) {
	r, err := h.lab.Record(ctx, id)
	return hostileOf(hostileRecord(r)), err
}

// hostileRecord has something of everything that a page shows.
func hostileRecord(r rig.Record) rig.Record {
	r.Params = map[string]string{"hold": "20s"}
	r.Unsafe = []string{"power"}
	r.Findings = []rig.Finding{{Name: "dropouts", Detail: "lost"}}
	r.Steps = []rig.StepRecord{{Phase: "act", Step: "press", Error: "no"}}
	r.Checks = []rig.Check{{Name: "login", Wanted: "refused", Seen: "taken", Outcome: rig.CheckFail}}
	r.Timeline = []rig.Event{{Kind: "phase", Name: "act"}, {Kind: "relay", Name: "power", On: true}, {Kind: "check", Name: "login", Text: "fail"}}
	r.Beeps = []rig.BeepRecord{{Kind: "long", Duration: time.Second}}
	return r
}
func (h hostile) Records(ctx context.Context, run string) iter.Seq2[rig.Record, error] {
	return func(yield func(rig.Record, error) bool) {
		for r, err := range h.lab.Records(ctx, run) {
			if !yield(hostileOf(hostileRecord(r)), err) {
				return
			}
		}
	}
}
func (h hostile) Since(ctx context.Context, after int64, limit int) ([]web.Cycle, error) {
	return hostileAll(h.lab.Since(ctx, after, limit))
}
func (h hostile) Notes(ctx context.Context, of string) ([]web.Note, error) {
	return []web.Note{hostileOf(web.Note{Cycle: of, Who: "jo", Kind: "comment", Text: "x"})}, nil
}
func (h hostile) AuditLog(context.Context, int64, int) ([]web.AuditEntry, error) {
	return []web.AuditEntry{hostileOf(web.AuditEntry{Seq: 1, Who: "jo", Role: "operator", Address: "x", Action: "start", Bench: "b", Detail: "d", Result: "ok"})}, nil
}
func (h hostile) Summary(ctx context.Context, run string) (report.Summary, error) {
	s, err := h.lab.Summary(ctx, run)
	c := s.Claim
	s.Claim = nil
	s = hostileOf(s)
	s.Claim = c
	return s, err
}
func (h hostile) Benches(ctx context.Context) ([]web.Bench, error) {
	bs, err := h.lab.Benches(ctx)
	for i := range bs {
		name := bs[i].Name
		bs[i] = hostileOf(bs[i])
		bs[i].Name = name
	}
	return bs, err
}
func (h hostile) Scenarios(ctx context.Context, bench string) ([]web.Scenario, error) {
	return hostileAll(h.lab.Scenarios(ctx, bench))
}
func (h hostile) Halt(ctx context.Context, bench string, how web.Halting) (web.Halted, error) {
	x, err := h.lab.Halt(ctx, bench, how)
	return hostileOf(x), err
}
func (h hostile) Start(context.Context, web.Start) (string, error) {
	return "", fmt.Errorf("%w: %s", web.ErrRefused, hostileText)
}
func (h hostile) Open(_ context.Context, cycle, name string) (io.ReadSeekCloser, web.FileInfo, error) {
	return nil, web.FileInfo{}, web.ErrNotFound
}

func serveHostile(t *testing.T) (*web.Server, *access.Policy) {
	t.Helper()
	l := newLab()
	h := hostile{l}
	live := web.NewLive()
	b := live.Bench("left")
	b.Begin(web.LiveRun{ID: aRun, Kind: "soak", Plan: &soak.Plan{Scenarios: []soak.Entry{{Scenario: &rig.Scenario{Name: hostileText}}}, Cycles: 10},
		Relays: []web.LiveRelay{{Name: "power" + hostileText, Role: rig.Role("power" + hostileText), Contact: "nc", Safe: rig.SafeKeep}}})
	b.Status(soak.Status{Doing: "cycle", Next: soak.Slot{N: 3, Attempt: 1}})
	b.Observe(rig.Event{Kind: "phase", Name: "act" + hostileText})
	b.Observe(rig.Event{Kind: "step", Name: hostileText, Text: hostileText})
	b.Observe(rig.Event{Kind: "finding", Name: "dropouts" + hostileText, Text: hostileText})
	b.Done(rig.Record{ID: "x" + hostileText, Cycle: 1, Outcome: rig.Error, Reason: rig.Reason(hostileText)})
	b.Halted(hostileText)
	s, err := web.New(web.Rig{
		Name: "pi" + hostileText, Version: "test" + hostileText, State: t.TempDir(), Live: live, Books: h, Ledger: h, Measures: h, Notes: h, Audit: h, Reports: h, Files: h, Benches: h, Doer: h,
	}, func(doing string, err error) { t.Logf("%s: %v", doing, err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	p, err := access.Open("", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Deny, p.LoginPage = s.Denied, s.LoginPage
	return s, p
}

var (
	hostileMarkup  = regexp.MustCompile(`(?i)<x-evil|</script></style>`)
	hostileAddress = regexp.MustCompile(`(?i)\s(?:href|src|action|formaction|hx-(?:get|post)|xlink:href)\s*=\s*["']?\s*(?:javascript|data|vbscript):`)
)

var hostilePages = []string{
	"/", "/live/left", "/live/left/parameters", "/live/left/parameters?scenario=x", "/runs", "/runs?bench=%22%3E%3Cx-evil%3E", "/runs?kind=%22%3E%3Cx-evil%3E",
	"/runs/" + aRun, "/runs/" + aRun + "?as=soak", "/cycles/" + aRun + "-0002", "/cycles/" + aRun + "-0003?zoom=act", "/benches", "/benches/left", "/audit",
	"/nothing%3Cx-evil%3E", "/cycles/%3Cx-evil%3E", "/runs/%22%3E%3Cx-evil%3E", "/live/%3Cx-evil%3E", "/benches/javascript:alert(1)", "/login?next=javascript:alert(1)",
	"/runs/" + aRun + "/trends",
}

func TestHostileTexts(t *testing.T) {
	s, p := serveHostile(t)
	h := p.Handler(s)
	ask := func(method, path, body string, hx bool) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host, r.RemoteAddr = "localhost", "127.0.0.1:9"
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if hx {
			r.Header.Set("HX-Request", "true")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	look := func(what string, w *httptest.ResponseRecorder) {
		kind := w.Header().Get("Content-Type")
		if w.Code >= 500 {
			t.Errorf("%s: %d %.300s", what, w.Code, w.Body)
		}
		for name, vs := range w.Header() {
			if strings.ContainsAny(strings.Join(vs, ""), "\r\n") {
				t.Errorf("%s: header %s has a line end: %q", what, name, vs)
			}
		}
		if l := w.Header().Get("Location"); l != "" && !strings.HasPrefix(l, "/") {
			t.Errorf("%s goes to %q", what, l)
		}
		if !strings.HasPrefix(kind, "text/html") {
			if w.Body.Len() > 0 && !strings.HasPrefix(kind, "application/json") && !strings.HasPrefix(kind, "text/plain") && !strings.HasPrefix(kind, "application/problem+json") {
				t.Errorf("%s is %q", what, kind)
			}
			return
		}
		t.Logf("%s: %d, %d bytes", what, w.Code, w.Body.Len())
		for _, re := range []*regexp.Regexp{hostileMarkup, hostileAddress} {
			if at := re.FindStringIndex(w.Body.String()); at != nil {
				b := w.Body.String()
				t.Errorf("%s: …%s…", what, b[max(0, at[0]-150):min(len(b), at[1]+80)])
			}
		}
	}
	for _, path := range hostilePages {
		look(path, ask("GET", path, "", false))
		look(path+" by htmx", ask("GET", path, "", true))
	}
	for _, form := range []string{
		"/act/start?bench=left&scenario=imou-hard-reset&cycles=3", "/act/start?bench=left&cycles=" + "%3Cx-evil%3E", "/act/start?bench=left&labels=%3Cx-evil%3E",
		"/act/comment?cycle=" + aRun + "-0001&text=%3Cx-evil%3E&back=javascript:alert(1)", "/act/emergency?bench=left&back=//attacker.example", "/act/%3Cx-evil%3E?back=/%09/attacker.example",
		"/act/stop?bench=%3Cx-evil%3E&back=/%5Cattacker.example", "/act/hold?run=%3Cx-evil%3E", "/act/resume?bench=left&run=" + aRun,
	} {
		path, body, _ := strings.Cut(form, "?")
		look("POST "+form, ask("POST", path, body, false))
		look("POST "+form+" by htmx", ask("POST", path, body, true))
	}
}

func TestHostileStream(t *testing.T) {
	s, p := serveHostile(t)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	r := httptest.NewRequestWithContext(ctx, "GET", "/events?after=0&bench=left", nil)
	r.Host, r.RemoteAddr = "localhost", "127.0.0.1:9"
	w := httptest.NewRecorder()
	p.Handler(s).ServeHTTP(&hostileViewer{w, stop}, r)
	n := 0
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(w.Body.String()), "\n") {
		if name, is := strings.CutPrefix(line, "event: "); is {
			n++
			if !slices.Contains([]string{"hello", "moment", "cycles", "spectrum"}, name) {
				t.Errorf("an event %q", name)
			}
		}
	}
	if n < 3 {
		t.Errorf("%d events: %.500s", n, w.Body)
	}
}

// hostileViewer leaves when it has seen the records and a moment.
type hostileViewer struct {
	*httptest.ResponseRecorder
	leave func()
}

func (hostileViewer) SetWriteDeadline(time.Time) error { return nil }

func (v hostileViewer) Write(b []byte) (int, error) {
	n, err := v.ResponseRecorder.Write(b)
	if all := v.Body.Bytes(); bytes.Contains(all, []byte("event: cycles")) && bytes.Contains(all, []byte("event: moment")) {
		v.leave()
	}
	return n, err
}

// TestRoutes holds every page, form and API route to what package access promises.
func TestRoutes(t *testing.T) {
	l := newLab()
	s := serveLab(t, l)
	const cycle = aRun + "-0002"
	rows := []accesstest.Route{
		{Method: "GET", Path: "/healthz", Public: true}, {Method: "GET", Path: "/readyz", Public: true},
		{Method: "GET", Path: "/static/app.js", Public: true}, {Method: "GET", Path: "/static/app.css", Public: true},
		{Method: "GET", Path: "/events"}, {Method: "GET", Path: "/metrics"},
	}
	for _, path := range []string{"/", "/live/left", "/live/left/parameters", "/runs", "/runs/" + aRun, "/runs/" + aRun + "/trends", "/runs/" + aRun + "/report/html", "/runs/" + aRun + "/report/csv",
		"/cycles/" + cycle, "/benches", "/benches/left", "/audit", "/artifacts/" + cycle + "/beep.wav",
		"/api/v1/rig", "/api/v1/benches", "/api/v1/benches/left", "/api/v1/benches/left/scenarios", "/api/v1/moments", "/api/v1/benches/left/moment", "/api/v1/runs", "/api/v1/runs/" + aRun,
		"/api/v1/runs/" + aRun + "/statistics", "/api/v1/runs/" + aRun + "/series/beep_duration", "/api/v1/runs/" + aRun + "/notes", "/api/v1/runs/" + aRun + "/report", "/api/v1/runs/" + aRun + "/report?format=html",
		"/api/v1/cycles", "/api/v1/cycles/" + cycle, "/api/v1/cycles/" + cycle + "/notes", "/api/v1/cycles/" + cycle + "/artifacts", "/api/v1/cycles/" + cycle + "/artifacts/beep.wav",
		"/api/v1/ledger", "/api/v1/audit", "/api/v1/openapi.json"} {
		rows = append(rows, accesstest.Route{Method: "GET", Path: path})
	}
	for path, body := range map[string]string{
		"/act/start": "bench=left&scenario=imou-hard-reset&cycles=3", "/act/hold": "run=" + aRun, "/act/go-on": "run=" + aRun, "/act/end": "run=" + aRun,
		"/act/stop": "bench=left", "/act/emergency": "bench=left", "/act/comment": "cycle=" + cycle + "&text=x", "/act/acknowledge": "cycle=" + cycle, "/act/resume": "bench=left&run=" + aRun,
	} {
		rows = append(rows, accesstest.Route{Method: "POST", Path: path, Body: body})
	}
	for path, body := range map[string]string{
		"/api/v1/benches/left/start": `{"scenario":"imou-hard-reset","cycles":3}`, "/api/v1/benches/left/stop": "", "/api/v1/benches/left/emergency": "",
		"/api/v1/runs/" + aRun + "/resume": `{}`, "/api/v1/runs/" + aRun + "/hold": "", "/api/v1/runs/" + aRun + "/go-on": "", "/api/v1/runs/" + aRun + "/end": "",
		"/api/v1/cycles/" + cycle + "/notes": `{"text":"x"}`,
	} {
		rows = append(rows, accesstest.Route{Method: "POST", Path: path, Body: body, Type: "application/json"})
	}
	accesstest.Check(t, http.HandlerFunc(s.ServeHTTP), rows, func() string {
		l.mu.Lock()
		defer l.mu.Unlock()
		return fmt.Sprint(len(l.records), l.notes, l.audit, l.asked)
	})
}
