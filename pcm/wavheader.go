package pcm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// wavFormat is what the "fmt " chunk says.
type wavFormat struct {
	channels int
	rate     int
	bits     int // of a sample
	bytes    int // of its container
	float    bool
}

// Format codes of the "fmt " chunk (mmreg.h).
const (
	formatPCM        = 1
	formatFloat      = 3
	formatExtensible = 0xFFFE
)

// guidTail is what follows the format code in the GUID of an extensible format
// (KSDATAFORMAT_SUBTYPE_PCM and its relatives).
var guidTail = []byte{0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71}

const (
	maxChunks = 1 << 12   // before the sound; a file with more is no recording
	maxFormat = 1 << 16   // bytes of a "fmt " chunk
	maxEarly  = 256 << 20 // bytes of sound that stand before their "fmt " chunk
)

// endless reports whether a declared size is one of those that recorders write
// that do not know how long they will record: 0xFFFFFFFF (ffmpeg), 0x7FFFFFFF,
// 0x7FFFF000 (sox), 0x80000000 (arecord), and these less a header's length.
func endless(size int64) bool {
	const near = 1 << 16
	return size >= 1<<32-near || size >= 1<<31-near && size <= 1<<31
}

// header reads up to the first sample.
func (w *WAVReader) header() error {
	var h [12]byte
	n, err := io.ReadFull(w.r, h[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read the WAV header: %w", err)
	}
	id := string(h[:4])
	if n < 12 || id != "RIFF" && id != "RF64" && id != "BW64" || string(h[8:]) != "WAVE" {
		return fmt.Errorf("%w: %s", ErrNotWAV, beginsWith(h[:n]))
	}
	w.pos = 12
	w.riffEnd = -1
	if size := binary.LittleEndian.Uint32(h[4:]); size > 0 && !endless(int64(size)) {
		w.riffEnd = int64(size) + 8
	}
	var size64 int64 = -1
	var early []byte
	formatSeen := false
	for range maxChunks {
		var c [8]byte
		if n, err := io.ReadFull(w.r, c[:]); err != nil {
			if early != nil {
				return fmt.Errorf("%w: it has sound, but no \"fmt \" chunk that says of what kind", ErrNotWAV)
			}
			return w.cut(err, fmt.Sprintf("after %d bytes, before any sound", w.pos+int64(n)))
		}
		w.pos += 8
		id, size := string(c[:4]), int64(binary.LittleEndian.Uint32(c[4:]))
		switch {
		case id == "fmt ":
			if err := w.readFormat(size); err != nil {
				return err
			}
			formatSeen = true
			if early != nil {
				return w.useEarly(early)
			}
		case id == "ds64" && size >= 16:
			b := make([]byte, 16)
			if _, err := io.ReadFull(w.r, b); err != nil {
				return w.cut(err, "within its ds64 chunk")
			}
			w.pos += 16
			if s := binary.LittleEndian.Uint64(b[8:]); s > 0 && s < 1<<62 {
				size64 = int64(s)
			}
			if err := w.skip(size-16+size&1, id); err != nil {
				return err
			}
		case id == "data" && formatSeen:
			if size == 0xFFFFFFFF && size64 >= 0 {
				w.left = size64
				return nil
			}
			return w.beginData(size)
		case id == "data":
			if early, err = w.readEarly(size); err != nil {
				return err
			}
		default:
			if err := w.skip(size+size&1, id); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%w: %d chunks, and no sound among them", ErrNotWAV, maxChunks)
}

// cut is the error of a file that ends too early.
func (w *WAVReader) cut(err error, where string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends %s", ErrNotWAV, where)
	}
	return fmt.Errorf("read the WAV header: %w", err)
}

// skip passes over n bytes of the chunk id.
func (w *WAVReader) skip(n int64, id string) error {
	m, err := io.CopyN(io.Discard, w.r, n)
	w.pos += m
	if err != nil {
		return w.cut(err, fmt.Sprintf("within the chunk %q, which declares %d bytes, before any sound", id, n))
	}
	return nil
}

// readFormat reads the "fmt " chunk and checks it.
func (w *WAVReader) readFormat(size int64) error {
	if size < 16 || size > maxFormat {
		return fmt.Errorf("%w: a \"fmt \" chunk of %d bytes, where 16, 18 or 40 are usual", ErrNotWAV, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(w.r, b); err != nil {
		return w.cut(err, "within its \"fmt \" chunk")
	}
	w.pos += size
	if size&1 == 1 {
		if err := w.skip(1, "fmt "); err != nil {
			return err
		}
	}
	le := binary.LittleEndian
	code := le.Uint16(b)
	f := wavFormat{channels: int(le.Uint16(b[2:])), rate: int(le.Uint32(b[4:])), bits: int(le.Uint16(b[14:]))}
	align := int(le.Uint16(b[12:]))
	if code == formatExtensible {
		if size < 40 {
			return fmt.Errorf("%w: an extensible format in a \"fmt \" chunk of %d bytes, which needs 40", ErrNotWAV, size)
		}
		code = le.Uint16(b[24:])
		if !bytes.Equal(b[26:40], guidTail) {
			return fmt.Errorf("%w: an extensible format of an unknown kind (GUID %x)", ErrNotWAV, b[24:40])
		}
		if valid := int(le.Uint16(b[18:])); valid > 0 && valid < f.bits {
			f.bits = valid
		}
	}
	f.bytes = (int(le.Uint16(b[14:])) + 7) / 8
	if f.channels == 0 {
		return fmt.Errorf("%w: it has no channels", ErrNotWAV)
	}
	if f.rate < MinRate || f.rate > MaxRate {
		return fmt.Errorf("%w: %d samples a second, where %d to %d can be read", ErrNotWAV, f.rate, MinRate, MaxRate)
	}
	switch {
	case code == formatPCM && f.bytes >= 1 && f.bytes <= 4:
	case code == formatFloat && (f.bits == 32 || f.bits == 64):
		f.float = true
	case code == formatPCM || code == formatFloat:
		return fmt.Errorf("%w: samples of %d bits, where 8, 16, 24, 32 and float of 32 or 64 can be read", ErrNotWAV, f.bits)
	default:
		return fmt.Errorf("%w: format code %#04x%s: convert it to PCM first", ErrNotWAV, code, formatName(code))
	}
	if align != f.frameBytes() {
		// Wider containers than the bits need are legal in old files.
		if per := align / f.channels; !f.float && align%f.channels == 0 && per > f.bytes && per <= 4 {
			f.bytes = per
		} else {
			w.warn("the header says %d bytes a frame, %d channels of %d bits make %d: that is used",
				align, f.channels, f.bits, f.frameBytes())
		}
	}
	w.f = f
	w.r = growReader(w.r, f.frameBytes()+16)
	return nil
}

// growReader makes sure that a whole frame can be looked at.
func growReader(r *bufio.Reader, n int) *bufio.Reader {
	if r.Size() >= n {
		return r
	}
	return bufio.NewReaderSize(r, n)
}

func formatName(code uint16) string {
	switch code {
	case 2, 0x11:
		return " (ADPCM)"
	case 6:
		return " (A-law)"
	case 7:
		return " (µ-law)"
	case 0x55:
		return " (MP3)"
	}
	return ""
}

// beginData stands at the first byte of the sound.
func (w *WAVReader) beginData(size int64) error {
	switch {
	case size == 0:
		if b, _ := w.r.Peek(8); isChunk(b, w.riffEnd > w.pos+8) {
			return fmt.Errorf("%w: it holds no sample", ErrNotWAV)
		}
		w.left = -1
		if b, _ := w.r.Peek(1); len(b) > 0 {
			w.warn("the header declares no samples, and some follow: they are read to the end of the file")
		}
	case endless(size):
		w.left = -1
		w.warn("the header declares an endless length: the file is read to its end")
	default:
		w.left = size
	}
	return nil
}

// readEarly keeps the sound of a file whose "fmt " chunk comes after it.
func (w *WAVReader) readEarly(size int64) ([]byte, error) {
	if size == 0 || size > maxEarly {
		return nil, fmt.Errorf("%w: its sound comes before its \"fmt \" chunk, with a length of %d bytes", ErrNotWAV, size)
	}
	b, err := io.ReadAll(io.LimitReader(w.r, size))
	if err != nil {
		return nil, fmt.Errorf("read sound before its format: %w", err)
	}
	w.pos += int64(len(b))
	if size&1 == 1 {
		if err := w.skip(1, "data"); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// useEarly goes on with sound that was kept.
func (w *WAVReader) useEarly(b []byte) error {
	if len(b) < w.f.frameBytes() {
		return fmt.Errorf("%w: it holds no sample", ErrNotWAV)
	}
	w.warn("the sound stands before its \"fmt \" chunk")
	w.r = bufio.NewReaderSize(bytes.NewReader(b), max(1<<15, w.f.frameBytes()+16))
	w.left = int64(len(b))
	return nil
}

// chunkNames are the chunks that recorders and editors put after the sound.
var chunkNames = []string{
	"LIST", "fact", "cue ", "bext", "id3 ", "ID3 ", "smpl", "inst", "PEAK", "JUNK", "junk", "PAD ",
	"iXML", "axml", "_PMX", "afsp", "DISP", "plst", "labl", "note", "acid", "levl", "cart", "chna",
	"umid", "strc", "minf", "elm1", "regn", "SNDM", "FLLR", "data", "fmt ",
}

// isChunk reports whether b begins with a chunk's header rather than with
// sound. Within the length that the whole file declares any readable name is
// taken for one, beyond it only those that are known.
func isChunk(b []byte, inside bool) bool {
	if len(b) < 8 {
		return false
	}
	if slices.Contains(chunkNames, string(b[:4])) {
		return true
	}
	if !inside {
		return false
	}
	for _, c := range b[:4] {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
