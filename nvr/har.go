package nvr

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Transcript keeps a cycle's exchanges in a file of the form HAR 1.2, which
// browsers and HTTP tools open. The file is whole after each exchange, so that
// one which a crash cut off can still be read. What is the same again (a unit
// that stays silent is asked once a second) is counted and not repeated.
//
// Its entries are as Options.Transcript gets them: every secret is gone. It
// implements rig.Transcriber.
type Transcript struct {
	// Creator is the version of the program that writes it.
	Creator string

	mu    sync.Mutex
	file  *os.File
	ends  int64 // where the next entry goes
	last  int64 // where the last one began
	entry harEntry
	same  string
	err   error
}

// transcriptMost bounds the file: a cycle has some hundred exchanges of about
// a kilobyte.
const transcriptMost = 16 << 20

const harFooter = "\n]}}\n"

// Begin implements rig.Transcriber.
func (t *Transcript) Begin(path string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file != nil {
		return errors.New("begin a transcript: one is open already")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("begin a transcript: %w", err)
	}
	creator, err := json.Marshal(map[string]string{"name": "resetrig", "version": t.Creator})
	if err == nil {
		header := `{"log":{"version":"1.2","creator":` + string(creator) + `,"entries":[`
		t.ends = int64(len(header))
		_, err = f.WriteString(header + harFooter)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("begin a transcript: %w", err), f.Close())
	}
	t.file, t.last, t.same, t.err = f, 0, "", nil
	return nil
}

// Open reports whether a cycle's transcript is being written; it is an
// Options.Transcribing.
func (t *Transcript) Open() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.file != nil
}

// Record takes in one exchange; it is an Options.Transcript. Outside a cycle it
// does nothing. What cannot be written is told by End.
func (t *Transcript) Record(x Exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil || t.err != nil {
		return
	}
	same := strings.Join([]string{x.Method, x.URL, x.Request, strconv.Itoa(x.Status), x.Response, x.Error}, "\x00")
	at := t.ends
	if t.last > 0 && same == t.same {
		at = t.last
		t.entry.Repeated++
		t.entry.Until = x.At.Format(harTime)
	} else {
		t.entry, t.same = entryOf(x), same
	}
	b, err := json.Marshal(t.entry)
	if err != nil {
		t.err = err
		return
	}
	if at+int64(len(b)) > transcriptMost {
		t.err = fmt.Errorf("it is longer than %d bytes: the rest is left out", transcriptMost)
		return
	}
	text := "\n" + string(b)
	if strings.TrimSpace(t.before(at)) != "[" {
		text = ",\n" + string(b)
	}
	if _, err := t.file.WriteAt([]byte(text+harFooter), at); err != nil {
		t.err = err
		return
	}
	t.last, t.ends = at, at+int64(len(text))
	t.err = t.file.Truncate(t.ends + int64(len(harFooter)))
}

// before is the character in front of a place of the file.
func (t *Transcript) before(at int64) string {
	b := make([]byte, 1)
	if _, err := t.file.ReadAt(b, at-1); err != nil {
		t.err = err
	}
	return string(b)
}

// End implements rig.Transcriber.
func (t *Transcript) End(keep bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return nil
	}
	f, err := t.file, t.err
	t.file, t.same = nil, ""
	t.entry = harEntry{}
	if keep {
		err = errors.Join(err, f.Sync(), f.Close())
	} else {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return fmt.Errorf("transcript: %w", err)
	}
	return nil
}

// harTime is ISO 8601, as HAR wants it.
const harTime = "2006-01-02T15:04:05.000Z07:00"

// The form of HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/. Fields
// of our own begin with an underscore, as it says.
type harEntry struct {
	Started  string      `json:"startedDateTime"`
	Time     float64     `json:"time"` // ms
	Request  harRequest  `json:"request"`
	Response harResponse `json:"response"`
	Cache    struct{}    `json:"cache"`
	Timings  harTimings  `json:"timings"`
	Error    string      `json:"_error,omitempty"`
	Repeated int         `json:"_repeated,omitempty"` // so often again, until
	Until    string      `json:"_until,omitempty"`
}

type harRequest struct {
	Method      string    `json:"method"`
	URL         string    `json:"url"`
	Version     string    `json:"httpVersion"`
	Cookies     []harPair `json:"cookies"`
	Headers     []harPair `json:"headers"`
	Query       []harPair `json:"queryString"`
	Body        *harBody  `json:"postData,omitempty"`
	HeadersSize int       `json:"headersSize"`
	BodySize    int       `json:"bodySize"`
}

type harResponse struct {
	Status      int        `json:"status"`
	StatusText  string     `json:"statusText"`
	Version     string     `json:"httpVersion"`
	Cookies     []harPair  `json:"cookies"`
	Headers     []harPair  `json:"headers"`
	Content     harContent `json:"content"`
	Redirect    string     `json:"redirectURL"`
	HeadersSize int        `json:"headersSize"`
	BodySize    int        `json:"bodySize"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harBody struct {
	Kind string `json:"mimeType"`
	Text string `json:"text"`
}

type harContent struct {
	Size int    `json:"size"`
	Kind string `json:"mimeType"`
	Text string `json:"text,omitempty"`
}

type harTimings struct {
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

// entryOf is an exchange as an entry.
func entryOf(x Exchange) harEntry {
	ms := float64(x.Took) / float64(time.Millisecond)
	first, head, body := splitMessage(x.Request)
	q := harRequest{
		Method: x.Method, URL: x.URL, Version: "HTTP/1.1", Cookies: []harPair{}, Headers: head, Query: []harPair{},
		HeadersSize: -1, BodySize: len(body),
	}
	if u, err := url.Parse(x.URL); err == nil {
		for part := range strings.SplitSeq(u.RawQuery, "&") {
			if name, value, _ := strings.Cut(part, "="); name != "" {
				q.Query = append(q.Query, harPair{name, value})
			}
		}
	}
	if body != "" {
		q.Body = &harBody{headerOf(head, "Content-Type"), body}
	}
	first, head, body = splitMessage(x.Response)
	r := harResponse{
		Status: x.Status, Cookies: []harPair{}, Headers: head, Redirect: headerOf(head, "Location"),
		Content:     harContent{Size: len(body), Kind: headerOf(head, "Content-Type"), Text: body},
		HeadersSize: -1, BodySize: len(body),
	}
	r.Version, first, _ = strings.Cut(first, " ")
	_, r.StatusText, _ = strings.Cut(first, " ") // the status is a field of its own
	return harEntry{
		Started: x.At.Format(harTime), Time: ms, Request: q, Response: r,
		Timings: harTimings{Wait: ms}, Error: x.Error,
	}
}

// splitMessage is a message's first line, header and body.
func splitMessage(s string) (first string, header []harPair, body string) {
	header = []harPair{}
	head, body, _ := strings.Cut(s, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	for _, l := range lines[1:] {
		if name, value, ok := strings.Cut(l, ":"); ok {
			header = append(header, harPair{name, strings.TrimSpace(value)})
		}
	}
	return lines[0], header, body
}

func headerOf(header []harPair, name string) string {
	for _, p := range header {
		if strings.EqualFold(p.Name, name) {
			return p.Value
		}
	}
	return ""
}
