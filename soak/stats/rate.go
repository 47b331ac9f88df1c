package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is the two-sided Clopper–Pearson interval of a rate after k of n
// (Clopper and Pearson, Biometrika 26, 1934): the true rate lies within with at
// least that confidence (0.95), whatever it is. It is [0, 1] for n = 0.
func Interval(k, n int, confidence float64) (low, high float64) {
	alpha := 1 - confidence
	return lower(k, n, alpha/2), upper(k, n, alpha/2)
}

// AtMost is the one-sided upper bound of a rate after k of n, which is what
// k = 0 allows to say: 0 of 5000 → 0.0599 % at 0.95.
func AtMost(k, n int, confidence float64) float64 { return upper(k, n, 1-confidence) }

// AtLeast is the one-sided lower bound of a rate after k of n.
func AtLeast(k, n int, confidence float64) float64 { return lower(k, n, 1-confidence) }

// lower and upper are quantiles of the beta distribution: the identity of its
// integral with the sum of the binomial's tail.
func lower(k, n int, alpha float64) float64 {
	switch {
	case k <= 0 || n <= 0:
		return 0
	case k == n:
		return math.Pow(alpha, 1/float64(n))
	}
	return distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(alpha)
}

func upper(k, n int, alpha float64) float64 {
	switch {
	case k >= n || n <= 0:
		return 1
	case k == 0:
		return -math.Expm1(math.Log(alpha) / float64(n))
	}
	return distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}.Quantile(1 - alpha)
}

// Wilson is Wilson's score interval of a rate after k of n: shorter than
// Clopper–Pearson's, and right on average only. Differences are made of it.
func Wilson(k, n int, confidence float64) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	z := distuv.UnitNormal.Quantile(1 - (1-confidence)/2)
	p, m := float64(k)/float64(n), float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, mid-half), min(1, mid+half)
}

// Outcomes are the first attempts of a soak's cycles, controls left out, by how
// they ended.
type Outcomes struct {
	Pass         int `json:"pass"`
	FailProven   int `json:"fail_proven"`
	FailPresumed int `json:"fail_presumed"`
	Error        int `json:"error"`
	Aborted      int `json:"aborted"`
}

// Fail is every fail.
func (o Outcomes) Fail() int { return o.FailProven + o.FailPresumed }

// Judged are the cycles with a verdict on the DUT.
func (o Outcomes) Judged() int { return o.Pass + o.Fail() }

// All is every cycle.
func (o Outcomes) All() int { return o.Judged() + o.Error + o.Aborted }

// Rate is k of n with its two-sided Clopper–Pearson interval. Value is NaN for
// n = 0; see Known.
type Rate struct {
	K, N      int
	Value     float64
	Low, High float64
	// AtMost and AtLeast are the one-sided bounds at the same confidence.
	AtMost, AtLeast float64
}

// Known reports whether anything was counted.
func (r Rate) Known() bool { return r.N > 0 }

// NewRate is the rate of k of n.
func NewRate(k, n int, confidence float64) Rate {
	r := Rate{K: k, N: n, Value: math.NaN(), AtMost: AtMost(k, n, confidence), AtLeast: AtLeast(k, n, confidence)}
	if n > 0 {
		r.Value = float64(k) / float64(n)
	}
	r.Low, r.High = Interval(k, n, confidence)
	return r
}

// Rates are what a soak's outcomes say of the DUT. The true failure rate has no
// value that the errors of the rig could not hide: FailLeftOut and
// FailErrorsCount are its two bounds.
type Rates struct {
	PassRate        Rate // of the judged cycles
	FailLeftOut     Rate // errors left out: fails of the judged cycles
	FailErrorsCount Rate // errors counted as failures
	FailProven      Rate // only the proven fails, of the judged cycles
	FirstPass       Rate // first attempts that passed, of all but the aborted: what the lab got at once
	ErrorRate       Rate // errors of the rig, of all but the aborted
}

// Rates are every rate of the outcomes.
func (o Outcomes) Rates(confidence float64) Rates {
	ended := o.Judged() + o.Error
	return Rates{
		PassRate:        NewRate(o.Pass, o.Judged(), confidence),
		FailLeftOut:     NewRate(o.Fail(), o.Judged(), confidence),
		FailErrorsCount: NewRate(o.Fail()+o.Error, ended, confidence),
		FailProven:      NewRate(o.FailProven, o.Judged(), confidence),
		FirstPass:       NewRate(o.Pass, ended, confidence),
		ErrorRate:       NewRate(o.Error, ended, confidence),
	}
}
