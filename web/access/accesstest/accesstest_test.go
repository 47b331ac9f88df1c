package accesstest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"resetrig/web/access"
	"resetrig/web/access/accesstest"
)

// site is a small dashboard, with a hole where a test wants one.
type site struct {
	n    int
	hole string
}

func (s *site) state() string { return fmt.Sprint(s.n) }

func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		text, ok := strings.CutPrefix(s.hole, "page ")
		if !ok {
			text = `<p title="on time">fine</p><script src="/static/app.js"></script>`
		}
		_, _ = io.WriteString(w, text)
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		st, err := access.NewStream(w, r)
		for err == nil && r.Context().Err() == nil {
			err = st.Beat()
		}
	})
	mux.HandleFunc("/press", func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if s.hole == "override" && r.Header.Get("X-HTTP-Method-Override") != "" {
			method = r.Header.Get("X-HTTP-Method-Override")
		}
		if s.hole == "query" && r.FormValue("_method") != "" {
			method = r.FormValue("_method")
		}
		if method == http.MethodPost || s.hole == "get" || s.hole == "head" && method == http.MethodHead {
			s.n++
		}
	})
	return mux
}

var table = []accesstest.Route{
	{Method: "GET", Path: "/healthz", Public: true},
	{Method: "GET", Path: "/page"},
	{Method: "GET", Path: "/events"},
	{Method: "POST", Path: "/press", Body: "for=1s"},
}

// recorder is a T that notes what is wrong.
type recorder struct {
	*testing.T
	wrong []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

func TestCheckTakesASoundSite(t *testing.T) {
	s := &site{}
	accesstest.Check(t, s.handler(), table, s.state)
	if s.n != 1 {
		t.Errorf("pressed %d times, want once: by the row itself", s.n)
	}
}

func TestCheckFindsTheHole(t *testing.T) {
	for hole, want := range map[string]string{
		"get":                                  "has changed something",
		"head":                                 "has changed something",
		"override":                             "has changed something",
		"query":                                "has changed something",
		"page <script>let x</script>":          "inline script",
		"page <p style=\"color:red\">":         "inline style",
		"page <a\nonclick=\"x()\">":            "inline handler",
		"page <img src=//elsewhere.example/x>": "outside address",
		"page <div hx-on:click=\"x()\">":       "inline handler",
		"page <style>p{}</style>":              "inline style",
		"page <link href='https://cdn.example/x.c'>": "outside address",
	} {
		t.Run(hole, func(t *testing.T) {
			s, r := &site{hole: hole}, &recorder{T: t}
			accesstest.Check(r, s.handler(), table, s.state)
			if all := strings.Join(r.wrong, "\n"); !strings.Contains(all, want) {
				t.Errorf("got %q, want something with %q", all, want)
			}
		})
	}
	t.Run("a row that is not there", func(t *testing.T) {
		s, r := &site{}, &recorder{T: t}
		accesstest.Check(r, s.handler(), []accesstest.Route{{Method: "POST", Path: "/pres"}, {Method: "GET", Path: "/pages"}}, s.state)
		if len(r.wrong) < 2 {
			t.Errorf("got %q, want both rows", r.wrong)
		}
	})
	t.Run("a page that is said to be public", func(t *testing.T) {
		s, r := &site{}, &recorder{T: t}
		accesstest.Check(r, s.handler(), []accesstest.Route{{Method: "GET", Path: "/page", Public: true}}, s.state)
		if len(r.wrong) != 1 {
			t.Errorf("got %q, want one", r.wrong)
		}
	})
}
