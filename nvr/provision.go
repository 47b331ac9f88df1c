package nvr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"resetrig/rig"
)

// How long a unit may take to say that it is initialised, once it took the
// account, and how often it is asked (without a login).
const (
	initialisedWithin = 10 * time.Second
	initialisedEvery  = 500 * time.Millisecond
)

// Provision implements rig.Provisioner.
func (d *Device) Provision(ctx context.Context) ([]rig.Check, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	sight, g, err := d.need(ctx)
	if err == nil && g.loginTells {
		sight, g, err = d.askByLogin(ctx, sight, g, rig.Mark{})
	}
	if err != nil {
		return nil, err
	}
	d.judged = ""
	if d.dialect.can().proof == byInit && sight.Init == rig.InitUninitialised {
		if err := d.mayProvision(); err != nil {
			return nil, fmt.Errorf("provision: %w", err)
		}
		s, c, err := d.giveAccount(ctx)
		if err != nil {
			return nil, err
		}
		return []rig.Check{c}, d.learnFirmware(ctx, s)
	}
	if d.dialect.can().proof == byInit && sight.Init == rig.InitUnknown {
		return nil, fmt.Errorf("provision %s: %w: it does not say whether it is initialised (%s)", d.base, rig.ErrGarbage, initText(sight, g))
	}
	s, err := d.knownLogin(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.proven(); err != nil {
		return nil, fmt.Errorf("provision: %w", err)
	}
	if err := d.learnFirmware(ctx, s); err != nil {
		return nil, err
	}
	return []rig.Check{{
		Name: "known-login", Kind: rig.AboutLogin, Outcome: rig.CheckPass,
		Wanted: "a known login is accepted", Seen: "accepted as " + s.cred.User,
	}}, nil
}

// giveAccount creates the first account of an uninitialised unit: the password
// is in the vault before the unit hears of it, and proven afterwards.
func (d *Device) giveAccount(ctx context.Context) (*session, rig.Check, error) {
	check := rig.Check{Name: "provisioned-login", Kind: rig.AboutLogin, Wanted: "the account just created is accepted"}
	password, err := newPassword(d.o.Rand)
	if err != nil {
		return nil, check, err
	}
	c := rig.Credential{User: d.model.Provision.User, Password: password}
	if err := d.remember(c); err != nil {
		return nil, check, err
	}
	if err := d.createAccount(ctx, c); err != nil {
		return nil, check, fmt.Errorf("provision %s: %w", d.base, err)
	}
	d.changed()
	d.current = &c
	if err := d.awaitInitialised(ctx); err != nil {
		return nil, check, err
	}
	s, err := d.insist(ctx, c)
	if err == nil {
		err = d.proven()
	}
	if err != nil {
		return nil, check, fmt.Errorf("prove the account just created: %w", err)
	}
	check.Outcome, check.Seen, check.At = rig.CheckPass, "accepted as "+c.User, d.o.Clock.Now()
	return s, check, nil
}

// createAccount asks for the account. Whether it was created by a request whose
// answer was lost, the unit's init state tells; only then is it asked again.
func (d *Device) createAccount(ctx context.Context, c rig.Credential) error {
	for n := 0; ; n++ {
		err := d.dialect.provision(ctx, d.base, c)
		if n >= repetitions(ctx, err) {
			return err
		}
		if err := d.pause(ctx); err != nil {
			return err
		}
		s, _, ferr := d.need(ctx)
		switch {
		case ferr != nil:
			return ferr
		case s.Init == rig.InitInitialised:
			return nil
		case s.Init != rig.InitUninitialised:
			return err
		}
		if err := d.mayProvision(); err != nil {
			return err
		}
	}
}

// awaitInitialised waits until the unit says that it has its account, so that
// no login is spent on one that is still writing it.
func (d *Device) awaitInitialised(ctx context.Context) error {
	until := d.o.Clock.Now().Add(initialisedWithin)
	for {
		s, _, err := d.find(ctx)
		if err != nil {
			return err
		}
		if s.Reach == rig.ReachReady && s.Init == rig.InitInitialised {
			return nil
		}
		if !d.o.Clock.Now().Before(until) {
			return fmt.Errorf("provision %s: %w: it took the account and still calls itself %s after %v", d.base, rig.ErrWrite, s.Init, initialisedWithin)
		}
		if err := d.o.Clock.Sleep(ctx, initialisedEvery); err != nil {
			return err
		}
	}
}

// learnFirmware notes the version that the unit must have after a reset too,
// if nothing told it before.
func (d *Device) learnFirmware(ctx context.Context, s *session) error {
	if d.firmware != "" {
		return nil
	}
	v, err := d.dialect.firmware(ctx, s)
	if err != nil && !errors.Is(err, rig.ErrUnsupported) {
		return fmt.Errorf("read the firmware version: %w", err)
	}
	d.firmware = v
	return nil
}
