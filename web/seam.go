package web

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak"
)

// What the seams' errors are tested for.
var (
	ErrNotFound = errors.New("there is no such thing")
	// ErrRefused is a wish that cannot be had now: the bench is busy, the run does
	// not run here. Its text goes to the person.
	ErrRefused = errors.New("refused")
	// ErrInput is a wish that is wrong in itself. Its text goes to the person.
	ErrInput = errors.New("wrong input")
)

// Rig is everything that the dashboard shows and does. A nil field is a thing
// that this rig does not have: its pages say so.
type Rig struct {
	Name     string // of the computer
	Version  string // of the program
	State    string // folder of the results
	Live     *Live
	Books    Books
	Ledger   Ledger
	Notes    Notes
	Audit    Audit
	Reports  Reports
	Files    Files
	Benches  Benches
	Doer     Doer
	Measures Measures
	// Login says why nobody can log in now, for /readyz; nil where that cannot be.
	Login func() error
}

// Books are the results, read while another goroutine or process writes them.
type Books interface {
	// Runs are the runs that fit, the newest first.
	Runs(ctx context.Context, f RunFilter) ([]Run, error)
	// Cycles are the cycles that fit, the newest first.
	Cycles(ctx context.Context, f CycleFilter) ([]Cycle, error)
	// Record is one cycle with everything; ErrNotFound.
	Record(ctx context.Context, id string) (rig.Record, error)
}

// Ledger is the order in which records were committed.
type Ledger interface {
	// Since are the records committed after the one of that number, the oldest
	// first, at most limit.
	Since(ctx context.Context, after int64, limit int) ([]Cycle, error)
	// Last is the number of the last one; 0 is none.
	Last(ctx context.Context) (int64, error)
	// Totals are the books over all runs, for the metrics.
	Totals(ctx context.Context) (Totals, error)
}

// Measures are the measurements of records, in the order of the ledger.
type Measures interface {
	// MeasuredSince are those of the records committed after the one of that
	// number, of at most limit records, the oldest first.
	MeasuredSince(ctx context.Context, after int64, limit int) ([]Measured, error)
}

// Measured is one measurement of a record.
type Measured struct {
	Seq   int64   `json:"seq"` // the record's, as in Cycle
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Notes are what people wrote to cycles. They are no part of a record.
type Notes interface {
	AddNote(ctx context.Context, n Note) error
	// Notes are those of a run or of a cycle, the oldest first.
	Notes(ctx context.Context, of string) ([]Note, error)
}

// Audit is who did what.
type Audit interface {
	Audit(ctx context.Context, e AuditEntry) error
	// AuditLog are the newest entries first, at most limit, those before the entry
	// of that number; 0 is from the newest.
	AuditLog(ctx context.Context, before int64, limit int) ([]AuditEntry, error)
}

// Reports are the run's other forms.
type Reports interface {
	// Report writes what `resetrig report --format` writes: html, json, csv, junit
	// or text. ErrNotFound, ErrInput.
	Report(ctx context.Context, w io.Writer, run, format string) error
	// Summary is what a run is beside its records, and Sums what its records come
	// to. ErrNotFound.
	Summary(ctx context.Context, run string) (report.Summary, error)
	// Records are the records of a run in the order of their commits, read as they
	// are asked for.
	Records(ctx context.Context, run string) iter.Seq2[rig.Record, error]
}

// Files are the evidence of cycles.
type Files interface {
	// Open opens a file of a cycle by the name in its record. ErrNotFound.
	Open(ctx context.Context, cycle, name string) (io.ReadSeekCloser, FileInfo, error)
}

// FileInfo is what is known of a file of evidence.
type FileInfo struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256,omitempty"`
	Modified time.Time `json:"modified"`
}

// Benches are the benches that this rig serves.
type Benches interface {
	// Benches are all of them, by name.
	Benches(ctx context.Context) ([]Bench, error)
	// Scenarios are what can be run on a bench. ErrNotFound.
	Scenarios(ctx context.Context, bench string) ([]Scenario, error)
}

// Doer does what a person wants. None of it waits for a cycle. Each says in its
// error what to do, wrapped in ErrRefused or ErrInput where it is the person's.
type Doer interface {
	// Start begins a run on a bench of this process and gives its ID.
	Start(ctx context.Context, s Start) (run string, err error)
	// Ask leaves a wish for a run: soak.WishToHold, WishGoOn, WishEnd. It reaches
	// runs of other processes too.
	Ask(ctx context.Context, run string, w soak.Wish) error
	// Halt ends what a bench of this process does, now. It returns when the relays
	// have taken their safe state or after a second.
	Halt(ctx context.Context, bench string, how Halting) (Halted, error)
}

// Halting is how a bench is halted.
type Halting string

// The ways.
const (
	// HaltStop opens each press at once; power with `safe: off` goes when the
	// recorder's write window has passed.
	HaltStop Halting = "stop"
	// HaltEmergency cuts everything at once.
	HaltEmergency Halting = "emergency"
)

// Halted is what a halt came to.
type Halted struct {
	Run  string        `json:"run,omitempty"` // what it ended; "" was none
	Safe bool          `json:"safe"`          // the relays took the state that was wanted
	Took time.Duration `json:"took_ns"`       // until then
	Text string        `json:"text"`          // for the person
}

// Start is what a person wants to run.
type Start struct {
	Bench    string            `json:"bench"`
	Scenario string            `json:"scenario"`
	Params   map[string]string `json:"params,omitempty"`
	// Of what follows, one at least ends the soak.
	Cycles int    `json:"cycles,omitempty"`
	For    string `json:"for,omitempty"`   // like 72h
	Prove  string `json:"prove,omitempty"` // like 99%@95%

	Controls      []string          `json:"controls,omitempty"`
	ControlsEvery int               `json:"controls_every,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	// Hold, like 8h, keeps the bench as a fail left it for a person, so long at
	// most; then the soak ends.
	Hold string `json:"hold,omitempty"`
	// Resume is a run to go on with; all but Bench is then its own. Anyway goes on
	// although a rule had stopped it.
	Resume string `json:"resume,omitempty"`
	Anyway bool   `json:"anyway,omitempty"`
}

// Run is a run in one line.
type Run struct {
	ID       string            `json:"id"`
	Kind     string            `json:"kind"` // cycle, soak, sweep
	Bench    string            `json:"bench"`
	Scenario string            `json:"scenario"`
	Planned  int               `json:"planned,omitempty"` // cycles; 0 is no number
	Started  time.Time         `json:"started"`
	Ended    time.Time         `json:"ended,omitzero"`
	State    string            `json:"state"`          // running, ended, interrupted
	Exit     int               `json:"exit,omitempty"` // of a run that ended
	Note     string            `json:"note,omitempty"` // why it ended
	Version  string            `json:"version"`
	Labels   map[string]string `json:"labels,omitempty"`
	// First are the first attempts of cycles, Controls those of controls.
	First    Outcomes `json:"first"`
	Controls Outcomes `json:"controls"`
}

// Outcomes are cycles by outcome.
type Outcomes struct {
	Pass         int `json:"pass"`
	FailProven   int `json:"fail_proven"`
	FailPresumed int `json:"fail_presumed"`
	Error        int `json:"error"`
	Aborted      int `json:"aborted"`
}

// Fail is the number of fails.
func (o Outcomes) Fail() int { return o.FailProven + o.FailPresumed }

// All is the number of cycles.
func (o Outcomes) All() int { return o.Pass + o.Fail() + o.Error + o.Aborted }

// RunFilter narrows runs; a zero field does not.
type RunFilter struct {
	ID    string `json:"id,omitempty"`
	Bench string `json:"bench,omitempty"`
	Kind  string `json:"kind,omitempty"`
	Limit int    `json:"limit,omitempty"`
	// Before is a run: those begun before it. ErrNotFound where there is none.
	Before string `json:"before,omitempty"`
}

// Cycle is a cycle in one line.
type Cycle struct {
	Seq         int64           `json:"seq,omitempty"` // its place in the ledger
	ID          string          `json:"id"`
	Run         string          `json:"run"`
	Cycle       int             `json:"cycle"`
	Attempt     int             `json:"attempt"`
	Control     bool            `json:"control,omitempty"`
	Bench       string          `json:"bench"`
	Scenario    string          `json:"scenario"`
	Started     time.Time       `json:"started"`
	Took        time.Duration   `json:"took_ns"`
	Outcome     rig.Outcome     `json:"outcome"` // "" while it runs
	Attribution rig.Attribution `json:"attribution,omitempty"`
	Reason      rig.Reason      `json:"reason,omitempty"`
}

// CycleFilter narrows cycles; a zero field does not.
type CycleFilter struct {
	Run      string        `json:"run,omitempty"`
	Bench    string        `json:"bench,omitempty"`
	Outcomes []rig.Outcome `json:"outcomes,omitempty"`
	Limit    int           `json:"limit,omitempty"`
	// Before is a cycle: those begun before it. ErrNotFound where there is none.
	Before string `json:"before,omitempty"`
}

// Totals are the books over all runs.
type Totals struct {
	Cycles     []Total          `json:"cycles"`
	StoreBytes int64            `json:"store_bytes"` // of the database and its log
	Operations map[string]int64 `json:"operations"`  // switchings, by "bench/relay"
}

// Total is a number of attempts that ended the same way.
type Total struct {
	Bench       string          `json:"bench"`
	Control     bool            `json:"control,omitempty"`
	Outcome     rig.Outcome     `json:"outcome"`
	Attribution rig.Attribution `json:"attribution,omitempty"`
	Reason      rig.Reason      `json:"reason,omitempty"`
	N           int64           `json:"n"`
}

// Note is what a person wrote to a cycle.
type Note struct {
	Cycle string    `json:"cycle"`
	Who   string    `json:"who"`
	At    time.Time `json:"at"`
	Kind  string    `json:"kind"` // comment, acknowledged
	Text  string    `json:"text"`
}

// AuditEntry is one thing that was done, or tried.
type AuditEntry struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Who     string    `json:"who"`
	Role    string    `json:"role"`
	Address string    `json:"address"`
	Action  string    `json:"action"`
	Bench   string    `json:"bench,omitempty"`
	Run     string    `json:"run,omitempty"`
	Cycle   string    `json:"cycle,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	Result  string    `json:"result"` // ok, or why not
}

// Bench is a bench of the rig as its page shows it.
type Bench struct {
	Name      string `json:"name"`
	File      string `json:"file"` // "" is the simulated one that needs none
	Simulated bool   `json:"simulated"`
	// Here is true where this process can run something on it.
	Here     bool         `json:"here"`
	Model    string       `json:"model"`
	DUT      rig.Identity `json:"dut"`
	URL      string       `json:"url,omitempty"`
	Relays   []BenchRelay `json:"relays"`
	Senses   []string     `json:"senses"`
	Ear      *BenchEar    `json:"ear,omitempty"`
	Lockout  *Lockout     `json:"lockout,omitempty"`
	Findings []Finding    `json:"findings"` // of the last health check, or of reading its files
	Looked   time.Time    `json:"looked,omitzero"`
}

// BenchRelay is a relay and its life.
type BenchRelay struct {
	Name       string        `json:"name"`
	Role       rig.Role      `json:"role"`
	Pin        string        `json:"pin"`
	Active     string        `json:"active"`  // high, low
	Contact    string        `json:"contact"` // no, nc
	Safe       rig.SafeState `json:"safe"`
	MaxOn      time.Duration `json:"max_on_ns,omitempty"`
	Operations int64         `json:"operations"`
	Rated      int64         `json:"rated,omitempty"`
}

// BenchEar is a bench's microphone.
type BenchEar struct {
	Device      string    `json:"device"`
	Calibrated  bool      `json:"calibrated"`
	Calibration string    `json:"calibration,omitempty"` // file
	Learned     time.Time `json:"learned,omitzero"`
	FrequencyHz float64   `json:"frequency_hz,omitempty"`
	LevelDBFS   float64   `json:"level_dbfs,omitempty"`
	NoiseDBFS   float64   `json:"noise_dbfs,omitempty"`
}

// Lockout is the account of refused logins of a DUT.
type Lockout struct {
	Refused int           `json:"refused"`   // within the window
	Budget  int           `json:"budget"`    // the rig stops there
	Window  time.Duration `json:"window_ns"` // in which they count
}

// Finding is one thing that a look at a bench found.
type Finding struct {
	Name   string `json:"name"`
	Level  string `json:"level"` // ok, warn, bad
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// Scenario is one that can be run.
type Scenario struct {
	Name    string            `json:"name"`
	About   string            `json:"about"`
	Control bool              `json:"control,omitempty"`
	Params  map[string]string `json:"params,omitempty"` // with their defaults
}
