package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"resetrig/web/access"
)

func TestWhatIsWrongIsAProblem(t *testing.T) {
	const start = "/api/v1/benches/left/start"
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"unknown parameter", "GET", "/api/v1/runs?page=2", "", 400, "page"},
		{"parameter twice", "GET", "/api/v1/runs?limit=1&limit=2", "", 400, "limit"},
		{"limit of words", "GET", "/api/v1/runs?limit=many", "", 400, "1 to 500"},
		{"limit of 0", "GET", "/api/v1/runs?limit=0", "", 400, "1 to 500"},
		{"limit too large", "GET", "/api/v1/cycles?limit=100000", "", 400, "1 to 500"},
		{"no such kind", "GET", "/api/v1/runs?kind=marathon", "", 400, "soak"},
		{"no such outcome", "GET", "/api/v1/cycles?outcome=pass&outcome=good", "", 400, "aborted"},
		{"empty parameter", "GET", "/api/v1/cycles?run=", "", 400, "run"},
		{"control characters", "GET", "/api/v1/cycles?run=a%0Ab", "", 400, "run"},
		{"before below 0", "GET", "/api/v1/audit?before=-1", "", 400, "before"},
		{"no such cursor of runs", "GET", "/api/v1/runs?cursor=nothing", "", 400, "cursor"},
		{"no such cursor of cycles", "GET", "/api/v1/cycles?cursor=nothing", "", 400, "cursor"},
		{"no such format", "GET", "/api/v1/runs/" + aRun + "/report?format=pdf", "", 400, "junit"},
		{"no such bench", "GET", "/api/v1/benches/middle", "", 404, "middle"},
		{"no such bench now", "GET", "/api/v1/benches/middle/moment", "", 404, "middle"},
		{"scenarios of no bench", "GET", "/api/v1/benches/middle/scenarios", "", 404, ""},
		{"no such run", "GET", "/api/v1/runs/never", "", 404, "never"},
		{"statistics of no run", "GET", "/api/v1/runs/never/statistics", "", 404, "never"},
		{"report of no run", "GET", "/api/v1/runs/never/report", "", 404, "never"},
		{"no such measurement", "GET", "/api/v1/runs/" + aRun + "/series/weight", "", 404, "weight"},
		{"no such cycle", "GET", "/api/v1/cycles/never", "", 404, "never"},
		{"no such artifact", "GET", "/api/v1/cycles/" + aCycle + "/artifacts/other.wav", "", 404, ""},
		{"a path as an artifact", "GET", "/api/v1/cycles/" + aCycle + "/artifacts/..%2f..%2fetc%2fpasswd", "", 404, ""},
		{"resume of no run", "POST", "/api/v1/runs/never/resume", `{}`, 404, "never"},
		{"wish for no run", "POST", "/api/v1/runs/never/hold", "", 404, ""},
		{"halt of no bench", "POST", "/api/v1/benches/middle/stop", "", 404, ""},
		{"a busy bench", "POST", "/api/v1/benches/right/start", `{"scenario":"imou-hard-reset","cycles":1}`, 409, "busy"},
		{"no scenario", "POST", start, `{"cycles":1}`, 400, "scenario"},
		{"no end", "POST", start, `{"scenario":"imou-hard-reset"}`, 400, "no end"},
		{"unknown field", "POST", start, `{"scenario":"imou-hard-reset","cycles":1,"power":"on"}`, 400, "power"},
		{"wrong type", "POST", start, `{"scenario":"imou-hard-reset","cycles":"many"}`, 400, "cycles"},
		{"two objects", "POST", start, `{"scenario":"imou-hard-reset","cycles":1}{}`, 400, "follows"},
		{"a list", "POST", start, `[]`, 400, ""},
		{"null", "POST", start, `null`, 400, "object"},
		{"half an object", "POST", start, `{"scenario":`, 400, ""},
		{"a body where none is taken", "POST", "/api/v1/benches/left/stop", `{}`, 400, "no body"},
		{"a large body", "POST", start, `{"scenario":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "65536"},
		{"a comment without text", "POST", "/api/v1/cycles/" + aCycle + "/notes", `{}`, 400, "no text"},
		{"a note of no kind", "POST", "/api/v1/cycles/" + aCycle + "/notes", `{"kind":"verdict","text":"pass"}`, 400, "acknowledged"},
		{"a note on no cycle", "POST", "/api/v1/cycles/never/notes", `{"text":"hm"}`, 404, ""},
		{"stop by GET", "GET", "/api/v1/benches/left/stop", "", 405, "POST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab()
			s := serveLab(t, l)
			p := openAPI(t, s).problem(t, askAs(access.Operator, s, c.method, c.path, c.body), c.status)
			if !strings.Contains(p.Detail, c.says) {
				t.Errorf("it says %q, nothing of %q", p.Detail, c.says)
			}
			if c.status != 404 && c.status != 409 && len(l.asked) > 0 {
				t.Errorf("the rig was asked: %v", l.asked)
			}
		})
	}
	t.Run("another content type", func(t *testing.T) {
		s := serveLab(t, newLab())
		d := openAPI(t, s)
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"} {
			r := httptest.NewRequest("POST", start, strings.NewReader(`{"scenario":"imou-hard-reset","cycles":1}`))
			r.Header.Set("Content-Type", kind)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r.WithContext(access.WithIdentity(r.Context(), access.Identity{Name: "jo", Role: access.Operator})))
			d.problem(t, w, http.StatusUnsupportedMediaType)
		}
	})
}
