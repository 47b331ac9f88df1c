package stats_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"resetrig/soak/stats"
)

// Bliss's beetles (1935; Dobson, An Introduction to Generalized Linear Models,
// table 7.2): intercept −60.72, slope 34.27, half of them die at 1.7717. With
// Firth's penalty, the maximum of the penalised likelihood by scipy.optimize.
func TestLogistic(t *testing.T) {
	dose := []float64{1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839}
	n := []int{59, 60, 62, 56, 63, 59, 62, 60}
	died := []int{6, 13, 18, 28, 52, 53, 61, 60}
	var ps []stats.Point
	for i := range dose {
		ps = append(ps, stats.Point{X: dose[i], K: died[i], N: n[i]})
	}
	for _, c := range []struct {
		firth                bool
		slope, at, intercept float64
	}{{false, 34.27032571480218, 1.7717209647922725, -60.717}, {true, 33.930130838544635, 1.7716929029954143, -60.1138}} {
		l, err := stats.FitLogistic(ps, c.firth)
		if err != nil || !near(l.Slope, c.slope, 1e-5) || !near(l.Threshold, c.at, 1e-7) || !near(-l.Slope*l.Threshold, c.intercept, 1e-4) {
			t.Errorf("firth %v: %+v, %v", c.firth, l, err)
		}
	}
	// Finney's fiducial limits and the profile's agree about what is known: 1.7641 to 1.7793.
	th := stats.FindThreshold(ps, .95)
	if !th.Known || math.Abs(th.Low-1.7641) > .0006 || math.Abs(th.High-1.7793) > .0006 || !th.Rising || th.Separated || !math.IsNaN(th.Below) || th.Above != 1.8839 {
		t.Errorf("%+v", th)
	}
}

// With two values the curve is saturated: Firth's penalty is half a cycle more
// of each outcome at each value, exactly.
func TestFirthIsHalfACycle(t *testing.T) {
	for _, c := range [][2]stats.Point{{{1, 0, 4}, {2, 4, 4}}, {{1, 1, 7}, {3, 5, 6}}, {{0, 3, 3}, {5, 1, 9}}} {
		l, err := stats.FitLogistic(c[:], true)
		for _, p := range c {
			want := (float64(p.K) + .5) / (float64(p.N) + 1)
			if err != nil || !near(l.P(p.X), want, 1e-6) {
				t.Errorf("%v: at %v p = %v, want %v (%v)", c, p.X, l.P(p.X), want, err)
			}
		}
	}
}

func TestNoThreshold(t *testing.T) {
	for _, ps := range [][]stats.Point{nil, {{1, 0, 5}, {2, 0, 5}}, {{1, 5, 5}, {2, 5, 5}}, {{1, 2, 5}}} {
		if l, err := stats.FitLogistic(ps, true); !errors.Is(err, stats.ErrNoFit) {
			t.Errorf("%v: %+v, %v", ps, l, err)
		}
		if th := stats.FindThreshold(ps, .95); th.Known || th.Separated || !math.IsNaN(th.Value) {
			t.Errorf("%v: %+v", ps, th)
		}
	}
	if _, err := stats.FitLogistic([]stats.Point{{1, 0, 5}, {2, 5, 5}}, false); !errors.Is(err, stats.ErrNoFit) {
		t.Errorf("separated, without a penalty: %v", err)
	}
	th := stats.FindThreshold([]stats.Point{{1, 0, 5}, {2, 0, 5}}, .95)
	if th.Below != 2 || !math.IsNaN(th.Above) {
		t.Errorf("never: %+v", th)
	}
}

func TestSeparated(t *testing.T) {
	for _, c := range []struct {
		name         string
		ps           []stats.Point
		below, above float64
		separated    bool
		rising       bool
	}{
		{"apart", []stats.Point{{1, 0, 5}, {2, 0, 5}, {3, 5, 5}, {4, 5, 5}}, 2, 3, true, true},
		{"one each", []stats.Point{{5, 1, 1}, {1, 0, 1}}, 1, 5, true, true},
		{"falling", []stats.Point{{1, 5, 5}, {2, 5, 5}, {3, 0, 5}}, 3, 2, true, false},
		{"mixed between", []stats.Point{{1, 0, 5}, {2, 2, 5}, {3, 5, 5}}, 1, 3, false, true},
		{"overlapping", []stats.Point{{1, 0, 9}, {2, 5, 5}, {3, 0, 5}, {4, 9, 9}}, 1, 4, false, true},
	} {
		th := stats.FindThreshold(c.ps, .95)
		if th.Below != c.below || th.Above != c.above || th.Separated != c.separated || th.Rising != c.rising || !th.Known {
			t.Errorf("%s: %+v", c.name, th)
		}
		lo, hi := min(c.below, c.above), max(c.below, c.above)
		if th.Value < lo || th.Value > hi || th.Low > th.Value || th.High < th.Value {
			t.Errorf("%s: threshold %v [%v, %v]", c.name, th.Value, th.Low, th.High)
		}
	}
}

// The interval of the threshold covers the truth as often as it says.
func TestThresholdIsCovered(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	truth := stats.Logistic{Threshold: 12.3, Slope: 1.1}
	covered, bounded := 0, 0
	const sweeps = 300
	for range sweeps {
		var ps []stats.Point
		for x := 1.0; x <= 20; x++ {
			p := stats.Point{X: x, N: 5}
			for range p.N {
				if rnd.Float64() < truth.P(x) {
					p.K++
				}
			}
			ps = append(ps, p)
		}
		th := stats.FindThreshold(ps, .95)
		if th.Low <= truth.Threshold && truth.Threshold <= th.High {
			covered++
		}
		if !math.IsInf(th.Low, 0) && !math.IsInf(th.High, 0) && th.High-th.Low < 5 {
			bounded++
		}
	}
	if covered < 275 || covered > 297 || bounded < 295 { // 285 is 95 %
		t.Errorf("of %d intervals %d cover the threshold, %d bound it", sweeps, covered, bounded)
	}
}

// A sharp threshold among 39 values is found in 14 cycles: what a bisection
// needs, the two ends, and each side of the threshold once more. A soft one takes
// twice as many.
func TestBisection(t *testing.T) {
	for _, c := range []struct {
		name   string
		width  float64
		rising bool
		most   int // cycles on average
	}{{"sharp", 1e-6, true, 14}, {"falling", 1e-6, false, 14}, {"soft", .3, true, 32}} {
		rnd := rand.New(rand.NewPCG(8, 1))
		all, wrong := 0, 0
		const sweeps = 20
		for range sweeps {
			truth := 2 + 16*rnd.Float64()
			b := stats.NewBisection(1, 20, .5, c.rising)
			n := 0
			for ; !b.Done(.95, 1) && n < 100; n++ {
				x := b.Next()
				p := 1 / (1 + math.Exp(-(x-truth)/c.width))
				if !c.rising {
					p = 1 - p
				}
				b.Add(x, rnd.Float64() < p)
			}
			all += n
			if low, high := b.Credible(.95); truth < low-.3 || truth > high+.3 {
				wrong++
			}
		}
		if all > c.most*sweeps || wrong > sweeps/10 {
			t.Errorf("%s: %v cycles on average, the threshold outside in %d of %d", c.name, float64(all)/sweeps, wrong, sweeps)
		}
	}
}

func TestBisectionBeginsAtTheEnds(t *testing.T) {
	b := stats.NewBisection(1, 20, 1, true)
	if x := b.Next(); x != 20 {
		t.Errorf("first %v", x)
	}
	b.Add(20, true)
	if x := b.Next(); x != 1 {
		t.Errorf("second %v", x)
	}
	b.Add(1, false)
	if x := b.Next(); x < 9 || x > 12 {
		t.Errorf("then %v", x)
	}
	// A unit that never resets has its threshold beyond the range.
	b = stats.NewBisection(1, 20, 1, true)
	n := 0
	for ; !b.Done(.95, 1) && n < 60; n++ {
		b.Add(b.Next(), false)
	}
	if low, _ := b.Credible(.95); n >= 60 || low < 20 {
		t.Errorf("after %d cycles the threshold is above %v", n, low)
	}
}

func TestSignature(t *testing.T) {
	s := stats.Signature("reset-partial", "proven", []string{"marker/name", "init-state", "marker/name"})
	if s != "reset-partial, proven: init-state, marker/name" {
		t.Errorf("%q", s)
	}
	var g stats.Groups
	for i := range 1000 {
		g.Add(stats.Signature("r", "", []string{string(rune('a' + i%300))}), i+1)
	}
	g.Add(s, 1001)
	g.Add("r: a", 1002)
	list := g.List()
	if len(list) != 201 || list[0].Signature != stats.OtherSignatures || list[0].Count != 301 || list[1].Signature != "r: a" || list[1].Count != 5 {
		t.Errorf("%d groups, first %+v, then %+v", len(list), list[0], list[1])
	}
	n := 0
	for _, one := range list {
		n += one.Count
	}
	if n != 1002 || list[1].First != 1 || list[1].Last != 1002 || !slices.Equal(list[1].Cycles, []int{1, 301, 601, 901, 1002}) {
		t.Errorf("%d in all, %+v", n, list[1])
	}
}
