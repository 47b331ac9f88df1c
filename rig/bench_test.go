package rig_test

import (
	"errors"
	"fmt"
	"sync"

	"resetrig/rig"
)

// relays is a small true set of relays: it keeps the state of each contact, a
// trace of every switching, and can be told to misbehave.
type relays struct {
	mu     sync.Mutex
	on     map[string]bool
	trace  []string
	refuse map[string]int  // relay → how many more switchings off it refuses; -1 all
	stuck  map[string]bool // relay → its line reads on whatever is commanded
	blind  bool            // cannot be read back
}

func newRelays() *relays {
	return &relays{on: map[string]bool{"power": true, "reset": true}, refuse: map[string]int{}, stuck: map[string]bool{}}
}

var errDriver = errors.New("driver says no")

func (r *relays) Set(name string, on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.refuse[name]; !on && n != 0 {
		if n > 0 {
			r.refuse[name]--
		}
		return errDriver
	}
	r.on[name] = on
	r.trace = append(r.trace, fmt.Sprintf("%s %v", name, on))
	return nil
}

func (r *relays) Read(name string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.blind {
		return false, rig.ErrNoReadBack
	}
	return r.on[name] || r.stuck[name], nil
}

func (r *relays) state(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.on[name]
}

func (r *relays) writes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.trace...)
}
