//go:build !cgo

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintf(os.Stderr, "resetrig-mic: %s was built without cgo and cannot capture: build it with CGO_ENABLED=1, "+
		"a C compiler and the PortAudio headers (package portaudio19-dev)\n", version)
	os.Exit(exitUsage)
}
