package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"resetrig/config"
)

// A bench is held by one program: each of its lines, its microphone and its DUT
// is a name that one process at a time can have. The names are abstract sockets
// of the kernel: they are the same for every user and state folder, and are
// free again when the process is gone, however it went. `resetrig safe` asks
// nobody.

// lockNames are what a real bench needs for itself; a simulated one is its own.
func lockNames(cfg *config.Bench) []string {
	if cfg.Simulate != nil {
		return nil
	}
	var names []string
	for _, r := range cfg.Relays {
		names = append(names, "line "+r.Pin)
	}
	if cfg.Ear != nil && cfg.Ear.Device != "" {
		names = append(names, fmt.Sprintf("microphone %s channel %d", cfg.Ear.Device, cfg.Ear.Channel))
	}
	// The address belongs to it: a serial alone may be that of several simulated
	// recorders, which answer at different ports of this computer.
	if d := cfg.DUT; d.Serial+d.MAC+d.URL != "" {
		names = append(names, strings.Join(strings.Fields("DUT "+d.Serial+" "+d.MAC+" "+d.URL), " "))
	}
	slices.Sort(names)
	return names
}

// lockBench takes what the bench needs, or nothing. unlock gives it back.
func lockBench(cfg *config.Bench) (unlock func(), err error) {
	var held []net.Listener
	unlock = func() {
		for _, l := range held {
			_ = l.Close() // the name goes with the socket
		}
	}
	for _, name := range lockNames(cfg) {
		l, err := net.Listen("unix", socketName(name))
		if err != nil {
			unlock()
			if errors.Is(err, syscall.EADDRINUSE) {
				return nil, fmt.Errorf("bench %s: %s is in use by another resetrig%s: one program at a time can have a bench", cfg.Name, name, holder(name))
			}
			return nil, fmt.Errorf("bench %s: hold %s: %w", cfg.Name, name, err)
		}
		held = append(held, l)
	}
	return unlock, nil
}

// socketName is the socket of a name: at most 107 bytes fit into one (unix(7)).
func socketName(name string) string {
	if len(name) > 80 {
		sum := sha256.Sum256([]byte(name))
		name = name[:40] + hex.EncodeToString(sum[:16])
	}
	return "@resetrig/" + name
}

// holder says which process has a name, where the kernel tells.
func holder(name string) string {
	c, err := net.Dial("unix", socketName(name))
	if err != nil {
		return ""
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return ""
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); cerr != nil || err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", cred.Pid)
}

// apart reports what two benches of one invocation both want.
func apart(benches []*config.Bench) error {
	who := map[string]string{}
	for _, b := range benches {
		if other, twice := who["bench "+b.Name]; twice {
			return fmt.Errorf("two benches are called %s: %s and %s", b.Name, other, b.File)
		}
		who["bench "+b.Name] = b.File
		for _, n := range lockNames(b) {
			if other, twice := who[n]; twice {
				return fmt.Errorf("benches %s and %s both want %s", other, b.Name, strings.TrimPrefix(n, "bench "))
			}
			who[n] = b.Name
		}
	}
	return nil
}
