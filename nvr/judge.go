package nvr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"resetrig/rig"
)

// Default implements rig.Judge. An initialised unit of the new generation is
// not in its default state; it is examined all the same, to tell a reset that
// did nothing from one that did half.
func (d *Device) Default(ctx context.Context, m rig.Mark, spec rig.DefaultSpec) ([]rig.Check, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	sight, g, err := d.need(ctx)
	if err != nil {
		return nil, err
	}
	e := d.examine(m)
	switch {
	case !d.dialect.can().mark:
		err = e.plain(ctx, spec, d.insist)
	case len(spec.Functions) > 0:
		err = e.functions(ctx, spec.Functions)
	case d.dialect.can().proof == byInit:
		err = e.newGeneration(ctx, sight, g)
	default:
		err = e.oldGeneration(ctx)
	}
	if err == nil {
		err = e.uptime(ctx, spec.Since)
	}
	return e.done(err)
}

// newGeneration: the init state proves it without a login; then the unit is
// provisioned, so that its configuration can be looked at.
func (e *examination) newGeneration(ctx context.Context, sight rig.Sight, g glance) error {
	d := e.d
	if sight.Init == rig.InitUnknown && g.loginTells {
		var err error
		if sight, g, err = d.askByLogin(ctx, sight, g, e.m); err != nil {
			return err
		}
	}
	e.identity()
	c := rig.Check{Name: "init-state", Kind: rig.AboutInit, Wanted: "uninitialised", Seen: initText(sight, g)}
	switch {
	case sight.Init == rig.InitUninitialised:
		c.Outcome = rig.CheckPass
		e.add(c)
		if err := d.mayProvision(); err != nil {
			e.blocked = err
			return e.values(ctx)
		}
		if err := d.forgive(); err != nil {
			return err
		}
		if err := e.provision(ctx); err != nil {
			return err
		}
	case sight.Init == rig.InitInitialised && e.m.ID != "" && d.judged == e.m.ID:
		// An earlier look at this same reset was cut short after it had to
		// provision the unit: what it saw before that still holds.
		c.Outcome, c.Seen = rig.CheckPass, c.Seen+"; it was uninitialised before this examination provisioned it"
		e.add(c)
		if err := e.provisionedLogin(ctx); err != nil {
			return err
		}
	case sight.Init == rig.InitInitialised:
		c.Outcome = rig.CheckFail
		e.add(c)
		if err := e.markedPassword(ctx); err != nil {
			return err
		}
		if e.r == nil && !e.has(whatPassword) {
			if err := e.anyLogin(ctx); err != nil {
				return err
			}
		}
	default:
		c.Outcome, c.Reason = rig.CheckUnknown, rig.ReasonUnanswered
		e.add(c)
		e.blocked = fmt.Errorf("%w: it is not known whether the unit has accounts", rig.ErrGarbage)
		if e.has(whatPassword) {
			p := rig.Check{Name: "marker/password", Kind: rig.AboutMarker, Wanted: "the marked password is gone"}
			if err := e.settle(ctx, &p, e.why(), false, ""); err != nil {
				return err
			}
		}
	}
	return e.values(ctx)
}

// provision gives the uninitialised unit an account to look at it with.
func (e *examination) provision(ctx context.Context) error {
	if e.has(whatPassword) {
		e.add(rig.Check{Name: "marker/password", Kind: rig.AboutMarker, Wanted: "the marked password is gone", Seen: "the unit is uninitialised: it has no account", Outcome: rig.CheckPass})
	}
	if !e.d.canProvision() {
		e.blocked = fmt.Errorf("provision: %w", rig.ErrUnsupported)
		return nil
	}
	e.d.judged = e.m.ID
	s, c, err := e.d.giveAccount(ctx)
	if errors.Is(err, rig.ErrUnsupported) { // it takes no account from here: its configuration stays unseen
		e.d.judged, e.blocked = "", err
		return nil
	}
	if err != nil {
		return err
	}
	e.add(c)
	e.r = e.d.reader(s)
	return nil
}

// provisionedLogin proves the account that an earlier look created.
func (e *examination) provisionedLogin(ctx context.Context) error {
	c := rig.Check{Name: "provisioned-login", Kind: rig.AboutLogin, Wanted: "the account created after the reset is accepted"}
	if e.d.current == nil {
		return e.settle(ctx, &c, errForgotten, false, "")
	}
	return e.tryLogin(ctx, c, *e.d.current, e.d.insist)
}

// oldGeneration: the default account logs in, and the marked password no
// longer does. A good reset spends no refused login, one that did nothing
// spends one.
func (e *examination) oldGeneration(ctx context.Context) error {
	d := e.d
	def := d.model.Accounts[0]
	c := rig.Check{Name: "default-login", Kind: rig.AboutLogin, Wanted: fmt.Sprintf("the default account %q is accepted", def.User)}
	first := d.login
	if !e.has(whatPassword) {
		first = d.insist
	}
	if err := e.tryLogin(ctx, c, def, first); err != nil {
		return err
	}
	accepted := e.r
	if accepted != nil {
		// What is refused after this is refused after the reset.
		if err := d.forgive(); err != nil {
			return err
		}
	}
	e.identity()
	marked, err := e.markedPasswordBeside(ctx, def, accepted != nil)
	if err != nil {
		return err
	}
	if accepted == nil && e.r == nil && marked == rig.CheckPass {
		// Neither is accepted: one of the refusals may have been no word on the
		// password.
		e.checks = slices.DeleteFunc(e.checks, func(k rig.Check) bool { return k.Name == c.Name })
		e.who--
		if err := e.tryLogin(ctx, c, def, d.insist); err != nil {
			return err
		}
		accepted = e.r
	}
	if accepted != nil {
		if err := d.remember(def); err != nil {
			return err
		}
		e.r, e.blocked = accepted, nil
		d.current = &accepted.s.cred
	}
	return e.values(ctx)
}

// markedPasswordBeside asks for the marked password where the default account
// was tried. Where that is accepted and is the same account, the marked one is
// gone without asking: an account has one password.
func (e *examination) markedPasswordBeside(ctx context.Context, def rig.Credential, accepted bool) (rig.CheckOutcome, error) {
	if !e.has(whatPassword) {
		return "", nil
	}
	cred, err := e.d.markedLogin(e.m)
	if err != nil {
		return "", err
	}
	if accepted && cred != nil && cred.User == def.User && cred.Password != def.Password {
		e.add(rig.Check{Name: "marker/password", Kind: rig.AboutMarker, Wanted: "the marked password is gone", Seen: fmt.Sprintf("account %q has its default password", def.User), Outcome: rig.CheckPass})
		return rig.CheckPass, nil
	}
	if e.blocked != nil { // locked, or the budget is spent: a further try would make it worse
		c := rig.Check{Name: "marker/password", Kind: rig.AboutMarker, Wanted: "the marked password is refused"}
		return rig.CheckUnknown, e.settle(ctx, &c, e.why(), false, "")
	}
	if err := e.markedPassword(ctx); err != nil {
		return "", err
	}
	return e.checks[len(e.checks)-1].Outcome, nil
}

// tryLogin asks whether a login is accepted, and reads with it from then on.
func (e *examination) tryLogin(ctx context.Context, c rig.Check, cred rig.Credential, login loginFunc) error {
	s, err := login(ctx, cred)
	switch {
	case err == nil:
		e.r = e.d.reader(s)
		return e.settle(ctx, &c, nil, true, "accepted")
	case errors.Is(err, rig.ErrRefused):
		return e.settle(ctx, &c, nil, false, "refused")
	}
	if e.blocked == nil && e.r == nil && (errors.Is(err, rig.ErrLocked) || errors.Is(err, rig.ErrBudget)) {
		e.blocked = err
	}
	return e.settle(ctx, &c, err, false, "")
}

// anyLogin finds some login to read with, where the mark has none.
func (e *examination) anyLogin(ctx context.Context) error {
	s, err := e.d.knownLogin(ctx)
	if err == nil {
		e.r = e.d.reader(s)
		return nil
	}
	e.blocked = err
	c := rig.Check{Name: "known-login", Kind: rig.AboutLogin, Wanted: "a known login is accepted"}
	return e.settle(ctx, &c, err, false, "")
}

// markedPassword asks for the marked password, which must be refused. It is
// accepted where the reset did nothing, or kept the accounts.
func (e *examination) markedPassword(ctx context.Context) error {
	if !e.has(whatPassword) {
		return nil
	}
	c := rig.Check{Name: "marker/password", Kind: rig.AboutMarker, Wanted: "the marked password is refused"}
	cred, err := e.d.markedLogin(e.m)
	if err != nil {
		return err
	}
	if cred == nil {
		return e.settle(ctx, &c, errForgotten, false, "")
	}
	delete(e.d.good, credentialKey(*cred)) // it was, before the reset: now to be refused is what is wanted
	s, err := e.d.login(ctx, *cred)
	switch {
	case err == nil:
		e.r = e.d.reader(s)
		return e.settle(ctx, &c, nil, false, "accepted: it is still there")
	case errors.Is(err, rig.ErrRefused):
		return e.settle(ctx, &c, nil, true, "refused")
	}
	if e.r == nil {
		e.blocked = err
	}
	return e.settle(ctx, &c, err, false, "")
}

// values are the checks that need a login: marked values gone, configuration
// equal to the baseline, firmware as before.
func (e *examination) values(ctx context.Context) error {
	if len(e.m.Values) == 0 {
		c := rig.Check{Name: "marker", Kind: rig.AboutMarker, Wanted: "something marked, and gone"}
		if err := e.settle(ctx, &c, errNothing, false, ""); err != nil {
			return err
		}
	}
	if err := e.gone(ctx); err != nil {
		return err
	}
	if err := e.firmware(ctx); err != nil {
		return err
	}
	if err := e.config(ctx); err != nil {
		return err
	}
	return e.likeReference(ctx)
}

// gone asks for every marked value but the password.
func (e *examination) gone(ctx context.Context) error {
	for _, v := range e.m.Values {
		switch v.What {
		case whatPassword:
			continue
		case whatUser:
			if err := e.userIs(ctx, v, false); err != nil {
				return err
			}
			continue
		}
		c := rig.Check{Name: "marker/" + v.What, Kind: rig.AboutMarker, Wanted: fmt.Sprintf("no longer %q", v.Is)}
		got, err := e.read(ctx, e.d.keyOf(v.What))
		if err := e.settle(ctx, &c, err, got != v.Is, short(got)); err != nil {
			return err
		}
	}
	return nil
}

// config compares each of the model's tables with the baseline.
func (e *examination) config(ctx context.Context) error {
	d := e.d
	if len(d.model.Tables) == 0 {
		return nil
	}
	if len(d.o.Baseline) == 0 {
		e.add(rig.Check{Name: "config", Kind: rig.AboutConfig, Wanted: "equal to the baseline", Seen: "no baseline is recorded for this unit; record one after a good reset", Outcome: rig.CheckWarn})
		return nil
	}
	for _, t := range d.model.Tables {
		if err := e.compare(ctx, "config/"+t, "equal to the baseline", t, d.ofTable(d.o.Baseline, t)); err != nil {
			return err
		}
	}
	return nil
}

// compare checks one table against what it should be.
func (e *examination) compare(ctx context.Context, name, wanted, table string, want map[string]string) error {
	c := rig.Check{Name: name, Kind: rig.AboutConfig, Wanted: wanted}
	got, err := e.differs(ctx, table, want)
	if err == nil && len(want) == 0 {
		err = fmt.Errorf("%w: nothing is recorded of table %s to compare with", rig.ErrUnsupported, table)
	}
	diff := differenceText(want, got)
	if err == nil && diff != "" {
		c.Differences = differences(want, got)
		c.Differences = c.Differences[:min(len(c.Differences), mostDifferences)]
		if other := e.otherFirmware(); other != "" && strings.HasPrefix(name, "config/") {
			err = fmt.Errorf("%w: %s: %s", rig.ErrUnsupported, other, diff)
		}
	}
	seen := diff
	if diff == "" {
		seen = "equal"
	}
	return e.settle(ctx, &c, err, diff == "", seen)
}

// isVersion reports whether seen is the wanted version; a wanted one without a
// build is any build of it.
func isVersion(seen, wanted string) bool {
	return seen == wanted || !strings.Contains(wanted, " ") && strings.HasPrefix(seen, wanted+" ")
}

func (e *examination) firmware(ctx context.Context) error {
	if e.d.firmware == "" {
		return nil // nothing was expected, and nothing seen before
	}
	c := rig.Check{Name: "firmware", Kind: rig.AboutFirmware, Wanted: e.d.firmware}
	if e.blocked != nil || e.r == nil {
		return e.settle(ctx, &c, e.why(), false, "")
	}
	v, err := e.d.dialect.firmware(ctx, e.r.s)
	if err == nil && !isVersion(v, e.d.firmware) {
		v, err = e.d.dialect.firmware(ctx, e.r.s)
	}
	e.version = v
	return e.settle(ctx, &c, err, isVersion(v, e.d.firmware), v)
}

// Holds implements rig.Judge: the default state, or what was made of it to
// examine it, is still there after a further power cycle.
func (d *Device) Holds(ctx context.Context, m rig.Mark) ([]rig.Check, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.hangUp(ctx)
	sight, g, err := d.need(ctx)
	if err != nil {
		return nil, err
	}
	e := d.examine(m)
	switch {
	case !d.dialect.can().mark:
		err = e.plain(ctx, rig.DefaultSpec{}, d.insist)
		return e.done(err)
	case d.dialect.can().proof == byAccount:
		c := rig.Check{Name: "default-login", Kind: rig.AboutLogin, Wanted: fmt.Sprintf("the default account %q is still accepted", d.model.Accounts[0].User)}
		err = e.tryLogin(ctx, c, d.model.Accounts[0], d.insist)
	default:
		if g.loginTells {
			sight, g, err = d.askByLogin(ctx, sight, g, m)
		}
		if err == nil {
			err = e.newHolds(ctx, sight, g)
		}
	}
	if err == nil {
		e.identity()
		if e.r == nil && e.blocked == nil {
			// It is no longer what it was: has the old state come back?
			err = e.markedPassword(ctx)
		}
	}
	if err == nil {
		err = e.gone(ctx)
	}
	return e.done(err)
}

// newHolds: a unit that was provisioned to be examined stays so, one that was
// not is still uninitialised.
func (e *examination) newHolds(ctx context.Context, sight rig.Sight, g glance) error {
	d := e.d
	provisioned := e.m.ID != "" && d.judged == e.m.ID
	c := rig.Check{Name: "init-state", Kind: rig.AboutInit, Wanted: string(rig.InitUninitialised), Seen: initText(sight, g), Outcome: rig.CheckFail}
	if provisioned {
		c.Wanted = "initialised, as it was provisioned after the reset"
	}
	want := map[bool]rig.InitState{true: rig.InitInitialised, false: rig.InitUninitialised}[provisioned]
	switch sight.Init {
	case want:
		c.Outcome = rig.CheckPass
	case rig.InitUnknown:
		c.Outcome, c.Reason = rig.CheckUnknown, rig.ReasonUnanswered
	}
	e.add(c)
	switch {
	case sight.Init == rig.InitUninitialised:
		e.blocked = fmt.Errorf("%w: the unit is uninitialised", rig.ErrUnsupported)
		return nil
	case provisioned:
		return e.provisionedLogin(ctx)
	}
	return nil
}

// initText is what the two witnesses said.
func initText(s rig.Sight, g glance) string {
	text := string(s.Init)
	if g.initBy != "" {
		text += ", " + g.initBy
	}
	switch {
	case g.found == nil:
		text += ", no answer to discovery"
	case g.found.InitKnown:
		text += fmt.Sprintf(", DHIP Init=%d (&3: %d)", g.found.Init, g.found.Init&3)
	default:
		text += ", DHIP does not say"
	}
	return text
}

func (d *Device) canProvision() bool { return d.dialect.can().provision }

// askByLogin asks for the init state where nothing says it without a login: an
// uninitialised unit answers any with a code of its own, which it counts as no
// refusal. What is tried is a login that the unit should take; another one would
// cost a refusal where it is initialised.
func (d *Device) askByLogin(ctx context.Context, sight rig.Sight, g glance, m rig.Mark) (rig.Sight, glance, error) {
	c, err := d.markedLogin(m)
	if err == nil && c == nil {
		var all []rig.Credential
		if all, err = d.candidates(); err == nil && len(all) > 0 {
			c = &all[0]
		}
	}
	if err != nil || c == nil {
		return sight, g, err
	}
	_, err = d.login(ctx, *c)
	switch {
	case err == nil:
		g.init, g.initBy = 2, "a login is accepted"
	case errors.Is(err, errUninitialised):
		g.init, g.initBy = 1, fmt.Sprintf("the login is answered with code %d: not initialised", codeUninitialised)
	case context.Cause(ctx) != nil, errors.Is(err, rig.ErrWrongUnit):
		return sight, g, err
	default:
		g.initBy = err.Error()
		return sight, g, nil
	}
	sight = d.sight(g)
	if sight.Init == rig.InitUninitialised && d.lastInit != sight.Init {
		d.changed()
	}
	d.lastInit = sight.Init
	return sight, g, nil
}
