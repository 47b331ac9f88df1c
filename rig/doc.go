// Package rig holds the words of a reset test and runs one cycle of it.
//
// It knows what a bench, a relay, a scenario, a step, a check, an outcome and a
// record are, in which order a cycle goes, when a relay may be energised and
// how a verdict is reached. It does not know files, GPIO chips, sound cards,
// HTTP or databases: those are plugged in through the small interfaces of
// devices.go. It imports the standard library only.
//
// The trap: a cycle is sequential and waits by listening. Nothing here may
// sleep, or ask the time, other than through the bench's Clock and Ear; in
// simulation those two are what moves time.
package rig
