package rig

import (
	"fmt"
	"slices"
	"time"
)

// GuardError says that a guard forbids a switching now.
type GuardError struct {
	Relay string
	Rule  string        // min-off, min-on, per-hour, interlock
	Wait  time.Duration // after which it would be allowed; 0 where waiting does not help
}

func (e *GuardError) Error() string {
	t := fmt.Sprintf("relay %q: %s forbids this switching", e.Relay, e.Rule)
	if e.Wait > 0 {
		t += fmt.Sprintf(" for another %v", e.Wait.Round(time.Millisecond))
	}
	return t
}

// mayStart asks the guards. The caller has the lock.
func (a *Armed) mayStart(name string, powered bool) (*relayState, error) {
	r := a.relays[name]
	if r == nil {
		return nil, fmt.Errorf("the bench has no relay %q", name)
	}
	if err := a.refused(r); err != nil {
		return nil, fmt.Errorf("relay %q: %w", name, err)
	}
	now := a.bench.Clock.Now()
	if r.spec.Role == RolePress && !powered {
		for _, p := range a.relays {
			if p.spec.Role == RolePower && (!p.known || p.on) {
				return nil, &GuardError{Relay: name, Rule: "the interlock with " + p.spec.Name}
			}
		}
	}
	if r.known && r.on {
		return r, nil
	}
	if wait := r.spec.MinOff - now.Sub(r.since); !r.since.IsZero() && wait > 0 {
		return nil, &GuardError{Relay: name, Rule: "min-off", Wait: wait}
	}
	r.starts = slices.DeleteFunc(r.starts, func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	if n := r.spec.PerHour; n > 0 && len(r.starts) >= n {
		return nil, &GuardError{Relay: name, Rule: "per-hour", Wait: time.Hour - now.Sub(r.starts[len(r.starts)-n])}
	}
	return r, nil
}
