package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Description is a measurement in figures. Where there are no values every
// figure is NaN.
type Description struct {
	N                        int
	Min, Q1, Median, Q3, Max float64
	Mean, SD                 float64 // SD with n − 1; NaN for one value
	MAD                      float64 // median absolute deviation times 1.4826: what SD is of a normal one, outliers or not
	LowerLimit, UpperLimit   *float64
	Outside                  int     // values outside the limits
	Cp, Cpk                  float64 // NaN where they have no meaning; see Describe
}

// Spread is the distance of the quartiles.
func (d Description) Spread() float64 { return d.Q3 - d.Q1 }

// Describe is the description of values with their limits, nil for none.
// Quartiles are those of R's default (type 7, Hyndman and Fan 1996).
//
// Cp = (upper − lower)/6σ and Cpk = min(upper − mean, mean − lower)/3σ (NIST
// Handbook 6.1.6), with σ over all values: they are the long-term ones that many
// books call Pp and Ppk. With one limit Cp is NaN and Cpk is that limit's. They
// assume a normal measurement; a skewed one, as most durations are, has more
// values outside than its Cpk says, which Outside counts.
func Describe(values []float64, lower, upper *float64) Description {
	nan := math.NaN()
	d := Description{
		N: len(values), LowerLimit: lower, UpperLimit: upper,
		Min: nan, Q1: nan, Median: nan, Q3: nan, Max: nan, Mean: nan, SD: nan, MAD: nan, Cp: nan, Cpk: nan,
	}
	if len(values) == 0 {
		return d
	}
	vs := slices.Sorted(slices.Values(values))
	d.Min, d.Max = vs[0], vs[len(vs)-1]
	d.Q1, d.Median, d.Q3 = Quantile(vs, .25), Quantile(vs, .5), Quantile(vs, .75)
	d.Mean, d.SD = stat.MeanStdDev(vs, nil)
	off := make([]float64, len(vs))
	for i, v := range vs {
		off[i] = math.Abs(v - d.Median)
		if lower != nil && v < *lower || upper != nil && v > *upper {
			d.Outside++
		}
	}
	slices.Sort(off)
	d.MAD = 1.4826 * Quantile(off, .5)
	if d.SD > 0 {
		up, down := math.Inf(1), math.Inf(1)
		if upper != nil {
			up = (*upper - d.Mean) / (3 * d.SD)
		}
		if lower != nil {
			down = (d.Mean - *lower) / (3 * d.SD)
		}
		if lower != nil && upper != nil {
			d.Cp = (*upper - *lower) / (6 * d.SD)
		}
		if lower != nil || upper != nil {
			d.Cpk = min(up, down)
		}
	}
	return d
}

// Quantile is the p-quantile of sorted values, by R's default (type 7): linear
// between the values, the first at 0 and the last at 1.
func Quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Median is the median of values in any order.
func Median(values []float64) float64 {
	return Quantile(slices.Sorted(slices.Values(values)), .5)
}
