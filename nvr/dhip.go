package nvr

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"resetrig/rig"
)

// dhipHeader is the length of the header before every datagram. Bare JSON is
// not answered.
const dhipHeader = 32

// search is the question; the empty mac asks every unit.
const search = `{"method":"DHDiscover.search","params":{"mac":"","uni":1}}`

// Found is one recorder's answer to discovery.
type Found struct {
	From      string `json:"from"` // where the answer came from
	IP        string `json:"ip"`
	HTTPPort  int    `json:"http_port"`
	MAC       string `json:"mac"`
	Serial    string `json:"serial"`
	Class     string `json:"class"`
	Type      string `json:"type"`
	Vendor    string `json:"vendor,omitempty"`
	Version   string `json:"version,omitempty"`
	Name      string `json:"name,omitempty"`
	Init      int    `json:"init"`
	InitKnown bool   `json:"init_known"`      // old firmware does not say
	UUID      string `json:"uuid,omitempty"`  // of an ONVIF endpoint
	XAddr     string `json:"xaddr,omitempty"` // where an ONVIF endpoint says that it serves HTTP
}

// Identity is who answered.
func (f Found) Identity() rig.Identity { return rig.Identity{Serial: f.Serial, MAC: f.MAC} }

// URL is where the unit says that it serves HTTP.
func (f Found) URL() string {
	if f.XAddr != "" {
		return f.XAddr
	}
	if f.HTTPPort == 0 || f.HTTPPort == 80 {
		return "http://" + f.IP
	}
	return "http://" + net.JoinHostPort(f.IP, strconv.Itoa(f.HTTPPort))
}

// Discover asks an address (unicast, broadcast or multicast; without a port
// 37810) for recorders and collects answers for wait. A unit that answers
// several times is listed once. Answers that are no DHIP are left out.
func Discover(ctx context.Context, n Network, addr string, wait time.Duration) ([]Found, error) {
	return discover(ctx, n, addr, wait, nil)
}

// discover is Discover; where the network can, it ends when enough says so of an
// answer. nil waits for all.
func discover(ctx context.Context, n Network, addr string, wait time.Duration, enough func(Found) bool) ([]Found, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(addr, "37810")
	}
	answers, err := exchange(ctx, n, addr, dhipFrame([]byte(search)), wait, func(d Datagram) bool {
		f, err := parseFound(d.Data)
		f.From = d.From
		return err == nil && enough != nil && enough(f)
	})
	if err != nil {
		return nil, fmt.Errorf("discovery at %s: %w", addr, err)
	}
	var out []Found
	seen := map[string]bool{}
	for _, a := range answers {
		f, err := parseFound(a.Data)
		if err != nil {
			continue
		}
		f.From = a.From
		if f.IP == "" {
			f.IP, _, _ = net.SplitHostPort(a.From)
		}
		key := cmp.Or(bareMAC(f.MAC), f.Serial, f.IP)
		if !seen[key] {
			seen[key] = true
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b Found) int { return cmp.Or(cmp.Compare(a.IP, b.IP), cmp.Compare(a.MAC, b.MAC)) })
	return out, nil
}

// exchange asks, and where the network can stops when an answer is enough.
func exchange(ctx context.Context, n Network, to string, datagram []byte, wait time.Duration, enough func(Datagram) bool) ([]Datagram, error) {
	if a, ok := n.(Asker); ok {
		return a.Ask(ctx, to, datagram, wait, enough)
	}
	return n.Exchange(ctx, to, datagram, wait)
}

// dhipFrame puts the header before a message: its own length, the name, eight
// zero bytes, and twice the message's length, little endian.
func dhipFrame(msg []byte) []byte {
	b := make([]byte, dhipHeader, dhipHeader+len(msg))
	binary.LittleEndian.PutUint32(b, dhipHeader)
	copy(b[4:], "DHIP")
	binary.LittleEndian.PutUint64(b[16:], uint64(len(msg)))
	binary.LittleEndian.PutUint64(b[24:], uint64(len(msg)))
	return append(b, msg...)
}

// dhipMessage checks the header and gives what follows it, without the NUL that
// some units end it with. A header was seen that is longer than it says, and
// lengths that are zero: zeros before the message are not part of it.
func dhipMessage(b []byte) ([]byte, error) {
	if len(b) < dhipHeader || binary.LittleEndian.Uint32(b) != dhipHeader || string(b[4:8]) != "DHIP" {
		return nil, fmt.Errorf("%w: no DHIP header", rig.ErrGarbage)
	}
	msg := bytes.TrimLeft(b[dhipHeader:], "\x00")
	if n := binary.LittleEndian.Uint64(b[16:]); n > 0 && n < uint64(len(msg)) {
		msg = msg[:n]
	}
	return bytes.TrimRight(msg, "\x00\r\n "), nil
}

func parseFound(b []byte) (Found, error) {
	msg, err := dhipMessage(b)
	if err != nil {
		return Found{}, err
	}
	var m struct {
		MAC    string `json:"mac"`
		Method string `json:"method"`
		Params struct {
			Info struct {
				DeviceClass, DeviceType, MachineName, SerialNo, Vendor, Version string

				HTTPPort number `json:"HttpPort"`
				IPv4     struct {
					IPAddress string
				} `json:"IPv4Address"`
				Init *number
			} `json:"deviceInfo"`
		} `json:"params"`
	}
	if err := json.Unmarshal(msg, &m); err != nil {
		return Found{}, fmt.Errorf("%w: discovery: %v", rig.ErrGarbage, err)
	}
	if m.Method != "client.notifyDevInfo" {
		return Found{}, fmt.Errorf("%w: discovery: method %q", rig.ErrGarbage, short(m.Method))
	}
	i := m.Params.Info
	f := Found{
		IP: i.IPv4.IPAddress, HTTPPort: int(i.HTTPPort), MAC: m.MAC, Serial: i.SerialNo,
		Class: i.DeviceClass, Type: i.DeviceType, Vendor: i.Vendor,
		Version: tidyVersion(i.Version), Name: i.MachineName,
	}
	if i.Init != nil {
		f.Init, f.InitKnown = int(*i.Init), true
	}
	return f, nil
}
