package audio_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"resetrig/audio"
	"resetrig/pcm"
)

// TestMain lets the test's own program be the child processes of the tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		os.Exit(child(os.Args[2], os.Args[3:]))
	}
	// The parallel tests here wait for children; they do not compute.
	flag.Parse()
	_ = flag.Set("test.parallel", "12")
	code := m.Run()
	if left := children(""); len(left) > 0 {
		fmt.Println("processes were left behind:", left)
		code = 1
	}
	os.Exit(code)
}

// childCommand is the command line of such a child.
func childCommand(t testing.TB, mode string, args ...string) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{exe, "child", mode}, args...)
}

const (
	fakeVersion = "1.0-test"
	fakeRate    = 48000
	fakeBlock   = 960
	fakeToneHz  = 1000
)

// twoChannels are those that the modes two… send.
var twoChannels = [2]int{0, 3}

// child is a microphone's process with one fault, or another helper.
func child(mode string, args []string) int {
	switch mode {
	case "full-disk":
		return fullDiskChild(args[0])
	case "wrapper":
		return wrapperChild(args)
	case "owner":
		return ownerChild(args[0])
	}
	out := pcm.NewEncoder(os.Stdout)
	hello := pcm.Hello{Version: fakeVersion, Stage: pcm.StageStarted}
	gone := make(chan struct{})
	if mode == "deaf" {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		if len(args) > 0 {
			_ = os.WriteFile(args[0], []byte(strconv.Itoa(os.Getpid())), 0o644)
		}
	} else {
		go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(gone) }()
	}
	hang := func() int { <-gone; return 0 }
	switch mode {
	case "mute":
		return hang()
	case "text":
		fmt.Println("usage: something else entirely")
		return hang()
	case "version":
		hello.Version = "0.9-other"
	case "protocol":
		_, _ = os.Stdout.Write([]byte{'r', 'R', 'M', 'i', 99, 0, 2, 0, 0, 0, 0, 0, '{', '}'})
		return hang()
	case "no-device":
		_ = out.Hello(hello)
		fmt.Fprintln(os.Stderr, "ALSA lib confmisc.c:855:(parse_card) cannot find card '0'")
		fmt.Fprintln(os.Stderr, `resetrig-mic: no input device is called "Blue Yeti"; there are: "USB PnP"`)
		return 3
	case "assertion":
		_ = out.Hello(hello)
		fmt.Fprintln(os.Stderr, "resetrig-mic: src/hostapi/alsa/pa_linux_alsa.c:1454: BuildDeviceList: Assertion `devIdx < numDeviceNames' failed.")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "crash":
		_ = out.Hello(hello)
		panic("in a callback")
	case "noise":
		for i := range 20000 {
			fmt.Fprintf(os.Stderr, "ALSA lib: line %d of noise\n", i)
		}
		_, _ = os.Stderr.Write(make([]byte, 1<<20)) // one endless line
	}
	_ = out.Hello(hello)
	if mode == "hang-init" {
		return hang()
	}
	hello.Stage = pcm.StageInitialised
	_ = out.Hello(hello)
	if mode == "hang-open" {
		return hang()
	}
	hello.Stage, hello.Device, hello.HostAPI, hello.Rate = pcm.StageOpen, "USB PnP", "fake", fakeRate
	switch {
	case strings.HasPrefix(mode, "two"):
		hello.Channels = twoChannels[:]
	case mode == "other-channels":
		hello.Channels = []int{5, 6}
	}
	_ = out.Hello(hello)
	if mode == "no-sound" {
		return hang()
	}
	return play(mode, out, gone)
}

// play delivers a tone in real time, until the fault after 60 blocks (1.2 s).
func play(mode string, out *pcm.Encoder, gone <-chan struct{}) int {
	const faultAt = 60
	f := pcm.Frame{Samples: make([]float32, fakeBlock)}
	start := pcm.MonotonicNanos()
	var silent int64 // nanoseconds that the device lost
	for i := int64(0); ; i++ {
		if i == faultAt {
			switch mode {
			case "stall", "deaf":
				if mode == "deaf" {
					time.Sleep(time.Hour)
				}
				<-gone
				return 0
			case "eof":
				return 0
			case "exit5", "two-exit5":
				fmt.Fprintln(os.Stderr, `resetrig-mic: read from "USB PnP": Unanticipated host error`)
				return 5
			case "killed":
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			case "corrupt":
				_, _ = os.Stdout.WriteString("ALSA lib pcm.c: overrun occurred, this is not a frame at all")
				<-gone
				return 0
			case "overflow", "silent-loss":
				silent = 300e6
			case "gap":
				f.Start += 4800
				silent = 100e6
			case "late":
				silent = -4e9
			}
		}
		for k := range f.Samples {
			f.Samples[k] = float32(0.5 * math.Sin(2*math.Pi*fakeToneHz*float64(i*fakeBlock+int64(k))/fakeRate))
		}
		due := start + i*fakeBlock*1e9/fakeRate + silent
		f.Nanos = due
		f.Lost = mode == "overflow" && i == faultAt
		for wait := due + fakeBlock*1e9/fakeRate - pcm.MonotonicNanos(); wait > 0; wait = 0 {
			select {
			case <-gone:
				return 0
			case <-time.After(time.Duration(wait)):
			}
		}
		if strings.HasPrefix(mode, "two") {
			f.Channel = twoChannels[0]
		}
		if err := out.Frame(f); err != nil {
			return 6
		}
		if strings.HasPrefix(mode, "two") { // on the second one the same tone, half as loud
			f.Channel = twoChannels[1]
			for k := range f.Samples {
				f.Samples[k] /= 2
			}
			if mode == "two-mixed-up" && i == faultAt {
				f.Channel = twoChannels[0]
			}
			if err := out.Frame(f); err != nil {
				return 6
			}
		}
		f.Start += fakeBlock
	}
}

// fullDiskChild spools onto a disk that takes 100 kB: the limit of a file's
// size stands for it.
func fullDiskChild(dir string) int {
	signal.Ignore(syscall.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100_000, Max: 100_000}); err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := audio.CreateSpool(filepath.Join(dir, "full.wav"), fakeRate)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	told := 0
	for i := range 100 {
		b := pcm.Block{Start: int64(i) * fakeBlock, Time: time.Unix(0, int64(i)*20e6), Rate: fakeRate, Samples: make([]float32, fakeBlock)}
		if err := s.Write(b); err != nil {
			told++
			fmt.Println(err)
		}
	}
	fmt.Println("told", told, "remembered", s.Err() != nil, "close", s.Close(true))
	return 0
}

// wrapperChild starts another child with its own pipes and waits for it.
func wrapperChild(args []string) int {
	cmd := exec.Command(os.Args[0], append([]string{"child"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	_ = cmd.Run()
	return 0
}

// ownerChild is the main program: it captures from a deaf child until that
// writes nothing any more, says so, and waits to be killed.
func ownerChild(pidFile string) int {
	c := audio.NewCapture(audio.CaptureOptions{
		Command: []string{os.Args[0], "child", "deaf", pidFile}, Version: fakeVersion, Stall: time.Hour,
	})
	if err := c.Open(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = c.Read(ctx, time.Now().Add(time.Hour), func(pcm.Block) {})
	fmt.Println("deaf")
	time.Sleep(time.Hour)
	return 0
}

// children are the running child processes of this one whose executable has
// that path; "" means any.
func children(exe string) []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		b, err := os.ReadFile(d + "/stat")
		if err != nil {
			continue
		}
		// pid (name) state ppid: proc_pid_stat(5)
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if f[0] == "Z" || f[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		if link, _ := os.Readlink(d + "/exe"); exe == "" || link == exe {
			pid, _ := strconv.Atoi(filepath.Base(d))
			pids = append(pids, pid)
		}
	}
	return pids
}
