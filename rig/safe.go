package rig

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Safety. A relay can be energised only through an *Armed, an *Armed exists
// only inside Bench.Arm, and Arm makes everything safe before and after.
//
// The layers, from the inside out. Only the first three are this file's; change
// one, change this list. `resetrig check` examines 4 and 5.
//
//  1. Arm: every way out of it ends safe: return, error, cancel, panic.
//  2. A stop opens every press at once, and an emergency cuts everything, from
//     a goroutine of its own: also while the cycle is stuck in a request.
//  3. The dead man: each relay's longest time on, kept by the Clock and not by
//     the goroutine that switched it on.
//  4. The supervisor: systemd's ExecStopPost runs `resetrig safe` after any
//     death of the process, SIGKILL included.
//  5. The kernel: a mainline kernel returns the lines of a dead owner to inputs;
//     Raspberry Pi kernels keep driving them unless persist_gpio_outputs is off.
//  6. The hardware watchdog, and the wiring: a press on the normally open
//     contact, a pull-down where the board is active-high.
//  7. The emergency switch in the mains: hardware, never software.
//
// This is no certified safety function.

// safeTries is how often a relay that refuses its safe state is tried.
const safeTries = 3

// UnsafeError says that relays could not be brought to their safe state, or
// that nothing proves that they are there. It outranks every outcome.
type UnsafeError struct {
	Relays []string // in doubt, in the order of the bench
	Err    error
}

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("SAFE STATE NOT REACHED: relay %s in doubt: cut the power of the bench by hand: %v",
		strings.Join(e.Relays, ", "), e.Err)
}

func (e *UnsafeError) Unwrap() error { return e.Err }

// relayState is what is known of one relay. The state at start is unknown.
type relayState struct {
	spec    RelaySpec
	known   bool
	on      bool
	since   time.Time   // of the last switching
	starts  []time.Time // switchings on within the last hour
	ops     int         // switchings in both directions
	deadMan func() bool // stops the timer
	// asked and opened count the switchings on and off that were begun: they
	// tell one that overtook another.
	asked, opened int
	// closing: a driver was asked to close the contact and has not come back.
	closing bool
}

// Armed is the only handle that switches relays. It is valid inside the
// function that Arm called, and refuses everything afterwards.
type Armed struct {
	bench *Bench

	mu      sync.Mutex
	relays  map[string]*relayState
	latched error     // set once nothing may be switched on any more
	noPress error     // set once no press may be closed any more
	writing time.Time // until then the DUT may write its flash
}

// ErrDisarmed is returned by a handle whose Arm has ended.
var ErrDisarmed = errors.New("the bench is no longer armed")

// Arm makes every relay safe, calls f with the handle that can switch them, and
// makes everything safe again however f ends, a panic included. The error is an
// *UnsafeError if that failed, before anything else; f's error otherwise.
//
// When ctx is cancelled, presses open at once, and Arm keeps a relay with
// safe: off powered until the write window has passed; Emergency cuts it short.
func (b *Bench) Arm(ctx context.Context, f func(context.Context, *Armed) error) error {
	a := &Armed{bench: b, relays: map[string]*relayState{}}
	for _, s := range b.Specs {
		a.relays[s.Name] = &relayState{spec: s}
	}
	if err := a.makeSafe(context.WithoutCancel(ctx), false); err != nil {
		a.latch(ErrDisarmed)
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	unwatch := a.watch(ctx, cancel)
	restore := b.onFault(cancel)

	err := Guarded(func() error { return f(ctx, a) })

	restore()
	a.openPresses()
	a.waitWriteWindow()
	a.latch(ErrDisarmed)
	unwatch()
	cancel(ErrDisarmed)
	if unsafe := a.makeSafe(context.WithoutCancel(ctx), a.emergency()); unsafe != nil {
		return errors.Join(unsafe, err)
	}
	return err
}

// watch opens the presses when ctx ends and cuts everything on an emergency,
// from its own goroutine. The returned function ends it and waits.
func (a *Armed) watch(ctx context.Context, cancel context.CancelCauseFunc) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		stopped := ctx.Done()
		for {
			select {
			case <-done:
				return
			case <-a.bench.Emergency:
				a.latch(ErrEmergency)
				_ = a.makeSafe(context.WithoutCancel(ctx), true) // Arm's end does it again and reports
				cancel(ErrEmergency)
				return
			case <-stopped:
				a.latchPresses(context.Cause(ctx))
				a.openPresses()
				stopped = nil
			}
		}
	}()
	return func() { close(done); <-ended }
}

func (a *Armed) emergency() bool {
	select {
	case <-a.bench.Emergency:
		return true
	default:
		return false
	}
}

// latchPresses refuses every later press.
func (a *Armed) latchPresses(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noPress = cause
}

// latch refuses every later switching on.
func (a *Armed) latch(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.latched == nil {
		a.latched = cause
	}
	for _, r := range a.relays {
		if r.deadMan != nil && cause == ErrDisarmed {
			r.deadMan()
		}
	}
}

// On powers the DUT or shorts the pins; what is on stays on, its dead man
// running. powered allows a press on a DUT that has power, or whose power is
// unknown. A *GuardError says which guard forbids it; after any other error the
// relay has been switched off again.
func (a *Armed) On(name string, powered bool) error {
	r, opened, err := a.start(name, powered)
	if r == nil || err != nil {
		return err
	}
	err = Guarded(func() error { return a.bench.Relays.Set(name, true) })
	a.mu.Lock()
	r.closing = false
	if err != nil {
		a.mu.Unlock()
		return errors.Join(fmt.Errorf("switch relay %q on: %w", name, err), a.off(r))
	}
	r.since = a.bench.Clock.Now()
	r.known, r.on = true, true
	r.ops++
	overtaken := r.opened != opened
	latched := a.refused(r)
	a.mu.Unlock()
	switch {
	case latched != nil: // cut while it was being switched on: the last word is off
		return errors.Join(latched, a.off(r))
	case overtaken:
		return errors.Join(fmt.Errorf("relay %q was switched off while it was being switched on", name), a.off(r))
	}
	return nil
}

// refused is why the relay may not be switched on any more. The caller has the
// lock.
func (a *Armed) refused(r *relayState) error {
	if a.latched == nil && r.spec.Role == RolePress {
		return a.noPress
	}
	return a.latched
}

// start asks the guards and, before the driver is asked for anything, starts the
// dead man: a driver may close the contact and come back late, or never. A nil
// state and no error is a relay that is on already.
func (a *Armed) start(name string, powered bool) (r *relayState, opened int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r, err = a.mayStart(name, powered); err != nil {
		return nil, 0, err
	}
	if r.known && r.on {
		return nil, 0, nil
	}
	now := a.bench.Clock.Now()
	r.asked++
	r.closing = true
	r.known, r.on, r.since = false, true, now
	r.starts = append(r.starts, now)
	if r.spec.MaxOn > 0 {
		r.deadMan = a.bench.Clock.AfterFunc(r.spec.MaxOn, func() { a.deadManOff(r) })
	}
	return r, r.opened, nil
}

// Off cuts the power or opens the pins. min-on is a guard of an orderly switch;
// a press is opened whenever asked.
func (a *Armed) Off(name string) error {
	a.mu.Lock()
	r := a.relays[name]
	if r == nil {
		a.mu.Unlock()
		return fmt.Errorf("the bench has no relay %q", name)
	}
	wait := r.spec.MinOn - a.bench.Clock.Now().Sub(r.since)
	guarded := r.known && r.on && r.spec.Role != RolePress && wait > 0
	a.mu.Unlock()
	if guarded {
		return &GuardError{Relay: name, Rule: "min-on", Wait: wait}
	}
	return a.off(r)
}

// off switches off and asks no guard. No lock is held while the driver works:
// a driver that hangs in one goroutine must not keep another from trying.
func (a *Armed) off(r *relayState) error {
	a.mu.Lock()
	r.opened++
	asked := r.asked
	if r.spec.Role == RolePress && r.on && a.mayBePowered() {
		a.extendWindow() // it may have taken the reset, and be writing
	}
	a.mu.Unlock()

	err := a.bench.Relays.Set(r.spec.Name, false)
	now := a.bench.Clock.Now()

	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		r.known = false
		return fmt.Errorf("switch relay %q off: %w", r.spec.Name, err)
	}
	if r.asked != asked {
		return nil // switched on meanwhile: On sees it, and has the last word
	}
	if r.closing {
		return nil // the driver may close it yet: its dead man stays on watch
	}
	if r.deadMan != nil {
		r.deadMan()
		r.deadMan = nil
	}
	if r.known && r.on {
		r.ops++
	}
	if !r.known || r.on {
		r.since = now
	}
	r.known, r.on = true, false
	return nil
}

// mayBePowered reports whether a power relay is on, or not known to be off. The
// caller has the lock.
func (a *Armed) mayBePowered() bool {
	for _, p := range a.relays {
		if p.spec.Role == RolePower && (p.on || !p.known) {
			return true
		}
	}
	return false
}

// deadManOff is what the dead man does: off first, then the word.
func (a *Armed) deadManOff(r *relayState) {
	err := Guarded(func() error { return a.off(r) })
	a.bench.Fault(errors.Join(&DeadManError{Relay: r.spec.Name}, err))
}

// State is what the relay was last brought to, since when; known is false until
// it was switched or read.
func (a *Armed) State(name string) (on, known bool, since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.relays[name]
	if r == nil {
		return false, false, time.Time{}
	}
	return r.on, r.known, r.since
}

// operations is the number of switchings per relay since Arm.
func (a *Armed) operations() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := map[string]int{}
	for n, r := range a.relays {
		m[n] = r.ops
	}
	return m
}

// Writing says that from now on, for the bench's write window, the DUT may be
// writing its flash: a stop keeps its power for that long.
func (a *Armed) Writing() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.extendWindow()
}

// extendWindow begins the write window now. The caller has the lock.
func (a *Armed) extendWindow() { a.writing = a.bench.Clock.Now().Add(a.bench.WriteWindow) }

// waitWriteWindow keeps the power of a DUT that may be writing.
func (a *Armed) waitWriteWindow() {
	a.mu.Lock()
	until, cuts := a.writing, false
	for _, r := range a.relays {
		cuts = cuts || r.spec.Role == RolePower && r.spec.Safe == SafeOff && (r.on || !r.known)
	}
	a.mu.Unlock()
	for cuts && !a.emergency() {
		left := until.Sub(a.bench.Clock.Now())
		if left <= 0 {
			return
		}
		_ = a.bench.Clock.Sleep(context.Background(), min(left, 100*time.Millisecond))
	}
}

// openPresses opens every press, whatever else happens. Errors are found again,
// and reported, by makeSafe.
func (a *Armed) openPresses() {
	for _, s := range a.bench.Specs {
		if s.Role == RolePress {
			_ = Guarded(func() error { return a.off(a.relays[s.Name]) })
		}
	}
}

// makeSafe brings every relay to its safe state, presses first, and goes on
// where one refuses. cut takes the power away from those that would keep it.
func (a *Armed) makeSafe(ctx context.Context, cut bool) error {
	var doubt []string
	var errs []error
	for _, press := range []bool{true, false} {
		for _, s := range a.bench.Specs {
			if (s.Role == RolePress) != press {
				continue
			}
			if err := a.safeOne(ctx, a.relays[s.Name], cut); err != nil {
				doubt, errs = append(doubt, s.Name), append(errs, err)
			}
		}
	}
	if len(errs) > 0 {
		return &UnsafeError{Relays: doubt, Err: errors.Join(errs...)}
	}
	return nil
}

// safeOne brings one relay to its safe state and proves it as far as the bench
// can: by the line's read-back, and by the relay's sense after its settle time.
func (a *Armed) safeOne(ctx context.Context, r *relayState, cut bool) error {
	name := r.spec.Name
	if r.spec.Safe == SafeKeep && r.spec.Role != RolePress && !cut {
		on, err := a.bench.Relays.Read(name)
		a.mu.Lock()
		defer a.mu.Unlock()
		if err == nil && !r.known {
			r.known, r.on = true, on
		}
		if err != nil && !errors.Is(err, ErrNoReadBack) {
			return fmt.Errorf("read relay %q: %w", name, err)
		}
		return nil
	}
	var err error
	for range safeTries {
		if err = Guarded(func() error { return a.off(r) }); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	return a.proveOff(ctx, r.spec)
}

// proveOff asks the line, and the relay's sense where one is fitted, whether
// the contact is open.
func (a *Armed) proveOff(ctx context.Context, s RelaySpec) error {
	on, err := a.bench.Relays.Read(s.Name)
	switch {
	case errors.Is(err, ErrNoReadBack):
	case err != nil:
		return fmt.Errorf("read relay %q back: %w", s.Name, err)
	case on:
		return fmt.Errorf("relay %q was switched off and its line reads on", s.Name)
	}
	sense := a.bench.Sense(s.Name)
	if sense == nil {
		return nil
	}
	on, err = a.bench.follow(ctx, sense, s, false)
	if err != nil {
		return fmt.Errorf("relay %q was switched off, and its sense cannot be read: %w", s.Name, err)
	}
	if on {
		return fmt.Errorf("relay %q was switched off and its sense still sees it on: a welded contact", s.Name)
	}
	return nil
}

// drain is how long a DUT's capacitors may hold its supply up after a cut.
const drain = 5 * time.Second

// follow waits until the sense sees what was commanded, for as long as the
// contact (and, after a cut, the DUT's capacitors) may take, and returns what
// it saw last.
func (b *Bench) follow(ctx context.Context, sense Sense, s RelaySpec, want bool) (bool, error) {
	patience := settleOf(s)
	if s.Role == RolePower {
		patience = max(patience, drain)
	}
	deadline := b.Clock.Now().Add(patience)
	for {
		on, err := sense.On(ctx)
		if err != nil || on == want || !b.Clock.Now().Before(deadline) {
			return on, err
		}
		if err := b.Clock.Sleep(ctx, 5*time.Millisecond); err != nil {
			return on, err
		}
	}
}

// settleOf is how long a contact may take to follow its line: 15 ms for the
// slowest common module, and time for a debounced sense; 100 ms unless told.
func settleOf(s RelaySpec) time.Duration {
	if s.Settle > 0 {
		return s.Settle
	}
	return 100 * time.Millisecond
}
