package rig

// Reason says, in one word of a fixed list, why a cycle ended as it did.
type Reason string

// Reasons of a fail: what the DUT missed.
const (
	ReasonResetIgnored   Reason = "reset-ignored"       // restarted, everything marked is still there
	ReasonResetPartial   Reason = "reset-partial"       // some of it was reset, some was kept
	ReasonBeepMissing    Reason = "beep-missing"        // no long beep in its window
	ReasonBeepForbidden  Reason = "beep-forbidden"      // a long beep where none may be
	ReasonNoRestart      Reason = "no-restart"          // silent until the deadline
	ReasonNoAnswer       Reason = "no-answer"           // connects, and never answers
	ReasonDUTGarbage     Reason = "garbage-after-reset" // answers nonsense until the deadline
	ReasonUnstable       Reason = "unstable"            // never stayed up for the stable period
	ReasonReverted       Reason = "default-reverted"    // was default, and is no longer
	ReasonNotDefault     Reason = "not-default"         // a check of the default state failed
	ReasonNotRestarted   Reason = "not-restarted"       // default, and by its own uptime it never restarted
	ReasonFirmware       Reason = "firmware-mismatch"   // another firmware than before the reset
	ReasonLimit          Reason = "limit"               // a measurement outside its limits
	ReasonResetRefused   Reason = "reset-refused"       // Way 1: the DUT refused the command
	ReasonOtherFunctions Reason = "other-functions"     // Way 1, functions: what was not named changed
)

// Reasons of an error: why the rig could not tell.
const (
	ReasonRelayDriver         Reason = "relay-driver"         // a switch command failed
	ReasonRelayReadBack       Reason = "relay-read-back"      // the line is not as commanded
	ReasonPowerWelded         Reason = "power-welded"         // commanded off, and powered
	ReasonPowerOpen           Reason = "power-open"           // commanded on, and not powered
	ReasonResetOpen           Reason = "reset-open"           // pressed, and the pins are not shorted
	ReasonResetWelded         Reason = "reset-welded"         // released, and the pins are shorted
	ReasonSense               Reason = "sense"                // a sense could not be read
	ReasonEarUnfit            Reason = "ear-unfit"            // what the ear hears proves nothing
	ReasonEarLost             Reason = "ear-lost"             // capture died
	ReasonNetworkDown         Reason = "network-down"         // the network sense says so
	ReasonWrongUnit           Reason = "wrong-unit"           // another unit at the DUT's address
	ReasonUnidentified        Reason = "unidentified"         // nothing proves which unit answers
	ReasonUnreachable         Reason = "dut-unreachable"      // before the reset: nothing to test
	ReasonGarbage             Reason = "dut-garbage"          // before the reset: nothing to test
	ReasonLocked              Reason = "locked"               // the DUT's logins are locked
	ReasonBudget              Reason = "login-budget"         // no refused login left to spend
	ReasonLoginUnknown        Reason = "login-unknown"        // no known login is accepted
	ReasonMarkerRefused       Reason = "marker-refused"       // the DUT refused to be marked
	ReasonMarkerUnproven      Reason = "marker-unproven"      // set, and not read back
	ReasonProvision           Reason = "provision"            // the unit could not be provisioned
	ReasonControl             Reason = "control-not-held"     // a control ended otherwise than it must
	ReasonRestartUnobservable Reason = "restart-unobservable" // default, but nothing proves a restart
	ReasonUnanswered          Reason = "check-unanswered"     // a check could not be asked
	ReasonExec                Reason = "exec"                 // the lab's own program failed
	ReasonGuard               Reason = "guard"                // a relay's guard forbade a switch
	ReasonDeadMan             Reason = "dead-man"             // a relay was on for too long
	ReasonPanic               Reason = "panic"                // a defect of this program
	ReasonInternal            Reason = "internal"             // any other error of the rig
	ReasonUnsafe              Reason = "safe-state-unreached" // a relay's state is in doubt
)

// Reasons of an abort.
const (
	ReasonStopped     Reason = "stopped"     // on request, power kept as the bench says
	ReasonEmergency   Reason = "emergency"   // on request, everything cut at once
	ReasonInterrupted Reason = "interrupted" // the program died within the cycle
)
