package gpio

import (
	"context"
	"fmt"
	"sync"
	"time"

	"resetrig/rig"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
)

// InputSpec is an input line that witnesses something: an opto-coupler on the
// reset loop or on the supply.
type InputSpec struct {
	Of        string // what it witnesses: a relay's name
	Pin, Chip string // as in RelaySpec, driver cdev
	ActiveLow bool   // a low voltage means powered, or shorted
	Bias      Bias
	// Debounce is how long a level must last to count. The kernel's time of an
	// edge is then the end of that time, so every edge is late by it; lengths
	// between edges are true.
	Debounce time.Duration
}

// edgeBuffer is how many changes wait for Edges: a cycle has some tens, a
// contact that chatters at 1 kHz fills it in four seconds.
const edgeBuffer = 4096

// Input is an input line as a sense.
type Input struct {
	spec InputSpec
	line KernelLine

	mu     sync.Mutex
	edges  []rig.Edge
	lost   int
	seqno  uint32 // of the last event
	closed bool
}

var (
	_ rig.Sense     = (*Input)(nil)
	_ rig.EdgeSense = (*Input)(nil)
)

// OpenInput requests an input line and starts to collect its edges.
func (h Host) OpenInput(spec InputSpec) (*Input, error) {
	p, err := h.find(spec.Pin, spec.Chip)
	if err != nil {
		return nil, fmt.Errorf("sense of %s: %w", spec.Of, err)
	}
	in := &Input{spec: spec}
	in.line, err = h.request(p, spec.Pin, LineConfig{
		Consumer:  "resetrig:sense-" + spec.Of,
		Direction: DirIn,
		ActiveLow: spec.ActiveLow,
		Bias:      spec.Bias,
		Debounce:  spec.Debounce,
		Events:    in.event,
	})
	if err != nil {
		return nil, fmt.Errorf("sense of %s: %w", spec.Of, err)
	}
	return in, nil
}

// event takes one edge in; it runs in the line's own goroutine.
func (in *Input) event(e gpiocdev.LineEvent) {
	t := kernelTime(e.Timestamp)
	in.mu.Lock()
	defer in.mu.Unlock()
	// LineSeqno counts from 1 without a gap; what the kernel's buffer could not
	// hold is missing from it. It is 0 on kernels before 5.10.
	if e.LineSeqno != 0 {
		in.lost += int(e.LineSeqno - in.seqno - 1)
		in.seqno = e.LineSeqno
	}
	if len(in.edges) == edgeBuffer {
		// The newest are worth more: they say how it is now.
		copy(in.edges, in.edges[1:])
		in.edges = in.edges[:edgeBuffer-1]
		in.lost++
	}
	in.edges = append(in.edges, rig.Edge{Time: t, On: e.Type == gpiocdev.LineEventRisingEdge})
}

// kernelTime turns a moment of CLOCK_MONOTONIC into a time of this process,
// monotonic reading included: Go's runtime reads the same clock.
func kernelTime(stamp time.Duration) time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return time.Now() // the clock is always there on Linux
	}
	return time.Now().Add(stamp - time.Duration(ts.Nano()))
}

// Of names what the input witnesses.
func (in *Input) Of() string { return in.spec.Of }

// On is the line's logical level now, debounced by the kernel where asked for.
func (in *Input) On(ctx context.Context) (bool, error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	v, err := in.line.Value()
	if err != nil {
		return false, fmt.Errorf("sense of %s: read line %s: %w", in.spec.Of, in.spec.Pin, err)
	}
	return v != 0, nil
}

// Edges are the changes since the last call, oldest first, each with the
// kernel's time of it.
func (in *Input) Edges() []rig.Edge {
	in.mu.Lock()
	defer in.mu.Unlock()
	edges := in.edges
	in.edges = nil
	return edges
}

// Lost is how many edges were lost so far, in the kernel's buffer or in ours:
// where it grows, the list of edges has holes.
func (in *Input) Lost() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.lost
}

// Close gives the line back.
func (in *Input) Close() error {
	in.mu.Lock()
	closed := in.closed
	in.closed = true
	in.mu.Unlock()
	if closed {
		return nil
	}
	// Outside the lock: it waits for a running event.
	if err := in.line.Close(); err != nil {
		return fmt.Errorf("sense of %s: give back line %s: %w", in.spec.Of, in.spec.Pin, err)
	}
	return nil
}
