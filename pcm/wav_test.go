package pcm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"resetrig/pcm"
)

// wav builds WAV files, right and wrong ones.
type wav struct {
	id, wave      string
	code          uint16
	channels      int
	rate          int
	bits          int
	align         int    // 0: as it should be
	extensible    bool   // with the code as sub-format
	before, after []byte // chunks around the sound
	dataSize      int64  // -1: as it should be
	riffSize      int64  // -1: as it should be
	data          []byte
}

func newWAV(code uint16, bits, channels int, data []byte) wav {
	return wav{id: "RIFF", wave: "WAVE", code: code, channels: channels, rate: 48000, bits: bits, dataSize: -1, riffSize: -1, data: data}
}

func chunk(id string, b []byte) []byte {
	c := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(b)))
	c = append(c, b...)
	if len(b)%2 == 1 {
		c = append(c, 0)
	}
	return c
}

func (w wav) format() []byte {
	le := binary.LittleEndian
	align := w.align
	if align == 0 {
		align = w.channels * ((w.bits + 7) / 8)
	}
	code := w.code
	if w.extensible {
		code = 0xFFFE
	}
	b := le.AppendUint16(nil, code)
	b = le.AppendUint16(b, uint16(w.channels))
	b = le.AppendUint32(b, uint32(w.rate))
	b = le.AppendUint32(b, uint32(w.rate*align))
	b = le.AppendUint16(b, uint16(align))
	b = le.AppendUint16(b, uint16(w.bits))
	if w.extensible {
		b = le.AppendUint16(b, 22)
		b = le.AppendUint16(b, uint16(w.bits))
		b = le.AppendUint32(b, 0)
		b = le.AppendUint16(b, w.code)
		b = append(b, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71)
	}
	return chunk("fmt ", b)
}

func (w wav) bytes() []byte {
	size := w.dataSize
	if size < 0 {
		size = int64(len(w.data))
	}
	body := append([]byte(w.wave), w.before...)
	body = append(body, w.format()...)
	body = append(body, "data"...)
	body = binary.LittleEndian.AppendUint32(body, uint32(size))
	body = append(body, w.data...)
	body = append(body, w.after...)
	riff := w.riffSize
	if riff < 0 {
		riff = int64(len(body))
	}
	return append(binary.LittleEndian.AppendUint32([]byte(w.id), uint32(riff)), body...)
}

func le16(v ...int16) []byte {
	var b []byte
	for _, s := range v {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

func le32(v ...uint32) []byte {
	var b []byte
	for _, s := range v {
		b = binary.LittleEndian.AppendUint32(b, s)
	}
	return b
}

// readAll reads in blocks of an odd length.
func readAll(w *pcm.WAVReader) ([]float32, error) {
	var all []float32
	buf := make([]float32, 7)
	for {
		n, err := w.ReadBlock(buf)
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

func near(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-6 {
			return false
		}
	}
	return true
}

func TestWAVFormats(t *testing.T) {
	f32 := func(v ...float32) []byte {
		var b []byte
		for _, s := range v {
			b = append(b, le32(math.Float32bits(s))...)
		}
		return b
	}
	f64 := func(v ...float64) []byte {
		var b []byte
		for _, s := range v {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s))
		}
		return b
	}
	twenty := make([]int16, 40)
	for i := range twenty {
		twenty[i] = int16(i%20) << 10
	}
	odd := newWAV(1, 8, 1, []byte{128, 192, 64})
	odd.after = append([]byte{0}, chunk("LIST", []byte("INFOx"))...)
	unpadded := newWAV(1, 8, 1, []byte{128, 192, 64})
	unpadded.after = chunk("LIST", []byte("INFOx"))
	extensible := newWAV(1, 24, 2, []byte{0, 0, 0x40, 0, 0, 0xc0})
	extensible.extensible = true
	extFloat := newWAV(3, 32, 1, f32(0.25))
	extFloat.extensible = true
	junk := newWAV(1, 16, 1, le16(1<<14))
	junk.before = append(chunk("JUNK", make([]byte, 27)), chunk("wxyz", []byte("odd"))...)
	junk.after = chunk("qrst", []byte("unknown chunk after the sound"))
	wide := newWAV(1, 20, 1, []byte{0, 0, 0x40})
	wide.align = 3
	lying := newWAV(1, 16, 2, le16(1<<14, 0))
	lying.align = 7
	for _, c := range []struct {
		name    string
		wav     wav
		channel int
		want    []float32
	}{
		{"8 bit is unsigned", newWAV(1, 8, 1, []byte{0, 128, 192}), 0, []float32{-1, 0, 0.5}},
		{"16 bit", newWAV(1, 16, 1, le16(-32768, 0, 16384)), 0, []float32{-1, 0, 0.5}},
		{"24 bit", newWAV(1, 24, 1, []byte{0, 0, 0x80, 0, 0, 0x40}), 0, []float32{-1, 0.5}},
		{"32 bit", newWAV(1, 32, 1, le32(0x80000000, 0x40000000)), 0, []float32{-1, 0.5}},
		{"float", newWAV(3, 32, 1, f32(-1, 0.5, 1.5)), 0, []float32{-1, 0.5, 1.5}},
		{"double", newWAV(3, 64, 1, f64(-1, 0.5)), 0, []float32{-1, 0.5}},
		{"stereo, left", newWAV(1, 16, 2, le16(16384, 0, -16384, 0)), 0, []float32{0.5, -0.5}},
		{"stereo, right", newWAV(1, 16, 2, le16(0, 16384, 0, -16384)), 1, []float32{0.5, -0.5}},
		{"stereo, mean", newWAV(1, 16, 2, le16(16384, 0, -16384, 0)), pcm.Mean, []float32{0.25, -0.25}},
		{"20 channels", newWAV(1, 16, 20, le16(twenty...)), 16, []float32{0.5, 0.5}},
		{"extensible", extensible, 1, []float32{-0.5}},
		{"extensible float", extFloat, 0, []float32{0.25}},
		{"odd length, padded", odd, 0, []float32{0, 0.5, -0.5}},
		{"odd length, not padded", unpadded, 0, []float32{0, 0.5, -0.5}},
		{"unknown chunks", junk, 0, []float32{0.5}},
		{"20 bit in 3 bytes", wide, 0, []float32{0.5}},
		{"a wrong frame length", lying, 0, []float32{0.5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := pcm.OpenWAV(iotest.OneByteReader(bytes.NewReader(c.wav.bytes())))
			if err != nil {
				t.Fatal(err)
			}
			if r.Rate() != 48000 || r.Channels() != c.wav.channels || r.Bits() != c.wav.bits {
				t.Errorf("got %d Hz, %d channels, %d bits", r.Rate(), r.Channels(), r.Bits())
			}
			if err := r.UseChannel(c.channel); err != nil {
				t.Fatal(err)
			}
			got, err := readAll(r)
			if err != nil || !near(got, c.want) {
				t.Fatalf("got %v, %v; want %v", got, err, c.want)
			}
			if r.Missing() != 0 {
				t.Errorf("%d samples are missing", r.Missing())
			}
		})
	}
}

func TestWAVMeanIsTheDefault(t *testing.T) {
	r, err := pcm.OpenWAV(bytes.NewReader(newWAV(1, 16, 2, le16(0, 16384)).bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(r); err != nil || !near(got, []float32{0.25}) {
		t.Fatalf("got %v, %v; a sound in any one channel must be heard", got, err)
	}
	if err := r.UseChannel(2); err == nil || !strings.Contains(err.Error(), "use 0 to 1") {
		t.Fatalf("got %v", err)
	}
}

// The bytes count, not the sizes that the header declares.
func TestWAVSizes(t *testing.T) {
	sound := le16(100, 200, 300, 400, 500)
	with := func(data, riff int64, after []byte) wav {
		w := newWAV(1, 16, 1, sound)
		w.dataSize, w.riffSize, w.after = data, riff, after
		return w
	}
	list := chunk("LIST", []byte("INFO"))
	for _, c := range []struct {
		name    string
		file    []byte
		samples int
		missing int64
		warning string
	}{
		{"right", with(-1, -1, nil).bytes(), 5, 0, ""},
		{"right, with a chunk after it", with(-1, -1, list).bytes(), 5, 0, ""},
		{"zero", with(0, 0, nil).bytes(), 5, 0, "declares no samples, and some follow"},
		{"ffmpeg to a pipe", with(0xFFFFFFFF, 0xFFFFFFFF, nil).bytes(), 5, 0, "endless"},
		{"0x7FFFFFFF", with(0x7FFFFFFF, 0x7FFFFFFF, nil).bytes(), 5, 0, "endless"},
		{"sox to a pipe", with(0x7FFFF000-36, 0x7FFFF000, nil).bytes(), 5, 0, "endless"},
		{"arecord", with(0x80000000, 0x80000024, nil).bytes(), 5, 0, "endless"},
		{"truncated", with(2000, 2036, nil).bytes(), 5, 995, "the file is truncated: its header declares 1000 samples (0.021 s), it holds 5"},
		{"truncated within a sample", with(2000, 2036, []byte{7}).bytes(), 5, 995, "ends within a sample"},
		{"a killed writer", with(4, 40, nil).bytes(), 5, 0, "declares 2 samples, and more follow"},
		{"a killed writer, an odd byte", with(5, 41, nil).bytes(), 5, 0, "more follow"},
		{"riff size zero", with(-1, 0, nil).bytes(), 5, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := pcm.OpenWAV(bytes.NewReader(c.file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(r)
			if err != nil || len(got) != c.samples || r.Samples() != int64(c.samples) {
				t.Fatalf("got %d samples, %v; want %d", len(got), err, c.samples)
			}
			if r.Missing() != c.missing {
				t.Errorf("missing: got %d, want %d", r.Missing(), c.missing)
			}
			w := strings.Join(r.Warnings(), "; ")
			if c.warning == "" && w != "" || !strings.Contains(w, c.warning) {
				t.Errorf("got warnings %q, want %q", w, c.warning)
			}
		})
	}
}

func TestWAVRF64(t *testing.T) {
	w := newWAV(1, 16, 1, le16(1, 2, 3))
	w.id, w.riffSize, w.dataSize = "RF64", 0xFFFFFFFF, 0xFFFFFFFF
	w.before = chunk("ds64", append(binary.LittleEndian.AppendUint64(make([]byte, 8), 6), make([]byte, 12)...))
	w.after = chunk("LIST", []byte("INFO"))
	r, err := pcm.OpenWAV(bytes.NewReader(w.bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(r); err != nil || len(got) != 3 {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestWAVSoundBeforeFormat(t *testing.T) {
	w := newWAV(1, 16, 1, nil)
	file := append([]byte("RIFF\x00\x00\x00\x00WAVE"), chunk("data", le16(16384, -16384))...)
	file = append(file, w.format()...)
	r, err := pcm.OpenWAV(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(r); err != nil || !near(got, []float32{0.5, -0.5}) {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestWAVErrors(t *testing.T) {
	rate := newWAV(1, 16, 1, le16(1))
	rate.rate = 4000
	zero := newWAV(1, 16, 1, nil)
	mp3 := newWAV(0x55, 16, 1, le16(1))
	wide := newWAV(1, 64, 1, make([]byte, 8))
	none := newWAV(1, 16, 0, le16(1))
	guid := newWAV(1, 16, 1, le16(1))
	guid.extensible = true
	badGUID := guid.bytes()
	badGUID[20+26] ^= 1
	cut := newWAV(1, 16, 2, le16(1, 2)).bytes()
	listOnly := newWAV(1, 16, 1, nil)
	listOnly.after = chunk("LIST", []byte("INFO"))
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "the file is empty"},
		{"text", []byte("hello, world, this is text"), `it begins with "hello, world"`},
		{"MP3", []byte("ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "an MP3 file"},
		{"FLAC", []byte("fLaC\x00\x00\x00\x22\x10\x00\x10\x00\x00"), "a FLAC file"},
		{"AVI", []byte("RIFF\x00\x00\x00\x00AVI LIST"), "a RIFF file of another kind"},
		{"header only", cut[:20], "it ends within its \"fmt \" chunk"},
		{"no data chunk", cut[:36], "before any sound"},
		{"no sample", zero.bytes(), "no sample"},
		{"no sample, other chunks", listOnly.bytes(), "no sample"},
		{"half a sample", cut[:45], "within its first sample"},
		{"a rate too low", rate.bytes(), "4000 samples a second"},
		{"MP3 in WAV", mp3.bytes(), "format code 0x0055 (MP3)"},
		{"64 bit PCM", wide.bytes(), "samples of 64 bits"},
		{"no channels", none.bytes(), "no channels"},
		{"an unknown GUID", badGUID, "an extensible format of an unknown kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := pcm.OpenWAV(bytes.NewReader(c.file))
			if !errors.Is(err, pcm.ErrNotWAV) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestWAVNoNumber(t *testing.T) {
	for _, c := range []struct {
		name string
		bits uint32
		want string
	}{
		{"NaN", math.Float32bits(float32(math.NaN())), "sample 9 (0.000 s) is not a number (NaN) in channel 1"},
		{"Inf", math.Float32bits(float32(math.Inf(-1))), "sample 9 (0.000 s) is -Inf of full scale"},
		{"absurd", math.Float32bits(1e30), "1e+30 of full scale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := append(make([]byte, 2*9*4), le32(0, c.bits, 0, 0)...)
			r, err := pcm.OpenWAV(bytes.NewReader(newWAV(3, 32, 2, data).bytes()))
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(r)
			if len(got) != 9 || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %d samples, %v; want 9 and %q", len(got), err, c.want)
			}
			if _, err := r.ReadBlock(make([]float32, 1)); err != io.EOF {
				t.Fatalf("after it: %v", err)
			}
		})
	}
}

func TestWAVFailingReader(t *testing.T) {
	file := newWAV(1, 16, 1, make([]byte, 1<<16)).bytes()
	broken := errors.New("the disk is gone")
	r, err := pcm.OpenWAV(io.MultiReader(bytes.NewReader(file[:40000]), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(r); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
}

// A pipe delivers its first block without waiting for more.
func TestWAVFromPipe(t *testing.T) {
	pr, pw := io.Pipe()
	wrote := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(wrote)
		w := newWAV(1, 16, 1, le16(16384))
		w.dataSize = 0xFFFFFFFF
		_, _ = pw.Write(w.bytes())
		<-read
		_ = pw.Close()
	}()
	r, err := pcm.OpenWAV(pr)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]float32, 1)
	n, err := r.ReadBlock(buf)
	close(read)
	<-wrote
	if n != 1 || err != nil || buf[0] != 0.5 {
		t.Fatalf("got %v, %d, %v", buf, n, err)
	}
}

func TestWAVWriterReadsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := pcm.NewWAVWriter(f, 16000)
	if err != nil {
		t.Fatal(err)
	}
	var want []float32
	for i := -32768; i < 32768; i++ {
		want = append(want, float32(i)/32768)
	}
	for i := 0; i < len(want); i += 1000 {
		if err := w.Write(want[i:min(i+1000, len(want))]); err != nil {
			t.Fatal(err)
		}
		// The writer is killed here.
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcm.OpenWAV(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(r); err != nil || !near(got, want[:min(i+1000, len(want))]) {
			t.Fatalf("killed after %d: %d samples read back, %v", i, len(got), err)
		}
	}
	// Others trust the header: it is never more than a second of sound behind.
	if b, _ := os.ReadFile(path); (65536-16000-1000)*2 > binary.LittleEndian.Uint32(b[40:]) {
		t.Errorf("before Close the header declares %d bytes", binary.LittleEndian.Uint32(b[40:]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Samples() != 65536 || w.Clipped() != 0 {
		t.Errorf("%d samples, %d clipped", w.Samples(), w.Clipped())
	}
	if err := w.Write(want[:1]); err == nil {
		t.Error("wrote after Close")
	}
	b, _ := os.ReadFile(path)
	if size := binary.LittleEndian.Uint32(b[40:]); int(size) != len(b)-44 {
		t.Errorf("the header says %d, there are %d", size, len(b)-44)
	}
}

func TestWAVWriterLimits(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "a.wav"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := pcm.NewWAVWriter(f, 48000)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]float32{2, -2, float32(math.NaN()), 1, -1}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Clipped() != 3 {
		t.Errorf("clipped: got %d, want 3 (full scale itself is not)", w.Clipped())
	}
	if _, err := pcm.NewWAVWriter(f, 0); err == nil {
		t.Error("a rate of 0 was taken")
	}
}

// fullDisk takes so many bytes and no more.
type fullDisk struct {
	*os.File
	left int
}

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(b []byte) (int, error) {
	n, _ := d.Seek(0, io.SeekCurrent)
	end, _ := d.Seek(0, io.SeekEnd)
	_, _ = d.Seek(n, io.SeekStart)
	if n == end && len(b) > d.left {
		m, _ := d.File.Write(b[:d.left])
		d.left = 0
		return m, errFull
	}
	if n == end {
		d.left -= len(b)
	}
	return d.File.Write(b)
}

func TestWAVWriterFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := pcm.NewWAVWriter(&fullDisk{f, 44 + 2*1500 + 1}, 48000)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(make([]float32, 1000)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Write(make([]float32, 1000)); !errors.Is(err, errFull) {
			t.Fatalf("got %v", err)
		}
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Fatalf("got %v", err)
	}
	b, _ := os.ReadFile(path)
	r, err := pcm.OpenWAV(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(r); err != nil || len(got) != 1500 {
		t.Fatalf("%d samples read back, %v; want 1500", len(got), err)
	}
}

func FuzzWAV(f *testing.F) {
	full := newWAV(1, 16, 2, le16(1, 2, 3, 4))
	full.before, full.after = chunk("JUNK", []byte("x")), chunk("LIST", []byte("INFO"))
	f.Add(full.bytes())
	f.Add(newWAV(1, 8, 1, []byte{1, 2, 3}).bytes())
	f.Add(newWAV(3, 64, 1, make([]byte, 24)).bytes())
	ext := newWAV(1, 24, 3, make([]byte, 30))
	ext.extensible, ext.dataSize = true, 0xFFFFFFFF
	f.Add(ext.bytes())
	rf := newWAV(3, 32, 1, make([]byte, 9))
	rf.id, rf.dataSize, rf.before = "RF64", 0xFFFFFFFF, chunk("ds64", make([]byte, 28))
	f.Add(rf.bytes())
	f.Add(append([]byte("RIFF\x00\x00\x00\x00WAVE"), chunk("data", le16(1, 2))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := pcm.OpenWAV(bytes.NewReader(b))
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		got, err := readAll(r)
		if int64(len(got)) != r.Samples() {
			t.Fatalf("%d samples came, %d were counted", len(got), r.Samples())
		}
		if err == nil && len(got) == 0 {
			t.Fatal("opened, and holds no sample")
		}
		if len(got) > len(b) {
			t.Fatalf("%d samples from %d bytes", len(got), len(b))
		}
		for i, v := range got {
			if v != v || math.Abs(float64(v)) > 1e6 {
				t.Fatalf("sample %d is %g", i, v)
			}
		}
	})
}
