package stats

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Life is one stretch of cycles: until a failure, or until watching ended
// (Censored).
type Life struct {
	Cycles   float64
	Censored bool
}

// Lives are the stretches between the failures of one soak: from its start to
// the first failure, from each failure to the next, and the last, which no
// failure ended. That each reset leaves the DUT as new is an assumption; where
// it does not hold, only the first failures of several DUTs are lives.
func Lives(failed []bool) []Life {
	var ls []Life
	since := 0
	for _, f := range failed {
		if since++; f {
			ls = append(ls, Life{Cycles: float64(since)})
			since = 0
		}
	}
	if since > 0 {
		ls = append(ls, Life{Cycles: float64(since), Censored: true})
	}
	return ls
}

// Weibull is a Weibull distribution of lives by maximum likelihood, with
// censoring from the right (Lawless, Statistical Models and Methods for Lifetime
// Data, chapter 5). A shape of 1 is a failure that comes at random; less than 1,
// failures that crowd together or come early; more, wear.
type Weibull struct {
	Failures int // that ended a life
	Lives    int
	Shape    float64
	Scale    float64 // cycles by which 63.2 % have failed
	// The intervals are those of the profile likelihood ratio.
	ShapeLow, ShapeHigh float64
	ScaleLow, ScaleHigh float64
	LogLikelihood       float64
}

// WeibullLeast is how many failures a fit needs: with fewer, its intervals span
// more than any use.
const WeibullLeast = 5

// ErrTooFewFailures is the error of a fit that would say nothing.
var ErrTooFewFailures = errors.New("too few failures for a Weibull fit")

// FitWeibull fits lives, each of which must be longer than 0. ErrTooFewFailures
// below WeibullLeast failures, or where all of them are equal, which no finite
// shape fits best.
func FitWeibull(lives []Life, confidence float64) (Weibull, error) {
	w := Weibull{Lives: len(lives)}
	most := 0.0
	for _, l := range lives {
		if !(l.Cycles > 0) {
			return w, fmt.Errorf("a life of %v cycles", l.Cycles)
		}
		most = max(most, l.Cycles)
		if !l.Censored {
			w.Failures++
		}
	}
	if w.Failures < WeibullLeast {
		return w, fmt.Errorf("%w: %d, want at least %d", ErrTooFewFailures, w.Failures, WeibullLeast)
	}
	f := newWeibullFit(lives, most)
	if f.equal() {
		return w, fmt.Errorf("%w: all lives that ended are equal", ErrTooFewFailures)
	}
	w.Shape = f.shape()
	w.Scale = f.scale(w.Shape)
	w.LogLikelihood = f.likelihood(w.Shape, w.Scale)
	drop := w.LogLikelihood - distuv.ChiSquared{K: 1}.Quantile(confidence)/2

	profile := func(lnShape float64) float64 {
		k := math.Exp(lnShape)
		return f.likelihood(k, f.scale(k))
	}
	at := math.Log(w.Shape)
	w.ShapeLow, w.ShapeHigh = math.Exp(falls(profile, at, -1, drop)), math.Exp(falls(profile, at, 1, drop))

	byScale := func(lnScale float64) float64 { return f.bestAt(math.Exp(lnScale), w.Shape) }
	at = math.Log(w.Scale)
	w.ScaleLow, w.ScaleHigh = math.Exp(falls(byScale, at, -1, drop)), math.Exp(falls(byScale, at, 1, drop))
	return w, nil
}

// Survival is the share that lives longer than so many cycles.
func (w Weibull) Survival(cycles float64) float64 {
	return math.Exp(-math.Pow(cycles/w.Scale, w.Shape))
}

// Mean is the mean life in cycles.
func (w Weibull) Mean() float64 { return w.Scale * math.Gamma(1+1/w.Shape) }

// weibullFit holds the lives as shares of the longest, so that no power
// overflows.
type weibullFit struct {
	lives    []Life
	most     float64
	logs     float64 // sum of the logarithms of the ended ones
	failures float64
}

func newWeibullFit(lives []Life, most float64) *weibullFit {
	f := &weibullFit{most: most}
	for _, l := range lives {
		f.lives = append(f.lives, Life{l.Cycles / most, l.Censored})
		if !l.Censored {
			f.logs += math.Log(l.Cycles / most)
			f.failures++
		}
	}
	return f
}

// equal reports whether the failures coincide and nothing lived longer.
func (f *weibullFit) equal() bool {
	for _, l := range f.lives {
		if !l.Censored && l.Cycles != 1 {
			return false
		}
	}
	return true
}

// sums are Σ t^k and Σ t^k ln t.
func (f *weibullFit) sums(k float64) (s, sl float64) {
	for _, l := range f.lives {
		ln := math.Log(l.Cycles)
		p := math.Exp(k * ln)
		s += p
		sl += p * ln
	}
	return s, sl
}

// shape is the root of the likelihood equation Σtᵏln t/Σtᵏ − 1/k = mean ln t of
// the ended ones, whose left side rises with k.
func (f *weibullFit) shape() float64 {
	score := func(k float64) float64 {
		s, sl := f.sums(k)
		return sl/s - 1/k - f.logs/f.failures
	}
	lo, hi := 1e-3, 1.0
	for score(hi) < 0 && hi < 1e6 {
		lo, hi = hi, 2*hi
	}
	for range 200 {
		if mid := (lo + hi) / 2; score(mid) < 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// scale is the best scale of a shape.
func (f *weibullFit) scale(k float64) float64 {
	s, _ := f.sums(k)
	return f.most * math.Pow(s/f.failures, 1/k)
}

func (f *weibullFit) likelihood(k, scale float64) float64 {
	s, _ := f.sums(k)
	ln := math.Log(scale / f.most) // in shares of the longest
	return f.failures*(math.Log(k)-k*ln-math.Log(f.most)) + (k-1)*f.logs - s*math.Exp(-k*ln)
}

// bestAt is the likelihood at the shape that is best for this scale: concave in
// the shape, so it is searched by thirds, not far from the best of all. 35 steps
// leave an error of 1e-11 in the likelihood.
func (f *weibullFit) bestAt(scale, shape float64) float64 {
	lo, hi := math.Log(shape/10), math.Log(shape*10)
	for range 35 {
		a, b := lo+(hi-lo)/3, hi-(hi-lo)/3
		if f.likelihood(math.Exp(a), scale) < f.likelihood(math.Exp(b), scale) {
			lo = a
		} else {
			hi = b
		}
	}
	return f.likelihood(math.Exp((lo+hi)/2), scale)
}

// falls is where f, going from its maximum at x in that direction, falls to
// level; it gives up at 40, which in logarithms is everything.
func falls(f func(float64) float64, x, direction, level float64) float64 {
	step := 0.1 * direction
	in, out := x, x+step
	for f(out) > level {
		in, out, step = out, out+step, 2*step
		if math.Abs(out-x) > 40 {
			return out
		}
	}
	for range 40 {
		if mid := (in + out) / 2; f(mid) > level {
			in = mid
		} else {
			out = mid
		}
	}
	return (in + out) / 2
}
