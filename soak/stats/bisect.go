package stats

import (
	"math"
)

// Bisection proposes, cycle by cycle, which value of a parameter to try next, so
// that the threshold is known with the fewest cycles. It keeps a probability for
// each pair of a threshold and a steepness and asks for the value whose outcome
// is expected to tell most about them (the psi method: Kontsevich and Tyler,
// Vision Research 39, 1999). With a sharp threshold that is plain bisection;
// where outcomes at one value differ, it tries it again instead of believing the
// first. One cycle in fifty is allowed to end against the curve, so that a single
// odd one does not lock it out of the truth.
//
// The first two proposals are the ends: a sweep that does not reset at the one
// and not fail to at the other has no threshold to look for.
type Bisection struct {
	From, To, Step float64
	Rising         bool // the outcome becomes more probable with the parameter
	Points         []Point

	xs         []float64 // what may be tried
	thresholds []float64
	widths     []float64
	belief     [][]float64 // of [threshold][width], summing to 1
}

const bisectionLapse = 0.02

// NewBisection is a search from…to in steps. The steps are at most 1000, the
// range is not empty.
func NewBisection(from, to, step float64, rising bool) *Bisection {
	b := &Bisection{From: from, To: to, Step: step, Rising: rising}
	n := min(1000, max(1, int(math.Floor((to-from)/step+1e-9))))
	for i := range n + 1 {
		b.xs = append(b.xs, from+float64(i)*step)
	}
	// Thresholds in half steps, also a good way outside, where the ends will say so.
	for i := -n / 2; i <= 2*n+n/2; i++ {
		b.thresholds = append(b.thresholds, from+(float64(i)+.5)*step/2)
	}
	b.widths = []float64{step / 8, step / 2, step, 2 * step, 4 * step}
	p := 1 / float64(len(b.thresholds)*len(b.widths))
	for range b.thresholds {
		row := make([]float64, len(b.widths))
		for j := range row {
			row[j] = p
		}
		b.belief = append(b.belief, row)
	}
	return b
}

// p is the probability of the outcome at x.
func (b *Bisection) p(x, threshold, width float64) float64 {
	z := (x - threshold) / width
	if !b.Rising {
		z = -z
	}
	return bisectionLapse/2 + (1-bisectionLapse)/(1+math.Exp(-z))
}

// Add takes what happened at a value: the reset was taken, or not. Errors of the
// rig are not for it.
func (b *Bisection) Add(x float64, happened bool) {
	k := 0
	if happened {
		k = 1
	}
	b.Points = join(append(b.Points, Point{x, k, 1}))
	sum := 0.0
	for i, t := range b.thresholds {
		for j, w := range b.widths {
			p := b.p(x, t, w)
			if !happened {
				p = 1 - p
			}
			b.belief[i][j] *= p
			sum += b.belief[i][j]
		}
	}
	for i := range b.belief {
		for j := range b.belief[i] {
			b.belief[i][j] /= sum
		}
	}
}

func (b *Bisection) tried(x float64) bool {
	for _, p := range b.Points {
		if p.X == x {
			return true
		}
	}
	return false
}

// Next is the value to try next.
func (b *Bisection) Next() float64 {
	ends := []float64{b.xs[len(b.xs)-1], b.xs[0]}
	if !b.Rising {
		ends[0], ends[1] = ends[1], ends[0]
	}
	for _, x := range ends {
		if !b.tried(x) {
			return x
		}
	}
	best, most := b.xs[0], math.Inf(-1)
	for _, x := range b.xs {
		if g := b.gain(x); g > most+1e-12 {
			best, most = x, g
		}
	}
	return best
}

// gain is the information that one outcome at x is expected to give on the
// threshold, in nats.
func (b *Bisection) gain(x float64) float64 {
	yes := 0.0
	one, other := make([]float64, len(b.thresholds)), make([]float64, len(b.thresholds))
	for i, t := range b.thresholds {
		for j, w := range b.widths {
			p := b.p(x, t, w)
			one[i] += b.belief[i][j] * p
			other[i] += b.belief[i][j] * (1 - p)
		}
		yes += one[i]
	}
	g := 0.0
	for i := range one {
		all := one[i] + other[i]
		if one[i] > 0 {
			g += one[i] * math.Log(one[i]/(all*yes))
		}
		if other[i] > 0 {
			g += other[i] * math.Log(other[i]/(all*(1-yes)))
		}
	}
	return g
}

// Credible is the central interval of the threshold that holds so much of the
// belief (0.95), as the edges of half steps; it reaches From or To where the
// threshold may lie outside.
func (b *Bisection) Credible(share float64) (low, high float64) {
	at := func(p float64) (float64, float64) {
		sum := 0.0
		for i, t := range b.thresholds {
			for _, v := range b.belief[i] {
				sum += v
			}
			if sum >= p {
				return t - b.Step/4, t + b.Step/4
			}
		}
		end := b.thresholds[len(b.thresholds)-1]
		return end, end
	}
	low, _ = at((1 - share) / 2)
	_, high = at((1 + share) / 2)
	return low, high
}

// Done reports whether the interval is no wider than within, or whether the
// threshold is known to lie outside the range.
func (b *Bisection) Done(share, within float64) bool {
	low, high := b.Credible(share)
	return high-low <= within*(1+1e-9) || high <= b.From || low >= b.To
}
