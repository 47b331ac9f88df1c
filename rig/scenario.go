package rig

import (
	"fmt"
	"time"
)

// Scenario is one reset procedure as data, its parameters already filled in.
type Scenario struct {
	Name  string
	About string
	// Control marks a scenario that must not reset the DUT.
	Control bool
	Params  map[string]string // as they were filled in, for the record
	Arrange []Step
	Act     []Step
	Assert  []Step
	// Source is the text that it was read from.
	Source string
}

// Step is one entry of a scenario: one of the types of this file.
type Step interface {
	// String is the step as a person would say it, in one line.
	String() string
}

// Moment names a point of the cycle's timeline that a step counts from.
type Moment string

// The moments that a scenario can name.
const (
	PowerOn  Moment = "power-on"
	PowerOff Moment = "power-off"
	Press    Moment = "press"
	Release  Moment = "release"
	Reset    Moment = "reset"  // Way 1: the command was accepted
	Latest   Moment = "latest" // the latest of power-on, release and reset
	Now      Moment = "now"    // when the step is reached
)

// BeepVerdict says what a beep in a window means.
type BeepVerdict string

// What a scenario can want of a beep.
const (
	BeepRequired  BeepVerdict = "required"
	BeepExpected  BeepVerdict = "expected"
	BeepForbidden BeepVerdict = "forbidden"
)

// The steps.
type (
	// SwitchPower turns the DUT's supply on or off. Off is proven: by the sense
	// where there is one, by the DUT's silence on the network otherwise.
	SwitchPower struct {
		Relay string // "power" unless the bench has more
		On    bool
	}
	// Wait lets time pass, listening.
	Wait struct{ For time.Duration }
	// PressRelay closes a press relay: the pins are shorted.
	PressRelay struct {
		Relay   string
		Powered bool // allowed while the DUT is powered
	}
	// ReleaseRelay opens it again.
	ReleaseRelay struct{ Relay string }
	// Hold waits, listening, until the later of For since the moment and, if
	// UntilBeepEnds is set, that time after the end of a long beep that sounds
	// within the hold; never longer than Cap since the moment.
	Hold struct {
		For           time.Duration
		Since         Moment
		UntilBeepEnds time.Duration // margin after the beep's end; 0: do not wait for a beep
		Cap           time.Duration // 0: until one second before the dead man
	}
	// Hear judges the beeps whose onset lies within a window of the timeline.
	// It never waits.
	Hear struct {
		Beep     string // "long"
		From, To Moment
		Verdict  BeepVerdict
		// Least and Most bound the beep's length; 0 is no bound.
		Least, Most time.Duration
	}
	// Restarted wants the DUT restarted since the moment, answering, and
	// answering still after Stable, before Within has passed since the moment.
	Restarted struct {
		Within, Stable time.Duration
		Since          Moment
	}
	// Reachable wants an answer from the right unit before Within has passed.
	Reachable struct{ Within time.Duration }
	// Provision gives an uninitialised unit a password.
	Provision struct{}
	// SetMark marks the DUT.
	SetMark struct{ Spec MarkSpec }
	// StillMarked is a control's proof that nothing was reset.
	StillMarked struct{}
	// DefaultState judges the default state, or that of the functions named.
	DefaultState struct{ Functions []string }
	// Persists power-cycles the DUT once more and judges again.
	Persists struct{ Off, Within, Stable time.Duration }
	// FactoryReset is Way 1, whole or by functions. With a wrong password the
	// DUT must refuse it, and nothing may change: only a control has that.
	FactoryReset struct {
		Functions     []string
		WrongPassword bool
	}
	// Exec runs a lab's own program, its output kept as an artifact.
	Exec struct {
		Argv   []string
		Within time.Duration
	}
)

func (s SwitchPower) String() string {
	if s.On {
		return s.Relay + " on"
	}
	return s.Relay + " off"
}
func (s Wait) String() string         { return "wait " + s.For.String() }
func (s PressRelay) String() string   { return "press " + s.Relay }
func (s ReleaseRelay) String() string { return "release " + s.Relay }
func (s Hold) String() string {
	t := fmt.Sprintf("hold %v since %s", s.For, s.Since)
	if s.UntilBeepEnds > 0 {
		t += ", until the beep ends"
	}
	return t
}

func (s Hear) String() string {
	return fmt.Sprintf("hear %s beep %s, from %s to %s", s.Beep, s.Verdict, s.From, s.To)
}
func (s Restarted) String() string { return fmt.Sprintf("restarted within %v", s.Within) }
func (s Reachable) String() string { return fmt.Sprintf("reachable within %v", s.Within) }
func (Provision) String() string   { return "provision" }
func (SetMark) String() string     { return "mark" }
func (StillMarked) String() string { return "still-marked" }
func (s Persists) String() string  { return "persists through a power cycle" }
func (s Exec) String() string      { return fmt.Sprintf("exec %q", s.Argv) }
func (s DefaultState) String() string {
	if len(s.Functions) > 0 {
		return fmt.Sprintf("default-state of %v", s.Functions)
	}
	return "default-state"
}

func (s FactoryReset) String() string {
	if s.WrongPassword {
		return "factory-reset with a wrong password"
	}
	if len(s.Functions) > 0 {
		return fmt.Sprintf("factory-reset of %v", s.Functions)
	}
	return "factory-reset of everything"
}
