package nvr

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
)

// Neighbour implements Neighbours by the kernel's table. Linux alone has it
// there; elsewhere there is none.
func (n *realNetwork) Neighbour(ctx context.Context, host string) (mac string, ok bool) {
	ip := net.ParseIP(host)
	if ip == nil {
		found, err := net.DefaultResolver.LookupIP(ctx, "ip4", host)
		if err != nil || len(found) == 0 {
			return "", false
		}
		ip = found[0]
	}
	table, err := os.ReadFile("/proc/net/arp")
	if err != nil {
		return "", false
	}
	return neighbourIn(string(table), ip.String(), n.iface)
}

// neighbourIn reads the kernel's table: a line of titles, then address, type,
// flags, hardware address, mask and device. An entry without the flag complete
// has no address yet. The same address may stand there for another device.
func neighbourIn(table, ip, iface string) (mac string, ok bool) {
	const complete = 2
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) != 6 || f[0] != ip || iface != "" && f[5] != iface {
			continue
		}
		flags, err := strconv.ParseUint(f[2], 0, 32)
		if err != nil || flags&complete == 0 {
			continue
		}
		if hw, err := net.ParseMAC(f[3]); err == nil && len(hw) == 6 && hw.String() != "00:00:00:00:00:00" {
			if ok && mac != hw.String() {
				return "", false // two devices, two answers: nobody knows which was spoken to
			}
			mac, ok = hw.String(), true
		}
	}
	return mac, ok
}
