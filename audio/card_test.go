package audio_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/rig"
)

// newCard is a card with two microphones through a child with that fault, and
// what its captures were told of a loss.
func newCard(t *testing.T, mode string) (*audio.Card, [2]*audio.Capture, chan error) {
	t.Helper()
	card := audio.NewCard(audio.CaptureOptions{Command: childCommand(t, mode), Version: fakeVersion}, twoChannels[:]...)
	lost := make(chan error, 9)
	var cs [2]*audio.Capture
	for i, c := range twoChannels {
		cs[i] = card.Capture(c, func(err error) { lost <- err })
		t.Cleanup(func() { _ = cs[i].Close() })
	}
	return card, cs, lost
}

// peakOf is the peak that a capture hears in a while.
func peakOf(t *testing.T, c *audio.Capture, span time.Duration) (peak float64, err error) {
	t.Helper()
	err = c.Read(t.Context(), time.Now().Add(span), func(b pcm.Block) {
		for _, v := range b.Samples {
			peak = max(peak, math.Abs(float64(v)))
		}
	})
	return peak, err
}

// Two benches share a card: one process, each its own channel, and whoever is
// done first takes nothing from the other.
func TestCardIsShared(t *testing.T) {
	t.Parallel()
	card, cs, _ := newCard(t, "two")
	if c := card.Capture(7, nil); c != nil {
		t.Error("a channel that the card does not send was captured")
	}
	errs := make(chan error, 2)
	for _, c := range cs {
		go func() { errs <- c.Open(t.Context()) }()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.5, 0.25} {
		peak, err := peakOf(t, cs[i], 300*time.Millisecond)
		if err != nil || math.Abs(peak-want) > 0.001 {
			t.Errorf("channel %d: peak %.3f, %v; want %.3f", twoChannels[i], peak, err, want)
		}
		if n := cs[i].Stats().Starts; n != 1 {
			t.Errorf("%d processes", n)
		}
	}
	if err := cs[0].Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := peakOf(t, cs[0], time.Second); !errors.Is(err, rig.ErrEarLost) {
		t.Errorf("read after close: %v", err)
	}
	if peak, err := peakOf(t, cs[1], 200*time.Millisecond); err != nil || math.Abs(peak-0.25) > 0.001 {
		t.Errorf("after the other was closed: peak %.3f, %v", peak, err)
	}
	if err := cs[0].Open(t.Context()); err != nil || cs[0].Stats().Starts != 1 {
		t.Errorf("opened again: %v, %d processes", err, cs[0].Stats().Starts)
	}
}

// A card that is lost is lost for both; the first that opens again starts it for
// both.
func TestCardIsLostForAll(t *testing.T) {
	t.Parallel()
	_, cs, lost := newCard(t, "two-exit5")
	for _, c := range cs {
		if err := c.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range cs {
		if _, err := peakOf(t, c, withinLimit); !errors.Is(err, rig.ErrEarLost) {
			t.Errorf("read: %v", err)
		}
	}
	for range cs {
		select {
		case err := <-lost:
			if !strings.Contains(err.Error(), "lost the device") {
				t.Errorf("told: %v", err)
			}
		case <-time.After(withinLimit):
			t.Fatal("somebody was not told")
		}
	}
	for _, c := range cs {
		if err := c.Open(t.Context()); err != nil {
			t.Error(err)
		}
		if n := c.Stats().Starts; n != 2 {
			t.Errorf("%d processes", n)
		}
	}
}

// Sound of a channel that nobody asked for is never taken for another's.
func TestCardOfOtherChannels(t *testing.T) {
	t.Parallel()
	_, cs, _ := newCard(t, "other-channels")
	if err := cs[0].Open(t.Context()); !errors.Is(err, rig.ErrEarLost) || !strings.Contains(err.Error(), "channels") {
		t.Errorf("opened: %v", err)
	}
	_, cs, _ = newCard(t, "two-mixed-up")
	if err := cs[1].Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := peakOf(t, cs[1], withinLimit); !errors.Is(err, rig.ErrEarLost) {
		t.Errorf("read: %v", err)
	}
}
