package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"resetrig/rig"
	"resetrig/web/access"
)

// The stream's times and bounds.
const (
	framesApart  = 100 * time.Millisecond // ten pictures a second
	ledgerApart  = time.Second            // between two looks for what other processes committed
	pingEvery    = 10 * time.Second
	viewersMost  = 500
	recentCycles = 512 // kept for viewers who are a little behind
	catchUp      = 200 // cycles in one event: some 60 kB

	// Viewers are woken in this many groups after each picture, so long one after
	// the other: two hundred at once would be milliseconds in which nothing else
	// of this process gets the processor, the cycle neither.
	groups, groupsApart = 16, 5 * time.Millisecond
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
	poke   chan struct{} // a record was committed in this process
	wg     sync.WaitGroup

	mu      sync.Mutex
	viewers int
	joined  int            // ever
	sounds  map[string]int // bench → viewers of its sound
	runs    bool           // the goroutine is there: at most one is
	wake    chan struct{}  // the last viewer has left
	newest  *frame
	next    chan struct{} // closed when a newer frame is there
	frames  frameMaker    // of the goroutine
}

func newStream(live *Live, ledger Ledger, log func(string, error)) *stream {
	s := &stream{
		live: live, ledger: ledger, log: log, poke: make(chan struct{}, 1),
		sounds: map[string]int{}, wake: make(chan struct{}, 1), newest: &frame{}, next: make(chan struct{}),
	}
	s.frames = frameMaker{s: s, seen: map[string]seenMoment{}}
	return s
}

// join lets one viewer in, and starts the pictures where nobody makes them. The
// viewer looks at each picture so long after it was made.
func (s *stream) join(bench string) (after time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.viewers >= viewersMost {
		return 0, false
	}
	after = time.Duration(s.joined%groups) * groupsApart
	s.joined++
	s.viewers++
	s.sounds[bench]++
	if !s.runs {
		s.runs = true
		s.wg.Go(s.run)
	}
	return after, true
}

// leave lets it out; with the last one the pictures end.
func (s *stream) leave(bench string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.viewers--
	if s.sounds[bench]--; s.sounds[bench] == 0 {
		delete(s.sounds, bench)
	}
	if s.viewers == 0 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Close waits until nobody makes pictures any more. The server's requests must
// have ended.
func (s *Server) Close() { s.stream.wg.Wait() }

// deserted ends the pictures where nobody watches. It is decided under the lock
// of join: there are never two who make them.
func (s *stream) deserted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.viewers > 0 {
		return false
	}
	s.runs = false
	s.newest = &frame{n: s.newest.n} // what comes later is another present
	return true
}

// run makes pictures while somebody watches. A panic in one costs that one.
func (s *stream) run() {
	tick := time.NewTicker(framesApart)
	defer tick.Stop()
	said := ""
	for !s.deserted() {
		err := rig.Guarded(func() error {
			f, changed := s.frames.frame()
			if changed {
				s.publish(f)
			}
			return nil
		})
		if err != nil && err.Error() != said {
			said = err.Error()
			s.log("make the dashboard's picture", err)
		}
		select {
		case <-s.wake:
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

// heard are the benches whose sound somebody sees.
func (s *stream) heard(bench string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sounds[bench] > 0
}

// watching is the number of viewers.
func (s *stream) watching() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.viewers
}

// committed says that this process has committed a record.
func (s *stream) committed() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// ServeHTTP is GET /events: the stream of one viewer. ?bench= names whose sound
// is sent; Last-Event-ID, or ?after=, is the number of the last record that the
// viewer has. Without one, records begin with the next.
//
// The events, each with JSON of one line:
//
//	hello     first of all: now, the server's clock; reset, where the number that
//	          the viewer came with is not one of these results
//	moment    a bench has changed: a Moment without its strip
//	cycles    records that were committed: a list of Cycle. Its id is the number of
//	          the last one, which a browser sends again when it comes back
//	spectrum  the sound of ?bench=: a Spectrum, and bins, base64 of a byte each
func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := viewer{s: s, bench: r.URL.Query().Get("bench"), sent: map[string]uint64{}}
	known := false
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")} {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && !known {
			v.after, known = n, true
		}
	}
	last := int64(0)
	if s.ledger != nil {
		var err error
		if last, err = s.ledger.Last(r.Context()); err != nil {
			s.log("read the last record's number", err)
			http.Error(w, "the results cannot be read", http.StatusInternalServerError)
			return
		}
	}
	reset := v.after > last
	if !known || reset {
		v.after = last
	}
	later, ok := s.join(v.bench)
	if !ok {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many viewers", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(v.bench)
	out, err := access.NewStream(w, r)
	if err != nil {
		return // it was answered, or the viewer is gone
	}
	v.out, v.later = out, later
	if err := v.run(r.Context(), reset); err != nil && r.Context().Err() == nil && v.wrong {
		s.log("read records for a viewer", err)
	}
}

// viewer is one open stream.
type viewer struct {
	s     *stream
	out   *access.Stream
	bench string
	after int64
	sent  map[string]uint64 // bench → version of its moment
	frame uint64
	later time.Duration
	wrong bool // the error is not the viewer's
}

// run sends until the viewer is gone or too slow.
func (v *viewer) run(ctx context.Context, reset bool) error {
	hello, err := json.Marshal(struct {
		Now   time.Time `json:"now"`
		Reset bool      `json:"reset,omitempty"`
	}{time.Now(), reset})
	if err != nil {
		return err
	}
	if err := v.out.Send(append([]byte("retry: 1000\n"), access.Event("hello", strconv.FormatInt(v.after, 10), hello)...)); err != nil {
		return err
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	turn := time.NewTimer(0)
	defer turn.Stop()
	for {
		f, newer := v.s.now()
		if err := v.records(ctx, f); err != nil {
			return err
		}
		if out := v.news(f); len(out) > 0 {
			if err := v.out.Send(out); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-newer:
			turn.Reset(v.later)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-turn.C:
			}
		case <-ping.C:
			if err := v.out.Beat(); err != nil {
				return err
			}
		}
	}
}

// records sends the records that this viewer does not have yet, each once and in
// their order, an event after the other: no more than one is in memory.
func (v *viewer) records(ctx context.Context, f *frame) error {
	for f.last > v.after && ctx.Err() == nil {
		cs := newer(f.recent, v.after)
		if len(f.recent) == 0 || f.recent[0].Seq > v.after+1 { // older than what is kept
			var err error
			if cs, err = v.s.ledger.Since(ctx, v.after, catchUp); err != nil {
				v.wrong = true
				return err
			}
		}
		if len(cs) == 0 {
			return nil
		}
		cs = cs[:min(len(cs), catchUp)]
		data, err := json.Marshal(cs)
		if err != nil {
			v.wrong = true
			return err
		}
		v.after = cs[len(cs)-1].Seq
		if err := v.out.Send(access.Event("cycles", strconv.FormatInt(v.after, 10), data)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// news is what of a frame this viewer does not have yet.
func (v *viewer) news(f *frame) []byte {
	if f.n == v.frame {
		return nil
	}
	v.frame = f.n
	var out []byte
	for _, m := range f.moments {
		if v.sent[m.bench] != m.version {
			v.sent[m.bench] = m.version
			out = append(out, m.event...)
		}
	}
	return append(out, f.spectra[v.bench]...)
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
