package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Fisher is Fisher's exact test of two rates, k of n in each of two soaks, with
// the odds ratio of the second to the first.
type Fisher struct {
	KA, NA, KB, NB int
	// P is the two-sided p-value: the probability, given the margins and equal
	// rates, of every table that is no more probable than the one seen (the
	// convention of R's fisher.test and of SAS; some programs double the smaller
	// tail instead).
	P float64
	// Greater is the one-sided p-value of B's rate being the greater.
	Greater float64
	// Odds is the conditional maximum likelihood estimate of odds(B)/odds(A); 0
	// or +Inf where a cell is empty, NaN where no table but one was possible.
	// Low and High are its exact interval, Confidence wide.
	Odds, Low, High float64
	Confidence      float64
}

// FisherTest compares ka of na with kb of nb. It is exact, and needs no minimum
// in any cell.
func FisherTest(ka, na, kb, nb int, confidence float64) Fisher {
	f := Fisher{KA: ka, NA: na, KB: kb, NB: nb, P: 1, Greater: 1, Odds: math.NaN(), High: math.Inf(1), Confidence: confidence}
	h := newHyper(nb, na, ka+kb)
	if h.lo == h.hi {
		return f
	}
	p := h.at(0)
	seen := p[kb-h.lo]
	f.P, f.Greater = 0, 0
	for i, v := range p {
		if v <= seen*(1+1e-7) { // equal, but for rounding
			f.P += v
		}
		if h.lo+i >= kb {
			f.Greater += v
		}
	}
	f.P, f.Greater = min(1, f.P), min(1, f.Greater)

	alpha := (1 - confidence) / 2
	switch {
	case kb == h.lo:
		f.Odds = 0
	case kb == h.hi:
		f.Odds = math.Inf(1)
	default:
		f.Odds = math.Exp(h.solve(func(t float64) float64 { return h.mean(t) - float64(kb) }))
	}
	f.Low = 0
	if kb > h.lo {
		f.Low = math.Exp(h.solve(func(t float64) float64 { return h.upper(t, kb) - alpha }))
	}
	if kb < h.hi {
		f.High = math.Exp(h.solve(func(t float64) float64 { return alpha - h.lower(t, kb) }))
	}
	return f
}

// hyper is the noncentral hypergeometric distribution of B's count, given the
// margins of a table; its parameter is the logarithm of the odds ratio.
type hyper struct {
	lo, hi int
	log    []float64 // of the central weights
}

func newHyper(nb, na, k int) hyper {
	h := hyper{lo: max(0, k-na), hi: min(k, nb)}
	for x := h.lo; x <= h.hi; x++ {
		h.log = append(h.log, lchoose(nb, x)+lchoose(na, k-x))
	}
	return h
}

func lchoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// at are the probabilities from lo on, for a log odds ratio t.
func (h hyper) at(t float64) []float64 {
	p := make([]float64, len(h.log))
	most := math.Inf(-1)
	for i, l := range h.log {
		p[i] = l + t*float64(i)
		most = max(most, p[i])
	}
	sum := 0.0
	for i := range p {
		p[i] = math.Exp(p[i] - most)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func (h hyper) mean(t float64) (m float64) {
	for i, p := range h.at(t) {
		m += float64(h.lo+i) * p
	}
	return m
}

// upper is P(X ≥ x), lower P(X ≤ x).
func (h hyper) upper(t float64, x int) (s float64) {
	for i, p := range h.at(t) {
		if h.lo+i >= x {
			s += p
		}
	}
	return s
}

func (h hyper) lower(t float64, x int) (s float64) {
	for i, p := range h.at(t) {
		if h.lo+i <= x {
			s += p
		}
	}
	return s
}

// solve is the root of a rising function of the log odds ratio.
func (h hyper) solve(f func(float64) float64) float64 {
	lo, hi := -1.0, 1.0
	for f(lo) > 0 && lo > -700 {
		lo *= 2
	}
	for f(hi) < 0 && hi < 700 {
		hi *= 2
	}
	for range 100 {
		if mid := (lo + hi) / 2; f(mid) < 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// Difference is the rate of B minus that of A with Newcombe's hybrid score
// interval (Statistics in Medicine 17, 1998, method 10): what a comparison that
// shows nothing still rules out.
func Difference(ka, na, kb, nb int, confidence float64) (diff, low, high float64) {
	if na == 0 || nb == 0 {
		return math.NaN(), -1, 1
	}
	pa, pb := float64(ka)/float64(na), float64(kb)/float64(nb)
	la, ua := Wilson(ka, na, confidence)
	lb, ub := Wilson(kb, nb, confidence)
	diff = pb - pa
	return diff, diff - math.Hypot(pb-lb, ua-pa), diff + math.Hypot(ub-pb, pa-la)
}

// Holm adjusts p-values of several tests for their number (Holm, Scandinavian
// Journal of Statistics 6, 1979): the chance of one false alarm among all of
// them is what one alone would have. The order is kept; NaN stays and is not
// counted.
func Holm(ps []float64) []float64 {
	out := make([]float64, len(ps))
	var order []int
	for i, p := range ps {
		if out[i] = p; !math.IsNaN(p) {
			order = append(order, i)
		}
	}
	sortBy(order, func(i int) float64 { return ps[i] })
	before := 0.0
	for rank, i := range order {
		before = max(before, min(1, ps[i]*float64(len(order)-rank)))
		out[i] = before
	}
	return out
}

// normalTail is the two-sided p-value of z.
func normalTail(z float64) float64 {
	return min(1, 2*distuv.UnitNormal.Survival(math.Abs(z)))
}
