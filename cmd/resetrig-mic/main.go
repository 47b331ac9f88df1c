//go:build cgo

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gordonklaus/portaudio"

	"resetrig/pcm"
)

// exitError is an error that knows its exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func main() {
	// PortAudio keeps the text of its last error per thread.
	runtime.LockOSThread()
	err := run(os.Args[1:], os.Stdin, os.Stdout)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		os.Exit(exitOK)
	}
	fmt.Fprintf(os.Stderr, "resetrig-mic: %v\n", err)
	code := exitUsage
	if e := (*exitError)(nil); errors.As(err, &e) {
		code = e.code
	}
	os.Exit(code)
}

type options struct {
	device        string
	list, version bool
	rate, frames  int
	channels      channels
	latency       time.Duration
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	o := options{channels: channels{0}}
	fs := flag.NewFlagSet("resetrig-mic", flag.ContinueOnError)
	fs.StringVar(&o.device, "device", "", "the input device: its name, or a part of it that no other has")
	fs.BoolVar(&o.list, "list", false, "print the input devices, one JSON object a line, and end")
	fs.BoolVar(&o.version, "version", false, "print the version and end")
	fs.IntVar(&o.rate, "rate", 48000, "samples a second; hardware devices do not resample")
	fs.Var(&o.channels, "channel", "the channels to capture, counted from 0, like 0 or 0,1; each is sent apart")
	// The block is 20 ms at 48 kHz (480–1024 frames are sound); the latency is
	// how much the device may hold back before it loses sound.
	fs.IntVar(&o.frames, "frames", 960, "frames a block")
	fs.DurationVar(&o.latency, "latency", 150*time.Millisecond, "buffer that the device is asked for")
	if err := fs.Parse(args); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.version:
		_, err := fmt.Fprintln(stdout, version)
		return err
	case o.rate < pcm.MinRate || o.rate > pcm.MaxRate:
		return fmt.Errorf("--rate %d: %d to %d are possible", o.rate, pcm.MinRate, pcm.MaxRate)
	case o.frames < 64 || o.frames > pcm.MaxFrame:
		return fmt.Errorf("--frames %d: 64 to %d are possible", o.frames, pcm.MaxFrame)
	case o.list:
		return list(stdout)
	}
	return capture(o, stdin, stdout)
}

// inputs initialises PortAudio and finds the input devices, under the same
// index in both lists.
func inputs() ([]device, []*portaudio.DeviceInfo, error) {
	if err := portaudio.Initialize(); err != nil {
		return nil, nil, &exitError{exitOpen, fmt.Errorf("initialise PortAudio: %w", err)}
	}
	all, err := portaudio.Devices()
	if err != nil {
		return nil, nil, &exitError{exitOpen, fmt.Errorf("list the devices: %w", err)}
	}
	var ds []device
	var infos []*portaudio.DeviceInfo
	for _, d := range all {
		if d.MaxInputChannels > 0 {
			ds = append(ds, device{d.Name, d.HostApi.Name, d.MaxInputChannels, d.DefaultSampleRate})
			infos = append(infos, d)
		}
	}
	return ds, infos, nil
}

func list(stdout io.Writer) error {
	ds, _, err := inputs()
	if err != nil {
		return err
	}
	enc := json.NewEncoder(stdout)
	for _, d := range ds {
		if err := enc.Encode(d); err != nil {
			return &exitError{exitWrite, err}
		}
	}
	return nil
}

func capture(o options, stdin io.Reader, stdout io.Writer) error {
	var stop atomic.Bool
	go func() { // lives as long as the process: standard input's end is its end
		_, _ = io.Copy(io.Discard, stdin)
		stop.Store(true)
		// Nobody can say that the read in progress ever returns.
		time.Sleep(300 * time.Millisecond)
		os.Exit(exitOK)
	}()
	enc := pcm.NewEncoder(stdout)
	hello := pcm.Hello{Version: version, Stage: pcm.StageStarted, Channels: o.channels}
	say := func(s pcm.Stage) error {
		hello.Stage = s
		if err := enc.Hello(hello); err != nil {
			return &exitError{exitWrite, fmt.Errorf("write hello: %w", err)}
		}
		return nil
	}
	if err := say(pcm.StageStarted); err != nil {
		return err
	}
	ds, infos, err := inputs()
	if err != nil {
		return err
	}
	if err := say(pcm.StageInitialised); err != nil {
		return err
	}
	i, err := pick(ds, o.device)
	if err != nil {
		return &exitError{exitDevice, err}
	}
	last := slices.Max(o.channels)
	if last >= ds[i].Channels {
		return &exitError{exitDevice, fmt.Errorf("%q has %d channels: there is no channel %d", ds[i].Name, ds[i].Channels, last)}
	}
	channels := last + 1
	buf := make([]float32, o.frames*channels)
	p := portaudio.StreamParameters{
		Input:           portaudio.StreamDeviceParameters{Device: infos[i], Channels: channels, Latency: o.latency},
		SampleRate:      float64(o.rate),
		FramesPerBuffer: o.frames,
		Flags:           portaudio.ClipOff | portaudio.DitherOff,
	}
	stream, err := portaudio.OpenStream(p, buf)
	if err != nil {
		return &exitError{exitOpen, fmt.Errorf("open %q at %d samples a second: %w (another program may hold it, or it has no such rate: its own is %.0f)",
			ds[i].Name, o.rate, err, ds[i].Rate)}
	}
	if err := stream.Start(); err != nil {
		return &exitError{exitOpen, fmt.Errorf("start %q: %w", ds[i].Name, err)}
	}
	hello.Device, hello.HostAPI, hello.Rate = ds[i].Name, ds[i].HostAPI, o.rate
	if err := say(pcm.StageOpen); err != nil {
		return err
	}
	if err := pump(o, stream, buf, enc, &stop); err != nil {
		var e *exitError
		if errors.As(err, &e) {
			return err
		}
		return &exitError{exitRead, fmt.Errorf("read from %q: %w", ds[i].Name, err)}
	}
	return nil
}

// pump sends what the device delivers until stop.
func pump(o options, stream *portaudio.Stream, buf []float32, enc *pcm.Encoder, stop *atomic.Bool) error {
	channels := len(buf) / o.frames
	f := pcm.Frame{Samples: make([]float32, o.frames)}
	for !stop.Load() {
		err := stream.Read()
		now := pcm.MonotonicNanos()
		f.Lost = errors.Is(err, portaudio.InputOverflowed) // before this block; the block itself is good
		if err != nil && !f.Lost {
			return err
		}
		// What still waits in the device was captured after this block.
		waiting, err := stream.AvailableToRead()
		if err != nil || waiting < 0 {
			waiting = 0
		}
		f.Nanos = now - int64(float64(o.frames+waiting)/float64(o.rate)*1e9)
		for _, c := range o.channels {
			f.Channel = c
			for i := range f.Samples {
				f.Samples[i] = buf[i*channels+c]
			}
			if err := enc.Frame(f); err != nil {
				return &exitError{exitWrite, fmt.Errorf("write sound: %w", err)}
			}
		}
		f.Start += int64(o.frames)
	}
	return nil
}
