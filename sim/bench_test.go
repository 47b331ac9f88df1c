package sim_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"resetrig/pcm"
	"resetrig/rig"
	"resetrig/sim"
)

// bench drives a World through its public seams, as a rig would.
type bench struct {
	*testing.T
	w     *sim.World
	clock rig.Clock
	rt    http.RoundTripper
	url   string
}

func preset(t testing.TB, name string) sim.Model {
	m, err := sim.ModelNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newBench(t *testing.T, model string, faults ...string) *bench {
	t.Helper()
	o := sim.Options{Model: preset(t, model), Seed: 7}
	for _, f := range faults {
		o.Faults = append(o.Faults, sim.Fault{Name: f, Probability: 1})
	}
	return newBenchWith(t, o)
}

func newBenchWith(t *testing.T, o sim.Options) *bench {
	t.Helper()
	w, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{T: t, w: w, clock: w.Clock(), rt: w.RoundTripper(), url: "http://192.168.1.50"}
}

func (b *bench) set(relay string, on bool) {
	b.Helper()
	if err := b.w.Relays().Set(relay, on); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) sleep(d time.Duration) {
	b.Helper()
	if err := b.clock.Sleep(b.Context(), d); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) sense(of string) bool {
	b.Helper()
	on, err := b.w.Sense(of).On(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return on
}

// up powers the unit and waits until it is ready.
func (b *bench) up() {
	b.Helper()
	b.set("power", true)
	b.sleep(40 * time.Second)
	if got := b.w.Truth().Phase; got != "ready" {
		b.Fatalf("40 s after power on: phase %q, want ready", got)
	}
}

// act is a reset by the pins held for that long, with the power off before.
func (b *bench) act(hold time.Duration) {
	b.Helper()
	b.set("power", false)
	b.sleep(5 * time.Second)
	b.set("reset", true)
	b.sleep(time.Second)
	b.set("power", true)
	b.sleep(hold)
	b.set("reset", false)
}

// do sends one request and gives status, body and error.
func (b *bench) do(method, path, body, authorization string) (*http.Response, string, error) {
	b.Helper()
	ctx, cancel := rig.WithTimeout(b.Context(), b.clock, 5*time.Second)
	defer cancel()
	return request(ctx, b.rt, method, b.url+path, body, authorization)
}

func request(ctx context.Context, rt http.RoundTripper, method, url, body, authorization string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	if body == "" {
		req.Body = http.NoBody
		req.ContentLength = 0
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

var param = regexp.MustCompile(`(\w+)="([^"]*)"`)

func md5hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// digest answers a challenge as RFC 2617 says.
func digest(challenge, method, uri, user, password string) string {
	p := map[string]string{}
	for _, m := range param.FindAllStringSubmatch(challenge, -1) {
		p[m[1]] = m[2]
	}
	ha1 := md5hex(user + ":" + p["realm"] + ":" + password)
	ha2 := md5hex(method + ":" + uri)
	response := md5hex(ha1 + ":" + p["nonce"] + ":00000001:0a4f113b:auth:" + ha2)
	return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", qop=auth, nc=00000001, cnonce="0a4f113b", response="%s", opaque="%s"`,
		user, p["realm"], p["nonce"], uri, response, p["opaque"])
}

// cgi asks for a challenge, answers it, and gives status and body.
func (b *bench) cgi(path, user, password string) (int, string) {
	b.Helper()
	resp, _, err := b.do("GET", path, "", "")
	if err != nil {
		b.Fatal(err)
	}
	if resp.StatusCode != 401 {
		b.Fatalf("GET %s without a login: status %d, want 401", path, resp.StatusCode)
	}
	resp, text, err := b.do("GET", path, "", digest(resp.Header.Get("WWW-Authenticate"), "GET", path, user, password))
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode, text
}

// rpc posts JSON and gives the answer's fields.
func (b *bench) rpc(path, body string) map[string]any {
	b.Helper()
	_, text, err := b.do("POST", path, body, "")
	if err != nil {
		b.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		b.Fatalf("POST %s: %v in %q", path, err, text)
	}
	return v
}

// initState is DevInit's answer: 1 factory, 2 initialised.
func (b *bench) initState() float64 {
	b.Helper()
	v := b.rpc("/OutsideCmd", `{"method":"DevInit.getStatus","params":null,"id":1}`)
	p, _ := v["params"].(map[string]any)
	n, _ := p["Init"].(float64)
	return n
}

const marked = "Marked#2026"

// markOld marks a unit of the old generation: password and name.
func (b *bench) markOld() {
	b.Helper()
	if s, text := b.cgi("/cgi-bin/configManager.cgi?action=setConfig&General.MachineName=marked", "admin", "admin"); s != 200 || text != "OK\r\n" {
		b.Fatalf("set the name: %d %q", s, text)
	}
	if s, text := b.cgi("/cgi-bin/userManager.cgi?action=modifyPassword&name=admin&pwd="+urlMarked+"&pwdOld=admin", "admin", "admin"); s != 200 || text != "OK\r\n" {
		b.Fatalf("set the password: %d %q", s, text)
	}
}

const urlMarked = "Marked%232026"

// hear is the sound of the next d.
func (b *bench) hear(s *sim.Sound, d time.Duration) []float32 {
	b.Helper()
	var all []float32
	err := s.Read(b.Context(), b.clock.Now().Add(d), func(blk pcm.Block) { all = append(all, blk.Samples...) })
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// toneSeconds is how long a tone within 1 % of hz sounds clearly in x.
func toneSeconds(x []float32, rate int, hz, atLeastDBFS float64) float64 {
	const n = 800 // 50 ms at 16 kHz
	count := 0
	for i := 0; i+n <= len(x); i += n {
		best := 0.0
		for k := -6; k <= 6; k++ {
			f := hz * (1 + 0.002*float64(k))
			var re, im float64
			for j := range n {
				s, c := math.Sincos(2 * math.Pi * f * float64(j) / float64(rate))
				re += float64(x[i+j]) * c
				im += float64(x[i+j]) * s
			}
			best = max(best, 2/float64(n)*math.Hypot(re, im))
		}
		if 20*math.Log10(best+1e-12) > atLeastDBFS {
			count++
		}
	}
	return float64(count) * n / float64(rate)
}

func optionsWith(t *testing.T, model string, seed uint64) sim.Options {
	return sim.Options{Model: preset(t, model), Seed: seed}
}
