package nvr_test

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/nvr"
	"resetrig/rig"
)

var everything = rig.MarkSpec{Password: true, Name: true, Config: map[string]string{"Network.Hostname": "unique"}}

// marked opens a device and marks its unit.
func marked(t *testing.T, b *bench) (*nvr.Device, rig.Mark) {
	t.Helper()
	d := b.open(t)
	if _, err := d.Provision(t.Context()); err != nil {
		t.Fatal("provision:", err)
	}
	m, err := d.Mark(t.Context(), everything)
	if err != nil {
		t.Fatal("mark:", err)
	}
	return d, m
}

const (
	pass    = rig.CheckPass
	fail    = rig.CheckFail
	unknown = rig.CheckUnknown
)

func TestDefaultState(t *testing.T) {
	type checks = map[string]rig.CheckOutcome
	for _, c := range []struct {
		name    string
		gen     string
		happens func(u *unit)
		want    checks
		refused int
	}{
		{"new, reset", nvr.New, (*unit).reset, checks{
			"identity": pass, "init-state": pass, "marker/password": pass, "provisioned-login": pass, "marker/name": pass,
			"marker/Network.Hostname": pass, "config/General": pass, "config/Network": pass, "firmware": pass,
		}, 0},
		{"new, ignored", nvr.New, func(*unit) {}, checks{
			"identity": pass, "init-state": fail, "marker/password": fail, "marker/name": fail,
			"marker/Network.Hostname": fail, "config/General": fail, "config/Network": fail, "firmware": pass,
		}, 0},
		{"new, password reset, configuration kept", nvr.New, func(u *unit) {
			kept := maps.Clone(u.config)
			u.reset()
			u.config = kept
		}, checks{
			"identity": pass, "init-state": pass, "marker/password": pass, "provisioned-login": pass, "marker/name": fail,
			"marker/Network.Hostname": fail, "config/General": fail, "config/Network": fail, "firmware": pass,
		}, 0},
		{"new, configuration reset, password kept", nvr.New, func(u *unit) { u.config = maps.Clone(u.defaults) }, checks{
			"identity": pass, "init-state": fail, "marker/password": fail, "marker/name": pass,
			"marker/Network.Hostname": pass, "config/General": pass, "config/Network": pass, "firmware": pass,
		}, 0},
		{"new, initialised with an unknown password", nvr.New, func(u *unit) {
			u.reset()
			u.init, u.accounts["admin"] = 2, "someone1else"
		}, checks{
			"identity": pass, "init-state": fail, "marker/password": pass, "marker/name": unknown,
			"marker/Network.Hostname": unknown, "config/General": unknown, "config/Network": unknown, "firmware": unknown,
		}, 1},
		{"new, witnesses contradict", nvr.New, func(u *unit) {
			u.reset()
			two := 2
			u.dhipInit = &two
		}, checks{
			"identity": pass, "init-state": unknown, "marker/password": unknown, "marker/name": unknown,
			"marker/Network.Hostname": unknown, "config/General": unknown, "config/Network": unknown, "firmware": unknown,
		}, 0},
		{"old, reset", nvr.Old, (*unit).reset, checks{
			"identity": pass, "default-login": pass, "marker/password": pass, "marker/name": pass,
			"marker/Network.Hostname": pass, "config/General": pass, "config/Network": pass, "firmware": pass,
		}, 0},
		{"old, ignored", nvr.Old, func(*unit) {}, checks{
			"identity": pass, "default-login": fail, "marker/password": fail, "marker/name": fail,
			"marker/Network.Hostname": fail, "config/General": fail, "config/Network": fail, "firmware": pass,
		}, 1},
		{"old, both passwords", nvr.Old, func(u *unit) { u.accounts["admin"] = "neither1" }, checks{
			"identity": pass, "default-login": fail, "marker/password": pass, "marker/name": unknown,
			"marker/Network.Hostname": unknown, "config/General": unknown, "config/Network": unknown, "firmware": unknown,
		}, 3},
		{"old, another firmware", nvr.Old, func(u *unit) { u.reset(); u.version = "3.2 build:2019-01-01" }, checks{
			"identity": pass, "default-login": pass, "marker/password": pass, "marker/name": pass,
			"marker/Network.Hostname": pass, "config/General": pass, "config/Network": pass, "firmware": fail,
		}, 0},
		{"new, one value off the baseline", nvr.New, func(u *unit) { u.reset(); u.config["General.LocalNo"] = "9" }, checks{
			"identity": pass, "init-state": pass, "marker/password": pass, "provisioned-login": pass, "marker/name": pass,
			"marker/Network.Hostname": pass, "config/General": fail, "config/Network": pass, "firmware": pass,
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.gen)
			d, m := marked(t, b)
			b.u.do(func() { c.happens(b.u) })
			cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(outcomes(cs), c.want); diff != "" {
				t.Errorf("checks (-got +want):\n%s", diff)
			}
			if b.book.booked() != c.refused || b.u.refused != c.refused {
				t.Errorf("refused: booked %d, the unit counts %d, want %d", b.book.booked(), b.u.refused, c.refused)
			}
			// Asked again, nothing is spent, and nothing else is said.
			again, err := d.Default(t.Context(), m, rig.DefaultSpec{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(outcomes(again)["marker/name"], c.want["marker/name"]); diff != "" {
				t.Errorf("asked again (-got +want):\n%s", diff)
			}
			if b.book.booked() != c.refused {
				t.Errorf("asked again: booked %d, want %d", b.book.booked(), c.refused)
			}
			for _, name := range []string{"init-state", "default-login"} {
				if outcomes(again)[name] != c.want[name] {
					t.Errorf("asked again: %s is %q, want %q", name, outcomes(again)[name], c.want[name])
				}
			}
		})
	}
}

func TestNewGenerationNeverTriesDefaultAccounts(t *testing.T) {
	b := newBench(t, nvr.New)
	b.o.Model.Accounts = []rig.Credential{{User: "admin", Password: "admin"}}
	b.u.init, b.u.accounts["admin"] = 2, "admin" // it would be accepted
	if _, err := b.open(t).Provision(t.Context()); !errors.Is(err, rig.ErrRefused) {
		t.Errorf("error %v, want %v", err, rig.ErrRefused)
	}
}

func TestUninitialisedUnitIsNeverLoggedInto(t *testing.T) {
	b := newBench(t, nvr.New)
	d := b.open(t)
	if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "admin"}); r.Result != nvr.LoginRefused {
		t.Errorf("result %q", r.Result)
	}
	if st := d.State(t.Context()); st.State != nvr.StateDefault {
		t.Errorf("state %+v", st)
	}
	if _, err := d.Mark(t.Context(), everything); err == nil {
		t.Error("an uninitialised unit was marked")
	}
	for _, r := range b.u.since(0) {
		if strings.Contains(r, "+login") {
			t.Errorf("a login was sent: %s", r)
		}
	}
}

func TestHolds(t *testing.T) {
	for _, gen := range []string{nvr.New, nvr.Old} {
		for _, c := range []struct {
			name    string
			happens func(*unit, map[string]string, map[string]string)
			want    rig.CheckOutcome
		}{
			{"holds", func(*unit, map[string]string, map[string]string) {}, pass},
			{"reverts", func(u *unit, accounts, config map[string]string) {
				u.accounts, u.config = accounts, config
			}, fail},
		} {
			t.Run(gen+" "+c.name, func(t *testing.T) {
				b := newBench(t, gen)
				d, m := marked(t, b)
				var accounts, config map[string]string
				b.u.do(func() {
					accounts, config = maps.Clone(b.u.accounts), maps.Clone(b.u.config)
					b.u.reset()
				})
				if _, err := d.Default(t.Context(), m, rig.DefaultSpec{}); err != nil {
					t.Fatal(err)
				}
				off(t, b, d)
				b.u.do(func() { c.happens(b.u, accounts, config) })
				cs, err := d.Holds(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				got := outcomes(cs)
				login := "default-login"
				if gen == nvr.New {
					login = "provisioned-login"
				}
				if got[login] != c.want || got["marker/name"] != c.want {
					t.Errorf("checks %v, want %s and marker/name %s", got, login, c.want)
				}
				if c.want == fail && got["marker/password"] != fail {
					t.Errorf("the marked password is back and not seen: %v", got)
				}
			})
		}
	}
}

// off is a power cut and the return of power, as the runner's probes see it.
func off(t *testing.T, b *bench, d *nvr.Device) {
	t.Helper()
	b.u.do(func() {
		b.u.hook = func(w http.ResponseWriter, _ *http.Request) bool { drop(w); return true }
	})
	if s, err := d.Probe(t.Context()); err != nil || s.Reach != rig.ReachConnects {
		t.Fatalf("probe of a dead unit: %+v, %v", s, err)
	}
	b.u.do(func() { b.u.hook = nil })
	if s, err := d.Probe(t.Context()); err != nil || s.Reach != rig.ReachReady {
		t.Fatalf("probe of a unit that is back: %+v, %v", s, err)
	}
}

func TestMark(t *testing.T) {
	b := newBench(t, nvr.New)
	stored := 0
	b.book.onStore = func(c rig.Credential) {
		b.u.do(func() {
			stored++
			if b.u.accounts["admin"] == c.Password.Reveal() {
				t.Error("the unit had the password before the vault")
			}
		})
	}
	d, m := marked(t, b)
	if stored != 2 {
		t.Errorf("%d passwords stored, want 2: provisioned and marked", stored)
	}
	if len(m.Values) != 3 || m.Values[0].What != "password" || m.Values[0].Is != "***" || m.ID == "" {
		t.Errorf("mark %+v", m)
	}
	if got := b.u.config["General.MachineName"]; got != m.Values[2].Is || m.Values[2].Was != "NVR" {
		t.Errorf("name is %q, mark says %+v", got, m.Values[2])
	}
	cs, err := d.StillMarked(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(outcomes(cs), map[string]rig.CheckOutcome{"identity": pass, "marker/password": pass, "marker/name": pass, "marker/Network.Hostname": pass}); diff != "" {
		t.Error(diff)
	}
	// A new process knows the mark by the vault alone.
	cs, err = b.open(t).StillMarked(t.Context(), m)
	if err != nil || outcomes(cs)["marker/password"] != pass {
		t.Errorf("after a restart of the program: %v, %v", outcomes(cs), err)
	}
	b.u.do(func() { b.u.config["General.MachineName"] = "NVR" })
	cs, _ = d.StillMarked(t.Context(), m)
	if c := find(cs, "marker/name"); c.Outcome != fail || c.Seen != "NVR" {
		t.Errorf("a value that went is %+v", c)
	}
	b.u.do(b.u.reset)
	cs, err = d.StillMarked(t.Context(), m)
	if err != nil || outcomes(cs)["marker/password"] != fail || outcomes(cs)["marker/name"] != unknown {
		t.Errorf("a reset unit: %v, %v", outcomes(cs), err)
	}
	if b.book.booked() != 0 {
		t.Errorf("%d refused logins, want none", b.book.booked())
	}
}

func TestMarkedPasswordsDiffer(t *testing.T) {
	b := newBench(t, nvr.Old)
	d, first := marked(t, b)
	one := b.u.accounts["admin"]
	second, err := d.Mark(t.Context(), everything)
	if err != nil {
		t.Fatal(err)
	}
	if b.u.accounts["admin"] == one || first.ID == second.ID || first.Values[1].Is == second.Values[1].Is {
		t.Error("two marks are alike")
	}
}

func TestRefusedAndForgottenWrites(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*unit)
		want error
	}{
		{"200 with Error", func(u *unit) { u.refuse = true }, rig.ErrWrite},
		{"OK and nothing done", func(u *unit) { u.forget = true }, nvr.ErrUnproven},
		{"empty 200 and done", func(u *unit) { u.empty = true }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nvr.Old)
			d := b.open(t)
			c.set(b.u)
			for _, spec := range []rig.MarkSpec{{Name: true}, {Config: map[string]string{"General.LocalNo": "5"}}, {Password: true}} {
				if _, err := d.Mark(t.Context(), spec); !errors.Is(err, c.want) {
					t.Errorf("mark %+v: %v, want %v", spec, err, c.want)
				}
			}
		})
	}
}

func TestMarkMustDiffer(t *testing.T) {
	b := newBench(t, nvr.Old)
	d := b.open(t)
	for _, v := range []string{"8", "NVR"} {
		key := map[string]string{"8": "General.LocalNo", "NVR": "Network.Hostname"}[v]
		if _, err := d.Mark(t.Context(), rig.MarkSpec{Config: map[string]string{key: v}}); err == nil {
			t.Errorf("marking %s with the value it has was taken", key)
		}
	}
	if _, err := d.Mark(t.Context(), rig.MarkSpec{}); err == nil {
		t.Error("a mark of nothing was taken")
	}
}

// A process that dies between storing a password and setting it finds its way
// back with one refused login.
func TestDiedBetweenRememberAndSet(t *testing.T) {
	b := newBench(t, nvr.New)
	marked(t, b)
	if err := b.book.Remember("serial:"+b.u.serial, rig.Credential{User: "admin", Password: "never1set"}); err != nil {
		t.Fatal(err)
	}
	cs, err := b.open(t).Provision(t.Context())
	if err != nil || outcomes(cs)["known-login"] != pass {
		t.Fatalf("%v, %v", outcomes(cs), err)
	}
	if b.book.booked() != 1 {
		t.Errorf("%d refused logins, want 1", b.book.booked())
	}
}

func TestFactoryReset(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*unit)
		want error
	}{
		{"OK", func(*unit) {}, nil},
		{"dropped connection", func(u *unit) { u.dropReset = true }, nil},
		{"Error", func(u *unit) { u.refuse = true }, rig.ErrWrite},
		{"400", func(u *unit) {
			u.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("action") == "resetSystemEx" && r.Header.Get("Authorization") != "" {
					w.WriteHeader(400)
					return true
				}
				return false
			}
		}, rig.ErrWrite},
		{"dropped before the login", func(u *unit) {
			u.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("action") == "resetSystemEx" {
					drop(w)
					return true
				}
				return false
			}
		}, rig.ErrUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nvr.Old)
			d := b.open(t)
			c.set(b.u)
			if err := d.FactoryReset(t.Context(), nil); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestFunctions(t *testing.T) {
	type checks = map[string]rig.CheckOutcome
	for _, c := range []struct {
		name    string
		happens func(*unit)
		want    checks
	}{
		{"restored", func(*unit) {}, checks{"function/Network": pass, "marker/Network.Hostname": pass, "other/General": pass, "kept-login": pass}},
		{"the rest changed too", func(u *unit) { u.config["General.MachineName"] = "NVR" }, checks{"function/Network": pass, "marker/Network.Hostname": pass, "other/General": fail, "kept-login": pass}},
		{"not restored", func(u *unit) { u.config["Network.Hostname"] = "still" }, checks{"function/Network": fail, "other/General": pass}},
		{"accounts went", func(u *unit) { u.accounts["admin"] = "gone1234" }, checks{"kept-login": fail, "function/Network": unknown, "other/General": unknown}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nvr.New)
			d, m := marked(t, b)
			if err := d.FactoryReset(t.Context(), []string{"Network"}); err != nil {
				t.Fatal(err)
			}
			b.u.do(func() { c.happens(b.u) })
			cs, err := d.Default(t.Context(), m, rig.DefaultSpec{Functions: []string{"Network"}})
			if err != nil {
				t.Fatal(err)
			}
			got := outcomes(cs)
			for name, want := range c.want {
				if got[name] != want {
					t.Errorf("%s is %q, want %q (%+v)", name, got[name], want, find(cs, name))
				}
			}
		})
	}
}

func TestFunctionWithoutAMarkProvesNothing(t *testing.T) {
	b := newBench(t, nvr.Old)
	d := b.open(t)
	m, err := d.Mark(t.Context(), rig.MarkSpec{Name: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.FactoryReset(t.Context(), []string{"Network"}); err != nil {
		t.Fatal(err)
	}
	cs, err := d.Default(t.Context(), m, rig.DefaultSpec{Functions: []string{"Network"}})
	if err != nil || outcomes(cs)["marker/Network"] != unknown {
		t.Errorf("%v, %v", outcomes(cs), err)
	}
}

func TestBaseline(t *testing.T) {
	b := newBench(t, nvr.Old)
	got, err := b.open(t).RecordBaseline(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(b.u.defaults)
	delete(want, "Network.eth0.IPAddress") // ignored
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestClearedByReset(t *testing.T) {
	b := newBench(t, nvr.Old)
	b.o.Model.Lockout.ClearedByReset = true
	d, m := marked(t, b)
	_ = b.book.Refused("serial:"+b.u.serial, time.Now())
	_ = b.book.Refused("serial:"+b.u.serial, time.Now())
	b.u.do(b.u.reset)
	if _, err := d.Default(t.Context(), m, rig.DefaultSpec{}); err != nil {
		t.Fatal(err)
	}
	if b.book.booked() != 0 {
		t.Errorf("%d refused logins, want none: the two from before are forgotten", b.book.booked())
	}
}

func TestInfo(t *testing.T) {
	b := newBench(t, nvr.Old)
	i, err := b.open(t).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := nvr.Info{URL: b.u.srv.URL, Serial: b.u.serial, MAC: b.u.mac, Type: "IMOU-NVR1104", Name: "NVR", Vendor: "IMOU", Firmware: "4.001.0000001.0 build:2024-02-02", Init: rig.InitOld}
	if diff := cmp.Diff(i, want); diff != "" {
		t.Error(diff)
	}
}

func TestExpectedFirmwareMayLeaveOutTheBuild(t *testing.T) {
	for want, outcome := range map[string]rig.CheckOutcome{"3.2": rig.CheckPass, "3.2 build:2019-01-01": rig.CheckPass, "3": rig.CheckFail, "3.2 build:2018-01-01": rig.CheckFail} {
		b := newBench(t, nvr.Old)
		b.o.Firmware = want
		b.u.do(func() { b.u.version = "3.2 build:2019-01-01" })
		d, m := marked(t, b)
		b.u.do(b.u.reset)
		cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomes(cs)["firmware"]; got != outcome {
			t.Errorf("expected %q: %v, want %v", want, got, outcome)
		}
	}
}
