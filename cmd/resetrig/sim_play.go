package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// player plays mono 16-bit sound on an ALSA playback device, straight through
// the kernel's interface (include/uapi/sound/asound.h), so that the static
// binary needs no library. It is for the loopback device and does no
// conversion: hw devices take the rate they are given, or refuse.
type player struct {
	f      *os.File
	rate   int
	frames int64 // written since the beginning, silence that filled a gap included
	events *simEvents
	tone   toneWatch
}

// The player's buffer and how much of it is filled before it starts: the sound
// comes in portions of 10 ms, from a process that may have to wait.
const (
	playBuffer = 500 * time.Millisecond
	playAhead  = 150 * time.Millisecond
)

// Numbers of asound.h.
const (
	accessRWInterleaved = 3
	formatS16LE         = 2
	paramChannels       = 10 - 8 // the intervals begin with number 8
	paramRate           = 11 - 8
	paramPeriodSize     = 13 - 8
	paramBufferSize     = 17 - 8
)

type sndInterval struct{ min, max, flags uint32 }

type sndHwParams struct {
	flags     uint32
	masks     [8][8]uint32 // access, format, subformat, and five reserved
	intervals [21]sndInterval
	rmask     uint32
	cmask     uint32
	info      uint32
	msbits    uint32
	rateNum   uint32
	rateDen   uint32
	fifoSize  uintptr
	reserved  [64]byte
}

type sndSwParams struct {
	tstampMode       int32
	periodStep       uint32
	sleepMin         uint32
	availMin         uintptr
	xferAlign        uintptr
	startThreshold   uintptr
	stopThreshold    uintptr
	silenceThreshold uintptr
	silenceSize      uintptr
	boundary         uintptr
	proto            uint32
	tstampType       uint32
	reserved         [56]byte
}

type sndXferi struct {
	result int
	buf    unsafe.Pointer
	frames uintptr
}

// The directions of an ioctl's data (include/uapi/asm-generic/ioctl.h).
const (
	ioNone  = 0
	ioWrite = 1
	ioRead  = 2
)

func (p *player) ioctl(dir, nr uintptr, size uintptr, arg unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, p.f.Fd(), dir<<30|size<<16|'A'<<8|nr, uintptr(arg))
		switch e {
		case 0:
			return nil
		case unix.EINTR, unix.EAGAIN:
			continue
		}
		return e
	}
}

// openPlayer opens hw:CARD,DEVICE.
func openPlayer(device string, rate int, events *simEvents) (*player, error) {
	var card, dev int
	if n, err := fmt.Sscanf(device, "hw:%d,%d", &card, &dev); n != 2 || err != nil || strings.Count(device, ",") != 1 {
		return nil, fmt.Errorf("--play %q: want hw:CARD,DEVICE, like hw:0,0", device)
	}
	f, err := os.OpenFile(fmt.Sprintf("/dev/snd/pcmC%dD%dp", card, dev), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("--play: %w", err)
	}
	p := &player{f: f, rate: rate, events: events, tone: toneWatch{window: rate / 200}}
	if err := p.setUp(); err != nil {
		f.Close()
		return nil, fmt.Errorf("--play %s at %d samples a second: %w", device, rate, err)
	}
	return p, nil
}

func (p *player) count(d time.Duration) int {
	return int(int64(p.rate) * int64(d) / int64(time.Second))
}

func (p *player) setUp() error {
	hw := sndHwParams{rmask: math.MaxUint32}
	for i := range hw.masks[:3] {
		for k := range hw.masks[i] {
			hw.masks[i][k] = math.MaxUint32
		}
	}
	hw.masks[0] = [8]uint32{1 << accessRWInterleaved}
	hw.masks[1] = [8]uint32{1 << formatS16LE}
	for i := range hw.intervals[:12] {
		hw.intervals[i] = sndInterval{0, math.MaxUint32, 0}
	}
	const integer = 1 << 2
	for what, n := range map[int]int{
		paramChannels: 1, paramRate: p.rate,
		paramPeriodSize: p.count(playBuffer) / 10, paramBufferSize: p.count(playBuffer),
	} {
		hw.intervals[what] = sndInterval{uint32(n), uint32(n), integer}
	}
	if err := p.ioctl(ioRead|ioWrite, 0x11, unsafe.Sizeof(hw), unsafe.Pointer(&hw)); err != nil {
		return fmt.Errorf("set its format: %w", err)
	}
	sw := sndSwParams{
		periodStep: 1, availMin: 1, xferAlign: 1,
		startThreshold: uintptr(p.count(playAhead)), stopThreshold: uintptr(p.count(playBuffer)),
	}
	if err := p.ioctl(ioRead|ioWrite, 0x13, unsafe.Sizeof(sw), unsafe.Pointer(&sw)); err != nil {
		return fmt.Errorf("set its thresholds: %w", err)
	}
	return p.prepare()
}

func (p *player) prepare() error { return p.ioctl(ioNone, 0x40, 0, nil) }

// Write plays b, and says when a tone begins and ends at the loudspeaker. After
// a gap the device starts anew, and says so.
func (p *player) Write(b []byte) (int, error) {
	for _, edge := range p.tone.feed(b, p.frames) {
		var delay int // frames until one that was written now would sound
		if err := p.ioctl(ioRead, 0x21, unsafe.Sizeof(delay), unsafe.Pointer(&delay)); err != nil {
			delay = 0
		}
		at := monotonic() + (int64(delay)+edge.frame-p.frames)*int64(time.Second)/int64(p.rate)
		p.events.say(simEvent{Event: "tone", On: edge.on, Frame: edge.frame, Mono: at})
	}
	n := len(b) / 2
	for done := 0; done < n; {
		x := sndXferi{buf: unsafe.Pointer(&b[done*2]), frames: uintptr(n - done)}
		err := p.ioctl(ioWrite, 0x50, unsafe.Sizeof(x), unsafe.Pointer(&x))
		switch {
		case errors.Is(err, unix.EPIPE):
			p.events.say(simEvent{Event: "play", Mono: monotonic(), Frame: p.frames, Text: "underrun"})
			if err := p.prepare(); err != nil {
				return done * 2, err
			}
			continue
		case err != nil:
			p.events.say(simEvent{Event: "play", Mono: monotonic(), Frame: p.frames, Text: err.Error()})
			_ = p.f.Close() // a card that is gone waits for it
			return done * 2, err
		}
		done += x.result
		p.frames += int64(x.result)
	}
	return len(b), nil
}

func (p *player) Close() error { return p.f.Close() }

// toneWatch finds where a tone begins and ends in what is played, by its power
// alone: a beep is some 30 dB above the simulated room.
type toneWatch struct {
	window int // samples
	n      int
	power  float64
	on     bool
}

type toneEdge struct {
	frame int64
	on    bool
}

// toneLevel is the RMS, of full scale 1, above which there is a tone.
const toneLevel = 0.018 // -35 dBFS

func (w *toneWatch) feed(b []byte, frame int64) (edges []toneEdge) {
	for i := 0; i+1 < len(b); i += 2 {
		x := float64(int16(binary.LittleEndian.Uint16(b[i:]))) / 32768
		w.power += x * x
		if w.n++; w.n < w.window {
			continue
		}
		on := math.Sqrt(w.power/float64(w.n)) > toneLevel
		if on != w.on {
			edges = append(edges, toneEdge{frame + int64(i/2) + 1 - int64(w.n), on})
		}
		w.on, w.n, w.power = on, 0, 0
	}
	return edges
}
