package pcm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/pcm"
)

var opened = pcm.Hello{Version: "1.2.3", Stage: pcm.StageOpen, Device: "USB PnP", HostAPI: "ALSA", Rate: 48000}

// stream is a whole stream with two frames.
func stream(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	e := pcm.NewEncoder(&buf)
	for _, err := range []error{
		e.Hello(pcm.Hello{Version: "1.2.3", Stage: pcm.StageStarted}),
		e.Hello(opened),
		e.Frame(pcm.Frame{Start: 0, Nanos: 5e9, Samples: []float32{0.5, -1, 0.25}}),
		e.Frame(pcm.Frame{Start: 100, Nanos: 6e9, Lost: true, Samples: []float32{1}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

// decode reads a stream to its end.
func decode(b io.Reader) (hellos []pcm.Hello, blocks []pcm.Block, err error) {
	d := pcm.NewDecoder(b, pcm.Origin{Nanos: 4e9, At: time.Unix(1000, 0)})
	var h pcm.Hello
	for h.Stage != pcm.StageOpen {
		if h, err = d.Hello(); err != nil {
			return hellos, blocks, err
		}
		hellos = append(hellos, h)
	}
	for {
		blk, err := d.Block()
		if err == io.EOF {
			return hellos, blocks, nil
		}
		if err != nil {
			return hellos, blocks, err
		}
		blk.Samples = bytes32(blk.Samples)
		blocks = append(blocks, blk)
	}
}

func bytes32(s []float32) []float32 { return append([]float32(nil), s...) }

func TestPipeRoundTrip(t *testing.T) {
	hellos, blocks, err := decode(iotest.OneByteReader(bytes.NewReader(stream(t))))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]pcm.Hello{{Version: "1.2.3", Stage: pcm.StageStarted}, opened}, hellos); d != "" {
		t.Error(d)
	}
	want := []pcm.Block{
		{Start: 0, Time: time.Unix(1001, 0), Rate: 48000, Samples: []float32{0.5, -1, 0.25}},
		{Start: 100, Time: time.Unix(1002, 0), Rate: 48000, Samples: []float32{1}, Lost: true},
	}
	if d := cmp.Diff(want, blocks); d != "" {
		t.Error(d)
	}
}

// Every changed byte of a stream is noticed.
func TestPipeCorruption(t *testing.T) {
	good := stream(t)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		_, _, err := decode(bytes.NewReader(bad))
		if !errors.Is(err, pcm.ErrCorrupt) && !errors.Is(err, pcm.ErrProtocol) {
			t.Errorf("byte %d of %d changed: %v", i, len(good), err)
		}
	}
}

// Every cut is noticed, but between two frames, where it is the stream's end.
func TestPipeCut(t *testing.T) {
	good := stream(t)
	clean := 0
	for i := range good {
		_, _, err := decode(bytes.NewReader(good[:i]))
		switch {
		case err == nil, err == io.EOF:
			clean++
		case !errors.Is(err, pcm.ErrCorrupt):
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	if clean != 4 {
		t.Errorf("%d clean ends, want 4: before each hello and frame", clean)
	}
}

func TestPipeRefuses(t *testing.T) {
	other := stream(t)
	binary.LittleEndian.PutUint16(other[4:], pcm.Protocol+1)
	if _, _, err := decode(bytes.NewReader(other)); !errors.Is(err, pcm.ErrProtocol) {
		t.Errorf("another protocol: %v", err)
	}
	if _, _, err := decode(bytes.NewReader([]byte("ALSA lib confmisc.c:855: cannot find card"))); !errors.Is(err, pcm.ErrCorrupt) {
		t.Errorf("text: %v", err)
	}
	d := pcm.NewDecoder(bytes.NewReader(stream(t)), pcm.SystemOrigin())
	if _, err := d.Block(); !errors.Is(err, pcm.ErrCorrupt) {
		t.Errorf("a block before the hello: %v", err)
	}
	e := pcm.NewEncoder(io.Discard)
	if err := e.Frame(pcm.Frame{Samples: make([]float32, pcm.MaxFrame+1)}); err == nil {
		t.Error("a frame beyond the limit was sent")
	}
	var buf bytes.Buffer
	e = pcm.NewEncoder(&buf)
	_ = e.Hello(opened)
	_ = e.Frame(pcm.Frame{Samples: []float32{float32(math.NaN())}})
	if _, _, err := decode(&buf); !errors.Is(err, pcm.ErrCorrupt) {
		t.Errorf("NaN: %v", err)
	}
}

// The clock of the frames is Go's own.
func TestOrigin(t *testing.T) {
	o := pcm.SystemOrigin()
	before := time.Now()
	got := o.Time(pcm.MonotonicNanos())
	after := time.Now()
	const slack = 5 * time.Millisecond // between the two readings inside SystemOrigin
	if got.Before(before.Add(-slack)) || got.After(after.Add(slack)) {
		t.Errorf("got %v, want it between %v and %v", got, before, after)
	}
}

func FuzzPipe(f *testing.F) {
	good := stream(f)
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add([]byte("rRMi"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, blocks, err := decode(bytes.NewReader(b))
		n := 0
		for _, blk := range blocks {
			n += len(blk.Samples)
		}
		if 4*n > len(b) {
			t.Fatalf("%d samples from %d bytes", n, len(b))
		}
		if err != nil && err != io.EOF && !errors.Is(err, pcm.ErrCorrupt) && !errors.Is(err, pcm.ErrProtocol) {
			t.Fatal(err)
		}
	})
}
