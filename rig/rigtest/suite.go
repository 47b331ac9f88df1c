package rigtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"resetrig/rig"
)

// Outcome is how a case ended.
type Outcome string

// The outcomes of a case.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail" // the bench does not keep what it must
	Skip Outcome = "skip" // nothing was tested; Seen says why
)

// Result is one case as it went.
type Result struct {
	Case    string  `json:"case"`
	Outcome Outcome `json:"outcome"`
	Wanted  string  `json:"wanted"`
	Seen    string  `json:"seen"`
	// Figures are what was measured on the way.
	Figures []rig.Measurement `json:"figures,omitempty"`
	// Unsafe is set where the case did not reach the safe state: it outranks
	// everything else.
	Unsafe *rig.UnsafeError `json:"-"`
}

// Subject is the bench that the suite runs on, and what may be done with it.
type Subject struct {
	// Bench must not be armed, and nobody else may use it meanwhile. Its relays,
	// guards and write window are replaced while a case runs and put back.
	Bench *rig.Bench
	// Expendable says that the DUT may be reset or lose its power while it
	// boots: a simulated one, or one that nobody needs.
	Expendable bool
	// Say, if not nil, gets every result as it comes.
	Say func(Result)
}

// Case is one thing that every bench must do.
type Case struct {
	Name   string
	Wanted string
	// expendable cases need an expendable DUT, otherwise holds why.
	expendable string
	run        func(context.Context, *trial) error
}

// trial is one case on its way.
type trial struct {
	*suite
	cut     chan struct{} // closing it is the emergency
	seen    []string
	figures []rig.Measurement
}

// suite is what the cases share.
type suite struct {
	b     *rig.Bench
	gate  *gate
	specs []rig.RelaySpec // as the bench has them
	halt  string          // why no further case may run
	// live is why no press is safe: what is not known of the DUT's supply. ""
	// where a cut was seen.
	live       string
	expendable bool
}

// skipError ends a case that cannot test anything.
type skipError struct{ why string }

func (e *skipError) Error() string { return e.why }

func skipf(format string, args ...any) error { return &skipError{fmt.Sprintf(format, args...)} }

// haltError ends the suite with its case: what follows would not be safe.
type haltError struct{ err error }

func (e *haltError) Error() string { return e.err.Error() }
func (e *haltError) Unwrap() error { return e.err }

// Run runs every case in order and returns a result for each. It stops
// switching as soon as the DUT turns out to be another unit, the safe state was
// not reached, or ctx is cancelled: the cases after that are skipped with the
// reason. However it ends, the presses are open, or a result says which relay
// is in doubt; the power is as the bench's safe state says.
func Run(ctx context.Context, s Subject) []Result {
	u := &suite{b: s.Bench, specs: slices.Clone(s.Bench.Specs), expendable: s.Expendable, live: "no cut of the DUT's power was seen"}
	u.gate = newGate(s.Bench, s.Expendable)
	var results []Result
	for _, c := range Cases() {
		r := u.one(ctx, c)
		results = append(results, r)
		if s.Say != nil {
			s.Say(r)
		}
	}
	return results
}

// Failed are the results that failed.
func Failed(results []Result) []Result {
	return slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.Outcome != Fail })
}

// one runs one case on a bench whose relays are behind the gate.
func (u *suite) one(ctx context.Context, c Case) Result {
	r := Result{Case: c.Name, Outcome: Skip, Wanted: c.Wanted}
	switch cause := context.Cause(ctx); {
	case cause != nil:
		r.Seen = cause.Error()
		return r
	case u.halt != "":
		r.Seen = u.halt
		return r
	case c.expendable != "" && !u.expendable:
		r.Seen = c.expendable + ": only with a DUT that is expendable"
		return r
	}
	t := &trial{suite: u}
	restore := t.take()
	err := rig.Guarded(func() error { return c.run(ctx, t) })
	restore()
	r.Seen, r.Figures = strings.Join(t.seen, ", "), t.figures

	var skip *skipError
	var halt *haltError
	var unsafe *rig.UnsafeError
	switch {
	case errors.As(err, &unsafe):
		u.halt = "the safe state was not reached"
		r.Outcome, r.Seen, r.Unsafe = Fail, err.Error(), unsafe
	case err == nil:
		r.Outcome = Pass
	case context.Cause(ctx) != nil:
		r.Seen = context.Cause(ctx).Error()
	case errors.As(err, &skip):
		r.Seen = skip.why
	case errors.As(err, &halt):
		u.halt = halt.Error()
		r.Outcome, r.Seen = Fail, halt.Error()
	default:
		r.Outcome, r.Seen = Fail, err.Error()
	}
	return r
}

// take puts the gate before the bench's relays, keeps the power of the DUT
// between the cases, and gives the case an emergency of its own, which the
// bench's own sets off too. restore puts everything back.
func (t *trial) take() (restore func()) {
	b := t.b
	relays, emergency, window := b.Relays, b.Emergency, b.WriteWindow
	b.Relays = t.gate
	b.Specs = slices.Clone(t.specs)
	for i := range b.Specs {
		if b.Specs[i].Role == rig.RolePower {
			b.Specs[i].Safe = rig.SafeKeep
		}
	}
	t.cut = make(chan struct{})
	own, done, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b.Emergency = own
	go func() {
		defer close(ended)
		select {
		case <-t.cut:
		case <-emergency:
		case <-done:
			return
		}
		close(own)
	}()
	return func() {
		close(done)
		<-ended
		b.Relays, b.Emergency, b.WriteWindow, b.Specs = relays, emergency, window, slices.Clone(t.specs)
	}
}

// saw adds to what the case has seen.
func (t *trial) saw(format string, args ...any) {
	t.seen = append(t.seen, fmt.Sprintf(format, args...))
}

// figure keeps a duration that the case measured.
func (t *trial) figure(name string, d time.Duration) {
	t.figures = append(t.figures, rig.Measurement{Name: name, Value: d.Seconds(), Unit: "s", Outcome: rig.CheckPass})
	t.saw("%s %v", name, d.Round(10*time.Microsecond))
}

// spec changes the guards of a relay for this case.
func (t *trial) spec(name string, change func(*rig.RelaySpec)) {
	for i := range t.b.Specs {
		if t.b.Specs[i].Name == name {
			change(&t.b.Specs[i])
		}
	}
}

// of are the bench's relays of that role.
func (t *trial) of(role rig.Role) []rig.RelaySpec {
	return slices.DeleteFunc(slices.Clone(t.b.Specs), func(s rig.RelaySpec) bool { return s.Role != role })
}

// press is the first press of the bench.
func (t *trial) press() (rig.RelaySpec, error) {
	if p := t.of(rig.RolePress); len(p) > 0 {
		return p[0], nil
	}
	return rig.RelaySpec{}, skipf("the bench has no press")
}

// own is the relay as the bench has it.
func (u *suite) own(name string) rig.RelaySpec {
	i := slices.IndexFunc(u.specs, func(s rig.RelaySpec) bool { return s.Name == name })
	return u.specs[i]
}
