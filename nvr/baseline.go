package nvr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// Baseline is what a unit is like right after a known good reset.
type Baseline struct {
	Reference
	Init   rig.InitState     // right after the reset, before any account was made
	Config map[string]string // Table.key → value, without what rightly differs
}

// Reference is what a baseline says beside the configuration. Zero fields are
// not compared.
type Reference struct {
	Type, Firmware, Hardware string
	Users                    []string // names of the accounts, in order
	Ports                    []int    // open TCP ports
	Tried                    []int    // the ports that were tried
}

// Dialer is a Network that tries TCP ports.
type Dialer interface {
	// Open reports whether a connection to host:port is taken within a time of
	// the Clock. An error is a cancelled ctx.
	Open(ctx context.Context, address string, within time.Duration) (bool, error)
}

// Ports are the TCP ports that are tried where a model names none: what
// recorders of all dialects serve, and what should not be open.
func Ports() []int {
	return []int{21, 22, 23, 80, 443, 554, 5000, 8000, 8080, 8443, 8899, 9000, 34567, 37777, 37778, 49152}
}

// How long one port is waited for, how often a difference is looked at, and how
// far apart: services come up one after the other.
const (
	portWithin  = 700 * time.Millisecond
	portLooks   = 4
	portsSettle = 5 * time.Second
)

// Record reads a baseline off the unit as it is now: right after a known good
// reset. An uninitialised unit is given an account first if provision is set;
// without it, it is an error, since its configuration cannot be read.
func (d *Device) Record(ctx context.Context, provision bool) (Baseline, error) {
	d.mu.Lock()
	sight, _, err := d.need(ctx)
	d.mu.Unlock()
	if err != nil {
		return Baseline{}, fmt.Errorf("record a baseline: %w", err)
	}
	b := Baseline{Init: sight.Init}
	if sight.Init == rig.InitUninitialised {
		if !provision {
			return b, fmt.Errorf("record a baseline: %w: the unit has no account to read its configuration with; let it be provisioned", rig.ErrRefused)
		}
		if _, err := d.Provision(ctx); err != nil {
			return b, fmt.Errorf("record a baseline: %w", err)
		}
	}
	if b.Config, err = d.RecordBaseline(ctx); err != nil {
		return b, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	s, err := d.knownLogin(ctx)
	if err != nil {
		return b, fmt.Errorf("record a baseline: %w", err)
	}
	info, err := d.dialect.info(ctx, s)
	if err != nil {
		return b, fmt.Errorf("record a baseline: %w", err)
	}
	b.Type, b.Firmware, b.Hardware = info.Type, info.Firmware, info.Hardware
	if b.Users, err = d.dialect.users(ctx, s); err != nil && !errors.Is(err, rig.ErrUnsupported) {
		return b, fmt.Errorf("record a baseline: %w", err)
	}
	slices.Sort(b.Users)
	b.Ports, b.Tried, err = d.openPorts(ctx, d.portsToTry())
	return b, err
}

// URL is where the unit answers now, as far as it is known.
func (d *Device) URL() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.base
}

// Model is the name of the unit's model.
func (d *Device) Model() string { return d.model.Name }

func (d *Device) portsToTry() []int {
	if len(d.o.Reference.Tried) > 0 {
		return d.o.Reference.Tried
	}
	return Ports()
}

// openPorts are those that take a connection, and those that were tried; none
// where the network cannot try.
func (d *Device) openPorts(ctx context.Context, ports []int) (open, tried []int, err error) {
	n, ok := d.o.Net.(Dialer)
	if !ok {
		return nil, nil, nil
	}
	for _, p := range ports {
		up, err := n.Open(ctx, net.JoinHostPort(hostOf(d.base), strconv.Itoa(p)), portWithin)
		if err != nil {
			return nil, nil, err
		}
		if tried = append(tried, p); up {
			open = append(open, p)
		}
	}
	return open, tried, nil
}

// likeReference compares accounts and ports with the baseline's.
func (e *examination) likeReference(ctx context.Context) error {
	want := e.d.o.Reference
	if other := e.otherFirmware(); other != "" {
		e.add(rig.Check{Name: "baseline", Kind: rig.AboutConfig, Wanted: "of the unit's firmware", Seen: other, Outcome: rig.CheckWarn})
		return nil
	}
	if len(want.Users) > 0 {
		c := rig.Check{Name: "users", Kind: rig.AboutConfig, Wanted: strings.Join(want.Users, ", ")}
		users, err := e.users(ctx)
		if err := e.settle(ctx, &c, err, slices.Equal(users, want.Users), short(strings.Join(users, ", "))); err != nil {
			return err
		}
	}
	if len(want.Tried) == 0 {
		return nil
	}
	if _, ok := e.d.o.Net.(Dialer); !ok {
		return nil
	}
	c := rig.Check{Name: "ports", Kind: rig.AboutConfig, Wanted: "open: " + portsText(want.Ports)}
	var open []int
	for n := range portLooks {
		var err error
		if n > 0 {
			err = e.d.o.Clock.Sleep(ctx, portsSettle)
		}
		if err == nil {
			open, _, err = e.d.openPorts(ctx, want.Tried)
		}
		if err != nil {
			return err
		}
		if slices.Equal(open, want.Ports) {
			break
		}
	}
	for _, p := range want.Tried {
		switch was, is := slices.Contains(want.Ports, p), slices.Contains(open, p); {
		case was && !is:
			c.Differences = append(c.Differences, rig.Difference{Key: strconv.Itoa(p), Want: "open", Seen: "closed"})
		case is && !was:
			c.Differences = append(c.Differences, rig.Difference{Key: strconv.Itoa(p), Want: "closed", Seen: "open"})
		}
	}
	return e.settle(ctx, &c, nil, len(c.Differences) == 0, "open: "+portsText(open))
}

// otherFirmware says that the baseline was recorded with another firmware than
// the unit has: what differs then may be the firmware's. "" is the same, or not
// known.
func (e *examination) otherFirmware() string {
	if want := e.d.o.Reference.Firmware; want != "" && e.version != "" && !isVersion(e.version, want) {
		return fmt.Sprintf("the baseline is of firmware %s and the unit has %s, record a new one after a good reset", want, e.version)
	}
	return ""
}

// users are the account names, in order.
func (e *examination) users(ctx context.Context) ([]string, error) {
	if e.blocked != nil || e.r == nil {
		return nil, e.why()
	}
	users, err := e.d.dialect.users(ctx, e.r.s)
	slices.Sort(users)
	return users, err
}

func portsText(ports []int) string {
	if len(ports) == 0 {
		return "none"
	}
	var text []string
	for _, p := range ports {
		text = append(text, strconv.Itoa(p))
	}
	return strings.Join(text, ", ")
}
