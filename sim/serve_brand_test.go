package sim_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"resetrig/sim"
)

// A unit with TLS, other ports and WS-Discovery, over the system's own TCP and
// UDP, and by net/http's own client.
func TestServeOtherDoors(t *testing.T) {
	var certs [][]byte
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // it is looked at below
			VerifyConnection: func(s tls.ConnectionState) error {
				certs = append(certs, s.PeerCertificates[0].Raw)
				return nil
			},
		}},
	}
	for _, c := range []struct {
		quirks []string
		least  uint16 // version of the client
		ok     bool
	}{
		{[]string{"https-redirect"}, tls.VersionTLS12, true},
		{[]string{"https", "tls-1.0"}, tls.VersionTLS12, false},
		{[]string{"https", "tls-1.0"}, tls.VersionTLS10, true},
	} {
		s := served(t, sim.ServeOptions{Options: sim.Options{Model: quick(t, "plain"), Powered: true, Quirks: c.quirks}})
		tr := client.Transport.(*http.Transport).Clone()
		tr.TLSClientConfig.MinVersion = c.least
		client.Transport = tr
		t.Cleanup(tr.CloseIdleConnections)
		resp, err := client.Get("https://" + s.TLSAddr + "/")
		if (err == nil) != c.ok {
			t.Errorf("%v: %v", c.quirks, err)
		}
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != 401 {
				t.Errorf("%v: %s", c.quirks, resp.Status)
			}
		}
		if c.quirks[0] != "https-redirect" {
			continue
		}
		if resp, err = client.Get("http://" + s.Addr + "/x"); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Location"); resp.StatusCode != 302 || got != "https://"+s.TLSAddr+"/x" {
			t.Errorf("redirect: %s %q", resp.Status, got)
		}
	}
	if _, err := sim.Serve(t.Context(), sim.ServeOptions{Options: sim.Options{URL: "https://127.0.0.1"}, Listen: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "want an http URL") {
		t.Errorf("an https URL: %v", err)
	}
	if len(certs) < 2 || !bytes.Equal(certs[0], certs[1]) {
		t.Errorf("%d certificates, of one unit", len(certs))
	}
}

func TestServeKeepsConnections(t *testing.T) {
	for quirk, want := range map[string]string{"connection-close": "close", "no-connection-close": "keep-alive"} {
		s := served(t, sim.ServeOptions{Options: sim.Options{Model: quick(t, "imou-new"), Powered: true, Quirks: []string{quirk}}})
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(strings.Repeat("GET / HTTP/1.1\r\nHost: unit\r\n\r\n", 2) + "GET / HTTP/1.1\r\nHost: unit\r\nConnection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		all, _ := io.ReadAll(c)
		answers := strings.Count(string(all), "HTTP/1.1 200 OK\r\n")
		if n := map[string]int{"close": 1, "keep-alive": 3}[want]; answers != n || strings.Count(string(all), "Connection: keep-alive") != max(n-1, 0) {
			t.Errorf("%s: %d answers: %q", quirk, answers, all)
		}
	}
}

func TestServeHostileAnswers(t *testing.T) {
	s := served(t, sim.ServeOptions{Options: sim.Options{Model: quick(t, "imou-new"), Powered: true, Quirks: []string{"http-endless"}}})
	resp, err := http.Get("http://" + s.Addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.CopyN(io.Discard, resp.Body, 2<<20); err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestServeWSDiscovery(t *testing.T) {
	const host = "127.255.9.7"
	free, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	m := quick(t, "onvif")
	m.Ports = []int{free.Addr().(*net.TCPAddr).Port}
	free.Close()
	s, err := sim.Serve(t.Context(), sim.ServeOptions{
		Options: sim.Options{Model: m, Powered: true},
		Listen:  "127.0.0.1:0", WSD: "127.0.0.1:0", OtherPorts: host, Control: "127.0.0.1:0",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := net.Dial("udp", s.WSDAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(probe)); err != nil {
		t.Fatal(err)
	}
	other, err := net.Dial("tcp", free.Addr().String())
	if err != nil {
		t.Errorf("the unit's other port: %v", err)
	} else {
		other.Close()
	}
	if _, err := net.Dial("tcp", host+":23"); err == nil {
		t.Error("port 23 is open")
	}
	b := make([]byte, 8192)
	n, err := c.Read(b)
	if err != nil || !bytes.Contains(b[:n], []byte("<d:XAddrs>http://"+s.Addr+"/onvif/device_service</d:XAddrs>")) {
		t.Errorf("%q, %v", b[:n], err)
	}
	resp, err := http.Post("http://"+s.Addr+devicePath, "application/soap+xml", strings.NewReader(envelope("", "<GetHostname/>")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); !bytes.Contains(text, []byte("<tt:Name>NVR</tt:Name>")) {
		t.Errorf("%q", text)
	}
}
