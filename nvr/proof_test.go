package nvr_test

import (
	"crypto/tls"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	"resetrig/nvr"
	"resetrig/rig"
)

// deaf takes discovery away.
func (b *bench) deaf() { b.lab.exchange = func(string, []byte) []nvr.Datagram { return nil } }

// calls notes every command that changes the unit.
func (b *bench) calls() *[]string {
	var got []string
	b.u.hook = func(_ http.ResponseWriter, r *http.Request) bool {
		a := r.URL.Query().Get("action")
		if r.Header.Get("Authorization") != "" && (a == "setConfig" || a == "modifyPassword" || a == "resetSystemEx" || a == "restore") {
			got = append(got, a)
		}
		return false
	}
	return &got
}

// A bench that names a hardware address alone, where no datagram comes through:
// only the configuration can show who answers.
func TestNothingIsChangedOnAnUnprovenUnit(t *testing.T) {
	const ours, other = "9c:14:63:aa:aa:aa", "9C-14-63-BB-BB-BB"
	for _, c := range []struct {
		name, mac string
		wrong, ok bool
	}{
		{"it does not tell", "", false, false},
		{"it is another", other, true, false},
		{"it is ours", strings.ToUpper(ours), false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nvr.Old)
			b.deaf()
			b.o.Identity = rig.Identity{MAC: ours}
			if c.mac != "" {
				b.u.config["Network.eth0.PhysicalAddress"] = c.mac
			}
			got := b.calls()
			d := b.open(t)
			for name, err := range map[string]error{
				"provision": second(d.Provision(t.Context())), "mark": second(d.Mark(t.Context(), everything)),
				"reset": d.FactoryReset(t.Context(), nil), "functions": d.FactoryReset(t.Context(), []string{"Network"}),
				"baseline": second(d.RecordBaseline(t.Context())),
			} {
				if (err == nil) != c.ok || errors.Is(err, rig.ErrWrongUnit) != c.wrong {
					t.Errorf("%s: %v", name, err)
				}
				if !c.ok && !c.wrong && !strings.Contains(err.Error(), "nothing proves which unit answers") {
					t.Errorf("%s: %v", name, err)
				}
			}
			if !c.ok && len(*got) > 0 {
				t.Errorf("sent to it: %v", *got)
			}
			if st := d.State(t.Context()); (st.State == nvr.StateUnknown) == c.ok {
				t.Errorf("state %+v", st)
			}
		})
	}
}

func TestAStrangerGetsNoAccount(t *testing.T) {
	for _, id := range []rig.Identity{{Serial: "OURS"}, {MAC: "9c:14:63:aa:aa:aa"}} {
		b := newBench(t, nvr.New)
		b.deaf()
		b.o.Identity = id
		_, err := b.open(t).Provision(t.Context())
		if err == nil || errors.Is(err, rig.ErrWrongUnit) || !strings.Contains(err.Error(), "37810") {
			t.Errorf("%+v: %v", id, err)
		}
		if b.u.init != 1 || len(b.u.accounts) != 0 {
			t.Errorf("%+v: it was given an account", id)
		}
	}
	// Where the bench names nobody and discovery never worked, there is nobody
	// else that it could be.
	b := newBench(t, nvr.New)
	b.deaf()
	b.o.Identity = rig.Identity{}
	d, m := marked(t, b)
	b.u.do(b.u.reset)
	cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
	if err != nil || outcomes(cs)["identity"] != pass || outcomes(cs)["provisioned-login"] != pass {
		t.Errorf("%v, %v", outcomes(cs), err)
	}
}

// After the act another unit answers, and discovery no longer does.
func TestNothingIsSaidOfAnUnprovenUnit(t *testing.T) {
	for _, c := range []struct {
		name, gen string
		set       func(*unit)
	}{
		{"new, uninitialised", nvr.New, func(*unit) {}},
		{"new, initialised", nvr.New, func(u *unit) { u.init, u.accounts["admin"] = 2, "theirs123" }},
		{"old, another password", nvr.Old, func(u *unit) { u.accounts["admin"] = "theirs123" }},
	} {
		for _, id := range []rig.Identity{{}, {MAC: "38:af:29:00:00:01"}, {Serial: "4F0A2B1PAZ00001"}} {
			t.Run(c.name+" "+id.MAC+id.Serial, func(t *testing.T) {
				b := newBench(t, c.gen)
				b.o.Identity = id
				d, m := marked(t, b)
				b.deaf()
				b.u.do(func() {
					b.u.reset()
					b.u.serial = "STRANGER"
					c.set(b.u)
				})
				accounts := maps.Clone(b.u.accounts)
				for name, ask := range map[string]func() ([]rig.Check, error){
					"default": func() ([]rig.Check, error) { return d.Default(t.Context(), m, rig.DefaultSpec{}) },
					"still":   func() ([]rig.Check, error) { return d.StillMarked(t.Context(), m) },
					"holds":   func() ([]rig.Check, error) { return d.Holds(t.Context(), m) },
				} {
					cs, err := ask()
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
					for _, k := range cs {
						if k.Outcome == pass || k.Outcome == fail {
							t.Errorf("%s: %s %s: %s", name, k.Outcome, k.Name, k.Seen)
						}
					}
					if k := find(cs, "identity"); k.Outcome != unknown || k.Reason != rig.ReasonUnanswered {
						t.Errorf("%s: identity %+v", name, k)
					}
				}
				if !maps.Equal(accounts, b.u.accounts) {
					t.Errorf("accounts %v, were %v", b.u.accounts, accounts)
				}
				if st := d.State(t.Context()); st.State != nvr.StateUnknown {
					t.Errorf("state %+v", st)
				}
			})
		}
	}
}

// A stranger that takes the default login and tells its serial is another unit.
func TestAStrangerWithTheDefaultLogin(t *testing.T) {
	b := newBench(t, nvr.Old)
	d, m := marked(t, b)
	b.deaf()
	b.u.do(func() { b.u.reset(); b.u.serial = "STRANGER" })
	if _, err := d.Default(t.Context(), m, rig.DefaultSpec{}); !errors.Is(err, rig.ErrWrongUnit) {
		t.Errorf("error %v, want %v", err, rig.ErrWrongUnit)
	}
}

// The identity that is printed was seen, and not only expected.
func TestIdentityIsWhatWasSeen(t *testing.T) {
	b := newBench(t, nvr.Old)
	d, m := marked(t, b)
	b.deaf() // the serial comes with the login; the hardware address is known from before
	b.u.do(b.u.reset)
	cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
	if k := find(cs, "identity"); err != nil || k.Outcome != pass || k.Seen != "serial "+b.u.serial {
		t.Errorf("%+v, %v", k, err)
	}
}

// A datagram that is lost is asked for again.
func TestALostDatagram(t *testing.T) {
	b := newBench(t, nvr.New)
	n := 0
	b.lab.exchange = func(_ string, q []byte) []nvr.Datagram {
		if n++; n%2 == 1 {
			return nil
		}
		return b.u.answerDHIP(q)
	}
	if _, err := b.open(t).Provision(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnotherUnitElsewhere(t *testing.T) {
	other := newUnit(t, nvr.New)
	other.serial, other.mac = "NEIGHBOUR", "38:af:29:00:00:77"
	b := newBench(t, nvr.New)
	b.o.URL, b.o.AfterResetURL = "http://127.0.0.2:1", strings.Replace(other.srv.URL, "127.0.0.1", "localhost", 1)
	b.o.DiscoveryAddr = "255.255.255.255:37810"
	b.lab.exchange = func(to string, q []byte) []nvr.Datagram {
		if strings.HasPrefix(to, "localhost") {
			return other.answerDHIP(q)
		}
		return b.u.answerDHIP(q)
	}
	d := b.open(t)
	s, err := d.Probe(t.Context())
	if err != nil || s.Reach != rig.ReachReady || s.URL != b.u.srv.URL || !strings.Contains(s.Note, "NEIGHBOUR") {
		t.Errorf("sight %+v, %v: want ours where discovery says, and the other noted", s, err)
	}
	// Ours is nowhere: the address that it should have after a reset is taken.
	b.lab.exchange = func(to string, q []byte) []nvr.Datagram {
		if strings.HasPrefix(to, "localhost") {
			return other.answerDHIP(q)
		}
		return nil
	}
	if _, err := b.open(t).Probe(t.Context()); !errors.Is(err, rig.ErrWrongUnit) {
		t.Errorf("error %v, want %v", err, rig.ErrWrongUnit)
	}
}

// An address that was followed without a proof is left again as soon as the unit
// answers at its own.
func TestComesHome(t *testing.T) {
	b := newBench(t, nvr.New)
	b.deaf()
	other := newUnit(t, nvr.New)
	b.o.AfterResetURL = other.srv.URL
	off := true
	b.u.hook = func(w http.ResponseWriter, _ *http.Request) bool { return false }
	home := b.u.srv.URL
	b.o.Net = cut{b.lab, func(host string) bool { return off && "http://"+host == home }}
	d := b.open(t)
	if s, err := d.Probe(t.Context()); err != nil || s.URL != other.srv.URL {
		t.Fatalf("sight %+v, %v", s, err)
	}
	off = false
	if s, err := d.Probe(t.Context()); err != nil || s.URL != home {
		t.Errorf("sight %+v, %v: want it at home", s, err)
	}
}

// cut is a network on which some hosts are silent.
type cut struct {
	nvr.Network
	silent func(host string) bool
}

func (c cut) RoundTripper(v func(tls.ConnectionState) error) http.RoundTripper {
	return tripper(func(r *http.Request) (*http.Response, error) {
		if c.silent(r.URL.Host) {
			return nil, errors.New("no route to host")
		}
		return c.Network.RoundTripper(v).RoundTrip(r)
	})
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSecretsAreNoMarks(t *testing.T) {
	for _, key := range []string{"Email.Password", "PPPoE.Passwd", "DDNS.pwdHash"} {
		b := newBench(t, nvr.Old)
		b.u.config[key] = "x"
		_, err := b.open(t).Mark(t.Context(), rig.MarkSpec{Config: map[string]string{key: "unique"}})
		if err == nil || !strings.Contains(err.Error(), "password") || b.u.config[key] != "x" {
			t.Errorf("%s: %v, and it is %q", key, err, b.u.config[key])
		}
	}
}

// A unit that hangs up or talks nonsense says by discovery who it is.
func TestAUnitThatHangsIsIdentified(t *testing.T) {
	for name, hook := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"hangs up": func(w http.ResponseWriter, _ *http.Request) bool { drop(w); return true },
		"nonsense": raw("\x00\xff\x13not http at all\r\n\r\n"),
	} {
		b := newBench(t, nvr.New)
		b.u.hook = hook
		d := b.open(t)
		if s, err := d.Probe(t.Context()); err != nil || s.Identity.Serial != b.u.serial || s.Reach <= rig.ReachSilent || s.Reach >= rig.ReachReady {
			t.Errorf("%s: sight %+v, %v", name, s, err)
		}
		b.u.do(func() { b.u.serial = "STRANGER" })
		if _, err := d.Probe(t.Context()); !errors.Is(err, rig.ErrWrongUnit) {
			t.Errorf("%s: a stranger: %v", name, err)
		}
	}
}
