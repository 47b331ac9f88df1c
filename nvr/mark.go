package nvr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"resetrig/rig"
)

// What a marked value is called, where it is no configuration key.
const (
	whatPassword = "password"
	whatName     = "name"
)

// unique, as a configuration value of a rig.MarkSpec, makes one up.
const unique = "unique"

// ErrUnproven is a value that the unit took and does not give back.
var ErrUnproven = errors.New("a value that was set is not read back")

// Mark implements rig.Marker. Values are written with the login that is known,
// the password last; every one is then read back with the new login. A value
// that would not differ from the one before, or from the baseline, is refused:
// its going away could not be seen.
func (d *Device) Mark(ctx context.Context, spec rig.MarkSpec) (rig.Mark, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	if !spec.Password && !spec.Name && !spec.User && len(spec.Config) == 0 {
		return rig.Mark{}, errors.New("mark: nothing to mark")
	}
	if !d.dialect.can().mark {
		return rig.Mark{}, fmt.Errorf("mark: %w", rig.ErrUnsupported)
	}
	sight, _, err := d.need(ctx)
	if err != nil {
		return rig.Mark{}, err
	}
	if sight.Init == rig.InitUninitialised {
		return rig.Mark{}, fmt.Errorf("mark %s: %w: it is uninitialised; provision it first", d.base, rig.ErrRefused)
	}
	s, err := d.knownLogin(ctx)
	if err != nil {
		return rig.Mark{}, err
	}
	if err := d.proven(); err != nil {
		return rig.Mark{}, fmt.Errorf("mark: %w", err)
	}
	if err := d.learnFirmware(ctx, s); err != nil {
		return rig.Mark{}, err
	}
	d.judged, d.before = "", nil
	values, err := d.markValues(ctx, s, spec)
	if err != nil {
		return rig.Mark{}, err
	}
	if spec.User {
		v, err := d.markUser(ctx, s)
		if err != nil {
			return rig.Mark{}, err
		}
		values = append(values, v)
	}
	m := rig.Mark{Values: values}
	if spec.Password {
		if s, err = d.markPassword(ctx, s); err != nil {
			return rig.Mark{}, err
		}
		m.ID = markID(s.cred)
		m.Values = append([]rig.MarkedValue{{What: whatPassword, Was: hidden, Is: hidden}}, values...)
		d.marked, d.markedAs = m.ID, s.cred // older ones are in the vault
	} else {
		id, err := randomText(d.o.Rand, "0123456789abcdef", 12)
		if err != nil {
			return rig.Mark{}, err
		}
		m.ID = id
	}
	return m, d.proveValues(ctx, s, values)
}

// markValues writes name and configuration.
func (d *Device) markValues(ctx context.Context, s *session, spec rig.MarkSpec) ([]rig.MarkedValue, error) {
	wanted := maps.Clone(spec.Config)
	if spec.Name {
		if wanted == nil {
			wanted = map[string]string{}
		}
		wanted[whatName] = unique
	}
	var out []rig.MarkedValue
	r := d.reader(s)
	for _, what := range slices.Sorted(maps.Keys(wanted)) {
		key := d.keyOf(what)
		if tableOf(key) == key {
			return nil, fmt.Errorf("mark %q: want a configuration key such as General.MachineName", what)
		}
		if isSecret(key) {
			return nil, fmt.Errorf("mark %q: the value of a key that names a password is not shown, so that it can never be proven; mark the account's password instead, or another key", what)
		}
		was, err := r.value(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("mark %s: %w", what, err)
		}
		is := wanted[what]
		if is == unique {
			tail, err := randomText(d.o.Rand, "0123456789abcdef", 8)
			if err != nil {
				return nil, err
			}
			is = "rr-" + tail
		}
		if base, known := d.o.Baseline[key]; is == was || known && is == base {
			return nil, fmt.Errorf("mark %s with %q: the unit has or would have that value without a mark; choose another", what, is)
		}
		if err := d.set(ctx, s, r, key, is); err != nil {
			return nil, fmt.Errorf("mark %s: %w", what, err)
		}
		out = append(out, rig.MarkedValue{What: what, Was: was, Is: is})
	}
	return out, nil
}

// set writes one value. Whether a write landed whose answer was lost is read,
// and only one that did not is repeated.
func (d *Device) set(ctx context.Context, s *session, r *reader, key, value string) error {
	for n := 0; ; n++ {
		err := d.dialect.set(ctx, s, key, value)
		if n >= repetitions(ctx, err) {
			if errors.Is(err, errNoWord) {
				return nil // what is read back later tells
			}
			return err
		}
		if err := d.pause(ctx); err != nil {
			return err
		}
		r.forget(key)
		if got, err := r.value(ctx, key); err != nil || got == value {
			return err
		}
	}
}

// markPassword gives the session's account a new password and returns a
// session that proved it. The vault holds both before the unit hears of it.
func (d *Device) markPassword(ctx context.Context, s *session) (*session, error) {
	password, err := newPassword(d.o.Rand)
	if err != nil {
		return nil, err
	}
	if err := d.remember(s.cred); err != nil {
		return nil, err
	}
	c := rig.Credential{User: s.cred.User, Password: password}
	if err := d.remember(c); err != nil {
		return nil, err
	}
	marked, err := d.setPassword(ctx, s, c)
	if err != nil {
		// Whether it was set is unknown; the vault's newest two will tell.
		d.current = nil
		d.changed()
		if errors.Is(err, rig.ErrWrite) {
			old := s.cred
			d.current = &old
		}
		return nil, fmt.Errorf("mark password: %w", err)
	}
	if marked != nil {
		return marked, nil
	}
	d.changed()
	d.current = nil
	marked, err = d.insist(ctx, c)
	if errors.Is(err, rig.ErrRefused) {
		return nil, fmt.Errorf("mark password: %w: the new password is refused", ErrUnproven)
	}
	if err != nil {
		return nil, fmt.Errorf("mark password: prove the new password: %w", err)
	}
	return marked, nil
}

// setPassword changes the password. Where the answer was lost, the new one is
// tried, and a session with it returned if it was set; if not, it is set again.
// A nil session is one that is still to be proven.
func (d *Device) setPassword(ctx context.Context, s *session, to rig.Credential) (*session, error) {
	for n := 0; ; n++ {
		err := d.dialect.setPassword(ctx, s, to.Password)
		if n >= repetitions(ctx, err) {
			if errors.Is(err, errNoWord) {
				return nil, nil // the login that follows tells
			}
			return nil, err
		}
		if err := d.pause(ctx); err != nil {
			return nil, err
		}
		d.changed()
		old := s.cred
		marked, err := d.login(ctx, to)
		if err == nil || !errors.Is(err, rig.ErrRefused) {
			return marked, err
		}
		if s, err = d.login(ctx, old); err != nil {
			return nil, err
		}
	}
}

// proveValues reads every value back.
func (d *Device) proveValues(ctx context.Context, s *session, values []rig.MarkedValue) error {
	r := d.reader(s)
	for _, v := range values {
		if v.What == whatUser {
			there, seen, err := (&examination{d: d, r: r}).hasUser(ctx, v.Is, true)
			if err == nil && !there {
				err = fmt.Errorf("%w: want an account %s, seen %s", ErrUnproven, v.Is, seen)
			}
			if err != nil {
				return fmt.Errorf("mark user: read back: %w", err)
			}
			continue
		}
		got, err := r.confirm(ctx, d.keyOf(v.What), v.Is)
		if err != nil {
			return fmt.Errorf("mark %s: read back: %w", v.What, err)
		}
		if got != v.Is {
			return fmt.Errorf("mark %s: %w: want %q, seen %q", v.What, ErrUnproven, v.Is, short(got))
		}
	}
	return nil
}

// StillMarked implements rig.Marker.
func (d *Device) StillMarked(ctx context.Context, m rig.Mark) ([]rig.Check, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	if len(m.Values) == 0 {
		return nil, errors.New("still marked: the mark is empty")
	}
	sight, _, err := d.need(ctx)
	if err != nil {
		return nil, err
	}
	e := d.examine(m)
	if sight.Init == rig.InitUninitialised {
		e.identity()
		for _, v := range m.Values {
			c := rig.Check{Name: "marker/" + v.What, Kind: rig.AboutMarker, Wanted: wantedStill(v), Seen: "the unit is uninitialised", Outcome: rig.CheckUnknown, Reason: rig.ReasonLoginUnknown}
			if v.What == whatPassword {
				c.Seen, c.Outcome, c.Reason = "the unit is uninitialised: it has no account", rig.CheckFail, ""
			}
			e.add(c)
		}
		return e.done(nil)
	}
	if err := e.stillLogin(ctx); err != nil {
		return e.done(err)
	}
	e.identity()
	for _, v := range m.Values {
		switch v.What {
		case whatPassword:
			continue
		case whatUser:
			if err := e.userIs(ctx, v, true); err != nil {
				return e.done(err)
			}
			continue
		}
		c := rig.Check{Name: "marker/" + v.What, Kind: rig.AboutMarker, Wanted: wantedStill(v)}
		got, err := e.confirm(ctx, d.keyOf(v.What), v.Is)
		if err = e.settle(ctx, &c, err, got == v.Is, short(got)); err != nil {
			return e.done(err)
		}
	}
	return e.done(nil)
}

func wantedStill(v rig.MarkedValue) string {
	switch v.What {
	case whatPassword:
		return "the marked password is accepted"
	case whatUser:
		return "still an account " + v.Is
	}
	return fmt.Sprintf("still %q", v.Is)
}

// stillLogin logs in as the mark did.
func (e *examination) stillLogin(ctx context.Context) error {
	if !e.has(whatPassword) {
		s, err := e.d.knownLogin(ctx)
		if err != nil {
			c := rig.Check{Name: "known-login", Kind: rig.AboutLogin, Wanted: "a known login is accepted"}
			e.blocked = err
			return e.settle(ctx, &c, err, false, "")
		}
		e.r = e.d.reader(s)
		return nil
	}
	c := rig.Check{Name: "marker/password", Kind: rig.AboutMarker, Wanted: "the marked password is accepted"}
	cred, err := e.d.markedLogin(e.m)
	if err != nil {
		return err
	}
	if cred == nil {
		e.blocked = errForgotten
		return e.settle(ctx, &c, errForgotten, false, "")
	}
	s, err := e.d.insist(ctx, *cred)
	if err != nil {
		e.blocked = err
	} else {
		e.r = e.d.reader(s)
	}
	if errors.Is(err, rig.ErrRefused) {
		return e.settle(ctx, &c, nil, false, "refused")
	}
	return e.settle(ctx, &c, err, true, "accepted")
}

// errForgotten is a mark whose password is neither in memory nor in the vault.
var errForgotten = errors.New("the marked password is not known")

// markID names a mark so that its password can be found in the vault again. 48
// bits of a hash of a random password give nothing away.
func markID(c rig.Credential) string {
	h := sha256.Sum256([]byte("resetrig mark\x00" + c.User + "\x00" + c.Password.Reveal()))
	return hex.EncodeToString(h[:6])
}

// markedLogin is the login of a mark: from memory, or from the vault. nil is
// one that is not known.
func (d *Device) markedLogin(m rig.Mark) (*rig.Credential, error) {
	if m.ID == d.marked && m.ID != "" {
		c := d.markedAs
		return &c, nil
	}
	stored, err := d.recall()
	if err != nil {
		return nil, err
	}
	for _, c := range stored {
		if markID(c) == m.ID {
			return &c, nil
		}
	}
	return nil, nil
}

// keyOf is the configuration key of a marked value.
func (d *Device) keyOf(what string) string {
	if what == whatName {
		return d.model.Endpoints.MachineName
	}
	return what
}
