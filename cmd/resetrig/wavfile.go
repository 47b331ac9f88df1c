package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"resetrig/pcm"
)

const (
	// pipePatience is how long a FIFO may deliver nothing: one that nobody writes
	// to would be waited for for ever.
	pipePatience = 10 * time.Second
	pollSlice    = 100 * time.Millisecond // how soon a stop is noticed in a wait
)

// openWAV opens a recording: a file, a FIFO, or stdin for "-", which ctx stops
// the reading of. channel is as pcm.WAVReader.UseChannel has it. patience is for
// how long a FIFO may deliver nothing. The errors name the file.
func (a *app) openWAV(ctx context.Context, name string, channel int, patience time.Duration) (*pcm.WAVReader, func() error, error) {
	in, done := a.in, func() error { return nil }
	if f, ok := a.in.(*os.File); ok && name == "-" {
		in = &waiting{ctx: ctx, f: f}
	}
	if name != "-" {
		f, fifo, err := openRecording(name)
		if err != nil {
			return nil, nil, err
		}
		in, done = f, f.Close
		if fifo {
			in = &waiting{ctx: ctx, f: f, patience: patience}
		}
	}
	r, err := pcm.OpenWAV(bufio.NewReader(in))
	if err == nil {
		err = r.UseChannel(channel)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", name, err), done())
	}
	return r, done, nil
}

// openRecording opens what a name stands for, without waiting for the writer of
// a FIFO (fifo(7)).
func openRecording(name string) (f *os.File, fifo bool, err error) {
	f, err = os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%s: a folder, where a WAV file is wanted", name)
	case info.Mode()&fs.ModeNamedPipe != 0:
		return f, true, nil
	case info.Mode()&(fs.ModeDevice|fs.ModeSocket) != 0:
		err = fmt.Errorf("%s: neither a file nor a FIFO", name)
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, false, nil
}

// waiting is a file whose next bytes may not be there yet. It is waited for
// until ctx ends, and no longer than patience, 0 being for ever.
type waiting struct {
	ctx      context.Context
	f        *os.File
	patience time.Duration
}

func (w *waiting) Read(b []byte) (int, error) {
	c, err := w.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	for end := time.Now().Add(w.patience); ; {
		if err := context.Cause(w.ctx); err != nil {
			return 0, err
		}
		ready := 0
		cerr := c.Control(func(fd uintptr) {
			// A FIFO that nobody has opened for writing yet is not ready.
			ready, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(pollSlice.Milliseconds()))
		})
		switch {
		case cerr != nil:
			return 0, cerr
		case err != nil && !errors.Is(err, unix.EINTR):
			return 0, err
		case ready > 0:
			return w.f.Read(b)
		case w.patience > 0 && time.Now().After(end):
			return 0, fmt.Errorf("nobody wrote to this FIFO for %v: start its writer first, let it close the FIFO at its end, or give a file", w.patience)
		}
	}
}

// stoppable is a recording whose reading ctx stops.
type stoppable struct {
	*pcm.WAVReader
	ctx context.Context
}

func (s stoppable) ReadBlock(dst []float32) (int, error) {
	if err := context.Cause(s.ctx); err != nil {
		return 0, err
	}
	return s.WAVReader.ReadBlock(dst)
}
