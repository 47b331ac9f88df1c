package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"resetrig/rig"
)

// watchSignals gives a context that the first SIGINT, SIGTERM or SIGHUP stops
// in an orderly way; the second one cuts everything. done ends the watch.
func (a *app) watchSignals() (ctx context.Context, done func()) {
	ctx, stop := context.WithCancelCause(context.Background())
	got := make(chan os.Signal, 4)
	signal.Notify(got, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// Asked for, and not looked at: a reader of our output that goes away must
	// not end the process, for then no relay would be made safe.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for n := 1; ; n++ {
			select {
			case <-quit:
				return
			case s := <-got:
				switch n {
				case 1:
					stop(fmt.Errorf("%w (%v)", rig.ErrStop, s))
					if a.onlooker != nil && a.onlooker.Load() {
						continue
					}
					fmt.Fprintf(a.err, "\nresetrig: %v: stopping: presses open now, power stays until the DUT's write window has passed; once more cuts everything\n", s)
				case 2:
					close(a.emergency)
					stop(rig.ErrEmergency)
					fmt.Fprintf(a.err, "resetrig: %v again: cutting everything\n", s)
				}
			}
		}
	}()
	var once sync.Once
	return ctx, func() {
		once.Do(func() {
			signal.Stop(got)
			close(quit)
			<-ended
			stop(nil)
		})
	}
}

// systemState is where the services of the benches keep their results.
const systemState = "/var/lib/resetrig"

// defaultState is where results live: what the environment says, the system's
// folder for root and for the user to whom it belongs, the user's otherwise.
func defaultState() string {
	if d := os.Getenv("RESETRIG_STATE"); d != "" {
		return d
	}
	if id, known := ownerOf(systemState); os.Geteuid() == 0 || known && id.uid == os.Geteuid() {
		return systemState
	}
	if d := os.Getenv("XDG_STATE_HOME"); d != "" {
		return filepath.Join(d, "resetrig")
	}
	if h, err := os.UserHomeDir(); err == nil {
		return filepath.Join(h, ".local", "state", "resetrig")
	}
	return "resetrig-state"
}
