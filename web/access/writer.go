package access

import (
	"errors"
	"net/http"
	"time"
)

// ErrEnded is what a write to a viewer returns whose login has ended meanwhile:
// logged out, expired, its token taken from the file.
var ErrEnded = errors.New("the login has ended")

const (
	// pieceMost is what one deadline is for: a reader who takes less in WriteWithin
	// is cut off.
	pieceMost = 32 << 10
	// stillEvery is how long a login that has ended can go on reading a stream.
	stillEvery = time.Second
)

// writer gives each piece of an answer its own deadline, so that a long answer
// may take its time and a reader who stands still may not, and ends an answer
// whose reader's login has ended. It has no ReadFrom: net/http's would write a
// whole file under one deadline.
type writer struct {
	http.ResponseWriter
	c      *http.ResponseController
	policy *Policy
	within time.Duration // 0: whoever writes sets the deadlines
	still  func() error
	looked time.Time
	stream bool
}

func (p *Policy) newWriter(w http.ResponseWriter) *writer {
	d := &writer{ResponseWriter: w, c: http.NewResponseController(w), policy: p, within: p.writeWithin(), looked: p.clock.Now()}
	d.deadline()
	return d
}

// deadline is on the system's clock, as the socket's own is. Where there is no
// socket (a recorder in a test), there is none.
func (w *writer) deadline() {
	if w.within > 0 {
		_ = w.c.SetWriteDeadline(time.Now().Add(w.within))
	}
}

func (w *writer) Write(b []byte) (int, error) {
	if err := w.ended(); err != nil {
		return 0, err
	}
	for done := 0; ; {
		w.deadline()
		n, err := w.ResponseWriter.Write(b[done:min(len(b), done+pieceMost)])
		if done += n; err != nil || done == len(b) {
			return done, err
		}
	}
}

// ended asks once in a while whether the reader is still let in.
func (w *writer) ended() error {
	if w.still == nil {
		return nil
	}
	now := w.policy.clock.Now()
	if now.Sub(w.looked) < stillEvery {
		return nil
	}
	w.looked = now
	return w.still()
}

// SetWriteDeadline makes the deadlines those of the caller from now on.
func (w *writer) SetWriteDeadline(t time.Time) error {
	w.within = 0
	return w.c.SetWriteDeadline(t)
}

// FlushError and Flush send what was written.
func (w *writer) FlushError() error {
	w.deadline()
	return w.c.Flush()
}

func (w *writer) Flush() { _ = w.FlushError() }

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// writerOf finds the writer that Policy.Handler gave, under those of others.
func writerOf(w http.ResponseWriter) *writer {
	for {
		if d, ok := w.(*writer); ok {
			return d
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
}

// policyOf is the policy that a request came through, nil where there is none.
func policyOf(w http.ResponseWriter) *Policy {
	if d := writerOf(w); d != nil {
		return d.policy
	}
	return nil
}
