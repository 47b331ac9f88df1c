package nvr

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"resetrig/rig"
)

// whatUser is a marked value that is an account.
const whatUser = "user"

// MarkUserPrefix begins the name of every account that a mark makes; six hex
// digits follow. Accounts of that form are removed before a new one is made: a
// unit has room for few.
const MarkUserPrefix = "rrmark-"

var markUser = regexp.MustCompile(`^` + MarkUserPrefix + `[0-9a-f]{6}$`)

// markUser makes an account with the least right there is. Nobody ever logs in
// with it: what shows that it is there, and that it is gone, is the list of
// accounts. Those of earlier marks are removed first.
func (d *Device) markUser(ctx context.Context, s *session) (rig.MarkedValue, error) {
	var none rig.MarkedValue
	have, err := d.dialect.users(ctx, s)
	if err != nil {
		return none, fmt.Errorf("mark user: %w", err)
	}
	for _, name := range have {
		if !markUser.MatchString(name) {
			continue
		}
		if err := d.change(ctx, s, name, false); err != nil {
			return none, fmt.Errorf("mark user: remove that of an earlier mark: %w", err)
		}
	}
	tail, err := randomText(d.o.Rand, "0123456789abcdef", 6)
	if err != nil {
		return none, err
	}
	name := MarkUserPrefix + tail
	if slices.Contains(have, name) || slices.Contains(d.o.Reference.Users, name) {
		return none, fmt.Errorf("mark user %s: the unit has or would have it without a mark", name)
	}
	if err := d.change(ctx, s, name, true); err != nil {
		return none, fmt.Errorf("mark user: %w", err)
	}
	return rig.MarkedValue{What: whatUser, Was: "none of this name", Is: name}, nil
}

// change makes an account or removes it. Whether a request whose answer was lost
// did it, the list tells, and only one that did not is repeated.
func (d *Device) change(ctx context.Context, s *session, name string, there bool) error {
	password, err := newPassword(d.o.Rand)
	if err != nil {
		return err
	}
	d.guard(password)
	for n := 0; ; n++ {
		if there {
			err = d.dialect.addUser(ctx, s, rig.Credential{User: name, Password: password})
		} else {
			err = d.dialect.deleteUser(ctx, s, name)
		}
		if n >= repetitions(ctx, err) {
			if errors.Is(err, errNoWord) {
				return nil // the list, which is read later, tells
			}
			return err
		}
		if err := d.pause(ctx); err != nil {
			return err
		}
		if have, err := d.dialect.users(ctx, s); err != nil || slices.Contains(have, name) == there {
			return err
		}
	}
}

// hasUser reports whether an account is there, and what the list was. What is not
// as wanted is looked at twice.
func (e *examination) hasUser(ctx context.Context, name string, want bool) (bool, string, error) {
	for again := true; ; again = false {
		have, err := e.users(ctx)
		if there := slices.Contains(have, name); err != nil || there == want || !again {
			return there, short("accounts " + strings.Join(have, ", ")), err
		}
	}
}

// userIs is the check of a marked account: gone, or still there.
func (e *examination) userIs(ctx context.Context, v rig.MarkedValue, want bool) error {
	c := rig.Check{Name: "marker/" + whatUser, Kind: rig.AboutMarker, Wanted: "no account " + v.Is}
	if want {
		c.Wanted = wantedStill(v)
	}
	there, seen, err := e.hasUser(ctx, v.Is, want)
	return e.settle(ctx, &c, err, there == want, seen)
}
