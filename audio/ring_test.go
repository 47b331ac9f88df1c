package audio_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
)

// ramp is a block whose samples are their own numbers.
func ramp(start int64, n int) pcm.Block {
	b := pcm.Block{Start: start, Time: time.Unix(0, start*1e9/fakeRate), Rate: fakeRate, Samples: make([]float32, n)}
	for i := range b.Samples {
		b.Samples[i] = float32(start + int64(i))
	}
	return b
}

func checkRamp(t *testing.T, b pcm.Block) {
	t.Helper()
	for i, v := range b.Samples {
		if v != float32(b.Start+int64(i)) {
			t.Fatalf("sample %d of the block from %d is %g", i, b.Start, v)
		}
	}
}

func TestRingTwoReaders(t *testing.T) {
	r := audio.NewRing(2*time.Second, fakeRate)
	const blocks = 3000 // many times around, of odd length
	cursors := []*audio.Cursor{r.Cursor(), r.Cursor()}
	end := errors.New("unplugged")
	var wg sync.WaitGroup
	for _, c := range cursors {
		wg.Go(func() {
			var heard int64
			for {
				b, err := c.Next(t.Context())
				if err != nil {
					if !errors.Is(err, end) {
						t.Error(err)
					}
					break
				}
				checkRamp(t, b)
				heard += int64(len(b.Samples))
			}
			if heard+c.Lost() != blocks*777 {
				t.Errorf("heard %d, lost %d, together not %d", heard, c.Lost(), blocks*777)
			}
		})
	}
	for i := range int64(blocks) {
		r.Write(ramp(i*777, 777))
	}
	r.End(end)
	r.End(errors.New("a second reason"))
	wg.Wait()
}

func TestRingCountsWhatASlowReaderLost(t *testing.T) {
	r := audio.NewRing(2*time.Second, fakeRate) // 96000 samples
	c := r.Cursor()
	for i := range int64(150) {
		r.Write(ramp(i*960, 960))
	}
	b, err := c.Next(t.Context())
	if err != nil || !b.Lost || b.Start != 50*960 || c.Lost() != 50*960 {
		t.Fatalf("got block %d, lost %v, %d, %v; want 48000 lost", b.Start, b.Lost, c.Lost(), err)
	}
	checkRamp(t, b)
	if b, _ := c.Next(t.Context()); b.Lost || b.Start != 51*960 {
		t.Fatalf("then block %d, lost %v", b.Start, b.Lost)
	}
	late := r.Cursor()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := late.Next(ctx); !errors.Is(err, stop) {
		t.Fatalf("a new reader begins with what comes: got %v", err)
	}
}

func TestRingBlockLongerThanIt(t *testing.T) {
	r := audio.NewRing(2*time.Second, fakeRate)
	c := r.Cursor()
	r.Write(ramp(0, 100_000))
	b, err := c.Next(t.Context())
	if err != nil || b.Start != 4000 || len(b.Samples) != 96000 || !b.Lost {
		t.Fatalf("got %d from %d, lost %v, %v", len(b.Samples), b.Start, b.Lost, err)
	}
	checkRamp(t, b)
}
