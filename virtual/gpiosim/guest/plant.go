package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	recorderAt  = "127.0.0.1:8080"
	controlAt   = "127.0.0.1:8081"
	discoveryAt = "127.0.0.1:37810"
	serial      = "4F0A2B1PAZ00001"
)

// polarity is how the relay board of a bench is made and wired.
type polarity struct {
	activeLow bool // a low line energises the relay
	powerNC   bool // the DUT's supply goes over the contact that energising opens
}

// on translates a line's voltage to the DUT's side.
func (p polarity) on(line int, high bool) bool {
	energised := high != p.activeLow
	return energised != (line == powerLine && p.powerNC)
}

// move is one change of the DUT's side, as the plant saw or did it.
type move struct {
	line int
	on   bool
	at   time.Duration // on the monotonic clock
}

// plant is the simulated recorder with its wires: the relays' lines are read
// and go to its control port, its contacts come back as the voltage of the
// senses' lines.
type plant struct {
	polarity polarity
	sim      *exec.Cmd
	said     bytes.Buffer // of the simulator, on its standard error
	client   *http.Client

	mu    sync.Mutex
	moves []move // of all four lines

	once        sync.Once // closes done
	done, ended chan struct{}
	err         error // of the wires, after ended
}

// startPlant starts `resetrig sim` and the wires between it and the lines.
func startPlant(p polarity, args ...string) (*plant, error) {
	pl := &plant{
		polarity: p, done: make(chan struct{}), ended: make(chan struct{}),
		client: &http.Client{Timeout: 5 * time.Second},
	}
	// A board's inputs have resistors: a line that nobody drives energises nothing.
	for _, l := range []int{powerLine, resetLine} {
		if err := pull(l, p.activeLow); err != nil {
			return nil, err
		}
	}
	args = append([]string{"sim", "--listen", recorderAt, "--control", controlAt, "--dhip", discoveryAt}, args...)
	pl.sim = exec.Command("/resetrig", args...)
	pl.sim.Stderr = &pl.said
	out, err := pl.sim.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := pl.sim.Start(); err != nil {
		return nil, err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("the simulated recorder did not start: %q: %w", line+pl.said.String(), err), pl.sim.Process.Kill(), pl.sim.Wait())
	}
	go func() {
		defer close(pl.ended)
		pl.err = pl.wires()
	}()
	return pl, nil
}

// unplug ends the wires: the recorder's contacts stay as they are.
func (pl *plant) unplug() {
	pl.once.Do(func() { close(pl.done) })
	<-pl.ended
}

// stop ends the wires and the recorder.
func (pl *plant) stop() error {
	pl.unplug()
	err := pl.sim.Process.Signal(syscall.SIGTERM)
	_ = pl.sim.Wait() // stopped on request is an exit code of its own
	return errors.Join(err, pl.err)
}

const (
	lookEvery = 3 * time.Millisecond
	// settling is how long after a relay's line the recorder's contact is looked
	// at each time; then only now and then.
	settling  = 60 * time.Millisecond
	idleEvery = 500 * time.Millisecond
)

// wires carries levels between the lines and the recorder.
func (pl *plant) wires() error {
	// The press first: where both have changed between two looks, it was pressed
	// before the power came.
	relays := []int{resetLine, powerLine}
	names := map[int]string{powerLine: "power", resetLine: "reset"}
	levels := map[int]voltage{}
	for _, l := range relays {
		v, err := openVoltage(l)
		if err != nil {
			return err
		}
		defer v.f.Close()
		levels[l] = v
	}
	commanded := map[int]bool{}
	contacts := map[int]bool{}
	for _, l := range []int{supplySense, loopSense} {
		if err := pull(l, false); err != nil {
			return err
		}
	}
	var changed, looked time.Time
	for {
		select {
		case <-pl.done:
			return nil
		case <-time.After(lookEvery):
		}
		for _, l := range relays {
			h, err := levels[l].high()
			if err != nil {
				return err
			}
			on := pl.polarity.on(l, h)
			if on == commanded[l] {
				continue
			}
			commanded[l], changed = on, time.Now()
			pl.note(l, on)
			if _, err := pl.ask("POST", fmt.Sprintf("/%s?on=%v", names[l], on)); err != nil {
				return err
			}
		}
		if time.Since(changed) > settling && time.Since(looked) < idleEvery {
			continue
		}
		looked = time.Now()
		now, err := pl.ask("GET", "/state")
		if err != nil {
			return err
		}
		for l, on := range map[int]bool{supplySense: now.Power, loopSense: now.Shorted} {
			if on == contacts[l] {
				continue
			}
			contacts[l] = on
			pl.note(l, on)
			if err := pull(l, on); err != nil {
				return err
			}
		}
	}
}

func (pl *plant) note(line int, on bool) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.moves = append(pl.moves, move{line, on, monotonic()})
}

// seen are the moves so far.
func (pl *plant) seen() []move {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	return append([]move(nil), pl.moves...)
}

// truth is what only the simulator knows.
type truth struct {
	Power   bool `json:"power"`
	Shorted bool `json:"shorted"`
	Bricked bool `json:"bricked"`
	Boots   int  `json:"boots"`
	Resets  int  `json:"resets"`
}

// ask asks the control port.
func (pl *plant) ask(method, path string) (truth, error) {
	var t truth
	req, err := http.NewRequest(method, "http://"+controlAt+path, nil)
	if err != nil {
		return t, err
	}
	resp, err := pl.client.Do(req)
	if err != nil {
		return t, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return t, fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return t, json.NewDecoder(resp.Body).Decode(&t)
}

// benchFile writes an ordinary bench file for this board.
func (pl *plant) benchFile(model, serialOf string) (string, error) {
	active, contact := "high", "no"
	if pl.polarity.activeLow {
		active = "low"
	}
	if pl.polarity.powerNC {
		contact = "nc"
	}
	text := fmt.Sprintf(`bench: gpio-sim
dut: {model: %s, serial: %s, url: "http://%s", discovery: "%s"}
relays:
  power: {pin: GPIO26, active: %s, contact: %s, safe: keep, min-off: 3s}
  reset: {pin: GPIO20, active: %s, max-on: 40s}
senses:
  supply: {pin: GPIO5, active: high, of: power}
  loop: {pin: GPIO6, active: high, of: reset}
`, model, serialOf, recorderAt, discoveryAt, active, contact, active)
	path := "/tmp/bench.yaml"
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// longest is how much of the guest's time a run of resetrig may take.
const longest = 10 * time.Minute

// ran is a finished run of resetrig.
type ran struct {
	code        int
	out, errOut string
}

// resetrig runs the program under test with results of its own.
func resetrig(args ...string) (ran, error) {
	if err := os.RemoveAll("/tmp/state"); err != nil {
		return ran{}, err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), longest, fmt.Errorf("resetrig %s was not done after %v", args[0], longest))
	defer cancel()
	cmd := exec.CommandContext(ctx, "/resetrig", append([]string{"--state", "/tmp/state"}, args...)...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if ctx.Err() != nil {
		return ran{}, fmt.Errorf("%w\n%s%s", context.Cause(ctx), out.String(), errOut.String())
	}
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		return ran{}, err
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}, nil
}
