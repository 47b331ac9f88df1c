package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// consoleHolds is how much a console keeps for a reader that is slow, in bytes:
// some thousand records.
const consoleHolds = 64 << 20

// console is a writer that never makes its caller wait, and never fails: a
// reader that stopped reading, or went away, must not stop a cycle with a relay
// on. What is over consoleHolds is dropped, and that is said.
type console struct {
	to io.Writer

	mu      sync.Mutex
	more    *sync.Cond
	held    [][]byte
	size    int
	dropped int
	busy    bool // a write is under way
	closed  bool
	ended   chan struct{}
}

func newConsole(to io.Writer) *console {
	c := &console{to: to, ended: make(chan struct{})}
	c.more = sync.NewCond(&c.mu)
	go c.run()
	return c
}

// Write takes p and returns at once.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size+len(p) > consoleHolds {
		c.dropped++
		return len(p), nil
	}
	c.held = append(c.held, append([]byte(nil), p...))
	c.size += len(p)
	c.more.Broadcast()
	return len(p), nil
}

// run writes what is held until it is closed and empty.
func (c *console) run() {
	defer close(c.ended)
	for {
		c.mu.Lock()
		for len(c.held) == 0 && !c.closed {
			c.more.Wait()
		}
		if len(c.held) == 0 {
			c.mu.Unlock()
			return
		}
		p := c.held[0]
		c.held, c.size = c.held[1:], c.size-len(p)
		if c.dropped > 0 {
			p = append(p, fmt.Sprintf("resetrig: nobody read: %d writes were dropped here; `resetrig report` has every result\n", c.dropped)...)
			c.dropped = 0
		}
		c.busy = true
		c.mu.Unlock()
		_, err := c.to.Write(p)
		c.mu.Lock()
		c.busy = false
		if err != nil { // nobody reads any more
			c.held, c.size, c.closed = nil, 0, true
		}
		c.mu.Unlock()
	}
}

// settleTime is how long one console waits for another, so that what a person
// reads comes in its order.
const settleTime = 200 * time.Millisecond

// settle waits until what was written to w is out, if w is a console with a
// reader who reads.
func settle(w io.Writer) {
	c, ok := w.(*console)
	for end := time.Now().Add(settleTime); ok && time.Now().Before(end); time.Sleep(time.Millisecond) {
		c.mu.Lock()
		idle := len(c.held) == 0 && !c.busy
		c.mu.Unlock()
		if idle {
			return
		}
	}
}

// close writes out what is held, for as long as the reader takes; hurry, when
// it is closed, leaves it a second more.
func (c *console) close(hurry <-chan struct{}) {
	c.mu.Lock()
	c.closed = true
	c.more.Broadcast()
	c.mu.Unlock()
	select {
	case <-c.ended:
		return
	case <-hurry:
	}
	select {
	case <-c.ended:
	case <-time.After(time.Second):
	}
}

// terminal is the terminal behind a writer, if it is one.
func terminal(w io.Writer) (*os.File, bool) {
	if c, ok := w.(*console); ok {
		w = c.to
	}
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}
