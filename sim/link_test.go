package sim_test

import (
	"testing"
	"time"

	"resetrig/sim"
)

// The link comes up before the web server, and goes with the power.
func TestLinkAndNeighbour(t *testing.T) {
	b := newBench(t, "imou-new")
	b.up()
	if !b.w.Carrier() {
		t.Error("a unit that is up has no carrier")
	}
	host := b.w.Truth().Address
	if mac, ok := b.w.Neighbour(host); !ok || mac != b.w.Truth().MAC {
		t.Errorf("its neighbour entry is %q, %t, want %q", mac, ok, b.w.Truth().MAC)
	}
	if _, ok := b.w.Neighbour("192.0.2.77"); ok {
		t.Error("an address where nobody is has an entry")
	}
	b.set("power", false)
	b.sleep(5 * time.Second)
	if b.w.Carrier() {
		t.Error("a unit without power has a carrier")
	}
	b.set("power", true)
	var link, web time.Duration
	for d := time.Duration(0); d < time.Minute && web == 0; d += 200 * time.Millisecond {
		b.sleep(200 * time.Millisecond)
		if link == 0 && b.w.Carrier() {
			link = d
		}
		if !b.w.Carrier() {
			continue
		}
		if state, err := b.w.Dial(t.Context(), host, 80); err == nil && state == sim.PortOpen {
			web = d
		}
	}
	if link == 0 || web <= link {
		t.Errorf("link after %v, web server after %v", link, web)
	}
}
