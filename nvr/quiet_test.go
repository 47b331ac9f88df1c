package nvr_test

import (
	"io"
	"log"
)

// quiet swallows what a server says of handshakes that a test makes fail.
var quiet = log.New(io.Discard, "", 0)
