// Package audio hears a recorder's beep.
//
// It knows how to watch the microphone's process (Capture), how to tell long
// beeps from short ones and from noise (Detector), whether the microphone can
// be believed (health), and how the three together are a rig.Ear. It does not
// know PortAudio, which is the microphone's process's alone, nor what a beep
// means for a verdict.
//
// The detector's limits, in decibels over the noise in 1 Hz: a tone of one
// second in an unknown place of the band can be heard from 16.1 dB-Hz at best;
// this one hears 99 of 100 beeps of two seconds from about there, and times
// them to a millisecond from 40 (docs/detector.md, `make bench-detector`).
//
// The traps: without a calibrated frequency and level a neighbour's beep is a
// beep. And an ear that hears nothing proves nothing unless its health says
// that it would have heard.
package audio
