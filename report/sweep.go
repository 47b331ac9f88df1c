package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"resetrig/soak/stats"
)

// Sweep is what a sweep found: at which value of a parameter the reset is taken.
type Sweep struct {
	Scenario, Parameter string
	Unit                string // of the values: "s", or "" for a bare number
	Threshold           stats.Threshold
	Confidence          float64
	LeftOut             []string // outcomes that say nothing of it, with their count
}

func (s Sweep) value(x float64) string {
	if s.Unit == "s" {
		return time.Duration(math.Round(x*1000) * float64(time.Millisecond)).String()
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", x), "0"), ".")
}

// found is the threshold in words.
func (s Sweep) found() string {
	t := s.Threshold
	switch {
	case t.Separated:
		return fmt.Sprintf("the threshold lies between %s and %s: up to the one no reset was taken, from the other on every one", s.value(t.Below), s.value(t.Above))
	case t.Known && (math.IsInf(t.Low, 0) || math.IsInf(t.High, 0)):
		return fmt.Sprintf("half of the resets are taken at about %s; the cycles are too few for an interval", s.value(t.Value))
	case t.Known:
		return fmt.Sprintf("half of the resets are taken at %s (%.0f %%: %s to %s)", s.value(t.Value), 100*s.Confidence, s.value(t.Low), s.value(t.High))
	}
	k, n := 0, 0
	for _, p := range t.Points {
		k, n = k+p.K, n+p.N
	}
	switch {
	case n == 0:
		return "no cycle told anything: there is no threshold to be seen"
	case k == 0:
		return "no reset was taken at any value: the threshold lies elsewhere, or the reset does not work"
	}
	return "the reset was taken at every value: the threshold lies elsewhere"
}

// SweepText writes the sweep for a terminal.
func SweepText(w io.Writer, s Sweep) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: how probable the reset is, by %s\n\n", printable(s.Scenario), printable(s.Parameter))
	for _, p := range s.Threshold.Points {
		low, high := stats.Interval(p.K, p.N, s.Confidence)
		const wide = 40
		bar := []rune(strings.Repeat("·", wide+1))
		for i := int(math.Round(low * wide)); i <= int(math.Round(high*wide)); i++ {
			bar[i] = '─'
		}
		bar[int(math.Round(float64(p.K)/float64(p.N)*wide))] = '●'
		fmt.Fprintf(&b, "  %8s  %3d of %-3d  %s  %3.0f %%..%3.0f %%\n", s.value(p.X), p.K, p.N, string(bar), 100*low, 100*high)
	}
	fmt.Fprintf(&b, "\n  %s\n", s.found())
	if len(s.LeftOut) > 0 {
		fmt.Fprintf(&b, "  left out: %s\n", strings.Join(s.LeftOut, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable keeps a text on its line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// SweepSVG draws the sweep: each value with its interval, the curve, and the
// threshold.
func SweepSVG(w io.Writer, s Sweep) error {
	const width, height, left, right, top, bottom = 760.0, 420.0, 64.0, 20.0, 48.0, 56.0
	t := s.Threshold
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range t.Points {
		lo, hi = min(lo, p.X), max(hi, p.X)
	}
	if !(lo < hi) {
		lo, hi = lo-1, lo+1
	}
	pad := (hi - lo) * 0.04
	lo, hi = lo-pad, hi+pad
	x := func(v float64) float64 { return left + (v-lo)/(hi-lo)*(width-left-right) }
	y := func(p float64) float64 { return height - bottom - p*(height-top-bottom) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" font-family="sans-serif" font-size="13">`, width, height)
	fmt.Fprintf(&b, `<title>%s</title><rect width="100%%" height="100%%" fill="#fff"/>`, escaped(s.Scenario+": reset probability by "+s.Parameter))
	fmt.Fprintf(&b, `<text x="%g" y="22" font-size="15" font-weight="bold">%s: reset probability by %s</text>`, left, escaped(s.Scenario), escaped(s.Parameter))
	fmt.Fprintf(&b, `<text x="%g" y="40" fill="#444">%s</text>`, left, escaped(s.found()))
	for i := range 5 {
		p := float64(i) / 4
		fmt.Fprintf(&b, `<line x1="%g" x2="%g" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%.0f %%</text>`, left, width-right, y(p), y(p), left-8, y(p)+4, 100*p)
	}
	for _, v := range ticks(lo+pad, hi-pad) {
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#888"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x(v), x(v), y(0), y(0)+5, x(v), y(0)+20, s.value(v))
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`, (left+width-right)/2, height-14, escaped(s.Parameter))
	if t.Known {
		if l, h := max(t.Low, lo), min(t.High, hi); l < h && !t.Separated {
			fmt.Fprintf(&b, `<rect x="%.1f" width="%.1f" y="%.1f" height="%.1f" fill="#0072b2" opacity="0.12"/>`, x(l), x(h)-x(l), y(1), y(0)-y(1))
		}
		var line []string
		for i := range 201 {
			v := lo + (hi-lo)*float64(i)/200
			line = append(line, fmt.Sprintf("%.1f,%.1f", x(v), y(t.Fit.P(v))))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="#0072b2" stroke-width="2"/>`, strings.Join(line, " "))
	}
	if t.Separated {
		fmt.Fprintf(&b, `<rect x="%.1f" width="%.1f" y="%.1f" height="%.1f" fill="#0072b2" opacity="0.12"/>`, x(min(t.Below, t.Above)), math.Abs(x(t.Above)-x(t.Below)), y(1), y(0)-y(1))
	}
	for _, p := range t.Points {
		l, h := stats.Interval(p.K, p.N, s.Confidence)
		at := float64(p.K) / float64(p.N)
		fmt.Fprintf(&b, `<g stroke="#d55e00" stroke-width="1.5"><line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/></g><circle cx="%.1f" cy="%.1f" r="4.5" fill="#d55e00"><title>%s: %d of %d</title></circle>`,
			x(p.X), x(p.X), y(l), y(h), x(p.X), y(at), s.value(p.X), p.K, p.N)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// ticks are round values between two bounds, at most about ten.
func ticks(lo, hi float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/5)))
	for _, f := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(f*step) <= 10 {
			step *= f
			break
		}
	}
	var out []float64
	for v := math.Ceil(lo/step-1e-9) * step; v <= hi+step*1e-9; v += step {
		out = append(out, v)
	}
	return out
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(printable(s))
}
