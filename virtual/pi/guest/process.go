package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a program that a case started.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}

	mu       sync.Mutex
	out, err bytes.Buffer
	ended    time.Time
	onOut    func([]byte) // a look at each portion of stdout
}

// spawn starts a program in a process group of its own.
func (t *trial) spawn(name string, onOut func([]byte), env []string, argv ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{}), onOut: onOut}
	p.cmd.Env = append([]string{"PATH=/bin", "HOME=/root", "NVR_PW="}, env...)
	p.cmd.Dir = t.dir
	p.cmd.Stdout, p.cmd.Stderr = portion{p, &p.out, true}, portion{p, &p.err, false}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	t.procs = append(t.procs, p)
	go func() { // ends with the process, which the trial ends
		_ = p.cmd.Wait() // how it ended is in ProcessState
		p.mu.Lock()
		p.ended = time.Now()
		p.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

type portion struct {
	p     *process
	b     *bytes.Buffer
	isOut bool
}

func (w portion) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	w.b.Write(b)
	w.p.mu.Unlock()
	if w.isOut && w.p.onOut != nil {
		w.p.onOut(b)
	}
	return len(b), nil
}

var _ io.Writer = portion{}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(s syscall.Signal) error { return syscall.Kill(p.cmd.Process.Pid, s) }

// kill ends it with all that it started.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // gone already is gone
	<-p.done
}

// wait waits for the end; the exit code is -1 after a signal.
func (p *process) wait(within time.Duration) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(within):
		return 0, fmt.Errorf("%s has not ended within %v", p.name, within)
	}
}

func (p *process) stdout() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *process) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err.String()
}

// tail is the end of what it said.
func (p *process) tail() string {
	last := func(s string) string {
		if len(s) > 3000 {
			s = "…" + s[len(s)-3000:]
		}
		return s
	}
	return last(p.stdout()) + last(p.stderr())
}
