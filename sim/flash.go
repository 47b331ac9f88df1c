package sim

import (
	"slices"
	"strconv"
	"strings"
)

// flash is what the unit remembers without power.
type flash struct {
	initialised bool // has its password; always so in the old generation
	agreed      bool // DevInit.setProtocolAgree was called
	users       []user
	tables      []*table
}

// user is an account.
type user struct {
	name, password, group, memo string
	reserved                    bool // cannot be deleted
	hidden                      bool // neither listed nor let in over the network
}

// table is a configuration table. Its values are what CGI prints.
type table struct {
	name string
	rows []row
}

type row struct{ key, value string }

func (t *table) get(key string) (string, bool) {
	for _, r := range t.rows {
		if r.key == key {
			return r.value, true
		}
	}
	return "", false
}

func (t *table) set(key, value string) bool {
	for i, r := range t.rows {
		if r.key == key {
			t.rows[i].value = value
			return true
		}
	}
	return false
}

// factoryFlash is the state in which the unit leaves the factory.
func (w *World) factoryFlash() *flash {
	f := &flash{tables: []*table{
		{"General", []row{
			{"LocalNo", "8"}, {"LockLoginEnable", "true"},
			{"LockLoginTimes", strconv.Itoa(w.model.LockTries)},
			{"LoginFailLockTime", strconv.Itoa(int(w.model.LockWindow.Seconds()))},
			{"MachineName", "NVR"}, {"MaxOnlineTime", "3600"},
		}},
		{"Network", []row{
			{"DefaultInterface", "eth0"}, {"Domain", "dahua"}, {"Hostname", "NVR"},
			{"eth0.DefaultGateway", "192.168.1.1"}, {"eth0.DhcpEnable", "false"},
			{"eth0.IPAddress", w.model.DefaultAddress}, {"eth0.MTU", "1500"},
			{"eth0.PhysicalAddress", w.opts.MAC}, {"eth0.SubnetMask", "255.255.255.0"},
		}},
		{"NTP", []row{
			{"Address", "time.windows.com"}, {"Enable", "false"}, {"Port", "123"},
			{"TimeZone", "13"}, {"TimeZoneDesc", "Beijing"}, {"UpdatePeriod", "60"},
		}},
		{"Locales", []row{
			{"DSTEnable", "false"}, {"TimeFormat", "yyyy-MM-dd HH:mm:ss"}, {"WeekEnable", "false"},
		}},
		{"UPnP", []row{{"Enable", "false"}, {"Mode", "Host"}, {"StartDeviceDiscover", "true"}}},
		{"Email", []row{
			{"Address", "MailServer"}, {"Anonymous", "false"}, {"Enable", "false"}, {"Port", "25"},
			{"SslEnable", "false"}, {"Title", "NVR ALERT"},
		}},
		{"AlarmServer", []row{{"Address", "0.0.0.0"}, {"Enable", "false"}, {"Port", "1"}}},
		{"VideoStandard", []row{{"Standard", "PAL"}}},
	}}
	if w.model.Generation == OldGeneration {
		f.initialised = true
		f.users = []user{
			{"666666", "666666", "user", "666666 's account", false, false},
			{"888888", "888888", "admin", "888888 's account", true, false},
			{"admin", "admin", "admin", "admin 's account", true, false},
			{"default", "default", "user", "default account", true, true},
		}
		return f
	}
	f.users = []user{{"admin", "", "admin", "admin 's account", true, false}}
	return f
}

// provision gives the administrator a password.
func (f *flash) provision(password string) {
	f.user("admin").password = password
	f.initialised = true
}

func (f *flash) user(name string) *user {
	for i := range f.users {
		if f.users[i].name == name {
			return &f.users[i]
		}
	}
	return nil
}

func (f *flash) table(name string) *table {
	for _, t := range f.tables {
		if t.name == name {
			return t
		}
	}
	return nil
}

// value is one configured value, "" where there is none.
func (f *flash) value(name, key string) string {
	v, _ := f.table(name).get(key)
	return v
}

func (f *flash) setAddress(ip string) { f.table("Network").set("eth0.IPAddress", ip) }
func (f *flash) setMAC(mac string)    { f.table("Network").set("eth0.PhysicalAddress", mac) }

// restore brings tables back to the factory's values; the address stays, as
// the web page of such a unit keeps it too.
func (f *flash) restore(fresh *flash, names []string) bool {
	for _, n := range names {
		if f.table(n) == nil {
			return false
		}
	}
	for i, t := range f.tables {
		if slices.Contains(names, t.name) {
			f.tables[i] = fresh.table(t.name)
		}
	}
	return true
}

// front is the flash of whoever answers at the unit's address.
func (w *World) front() *flash {
	if w.unit.stranger != nil {
		return w.unit.stranger
	}
	return w.unit.flash
}

func (w *World) address() string { return w.front().value("Network", "eth0.IPAddress") }

func (w *World) serial() string {
	if w.unit.stranger != nil {
		return otherDigits(w.opts.Serial)
	}
	return w.opts.Serial
}

func (w *World) mac() string {
	if w.unit.stranger != nil {
		return otherDigits(w.opts.MAC)
	}
	return w.opts.MAC
}

func (w *World) firmware() string {
	if w.has(wrongFirmware) {
		version, _, _ := strings.Cut(w.model.Firmware, ",")
		return version[:len(version)-3] + "9.T,build:2016-06-06"
	}
	return w.model.Firmware
}

// otherDigits is a serial or an address that differs in its last digits.
func otherDigits(s string) string {
	b := []byte(s)
	for i, n := len(b)-1, 0; i >= 0 && n < 3; i-- {
		if b[i] >= '0' && b[i] <= '8' {
			b[i]++
			n++
		} else if b[i] == '9' {
			b[i] = '0'
			n++
		}
	}
	return string(b)
}

// otherAddress is another host's in the same network.
func otherAddress(ip string) string {
	at := strings.LastIndexByte(ip, '.')
	if at < 0 {
		return ip + "-moved"
	}
	last, _ := strconv.Atoi(ip[at+1:])
	return ip[:at+1] + strconv.Itoa(last%200+33)
}

// passwordRule reports whether a password may be set: for the new generation
// 8 to 32 characters of two classes or more, without ' " ; : &.
func (w *World) passwordRule(p string) bool {
	if w.model.Generation == OldGeneration {
		return p != "" && len(p) <= 32
	}
	if len(p) < 8 || len(p) > 32 || strings.ContainsAny(p, `'";:&`) {
		return false
	}
	var classes [4]bool
	for _, c := range p {
		switch {
		case c >= '0' && c <= '9':
			classes[0] = true
		case c >= 'a' && c <= 'z':
			classes[1] = true
		case c >= 'A' && c <= 'Z':
			classes[2] = true
		case c > ' ' && c < 127:
			classes[3] = true
		default:
			return false
		}
	}
	n := 0
	for _, c := range classes {
		if c {
			n++
		}
	}
	return n >= 2
}
