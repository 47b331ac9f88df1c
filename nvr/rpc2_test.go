package nvr_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/nvr"
	"resetrig/rig"
)

// route is a way to work with a unit that has more than one.
type route struct{ dialect, route, resetBy string }

var routes = map[string]route{
	"imou": {nvr.DialectIMOU, "", ""}, "imou, cgi": {nvr.DialectIMOU, nvr.RouteCGI, ""},
	"imou, rpc2":       {nvr.DialectIMOU, nvr.RouteRPC2, ""},
	"dahua-rpc2":       {nvr.DialectRPC2, "", ""},
	"dahua-rpc2, both": {nvr.DialectRPC2, "", nvr.RouteRPC2},
}

func routed(t *testing.T, gen string, r route) *bench {
	b := newBench(t, gen)
	b.u.newRPC()
	b.o.Model.Dialect, b.o.Model.Route, b.o.Model.ResetBy = r.dialect, r.route, r.resetBy
	return b
}

func allPass(t *testing.T, what string, cs []rig.Check, err error) {
	t.Helper()
	if err != nil || len(cs) == 0 {
		t.Errorf("%s: %v, %d checks", what, err, len(cs))
	}
	for _, c := range cs {
		if c.Outcome != pass {
			t.Errorf("%s: %+v", what, c)
		}
	}
}

var everyMark = rig.MarkSpec{Password: true, Name: true, User: true, Config: map[string]string{"Network.Hostname": "unique"}}

// A whole cycle of Way 1 over every route, with sessions of either kind: nothing
// is refused, and no session stays open.
func TestEveryRoute(t *testing.T) {
	for name, r := range routes {
		for _, gen := range []string{nvr.Old, nvr.New} {
			for _, words := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/%v", name, gen, words), func(t *testing.T) {
					b := routed(t, gen, r)
					b.u.rpc.words = words
					d := b.open(t)
					if cs, err := d.Provision(t.Context()); err != nil {
						t.Fatal(cs, err)
					}
					m, err := d.Mark(t.Context(), everyMark)
					if err != nil {
						t.Fatal(err)
					}
					cs, err := d.StillMarked(t.Context(), m)
					allPass(t, "still", cs, err)
					if len(cs) < 5 {
						t.Errorf("%d checks of a mark of four", len(cs))
					}
					if err := d.FactoryReset(t.Context(), nil); err != nil {
						t.Fatal(err)
					}
					if b.u.accounts["admin"] != "" && gen == nvr.New || len(b.u.accounts) > 1 {
						t.Fatalf("it was not reset: %v", b.u.names())
					}
					clear(b.u.rpc.sessions)
					off(t, b, d)
					since := b.o.Clock.Now()
					b.o.Clock.(*jump).move(10 * time.Second)
					cs, err = d.Default(t.Context(), m, rig.DefaultSpec{Since: since})
					allPass(t, "default", cs, err)
					if up := find(cs, "uptime"); (up.Kind == rig.AboutRestart) != (r.route != nvr.RouteCGI) {
						t.Errorf("uptime: %+v", up)
					}
					if find(cs, "marker/user").Outcome != pass {
						t.Errorf("the marked user: %+v", outcomes(cs))
					}
					if b.u.refused != 0 || b.book.booked() != 0 {
						t.Errorf("refused %d, booked %d", b.u.refused, b.book.booked())
					}
					for s, in := range b.u.rpc.sessions {
						if in {
							t.Errorf("session %s is open", s)
						}
					}
					if i, err := d.Info(t.Context()); err != nil || i.Serial != b.u.serial || i.Firmware != "4.001.0000001.0 build:2024-02-02" || i.Type != "IMOU-NVR1104" {
						t.Errorf("%+v, %v", i, err)
					}
					over := slices.Contains(b.u.rpc.took, "magicBox.getSerialNo")
					if over == (r.route == nvr.RouteCGI) {
						t.Errorf("over the JSON-RPC: %v", over)
					}
				})
			}
		}
	}
}

// A baseline that was recorded over one route equals the unit over the other.
func TestRoutesReadTheSame(t *testing.T) {
	var got []map[string]string
	for _, r := range []route{routes["imou, cgi"], routes["imou, rpc2"]} {
		b := routed(t, nvr.Old, r)
		b.u.rpc.plainNum = true
		all, err := b.open(t).RecordBaseline(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, all)
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" || len(got[0]) < 3 {
		t.Error(diff)
	}
}

// Firmware whose CGI refuses the right password works over the JSON-RPC, and no
// login is refused for it. With the CGI alone it is a login that is not known.
func TestCGIThatRefusesTheRightPassword(t *testing.T) {
	b := routed(t, nvr.New, routes["imou"])
	b.u.rpc.deaf = true
	d, m := marked(t, b)
	cs, err := d.StillMarked(t.Context(), m)
	allPass(t, "still", cs, err)
	if b.u.refused != 0 {
		t.Errorf("%d logins were refused", b.u.refused)
	}
	// The command over the CGI is refused once, says so, and leaves the login be.
	if err := d.FactoryReset(t.Context(), nil); !errors.Is(err, rig.ErrUnsupported) || !strings.Contains(err.Error(), "reset-by: rpc2") {
		t.Errorf("reset by the CGI: %v", err)
	}
	if b.u.refused != 1 || b.book.booked() != 1 {
		t.Errorf("refused %d, booked %d, want 1", b.u.refused, b.book.booked())
	}
	cs, err = d.StillMarked(t.Context(), m)
	allPass(t, "still", cs, err)
	b.o.Model.ResetBy = nvr.RouteRPC2
	if err := b.open(t).FactoryReset(t.Context(), nil); err != nil || b.u.init != 1 {
		t.Errorf("reset by the JSON-RPC: %v, init %d", err, b.u.init)
	}

	b = routed(t, nvr.New, routes["imou, cgi"])
	b.u.rpc.deaf = true
	b.u.init, b.u.accounts["admin"] = 2, "right1234"
	b.o.Login = rig.Credential{User: "admin", Password: "right1234"}
	if _, err := b.open(t).Provision(t.Context()); !errors.Is(err, rig.ErrRefused) || b.u.refused > 4 {
		t.Errorf("%v, %d refused", err, b.u.refused)
	}
}

// What the codes of a refused login mean, and what each costs.
func TestCodes(t *testing.T) {
	for _, c := range []struct {
		step, code int
		params     string
		result     string
		reason     rig.Reason
		booked     bool
	}{
		{2, 268632085, `{"remainLockSecond":0,"remainLoginTimes":3}`, nvr.LoginRefused, rig.ReasonLoginUnknown, true},
		{2, 268632085, "null", nvr.LoginRefused, rig.ReasonLoginUnknown, true},
		{2, 268632080, "null", nvr.LoginRefused, rig.ReasonLoginUnknown, true},
		{2, 268632070, "null", nvr.LoginRefused, rig.ReasonLoginUnknown, true},
		{2, 268632071, "null", nvr.LoginRefused, rig.ReasonLoginUnknown, true},
		{2, 268632086, "null", nvr.LoginRefused, rig.ReasonLoginUnknown, false},
		{2, 268632081, `{"remainLockSecond":30}`, nvr.LoginUnknown, rig.ReasonLocked, true},
		{1, 268632081, `{"remainLockSecond":30}`, nvr.LoginUnknown, rig.ReasonLocked, true},
		{1, 268632073, "null", nvr.LoginUnknown, rig.ReasonLocked, true},
		{2, 268632075, "null", nvr.LoginUnknown, rig.ReasonUnanswered, false},
		{1, 268632075, "null", nvr.LoginUnknown, rig.ReasonUnanswered, false},
		{2, 285278249, "null", nvr.LoginUnknown, rig.ReasonGarbage, false},
		{2, 42, "null", nvr.LoginUnknown, rig.ReasonGarbage, false},
		{1, 268632085, "null", nvr.LoginUnknown, rig.ReasonGarbage, false},
	} {
		t.Run(fmt.Sprint(c.step, c.code), func(t *testing.T) {
			b := routed(t, nvr.Old, routes["dahua-rpc2"])
			n := 0
			b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/RPC2_Login" {
					return false
				}
				if n++; (n-1)%c.step != c.step-1 { // the first step comes before each second
					return false
				}
				fmt.Fprintf(w, `{"error":{"code":%d,"message":"Component error"},"id":1,"params":%s,"result":false,"session":1}`, c.code, c.params)
				return true
			}
			r := b.open(t).Login(t.Context(), rig.Credential{User: "admin", Password: "wrong1234"})
			if r.Result != c.result || r.Reason != c.reason || (b.book.booked() > 0) != c.booked {
				t.Errorf("%+v, booked %d", r, b.book.booked())
			}
		})
	}
}

// Where nothing says the init state without a login, the answer to one does, and
// costs no refusal.
func TestInitByLogin(t *testing.T) {
	b := routed(t, nvr.New, routes["dahua-rpc2"])
	d, m := marked(t, b)
	b.u.do(func() { b.u.rpc.mute = true })
	if st := d.State(t.Context()); st.State != nvr.StateNotDefault {
		t.Errorf("initialised: %+v", st)
	}
	b.u.do(b.u.reset)
	off(t, b, d)
	if st := d.State(t.Context()); st.State != nvr.StateDefault {
		t.Errorf("uninitialised: %+v", st)
	}
	cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
	if err != nil || outcomes(cs)["init-state"] != pass || outcomes(cs)["marker/password"] != pass {
		t.Errorf("%+v, %v", cs, err)
	}
	// It takes no account from here: what needs one stays unknown, and is no pass.
	if outcomes(cs)["marker/name"] != unknown {
		t.Errorf("%+v", find(cs, "marker/name"))
	}
	if b.u.refused != 0 || b.book.booked() != 0 {
		t.Errorf("refused %d, booked %d", b.u.refused, b.book.booked())
	}
}

// A session that the unit forgot is made anew.
func TestForgottenSession(t *testing.T) {
	b := routed(t, nvr.Old, routes["dahua-rpc2"])
	d := b.open(t)
	n := 0
	b.u.hook = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/RPC2" {
			if n++; n == 3 {
				clear(b.u.rpc.sessions)
			}
		}
		return false
	}
	m, err := d.Mark(t.Context(), everyMark)
	if err != nil || n < 3 || b.u.refused != 0 {
		t.Fatal(m, err, n)
	}
}

// A start longer ago than the moment since which it must have is a contradiction.
func TestUptime(t *testing.T) {
	for up, want := range map[int]rig.CheckOutcome{9: pass, 12: pass, 13: fail, 86400: fail} {
		b := routed(t, nvr.Old, routes["imou"])
		b.u.rpc.uptime = up
		d, m := marked(t, b)
		b.u.do(b.u.reset)
		off(t, b, d)
		now := b.o.Clock.Now()
		cs, err := d.Default(t.Context(), m, rig.DefaultSpec{Since: now.Add(-10 * time.Second)})
		if c := find(cs, "uptime"); err != nil || c.Outcome != want || c.Kind != rig.AboutRestart {
			t.Errorf("up %d s of 10: %+v, %v", up, c, err)
		}
		cs, _ = d.Default(t.Context(), m, rig.DefaultSpec{})
		if c := find(cs, "uptime"); c.Name != "" {
			t.Errorf("nothing was asked: %+v", c)
		}
	}
}

// The functions of Way 1 over every route: what is named has the factory's values
// again, with a baseline and without, and nothing else changes.
func TestFunctionsOverEveryRoute(t *testing.T) {
	for name, r := range routes {
		for _, function := range []string{"General", nvr.WholeDefault} {
			for _, baseline := range []bool{true, false} {
				t.Run(fmt.Sprint(name, "/", function, "/", baseline), func(t *testing.T) {
					b := routed(t, nvr.Old, r)
					b.o.Model.Tables = []string{"General", "Network"}
					if !baseline {
						b.o.Baseline = nil
					}
					b.u.hook = func(w http.ResponseWriter, r *http.Request) bool { // that of the CGI
						if r.URL.Query().Get("action") != "restoreExcept" || r.Header.Get("Authorization") == "" || !b.u.authorised(w, r) {
							return false
						}
						b.u.config["General.MachineName"], b.u.config["General.LocalNo"] = "NVR", "8"
						fmt.Fprint(w, "Error\r\n") // it was seen to work, and to say this
						return true
					}
					d := b.open(t)
					if has := d.DUT().HasBaseline; has != (baseline || r.route != nvr.RouteCGI) {
						t.Errorf("has a reference: %v", has)
					}
					m, err := d.Mark(t.Context(), everyMark)
					if err != nil {
						t.Fatal(err)
					}
					before := maps.Clone(b.u.config)
					err = d.FactoryReset(t.Context(), []string{function})
					if !baseline && r.route == nvr.RouteCGI {
						if !errors.Is(err, rig.ErrUnsupported) || !maps.Equal(before, b.u.config) {
							t.Errorf("without anything to compare with: %v", err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					spec := rig.DefaultSpec{Functions: []string{function}}
					cs, err := d.Default(t.Context(), m, spec)
					allPass(t, "after", cs, err)
					for _, want := range []string{"function/General", "marker/name", "other/Network", "other/users", "kept-login"} {
						if find(cs, want).Name == "" {
							t.Errorf("no check %s", want)
						}
					}
					// And each difference is seen.
					for what, do := range map[string]func(){
						"function/General": func() { b.u.config["General.LocalNo"] = "9" },
						"other/Network":    func() { b.u.config["Network.Hostname"] = "x" },
						"other/users":      func() { b.u.accounts["more"] = "more" },
						"marker/name":      func() { maps.Copy(b.u.config, before) },
					} {
						kept, accounts := maps.Clone(b.u.config), maps.Clone(b.u.accounts)
						b.u.do(do)
						cs, err := d.Default(t.Context(), m, spec)
						if err != nil || outcomes(cs)[what] != fail {
							t.Errorf("%s: %+v, %v", what, find(cs, what), err)
						}
						b.u.do(func() { b.u.config, b.u.accounts = kept, accounts })
					}
				})
			}
		}
	}
}

// A reset with a wrong password is refused over every route, costs one refused
// login, and nothing changed; one that is taken is seen.
func TestRefusedReset(t *testing.T) {
	for name, r := range routes {
		t.Run(name, func(t *testing.T) {
			b := routed(t, nvr.New, r)
			d, m := marked(t, b)
			cs, err := d.RefusedReset(t.Context())
			allPass(t, "refused", cs, err)
			if b.u.refused != 1 || b.book.booked() != 1 {
				t.Errorf("refused %d, booked %d, want 1", b.u.refused, b.book.booked())
			}
			cs, err = d.StillMarked(t.Context(), m)
			allPass(t, "still", cs, err)
			b.u.hook = func(w http.ResponseWriter, r *http.Request) bool { // it changes all the same
				if b.u.refused > 1 {
					b.u.config["General.LocalNo"] = "1"
				}
				return false
			}
			cs, err = d.RefusedReset(t.Context())
			if err != nil || outcomes(cs)["other/General"] != fail {
				t.Errorf("it changed something: %+v, %v", cs, err)
			}
		})
	}
	b := routed(t, nvr.Old, routes["imou, cgi"])
	d, _ := marked(t, b)
	b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("action") != "resetSystemEx" || r.Header.Get("Authorization") == "" {
			return false
		}
		fmt.Fprint(w, "OK\r\n")
		return true
	}
	if cs, err := d.RefusedReset(t.Context()); err != nil || outcomes(cs)["wrong-password"] != fail {
		t.Errorf("taken: %+v, %v", cs, err)
	}
}
