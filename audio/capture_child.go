package audio

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"resetrig/pcm"
)

const (
	exitWait  = 300 * time.Millisecond // for the reason of an end to become known
	closeWait = 800 * time.Millisecond // for the process to end by itself
	killWait  = 2 * time.Second        // for a killed process to be gone
	logLines  = 300                    // of the child's noise in one session
	logWidth  = 400                    // bytes of a line
	ownPrefix = "resetrig-mic: "
)

// progress is how far the child has come.
type progress struct {
	stage pcm.Stage
	flows bool // sound comes
}

// child is the process and its three pipes, this side's ends.
type child struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr *os.File
	exited chan struct{} // closed when it was reaped

	mu    sync.Mutex
	last  string // its own last words on stderr
	crash string // the first line on stderr that looks like a crash
}

// start runs the session. The goroutine that starts the process keeps its
// thread until the end: the kernel kills the child with the thread that made
// it, not with the process (PR_SET_PDEATHSIG, prctl(2)).
func (s *session) start() {
	go func() { // ends with the session; shutdown waits for done
		defer close(s.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ch, err := s.spawn()
		if err != nil {
			s.lose(lostf("start the microphone's process %s: %v", s.opt.Command[0], err))
			return
		}
		var wg sync.WaitGroup
		ended := make(chan error, 1)
		wg.Go(func() { ended <- s.read(ch) })
		noise := make(chan struct{})
		wg.Go(func() { defer close(noise); s.listenToNoise(ch) })
		s.watch(ch, ended, noise)
		s.finish(ch)
		wg.Wait()
	}()
}

// spawn starts the process in a process group of its own.
func (s *session) spawn() (*child, error) {
	var files [6]*os.File
	for i := 0; i < 6; i += 2 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(files[:])
			return nil, err
		}
		files[i], files[i+1] = r, w
	}
	cmd := exec.Command(s.opt.Command[0], s.opt.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[3], files[5]
	// A sound server that the look at the devices would start outlives us.
	cmd.Env = append(os.Environ(), "JACK_NO_START_SERVER=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err := cmd.Start()
	closeAll([]*os.File{files[0], files[3], files[5]})
	if err != nil {
		closeAll([]*os.File{files[1], files[2], files[4]})
		return nil, err
	}
	ch := &child{cmd: cmd, stdin: files[1], stdout: files[2], stderr: files[4], exited: make(chan struct{})}
	go func() { // ends when the process is reaped; finish waits for it, for a while
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(ch.exited)
	}()
	return ch, nil
}

func closeAll(fs []*os.File) {
	for _, f := range fs {
		if f != nil {
			_ = f.Close()
		}
	}
}

// watch is the watchdog. It returns when the session is lost or shall end.
func (s *session) watch(ch *child, ended <-chan error, noise <-chan struct{}) {
	var at progress
	timer := time.NewTimer(s.opt.OpenTimeout)
	defer timer.Stop()
	for {
		select {
		case at = <-s.progress:
			timer.Reset(s.limit(at))
		case <-timer.C:
			select {
			case at = <-s.progress: // came while this goroutine did not run
				timer.Reset(s.limit(at))
				continue
			default:
			}
			s.lose(s.stalled(at))
			return
		case err := <-ended:
			s.lose(s.ended(ch, err, noise))
			return
		case <-s.quit:
			s.lose(errClosed)
			return
		}
	}
}

func (s *session) limit(at progress) time.Duration {
	if at.flows {
		return s.opt.Stall
	}
	return s.opt.OpenTimeout
}

// stalled says what hangs.
func (s *session) stalled(at progress) error {
	d := s.limit(at)
	switch {
	case at.flows:
		return lostf("the microphone %q has delivered nothing for %v: its device or the sound server hangs, or it was unplugged; "+
			"look at its cable and at dmesg, it is opened anew for the next cycle", s.device(), d)
	case at.stage == pcm.StageOpen:
		return lostf("the microphone %q was opened, and delivered nothing within %v: choose another device (resetrig-mic --list), "+
			"or restart the sound server", s.device(), d)
	case at.stage == pcm.StageInitialised:
		return lostf("the microphone did not open within %v: another program may hold it, or the sound server hangs", d)
	case at.stage == pcm.StageStarted:
		return lostf("the sound system did not name its devices within %v: the sound server hangs; restart it", d)
	}
	return lostf("the microphone's process %s said nothing within %v: is it resetrig-mic?", s.opt.Command[0], d)
}

func (s *session) device() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.Device
}

// ended says why the stream ended.
func (s *session) ended(ch *child, err error, noise <-chan struct{}) error {
	if errors.Is(err, pcm.ErrProtocol) || errors.Is(err, errVersion) {
		return lostf("%s does not fit this program: %v; install both from the same build", s.opt.Command[0], err)
	}
	if le := (*lostError)(nil); errors.As(err, &le) {
		return le
	}
	// The reason is in the exit code and in the last words: wait a little.
	wait, cancel := context.WithTimeout(context.Background(), exitWait)
	defer cancel()
	exited := false
	select {
	case <-ch.exited:
		exited = true
	case <-wait.Done():
	}
	if !exited {
		return lostf("the microphone's sound broke off: %v", err)
	}
	select {
	case <-noise:
	case <-wait.Done():
	}
	ch.mu.Lock()
	words, own := ch.last, ch.last != ""
	if !own {
		words = cmp.Or(ch.crash, "it left no message")
	}
	ch.mu.Unlock()
	st := ch.cmd.ProcessState
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return lostf("the microphone's process was killed (%v): %s; it is started anew for the next cycle", ws.Signal(), words)
	}
	code := st.ExitCode()
	if code == 2 && !own {
		code = -1 // the language's runtime ends a crashed program with 2, too
	}
	what := map[int]string{
		0: "ended by itself", 2: "refused its arguments", 3: "found no such device",
		4: "could not open the device", 5: "lost the device", 6: "could not write its sound",
	}[code]
	if what == "" {
		what = "crashed"
	}
	if errors.Is(err, pcm.ErrCorrupt) && st.ExitCode() == 0 {
		words = err.Error()
	}
	return lostf("the microphone's process %s (exit %d): %s", what, st.ExitCode(), words)
}

// finish ends the process, gently if it still works, and closes the pipes, so
// that the readers of them end too.
func (s *session) finish(ch *child) {
	_ = ch.stdin.Close() // resetrig-mic ends by itself then
	if errors.Is(s.failure(), errClosed) {
		waitFor(ch.exited, closeWait)
	}
	// The group holds what a wrapper started, too. Until it was reaped its
	// number is nobody else's.
	select {
	case <-ch.exited:
	default:
		_ = syscall.Kill(-ch.cmd.Process.Pid, syscall.SIGKILL)
	}
	if !waitFor(ch.exited, killWait) {
		err := fmt.Errorf("the microphone's process %d could not be killed: a driver holds it; unplug the microphone, or restart the computer",
			ch.cmd.Process.Pid)
		s.log.Error(err.Error())
		s.mu.Lock()
		s.endErr = err
		s.mu.Unlock()
	}
	closeAll([]*os.File{ch.stdout, ch.stderr})
}

func waitFor(c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}

var errVersion = errors.New("another version")

// read takes in the stream until it ends, and says how.
func (s *session) read(ch *child) error {
	origin := pcm.SystemOrigin()
	dec := pcm.NewDecoder(ch.stdout, origin)
	var h pcm.Hello
	for h.Stage != pcm.StageOpen {
		var err error
		if h, err = dec.Hello(); err != nil {
			return err
		}
		if h.Version != s.opt.Version {
			return fmt.Errorf("%w: it is %q, this program is %q", errVersion, h.Version, s.opt.Version)
		}
		s.tell(progress{stage: h.Stage})
	}
	s.mu.Lock()
	s.stats.Device, s.stats.Rate = h.Device, h.Rate
	s.mu.Unlock()
	channels, err := s.sent(h)
	if err != nil {
		return err
	}
	s.log.Info("the microphone is open", "device", h.Device, "host_api", h.HostAPI, "rate", h.Rate, "channels", h.Channels)
	rings := make([]*Ring, len(s.channels))
	for i := range rings {
		rings[i] = NewRing(s.opt.Ring, h.Rate)
		s.rings[i].Store(rings[i])
	}
	var tb timebase
	warm := time.Time{}
	running := false
	for {
		b, err := dec.Block()
		if err != nil {
			return err
		}
		if c := dec.Channel(); c != channels[0] {
			return fmt.Errorf("%w: a frame of channel %d, where %d is due", pcm.ErrCorrupt, c, channels[0])
		}
		now := time.Now()
		late := now.Sub(b.End())
		if warm.IsZero() {
			warm = now.Add(s.opt.Warmup)
		}
		overflow := b.Lost
		b, lost, silent := tb.place(b)
		s.tell(progress{stage: pcm.StageOpen, flows: true})
		warming := !running && now.Before(warm)
		if running {
			rings[0].Write(b)
		}
		if err := others(dec, b, channels, rings, running); err != nil {
			return err
		}
		if warming {
			continue
		}
		if !running {
			running = true
			close(s.ready)
		}
		s.count(&tb, b, lost, overflow, silent, late)
		if late > s.opt.Stall {
			return lostf("the sound of the microphone %q comes %v late: the computer is overloaded or was asleep", h.Device, late.Round(time.Millisecond))
		}
	}
}

// sent are the channels that come: those of the card. A card of one takes
// whichever its command names.
func (s *session) sent(h pcm.Hello) ([]int, error) {
	sent := h.Channels
	if len(sent) == 0 {
		sent = []int{0}
	}
	if len(sent) != len(s.channels) || len(sent) > 1 && !slices.Equal(sent, s.channels) {
		return nil, fmt.Errorf("%w: the channels %v come, %v were asked for", pcm.ErrCorrupt, sent, s.channels)
	}
	return sent, nil
}

// others takes in what the card's further channels heard in the time of the
// first one's block.
func others(dec *pcm.Decoder, first pcm.Block, channels []int, rings []*Ring, keep bool) error {
	n := len(first.Samples) // the decoder's own: the next block replaces them
	for i, c := range channels[1:] {
		b, err := dec.Block()
		if err != nil {
			return err
		}
		if dec.Channel() != c || len(b.Samples) != n {
			return fmt.Errorf("%w: %d samples of channel %d, where %d of channel %d are due", pcm.ErrCorrupt, len(b.Samples), dec.Channel(), n, c)
		}
		if keep {
			first.Samples = b.Samples
			rings[i+1].Write(first)
		}
	}
	return nil
}

func (s *session) count(tb *timebase, b pcm.Block, lost int64, overflow, silent bool, late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.stats
	st.Blocks++
	st.Samples += int64(len(b.Samples))
	st.LostSamples += lost
	if overflow {
		st.Overflows++
	}
	if silent {
		st.Stalls++
	}
	st.MaxLate = max(st.MaxLate, late)
	st.DriftPPM, st.DriftKnown = tb.driftPPM()
	st.Jitter = tb.jitter()
}

// tell leaves the newest progress for the watchdog and never waits for it.
func (s *session) tell(p progress) {
	for {
		select {
		case s.progress <- p:
			return
		default:
		}
		select {
		case <-s.progress:
		default:
		}
	}
}

// listenToNoise puts the child's standard error into the log: the libraries'
// noise bounded, its own words also into the error that reports its end.
func (s *session) listenToNoise(ch *child) {
	r := bufio.NewReaderSize(ch.stderr, 4096)
	lines, over := 0, 0
	for {
		b, prefix, err := r.ReadLine()
		if err != nil {
			break
		}
		line := string(b[:min(len(b), logWidth)])
		for prefix && err == nil {
			_, prefix, err = r.ReadLine()
		}
		if own, ok := strings.CutPrefix(line, ownPrefix); ok {
			ch.mu.Lock()
			ch.last = own
			ch.mu.Unlock()
			s.log.Debug("resetrig-mic", "says", own)
			continue
		}
		if crashed(line) {
			ch.mu.Lock()
			ch.crash = cmp.Or(ch.crash, line)
			ch.mu.Unlock()
		}
		if lines++; lines > logLines {
			over++
			continue
		}
		if strings.TrimSpace(line) != "" {
			s.log.Debug("resetrig-mic", "stderr", line)
		}
	}
	// The pipe must stay empty, or the child would wait for it.
	_, _ = io.Copy(io.Discard, ch.stderr)
	if over > 0 {
		s.log.Debug("resetrig-mic", "stderr lines left out", over)
	}
}

// crashed reports whether a line is how a library or a runtime dies.
func crashed(line string) bool {
	for _, w := range [...]string{"Assertion", "panic:", "fatal error:", "symbol lookup error", "error while loading shared libraries"} {
		if strings.Contains(line, w) {
			return true
		}
	}
	return false
}
