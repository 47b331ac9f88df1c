package stats

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Point is what a sweep saw at one value of its parameter: K of N cycles went
// the way that is asked for (the reset was taken).
type Point struct {
	X    float64
	K, N int
}

// Logistic is the curve p(x) = 1/(1 + exp(−Slope·(x − Threshold))).
type Logistic struct {
	Threshold, Slope float64
	LogLikelihood    float64 // with Firth's penalty where the fit has it
}

// P is the probability at x.
func (l Logistic) P(x float64) float64 { return 1 / (1 + math.Exp(-l.Slope*(x-l.Threshold))) }

// ErrNoFit is the error of points that no curve can be drawn through.
var ErrNoFit = errors.New("a logistic curve needs two different values of the parameter, and outcomes of both kinds")

// FitLogistic fits the curve to the points by maximum likelihood; with firth, by
// Firth's penalised one (Biometrika 80, 1993; Heinze and Schemper, Statistics in
// Medicine 21, 2002), which takes away the first-order bias and has a finite
// answer also where the outcomes separate completely. Without it such points are
// ErrNoFit.
func FitLogistic(points []Point, firth bool) (Logistic, error) {
	f, err := newLogisticFit(points, firth)
	if err != nil {
		return Logistic{}, err
	}
	return f.best()
}

// logisticFit is the likelihood with x shifted and scaled to mean 0 and spread 1.
type logisticFit struct {
	points      []Point
	shift, unit float64
	firth       bool
}

func newLogisticFit(points []Point, firth bool) (*logisticFit, error) {
	f := &logisticFit{firth: firth}
	var n, k, sum float64
	for _, p := range points {
		n, k, sum = n+float64(p.N), k+float64(p.K), sum+float64(p.N)*p.X
	}
	if n == 0 || k == 0 || k == n {
		return nil, ErrNoFit
	}
	f.shift = sum / n
	for _, p := range points {
		f.unit += float64(p.N) * (p.X - f.shift) * (p.X - f.shift)
	}
	if f.unit = math.Sqrt(f.unit / n); f.unit == 0 {
		return nil, ErrNoFit
	}
	for _, p := range points {
		if p.N > 0 {
			f.points = append(f.points, Point{(p.X - f.shift) / f.unit, p.K, p.N})
		}
	}
	return f, nil
}

// at is the likelihood of the curve a + b·x, and its information matrix.
func (f *logisticFit) at(a, b float64) (l, i00, i01, i11 float64) {
	for _, p := range f.points {
		eta := a + b*p.X
		// ln p and ln(1−p) without a loss where p is near 0 or 1
		l -= float64(p.K)*softplus(-eta) + float64(p.N-p.K)*softplus(eta)
		pr := 1 / (1 + math.Exp(-eta))
		w := float64(p.N) * pr * (1 - pr)
		i00, i01, i11 = i00+w, i01+w*p.X, i11+w*p.X*p.X
	}
	if f.firth {
		l += math.Log(i00*i11-i01*i01) / 2
	}
	return l, i00, i01, i11
}

// softplus is ln(1 + eˣ).
func softplus(x float64) float64 {
	if x > 0 {
		return x + math.Log1p(math.Exp(-x))
	}
	return math.Log1p(math.Exp(x))
}

// best climbs by Newton's steps, halved until the likelihood rises.
func (f *logisticFit) best() (Logistic, error) {
	a, b := 0.0, 0.0
	l, i00, i01, i11 := f.at(a, b)
	for range 500 {
		det := i00*i11 - i01*i01
		if !(det > 0) {
			return Logistic{}, ErrNoFit
		}
		var u0, u1 float64 // the score, with Firth's term
		for _, p := range f.points {
			pr := 1 / (1 + math.Exp(-a-b*p.X))
			w := float64(p.N) * pr * (1 - pr)
			r := float64(p.K) - float64(p.N)*pr
			if f.firth {
				r += w * (i11 - 2*i01*p.X + i00*p.X*p.X) / det * (0.5 - pr)
			}
			u0, u1 = u0+r, u1+r*p.X
		}
		da, db := (i11*u0-i01*u1)/det, (i00*u1-i01*u0)/det
		if m := max(math.Abs(da), math.Abs(db)); m > 5 {
			da, db = da*5/m, db*5/m
		}
		rose := false
		for range 40 {
			if nl, n00, n01, n11 := f.at(a+da, b+db); nl > l {
				a, b, l, i00, i01, i11, rose = a+da, b+db, nl, n00, n01, n11, true
				break
			}
			da, db = da/2, db/2
		}
		if !rose || max(math.Abs(da), math.Abs(db)) < 1e-10 {
			break
		}
	}
	if math.Abs(b) > 1e4 || math.Abs(b) < 1e-12 || !f.firth && l > -1e-6 { // it climbs for ever, or is flat
		return Logistic{}, ErrNoFit
	}
	return Logistic{Threshold: f.shift - a/b*f.unit, Slope: b / f.unit, LogLikelihood: l}, nil
}

// bestThrough is the greatest likelihood of a curve with its threshold at x.
func (f *logisticFit) bestThrough(x float64, slope float64) float64 {
	t := (x - f.shift) / f.unit
	b0 := slope * f.unit
	through := func(b float64) float64 {
		l, _, _, _ := f.at(-b*t, b)
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return math.Inf(-1)
		}
		return l
	}
	// One hill in b: first roughly by powers of two on the side of the best curve, then
	// by thirds.
	best, most := 0.0, math.Inf(-1)
	for e := -20.0; e <= 6; e++ {
		if b := b0 * math.Exp2(e); through(b) > most {
			best, most = b, through(b)
		}
	}
	lo, hi := best/2, best*2
	for range 60 {
		p, q := lo+(hi-lo)/3, hi-(hi-lo)/3
		if through(p) < through(q) {
			lo = p
		} else {
			hi = q
		}
	}
	return max(most, through((lo+hi)/2))
}

// Threshold is where a sweep found its parameter to make the difference.
type Threshold struct {
	Points []Point // in order, those of one value joined
	Rising bool    // more of the parameter makes the reset more probable

	// Below is the greatest value up to which none of the cycles went that way,
	// Above the smallest from which all did (turned round where it falls). They
	// are what was seen, without any model; NaN where there is none.
	Below, Above float64
	// Separated: no value gave both outcomes, and none of the one kind lies beyond
	// one of the other. Then all that is known is that the threshold lies between
	// Below and Above; the curve's steepness is not measured.
	Separated bool

	// Fit is the curve, with Firth's penalty; Value its threshold, where half of
	// the cycles go that way. Known is false where there is none: all cycles, or
	// none, went that way.
	Known bool
	Fit   Logistic
	Value float64
	// Low and High are the interval of Value by the profile of the penalised
	// likelihood; infinite where the data bound it on one side only. Where the
	// outcomes are separated it is as wide as the model makes it, and Below to
	// Above is the better answer.
	Low, High float64
}

// FindThreshold sums up a sweep's points.
func FindThreshold(points []Point, confidence float64) Threshold {
	nan := math.NaN()
	t := Threshold{Points: join(points), Rising: true, Below: nan, Above: nan, Value: nan, Low: math.Inf(-1), High: math.Inf(1)}
	f, err := newLogisticFit(t.Points, true)
	if err == nil {
		var fit Logistic
		if fit, err = f.best(); err == nil {
			t.Known, t.Fit, t.Value, t.Rising = true, fit, fit.Threshold, fit.Slope > 0
		}
	}
	t.bracket()
	if !t.Known {
		return t
	}
	level := t.Fit.LogLikelihood - distuv.ChiSquared{K: 1}.Quantile(confidence)/2
	profile := func(x float64) float64 { return f.bestThrough(x, t.Fit.Slope) }
	far := 20 * (t.Points[len(t.Points)-1].X - t.Points[0].X)
	t.Low, t.High = edge(profile, t.Value, -far, level), edge(profile, t.Value, far, level)
	return t
}

// edge is where f falls to level between x and x + far; infinite where it does
// not.
func edge(f func(float64) float64, x, far, level float64) float64 {
	in, out := x, x+far/2048
	for f(out) > level {
		if in = out; math.Abs(out-x) >= math.Abs(far) {
			return math.Inf(int(math.Copysign(1, far)))
		}
		out = x + 2*(out-x)
	}
	for range 50 {
		if mid := (in + out) / 2; f(mid) > level {
			in = mid
		} else {
			out = mid
		}
	}
	return (in + out) / 2
}

// bracket finds what was seen without a model.
func (t *Threshold) bracket() {
	ps := slices.Clone(t.Points)
	if !t.Rising {
		slices.Reverse(ps)
	}
	for _, p := range ps {
		if p.K > 0 {
			break
		}
		t.Below = p.X
	}
	for _, p := range slices.Backward(ps) {
		if p.K < p.N {
			break
		}
		t.Above = p.X
	}
	mixed := false
	for _, p := range ps {
		inside := p.X != t.Below && p.X != t.Above
		mixed = mixed || p.K > 0 && p.K < p.N
		if inside { // between them there may be nothing
			beyond := func(edge float64, sign float64) bool {
				if !t.Rising {
					sign = -sign
				}
				return sign*(p.X-edge) > 0
			}
			if !math.IsNaN(t.Below) && !math.IsNaN(t.Above) && beyond(t.Below, 1) && beyond(t.Above, -1) {
				mixed = true
			}
		}
	}
	t.Separated = !mixed && !math.IsNaN(t.Below) && !math.IsNaN(t.Above)
}

// join makes one point of those with the same value, in order.
func join(points []Point) []Point {
	ps := slices.Clone(points)
	slices.SortStableFunc(ps, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
	var out []Point
	for _, p := range ps {
		if p.N <= 0 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].X == p.X {
			out[n-1].K += p.K
			out[n-1].N += p.N
			continue
		}
		out = append(out, p)
	}
	return out
}
