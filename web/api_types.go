package web

import (
	"time"

	"resetrig/rig"
)

// What the API gives and takes beside the types of the seam.

// RigInfo is the rig and the program on it.
type RigInfo struct {
	Name    string    `json:"name"`    // of the computer
	Version string    `json:"version"` // of the program
	Now     time.Time `json:"now"`     // its wall clock
	Benches int       `json:"benches"` // that it serves
	Viewers int       `json:"viewers"` // pages that watch now
	Last    int64     `json:"last"`    // number of the record committed last
}

// BenchList are benches.
type BenchList struct {
	Benches []Bench `json:"benches"`
}

// ScenarioList are scenarios.
type ScenarioList struct {
	Scenarios []Scenario `json:"scenarios"`
}

// MomentList is what all benches do now.
type MomentList struct {
	Moments []Moment `json:"moments"`
}

// RunList is a page of runs, the newest first.
type RunList struct {
	Runs []Run `json:"runs"`
	// Next is the cursor of the page after this; it is left out at the end.
	Next string `json:"next,omitempty"`
}

// CycleList is a page of cycles, the newest first.
type CycleList struct {
	Cycles []Cycle `json:"cycles"`
	Next   string  `json:"next,omitempty"` // as in RunList
}

// NoteList are notes, the oldest first.
type NoteList struct {
	Notes []Note `json:"notes"`
}

// ArtifactList are the files of evidence of a cycle.
type ArtifactList struct {
	Artifacts []FileInfo `json:"artifacts"`
	// Missing are named in the record, and are not there any more.
	Missing []string `json:"missing"`
}

// AuditList is a page of the audit log, the newest first.
type AuditList struct {
	Entries []AuditEntry `json:"entries"`
	// Next is what to ask for with before, for the page after this; 0 at the end.
	Next int64 `json:"next,omitempty"`
}

// LedgerPage are records in the order of their commits, the oldest first.
type LedgerPage struct {
	// Last is the number of the record that was committed last; where it is more
	// than that of the last one here, there are more.
	Last   int64   `json:"last"`
	Cycles []Cycle `json:"cycles"`
}

// RunStatistics is what a run's records come to: docs/results.md says how it is
// counted. Rates and measurements are of first attempts, controls left out.
type RunStatistics struct {
	Run      string            `json:"run"`
	Begun    int               `json:"begun,omitempty"` // attempts; 0 is not known
	Records  int               `json:"records"`
	Claim    string            `json:"claim,omitempty"`
	Decision string            `json:"decision,omitempty"` // on the claim: shown, refuted, undecided
	Left     int               `json:"left,omitempty"`     // cycles without a failure that would show it
	First    Outcomes          `json:"first"`
	Retries  Outcomes          `json:"retries"`
	Controls Outcomes          `json:"controls"`
	Rates    *RunRates         `json:"rates,omitempty"` // none where nothing was judged
	Reasons  []ReasonCount     `json:"reasons"`
	Failures []FailureKind     `json:"failures"`
	Measured []MeasurementSums `json:"measured"`
	Files    []FrozenFile      `json:"files"` // that the run was frozen on
	Relays   []RelayAccount    `json:"relays"`
	Labels   map[string]string `json:"labels"`
}

// RunRates are what the outcomes say of the DUT, at 95 % confidence.
type RunRates struct {
	Pass              Rate `json:"pass"`                // of the judged
	Fail              Rate `json:"fail"`                // of the judged
	FailErrorsCounted Rate `json:"fail_errors_counted"` // errors counted as failures
	FirstPass         Rate `json:"first_pass"`          // of all but the aborted
	Error             Rate `json:"error"`               // of all but the aborted
}

// ReasonCount is how many attempts ended for a reason.
type ReasonCount struct {
	Outcome rig.Outcome `json:"outcome"`
	Reason  rig.Reason  `json:"reason"`
	Control bool        `json:"control,omitempty"`
	Count   int         `json:"count"`
}

// FailureKind are failures that look the same.
type FailureKind struct {
	Signature string `json:"signature"`
	Count     int    `json:"count"`
	First     int    `json:"first"`  // cycle
	Last      int    `json:"last"`   // cycle
	Cycles    []int  `json:"cycles"` // the first twenty
}

// MeasurementSums is a measurement over a run, in its unit.
type MeasurementSums struct {
	Name      string   `json:"name"`
	Unit      string   `json:"unit"`
	Count     int      `json:"count"`
	Min       float64  `json:"min"`
	Quartile1 float64  `json:"quartile1"`
	Median    float64  `json:"median"`
	Quartile3 float64  `json:"quartile3"`
	Max       float64  `json:"max"`
	Mean      float64  `json:"mean"`
	Deviation *float64 `json:"deviation,omitempty"` // standard; none of one value
	Lower     *float64 `json:"lower,omitempty"`     // limits, of the last record that has any
	Upper     *float64 `json:"upper,omitempty"`
	Outside   int      `json:"outside"` // of the limits
}

// FrozenFile is a text that a run was frozen on.
type FrozenFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// RelayAccount is a relay's account.
type RelayAccount struct {
	Relay      string `json:"relay"`
	Operations int64  `json:"operations"` // in all its life on this bench
	Rated      int64  `json:"rated,omitempty"`
}

// Series is one measurement over the cycles of a run: first attempts, controls
// left out.
type Series struct {
	Run    string  `json:"run"`
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Points []Point `json:"points"`
}

// Point is a value of a series.
type Point struct {
	Cycle       int              `json:"cycle"`
	Value       float64          `json:"value"`
	Uncertainty float64          `json:"uncertainty,omitempty"`
	Outcome     rig.CheckOutcome `json:"outcome"`
}

// StartWish is what to run; of cycles, for and prove one at least ends it.
type StartWish struct {
	Scenario string            `json:"scenario"`
	Params   map[string]string `json:"params,omitempty"`
	Cycles   int               `json:"cycles,omitempty"`
	For      string            `json:"for,omitempty"`   // like 72h
	Prove    string            `json:"prove,omitempty"` // like 99%@95%

	Controls      []string          `json:"controls,omitempty"`
	ControlsEvery int               `json:"controls_every,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	// Hold, like 8h, keeps the bench as a fail left it for a person, so long at
	// most; then the soak ends.
	Hold string `json:"hold,omitempty"`
}

// ResumeWish is how to go on with a run.
type ResumeWish struct {
	// Anyway goes on although a rule had stopped it: a person has looked.
	Anyway bool `json:"anyway,omitempty"`
}

// Begun is a run that was begun, or gone on with.
type Begun struct {
	Run string `json:"run"`
}

func (b Begun) location() string { return "/api/v1/runs/" + b.Run }

// Asked is a wish that was left for a run: it takes it in between two cycles.
type Asked struct {
	Run  string `json:"run"`
	Wish string `json:"wish"` // hold, go-on, end
}

// NewNote is what to write to a cycle.
type NewNote struct {
	Kind string `json:"kind,omitempty"` // comment, which it is if left out, or acknowledged
	Text string `json:"text,omitempty"` // a comment has one
}

// Kept says that something was written down.
type Kept struct {
	Cycle string `json:"cycle"`
}
