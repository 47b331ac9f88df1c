package sim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// flash is what the unit remembers without power.
type flash struct {
	initialised bool // has its password; always so in the old generation
	agreed      bool // DevInit.setProtocolAgree was called
	users       []user
	tables      []*table
	key         int           // number of its TLS key
	clockSet    bool          // since the last reset
	clockOffset time.Duration // of its clock from the World's
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

// get is a row's value; no table has no rows.
func (t *table) get(key string) (string, bool) {
	if t == nil {
		return "", false
	}
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
func (w *World) factoryFlash() *flash { return w.speaks.factory() }

// provision gives the administrator a password.
func (f *flash) provision(password string) {
	if f.user("admin") == nil {
		f.users = append(f.users, user{name: "admin", group: "admin", reserved: true})
	}
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

// row is the table of Table.Key, and the key where the table has it.
func (f *flash) row(name string) (*table, string) {
	for _, t := range f.tables {
		key, ok := strings.CutPrefix(name, t.name+".")
		if _, has := t.get(key); ok && has {
			return t, key
		}
	}
	return nil, ""
}

// value is one configured value, "" where there is none.
func (f *flash) value(name, key string) string {
	v, _ := f.table(name).get(key)
	return v
}

// keepNetwork takes the network's settings of another flash.
func (f *flash) keepNetwork(old *flash) {
	for i, t := range f.tables {
		if t.name == "Network" {
			f.tables[i] = old.table("Network")
		}
	}
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
		if w.model.Brand != Dahua && w.model.Brand != "" {
			return version + ".9,build 160606"
		}
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

// twoClasses reports whether p has least to most characters, none of those in
// not, of at least two of digits, small letters, capitals and signs.
func twoClasses(p string, least, most int, not string) bool {
	if len(p) < least || len(p) > most || strings.ContainsAny(p, not) {
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

// deviceTime is what the unit's clock shows.
func (w *World) deviceTime() time.Time {
	f := w.front()
	if w.quirk(clock1970) && !f.clockSet {
		return time.Unix(0, 0).UTC().Add(w.now - w.unit.kernelAt)
	}
	return w.wall(w.now).Add(f.clockOffset)
}

func (w *World) setClock(t time.Time) {
	f := w.front()
	f.clockSet, f.clockOffset = true, t.Sub(w.wall(w.now))
}
