package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"resetrig/pcm"
	"resetrig/pcm/synth"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"resetrig": main})
}

// TestCommands runs every script in testdata/script against the command.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("RESETRIG_STATE", e.WorkDir+"/state")
			return recordings(e.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command and wants its exit code: exits 3 resetrig run …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// recordings makes the sounds that the scripts listen to: a room with two long
// beeps and a short one, in several formats, and broken.
func recordings(dir string) error {
	const rate = 16000
	room := synth.NewRoom(rate, 7)
	room.SetNoise(synth.NoiseSpec{White: -60})
	for _, b := range [][2]float64{{1, 2}, {4.5, 0.2}, {6, 1.5}} {
		room.Add(synth.Tone{Start: int64(b[0] * rate), Length: int64(b[1] * rate), FrequencyHz: 2730, LevelDBFS: -20})
	}
	samples := make([]float32, 9*rate)
	room.Render(samples, 0)

	f, err := os.Create(dir + "/beeps.wav")
	if err != nil {
		return err
	}
	w, err := pcm.NewWAVWriter(f, rate)
	if err != nil {
		return err
	}
	if err := errors.Join(w.Write(samples), w.Close(), f.Close()); err != nil {
		return err
	}
	good, err := os.ReadFile(dir + "/beeps.wav")
	if err != nil {
		return err
	}
	endless := append([]byte(nil), good...)
	binary.LittleEndian.PutUint32(endless[4:], math.MaxUint32)
	binary.LittleEndian.PutUint32(endless[40:], math.MaxUint32)
	for name, data := range map[string][]byte{
		"truncated.wav": good[:len(good)/2+1], "endless.wav": endless, "empty.wav": nil, "notwav.wav": []byte("this is not a recording"),
		"eight.wav":  wavOf(samples, 1, 8, 1),
		"deep.wav":   wavOf(samples, 1, 24, 1),
		"float.wav":  wavOf(samples, 3, 32, 1),
		"stereo.wav": wavOf(samples, 1, 16, 2),
	} {
		if err := os.WriteFile(fmt.Sprintf("%s/%s", dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// wavOf encodes samples at 16 kHz: PCM (format 1) or float (3). With two
// channels the first has the sound and the second is silent.
func wavOf(samples []float32, format, bits, channels int) []byte {
	var body []byte
	for _, s := range samples {
		for ch := range channels {
			v := float64(s)
			if ch > 0 {
				v = 0
			}
			switch {
			case format == 3:
				body = binary.LittleEndian.AppendUint32(body, math.Float32bits(float32(v)))
			case bits == 8:
				body = append(body, byte(128+math.Round(v*127)))
			case bits == 16:
				body = binary.LittleEndian.AppendUint16(body, uint16(int16(math.Round(v*32767))))
			case bits == 24:
				u := uint32(int32(math.Round(v * 8388607)))
				body = append(body, byte(u), byte(u>>8), byte(u>>16))
			}
		}
	}
	le16, le32 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	frame := channels * bits / 8
	h := append([]byte("RIFF"), le32(nil, uint32(36+len(body)))...)
	h = append(h, "WAVEfmt "...)
	h = le32(h, 16)
	h = le16(le16(h, uint16(format)), uint16(channels))
	h = le32(le32(h, 16000), uint32(16000*frame))
	h = le16(le16(h, uint16(frame)), uint16(bits))
	h = le32(append(h, "data"...), uint32(len(body)))
	return append(h, body...)
}

// listen is a listener on loopback that ends with the test.
func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}
