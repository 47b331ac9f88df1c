package rig

import "time"

// SafeState is what a relay does when nobody needs it.
type SafeState string

// The safe states. A press is always opened; only power may be kept.
const (
	SafeOff  SafeState = "off"
	SafeKeep SafeState = "keep" // stays as it is: a cut in the middle of a flash write can brick a recorder
)

// Role is what a relay does to the DUT.
type Role string

// The roles.
const (
	RolePower Role = "power"
	RolePress Role = "press"
)

// RelaySpec is one relay of a bench: its role, its safe state and its guards.
// Zero durations and counts are no guard.
type RelaySpec struct {
	Name    string
	Role    Role
	Safe    SafeState
	MinOff  time.Duration // stays off at least
	MinOn   time.Duration // stays on at least
	MaxOn   time.Duration // the dead man switches it off after this; a press must have one
	PerHour int           // switchings on in any hour
	Settle  time.Duration // until the contact has followed: sense and line are compared after it
	Life    int           // operations that the relay is rated for
}

// Bench is one DUT and what is wired to it, ready to be armed.
type Bench struct {
	Name   string
	Clock  Clock
	Relays Relays
	Specs  []RelaySpec
	Senses []Sense
	Ear    Ear // nil: no microphone
	// EarCalibrated: the ear knows the frequency and the level of this DUT's beep.
	// One that does not cannot tell it from a neighbour's: what it hears is
	// recorded, and decides nothing.
	EarCalibrated bool
	DUT           DUT
	// Identity is who the DUT must be; what is empty is learnt and not required.
	Identity Identity
	// WriteWindow is how long after a reset the DUT may still write its flash:
	// a stop keeps its power for that time.
	WriteWindow time.Duration
	Observer    Observer // nil: nobody watches
	Programs    Programs // nil: exec steps are refused
	// Emergency is closed when everything must be cut at once; nil is never.
	Emergency <-chan struct{}
	// Operations are the switchings that each relay has behind it.
	Operations map[string]int64

	faults faultLine
}

// Spec is the relay of that name.
func (b *Bench) Spec(name string) (RelaySpec, bool) {
	for _, s := range b.Specs {
		if s.Name == name {
			return s, true
		}
	}
	return RelaySpec{}, false
}

// Sense is the witness of the thing of that name, or nil.
func (b *Bench) Sense(of string) Sense {
	for _, s := range b.Senses {
		if s.Of() == of {
			return s
		}
	}
	return nil
}
