package rig

import "time"

// Outcome is how a cycle ended. Every started cycle has exactly one.
type Outcome string

// The four outcomes (design: rules of a verdict).
const (
	Pass    Outcome = "pass"    // the default state was reached, and proven
	Fail    Outcome = "fail"    // the DUT missed a limit, a deadline or a check
	Error   Outcome = "error"   // the rig could not tell; counted beside the rate
	Aborted Outcome = "aborted" // someone or something stopped it
)

// Attribution says how sure a fail is the DUT's.
type Attribution string

// The two attributions of a fail; other outcomes have none.
const (
	Proven   Attribution = "proven"   // the rig's side was verified
	Presumed Attribution = "presumed" // nothing here could tell the DUT's fault from the rig's
)

// CheckOutcome is the answer to one question.
type CheckOutcome string

// The answers that a check can have.
const (
	CheckPass    CheckOutcome = "pass"
	CheckFail    CheckOutcome = "fail"
	CheckUnknown CheckOutcome = "unknown" // the question could not be answered
	CheckWarn    CheckOutcome = "warn"    // not as wanted, but the scenario lets it pass
)

// CheckKind says what a check is about; the verdict depends on it.
type CheckKind string

// The kinds of checks.
const (
	AboutIdentity CheckKind = "identity" // is it the bench's unit
	AboutInit     CheckKind = "init"     // initialised or not (credential-free)
	AboutLogin    CheckKind = "login"    // default credentials accepted
	AboutMarker   CheckKind = "marker"   // one marked value gone, or still there
	AboutConfig   CheckKind = "config"   // configuration equals what it should be
	AboutFirmware CheckKind = "firmware" // firmware version as expected
	AboutRestart  CheckKind = "restart"  // restarted since the release
	AboutBeep     CheckKind = "beep"     // the long beep in its window
	AboutRelay    CheckKind = "relay"    // read-back or sense of a relay
	AboutEar      CheckKind = "ear"      // the microphone is fit
)

// Check is one question, with what was wanted and what was seen.
type Check struct {
	Name    string       `json:"name"`
	Kind    CheckKind    `json:"kind"`
	Wanted  string       `json:"wanted"`
	Seen    string       `json:"seen"`
	Outcome CheckOutcome `json:"outcome"`
	// Reason is why it could not be answered, one of the Reason values.
	Reason Reason `json:"reason,omitempty"`
	// At is when it was answered, where that is worth a measurement.
	At time.Time `json:"-"`
	// Differences are what a comparison found, a bounded list.
	Differences []Difference `json:"differences,omitempty"`
}

// Difference is one thing that is not as a comparison wanted it. Want and Seen
// are empty where it was not to be there, or is not.
type Difference struct {
	Key  string `json:"key"`
	Want string `json:"want,omitempty"`
	Seen string `json:"seen,omitempty"`
}

// Measurement is a named value with its unit and limits; a nil limit is none.
type Measurement struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Uncertainty, in the value's unit: at least 95 of 100 true values lie within
	// so much of it, each way. 0 is not known.
	Uncertainty float64      `json:"uncertainty,omitempty"`
	Min         *float64     `json:"min,omitempty"`
	Max         *float64     `json:"max,omitempty"`
	Outcome     CheckOutcome `json:"outcome"`
}

// Identity is who answered. Empty fields are unknown.
type Identity struct {
	Serial string `json:"serial,omitempty"`
	MAC    string `json:"mac,omitempty"`
}

// Contradicts reports whether a field known in both differs: another unit.
func (a Identity) Contradicts(b Identity) bool {
	return a.Serial != "" && b.Serial != "" && a.Serial != b.Serial ||
		a.MAC != "" && b.MAC != "" && !sameMAC(a.MAC, b.MAC)
}

// sameMAC compares two addresses whatever their separators and case.
func sameMAC(a, b string) bool { return bareMAC(a) == bareMAC(b) }

func bareMAC(s string) string {
	b := make([]byte, 0, 12)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
			b = append(b, c)
		case c >= 'A' && c <= 'F':
			b = append(b, c+'a'-'A')
		}
	}
	return string(b)
}

// InitState is whether a recorder of the new generation has been given its
// password. Recorders of the old generation do not say.
type InitState string

// What a recorder says of itself without credentials.
const (
	InitUnknown       InitState = "unknown"
	InitUninitialised InitState = "uninitialised"
	InitInitialised   InitState = "initialised"
	InitOld           InitState = "old" // answers, and has no such state
)

// Reach is how far a DUT answers.
type Reach int

// From silence to service.
const (
	ReachSilent   Reach = iota // nothing: no connection, no datagram
	ReachConnects              // a connection was accepted, no whole answer came
	ReachGarbage               // bytes came that are no answer of such a recorder
	ReachAnswers               // a well-formed answer, perhaps 401 or 503: not ready
	ReachReady                 // answers as a recorder that can be worked with
)

func (r Reach) String() string {
	return [...]string{"silent", "connects", "garbage", "answers", "ready"}[r]
}

// Sight is what one credential-free look at the DUT saw.
type Sight struct {
	Reach Reach
	// Alive: something at its address answered, be it only that it takes no
	// connection, or to the question for its hardware address.
	Alive bool
	// Followable: if it moves to another address, looks find it there.
	Followable bool
	// Link is the carrier of the cable to the DUT, where it is seen.
	Link     Link
	Identity Identity
	Init     InitState
	// Uptime since its last start, where UptimeKnown.
	Uptime      time.Duration
	UptimeKnown bool
	URL         string // where it answered
	Note        string // what was seen, in words
}

// Link is the carrier of a cable.
type Link string

// The states of a carrier.
const (
	LinkUnknown Link = ""
	LinkDown    Link = "down"
	LinkUp      Link = "up"
)

// Mark is what was changed on the DUT so that its default state is provably
// gone. Secrets are never in it: a password's values print as ***.
type Mark struct {
	ID     string        `json:"id"`
	Values []MarkedValue `json:"values"`
}

// MarkedValue is one changed thing: "password", "name", or a configuration key.
type MarkedValue struct {
	What string `json:"what"`
	Was  string `json:"was"`
	Is   string `json:"is"`
}

// Beep is one tone that the ear found. The same ID comes again when it ended.
type Beep struct {
	ID    int
	Onset time.Time
	// End is the offset when Ended, else the last moment at which it sounded.
	End         time.Time
	Ended       bool
	Long        bool // lasted the length that makes a beep long
	FrequencyHz float64
	SNRdB       float64 // power over the noise of a 24 kHz band, decibels
	LevelDBFS   float64
	// The uncertainties of onset, length and frequency, as Measurement has them:
	// of the estimate, and of the clocks that it was read from. 0 is not known, as
	// the onset of a beep that the listening began in.
	OnsetUncertainty, LengthUncertainty time.Duration
	FrequencyUncertaintyHz              float64
}

// Duration is how long the beep has sounded so far.
func (b Beep) Duration() time.Duration { return b.End.Sub(b.Onset) }

// Finding is something that the ear says of its own health.
type Finding struct {
	Name   string `json:"name"` // dead, stuck, clipping, dropouts, late, drift, unplugged, …
	Detail string `json:"detail"`
	// Unfit: what the ear hears, or does not hear, proves nothing.
	Unfit bool `json:"unfit"`
}

// Hearing is what listening up to a moment gave.
type Hearing struct {
	Beeps    []Beep    // begun as long, or ended, since the last call
	Findings []Finding // every finding that holds now
	Clock    AudioClock
}

// AudioClock is the microphone's clock against the system's, since Begin.
type AudioClock struct {
	// DriftPPM is how much faster than it says the device's clock runs, in
	// millionths, if Known: it takes half a minute without a loss.
	DriftPPM, DriftUncertaintyPPM float64
	Known                         bool
	Lost                          time.Duration // sound that was lost
	Losses                        int
}
