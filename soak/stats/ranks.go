package stats

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

func sortBy(idx []int, key func(int) float64) {
	slices.SortStableFunc(idx, func(a, b int) int { return cmp.Compare(key(a), key(b)) })
}

// midranks are the ranks of vs from 1 on, equal values sharing the mean of
// theirs, and the sum of t³ − t over the groups of equal values.
func midranks(vs []float64) (ranks []float64, ties float64) {
	idx := make([]int, len(vs))
	for i := range idx {
		idx[i] = i
	}
	sort.Slice(idx, func(a, b int) bool { return vs[idx[a]] < vs[idx[b]] })
	ranks = make([]float64, len(vs))
	for i := 0; i < len(idx); {
		j := i + 1
		for j < len(idx) && vs[idx[j]] == vs[idx[i]] {
			j++
		}
		for _, k := range idx[i:j] {
			ranks[k] = float64(i+1+j) / 2
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return ranks, ties
}

// exactMost is the number of values, of both sides together, up to which
// Mann–Whitney is exact.
const exactMost = 60

// MannWhitney is the rank-sum test of two samples (Mann and Whitney 1947,
// Wilcoxon 1945): whether a value of B tends to be greater than one of A.
type MannWhitney struct {
	NA, NB int
	// U is the number of pairs in which B is the greater, ties counting a half.
	U float64
	// Superiority is U/(NA·NB): the probability that a value of B is greater than
	// one of A; ½ where nothing differs.
	Superiority float64
	// P is two-sided. Up to 60 values it is exact, also with ties (the
	// permutation distribution of the mid-ranks; twice the smaller tail, as R
	// does without ties). Beyond, it is the normal approximation with the
	// correction for ties and for continuity.
	P     float64
	Exact bool
	// Shift is Hodges and Lehmann's: the median of all differences B − A, with
	// the interval that belongs to the test.
	Shift, Low, High float64
}

// MannWhitneyTest compares two samples. P is NaN and the shift unknown where one
// is empty.
func MannWhitneyTest(a, b []float64, confidence float64) MannWhitney {
	m := MannWhitney{NA: len(a), NB: len(b), P: math.NaN(), Superiority: math.NaN(), Shift: math.NaN(), Low: math.Inf(-1), High: math.Inf(1)}
	if len(a) == 0 || len(b) == 0 {
		return m
	}
	ranks, ties := midranks(slices.Concat(a, b))
	sum := 0.0
	for _, r := range ranks[len(a):] {
		sum += r
	}
	na, nb := float64(len(a)), float64(len(b))
	n := na + nb
	m.U = sum - nb*(nb+1)/2
	m.Superiority = m.U / (na * nb)
	if m.Exact = len(ranks) <= exactMost; m.Exact {
		m.P = exactRankSum(ranks, len(b), sum)
	} else {
		variance := na * nb / 12 * (n + 1 - ties/(n*(n-1)))
		d := math.Abs(m.U - na*nb/2)
		switch {
		case variance <= 0:
			m.P = 1 // all values are equal
		default:
			m.P = normalTail(max(0, d-0.5) / math.Sqrt(variance))
		}
	}
	m.shift(a, b, confidence, ties)
	return m
}

// exactRankSum counts the choices of k of the ranks by their sum, in half ranks
// so that mid-ranks are whole numbers.
func exactRankSum(ranks []float64, k int, seen float64) float64 {
	total := 0
	for _, r := range ranks {
		total += int(math.Round(2 * r))
	}
	ways := make([][]float64, k+1)
	for i := range ways {
		ways[i] = make([]float64, total+1)
	}
	ways[0][0] = 1
	for done, r := range ranks {
		v := int(math.Round(2 * r))
		for j := min(k, done+1); j > 0; j-- {
			for s := total; s >= v; s-- {
				ways[j][s] += ways[j-1][s-v]
			}
		}
	}
	at := int(math.Round(2 * seen))
	var below, above, all float64
	for s, w := range ways[k] {
		all += w
		if s <= at {
			below += w
		}
		if s >= at {
			above += w
		}
	}
	return min(1, 2*min(below, above)/all)
}

// shift fills in Hodges and Lehmann's estimate and its interval: the order
// statistics of the differences that the test would just not reject (Hollander
// and Wolfe, Nonparametric Statistical Methods, section 4.3). Exact up to
// exactMost values without ties, else by the normal approximation.
func (m *MannWhitney) shift(a, b []float64, confidence float64, ties float64) {
	d := newDifferences(a, b)
	pairs := len(a) * len(b)
	m.Shift = (d.nth((pairs+1)/2) + d.nth(pairs/2+1)) / 2
	na, nb := float64(len(a)), float64(len(b))
	alpha := 1 - confidence
	var c int // the c-th smallest and the c-th greatest difference bound it
	if m.Exact && ties == 0 {
		c = rankSumQuantile(len(a), len(b), alpha/2)
	} else {
		n := na + nb
		variance := na * nb / 12 * (n + 1 - ties/(n*(n-1)))
		z := distuv.UnitNormal.Quantile(1 - alpha/2)
		c = int(math.Floor(na*nb/2 - z*math.Sqrt(max(0, variance))))
	}
	if c < 1 {
		return // so few values bound nothing
	}
	m.Low, m.High = d.nth(c), d.nth(pairs+1-c)
}

// rankSumQuantile is the number of values u = 0, 1, … of U whose probability
// together stays within p; the smallest difference that is in is one further.
func rankSumQuantile(na, nb int, p float64) int {
	// The counts of U by the usual recursion, one value of B at a time.
	counts := make([][]float64, nb+1)
	for i := range counts {
		counts[i] = make([]float64, na*nb+1)
	}
	counts[0][0] = 1
	for r := 1; r <= na+nb; r++ {
		for j := min(nb, r); j > 0; j-- {
			for u := na * nb; u >= r-j; u-- {
				counts[j][u] += counts[j-1][u-(r-j)]
			}
		}
	}
	all, below := 0.0, 0.0
	for _, w := range counts[nb] {
		all += w
	}
	for u, w := range counts[nb] {
		if below += w; below/all > p {
			return u
		}
	}
	return 0
}

// differences are all b − a, never written out: 10,000 values each are 100
// million of them.
type differences struct{ a, b []float64 }

func newDifferences(a, b []float64) differences {
	return differences{slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))}
}

// upTo counts the differences of at most t.
func (d differences) upTo(t float64) int {
	n, j := 0, 0 // b[:j] − a[i] ≤ t; j only grows with a[i]
	for _, a := range d.a {
		for j < len(d.b) && d.b[j]-a <= t {
			j++
		}
		n += j
	}
	return n
}

// nth is the n-th smallest difference, from 1 on: the smallest number that at
// least n differences do not exceed. The bisection is over the float64 values in
// their order, so it is exact.
func (d differences) nth(n int) float64 {
	lo := order(d.b[0] - d.a[len(d.a)-1])
	hi := order(d.b[len(d.b)-1] - d.a[0])
	for lo < hi {
		if mid := lo + int64(uint64(hi-lo)/2); d.upTo(unorder(mid)) >= n {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return unorder(lo)
}

// order maps floats to integers that keep their order.
func order(f float64) int64 {
	i := int64(math.Float64bits(f))
	if i < 0 {
		i ^= math.MaxInt64
	}
	return i
}

func unorder(i int64) float64 {
	if i < 0 {
		i ^= math.MaxInt64
	}
	return math.Float64frombits(uint64(i))
}
