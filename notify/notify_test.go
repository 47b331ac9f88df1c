package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/notify"
	"resetrig/rig"
)

// box is an outbox in memory.
type box struct {
	mu      sync.Mutex
	waiting []notify.Notice
	log     []string
	empty   chan struct{} // closed when the last one is taken out
}

func newBox(texts ...string) *box {
	b := &box{empty: make(chan struct{})}
	for i, t := range texts {
		b.waiting = append(b.waiting, notify.Notice{Seq: int64(i + 1), Title: "bench lab: fail", Text: t, Urgent: true, JSON: fmt.Appendf(nil, `{"text":%q}`, t)})
	}
	return b
}

func (b *box) Next(context.Context) (notify.Notice, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return notify.Notice{}, notify.ErrEmpty
	}
	return b.waiting[0], nil
}

func (b *box) Tried(_ context.Context, n notify.Notice, why string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf("%d tried: %s", n.Seq, why))
	return nil
}

func (b *box) Done(_ context.Context, n notify.Notice, why string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, strings.TrimSuffix(fmt.Sprintf("%d done: %s", n.Seq, why), ": "))
	if b.waiting = b.waiting[1:]; len(b.waiting) == 0 {
		close(b.empty)
	}
	return nil
}

// receiver answers with each status in turn, the last one for ever.
type receiver struct {
	mu     sync.Mutex
	status []int
	got    []string
	header http.Header
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, _ := io.ReadAll(q.Body)
	r.got, r.header = append(r.got, string(body)), q.Header
	status := r.status[0]
	if len(r.status) > 1 {
		r.status = r.status[1:]
	}
	w.WriteHeader(status)
}

func run(t *testing.T, s *notify.Sender, b *box) {
	t.Helper()
	s.First, s.Most, s.Idle = time.Millisecond, 2*time.Millisecond, time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, b) }()
	<-b.empty
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// In their order, each once, tried again until it is taken.
func TestDelivery(t *testing.T) {
	for _, c := range []struct {
		name   string
		status []int
		got    string
		log    []string
	}{
		{"taken", []int{200}, "one two", []string{"1 done", "2 done"}},
		{"the receiver is down for a while", []int{503, 500, 204}, "one one one two",
			[]string{"1 tried: the webhook says 503 Service Unavailable", "1 tried: the webhook says 500 Internal Server Error", "1 done", "2 done"}},
		{"one it will never take", []int{400, 200}, "one two", []string{"1 done: given up: the webhook says 400 Bad Request", "2 done"}},
		{"too many", []int{429, 200}, "one one two", []string{"1 tried: 429 Too Many Requests", "1 done", "2 done"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &receiver{status: c.status}
			srv := httptest.NewServer(r)
			defer srv.Close()
			b := newBox("one", "two")
			run(t, &notify.Sender{URL: rig.Secret(srv.URL), Form: notify.Ntfy}, b)
			if got := strings.Join(r.got, " "); got != c.got {
				t.Errorf("the receiver got %q, want %q", got, c.got)
			}
			if d := cmp.Diff(c.log, b.log); d != "" {
				t.Errorf("log (-want +got):\n%s", d)
			}
		})
	}
}

func TestForms(t *testing.T) {
	for form, want := range map[notify.Form]struct{ body, kind string }{
		notify.JSON:  {`{"text":"a < b & \"c\""}`, "application/json"},
		notify.Slack: {`{"text":"*bench lab: fail*\na &lt; b &amp; \"c\""}`, "application/json"},
		notify.Ntfy:  {`a < b & "c"`, "text/plain; charset=utf-8"},
	} {
		r := &receiver{status: []int{200}}
		srv := httptest.NewServer(r)
		run(t, &notify.Sender{URL: rig.Secret(srv.URL), Form: form}, newBox(`a < b & "c"`))
		srv.Close()
		got := r.got[0]
		if form == notify.Slack { // the escapes of JSON are not the point
			var v map[string]string
			if err := json.Unmarshal([]byte(got), &v); err != nil {
				t.Fatal(err)
			}
			if v["text"] != "*bench lab: fail*\na &lt; b &amp; \"c\"" {
				t.Errorf("slack: %q", v["text"])
			}
		} else if got != want.body {
			t.Errorf("%s: %q, want %q", form, got, want.body)
		}
		if r.header.Get("Content-Type") != want.kind {
			t.Errorf("%s: content type %q", form, r.header.Get("Content-Type"))
		}
		if form == notify.Ntfy && (r.header.Get("Title") != "bench lab: fail" || r.header.Get("Priority") != "high") {
			t.Errorf("ntfy: %v", r.header)
		}
	}
}

// The address is a secret: no error quotes it. What is not taken stays.
func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	address := srv.URL + "/T0KEN"
	srv.Close() // nobody listens there now
	b := newBox("one", "two")
	err := (&notify.Sender{URL: rig.Secret(address)}).Flush(t.Context(), b)
	if err == nil || strings.Contains(err.Error(), "T0KEN") {
		t.Errorf("Flush: %v", err)
	}
	if len(b.waiting) != 2 || len(b.log) != 1 || strings.Contains(b.log[0], "T0KEN") {
		t.Errorf("%d wait, log %v", len(b.waiting), b.log)
	}
}

// A receiver that hangs keeps nobody: the end of the context ends the try.
func TestHangingReceiver(t *testing.T) {
	asked := make(chan struct{})
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(asked); <-release }))
	defer srv.Close()
	defer close(release)
	b := newBox("one")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- (&notify.Sender{URL: rig.Secret(srv.URL)}).Run(ctx, b) }()
	<-asked
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(b.waiting) != 1 || len(b.log) != 0 {
		t.Errorf("%d wait, log %v", len(b.waiting), b.log)
	}
}
