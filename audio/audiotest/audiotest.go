// Package audiotest makes a real capture path for tests: a PulseAudio server of
// the test's own with a null sink, ALSA pointed at its monitor, and the real
// program of the microphone. It is imported by tests only.
package audiotest

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"resetrig/internal/need"
)

// Missing skips the test for want of a tool, or fails it where the environment
// requires the test: RESETRIG_REQUIRE=mic, or all.
func Missing(t *testing.T, why string) {
	t.Helper()
	need.Missing(t, "mic", why)
}

// BuildMic builds the real program of the microphone, as of that version. The
// test is skipped, or fails where it is required, if a tool for a real capture
// path is missing.
func BuildMic(t *testing.T, version string) string {
	t.Helper()
	for _, tool := range []struct{ name, deb string }{
		{"pulseaudio", "pulseaudio"}, {"pacat", "pulseaudio-utils"}, {"pactl", "pulseaudio-utils"},
		{"parec", "pulseaudio-utils"}, {"cc", "gcc"}, {"pkg-config", "pkg-config"}, {"go", "Go"},
	} {
		if _, err := exec.LookPath(tool.name); err != nil {
			Missing(t, fmt.Sprintf("there is no %s (package %s)", tool.name, tool.deb))
		}
	}
	if out, err := exec.Command("pkg-config", "portaudio-2.0").CombinedOutput(); err != nil {
		Missing(t, fmt.Sprintf("there are no PortAudio headers (package portaudio19-dev): %s", out))
	}
	if m, _ := filepath.Glob("/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so"); len(m) == 0 {
		Missing(t, "ALSA has no pulse plugin (package libasound2-plugins)")
	}
	mic := filepath.Join(t.TempDir(), "resetrig-mic")
	cmd := exec.Command("go", "build", "-ldflags", "-X main.version="+version, "-o", mic, "resetrig/cmd/resetrig-mic")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build resetrig-mic: %v\n%s", err, out)
	}
	return mic
}

// SoundServer is a PulseAudio with a null sink, which belongs to one test.
type SoundServer struct {
	t    *testing.T
	dir  string
	sock string
	cmd  *exec.Cmd
}

// NewSoundServer starts a server, and points ALSA in this process's children at
// the monitor of its null sink, as the devices rigmic and rigmic-twin.
func NewSoundServer(t *testing.T) *SoundServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "rigsound") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &SoundServer{t: t, dir: dir, sock: filepath.Join(dir, "sock")}
	// Without a pcm.default PortAudio aborts in an assertion.
	conf := fmt.Sprintf(`
pcm.rigmic { type pulse; server "unix:%[1]s"; device "rig.monitor"; hint { show on; description "the null sink" } }
pcm.rigmic-twin { type pulse; server "unix:%[1]s"; device "rig.monitor"; hint { show on; description "it again" } }
pcm.default { type null }
`, s.sock)
	confFile := filepath.Join(dir, "asound.conf")
	if err := os.WriteFile(confFile, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"ALSA_CONFIG_PATH": confFile, "HOME": dir, "XDG_RUNTIME_DIR": dir, "XDG_CONFIG_HOME": dir,
		"PULSE_RUNTIME_PATH": dir, "PULSE_STATE_PATH": dir, "PULSE_SERVER": "unix:" + s.sock,
		"DBUS_SESSION_BUS_ADDRESS": "unix:path=" + dir + "/none", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=" + dir + "/none",
	} {
		t.Setenv(k, v)
	}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// Start starts the server; NewSoundServer has done it once.
func (s *SoundServer) Start() {
	s.t.Helper()
	_ = os.Remove(s.sock)
	log, err := os.Create(filepath.Join(s.dir, "pulse.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm",
		"-L", "module-null-sink sink_name=rig rate=48000 channels=1",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+s.sock)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("unix", s.sock)
		if err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(end) {
			b, _ := os.ReadFile(log.Name())
			s.t.Fatalf("the sound server does not start: %s", b)
		}
	}
	s.Awaken()
}

// Awaken waits until the monitor delivers. A null sink renders 2 s ahead until
// someone asks for less, and its monitor is silent for so long: the first
// listener bears it.
func (s *SoundServer) Awaken() {
	s.t.Helper()
	rec := exec.Command("parec", "--device=rig.monitor", "--latency-msec=50", "--raw")
	out, err := rec.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := rec.Start(); err != nil {
		s.t.Fatal(err)
	}
	_, err = io.ReadFull(out, make([]byte, 10000))
	_ = rec.Process.Kill()
	_ = rec.Wait()
	if err != nil {
		s.t.Fatalf("the sound server delivers nothing: %v", err)
	}
}

// Signal sends the server a signal.
func (s *SoundServer) Signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Kill ends the server, also a frozen one.
func (s *SoundServer) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Tone plays a sine into the null sink until the function that it returns.
func (s *SoundServer) Tone(hz float64) func() {
	s.t.Helper()
	cmd := exec.Command("pacat", "--playback", "--device=rig", "--rate=48000", "--channels=1", "--format=s16le", "--raw", "--latency-msec=100")
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; {
			var b []byte
			for range 4800 {
				v := int16(8192 * math.Sin(2*math.Pi*hz*float64(n)/48000))
				b = binary.LittleEndian.AppendUint16(b, uint16(v))
				n++
			}
			if _, err := in.Write(b); err != nil {
				return
			}
		}
	})
	return func() {
		_ = cmd.Process.Kill()
		_ = in.Close()
		wg.Wait()
		_ = cmd.Wait()
	}
}

// Play plays what is written to the file of that name, which is made as a FIFO:
// 16 bit, mono, at that rate. It ends with the test.
func (s *SoundServer) Play(fifo string, rate int) {
	s.t.Helper()
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		s.t.Fatal(err)
	}
	// Opened for both ways, so that neither end waits for the other.
	f, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("pacat", "--playback", "--device=rig", "--channels=1", "--format=s16le", "--raw",
		"--latency-msec=100", fmt.Sprintf("--rate=%d", rate))
	cmd.Stdin = f
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = f.Close()
	})
}
