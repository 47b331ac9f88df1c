package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"resetrig/rig"
)

// bench is how a case's bench is wired.
type bench struct {
	generation string   // new, old
	activeLow  bool     // both boards
	contact    string   // of the power relay: nc, no
	maxOn      string   // dead man of the press
	faults     []string // of the simulated recorder
	safe       string   // of the power relay: keep, off
}

func (b bench) active() string {
	if b.activeLow {
		return "low"
	}
	return "high"
}

// pressed is the level at which the pins are shorted.
func (b bench) pressed() level {
	if b.activeLow {
		return low
	}
	return high
}

// The recorder's times are shortened, by its model file; the rig's are not.
const simBoot = "4s..5s"

// write makes the bench file and the model file.
func (b bench) write(dir string) (string, error) {
	if b.contact == "" {
		b.contact = "nc"
	}
	if b.safe == "" {
		b.safe = "keep"
	}
	if b.maxOn == "" {
		b.maxOn = "40s"
	}
	accounts := ""
	if b.generation == "old" {
		accounts = "default: {accounts: [{user: admin, password: admin}]}\n"
	}
	model := fmt.Sprintf(`model: quick-%[1]s
dialect: imou
generation: %[1]s
%[2]sprovision: {user: admin}
lockout: {tries: 5, window: 5m}
boot: {least: 3s, most: 10s}
write-window: 8s
tables: [General, NTP, Network]
`, b.generation, accounts)
	text := fmt.Sprintf(`bench: virtual
dut:
  model: model.yaml
  serial: 4F0A2B1PAZ00001
  url: http://127.0.0.1:80
  discovery: 127.0.0.1:37810
relays:
  power: {pin: GPIO%d, active: %[3]s, contact: %[4]s, safe: %[7]s, min-off: 3s}
  reset: {pin: GPIO%[2]d, active: %[3]s, contact: no, max-on: %[5]s}
ear:
  device: "Loopback: PCM (hw:0,1)"
  beep: %[6]s
`, powerLine, resetLine, b.active(), b.contact, b.maxOn,
		map[string]string{"new": "{frequency: 2730Hz, level: -24dBFS}", "old": "{frequency: 3120Hz, level: -26dBFS}"}[b.generation], b.safe)
	if err := os.WriteFile(filepath.Join(dir, "model.yaml"), []byte(model), 0o600); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "bench.yaml")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// recorder is the simulated recorder's process.
type recorder struct {
	*process
	control string

	mu     sync.Mutex
	rest   []byte
	events []recorderEvent
	first  map[string]string
}

// recorderEvent is what `resetrig sim` tells.
type recorderEvent struct {
	Event string `json:"event"`
	Relay string `json:"relay"`
	On    bool   `json:"on"`
	Mono  int64  `json:"monotonic_ns"`
	Frame int64  `json:"frame"`
	Text  string `json:"text"`
}

func (r *recorder) take(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = append(r.rest, b...)
	for {
		line, rest, whole := bytes.Cut(r.rest, []byte("\n"))
		if !whole {
			return
		}
		r.rest = bytes.Clone(rest)
		if r.first == nil {
			m := map[string]string{}
			if json.Unmarshal(line, &m) == nil && m["control"] != "" {
				r.first = m
			}
			continue
		}
		var e recorderEvent
		if json.Unmarshal(line, &e) == nil {
			r.events = append(r.events, e)
		}
	}
}

func (r *recorder) told(f func(recorderEvent) bool) (recorderEvent, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if f(e) {
			return e, true
		}
	}
	return recorderEvent{}, false
}

// state is what only the simulator knows.
func (r *recorder) state() (map[string]any, error) {
	resp, err := http.Get(r.control + "/state")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	m := map[string]any{}
	return m, json.Unmarshal(b, &m)
}

// startRecorder starts the simulated recorder on the far side of the lines.
func (t *trial) startRecorder(b bench) (*recorder, error) {
	contact := b.contact
	if contact == "" {
		contact = "nc"
	}
	argv := []string{"/bin/resetrig", "sim", "--model", "imou-" + b.generation, "--boot", simBoot,
		"--listen", "127.0.0.1:80", "--dhip", "127.0.0.1:37810",
		"--lines", fmt.Sprintf("power=GPIO%d:%s:%s,reset=GPIO%d:%s:no", powerLine, b.active(), contact, resetLine, b.active()),
		"--play", "hw:0,0"}
	if contact == "nc" {
		argv = append(argv, "--powered")
	}
	for _, f := range b.faults {
		argv = append(argv, "--fault", f)
	}
	r := &recorder{}
	p, err := t.spawn("the simulated recorder", r.take, nil, argv...)
	if err != nil {
		return nil, err
	}
	r.process = p
	err = until(20*time.Second, "the simulated recorder to be there", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.control = r.first["control"]
		return r.first != nil || !p.running()
	})
	if err == nil && !p.running() {
		err = fmt.Errorf("the simulated recorder ended")
	}
	return r, err
}

// startRig starts the program under test.
func (t *trial) startRig(program string, args ...string) (*process, error) {
	return t.spawn("resetrig "+args[0], nil, []string{"RESETRIG_STATE=" + filepath.Join(t.dir, "state")},
		append([]string{program}, args...)...)
}

// until waits for something to become true.
func until(within time.Duration, what string, ok func() bool) error {
	end := time.Now().Add(within)
	for !ok() {
		if time.Now().After(end) {
			return fmt.Errorf("waited %v for %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// waitLine waits until a line has a level, by the registers.
func (p *pi) waitLine(line int, want level, within time.Duration) error {
	return until(within, fmt.Sprintf("GPIO%d to be %v", line, want), func() bool { return p.level(line) == want })
}

// records are those that a run with --json printed.
func records(out string) ([]rig.Record, error) {
	var list []rig.Record
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var r rig.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// safe runs `resetrig safe`.
func (t *trial) safe(file string) error {
	p, err := t.startRig("/bin/resetrig", "safe", "--bench", file)
	if err != nil {
		return err
	}
	code, err := p.wait(20 * time.Second)
	if err == nil && code != 0 {
		err = fmt.Errorf("resetrig safe ends with %d: %s", code, p.tail())
	}
	return err
}
