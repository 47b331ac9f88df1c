package sim_test

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"resetrig/rig"
	"resetrig/sim"
)

// secured is a unit with TLS and a transport that notes what it saw.
func secured(t *testing.T, model string, quirks ...string) *bench {
	t.Helper()
	return newBenchWith(t, sim.Options{Model: preset(t, model), Powered: true, Login: before, Quirks: quirks, URL: "https://192.168.1.50"})
}

// fingerprint connects and gives the certificate's.
func (b *bench) fingerprint() (print [32]byte, version uint16) {
	b.Helper()
	rt := b.w.RoundTripperTLS(func(s tls.ConnectionState) error {
		print, version = sha256.Sum256(s.PeerCertificates[0].Raw), s.Version
		return nil
	})
	resp, _, err := request(b.Context(), rt, "GET", "https://192.168.1.50/", "", "")
	if err != nil {
		b.Fatal(err)
	}
	if resp.TLS == nil || !resp.TLS.HandshakeComplete {
		b.Errorf("the answer has no TLS: %+v", resp.TLS)
	}
	return print, version
}

func TestCertificateIsLookedAtBeforeTheRequest(t *testing.T) {
	b := secured(t, "plain")
	wrong := errors.New("not the pinned certificate")
	var trace []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		TLSHandshakeStart: func() { trace = append(trace, "start") },
		TLSHandshakeDone:  func(_ tls.ConnectionState, err error) { trace = append(trace, "done "+err.Error()) },
		WroteRequest:      func(httptrace.WroteRequestInfo) { trace = append(trace, "wrote") },
	})
	began := b.clock.Now()
	req, err := http.NewRequestWithContext(ctx, "GET", "https://192.168.1.50/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Basic YWRtaW46bm9wZQ==")
	if _, err = b.w.RoundTripperTLS(func(tls.ConnectionState) error { return wrong }).RoundTrip(req); !errors.Is(err, wrong) {
		t.Errorf("%v, want %v", err, wrong)
	}
	if got := strings.Join(trace, ", "); got != "start, done not the pinned certificate" {
		t.Errorf("trace %q", got)
	}
	if d := b.clock.Now().Sub(began); d < 20*time.Millisecond || d > 100*time.Millisecond {
		t.Errorf("a handshake takes %v", d)
	}
	if n := b.w.Truth().RefusedLogins; n != 0 {
		t.Errorf("the unit saw %d logins", n)
	}
	if resp, _, err := request(t.Context(), b.w.RoundTripper(), "GET", "https://192.168.1.50/", "", ""); err != nil || resp.StatusCode != 401 {
		t.Errorf("without a look: %v, %v", resp, err)
	}
}

func TestCertificates(t *testing.T) {
	one, version := secured(t, "dahua-new").fingerprint()
	if again, _ := secured(t, "dahua-new").fingerprint(); again != one {
		t.Error("the same unit has another certificate in another world")
	}
	if version != tls.VersionTLS12 {
		t.Errorf("version %x", version)
	}
	if _, v := secured(t, "dahua-new", "tls-1.0").fingerprint(); v != tls.VersionTLS10 {
		t.Errorf("version %x with the quirk", v)
	}
	for quirk, want := range map[string]bool{"new-key-after-reset": true, "no-new-key-after-reset": false} {
		b := secured(t, "dahua-new", quirk)
		b.act(20 * time.Second)
		b.sleep(time.Minute)
		if after, _ := b.fingerprint(); (after != one) != want {
			t.Errorf("%s: another certificate after a reset: %v", quirk, after != one)
		}
	}
	b := newBenchWith(t, sim.Options{Model: preset(t, "dahua-new"), URL: "https://192.168.1.50", Powered: true, Faults: []sim.Fault{{Name: "wrong-unit", Probability: 1}}})
	b.act(20 * time.Second)
	b.sleep(time.Minute)
	if other, _ := b.fingerprint(); other == one {
		t.Error("another unit has the same certificate")
	}
}

func TestTLSPorts(t *testing.T) {
	b := newBench(t, "plain")
	b.up()
	if _, _, err := request(t.Context(), b.rt, "GET", "https://192.168.1.50/", "", ""); err == nil {
		t.Error("TLS on a unit without")
	}
	var record tls.RecordHeaderError
	if _, _, err := request(t.Context(), b.rt, "GET", "https://192.168.1.50:80/", "", ""); !errors.As(err, &record) {
		t.Errorf("TLS to the plain port: %v", err)
	}
	b = secured(t, "plain")
	if resp, _, err := request(t.Context(), b.rt, "GET", "http://192.168.1.50:443/", "", ""); err != nil || resp.StatusCode != 400 {
		t.Errorf("plain HTTP to the TLS port: %v, %v", resp, err)
	}
	if resp, _, err := request(t.Context(), b.rt, "GET", "http://192.168.1.50/", "", ""); err != nil || resp.StatusCode != 401 {
		t.Errorf("plain HTTP beside TLS: %v, %v", resp, err)
	}
	b = newBenchWith(t, sim.Options{Model: preset(t, "plain"), Powered: true, Quirks: []string{"https-redirect"}})
	resp, _, err := b.do("GET", "/config?x=1", "", "")
	if err != nil || resp.StatusCode != 302 || resp.Header.Get("Location") != "https://192.168.1.50/config?x=1" {
		t.Errorf("redirect: %v, %v", resp, err)
	}
	if resp, _, err := request(t.Context(), b.rt, "GET", resp.Header.Get("Location"), "", ""); err != nil || resp.StatusCode != 401 {
		t.Errorf("where it leads: %v, %v", resp, err)
	}
	b = newBenchWith(t, sim.Options{Model: preset(t, "plain"), Powered: true, Quirks: []string{"https", "http-hangs"}})
	ctx, cancel := rig.WithTimeout(t.Context(), b.clock, 5*time.Second)
	defer cancel()
	if _, _, err := request(ctx, b.rt, "GET", "https://192.168.1.50/", "", ""); !errors.Is(err, rig.ErrDeadline) {
		t.Errorf("a handshake that hangs: %v", err)
	}
}

func TestDial(t *testing.T) {
	b := newBenchWith(t, sim.Options{Model: preset(t, "hikvision-new"), Powered: true, Login: before, Quirks: []string{"https", "extra-port"}})
	dial := func(host string, port int) sim.PortState {
		t.Helper()
		s, err := b.w.Dial(t.Context(), host, port)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	check := func(when string, want map[int]sim.PortState) {
		t.Helper()
		for port, s := range want {
			if got := dial("192.168.1.50", port); got != s {
				t.Errorf("%s: port %d is %s, want %s", when, port, got, s)
			}
		}
	}
	check("up", map[int]sim.PortState{80: sim.PortOpen, 443: sim.PortOpen, 554: sim.PortOpen, 8000: sim.PortOpen, 23: sim.PortRefused, 37777: sim.PortRefused})
	began := b.clock.Now()
	if got := dial("192.168.1.51", 80); got != sim.PortSilent || b.clock.Now().Sub(began) < 3*time.Second {
		t.Errorf("nobody there: %s after %v", got, b.clock.Now().Sub(began))
	}
	ctx, cancel := rig.WithTimeout(t.Context(), b.clock, time.Second)
	defer cancel()
	began = b.clock.Now()
	if got, err := b.w.Dial(ctx, "192.168.1.51", 80); got != sim.PortSilent || !errors.Is(err, rig.ErrDeadline) || b.clock.Now().Sub(began) > time.Second {
		t.Errorf("with a deadline: %s, %v after %v", got, err, b.clock.Now().Sub(began))
	}
	b.act(20 * time.Second)
	b.sleep(time.Minute)
	check("after the reset", map[int]sim.PortState{23: sim.PortOpen, 80: sim.PortOpen})
	b.set("power", false)
	b.sleep(5 * time.Second)
	check("off", map[int]sim.PortState{80: sim.PortSilent, 23: sim.PortSilent})
	if _, err := b.w.Dial(t.Context(), "192.168.1.50", 70000); err == nil {
		t.Error("port 70000 is taken")
	}
}
