package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak/stats"
	"resetrig/web"
	"resetrig/web/access"
)

// document is the OpenAPI document as a program reads it.
type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		ID         string           `json:"operationId"`
		Role       string           `json:"x-role"`
		Security   []map[string]any `json:"security"`
		Parameters []struct {
			Name, In string
			Schema   map[string]any
		} `json:"parameters"`
		Body *struct {
			Content map[string]struct{ Schema map[string]any }
		} `json:"requestBody"`
		Responses map[string]struct {
			Content map[string]struct{ Schema map[string]any }
		} `json:"responses"`
	} `json:"paths"`

	compiler *jsonschema.Compiler
}

func openAPI(t *testing.T, s *web.Server) *document {
	t.Helper()
	w := askAs(access.Viewer, s, "GET", "/api/v1/openapi.json", "")
	if w.Code != http.StatusOK {
		t.Fatalf("the document: %d %s", w.Code, w.Body)
	}
	d := &document{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(w.Body.Bytes(), d); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("mem:///openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return d
}

// fits holds JSON against the schema of a reference in the document.
func (d *document) fits(t *testing.T, schema map[string]any, data []byte) {
	t.Helper()
	ref, _ := schema["$ref"].(string)
	if !strings.HasPrefix(ref, "#/components/schemas/") {
		t.Errorf("no reference to a schema: %v", schema)
		return
	}
	s, err := d.compiler.Compile("mem:///openapi.json" + ref)
	if err != nil {
		t.Error(err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Errorf("no JSON: %v\n%.300s", err, data)
		return
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%v\n%.500s", err, data)
	}
}

const (
	aCycle = aRun + "-0001"
	aFail  = aRun + "-0002"
)

// calls are one request at least for each route; the path parameters are filled
// in by name.
var calls = []struct {
	id, query, body string
}{
	{"getRig", "", ""},
	{"listBenches", "", ""},
	{"getBench", "", ""},
	{"listScenarios", "", ""},
	{"listMoments", "", ""},
	{"getMoment", "", ""},
	{"startRun", "", `{"scenario":"imou-hard-reset","params":{"hold":"20s"},"cycles":5,"for":"1h","prove":"99%@95%","controls":["control-no-press"],"controls_every":2,"labels":{"firmware":"4"},"hold":"8h"}`},
	{"stopBench", "", ""},
	{"emergencyStopBench", "", ""},
	{"resumeRun", "", `{"anyway":true}`},
	{"resumeRun", "", `{}`},
	{"holdRun", "", ""},
	{"continueRun", "", ""},
	{"endRun", "", ""},
	{"listRuns", "", ""},
	{"listRuns", "?bench=left&kind=soak&limit=1", ""},
	{"listRuns", "?cursor=" + aRun, ""},
	{"getRun", "", ""},
	{"getRunStatistics", "", ""},
	{"getRunSeries", "", ""},
	{"listRunNotes", "", ""},
	{"getRunReport", "", ""},
	{"getRunReport", "?format=html", ""},
	{"listCycles", "", ""},
	{"listCycles", "?run=" + aRun + "&bench=left&outcome=fail&outcome=error&limit=1", ""},
	{"listCycles", "?cursor=" + aFail, ""},
	{"getRecord", "", ""},
	{"addCycleNote", "", `{"text":"a look at the relay"}`},
	{"addCycleNote", "", `{"kind":"acknowledged"}`},
	{"listCycleNotes", "", ""},
	{"listArtifacts", "", ""},
	{"getArtifact", "", ""},
	{"getArtifact", "?download=1", ""},
	{"followLedger", "", ""},
	{"followLedger", "?after=2&limit=2", ""},
	{"listAudit", "?limit=3", ""},
	{"listAudit", "?before=3", ""},
	{"getOpenAPI", "", ""},
	{"getMetrics", "", ""},
	{"getHealth", "", ""},
	{"getReadiness", "", ""},
}

var inPath = strings.NewReplacer("{bench}", "left", "{run}", aRun, "{cycle}", aCycle, "{measurement}", "beep_duration", "{artifact}", "beep.wav")

// Each route of the document is called, with every parameter that it has, and
// what goes in and comes out is what the document says.
func TestEveryRouteIsAsTheDocumentSays(t *testing.T) {
	s := serveLab(t, newLab())
	d := openAPI(t, s)
	if d.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %q", d.OpenAPI)
	}
	called, asked := map[string]bool{}, map[string]bool{}
	byID := map[string][2]string{}
	for path, ops := range d.Paths {
		for method, op := range ops {
			if op.ID == "" {
				t.Errorf("%s %s has no operationId", method, path)
			}
			if had, twice := byID[op.ID]; twice {
				t.Errorf("%s is %v and %s %s", op.ID, had, method, path)
			}
			byID[op.ID] = [2]string{method, path}
			if public := len(op.Security) == 0; public != (op.Role == "") || public != (path == "/healthz" || path == "/readyz") {
				t.Errorf("%s: role %q, security %v", op.ID, op.Role, op.Security)
			}
			if method != "get" && op.Role != "operator" {
				t.Errorf("%s %s is for a %s", method, path, op.Role)
			}
		}
	}
	for _, c := range calls {
		t.Run(c.id+c.query, func(t *testing.T) {
			at, ok := byID[c.id]
			if !ok {
				t.Fatal("it is not in the document")
			}
			called[c.id] = true
			op := d.Paths[at[1]][at[0]]
			if (op.Body != nil) != (c.body != "") {
				t.Errorf("the document has a body: %v", op.Body != nil)
			} else if op.Body != nil {
				d.fits(t, op.Body.Content["application/json"].Schema, []byte(c.body))
			}
			for _, p := range op.Parameters {
				if p.In == "query" && strings.Contains(c.query, p.Name+"=") {
					asked[c.id+" "+p.Name] = true
				}
				if p.In == "path" && inPath.Replace("{"+p.Name+"}") == "{"+p.Name+"}" {
					t.Errorf("no value for %s", p.Name)
				}
			}
			w := askAs(access.Operator, s, strings.ToUpper(at[0]), inPath.Replace(at[1])+c.query, c.body)
			wanted, ok := op.Responses[fmt.Sprint(w.Code)]
			if !ok || w.Code/100 != 2 {
				t.Fatalf("answered %d, the document has %v: %s", w.Code, slices.Sorted(maps.Keys(op.Responses)), w.Body)
			}
			kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
			if c.id == "getArtifact" { // any type of evidence
				kind = "application/octet-stream"
			}
			content, ok := wanted.Content[kind]
			if !ok {
				t.Fatalf("answered with %s, the document has %v", kind, wanted.Content)
			}
			if kind == "application/json" {
				d.fits(t, content.Schema, w.Body.Bytes())
			} else if w.Body.Len() == 0 {
				t.Error("an empty answer")
			}
		})
	}
	for id, at := range byID {
		if !called[id] {
			t.Errorf("%s was not called", id)
		}
		for _, p := range d.Paths[at[1]][at[0]].Parameters {
			if p.In == "query" && !asked[id+" "+p.Name] {
				t.Errorf("%s was not asked with %s", id, p.Name)
			}
		}
	}
}

// There is nothing under /api that the document does not have, whatever the
// method, and what is there has no other methods.
func TestNothingBesideTheDocument(t *testing.T) {
	s := serveLab(t, newLab())
	d := openAPI(t, s)
	for path, ops := range d.Paths {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if _, there := ops[strings.ToLower(method)]; there {
				continue
			}
			w := askAs(access.Operator, s, method, inPath.Replace(path), "")
			d.problem(t, w, http.StatusMethodNotAllowed)
			if w.Header().Get("Allow") == "" {
				t.Errorf("%s %s says no Allow", method, path)
			}
		}
		if strings.HasPrefix(path, "/api/") {
			d.problem(t, askAs(access.Operator, s, "GET", inPath.Replace(path)+"/more", ""), http.StatusNotFound)
		}
	}
	for _, path := range []string{"/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/rig", "/api/v1/RIG"} {
		for _, method := range []string{"GET", "POST"} {
			if w := askAs(access.Operator, s, method, path, ""); w.Code != http.StatusNotFound && w.Code != http.StatusMovedPermanently && w.Code != http.StatusTemporaryRedirect {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}

// problem wants a problem of that status.
func (d *document) problem(t *testing.T, w *httptest.ResponseRecorder, status int) web.Problem {
	t.Helper()
	var p web.Problem
	if w.Code != status || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %d %s, want a problem %d: %.300s", w.Code, w.Header().Get("Content-Type"), status, w.Body)
		return p
	}
	d.fits(t, map[string]any{"$ref": "#/components/schemas/Problem"}, w.Body.Bytes())
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != status || p.Type == "" || p.Detail == "" {
		t.Errorf("%v: %+v", err, p)
	}
	return p
}

// Who may only look is refused everything that changes something, and who is
// nobody everything but the health.
func TestRoles(t *testing.T) {
	l := newLab()
	s := serveLab(t, l)
	d := openAPI(t, s)
	for path, ops := range d.Paths {
		for method, op := range ops {
			method, at := strings.ToUpper(method), inPath.Replace(path)
			if op.Role == "operator" {
				d.problem(t, askAs(access.Viewer, s, method, at, `{}`), http.StatusForbidden)
			}
			if op.Role != "" {
				d.problem(t, askAs(access.Nobody, s, method, at, ""), http.StatusForbidden)
			} else if w := askAs(access.Nobody, s, method, at, ""); w.Code != http.StatusOK {
				t.Errorf("%s %s: %d", method, at, w.Code)
			}
		}
	}
	if len(l.asked) > 0 || len(l.notes) > 0 {
		t.Errorf("the rig was asked: %v %v", l.asked, l.notes)
	}
}

// Nothing is changed by a GET, and what is done is done as it was said.
func TestWhatIsDone(t *testing.T) {
	l := newLab()
	s := serveLab(t, l)
	for path, ops := range openAPI(t, s).Paths {
		if _, ok := ops["get"]; ok {
			askAs(access.Operator, s, "GET", inPath.Replace(path), "")
		}
	}
	if len(l.asked)+len(l.notes)+len(l.audit) > 0 {
		t.Errorf("GET did something: %v %v %v", l.asked, l.notes, l.audit)
	}
	w := askAs(access.Operator, s, "POST", "/api/v1/benches/left/start", `{"scenario":"imou-hard-reset","cycles":5}`)
	if w.Header().Get("Location") != "/api/v1/runs/20261122-140000-dddddd" {
		t.Errorf("it is said to be at %q", w.Header().Get("Location"))
	}
	askAs(access.Operator, s, "POST", "/api/v1/runs/"+aRun+"/resume", `{"anyway":true}`)
	askAs(access.Operator, s, "POST", "/api/v1/runs/"+aRun+"/go-on", "")
	askAs(access.Operator, s, "POST", "/api/v1/benches/left/emergency", "")
	for i, want := range []string{"Bench:left Scenario:imou-hard-reset Params:map[] Cycles:5", "Bench:left Scenario: Params:map[]", "ask " + aRun + " go-on", "halt left emergency"} {
		if i >= len(l.asked) || !strings.Contains(l.asked[i], want) {
			t.Errorf("the rig was asked %q, want %q", l.asked, want)
		}
	}
	if !strings.Contains(l.asked[1], "Resume:"+aRun+" Anyway:true") {
		t.Errorf("resumed by %q", l.asked[1])
	}
	for i, e := range l.audit {
		if want := []string{"start", "resume", "go-on", "emergency"}[i]; e.Action != want || e.Who != "jo" || e.Address != "192.0.2.7" || e.Result != "ok" {
			t.Errorf("in the audit log: %+v", e)
		}
	}
}

// Pages of runs and cycles are the whole list, each once.
func TestPages(t *testing.T) {
	s := serveLab(t, newLab())
	for _, list := range []string{"runs", "cycles"} {
		var whole, paged []string
		ids := func(path string) (ids []string, next string) {
			var got struct {
				Runs, Cycles []struct{ ID string }
				Next         string
			}
			w := askAs(access.Viewer, s, "GET", path, "")
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			for _, one := range append(got.Runs, got.Cycles...) {
				ids = append(ids, one.ID)
			}
			return ids, got.Next
		}
		whole, _ = ids("/api/v1/" + list)
		path := "/api/v1/" + list + "?limit=2"
		for range 10 {
			page, next := ids(path)
			if paged = append(paged, page...); next == "" {
				break
			}
			path = "/api/v1/" + list + "?limit=2&cursor=" + next
		}
		if !slices.Equal(whole, paged) || len(whole) < 3 {
			t.Errorf("%s: %v by pages, %v whole", list, paged, whole)
		}
	}
}

// The statistics are of first attempts, controls left out.
func TestStatistics(t *testing.T) {
	s := serveLab(t, newLab())
	var got web.RunStatistics
	w := askAs(access.Viewer, s, "GET", "/api/v1/runs/"+aRun+"/statistics", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.First != (web.Outcomes{Pass: 2, FailProven: 1, Error: 1, Aborted: 1}) || got.Controls != (web.Outcomes{Pass: 1}) || got.Records != 6 {
		t.Errorf("counted %+v, controls %+v of %d", got.First, got.Controls, got.Records)
	}
	if got.Rates == nil || got.Rates.Fail.Rate != 1.0/3 || got.Rates.FailErrorsCounted.Rate != 0.5 {
		t.Errorf("rates %+v", got.Rates)
	}
	if got.Claim != "90%@90%" || got.Decision != "refuted" {
		t.Errorf("claim %q %q", got.Claim, got.Decision)
	}
	if len(got.Measured) != 3 || got.Measured[1].Name != "beep_duration" || got.Measured[1].Count != 5 || got.Measured[1].Max != 2.5 || got.Measured[1].Lower == nil {
		t.Errorf("measured %+v", got.Measured)
	}
	if len(got.Failures) != 1 || got.Failures[0].Cycles[0] != 2 || len(got.Reasons) != 3 {
		t.Errorf("failures %+v, reasons %+v", got.Failures, got.Reasons)
	}
}

// The statistics say the same as the report's page does of the same records.
func TestStatisticsAgreeWithTheReport(t *testing.T) {
	l := newLab()
	for n := range 40 {
		r := rig.Record{Outcome: rig.Pass}
		if n%7 == 0 {
			r = rig.Record{Outcome: rig.Fail, Attribution: rig.Presumed, Reason: rig.ReasonResetIgnored}
		}
		l.add(r, 6+n, n%9 == 0)
	}
	s := serveLab(t, l)
	var got web.RunStatistics
	if err := json.Unmarshal(askAs(access.Viewer, s, "GET", "/api/v1/runs/"+aRun+"/statistics", "").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	sum, err := l.Summary(t.Context(), aRun)
	if err != nil {
		t.Fatal(err)
	}
	g := report.NewGathering(sum)
	for r, err := range l.Records(t.Context(), aRun) {
		if err != nil {
			t.Fatal(err)
		}
		g.Take(r)
	}
	want := g.Digest(sum)
	if web.Outcomes(want.Outcomes) != got.First || got.Records != g.Attempts() {
		t.Errorf("first attempts %+v of %d, the report has %+v of %d", got.First, got.Records, want.Outcomes, g.Attempts())
	}
	if len(got.Failures) != len(want.Groups) || len(got.Measured) != len(want.Trends) {
		t.Errorf("%d kinds of failure and %d measurements, the report has %d and %d", len(got.Failures), len(got.Measured), len(want.Groups), len(want.Trends))
	}
	for i, m := range got.Measured {
		w := want.Trends[i]
		d := stats.Describe(w.Values, w.Lower, w.Upper)
		if m.Name != w.Name || m.Count != d.N || m.Median != d.Median || m.Mean != d.Mean || m.Outside != d.Outside {
			t.Errorf("%+v, the report has %s %+v", m, w.Name, d)
		}
	}
	if !strings.Contains(want.Claim, "NOT SHOWN") || got.Decision != "refuted" {
		t.Errorf("the claim is %s, the report says %s", got.Decision, want.Claim)
	}
}

// What went wrong inside is for the log: who asks is told no path and no query.
func TestTheRigsOwnErrorsAreNotTold(t *testing.T) {
	l := newLab()
	s := serveLab(t, l)
	d := openAPI(t, s)
	l.broken = errDisk
	for path, ops := range d.Paths {
		if _, ok := ops["get"]; !ok {
			continue
		}
		w := askAs(access.Operator, s, "GET", inPath.Replace(path), "")
		if strings.Contains(w.Body.String(), "/var/lib") || strings.Contains(w.Body.String(), "disk I/O") {
			t.Errorf("%s tells %s", path, w.Body)
		}
		if w.Code == http.StatusInternalServerError {
			d.problem(t, w, http.StatusInternalServerError)
		}
	}
	if w := askAs(access.Nobody, s, "GET", "/readyz", ""); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"ready":false`) {
		t.Errorf("ready with broken results: %d %s", w.Code, w.Body)
	}
	if w := askAs(access.Nobody, s, "GET", "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("healthz: %d", w.Code)
	}
}

// Where the token file has become wrong nobody can log in, and whoever keeps the
// rig running sees it without a login.
func TestReadySaysThatNobodyCanLogIn(t *testing.T) {
	l := newLab()
	s, err := web.New(web.Rig{Name: "pi", State: t.TempDir(), Ledger: l, Benches: l, Login: func() error { return errDisk }}, func(string, error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := askAs(access.Nobody, s, "GET", "/readyz", "")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `{"name":"login","ok":false`) || strings.Contains(w.Body.String(), "/var") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A rig that has little answers with problems, and none of them is its own
// fault.
func TestARigWithLittle(t *testing.T) {
	s, err := web.New(web.Rig{Name: "pi"}, func(string, error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := openAPI(t, s)
	for path, ops := range d.Paths {
		for method := range ops {
			if w := askAs(access.Operator, s, strings.ToUpper(method), inPath.Replace(path), ""); w.Code == http.StatusInternalServerError {
				t.Errorf("%s %s: %s", method, path, w.Body)
			}
		}
	}
}

// A policy's refusals are problems for programs and text for others.
func TestDeny(t *testing.T) {
	s := serveLab(t, newLab())
	d := openAPI(t, s)
	w := httptest.NewRecorder()
	web.Deny(w, httptest.NewRequest("GET", "/api/v1/rig", nil), http.StatusUnauthorized, "this needs a login")
	if p := d.problem(t, w, http.StatusUnauthorized); p.Type != "urn:resetrig:problem:login" {
		t.Errorf("type %s", p.Type)
	}
	w = httptest.NewRecorder()
	web.Deny(w, httptest.NewRequest("GET", "/", nil), http.StatusForbidden, "no")
	if w.Code != http.StatusForbidden || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("a page is refused by %d %v", w.Code, w.Header())
	}
}
