package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"

	"resetrig/web/access"
)

// pages are the dashboard for people: HTML that is whole without scripts, kept
// fresh by them where there are any.
type pages struct {
	s         *Server
	templates map[string]*template.Template
	assets    map[string]asset
	sheets    sheets
}

// pageFiles are the templates of whole pages; every one stands in base.html and
// may use parts.html.
var pageFiles = []string{"overview", "live", "runs", "run", "sweep", "cycle", "benches", "bench", "audit", "said", "login"}

// pages puts the pages, their files and their forms onto the mux.
func (s *Server) pages(mux *http.ServeMux) error {
	p := &pages{s: s, templates: map[string]*template.Template{}, sheets: sheets{rig: &s.rig}}
	var err error
	if p.assets, err = assets(); err != nil {
		return fmt.Errorf("the dashboard's files: %w", err)
	}
	shared, err := template.New("base.html").Funcs(pageFuncs()).ParseFS(templateFiles, "templates/base.html", "templates/parts.html")
	if err != nil {
		return fmt.Errorf("the dashboard's templates: %w", err)
	}
	for _, name := range pageFiles {
		t, err := shared.Clone()
		if err == nil {
			_, err = t.ParseFS(templateFiles, "templates/"+name+".html")
		}
		if err != nil {
			return fmt.Errorf("the dashboard's templates: %w", err)
		}
		p.templates[name] = t
	}
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /static/{file...}":             p.asset,
		"GET /{$}":                          p.handle(p.overview),
		"GET /live/{bench}":                 p.handle(p.live),
		"GET /live/{bench}/parameters":      p.handle(p.parameters),
		"GET /runs":                         p.handle(p.runs),
		"GET /runs/{run}":                   p.handle(p.run),
		"GET /runs/{run}/trends":            p.handle(p.trends),
		"GET /runs/{run}/report/{format}":   p.handle(p.report),
		"GET /sweeps/{run}":                 p.handle(p.sweep),
		"GET /cycles/{id}":                  p.handle(p.cycle),
		"GET /benches":                      p.handle(p.benches),
		"GET /benches/{name}":               p.handle(p.bench),
		"GET /audit":                        p.handle(p.audit),
		"GET /artifacts/{cycle}/{artifact}": p.handle(p.artifact),
		"POST /act/{action}":                p.handle(p.act),
	} {
		mux.HandleFunc(pattern, h)
	}
	s.drawn = p
	return nil
}

// saidError is an answer that is no page: its text is for the person.
type saidError struct {
	status int
	text   string
}

func (e *saidError) Error() string { return e.text }

func notFound(what string) error { return &saidError{http.StatusNotFound, what} }

// statusOf is what an error of a seam is over HTTP, and what a person is told.
func statusOf(err error) (int, string) {
	var p *saidError
	switch {
	case errors.As(err, &p):
		return p.status, p.text
	case errors.Is(err, ErrForbidden):
		return http.StatusForbidden, "This needs an operator's token."
	case errors.Is(err, ErrInput):
		return http.StatusBadRequest, told(err, ErrInput)
	case errors.Is(err, ErrRefused):
		return http.StatusConflict, told(err, ErrRefused)
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound, told(err, ErrNotFound)
	}
	return http.StatusInternalServerError, "The rig could not do it; its log says why."
}

// told is the error's text without the name of its kind.
func told(err, kind error) string {
	t := strings.TrimPrefix(err.Error(), kind.Error()+": ")
	if t == "" {
		return kind.Error()
	}
	return strings.ToUpper(t[:1]) + t[1:]
}

// handle answers with what a page's function gives, or with a page that says
// what is wrong.
func (p *pages) handle(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := f(w, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		status, text := statusOf(err)
		if status == http.StatusInternalServerError {
			p.s.log("answer "+clean(r.URL.Path, nameMost), err)
		}
		p.say(w, r, status, said{Bad: true, Text: text})
	}
}

// view is what every page has; Page is its own.
type view struct {
	Title   string
	Here    string // the entry of the navigation
	Rig     string
	Version string
	Who     string
	Role    string
	Local   bool // nobody needs to log out
	Acts    bool // may do something
	Benches []string
	Bench   string // whose sound the page wants
	Fresh   string // URL from which the page's main part is kept fresh
	Seq     int64  // of the last record that the page knows
	Page    any
}

func (p *pages) view(r *http.Request, title, here string) view {
	id := access.Who(r.Context())
	v := view{
		Title: title, Here: here, Rig: p.s.rig.Name, Version: p.s.rig.Version,
		Who: id.Name, Role: id.Role.String(), Local: id.Name == "local", Acts: id.May(access.Operator),
	}
	if l := p.s.rig.Ledger; l != nil {
		if n, err := l.Last(r.Context()); err == nil {
			v.Seq = n
		}
	}
	for _, m := range p.s.rig.Live.Moments() {
		v.Benches = append(v.Benches, m.Bench)
	}
	return v
}

// render answers with a page, whole or not at all.
func (p *pages) render(w http.ResponseWriter, status int, name string, v view) error {
	return p.part(w, status, name, "base.html", v)
}

// part answers with a piece of a page.
func (p *pages) part(w http.ResponseWriter, status int, page, part string, data any) error {
	t := p.templates[page]
	if t == nil {
		return fmt.Errorf("there is no template %q", page)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, part, data); err != nil {
		return fmt.Errorf("the page %s: %w", page, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a viewer who is gone needs none
	return nil
}

// said is an answer to what somebody did, or could not have.
type said struct {
	Bad  bool
	Text string
	Back string // a path of this server
}

// say answers with a sentence: as a piece for a page that waits for one, else
// as a page.
func (p *pages) say(w http.ResponseWriter, r *http.Request, status int, t said) {
	if t.Back == "" {
		t.Back = back(r)
	}
	var err error
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Retarget", "#said")
		w.Header().Set("HX-Reswap", "innerHTML")
		err = p.part(w, status, "said", "saying", t)
	} else {
		title := "Done"
		if t.Bad {
			title = http.StatusText(status)
		}
		v := p.view(r, title, "")
		v.Page = t
		err = p.render(w, status, "said", v)
	}
	if err != nil {
		p.s.log("draw a page", err)
		http.Error(w, t.Text, status)
	}
}

// back is the path of the page that a form was on: what it says itself, if it is
// a path of this server.
func back(r *http.Request) string {
	b := ""
	if r.Method == http.MethodPost {
		b = r.PostFormValue("back")
	}
	u, err := url.Parse(b)
	if err != nil || b == "" || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(b, "/") || strings.HasPrefix(b, "//") || strings.ContainsAny(b, "\\\r\n\t") {
		return "/"
	}
	return b
}

// Denied answers what access.Policy refuses, for its field Deny: as a page where
// a person asked, else as Deny does.
func (s *Server) Denied(w http.ResponseWriter, r *http.Request, status int, text string) {
	if strings.HasPrefix(r.URL.Path, "/api/") || !strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("HX-Request") == "" {
		Deny(w, r, status, text)
		return
	}
	s.drawn.say(w, r, status, said{Bad: true, Text: text, Back: "/"})
}

// LoginPage draws the login, for access.Policy's field of that name, which
// decides the status.
func (s *Server) LoginPage(w http.ResponseWriter, r *http.Request, v access.LoginView) {
	page := view{Title: "Log in", Rig: s.rig.Name, Version: s.rig.Version, Page: v}
	if err := s.drawn.part(w, http.StatusOK, "login", "login.html", page); err != nil {
		s.log("draw the login", err)
		http.Error(w, "the login cannot be shown", http.StatusInternalServerError)
	}
}

// artifact is GET /artifacts/{cycle}/{artifact}.
func (p *pages) artifact(w http.ResponseWriter, r *http.Request) error {
	if p.s.rig.Files == nil {
		return notFound("This rig keeps no evidence.")
	}
	cycle, name := r.PathValue("cycle"), r.PathValue("artifact")
	if !plain(cycle) || !plain(name) {
		return notFound("There is no such file.")
	}
	f, info, err := p.s.rig.Files.Open(r.Context(), cycle, name)
	if err != nil {
		return err
	}
	defer f.Close()
	access.ServeArtifact(w, r, info.Name, info.Modified, f)
	return nil
}

// reportTypes are the forms of a report.
var reportTypes = map[string]struct{ kind, end string }{
	"html": {"text/html; charset=utf-8", "html"}, "json": {"application/jsonl; charset=utf-8", "jsonl"},
	"csv": {"text/csv; charset=utf-8", "csv"}, "junit": {"application/xml; charset=utf-8", "xml"}, "text": {"text/plain; charset=utf-8", "txt"},
}

// report is GET /runs/{run}/report/{format}: to be shown, or with ?download to
// be saved.
func (p *pages) report(w http.ResponseWriter, r *http.Request) error {
	run, format := r.PathValue("run"), r.PathValue("format")
	form, known := reportTypes[format]
	if p.s.rig.Reports == nil || !known || !plain(run) {
		return notFound("There is no such report.")
	}
	if _, err := p.s.rig.Reports.Summary(r.Context(), run); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", form.kind)
	h.Set("Content-Security-Policy", access.ReportCSP)
	if r.URL.Query().Has("download") || format != "html" && format != "text" {
		h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "resetrig-"+fileName(run)+"."+form.end))
	}
	began := &counted{w: w}
	err := p.s.rig.Reports.Report(r.Context(), began, run, format)
	switch {
	case err == nil:
		return nil
	case began.n == 0: // nothing was sent yet: it can still be said
		h.Del("Content-Disposition")
		h.Set("Content-Security-Policy", access.PageCSP)
		return err
	}
	if r.Context().Err() == nil {
		p.s.log("write the report of "+run, err)
	}
	return nil
}

type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// fileName keeps of a name what every computer takes.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, s)
}
