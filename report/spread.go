package report

import "slices"

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
