package access

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// What NewStream refuses. The request has been answered.
var (
	ErrTooMany  = errors.New("too many streams are open")
	ErrHeadOnly = errors.New("the head of a stream was all that was asked for")
)

// Stream is a stream of events (text/event-stream) to one viewer. It is used by
// one goroutine, and is gone when its handler returns.
type Stream struct {
	w      http.ResponseWriter
	c      *http.ResponseController
	within time.Duration
}

// NewStream begins the answer to r as a stream of events. ErrTooMany where
// Policy.MaxStreams are open; ErrHeadOnly for a HEAD, whose handler must return: to
// it everything could be written for ever, and the browser's next request on the
// same connection would wait behind it.
func NewStream(w http.ResponseWriter, r *http.Request) (*Stream, error) {
	s := &Stream{w: w, c: http.NewResponseController(w), within: eventWithin}
	h := w.Header()
	if r.Method == http.MethodHead {
		h.Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		return nil, ErrHeadOnly
	}
	if d := writerOf(w); d != nil {
		if !d.policy.openStream(d) {
			w.Header().Set("Retry-After", "10")
			d.policy.deny(w, r, http.StatusServiceUnavailable, ErrTooMany.Error())
			return nil, ErrTooMany
		}
		s.within = orDefault(d.policy.EventWithin, eventWithin)
	}
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events
	w.WriteHeader(http.StatusOK)
	return s, s.Send([]byte(": begin\n\n"))
}

// Send writes one event, or several, as Event makes them, and sends them off. An
// error is the end of the stream: the viewer is gone, has not taken it within
// Policy.EventWithin, or may no longer read (ErrEnded).
func (s *Stream) Send(frame []byte) error {
	// A write that waits for a reader is woken by this deadline; it also holds for
	// what the next one finds still unsent.
	if err := s.c.SetWriteDeadline(time.Now().Add(s.within)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(frame); err != nil {
		return err
	}
	return s.c.Flush()
}

// Beat is a comment that keeps the stream open and notices who is gone.
func (s *Stream) Beat() error { return s.Send([]byte(":\n\n")) }

// Event is one event as it is sent. A line end in data begins another line of the
// same data, whichever of its three forms it has (the standard's parser takes CR,
// LF and CRLF); name and id are cut at one, so that nothing in them can begin
// a field or an event of its own.
func Event(name, id string, data []byte) []byte {
	b := make([]byte, 0, len(data)+len(name)+len(id)+32)
	if id = oneLine(id); id != "" {
		b = fmt.Appendf(b, "id: %s\n", id)
	}
	if name = oneLine(name); name != "" {
		b = fmt.Appendf(b, "event: %s\n", name)
	}
	for {
		at := bytes.IndexAny(data, "\r\n")
		line := data
		if at >= 0 {
			line = data[:at]
		}
		b = append(b, "data: "...)
		b = append(b, line...)
		b = append(b, '\n')
		if at < 0 {
			return append(b, '\n')
		}
		if data[at] == '\r' && at+1 < len(data) && data[at+1] == '\n' {
			at++
		}
		data = data[at+1:]
	}
}

// oneLine cuts at the first line end; a NUL would make a browser ignore the id.
func oneLine(s string) string {
	if at := strings.IndexAny(s, "\r\n\x00"); at >= 0 {
		return s[:at]
	}
	return s
}
