package audio

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"slices"
)

// Picture is a spectrogram to be drawn of a recording: the evidence beside a
// cycle's sound.
type Picture struct {
	Profile Profile
	Width   int // pixels of the plot; 0: 1200
	Height  int // of the spectrogram; 0: 400
	// From is what the time axis begins with, in seconds: a clip's place in its
	// cycle.
	From float64
}

const (
	marginLeft, marginRight  = 64, 16
	marginTop, marginBetween = 24, 30
	envelopeHeight           = 110
	marginBottom             = 28
	pictureHz                = 6500.0 // top of the frequency axis
	pictureRange             = 70.0   // dB between the darkest and the brightest
	topBin                   = 416    // pictureHz / SpectrumHz
	pictureColumns           = 8192   // frames kept, however long the recording
)

// Draw writes a PNG of a whole recording: the spectrogram with its axes, the
// beep's band and every beep that the detector finds, and below it the
// envelope of the band against time. A recording of any length becomes one
// picture; each column shows the loudest of its frames.
func (p Picture) Draw(w io.Writer, r SampleReader) error {
	s, err := p.look(r)
	if err != nil {
		return fmt.Errorf("spectrogram: %w", err)
	}
	width, height := p.Width, p.Height
	if width == 0 {
		width = 1200
	}
	if height == 0 {
		height = 400
	}
	c := canvas{
		Paletted: image.NewPaletted(image.Rect(0, 0, marginLeft+width+marginRight, marginTop+height+marginBetween+envelopeHeight+marginBottom), palette()),
		seconds:  s.seconds, from: p.From, w: width, h: height,
	}
	c.fill(c.Rect, white)
	c.spectrogram(s)
	c.frequencyAxis()
	c.timeAxis(marginTop + height)
	c.envelope(s)
	c.timeAxis(marginTop + height + marginBetween + envelopeHeight)
	c.marks(s)
	c.title(s, p.Profile)
	return png.Encode(w, c.Paletted)
}

// DrawFile draws the recording of a WAV file that open gives into a PNG file.
func (p Picture) DrawFile(name string, r SampleReader) error {
	return writeWhole(name, func(f *os.File) error {
		b := bufio.NewWriter(f)
		return errors.Join(p.Draw(b, r), b.Flush())
	})
}

// seen is a recording as the picture needs it.
type seen struct {
	seconds  float64
	per      int         // frames in a column
	columns  [][]float32 // dB, a bin of SpectrumHz each
	levels   []float32   // dB of the band, a column each
	band     [2]float64  // Hz
	events   []Event
	refused  []Refusal
	loudest  float32
	quietest float32
}

// look hears the recording and keeps its spectra; when there are too many, two
// neighbours become one.
func (p Picture) look(r SampleReader) (*seen, error) {
	d, err := NewDetector(r.Rate(), p.Profile)
	if err != nil {
		return nil, err
	}
	lo, hi := p.Profile.FrequencyHz*(1-pitchGate), p.Profile.FrequencyHz*(1+pitchGate)
	if p.Profile.FrequencyHz == 0 {
		lo, hi = 1200, 6000
	}
	s := &seen{per: 1, band: [2]float64{lo, hi}}
	last := map[int]int{}
	emit := func(e Event) {
		if i, known := last[e.ID]; known {
			s.events[i] = e
			return
		}
		last[e.ID] = len(s.events)
		s.events = append(s.events, e)
	}
	buf := make([]float32, max(1, r.Rate()*hop/workRate))
	total, frames := int64(0), 0
	for {
		n, rerr := r.ReadBlock(buf)
		total += int64(n)
		for x := buf[:n]; len(x) > 0; {
			k := min(len(x), len(buf))
			d.Process(x[:k], emit)
			x = x[k:]
		}
		s.refused = append(s.refused, d.Refused()...)
		if n > 0 && d.total >= frameLen {
			s.add(d.Spectrum(), frames)
			frames++
		}
		if errors.Is(rerr, io.EOF) {
			break
		}
		if rerr != nil {
			return nil, rerr
		}
	}
	d.Flush(emit)
	s.seconds = float64(total) / float64(r.Rate())
	if len(s.columns) == 0 {
		return nil, fmt.Errorf("the recording of %.2f s is too short", s.seconds)
	}
	s.measure()
	return s, nil
}

func (s *seen) add(column []float32, frame int) {
	if frame%s.per != 0 {
		old := s.columns[len(s.columns)-1]
		for i, v := range column {
			old[i] = max(old[i], v)
		}
		return
	}
	if len(s.columns) == pictureColumns {
		for i := range pictureColumns / 2 {
			a, b := s.columns[2*i], s.columns[2*i+1]
			for k, v := range b {
				a[k] = max(a[k], v)
			}
			s.columns[i] = a
		}
		s.columns = s.columns[:pictureColumns/2]
		s.per *= 2
		if frame%s.per != 0 {
			s.columns[len(s.columns)-1] = column
			return
		}
	}
	s.columns = append(s.columns, column)
}

// measure finds the envelope of the band and the scale of the colours.
func (s *seen) measure() {
	var all []float32
	for i, c := range s.columns {
		sum := 0.0
		for k := int(s.band[0] / SpectrumHz); k <= int(s.band[1]/SpectrumHz) && k < len(c); k++ {
			sum += math.Pow(10, float64(c[k])/10)
		}
		s.levels = append(s.levels, float32(10*math.Log10(max(sum/1.5, 1e-16))))
		if i%max(1, len(s.columns)/64) == 0 {
			all = append(all, c[16:topBin]...)
		}
	}
	s.quietest = medianOf(all) - 6
	s.loudest = s.quietest + pictureRange
}

// canvas is the picture while it is drawn.
type canvas struct {
	*image.Paletted
	seconds, from float64
	w, h          int
}

// The colours: a scale of shades, then the ones for lines and letters.
const (
	shades = 240
	white  = uint8(shades + iota - 1)
	black
	grey
	red
	green
	blue
)

func palette() color.Palette {
	p := make(color.Palette, 0, 256)
	for i := range shades {
		// From black over blue and orange to white, steadily brighter.
		t := float64(i) / (shades - 1)
		at := func(a, b float64) uint8 { return uint8(255 * min(max((t-a)/(b-a), 0), 1)) }
		p = append(p, color.RGBA{at(0.25, 0.7), at(0.45, 0.95), uint8(float64(at(0, 0.35))*(1-min(max((t-0.4)/0.3, 0), 1))*0.7 + float64(at(0.8, 1))), 255})
	}
	return append(p, color.RGBA{255, 255, 255, 255}, color.RGBA{0, 0, 0, 255}, color.RGBA{150, 150, 150, 255},
		color.RGBA{220, 30, 30, 255}, color.RGBA{60, 230, 90, 255}, color.RGBA{30, 70, 200, 255})
}

func (c canvas) fill(r image.Rectangle, v uint8) {
	r = r.Intersect(c.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c.SetColorIndex(x, y, v)
		}
	}
}

func (c canvas) x(seconds float64) int { return marginLeft + int(seconds/c.seconds*float64(c.w)) }
func (c canvas) y(hz float64) int      { return marginTop + c.h - 1 - int(hz/pictureHz*float64(c.h)) }

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
			shade := (v - s.quietest) / (s.loudest - s.quietest) * (shades - 1)
			c.SetColorIndex(marginLeft+x, marginTop+y, uint8(min(max(shade, 0), shades-1)))
		}
	}
}

func (c canvas) frequencyAxis() {
	for k := 0; float64(k)*1000 < pictureHz; k++ {
		y := c.y(float64(k) * 1000)
		c.fill(image.Rect(marginLeft-5, y, marginLeft, y+1), black)
		c.text(8, y-4, fmt.Sprintf("%d kHz", k), black)
	}
}

// timeAxis has a tick at every round number of seconds.
func (c canvas) timeAxis(y int) {
	step := 0.1
	for _, s := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600} {
		if step = s; c.seconds/s <= 16 {
			break
		}
	}
	for k := math.Ceil(c.from / step); k*step <= c.from+c.seconds; k++ {
		x := c.x(k*step - c.from)
		c.fill(image.Rect(x, y, x+1, y+5), black)
		label := fmt.Sprintf("%.0f s", k*step)
		if step < 1 {
			label = fmt.Sprintf("%.1f s", k*step)
		}
		c.text(x-3*len(label), y+8, label, black)
	}
}

// envelope draws the level of the band, over a scale of its own.
func (c canvas) envelope(s *seen) {
	top := marginTop + c.h + marginBetween
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range s.levels {
		lo, hi = min(lo, v), max(hi, v)
	}
	lo, hi = max(float32(math.Floor(float64(lo)/10)*10), -140), float32(math.Ceil(float64(hi)/10)*10)
	if hi <= lo {
		hi = lo + 10
	}
	at := func(v float32) int {
		return top + envelopeHeight - 1 - int((max(v, lo)-lo)/(hi-lo)*float32(envelopeHeight-1))
	}
	step := float32(10)
	if hi-lo > 60 {
		step = 20
	}
	for v := lo; v <= hi; v += step {
		c.fill(image.Rect(marginLeft, at(v), marginLeft+c.w, at(v)+1), grey)
		c.text(2, at(v)-4, fmt.Sprintf("%4.0f dBFS", v), black)
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
}

// marks frames the band and the beeps: long ones in green, short ones in white,
// refused ones in grey.
func (c canvas) marks(s *seen) {
	for i, hz := range s.band {
		for x := marginLeft; x < marginLeft+c.w; x += 8 {
			c.fill(image.Rect(x, c.y(hz)-i, x+4, c.y(hz)+1-i), red)
		}
	}
	box := func(from, to, hz float64, v uint8) image.Rectangle {
		r := image.Rect(c.x(from), c.y(hz+90), c.x(to)+1, c.y(hz-90)+1)
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
			c.text(r.Min.X, r.Min.Y-11, fmt.Sprintf("%.3f s", e.End-e.Onset), v)
		}
	}
}

func (c canvas) title(s *seen, p Profile) {
	long := 0
	for _, e := range s.events {
		if e.Long {
			long++
		}
	}
	text := fmt.Sprintf("%d beeps, %d long, %d refused", len(s.events), long, len(s.refused))
	if p.FrequencyHz != 0 {
		text += fmt.Sprintf("; band %.0f-%.0f Hz", s.band[0], s.band[1])
	}
	c.text(marginLeft, 8, text, black)
	c.text(marginLeft+4, marginTop+c.h+marginBetween-12, "level of the band", black)
}
