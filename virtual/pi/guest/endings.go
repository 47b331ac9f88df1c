package main

import (
	"fmt"
	"time"
)

// ending is a way in which the program ends in a press, and what the lines do
// then: a row of the README's table. run.sh holds the table against the rows of
// the cases that held, so a row says what its cases assert, with their limits.
type ending struct{ how, lines string }

// The limits of the rows. The emulated Pi takes a tenth of most; the rest is for a
// computer that is shared, which now and then keeps the emulation waiting.
const (
	opensIn    = 50 * time.Millisecond  // a press, from the signal
	cutsIn     = 100 * time.Millisecond // the power, from the second
	killIn     = 100 * time.Millisecond // both lines inputs
	memoryIn   = 2 * time.Second
	stopIn     = 10 * time.Second // the books closed, evidence drawn
	deadManIn  = 50 * time.Millisecond
	lostEar    = 3 * time.Second
	cutNotSoon = time.Second // into the write window, at least
)

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

var (
	endStop = ending{"SIGTERM, Ctrl-C, in any phase",
		"the press opens within " + milliseconds(opensIn) + "; the books are closed, and the power stays as the bench says"}
	endTwice = ending{"Ctrl-C twice, in any phase, power `safe: off` or `safe: keep`",
		"the press opens within " + milliseconds(opensIn) + " of the first, the power goes within " + milliseconds(cutsIn) + " of the second"}
	endWriting = ending{"SIGTERM while the recorder writes its flash, power `safe: off`",
		"the power stays for the write window, then goes; the recorder lives"}
	endKill = ending{"SIGKILL, in any phase",
		"Debian's kernel makes both lines inputs within " + milliseconds(killIn) + ": the press opens, and a contact `nc` powers the recorder"}
	endMemory = ending{"out-of-memory kill",
		fmt.Sprintf("the same within %.0f s, in which the kernel looks for memory", memoryIn.Seconds())}
	endPanic     = ending{"a goroutine panics", "the same, within " + milliseconds(killIn)}
	endStuck     = ending{"stuck in a request that is never answered", "the dead man opens the press at `max-on`, at most " + milliseconds(deadManIn) + " late; rig error"}
	endCard      = ending{"the sound card is gone", fmt.Sprintf("rig error, the press opens within %.0f s", lostEar.Seconds())}
	endSilence   = ending{"the microphone delivers digital silence", fmt.Sprintf("rig error, the press opens within %.0f s", lostEar.Seconds())}
	endTaken     = ending{"another program drives the line", "rig error at the next switch"}
	endHeld      = ending{"another program holds the line", "it is never switched; rig error, and the message names the holder"}
	endActiveLow = ending{"any of them, active-low board", "no edge at the request, none at the exit but that of the release"}
)
