// Package sim is a recorder, the room that it stands in and the wires to it,
// made of software: a piece of the product and an adversary of the program.
//
// It knows how such a unit behaves: supply and hold-up, boot in phases, the
// hold that takes a reset, flash writes, the buzzer and the noise around it,
// logins and lockout, and how each of these goes wrong (Faults). That is one
// plant for all; what speaks on the network is a brand's: Dahua's CGI, RPC2 and
// DHIP, Hikvision's ISAPI, ONVIF, or a plain web server, each over TLS too, with
// the oddities of its firmware (Quirks). It does not know scenarios, verdicts or the client that will talk
// to it: everything it gives away goes through relays, senses, sound and the
// network, in the forms in which a real bench gives it.
//
// In a World time is virtual and one function moves it, advance: it steps the
// plant's events in their order and runs due AfterFuncs inside. Sleep, a read
// of the sound and the network's costs all go through it, so one goroutine
// drives a World; others may switch relays and read the Clock at any time.
// Serve drives the same plant by real time for other programs.
//
// The trap: nothing moves unless somebody waits on the World's own Clock,
// Sound or network. A deadline on the computer's clock never comes; use
// rig.WithTimeout with the World's Clock.
package sim
