package nvr

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"resetrig/rig"
)

// maxAnswer bounds an answer's body: the largest configuration table seen is
// some tens of kilobytes.
const maxAnswer = 1 << 20

// errTooLong is an answer beyond any that a recorder gives.
var errTooLong = fmt.Errorf("answer of more than %d bytes", maxAnswer)

// answer is one whole HTTP answer.
type answer struct {
	status int
	header http.Header
	body   string
}

// silence is a request that brought no whole answer, and how far it came.
type silence struct {
	reach rig.Reach
	err   error // wraps a sentinel of rig
}

func (s *silence) Error() string { return s.err.Error() }
func (s *silence) Unwrap() error { return s.err }

// wire is the http.RoundTripper under everything: it reads the whole answer
// within its limit, tells silence from a hang from nonsense, writes the
// transcript, and notes what became of a request that carried a login.
//
// Its transport checks who answers before it sends anything, where that can be
// checked: see Options.Trust.
type wire struct {
	d    *Device
	rt   http.RoundTripper
	seen authSeen

	names  []string // under which its certificate may be pinned
	secret bool     // it carries a login that not everybody knows
}

// authSeen is the fate of the requests with a login of one exchange.
type authSeen struct {
	sent   bool // a request with a login went out
	status int  // of its answer; 0 is none
}

func (d *Device) wire() *wire {
	w := &wire{d: d, names: d.ledgerKeys()}
	w.rt = d.o.Net.RoundTripper(w.trusted)
	return w
}

// Content types of requests.
const (
	kindJSON = "application/json"
	kindXML  = "application/xml"
	kindSOAP = "application/soap+xml; charset=utf-8"
)

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	d := w.d
	var connected, answering atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				connected.Store(true)
			}
		},
		GotFirstResponseByte: func() { answering.Store(true) },
	})
	began := d.o.Clock.Now()
	x := Exchange{At: began, Method: req.Method}
	noting := d.o.Transcript != nil && (d.o.Transcribing == nil || d.o.Transcribing())
	if noting {
		x.URL, x.Request = redactURL(req.URL.String()), requestText(req)
	}
	authed := req.Header.Get("Authorization") != ""
	if authed {
		w.seen = authSeen{sent: true}
	}
	resp, err := w.rt.RoundTrip(req.WithContext(ctx))
	var body []byte
	if err == nil {
		connected.Store(true)
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
		resp.Body.Close()
		if err == nil && len(body) > maxAnswer {
			err = errTooLong
		}
		if err == nil {
			err = mislabelled(resp.Header)
		}
	}
	d.alive = d.alive || connected.Load() || errors.Is(err, syscall.ECONNREFUSED)
	x.Took = d.o.Clock.Now().Sub(began)
	if resp != nil {
		x.Status = resp.StatusCode
		if noting {
			x.Response = responseText(resp, body)
		}
	}
	if err != nil {
		err = d.scrubbed(classify(req, err, connected.Load(), answering.Load()))
		x.Error = err.Error()
	} else if authed {
		w.seen.status = resp.StatusCode
	}
	if noting {
		x.URL, x.Request, x.Response = d.scrub(x.URL), d.scrub(x.Request), d.scrub(x.Response)
		d.o.Transcript(x)
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// errLabel is an answer that calls itself what no answer of a recorder is.
var errLabel = errors.New("the answer is labelled as")

// mislabelled refuses an answer that says it is compressed, which was not asked
// for, or that it is a picture or a sound. Recorders call JSON text/html and
// text anything that is text: that is let pass.
func mislabelled(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fmt.Errorf("%w %s, and nothing compressed was asked for", errLabel, short(e))
	}
	kind := strings.ToLower(h.Get("Content-Type"))
	for _, no := range []string{"image/", "audio/", "video/", "font/"} {
		if strings.HasPrefix(kind, no) {
			return fmt.Errorf("%w %s", errLabel, short(kind))
		}
	}
	return nil
}

// classify turns a transport's error into how far the unit came.
func classify(req *http.Request, err error, connected, answering bool) error {
	what := req.Method + " " + req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
	var netErr net.Error
	var record tls.RecordHeaderError
	switch {
	case !connected:
		return &silence{rig.ReachSilent, fmt.Errorf("%s: %w: %v", what, rig.ErrUnreachable, reasonOfEnd(req.Context(), err))}
	case errors.Is(err, ErrCertificate):
		// Nothing was sent: its reach is none from which a command may be thought
		// to have arrived.
		return &silence{rig.ReachGarbage, fmt.Errorf("%s: %w", what, err)}
	case errors.Is(err, errTooLong), errors.Is(err, errLabel), errors.As(err, &record):
		return &silence{rig.ReachGarbage, fmt.Errorf("%s: %w: %v", what, rig.ErrGarbage, err)}
	case req.Context().Err() != nil,
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED),
		errors.As(err, &netErr):
		half := ""
		if answering {
			half = "an answer began, "
		}
		return &silence{rig.ReachConnects, fmt.Errorf("%s: %w: it connects, %sno whole answer came: %v", what, rig.ErrUnreachable, half, reasonOfEnd(req.Context(), err))}
	}
	return &silence{rig.ReachGarbage, fmt.Errorf("%s: %w: %v", what, rig.ErrGarbage, short(err.Error()))}
}

// reasonOfEnd says whose end it was: the context's cause, or the error itself.
func reasonOfEnd(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// ask sends one request through rt and returns its whole answer. It ends after
// within of the bench's clock. A cancelled ctx gives its cause, unwrapped.
func (d *Device) ask(ctx context.Context, rt http.RoundTripper, within time.Duration, base string, q request) (*answer, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	tctx, cancel := rig.WithTimeout(ctx, d.o.Clock, within)
	defer cancel()
	url := base + q.path
	req, err := http.NewRequestWithContext(tctx, q.method, url, strings.NewReader(q.body))
	if err != nil {
		return nil, fmt.Errorf("request to %s: %w", redactURL(url), d.scrubbed(errors.Unwrap(err)))
	}
	if q.kind == "" {
		req.Body, req.GetBody = http.NoBody, nil
	} else {
		req.Header.Set("Content-Type", q.kind)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		var s *silence
		if errors.As(err, &s) {
			return nil, err
		}
		// Only the digest library is left: a challenge beyond all parsing.
		return nil, &silence{rig.ReachGarbage, fmt.Errorf("%s %s: %w: %v", q.method, redactURL(url), rig.ErrGarbage, d.scrub(err.Error()))}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &answer{resp.StatusCode, resp.Header, string(b)}, nil
}

// reachOf is how far an error says that the unit came.
func reachOf(err error) rig.Reach {
	var s *silence
	if errors.As(err, &s) {
		return s.reach
	}
	return rig.ReachSilent
}

// short keeps a device's text printable and bounded.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 120 {
		return strings.ToValidUTF8(s[:120], "") + "…"
	}
	return s
}
