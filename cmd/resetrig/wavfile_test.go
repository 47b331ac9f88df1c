package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/rig"
)

// fifo makes one, and a recording to write to it.
func fifo(t *testing.T) (name string, wav []byte) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "pipe.wav")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, wavOf(make([]float32, 40000), 1, 16, 1)
}

// writer opens a FIFO for writing as a recorder would, and keeps it open.
func writer(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func drain(r *pcm.WAVReader) (n int, err error) {
	buf := make([]float32, 4096)
	for err == nil {
		var k int
		k, err = r.ReadBlock(buf)
		n += k
	}
	return n, err
}

func TestFIFO(t *testing.T) {
	a := &app{in: strings.NewReader("")}
	t.Run("read to its end", func(t *testing.T) {
		name, wav := fifo(t)
		wrote := make(chan error, 1)
		go func() { wrote <- os.WriteFile(name, wav, 0) }() // waits for the reader, ends with it
		r, done, err := a.openWAV(t.Context(), name, 0, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := drain(r); n != 40000 || !errors.Is(err, io.EOF) {
			t.Errorf("%d samples, %v", n, err)
		}
		if err := errors.Join(<-wrote, done()); err != nil {
			t.Error(err)
		}
	})
	t.Run("without a writer", func(t *testing.T) {
		name, _ := fifo(t)
		if _, _, err := a.openWAV(t.Context(), name, 0, 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "nobody wrote to this FIFO") || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a writer that stops without an end", func(t *testing.T) {
		name, wav := fifo(t)
		w := writer(t, name)
		if _, err := w.Write(wav[:20044]); err != nil {
			t.Fatal(err)
		}
		r, done, err := a.openWAV(t.Context(), name, 0, 50*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		if n, err := drain(r); n < 8192 || n > 10000 || err == nil || !strings.Contains(err.Error(), "nobody wrote") {
			t.Errorf("%d samples, %v", n, err)
		}
	})
	t.Run("stopped while it waits", func(t *testing.T) {
		name, _ := fifo(t)
		writer(t, name)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(30*time.Millisecond, func() { cancel(rig.ErrStop) })
		if _, _, err := a.openWAV(ctx, name, 0, time.Minute); !errors.Is(err, rig.ErrStop) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("stdin, stopped while it waits", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(30*time.Millisecond, func() { cancel(rig.ErrStop) })
		if _, _, err := (&app{in: r}).openWAV(ctx, "-", 0, 0); !errors.Is(err, rig.ErrStop) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("an endless recording is stopped", func(t *testing.T) {
		_, wav := fifo(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		a := testApp(t)
		a.in = io.MultiReader(bytes.NewReader(wav), endless{cancel})
		if err := a.listenFile(ctx, "-", 0, audio.Profile{}, true, false); !errors.Is(err, rig.ErrStop) {
			t.Errorf("error %v", err)
		}
	})
}

// endless is a writer that never ends; after a while somebody stops the program.
type endless struct{ stop context.CancelCauseFunc }

func (e endless) Read(b []byte) (int, error) {
	e.stop(rig.ErrStop)
	clear(b)
	return len(b), nil
}
