package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"resetrig/rig"
	"resetrig/web/access"
)

// route is one thing that a program may ask for. The mux and the OpenAPI
// document are made of the same list: what is not in the document is not there.
type route struct {
	method, path string // path as net/http's patterns have it
	id           string // operationId
	tag          string
	role         access.Role // Nobody is everybody
	about        string
	query        []param
	takes        reflect.Type // of the body; nil: none
	gives        reflect.Type // of the JSON; nil: what media says
	status       int          // of success; 0 is 200
	media        []string     // of the answer, where it is no JSON
	heavy        bool         // reads every record of a run: few at a time

	// One of the two: do gives the answer, serve writes it.
	do    func(s *Server, c *call) (any, error)
	serve func(s *Server, w http.ResponseWriter, c *call) error
}

// param is one of the query; every one may be left out.
type param struct {
	name, about string
	words       []string // that it may be; nil: any
	most        int64    // of a number from 0 (limit: 1) to this; 0: it is a text
	least       int64
	otherwise   int64 // of a number that is left out
	many        bool  // it may be there again
}

// call is a request that was looked at.
type call struct {
	*http.Request
	texts   map[string][]string
	numbers map[string]int64
	body    any // pointer to what the route takes
}

func (c *call) text(name string) string {
	if v := c.texts[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// requestMost bounds the body of a request, in bytes.
const requestMost = 64 << 10

// reckonings is how many answers may read every record of a run at once: they
// are the only ones that cost a rig more than a look.
const reckonings = 2

// api is what the server has of it.
type api struct {
	heavy   chan struct{} // a place for each answer that reads a whole run
	openapi []byte
	metrics *metrics
	ready   readiness

	reckoned reckoned
}

// addAPI puts every route of the list onto the mux. One pattern stands for all
// methods of a path, so that a wrong one is answered as a problem too.
func (s *Server) addAPI() error {
	s.heavy = make(chan struct{}, reckonings)
	routes := apiRoutes()
	doc, err := openAPI(routes, s.rig.Version)
	if err != nil {
		return err
	}
	s.openapi = doc
	if s.metrics, err = newMetrics(s); err != nil {
		return err
	}
	paths := map[string][]route{}
	for _, r := range routes {
		paths[r.path] = append(paths[r.path], r)
	}
	for path, rs := range paths {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			var allow []string
			for _, one := range rs {
				if one.method == method {
					s.answer(w, r, &one)
					return
				}
				allow = append(allow, one.method)
			}
			w.Header().Set("Allow", strings.Join(allow, ", "))
			s.refuse(w, r, problem(http.StatusMethodNotAllowed, "method", "%s has no %s: %s", r.URL.Path, r.Method, strings.Join(allow, ", ")))
		})
	}
	s.mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, fmt.Errorf("%w: %s; GET /api/v1/openapi.json lists what there is", ErrNotFound, clean(r.URL.Path, nameMost)))
	})
	return nil
}

// answer does one request.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, to *route) {
	var out any
	began := &began{ResponseWriter: w}
	err := rig.Guarded(func() (err error) {
		if err := mayAsk(r.Context(), to.role); err != nil {
			return err
		}
		within := answerWithin
		if to.heavy {
			within = reckonWithin
		}
		ctx, done := context.WithTimeout(r.Context(), within)
		defer done()
		c, err := look(began, r.WithContext(ctx), to)
		if err != nil {
			return err
		}
		if to.heavy {
			select {
			case s.heavy <- struct{}{}:
				defer func() { <-s.heavy }()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if to.serve != nil {
			return to.serve(s, began, c)
		}
		out, err = to.do(s, c)
		return err
	})
	switch {
	case err != nil && began.yes: // a part is on its way: it must not look whole
		s.log("answer "+to.id, err)
		panic(http.ErrAbortHandler)
	case err != nil:
		s.refuse(w, r, err)
	case to.serve == nil:
		s.writeJSON(w, r, to, out)
	}
}

// began notes whether an answer has begun.
type began struct {
	http.ResponseWriter
	yes bool
}

func (b *began) WriteHeader(status int)      { b.yes = true; b.ResponseWriter.WriteHeader(status) }
func (b *began) Write(p []byte) (int, error) { b.yes = true; return b.ResponseWriter.Write(p) }
func (b *began) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, told := problemOf(err)
	if !told {
		s.log("answer "+r.Method+" "+clean(r.URL.Path, nameMost), err)
	}
	writeProblem(w, p)
}

func (s *Server) writeJSON(w http.ResponseWriter, r *http.Request, to *route, out any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(whole(out)); err != nil {
		s.refuse(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(buf.Len()))
	if at, ok := out.(interface{ location() string }); ok {
		h.Set("Location", at.location())
	}
	if to.status != 0 {
		w.WriteHeader(to.status)
	}
	_, _ = w.Write(buf.Bytes()) // who asked is gone
}

// look reads query and body, strictly.
func look(w http.ResponseWriter, r *http.Request, to *route) (*call, error) {
	c := &call{Request: r, texts: map[string][]string{}, numbers: map[string]int64{}}
	for _, p := range to.query {
		if p.most > 0 {
			c.numbers[p.name] = p.otherwise
		}
	}
	for name, values := range r.URL.Query() {
		i := slices.IndexFunc(to.query, func(p param) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("%w: there is no parameter %q", ErrInput, clean(name, nameMost))
		}
		if err := c.take(to.query[i], values); err != nil {
			return nil, err
		}
	}
	for name := range pathNames(to.path) {
		if v := r.PathValue(name); v == "" || !plain(v) {
			return nil, fmt.Errorf("%w: no such %s", ErrNotFound, name)
		}
	}
	return c, c.read(w, to)
}

func (c *call) take(p param, values []string) error {
	if len(values) > 1 && !p.many || len(values) > listMost {
		return fmt.Errorf("%w: %s is there %d times", ErrInput, p.name, len(values))
	}
	for _, v := range values {
		switch {
		case p.most > 0:
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < p.least || n > p.most {
				return fmt.Errorf("%w: %s is a number from %d to %d", ErrInput, p.name, p.least, p.most)
			}
			c.numbers[p.name] = n
		case v == "" || !plain(v):
			return fmt.Errorf("%w: %s is empty, too long or cannot be shown", ErrInput, p.name)
		case p.words != nil && !slices.Contains(p.words, v):
			return fmt.Errorf("%w: %s is one of %s", ErrInput, p.name, strings.Join(p.words, ", "))
		default:
			c.texts[p.name] = append(c.texts[p.name], v)
		}
	}
	return nil
}

// read takes the body in, where the route has one.
func (c *call) read(w http.ResponseWriter, to *route) error {
	if to.method == http.MethodGet {
		return nil
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, c.Body, requestMost))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return problem(http.StatusRequestEntityTooLarge, "too-large", "the request's body has more than %d bytes", requestMost)
	case err != nil:
		return fmt.Errorf("%w: the request's body broke off", ErrInput)
	case to.takes == nil && len(data) > 0:
		return fmt.Errorf("%w: this takes no body", ErrInput)
	case to.takes == nil:
		return nil
	}
	if kind, params, err := mime.ParseMediaType(c.Header.Get("Content-Type")); err != nil || kind != "application/json" ||
		params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return problem(http.StatusUnsupportedMediaType, "media-type", "the body is to be application/json")
	}
	c.body = reflect.New(to.takes).Interface()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(c.body); err != nil {
		return fmt.Errorf("%w: %s", ErrInput, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the JSON object", ErrInput)
	}
	if bytes.TrimSpace(data)[0] != '{' { // null is taken for every type
		return fmt.Errorf("%w: the body is to be an object", ErrInput)
	}
	return nil
}
