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

// discovered are the answers to a datagram sent to host. To a group the unit
// answers twice, once for each of its interfaces, and a neighbour answers too.
func (w *World) discovered(datagram []byte, host string, many bool) []Datagram {
	want, ok := dhipSearch(datagram)
	if !ok {
		return nil
	}
	var got []Datagram
	if a := w.dhipAnswer(want); a != nil && (many || host == w.address()) {
		got = append(got, Datagram{net.JoinHostPort(w.address(), dhipPort), a})
		if many {
			again := bytes.TrimRight(a[dhipHeader:], "\x00")
			got = append(got, Datagram{net.JoinHostPort(w.address(), dhipPort), dhipFrame(again)})
		}
	}
	other := w.neighbourInfo()
	if many && (want == "" || strings.EqualFold(want, other.MAC)) {
		got = append(got, Datagram{net.JoinHostPort(other.Address, dhipPort), dhipFrame(other.text())})
	}
	return got
}

// dhipAnswer is the unit's answer to a search for a MAC or for anything, or
// nil.
func (w *World) dhipAnswer(want string) []byte {
	up := w.unit.phase == starting || w.unit.phase == ready
	if !up || want != "" && !strings.EqualFold(want, w.mac()) {
		return nil
	}
	f := w.front()
	info := deviceInfo{
		MAC: w.mac(), Serial: w.serial(), Address: w.address(), Type: w.model.DeviceType,
		Name: f.value("General", "MachineName"), Version: w.firmware(), Port: w.port, DHCP: f.value("Network", "eth0.DhcpEnable") == "true",
		Gateway: f.value("Network", "eth0.DefaultGateway"), Mask: f.value("Network", "eth0.SubnetMask"),
	}
	if w.model.Generation == NewGeneration {
		info.Init = 3209 // & 3 == 1: uninitialised
		if f.initialised {
			info.Init = 3210
		}
	}
	return dhipFrame(append(info.text(), 0))
}

// deviceInfo is what a unit tells of itself.
type deviceInfo struct {
	MAC, Serial, Address, Type, Name, Version, Port, Gateway, Mask string
	DHCP                                                           bool
	Init                                                           int // 0: an old firmware, that has no such field
}

func (d deviceInfo) text() []byte {
	version, _, _ := strings.Cut(d.Version, ",")
	port, _ := strconv.Atoi(d.Port)
	info := map[string]any{
		"AlarmInputChannels": 4, "AlarmOutputChannels": 2, "DeviceClass": "NVR", "DeviceType": d.Type,
		"Find": "BD", "HttpPort": port, "Port": 37777, "MachineName": d.Name, "RemoteVideoInputChannels": 8,
		"SerialNo": d.Serial, "Vendor": "IMOU", "Version": version,
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
func (w *World) neighbourInfo() deviceInfo {
	return deviceInfo{
		MAC: "3c:ef:8c:77:10:5e", Serial: "3K05C0DPAG00093", Address: "192.168.1.77", Type: "IPC-C22E",
		Name: "IPC", Version: "2.800.0000000.18.R,build:2021-05-11", Port: "80",
		Gateway: "192.168.1.1", Mask: "255.255.255.0", Init: 3210,
	}
}
