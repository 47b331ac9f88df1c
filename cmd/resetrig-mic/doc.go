// Command resetrig-mic captures one microphone through PortAudio and writes its
// sound, framed as package pcm says, to standard output. It does nothing else,
// so that whatever happens inside PortAudio, ALSA or a driver takes no relay
// with it: resetrig starts it, watches it, kills it and starts it again.
//
// It ends when its standard input closes. What the libraries write goes to
// standard error; its own lines there begin with "resetrig-mic:".
//
// The trap: nothing in here can be relied on to return. A frozen sound server
// holds every call for ever, an unplugged device may too; the watchdog is in
// the process that reads.
package main

// version is set when it is linked (-X main.version=…); resetrig refuses a
// resetrig-mic of another version than its own.
var version = "dev"

// The exit codes.
const (
	exitOK     = 0 // standard input closed
	exitUsage  = 2 // flags, or built without cgo
	exitDevice = 3 // no such input device, or several
	exitOpen   = 4 // the device is there and could not be opened
	exitRead   = 5 // the device failed while it captured
	exitWrite  = 6 // nobody reads
)
