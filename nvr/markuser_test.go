package nvr_test

import (
	"slices"
	"testing"

	"resetrig/nvr"
	"resetrig/rig"
)

// A marked account is made anew each time, the one before goes; one that outlives
// a reset is seen, and so is one that went away without.
func TestMarkedUser(t *testing.T) {
	for name, r := range routes {
		b := routed(t, nvr.Old, r)
		d := b.open(t)
		var names []string
		var m rig.Mark
		for range 2 {
			var err error
			if m, err = d.Mark(t.Context(), rig.MarkSpec{User: true, Name: true}); err != nil {
				t.Fatal(name, err)
			}
			i := slices.IndexFunc(m.Values, func(v rig.MarkedValue) bool { return v.What == "user" })
			names = append(names, m.Values[i].Is)
		}
		if have := b.u.names(); !slices.Equal(have, []string{"admin", names[1]}) || names[0] == names[1] {
			t.Errorf("%s: accounts %v after the marks %v", name, have, names)
		}
		b.u.do(func() { b.u.accounts["rrmark-guest"] = "a person's" })
		if cs, err := d.StillMarked(t.Context(), m); err != nil || outcomes(cs)["marker/user"] != pass {
			t.Errorf("%s: still there: %+v, %v", name, cs, err)
		}
		password := b.u.accounts[names[1]]
		b.u.do(func() { delete(b.u.accounts, names[1]) })
		if cs, err := d.StillMarked(t.Context(), m); err != nil || outcomes(cs)["marker/user"] != fail {
			t.Errorf("%s: it went away: %+v, %v", name, cs, err)
		}
		b.u.do(func() { b.u.reset(); b.u.accounts[names[1]] = password })
		off(t, b, d)
		if cs, err := d.Default(t.Context(), m, rig.DefaultSpec{}); err != nil || outcomes(cs)["marker/user"] != fail || outcomes(cs)["marker/name"] != pass {
			t.Errorf("%s: it outlived the reset: %+v, %v", name, cs, err)
		}
	}
}

// An account that the unit says it made, and does not list, is no mark.
func TestMarkedUserThatIsNotThere(t *testing.T) {
	for name, r := range routes {
		b := routed(t, nvr.Old, r)
		b.u.forget = true
		if m, err := b.open(t).Mark(t.Context(), rig.MarkSpec{User: true}); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
