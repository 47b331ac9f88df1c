package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"resetrig/web"
	"resetrig/web/access"
)

// ask asks for a page, or posts a form, as somebody of that role with a browser
// without scripts.
func askPage(role access.Role, s *web.Server, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r.WithContext(access.WithIdentity(r.Context(), access.Identity{Name: "jo", Role: role, Addr: "192.0.2.7"})))
	return w
}

var allPages = []string{
	"/", "/live/left", "/live/right", "/runs", "/runs/" + aRun, "/cycles/" + aRun + "-0002", "/cycles/" + aRun + "-0003?zoom=act", "/benches", "/benches/left", "/audit",
}

// What the content security policy forbids must not be in a page: a browser would
// leave it out in silence.
var inline = regexp.MustCompile(`(?i)<style|<script(?:>| [^>]*[^>]*>[^<])|\sstyle\s*=|\son[a-z]+\s*=\s*"|="https?://|="//`)

func TestEveryPageIsWholeWithoutScripts(t *testing.T) {
	s := serveLab(t, newLab())
	for _, path := range allPages {
		w := askPage(access.Operator, s, "GET", path, nil)
		page := w.Body.String()
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.HasSuffix(strings.TrimSpace(page), "</html>") {
			t.Errorf("%s: %d, %d bytes: %.200s", path, w.Code, len(page), page)
		}
		if at := inline.FindString(page); at != "" {
			t.Errorf("%s has %q, which the policy forbids", path, at)
		}
		if !strings.Contains(page, `<a class="skip" href="#main">`) || strings.Count(page, "<main") != 1 {
			t.Errorf("%s has no way to its main part", path)
		}
	}
	for path, want := range map[string]string{
		"/cycles/" + aRun + "-0002": "fail, proven: beep-missing", "/runs/" + aRun: "ear-lost", "/live/left": "Runs cycle 3 of 10", "/benches/left": "left",
	} {
		if page := askPage(access.Viewer, s, "GET", path, nil).Body.String(); !strings.Contains(page, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	for _, path := range []string{"/live/none", "/runs/none", "/cycles/none", "/benches/none", "/sweeps/" + aRun, "/static/none.js", "/static/../pages.go", "/artifacts/none/x.wav"} {
		if w := askPage(access.Operator, s, "GET", path, nil); w.Code == http.StatusOK {
			t.Errorf("%s is there", path)
		}
	}
}

// A viewer is shown no way to act, and has none.
func TestViewersOnlyLook(t *testing.T) {
	l := newLab()
	s := serveLab(t, l)
	for _, path := range allPages {
		if page := askPage(access.Viewer, s, "GET", path, nil).Body.String(); strings.Contains(page, "/act/") {
			t.Errorf("%s offers a viewer to act", path)
		}
	}
	forms := map[string]url.Values{
		"start": {"bench": {"left"}, "scenario": {"imou-hard-reset"}, "cycles": {"3"}}, "hold": {"run": {aRun}}, "go-on": {"run": {aRun}}, "end": {"run": {aRun}},
		"stop": {"bench": {"left"}}, "emergency": {"bench": {"left"}}, "resume": {"bench": {"left"}, "run": {aRun}},
		"comment": {"cycle": {aRun + "-0001"}, "text": {"x"}}, "acknowledge": {"cycle": {aRun + "-0003"}},
	}
	for action, form := range forms {
		if w := askPage(access.Viewer, s, "POST", "/act/"+action, form); w.Code != http.StatusForbidden {
			t.Errorf("%s by a viewer: %d", action, w.Code)
		}
	}
	if len(l.asked) > 0 {
		t.Errorf("a viewer has had %q", l.asked)
	}
	for action, form := range forms {
		if w := askPage(access.Operator, s, "POST", "/act/"+action, form); w.Code >= 400 {
			t.Errorf("%s by an operator: %d %.300s", action, w.Code, w.Body)
		}
		if w := askPage(access.Operator, s, "GET", "/act/"+action+"?"+form.Encode(), nil); w.Code < 400 {
			t.Errorf("%s is done on GET", action)
		}
	}
	if len(l.asked) < 7 {
		t.Errorf("an operator has had only %q", l.asked)
	}
}

// What each button does to the power is said on it, by the relays' safe states.
func TestButtonsSayWhatBecomesOfThePower(t *testing.T) {
	page := askPage(access.Operator, serveLab(t, newLab()), "GET", "/live/left", nil).Body.String()
	for button, want := range map[string]string{
		"EMERGENCY": "pins open and the power is cut NOW", "Yes, stop now": "pins open now, the power stays as it is", "End after this cycle": "the power stays as it is", "Pause after this cycle": "the power stays",
	} {
		if !strings.Contains(page, button+"<small>"+want+"</small>") {
			t.Errorf("%s does not say: %s", button, want)
		}
	}
}

// A form goes back to a page of this server, whatever it says.
func TestWhereAFormLeads(t *testing.T) {
	s := serveLab(t, newLab())
	for back, want := range map[string]string{
		"/runs/x": "/runs/x", "//evil.example/": "/", "https://evil.example/": "/", "javascript:alert(1)": "/", `/\evil.example`: "/", "": "/", "/\t/evil.example": "/",
	} {
		w := askPage(access.Operator, s, "POST", "/act/end", url.Values{"run": {aRun}, "back": {back}})
		if !strings.Contains(w.Body.String(), `<a href="`+want+`">Back</a>`) {
			t.Errorf("back to %q leads elsewhere than %q", back, want)
		}
	}
}

// The browser keeps files, and asks whether they are still the same.
func TestStaticFiles(t *testing.T) {
	s := serveLab(t, newLab())
	for _, path := range []string{"/static/app.js", "/static/app.css", "/static/favicon.svg", "/static/vendor/htmx-4.0.1.min.js", "/static/vendor/uplot-1.6.32.min.js", "/static/vendor/uplot-1.6.32.min.css", "/static/vendor/htmx-LICENSE.txt", "/static/vendor/uplot-LICENSE.txt"} {
		w := askPage(access.Viewer, s, "GET", path, nil)
		tag := w.Header().Get("ETag")
		if w.Code != http.StatusOK || tag == "" || w.Body.Len() == 0 {
			t.Fatalf("%s: %d, tag %q", path, w.Code, tag)
		}
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("If-None-Match", tag)
		w = httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusNotModified || w.Body.Len() > 0 {
			t.Errorf("%s again: %d, %d bytes", path, w.Code, w.Body.Len())
		}
	}
}
