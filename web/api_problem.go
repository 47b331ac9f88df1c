package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"resetrig/web/access"
)

// Problem is why a request was not done, as RFC 9457 has it.
type Problem struct {
	Type   string `json:"type"` // urn:resetrig:problem: and a word of the list in docs/api.md
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"` // for the person
}

// problemPrefix begins the type of a problem; it is a name and no address.
const problemPrefix = "urn:resetrig:problem:"

// problemError is an error that knows how it is answered.
type problemError struct {
	status int
	word   string
	detail string
}

func (e *problemError) Error() string { return e.detail }

func problem(status int, word, format string, args ...any) error {
	return &problemError{status, word, fmt.Sprintf(format, args...)}
}

// absent is what a rig does not have.
func absent(what string) error {
	return problem(http.StatusNotImplemented, "absent", "this rig has %s", what)
}

// words are those of the statuses that other code answers with.
var problemWords = map[int]string{
	http.StatusBadRequest: "input", http.StatusUnauthorized: "login", http.StatusForbidden: "forbidden", http.StatusNotFound: "not-found",
	http.StatusMethodNotAllowed: "method", http.StatusConflict: "refused", http.StatusRequestEntityTooLarge: "too-large",
	http.StatusUnsupportedMediaType: "media-type", http.StatusMisdirectedRequest: "misdirected", http.StatusTooManyRequests: "too-many",
	http.StatusServiceUnavailable: "busy", http.StatusNotImplemented: "absent", http.StatusInternalServerError: "internal",
}

// problemOf is how an error is answered. What is the rig's own is not told to
// whoever asks; told is false then, and it belongs into the log.
func problemOf(err error) (p Problem, told bool) {
	status, detail := http.StatusInternalServerError, "the rig could not do it; its log says why"
	word := ""
	var known *problemError
	switch {
	case errors.As(err, &known):
		status, word, detail = known.status, known.word, known.detail
	case errors.Is(err, ErrForbidden):
		status, detail = http.StatusForbidden, err.Error()
	case errors.Is(err, ErrNotFound):
		status, detail = http.StatusNotFound, err.Error()
	case errors.Is(err, ErrInput):
		status, detail = http.StatusBadRequest, err.Error()
	case errors.Is(err, ErrRefused):
		status, detail = http.StatusConflict, err.Error()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		status, detail = http.StatusServiceUnavailable, "it took too long, or the server ends; try again"
	default:
		return Problem{problemPrefix + "internal", http.StatusText(status), status, detail}, false
	}
	if word == "" {
		word = problemWords[status]
	}
	return Problem{problemPrefix + word, http.StatusText(status), status, clean(detail, textMost)}, true
}

func writeProblem(w http.ResponseWriter, p Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // who asked is gone
}

// Deny answers what access.Policy refuses, for its field of that name: a problem
// where a program asked, a line of text elsewhere.
func Deny(w http.ResponseWriter, r *http.Request, status int, text string) {
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		http.Error(w, fmt.Sprintf("%d %s: %s", status, http.StatusText(status), text), status)
		return
	}
	word := problemWords[status]
	if word == "" {
		word = "refused"
	}
	writeProblem(w, Problem{problemPrefix + word, http.StatusText(status), status, text})
}

// mayAsk says why somebody may not have a route.
func mayAsk(ctx context.Context, role access.Role) error {
	if id := access.Who(ctx); !id.May(role) {
		return fmt.Errorf("%w: this is for a %s", ErrForbidden, role)
	}
	return nil
}

// The times that an answer may take the rig: looking something up, and reading
// every record of a run.
const (
	answerWithin = 15 * time.Second
	reckonWithin = 2 * time.Minute
)
