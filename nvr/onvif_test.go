package nvr_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/nvr"
	"resetrig/rig"
)

// By both ways of giving a login, with a clock that a reset put to 1970.
func TestONVIFDefaultState(t *testing.T) {
	for _, token := range []bool{false, true} {
		for _, c := range []struct {
			name    string
			happens func(u *soap)
			want    map[string]rig.CheckOutcome
			refused int
		}{
			{"reset", (*soap).reset, map[string]rig.CheckOutcome{"identity": pass, "default-login": pass, "marker/password": pass, "marker/name": pass, "firmware": pass}, 0},
			{"ignored", func(*soap) {}, map[string]rig.CheckOutcome{"identity": pass, "default-login": fail, "marker/password": fail, "marker/name": fail, "firmware": pass}, 1},
			{"another password", func(u *soap) { u.reset(); u.accounts["admin"] = "someone-1" }, map[string]rig.CheckOutcome{"default-login": fail, "marker/password": pass, "identity": unknown, "marker/name": unknown, "firmware": unknown}, 3},
		} {
			t.Run(map[bool]string{true: "token ", false: "digest "}[token]+c.name, func(t *testing.T) {
				b := newSOAPBench(t)
				b.u.token = token
				d := b.open(t)
				m, err := d.Mark(t.Context(), rig.MarkSpec{Password: true, Name: true})
				if err != nil {
					t.Fatal(err)
				}
				b.u.do(func() {
					c.happens(b.u)
					b.u.ahead = -time.Duration(b.clock.Now().Unix()) * time.Second // 1970
				})
				cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]rig.CheckOutcome{}
				for name := range c.want {
					got[name] = outcomes(cs)[name]
				}
				if c.name == "another password" { // nothing showed who answers: nothing is said of it
					c.want["default-login"], c.want["marker/password"] = unknown, unknown
				}
				if diff := cmp.Diff(got, c.want); diff != "" {
					t.Errorf("checks (-got +want):\n%s", diff)
				}
				if b.book.booked() != c.refused || b.u.refused != c.refused {
					t.Errorf("refused: booked %d, the unit counts %d, want %d", b.book.booked(), b.u.refused, c.refused)
				}
			})
		}
	}
}

func TestONVIFInfoTablesUsers(t *testing.T) {
	b := newSOAPBench(t)
	d := b.open(t)
	i, err := d.Info(t.Context())
	want := nvr.Info{URL: b.u.srv.URL, Serial: b.u.serial, Type: "NVR-8", Vendor: "Acme", Name: "NVR", Firmware: "2.4.1 build 20210603", Hardware: "1.0", Init: rig.InitOld}
	if diff := cmp.Diff(i, want); err != nil || diff != "" {
		t.Errorf("%v; info (-got +want):\n%s", err, diff)
	}
	s, err := nvr.Speak(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]map[string]string{
		"Hostname":      {"Hostname.FromDHCP": "false", "Hostname.Name": "NVR"},
		"NTP":           {"NTP.FromDHCP": "false", "NTP.NTPManual.Type": "DNS", "NTP.NTPManual.DNSname": "time.example"},
		"DiscoveryMode": {"DiscoveryMode.DiscoveryMode": "Discoverable"},
		"NetworkInterfaces": {
			"NetworkInterfaces[0].token": "eth0", "NetworkInterfaces[0].Enabled": "true", "NetworkInterfaces[0].Info.Name": "eth0", "NetworkInterfaces[0].Info.HwAddress": "38:af:29:00:00:05",
			"NetworkInterfaces[1].token": "eth1", "NetworkInterfaces[1].Enabled": "false", "NetworkInterfaces[1].Info.Name": "eth1", "NetworkInterfaces[1].Info.HwAddress": "38:af:29:00:00:06",
		},
	} {
		got, err := s.Table(t.Context(), name)
		if diff := cmp.Diff(got, want); err != nil || diff != "" {
			t.Errorf("%s: %v (-got +want):\n%s", name, err, diff)
		}
	}
	for _, name := range []string{"Nothing", "a b", "<x/>", "../x", ""} {
		if _, err := s.Table(t.Context(), name); !errors.Is(err, rig.ErrUnsupported) {
			t.Errorf("table %q: %v", name, err)
		}
	}
	if mac, err := s.MAC(t.Context(), "38AF29000006"); err != nil || mac != "38:af:29:00:00:06" {
		t.Errorf("MAC %q, %v", mac, err)
	}
	if err := s.Set(t.Context(), "NTP.FromDHCP", "true"); !errors.Is(err, rig.ErrUnsupported) {
		t.Errorf("set NTP: %v", err)
	}
	c := rig.Credential{User: "rr-witness", Password: `w<i>&"t`}
	if err := s.AddUser(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if users, err := s.Users(t.Context()); err != nil || !slices.Equal(users, []string{"admin", "rr-witness"}) || b.u.levels["rr-witness"] != "User" {
		t.Errorf("users %v, %v, levels %v", users, err, b.u.levels)
	}
	if err := s.DeleteUser(t.Context(), c.User); err != nil || len(b.u.accounts) != 1 {
		t.Errorf("delete: %v, %v", err, b.u.accounts)
	}
	if got := s.Scope("soft", b.o.Model.Tables); !slices.Equal(got, []string{"Hostname", "NTP"}) {
		t.Errorf("soft restores %v", got)
	}
	if _, err := s.Uptime(t.Context()); !errors.Is(err, rig.ErrUnsupported) {
		t.Errorf("uptime: %v", err)
	}
}

func TestONVIFReset(t *testing.T) {
	on := func(operation string, do func(w http.ResponseWriter)) func(http.ResponseWriter, string, bool) bool {
		return func(w http.ResponseWriter, is string, authed bool) bool {
			if is != operation || !authed {
				return false
			}
			do(w)
			return true
		}
	}
	for _, token := range []bool{false, true} {
		for _, c := range []struct {
			name, function string
			set            func(u *soap)
			want           error
			resets         string
		}{
			{"hard", "", func(*soap) {}, nil, "Hard"},
			{"soft", "soft", func(*soap) {}, nil, "Soft"},
			{"an unknown function", "NTP", func(*soap) {}, rig.ErrUnsupported, ""},
			{"refused", "", func(u *soap) { u.fault = "InvalidArgVal" }, rig.ErrWrite, ""},
			{"not there", "", func(u *soap) { u.fault = "ActionNotSupported" }, rig.ErrUnsupported, ""},
			{"dropped", "", func(u *soap) { u.hook = on("SetSystemFactoryDefault", func(w http.ResponseWriter) { drop(w) }) }, nil, ""},
			{"an empty answer", "", func(u *soap) { u.hook = on("SetSystemFactoryDefault", func(http.ResponseWriter) {}) }, nil, ""},
			{"a page", "", func(u *soap) {
				u.hook = on("SetSystemFactoryDefault", func(w http.ResponseWriter) { io.WriteString(w, "<html></html>") })
			}, rig.ErrGarbage, ""},
			{"another answer", "", func(u *soap) {
				u.hook = on("SetSystemFactoryDefault", func(w http.ResponseWriter) { u.say(w, 200, "<tds:SystemRebootResponse/>") })
			}, rig.ErrGarbage, ""},
		} {
			b := newSOAPBench(t)
			b.u.token = token
			s, err := nvr.Speak(t.Context(), b.open(t))
			if err != nil {
				t.Fatal(err)
			}
			c.set(b.u)
			err = s.Reset(t.Context(), c.function)
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("token %v, %s: %v, want %v", token, c.name, err, c.want)
			}
			if got := strings.Join(b.u.resets, " "); got != c.resets {
				t.Errorf("token %v, %s: resets %q, want %q", token, c.name, got, c.resets)
			}
		}
	}
}

func TestONVIFLogins(t *testing.T) {
	for _, token := range []bool{false, true} {
		b := newSOAPBench(t)
		b.u.token = token
		d := b.open(t)
		if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "wrong-pw"}); r.Result != nvr.LoginRefused || b.book.booked() != 1 || b.u.refused != 1 {
			t.Errorf("token %v: %+v, booked %d, the unit counts %d", token, r, b.book.booked(), b.u.refused)
		}
		b.u.locked = true
		if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "admin"}); r.Result != nvr.LoginUnknown || r.Reason != rig.ReasonLocked {
			t.Errorf("token %v, locked: %+v", token, r)
		}
	}
	// Where the model names one way, the other is not used.
	for auth, token := range map[string]bool{nvr.AuthDigest: true, nvr.AuthToken: false} {
		b := newSOAPBench(t)
		b.u.token, b.o.Model.ONVIF.Auth = token, auth
		if r := b.open(t).Login(t.Context(), rig.Credential{User: "admin", Password: "admin"}); r.Result == nvr.LoginAccepted {
			t.Errorf("auth %s: %+v", auth, r)
		}
	}
	// A unit that asks nobody for a login proves none.
	b := newSOAPBench(t)
	b.u.open = true
	d := b.open(t)
	if st := d.State(t.Context()); st.State != nvr.StateUnknown {
		t.Errorf("a unit without logins: %+v", st)
	}
}

// Nobody named the unit, and only a login tells who it is: at the next start its
// password is found all the same.
func TestThePasswordIsFoundAgain(t *testing.T) {
	b := newSOAPBench(t)
	b.o.Identity = rig.Identity{}
	if _, err := b.open(t).Mark(t.Context(), rig.MarkSpec{Password: true}); err != nil {
		t.Fatal(err)
	}
	if i, err := b.open(t).Info(t.Context()); err != nil || i.Serial != b.u.serial || b.book.booked() != 0 {
		t.Errorf("%+v, %v, booked %d", i, err, b.book.booked())
	}
}

func TestDiscoverONVIF(t *testing.T) {
	n := &segment{}
	var asked string
	n.wsd = func(to, probe string) []nvr.Datagram {
		asked = to
		one := probeMatch(probe, "6B5F0000-1111-2222-3333-BCAD28000001", "onvif://www.onvif.org/name/Embedded%20Net%20DVR onvif://www.onvif.org/hardware/DS-7608NI-K2 onvif://www.onvif.org/MAC/bc:ad:28:00:00:01",
			"http://169.254.1.1/onvif/device_service http://192.168.1.64:8000/onvif/device_service http://[fe80::1]/onvif/device_service")
		printer := strings.Replace(probeMatch(probe, "printer", "ldap:///x", "http://192.168.1.9:5357/"), "dn:NetworkVideoTransmitter", "wsdp:Device", 1)
		other := probeMatch("<a:MessageID>another</a:MessageID>", "late", "", "http://192.168.1.65/onvif/device_service")
		secure := probeMatch(probe, "s", "", "https://192.168.1.66/onvif/device_service")
		return []nvr.Datagram{
			{From: "192.168.1.64:3702", Data: []byte(one)}, {From: "192.168.1.64:3702", Data: []byte(one)},
			{From: "192.168.1.9:3702", Data: []byte(printer)}, {From: "192.168.1.65:3702", Data: []byte(other)},
			{From: "192.168.1.66:3702", Data: []byte(secure)},
			{From: "192.168.1.7:3702", Data: []byte("\x20\x00\x00\x00DHIP")}, {From: "192.168.1.8:3702", Data: nil},
		}
	}
	got, err := nvr.DiscoverONVIF(t.Context(), n, "255.255.255.255", time.Second)
	want := []nvr.Found{
		{From: "192.168.1.64:3702", IP: "192.168.1.64", HTTPPort: 8000, MAC: "bc:ad:28:00:00:01", Type: "DS-7608NI-K2", Name: "Embedded Net DVR", UUID: "6b5f0000-1111-2222-3333-bcad28000001", XAddr: "http://192.168.1.64:8000"},
		{From: "192.168.1.66:3702", IP: "192.168.1.66", HTTPPort: 443, UUID: "s", XAddr: "https://192.168.1.66"},
	}
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
	if asked != "239.255.255.250:3702" {
		t.Errorf("asked %s", asked)
	}
	if _, err := nvr.DiscoverONVIF(t.Context(), n, "127.0.0.1:4000", time.Second); err != nil || asked != "127.0.0.1:4000" {
		t.Errorf("asked %s, %v", asked, err)
	}
}

// The token goes into no transcript, nor does a password that is set.
func TestONVIFSecretsAreNotTranscribed(t *testing.T) {
	b := newSOAPBench(t)
	b.u.token = true
	var all strings.Builder
	b.o.Transcript = func(x nvr.Exchange) { all.WriteString(x.Request + x.Response + x.URL + x.Error) }
	d := b.open(t)
	if _, err := d.Mark(t.Context(), rig.MarkSpec{Password: true}); err != nil {
		t.Fatal(err)
	}
	text := all.String()
	if !strings.Contains(text, "SetUser") {
		t.Fatal("nothing was written down")
	}
	for _, m := range inToken.FindAllStringSubmatch(text, -1) {
		if (m[1] == "Password" || m[1] == "Nonce") && m[2] != "***" {
			t.Errorf("the transcript holds a %s: %s", m[1], m[2])
		}
	}
	if pw := b.u.accounts["admin"]; strings.Contains(text, pw) {
		t.Errorf("the transcript holds the password %s", pw)
	}
}
