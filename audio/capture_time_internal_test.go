package audio

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"resetrig/pcm"
)

// device delivers blocks of 20 ms as a real one does: late by a jitter.
type device struct {
	tb     timebase
	rng    *rand.Rand
	t0     time.Time
	n      int64
	ppm    float64 // slower than nominal
	lost   time.Duration
	jitter time.Duration
}

func newDevice(ppm float64) *device {
	return &device{rng: rand.New(rand.NewPCG(1, 2)), t0: time.Unix(1000, 0), ppm: ppm, jitter: 30 * time.Millisecond}
}

// truth is when sample n was captured.
func (d *device) truth() time.Time {
	return d.t0.Add(d.lost + time.Duration(float64(d.n)/48000*(1+d.ppm/1e6)*1e9))
}

func (d *device) next(flag bool, late time.Duration) (b pcm.Block, lost int64, silent bool, off time.Duration) {
	truth := d.truth()
	b = pcm.Block{Start: d.n, Time: truth.Add(late + time.Duration(d.rng.Int64N(int64(d.jitter)))), Rate: 48000, Samples: make([]float32, 960), Lost: flag}
	d.n += 960
	b, lost, silent = d.tb.place(b)
	return b, lost, silent, b.Time.Sub(truth)
}

func TestTimebaseDriftAndJitter(t *testing.T) {
	for _, ppm := range []float64{0, 80, -80, 400, -400} {
		d := newDevice(ppm)
		var worst time.Duration
		for i := range 60 * 50 {
			_, lost, _, off := d.next(false, 0)
			if lost != 0 {
				t.Fatalf("%g ppm: %d lost", ppm, lost)
			}
			if i > 50 {
				worst = max(worst, off.Abs())
			}
		}
		got, ok := d.tb.driftPPM()
		if !ok || math.Abs(got-ppm) > 40 {
			t.Errorf("%g ppm: measured %g, %v", ppm, got, ok)
		}
		if worst > 5*time.Millisecond {
			t.Errorf("%g ppm: a block is %v off with a jitter of %v", ppm, worst, d.jitter)
		}
	}
	if _, ok := newDevice(0).tb.driftPPM(); ok {
		t.Error("a drift of nothing")
	}
}

// A loss that the device kept silent about is seen by the clock; a delay that
// catches up is none.
func TestTimebaseSilentLoss(t *testing.T) {
	d := newDevice(0)
	for range 100 {
		d.next(false, 0)
	}
	for i := range 40 { // 0.8 s late, and catching up
		if _, lost, _, _ := d.next(false, time.Duration(40-i)*20*time.Millisecond); lost != 0 {
			t.Fatalf("a delay was taken for a loss of %d", lost)
		}
	}
	if _, _, _, off := d.next(false, 0); off.Abs() > 5*time.Millisecond {
		t.Fatalf("after the delay: %v off", off)
	}
	d.lost = 700 * time.Millisecond
	var total int64
	marked, last := 0, int64(0)
	for range 100 {
		b, lost, silent, _ := d.next(false, 0)
		total += lost
		if b.Lost {
			marked++
			if !silent || b.Start-last != 960+lost {
				t.Errorf("the loss: silent %v, number %d after %d", silent, b.Start, last)
			}
		}
		last = b.Start
	}
	if got := float64(total) / 48000; math.Abs(got-0.7) > 0.01 || marked != 1 {
		t.Errorf("%.3f s lost in %d places, want 0.7 in 1", got, marked)
	}
	if _, _, _, off := d.next(false, 0); off.Abs() > 10*time.Millisecond {
		t.Errorf("after the loss: %v off", off)
	}
}

func TestTimebaseReportedLossAndGap(t *testing.T) {
	d := newDevice(0)
	for range 100 {
		d.next(false, 0)
	}
	d.lost = 200 * time.Millisecond
	b, lost, silent, _ := d.next(true, 0)
	if silent || !b.Lost || math.Abs(float64(lost)/48000-0.2) > 0.04 {
		t.Errorf("reported: %d lost, silent %v, marked %v", lost, silent, b.Lost)
	}
	d.n += 4800 // the device counts what it lost
	b, lost, silent, off := d.next(false, 0)
	if lost != 4800 || silent || !b.Lost || off.Abs() > 40*time.Millisecond {
		t.Errorf("counted: %d lost, silent %v, marked %v, %v off", lost, silent, b.Lost, off)
	}
}

// The numbers stay exact over a run of weeks.
func TestTimebaseSpan(t *testing.T) {
	tb := timebase{rate: 48000}
	if got, want := tb.span(48000*86400*60+24000), 60*24*time.Hour+500*time.Millisecond; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
