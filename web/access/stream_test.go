package access_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"resetrig/web/access"
)

// parse reads a stream as the standard says that browsers do (WHATWG HTML,
// "Interpreting an event stream"), into "name|id|data".
func parse(text string) (events []string) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	var name, id string
	var data []string
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" {
			if data != nil {
				events = append(events, fmt.Sprintf("%s|%s|%s", name, id, strings.Join(data, "\n")))
			}
			name, data = "", nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "data":
			data = append(data, value)
		}
	}
	return events
}

func TestEventHoldsWhateverIsInIt(t *testing.T) {
	for what, c := range map[string]struct{ name, id, data, want string }{
		"plain":              {"cycles", "7", `{"a":1}`, `cycles|7|{"a":1}`},
		"nothing":            {"", "", "", "||"},
		"no name":            {"", "7", "x", "|7|x"},
		"lines":              {"n", "1", "a\nb", "n|1|a\nb"},
		"an event inside":    {"n", "1", "a\n\nevent: stop\ndata: b\n\n", "n|1|a\n\nevent: stop\ndata: b\n\n"},
		"the same with CR":   {"n", "1", "a\r\revent: stop\rdata: b\r\r", "n|1|a\n\nevent: stop\ndata: b\n\n"},
		"the same with CRLF": {"n", "1", "a\r\n\r\nevent: stop\r\ndata: b", "n|1|a\n\nevent: stop\ndata: b"},
		"LFCR":               {"n", "1", "a\n\rid: 9", "n|1|a\n\nid: 9"},
		"in the name":        {"n\ndata: x\n\nevent: stop", "1", "a", "n|1|a"},
		"in the id":          {"n", "1\r\rdata: x", "a", "n|1|a"},
		"a NUL in the id":    {"n", "1\x002", "a", "n|1|a"},
		"a retry":            {"n", "1", "\nretry: 1", "n|1|\nretry: 1"},
		"a leading space":    {"n", "1", " a", "n|1| a"},
		"a wide line end":    {"n", "1", "a\u2028b\u0085c", "n|1|a\u2028b\u0085c"},
	} {
		got := parse(string(access.Event(c.name, c.id, []byte(c.data))))
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: got %q, want one event %q", what, got, c.want)
		}
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("n", "1", "a\r\nb\n\r")
	f.Fuzz(func(t *testing.T, name, id, data string) {
		two := string(access.Event(name, id, []byte(data))) + string(access.Event("end", "", []byte("x")))
		got := parse(two)
		if len(got) != 2 || !strings.HasPrefix(got[1], "end|") || !strings.HasSuffix(got[1], "|x") {
			t.Errorf("%q, %q, %q: got %q", name, id, data, got)
		}
	})
}

func TestStream(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := access.NewStream(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		for i := range 3 {
			if err := s.Send(access.Event("n", fmt.Sprint(i), []byte("x"))); err != nil {
				t.Error(err)
			}
		}
		<-r.Context().Done()
	}))
	c := slowReader(t, addr, "/events", "Authorization: Bearer "+p.viewer+"\r\n")
	w := readAnswer(t, c)
	if w.Header.Get("Content-Type") != "text/event-stream" || w.Header.Get("Cache-Control") != "no-store" || w.Header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("got %v", w.Header)
	}
	// Each is there before the next is sent, and the handler still runs.
	lines := bufio.NewScanner(w.Body)
	var text string
	for strings.Count(text, "data:") < 3 && lines.Scan() {
		text += lines.Text() + "\n"
	}
	if got := fmt.Sprint(parse(text + "\n")); got != "[n|0|x n|1|x n|2|x]" {
		t.Errorf("got %s", got)
	}
}

// TestHeadOfAStream: its handler returns, and the connection is good for the next.
func TestHeadOfAStream(t *testing.T) {
	p := withoutTokens(t)
	ended := make(chan error, 1)
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := access.NewStream(w, r)
		for err == nil && r.Context().Err() == nil {
			err = s.Beat()
		}
		ended <- err
	}))
	c := raw(t, "127.0.0.1", addr, "HEAD /events HTTP/1.1\r\nHost: "+addr+"\r\n\r\nHEAD /events HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
	for range 2 {
		if err := within(t, "the head", ended); !errors.Is(err, access.ErrHeadOnly) {
			t.Errorf("got %v", err)
		}
	}
	if w := readAnswer(t, c); w.StatusCode != 200 || w.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %s %v", w.Status, w.Header)
	}
}

// A stream works where no Policy stands in front, as in a test of a page.
func TestStreamWithoutPolicy(t *testing.T) {
	w := httptest.NewRecorder()
	s, err := access.NewStream(w, httptest.NewRequest("GET", "/", nil))
	if err == nil {
		err = s.Beat()
	}
	if err != nil || !w.Flushed || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %v, %v", err, w.Header())
	}
}
