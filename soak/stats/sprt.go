package stats

import (
	"math"
)

// Sequential is Wald's sequential probability ratio test of a failure rate
// (Wald, Sequential Analysis, 1947, chapter 5), fed cycle by cycle. It decides
// between "the rate is P0 or less" (Shown) and "it is P1 or more" (Refuted), and
// may be looked at after each cycle: that is what it is made for.
//
// The log likelihood ratio of P1 to P0 moves up with each failure and down with
// each pass. Shown where it falls to ln(Beta/(1−Alpha)), Refuted where it rises
// to ln((1−Beta)/Alpha). Wald's inequalities: a DUT of rate P1 is shown good
// with a probability of at most Beta/(1−Alpha), one of rate P0 refuted with at
// most Alpha/(1−Beta).
//
// "Can't be shown any more" (Refuted) means one of two things. The boundary was
// reached: what was seen is (1−Beta)/Alpha times as likely from a DUT of rate P1
// as from one of P0. Or, with Most set, the cycles that are left could not reach
// the other boundary even if all of them passed.
type Sequential struct {
	P0, P1      float64
	Alpha, Beta float64
	// Most is the number of cycles at which the soak ends anyway; 0 is never.
	Most int

	Done, Fails int
	decided     Decision
}

// DefaultAlternative is the failure rate at which the sequential test of a claim
// wants to end well, as a share of the rate that the claim allows. A tenth: to
// show 99 %, the DUT should be a 99.9 % one. A larger share needs more cycles.
const DefaultAlternative = 0.1

// Sequential is a fresh sequential test of the claim. P1 is the rate that the
// claim forbids; P0 is alternative × P1 (0: DefaultAlternative), a DUT of which
// is refuted with a probability of at most 5 %. The claim's confidence is kept
// exactly, not as Wald's approximation: Beta is set so that Beta/(1−Alpha) is
// 1 − Confidence. most is the number of cycles at which the soak ends anyway,
// 0 for none.
func (c Claim) Sequential(alternative float64, most int) *Sequential {
	if alternative <= 0 || alternative >= 1 {
		alternative = DefaultAlternative
	}
	const alpha = 0.05
	p1 := 1 - c.Pass
	return &Sequential{P0: alternative * p1, P1: p1, Alpha: alpha, Beta: (1 - c.Confidence) * (1 - alpha), Most: most}
}

// up and down are what a failure and a pass add to the log likelihood ratio.
func (s *Sequential) up() float64   { return math.Log(s.P1 / s.P0) }
func (s *Sequential) down() float64 { return math.Log1p(-s.P1) - math.Log1p(-s.P0) }

func (s *Sequential) low() float64  { return math.Log(s.Beta / (1 - s.Alpha)) }
func (s *Sequential) high() float64 { return math.Log((1 - s.Beta) / s.Alpha) }

// Ratio is the log likelihood ratio so far.
func (s *Sequential) Ratio() float64 { return s.ratio(s.Done, s.Fails) }

func (s *Sequential) ratio(n, k int) float64 {
	return float64(k)*s.up() + float64(n-k)*s.down()
}

// tiny is what rounding may take from a sum of logarithms.
const tiny = 1e-9

// Add takes the next cycle's outcome. After a decision nothing counts any more.
func (s *Sequential) Add(failed bool) Decision {
	if s.Decision() != Undecided {
		return s.decided
	}
	if s.Done++; failed {
		s.Fails++
	}
	switch {
	case s.Ratio() <= s.low()+tiny:
		s.decided = Shown
	case s.Ratio() >= s.high()-tiny,
		s.Most > 0 && s.ratio(s.Most, s.Fails) > s.low()+tiny:
		s.decided = Refuted
	}
	return s.Decision()
}

// Decision is where the test stands. Once made, it stays.
func (s *Sequential) Decision() Decision {
	if s.decided == "" {
		return Undecided
	}
	return s.decided
}

// AcceptAt is the number of cycles at which the claim is shown if exactly k of
// them failed: 332 for k = 0 at 99 %@95 % (the fixed plan's 299 buys no failure
// at all), and 255 more for each failure.
func (s *Sequential) AcceptAt(k int) int {
	n := float64(k) + (s.low()-float64(k)*s.up())/s.down()
	return int(math.Ceil(n - tiny))
}

// RejectAt is the number of failures among n cycles at which the claim is
// refuted by the boundary.
func (s *Sequential) RejectAt(n int) int {
	k := (s.high() - float64(n)*s.down()) / (s.up() - s.down())
	return max(1, int(math.Ceil(k-tiny)))
}

// Left is how many more cycles show the claim if none of them fails; 0 once it
// is decided.
func (s *Sequential) Left() int {
	if s.Decision() != Undecided {
		return 0
	}
	return s.AcceptAt(s.Fails) - s.Done
}

// Lines are the boundaries as Wald draws them: with k failures of n cycles the
// claim is shown where k ≤ Slope·n − Shown, refuted where k ≥ Slope·n + Refuted.
func (s *Sequential) Lines() (slope, shown, refuted float64) {
	d := s.up() - s.down()
	return -s.down() / d, -s.low() / d, s.high() / d
}

// Expected is the expected number of cycles until the decision for a DUT of
// failure rate p (Wald's average sample number, equations 5:17 and 3:57, which
// leave out how far the last step goes beyond the boundary). Most is not looked
// at.
func (s *Sequential) Expected(p float64) float64 {
	drift := p*s.up() + (1-p)*s.down()
	if math.Abs(drift) < 1e-9*s.up() { // at the slope: no drift, Wald 5:20
		spread := p*s.up()*s.up() + (1-p)*s.down()*s.down()
		return -s.low() * s.high() / spread
	}
	l := s.Shows(p)
	return (l*s.low() + (1-l)*s.high()) / drift
}

// Shows is the probability that a DUT of failure rate p ends as Shown (Wald's
// operating characteristic, equations 5:13 and 5:14, with the same
// approximation).
func (s *Sequential) Shows(p float64) float64 {
	switch {
	case p <= 0:
		return 1
	case p >= 1:
		return 0
	}
	h := s.exponent(p)
	a, b := s.high(), s.low()
	if math.Abs(h) < 1e-7 {
		return a / (a - b)
	}
	return math.Expm1(h*a) / (math.Exp(h*a) - math.Exp(h*b))
}

// exponent is Wald's h: the other solution of p·e^(h·up) + (1−p)·e^(h·down) = 1
// beside h = 0. It is 1 at P0 and −1 at P1.
func (s *Sequential) exponent(p float64) float64 {
	f := func(h float64) float64 { return p*math.Exp(h*s.up()) + (1-p)*math.Exp(h*s.down()) - 1 }
	drift := p*s.up() + (1-p)*s.down()
	if math.Abs(drift) < 1e-12 {
		return 0
	}
	// f is convex with f(0) = 0: the other root lies where the slope at 0 falls to.
	sign := 1.0
	if drift > 0 {
		sign = -1
	}
	far := sign
	for f(far) < 0 && math.Abs(far) < 1e6 {
		far *= 2
	}
	near := far / 2
	for f(near) > 0 && math.Abs(near) > 1e-12 {
		near /= 2
	}
	for range 200 {
		if mid := (near + far) / 2; f(mid) < 0 {
			near = mid
		} else {
			far = mid
		}
	}
	return (near + far) / 2
}
