package nvr

import (
	"os"
	"path/filepath"
	"strings"
)

// Carrier implements Carrier for a bench whose file names the interface to the
// DUT. With a switch in between it is the switch's carrier, which stays.
func (n *realNetwork) Carrier() (up, known bool) {
	if n.iface == "" {
		return false, false
	}
	return carrierOf("/sys/class/net", n.iface)
}

// carrierOf reads the kernel's word for it: 1 or 0, and an error while the
// interface is down.
func carrierOf(folder, iface string) (up, known bool) {
	b, err := os.ReadFile(filepath.Join(folder, filepath.Base(iface), "carrier"))
	switch strings.TrimSpace(string(b)) {
	case "1":
		return true, err == nil
	case "0":
		return false, err == nil
	}
	return false, false
}
