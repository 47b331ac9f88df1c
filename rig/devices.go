package rig

import (
	"context"
	"errors"
	"io"
	"time"
)

// What the devices' errors are tested for. A device wraps them with what was
// being done to what.
var (
	ErrNoReadBack = errors.New("this driver cannot read its output back")
	ErrWrongUnit  = errors.New("another unit answers at the DUT's address")
	// ErrUnidentified is a unit that answers and does not show who it is: nothing
	// is changed on it.
	ErrUnidentified = errors.New("nothing proves which unit answers")
	ErrUnreachable  = errors.New("the DUT does not answer")
	ErrGarbage      = errors.New("the DUT's answer cannot be understood")
	ErrLocked       = errors.New("the DUT has locked its logins")
	ErrBudget       = errors.New("the budget of refused logins is spent")
	ErrRefused      = errors.New("the DUT refused the login")
	ErrWrite        = errors.New("the DUT refused a write")
	ErrUnsupported  = errors.New("this dialect cannot do that")
	ErrEarLost      = errors.New("the microphone's capture was lost")
)

// Relays switches a bench's relays by name. on speaks of the DUT's side:
// powered, or pins shorted; contacts and polarity are the implementation's.
type Relays interface {
	// Set switches and returns after the driver accepted it. It does not wait
	// for the contact. It may be called from any goroutine, also while another
	// Set is stuck; after an error the relay's state is unknown.
	Set(name string, on bool) error
	// Read is the level of the line translated to the DUT's side: what was
	// commanded, as the kernel has it, never proof of the contact. It changes
	// nothing. ErrNoReadBack where the driver has none.
	Read(name string) (on bool, err error)
}

// Sense is an independent witness: of a relay's contact, of the DUT's supply,
// of the network.
type Sense interface {
	// Of names what it witnesses: a relay ("power", "reset") or "network".
	Of() string
	// On reports what it sees now: powered, shorted, reachable.
	On(ctx context.Context) (bool, error)
}

// EdgeSense is a Sense whose changes carry the time at which they happened.
type EdgeSense interface {
	// Edges are the changes since the last call, oldest first.
	Edges() []Edge
}

// Edge is one change that a sense saw.
type Edge struct {
	Time time.Time
	On   bool
}

// Ear listens for one cycle at a time.
type Ear interface {
	// Begin starts a cycle's listening, with the capture running when it
	// returns nil. The cycle's sound is spooled to the file spool; "" spools
	// nothing.
	Begin(ctx context.Context, spool string) error
	// Listen takes in all sound captured up to the moment until, and returns
	// when it has been heard, or with the cause when ctx is cancelled, or with
	// an error that wraps ErrEarLost when capture died. This is how a cycle
	// waits.
	Listen(ctx context.Context, until time.Time) (Hearing, error)
	// End closes the spool; keep says whether the file stays.
	End(keep bool) error
}

// Clipper is an Ear that cuts: a failure's sound is kept from before the
// power-on to after the beep. One that is none keeps the whole cycle's.
type Clipper interface {
	// Clip copies what was heard between two moments of this cycle, as far as it
	// was spooled, into the file to. It comes before End.
	Clip(to string, from, until time.Time) error
}

// Prober looks at the DUT without credentials.
type Prober interface {
	// Probe looks once, for a few seconds of the Clock at most. Silence is a
	// Sight, no error; ErrWrongUnit where another unit answers.
	Probe(ctx context.Context) (Sight, error)
}

// Provisioner brings a unit out of its uninitialised state.
type Provisioner interface {
	// Provision gives an uninitialised unit a password, which is stored
	// durably before it is set; for any other unit it proves a known login.
	Provision(ctx context.Context) ([]Check, error)
}

// MarkSpec says what to mark.
type MarkSpec struct {
	Password bool
	Name     bool
	User     bool              // a further account
	Config   map[string]string // configuration key → value, "unique" makes one up
}

// Marker makes the default state provably go away, and proves that it stayed
// away.
type Marker interface {
	// Mark stores the new secret durably, sets every value, and proves each by
	// reading it back with the new login.
	Mark(ctx context.Context, spec MarkSpec) (Mark, error)
	// StillMarked proves positively that every marked value is there.
	StillMarked(ctx context.Context, m Mark) ([]Check, error)
}

// DefaultSpec narrows the question on the default state.
type DefaultSpec struct {
	// Functions named: those tables equal the baseline and all others are as
	// they were before the reset. Empty: the whole unit.
	Functions []string
	// Since is the moment on the bench's clock since which the DUT must have
	// started: the power-on, or the command that was accepted. Zero is not known.
	Since time.Time
}

// Judge examines the default state.
type Judge interface {
	// Default asks every question that the DUT's generation has: first those
	// without credentials, then, after provisioning where it needs it, those
	// of login, configuration, marker and firmware. Checks that could not be
	// asked are CheckUnknown with a reason. An error is the rig's, and the
	// checks asked so far come with it.
	Default(ctx context.Context, m Mark, spec DefaultSpec) ([]Check, error)
	// Holds repeats, after a further power cycle, what can be asked again.
	Holds(ctx context.Context, m Mark) ([]Check, error)
}

// Resetter resets the DUT over the network: Way 1 of the guide.
type Resetter interface {
	// FactoryReset resets everything, or only the functions named. nil means
	// that the DUT accepted it, or dropped the connection as it restarted.
	FactoryReset(ctx context.Context, functions []string) error
}

// Refuser shows that a reset over the network is refused for a wrong password.
type Refuser interface {
	// RefusedReset sends the command of a whole reset once, with a password that
	// is not the DUT's, and then compares login and configuration with what they
	// were before. It costs one refused login. A check fails where the DUT took
	// it, or where anything changed. An error is the rig's.
	RefusedReset(ctx context.Context) ([]Check, error)
}

// Transcriber keeps what rig and DUT said to each other in one cycle.
type Transcriber interface {
	// Begin starts the cycle's transcript in a new file.
	Begin(path string) error
	// End closes it; keep says whether the file stays. An error is evidence
	// that is missing, and nothing else.
	End(keep bool) error
}

// DUT is what talks to the device under test. A nil field is a thing that it
// cannot do; one value often fills them all.
type DUT struct {
	Prober      Prober
	Provisioner Provisioner
	Marker      Marker
	Judge       Judge
	Resetter    Resetter
	Refuser     Refuser
	Transcript  Transcriber
	// LeastBoot is the shortest time from power or restart to a first answer,
	// MostBoot the longest that is normal (the model's).
	LeastBoot, MostBoot time.Duration
	// NeedsProvision: after a reset the unit has no login until it is
	// provisioned (the new generation).
	NeedsProvision bool
	// HasBaseline: the configuration right after a known good reset is known.
	HasBaseline bool
}

// Programs runs a lab's own program for an exec step.
type Programs interface {
	// Run runs argv to its end and writes what it prints to out. ctx stops it,
	// and so does within, on the computer's own time: a program does not run on
	// a simulated clock.
	Run(ctx context.Context, argv []string, within time.Duration, out io.Writer) error
}

// Observer sees a cycle as it goes. It must not block.
type Observer interface {
	Observe(Event)
}

// Event is one thing that happened, on the cycle's own timeline.
type Event struct {
	At   time.Duration `json:"at"`   // since the cycle began
	Kind string        `json:"kind"` // phase, step, relay, beep, check, finding, sense, note; sight, which is told and not kept
	Name string        `json:"name"`
	Text string        `json:"text,omitempty"`
	// On and BenchTime hold for relay and sense events.
	On bool `json:"on,omitempty"`
	// Within is how long a step may take, for who watches; 0 is not bounded by
	// the step itself. It is not kept.
	Within time.Duration `json:"-"`
}
