package rig

import "time"

// Record is everything about one cycle. It stands alone: who reads it needs
// neither the bench's files nor the program. Its durations are nanoseconds
// since the cycle began unless named otherwise.
type Record struct {
	ID       string            `json:"id"` // unique; run id, cycle number, attempt
	Run      string            `json:"run"`
	Cycle    int               `json:"cycle"`
	Attempt  int               `json:"attempt"`
	Bench    string            `json:"bench"`
	Scenario string            `json:"scenario"`
	Control  bool              `json:"control,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
	Source   string            `json:"source,omitempty"` // the scenario's text
	Version  string            `json:"version"`          // of the program
	Started  time.Time         `json:"started"`          // wall time: a label
	Took     time.Duration     `json:"took_ns"`

	Outcome     Outcome     `json:"outcome"`
	Attribution Attribution `json:"attribution,omitempty"`
	Reason      Reason      `json:"reason,omitempty"`
	Text        string      `json:"text,omitempty"` // the reason in words, with what to do

	DUT          Identity       `json:"dut"`
	Mark         *Mark          `json:"mark,omitempty"`
	Steps        []StepRecord   `json:"steps"`
	Checks       []Check        `json:"checks"`
	Measurements []Measurement  `json:"measurements"`
	Beeps        []BeepRecord   `json:"beeps"`
	Findings     []Finding      `json:"findings,omitempty"`
	Timeline     []Event        `json:"timeline"`
	Operations   map[string]int `json:"operations"` // switchings per relay in this cycle
	Senses       []string       `json:"senses"`     // what was fitted
	Artifacts    []string       `json:"artifacts,omitempty"`
	// Hashes are the artifacts that were whole when the record was committed, by
	// their content. A picture is drawn later, from the sound, and not among them.
	Hashes []Artifact `json:"hashes,omitempty"`
	// Sound is the recording among the artifacts, where there is one.
	Sound *SoundRecord `json:"sound,omitempty"`
	// Unsafe names every relay whose safe state could not be reached.
	Unsafe []string `json:"unsafe,omitempty"`
}

// StepRecord is one step as it went.
type StepRecord struct {
	Phase string        `json:"phase"` // arrange, act, assert
	Step  string        `json:"step"`
	Began time.Duration `json:"began_ns"`
	Took  time.Duration `json:"took_ns"`
	Error string        `json:"error,omitempty"`
}

// Artifact is a file of evidence.
type Artifact struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // of its content, hexadecimal
	Bytes  int64  `json:"bytes"`
}

// SoundRecord is a recording, and its place on the cycle's timeline.
type SoundRecord struct {
	File string        `json:"file"` // among the artifacts
	From time.Duration `json:"from_ns"`
	To   time.Duration `json:"to_ns"`
}

// BeepRecord is a beep on the cycle's timeline.
type BeepRecord struct {
	Onset       time.Duration `json:"onset_ns"`
	Duration    time.Duration `json:"duration_ns"`
	FrequencyHz float64       `json:"frequency_hz"`
	SNRdB       float64       `json:"snr_db"`
	LevelDBFS   float64       `json:"level_dbfs"`
	Kind        string        `json:"kind"` // long, short
	// The uncertainties, as Measurement has them; 0 is not known.
	OnsetUncertainty       time.Duration `json:"onset_uncertainty_ns,omitempty"`
	DurationUncertainty    time.Duration `json:"duration_uncertainty_ns,omitempty"`
	FrequencyUncertaintyHz float64       `json:"frequency_uncertainty_hz,omitempty"`
}
