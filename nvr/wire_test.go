package nvr_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

// jump is a clock that stands until it is moved.
type jump struct {
	mu  sync.Mutex
	now time.Time
	due map[int]due
	n   int
}

type due struct {
	at time.Time
	f  func()
}

func newJump() *jump { return &jump{now: time.Unix(1e9, 0), due: map[int]due{}} }

func (j *jump) Now() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.now
}

func (j *jump) Sleep(_ context.Context, d time.Duration) error { j.move(d); return nil }

func (j *jump) AfterFunc(d time.Duration, f func()) func() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.n++
	id := j.n
	j.due[id] = due{j.now.Add(d), f}
	return func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		_, there := j.due[id]
		delete(j.due, id)
		return there
	}
}

func (j *jump) move(d time.Duration) {
	j.mu.Lock()
	j.now = j.now.Add(d)
	var fs []func()
	for id, x := range j.due {
		if !x.at.After(j.now) {
			fs = append(fs, x.f)
			delete(j.due, id)
		}
	}
	j.mu.Unlock()
	for _, f := range fs {
		f()
	}
}

// raw answers every connection with these bytes and closes it.
func raw(text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			fmt.Fprint(c, text)
			c.Close()
		}
		return true
	}
}

func status(code int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(code); return true }
}

func TestReach(t *testing.T) {
	for _, c := range []struct {
		name string
		hook func(http.ResponseWriter, *http.Request) bool
		want rig.Reach
		err  error // of work that needs the unit
	}{
		{"ready", nil, rig.ReachReady, nil},
		{"drops the connection", func(w http.ResponseWriter, _ *http.Request) bool { drop(w); return true }, rig.ReachConnects, rig.ErrUnreachable},
		{"half a header", raw("HTTP/1.1 200 OK\r\nServer: x\r\n"), rig.ReachConnects, rig.ErrUnreachable},
		{"half a body", raw("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<html>"), rig.ReachConnects, rig.ErrUnreachable},
		{"garbage", raw("\x00\xff\x13not http at all\r\n\r\n"), rig.ReachGarbage, rig.ErrGarbage},
		{"bad chunks", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"), rig.ReachGarbage, rig.ErrGarbage},
		{"endless", func(w http.ResponseWriter, _ *http.Request) bool {
			for { // until the client has had enough
				if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
					return true
				}
			}
		}, rig.ReachGarbage, rig.ErrGarbage},
		{"503", status(503), rig.ReachAnswers, rig.ErrUnreachable},
		{"401 to everything", status(401), rig.ReachAnswers, rig.ErrUnreachable},
		{"DevInit hangs up", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/OutsideCmd" {
				drop(w)
				return true
			}
			return false
		}, rig.ReachConnects, rig.ErrUnreachable},
		{"DevInit is no JSON", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/OutsideCmd" {
				fmt.Fprint(w, "hello")
				return true
			}
			return false
		}, rig.ReachGarbage, rig.ErrGarbage},
		{"DevInit not there yet", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/OutsideCmd" {
				w.WriteHeader(503)
				return true
			}
			return false
		}, rig.ReachAnswers, rig.ErrUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nvr.New)
			b.u.hook = c.hook
			d := b.open(t)
			s, err := d.Probe(t.Context())
			if err != nil || s.Reach != c.want {
				t.Errorf("sight %+v, %v; want reach %d", s, err, c.want)
			}
			if c.err != nil {
				if _, err := d.Provision(t.Context()); !errors.Is(err, c.err) {
					t.Errorf("provision: %v, want %v", err, c.err)
				}
				if st := d.State(t.Context()); st.State != nvr.StateUnknown || st.Reason == "" {
					t.Errorf("state %+v: silence is no default state", st)
				}
			}
		})
	}
}

func TestSilent(t *testing.T) {
	b := newBench(t, nvr.New)
	b.lab.exchange = nil
	b.u.srv.Close()
	s, err := b.open(t).Probe(t.Context())
	if err != nil || s.Reach != rig.ReachSilent || s.URL != "" {
		t.Errorf("sight %+v, %v", s, err)
	}
}

// The time-outs are the bench's clock's: the test moves it, and waits for
// nothing.
func TestHangEndsByTheClock(t *testing.T) {
	b := newBench(t, nvr.New)
	clock := newJump()
	b.o.Clock = clock
	b.lab.real = nvr.RealNetwork(clock, "")
	b.u.hook = func(_ http.ResponseWriter, r *http.Request) bool {
		clock.move(time.Minute)
		<-r.Context().Done()
		return true
	}
	s, err := b.open(t).Probe(t.Context())
	if err != nil || s.Reach != rig.ReachConnects || !strings.Contains(s.Note, rig.ErrDeadline.Error()) {
		t.Errorf("sight %+v, %v", s, err)
	}
}

func TestCancelIsAStopAndNoSilence(t *testing.T) {
	b := newBench(t, nvr.New)
	why := errors.New("stopped by the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	b.u.hook = func(_ http.ResponseWriter, r *http.Request) bool {
		cancel(why)
		<-r.Context().Done()
		return true
	}
	d := b.open(t)
	if _, err := d.Probe(ctx); !errors.Is(err, why) {
		t.Errorf("probe: %v, want %v", err, why)
	}
	if _, err := d.Default(ctx, rig.Mark{}, rig.DefaultSpec{}); !errors.Is(err, why) {
		t.Errorf("default: %v, want %v", err, why)
	}
}

func TestProbeIsCheapAndSendsNoLogin(t *testing.T) {
	for _, gen := range []string{nvr.Old, nvr.New} {
		b := newBench(t, gen)
		if _, err := b.open(t).Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := b.u.since(0)
		if len(got) > 2 || strings.Contains(strings.Join(got, ","), "+login") || len(b.lab.sent) != 1 {
			t.Errorf("%s: %v and %d datagrams", gen, got, len(b.lab.sent))
		}
	}
}

func TestRedirects(t *testing.T) {
	b := newBench(t, nvr.New)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect to another host was followed") }))
	defer other.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(other.URL, "http://"))
	b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "http://localhost:"+port+"/", http.StatusFound)
		return true
	}
	if s, err := b.open(t).Probe(t.Context()); err != nil || s.Reach == rig.ReachReady {
		t.Errorf("sight %+v, %v", s, err)
	}
	// To HTTPS on the same host, with a certificate of its own, it is.
	secure := httptest.NewTLSServer(b.u)
	defer secure.Close()
	b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.TLS == nil {
			http.Redirect(w, r, secure.URL+"/", http.StatusMovedPermanently)
			return true
		}
		return false
	}
	s, err := b.open(t).Probe(t.Context())
	if err != nil || s.Reach != rig.ReachReady || s.URL != secure.URL {
		t.Errorf("sight %+v, %v", s, err)
	}
}

// The challenges of real recorders, and what the library's own parser refuses.
func TestChallenges(t *testing.T) {
	const realm = "Login to 5d0ad9b63a9ab1a6fbd2a4a7bd1cf3b6"
	for name, f := range map[string]string{
		"no spaces":           `Digest realm="Login to ND021811019863",qop="auth",nonce="%s",opaque="9a20"`,
		"spaces":              `Digest realm="Login to ND021811019863", qop="auth", nonce="%s", opaque="9a20"`,
		"new, stale quoted":   `Digest realm="` + realm + `", qop="auth", nonce="%s", opaque="", stale="false"`,
		"old realm":           `Digest realm="DH_00408CA5EA04", qop="auth", nonce="%s", opaque="x"`,
		"trailing comma":      `Digest realm="R", qop="auth", nonce="%s",`,
		"tabs":                "Digest realm=\"R\",\tqop=\"auth\",\tnonce=\"%s\"",
		"capitalised":         `digest Realm="R", QOP="auth", Nonce="%s"`,
		"unquoted":            `Digest realm="R", qop=auth, nonce=%s, opaque=a_b=`,
		"auth-int first":      `Digest realm="R", qop="auth-int, auth", nonce="%s"`,
		"basic and digest":    `Basic realm="R", Digest realm="R", qop="auth", nonce="%s"`,
		"algorithm MD5":       `Digest realm="R", qop="auth", nonce="%s", algorithm=MD5`,
		"unknown algorithm 1": `Digest realm="R", nonce="x", algorithm=FOO, Digest realm="R", qop="auth", nonce="%s"`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nvr.Old)
			b.u.challenge = func(n string) string { return fmt.Sprintf(f, n) }
			d := b.open(t)
			if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "admin"}); r.Result != nvr.LoginAccepted {
				t.Errorf("right password: %+v", r)
			}
			if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "wrong1234"}); r.Result != nvr.LoginRefused {
				t.Errorf("wrong password: %+v", r)
			}
			if b.book.booked() != 1 || b.u.refused != 1 {
				t.Errorf("booked %d, the unit counts %d, want 1", b.book.booked(), b.u.refused)
			}
		})
	}
}

func TestBasicOnly(t *testing.T) {
	b := newBench(t, nvr.Old)
	b.u.basicOnly = true
	d := b.open(t)
	if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "admin"}); r.Result != nvr.LoginAccepted {
		t.Errorf("right password: %+v", r)
	}
	if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "wrong1234"}); r.Result != nvr.LoginRefused || b.book.booked() != 1 {
		t.Errorf("wrong password: %+v, booked %d", r, b.book.booked())
	}
}

func TestEachCredentialOncePerState(t *testing.T) {
	b := newBench(t, nvr.Old)
	d := b.open(t)
	wrong := rig.Credential{User: "admin", Password: "wrong1234"}
	for range 3 {
		if r := d.Login(t.Context(), wrong); r.Result != nvr.LoginRefused {
			t.Errorf("%+v", r)
		}
	}
	if b.u.refused != 1 {
		t.Errorf("%d sent, want 1", b.u.refused)
	}
	off(t, b, d)
	d.Login(t.Context(), wrong)
	if b.u.refused != 2 {
		t.Errorf("%d sent after a restart, want 2", b.u.refused)
	}
}

func TestBudgetStops(t *testing.T) {
	b := newBench(t, nvr.Old)
	b.o.Model.Lockout = nvr.Lockout{Tries: 3, Window: 5 * time.Minute, Spare: 1}
	clock := newJump()
	b.o.Clock = clock
	d := b.open(t)
	login := func(p string) nvr.LoginResult {
		return d.Login(t.Context(), rig.Credential{User: "admin", Password: rig.Secret(p)})
	}
	login("wrong0001")
	login("wrong0002")
	from := len(b.u.since(0))
	r := login("wrong0003")
	if r.Result != nvr.LoginUnknown || r.Reason != rig.ReasonBudget {
		t.Errorf("third: %+v", r)
	}
	if got := strings.Join(b.u.since(from), ","); strings.Contains(got, "+login") || b.u.refused != 2 {
		t.Errorf("the third was sent: %s", got)
	}
	// The account outlives the process, and its window passes.
	d = b.open(t)
	if r := login("wrong0004"); r.Reason != rig.ReasonBudget {
		t.Errorf("after a restart of the program: %+v", r)
	}
	clock.move(6 * time.Minute)
	if r := login("admin"); r.Result != nvr.LoginAccepted {
		t.Errorf("after the window: %+v", r)
	}
}

func TestBudgetMakesTheCheckUnknown(t *testing.T) {
	b := newBench(t, nvr.Old)
	d, m := marked(t, b)
	for range 4 {
		_ = b.book.Refused("serial:"+b.u.serial, time.Now())
	}
	b.u.do(b.u.reset)
	cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
	if err != nil {
		t.Fatal(err)
	}
	if c := find(cs, "default-login"); c.Outcome != unknown || c.Reason != rig.ReasonBudget {
		t.Errorf("default-login %+v", c)
	}
	if b.u.refused != 0 {
		t.Error("a login was risked")
	}
}

func TestLocked(t *testing.T) {
	b := newBench(t, nvr.Old)
	d, m := marked(t, b)
	b.u.do(func() { b.u.refused, b.u.lockAt = 5, 5 })
	before := b.book.booked()
	r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "other1234"})
	if r.Result != nvr.LoginUnknown || r.Reason != rig.ReasonLocked {
		t.Errorf("%+v", r)
	}
	cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
	if err != nil || find(cs, "default-login").Reason != rig.ReasonLocked || find(cs, "marker/name").Reason != rig.ReasonLocked {
		t.Errorf("%+v, %v", cs, err)
	}
	if c := find(cs, "marker/password"); c.Outcome != unknown || c.Reason != rig.ReasonLocked {
		t.Errorf("a locked unit was asked for the marked password too: %+v", c)
	}
	// 403 came instead of the challenge: no login was sent, none is booked.
	if b.book.booked() != before {
		t.Errorf("booked %d, want %d", b.book.booked(), before)
	}
	// 403 to the login itself is one.
	b.u.do(func() {
		b.u.lockAt = 0
		b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") == "" {
				return false
			}
			w.WriteHeader(403)
			return true
		}
	})
	r = d.Login(t.Context(), rig.Credential{User: "admin", Password: "third1234"})
	if r.Reason != rig.ReasonLocked || b.book.booked() <= before {
		t.Errorf("%+v, booked %d", r, b.book.booked())
	}
	// Nothing more is sent to it, whatever the login, until the lock is over; nor
	// by a later run, which has only the account of refused logins.
	asked := len(b.u.since(0))
	if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "fourth1234"}); r.Reason != rig.ReasonLocked {
		t.Errorf("%+v", r)
	}
	if r := b.open(t).Login(t.Context(), rig.Credential{User: "admin", Password: "third1234"}); r.Reason != rig.ReasonBudget {
		t.Errorf("a later run: %+v", r)
	}
	for _, q := range b.u.since(asked) {
		if strings.HasSuffix(q, "+login") {
			t.Errorf("sent to a locked unit: %s", q)
		}
	}
	// A lock says nothing of the password: once it is over, it is asked anew.
	b.u.do(func() { b.u.hook, b.u.accounts["admin"] = nil, "third1234" })
	b.o.Clock.(*jump).move(31 * time.Minute)
	if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "third1234"}); r.Result != nvr.LoginAccepted {
		t.Errorf("after the lock: %+v", r)
	}
}

func TestUnansweredChallengeIsNoRefusal(t *testing.T) {
	b := newBench(t, nvr.Old)
	b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/cgi-bin/") && b.u.nonce > 0 {
			w.WriteHeader(401) // as one that has no connection left
			return true
		}
		return false
	}
	r := b.open(t).Login(t.Context(), rig.Credential{User: "admin", Password: "admin"})
	if r.Result != nvr.LoginUnknown || b.book.booked() != 0 {
		t.Errorf("%+v, booked %d", r, b.book.booked())
	}
}

func TestStaleNonceIsNoRefusal(t *testing.T) {
	b := newBench(t, nvr.Old)
	blamed := false
	b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" || blamed {
			return false
		}
		blamed = true
		w.Header().Set("WWW-Authenticate", `Digest realm="Login to ND021811019863", qop="auth", nonce="other", stale="true"`)
		w.WriteHeader(401)
		return true
	}
	r := b.open(t).Login(t.Context(), rig.Credential{User: "admin", Password: "admin"})
	if r.Result != nvr.LoginAccepted || b.book.booked() != 0 {
		t.Errorf("%+v, booked %d", r, b.book.booked())
	}
}

func TestWrongUnit(t *testing.T) {
	b := newBench(t, nvr.New)
	d, m := marked(t, b)
	b.u.do(func() { b.u.serial, b.u.mac = "4F0A2B1PAZ09999", "38:af:29:00:00:99" })
	from := len(b.u.since(0))
	if _, err := d.Probe(t.Context()); !errors.Is(err, rig.ErrWrongUnit) {
		t.Errorf("probe: %v", err)
	}
	for name, err := range map[string]error{
		"provision": second(d.Provision(t.Context())), "mark": second(d.Mark(t.Context(), everything)),
		"default": second(d.Default(t.Context(), m, rig.DefaultSpec{})), "still": second(d.StillMarked(t.Context(), m)),
		"reset": d.FactoryReset(t.Context(), nil), "holds": second(d.Holds(t.Context(), m)),
	} {
		if !errors.Is(err, rig.ErrWrongUnit) {
			t.Errorf("%s: %v, want %v", name, err, rig.ErrWrongUnit)
		}
	}
	if got := strings.Join(b.u.since(from), ","); strings.Contains(got, "+login") || strings.Contains(got, "cgi") {
		t.Errorf("another unit was sent logins or commands: %s", got)
	}
	if st := d.State(t.Context()); st.State != nvr.StateUnknown || st.Reason != rig.ReasonWrongUnit {
		t.Errorf("state %+v", st)
	}
}

func second[T any](_ T, err error) error { return err }

func TestWrongUnitBySerialOfTheCGI(t *testing.T) {
	b := newBench(t, nvr.Old)
	b.o.Model.Dialect = nvr.DialectDahua
	b.lab.exchange = nil // no discovery here
	b.o.Identity = rig.Identity{Serial: "ANOTHER"}
	if _, err := b.open(t).Provision(t.Context()); !errors.Is(err, rig.ErrWrongUnit) {
		t.Errorf("error %v", err)
	}
}

func TestIdentityIsBoundOnFirstSight(t *testing.T) {
	b := newBench(t, nvr.New)
	b.o.Identity = rig.Identity{}
	d := b.open(t)
	if _, err := d.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.Identity(); got != (rig.Identity{Serial: b.u.serial, MAC: b.u.mac}) {
		t.Errorf("identity %+v", got)
	}
	b.u.do(func() { b.u.mac = "38:af:29:00:00:99" })
	if _, err := d.Probe(t.Context()); !errors.Is(err, rig.ErrWrongUnit) {
		t.Errorf("error %v", err)
	}
}

func TestFollowsTheUnit(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	t.Run("after-reset address", func(t *testing.T) {
		b := newBench(t, nvr.New)
		b.o.URL, b.o.AfterResetURL = dead.URL, b.u.srv.URL
		if s, err := b.open(t).Probe(t.Context()); err != nil || s.Reach != rig.ReachReady || s.URL != b.u.srv.URL {
			t.Errorf("sight %+v, %v", s, err)
		}
	})
	t.Run("some web server at the after-reset address", func(t *testing.T) {
		some := httptest.NewServer(http.NotFoundHandler())
		defer some.Close()
		b := newBench(t, nvr.New)
		b.o.URL, b.o.AfterResetURL = dead.URL, some.URL
		b.lab.exchange = func(string, []byte) []nvr.Datagram { return nil }
		d := b.open(t)
		for range 2 {
			if s, err := d.Probe(t.Context()); err != nil || s.Reach != rig.ReachSilent {
				t.Errorf("sight %+v, %v: want silence, nobody proved to be the unit", s, err)
			}
		}
	})
	t.Run("another unit at the after-reset address", func(t *testing.T) {
		b := newBench(t, nvr.New)
		b.o.URL, b.o.AfterResetURL = dead.URL, b.u.srv.URL
		b.o.Identity = rig.Identity{Serial: "OURS"}
		if _, err := b.open(t).Probe(t.Context()); !errors.Is(err, rig.ErrWrongUnit) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("discovery", func(t *testing.T) {
		b := newBench(t, nvr.New)
		b.o.URL = "http://127.0.0.2:1" // nothing listens
		b.o.DiscoveryAddr = "239.255.255.251:37810"
		var asked []string
		b.lab.exchange = func(to string, d []byte) []nvr.Datagram {
			asked = append(asked, to)
			return b.u.answerDHIP(d)
		}
		s, err := b.open(t).Probe(t.Context())
		if err != nil || s.Reach != rig.ReachReady || s.URL != b.u.srv.URL || !slices.Contains(asked, "239.255.255.251:37810") {
			t.Errorf("sight %+v, %v, asked %v", s, err, asked)
		}
	})
	t.Run("discovery of a stranger", func(t *testing.T) {
		b := newBench(t, nvr.New)
		b.o.URL, b.o.Identity = "http://127.0.0.2:1", rig.Identity{Serial: "OURS"}
		s, err := b.open(t).Probe(t.Context())
		if err != nil || s.Reach != rig.ReachSilent || len(b.u.since(0)) != 0 {
			t.Errorf("sight %+v, %v, requests %v", s, err, b.u.since(0))
		}
	})
	t.Run("answers discovery and not HTTP", func(t *testing.T) {
		b := newBench(t, nvr.New)
		b.u.srv.Close()
		s, err := b.open(t).Probe(t.Context())
		if err != nil || s.Reach != rig.ReachAnswers || s.Identity.Serial != b.u.serial {
			t.Errorf("sight %+v, %v", s, err)
		}
	})
}

func TestDiscover(t *testing.T) {
	b := newBench(t, nvr.New)
	other := newUnit(t, nvr.New)
	other.serial, other.mac = "5K00000PAZ00002", "38-AF-29-00-00-02"
	var question []byte
	b.lab.exchange = func(_ string, d []byte) []nvr.Datagram {
		question = d
		all := append(b.u.answerDHIP(d), other.answerDHIP(d)...)
		bare := nvr.Datagram{From: "127.0.0.1:1", Data: all[0].Data[32:]}
		return append(all, bare, nvr.Datagram{From: "127.0.0.1:2", Data: []byte("junk")}, nvr.Datagram{})
	}
	found, err := nvr.Discover(t.Context(), b.lab, "239.255.255.251", time.Second)
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v, %v: want two units, once each", found, err)
	}
	serials := map[string]nvr.Found{found[0].Serial: found[0], found[1].Serial: found[1]}
	if f := serials[b.u.serial]; f.URL() != b.u.srv.URL || f.Init&3 != 1 || !f.InitKnown || f.Class != "NVR" {
		t.Errorf("%+v", f)
	}
	const msg = `{"method":"DHDiscover.search","params":{"mac":"","uni":1}}`
	want := "\x20\x00\x00\x00DHIP\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x3a\x00\x00\x00\x00\x00\x00\x00\x3a\x00\x00\x00\x00\x00\x00\x00" + msg
	if string(question) != want {
		t.Errorf("question\n%q, want\n%q", question, want)
	}
}

func TestRealDatagrams(t *testing.T) {
	u := newUnit(t, nvr.New)
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		for _, d := range u.answerDHIP(buf[:n]) {
			_, _ = conn.WriteTo(d.Data, from)
		}
	}()
	found, err := nvr.Discover(t.Context(), nvr.RealNetwork(rig.System(), ""), conn.LocalAddr().String(), 500*time.Millisecond)
	conn.Close()
	<-done
	if err != nil || len(found) != 1 || found[0].Serial != u.serial {
		t.Errorf("%+v, %v", found, err)
	}
}

// Nothing ends the wait for datagrams but the clock and the context.
func TestDatagramWaitEnds(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	clock := newJump()
	read := func(end func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _, _ = conn.ReadFrom(make([]byte, 2048))
			end()
		}()
		t.Cleanup(func() { <-done })
	}
	read(func() { clock.move(time.Minute) })
	n := nvr.RealNetwork(clock, "")
	if got, err := n.Exchange(t.Context(), conn.LocalAddr().String(), []byte("x"), time.Second); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("stopped by the test")
	read(func() { cancel(why) })
	if _, err := n.Exchange(ctx, conn.LocalAddr().String(), []byte("x"), time.Second); !errors.Is(err, why) {
		t.Errorf("error %v, want %v", err, why)
	}
}

func TestPlain(t *testing.T) {
	b := newBench(t, nvr.Old)
	b.o.Model = nvr.Model{
		Name: "any", Dialect: nvr.DialectPlain, Accounts: []rig.Credential{{User: "admin", Password: "admin"}},
		Plain: nvr.PlainSpec{Path: "/cgi-bin/magicBox.cgi?action=getSerialNo", Contains: "sn="},
	}
	b.o.Identity = rig.Identity{}
	d := b.open(t)
	if st := d.State(t.Context()); st.State != nvr.StateDefault {
		t.Errorf("state %+v", st)
	}
	if _, err := d.Mark(t.Context(), everything); !errors.Is(err, rig.ErrUnsupported) {
		t.Errorf("mark: %v", err)
	}
	if err := d.FactoryReset(t.Context(), nil); !errors.Is(err, rig.ErrUnsupported) {
		t.Errorf("reset: %v", err)
	}
	if u := d.DUT(); u.Marker != nil || u.Resetter != nil || u.Judge == nil {
		t.Errorf("DUT %+v", u)
	}
	b.u.do(func() { b.u.accounts["admin"] = "changed1" })
	d = b.open(t)
	if st := d.State(t.Context()); st.State != nvr.StateNotDefault || b.book.booked() != 1 {
		t.Errorf("state %+v, booked %d", st, b.book.booked())
	}
	// A page that asks for no login proves none.
	b.o.Model.Plain = nvr.PlainSpec{Path: "/"}
	if st := b.open(t).State(t.Context()); st.State != nvr.StateUnknown {
		t.Errorf("state %+v", st)
	}
}

func TestState(t *testing.T) {
	for _, c := range []struct {
		gen  string
		set  func(*unit)
		want string
	}{
		{nvr.New, func(*unit) {}, nvr.StateDefault},
		{nvr.New, func(u *unit) { u.init = 2 }, nvr.StateNotDefault},
		{nvr.Old, func(*unit) {}, nvr.StateDefault},
		{nvr.Old, func(u *unit) { u.accounts["admin"] = "other1234" }, nvr.StateNotDefault},
		{nvr.Old, func(u *unit) { u.config["General.LocalNo"] = "1" }, nvr.StateNotDefault},
		{nvr.Old, func(u *unit) { u.lockAt, u.refused = 1, 1 }, nvr.StateUnknown},
	} {
		b := newBench(t, c.gen)
		c.set(b.u)
		st := b.open(t).State(t.Context())
		if st.State != c.want {
			t.Errorf("%s: %+v, want %s", c.gen, st, c.want)
		}
		if _, err := json.Marshal(st); err != nil {
			t.Error(err)
		}
	}
}

// No secret comes out of any door: errors, logs, checks, transcripts.
func TestSecretsStayInside(t *testing.T) {
	for _, gen := range []string{nvr.New, nvr.Old} {
		b := newBench(t, gen)
		var out bytes.Buffer
		b.o.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		b.o.Login = rig.Credential{User: "lab", Password: "lab-secret-77"}
		n := 0
		b.o.Transcript = func(x nvr.Exchange) {
			n++
			j, _ := json.Marshal(x)
			out.Write(j)
			out.WriteString(x.URL + x.Request + x.Response + x.Error)
		}
		d, m := marked(t, b)
		fmt.Fprintf(&out, "%+v %#v", m, m)
		_, err := d.Mark(t.Context(), everything)
		fmt.Fprintln(&out, err)
		// A unit that throws what it was sent back at us.
		b.u.do(func() {
			b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Authorization") == "" || r.URL.Query().Get("action") != "modifyPassword" {
					return false
				}
				fmt.Fprintf(w, "Error\r\n%s %s\r\n", r.URL, r.URL.Query().Get("pwd"))
				return true
			}
		})
		_, err = d.Mark(t.Context(), everything)
		fmt.Fprintln(&out, err)
		if !errors.Is(err, rig.ErrWrite) {
			t.Errorf("error %v, want %v", err, rig.ErrWrite)
		}
		b.u.do(func() {
			b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("action") != "modifyPassword" || r.Header.Get("Authorization") == "" {
					return false
				}
				return raw(r.URL.Query().Get("pwd")+r.Header.Get("Authorization")+"\r\n\r\n")(w, r)
			}
		})
		_, err = d.Mark(t.Context(), everything)
		fmt.Fprintln(&out, err)
		b.u.do(func() { b.u.hook = nil; b.u.reset() })
		cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
		fmt.Fprintf(&out, "%+v %v", cs, err)
		st := d.State(t.Context())
		fmt.Fprintf(&out, "%+v", st)
		text := out.String()
		secrets := []string{"lab-secret-77"}
		for _, cs := range b.book.vault {
			for _, c := range cs {
				if c.Password != "admin" {
					secrets = append(secrets, c.Password.Reveal())
				}
			}
		}
		if len(secrets) < 3 || n < 20 {
			t.Fatalf("%d secrets, %d exchanges: the test sees nothing", len(secrets), n)
		}
		for _, s := range secrets {
			if strings.Contains(text, s) {
				i := strings.Index(text, s)
				t.Errorf("%s: a secret came out: …%s…", gen, text[max(0, i-120):i])
			}
		}
		if strings.Contains(text, "pwdOld=admin") {
			t.Error("a password too short to search for came out of an address")
		}
		if strings.Contains(text, "response=\"") || strings.Contains(text, "response=\\\"") {
			t.Error("a login's digest came out")
		}
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	for name, change := range map[string]func(*nvr.Options){
		"no dialect":          func(o *nvr.Options) { o.Model.Dialect = "smoke" },
		"no generation":       func(o *nvr.Options) { o.Model.Generation = "" },
		"old without account": func(o *nvr.Options) { o.Model.Accounts = nil },
		"no url":              func(o *nvr.Options) { o.URL = "" },
		"bad url":             func(o *nvr.Options) { o.URL = "192.168.1.50" },
		"login in the url":    func(o *nvr.Options) { o.URL = "http://admin:geheim123@192.168.1.50" },
		"no clock":            func(o *nvr.Options) { o.Clock = nil },
		"nothing to refuse":   func(o *nvr.Options) { o.Model.Lockout = nvr.Lockout{Tries: 2, Spare: 2} },
	} {
		b := newBench(t, nvr.Old)
		change(&b.o)
		_, err := nvr.Open(b.o)
		if err == nil {
			t.Errorf("%s: was opened", name)
		} else if strings.Contains(err.Error(), "geheim123") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The name plates of facts §2, with their line ends, an = in a value, and the
// version's two spellings.
func TestKeyValues(t *testing.T) {
	b := newBench(t, nvr.Old)
	b.u.version = "2.212.0000.0.R build:2013-11-14"
	b.u.config["General.MachineName"] = "a=b c"
	i, err := b.open(t).Info(t.Context())
	if err != nil || i.Firmware != "2.212.0000.0.R build:2013-11-14" || i.Name != "a=b c" {
		t.Errorf("%+v, %v", i, err)
	}
	b.u.do(func() {
		b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") == "" {
				return false
			}
			fmt.Fprint(w, "<html>login</html>")
			return true
		}
	})
	if r := b.open(t).Login(t.Context(), rig.Credential{User: "admin", Password: "admin"}); r.Reason != rig.ReasonGarbage {
		t.Errorf("a web page as an answer: %+v", r)
	}
}
