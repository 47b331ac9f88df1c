package pcm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// ErrNotWAV is what a file is told that is no WAV file, or one without a
// sample that could be read.
var ErrNotWAV = errors.New("not a usable WAV file")

// Mean selects the mean of all channels.
const Mean = -1

// Rates that the reader takes, in samples a second: what a sound card records.
const (
	MinRate = 8000
	MaxRate = 192000
)

// WAVReader reads a WAV file from front to back, as one channel. It trusts the
// bytes and not the sizes that the header declares: a recorder that was killed,
// or that wrote to a pipe, leaves wrong ones.
type WAVReader struct {
	r        *bufio.Reader
	f        wavFormat
	channel  int
	riffEnd  int64 // where the header says that the file ends; -1: unknown
	pos      int64 // bytes consumed
	left     int64 // bytes of sound until the declared end; -1: until the file's
	frames   int64 // read so far
	missing  int64
	ended    bool
	buf      []byte
	warnings []string
}

// OpenWAV reads the header, and waits for the first sample: a file without one
// is an error that wraps ErrNotWAV. It reads 8, 16, 24 and 32 bit PCM, 32 and
// 64 bit float, any number of channels, 8 to 192 kHz. The channel is Mean until
// UseChannel says otherwise, so that a sound in any one channel is heard.
// Nothing is read ahead beyond a small buffer: r may be a pipe.
func OpenWAV(r io.Reader) (*WAVReader, error) {
	w := &WAVReader{r: bufio.NewReaderSize(r, 1<<15), channel: Mean}
	if err := w.header(); err != nil {
		return nil, err
	}
	if b, err := w.r.Peek(w.f.frameBytes()); err != nil {
		if !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the first sample: %w", err)
		}
		if len(b) == 0 {
			return nil, fmt.Errorf("%w: the header is there, but no sample follows it", ErrNotWAV)
		}
		return nil, fmt.Errorf("%w: it ends within its first sample", ErrNotWAV)
	}
	if w.left >= 0 && w.left < int64(w.f.frameBytes()) && !w.beyondDeclared() {
		return nil, fmt.Errorf("%w: the header declares %d bytes of sound, one sample needs %d", ErrNotWAV, w.left, w.f.frameBytes())
	}
	return w, nil
}

// Rate is the number of samples a second.
func (w *WAVReader) Rate() int { return w.f.rate }

// Channels is the number of channels in the file.
func (w *WAVReader) Channels() int { return w.f.channels }

// Bits is the size of a sample in the file.
func (w *WAVReader) Bits() int { return w.f.bits }

// UseChannel selects a channel, counted from 0, or Mean. It holds for what is
// read from then on.
func (w *WAVReader) UseChannel(ch int) error {
	if ch != Mean && (ch < 0 || ch >= w.f.channels) {
		return fmt.Errorf("channel %d of a file with %d channels: use 0 to %d, or %d for their mean",
			ch, w.f.channels, w.f.channels-1, Mean)
	}
	w.channel = ch
	return nil
}

// Samples is how many samples of the chosen channel were read so far.
func (w *WAVReader) Samples() int64 { return w.frames }

// Missing is how many samples the header declared that the file did not hold,
// known once the end was reached.
func (w *WAVReader) Missing() int64 { return w.missing }

// Warnings is what was wrong with the file and did not stop the reading, one
// sentence each. The list is complete once the end was reached.
func (w *WAVReader) Warnings() []string { return w.warnings }

func (w *WAVReader) warn(format string, a ...any) {
	w.warnings = append(w.warnings, fmt.Sprintf(format, a...))
}

// ReadBlock fills dst with samples in units of full scale and returns how many
// there were. At the end it returns 0 and io.EOF. A sample that is no number is
// an error with its position; the samples before it come with it.
func (w *WAVReader) ReadBlock(dst []float32) (int, error) {
	n := 0
	for n < len(dst) {
		m, err := w.some(dst[n:])
		n += m
		if err != nil {
			if n > 0 && err == io.EOF {
				return n, nil
			}
			return n, err
		}
	}
	return n, nil
}

// some reads at most one buffer of frames.
func (w *WAVReader) some(dst []float32) (int, error) {
	if w.ended {
		return 0, io.EOF
	}
	fb := w.f.frameBytes()
	if w.left >= 0 && w.left < int64(fb) {
		if !w.beyondDeclared() {
			w.ended = true
			return 0, io.EOF
		}
	}
	want := min(len(dst), max(1, (1<<14)/fb))
	if w.left >= 0 {
		want = int(min(int64(want), w.left/int64(fb)))
	}
	if cap(w.buf) < want*fb {
		w.buf = make([]byte, want*fb)
	}
	got, err := io.ReadFull(w.r, w.buf[:want*fb])
	w.pos += int64(got)
	if w.left >= 0 {
		w.left -= int64(got)
	}
	n := got / fb
	for i := range n {
		v, bad := w.f.frame(w.buf[i*fb:(i+1)*fb], w.channel)
		if bad != "" {
			w.ended = true
			return i, fmt.Errorf("sample %d (%.3f s) is %s: the file is damaged, or its format is not what its header says",
				w.frames, float64(w.frames)/float64(w.f.rate), bad)
		}
		dst[i] = v
		w.frames++
	}
	if err != nil {
		w.ended = true
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return n, fmt.Errorf("read samples after %.3f s: %w", float64(w.frames)/float64(w.f.rate), err)
		}
		w.atEOF(got % fb)
		if n == 0 {
			return 0, io.EOF
		}
	}
	return n, nil
}

// atEOF notes what the header had promised.
func (w *WAVReader) atEOF(rest int) {
	if rest > 0 {
		w.warn("the file ends within a sample: its last %d bytes are left out", rest)
	}
	if w.left <= 0 {
		return
	}
	w.missing = (w.left + int64(rest)) / int64(w.f.frameBytes())
	if w.missing > 0 {
		w.warn("the file is truncated: its header declares %d samples (%.3f s), it holds %d; %.3f s are missing",
			w.frames+w.missing, float64(w.frames+w.missing)/float64(w.f.rate), w.frames,
			float64(w.missing)/float64(w.f.rate))
	}
}

// beyondDeclared decides what the bytes after the declared end are: the rest of
// the file's chunks, or sound that the header does not know of yet because its
// writer was killed.
func (w *WAVReader) beyondDeclared() bool {
	rest := int(w.left)
	b, _ := w.r.Peek(rest + 9)
	if len(b) < rest+2 { // nothing, or a byte of padding
		if rest > 0 {
			w.warn("the declared length ends within a sample: its last %d bytes are left out", rest)
		}
		return false
	}
	b = b[rest:]
	inside := w.riffEnd > w.pos+int64(rest)+8
	if isChunk(b, inside) || len(b) > 8 && b[0] == 0 && isChunk(b[1:], inside) {
		return false
	}
	w.warn("the header declares %d samples, and more follow: they are read to the end of the file", w.frames)
	w.left = -1
	return true
}

// frameBytes is the length of one sample of every channel.
func (f wavFormat) frameBytes() int { return f.channels * f.bytes }

// frame is one frame as one value; bad says what is wrong with it.
func (f wavFormat) frame(b []byte, channel int) (v float32, bad string) {
	if channel != Mean {
		return f.sample(b[channel*f.bytes:])
	}
	if f.channels == 1 {
		return f.sample(b)
	}
	var sum float64
	for ch := range f.channels {
		v, bad := f.sample(b[ch*f.bytes:])
		if bad != "" {
			return 0, fmt.Sprintf("%s in channel %d", bad, ch)
		}
		sum += float64(v)
	}
	return float32(sum / float64(f.channels)), ""
}

// sample is one sample in units of full scale. Samples of fewer bits than their
// container are left-justified in it, as the format's description demands.
func (f wavFormat) sample(b []byte) (float32, string) {
	if f.float {
		var v float64
		if f.bytes == 8 {
			v = math.Float64frombits(binary.LittleEndian.Uint64(b))
		} else {
			v = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
		if math.IsNaN(v) {
			return 0, "not a number (NaN)"
		}
		if math.Abs(v) > maxFloat {
			return 0, fmt.Sprintf("%.3g of full scale", v)
		}
		return float32(v), ""
	}
	switch f.bytes {
	case 1:
		return (float32(b[0]) - 128) / 128, "" // 8 bit is the one unsigned format
	case 2:
		return float32(int16(binary.LittleEndian.Uint16(b))) / (1 << 15), ""
	case 3:
		return float32(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)>>8) / (1 << 23), ""
	default:
		return float32(float64(int32(binary.LittleEndian.Uint32(b))) / (1 << 31)), ""
	}
}

// maxFloat is the largest float sample that is taken for sound: recorders go a
// little above full scale, damaged files by tens of powers of ten.
const maxFloat = 1e6

// beginsWith names what a file is that is no WAV file.
func beginsWith(b []byte) string {
	if len(b) == 0 {
		return "the file is empty"
	}
	for _, k := range []struct{ magic, name string }{
		{"ID3", "an MP3 file"}, {"\xff\xfb", "an MP3 file"}, {"fLaC", "a FLAC file"}, {"OggS", "an Ogg file"},
		{"FORM", "an AIFF file"}, {"RIFX", "a big-endian WAV file"}, {".snd", "an AU file"},
		{"\x1f\x8b", "a gzip file"}, {"PK\x03\x04", "a zip file"}, {"\x1aE\xdf\xa3", "a Matroska or WebM file"},
		{"RIFF", "a RIFF file of another kind"},
	} {
		if strings.HasPrefix(string(b), k.magic) {
			return fmt.Sprintf("it begins with %q: %s", b, k.name)
		}
	}
	if len(b) > 8 && string(b[4:8]) == "ftyp" {
		return fmt.Sprintf("it begins with %q: an MP4 or M4A file", b)
	}
	return fmt.Sprintf("it begins with %q, not with RIFF and WAVE", b)
}
