package sim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/internal/need"
	"resetrig/rig"
	"resetrig/sim"
)

// served starts a Server with a model whose times are short.
func served(t *testing.T, o sim.ServeOptions) *sim.Server {
	t.Helper()
	o.Listen, o.Control, o.DHIP = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	s, err := sim.Serve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func quick(t *testing.T, name string) sim.Model {
	m := preset(t, name)
	m.LeastBoot, m.MostBoot = 300*time.Millisecond, 500*time.Millisecond
	m.Hold = time.Second
	m.LeastWrite, m.MostWrite = 50*time.Millisecond, 100*time.Millisecond
	m.Beep.Least, m.Beep.Most = 100*time.Millisecond, 200*time.Millisecond
	m.LeastHoldUp, m.MostHoldUp = 10*time.Millisecond, 50*time.Millisecond
	return m
}

func control(t *testing.T, s *sim.Server, path string) sim.Truth {
	t.Helper()
	var resp *http.Response
	var err error
	if path == "/state" {
		resp, err = http.Get("http://" + s.ControlAddr + path)
	} else {
		resp, err = http.Post("http://"+s.ControlAddr+path, "", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var tr sim.Truth
	if resp.StatusCode != 200 {
		t.Fatalf("%s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

// until polls the state, for as long as a busy machine may need.
func until(t *testing.T, s *sim.Server, what string, ok func(sim.Truth) bool) {
	t.Helper()
	for range 1500 {
		if ok(control(t, s, "/state")) {
			return
		}
		if err := rig.System().Sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("never %s: %+v", what, control(t, s, "/state"))
}

func isReady(tr sim.Truth) bool { return tr.Phase == "ready" }

// listens wants a unit that is ready, and its port open, which follows within
// a tick.
func listens(s *sim.Server) func(sim.Truth) bool {
	return func(tr sim.Truth) bool {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			c.Close()
		}
		return isReady(tr) && err == nil
	}
}

func TestServeAWholeReset(t *testing.T) {
	s := served(t, sim.ServeOptions{Options: sim.Options{Model: quick(t, "imou-old"), Login: marked}})
	if _, err := net.Dial("tcp", s.Addr); err == nil {
		t.Error("takes connections without power")
	}
	control(t, s, "/power?on=true")
	until(t, s, "ready", listens(s))
	login := func(password string) int {
		resp, err := http.Get("http://" + s.Addr + getName)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		req, _ := http.NewRequest("GET", "http://"+s.Addr+getName, nil)
		req.Header.Set("Authorization", digest(resp.Header.Get("WWW-Authenticate"), "GET", getName, "admin", password))
		if resp, err = http.DefaultClient.Do(req); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := login(marked); got != 200 {
		t.Errorf("login: %d", got)
	}
	control(t, s, "/power?on=false")
	until(t, s, "off and refusing", func(tr sim.Truth) bool {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			c.Close()
		}
		return tr.Phase == "off" && err != nil
	})
	control(t, s, "/reset?on=true")
	until(t, s, "shorted", func(tr sim.Truth) bool { return tr.Shorted })
	control(t, s, "/power?on=true")
	until(t, s, "waiting for the release", func(tr sim.Truth) bool { return tr.Phase == "waiting" })
	control(t, s, "/reset?on=false")
	until(t, s, "ready", listens(s))
	if got := login("admin"); got != 200 {
		t.Errorf("login with the default password: %d", got)
	}
}

func TestServeRawBytes(t *testing.T) {
	s := served(t, sim.ServeOptions{Options: sim.Options{Model: quick(t, "imou-new"), Powered: true}})
	talk := func(q string) string {
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(q)); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	got := talk("GET /cgi-bin/magicBox.cgi?action=getSerialNo HTTP/1.1\r\nHost: unit\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n") || !strings.HasSuffix(got, "\r\n\r\nError\r\nInvalid Authority!\r\n") {
		t.Errorf("%q", got)
	}
	body := `{"method":"DevInit.getStatus","id":9}`
	got = talk("POST /OutsideCmd HTTP/1.0\r\nContent-Length: 37\r\n\r\n" + body)
	if !strings.Contains(got, `"Init":1`) || !strings.Contains(got, `"id":9`) {
		t.Errorf("%q", got)
	}
	if got := talk("nonsense\r\n\r\n"); got != "" {
		t.Errorf("nonsense is answered: %q", got)
	}
}

func TestServeDiscovery(t *testing.T) {
	s := served(t, sim.ServeOptions{Options: sim.Options{Model: quick(t, "imou-new"), Powered: true}})
	c, err := net.Dial("udp", s.DHIPAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := `{"method":"DHDiscover.search","params":{"mac":"","uni":1}}`
	q := append([]byte("\x20\x00\x00\x00DHIP\x00\x00\x00\x00\x00\x00\x00\x00"), byte(len(text)), 0, 0, 0, 0, 0, 0, 0, byte(len(text)), 0, 0, 0, 0, 0, 0, 0)
	for _, d := range [][]byte{[]byte(text), append(q, text...)} {
		if _, err := c.Write(d); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b[:n], []byte(`"SerialNo":"4F0A2B1PAZ00001"`)) || !bytes.Contains(b[:n], []byte(`"IPAddress":"127.0.0.1"`)) {
		t.Errorf("%q", b[:n])
	}
}

func TestControlPort(t *testing.T) {
	s := served(t, sim.ServeOptions{Options: sim.Options{Faults: []sim.Fault{{Name: "no-beep", Probability: 1}}}})
	resp, err := http.Get("http://" + s.ControlAddr + "/faults")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var faults []sim.FaultInfo
	if err := json.NewDecoder(resp.Body).Decode(&faults); err != nil || len(faults) != len(sim.Faults()) {
		t.Errorf("%d faults, %v", len(faults), err)
	}
	if tr := control(t, s, "/cycle?n=4"); tr.Cycle != 4 || len(tr.Faults) != 1 {
		t.Errorf("cycle %d, faults %v", tr.Cycle, tr.Faults)
	}
	for _, path := range []string{"/power?on=perhaps", "/reset", "/cycle?n=x"} {
		resp, err := http.Post("http://"+s.ControlAddr+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 400 || !strings.Contains(string(text), `"error"`) {
			t.Errorf("%s: %s %q", path, resp.Status, text)
		}
	}
}

type sink struct {
	mu sync.Mutex
	n  int
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += len(b)
	return len(b), nil
}

func TestServeSound(t *testing.T) {
	var heard sink
	s := served(t, sim.ServeOptions{Options: sim.Options{Model: quick(t, "imou-new")}, Sound: &heard})
	until(t, s, "heard", func(sim.Truth) bool {
		heard.mu.Lock()
		defer heard.mu.Unlock()
		return heard.n > 2*rate/10
	})
}

func TestServedUnitHangsAndResets(t *testing.T) {
	s := served(t, sim.ServeOptions{Options: sim.Options{Model: quick(t, "imou-new"), Powered: true, Faults: []sim.Fault{{Name: "http-hangs", Probability: 1}}}})
	control(t, s, "/power?on=false")
	until(t, s, "off", func(tr sim.Truth) bool { return tr.Phase == "off" })
	control(t, s, "/power?on=true")
	until(t, s, "ready", isReady)
	var c net.Conn
	until(t, s, "listening", func(sim.Truth) bool {
		var err error
		c, err = net.Dial("tcp", s.Addr)
		return err == nil
	})
	defer c.Close()
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: unit\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("read %d bytes, %v; want a time-out", n, err)
	}
}

// curl is a client that nobody here wrote.
func TestCurlLogsIn(t *testing.T) {
	curl := need.Tool(t, "web", "curl")
	s := served(t, sim.ServeOptions{Options: sim.Options{Model: quick(t, "imou-new"), Powered: true, Login: "Before-2026"}})
	out, err := exec.CommandContext(t.Context(), curl, "-s", "-S", "--noproxy", "*", "--digest", "-u", "admin:Before-2026",
		"http://"+s.Addr+"/cgi-bin/magicBox.cgi?action=getSerialNo").CombinedOutput()
	if err != nil || string(out) != "sn=4F0A2B1PAZ00001\r\n" {
		t.Errorf("%q, %v", out, err)
	}
}
