package nvr_test

import (
	"net/http"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

// A hundred cycles over every route and generation: what a unit refuses, and what
// is booked. A good reset proves itself without a refusal; one that did nothing
// spends the default account's where no init state tells, and no more.
func TestRefusedLoginsOfAHundredCycles(t *testing.T) {
	for _, c := range []struct {
		gen     string
		resets  bool
		most    int // refusals a cycle
		windows bool
	}{
		{nvr.New, true, 0, false}, {nvr.New, false, 0, false}, {nvr.Old, true, 0, false}, {nvr.Old, false, 1, true},
	} {
		for _, r := range []string{"imou", "imou, cgi"} {
			b := routed(t, c.gen, routes[r])
			b.o.Model.Lockout = nvr.Lockout{Tries: 5, Window: 5 * time.Minute}
			d := b.open(t)
			for i := range 100 {
				if c.windows { // a cycle takes its time, and the budget its window
					b.o.Clock.(*jump).move(3 * time.Minute)
				}
				if _, err := d.Provision(t.Context()); err != nil {
					t.Fatal(r, c, i, err)
				}
				m, err := d.Mark(t.Context(), everything)
				if err != nil {
					t.Fatal(r, c, i, err)
				}
				if c.resets {
					b.u.do(b.u.reset)
				}
				off(t, b, d)
				cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
				if err != nil {
					t.Fatal(r, c, i, err)
				}
				if got := outcomes(cs)["marker/password"]; (got == pass) != c.resets {
					t.Fatalf("%s %+v cycle %d: %+v", r, c, i, cs)
				}
				if i%10 == 9 { // the account of refused logins is all that a later run has
					d = b.open(t)
				}
			}
			t.Logf("%s, %s, resets %v: the unit refused %d logins in 100 cycles, %d are booked", r, c.gen, c.resets, b.u.refused, b.book.booked())
			if b.u.refused > 100*c.most || b.book.booked() != b.u.refused {
				t.Errorf("%s %+v: refused %d, booked %d", r, c, b.u.refused, b.book.booked())
			}
		}
	}
}

// The unit counts the refusals of others too, and says how many are left: the
// budget is what it says, also for a later run.
func TestRemainingTries(t *testing.T) {
	b := routed(t, nvr.Old, routes["imou"])
	b.u.rpc.tries, b.u.refused = 5, 2 // somebody else's
	d := b.open(t)
	wrong := func(d *nvr.Device, p string) nvr.LoginResult {
		return d.Login(t.Context(), rig.Credential{User: "admin", Password: rig.Secret(p)})
	}
	for i, p := range []string{"wrong1111", "wrong2222"} {
		if r := wrong(d, p); r.Result != nvr.LoginRefused {
			t.Fatal(i, r)
		}
	}
	for i, d := range []*nvr.Device{d, b.open(t)} {
		if r := wrong(d, "wrong3333"); r.Reason != rig.ReasonBudget || b.u.refused != 4 {
			t.Errorf("%d: with one try left: %+v, the unit counts %d", i, r, b.u.refused)
		}
	}
	b.o.Clock.(*jump).move(31 * time.Minute)
	b.u.do(func() { b.u.refused = 0 })
	if r := wrong(b.open(t), "wrong3333"); r.Result != nvr.LoginRefused {
		t.Errorf("after the window: %+v", r)
	}
}

// A locked unit says how long; until then it is sent nothing, by nobody, and then
// it is asked anew.
func TestLockEnds(t *testing.T) {
	b := routed(t, nvr.Old, routes["imou"])
	b.u.lockAt, b.u.refused, b.u.rpc.locks = 5, 5, 120
	d := b.open(t)
	right := rig.Credential{User: "admin", Password: "admin"}
	r := d.Login(t.Context(), right)
	if r.Reason != rig.ReasonLocked {
		t.Fatal(r)
	}
	asked := len(b.u.since(0))
	for i, d := range []*nvr.Device{d, b.open(t)} {
		if r := d.Login(t.Context(), right); r.Reason != rig.ReasonLocked {
			t.Errorf("%d: %+v", i, r)
		}
		if st := d.State(t.Context()); st.State != nvr.StateUnknown {
			t.Errorf("%d: %+v", i, st)
		}
	}
	for _, q := range b.u.since(asked) {
		if q == "POST /RPC2" {
			t.Error("a locked unit was sent more")
		}
	}
	if b.u.refused != 5 {
		t.Errorf("%d passwords were sent to a locked unit", b.u.refused-5)
	}
	b.o.Clock.(*jump).move(121 * time.Second)
	b.u.do(func() { b.u.refused = 0 })
	for i, d := range []*nvr.Device{d, b.open(t)} {
		if r := d.Login(t.Context(), right); r.Result != nvr.LoginAccepted {
			t.Errorf("%d, after the lock: %+v", i, r)
		}
	}
}

// A storm of 401 costs no more than the budget, whatever is asked and however
// often the program begins anew.
func TestAStormOf401(t *testing.T) {
	for name, r := range routes {
		b := routed(t, nvr.Old, r)
		d, m := marked(t, b)
		logins := 0
		b.u.do(func() {
			b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
				login := r.Header.Get("Authorization") != ""
				if r.URL.Path == "/RPC2_Login" {
					return false // the second step is refused, below
				}
				if login {
					logins++
				}
				w.Header().Set("WWW-Authenticate", b.u.challenge("n"))
				if r.URL.Path != "/" {
					w.WriteHeader(401)
				}
				return true
			}
			b.u.accounts["admin"] = "somebody's"
		})
		for range 5 {
			_, _ = d.Default(t.Context(), m, rig.DefaultSpec{})
			_, _ = d.StillMarked(t.Context(), m)
			_, _ = d.Provision(t.Context())
			_ = d.FactoryReset(t.Context(), nil)
			d = b.open(t)
		}
		if n := max(logins, b.u.refused); n > 4 {
			t.Errorf("%s: %d logins were refused, the budget has 4", name, n)
		}
	}
}
