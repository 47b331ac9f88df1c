package audio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/audio/audiotest"
	"resetrig/pcm"
	"resetrig/rig"
)

// openPatiently opens a capture on a machine that may be busy: what a user gets
// as an error and tries again is tried again here.
func openPatiently(t *testing.T, b *bench) {
	t.Helper()
	var err error
	for range 5 {
		if err = b.Open(t.Context()); err == nil {
			return
		}
		t.Logf("opening: %v", err)
	}
	t.Fatalf("%v\n%s", err, b.log)
}

func realCapture(t *testing.T, mic, device string, channel int) *bench {
	t.Helper()
	b := &bench{log: &logBuffer{}, lost: make(chan error, 9)}
	b.Capture = audio.NewCapture(audio.CaptureOptions{
		Command: audio.MicCommand(mic, device, 48000, channel), Version: fakeVersion,
		OnLost: func(err error) { b.lost <- err },
		Log:    slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// The whole path: a tone into the sound server, through ALSA, PortAudio, the
// microphone's process and the pipe into blocks.
func TestRealCaptureHears(t *testing.T) {
	mic := audiotest.BuildMic(t, fakeVersion)
	s := audiotest.NewSoundServer(t)
	stop := s.Tone(3100)
	defer stop()
	b := realCapture(t, mic, "rigmic", 0) // exact: rigmic-twin contains it
	start := time.Now()
	openPatiently(t, b)
	opening := time.Since(start)
	var heard []float32
	var blocks int
	if err := b.Read(t.Context(), time.Now().Add(3*time.Second), func(blk pcm.Block) {
		heard = append(heard, blk.Samples...)
		blocks++
	}); err != nil {
		t.Fatal(err)
	}
	heard = heard[48000:] // the player may have begun after us
	hz, level := typical(heard, toneHz), typical(heard, rms)
	st := b.Stats()
	t.Logf("opened in %v; %d blocks; %.1f Hz, %.1f dBFS; at most %v late; lost %d samples, %d overflows",
		opening.Round(time.Millisecond), blocks, hz, 20*math.Log10(level*math.Sqrt2), st.MaxLate.Round(time.Millisecond), st.LostSamples, st.Overflows)
	if math.Abs(hz-3100) > 8 || math.Abs(level-0.25/math.Sqrt2) > 0.02 {
		t.Errorf("heard %.1f Hz at %.3f, want 3100 Hz at 0.177", hz, level)
	}
	if !strings.Contains(st.Device, "rigmic") || st.Rate != 48000 {
		t.Errorf("%+v", st)
	}
	stop()
	// What is played no more is heard no more.
	var quiet []float32
	if err := b.Read(t.Context(), time.Now().Add(1500*time.Millisecond), func(blk pcm.Block) { quiet = append(quiet, blk.Samples...) }); err != nil {
		t.Fatal(err)
	}
	if r := rms(quiet[len(quiet)-4800:]); r > 1e-3 {
		t.Errorf("after the end: %.4f", r)
	}
}

// Two channels of one device, opened once, have the sound of both at once.
func TestRealCardIsShared(t *testing.T) {
	mic := audiotest.BuildMic(t, fakeVersion)
	s := audiotest.NewSoundServer(t)
	stop := s.Tone(3100)
	defer stop()
	card := audio.NewCard(audio.CaptureOptions{Command: audio.MicCommand(mic, "rigmic", 48000, 0, 1), Version: fakeVersion}, 0, 1)
	left, right := card.Capture(0, nil), card.Capture(1, nil)
	for i, c := range []*audio.Capture{left, right} {
		t.Cleanup(func() { _ = c.Close() })
		openPatiently(t, &bench{Capture: c, log: &logBuffer{}})
		var heard []float32
		if err := c.Read(t.Context(), time.Now().Add(3*time.Second), func(b pcm.Block) { heard = append(heard, b.Samples...) }); err != nil {
			t.Fatal(err)
		}
		if hz := typical(heard[48000:], toneHz); math.Abs(hz-3100) > 8 {
			t.Errorf("channel %d: %.1f Hz", i, hz)
		}
	}
	if l, r := left.Stats(), right.Stats(); l.Starts != r.Starts || l.Device != r.Device {
		t.Errorf("%+v and %+v: two processes", l, r)
	}
}

func TestRealCaptureOpenErrors(t *testing.T) {
	mic := audiotest.BuildMic(t, fakeVersion)
	s := audiotest.NewSoundServer(t)
	ds, err := audio.ListDevices(t.Context(), mic)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("devices: %+v", ds)
	if len(ds) < 2 || ds[0].Channels < 1 || ds[0].HostAPI == "" || !strings.Contains(fmt.Sprint(ds), "rigmic") {
		t.Errorf("got %+v", ds)
	}
	fails := func(name string, b *bench, want string) {
		t.Helper()
		start := time.Now()
		err := b.Open(t.Context())
		took := time.Since(start)
		if !errors.Is(err, rig.ErrEarLost) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		if took > withinLimit {
			t.Errorf("%s took %v", name, took)
		}
		t.Logf("%s: after %v: %v", name, took.Round(time.Millisecond), err)
	}
	fails("missing device", realCapture(t, mic, "Blue Yeti", 0), `no input device is called "Blue Yeti"; there are: "rigmic`)
	fails("ambiguous device", realCapture(t, mic, "RIGM", 0), `"RIGM" means 2 input devices, name one: "rigmic`)
	fails("missing channel", realCapture(t, mic, "rigmic-twin", 500), "there is no channel 500")
	other := audio.NewCapture(audio.CaptureOptions{Command: audio.MicCommand(mic, "rigmic", 48000, 0), Version: "another"})
	fails("wrong version", &bench{Capture: other}, `it is "1.0-test", this program is "another"`)
	bad := audio.NewCapture(audio.CaptureOptions{Command: []string{mic, "--rate", "7"}, Version: fakeVersion})
	fails("wrong flag", &bench{Capture: bad}, "--rate 7: 8000 to 192000 are possible")

	if out, err := exec.Command("pactl", "suspend-sink", "rig", "1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	fails("device that never delivers", realCapture(t, mic, "rigmic", 0), "delivered nothing within")
	if out, err := exec.Command("pactl", "suspend-sink", "rig", "0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.Signal(syscall.SIGSTOP)
	fails("frozen sound server", realCapture(t, mic, "rigmic", 0), "the sound server hangs")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := audio.ListDevices(ctx, mic); err == nil || !strings.Contains(err.Error(), "the sound server hangs") {
		t.Errorf("the list of a frozen server: %v", err)
	}
	s.Kill()
	fails("no sound server", realCapture(t, mic, "rigmic", 0), "no such device")
}

// A running capture dies in every way that it can, is told within 3 s on an idle
// machine (the log has the times), and comes back when the cause is gone.
func TestRealCaptureLosses(t *testing.T) {
	mic := audiotest.BuildMic(t, fakeVersion)
	s := audiotest.NewSoundServer(t)
	suspend := func(on string) {
		t.Helper()
		if out, err := exec.Command("pactl", "suspend-sink", "rig", on).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	var b *bench
	child := func(sig syscall.Signal) {
		t.Helper()
		pids := children(mic)
		if len(pids) != 1 {
			t.Fatalf("resetrig-mic runs as %v", pids)
		}
		if err := syscall.Kill(pids[0], sig); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name       string
		strike     func()
		recover    func()
		want, also string
	}{
		{"child killed", func() { child(syscall.SIGKILL) }, func() {}, "the microphone's process was killed (killed)", ""},
		{"child stopped", func() { child(syscall.SIGSTOP) }, func() {}, "has delivered nothing for 1.5s", ""},
		{"device stalls", func() { suspend("1") }, func() { suspend("0"); s.Awaken() }, "has delivered nothing for 1.5s", ""},
		{"sound server frozen", func() { s.Signal(syscall.SIGSTOP) }, func() { s.Signal(syscall.SIGCONT) }, "has delivered nothing for 1.5s", ""},
		{"sound server killed", func() { s.Kill() }, func() { s.Start() }, "lost the device", "has delivered nothing for 1.5s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b = realCapture(t, mic, "rigmic", 0)
			openPatiently(t, b)
			if err := b.Read(t.Context(), time.Now().Add(300*time.Millisecond), ignore); err != nil {
				t.Fatal(err)
			}
			struck := time.Now()
			c.strike()
			err := b.Read(t.Context(), time.Now().Add(time.Minute), ignore)
			took := time.Since(struck)
			if !errors.Is(err, rig.ErrEarLost) || !strings.Contains(err.Error(), c.want) && (c.also == "" || !strings.Contains(err.Error(), c.also)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if took > withinLimit {
				t.Errorf("it took %v", took)
			}
			t.Logf("%v after it: %v", took.Round(time.Millisecond), err)
			if told := <-b.lost; told.Error() != err.Error() {
				t.Errorf("OnLost was told %v", told)
			}
			c.recover()
			start := time.Now()
			openPatiently(t, b)
			if err := b.Read(t.Context(), time.Now(), ignore); err != nil {
				t.Error(err)
			}
			t.Logf("open again after %v", time.Since(start).Round(time.Millisecond))
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if left := children(mic); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// The microphone's process ends when its standard input closes, by itself.
func TestRealMicEndsWithItsInput(t *testing.T) {
	mic := audiotest.BuildMic(t, fakeVersion)
	audiotest.NewSoundServer(t)
	cmd := exec.Command(mic, "--device", "rigmic")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 20000)); err != nil {
		t.Error(err)
	}
	_ = in.Close()
	start := time.Now()
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	t.Logf("it ended %v after its input", time.Since(start).Round(time.Millisecond))
}

// typical is the middle of what is measured in each quarter of a second: a player
// that had to wait for its turn leaves gaps in some.
func typical(x []float32, measure func([]float32) float64) float64 {
	var all []float64
	for ; len(x) >= 12000; x = x[12000:] {
		all = append(all, measure(x[:12000]))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
