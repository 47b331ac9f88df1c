package main

import (
	"math"
	"math/rand/v2"
	"time"
)

// missedAtBest is the share of onsets that nobody can tell to within a
// millisecond where the rise is either abrupt or a raised cosine of that
// length: that of whoever knows all but the onset and which of the two it is,
// and takes the two milliseconds in which the onset most likely lies.
func missedAtBest(cn0 float64, rise time.Duration, n int) float64 {
	const (
		half   = 1024 // samples to each side of the onset
		places = 160  // before and after it
		within = rate / 1000
	)
	shapes := [2][]float64{nil, make([]float64, int(rise.Seconds()*rate))}
	for i := range shapes[1] {
		shapes[1][i] = 0.5 - 0.5*math.Cos(math.Pi*(float64(i)+0.5)/float64(len(shapes[1])))
	}
	rng := rand.New(rand.NewPCG(7, math.Float64bits(cn0)))
	// A sine of amplitude 1 in noise of that variance.
	variance := 0.5 / math.Pow(10, cn0/10) * rate / 2
	sigma := math.Sqrt(variance)
	var w, x, inside [2 * half]float64
	var odds [2][2*places + 1]float64
	missed := 0
	for t := range n {
		turn, phase := 2*math.Pi*(3000+200*rng.Float64())/rate, 2*math.Pi*rng.Float64()
		truth := shapes[t%2]
		for i := range w {
			w[i] = math.Cos(turn*float64(i) + phase)
			gain := 0.0
			if k := i - half; k >= len(truth) {
				gain = 1
			} else if k >= 0 {
				gain = truth[k]
			}
			x[i] = gain*w[i] + sigma*rng.NormFloat64()
		}
		for i := 2*half - 2; i >= 0; i-- {
			inside[i] = inside[i+1] + x[i]*w[i] - w[i]*w[i]/2
		}
		top := math.Inf(-1)
		for s, shape := range shapes {
			for p := range odds[s] {
				at := half - places + p
				l := inside[at+len(shape)]
				for i, g := range shape {
					l += g*x[at+i]*w[at+i] - g*g*w[at+i]*w[at+i]/2
				}
				odds[s][p] = l / variance
				top = max(top, odds[s][p])
			}
		}
		best, at := -1.0, 0
		for c := within; c <= 2*places-within; c++ {
			sum := 0.0
			for p := c - within; p <= c+within; p++ {
				sum += math.Exp(odds[0][p]-top) + math.Exp(odds[1][p]-top)
			}
			if sum > best {
				best, at = sum, c
			}
		}
		if at < places-within || at > places+within {
			missed++
		}
	}
	return float64(missed) / float64(n)
}

// boundOfOnset is the least standard error, in ms, of an estimate without bias
// of where a raised cosine of so many ms begins, with its length known or not.
func boundOfOnset(cn0, riseMs float64, known bool) float64 {
	// The information about the onset, and about the length, of the derivatives
	// of ½ − ½cos(π(t−t0)/r): 2·C/N0·π²/4r times ∫sin², ∫τsin² and ∫τ²sin².
	unit := 2 * math.Pow(10, cn0/10) * math.Pi * math.Pi / (4 * riseMs / 1000)
	onset, both, length := 0.5, 0.25, 1.0/6-1/(4*math.Pi*math.Pi)
	if known {
		return 1000 / math.Sqrt(unit*onset)
	}
	return 1000 * math.Sqrt(length/(onset*length-both*both)/unit)
}
