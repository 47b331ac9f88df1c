package nvr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"resetrig/rig"
)

// FactoryReset implements rig.Resetter. Functions are names of configuration
// tables; before they are restored, every table of the model is read, so that
// afterwards what was not named can be shown to be unchanged.
func (d *Device) FactoryReset(ctx context.Context, functions []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	if !d.dialect.can().reset {
		return fmt.Errorf("factory reset: %w", rig.ErrUnsupported)
	}
	sight, _, err := d.need(ctx)
	if err != nil {
		return fmt.Errorf("factory reset: %w", err)
	}
	if sight.Init == rig.InitUninitialised {
		return fmt.Errorf("factory reset %s: %w: it is uninitialised; provision and mark it first", d.base, rig.ErrRefused)
	}
	s, err := d.knownLogin(ctx)
	if err != nil {
		return fmt.Errorf("factory reset: %w", err)
	}
	if err := d.proven(); err != nil {
		return fmt.Errorf("factory reset: %w", err)
	}
	d.judged = ""
	if len(functions) == 0 {
		err := d.dialect.reset(ctx, s, "")
		d.changed()
		if err == nil {
			d.opened = nil // it is going down
		}
		return err
	}
	if err := d.takeStock(ctx, s, functions); err != nil {
		return fmt.Errorf("factory reset: read what must stay: %w; nothing was reset", err)
	}
	defer d.changed()
	for _, f := range functions {
		if err := d.dialect.reset(ctx, s, f); err != nil {
			return err
		}
	}
	return nil
}

// RefusedReset implements rig.Refuser. The password is made up: it is nobody's.
func (d *Device) RefusedReset(ctx context.Context) ([]rig.Check, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	if !d.dialect.can().reset {
		return nil, fmt.Errorf("factory reset: %w", rig.ErrUnsupported)
	}
	sight, _, err := d.need(ctx)
	if err != nil {
		return nil, fmt.Errorf("factory reset: %w", err)
	}
	if sight.Init == rig.InitUninitialised {
		return nil, fmt.Errorf("factory reset %s: %w: it is uninitialised: it has no password that could be another", d.base, rig.ErrRefused)
	}
	s, err := d.knownLogin(ctx)
	if err == nil {
		err = d.proven()
	}
	if err == nil {
		err = d.takeStock(ctx, s, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("factory reset with a wrong password: %w; nothing was sent", err)
	}
	wrong, err := newPassword(d.o.Rand)
	if err != nil {
		return nil, err
	}
	d.guard(wrong)
	e := d.examine(rig.Mark{})
	c := rig.Check{Name: "wrong-password", Kind: rig.AboutLogin, Wanted: "a factory reset with a wrong password is refused"}
	err = d.dialect.reset(ctx, d.session(d.base, rig.Credential{User: s.cred.User, Password: wrong}), "")
	switch {
	case errors.Is(err, rig.ErrRefused):
		if err := e.settle(ctx, &c, nil, true, "refused"); err != nil {
			return e.checks, err
		}
	case err == nil, errors.Is(err, rig.ErrWrite):
		seen := "the command was accepted"
		if err != nil {
			seen = "the login was accepted: " + err.Error()
		}
		d.changed()
		return e.done(e.settle(ctx, &c, nil, false, seen))
	default:
		return nil, fmt.Errorf("factory reset with a wrong password: %w", err)
	}
	return e.done(e.unchanged(ctx, s.cred))
}

// unchanged demands that login, tables and accounts are as they were.
func (e *examination) unchanged(ctx context.Context, cred rig.Credential) error {
	c := rig.Check{Name: "kept-login", Kind: rig.AboutLogin, Wanted: "the login from before is still accepted"}
	if err := e.tryLogin(ctx, c, cred, e.d.insist); err != nil {
		return err
	}
	e.identity()
	if err := e.others(ctx, nil, "as before the command"); err != nil {
		return err
	}
	return e.firmware(ctx)
}

// takeStock reads what a reset of functions is judged by: the tables as they are,
// the accounts where the dialect lists them, and, of what is to be reset, the
// factory's values where no baseline has them.
func (d *Device) takeStock(ctx context.Context, s *session, functions []string) error {
	r := d.reader(s)
	before, err := r.snapshot(ctx, d.allTables(functions))
	if err != nil {
		return err
	}
	accounts, err := d.dialect.users(ctx, s)
	if err != nil && !errors.Is(err, rig.ErrUnsupported) {
		return err
	}
	slices.Sort(accounts)
	reference := map[string]map[string]string{}
	for _, t := range d.restored(functions) {
		if len(d.ofTable(d.o.Baseline, t)) > 0 {
			continue
		}
		if reference[t], err = r.factory(ctx, t); err != nil {
			return fmt.Errorf("no baseline is recorded of table %s, and the unit does not tell the factory's values: %w", t, err)
		}
	}
	d.before, d.accounts, d.reference = before, accounts, reference
	return nil
}

// restored are the tables that these functions restore.
func (d *Device) restored(functions []string) []string {
	var all []string
	for _, f := range functions {
		all = append(all, d.dialect.scope(f, d.model.Tables)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// allTables are the model's tables and those that these functions restore.
func (d *Device) allTables(functions []string) []string {
	all := slices.Concat(d.model.Tables, d.restored(functions))
	slices.Sort(all)
	return slices.Compact(all)
}

// functions judges a reset of single functions: their tables equal the baseline,
// or the factory's values, and differ from what they were; all others are as they
// were, and so are the accounts: the login from before stays good.
func (e *examination) functions(ctx context.Context, functions []string) error {
	if err := e.keptLogin(ctx); err != nil {
		return err
	}
	e.identity()
	d := e.d
	for _, f := range functions {
		for _, t := range d.dialect.scope(f, d.model.Tables) {
			wanted, want := "equal to the baseline", d.ofTable(d.o.Baseline, t)
			if len(want) == 0 && len(d.reference[t]) > 0 {
				wanted, want = "equal to the factory's values", d.reference[t]
			}
			if err := e.compare(ctx, "function/"+t, wanted, t, want); err != nil {
				return err
			}
		}
		if err := e.functionMarker(ctx, f); err != nil {
			return err
		}
	}
	if err := e.others(ctx, functions, "as before the reset"); err != nil {
		return err
	}
	return e.firmware(ctx)
}

// others demands that the tables of no function that was named, and the accounts,
// are as they were.
func (e *examination) others(ctx context.Context, functions []string, wanted string) error {
	d := e.d
	restored := d.restored(functions)
	for _, t := range d.allTables(functions) {
		if slices.Contains(restored, t) {
			continue
		}
		if err := e.compare(ctx, "other/"+t, wanted, t, d.ofTable(d.before, t)); err != nil {
			return err
		}
	}
	if len(d.accounts) == 0 {
		return nil
	}
	c := rig.Check{Name: "other/users", Kind: rig.AboutConfig, Wanted: wanted + ": " + strings.Join(d.accounts, ", ")}
	users, err := e.users(ctx)
	if err == nil && !slices.Equal(users, d.accounts) {
		users, err = e.users(ctx)
	}
	return e.settle(ctx, &c, err, slices.Equal(users, d.accounts), short(strings.Join(users, ", ")))
}

// keptLogin demands the login from before the reset.
func (e *examination) keptLogin(ctx context.Context) error {
	c := rig.Check{Name: "kept-login", Kind: rig.AboutLogin, Wanted: "the login from before is still accepted"}
	if e.has(whatPassword) {
		cred, err := e.d.markedLogin(e.m)
		if err != nil {
			return err
		}
		if cred != nil {
			return e.tryLogin(ctx, c, *cred, e.d.insist)
		}
	}
	s, err := e.d.knownLogin(ctx)
	if err == nil {
		e.r = e.d.reader(s)
		return e.settle(ctx, &c, nil, true, "accepted")
	}
	e.blocked = err
	return e.settle(ctx, &c, err, false, "")
}

// functionMarker demands that something marked in this function's tables is gone:
// a table that had its default values all along shows nothing.
func (e *examination) functionMarker(ctx context.Context, function string) error {
	marked, tables := false, e.d.dialect.scope(function, e.d.model.Tables)
	for _, v := range e.m.Values {
		key := e.d.keyOf(v.What)
		if v.What == whatPassword || v.What == whatUser || !slices.Contains(tables, tableOf(key)) {
			continue
		}
		marked = true
		c := rig.Check{Name: "marker/" + v.What, Kind: rig.AboutMarker, Wanted: fmt.Sprintf("no longer %q", v.Is)}
		got, err := e.read(ctx, key)
		if err := e.settle(ctx, &c, err, got != v.Is, short(got)); err != nil {
			return err
		}
	}
	if marked {
		return nil
	}
	c := rig.Check{Name: "marker/" + function, Kind: rig.AboutMarker, Wanted: "something marked in this function, and gone"}
	return e.settle(ctx, &c, errNothing, false, "")
}

// RecordBaseline reads every table of the model, without the keys that rightly
// differ, as it is now: right after a known good reset.
func (d *Device) RecordBaseline(ctx context.Context) (map[string]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	if len(d.model.Tables) == 0 {
		return nil, fmt.Errorf("record a baseline: %w: model %q names no tables", errors.ErrUnsupported, d.model.Name)
	}
	if _, _, err := d.need(ctx); err != nil {
		return nil, fmt.Errorf("record a baseline: %w", err)
	}
	s, err := d.knownLogin(ctx)
	if err != nil {
		return nil, fmt.Errorf("record a baseline: %w", err)
	}
	if err := d.proven(); err != nil {
		return nil, fmt.Errorf("record a baseline: %w", err)
	}
	all, err := d.reader(s).snapshot(ctx, d.model.Tables)
	if err != nil {
		return nil, fmt.Errorf("record a baseline: %w", err)
	}
	return all, nil
}
