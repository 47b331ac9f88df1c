package sim

import (
	"fmt"
	"net/http"
)

// personality is what speaks for the unit on the network: one for each brand,
// each in a file of its own. The plant behind it (power, pins, boot, flash,
// faults, lockout) is the same for all. Its methods are called with the
// World's lock held.
type personality interface {
	// factory is the flash as it leaves the factory, the address aside.
	factory() *flash
	// route answers a request to a unit that is ready.
	route(req *http.Request, body []byte) answer
	// scheme is how it wants a login now, and nonce a fresh nonce.
	scheme() scheme
	nonce() string
	// unauthorized asks for a login, with a fresh challenge.
	unauthorized() answer
	// forbidden is what it says with 403 while it is locked, or to a stale
	// nonce, where the model or a quirk makes it say so.
	forbidden() answer
	// password reports whether it takes p as a password.
	password(p string) bool
	// discovered are its own answers to a datagram to a UDP port.
	discovered(port string, datagram []byte, many bool) [][]byte
}

// personalityOf is a brand's.
func personalityOf(w *World, b Brand) (personality, error) {
	switch b {
	case Dahua, "":
		return dahua{w}, nil
	case Hikvision:
		return hikvision{w}, nil
	case ONVIF:
		return onvif{w}, nil
	case Plain:
		return plain{w}, nil
	}
	return nil, fmt.Errorf("brand %q: want %q, %q, %q or %q", b, Dahua, Hikvision, ONVIF, Plain)
}

// accounts are the model's, as users.
func (m Model) accounts() []user {
	var users []user
	for _, a := range m.Accounts {
		u := user{name: a.Name, password: a.Password, group: "user"}
		if a.Admin {
			u.group, u.reserved = "admin", true
		}
		users = append(users, u)
	}
	return users
}
