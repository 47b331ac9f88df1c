package access_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"resetrig/web/access"
)

// cutOff waits until the server has closed a connection, and says what it had
// answered.
func cutOff(t *testing.T, what string, c net.Conn) string {
	t.Helper()
	got := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(c) // ends with the connection, however that goes
		got <- string(b)
	}()
	return within(t, what, got)
}

func TestSlowHeader(t *testing.T) {
	t.Parallel()
	p := withoutTokens(t)
	p.HeaderWithin = time.Second
	addr := p.serve(echo)
	open := map[string]net.Conn{}
	for what, text := range map[string]string{
		"nothing":            "",
		"half a line":        "GET /x HT",
		"a head with no end": "GET /x HTTP/1.1\r\nHost: " + addr + "\r\nX-A: b\r\n",
	} {
		open[what] = raw(t, "127.0.0.1", addr, text)
	}
	// One that trickles gains nothing by it: the time is for the whole head.
	c := raw(t, "127.0.0.1", addr, "GET /x HTTP/1.1\r\n")
	trickle := time.NewTicker(20 * time.Millisecond)
	defer trickle.Stop()
	cut := make(chan error, 1)
	go func() {
		for range trickle.C {
			if _, err := io.WriteString(c, "X-A: b\r\n"); err != nil {
				cut <- err
				return
			}
		}
	}()
	ask(t, "GET", "http://"+addr+"/x", "").is(t, "others meanwhile", 200)
	for what, c := range open {
		if got := cutOff(t, what, c); strings.Contains(got, "200 OK") {
			t.Errorf("%s: got %q", what, got)
		}
	}
	within(t, "one that trickles", cut)
}

func TestHugeHead(t *testing.T) {
	t.Parallel()
	addr := withoutTokens(t).serve(echo)
	c := raw(t, "127.0.0.1", addr, "GET /x HTTP/1.1\r\nHost: "+addr+"\r\nX-A: "+strings.Repeat("a", 40<<10)+"\r\n\r\n")
	if w := readAnswer(t, c); w.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %s", w.Status)
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	p := withTokens(t)
	p.BodyWithin = 100 * time.Millisecond
	addr := p.serve(echo)
	head := func(path, more string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n" + more + "\r\ntoken="
	}
	operator := "Authorization: Bearer " + p.operator + "\r\n"
	for what, text := range map[string]string{
		"an operator's":               head("/x", operator),
		"the login's":                 head("/login", ""),
		"one that nobody reads":       head("/x", ""),
		"one that is refused at once": head("/x", "Origin: null\r\n"),
		"a chunk that does not come":  strings.Replace(head("/x", operator), "Content-Length: 100", "Transfer-Encoding: chunked", 1) + "5\r\nab",
	} {
		cutOff(t, what, raw(t, "127.0.0.1", addr, text))
	}
}

// What takes long after its body was read is not cut by the body's deadline.
func TestLongWorkAfterTheBody(t *testing.T) {
	t.Parallel()
	p := withoutTokens(t)
	p.BodyWithin = 500 * time.Millisecond
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusInternalServerError)
		case <-time.After(2 * p.BodyWithin): // real time is what the deadline is in
		}
	}))
	ask(t, "POST", "http://"+addr+"/stop", "x=1").is(t, "a stop that takes its time", 200)
}

func TestLargeBody(t *testing.T) {
	t.Parallel()
	p := withTokens(t)
	p.MaxBody = 1000
	addr := p.serve(echo)
	as := []string{"Authorization", "Bearer " + p.operator}
	ask(t, "POST", "http://"+addr+"/x", strings.Repeat("a", 1000), as...).is(t, "1000 bytes", 200)
	ask(t, "POST", "http://"+addr+"/x", strings.Repeat("a", 1001), as...).is(t, "1001 bytes", http.StatusRequestEntityTooLarge)
	login(t, addr, strings.Repeat("a", 900)).is(t, "a long token", http.StatusUnauthorized)

	// Without its length, it is noticed when it is read.
	c := raw(t, "127.0.0.1", addr, "POST /x HTTP/1.1\r\nHost: "+addr+"\r\nAuthorization: Bearer "+p.operator+"\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"+strings.Repeat("a", 1001)+"\r\n0\r\n\r\n")
	if w := readAnswer(t, c); w.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("in chunks: got %s", w.Status)
	}
	// What is announced as huge is refused before it comes.
	c = raw(t, "127.0.0.1", addr, "POST /x HTTP/1.1\r\nHost: "+addr+"\r\nContent-Length: 9999999999\r\n\r\n")
	if w := readAnswer(t, c); w.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("announced: got %s", w.Status)
	}
	p2 := withTokens(t)
	login(t, p2.serve(echo), strings.Repeat("a", 5000)).is(t, "a huge login", http.StatusBadRequest)
	// Two lengths: what one reader takes for a second request, another has read.
	c = raw(t, "127.0.0.1", addr, "POST /x HTTP/1.1\r\nHost: "+addr+"\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef")
	if w := readAnswer(t, c); w.StatusCode != http.StatusBadRequest {
		t.Errorf("two lengths: got %s", w.Status)
	}
}

// slowReader asks for path with the smallest of buffers, and reads nothing.
func slowReader(t *testing.T, addr, path, more string) net.Conn {
	t.Helper()
	d := net.Dialer{}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: "+addr+"\r\n"+more+"\r\n"); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSlowStreamReader: who does not read his stream is cut off in bounded time,
// having cost bounded memory, and nobody else waits for him meanwhile.
func TestSlowStreamReader(t *testing.T) {
	t.Parallel()
	p := withoutTokens(t)
	p.EventWithin = 2 * time.Second // the fast reader is never as slow, on a busy machine either
	type end struct {
		sent int
		took time.Duration // of the last event
		err  error
	}
	ended := make(chan end, 1)
	event := access.Event("spectrum", "", bytes.Repeat([]byte("x"), 8<<10))
	var stuck atomic.Bool
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := access.NewStream(w, r)
		if r.URL.Path == "/fast" {
			for n := 0; err == nil && r.Context().Err() == nil; n++ {
				err = s.Send(event)
			}
			return
		}
		for e := (end{err: err}); ; {
			if e.err != nil {
				ended <- e
				return
			}
			at := time.Now()
			e.err = s.Send(event)
			e.took = time.Since(at)
			stuck.Store(true)
			e.sent += len(event)
		}
	}))

	slowReader(t, addr, "/slow", "")
	// The fast one reads on, while the slow one stands still and after.
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/fast", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	read := make(chan int, 1)
	stop := make(chan bool)
	go func() {
		n, buf := 0, make([]byte, 64<<10)
		for {
			k, err := w.Body.Read(buf)
			n += k
			select {
			case <-stop:
				read <- n
				return
			default:
			}
			if err != nil {
				read <- -1
				return
			}
		}
	}()
	e := within(t, "the slow reader's end", ended)
	close(stop)
	if n := within(t, "the fast reader", read); n < 1<<20 {
		t.Errorf("the fast reader got %d bytes while the slow one stood still", n)
	}
	if !errors.Is(e.err, os.ErrDeadlineExceeded) {
		t.Errorf("the slow reader ended with %v, want a deadline", e.err)
	}
	if e.took > 10*time.Second {
		t.Errorf("the last event took %v", e.took)
	}
	if e.sent > 1<<20 {
		t.Errorf("the slow reader has cost %d KiB of the kernel's memory", e.sent>>10)
	}
	if !stuck.Load() {
		t.Error("no event was sent")
	}
}

// TestSlowPageReader: the same for a large report or file.
func TestSlowPageReader(t *testing.T) {
	t.Parallel()
	p := withoutTokens(t)
	p.WriteWithin = 300 * time.Millisecond
	name := t.TempDir() + "/cycle.wav"
	if err := os.WriteFile(name, make([]byte, 32<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 1)
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/file" {
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			access.ServeArtifact(w, r, "cycle.wav", time.Time{}, f)
			ended <- "the file"
			return
		}
		if _, err := w.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) { // in one piece
			t.Errorf("got %v, want a deadline", err)
		}
		ended <- "the report"
	}))
	slowReader(t, addr, "/report", "")
	slowReader(t, addr, "/file", "")
	within(t, "the slow readers' ends", ended)
	within(t, "the slow readers' ends", ended)
}

// deadlines counts them, and the bytes that each is for.
type deadlines struct {
	*httptest.ResponseRecorder
	n, since, most int
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	if time.Until(t) > 0 {
		d.n, d.since = d.n+1, 0
	}
	return nil
}

func (d *deadlines) Write(b []byte) (int, error) {
	d.since += len(b)
	d.most = max(d.most, d.since)
	return d.ResponseRecorder.Write(b)
}

func (d *deadlines) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(d.ResponseRecorder, r)
	d.most = max(d.most, int(n))
	return n, err
}

// TestSteadyReader: a large answer may take as long as it likes if it is read at
// all, for each piece of it has its own deadline; a file's as well, which is not
// handed to the kernel in one piece.
func TestSteadyReader(t *testing.T) {
	p := withoutTokens(t)
	name := t.TempDir() + "/cycle.wav"
	if err := os.WriteFile(name, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, write := range map[string]http.HandlerFunc{
		"a report": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 3<<20)) },
		"a file": func(w http.ResponseWriter, r *http.Request) {
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			access.ServeArtifact(w, r, "cycle.wav", time.Time{}, f)
		},
	} {
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("GET", "http://localhost/x", nil)
		r.RemoteAddr = "127.0.0.1:9"
		p.Handler(write).ServeHTTP(d, r)
		if d.Body.Len() != 3<<20 || d.n < 96 || d.most > 32<<10 {
			t.Errorf("%s: %d bytes under %d deadlines, one of them for %d", what, d.Body.Len(), d.n, d.most)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	p := withoutTokens(t)
	p.MaxStreams = 3
	hold, ended := make(chan bool), make(chan error)
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := access.NewStream(w, r)
		if err == nil {
			<-hold
		}
		ended <- err
	}))
	for range 3 {
		c := slowReader(t, addr, "/events", "")
		if w := readAnswer(t, c); w.StatusCode != 200 || w.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("got %s %v", w.Status, w.Header)
		}
	}
	over := make(chan answer, 1)
	go func() { over <- ask(t, "GET", "http://"+addr+"/events", "") }()
	if err := within(t, "the fourth", ended); !errors.Is(err, access.ErrTooMany) {
		t.Errorf("the fourth: got %v", err)
	}
	a := within(t, "its answer", over)
	a.is(t, "the fourth", http.StatusServiceUnavailable)
	if a.Header.Get("Retry-After") == "" {
		t.Error("it is not told when to come back")
	}
	close(hold)
	for range 3 {
		within(t, "a stream's end", ended)
	}
	// Their places are free again, in bounded time: the handler is counted out
	// after it has returned.
	again := func() int {
		c := slowReader(t, addr, "/events", "Connection: close\r\n")
		<-ended
		return readAnswer(t, c).StatusCode
	}
	for range 1000 {
		if again() == 200 {
			return
		}
	}
	t.Error("no place became free")
}

func TestConnectionsAreBounded(t *testing.T) {
	p := withoutTokens(t)
	p.MaxConns, p.MaxConnsEach = 6, 4
	addr := p.serve(echo)
	request := "GET /x HTTP/1.1\r\nHost: " + addr + "\r\n\r\n"
	answered := func(from string) (net.Conn, bool) {
		c := raw(t, from, addr, "")
		_, _ = io.WriteString(c, request) // refused ones are closed already
		w, err := http.ReadResponse(bufio.NewReader(c), nil)
		return c, err == nil && w.StatusCode == 200
	}
	var open []net.Conn
	for i := range 4 {
		c, ok := answered("127.0.0.1")
		if open = append(open, c); !ok {
			t.Fatalf("connection %d was refused", i)
		}
	}
	if _, ok := answered("127.0.0.1"); ok {
		t.Error("a fifth from one address was taken")
	}
	for i := range 2 {
		if _, ok := answered("127.0.0.2"); !ok {
			t.Errorf("connection %d of another address was refused", i)
		}
	}
	if _, ok := answered("127.0.0.3"); ok {
		t.Error("a seventh was taken")
	}
	_ = open[0].Close()
	for range 10000 { // until the server has noticed
		if _, ok := answered("127.0.0.3"); ok {
			return
		}
	}
	t.Error("no place became free")
}

func TestServerEndsWithStreamsOpen(t *testing.T) {
	p := withTokens(t)
	l, err := p.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served, begun, posted := make(chan error, 1), make(chan bool, 2), make(chan error, 1)
	go func() {
		served <- p.Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = access.NewStream(w, r)
				begun <- true
				<-r.Context().Done()
				if err := context.Cause(r.Context()); !errors.Is(err, http.ErrServerClosed) { // it was not cut at the very end
					t.Errorf("the stream ended by %v", err)
				}
				return
			}
			begun <- true
			<-ctx.Done()
			select { // what changes something is not cut, neither at once nor a little later
			case <-r.Context().Done():
			case <-time.After(300 * time.Millisecond):
			}
			posted <- r.Context().Err()
		}))
	}()
	addr := l.Addr().String()
	slowReader(t, addr, "/events", "Authorization: Bearer "+p.viewer+"\r\n")
	raw(t, "127.0.0.1", addr, "POST /stop HTTP/1.1\r\nHost: "+addr+"\r\nAuthorization: Bearer "+p.operator+"\r\nContent-Length: 0\r\n\r\n")
	within(t, "the stream", begun)
	within(t, "the stop", begun)
	stop()
	if err := within(t, "the stop's end", posted); err != nil {
		t.Errorf("the stop was cut: %v", err)
	}
	if err := within(t, "the server's end", served); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestServeSaysWhyItEnded(t *testing.T) {
	p := withoutTokens(t)
	l, err := p.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := p.Serve(t.Context(), l, echo); err == nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A page that panics ends its own answer and nothing else.
func TestPanicOfAPage(t *testing.T) {
	p := withoutTokens(t)
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			panic(fmt.Sprint("broken page ", r.URL.Path))
		}
	}))
	if _, err := tryAsk(client, "GET", "http://"+addr+"/broken", ""); err == nil {
		t.Error("a broken page was answered")
	}
	ask(t, "GET", "http://"+addr+"/x", "").is(t, "another page", 200)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.logs) != 1 || !strings.Contains(p.logs[0], "broken page") {
		t.Errorf("logged %q", p.logs)
	}
}
