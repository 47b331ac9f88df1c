package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/warthog618/go-gpiocdev"
)

// holdLine is another program that holds a line, until it is killed.
func holdLine(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err == nil {
		_, err = gpiocdev.RequestLine("gpiochip0", n, gpiocdev.AsInput, gpiocdev.WithConsumer("another program"))
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("held")
	time.Sleep(time.Hour)
	return 0
}

// persistTold: what the kernel does with the lines of a dead owner is a
// parameter on Raspberry Pi OS's kernels alone. Debian's has none; a folder like
// theirs is mounted in its place, and `check` must tell the three apart.
func persistTold(t *trial) error {
	real, _ := filepath.Glob("/sys/module/pinctrl_*/parameters/persist_gpio_outputs") // errs on bad patterns only
	t.figure("this kernel has persist_gpio_outputs: %v", len(real) > 0)
	b := bench{generation: "new", contact: "no"} // kept powered by its coil's current
	file, err := b.write(t.dir)
	if err != nil {
		return err
	}
	text := func() (string, error) {
		p, err := t.startRig("/bin/resetrig", "check", "--bench", file, "--json")
		if err != nil {
			return "", err
		}
		_, err = p.wait(30 * time.Second) // its verdict on the rest is not of interest
		return p.stdout(), err
	}
	for _, c := range []struct{ value, want string }{
		{"", "power is kept only while it runs"},
		{"Y", "the kernel goes on driving reset as it was"},
		{"N", "power is kept only while it runs"},
	} {
		folder := ""
		if c.value != "" {
			folder = filepath.Join(t.dir, "modules-"+c.value)
			parameters := filepath.Join(folder, "pinctrl_bcm2835", "parameters")
			if err := os.MkdirAll(parameters, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(parameters, "persist_gpio_outputs"), []byte(c.value+"\n"), 0o644); err != nil {
				return err
			}
			if err := mountOver(folder, "/sys/module"); err != nil {
				return err
			}
		}
		out, err := text()
		if folder != "" {
			if uerr := unmount("/sys/module"); uerr != nil {
				return uerr
			}
		}
		if err != nil {
			return err
		}
		told := ""
		for line := range strings.Lines(out) {
			if strings.Contains(line, "lines after a kill") {
				told = strings.TrimSpace(line)
			}
		}
		t.figure("parameter %q: %s", c.value, told)
		if !strings.Contains(told, c.want) || (c.value != "Y") == strings.Contains(told, "goes on driving") {
			return fmt.Errorf("check does not tell what the kernel does with %q: %s", c.value, told)
		}
	}
	return nil
}
