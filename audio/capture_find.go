package audio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// micName is the name of the microphone's program.
const micName = "resetrig-mic"

// libraryDirs are where packages put programs that other programs start.
var libraryDirs = [...]string{"/usr/lib/resetrig", "/usr/local/lib/resetrig"}

// FindMic finds the microphone's program: the path that a flag gave, or else
// beside this executable, or else in the library directory.
func FindMic(flag string) (string, error) {
	if flag != "" {
		if err := runnable(flag); err != nil {
			return "", fmt.Errorf("the microphone's program: %w", err)
		}
		return flag, nil
	}
	dirs := libraryDirs[:]
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dirs = append([]string{filepath.Dir(exe)}, dirs...)
	}
	for _, d := range dirs {
		p := filepath.Join(d, micName)
		if runnable(p) == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s was not found in %s: build it (make build, it needs a C compiler and portaudio19-dev), or name its path",
		micName, strings.Join(dirs, ", "))
}

func runnable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st.IsDir() || st.Mode()&0o111 == 0 {
		return fmt.Errorf("%s cannot be executed", path)
	}
	return nil
}

// MicCommand is the command line that captures channels, counted from 0, of the
// device of that name: those of a NewCard, in their order.
func MicCommand(mic, device string, rate int, channels ...int) []string {
	list := make([]string, len(channels))
	for i, c := range channels {
		list[i] = strconv.Itoa(c)
	}
	return []string{mic, "--device", device, "--rate", strconv.Itoa(rate), "--channel", strings.Join(list, ",")}
}

// Device is an input device that the sound system offers.
type Device struct {
	Name     string  `json:"name"`
	HostAPI  string  `json:"host_api"`
	Channels int     `json:"channels"`
	Rate     float64 `json:"default_rate"`
}

// ListDevices asks the microphone's program for the input devices. It takes
// 0.2–2 s, and gives up after 5 s: a frozen sound server never answers.
func ListDevices(ctx context.Context, mic string) ([]Device, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, mic, "--list")
	cmd.Env = append(os.Environ(), "JACK_NO_START_SERVER=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out, noise bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &noise
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("list the input devices: no answer within 5 s, the sound server hangs: %w", context.Cause(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("list the input devices: %w: %s", err, ownWords(noise.Bytes()))
	}
	var ds []Device
	dec := json.NewDecoder(&out)
	for dec.More() {
		var d Device
		if err := dec.Decode(&d); err != nil {
			return nil, fmt.Errorf("list the input devices: the answer of %s cannot be read: %w", mic, err)
		}
		ds = append(ds, d)
	}
	return ds, nil
}

// ownWords is the last line that the program itself wrote among the noise.
func ownWords(noise []byte) string {
	words := "it left no message"
	sc := bufio.NewScanner(bytes.NewReader(noise))
	for sc.Scan() {
		if own, ok := strings.CutPrefix(sc.Text(), ownPrefix); ok {
			words = own
		}
	}
	return words
}
