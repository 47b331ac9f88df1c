package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"resetrig/rig"
)

const (
	longestPress  = 5 * time.Minute // a dead man beyond this is none
	longestSettle = 2 * time.Second
)

var relayName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// bench checks what concerns several keys at once.
func (d *document) bench(b *Bench) {
	real := b.Simulate == nil
	d.dut(b, real)
	pins := map[string]string{} // pin → who has it
	for _, r := range b.Relays {
		d.relay(r, pins, real)
	}
	for _, s := range b.Senses {
		d.sense(s, b, pins)
	}
	if !real && len(b.Senses) > 0 {
		d.bad(path{"senses"}, "this bench is simulated and has no real senses", "name the simulated ones in simulate.senses")
	}
	if b.Ear != nil {
		d.ear(b, real)
	}
	if !real {
		d.simulated(b)
	}
}

func (d *document) dut(b *Bench, real bool) {
	at := path{"dut"}
	if !d.mapping(at) {
		return
	}
	if real && b.DUT.Serial == "" && b.DUT.MAC == "" {
		d.bad(at.to("serial"), "nothing says which unit this is", "write serial or mac from its label, so that no other unit is reset; resetrig nvr discover shows both")
	}
	if real && b.DUT.URL == "" {
		d.missing(at.to("url"), "write where the recorder answers, like http://192.168.1.50")
	}
	d.url(b.DUT.URL, at.to("url"))
	d.url(b.DUT.AfterReset.URL, at.to("after-reset", "url"))
	if hw, err := net.ParseMAC(b.DUT.MAC); err == nil && (hw[0]&1 != 0 || hw.String() == "00:00:00:00:00:00") {
		d.bad(at.to("mac"), b.DUT.MAC+" is no unit's address", "write the one on the label")
	}
	if b.DUT.Discovery != "" && b.DUT.Discovery != "off" {
		d.hostPort(b.DUT.Discovery, at.to("discovery"))
	}
	l := b.DUT.Login
	if l.User != "" && l.Password == "" && l.PasswordFile == "" && !d.reported(at.to("login", "password")) {
		d.missing(at.to("login", "password"), "write password: \"${NVR_PW}\" to take it from the environment, or password-file")
	}
	if l.Password != "" && l.PasswordFile != "" {
		d.bad(at.to("login", "password-file"), "there is a password too", "keep one of the two")
	}
}

// url checks what the pattern of the key cannot.
func (d *document) url(text string, at path) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err == nil && u.User != nil:
		d.replace(at, "there is a login in the address", "write http://host[:port] alone; the login belongs in dut.login")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		d.replace(at, fmt.Sprintf("%q is no address of a web server", shorten(text)), "write it with http:// or https://, like http://192.168.1.50")
	case u.RawQuery != "" || u.Fragment != "" || u.Path != "":
		d.replace(at, fmt.Sprintf("%q has more than a host and port", shorten(text)), "write http://host[:port]; paths are the model's")
	}
}

// replace reports a problem in place of a vaguer one at the same place.
func (d *document) replace(at path, wrong, right string) {
	_, near := d.find(at)
	kept := d.problems[:0]
	for _, p := range d.problems {
		if p.Line != near.Line || p.Column != near.Column {
			kept = append(kept, p)
		}
	}
	d.problems = kept
	d.bad(at, wrong, right)
}

func (d *document) hostPort(text string, at path) {
	if d.reported(at) {
		return
	}
	host, port, err := net.SplitHostPort(text)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || host == "" || n < 1 || n > 65535 {
		d.bad(at, fmt.Sprintf("%q is no host and port", text), "write it like 192.168.1.1:80, the port from 1 to 65535")
		return
	}
	if strings.Trim(host, "0123456789.") == "" {
		if _, err := netip.ParseAddr(host); err != nil {
			d.bad(at, fmt.Sprintf("%q is no address", host), "write four numbers up to 255, like 192.168.1.1")
		}
	}
}

func (d *document) relay(r Relay, pins map[string]string, real bool) {
	at := path{"relays", r.Name}
	if !d.mapping(at) {
		return // a default, or reported already
	}
	if !relayName.MatchString(r.Name) || r.Name == "network" {
		d.bad(at, fmt.Sprintf("%q cannot be a relay's name", r.Name), "use small letters, digits and dashes, like power-2; network is the network's")
	}
	if real {
		d.needed(r.Pin, at.to("pin"), "write the line, like GPIO23; resetrig check lists them")
		d.needed(r.Active, at.to("active"), "write high or low, the level of the pin that energises this relay. There is no default because boards differ: the board's page or the label at its inputs tells, and resetrig check --exercise proves it")
	}
	d.pin(r.Pin, "relay "+r.Name, at.to("pin"), pins)
	if r.Role == rig.RolePress {
		d.press(r, at)
	}
	if r.MaxOn > 0 && r.MinOn > r.MaxOn {
		d.bad(at.to("min-on"), fmt.Sprintf("%v on at least and %v at most cannot both be kept", r.MinOn, r.MaxOn), "make min-on shorter than max-on")
	}
	if r.Settle > longestSettle {
		d.bad(at.to("settle"), fmt.Sprintf("%v is no relay's time to follow", r.Settle), "write 2s or less; boards need 10 to 50ms")
	}
}

// press checks a relay that shorts the reset pins.
func (d *document) press(r Relay, at path) {
	if r.Safe == rig.SafeKeep {
		d.bad(at.to("safe"), "a press cannot be kept closed", "remove it: a press always opens at once")
	}
	if r.Contact == "nc" {
		d.bad(at.to("contact"), "a press on the normally closed contact is shorted whenever the rig is off", "wire the reset pins to the normally open contact and write no")
	}
	if found, _ := d.find(at.to("max-on")); found != nil && (found.Value == "0" || strings.HasPrefix(found.Value, "0s")) {
		d.bad(at.to("max-on"), "a press without a bound", "write the longest press that the scenarios need and some seconds, like 40s")
	}
	if r.MaxOn > longestPress {
		d.bad(at.to("max-on"), fmt.Sprintf("%v is no bound for a press", r.MaxOn), "write 5m or less; 40s suits the presses of the known guides")
	}
}

func (d *document) needed(text string, at path, right string) {
	if found, _ := d.find(at); text == "" && found == nil {
		d.missing(at, right)
	}
}

// pin reports a line that is named twice.
func (d *document) pin(pin, who string, at path, pins map[string]string) {
	if pin == "" {
		return
	}
	if other, taken := pins[strings.ToUpper(pin)]; taken {
		d.bad(at, fmt.Sprintf("%s is the line of %s already", pin, other), "give each its own line")
		return
	}
	pins[strings.ToUpper(pin)] = who
}

func (d *document) sense(s Sense, b *Bench, pins map[string]string) {
	at := path{"senses", s.Name}
	if !d.mapping(at) {
		return
	}
	if !relayName.MatchString(s.Name) {
		d.bad(at, fmt.Sprintf("%q cannot be a sense's name", s.Name), "use small letters, digits and dashes, like supply")
	}
	var kinds []string
	for _, k := range []string{"pin", "i2c", "tcp", "carrier"} {
		if found, _ := d.find(at.to(k)); found != nil {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) != 1 {
		wrong := "nothing says how it senses"
		if len(kinds) > 1 {
			wrong = "a sense cannot be of several kinds: " + strings.Join(kinds, ", ")
		}
		d.bad(at, wrong, "give exactly one of pin, i2c, tcp or carrier")
		return
	}
	d.senseKeys(kinds[0], at)
	d.senseOf(s, kinds[0], b, at)
	switch kinds[0] {
	case "pin":
		d.needed(s.Active, at.to("active"), "write high or low, the level of the pin that means powered or shorted; an optocoupler's output is mostly low")
		d.pin(s.Pin, "sense "+s.Name, at.to("pin"), pins)
		if s.Debounce > time.Second {
			d.bad(at.to("debounce"), fmt.Sprintf("%v hides what the sense is for", s.Debounce), "write 1s or less, like 5ms")
		}
	case "i2c":
		for _, k := range []string{"address", "shunt", "over"} {
			if found, _ := d.find(at.to(k)); found == nil {
				d.missing(at.to(k), "an INA219 needs address, shunt and over, like {i2c: \"1\", address: 0x40, shunt: 100mOhm, over: 200mA, of: power}")
			}
		}
		d.pin(fmt.Sprintf("I2C bus %s address 0x%02x", s.I2C, uint8(s.Address)), "sense "+s.Name, at.to("address"), pins)
		if s.I2C == "1" { // the Pi's header: bus 1 is GPIO2 and GPIO3
			for _, p := range []string{"GPIO2", "GPIO3"} {
				if who, taken := pins[p]; taken {
					d.bad(at.to("i2c"), fmt.Sprintf("bus 1 needs %s, which is the line of %s", p, who), "move that one to another line")
				}
			}
		}
	case "tcp":
		d.hostPort(s.TCP, at.to("tcp"))
	}
}

// senseKeys reports keys that belong to another kind of sense.
func (d *document) senseKeys(kind string, at path) {
	belongs := map[string]string{"active": "pin", "bias": "pin", "debounce": "pin", "address": "i2c", "shunt": "i2c", "over": "i2c"}
	for _, key := range []string{"active", "bias", "debounce", "address", "shunt", "over"} {
		if found, _ := d.find(at.to(key)); found != nil && belongs[key] != kind {
			d.bad(at.to(key), "a sense by "+kind+" has no "+key, "remove it; it belongs to a sense by "+belongs[key])
		}
	}
}

// senseOf checks that the thing witnessed exists and can be seen that way.
func (d *document) senseOf(s Sense, kind string, b *Bench, at path) {
	if s.Of == "" {
		return
	}
	known := []string{"network"}
	for _, r := range b.Relays {
		known = append(known, r.Name)
	}
	r, isRelay := b.Relays.Named(s.Of)
	switch {
	case s.Of != "network" && !isRelay:
		d.bad(at.to("of"), fmt.Sprintf("there is no relay %q", s.Of), suggest(s.Of, known))
	case kind == "tcp" && isRelay:
		d.bad(at.to("of"), "an answer over TCP says nothing of a relay", "write of: network")
	case kind == "carrier" && isRelay && r.Role != rig.RolePower:
		d.bad(at.to("of"), "a link says nothing of a press", "write of: network, or the power relay")
	case (kind == "pin" || kind == "i2c") && !isRelay:
		d.bad(at.to("of"), "a "+kind+" sense says nothing of the network", "write the relay that it witnesses")
	case kind == "i2c" && r.Role != rig.RolePower:
		d.bad(at.to("of"), "a supply's current says nothing of a press", "write the power relay")
	}
}

func (d *document) ear(b *Bench, real bool) {
	at := path{"ear"}
	if !d.mapping(at) {
		return
	}
	if real && b.Ear.Device == "" {
		d.missing(at.to("device"), "write a part of the sound card's name, like USB PnP; resetrig check lists them. A default device may be any")
	}
	if b.Ear.Beep != nil && b.Ear.Calibration != "" {
		d.bad(at.to("beep"), "there is a calibration too, and one of them is wrong", "keep the calibration, or the beep where there is none")
	}
	if beep := b.Ear.Beep; beep != nil {
		d.beep(beep.Frequency, beep.Long, at.to("beep"))
	}
}

// beep bounds what a detector can be asked for.
func (d *document) beep(f Hertz, long time.Duration, at path) {
	if f != 0 && (f < 100 || f > 20_000) {
		d.bad(at.to("frequency"), fmt.Sprintf("no buzzer sounds at %s", format(float64(f), "Hz")), "write a frequency from 100Hz to 20kHz; piezo buzzers have 2 to 4kHz")
	}
	if long != 0 && (long < 100*time.Millisecond || long > 30*time.Second) {
		d.bad(at.to("long"), fmt.Sprintf("%v is no length of a long beep", long), "write 100ms to 30s; 1s tells it from chirps and alarms")
	}
}

func (d *document) simulated(b *Bench) {
	at := path{"simulate"}
	known := []string{"network"}
	for _, r := range b.Relays {
		known = append(known, r.Name)
	}
	for i, s := range b.Simulate.Senses {
		d.word(s, known, at.to("senses", strconv.Itoa(i)))
	}
	seen := map[string]bool{}
	for i, f := range b.Simulate.Faults {
		if seen[f.Name] {
			d.bad(at.to("faults", strconv.Itoa(i), "name"), fmt.Sprintf("the fault %q is listed twice", f.Name), "keep one of the two")
		}
		seen[f.Name] = true
	}
}

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// variables reports ${…} where nothing is substituted.
func (d *document) variables(n *yaml.Node, p path) {
	if n.Kind == yaml.ScalarNode {
		if strings.Contains(n.Value, "${") && p.String() != "dut.login.password" {
			d.bad(p, "only secrets come from the environment", "write the value itself; ${…} stands in dut.login.password alone")
		}
		return
	}
	for i, c := range n.Content {
		switch {
		case n.Kind == yaml.MappingNode && i%2 == 1:
			d.variables(c, p.to(n.Content[i-1].Value))
		case n.Kind == yaml.SequenceNode:
			d.variables(c, p.to(strconv.Itoa(i)))
		}
	}
}

// secrets puts the password where a variable or file stands. It never quotes it.
func (d *document) secrets(b *Bench, env Env) {
	l := &b.DUT.Login
	at := path{"dut", "login"}
	if text := l.Password.Reveal(); strings.Contains(text, "${") {
		m := variable.FindStringSubmatch(text)
		if m == nil {
			d.bad(at.to("password"), "a variable must be the whole value", "write \"${NVR_PW}\" and nothing around it")
			return
		}
		v, set := env.Lookup(m[1])
		if !set || v == "" {
			d.bad(at.to("password"), fmt.Sprintf("the environment variable %s is not set", m[1]), "set it before you start resetrig: export "+m[1]+"=…")
			return
		}
		l.Password = rig.Secret(v)
	}
	if l.PasswordFile == "" || len(d.problems) > 0 {
		return
	}
	data, err := env.ReadFile(l.PasswordFile)
	if err != nil {
		d.bad(at.to("password-file"), fmt.Sprintf("%s cannot be read", filepath.Base(l.PasswordFile)), asReason(err))
		return
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" || strings.ContainsAny(text, "\r\n") {
		d.bad(at.to("password-file"), "the file has not exactly one line", "put the password alone in it")
		return
	}
	l.Password = rig.Secret(text)
}

func asReason(err error) string {
	if ps, ok := err.(Problems); ok && len(ps) > 0 {
		return ps[0].Wrong
	}
	return err.Error()
}
