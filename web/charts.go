package web

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// drawing collects an SVG. Colours and fonts are classes of the page's style;
// every text in it is escaped here.
type drawing struct{ strings.Builder }

func newDrawing(class string, w, h float64, label string) *drawing {
	d := &drawing{}
	fmt.Fprintf(d, `<svg class="%s" viewBox="0 0 %s %s" role="img" aria-label="%s">`, class, px(w), px(h), escape(label))
	return d
}

func (d *drawing) done() template.HTML {
	d.WriteString("</svg>")
	return template.HTML(d.String()) //nolint:gosec // every text in it was escaped
}

// escape makes a text from outside harmless in HTML.
func escape(s string) string { return template.HTMLEscapeString(clean(s, textMost)) }

func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, px(x1), px(y1), px(x2), px(y2))
}

func (d *drawing) rect(class string, x, y, w, h float64, title string) {
	fmt.Fprintf(d, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`, class, px(x), px(y), px(w), px(h), escape(title))
}

func (d *drawing) text(class string, x, y float64, anchor, s string) {
	fmt.Fprintf(d, `<text class="%s" x="%s" y="%s" text-anchor="%s">%s</text>`, class, px(x), px(y), anchor, escape(s))
}

func (d *drawing) path(class, path, title string) {
	fmt.Fprintf(d, `<path class="%s" d="%s"><title>%s</title></path>`, class, path, escape(title))
}

// scale maps values to pixels.
type scale struct{ from, to, a, b float64 }

func (s scale) at(v float64) float64 {
	if s.to == s.from {
		return (s.a + s.b) / 2
	}
	return s.a + (v-s.from)/(s.to-s.from)*(s.b-s.a)
}

// ticks are round values within the scale, at most about n, and how many digits
// they need behind the point.
func (s scale) ticks(n int) (ts []float64, digits int) {
	span := s.to - s.from
	if !(span > 0) {
		return []float64{s.from}, 0
	}
	step := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, m := range []float64{1, 2, 5, 10} {
		if span/(step*m) <= float64(n) {
			step *= m
			break
		}
	}
	for v := math.Ceil(s.from/step-1e-9) * step; v <= s.to+step*1e-9; v += step {
		ts = append(ts, math.Round(v/step)*step+0)
	}
	return ts, max(0, -int(math.Floor(math.Log10(step)+1e-9)))
}
