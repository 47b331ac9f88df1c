package access

import (
	"container/list"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// The back-off. A token of 130 bits is not found by trying: this keeps the log
// readable and the processor free, and tells who tries with what. So it may be
// lenient to who mistypes.
const (
	strikesFree  = 5 // wrong tokens before an address has to wait
	backoffFirst = time.Second
	backoffMost  = 5 * time.Minute
	forgetAfter  = time.Hour
	strikersMost = 4096 // addresses remembered
	knownMost    = 1024

	// Wrong tokens of all addresses together: so many at once, and one a second.
	failuresBurst = 100
	failuresEvery = time.Second
)

// throttle slows down whoever tries tokens. Forms and bearers of an address are
// counted apart, so that a program with an old token does not lock out the people
// behind the same address; and the same wrong token again is not another try.
//
// When wrong tokens come from everywhere, forms are evaluated only for addresses
// from which a login has worked, and bearers only for addresses that have not
// sent a wrong one: a right bearer of another address always gets through.
type throttle struct {
	clock Clock

	mu      sync.Mutex
	strikes map[string]*list.Element // of *striker
	order   *list.List               // the one that failed longest ago first
	known   map[string]time.Time
	left    float64 // failures that may still come at once
	filled  time.Time
}

type striker struct {
	key   string
	n     int
	last  time.Time
	until time.Time
	guess [sha256.Size]byte
}

func newThrottle(clock Clock) *throttle {
	return &throttle{clock: clock, strikes: map[string]*list.Element{}, order: list.New(), known: map[string]time.Time{},
		left: failuresBurst, filled: clock.Now()}
}

// How a token came.
const (
	byForm   = "form"
	byBearer = "bearer"
)

// attempt evaluates a guess unless its address must wait: then wait says how
// long, and check is not called. fresh is false for a wrong guess that the same
// address made just before. Attempts are evaluated one after the other, so
// that a hundred at the same time are a hundred.
func (t *throttle) attempt(how, addr string, guess [sha256.Size]byte, check func() bool) (ok, fresh bool, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	t.refill(now)
	t.forget(now)
	key := how + " " + network(addr)
	var s *striker
	if e := t.strikes[key]; e != nil {
		s = e.Value.(*striker)
		if d := s.until.Sub(now); d > 0 {
			return false, false, d
		}
	}
	if t.left < 1 {
		_, known := t.known[network(addr)]
		if (how == byForm && !known) || (how == byBearer && s != nil) {
			return false, false, failuresEvery
		}
	}
	if check() {
		t.know(network(addr), now)
		return true, true, 0
	}
	return false, t.strike(key, guess, now), 0
}

// strike counts a wrong token, and reports whether it is another than the last.
func (t *throttle) strike(key string, guess [sha256.Size]byte, now time.Time) (fresh bool) {
	e := t.strikes[key]
	if e == nil {
		if len(t.strikes) >= strikersMost {
			t.drop(t.order.Front())
		}
		e = t.order.PushBack(&striker{key: key})
		t.strikes[key] = e
	}
	s := e.Value.(*striker)
	t.order.MoveToBack(e)
	s.last = now
	if s.n > 0 && s.guess == guess {
		return false
	}
	s.guess = guess
	s.n++
	t.left = max(0, t.left-1)
	if over := s.n - strikesFree; over >= 0 {
		s.until = now.Add(min(backoffMost, backoffFirst<<min(over, 16)))
	}
	return true
}

func (t *throttle) refill(now time.Time) {
	t.left = min(failuresBurst, t.left+now.Sub(t.filled).Seconds()/failuresEvery.Seconds())
	t.filled = now
}

// forget drops who has not failed for long.
func (t *throttle) forget(now time.Time) {
	for e := t.order.Front(); e != nil && now.Sub(e.Value.(*striker).last) >= forgetAfter; e = t.order.Front() {
		t.drop(e)
	}
}

func (t *throttle) drop(e *list.Element) {
	t.order.Remove(e)
	delete(t.strikes, e.Value.(*striker).key)
}

// know remembers an address from which a token was right.
func (t *throttle) know(addr string, now time.Time) {
	if _, ok := t.known[addr]; !ok && len(t.known) >= knownMost {
		oldest := ""
		for a, at := range t.known {
			if oldest == "" || at.Before(t.known[oldest]) {
				oldest = a
			}
		}
		delete(t.known, oldest)
	}
	t.known[addr] = now
}

// network is what counts as one address: of IPv6 the /64, which one client has
// whole.
func network(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	n, err := a.Prefix(64)
	if err != nil {
		return a.String()
	}
	return n.String()
}
