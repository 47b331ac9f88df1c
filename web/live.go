package web

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/soak/stats"
)

// Live is what every bench of the rig does at this moment. Its methods may be
// called from any goroutine.
type Live struct {
	mu      sync.Mutex
	benches map[string]*LiveBench
	now     func() time.Time
}

// NewLive knows no bench yet.
func NewLive() *Live { return &Live{benches: map[string]*LiveBench{}, now: time.Now} }

// Bench is the bench of that name, made where there is none.
func (l *Live) Bench(name string) *LiveBench {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.benches[name]
	if b == nil {
		b = &LiveBench{now: l.now}
		b.m = Moment{Bench: name, Doing: Idle, Answers: "unknown"}
		l.benches[name] = b
	}
	return b
}

// Moments are all benches, by name.
func (l *Live) Moments() []Moment {
	l.mu.Lock()
	all := slices.Collect(maps.Values(l.benches))
	l.mu.Unlock()
	out := make([]Moment, 0, len(all))
	for _, b := range all {
		out = append(out, b.Moment())
	}
	slices.SortFunc(out, func(a, b Moment) int { return strings.Compare(a.Bench, b.Bench) })
	return out
}

// What a bench does.
const (
	Idle   = "idle"
	Cycles = "cycle" // the others are soak.Status.Doing: pause, window, hold
)

// stripLen is how many outcomes a moment has.
const stripLen = 60

// Moment is what one bench does. Durations on the cycle's timeline are by the
// bench's clock, which a simulated bench runs faster than the wall's.
type Moment struct {
	Bench     string    `json:"bench"`
	At        time.Time `json:"at"`      // when it was looked at
	Version   uint64    `json:"version"` // grows with each change
	Simulated bool      `json:"simulated,omitempty"`
	// Elsewhere is a run of another process: what the results tell of it.
	Elsewhere bool      `json:"elsewhere,omitempty"`
	Run       string    `json:"run,omitempty"` // "" while idle
	Kind      string    `json:"kind,omitempty"`
	Scenario  string    `json:"scenario,omitempty"`
	CycleID   string    `json:"cycle_id,omitempty"`
	Cycle     int       `json:"cycle,omitempty"`
	Of        int       `json:"of,omitempty"` // cycles wanted; 0 is no number
	Attempt   int       `json:"attempt,omitempty"`
	Control   bool      `json:"control,omitempty"`
	Doing     string    `json:"doing"` // idle, cycle, pause, window, hold
	Why       string    `json:"why,omitempty"`
	Until     time.Time `json:"until,omitzero"` // of a wait between cycles

	Phase     string        `json:"phase,omitempty"` // health, arrange, act, assert
	Step      string        `json:"step,omitempty"`
	StepBegan time.Duration `json:"step_began_ns,omitempty"`
	// StepWithin is how long the step may take; 0 is not bounded by itself.
	StepWithin time.Duration `json:"step_within_ns,omitempty"`
	InCycle    time.Duration `json:"in_cycle_ns,omitempty"` // of the last event
	EventAt    time.Time     `json:"event_at,omitzero"`     // of the last event, by the wall's clock

	Relays []LiveRelay `json:"relays"`
	// Answers is how far the DUT answered last: unknown, silent, connects, garbage,
	// answers (not ready), ready. Network is what the witness of the network sees.
	Answers  string        `json:"answers"`
	Network  *bool         `json:"network,omitempty"`
	Beep     string        `json:"beep,omitempty"` // long, short while one sounds
	Findings []rig.Finding `json:"findings,omitempty"`

	Tally soak.Tally `json:"tally"`
	// Rate is the pass rate of the cycles that passed or failed, with its 95 %
	// interval.
	Rate *Rate `json:"rate,omitempty"`
	// PerCycle is the wall time of a cycle on average, ETA the expected end; zero
	// where it is not known.
	PerCycle time.Duration `json:"per_cycle_ns,omitempty"`
	ETA      time.Time     `json:"eta,omitzero"`
	Claim    string        `json:"claim,omitempty"`
	Strip    []Mark        `json:"strip"` // the last outcomes, the oldest first
	Halted   string        `json:"halted,omitempty"`
}

// Rate is a pass rate and its two-sided 95 % Clopper–Pearson interval.
type Rate struct {
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Mark is one outcome of the strip.
type Mark struct {
	ID          string          `json:"id"`
	Cycle       int             `json:"cycle"`
	Control     bool            `json:"control,omitempty"`
	Outcome     rig.Outcome     `json:"outcome"`
	Attribution rig.Attribution `json:"attribution,omitempty"`
	Reason      rig.Reason      `json:"reason,omitempty"`
}

// LiveRelay is a relay as it is. On speaks of the DUT's side: powered, shorted.
type LiveRelay struct {
	Name    string        `json:"name"`
	Role    rig.Role      `json:"role"`
	Contact string        `json:"contact"` // no, nc
	Safe    rig.SafeState `json:"safe"`
	// Commanded is what was switched last, Read what the line reads back, Sense
	// what a witness of the contact sees; nil is not known.
	Commanded *bool `json:"commanded,omitempty"`
	Read      *bool `json:"read,omitempty"`
	Sense     *bool `json:"sense,omitempty"`
}

// LiveBench takes in what one bench does. It is a rig.Observer.
type LiveBench struct {
	now func() time.Time

	mu     sync.Mutex
	m      Moment
	plan   *soak.Plan
	begun  time.Time // of this part of the run
	before soak.Tally
	had    time.Duration // elapsed before this part
	sound  SoundSource
	lines  func(relay string) (on, known bool)
}

// SoundSource gives the last spectrum of a bench's ear. It is called some ten
// times a second while somebody looks, from another goroutine than the ear's.
type SoundSource func() (Spectrum, bool)

// Spectrum is what the ear hears now.
type Spectrum struct {
	BinHz float64   `json:"bin_hz"`
	DBFS  []float32 `json:"-"` // per bin, from 0 Hz
	// Low and High are the band of the beep; zero where it is not known.
	Low  float64 `json:"low_hz,omitempty"`
	High float64 `json:"high_hz,omitempty"`
	RMS  float64 `json:"rms_dbfs"`
	Peak float64 `json:"peak_dbfs"`
}

// LiveRun is what a run is, for Begin.
type LiveRun struct {
	ID, Kind  string
	Simulated bool
	Plan      *soak.Plan
	Relays    []LiveRelay
	Sound     SoundSource // nil: there is no ear
	// Lines reads a relay's line back; nil where nothing does. It must not wait.
	Lines func(relay string) (on, known bool)
	Strip []Mark // of a run that is resumed: its last outcomes
}

// Begin says that a run begins on the bench.
func (b *LiveBench) Begin(r LiveRun) {
	b.change(func(m *Moment) {
		*m = Moment{Bench: m.Bench, Version: m.Version, Answers: "unknown", Doing: Cycles, Simulated: r.Simulated, Run: r.ID, Kind: r.Kind, Relays: slices.Clone(r.Relays), Strip: slices.Clone(r.Strip)}
		b.plan, b.sound, b.lines, b.begun, b.before = r.Plan, r.Sound, r.Lines, b.now(), soak.Tally{Cycles: -1}
		if p := r.Plan; p != nil {
			m.Of = p.Cycles
			if p.Claim != nil {
				m.Claim = p.Claim.String()
			}
			if len(p.Scenarios) > 0 {
				m.Scenario = p.Scenarios[0].Scenario.Name
			}
		}
	})
}

// End says that the run has ended, and how. The relays stay as they were last
// commanded; nobody reads them any more.
func (b *LiveBench) End(how string) {
	b.change(func(m *Moment) {
		m.Doing, m.Why, m.Phase, m.Step, m.Beep, m.Run, m.CycleID = Idle, how, "", "", "", "", ""
		m.StepBegan, m.StepWithin, m.Until, m.ETA, m.Elsewhere = 0, 0, time.Time{}, time.Time{}, false
		m.Relays = slices.Clone(m.Relays)
		for i := range m.Relays {
			m.Relays[i].Sense = nil
		}
		b.plan, b.sound, b.lines = nil, nil, nil
	})
}

// Switched says what a relay was brought to, also where no cycle did it; known is
// false where its driver did not take it. It does not wait.
func (b *LiveBench) Switched(relay string, on, known bool) {
	b.change(func(m *Moment) {
		m.Relays = slices.Clone(m.Relays)
		for i := range m.Relays {
			if r := &m.Relays[i]; r.Name == relay {
				if r.Commanded = nil; known {
					r.Commanded = &on
				}
			}
		}
	})
}

// Elsewhere is a run of another process, as far as the results tell.
type Elsewhere struct {
	Run, Kind, Scenario string
	CycleID             string
	Cycle, Attempt, Of  int
	Control             bool
	Phase               string // that the cycle has come to
	Tally               soak.Tally
	Strip               []Mark
}

// Follow shows a run of another process on a bench where none of this process is;
// nil is none any more.
func (b *LiveBench) Follow(e *Elsewhere) {
	b.mu.Lock()
	here, followed := b.m.Run != "" && !b.m.Elsewhere, b.m.Elsewhere
	b.mu.Unlock()
	switch {
	case here, e == nil && !followed:
		return
	case e == nil:
		b.End("the other process has ended it, or died")
		return
	}
	b.change(func(m *Moment) {
		if m.Run != "" && !m.Elsewhere {
			return
		}
		began, at, halted := m.EventAt, b.now(), m.Halted
		if m.Phase == e.Phase && m.CycleID == e.CycleID {
			at = began
		}
		*m = Moment{
			Bench: m.Bench, Version: m.Version, Answers: "unknown", Doing: Cycles, Elsewhere: true, Run: e.Run, Kind: e.Kind, Scenario: e.Scenario,
			CycleID: e.CycleID, Cycle: e.Cycle, Attempt: e.Attempt, Of: e.Of, Control: e.Control, Phase: e.Phase, EventAt: at,
			Tally: e.Tally, Strip: slices.Clone(e.Strip), Halted: halted,
		}
		b.reckonRate(m)
	})
}

// Halted says that somebody halted what the bench does.
func (b *LiveBench) Halted(text string) { b.change(func(m *Moment) { m.Halted = text }) }

// Status is soak.Soak.Watch.
func (b *LiveBench) Status(s soak.Status) {
	b.change(func(m *Moment) {
		m.Doing, m.Why, m.Until, m.Tally = s.Doing, s.Why, s.Until, s.Tally
		m.Cycle, m.Attempt, m.Control = s.Next.N, s.Next.Attempt, s.Next.Control
		if s.Next.Scenario != nil {
			m.Scenario = s.Next.Scenario.Name
		}
		if s.Doing == Cycles {
			m.Phase, m.Step, m.StepBegan, m.StepWithin, m.InCycle, m.Findings, m.Beep = "", "", 0, 0, 0, nil, ""
		}
		b.reckon(m, s.Next.Elapsed)
	})
}

// Cycle says which cycle begins, by the ID that its record will have.
func (b *LiveBench) Cycle(id string) { b.change(func(m *Moment) { m.CycleID = id }) }

// Done takes in a record that was committed.
func (b *LiveBench) Done(r rig.Record) {
	b.change(func(m *Moment) {
		if len(m.Strip) >= stripLen {
			m.Strip = slices.Clone(m.Strip[len(m.Strip)-stripLen+1:]) // a moment that was given out keeps its own
		}
		m.Strip = append(m.Strip, Mark{ID: r.ID, Cycle: r.Cycle, Control: r.Control, Outcome: r.Outcome, Attribution: r.Attribution, Reason: r.Reason})
	})
}

// reckon says how it goes: the rate, and when it will be over.
func (b *LiveBench) reckon(m *Moment, elapsed time.Duration) {
	t := m.Tally
	if b.before.Cycles < 0 {
		b.before, b.had = t, elapsed
	}
	b.reckonRate(m)
	done := t.Cycles - b.before.Cycles
	if done <= 0 {
		return
	}
	gone := b.now().Sub(b.begun)
	m.PerCycle = gone / time.Duration(done)
	left, known := time.Duration(0), false
	sooner := func(d time.Duration) { // what ends it first
		if !known || d < left {
			left, known = d, true
		}
	}
	if m.Of > 0 {
		sooner(m.PerCycle * time.Duration(max(0, m.Of-t.Judged())))
	}
	if p := b.plan; p != nil && p.Claim != nil {
		sooner(m.PerCycle * time.Duration(p.Claim.Left(t.Judged(), t.Doubted)))
	}
	if p := b.plan; p != nil && p.For > 0 && elapsed > b.had {
		sooner(time.Duration(float64(gone) * float64(max(0, p.For-elapsed)) / float64(elapsed-b.had)))
	}
	if m.ETA = (time.Time{}); known {
		m.ETA = b.now().Add(left)
	}
}

func (b *LiveBench) reckonRate(m *Moment) {
	if n := m.Tally.Pass + m.Tally.Fails(); n > 0 { // errors are outside of the rate
		lo, hi := stats.Interval(m.Tally.Pass, n, 0.95)
		m.Rate = &Rate{float64(m.Tally.Pass) / float64(n), lo, hi}
	}
}

// Observe is rig.Observer. It does not wait.
func (b *LiveBench) Observe(e rig.Event) {
	b.change(func(m *Moment) {
		m.InCycle, m.EventAt = e.At, b.now()
		switch e.Kind {
		case "sight":
			m.Answers = e.Name
		case "phase":
			m.Phase, m.Step, m.StepWithin = e.Name, "", 0
			if e.Name == "health" {
				m.Findings, m.Beep, m.Answers = nil, "", "unknown"
			}
		case "step":
			m.Step, m.StepBegan, m.StepWithin = e.Text, e.At, e.Within
		case "relay":
			for i := range m.Relays {
				if m.Relays[i].Name == e.Name {
					on := e.On
					m.Relays = slices.Clone(m.Relays)
					m.Relays[i].Commanded = &on
				}
			}
		case "sense":
			on := e.On
			if e.Name == "network" {
				m.Network = &on
				return
			}
			for i := range m.Relays {
				if m.Relays[i].Name == e.Name {
					m.Relays = slices.Clone(m.Relays)
					m.Relays[i].Sense = &on
				}
			}
		case "beep":
			m.Beep = ""
			if e.On {
				m.Beep = e.Name
			}
		case "finding":
			if len(m.Findings) < 20 {
				m.Findings = append(slices.Clip(m.Findings), rig.Finding{Name: e.Name, Detail: e.Text})
			}
		}
	})
}

// change changes the moment under the lock, and counts it.
func (b *LiveBench) change(f func(*Moment)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.m)
	b.m.Version++
}

// Moment is the bench as it is now, its lines read back.
func (b *LiveBench) Moment() Moment {
	b.mu.Lock()
	m, lines := b.m, b.lines
	b.mu.Unlock()
	m.At = b.now()
	if lines != nil && len(m.Relays) > 0 {
		m.Relays = slices.Clone(m.Relays)
		for i := range m.Relays {
			if on, known := lines(m.Relays[i].Name); known {
				m.Relays[i].Read = &on
			}
		}
	}
	return m
}

// Sound is the last spectrum; false where the bench has no ear at work.
func (b *LiveBench) Sound() (Spectrum, bool) {
	b.mu.Lock()
	s := b.sound
	b.mu.Unlock()
	if s == nil {
		return Spectrum{}, false
	}
	return s()
}
