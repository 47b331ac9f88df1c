package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/pcm/synth"
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

// Every rate and format that is promised gives the same beep, out of any channel.
func TestListenTakesEveryFormat(t *testing.T) {
	for _, c := range []struct{ rate, bits, channels, channel int }{
		{8000, 16, 1, 0}, {8000, 24, 20, 19}, {11025, 32, 2, 1}, {12000, -32, 1, 0}, {16000, -64, 20, 7}, {22050, 24, 1, 0},
		{32000, -32, 2, 0}, {44100, 16, 20, 0}, {44100, -64, 1, 0}, {48000, 32, 6, 3}, {48000, -32, 20, 10}, {96000, 24, 2, 1}, {96000, 16, 1, 0},
	} {
		name := filepath.Join(t.TempDir(), "beep.wav")
		r := synth.NewRoom(c.rate, 2)
		r.SetNoise(synth.NoiseSpec{White: -60})
		r.Add(synth.Piezo(r.Samples(1), r.Samples(1.5), 2730, -20))
		x := make([]float32, r.Samples(3.5))
		r.Render(x, 0)
		if err := os.WriteFile(name, recordingOf(x, c.rate, c.bits, c.channels, c.channel), 0o644); err != nil {
			t.Fatal(err)
		}
		a := testApp(t)
		var out bytes.Buffer
		a.out = &out
		if err := a.listenFile(t.Context(), name, c.channel, audio.Profile{FrequencyHz: 2730, LevelDBFS: -20}, true, false); err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		line, _, _ := strings.Cut(out.String(), "\n")
		var b audio.BeepLine
		if err := json.Unmarshal([]byte(line), &b); err != nil || b.Kind != "long" || math.Abs(b.OnsetS-1) > 0.003 || math.Abs(b.DurationS-1.5) > 0.005 || math.Abs(b.FrequencyHz-2730) > 0.1 {
			t.Errorf("%+v: %v %s", c, err, out.String())
		}
	}
}

// recordingOf encodes samples in one channel of several, the others full of a
// tone; bits below zero are float.
func recordingOf(x []float32, rate, bits, channels, channel int) []byte {
	le := binary.LittleEndian
	var body []byte
	for i, v := range x {
		for ch := range channels {
			s := float64(v)
			if ch != channel {
				s = 0.3 * math.Sin(float64(i*(ch+1))/10)
			}
			switch bits {
			case 16:
				body = le.AppendUint16(body, uint16(int16(math.Round(s*32767))))
			case 24:
				u := uint32(int32(math.Round(s * 8388607)))
				body = append(body, byte(u), byte(u>>8), byte(u>>16))
			case 32:
				body = le.AppendUint32(body, uint32(int32(math.Round(s*2147483647))))
			case -32:
				body = le.AppendUint32(body, math.Float32bits(float32(s)))
			case -64:
				body = le.AppendUint64(body, math.Float64bits(s))
			}
		}
	}
	format := uint16(1)
	if bits < 0 {
		format, bits = 3, -bits
	}
	frame := channels * bits / 8
	h := le.AppendUint32([]byte("RIFF"), uint32(36+len(body)))
	h = le.AppendUint32(append(h, "WAVEfmt "...), 16)
	h = le.AppendUint16(le.AppendUint16(h, format), uint16(channels))
	h = le.AppendUint32(le.AppendUint32(h, uint32(rate)), uint32(rate*frame))
	h = le.AppendUint16(le.AppendUint16(h, uint16(frame)), uint16(bits))
	return append(le.AppendUint32(append(h, "data"...), uint32(len(body))), body...)
}

// endless is a writer that never ends; after a while somebody stops the program.
type endless struct{ stop context.CancelCauseFunc }

func (e endless) Read(b []byte) (int, error) {
	e.stop(rig.ErrStop)
	clear(b)
	return len(b), nil
}
