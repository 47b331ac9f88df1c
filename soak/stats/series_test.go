package stats_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"resetrig/soak/stats"
)

// NIST's reference data NumAcc3 and NumAcc4: what a naive sum of squares gets
// wrong. Mean 1000000.2 and 10000000.2, standard deviation 0.1.
func TestDescribeIsAccurate(t *testing.T) {
	for _, base := range []float64{1000000, 10000000} {
		vs := []float64{base + .2}
		for range 500 {
			vs = append(vs, base+.1, base+.3)
		}
		d := stats.Describe(vs, nil, nil)
		if math.Abs(d.Mean-(base+.2)) > 1e-6 || math.Abs(d.SD-.1) > 1e-7 {
			t.Errorf("mean %v, sd %v", d.Mean, d.SD)
		}
	}
}

// R: quantile(1:10), mad(1:10), and the limits of NIST Handbook 6.1.6 (mean 16,
// sigma 2, limits 8 and 20: Cp = 1, Cpk = 0.6667).
func TestDescribe(t *testing.T) {
	d := stats.Describe([]float64{10, 1, 2, 9, 3, 8, 4, 7, 6, 5}, nil, nil)
	if d.Min != 1 || d.Q1 != 3.25 || d.Median != 5.5 || d.Q3 != 7.75 || d.Max != 10 || !near(d.MAD, 3.7065, 1e-12) || !near(d.SD, 3.02765, 1e-6) {
		t.Errorf("%+v", d)
	}
	if !math.IsNaN(d.Cp) || !math.IsNaN(d.Cpk) {
		t.Errorf("capability without limits: %v, %v", d.Cp, d.Cpk)
	}
	lower, upper := 8.0, 20.0
	vs := []float64{16 - math.Sqrt(6), 16, 16, 16 + math.Sqrt(6)} // sd 2
	d = stats.Describe(vs, &lower, &upper)
	if !near(d.SD, 2, 1e-12) || !near(d.Cp, 1, 1e-12) || !near(d.Cpk, 2.0/3, 1e-12) || d.Outside != 0 {
		t.Errorf("sd %v, Cp %v, Cpk %v", d.SD, d.Cp, d.Cpk)
	}
	if d := stats.Describe(vs, nil, &upper); !math.IsNaN(d.Cp) || !near(d.Cpk, 2.0/3, 1e-12) {
		t.Errorf("one limit: Cp %v, Cpk %v", d.Cp, d.Cpk)
	}
	upper = 17
	if d := stats.Describe(vs, &lower, &upper); d.Outside != 1 {
		t.Errorf("%d outside", d.Outside)
	}
	if d := stats.Describe(nil, nil, nil); d.N != 0 || !math.IsNaN(d.Median) {
		t.Errorf("of nothing: %+v", d)
	}
}

// Sen's estimator on Hollander and Wolfe's example 9.1 (cloud seeding): the
// median of the ten slopes is −0.05625, interval as scipy.stats.theilslopes has
// it. And a longer series against scipy's theilslopes and kendalltau.
func TestTrend(t *testing.T) {
	tr := stats.TrendOf([]float64{1, 2, 3, 4, 5}, []float64{1.26, 1.27, 1.12, 1.16, 1.03}, .95)
	if !near(tr.Slope, -.05625, 1e-9) || !near(tr.Low, -.15, 1e-9) || !near(tr.High, .04, 1e-9) || !near(tr.Tau, -.6, 1e-9) {
		t.Errorf("%+v", tr)
	}
	var xs, ys []float64
	for i := range 60 {
		xs = append(xs, float64(i))
		ys = append(ys, float64(i*37%101)+.2*float64(i))
	}
	tr = stats.TrendOf(xs, ys, .95)
	if !near(tr.Slope, 0.47272727272727233, 1e-9) || !near(tr.Low, -0.2074074074074072, 1e-9) || !near(tr.High, .84, 1e-9) || !near(tr.Tau, 0.0903954802259887, 1e-9) {
		t.Errorf("%+v", tr)
	}
}

// Gilbert's formula by hand: n = 5, S = −6, Var = 16.667, z = 5/4.0825; and with
// ties 1 1 2 2 3, S = 8, Var = (5·4·15 − 2·(2·1·9))/18.
func TestMannKendall(t *testing.T) {
	tr := stats.TrendOf([]float64{1, 2, 3, 4, 5}, []float64{1.26, 1.27, 1.12, 1.16, 1.03}, .95)
	if want := math.Erfc(5 / math.Sqrt(50.0/3) / math.Sqrt2); !near(tr.P, want, 1e-9) {
		t.Errorf("p = %v, want %v", tr.P, want)
	}
	tr = stats.TrendOf([]float64{1, 2, 3, 4, 5}, []float64{1, 1, 2, 2, 3}, .95)
	if want := math.Erfc(7 / math.Sqrt(264.0/18) / math.Sqrt2); !near(tr.P, want, 1e-9) {
		t.Errorf("with ties p = %v, want %v", tr.P, want)
	}
	if tr := stats.TrendOf([]float64{1, 2, 3, 4}, []float64{5, 5, 5, 5}, .95); tr.P != 1 || tr.Slope != 0 {
		t.Errorf("a constant: %+v", tr)
	}
	if tr := stats.TrendOf([]float64{1, 2}, []float64{5, 6}, .95); !math.IsNaN(tr.P) {
		t.Errorf("of two: %+v", tr)
	}
}

func TestTrendOfMany(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var xs, ys []float64
	for i := range 10_000 {
		xs = append(xs, float64(i))
		ys = append(ys, 20+.0001*float64(i)+rnd.ExpFloat64())
	}
	tr := stats.TrendOf(xs, ys, .95)
	if tr.P > 1e-6 || tr.Low > .0001 || tr.High < .0001 || tr.Low < .00008 || tr.High > .00012 {
		t.Errorf("%+v", tr)
	}
}

// noise are n values of a skewed, heavy-tailed kind, as durations are.
func noise(rnd *rand.Rand, n int) []float64 {
	vs := make([]float64, n)
	for i := range vs {
		vs[i] = 20 + math.Exp(rnd.NormFloat64())
	}
	return vs
}

// Of series without a change, no more than the promised rate show one.
func TestChangesFalseAlarms(t *testing.T) {
	for _, c := range []struct {
		n     int
		alpha float64
	}{{50, .05}, {300, .05}, {300, stats.FalseAlarm}, {2000, .05}} {
		rnd := rand.New(rand.NewPCG(7, uint64(c.n)))
		alarms := 0
		series := 400_000 / max(c.n, 200)
		for range series {
			if len(stats.Changes(noise(rnd, c.n), c.alpha)) > 0 {
				alarms++
			}
		}
		// Three standard deviations above the promise, and not far below it.
		most := c.alpha + 3*math.Sqrt(c.alpha*(1-c.alpha)/float64(series))
		if rate := float64(alarms) / float64(series); rate > most || c.alpha == .05 && rate < .01 {
			t.Errorf("n = %d: false alarms in %v, want at most %v", c.n, rate, c.alpha)
		}
	}
}

func TestChangesAreFound(t *testing.T) {
	const n = 600
	found, exact := 0, 0
	rnd := rand.New(rand.NewPCG(9, 9))
	for range 200 {
		vs := make([]float64, n)
		for i := range vs {
			vs[i] = rnd.NormFloat64()
			if i >= 200 && i < 450 {
				vs[i] += 2
			}
		}
		cs := stats.Changes(vs, stats.FalseAlarm)
		if len(cs) != 2 {
			continue
		}
		found++
		if math.Abs(float64(cs[0].At-200)) <= 5 && math.Abs(float64(cs[1].At-450)) <= 5 && math.Abs(cs[0].Size-2) < .5 && math.Abs(cs[1].Size+2) < .5 {
			exact++
		}
	}
	if found < 196 || exact < 190 {
		t.Errorf("both changes in %d of 200 series, at their place in %d", found, exact)
	}
	vs := []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}
	cs := stats.Changes(vs, .01)
	if len(cs) != 1 || cs[0].At != 10 || cs[0].Before != 1 || cs[0].After != 2 || !math.IsInf(cs[0].Spreads, 1) || !near(cs[0].P, 2*math.Exp(-9.5), 1e-3) {
		t.Errorf("a clean step: %+v", cs)
	}
	if cs := stats.Changes([]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, .01); cs != nil {
		t.Errorf("a constant: %+v", cs)
	}
	// One wild value is no change.
	vs = noise(rnd, 100)
	vs[50] = 1e9
	if cs := stats.Changes(vs, .01); cs != nil {
		t.Errorf("an outlier: %+v", cs)
	}
}

func complete(ts ...float64) (ls []stats.Life) {
	for _, t := range ts {
		ls = append(ls, stats.Life{Cycles: t})
	}
	return ls
}

func censored(ts ...float64) (ls []stats.Life) {
	for _, t := range ts {
		ls = append(ls, stats.Life{Cycles: t, Censored: true})
	}
	return ls
}

// Lieblein and Zelen's ball bearings (1956; Lawless, example 5.2.1): shape
// 2.102, scale 81.88.
func TestWeibullBallBearings(t *testing.T) {
	w, err := stats.FitWeibull(complete(17.88, 28.92, 33.00, 41.52, 42.12, 45.60, 48.48, 51.84, 51.96, 54.12, 55.56,
		67.80, 68.64, 68.64, 68.88, 84.12, 93.12, 98.64, 105.12, 105.84, 127.92, 128.04, 173.40), .95)
	if err != nil || math.Abs(w.Shape-2.102) > .001 || math.Abs(w.Scale-81.88) > .01 {
		t.Errorf("%+v, %v", w, err)
	}
	if w.ShapeLow > 1.6 || w.ShapeLow < 1.3 || w.ShapeHigh < 2.7 || w.ShapeHigh > 3 || w.ScaleLow > 70 || w.ScaleLow < 60 || w.ScaleHigh < 95 || w.ScaleHigh > 105 {
		t.Errorf("intervals: shape [%v, %v], scale [%v, %v]", w.ShapeLow, w.ShapeHigh, w.ScaleLow, w.ScaleHigh)
	}
}

// The 6-MP arm of Freireich's leukaemia trial (1963), 9 of 21 failed: shape
// 1.354, scale 33.77 (R: survreg).
func TestWeibullCensored(t *testing.T) {
	w, err := stats.FitWeibull(append(complete(6, 6, 6, 7, 10, 13, 16, 22, 23),
		censored(6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)...), .95)
	if err != nil || math.Abs(w.Shape-1.354) > .001 || math.Abs(w.Scale-33.77) > .01 || w.Failures != 9 {
		t.Errorf("%+v, %v", w, err)
	}
	// With the shape held at 1 the best scale is all the time over the failures.
	if got, want := w.LogLikelihood, 9*math.Log(9/359.0)-9; got < want || got > want+1 {
		t.Errorf("likelihood %v, that of the exponential %v", got, want)
	}
}

// Exponential lives at their own quantiles have a shape of 1 as their number
// grows, and the interval of the shape covers 1 as often as it says.
func TestWeibullOfTheExponential(t *testing.T) {
	var ls []stats.Life
	const n = 3000
	for i := range n {
		ls = append(ls, stats.Life{Cycles: -300 * math.Log(1-(float64(i)+.5)/n)})
	}
	w, err := stats.FitWeibull(ls, .95)
	if err != nil || math.Abs(w.Shape-1) > .005 || math.Abs(w.Scale-300) > 1 || math.Abs(w.Mean()-300) > 1 || !near(w.Survival(w.Scale), math.Exp(-1), 1e-9) {
		t.Errorf("%+v, %v", w, err)
	}
	rnd := rand.New(rand.NewPCG(3, 1))
	covered, scales := 0, 0
	for range 200 {
		var ls []stats.Life
		for range 20 {
			l := stats.Life{Cycles: rnd.ExpFloat64() * 300}
			if l.Cycles > 500 {
				l = stats.Life{Cycles: 500, Censored: true}
			}
			ls = append(ls, l)
		}
		w, err := stats.FitWeibull(ls, .95)
		if err != nil {
			t.Fatal(err)
		}
		if w.ShapeLow <= 1 && 1 <= w.ShapeHigh {
			covered++
		}
		if w.ScaleLow <= 300 && 300 <= w.ScaleHigh {
			scales++
		}
	}
	if covered < 180 || covered > 199 || scales < 180 || scales > 199 { // 190 is 95 %
		t.Errorf("of 200 intervals %d cover the shape, %d the scale", covered, scales)
	}
}

func TestWeibullOfTooFew(t *testing.T) {
	for _, ls := range [][]stats.Life{nil, complete(1, 2, 3, 4), complete(5, 5, 5, 5, 5, 5), append(complete(1), censored(2, 3, 4, 5, 6)...)} {
		if w, err := stats.FitWeibull(ls, .95); !errors.Is(err, stats.ErrTooFewFailures) {
			t.Errorf("%v: %+v, %v", ls, w, err)
		}
	}
	if _, err := stats.FitWeibull(complete(0, 1, 2, 3, 4, 5), .95); err == nil || errors.Is(err, stats.ErrTooFewFailures) {
		t.Errorf("a life of nothing: %v", err)
	}
}

func TestLives(t *testing.T) {
	ls := stats.Lives([]bool{false, true, true, false, false})
	want := append(complete(2, 1), censored(2)...)
	if len(ls) != 3 || ls[0] != want[0] || ls[1] != want[1] || ls[2] != want[2] {
		t.Errorf("%v", ls)
	}
}
