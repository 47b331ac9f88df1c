package sim_test

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"resetrig/sim"
)

const searchText = `{"method":"DHDiscover.search","params":{"mac":"","uni":1}}`

// found is one answer to a search.
type found struct {
	MAC, IP, Name string
	Init          *int
}

func (b *bench) search(to string) []found {
	b.Helper()
	return b.exchange(to, dhipQuestion())
}

// dhipQuestion is a search for anybody, as it goes over the wire.
func dhipQuestion() []byte {
	q := make([]byte, 32, 128)
	binary.LittleEndian.PutUint32(q, 32)
	copy(q[4:], "DHIP")
	binary.LittleEndian.PutUint64(q[16:], uint64(len(searchText)))
	binary.LittleEndian.PutUint64(q[24:], uint64(len(searchText)))
	return append(q, searchText...)
}

func (b *bench) exchange(to string, datagram []byte) []found {
	b.Helper()
	ds, err := b.w.Exchange(b.Context(), to, datagram, time.Second)
	if err != nil {
		b.Fatal(err)
	}
	var all []found
	for _, d := range ds {
		p := d.Payload
		if len(p) < 32 || string(p[4:8]) != "DHIP" || binary.LittleEndian.Uint64(p[16:]) != uint64(len(p)-32) {
			b.Fatalf("answer %q", p)
		}
		var a struct {
			MAC    string
			Params struct {
				DeviceInfo struct {
					MachineName string
					Init        *int
					IPv4Address struct{ IPAddress string }
				}
			}
		}
		if err := json.Unmarshal([]byte(strings.TrimRight(string(p[32:]), "\x00")), &a); err != nil {
			b.Fatal(err)
		}
		all = append(all, found{a.MAC, a.Params.DeviceInfo.IPv4Address.IPAddress, a.Params.DeviceInfo.MachineName, a.Params.DeviceInfo.Init})
	}
	return all
}

func TestDiscovery(t *testing.T) {
	for _, c := range []struct {
		name string
		o    sim.Options
		init int // & 3, -1: has none
	}{
		{"old", sim.Options{Model: preset(t, "imou-old"), Powered: true}, -1},
		{"uninitialised", sim.Options{Powered: true}, 1},
		{"initialised", sim.Options{Powered: true, Login: "Before-2026"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBenchWith(t, c.o)
			one := b.search("192.168.1.50:37810")
			if len(one) != 1 || one[0].MAC != "9c:14:63:0a:2b:01" || one[0].Name != "NVR" {
				t.Fatalf("unicast: %+v", one)
			}
			init := -1
			if one[0].Init != nil {
				init = *one[0].Init & 3
			}
			if init != c.init {
				t.Errorf("Init & 3 = %d, want %d", init, c.init)
			}
			for _, to := range []string{"239.255.255.251:37810", "255.255.255.255:37810", "192.168.1.255:37810"} {
				units := map[string]int{}
				for _, f := range b.search(to) {
					units[f.MAC]++
				}
				if len(units) != 2 || units["9c:14:63:0a:2b:01"] != 2 {
					t.Errorf("%s: %v, want the unit twice and its neighbour", to, units)
				}
			}
			if got := b.exchange("192.168.1.50:37810", []byte(searchText)); len(got) != 0 {
				t.Error("bare JSON is answered")
			}
			wrong := make([]byte, 32, 128)
			copy(wrong, "\x20\x00\x00\x00PHID")
			wrong[16], wrong[24] = byte(len(searchText)), byte(len(searchText))
			if got := b.exchange("192.168.1.50:37810", append(wrong, searchText...)); len(got) != 0 {
				t.Error("another protocol's header is answered")
			}
			if got := b.search("192.168.1.51:37810"); len(got) != 0 {
				t.Error("another address answers")
			}
			b.set("power", false)
			b.sleep(3 * time.Second)
			if got := b.search("192.168.1.50:37810"); len(got) != 0 {
				t.Error("answers without power")
			}
		})
	}
}

func TestTheAddressAfterAReset(t *testing.T) {
	for _, c := range []struct {
		name string
		o    sim.Options
		ip   string
	}{
		{"address-moved", sim.Options{Faults: []sim.Fault{{Name: "address-moved", Probability: 1}}}, "192.168.1.83"},
		{"moves to the default", sim.Options{MovesToDefault: true}, "192.168.1.108"},
		{"stays", sim.Options{}, "192.168.1.50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Powered = true
			b := newBenchWith(t, c.o)
			b.act(20 * time.Second)
			b.sleep(40 * time.Second)
			var ip string
			for _, f := range b.search("239.255.255.251:37810") {
				if f.MAC == "9c:14:63:0a:2b:01" {
					ip = f.IP
				}
			}
			if ip != c.ip {
				t.Errorf("at %q, want %q", ip, c.ip)
			}
			_, _, err := b.do("GET", "/", "", "")
			if (err == nil) != (ip == "192.168.1.50") {
				t.Errorf("the old address: %v", err)
			}
			b.url = "http://" + c.ip
			if _, _, err := b.do("GET", "/", "", ""); err != nil {
				t.Errorf("the new address: %v", err)
			}
		})
	}
}
