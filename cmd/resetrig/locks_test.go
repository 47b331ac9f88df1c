package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"resetrig/config"
)

func benchWith(t *testing.T, name, serial, pin string) *config.Bench {
	t.Helper()
	text := fmt.Sprintf("bench: %s\ndut: {model: imou-nvr-new, serial: %s, url: http://127.0.0.1:9}\nrelays:\n  power: {pin: %s, active: high}\n  reset: {pin: %sb, active: high, max-on: 40s}\n", name, serial, pin, pin)
	b, err := config.LoadBench(name+".yaml", []byte(text), config.System())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Two programs never have the same bench: not its lines, not its DUT.
func TestBenchIsHeldByOne(t *testing.T) {
	pin := fmt.Sprintf("PIN%d", os.Getpid()) // of this test alone
	serial := fmt.Sprintf("TEST%d", os.Getpid())
	one := benchWith(t, "one", serial+"A", pin)
	unlock, err := lockBench(one)
	if err != nil {
		t.Fatal(err)
	}
	for what, other := range map[string]*config.Bench{
		"the same bench": one,
		"a line":         benchWith(t, "two", serial+"B", pin),
		"the DUT":        benchWith(t, "three", serial+"A", pin+"x"),
	} {
		if _, err := lockBench(other); err == nil {
			t.Errorf("%s was taken twice", what)
		} else if !strings.Contains(err.Error(), "in use by another resetrig") || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
			t.Errorf("%s: %v", what, err)
		}
		if err := apart([]*config.Bench{one, other}); err == nil {
			t.Errorf("%s: one invocation may have both", what)
		}
	}
	if again, err := lockBench(benchWith(t, "two", serial+"B", pin+"y")); err != nil {
		t.Errorf("another bench: %v", err)
	} else {
		again()
	}
	unlock()
	again, err := lockBench(one)
	if err != nil {
		t.Errorf("given back and not free: %v", err)
	} else {
		again()
	}
	if long := socketName("line " + strings.Repeat("x", 300)); len(long) > 107 {
		t.Errorf("the name %s does not fit into a socket's", long)
	}
}
