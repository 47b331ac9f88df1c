package nvr

import (
	"context"
	"errors"

	"resetrig/rig"
)

// State is the answer to "is it in its default state?", asked by hand.
type State struct {
	State  string      `json:"state"` // default, not-default, unknown
	Reason rig.Reason  `json:"reason,omitempty"`
	Text   string      `json:"text,omitempty"` // the reason in words
	Checks []rig.Check `json:"checks"`
}

// The states.
const (
	StateDefault    = "default"
	StateNotDefault = "not-default"
	StateUnknown    = "unknown"
)

// Info is what a unit says of itself.
type Info struct {
	URL      string        `json:"url"`
	Serial   string        `json:"serial,omitempty"`
	MAC      string        `json:"mac,omitempty"`
	Type     string        `json:"type,omitempty"`
	Name     string        `json:"name,omitempty"`
	Vendor   string        `json:"vendor,omitempty"`
	Firmware string        `json:"firmware,omitempty"`
	Hardware string        `json:"hardware,omitempty"`
	Init     rig.InitState `json:"init"`
	Note     string        `json:"note,omitempty"` // why something is missing
}

// LoginResult is what became of one login.
type LoginResult struct {
	Result string     `json:"result"` // accepted, refused, unknown
	Reason rig.Reason `json:"reason,omitempty"`
	Text   string     `json:"text,omitempty"`
}

// The results of a login.
const (
	LoginAccepted = "accepted"
	LoginRefused  = "refused"
	LoginUnknown  = "unknown"
)

// State asks what can be asked without changing the unit. The new generation
// answers without a login; the old one costs one, of its default account, and
// the budget has a say in it.
func (d *Device) State(ctx context.Context) State {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	sight, g, err := d.needOnce(ctx)
	e := d.examine(rig.Mark{})
	if err == nil {
		err = e.asItIs(ctx, sight, g)
		_, err = e.done(err)
	}
	st := State{State: StateDefault, Checks: e.checks}
	if st.Checks == nil {
		st.Checks = []rig.Check{}
	}
	if err != nil {
		st.State, st.Reason, st.Text = StateUnknown, reasonOf(err), err.Error()
		return st
	}
	for _, c := range e.checks {
		switch {
		case c.Outcome == rig.CheckFail:
			st.State, st.Reason, st.Text = StateNotDefault, rig.ReasonNotDefault, c.Name+": want "+c.Wanted+", seen "+c.Seen
			return st
		case c.Outcome == rig.CheckUnknown && (c.Kind != rig.AboutIdentity || d.proven() != nil) && st.State == StateDefault:
			st.State, st.Reason, st.Text = StateUnknown, c.Reason, c.Name+": "+c.Seen
		}
	}
	return st
}

// asItIs are the checks of State.
func (e *examination) asItIs(ctx context.Context, sight rig.Sight, g glance) error {
	if e.d.dialect.can().proof == byInit {
		if g.loginTells {
			var err error
			if sight, g, err = e.d.askByLogin(ctx, sight, g, e.m); err != nil {
				return err
			}
		}
		e.identity()
		c := rig.Check{Name: "init-state", Kind: rig.AboutInit, Wanted: "uninitialised", Seen: initText(sight, g), Outcome: rig.CheckFail}
		switch sight.Init {
		case rig.InitUninitialised:
			c.Outcome = rig.CheckPass
		case rig.InitUnknown:
			c.Outcome, c.Reason = rig.CheckUnknown, rig.ReasonUnanswered
		}
		e.add(c)
		return nil
	}
	if !e.d.dialect.can().mark {
		return e.plain(ctx, rig.DefaultSpec{}, e.d.login)
	}
	def := e.d.model.Accounts[0]
	c := rig.Check{Name: "default-login", Kind: rig.AboutLogin, Wanted: "the default account \"" + def.User + "\" is accepted"}
	if err := e.tryLogin(ctx, c, def, e.d.login); err != nil {
		return err
	}
	e.identity()
	if e.r == nil {
		return nil
	}
	if err := e.config(ctx); err != nil {
		return err
	}
	return e.firmware(ctx)
}

// Info asks who the unit is: without a login, and with a known one if the unit
// takes it. What needs a login is missing where none is accepted; Note says
// why. An error is a unit that does not answer, or another one.
func (d *Device) Info(ctx context.Context) (Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	sight, g, err := d.needOnce(ctx)
	if err != nil {
		return Info{}, err
	}
	i := Info{}
	if sight.Init == rig.InitUninitialised {
		i.Note = "the unit is uninitialised: it has no account to ask more with"
	} else if s, err := d.knownLogin(ctx); err == nil {
		if i, err = d.dialect.info(ctx, s); err != nil {
			return Info{}, err
		}
	} else if cause := context.Cause(ctx); cause != nil {
		return Info{}, cause
	} else if errors.Is(err, rig.ErrWrongUnit) {
		return Info{}, err
	} else {
		i.Note = err.Error()
	}
	i.URL, i.Init = d.base, sight.Init
	i.Serial, i.MAC = d.seen.Serial, d.seen.MAC
	if f := g.found; f != nil {
		for _, p := range []struct {
			to *string
			is string
		}{{&i.Type, f.Type}, {&i.Name, f.Name}, {&i.Vendor, f.Vendor}, {&i.Firmware, f.Version}} {
			if *p.to == "" {
				*p.to = p.is
			}
		}
	}
	return i, nil
}

// Login tries one login, within the budget. An uninitialised unit has no
// account that could take it, so nothing is sent there.
func (d *Device) Login(ctx context.Context, c rig.Credential) LoginResult {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	d.guard(c.Password)
	sight, _, err := d.needOnce(ctx)
	if err == nil && sight.Init == rig.InitUninitialised {
		return LoginResult{Result: LoginRefused, Reason: rig.ReasonLoginUnknown, Text: "the unit is uninitialised: it has no account; nothing was sent"}
	}
	if err == nil {
		_, err = d.login(ctx, c)
	}
	switch {
	case err == nil:
		return LoginResult{Result: LoginAccepted}
	case errors.Is(err, rig.ErrRefused):
		return LoginResult{Result: LoginRefused, Reason: rig.ReasonLoginUnknown, Text: err.Error()}
	}
	return LoginResult{Result: LoginUnknown, Reason: reasonOf(err), Text: err.Error()}
}

// Identity is who the unit has shown itself to be, in the last look and the
// logins after it.
func (d *Device) Identity() rig.Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}
