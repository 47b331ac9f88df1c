package pcm

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Protocol is the version of the framing. Two programs of different versions
// refuse each other.
const Protocol = 1

// The errors of a stream. A stream with an error is over: there is no way to
// find its frames again.
var (
	ErrCorrupt  = errors.New("the stream of sound is corrupt")
	ErrProtocol = errors.New("the stream of sound is of another protocol version")
)

// Stage is how far the microphone's process has come.
type Stage string

// The stages, in their order. Each is told as it is reached, so that a reader
// can see where an opening hangs.
const (
	StageStarted     Stage = "started"
	StageInitialised Stage = "initialised" // the sound library found its devices
	StageOpen        Stage = "open"        // the device is capturing; sound follows
)

// Hello is what the microphone's process says of itself before any sound, once
// per stage. Device, HostAPI, Rate and Channels hold from StageOpen on.
type Hello struct {
	Version string `json:"version"` // of the program
	Stage   Stage  `json:"stage"`
	Device  string `json:"device,omitempty"`
	HostAPI string `json:"host_api,omitempty"`
	Rate    int    `json:"rate,omitempty"`
	// Channels are those of the device that are sent, each with frames of its own,
	// in this order again and again.
	Channels []int `json:"channels"`
}

// Frame is a run of samples of one channel as the pipe carries it.
type Frame struct {
	Channel int   // of the device, counted from 0
	Start   int64 // number of the first sample since the device was opened
	// Nanos is CLOCK_MONOTONIC at the capture of the first sample; all
	// processes of one machine share that clock.
	Nanos   int64
	Lost    bool // the device reported that samples before this frame were lost
	Samples []float32
}

// Limits of what a stream may hold; more is corruption.
const (
	MaxFrame   = 1 << 16 // samples
	MaxChannel = 999
	maxHello   = 1 << 12 // bytes
)

// The framing, little-endian. A hello: magic, u16 protocol, u16 length, CRC of
// the JSON, JSON. A frame: magic, u16 flags, u16 channel, u32 count, CRC of all of
// these and all that follows, i64 start, i64 nanoseconds, samples as float32.
const (
	helloMagic = 0x694d5272 // "rRMi"
	frameMagic = 0x614d5272 // "rRMa"
	flagLost   = 1 << 0
	frameHead  = 32
	helloHead  = 12
)

// Encoder writes the framing. Each call is one Write, and nothing is held back.
type Encoder struct {
	w   io.Writer
	buf []byte
}

// NewEncoder writes to w.
func NewEncoder(w io.Writer) *Encoder { return &Encoder{w: w} }

// Hello says how far the process is.
func (e *Encoder) Hello(h Hello) error {
	j, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode hello: %w", err)
	}
	if len(j) > maxHello {
		return fmt.Errorf("encode hello: %d bytes, %d are allowed", len(j), maxHello)
	}
	le := binary.LittleEndian
	b := le.AppendUint32(e.buf[:0], helloMagic)
	b = le.AppendUint16(b, Protocol)
	b = le.AppendUint16(b, uint16(len(j)))
	b = le.AppendUint32(b, crc32.ChecksumIEEE(j))
	e.buf = append(b, j...)
	_, err = e.w.Write(e.buf)
	return err
}

// Frame sends sound, at most MaxFrame samples.
func (e *Encoder) Frame(f Frame) error {
	if f.Channel < 0 || f.Channel > MaxChannel {
		return fmt.Errorf("encode frame: channel %d, %d is the last possible one", f.Channel, MaxChannel)
	}
	if len(f.Samples) > MaxFrame {
		return fmt.Errorf("encode frame: %d samples, %d are allowed", len(f.Samples), MaxFrame)
	}
	var flags uint16
	if f.Lost {
		flags |= flagLost
	}
	le := binary.LittleEndian
	b := le.AppendUint32(e.buf[:0], frameMagic)
	b = le.AppendUint16(b, flags)
	b = le.AppendUint16(b, uint16(f.Channel))
	b = le.AppendUint32(b, uint32(len(f.Samples)))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, uint64(f.Start))
	b = le.AppendUint64(b, uint64(f.Nanos))
	for _, s := range f.Samples {
		b = le.AppendUint32(b, math.Float32bits(s))
	}
	le.PutUint32(b[12:], crc32.Update(crc32.ChecksumIEEE(b[:12]), crc32.IEEETable, b[16:]))
	e.buf = b
	_, err := e.w.Write(b)
	return err
}

// Decoder reads the framing. Its errors are io.EOF between two frames, what the
// reader returned, or one that wraps ErrCorrupt or ErrProtocol.
type Decoder struct {
	r       *bufio.Reader
	origin  Origin
	rate    int
	channel int
	buf     []byte
	samples []float32
}

// NewDecoder reads from r; origin turns the stream's clock into the reader's.
func NewDecoder(r io.Reader, origin Origin) *Decoder {
	return &Decoder{r: bufio.NewReaderSize(r, 1<<14), origin: origin}
}

// Hello reads the next hello; after the one of StageOpen come blocks.
func (d *Decoder) Hello() (Hello, error) {
	var h Hello
	b, err := d.read(helloHead, true)
	if err != nil {
		return h, err
	}
	le := binary.LittleEndian
	if le.Uint32(b) != helloMagic {
		return h, fmt.Errorf("%w: it begins with %q, where a hello is due", ErrCorrupt, b)
	}
	if p := le.Uint16(b[4:]); p != Protocol {
		return h, fmt.Errorf("%w: %d, this program speaks %d", ErrProtocol, p, Protocol)
	}
	n, sum := int(le.Uint16(b[6:])), le.Uint32(b[8:])
	if n > maxHello {
		return h, fmt.Errorf("%w: a hello of %d bytes", ErrCorrupt, n)
	}
	if b, err = d.read(n, false); err != nil {
		return h, err
	}
	if crc32.ChecksumIEEE(b) != sum {
		return h, fmt.Errorf("%w: a hello with a wrong checksum", ErrCorrupt)
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("%w: hello: %v", ErrCorrupt, err)
	}
	if h.Stage == StageOpen {
		if h.Rate < MinRate || h.Rate > MaxRate {
			return h, fmt.Errorf("%w: %d samples a second", ErrCorrupt, h.Rate)
		}
		d.rate = h.Rate
	}
	return h, nil
}

// Block reads the next block. Its samples are valid until the next call.
func (d *Decoder) Block() (Block, error) {
	if d.rate == 0 {
		return Block{}, fmt.Errorf("%w: sound before the hello that says its rate", ErrCorrupt)
	}
	b, err := d.read(frameHead, true)
	if err != nil {
		return Block{}, err
	}
	le := binary.LittleEndian
	if le.Uint32(b) != frameMagic {
		return Block{}, fmt.Errorf("%w: %q where a frame is due", ErrCorrupt, b[:4])
	}
	flags, channel, n, sum := le.Uint16(b[4:]), le.Uint16(b[6:]), le.Uint32(b[8:]), le.Uint32(b[12:])
	start, nanos := int64(le.Uint64(b[16:])), int64(le.Uint64(b[24:]))
	got := crc32.Update(crc32.ChecksumIEEE(b[:12]), crc32.IEEETable, b[16:frameHead])
	if channel > MaxChannel || flags&^flagLost != 0 || n == 0 || n > MaxFrame || start < 0 {
		return Block{}, fmt.Errorf("%w: a frame of %d samples of channel %d from %d, flags %#x", ErrCorrupt, n, channel, start, flags)
	}
	if b, err = d.read(int(n)*4, false); err != nil {
		return Block{}, err
	}
	if crc32.Update(got, crc32.IEEETable, b) != sum {
		return Block{}, fmt.Errorf("%w: the frame of sample %d has a wrong checksum", ErrCorrupt, start)
	}
	if cap(d.samples) < int(n) {
		d.samples = make([]float32, n)
	}
	d.samples = d.samples[:n]
	for i := range d.samples {
		v := math.Float32frombits(le.Uint32(b[4*i:]))
		if v != v || math.Abs(float64(v)) > maxFloat {
			return Block{}, fmt.Errorf("%w: sample %d is %g", ErrCorrupt, start+int64(i), v)
		}
		d.samples[i] = v
	}
	d.channel = int(channel)
	return Block{Start: start, Time: d.origin.Time(nanos), Rate: d.rate, Samples: d.samples, Lost: flags&flagLost != 0}, nil
}

// Channel is the channel of the last block.
func (d *Decoder) Channel() int { return d.channel }

// read returns the next n bytes, valid until the next read. An end is clean
// only where something begins.
func (d *Decoder) read(n int, begins bool) ([]byte, error) {
	if cap(d.buf) < n {
		d.buf = make([]byte, n)
	}
	b := d.buf[:n]
	m, err := io.ReadFull(d.r, b)
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF && !begins {
		return nil, fmt.Errorf("%w: it ends %d bytes short of a frame", ErrCorrupt, n-m)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Origin is one moment on two clocks: CLOCK_MONOTONIC and the reader's.
type Origin struct {
	Nanos int64
	At    time.Time
}

// SystemOrigin takes the present moment on CLOCK_MONOTONIC and on Go's clock,
// which is the same one: both run alike for ever.
func SystemOrigin() Origin { return Origin{Nanos: MonotonicNanos(), At: time.Now()} }

// Time turns nanoseconds of CLOCK_MONOTONIC into the reader's time.
func (o Origin) Time(nanos int64) time.Time { return o.At.Add(time.Duration(nanos - o.Nanos)) }

// MonotonicNanos is CLOCK_MONOTONIC now.
func MonotonicNanos() int64 {
	var ts unix.Timespec
	// It cannot fail for this clock and a valid pointer (clock_gettime(2)).
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}
