package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"resetrig/rig"
)

// running is a cycle on its way, in the middle of its press.
type running struct {
	*exec.Cmd
	out, errOut bytes.Buffer
}

const stateOfEnds = "/tmp/state-ends"

// pressing starts a cycle and waits until the pins are shorted, and a second.
func pressing(pl *plant, bench string) (*running, error) {
	if err := os.RemoveAll(stateOfEnds); err != nil {
		return nil, err
	}
	r := &running{Cmd: exec.Command("/resetrig", "--state", stateOfEnds, "run", "imou-hard-reset", "--bench", bench, "-p", "beep=expected", "--json")}
	r.Stdout, r.Stderr = &r.out, &r.errOut
	if err := r.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(3 * time.Minute); !pl.pressed(); time.Sleep(lookEvery) {
		if time.Now().After(end) {
			return nil, errors.Join(errors.New("nothing was pressed within 3 minutes"), r.Process.Kill(), r.Wait())
		}
	}
	time.Sleep(time.Second)
	return r, nil
}

// pressed is what the line of the press commands, by gpio-sim.
func (pl *plant) pressed() bool {
	on := false
	for _, m := range pl.seen() {
		if m.line == resetLine {
			on = m.on
		}
	}
	return on
}

// persist is the parameter of a Raspberry Pi's pinctrl driver, which image.sh
// gives gpio-sim too.
const persist = "/sys/module/pinctrl_gpiosim/parameters/persist_gpio_outputs"

// killed ends resetrig in the middle of a press, in the way that no program can
// answer. What the kernel does then is the parameter's to say; check must have
// told it before, and safe opens the press in either case.
func killed(persists bool) error {
	value, want := "N", "no coil keeps its current"
	if persists {
		value, want = "Y", "pinctrl_gpiosim.persist_gpio_outputs is on: if this program is killed, the kernel goes on driving reset as it was"
	}
	if err := os.WriteFile(persist, []byte(value), 0o644); err != nil {
		return err
	}
	return errors.Join(withPlant(lowBoard, nil, func(pl *plant) error {
		bench, err := pl.benchFile("imou-nvr-new", serial)
		if err != nil {
			return err
		}
		told, err := resetrig("check", "--bench", bench, "--json")
		if err != nil {
			return err
		}
		var says []string
		for line := range strings.Lines(told.out) {
			var f struct{ What, Text string }
			if json.Unmarshal([]byte(line), &f) == nil && f.What == "lines after a kill" {
				says = append(says, f.Text)
			}
		}
		fmt.Printf("     persist_gpio_outputs=%s, says check: %s\n", value, strings.Join(says, "; "))
		if len(says) != 1 || !strings.Contains(says[0], want) {
			return fmt.Errorf("check does not tell what the kernel does with a dead owner's lines: want %q", want)
		}
		r, err := pressing(pl, bench)
		if err != nil {
			return err
		}
		at := time.Now()
		if err := r.Process.Signal(syscall.SIGKILL); err != nil {
			return err
		}
		_ = r.Wait() // killed
		if persists {
			time.Sleep(2 * time.Second)
			if !pl.pressed() {
				return errors.New("the kernel opened the press: its parameter says that it does not")
			}
			fmt.Printf("     still shorted %v after the kill\n", time.Since(at).Round(time.Millisecond))
		}
		for end := at.Add(5 * time.Second); !persists && pl.pressed(); time.Sleep(lookEvery) {
			if time.Now().After(end) {
				return errors.New("the press was still closed 5 s after its owner had died")
			}
		}
		if !persists {
			fmt.Printf("     open %v after the kill\n", time.Since(at).Round(time.Millisecond))
		}
		got, err := resetrig("safe", "--bench", bench)
		if err != nil {
			return err
		}
		time.Sleep(settling)
		if got.code != 0 || !strings.Contains(got.out, "reset: off") || pl.pressed() {
			return fmt.Errorf("safe ended with %d, pressed %v: %s%s", got.code, pl.pressed(), got.out, got.errOut)
		}
		fmt.Println("     open after resetrig safe")
		return nil
	}), os.WriteFile(persist, []byte("N"), 0o644))
}

const live = "/sys/kernel/config/gpio-sim/rig/live"

// chipGone takes the chip with all its lines away while the pins are shorted,
// as an expander does that is unplugged. Nobody can open the press then: the
// program must say so, loudly, and name the relay.
func chipGone() error {
	return withPlant(lowBoard, nil, func(pl *plant) error {
		bench, err := pl.benchFile("imou-nvr-new", serial)
		if err != nil {
			return err
		}
		r, err := pressing(pl, bench)
		if err != nil {
			return err
		}
		pl.unplug()
		at := time.Now()
		if err := os.WriteFile(live, []byte("0"), 0o644); err != nil {
			return errors.Join(err, r.Process.Kill(), r.Wait())
		}
		_ = r.Wait() // the exit code is looked at below
		took := time.Since(at)
		if err := os.WriteFile(live, []byte("1"), 0o644); err != nil {
			return err
		}
		var rec rig.Record
		for line := range strings.Lines(r.out.String()) {
			if err := json.Unmarshal([]byte(line), &rec); err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
		}
		said := strings.TrimSpace(r.errOut.String())
		fmt.Printf("     ended %v after it with %d, %s %s: %s\n", took.Round(100*time.Millisecond), r.ProcessState.ExitCode(), rec.Outcome, rec.Reason, said[strings.LastIndex(said, "\n")+1:])
		if r.ProcessState.ExitCode() != 5 || rec.Outcome != rig.Error || !strings.Contains(said, "SAFE STATE NOT REACHED") || !strings.Contains(said, "reset") {
			return fmt.Errorf("want exit code 5, an error of the rig, and the relay named\n%s\n%s", r.out.String(), said)
		}
		got, err := resetrig("safe", "--bench", bench)
		if err != nil {
			return err
		}
		if got.code != 0 {
			return fmt.Errorf("the chip is back, and safe ends with %d: %s%s", got.code, got.out, got.errOut)
		}
		return nil
	})
}
