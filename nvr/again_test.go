package nvr_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/nvr"
	"resetrig/rig"
)

// spoil are the ways in which one request goes wrong. did is the unit's own
// answer: it did what was asked.
var spoil = map[string]func(u *unit, w http.ResponseWriter, r *http.Request){
	"dropped": func(_ *unit, w http.ResponseWriter, _ *http.Request) { drop(w) },
	"done, and the answer dropped": func(u *unit, w http.ResponseWriter, r *http.Request) {
		u.answer(httptest.NewRecorder(), r)
		drop(w)
	},
	"503":   func(_ *unit, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
	"empty": func(*unit, http.ResponseWriter, *http.Request) {},
	"half": func(u *unit, w http.ResponseWriter, r *http.Request) {
		did := httptest.NewRecorder()
		u.answer(did, r)
		fmt.Fprint(w, did.Body.String()[:did.Body.Len()/2])
	},
	"without its end": func(u *unit, w http.ResponseWriter, r *http.Request) {
		did := httptest.NewRecorder()
		u.answer(did, r)
		fmt.Fprint(w, strings.TrimRight(did.Body.String(), "\r\n"))
	},
	"nonsense": func(_ *unit, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>\x00\x01") },
	"401": func(u *unit, w http.ResponseWriter, _ *http.Request) { // no connection left
		w.Header().Set("WWW-Authenticate", u.challenge(fmt.Sprint("n", u.nonce)))
		w.WriteHeader(401)
		fmt.Fprint(w, "Error\r\nInvalid Authority!\r\n")
	},
}

// answer is the unit's own to an authorised request, or to one without a login.
func (u *unit) answer(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/RPC2") && u.rpc != nil {
		u.speak(w, r)
	} else if r.URL.Path == "/OutsideCmd" {
		u.outside(w, r)
	} else if u.authorised(w, r) {
		u.cgi(w, r)
	}
}

// One request of a sequence goes wrong: what comes out is as if none had.
func TestOneBadAnswer(t *testing.T) {
	type op func(t *testing.T, b *bench) (*nvr.Device, func() (map[string]rig.CheckOutcome, error))
	checks := func(cs []rig.Check, err error) (map[string]rig.CheckOutcome, error) { return outcomes(cs), err }
	ops := map[string]op{
		"provision": func(t *testing.T, b *bench) (*nvr.Device, func() (map[string]rig.CheckOutcome, error)) {
			d := b.open(t)
			if b.u.gen == nvr.Old { // a login that was never good is asked once
				if _, err := d.Provision(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return d, func() (map[string]rig.CheckOutcome, error) { return checks(d.Provision(t.Context())) }
		},
		"mark": func(t *testing.T, b *bench) (*nvr.Device, func() (map[string]rig.CheckOutcome, error)) {
			d := b.open(t)
			_, err := d.Provision(t.Context())
			return d, func() (map[string]rig.CheckOutcome, error) {
				if err != nil {
					return nil, err
				}
				m, err := d.Mark(t.Context(), everything)
				if err != nil {
					return nil, err
				}
				return checks(d.StillMarked(t.Context(), m))
			}
		},
		"default": func(t *testing.T, b *bench) (*nvr.Device, func() (map[string]rig.CheckOutcome, error)) {
			d, m := marked(t, b)
			b.u.do(b.u.reset)
			off(t, b, d)
			return d, func() (map[string]rig.CheckOutcome, error) {
				return checks(d.Default(t.Context(), m, rig.DefaultSpec{}))
			}
		},
		"still": func(t *testing.T, b *bench) (*nvr.Device, func() (map[string]rig.CheckOutcome, error)) {
			d, m := marked(t, b)
			off(t, b, d)
			return d, func() (map[string]rig.CheckOutcome, error) { return checks(d.StillMarked(t.Context(), m)) }
		},
		"holds": func(t *testing.T, b *bench) (*nvr.Device, func() (map[string]rig.CheckOutcome, error)) {
			d, m := marked(t, b)
			b.u.do(b.u.reset)
			if _, err := d.Default(t.Context(), m, rig.DefaultSpec{}); err != nil {
				t.Fatal(err)
			}
			off(t, b, d)
			return d, func() (map[string]rig.CheckOutcome, error) { return checks(d.Holds(t.Context(), m)) }
		},
	}
	for name, o := range ops {
		for _, gen := range []string{nvr.Old, nvr.New, nvr.Old + " rpc2", nvr.New + " rpc2"} {
			run := func(t *testing.T, k int, how func(*unit, http.ResponseWriter, *http.Request)) (map[string]rig.CheckOutcome, error, bool) {
				t.Helper()
				b := newBench(t, gen[:3])
				if gen != gen[:3] {
					b.u.newRPC()
				}
				_, ask := o(t, b)
				n, hit := 0, false
				b.u.do(func() {
					b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
						rpc := strings.HasPrefix(r.URL.Path, "/RPC2") && b.u.rpc != nil
						if r.URL.Path != "/OutsideCmd" && !rpc && r.Header.Get("Authorization") == "" {
							return false
						}
						if n++; n != k {
							return false
						}
						hit = true
						how(b.u, w, r)
						return true
					}
				})
				got, err := ask()
				return got, err, hit
			}
			want, err, _ := run(t, 0, nil)
			if err != nil {
				t.Fatal(name, gen, err)
			}
			for kind, how := range spoil {
				t.Run(name+"/"+gen+"/"+kind, func(t *testing.T) {
					for k := 1; ; k++ {
						got, err, hit := run(t, k, how)
						if !hit {
							break
						}
						if diff := cmp.Diff(got, want); err != nil || diff != "" {
							t.Errorf("request %d: %v (-got +want)\n%s", k, err, diff)
						}
					}
				})
			}
		}
	}
}

// A negative is asked for twice: one wrong answer is no other unit and no other
// firmware.
func TestOneWrongAnswer(t *testing.T) {
	for _, lie := range []struct{ action, body string }{
		{"getSerialNo", "sn=OTHER\r\n"}, {"getSoftwareVersion", "version=9\r\n"}, {"getConfig", "table.General.LocalNo=9\r\n"},
	} {
		b := newBench(t, nvr.Old)
		d, m := marked(t, b)
		told := false
		b.u.do(func() {
			b.u.reset()
			b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if told || r.URL.Query().Get("action") != lie.action || r.Header.Get("Authorization") == "" {
					return false
				}
				told = true
				fmt.Fprint(w, lie.body)
				return true
			}
		})
		cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
		for _, c := range cs {
			if c.Outcome != pass {
				t.Errorf("%s: %+v", lie.action, c)
			}
		}
		if err != nil || !told {
			t.Errorf("%s: %v, told %v", lie.action, err, told)
		}
	}
}

// What stays wrong is said after a bounded number of requests.
func TestSilenceIsBelievedInTheEnd(t *testing.T) {
	for kind, want := range map[string]error{"dropped": rig.ErrUnreachable, "503": rig.ErrUnreachable, "nonsense": nil} {
		b := newBench(t, nvr.Old)
		d, m := marked(t, b)
		n := 0
		b.u.do(func() {
			b.u.reset()
			b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Authorization") == "" {
					return false
				}
				n++
				spoil[kind](b.u, w, r)
				return true
			}
		})
		cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
		if !errors.Is(err, want) || n > 6 {
			t.Errorf("%s: %v after %d requests, want %v: %v", kind, err, n, want, outcomes(cs))
		}
		if kind == "nonsense" && outcomes(cs)["default-login"] != unknown {
			t.Errorf("%s: %v", kind, outcomes(cs))
		}
	}
}

// The budget bars a login that may be refused, and none that was good since the
// unit's last change of state.
func TestBudgetBarsNoGoodLogin(t *testing.T) {
	b := newBench(t, nvr.Old)
	d, m := marked(t, b)
	for range 4 {
		_ = b.book.Refused("serial:"+b.u.serial, b.o.Clock.Now())
	}
	cs, err := d.StillMarked(t.Context(), m)
	if err != nil || outcomes(cs)["marker/password"] != pass {
		t.Errorf("%v, %v", outcomes(cs), err)
	}
	off(t, b, d) // it may have become another since
	if cs, err = d.StillMarked(t.Context(), m); err != nil || find(cs, "marker/password").Reason != rig.ReasonBudget {
		t.Errorf("%+v, %v", cs, err)
	}
}

// A good cycle of the old generation spends no refused login: a soak never waits
// for the budget.
func TestGoodCyclesOfTheOldGenerationAreFree(t *testing.T) {
	b := newBench(t, nvr.Old)
	d := b.open(t)
	for i := range 30 {
		if _, err := d.Provision(t.Context()); err != nil {
			t.Fatal(i, err)
		}
		m, err := d.Mark(t.Context(), everything)
		if err != nil {
			t.Fatal(i, err)
		}
		b.u.do(b.u.reset)
		off(t, b, d)
		cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
		if err != nil {
			t.Fatal(i, err)
		}
		for _, c := range cs {
			if c.Outcome != pass {
				t.Errorf("cycle %d: %+v", i, c)
			}
		}
		if find(cs, "marker/password").Name == "" {
			t.Errorf("cycle %d: nothing is said of the marked password", i)
		}
	}
	if b.u.refused != 0 || b.book.booked() != 0 {
		t.Errorf("the unit refused %d logins, %d are booked", b.u.refused, b.book.booked())
	}
}

// A 403 to a login is a lock: no other login is sent to it.
func TestNoFurtherLoginToALockedUnit(t *testing.T) {
	b := newBench(t, nvr.Old)
	d, m := marked(t, b)
	n := 0
	b.u.do(func() {
		b.u.reset()
		b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") == "" {
				return false
			}
			n++
			http.Error(w, "Authority:check failure.", 403)
			return true
		}
	})
	cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
	if err != nil || n != 1 || find(cs, "default-login").Reason != rig.ReasonLocked || find(cs, "marker/password").Reason != rig.ReasonLocked {
		t.Errorf("%d logins were sent: %+v, %v", n, cs, err)
	}
}
