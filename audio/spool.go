package audio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"resetrig/pcm"
)

// Spool writes the sound of a whole cycle to a WAV file as it comes. What was
// lost is silence in it, so that a place in the file is a moment of the cycle.
// A full disk ends the file and not the listening. It belongs to one goroutine.
type Spool struct {
	path  string
	f     *os.File
	w     *pcm.WAVWriter
	rate  int
	first int64 // number of the first sample
	begun bool
	marks []mark
	err   error // why nothing more is written
}

// mark ties a place in the file to a moment; the device's clock drifts, so
// there is one every few seconds.
type mark struct {
	pos int64
	at  time.Time
}

const (
	markEvery = 10 * time.Second
	// longestGap is how much lost sound is written as silence: what is more is
	// a defect of a clock, and would fill the disk.
	longestGap = 10 * time.Minute
)

// CreateSpool begins the file path, which must not exist: evidence is never
// overwritten.
func CreateSpool(path string, rate int) (*Spool, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("spool the sound: %w", err)
	}
	w, err := pcm.NewWAVWriter(f, rate)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("spool the sound to %s: %w", path, err), f.Close(), os.Remove(path))
	}
	return &Spool{path: path, f: f, w: w, rate: rate}, nil
}

// Path is the file.
func (s *Spool) Path() string { return s.path }

// Err is why the file is incomplete, or nil.
func (s *Spool) Err() error { return s.err }

// Write appends a block. The first error is returned once; from then on the
// file stays as it is, Write does nothing, and Err remembers.
func (s *Spool) Write(b pcm.Block) error {
	if s.err != nil {
		return nil
	}
	if err := s.write(b); err != nil {
		s.err = fmt.Errorf("spool the sound to %s: %w; listening goes on, the recording ends here", s.path, err)
		return s.err
	}
	return nil
}

func (s *Spool) write(b pcm.Block) error {
	if b.Rate != s.rate {
		return fmt.Errorf("a block of %d samples a second in a file of %d", b.Rate, s.rate)
	}
	if !s.begun {
		s.begun, s.first = true, b.Start
	}
	gap := b.Start - s.first - s.w.Samples()
	switch {
	case gap < 0: // capture began anew: its numbers start again
		s.first = b.Start - s.w.Samples()
	case gap > int64(longestGap.Seconds())*int64(s.rate):
		return fmt.Errorf("%d samples are missing before %d", gap, b.Start)
	case gap > 0:
		if err := s.silence(gap); err != nil {
			return err
		}
	}
	pos := s.w.Samples()
	if k := len(s.marks); k == 0 || gap != 0 || b.Time.Sub(s.marks[k-1].at) >= markEvery {
		s.marks = append(s.marks, mark{pos, b.Time})
	}
	return s.w.Write(b.Samples)
}

func (s *Spool) silence(n int64) error {
	quiet := make([]float32, min(n, 1<<14))
	for n > 0 {
		k := min(n, int64(len(quiet)))
		if err := s.w.Write(quiet[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// Close ends the file; keep says whether it stays. What stays is on the disk
// when Close returns. An error that Write or Err told is not told again.
func (s *Spool) Close(keep bool) error {
	if s.f == nil {
		return nil
	}
	f := s.f
	s.f = nil
	if !keep {
		return wrapSpool(s.path, errors.Join(f.Close(), os.Remove(s.path)))
	}
	err := s.w.Close()
	if s.err != nil {
		err = nil // the header is as good as it can be, and the loss was told
	}
	return wrapSpool(s.path, errors.Join(err, f.Sync(), f.Close()))
}

func wrapSpool(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("close the spool %s: %w", path, err)
}

// place is the sample of the file that was captured at the moment at.
func (s *Spool) place(at time.Time) int64 {
	m := s.marks[0]
	for _, k := range s.marks[1:] {
		if k.at.After(at) {
			break
		}
		m = k
	}
	p := m.pos + int64(at.Sub(m.at).Seconds()*float64(s.rate)+0.5)
	return max(0, min(p, s.w.Samples()))
}

// Clip copies what was captured between two moments into a WAV file of its own:
// whole and on the disk when it returns nil, or absent. It must be called
// before Close. What lies outside the spool is left out; nothing inside it is
// an error.
func (s *Spool) Clip(to string, from, until time.Time) error {
	if s.f == nil {
		return fmt.Errorf("clip %s: the spool is closed", to)
	}
	if !s.begun {
		return fmt.Errorf("clip %s: the spool holds no sound", to)
	}
	a, b := s.place(from), s.place(until)
	if a >= b {
		return fmt.Errorf("clip %s: the spool holds nothing between %s and %s", to,
			from.Format("15:04:05.000"), until.Format("15:04:05.000"))
	}
	if err := writeWhole(to, func(f *os.File) error { return s.copyTo(f, a, b) }); err != nil {
		return fmt.Errorf("clip %s: %w", to, err)
	}
	return nil
}

// copyTo writes the samples a to b of the spool as a WAV file.
func (s *Spool) copyTo(f *os.File, a, b int64) error {
	w, err := pcm.NewWAVWriter(f, s.rate)
	if err != nil {
		return err
	}
	raw := io.NewSectionReader(s.f, pcm.WAVHeaderSize+2*a, 2*(b-a))
	buf := make([]byte, 1<<15)
	samples := make([]float32, len(buf)/2)
	for {
		n, err := io.ReadFull(raw, buf)
		for i := range n / 2 {
			// Through float and back a 16 bit sample stays what it is.
			samples[i] = float32(int16(uint16(buf[2*i])|uint16(buf[2*i+1])<<8)) / (1 << 15)
		}
		if werr := w.Write(samples[:n/2]); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return w.Close()
		}
		if err != nil {
			return err
		}
	}
}

// writeWhole writes a file that is whole on the disk, or is not there.
func writeWhole(path string, write func(*os.File) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".clip-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
