package stats_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"resetrig/soak/stats"
)

// Fisher's lady tasting tea, and the convictions of twins (Fisher 1962): p and
// odds ratio as R's fisher.test prints them in its manual. The intervals are
// those of scipy.stats.contingency.odds_ratio; R's own (0.2117 to 621.9 and
// 0.003326 to 0.363182) stop at a tolerance of 1e-4 on the way.
func TestFisher(t *testing.T) {
	f := stats.FisherTest(1, 4, 3, 4, .95)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"tea: p", f.P, 0.4857143}, {"tea: greater", f.Greater, 0.2428571},
		{"tea: odds", f.Odds, 6.408309}, {"tea: low", f.Low, 0.21173559544657966}, {"tea: high", f.High, 626.2435305888141},
	} {
		if !near(c.got, c.want, 1e-5) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	f = stats.FisherTest(15, 18, 2, 12, .95)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"twins: p", f.P, 0.0005367}, {"twins: odds", f.Odds, 0.04693661},
		{"twins: low", f.Low, 0.003317163950657363}, {"twins: high", f.High, 0.36318960235668074},
	} {
		if !near(c.got, c.want, 1e-4) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	// 3 of 300 against 12 of 300: p of scipy.stats.fisher_exact.
	if f := stats.FisherTest(3, 300, 12, 300, .95); !near(f.P, 0.03295357157911736, 1e-9) {
		t.Errorf("3 against 12 of 300: p = %v", f.P)
	}
}

func TestFisherAtTheEdges(t *testing.T) {
	if f := stats.FisherTest(0, 100, 0, 100, .95); f.P != 1 || !math.IsNaN(f.Odds) || f.Low != 0 || !math.IsInf(f.High, 1) {
		t.Errorf("no failure at all: %+v", f)
	}
	f := stats.FisherTest(0, 10, 10, 10, .95)
	if want := 2 / 184756.0; !near(f.P, want, 1e-9) || !math.IsInf(f.Odds, 1) || !math.IsInf(f.High, 1) || f.Low < 1 {
		t.Errorf("none against all: %+v, want p = %v", f, want)
	}
	// Both ways round the answer is the same.
	a, b := stats.FisherTest(3, 5000, 17, 4000, .95), stats.FisherTest(17, 4000, 3, 5000, .95)
	if !near(a.P, b.P, 1e-9) || !near(a.Odds, 1/b.Odds, 1e-6) || !near(a.Low, 1/b.High, 1e-6) {
		t.Errorf("%+v and %+v", a, b)
	}
}

// Newcombe's own table (1998, table II): 56/70 − 48/80 = 0.2, [0.0524, 0.3339];
// 9/10 − 3/10, [0.1705, 0.8090]; 10/10 − 0/10, [0.6075, 1].
func TestDifference(t *testing.T) {
	for _, c := range []struct {
		kb, nb, ka, na int
		low, high      float64
	}{{56, 70, 48, 80, .0524, .3339}, {9, 10, 3, 10, .1705, .8090}, {10, 10, 0, 10, .6075, 1}} {
		d, low, high := stats.Difference(c.ka, c.na, c.kb, c.nb, .95)
		if want := float64(c.kb)/float64(c.nb) - float64(c.ka)/float64(c.na); d != want || math.Abs(low-c.low) > 5e-5 || math.Abs(high-c.high) > 5e-5 {
			t.Errorf("%d/%d − %d/%d: %v [%v, %v], want [%v, %v]", c.kb, c.nb, c.ka, c.na, d, low, high, c.low, c.high)
		}
	}
}

// The example of R's p.adjust idiom: the steps by hand.
func TestHolm(t *testing.T) {
	got := stats.Holm([]float64{.04, .01, math.NaN(), .03, .5})
	want := []float64{.09, .04, math.NaN(), .09, .5}
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Error(d)
	}
}

// Hollander and Wolfe, table 4.1 (permeability of the placenta; R's wilcox.test
// example): W = 35, two-sided p = 0.2544, shift 0.305, interval [−0.15, 0.76].
func TestMannWhitney(t *testing.T) {
	x := []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}
	y := []float64{1.15, 0.88, 0.90, 0.74, 1.21}
	m := stats.MannWhitneyTest(y, x, .95)
	if !m.Exact || m.U != 35 || !near(m.P, 0.2544122544122544, 1e-9) || m.Superiority != .7 {
		t.Errorf("%+v", m)
	}
	if !near(m.Shift, .305, 1e-9) || !near(m.Low, -.15, 1e-9) || !near(m.High, .76, 1e-9) {
		t.Errorf("shift %v [%v, %v]", m.Shift, m.Low, m.High)
	}
}

// Many ties, many values: scipy.stats.mannwhitneyu, asymptotic.
func TestMannWhitneyWithTies(t *testing.T) {
	var a, b []float64
	for i := range 60 {
		a = append(a, float64(i*7%13))
	}
	for i := range 50 {
		b = append(b, float64(i*5%17))
	}
	m := stats.MannWhitneyTest(a, b, .95)
	if m.Exact || m.U != 1856 || !near(m.P, 0.032465041931523955, 1e-9) || m.Shift != 2 {
		t.Errorf("%+v", m)
	}
	var all []float64
	for _, v := range b {
		for _, u := range a {
			all = append(all, v-u)
		}
	}
	slices.Sort(all)
	if !slices.Contains(all, m.Low) || !slices.Contains(all, m.High) || m.Low > 2 || m.High < 2 || m.Low < 0 {
		t.Errorf("interval [%v, %v]", m.Low, m.High)
	}
}

// Few values with ties: every choice of ranks, counted by hand. Of the 10
// choices of 2 among {1, 2.5, 2.5, 4, 5}, one has a sum of 9 or more.
func TestMannWhitneyExactTies(t *testing.T) {
	m := stats.MannWhitneyTest([]float64{1, 2, 2}, []float64{3, 4}, .95)
	if !m.Exact || m.U != 6 || !near(m.P, .2, 1e-12) {
		t.Errorf("%+v", m)
	}
	if m := stats.MannWhitneyTest([]float64{1, 1}, []float64{1, 1, 1}, .95); m.P != 1 || m.Shift != 0 {
		t.Errorf("all equal: %+v", m)
	}
	if m := stats.MannWhitneyTest(nil, []float64{1}, .95); !math.IsNaN(m.P) {
		t.Errorf("of nothing: %+v", m)
	}
	same := make([]float64, 100)
	if m := stats.MannWhitneyTest(same, same, .95); m.P != 1 {
		t.Errorf("a hundred zeros: %+v", m)
	}
}

// The exact test and the approximation agree where they meet.
func TestMannWhitneyMeets(t *testing.T) {
	at := func(n int) stats.MannWhitney {
		var a, b []float64
		for i := range n {
			a = append(a, float64(i*17%31))
			b = append(b, float64(i*17%31)+5.5)
		}
		return stats.MannWhitneyTest(a, b, .95)
	}
	exact, approximate := at(30), at(31)
	if !exact.Exact || approximate.Exact || math.Abs(exact.P-approximate.P) > .006 || math.Abs(exact.Low-approximate.Low) > 1 {
		t.Errorf("%+v\n%+v", exact, approximate)
	}
}
