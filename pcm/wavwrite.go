package pcm

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// WAVHeaderSize is how many bytes stand before the first sample in a file that
// a WAVWriter wrote.
const WAVHeaderSize = 44

// WAVWriter writes a mono WAV file of 16 bit. Its header is written first and
// patched once a second of sound, so that a killed process leaves a file that
// reads back; OpenWAV finds even what came after the last patch.
type WAVWriter struct {
	w       io.WriteSeeker
	rate    int
	written int64 // bytes of sound
	patched int64 // of them, what the header knows
	clipped int64
	buf     []byte
	err     error
}

// NewWAVWriter writes the header at the beginning of w.
func NewWAVWriter(w io.WriteSeeker, rate int) (*WAVWriter, error) {
	if rate < MinRate || rate > MaxRate {
		return nil, fmt.Errorf("a WAV file of %d samples a second: %d to %d can be written", rate, MinRate, MaxRate)
	}
	ww := &WAVWriter{w: w, rate: rate}
	if _, err := w.Write(ww.header()); err != nil {
		return nil, fmt.Errorf("write the WAV header: %w", err)
	}
	return ww, nil
}

// Samples is how many whole samples were written.
func (w *WAVWriter) Samples() int64 { return w.written / 2 }

// Clipped is how many samples were outside full scale and were limited to it.
func (w *WAVWriter) Clipped() int64 { return w.clipped }

// Write appends samples in units of full scale; what lies outside is limited,
// what is no number becomes silence. After an error nothing more is written,
// and every call returns that error.
func (w *WAVWriter) Write(samples []float32) error {
	if w.err != nil {
		return w.err
	}
	w.buf = w.buf[:0]
	for _, s := range samples {
		v := math.Round(float64(s) * (1 << 15))
		switch {
		case v != v:
			v, w.clipped = 0, w.clipped+1
		case v > math.MaxInt16:
			if v > math.MaxInt16+1 {
				w.clipped++
			}
			v = math.MaxInt16
		case v < math.MinInt16:
			v, w.clipped = math.MinInt16, w.clipped+1
		}
		w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(int16(v)))
	}
	n, err := w.w.Write(w.buf)
	w.written += int64(n)
	if err != nil {
		w.err = fmt.Errorf("write sound after %.1f s: %w", float64(w.written/2)/float64(w.rate), err)
		return w.err
	}
	if w.written-w.patched >= int64(2*w.rate) {
		return w.patch()
	}
	return nil
}

// Close brings the header up to date, also after a failed Write. It does not
// close the file.
func (w *WAVWriter) Close() error {
	failed := w.err
	w.err = nil
	if err := w.patch(); failed == nil {
		failed = err
	}
	w.err = fmt.Errorf("the WAV file is closed")
	return failed
}

func (w *WAVWriter) patch() error {
	err := func() error {
		if _, err := w.w.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if _, err := w.w.Write(w.header()); err != nil {
			return err
		}
		_, err := w.w.Seek(WAVHeaderSize+w.written, io.SeekStart)
		return err
	}()
	if err != nil {
		w.err = fmt.Errorf("bring the WAV header up to date: %w", err)
		return w.err
	}
	w.patched = w.written
	return nil
}

// header is the header for what was written so far. Beyond 4 GB its sizes are
// the endless ones, which OpenWAV and others read to the end of the file.
func (w *WAVWriter) header() []byte {
	n := w.written &^ 1
	riff, data := uint32(math.MaxUint32), uint32(math.MaxUint32)
	if n+36 < math.MaxUint32 {
		riff, data = uint32(n+36), uint32(n)
	}
	b := make([]byte, 0, WAVHeaderSize)
	le := binary.LittleEndian
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, riff)
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16)
	b = le.AppendUint16(b, formatPCM)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint32(b, uint32(w.rate))
	b = le.AppendUint32(b, uint32(2*w.rate))
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 16)
	b = append(b, "data"...)
	return le.AppendUint32(b, data)
}
