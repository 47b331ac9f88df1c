package audio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// Picture is a spectrogram to be drawn of a recording: the evidence beside a
// cycle's sound.
type Picture struct {
	Profile Profile
	Title   string // ASCII; "" is none
	Width   int    // pixels of the plot; 0: 1200
	Height  int    // of the spectrogram; 0: 420
	// From is what the time axis begins with, in seconds: a clip's place in its
	// cycle.
	From float64
}

const (
	topBin         = 416  // pictureHz / SpectrumHz
	pictureColumns = 8192 // frames kept, however long the recording
)

// Draw writes a PNG of a whole recording: the spectrogram with its axes and
// scale, the beep's band and every beep that the detector finds, and below it the
// envelope of the band against time. A recording of any length becomes one
// picture; each column shows the loudest of its frames.
func (p Picture) Draw(w io.Writer, r SampleReader) error {
	s, err := p.look(r)
	if err != nil {
		return fmt.Errorf("spectrogram: %w", err)
	}
	return p.plot(w, s)
}

// DrawFile draws a recording into a PNG file.
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
	slices.Sort(all)
	s.quietest = float32(math.Floor(float64(all[len(all)/4])/10) * 10)
	s.loudest = float32(math.Ceil(float64(all[len(all)-1])/10) * 10)
	s.loudest = min(max(s.loudest, s.quietest+40), s.quietest+90)
}
