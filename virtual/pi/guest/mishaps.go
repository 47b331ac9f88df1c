package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"resetrig/rig"
)

// heldByAnother: a line that another program holds is not switched, and the
// message says who has it.
func heldByAnother(t *trial) error {
	b := bench{generation: "new"}
	file, err := b.write(t.dir)
	if err != nil {
		return err
	}
	if _, err := t.startRecorder(b); err != nil {
		return err
	}
	h, err := t.spawn("another program", nil, nil, "/bin/guest", "hold", fmt.Sprint(resetLine))
	if err != nil {
		return err
	}
	if err := until(10*time.Second, "the other program to hold the line", func() bool { return strings.Contains(h.stdout(), "held") }); err != nil {
		return err
	}
	if err := t.pi.trace.clear(); err != nil {
		return err
	}
	p, err := t.startRig(shipped, "run", "imou-hard-reset", "--bench", file, "--json")
	if err != nil {
		return err
	}
	code, err := p.wait(30 * time.Second)
	if err != nil {
		return err
	}
	for _, line := range []int{powerLine, resetLine} {
		edges, writes, err := t.pi.trace.edges(line)
		if err != nil {
			return err
		}
		t.figure("GPIO%d: %v, %d writes", line, levels(edges), writes)
		if slices.Contains(levels(edges), high) {
			return fmt.Errorf("GPIO%d was energised", line)
		}
	}
	said := strings.TrimSpace(p.stderr())
	t.seen = said[strings.LastIndex(said, "\n")+1:]
	t.figure("exit %d: %s", code, t.seen)
	if code != 3 || !strings.Contains(said, "another program") {
		return fmt.Errorf("exit %d, want 3 and the name of the holder", code)
	}
	return nil
}

// takenAway: another program writes the SoC's registers and takes the line of
// the press while the pins are shorted.
func takenAway(t *trial) error {
	if _, err := os.Stat("/sys/bus/platform/drivers/pinctrl-bcm2835/unbind"); err == nil {
		t.figure("this kernel lets the Pi's GPIO chip be unbound")
	} else {
		t.figure("the Pi's GPIO chip cannot be unbound (its driver has no unbind): the line is taken by a write to the registers")
	}
	b := bench{generation: "new"}
	p, _, err := t.pressing(b, "-p", "restart=45s")
	if err != nil {
		return err
	}
	t.pi.makeInput(resetLine)
	taken := monotonic()
	code, err := p.wait(cycleWithin)
	if err != nil {
		return err
	}
	t.seen = fmt.Sprintf("ended %.1f s after the line was taken", (monotonic() - taken).Seconds())
	t.figure("%s, exit %d", t.seen, code)
	return t.wantError(p, code)
}

// pressing starts a cycle and waits until the recorder has power and its pins
// are shorted, and then two seconds.
func (t *trial) pressing(b bench, params ...string) (*process, *recorder, error) {
	file, err := b.write(t.dir)
	if err != nil {
		return nil, nil, err
	}
	r, err := t.startRecorder(b)
	if err != nil {
		return nil, r, err
	}
	args := append([]string{"run", "imou-hard-reset", "--bench", file, "--json", "-p", "off=4s"}, params...)
	p, err := t.startRig(shipped, args...)
	if err != nil {
		return p, r, err
	}
	shorted := func() bool { return t.pi.level(resetLine) == b.pressed() || !p.running() }
	if err := until(60*time.Second, "the press", shorted); err != nil {
		return p, r, err
	}
	powered := func() bool { return t.pi.level(powerLine) != b.pressed() || !p.running() } // nc
	if err := until(10*time.Second, "the power", powered); err != nil {
		return p, r, err
	}
	time.Sleep(2 * time.Second)
	if !p.running() {
		return p, r, errors.New("the program ended before anything was done to it")
	}
	return p, r, nil
}

// wantError wants the outcome error, and the lines given back.
func (t *trial) wantError(p *process, code int) error {
	list, err := records(p.stdout())
	if err != nil {
		return err
	}
	for _, rec := range list {
		t.figure("attempt %d: %s %s %s: %s", rec.Attempt, rec.Outcome, rec.Attribution, rec.Reason, rec.Text)
	}
	if len(list) == 0 || list[0].Outcome != rig.Error || code != 3 {
		return fmt.Errorf("exit %d, want 3 and an error of the rig", code)
	}
	return t.released(bench{})
}

// opensWithin wants the press opened, by the kernel's trace, soon after a moment.
func (t *trial) opensWithin(since, limit time.Duration) error {
	edges, _, err := t.pi.trace.edges(resetLine)
	if err != nil {
		return err
	}
	opened := after(edges, since, false)
	if opened == 0 {
		return errors.New("the press was not opened")
	}
	t.seen = fmt.Sprintf("opened after %.3f s", (opened - since).Seconds())
	t.figure("press %s", t.seen)
	if opened-since > limit {
		return fmt.Errorf("the press opened %v after it, want %v at most", opened-since, limit)
	}
	return nil
}

// cardGone: the sound card disappears in the middle of a press, and its driver
// is unloaded.
func cardGone(t *trial) error {
	p, _, err := t.pressing(bench{generation: "new"})
	if err != nil {
		return err
	}
	gone := monotonic()
	unload, err := t.spawn("unload the sound card", nil, nil, "/bin/busybox", "sh", "-c",
		"echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/unbind")
	if err != nil {
		return err
	}
	code, err := p.wait(30 * time.Second)
	if err != nil {
		return err
	}
	errs := errors.Join(t.opensWithin(gone, lostEar), t.wantError(p, code))
	if _, err := unload.wait(10 * time.Second); err != nil {
		return errors.Join(errs, err)
	}
	out, err := t.busybox("rmmod", "snd_aloop")
	if err != nil {
		return errors.Join(errs, fmt.Errorf("unload the card's driver: %w: %s", err, out))
	}
	t.figure("snd_aloop unloaded")
	out, err = t.busybox("insmod", "/modules/snd-aloop.ko", "pcm_substreams=1", "index=0", "id=Loopback")
	if err != nil {
		return errors.Join(errs, fmt.Errorf("load it again: %w: %s", err, out))
	}
	return errs
}

func (t *trial) busybox(args ...string) (string, error) {
	p, err := t.spawn(args[0], nil, nil, append([]string{"/bin/busybox"}, args...)...)
	if err != nil {
		return "", err
	}
	code, err := p.wait(20 * time.Second)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit %d", code)
	}
	return p.tail(), err
}

// playerStops: the loopback's player stops; its process lives, and so does the
// card. What the microphone delivers then is silence without any noise.
func playerStops(t *trial) error {
	p, r, err := t.pressing(bench{generation: "new"})
	if err != nil {
		return err
	}
	stopped := monotonic()
	if err := r.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	code, err := p.wait(60 * time.Second)
	if cerr := r.signal(syscall.SIGCONT); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return errors.Join(t.opensWithin(stopped, lostEar), t.wantError(p, code))
}

// terminateWhileWriting: a stop in the moment in which the recorder writes its
// flash, on a bench that cuts the power in the end. The recorder must live.
func terminateWhileWriting(t *trial) error {
	b := bench{generation: "new", contact: "no", safe: "off"}
	file, err := b.write(t.dir)
	if err != nil {
		return err
	}
	r, err := t.startRecorder(b)
	if err != nil {
		return err
	}
	p, err := t.startRig(shipped, "run", "imou-hard-reset", "--bench", file, "--json", "-p", "off=4s")
	if err != nil {
		return err
	}
	writes := func() bool {
		st, err := r.state()
		time.Sleep(100 * time.Millisecond)
		return err == nil && st["phase"] == "resetting" || !p.running()
	}
	if err := until(time.Minute, "the recorder to write its flash", writes); err != nil {
		return err
	}
	struck := monotonic()
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	if _, err := p.wait(90 * time.Second); err != nil {
		return err
	}
	power, _, err := t.pi.trace.edges(powerLine)
	if err != nil {
		return err
	}
	cut := after(power, struck, false)
	if cut-struck < cutNotSoon {
		return fmt.Errorf("the power was cut %v after the stop: not at all, or in the write window", cut-struck)
	}
	t.seen = fmt.Sprintf("power cut %.1f s after the stop", (cut - struck).Seconds())
	t.figure("%s", t.seen)
	time.Sleep(3 * time.Second) // the recorder's capacitors
	st, err := r.state()
	if err != nil {
		return err
	}
	if st["bricked"] == true {
		return errors.New("the power went while the recorder wrote its flash: it is bricked")
	}
	return nil
}

// hangingServer: the recorder takes connections and never answers, while the
// pins are shorted and the cycle waits in a request: the dead man opens them.
func hangingServer(t *trial) error {
	const maxOn = 5 * time.Second
	b := bench{generation: "new", maxOn: maxOn.String(), faults: []string{"http-hangs"}}
	file, err := b.write(t.dir)
	if err != nil {
		return err
	}
	scenario := filepath.Join(t.dir, "stuck.yaml")
	if err := os.WriteFile(scenario, []byte(`scenario: stuck
about: "waits for an answer while the pins are shorted"
arrange:
  - power: on
  - reachable: {within: 1m}
  - provision
  - mark: {password: unique, name: unique}
act:
  - power: off
  - wait: {for: 4s}
  - power: on
  - wait: {for: 8s}
  - press: {relay: reset, powered: allow}
  - reachable: {within: 1m}
  - release: reset
assert:
  - restarted: {within: 1m, stable: 5s}
  - default-state
`), 0o600); err != nil {
		return err
	}
	if _, err := t.startRecorder(b); err != nil {
		return err
	}
	p, err := t.startRig(shipped, "run", scenario, "--bench", file, "--json")
	if err != nil {
		return err
	}
	code, err := p.wait(cycleWithin)
	if err != nil {
		return err
	}
	edges, _, err := t.pi.trace.edges(resetLine)
	if err != nil {
		return err
	}
	var on, off time.Duration
	for _, e := range edges {
		if e.to == high {
			on = e.at
		} else if e.from == high {
			off = e.at
		}
	}
	if on == 0 || off == 0 {
		return fmt.Errorf("the press is not in the trace: %v", levels(edges))
	}
	late := off - on - maxOn
	t.figure("press %.6f s edge to edge; the dead man stands at %v", (off - on).Seconds(), maxOn)
	t.seen = fmt.Sprintf("%.1f ms late", ms(late))
	if late < 0 || late > deadManIn {
		return fmt.Errorf("the dead man was %v late", late)
	}
	return t.wantError(p, code)
}
