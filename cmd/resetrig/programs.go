package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"syscall"
	"time"
)

// programs runs a lab's own programs for exec steps.
type programs struct{ log *slog.Logger }

// killAfter is how long a stopped program may take to end by itself.
const killAfter = 5 * time.Second

// Run runs argv in a process group of its own, which ends with it: what a
// script started must not outlive the step.
func (p programs) Run(ctx context.Context, argv []string, within time.Duration, out io.Writer) error {
	if len(argv) == 0 {
		return fmt.Errorf("no program is named")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not done within %v", within))
	defer cancel()
	p.log.Debug("exec", "argv", argv, "within", within)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	bounded := &boundedWriter{to: out, left: keepOutput}
	cmd.Stdout, cmd.Stderr = bounded, bounded
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever is left of the group
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// keepOutput is how much of a program's output is kept, in bytes.
const keepOutput = 10 << 20

// boundedWriter keeps so much and takes the rest without a word: a program must
// not fill the disk that the results are to go to.
type boundedWriter struct {
	to   io.Writer
	left int
}

func (w *boundedWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.left -= n
	if _, err := w.to.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
