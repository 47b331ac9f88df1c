package rig

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"time"
)

// CycleSpec names one cycle.
type CycleSpec struct {
	ID, Run        string
	Cycle, Attempt int
	Version        string
	// Dir is the folder, which exists, for the cycle's artifacts; "" keeps none.
	Dir string
	// KeepPass keeps the sound and the transcript of a cycle that passes, too.
	KeepPass bool
	// Idle is since when the bench had nothing to do but to begin this cycle: what
	// has passed since then is the rig's own time. Zero: not told.
	Idle time.Time
}

// cycle is the state of one execution of a scenario. One goroutine owns it.
type cycle struct {
	b    *Bench
	a    *Armed
	sc   *Scenario
	rec  *Record
	dir  string
	keep bool           // evidence of a pass, too
	opsA map[string]int // operations before it

	start   time.Time
	moments map[Moment]time.Time
	mark    *Mark

	hearing bool // the ear is open
	audio   AudioClock
	spooled bool // some sound was
	// heardFrom is when the listening began.
	heardFrom time.Time
	beeps     []Beep
	beepAt    map[int]int // ID → index in beeps
	findings  map[string]Finding
	unfit     []time.Time // moments at which the ear was unfit, a second apart at least
	lost      error
	idle      time.Time
	excused   time.Duration // of the cycle's time: the recorder's, or a planned wait
	began     bool          // the ear was opened for this cycle
	noted     bool          // a transcript was begun
	pressed   map[string]bool
	refused   bool // the DUT refused a reset with a wrong password
	// cutBySilence: what shows that the power is off is the DUT's silence alone.
	cutBySilence bool
	netAsked     time.Time

	agreed map[string]bool // what senses confirmed
	fails  []*verdict
	seen   evidence

	// strictHears are the steps to come that need a fit ear. It is read by
	// whoever reports a fault.
	strictHears atomicCount
}

// evidence is what this cycle's witnesses have shown.
type evidence struct {
	powerCut bool // the DUT lost its power: sense, or silence on the network
	// powerCutSensed: the supply's sense saw it, or a silent DUT with a network
	// that its own sense saw up.
	powerCutSensed bool
	powerOn        bool // the sense saw the supply after the last power-on
	pressClosed    bool // the sense saw the pins shorted, for the whole press
	pressOpened    bool // the sense saw them open again
	longBeep       bool // the DUT's own beep in a window that wanted one
	answered       bool // the right unit answered since the last release or power-on
	followable     bool // another address of its would have been found
	identified     bool // what answered told who it is, and it was the DUT
	defaultShown   bool // it showed itself uninitialised since then
	ready          bool // it answered steadily, as wanted
	restartProof   string
}

// Cycle runs the scenario once and returns its record. It does not fail: what
// goes wrong is in the record's outcome. The presses are open when it returns,
// or the record's Unsafe names those in doubt; power is as the scenario left it.
func (b *Bench) Cycle(ctx context.Context, a *Armed, sc *Scenario, spec CycleSpec) Record {
	c := &cycle{
		b: b, a: a, sc: sc, dir: spec.Dir, keep: spec.KeepPass, idle: spec.Idle, opsA: a.operations(),
		start: b.Clock.Now(), moments: map[Moment]time.Time{},
		beepAt: map[int]int{}, findings: map[string]Finding{}, agreed: map[string]bool{}, pressed: map[string]bool{},
		rec: &Record{
			ID: spec.ID, Run: spec.Run, Cycle: spec.Cycle, Attempt: spec.Attempt, Version: spec.Version,
			Bench: b.Name, Scenario: sc.Name, Control: sc.Control, Params: sc.Params, Source: sc.Source,
			Started: b.Clock.Now(), DUT: b.Identity,
			Steps: []StepRecord{}, Checks: []Check{}, Measurements: []Measurement{}, Beeps: []BeepRecord{},
			Timeline: []Event{}, Senses: []string{},
		},
	}
	for _, s := range b.Senses {
		c.rec.Senses = append(c.rec.Senses, s.Of())
	}
	c.strictHears.set(countStrict(sc))

	c.beginTranscript()
	cctx, cancel := context.WithCancelCause(ctx)
	restore := b.onFault(func(err error) {
		if errors.Is(err, ErrEarLost) && c.strictHears.get() == 0 {
			return // nothing is to be judged by the ear any more; the next read notes it
		}
		cancel(err)
	})
	err := Guarded(func() error { return c.run(cctx) })
	unsafe := c.openPresses(context.WithoutCancel(ctx))
	fault := Guarded(func() error { c.conclude(ctx, err, unsafe); return nil })
	restore()
	cancel(nil)
	if fault != nil { // a defect in the judging itself: the rig could not tell
		c.rec.Outcome, c.rec.Attribution, c.rec.Reason, c.rec.Text = Error, "", ReasonPanic, fault.Error()
	}
	return *c.rec
}

// run is the cycle up to its first error.
func (c *cycle) run(ctx context.Context) error {
	if err := c.healthBefore(ctx); err != nil {
		return err
	}
	for _, phase := range []struct {
		name  string
		steps []Step
	}{{"arrange", c.sc.Arrange}, {"act", c.sc.Act}, {"assert", c.sc.Assert}} {
		c.event(Event{At: c.now(), Kind: "phase", Name: phase.name})
		if err := c.earFit(); err != nil {
			return err // a reset that nobody can hear is not begun
		}
		for _, s := range phase.steps {
			if err := c.step(ctx, phase.name, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// step runs one step, and takes in what the ear heard meanwhile.
func (c *cycle) step(ctx context.Context, phase string, s Step) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	began := c.now()
	c.event(Event{At: began, Kind: "step", Name: phase, Text: s.String(), Within: c.bound(s)})
	excused := c.excused
	err := c.do(ctx, s)
	if recordersTime(s) {
		c.excused = excused + c.now() - began
	}
	if err == nil {
		err = c.hearUntil(ctx, c.b.Clock.Now())
	}
	c.takeEdges()
	sr := StepRecord{Phase: phase, Step: s.String(), Began: began, Took: c.now() - began}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // what a device says of a request that was cut off means nothing
		}
		sr.Error = err.Error()
	}
	c.rec.Steps = append(c.rec.Steps, sr)
	return err
}

// openPresses is the first thing after a cycle, however it ended.
func (c *cycle) openPresses(ctx context.Context) *UnsafeError {
	var doubt []string
	var errs []error
	for _, s := range c.b.Specs {
		if s.Role != RolePress {
			continue
		}
		err := Guarded(func() error { return c.a.Off(s.Name) })
		if _, _, since := c.a.State(s.Name); c.pressed[s.Name] {
			c.event(Event{At: since.Sub(c.start), Kind: "relay", Name: s.Name, On: false})
		}
		if err == nil {
			err = Guarded(func() error { return c.a.proveOff(ctx, s) })
		}
		if err != nil {
			doubt, errs = append(doubt, s.Name), append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &UnsafeError{Relays: doubt, Err: errors.Join(errs...)}
}

// bound is how long a step may take by its own words; 0 is not bounded.
func (c *cycle) bound(s Step) time.Duration {
	left := func(since Moment, d time.Duration) time.Duration {
		return c.moment(since).Add(d).Sub(c.b.Clock.Now())
	}
	switch s := s.(type) {
	case Wait:
		return s.For
	case Hold:
		if s.Cap > 0 {
			return max(0, left(s.Since, s.Cap))
		}
		return max(0, left(s.Since, s.For))
	case Restarted:
		return max(0, left(s.Since, s.Within))
	case Reachable:
		return s.Within
	case Persists:
		return s.Off + s.Within
	case Exec:
		return s.Within
	}
	return 0
}

// now is the time since the cycle began.
func (c *cycle) now() time.Duration { return c.b.Clock.Now().Sub(c.start) }

// event puts something onto the timeline and tells the observer.
func (c *cycle) event(e Event) {
	c.rec.Timeline = append(c.rec.Timeline, e)
	if c.b.Observer != nil {
		c.b.Observer.Observe(e)
	}
}

func (c *cycle) check(checks ...Check) {
	for _, k := range checks {
		c.rec.Checks = append(c.rec.Checks, k)
		c.event(Event{At: c.now(), Kind: "check", Name: k.Name, Text: string(k.Outcome)})
	}
}

// moment is when something last happened in this cycle; the cycle's start if
// it did not.
func (c *cycle) moment(m Moment) time.Time {
	if m == Latest {
		t := c.start
		for _, k := range []Moment{PowerOn, Release, Reset} {
			if at, ok := c.moments[k]; ok && at.After(t) {
				t = at
			}
		}
		return t
	}
	if m == Now {
		return c.b.Clock.Now()
	}
	if t, ok := c.moments[m]; ok {
		return t
	}
	return c.start
}

// started is the moment since which a DUT that was reset must have started: a
// power-on or an accepted command; zero if there was neither.
func (c *cycle) started() time.Time {
	var t time.Time
	for _, k := range []Moment{PowerOn, Reset} {
		if at, ok := c.moments[k]; ok && at.After(t) {
			t = at
		}
	}
	return t
}

// artifact is the path of an evidence file, or "" where none are kept.
func (c *cycle) artifact(name string) string {
	if c.dir == "" {
		return ""
	}
	return filepath.Join(c.dir, name)
}

// countStrict counts the steps that need a fit ear.
func countStrict(sc *Scenario) int {
	n := 0
	for _, phase := range [][]Step{sc.Arrange, sc.Act, sc.Assert} {
		for _, s := range phase {
			if h, ok := s.(Hear); ok && h.Verdict != BeepExpected {
				n++
			}
		}
	}
	return n
}

// atomicCount is a count that other goroutines may read.
type atomicCount struct{ n atomic.Int32 }

func (a *atomicCount) set(n int) { a.n.Store(int32(n)) }
func (a *atomicCount) less()     { a.n.Add(-1) }
func (a *atomicCount) get() int  { return int(a.n.Load()) }
