package nvr_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

// doors is a network whose unit has these TCP ports open.
type doors struct {
	nvr.Network
	open *[]string
	asks *int
}

func (d doors) Open(_ context.Context, address string, _ time.Duration) (bool, error) {
	*d.asks++
	_, port, _ := net.SplitHostPort(address)
	return slices.Contains(*d.open, port), nil
}

func (b *bench) withDoors(open ...string) (*[]string, *int) {
	asks := 0
	b.o.Net = doors{b.o.Net, &open, &asks}
	return &open, &asks
}

func checkNamed(t *testing.T, cs []rig.Check, name string) rig.Check {
	t.Helper()
	for _, c := range cs {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q among %v", name, outcomes(cs))
	return rig.Check{}
}

func TestBaselineSaysPortsAndFirmware(t *testing.T) {
	b := newBench(t, nvr.New)
	b.withDoors("80", "554", "37777")
	b.u.do(b.u.reset)
	d := b.open(t)
	if _, err := d.Record(t.Context(), false); err == nil || !strings.Contains(err.Error(), "provisioned") {
		t.Errorf("an uninitialised unit was recorded without an account: %v", err)
	}
	got, err := d.Record(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Ports, []int{80, 554, 37777}) || !slices.Contains(got.Tried, 23) || got.Init != rig.InitUninitialised {
		t.Errorf("ports %v of %v, init %s", got.Ports, got.Tried, got.Init)
	}
	if got.Firmware == "" || got.Config["General.MachineName"] != "NVR" {
		t.Errorf("firmware %q, config %v", got.Firmware, got.Config)
	}
}

// A reset that leaves a port open, or closes one, is not what the baseline says;
// one that opens late is.
func TestPortsEqualTheBaseline(t *testing.T) {
	b := newBench(t, nvr.Old)
	open, asks := b.withDoors("80")
	b.o.Reference = nvr.Reference{Ports: []int{80, 554}, Tried: []int{23, 80, 554}}
	d, m := marked(t, b)
	b.u.do(b.u.reset)
	*open = []string{"23", "80"}
	cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
	if err != nil {
		t.Fatal(err)
	}
	c := checkNamed(t, cs, "ports")
	want := []rig.Difference{{Key: "23", Want: "closed", Seen: "open"}, {Key: "554", Want: "open", Seen: "closed"}}
	if c.Outcome != rig.CheckFail || !slices.Equal(c.Differences, want) {
		t.Errorf("%+v, want a fail with %v", c, want)
	}
	if *asks < 6 {
		t.Errorf("a difference was believed after %d questions: services come up one after the other", *asks)
	}
	*open = []string{"80", "554"}
	if cs, err = d.Default(t.Context(), m, rig.DefaultSpec{}); err != nil || checkNamed(t, cs, "ports").Outcome != rig.CheckPass {
		t.Errorf("%v, %v", outcomes(cs), err)
	}
}

// What differs under another firmware than the baseline's may be the firmware's:
// it is no fail of the unit.
func TestBaselineOfAnotherFirmware(t *testing.T) {
	for _, c := range []struct {
		name, reference, value string
		config                 rig.CheckOutcome
		warned                 bool
	}{
		{"the same firmware, another value", "4.001.0000001.0,build:2024-02-02", "9", rig.CheckFail, false},
		{"another firmware, another value", "3.9", "9", rig.CheckUnknown, true},
		{"another firmware, the same value", "3.9", "8", rig.CheckPass, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nvr.Old)
			b.o.Reference = nvr.Reference{Firmware: strings.ReplaceAll(c.reference, ",", " ")}
			d, m := marked(t, b)
			b.u.do(func() { b.u.reset(); b.u.config["General.LocalNo"] = c.value })
			cs, err := d.Default(t.Context(), m, rig.DefaultSpec{})
			if err != nil {
				t.Fatal(err)
			}
			k := checkNamed(t, cs, "config/General")
			if k.Outcome != c.config {
				t.Errorf("config/General is %s (%s), want %s", k.Outcome, k.Seen, c.config)
			}
			if c.value != "8" && (len(k.Differences) != 1 || k.Differences[0].Key != "General.LocalNo" || k.Differences[0].Want != "8" || k.Differences[0].Seen != "9") {
				t.Errorf("differences %v", k.Differences)
			}
			if (outcomes(cs)["baseline"] == rig.CheckWarn) != c.warned {
				t.Errorf("baseline check: %v", outcomes(cs))
			}
		})
	}
}
