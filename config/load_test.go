package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"resetrig/config"
	"resetrig/rig"
)

func loadExample(t *testing.T, name string) *config.Bench {
	t.Helper()
	f := filepath.Join("../examples/benches", name)
	b, err := config.LoadBench(f, read(t, f), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The two relays of the board as the rig gets them: defaults, roles and guards.
func TestRelaysOfExample(t *testing.T) {
	b := loadExample(t, "pi-waveshare.yaml")
	var specs []rig.RelaySpec
	for _, r := range b.Relays {
		specs = append(specs, r.Spec())
	}
	want := []rig.RelaySpec{
		{Name: "power", Role: rig.RolePower, Safe: rig.SafeKeep, MinOff: 3 * time.Second, Settle: 50 * time.Millisecond, Life: 100_000},
		{Name: "reset", Role: rig.RolePress, Safe: rig.SafeOff, MaxOn: 40 * time.Second, Settle: 50 * time.Millisecond, Life: 100_000},
	}
	if diff := cmp.Diff(want, specs); diff != "" {
		t.Error(diff)
	}
	power := b.Relays[0]
	if power.Pin != "GPIO26" || power.Active != "low" || power.Contact != "nc" || power.Driver != "cdev" {
		t.Errorf("power is %+v", power)
	}
}

func TestPressHasADeadManByDefault(t *testing.T) {
	b, err := config.LoadBench("b.yaml", []byte("bench: b\ndut: {model: m, serial: AAAA, url: http://h}\nrelays:\n  reset: {pin: GPIO24, active: high}\n"), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Relays[0].MaxOn; got != 40*time.Second {
		t.Errorf("max-on is %v, want 40s", got)
	}
}

func TestSensesOfExample(t *testing.T) {
	want := config.Senses{
		{Name: "supply", Of: "power", Pin: "GPIO25", Active: "high", Bias: "pull-down", Debounce: 5 * time.Millisecond},
		{Name: "loop", Of: "reset", Pin: "GPIO16", Active: "low", Bias: "pull-up"},
		{Name: "current", Of: "power", I2C: "1", Address: 0x40, Shunt: 0.1, Over: 0.2},
		{Name: "uplink", Of: "network", TCP: "192.168.1.1:80"},
		{Name: "link", Of: "network", Carrier: "eth1"},
	}
	if diff := cmp.Diff(want, loadExample(t, "full.yaml").Senses); diff != "" {
		t.Error(diff)
	}
}

func TestPathsAreRelativeToTheBenchFile(t *testing.T) {
	b, err := config.LoadBench("/lab/benches/b.yaml", []byte(`bench: b
dut:
  model: ./mine.yaml
  serial: AAAA
  url: http://h/
  baseline: base.yaml
ear: {device: USB, calibration: /var/ear.yaml}
`), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	got := []string{b.DUT.Model, b.DUT.Baseline, b.Ear.Calibration, b.DUT.URL}
	want := []string{"/lab/benches/mine.yaml", "/lab/benches/base.yaml", "/var/ear.yaml", "http://h"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !b.DUT.ModelIsFile() {
		t.Error("the model is not taken for a file")
	}
}

// A password is never printed, however the bench is.
func TestPasswordsAreHidden(t *testing.T) {
	b := loadExample(t, "full.yaml")
	if got := b.DUT.Login.Password.Reveal(); got != "s3cret-pw" {
		t.Fatalf("the password is %q, want the variable's value", got)
	}
	asJSON, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Dump(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(asJSON), string(asYAML), fmt.Sprintf("%v %+v %#v %s", b.DUT, b.DUT, b.DUT, b.DUT.Login)} {
		if strings.Contains(text, "s3cret-pw") {
			t.Errorf("the password is in %s", text)
		}
	}
}

// Nor is it in an error about the file that it stands in.
func TestErrorsDoNotQuotePasswords(t *testing.T) {
	for _, login := range []string{
		"{user: admin, password: s3cret, password-file: f}", "{user: admin, password: [s3cret]}", "{password: s3cret}", `{user: admin, password: "${s3cret"}`,
	} {
		_, err := config.LoadBench("b.yaml", []byte("bench: b\ndut: {model: m, serial: AAAA, url: http://h, login: "+login+"}\n"), testEnv())
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("login %s: %v", login, err)
		}
	}
}

func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "bench: b\ndut: {model: m, serial: AAAA, url: http://h, login: {user: admin, password-file: pw}}\n"
	b, err := config.LoadBench(filepath.Join(dir, "b.yaml"), []byte(text), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.DUT.Login.Password.Reveal(); got != "from-file" {
		t.Errorf("the password is %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte("two\nlines\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = config.LoadBench(filepath.Join(dir, "b.yaml"), []byte(text), testEnv()); err == nil || strings.Contains(err.Error(), "two") {
		t.Errorf("a file of two lines: %v", err)
	}
}

// Numbers that a YAML reader would change keep their digits.
func TestScalarsKeepTheirText(t *testing.T) {
	b, err := config.LoadBench("b.yaml", []byte("bench: 007\ndut: {model: m, serial: 0012345678, url: http://h, firmware: 4.10, login: {user: 1e3, password: 0x10}}\n"), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	got := []string{b.Name, b.DUT.Serial, b.DUT.Firmware, b.DUT.Login.User, b.DUT.Login.Password.Reveal()}
	if diff := cmp.Diff([]string{"007", "0012345678", "4.10", "1e3", "0x10"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOverrides(t *testing.T) {
	data := []byte(`scenario: s
params: {hold: 15s, restart: 5m, stable: 20s, beep: required}
arrange:
  - mark: {password: unique}
act:
  - power: off
  - press: reset
  - power: on
  - hold: {for: $hold, since: power-on}
  - release: reset
  - hear: {beep: long, from: power-on, to: release, verdict: $beep}
assert:
  - restarted: {within: $restart, stable: $stable}
  - default-state
`)
	for _, c := range []struct{ name, flag, value, want string }{
		{"unknown", "hodl", "10s", `-p hodl=10s: the scenario in f.yaml has no parameter "hodl"; did you mean "hold"?`},
		{"no unit", "hold", "10", `-p hold=10: 10 is a number without a unit; write 10s if seconds are meant, else ms, m or h (its default is 15s)`},
		{"wrong unit", "hold", "10kHz", `-p hold=10kHz: "10kHz" is no duration; write a number with its unit, of ms, s, m or h, like 10s or 1m30s (its default is 15s)`},
		{"negative", "hold", "-1s", `-p hold=-1s: -1s is negative; write a duration of zero or more, like 10s (its default is 15s)`},
		{"nothing", "hold", "", `-p hold=: "" is no duration; write a number with its unit, of ms, s, m or h, like 10s or 1m30s (its default is 15s)`},
		{"wrong word", "beep", "requird", `-p beep=requird: "requird" is not known; did you mean "required"? (its default is required)`},
		{"zero", "hold", "0s", `f.yaml:9:17: act step 4.hold.for: is no time at all (from -p hold=0s); write a duration above zero, like 10s`},
		{"against another", "stable", "10m", `f.yaml:13:43: assert step 1.restarted.stable: 10m0s does not fit into within, 5m0s (from -p stable=10m); the time to be stable is part of within: make that longer`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.LoadScenario("f.yaml", data, map[string]string{c.flag: c.value})
			if err == nil {
				t.Fatal("it was taken")
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDollarThatMeansItself(t *testing.T) {
	sc, err := config.LoadScenario("s.yaml", []byte(`scenario: s
params: {version: v2}
arrange:
  - exec: {run: [sh, -c, $$HOME, $version], within: 1m}
  - mark: {password: unique}
  - power: on
act:
  - factory-reset: all
assert:
  - default-state
`), map[string]string{"version": "v3"})
	if err != nil {
		t.Fatal(err)
	}
	want := rig.Exec{Argv: []string{"sh", "-c", "$HOME", "v3"}, Within: time.Minute}
	if diff := cmp.Diff(want, sc.Arrange[0]); diff != "" {
		t.Error(diff)
	}
}

func TestTooLarge(t *testing.T) {
	data := append([]byte("bench: b\n"), bytes.Repeat([]byte("# filler\n"), config.MaxFile/9)...)
	_, err := config.LoadBench("b.yaml", data, testEnv())
	if err == nil || !strings.Contains(err.Error(), "at most 1048576 are read") {
		t.Errorf("got %v", err)
	}
	f := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(f, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := config.ReadFile(f); err == nil || !strings.Contains(err.Error(), "at most 1048576 are read") {
		t.Errorf("got %v", err)
	}
}

func TestReadFileNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{dir: "no regular file", filepath.Join(dir, "none.yaml"): "no such file"} {
		_, err := config.ReadFile(file)
		var p config.Problem
		if !errors.As(err, &p) || p.File != file || !strings.Contains(p.Wrong, want) {
			t.Errorf("%s: got %v, want %q", file, err, want)
		}
	}
}

func TestCalibrationReadsBack(t *testing.T) {
	c := config.Calibration{Bench: "lab: 3", Device: "USB \"PnP\" #1", Frequency: 2730.25, Level: -23.5, Long: time.Second,
		Length: 2350 * time.Millisecond, NoiseFloor: -61, Beeps: 5}
	full := c
	full.Harmonics, full.NoiseBand, full.Margin = []config.Decibels{-18.4, -12, 3}, -86, 24.5
	full.Spread = &config.Spread{Frequency: 0.4, Length: 12 * time.Millisecond}
	full.Thresholds = &config.Thresholds{Frequency: 2.5, Drift: 0.4, LevelBelow: 9.5, LevelAbove: 12, Density: 16.8, Energy: 15, FalseAlarm: 720 * time.Hour}
	s := schema(t, "calibration")
	for name, c := range map[string]config.Calibration{"as it was at first": c, "full": full} {
		got, err := config.LoadCalibration("c.yaml", c.YAML())
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, c.YAML())
		}
		c.File = "c.yaml"
		if diff := cmp.Diff(&c, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if err := valid(s, c.YAML()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBaselineReadsBack(t *testing.T) {
	want := &config.Baseline{
		Model: "imou-nvr-new", Type: "NVR1108", Firmware: "4.001, build 2", Hardware: "V1.0", Init: "uninitialised",
		Users: []string{"admin", "a: b"}, Ports: []int{80, 554}, Tried: []int{23, 80, 554}, Ignore: []string{"Network.eth?"}, File: "b.yaml",
		Config: map[string]string{
			"General.MachineName": "NVR: \"left\" # 1", "General.LockLoginEnable": "true", "NTP.Port": "0123", "NTP.Address": "", "Users[0].Name": "null", "X.Y": "päß\t\\",
			"System/time.timeMode": "NTP",
		},
	}
	got, err := config.LoadBaseline("b.yaml", want.YAML())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, err = config.LoadBaseline("b.yaml", []byte("config:\n  A.B: \"\"\n  A.C: 1.50\n  A.D: yes\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"A.B": "", "A.C": "1.50", "A.D": "yes"}, got.Config); diff != "" {
		t.Error(diff)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"power", "press", "release", "on", "off", "max-on"}
	for word, want := range map[string]string{"pwoer": "power", "relase": "release", "of": "off", "maxon": "max-on", "POWER": "power", "camera": "", "": ""} {
		if got := config.Nearest(word, words); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}

func TestModelOfTheNewGeneration(t *testing.T) {
	m, err := config.LoadModel("imou-nvr-new.yaml", read(t, "../models/imou-nvr-new.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Model{
		Name: "imou-nvr-new", About: m.About, Dialect: "imou", Generation: "new", Route: "auto", ResetBy: "cgi", File: "imou-nvr-new.yaml",
		Default:   config.Default{URL: "http://192.168.1.108"},
		Provision: config.Provision{User: "admin"},
		Lockout:   config.Lockout{Tries: 5, Window: 5 * time.Minute, Spare: 1},
		Boot:      config.Boot{Least: 12 * time.Second, Most: 4 * time.Minute}, WriteWindow: time.Minute,
		Beep:   config.ModelBeep{Frequency: config.Band{Low: 2000, High: 4000}, Long: time.Second},
		Tables: []string{"General", "NTP", "Network"}, Ignore: m.Ignore,
		Endpoints: config.Endpoints{FactoryReset: "/cgi-bin/magicBox.cgi?action=resetSystemEx&type=0",
			Restore: "/cgi-bin/configManager.cgi?action=restore&names[0]={name}", OutsideCmd: "/OutsideCmd"},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
}

func FuzzLoadBench(f *testing.F) { fuzz(f, "bench") }

func FuzzLoadScenario(f *testing.F) { fuzz(f, "scenario") }

func FuzzLoadModel(f *testing.F) { fuzz(f, "model") }

// fuzz: no text makes a loader panic, and what is refused says where.
func fuzz(f *testing.F, kind string) {
	for _, pattern := range []string{"../testdata/broken/" + kind + "/*.yaml", "../scenarios/*.yaml", "../examples/benches/*.yaml", "../models/*.yaml"} {
		seeds, err := filepath.Glob(pattern)
		if err != nil || len(seeds) == 0 {
			f.Fatalf("no files match %s (%v)", pattern, err)
		}
		for _, file := range seeds {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := loadKind(kind, "f.yaml", data)
		var all config.Problems
		if err == nil {
			return
		}
		if !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("%v is not Problems", err)
		}
		for _, p := range all {
			if p.File != "f.yaml" || p.Wrong == "" {
				t.Errorf("%+v does not say what is wrong", p)
			}
		}
	})
}

// A large file of nothing but errors is refused in no time, and briefly.
func TestManyProblems(t *testing.T) {
	for name, line := range map[string]func(i int) string{
		"keys":   func(i int) string { return fmt.Sprintf("k%d: %d\n", i, i) },
		"relays": func(i int) string { return fmt.Sprintf("  r%d: {pin: P, activ: 1}\n", i) },
		"steps":  func(int) string { return "  - wait: {for: 10, fore: 2}\n" },
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString(map[string]string{"keys": "", "relays": "relays:\n", "steps": "act:\n"}[name])
			for i := 0; b.Len() < 200_000; i++ {
				b.WriteString(line(i))
			}
			for _, kind := range []string{"bench", "scenario"} {
				err := loadKind(kind, "f.yaml", []byte(b.String()))
				if lines := strings.Count(err.Error(), "\n") + 1; lines > 101 {
					t.Errorf("%s: %d lines of problems", kind, lines)
				}
			}
		})
	}
}

// The relays that a simulated bench has without naming them, and with them what
// is filled in for each role.
func TestRelaysOfTheDefaultBench(t *testing.T) {
	b, err := config.LoadBench("default-bench.yaml", config.DefaultBench(), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	var specs []rig.RelaySpec
	for _, r := range b.Relays {
		specs = append(specs, r.Spec())
	}
	want := []rig.RelaySpec{
		{Name: "power", Role: rig.RolePower, Safe: rig.SafeKeep, MinOff: 3 * time.Second, Settle: 50 * time.Millisecond, Life: 100_000},
		{Name: "reset", Role: rig.RolePress, Safe: rig.SafeOff, MaxOn: 40 * time.Second, Settle: 50 * time.Millisecond, Life: 100_000},
	}
	if diff := cmp.Diff(want, specs); diff != "" {
		t.Error(diff)
	}
}

func TestDriverOfExpanderPin(t *testing.T) {
	b, err := config.LoadBench("b.yaml", []byte("bench: b\ndut: {model: m, serial: AAAA, url: http://h}\nrelays:\n  power: {pin: 'tca9534@1:0x20/3', active: high}\n"), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Relays[0].Driver; got != "i2c" {
		t.Errorf("the driver is %q, want i2c", got)
	}
}
