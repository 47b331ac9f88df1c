package report

import (
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is the two-sided Clopper–Pearson interval of a rate after k of n:
// the true rate lies within with at least that confidence (0.95), whatever it
// is. It is [0, 1] for n = 0.
func Interval(k, n int, confidence float64) (low, high float64) {
	alpha := 1 - confidence
	return lower(k, n, alpha/2), upper(k, n, alpha/2)
}

// AtMost is the one-sided upper bound of a rate after k of n, which is what
// k = 0 allows to say: 0 of 5000 → 0.0599 % at 0.95.
func AtMost(k, n int, confidence float64) float64 { return upper(k, n, 1-confidence) }

// AtLeast is the one-sided lower bound, for k = n.
func AtLeast(k, n int, confidence float64) float64 { return lower(k, n, 1-confidence) }

func lower(k, n int, alpha float64) float64 {
	if k <= 0 || n <= 0 {
		return 0
	}
	return distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(alpha)
}

func upper(k, n int, alpha float64) float64 {
	if k >= n || n <= 0 {
		return 1
	}
	return distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}.Quantile(1 - alpha)
}

// spreadKept is how many values of a measurement are held for its median.
const spreadKept = 1 << 14

// spread is the extent of a measurement: exact, but for the median beyond
// spreadKept values, which is that of every 2nd, 4th, … value.
type spread struct {
	n        int
	min, max float64
	maxIn    int // the cycle of the maximum
	stride   int
	kept     []float64
}

func (s *spread) add(v float64, cycle int) {
	if s.n == 0 {
		s.min, s.max, s.maxIn, s.stride = v, v, cycle, 1
	}
	if v < s.min {
		s.min = v
	}
	if v > s.max {
		s.max, s.maxIn = v, cycle
	}
	if s.n%s.stride == 0 {
		if len(s.kept) == spreadKept {
			for i := range spreadKept / 2 {
				s.kept[i] = s.kept[2*i]
			}
			s.kept = s.kept[:spreadKept/2]
			s.stride *= 2
		}
		if s.n%s.stride == 0 {
			s.kept = append(s.kept, v)
		}
	}
	s.n++
}

func (s *spread) median() float64 {
	if len(s.kept) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(s.kept))
	if m := len(v) / 2; len(v)%2 == 0 {
		return (v[m-1] + v[m]) / 2
	}
	return v[len(v)/2]
}
