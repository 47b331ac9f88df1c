package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// sessionsEach is how many one token can have: whoever logs in once more ends the
// one of that token that was used longest ago, and nobody else's. With at most
// 256 tokens the memory is bounded.
const sessionsEach = 32

// sessions are those of browsers. A session's secret is 256 random bits, made at
// the login and never taken from a client; here is only its hash, so that what is
// read out of this memory logs nobody in.
type sessions struct {
	clock Clock

	mu   sync.Mutex
	open map[[sha256.Size]byte]*session
}

type session struct {
	token      [sha256.Size]byte // hash of the token that it was made of
	made, used time.Time
}

func newSessions(clock Clock) *sessions {
	return &sessions{clock: clock, open: map[[sha256.Size]byte]*session{}}
}

// begin makes a session and returns its secret.
func (s *sessions) begin(of token, idle, life time.Duration) string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails: see its documentation
	text := base64.RawURLEncoding.EncodeToString(secret[:])
	now := s.clock.Now()

	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest [sha256.Size]byte
	n := 0
	for key, o := range s.open {
		if o.over(now, idle, life) {
			delete(s.open, key)
			continue
		}
		if o.token == of.hash {
			if n++; n == 1 || o.used.Before(s.open[oldest].used) {
				oldest = key
			}
		}
	}
	if n >= sessionsEach {
		delete(s.open, oldest)
	}
	s.open[sha256.Sum256([]byte(text))] = &session{token: of.hash, made: now, used: now}
	return text
}

func (o *session) over(now time.Time, idle, life time.Duration) bool {
	return now.Sub(o.used) >= idle || now.Sub(o.made) >= life
}

// token is the hash of the token that a session was made of; false where there is
// none, or it is over. used says that somebody did something with it.
func (s *sessions) token(key [sha256.Size]byte, idle, life time.Duration, used bool) ([sha256.Size]byte, bool) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.open[key]
	if o == nil {
		return [sha256.Size]byte{}, false
	}
	if o.over(now, idle, life) {
		delete(s.open, key)
		return [sha256.Size]byte{}, false
	}
	if used {
		o.used = now
	}
	return o.token, true
}

// end forgets a session.
func (s *sessions) end(key [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, key)
}

// keep ends those whose token is not in the list.
func (s *sessions) keep(list []token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.open {
		if _, ok := match(list, o.token); !ok {
			delete(s.open, key)
		}
	}
}
