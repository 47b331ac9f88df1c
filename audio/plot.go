package audio

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"
)

// Where things lie in a picture, in pixels.
const (
	marginLeft     = 96
	marginRight    = 140 // with the scale of colours
	marginTop      = 56
	marginBetween  = 64
	envelopeHeight = 150
	marginBottom   = 72
	pictureHz      = 6500.0 // top of the frequency axis
	tick           = 6
	frame          = 2
)

// canvas is the picture while it is drawn.
type canvas struct {
	*image.Paletted
	seconds, from float64
	w, h          int
}

func (p Picture) plot(w io.Writer, s *seen) error {
	width, height := p.Width, p.Height
	if width == 0 {
		width = 1200
	}
	if height == 0 {
		height = 420
	}
	c := canvas{
		Paletted: image.NewPaletted(image.Rect(0, 0, marginLeft+width+marginRight, marginTop+height+marginBetween+envelopeHeight+marginBottom), palette()),
		seconds:  s.seconds, from: p.From, w: width, h: height,
	}
	c.fill(c.Rect, white)
	c.spectrogram(s)
	c.frequencyAxis()
	c.timeAxis(marginTop + height)
	c.marks(s)
	c.border(marginTop, height)
	c.scale(s)
	c.envelope(s, p.Profile)
	c.timeAxis(marginTop + height + marginBetween + envelopeHeight)
	c.words(s, p)
	return png.Encode(w, c.Paletted)
}

// The colours: a scale of shades, then the ones for lines and letters.
const (
	shades = 240
	white  = uint8(shades + iota - 1)
	black
	grey
	cyan
	green
	blue
	pale
)

// inferno is a scale that grows steadily brighter, also in black and white (Smith
// and van der Walt, 2015).
var inferno = [...][3]float64{
	{0, 0, 4}, {27, 12, 65}, {74, 12, 107}, {120, 28, 109}, {165, 44, 96}, {207, 68, 70}, {237, 105, 37}, {251, 155, 6}, {247, 209, 61}, {252, 255, 164},
}

func palette() color.Palette {
	p := make(color.Palette, 0, 256)
	for i := range shades {
		at := float64(i) / (shades - 1) * float64(len(inferno)-1)
		k := min(int(at), len(inferno)-2)
		var rgb [3]uint8
		for j := range rgb {
			rgb[j] = uint8(inferno[k][j] + (at-float64(k))*(inferno[k+1][j]-inferno[k][j]))
		}
		p = append(p, color.RGBA{rgb[0], rgb[1], rgb[2], 255})
	}
	return append(p, color.RGBA{255, 255, 255, 255}, color.RGBA{0, 0, 0, 255}, color.RGBA{140, 140, 140, 255},
		color.RGBA{0, 200, 255, 255}, color.RGBA{60, 230, 90, 255}, color.RGBA{30, 70, 200, 255}, color.RGBA{222, 226, 232, 255})
}

func (c canvas) fill(r image.Rectangle, v uint8) {
	r = r.Intersect(c.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c.SetColorIndex(x, y, v)
		}
	}
}

func (c canvas) block(x, y, w, h int, v uint8) { c.fill(image.Rect(x, y, x+w, y+h), v) }

func (c canvas) x(seconds float64) int { return marginLeft + int(seconds/c.seconds*float64(c.w)) }
func (c canvas) y(hz float64) int      { return marginTop + c.h - 1 - int(hz/pictureHz*float64(c.h)) }

// border frames a plot.
func (c canvas) border(top, height int) {
	l, r := marginLeft, marginLeft+c.w
	c.fill(image.Rect(l-frame, top-frame, r+frame, top), black)
	c.fill(image.Rect(l-frame, top+height, r+frame, top+height+frame), black)
	c.fill(image.Rect(l-frame, top-frame, l, top+height+frame), black)
	c.fill(image.Rect(r, top-frame, r+frame, top+height+frame), black)
}

func (s *seen) shade(v float32) uint8 {
	return uint8(min(max((v-s.quietest)/(s.loudest-s.quietest), 0), 1) * (shades - 1))
}

func (c canvas) spectrogram(s *seen) {
	for x := range c.w {
		lo := x * len(s.columns) / c.w
		hi := max(lo+1, (x+1)*len(s.columns)/c.w)
		for y := range c.h {
			bin := int(float64(c.h-1-y) / float64(c.h) * pictureHz / SpectrumHz)
			v := float32(-300)
			for _, col := range s.columns[lo:hi] {
				v = max(v, col[bin])
			}
			c.SetColorIndex(marginLeft+x, marginTop+y, s.shade(v))
		}
	}
}

func (c canvas) frequencyAxis() {
	for k := 0; float64(k)*1000 < pictureHz; k++ {
		y := c.y(float64(k) * 1000)
		c.block(marginLeft-frame-tick, y-1, tick, 2, black)
		label := fmt.Sprint(k)
		c.text(marginLeft-frame-tick-6-widthOf(label), y-letterUp/2, label, black)
	}
	const label = "frequency, kHz"
	c.upText(14, marginTop+c.h/2+widthOf(label)/2, label, black)
}

// timeAxis has a tick at every round number of seconds.
func (c canvas) timeAxis(y int) {
	step := 0.1
	for _, s := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600} {
		if step = s; c.seconds/s <= 16 {
			break
		}
	}
	for k := math.Ceil(c.from/step - 1e-9); k*step <= c.from+c.seconds+1e-9; k++ {
		x := c.x(k*step - c.from)
		c.block(x-1, y+frame, 2, tick, black)
		label := fmt.Sprintf("%.0f", k*step)
		if step < 1 {
			label = fmt.Sprintf("%.1f", k*step)
		}
		c.text(x-widthOf(label)/2, y+frame+tick+4, label, black)
	}
}

// scale is the bar of colours beside the spectrogram.
func (c canvas) scale(s *seen) {
	const width = 20
	left := marginLeft + c.w + 22
	for y := range c.h {
		v := s.loudest - (s.loudest-s.quietest)*float32(y)/float32(c.h-1)
		c.block(left, marginTop+y, width, 1, s.shade(v))
	}
	for v := s.quietest; v <= s.loudest+0.5; v += 10 {
		y := marginTop + int((s.loudest-v)/(s.loudest-s.quietest)*float32(c.h-1))
		c.block(left+width, y-1, tick, 2, black)
		c.text(left+width+tick+4, y-letterUp/2, fmt.Sprintf("%.0f", v), black)
	}
	c.text(left-4, marginTop-letterUp-14, "dBFS", black)
}

// envelope draws the level of the band, over a scale of its own, and what the
// calibration says of the beep's.
func (c canvas) envelope(s *seen, p Profile) {
	top := marginTop + c.h + marginBetween
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range s.levels {
		lo, hi = min(lo, v), max(hi, v)
	}
	if p.LevelDBFS != 0 {
		hi = max(hi, float32(p.LevelDBFS))
	}
	lo, hi = max(float32(math.Floor(float64(lo)/10)*10), -140), float32(math.Ceil(float64(hi)/10)*10)
	if hi <= lo {
		hi = lo + 10
	}
	at := func(v float32) int {
		return top + envelopeHeight - 1 - int((min(max(v, lo), hi)-lo)/(hi-lo)*float32(envelopeHeight-1))
	}
	// The time of each long beep, and the levels that one may have.
	for _, e := range s.events {
		if e.Long {
			c.fill(image.Rect(c.x(e.Onset), top, c.x(e.End)+1, top+envelopeHeight), pale)
		}
	}
	step := float32(10)
	if hi-lo > 50 {
		step = 20
	}
	for v := lo; v <= hi; v += step {
		for x := marginLeft; x < marginLeft+c.w; x += 6 {
			c.block(x, at(v), 2, 1, grey)
		}
		c.block(marginLeft-frame-tick, at(v)-1, tick, 2, black)
		label := fmt.Sprintf("%.0f", v)
		c.text(marginLeft-frame-tick-6-widthOf(label), at(v)-letterUp/2, label, black)
	}
	if p.LevelDBFS != 0 {
		for x := marginLeft; x < marginLeft+c.w; x += 12 {
			c.block(x, at(float32(p.LevelDBFS)), 6, 2, cyan)
			c.block(x, at(float32(p.LevelDBFS-levelBelow)), 2, 2, cyan)
		}
		c.text(marginLeft+c.w+8, at(float32(p.LevelDBFS))-letterUp/2, "as learned", black)
	}
	before := -1
	for x := range c.w {
		i := x * len(s.levels) / c.w
		y := at(slices.Max(s.levels[i:max(i+1, (x+1)*len(s.levels)/c.w)]))
		if before < 0 {
			before = y
		}
		c.fill(image.Rect(marginLeft+x, min(y, before), marginLeft+x+1, max(y, before)+2), blue)
		before = y
	}
	c.border(top, envelopeHeight)
	const label = "band, dBFS"
	c.upText(14, top+envelopeHeight/2+widthOf(label)/2, label, black)
}

// marks frames the band and the beeps: long ones in green, short ones in white,
// refused ones in grey.
func (c canvas) marks(s *seen) {
	for _, hz := range s.band {
		for x := marginLeft; x < marginLeft+c.w; x += 14 {
			c.block(x, c.y(hz), 7, 2, cyan)
		}
	}
	box := func(from, to, hz float64, v uint8) image.Rectangle {
		r := image.Rect(c.x(from), c.y(hz+110), max(c.x(to), c.x(from)+4)+1, c.y(hz-110)+1)
		c.fill(image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+2), v)
		c.fill(image.Rect(r.Min.X, r.Max.Y-2, r.Max.X, r.Max.Y), v)
		c.fill(image.Rect(r.Min.X, r.Min.Y, r.Min.X+2, r.Max.Y), v)
		c.fill(image.Rect(r.Max.X-2, r.Min.Y, r.Max.X, r.Max.Y), v)
		return r
	}
	for _, r := range s.refused {
		if r.Statistic == 0 && r.End-r.Onset > 0.1 {
			box(r.Onset, r.End, r.FrequencyHz, grey)
		}
	}
	for _, e := range s.events {
		v := white
		if e.Long {
			v = green
		}
		r := box(e.Onset, e.End, e.FrequencyHz, v)
		if e.Long {
			label := fmt.Sprintf("%.3f s", e.End-e.Onset)
			x := min(r.Min.X, marginLeft+c.w-widthOf(label))
			c.block(x-2, r.Min.Y-letterUp-6, widthOf(label)+2, letterUp+4, black)
			c.text(x, r.Min.Y-letterUp-4, label, green)
		}
	}
}

// words are the title, what was found, and what the colours mean.
func (c canvas) words(s *seen, p Picture) {
	title := p.Title
	if title == "" {
		title = "sound"
	}
	c.text(marginLeft, 6, title, black)
	long := 0
	for _, e := range s.events {
		if e.Long {
			long++
		}
	}
	found := fmt.Sprintf("%d beeps, %d long, %d refused; ", len(s.events), long, len(s.refused))
	if p.Profile.FrequencyHz != 0 {
		found += fmt.Sprintf("band of the beep %.0f-%.0f Hz", s.band[0], s.band[1])
	} else {
		found += "nothing known of the beep"
	}
	c.text(marginLeft, 8+letterUp+6, found, black)
	x, y := marginLeft, c.Rect.Max.Y-letterUp-10
	c.text(x, y, fmt.Sprintf("time, s (%.1f s in all)", s.seconds), black)
	x += widthOf("time, s (000.0 s in all)") + 60
	for _, l := range []struct {
		v    uint8
		text string
	}{{green, "long beep"}, {white, "short"}, {grey, "refused"}, {cyan, "band, level learned"}} {
		c.block(x, y, letterUp*2, letterUp, black)
		c.block(x+2, y+2, letterUp*2-4, letterUp-4, l.v)
		c.text(x+letterUp*2+8, y, l.text, black)
		x += letterUp*2 + 8 + widthOf(l.text) + 32
	}
}
