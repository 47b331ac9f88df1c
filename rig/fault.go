package rig

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// The causes with which a run is stopped.
var (
	// ErrStop asks for an orderly end: presses open at once, power stays until
	// the write window has passed.
	ErrStop = errors.New("stopped on request")
	// ErrEmergency cuts everything at once.
	ErrEmergency = errors.New("emergency stop")
)

// PanicError is a panic that was caught and became an error of the rig.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// DeadManError says that a relay's dead man switched it off.
type DeadManError struct{ Relay string }

func (e *DeadManError) Error() string {
	return fmt.Sprintf("dead man: relay %q was on for its longest time (max-on) and was switched off", e.Relay)
}

// Guarded runs f and turns a panic into a PanicError. Every goroutine of the
// program that is not the cycle's own runs inside it, and hands its error to
// Bench.Fault: a panic that ends the process would skip every deferred call.
func Guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// faultLine carries a fault from any goroutine to the cycle that runs now.
type faultLine struct {
	mu     sync.Mutex
	cancel func(error)
}

// Fault ends the cycle that runs now, if one does, as an error of the rig with
// this cause. It may be called from any goroutine and does not block.
func (b *Bench) Fault(err error) {
	b.faults.mu.Lock()
	cancel := b.faults.cancel
	b.faults.mu.Unlock()
	if cancel != nil && err != nil {
		cancel(err)
	}
}

// onFault sets who is told; the returned function puts back who was before.
func (b *Bench) onFault(cancel func(error)) (restore func()) {
	b.faults.mu.Lock()
	defer b.faults.mu.Unlock()
	before := b.faults.cancel
	b.faults.cancel = cancel
	return func() {
		b.faults.mu.Lock()
		defer b.faults.mu.Unlock()
		b.faults.cancel = before
	}
}
