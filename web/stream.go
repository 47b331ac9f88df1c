package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// The stream's times and bounds.
const (
	framesApart  = 100 * time.Millisecond // ten pictures a second
	ledgerApart  = time.Second            // between two looks for what other processes committed
	pingEvery    = 10 * time.Second
	writeWithin  = 5 * time.Second // who takes longer for one write is gone
	viewersMost  = 500
	recentCycles = 512 // kept for viewers who are a little behind
	catchUp      = 500 // cycles in one event
)

// stream gives every viewer the present, and every record that was committed.
// One goroutine looks at the benches and makes each picture once, while somebody
// watches; a viewer's own goroutine sends the newest one when its socket is
// ready. There is no queue: who is slow misses pictures, and no records, since
// those are asked for by number.
type stream struct {
	live   *Live
	ledger Ledger // nil: no records
	log    func(string, error)

	mu      sync.Mutex
	viewers int
	newest  *frame
	next    chan struct{} // closed when a newer frame is there
	stop    func()
	poke    chan struct{} // a record was committed in this process
	version uint64        // of the lines that were read back
}

// frame is one picture of all benches.
type frame struct {
	n       uint64
	moments []framedMoment
	spectra map[string][]byte // by bench, the whole event
	last    int64             // the ledger's last number
	recent  []Cycle           // the last records, the oldest first
}

type framedMoment struct {
	bench   string
	version uint64
	event   []byte // without the strip
}

func newStream(live *Live, ledger Ledger, log func(string, error)) *stream {
	return &stream{live: live, ledger: ledger, log: log, next: make(chan struct{}), poke: make(chan struct{}, 1), newest: &frame{}}
}

// join starts the pictures with the first viewer.
func (s *stream) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.viewers >= viewersMost {
		return false
	}
	if s.viewers++; s.viewers == 1 {
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		s.stop = func() { stop(); <-ended }
		go func() {
			defer close(ended)
			s.run(ctx)
		}()
	}
	return true
}

// leave ends them with the last.
func (s *stream) leave() {
	s.mu.Lock()
	s.viewers--
	stop := s.stop
	last := s.viewers == 0
	s.mu.Unlock()
	if last {
		stop()
	}
}

// run makes pictures until ctx ends. A panic in one ends the pictures and
// nothing else.
func (s *stream) run(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			s.log("the dashboard's pictures", fmt.Errorf("panic: %v", p))
		}
	}()
	tick := time.NewTicker(framesApart)
	defer tick.Stop()
	maker := frameMaker{s: s, seen: map[string]string{}, versions: map[string]uint64{}}
	for {
		s.publish(maker.make(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *stream) publish(f *frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.n = s.newest.n + 1
	s.newest = f
	close(s.next)
	s.next = make(chan struct{})
}

// now is the newest frame, and what is closed when there is a newer one.
func (s *stream) now() (*frame, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest, s.next
}

// committed says that this process has committed a record.
func (s *stream) committed() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// frameMaker makes one frame after another.
type frameMaker struct {
	s        *stream
	seen     map[string]string // bench → the event's text
	versions map[string]uint64
	looked   time.Time
	last     int64
	recent   []Cycle
	begun    bool
}

func (k *frameMaker) make(ctx context.Context) *frame {
	f := &frame{spectra: map[string][]byte{}}
	for _, m := range k.s.live.Moments() {
		at, strip := m.At, m.Strip
		m.At, m.Strip = time.Time{}, nil
		text, err := json.Marshal(m)
		if err != nil {
			k.s.log("the dashboard's moment", err)
			continue
		}
		if k.seen[m.Bench] != string(text) { // a line that was read back changes no version of its own
			k.seen[m.Bench] = string(text)
			k.versions[m.Bench]++
		}
		m.At = at
		_ = strip
		if text, err = json.Marshal(m); err != nil {
			continue
		}
		f.moments = append(f.moments, framedMoment{m.Bench, k.versions[m.Bench], event("moment", "", text)})
		if sp, ok := k.s.live.Bench(m.Bench).Sound(); ok {
			f.spectra[m.Bench] = spectrumEvent(m.Bench, sp)
		}
	}
	k.records(ctx)
	f.last, f.recent = k.last, k.recent
	return f
}

// records takes in what was committed since.
func (k *frameMaker) records(ctx context.Context) {
	if k.s.ledger == nil {
		return
	}
	select {
	case <-k.s.poke:
	default:
		if time.Since(k.looked) < ledgerApart {
			return
		}
	}
	k.looked = time.Now()
	last, err := k.s.ledger.Last(ctx)
	if err != nil || last == k.last {
		return
	}
	from := max(k.last, last-recentCycles)
	fresh, err := k.s.ledger.Since(ctx, from, recentCycles)
	if err != nil {
		return // the next look says it again
	}
	all := append(append([]Cycle(nil), k.recent...), fresh...)
	if len(all) > recentCycles {
		all = all[len(all)-recentCycles:]
	}
	k.recent = all
	if n := len(all); n > 0 {
		k.last = all[n-1].Seq
	}
}

// event is one event of a stream as it is sent.
func event(name, id string, data []byte) []byte {
	b := make([]byte, 0, len(data)+len(name)+len(id)+24)
	if id != "" {
		b = fmt.Appendf(b, "id: %s\n", id)
	}
	b = fmt.Appendf(b, "event: %s\ndata: ", name)
	b = append(b, data...) // JSON of one line
	return append(b, "\n\n"...)
}

// The spectrum goes over the wire as one byte a bin: 0 is spectrumFloor dBFS or
// less, 255 is 0 dBFS.
const spectrumFloor = -140.0

func spectrumEvent(bench string, sp Spectrum) []byte {
	bins := make([]byte, len(sp.DBFS))
	for i, v := range sp.DBFS {
		bins[i] = byte(math.Round(255 * min(1, max(0, (float64(v)-spectrumFloor)/-spectrumFloor))))
	}
	data, err := json.Marshal(struct {
		Bench string `json:"bench"`
		Spectrum
		Floor float64 `json:"floor_dbfs"`
		Bins  string  `json:"bins"`
	}{bench, sp, spectrumFloor, base64.StdEncoding.EncodeToString(bins)})
	if err != nil { // a level that is no number
		return nil
	}
	return event("spectrum", "", data)
}

// ServeHTTP is GET /events: the stream of one viewer. ?bench= names whose sound
// is sent; Last-Event-ID, or ?after=, is the number of the last record that the
// viewer has. Without one, records begin with the next.
func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	after, known := int64(0), false
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")} {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && !known {
			after, known = n, true
		}
	}
	if !s.join() {
		http.Error(w, "too many viewers", http.StatusServiceUnavailable)
		return
	}
	defer s.leave()
	if !known && s.ledger != nil {
		n, err := s.ledger.Last(r.Context())
		if err != nil {
			http.Error(w, "the results cannot be read", http.StatusInternalServerError)
			return
		}
		after = n
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	v := viewer{s: s, w: w, c: http.NewResponseController(w), bench: r.URL.Query().Get("bench"), after: after, sent: map[string]uint64{}}
	_ = v.run(r.Context())
}

// viewer is one open stream.
type viewer struct {
	s     *stream
	w     http.ResponseWriter
	c     *http.ResponseController
	bench string
	after int64
	sent  map[string]uint64 // bench → version of its moment
	frame uint64
}

// run sends until the viewer is gone or too slow.
func (v *viewer) run(ctx context.Context) error {
	hello := fmt.Appendf(nil, "retry: 1000\n")
	if err := v.write(append(hello, event("hello", strconv.FormatInt(v.after, 10), []byte("{}"))...)); err != nil {
		return err
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		f, newer := v.s.now()
		out, err := v.news(ctx, f)
		if err != nil {
			return err
		}
		if len(out) > 0 {
			if err := v.write(out); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-newer:
		case <-ping.C:
			if err := v.write([]byte(": still here\n\n")); err != nil {
				return err
			}
		}
	}
}

// news is what this viewer does not have yet.
func (v *viewer) news(ctx context.Context, f *frame) ([]byte, error) {
	var out []byte
	for f.last > v.after {
		cs := newer(f.recent, v.after)
		if len(f.recent) == 0 || f.recent[0].Seq > v.after+1 { // older than what is kept
			var err error
			if cs, err = v.s.ledger.Since(ctx, v.after, catchUp); err != nil {
				return nil, err
			}
		}
		if len(cs) == 0 {
			break
		}
		cs = cs[:min(len(cs), catchUp)]
		data, err := json.Marshal(cs)
		if err != nil {
			return nil, err
		}
		v.after = cs[len(cs)-1].Seq
		out = append(out, event("cycles", strconv.FormatInt(v.after, 10), data)...)
		if len(out) > 1<<20 { // the rest after this is sent
			break
		}
	}
	if f.n == v.frame {
		return out, nil
	}
	v.frame = f.n
	for _, m := range f.moments {
		if v.sent[m.bench] != m.version {
			v.sent[m.bench] = m.version
			out = append(out, m.event...)
		}
	}
	return append(out, f.spectra[v.bench]...), nil
}

// newer are the cycles after a number.
func newer(cs []Cycle, after int64) []Cycle {
	for i, c := range cs {
		if c.Seq > after {
			return cs[i:]
		}
	}
	return nil
}

func (v *viewer) write(b []byte) error {
	if err := v.c.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := v.w.Write(b); err != nil {
		return err
	}
	return v.c.Flush()
}
