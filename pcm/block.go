// Package pcm is sound as data: blocks of samples that know when they were
// captured, the framing in which the microphone's process sends them, and WAV
// files. It is a leaf: it imports nothing of this module.
//
// The trap: a count of samples is no clock. A sound card that stalls loses time
// without saying so; only the pair of counter and time of capture shows it.
package pcm

import "time"

// Block is a run of mono samples without a gap in it.
type Block struct {
	// Start is the number of the first sample since capture began, lost ones
	// that capture knows of included.
	Start int64
	// Time is the moment at which the first sample was captured, on the clock
	// of whoever reads it.
	Time time.Time
	// Rate is the number of samples a second.
	Rate int
	// Samples are in units of full scale: ±1.
	Samples []float32
	// Lost says that capture reported an overflow right before this block.
	Lost bool
}

// Duration is the time that the samples span.
func (b Block) Duration() time.Duration {
	return time.Duration(float64(len(b.Samples)) / float64(b.Rate) * float64(time.Second))
}

// End is the moment after the last sample.
func (b Block) End() time.Time { return b.Time.Add(b.Duration()) }
