package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Trend says whether a measurement drifts over a soak.
type Trend struct {
	N int
	// Slope is Theil and Sen's: the median of the slopes of all pairs, per unit of
	// x; Low and High are its interval (Sen, JASA 63, 1968). Beyond slopeMost
	// values they are those of the medians of as many stretches of equal length.
	Slope, Low, High float64
	// Tau is Kendall's rank correlation with x (−1 … 1, tau-a), and P the
	// two-sided p-value of Mann and Kendall's test, over all values, with the
	// correction for ties.
	Tau, P float64
}

// slopeMost is up to how many values every pair is looked at.
const slopeMost = 500

// TrendOf is the trend of ys over xs, which must rise strictly; nothing is known
// (NaN) of fewer than 4 values. It assumes that the values are independent but
// for the drift: where neighbours resemble each other, P is too small.
func TrendOf(xs, ys []float64, confidence float64) Trend {
	n := len(ys)
	t := Trend{N: n, Slope: math.NaN(), Low: math.Inf(-1), High: math.Inf(1), Tau: math.NaN(), P: math.NaN()}
	if n < 4 || len(xs) != n {
		return t
	}
	s, variance := kendall(ys)
	t.Tau = s / (float64(n) * float64(n-1) / 2)
	t.P = 1
	if variance > 0 && s != 0 {
		t.P = normalTail((math.Abs(s) - 1) / math.Sqrt(variance))
	}
	if n > slopeMost {
		xs, ys = stretches(xs, ys, slopeMost)
		n = len(ys)
		_, variance = kendall(ys)
	}
	slopes := make([]float64, 0, n*(n-1)/2)
	for i := range ys {
		for j := range i {
			slopes = append(slopes, (ys[i]-ys[j])/(xs[i]-xs[j]))
		}
	}
	slices.Sort(slopes)
	t.Slope = Quantile(slopes, .5)
	c := distuv.UnitNormal.Quantile(1-(1-confidence)/2) * math.Sqrt(variance)
	pairs := float64(len(slopes))
	lo, hi := int(math.Round((pairs-c)/2))-1, int(math.Round((pairs+c)/2))
	if lo >= 0 {
		t.Low = slopes[lo]
	}
	if hi < len(slopes) {
		t.High = slopes[hi]
	}
	return t
}

// stretches are the medians of n stretches of the series.
func stretches(xs, ys []float64, n int) (mx, my []float64) {
	for i := range n {
		from, to := i*len(ys)/n, (i+1)*len(ys)/n
		mx = append(mx, Median(xs[from:to]))
		my = append(my, Median(ys[from:to]))
	}
	return mx, my
}

// kendall is Kendall's S, concordant minus discordant pairs, and its variance
// without a trend, with the correction for ties. It sorts by merging, so that
// 10,000 values cost no 50 million comparisons.
func kendall(ys []float64) (s, variance float64) {
	n := float64(len(ys))
	equal := 0.0
	sorted := slices.Sorted(slices.Values(ys))
	var cubes float64 // Σ t(t−1)(2t+5)
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		t := float64(j - i)
		equal += t * (t - 1) / 2
		cubes += t * (t - 1) * (2*t + 5)
		i = j
	}
	down := float64(inversions(slices.Clone(ys), make([]float64, len(ys))))
	s = n*(n-1)/2 - equal - 2*down
	return s, (n*(n-1)*(2*n+5) - cubes) / 18
}

// inversions counts the pairs i < j with v[i] > v[j], and sorts v.
func inversions(v, buf []float64) int {
	if len(v) < 2 {
		return 0
	}
	m := len(v) / 2
	n := inversions(v[:m], buf[:m]) + inversions(v[m:], buf[m:])
	copy(buf, v)
	a, b := buf[:m], buf[m:]
	for k := range v {
		if len(b) == 0 || len(a) > 0 && a[0] <= b[0] {
			v[k], a = a[0], a[1:]
		} else {
			v[k], b = b[0], b[1:]
			n += len(a)
		}
	}
	return n
}
