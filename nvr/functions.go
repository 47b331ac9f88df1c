package nvr

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
		return err
	}
	before, err := d.reader(s).snapshot(ctx, d.allTables(functions))
	if err != nil {
		return fmt.Errorf("factory reset: read what must stay: %w", err)
	}
	d.before = before
	defer d.changed()
	for _, f := range functions {
		if err := d.dialect.reset(ctx, s, f); err != nil {
			return err
		}
	}
	return nil
}

// allTables are the model's tables and those named.
func (d *Device) allTables(functions []string) []string {
	all := slices.Concat(d.model.Tables, functions)
	slices.Sort(all)
	return slices.Compact(all)
}

// functions judges a reset of single tables: those equal the baseline, and
// differ from what they were; all others are as they were. Accounts are no
// function: the login from before stays good.
func (e *examination) functions(ctx context.Context, functions []string) error {
	if err := e.keptLogin(ctx); err != nil {
		return err
	}
	e.identity()
	for _, f := range functions {
		if err := e.compare(ctx, "function/"+f, "equal to the baseline", f, e.d.ofTable(e.d.o.Baseline, f)); err != nil {
			return err
		}
		if err := e.functionMarker(ctx, f); err != nil {
			return err
		}
	}
	for _, t := range e.d.allTables(functions) {
		if slices.Contains(functions, t) {
			continue
		}
		if err := e.compare(ctx, "other/"+t, "as before the reset", t, e.d.ofTable(e.d.before, t)); err != nil {
			return err
		}
	}
	return e.firmware(ctx)
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

// functionMarker demands that something marked in this table is gone: a table
// that had its default values all along shows nothing.
func (e *examination) functionMarker(ctx context.Context, table string) error {
	marked := false
	for _, v := range e.m.Values {
		key := e.d.keyOf(v.What)
		if v.What == whatPassword || tableOf(key) != table {
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
	c := rig.Check{Name: "marker/" + table, Kind: rig.AboutMarker, Wanted: "something marked in this table, and gone"}
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
