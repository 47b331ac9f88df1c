package nvr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"resetrig/rig"
)

// reader reads configuration with one login, each table once.
type reader struct {
	d      *Device
	s      *session
	tables map[string]map[string]string
}

func (d *Device) reader(s *session) *reader {
	return &reader{d, s, map[string]map[string]string{}}
}

// table is one table without the keys that rightly differ. Values of keys that
// name a secret are replaced by a hash: they compare, and do not print.
func (r *reader) table(ctx context.Context, name string) (map[string]string, error) {
	if t, ok := r.tables[name]; ok {
		return t, nil
	}
	t, err := r.d.dialect.table(ctx, r.s, name)
	if err != nil {
		return nil, err
	}
	t = veiled(t)
	r.tables[name] = t
	return t, nil
}

// veiled replaces, in place, the values of keys that name a secret.
func veiled(t map[string]string) map[string]string {
	for k, v := range t {
		if v != "" && isSecret(k) {
			h := sha256.Sum256([]byte(v))
			t[k] = "sha256:" + hex.EncodeToString(h[:6])
		}
	}
	return t
}

// factory is one table as the factory has it, read and compared as any other.
func (r *reader) factory(ctx context.Context, name string) (map[string]string, error) {
	t, err := r.d.dialect.defaults(ctx, r.s, name)
	if err != nil {
		return nil, err
	}
	return r.d.ofTable(veiled(t), name), nil
}

// isSecret reports whether a configuration key names a password.
func isSecret(key string) bool {
	low := strings.ToLower(key)
	for _, word := range []string{"password", "passwd", "pwd"} {
		if strings.Contains(low, word) {
			return true
		}
	}
	return false
}

// forget makes the next look at a key's table a new one.
func (r *reader) forget(key string) { delete(r.tables, tableOf(key)) }

// value is one value. A key that is not there is looked for twice: an answer
// can be cut off between two lines.
func (r *reader) value(ctx context.Context, key string) (string, error) {
	for again := true; ; again = false {
		t, err := r.table(ctx, tableOf(key))
		if err != nil {
			return "", err
		}
		if v, ok := t[key]; ok {
			return v, nil
		}
		if !again {
			return "", fmt.Errorf("%w: table %s has no %s", rig.ErrUnsupported, tableOf(key), key)
		}
		r.forget(key)
	}
}

// confirm is one value that should be the wanted one: what is not is read twice.
func (r *reader) confirm(ctx context.Context, key, want string) (string, error) {
	v, err := r.value(ctx, key)
	if err != nil || v == want {
		return v, err
	}
	r.forget(key)
	return r.value(ctx, key)
}

// compared is one table without the model's ignored keys.
func (r *reader) compared(ctx context.Context, name string) (map[string]string, error) {
	t, err := r.table(ctx, name)
	if err != nil {
		return nil, err
	}
	out := maps.Clone(t)
	maps.DeleteFunc(out, func(k, _ string) bool { return r.d.model.ignores(k) })
	return out, nil
}

// snapshot is every table of the model.
func (r *reader) snapshot(ctx context.Context, tables []string) (map[string]string, error) {
	all := map[string]string{}
	for _, t := range tables {
		kv, err := r.compared(ctx, t)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, kv)
	}
	return all, nil
}

// ofTable are the entries of one table in a baseline or snapshot.
func (d *Device) ofTable(all map[string]string, table string) map[string]string {
	out := map[string]string{}
	for k, v := range all {
		if tableOf(k) == table && !d.model.ignores(k) {
			out[k] = v
		}
	}
	return out
}

// mostDifferences bounds what a check lists of a comparison.
const mostDifferences = 50

// differences lists how got differs from want.
func differences(want, got map[string]string) []rig.Difference {
	var all []rig.Difference
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if w, g := want[k], got[k]; w != g || !has(want, k) || !has(got, k) {
			all = append(all, rig.Difference{Key: k, Want: w, Seen: short(g)})
		}
	}
	return all
}

func has(m map[string]string, key string) bool {
	_, ok := m[key]
	return ok
}

// differenceText says how got differs from want, at most three of it in full;
// "" is equal.
func differenceText(want, got map[string]string) string {
	var diffs []string
	for _, d := range differences(want, got) {
		switch {
		case !has(got, d.Key):
			diffs = append(diffs, d.Key+" is missing")
		case !has(want, d.Key):
			diffs = append(diffs, fmt.Sprintf("%s is new: %q", d.Key, d.Seen))
		default:
			diffs = append(diffs, fmt.Sprintf("%s: want %q, seen %q", d.Key, short(d.Want), d.Seen))
		}
	}
	if n := len(diffs); n > 3 {
		diffs = append(diffs[:3], fmt.Sprintf("and %d more", n-3))
	}
	return strings.Join(diffs, "; ")
}

// examination collects the checks of one look at the default state.
type examination struct {
	d       *Device
	m       rig.Mark
	checks  []rig.Check
	r       *reader // nil: no login is accepted, or none was tried
	blocked error   // why there is no reader, or no more questions are sent
	version string  // the firmware's, as it was seen
	who     int     // where among the checks that of the identity belongs; -1: not yet asked
}

func (d *Device) examine(m rig.Mark) *examination { return &examination{d: d, m: m, who: -1} }

func (e *examination) add(c rig.Check) { e.checks = append(e.checks, c) }

func (e *examination) has(what string) bool {
	return slices.ContainsFunc(e.m.Values, func(v rig.MarkedValue) bool { return v.What == what })
}

// settle adds a check: passed or failed if its question was answered, unknown
// with a reason if not. It returns the errors after which no question makes
// sense: a stop, another unit, silence, and whatever is the rig's own.
func (e *examination) settle(ctx context.Context, c *rig.Check, err error, ok bool, seen string) error {
	if err == nil {
		c.Seen, c.Outcome, c.At = seen, rig.CheckFail, e.d.o.Clock.Now()
		if ok {
			c.Outcome = rig.CheckPass
		}
		e.add(*c)
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	c.Seen, c.Outcome, c.Reason = err.Error(), rig.CheckUnknown, reasonOf(err)
	e.add(*c)
	if errors.Is(err, rig.ErrLocked) || errors.Is(err, rig.ErrRefused) || errors.Is(err, rig.ErrBudget) {
		if e.blocked == nil && e.r != nil {
			e.blocked = err
		}
		return nil
	}
	for _, one := range []error{rig.ErrGarbage, rig.ErrUnsupported, rig.ErrWrite, errForgotten, errNothing, errUnproven} {
		if errors.Is(err, one) {
			return nil
		}
	}
	return err
}

// reasonOf is the word for an unanswered question.
func reasonOf(err error) rig.Reason {
	for _, r := range []struct {
		err    error
		reason rig.Reason
	}{
		{rig.ErrBudget, rig.ReasonBudget}, {rig.ErrLocked, rig.ReasonLocked},
		{rig.ErrWrongUnit, rig.ReasonWrongUnit}, {rig.ErrGarbage, rig.ReasonGarbage},
		{rig.ErrUnreachable, rig.ReasonUnreachable}, {rig.ErrRefused, rig.ReasonLoginUnknown},
		{errForgotten, rig.ReasonLoginUnknown}, {errNothing, rig.ReasonMarkerUnproven},
	} {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return rig.ReasonUnanswered
}

// errNothing is a question that proves nothing because nothing was marked.
var errNothing = errors.New("nothing was marked here: its being as wanted proves nothing")

// read is one configuration value under the examination's login.
func (e *examination) read(ctx context.Context, key string) (string, error) {
	if e.blocked != nil || e.r == nil {
		return "", e.why()
	}
	return e.r.value(ctx, key)
}

func (e *examination) confirm(ctx context.Context, key, want string) (string, error) {
	if e.blocked != nil || e.r == nil {
		return "", e.why()
	}
	return e.r.confirm(ctx, key, want)
}

// differs reads a table that should be as wanted. A difference is looked at
// twice.
func (e *examination) differs(ctx context.Context, name string, want map[string]string) (map[string]string, error) {
	if e.blocked != nil || e.r == nil {
		return nil, e.why()
	}
	got, err := e.r.compared(ctx, name)
	if err != nil || maps.Equal(want, got) || len(want) == 0 {
		return got, err
	}
	delete(e.r.tables, name)
	return e.r.compared(ctx, name)
}

// why is the reason for which nothing can be read.
func (e *examination) why() error {
	if e.blocked == nil {
		return fmt.Errorf("not asked: no login is known to be accepted: %w", rig.ErrRefused)
	}
	return fmt.Errorf("not asked: %w", e.blocked)
}

// identity says, here among the checks, who was examined.
func (e *examination) identity() {
	e.who = len(e.checks)
	e.add(rig.Check{})
}

// done ends an examination. Of a unit that did not show that it is the expected
// one nothing is said: neither what it answered counts, nor that it stopped to.
func (e *examination) done(err error) ([]rig.Check, error) {
	d := e.d
	unproven := d.proven()
	if unproven != nil {
		for i := range e.checks {
			c := &e.checks[i]
			if c.Outcome == rig.CheckPass || c.Outcome == rig.CheckFail {
				c.Outcome, c.Reason = rig.CheckUnknown, rig.ReasonUnanswered
				c.Seen += "; " + errUnproven.Error()
			}
		}
		if errors.Is(err, rig.ErrUnreachable) || errors.Is(err, rig.ErrGarbage) {
			unproven, err = fmt.Errorf("%w; then: %w", unproven, err), nil
		}
	}
	c := rig.Check{Name: "identity", Kind: rig.AboutIdentity, Wanted: "the bench's unit", Seen: identityText(d.seen), Outcome: rig.CheckPass}
	if w := d.o.Identity; w != (rig.Identity{}) {
		c.Wanted = identityText(w)
	}
	switch {
	case unproven != nil:
		c.Seen, c.Outcome, c.Reason = unproven.Error(), rig.CheckUnknown, rig.ReasonUnanswered
	case d.seen == rig.Identity{}:
		c.Outcome, c.Reason = rig.CheckUnknown, rig.ReasonUnanswered
	}
	switch {
	case e.who >= 0:
		e.checks[e.who] = c
	case unproven != nil:
		e.add(c)
	}
	return e.checks, err
}
