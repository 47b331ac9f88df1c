package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

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
	if b.Soak.ControlsEvery > 0 && len(b.Soak.Controls) == 0 {
		d.bad(path{"soak", "controls-every"}, "there are no controls", "name some, like controls: [control-no-press]")
	}
	if w := b.Soak.Webhook; w != nil {
		for i, on := range w.On {
			d.word(on, []string{"fail", "stop", "end", "error", "hold"}, path{"soak", "webhook", "on", strconv.Itoa(i)})
		}
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
	if web := r.Driver == "web" || strings.Contains(r.Pin, "://"); web && !strings.Contains(r.Pin, "{on}") {
		d.bad(at.to("pin"), fmt.Sprintf("%q does not say where on and off go", r.Pin), "write the address with {on} in it, which becomes true or false, like http://192.168.1.7/relay?on={on}")
	}
	if r.Driver == "periph" && r.Safe == rig.SafeKeep && real && r.Role == rig.RolePower {
		d.bad(at.to("safe"), "the driver periph cannot look at a relay without disturbing it, and so cannot keep it as it is", "write safe: off, or use the driver cdev")
	}
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
