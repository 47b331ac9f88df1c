package config

import (
	"fmt"
	"strings"
	"time"

	"resetrig/rig"
)

// sense checks that a sense is of one kind, complete, and can see what it is said
// to witness.
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
