package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// What packages install is made by the program itself; packaging/ installs it.

// The unit of the package is that of `service install`, but for who, where and
// which bench.
func TestPackagedUnit(t *testing.T) {
	a := testApp(t)
	var out strings.Builder
	a.out = &out
	if code := a.execute(t.Context(), []string{"service", "template", "bench"}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{
		"ExecStart=/usr/bin/resetrig --state /var/lib/resetrig soak --resume --bench /etc/resetrig/%i.yaml\n",
		"ExecStopPost=/usr/bin/resetrig --state /var/lib/resetrig safe --bench /etc/resetrig/%i.yaml\n",
		"EnvironmentFile=-/etc/resetrig/resetrig.env\nEnvironmentFile=-/etc/resetrig/%i.env\n",
		"Type=notify\n", "WatchdogSec=180\n", "User=resetrig\n", "StateDirectory=resetrig\n", "ProtectSystem=strict\n", "DeviceAllow=char-gpiochip rw\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the unit does not say %q", want)
		}
	}
	// The user's groups are the package's business: one that is missing would
	// keep the service from starting.
	for _, wrong := range []string{"DynamicUser", "SupplementaryGroups", "PrivateDevices=", "{{", "<no value>"} {
		if strings.Contains(out.String(), wrong) {
			t.Errorf("the unit says %q", wrong)
		}
	}
}

// Every command that a person can find has a man page with its own words, and no
// page knows who wrote it.
func TestManPages(t *testing.T) {
	a, dir := testApp(t), filepath.Join(t.TempDir(), "man")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	t.Setenv("RESETRIG_STATE", "/nowhere/of-the-writer")
	if code := a.execute(t.Context(), []string{"man", dir}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	pages := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				look(sub)
			}
		}
		name := filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			return
		}
		pages++
		text := string(data)
		if !strings.Contains(text, "Nov 2023") || strings.Contains(text, "of-the-writer") || strings.Contains(text, "Auto generated") {
			t.Errorf("%s has another date, a folder of the writer's, or a stamp:\n%s", name, text)
		}
		if !strings.Contains(text, ".SH SYNOPSIS") {
			t.Errorf("%s has no synopsis:\n%s", name, text)
		}
	}
	look(a.root())
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || pages < 30 || len(files) < pages {
		t.Errorf("%d pages of %d commands, %v", len(files), pages, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "resetrig-man.1")); err == nil {
		t.Error("a page of the command that writes them")
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if code := a.execute(t.Context(), []string{"man", dir}); code != exitUsage {
		t.Errorf("a date that is none: exit code %d", code)
	}
}

// The dashboard's unit leaves a bench alone that another program has: what it
// would switch is in the middle of a cycle.
func TestSafeUnlessHeld(t *testing.T) {
	a := testApp(t)
	var out, errs strings.Builder
	a.out, a.err = &out, &errs
	if code := a.execute(t.Context(), []string{"service", "template", "dashboard"}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{
		"ExecStart=/usr/bin/resetrig --state /var/lib/resetrig serve $BENCHES $OPTIONS\n",
		"ExecStopPost=/usr/bin/resetrig --state /var/lib/resetrig safe --unless-held $BENCHES\n",
		"EnvironmentFile=-/etc/default/resetrig-serve\n", "Type=notify\n", "User=resetrig\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the unit does not say %q", want)
		}
	}
	bench := filepath.Join(t.TempDir(), "lab.yaml")
	text := "bench: lab-held\ndut: {model: imou-nvr-new, serial: 4F0A2B1PAZ00009, url: http://127.0.0.1:9, login: {user: admin, password: \"${NO_SUCH_VARIABLE}\"}}\n" +
		"relays:\n  power: {pin: gpiochip977:23, active: high}\n  reset: {pin: gpiochip977:24, active: high, max-on: 40s}\n"
	if err := os.WriteFile(bench, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := readToSafe(bench)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := lockBench(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if code := a.execute(t.Context(), []string{"safe", "--unless-held", "--bench", bench}); code != 0 || !strings.Contains(errs.String(), "left alone") {
		t.Errorf("a bench that is held: exit code %d, %s", code, errs.String())
	}
	if code := a.execute(t.Context(), []string{"safe", "--bench", bench}); code != exitUnsafe {
		t.Errorf("without the flag, lines that do not exist: exit code %d", code)
	}
	unlock()
	if code := a.execute(t.Context(), []string{"safe", "--unless-held", "--bench", bench}); code != exitUnsafe {
		t.Errorf("a bench that nobody has: exit code %d", code)
	}
	if code := a.execute(t.Context(), []string{"safe", "--unless-held"}); code != 0 {
		t.Errorf("no bench: exit code %d", code)
	}
	if code := a.execute(t.Context(), []string{"safe"}); code != exitUsage {
		t.Errorf("no bench and no flag: exit code %d", code)
	}
}
