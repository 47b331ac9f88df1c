package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/web"
	"resetrig/web/access"
)

// ledger is a list of records that grows.
type ledger struct {
	mu sync.Mutex
	cs []web.Cycle
}

func (l *ledger) commit(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		seq := int64(len(l.cs) + 1)
		l.cs = append(l.cs, web.Cycle{Seq: seq, ID: fmt.Sprintf("c%d", seq), Outcome: rig.Pass})
	}
}

func (l *ledger) Since(_ context.Context, after int64, limit int) ([]web.Cycle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := min(int(after), len(l.cs))
	return append([]web.Cycle(nil), l.cs[from:min(len(l.cs), from+limit)]...), nil
}

func (l *ledger) Last(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.cs)), nil
}

func (l *ledger) Totals(context.Context) (web.Totals, error) { return web.Totals{}, nil }

func newServer(t testing.TB, r web.Rig) *web.Server {
	t.Helper()
	s, err := web.New(r, func(doing string, err error) { t.Errorf("%s: %v", doing, err) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve serves r until the test ends, or until end is called.
func serve(t testing.TB, r web.Rig) (s *web.Server, url string, end func()) {
	t.Helper()
	s = newServer(t, r)
	h := httptest.NewServer(as(access.Operator, s))
	end = sync.OnceFunc(func() {
		h.CloseClientConnections()
		h.Close()
		s.Close()
	})
	t.Cleanup(end)
	return s, h.URL, end
}

// as lets every request be that of an identity.
func as(role access.Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(access.WithIdentity(r.Context(), access.Identity{Name: "ann", Role: role, Addr: "192.0.2.1"})))
	})
}

// eventOf is one event of a stream.
type eventOf struct{ name, id, data string }

// viewer reads a stream.
type viewer struct {
	t      testing.TB
	r      *bufio.Reader
	lastID string
	close  func()
}

func watch(t testing.TB, url, query, lastID string) *viewer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream: %s", resp.Status)
	}
	v := &viewer{t: t, r: bufio.NewReader(resp.Body), lastID: lastID, close: func() { cancel(); _ = resp.Body.Close() }}
	t.Cleanup(v.close)
	return v
}

// next is the next event; ok is false where the stream has ended.
func (v *viewer) next() (e eventOf, ok bool) {
	for {
		line, err := v.r.ReadString('\n')
		if err != nil {
			return e, false
		}
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && e.name != "":
			if e.id != "" {
				v.lastID = e.id
			}
			return e, true
		case key == "event":
			e.name = value
		case key == "id":
			e.id = value
		case key == "data":
			e.data += value
		}
	}
}

// until is the next event of that name.
func (v *viewer) until(name string) eventOf {
	v.t.Helper()
	for {
		e, ok := v.next()
		if !ok {
			v.t.Fatalf("the stream ended before an event %q", name)
		}
		if e.name == name {
			return e
		}
	}
}

// cycles reads records until it has seen number last, and gives the numbers.
func (v *viewer) cycles(last int64) (seqs []int64) {
	v.t.Helper()
	for {
		var cs []web.Cycle
		if err := json.Unmarshal([]byte(v.until("cycles").data), &cs); err != nil {
			v.t.Fatal(err)
		}
		for _, c := range cs {
			seqs = append(seqs, c.Seq)
		}
		if seqs[len(seqs)-1] >= last {
			return seqs
		}
	}
}

func wantRow(t *testing.T, seqs []int64, from, to int64) {
	t.Helper()
	if int64(len(seqs)) != to-from+1 {
		t.Errorf("%d records came, want %d", len(seqs), to-from+1)
	}
	for i, s := range seqs {
		if s != from+int64(i) {
			t.Fatalf("record %d came in the place of %d: one was missed, or came twice", s, from+int64(i))
		}
	}
}

func TestStreamShowsThePresent(t *testing.T) {
	live := web.NewLive()
	b := live.Bench("left")
	b.Begin(web.LiveRun{ID: "r1", Kind: "soak", Plan: &soak.Plan{Cycles: 3}, Relays: []web.LiveRelay{{Name: "power", Role: rig.RolePower}}})
	_, url, _ := serve(t, web.Rig{Live: live})
	v := watch(t, url, "", "")
	v.until("hello")
	moment := func() (m web.Moment) {
		t.Helper()
		if err := json.Unmarshal([]byte(v.until("moment").data), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := moment(); m.Run != "r1" || m.Of != 3 || m.Bench != "left" {
		t.Errorf("the first moment is %+v", m)
	}
	b.Observe(rig.Event{Kind: "phase", Name: "act"})
	if m := moment(); m.Phase != "act" {
		t.Errorf("phase %q, want act", m.Phase)
	}
	b.Switched("power", true, true)
	if m := moment(); m.Relays[0].Commanded == nil || !*m.Relays[0].Commanded {
		t.Errorf("relays %+v, want power commanded on", m.Relays)
	}
	// Nothing has changed since: who comes now sees the same, once.
	late := watch(t, url, "", "")
	late.until("moment")
	b.End("over")
	if e := late.until("moment"); !strings.Contains(e.data, `"why":"over"`) {
		t.Errorf("a moment without a change was sent: %s", e.data)
	}
}

func TestSleeperMissesNoRecord(t *testing.T) {
	l := &ledger{}
	l.commit(3)
	s, url, end := serve(t, web.Rig{Ledger: l})
	v := watch(t, url, "", "")
	if v.until("hello"); v.lastID != "3" {
		t.Fatalf("a new viewer begins after record %s, want 3", v.lastID)
	}
	l.commit(2)
	s.Committed()
	wantRow(t, v.cycles(5), 4, 5)
	v.close()

	// Asleep, while more is committed than the server keeps at hand.
	l.commit(2000)
	awake := watch(t, url, "", v.lastID)
	stayed := watch(t, url, "?after=2005", "")
	wantRow(t, awake.cycles(2005), 6, 2005)
	// A burst while somebody watches: more in one look than is kept.
	stayed.until("hello")
	l.commit(1500)
	s.Committed()
	wantRow(t, stayed.cycles(3505), 2006, 3505)
	wantRow(t, awake.cycles(3505), 2006, 3505)

	// The server starts anew.
	end()
	l.commit(700)
	_, url, _ = serve(t, web.Rig{Ledger: l})
	again := watch(t, url, "", awake.lastID)
	if e := again.until("hello"); strings.Contains(e.data, "reset") {
		t.Errorf("hello %s: the numbers are those of before", e.data)
	}
	wantRow(t, again.cycles(4205), 3506, 4205)

	// Another database: its numbers are lower.
	_, url, _ = serve(t, web.Rig{Ledger: &ledger{}})
	if e := watch(t, url, "", again.lastID).until("hello"); !strings.Contains(e.data, `"reset":true`) || e.id != "0" {
		t.Errorf("hello %+v, want a reset to 0", e)
	}
}

// Viewers who come and go at once never have two at work for them, and leave
// nobody behind.
func TestOneMakerOfPictures(t *testing.T) {
	before := runtime.NumGoroutine()
	live := web.NewLive()
	var at, most, asked atomic.Int32
	sound := func() (web.Spectrum, bool) {
		asked.Add(1)
		if n := at.Add(1); n > most.Load() {
			most.Store(n)
		}
		runtime.Gosched()
		at.Add(-1)
		return web.Spectrum{BinHz: 15.6, DBFS: make([]float32, 512)}, true
	}
	live.Bench("left").Begin(web.LiveRun{ID: "r", Sound: sound})
	_, url, end := serve(t, web.Rig{Live: live, Ledger: &ledger{}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 15 {
				v := watch(t, url, "?bench=left", "")
				v.until("spectrum")
				v.close()
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d made pictures at the same time, want 1", most.Load())
	}
	end()
	http.DefaultClient.CloseIdleConnections()
	for wait := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(wait); {
		time.Sleep(10 * time.Millisecond)
	}
	if now := runtime.NumGoroutine(); now > before {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before:\n%s", now, before, buf[:runtime.Stack(buf, true)])
	}
	had := asked.Load()
	time.Sleep(3 * 100 * time.Millisecond)
	if asked.Load() != had {
		t.Error("the ear is asked although nobody watches")
	}
}

// A viewer whose socket takes nothing costs the bench nothing and the server
// little, and is gone after a while.
func TestBlockedViewer(t *testing.T) {
	live := web.NewLive()
	b := live.Bench("left")
	b.Begin(web.LiveRun{ID: "r", Sound: func() (web.Spectrum, bool) {
		return web.Spectrum{BinHz: 1, DBFS: make([]float32, 16<<10)}, true // 20 kB each: the socket is full soon
	}})
	s := newServer(t, web.Rig{Live: live, Ledger: &ledger{}})
	p, err := access.Open("", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.EventWithin = 300 * time.Millisecond
	ln, err := p.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, ln, s) }()

	blocked, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer blocked.Close()
	_ = blocked.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(blocked, "GET /events?bench=left HTTP/1.1\r\nHost: %s\r\n\r\n", ln.Addr())
	v := watch(t, "http://"+ln.Addr().String(), "?bench=left", "")
	worst := time.Duration(0)
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	for range 40 { // four seconds of spectra: most of a megabyte
		began := time.Now()
		for range 100 {
			b.Observe(rig.Event{Kind: "sight", Name: "ready"})
		}
		worst = max(worst, time.Since(began))
		v.until("spectrum")
	}
	runtime.GC()
	runtime.ReadMemStats(&m1)
	t.Logf("a hundred events took %v at worst; the heap grew by %d kB", worst, (int64(m1.HeapAlloc)-int64(m0.HeapAlloc))>>10)
	if worst > time.Second {
		t.Errorf("a hundred events took %v: the bench waited for a viewer", worst)
	}
	if grown := int64(m1.HeapAlloc) - int64(m0.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if n := viewers(t, "http://"+ln.Addr().String()); n != 1 {
		t.Errorf("%d viewers, want 1: the one that reads nothing is still there", n)
	}
	// The end of the server ends both streams: the one that reads sees it.
	stop()
	for ok := true; ok; {
		_, ok = v.next()
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the server: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the server does not end while somebody does not read")
	}
	s.Close()
}

func viewers(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url + "/api/v1/rig")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var info web.RigInfo
	if err := json.NewDecoder(resp.Body).Decode(&info); err != nil {
		t.Fatal(err)
	}
	return info.Viewers
}
