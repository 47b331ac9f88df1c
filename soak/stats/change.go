package stats

import (
	"math"
	"slices"
)

// Change is a point from which a measurement was another.
type Change struct {
	At            int     // index of the first value after the change
	Before, After float64 // medians of the stretches around it
	Size          float64 // After − Before
	// Spreads is the size in robust standard deviations of what is left when each
	// stretch's median is taken off; +Inf where nothing is left.
	Spreads float64
	P       float64 // of the test on the two stretches around it
}

// FalseAlarm is the usual rate of series without any change in which Changes
// finds one all the same: with ten measurements, one report in a hundred.
const FalseAlarm = 0.001

const (
	changeLeast = 5  // values on each side of a change
	changeMost  = 20 // changes of one series; what changes more often drifts or wanders
)

// Changes finds where the level of a series changed: the cumulative sum of the
// ranks' deviations from their mean (CUSUM; Pettitt, Applied Statistics 28,
// 1979) has its extreme at a change. Whether that is more than chance is told by
// the law of the greatest excursion of a Brownian bridge (Kolmogorov's), which
// is safe for short series. Several changes are found by splitting (binary
// segmentation); each is then tested again between its neighbours, and dropped
// where it no longer holds.
//
// Ranks make it indifferent to outliers and to how the values are distributed.
// A series without a change gives one with a probability of at most falseAlarm,
// if its values are independent; a slow drift shows as several changes in a row.
// It looks for levels: a change of the spread alone is not found.
func Changes(values []float64, falseAlarm float64) []Change {
	var cuts []int
	split(values, 0, len(values), falseAlarm, &cuts)
	slices.Sort(cuts)
	cuts, ps := confirm(values, cuts, falseAlarm)

	edges := slices.Concat([]int{0}, cuts, []int{len(values)})
	var left []float64
	var medians []float64
	for i := range len(edges) - 1 {
		m := Median(values[edges[i]:edges[i+1]])
		medians = append(medians, m)
		for _, v := range values[edges[i]:edges[i+1]] {
			left = append(left, math.Abs(v-m))
		}
	}
	spread := 1.4826 * Median(left)
	var out []Change
	for i, at := range cuts {
		c := Change{At: at, Before: medians[i], After: medians[i+1], P: ps[i]}
		c.Size = c.After - c.Before
		c.Spreads = math.Abs(c.Size) / spread
		out = append(out, c)
	}
	return out
}

func split(values []float64, from, to int, alpha float64, cuts *[]int) {
	if len(*cuts) >= changeMost {
		return
	}
	at, p := extreme(values[from:to])
	if p >= alpha {
		return
	}
	*cuts = append(*cuts, from+at)
	split(values, from, from+at, alpha, cuts)
	split(values, from+at, to, alpha, cuts)
}

// confirm tests each cut between its neighbours, moves it to the extreme there,
// and drops the weakest that does not hold until all do.
func confirm(values []float64, cuts []int, alpha float64) ([]int, []float64) {
	for {
		ps := make([]float64, len(cuts))
		worst := -1
		for i := range cuts {
			from, to := 0, len(values)
			if i > 0 {
				from = cuts[i-1]
			}
			if i+1 < len(cuts) {
				to = cuts[i+1]
			}
			at, p := extreme(values[from:to])
			if ps[i] = p; p < alpha {
				cuts[i] = from + at
			}
			if p >= alpha && (worst < 0 || p > ps[worst]) {
				worst = i
			}
		}
		if worst < 0 {
			return cuts, ps
		}
		cuts = slices.Delete(cuts, worst, worst+1)
	}
}

// extreme is the likeliest place of a change in a stretch, as the index of its
// first value, and the p-value.
func extreme(values []float64) (at int, p float64) {
	n := len(values)
	if n < 2*changeLeast {
		return 0, 1
	}
	ranks, ties := midranks(values)
	m := float64(n)
	mean := (m + 1) / 2
	variance := (m*m*m - m - ties) / 12 / (m - 1) // of a rank drawn at random
	if variance <= 0 {
		return 0, 1
	}
	sum, most := 0.0, -1.0
	for i, r := range ranks[:n-changeLeast] {
		sum += r - mean
		if i+1 >= changeLeast && math.Abs(sum) > most {
			most, at = math.Abs(sum), i+1
		}
	}
	return at, kolmogorov(most / math.Sqrt(m*variance))
}

// kolmogorov is the probability that a Brownian bridge leaves ±x somewhere.
func kolmogorov(x float64) float64 {
	if x < 0.2 {
		return 1
	}
	p, sign := 0.0, 1.0
	for j := 1.0; j < 100; j++ {
		term := math.Exp(-2 * j * j * x * x)
		p += sign * 2 * term
		if sign = -sign; term < 1e-12 {
			break
		}
	}
	return min(1, max(0, p))
}
