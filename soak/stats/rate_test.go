package stats_test

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"resetrig/soak/stats"
)

// The values are those of R's binom.test, of the rule of three, and of Wilson's
// interval as Agresti and Coull print it.
func TestIntervals(t *testing.T) {
	near := func(got, want float64) bool { return math.Abs(got-want) < 5e-7 }
	if got := stats.AtMost(0, 5000, .95); !near(got, 0.000599) {
		t.Errorf("0 of 5000: at most %v", got)
	}
	low, high := stats.Interval(3, 5000, .95)
	if math.Abs(low-.000124) > 5e-7 || math.Abs(high-.001752) > 5e-7 {
		t.Errorf("3 of 5000: [%v, %v]", low, high)
	}
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{0, 10, 0, .3084971}, {10, 10, .6915029, 1}, {5, 10, .1870861, .8129139}, {0, 0, 0, 1}} {
		if low, high := stats.Interval(c.k, c.n, .95); !near(low, c.low) || !near(high, c.high) {
			t.Errorf("%d of %d: [%v, %v], want [%v, %v]", c.k, c.n, low, high, c.low, c.high)
		}
	}
	if got := stats.AtLeast(299, 299, .95); got < .99 {
		t.Errorf("299 passes show at least %v, want 99 %%", got)
	}
	if got := stats.AtLeast(298, 298, .95); got >= .99 {
		t.Errorf("298 passes show at least %v, want less than 99 %%", got)
	}
	if low, high := stats.Wilson(1, 10, .95); math.Abs(low-.0179) > 5e-5 || math.Abs(high-.4042) > 5e-5 {
		t.Errorf("Wilson of 1/10: [%v, %v]", low, high)
	}
}

// A bound is the rate at which what was seen, or more extreme, has just the
// probability left over by the confidence.
func TestBoundsAreTheTails(t *testing.T) {
	for _, c := range []struct{ k, n int }{{1, 3}, {2, 50}, {49, 50}, {7, 1000}, {12, 10000}} {
		b := distuv.Binomial{N: float64(c.n), P: stats.AtMost(c.k, c.n, .95)}
		if p := b.CDF(float64(c.k)); math.Abs(p-.05) > 1e-6 {
			t.Errorf("%d of %d: so few or fewer with %v", c.k, c.n, p)
		}
		b.P = stats.AtLeast(c.k, c.n, .95)
		if p := 1 - b.CDF(float64(c.k-1)); math.Abs(p-.05) > 1e-6 {
			t.Errorf("%d of %d: so many or more with %v", c.k, c.n, p)
		}
	}
}

func TestRates(t *testing.T) {
	o := stats.Outcomes{Pass: 290, FailProven: 4, FailPresumed: 2, Error: 3, Aborted: 1}
	r := o.Rates(.95)
	for _, c := range []struct {
		name string
		got  stats.Rate
		k, n int
	}{
		{"pass", r.PassRate, 290, 296}, {"left out", r.FailLeftOut, 6, 296}, {"counted", r.FailErrorsCount, 9, 299},
		{"proven", r.FailProven, 4, 296}, {"first", r.FirstPass, 290, 299}, {"errors", r.ErrorRate, 3, 299},
	} {
		if c.got.K != c.k || c.got.N != c.n || c.got.Value != float64(c.k)/float64(c.n) || c.got.Low >= c.got.Value || c.got.High <= c.got.Value {
			t.Errorf("%s: %+v, want %d of %d", c.name, c.got, c.k, c.n)
		}
	}
	if o.All() != 300 {
		t.Errorf("all %d", o.All())
	}
	if r := (stats.Outcomes{}).Rates(.95); r.PassRate.Known() || !math.IsNaN(r.PassRate.Value) || r.PassRate.Low != 0 || r.PassRate.High != 1 {
		t.Errorf("of nothing: %+v", r.PassRate)
	}
}
