package sim

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net"
	"strconv"
	"strings"
)

// DHIP discovery.
const (
	dhipPort   = "37810"
	dhipGroup  = "239.255.255.251"
	dhipHeader = 32
)

// dhipFrame puts the header in front of a JSON text.
func dhipFrame(text []byte) []byte {
	b := make([]byte, dhipHeader, dhipHeader+len(text))
	binary.LittleEndian.PutUint32(b, dhipHeader)
	copy(b[4:], "DHIP")
	binary.LittleEndian.PutUint64(b[16:], uint64(len(text)))
	binary.LittleEndian.PutUint64(b[24:], uint64(len(text)))
	return append(b, text...)
}

// dhipSearch reads a search request; bare JSON is none.
func dhipSearch(b []byte) (mac string, ok bool) {
	if len(b) < dhipHeader || binary.LittleEndian.Uint32(b) != dhipHeader || string(b[4:8]) != "DHIP" {
		return "", false
	}
	n := binary.LittleEndian.Uint64(b[16:])
	if n > uint64(len(b)-dhipHeader) {
		return "", false
	}
	var q struct {
		Method string `json:"method"`
		Params struct {
			MAC string `json:"mac"`
		} `json:"params"`
	}
	text := bytes.TrimRight(b[dhipHeader:dhipHeader+n], "\x00\r\n ")
	if json.Unmarshal(text, &q) != nil || q.Method != "DHDiscover.search" {
		return "", false
	}
	return q.Params.MAC, true
}

func (w dahua) discovered(port string, datagram []byte, many bool) [][]byte {
	if port == wsPort && w.quirk(onvifToo) {
		return onvif{w.World}.probed(port, datagram)
	}
	want, ok := dhipSearch(datagram)
	if port != dhipPort || !ok {
		return nil
	}
	a := w.dhipAnswer(want)
	if a == nil {
		return nil
	}
	got := [][]byte{a}
	if many && w.quirk(dhipSeveral) {
		got = append(got, dhipFrame(bytes.TrimRight(a[dhipHeader:], "\x00")))
	}
	return got
}

// dhipNeighbour is what another recorder on the network answers to a group.
func dhipNeighbour(datagram []byte) (Datagram, bool) {
	want, ok := dhipSearch(datagram)
	other := neighbourInfo()
	if !ok || want != "" && !strings.EqualFold(want, other.MAC) {
		return Datagram{}, false
	}
	return Datagram{net.JoinHostPort(other.Address, dhipPort), dhipFrame(other.text())}, true
}

// dhipAnswer is the unit's answer to a search for a MAC or for anything, or
// nil.
func (w dahua) dhipAnswer(want string) []byte {
	up := w.unit.phase == starting || w.unit.phase == ready
	if !up || want != "" && !strings.EqualFold(want, w.mac()) {
		return nil
	}
	f := w.front()
	info := deviceInfo{
		MAC: w.mac(), Serial: w.serial(), Address: w.address(), Type: w.model.DeviceType, Vendor: w.vendor(),
		Name: f.value("General", "MachineName"), Version: w.firmware(), Port: w.port, DHCP: f.value("Network", "eth0.DhcpEnable") == "true",
		Gateway: f.value("Network", "eth0.DefaultGateway"), Mask: f.value("Network", "eth0.SubnetMask"),
	}
	if !w.quirk(dhipNoInit) {
		info.Init = 3209 // & 3 == 1: uninitialised
		if f.initialised {
			info.Init = 3210
		}
	}
	if !w.quirk(dhipNUL) {
		return dhipFrame(info.text())
	}
	return dhipFrame(append(info.text(), 0))
}

// deviceInfo is what a unit tells of itself.
type deviceInfo struct {
	MAC, Serial, Address, Type, Name, Version, Port, Gateway, Mask, Vendor string
	DHCP                                                                   bool
	Init                                                                   int // 0: an old firmware, that has no such field
}

func (d deviceInfo) text() []byte {
	version, _, _ := strings.Cut(d.Version, ",")
	port, _ := strconv.Atoi(d.Port)
	info := map[string]any{
		"AlarmInputChannels": 4, "AlarmOutputChannels": 2, "DeviceClass": "NVR", "DeviceType": d.Type,
		"Find": "BD", "HttpPort": port, "Port": 37777, "MachineName": d.Name, "RemoteVideoInputChannels": 8,
		"SerialNo": d.Serial, "Vendor": d.Vendor, "Version": version,
		"IPv4Address": map[string]any{
			"DefaultGateway": d.Gateway, "DhcpEnable": d.DHCP, "IPAddress": d.Address, "SubnetMask": d.Mask,
		},
	}
	if d.Init != 0 {
		info["Init"] = d.Init
	}
	return mustJSON(map[string]any{
		"mac": d.MAC, "method": "client.notifyDevInfo", "params": map[string]any{"deviceInfo": info},
	})
}

// neighbourInfo is another recorder on the same network.
func neighbourInfo() deviceInfo {
	return deviceInfo{
		MAC: "3c:ef:8c:77:10:5e", Serial: "3K05C0DPAG00093", Address: "192.168.1.77", Type: "IPC-C22E",
		Vendor: "IMOU", Name: "IPC", Version: "2.800.0000000.18.R,build:2021-05-11", Port: "80",
		Gateway: "192.168.1.1", Mask: "255.255.255.0", Init: 3210,
	}
}
