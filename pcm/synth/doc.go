// Package synth makes sounds and the room around them: buzzers, chirps,
// alarms, fans, disks, hum, and a microphone with its faults.
//
// It knows nothing of devices and detectors; it fills blocks of samples. Every
// sample is a function of the seed, of what was added, and of the sample's
// number, so that the same room sounds the same however Render's calls are cut.
//
// Levels are in dBFS, 0 being a sine that just reaches full scale (AES17): a
// noise of the same dBFS has the same power as that sine. In a white noise the
// ratio of a tone to its noise density is therefore
// tone − noise + 10·log10(rate/2) dB-Hz.
//
// The trap: SetNoise and SetMic take effect at the next sample to be rendered,
// not at a sample named: whoever moves time renders up to the moment first.
package synth
