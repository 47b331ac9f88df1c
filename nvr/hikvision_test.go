package nvr_test

import (
	"errors"
	"fmt"
	"io"
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

func TestHikvisionDefaultState(t *testing.T) {
	type checks = map[string]rig.CheckOutcome
	tables := func(m checks, o rig.CheckOutcome) checks {
		m["config/System/deviceInfo"], m["config/System/time"], m["config/System/Network/interfaces"] = o, o, pass
		return m
	}
	for _, c := range []struct {
		name, gen string
		happens   func(u *hik)
		want      checks
		refused   int
	}{
		{"new, reset", nvr.New, (*hik).reset, tables(checks{
			"identity": pass, "init-state": pass, "marker/password": pass, "provisioned-login": pass,
			"marker/name": pass, "marker/System/time.timeZone": pass, "firmware": pass,
		}, pass), 0},
		{"new, ignored", nvr.New, func(*hik) {}, tables(checks{
			"identity": pass, "init-state": fail, "marker/password": fail,
			"marker/name": fail, "marker/System/time.timeZone": fail, "firmware": pass,
		}, fail), 0},
		{"new, basic", nvr.New, (*hik).basicReset, tables(checks{
			"identity": pass, "init-state": fail, "marker/password": fail,
			"marker/name": pass, "marker/System/time.timeZone": pass, "firmware": pass,
		}, pass), 0},
		{"new, password reset, configuration kept", nvr.New, func(u *hik) {
			kept := maps.Clone(u.config)
			u.reset()
			u.config = kept
		}, tables(checks{
			"identity": pass, "init-state": pass, "marker/password": pass, "provisioned-login": pass,
			"marker/name": fail, "marker/System/time.timeZone": fail, "firmware": pass,
		}, fail), 0},
		{"old, reset", nvr.Old, (*hik).reset, tables(checks{
			"identity": pass, "default-login": pass, "marker/password": pass,
			"marker/name": pass, "marker/System/time.timeZone": pass, "firmware": pass,
		}, pass), 0},
		{"old, ignored", nvr.Old, func(*hik) {}, tables(checks{
			"identity": pass, "default-login": fail, "marker/password": fail,
			"marker/name": fail, "marker/System/time.timeZone": fail, "firmware": pass,
		}, fail), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newHikBench(t, c.gen)
			d, m := b.marked(t)
			b.u.do(func() { c.happens(b.u) })
			cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
			if err != nil {
				t.Fatal(err)
			}
			got := outcomes(cs)
			for name := range got { // what a baseline of the lab's own adds is not this test's
				if _, ours := c.want[name]; !ours {
					delete(got, name)
				}
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("checks (-got +want):\n%s\n%+v", diff, cs)
			}
			if b.book.booked() != c.refused {
				t.Errorf("refused: booked %d, want %d", b.book.booked(), c.refused)
			}
		})
	}
}

// The name goes back to what it was in the document that it stands in, and the
// rest of the document is as it came, byte for byte.
func TestHikvisionSetChangesOneValue(t *testing.T) {
	b := newHikBench(t, nvr.Old)
	d := b.open(t)
	before := b.u.config["System/time"]
	if _, err := d.Mark(t.Context(), rig.MarkSpec{Config: map[string]string{"System/time.timeMode": "a<b>&c"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.u.config["System/time"], strings.Replace(before, ">manual<", ">a&lt;b&gt;&amp;c<", 1); got != want {
		t.Errorf("document %q, want %q", got, want)
	}
	for name, doc := range map[string]string{
		"empty":                 `<?xml version="1.0"?><Time><timeMode/><x>1</x></Time>`,
		"empty with attributes": `<Time><timeMode opt="manual,NTP" /><x>1</x></Time>`,
		"pair":                  `<Time><timeMode></timeMode><x>1</x></Time>`,
	} {
		b.u.do(func() { b.u.config["System/time"] = doc })
		if _, err := d.Mark(t.Context(), rig.MarkSpec{Config: map[string]string{"System/time.timeMode": "NTP"}}); err != nil {
			t.Errorf("%s: %v; the document is now %s", name, err, b.u.config["System/time"])
		}
	}
	b.u.do(func() { b.u.config["System/time"] = "<Time><timeMode>x</timeMode><place>K\xf6ln</place></Time>" })
	if _, err := d.Mark(t.Context(), rig.MarkSpec{Config: map[string]string{"System/time.timeMode": "NTP"}}); !errors.Is(err, rig.ErrUnsupported) {
		t.Errorf("a document that is not UTF-8 was sent back: %v", err)
	}
}

func TestHikvisionReset(t *testing.T) {
	page := func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "factoryReset") && r.Header.Get("Authorization") != "" {
			io.WriteString(w, "<html><body>login</body></html>")
			return true
		}
		return false
	}
	dropped := func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "factoryReset") && r.Header.Get("Authorization") != "" {
			drop(w)
			return true
		}
		return false
	}
	empty := func(w http.ResponseWriter, r *http.Request) bool {
		return strings.Contains(r.URL.Path, "factoryReset") && r.Header.Get("Authorization") != ""
	}
	for _, c := range []struct {
		name     string
		set      func(u *hik)
		function string
		want     error
		resets   string
	}{
		{"accepted", func(*hik) {}, "", nil, "full"},
		{"reboot required", func(u *hik) { u.code["System/factoryReset"] = 7 }, "", nil, "full reboot"},
		{"basic", func(*hik) {}, "basic", nil, "basic"},
		{"an unknown function", func(*hik) {}, "General", rig.ErrUnsupported, ""},
		{"busy twice", func(u *hik) { u.busy = 2 }, "", nil, "full"},
		{"busy for ever", func(u *hik) { u.busy = 99 }, "", rig.ErrUnreachable, ""},
		{"device error", func(u *hik) { u.code["System/factoryReset"] = 3 }, "", rig.ErrWrite, "full"},
		{"no right", func(u *hik) { u.code["System/factoryReset"] = 4 }, "", rig.ErrWrite, "full"},
		{"bad form", func(u *hik) { u.code["System/factoryReset"] = 5 }, "", rig.ErrWrite, "full"},
		{"bad content", func(u *hik) { u.code["System/factoryReset"] = 6 }, "", rig.ErrWrite, "full"},
		{"an unknown code", func(u *hik) { u.code["System/factoryReset"] = 77 }, "", rig.ErrGarbage, "full"},
		{"a page", func(u *hik) { u.hook = page }, "", rig.ErrGarbage, ""},
		{"dropped", func(u *hik) { u.hook = dropped }, "", nil, ""},
		{"an empty answer", func(u *hik) { u.hook = empty }, "", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newHikBench(t, nvr.Old)
			c.set(b.u)
			s, err := nvr.Speak(t.Context(), b.open(t))
			if err != nil {
				t.Fatal(err)
			}
			err = s.Reset(t.Context(), c.function)
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if got := strings.Join(b.u.resets, " "); got != c.resets {
				t.Errorf("resets %q, want %q", got, c.resets)
			}
		})
	}
}

// While it is locked the right password is refused too: that is no word on the
// password, and none is tried again.
func TestHikvisionLocked(t *testing.T) {
	for _, gen := range []string{nvr.Old, nvr.New} {
		b := newHikBench(t, gen)
		b.u.active, b.u.accounts["admin"], b.u.ids["1"], b.u.locked = true, "right-pw1", "admin", true
		b.o.Login = rig.Credential{User: "admin", Password: "right-pw1"}
		d := b.open(t)
		r := d.Login(t.Context(), b.o.Login)
		if r.Result != nvr.LoginUnknown || r.Reason != rig.ReasonLocked {
			t.Errorf("%s: %+v", gen, r)
		}
	}
}

// Another program spent the tries: the unit says so, and nothing more is sent.
func TestHikvisionTriesLeft(t *testing.T) {
	b := newHikBench(t, nvr.Old)
	b.u.refused = 3
	d := b.open(t)
	if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "wrong-pw1"}); r.Result != nvr.LoginRefused {
		t.Fatalf("%+v", r)
	}
	n := len(b.u.requests)
	r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "wrong-pw2"})
	if r.Result != nvr.LoginUnknown || r.Reason != rig.ReasonBudget {
		t.Errorf("%+v: the unit said that one try is left", r)
	}
	for _, q := range b.u.requests[n:] {
		if strings.Contains(q, "+login") {
			t.Errorf("sent: %s", q)
		}
	}
	if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "12345"}); r.Reason != rig.ReasonBudget {
		t.Errorf("the right one: %+v", r)
	}
}

// Older firmware has no userCheck, and says so in several ways.
func TestHikvisionWithoutUserCheck(t *testing.T) {
	for _, status := range []int{403, 404, 501} {
		b := newHikBench(t, nvr.Old)
		b.u.noCheck = status
		i, err := b.open(t).Info(t.Context())
		if status == 501 { // a server's error is waited for, not believed
			if err == nil && i.Note == "" {
				t.Errorf("%d: %+v, %v", status, i, err)
			}
			continue
		}
		if err != nil || i.Firmware != "V4.30.085 build 200916" || i.Type != "DS-7608NI-K2/8P" || b.book.booked() != 0 {
			t.Errorf("%d: %+v, %v, booked %d", status, i, err, b.book.booked())
		}
	}
}

// Before it is activated, a unit can show who it is by its hardware address
// alone. Where nothing is known of that, it is given no password.
func TestHikvisionActivatesOnlyItsUnit(t *testing.T) {
	const ours, other = "bc:ad:28:00:00:01", "bc:ad:28:00:00:99"
	serial := rig.Identity{Serial: "DS-7608NI-K2/8P0820190101CCRRD12345678WCVU"}
	for _, c := range []struct {
		name string
		id   rig.Identity
		arp  string
		ok   bool
		want error
	}{
		{"the bench names its MAC", rig.Identity{Serial: serial.Serial, MAC: ours}, ours, true, nil},
		{"another MAC answers", rig.Identity{Serial: serial.Serial, MAC: ours}, other, false, rig.ErrWrongUnit},
		{"a MAC answers, and the bench names none", serial, ours, false, nil},
		{"nothing tells", rig.Identity{Serial: serial.Serial, MAC: ours}, "", false, nil},
		{"nobody is expected", rig.Identity{}, "", true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newHikBench(t, nvr.New)
			b.o.Identity, b.net.mac = c.id, c.arp
			_, err := b.open(t).Provision(t.Context())
			if (err == nil) != c.ok || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error %v", err)
			}
			if b.u.active != c.ok {
				t.Errorf("activated is %v", b.u.active)
			}
			if !c.ok && c.want == nil && !strings.Contains(err.Error(), "mac") {
				t.Errorf("the error says no way out: %v", err)
			}
		})
	}
	// A unit that was logged into once is known by its hardware address after.
	t.Run("learnt", func(t *testing.T) {
		b := newHikBench(t, nvr.New)
		b.o.Identity = serial
		b.u.active, b.u.accounts["admin"], b.u.ids["1"] = true, "before-99", "admin"
		b.o.Login = rig.Credential{User: "admin", Password: "before-99"}
		d, m := b.marked(t)
		b.u.do(b.u.reset)
		cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
		if err != nil || outcomes(cs)["provisioned-login"] != pass {
			t.Errorf("%v, %v", outcomes(cs), err)
		}
		b.u.do(b.u.reset)
		b.net.mac = other
		if _, err := d.Default(t.Context(), m, rig.DefaultSpec{}); !errors.Is(err, rig.ErrWrongUnit) || b.u.active {
			t.Errorf("another unit: %v, activated is %v", err, b.u.active)
		}
	})
	// Or by its ONVIF endpoint, where that is on and no hardware address is seen.
	t.Run("endpoint", func(t *testing.T) {
		b := newHikBench(t, nvr.New)
		b.o.Identity, b.net.mac = serial, ""
		uuid := "11111111-2222-3333-4444-bcad28000001"
		b.net.wsd = func(_, probe string) []nvr.Datagram {
			return []nvr.Datagram{{From: "127.0.0.1:3702", Data: []byte(probeMatch(probe, uuid, "onvif://www.onvif.org/type/NetworkVideoTransmitter", b.u.srv.URL+"/onvif/device_service"))}}
		}
		b.u.active, b.u.accounts["admin"], b.u.ids["1"] = true, "before-99", "admin"
		b.o.Login = rig.Credential{User: "admin", Password: "before-99"}
		d, m := b.marked(t)
		b.u.do(b.u.reset)
		cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
		if err != nil || outcomes(cs)["provisioned-login"] != pass {
			t.Errorf("%v, %v", outcomes(cs), err)
		}
		b.u.do(b.u.reset)
		uuid = "99999999-2222-3333-4444-bcad28000001"
		cs, _ = d.Default(t.Context(), m, rig.DefaultSpec{})
		if b.u.active || outcomes(cs)["init-state"] == pass {
			t.Errorf("another endpoint was activated: %v", outcomes(cs))
		}
	})
}

// A unit that comes back with another serial number after it was activated is
// another unit.
func TestHikvisionAnotherSerial(t *testing.T) {
	b := newHikBench(t, nvr.New)
	b.o.Identity = rig.Identity{Serial: b.u.serial, MAC: "bc:ad:28:00:00:01"}
	b.u.serial = "STRANGER"
	if _, err := b.open(t).Provision(t.Context()); !errors.Is(err, rig.ErrWrongUnit) {
		t.Errorf("error %v, want %v", err, rig.ErrWrongUnit)
	}
}

func TestHikvisionUsersAndUptime(t *testing.T) {
	b := newHikBench(t, nvr.New)
	d := b.open(t)
	if _, err := d.Provision(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := nvr.Speak(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if up, err := s.Uptime(t.Context()); err != nil || up != 42*time.Second {
		t.Errorf("uptime %v, %v", up, err)
	}
	c := rig.Credential{User: "rr-witness", Password: "w1tness-pw"}
	if err := s.AddUser(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := s.AddUser(t.Context(), c); !errors.Is(err, rig.ErrWrite) {
		t.Errorf("a second of the name: %v", err)
	}
	users, err := s.Users(t.Context())
	if err != nil || !slices.Equal(users, []string{"admin", "rr-witness"}) || b.u.accounts["rr-witness"] != "w1tness-pw" {
		t.Errorf("users %v, %v", users, err)
	}
	if r := d.Login(t.Context(), c); r.Result != nvr.LoginAccepted {
		t.Errorf("its login: %+v", r)
	}
	if err := s.DeleteUser(t.Context(), "rr-witness"); err != nil || b.u.accounts["rr-witness"] != "" {
		t.Errorf("delete: %v, accounts %v", err, b.u.accounts)
	}
	if err := s.DeleteUser(t.Context(), "nobody"); !errors.Is(err, rig.ErrWrite) {
		t.Errorf("delete nobody: %v", err)
	}
	if got, want := s.Scope("basic", b.o.Model.Tables), []string{"System/deviceInfo", "System/time"}; !slices.Equal(got, want) {
		t.Errorf("basic restores %v, want %v", got, want)
	}
	for _, name := range []string{"../etc", "System/time?x", "a b", "/System/time", "System//time", ""} {
		if _, err := s.Table(t.Context(), name); !errors.Is(err, rig.ErrUnsupported) {
			t.Errorf("table %q: %v", name, err)
		}
	}
}

// No answer to the activation is an error before the unit was asked what it is
// now; a refused one is.
func TestHikvisionActivationGoesWrong(t *testing.T) {
	answer := func(path string, f func(w http.ResponseWriter)) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/ISAPI/"+path {
				return false
			}
			f(w)
			return true
		}
	}
	for name, c := range map[string]struct {
		hook func(http.ResponseWriter, *http.Request) bool
		want error
	}{
		"challenge refused": {answer("Security/challenge", func(w http.ResponseWriter) {
			io.WriteString(w, `<ResponseStatus><statusCode>4</statusCode></ResponseStatus>`)
		}), rig.ErrWrite},
		"challenge wants a login": {answer("Security/challenge", func(w http.ResponseWriter) { w.WriteHeader(401) }), rig.ErrWrite},
		"challenge is a page":     {answer("Security/challenge", func(w http.ResponseWriter) { io.WriteString(w, "<html></html>") }), rig.ErrGarbage},
		"challenge is noise":      {answer("Security/challenge", func(w http.ResponseWriter) { io.WriteString(w, "<Challenge><key>AAAA</key></Challenge>") }), rig.ErrGarbage},
		"activation refused": {answer("System/activate", func(w http.ResponseWriter) {
			w.WriteHeader(400)
			io.WriteString(w, `<ResponseStatus><statusCode>6</statusCode></ResponseStatus>`)
		}), rig.ErrWrite},
		"activation promised": {answer("System/activate", func(w http.ResponseWriter) {
			io.WriteString(w, `<ResponseStatus><statusCode>1</statusCode></ResponseStatus>`)
		}), rig.ErrWrite},
		"never ready": {answer("Security/challenge", func(w http.ResponseWriter) { w.WriteHeader(503) }), rig.ErrUnreachable},
	} {
		b := newHikBench(t, nvr.New)
		b.u.hook = c.hook
		if _, err := b.open(t).Provision(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	b := newHikBench(t, nvr.New)
	b.o.Model.Provision.User = "operator"
	if _, err := b.open(t).Provision(t.Context()); !errors.Is(err, rig.ErrUnsupported) || b.u.active {
		t.Errorf("another first account: %v, activated is %v", err, b.u.active)
	}
	// The answer is lost, and the unit took it.
	b = newHikBench(t, nvr.New)
	lost := false
	b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/ISAPI/System/activate" || lost {
			return false
		}
		lost = true
		body, _ := io.ReadAll(r.Body)
		b.u.activate(discard{http.Header{}}, string(body))
		drop(w)
		return true
	}
	if _, err := b.open(t).Provision(t.Context()); err != nil || !lost {
		t.Errorf("a lost answer: %v", err)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func probeMatch(probe, uuid, scopes, xaddrs string) string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">
<SOAP-ENV:Header><wsa:RelatesTo>%s</wsa:RelatesTo></SOAP-ENV:Header>
<SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch><wsa:EndpointReference><wsa:Address>urn:uuid:%s</wsa:Address></wsa:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>%s</d:Scopes><d:XAddrs>%s</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>`,
		insideOf(probe, "MessageID"), uuid, scopes, xaddrs)
}

// insideOf is the text of an element whatever its prefix.
func insideOf(body, tag string) string {
	_, s, _ := strings.Cut(body, ":"+tag+">")
	s, _, _ = strings.Cut(s, "</")
	return s
}

// basic restores everything but network and users: judged table by table, with
// the login that it keeps.
func TestHikvisionBasic(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after func(u *hik)
		wrong         bool
	}{
		{"as it should", nil, nil, false},
		{"nothing happens", func(u *hik) { u.defaults = maps.Clone(u.config) }, nil, true},
		{"it takes the network too", nil, func(u *hik) {
			u.config["System/Network/interfaces"] = strings.Replace(u.config["System/Network/interfaces"], "192.168.1.64", "192.168.1.65", 1)
		}, true},
		{"it takes the password too", nil, func(u *hik) { u.accounts["admin"] = "another-1" }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newHikBench(t, nvr.New)
			d := b.open(t)
			if _, err := d.Provision(t.Context()); err != nil {
				t.Fatal(err)
			}
			m, err := d.Mark(t.Context(), rig.MarkSpec{Password: true, Config: map[string]string{"System/time.timeZone": "CST-5:00:00"}})
			if err != nil {
				t.Fatal(err)
			}
			if c.before != nil {
				b.u.do(func() { c.before(b.u) })
			}
			if err := d.FactoryReset(t.Context(), []string{"basic"}); err != nil {
				t.Fatal(err)
			}
			if c.after != nil {
				b.u.do(func() { c.after(b.u) })
			}
			cs, err := d.Default(t.Context(), m, rig.DefaultSpec{Functions: []string{"basic"}})
			if err != nil {
				t.Fatal(err)
			}
			wrong := false
			for _, k := range cs {
				wrong = wrong || k.Outcome == fail || k.Outcome == unknown
			}
			if wrong != c.wrong {
				t.Errorf("%+v", cs)
			}
		})
	}
}
