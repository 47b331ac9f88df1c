// Package rigtest is the suite that every bench must pass: the simulated one,
// the virtual ones and, with `resetrig check --exercise`, a real one. The same
// cases run everywhere, on the bench's own relays, senses and clock; it does not
// import testing, because the shipped program runs it too.
//
// It knows what Bench.Arm, its guards and its dead man promise, and how a relay
// is seen to keep the promise: by the line's read-back and by the senses. What
// nothing on a bench can see is skipped with the reason, never passed.
//
// The trap: on a real bench the DUT is somebody's recorder. Between the suite
// and the relays stands a gate of its own, which lets no press through while
// the DUT has or may have power, so that a guard that fails is found here and
// not by the recorder. Only an expendable DUT is pressed at power-on or loses
// its power while it boots.
package rigtest
