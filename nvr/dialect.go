package nvr

import (
	"context"
	"fmt"
	"time"

	"resetrig/rig"
)

// dialect is what one kind of recorder speaks. What it cannot do is
// rig.ErrUnsupported. It knows requests and answers; what they mean for a
// verdict, and in which order they are asked, is the Device's.
type dialect interface {
	// can says what it is able to do; it never changes.
	can() abilities
	// look asks what needs no login of the unit at base, each question within
	// the time given. Silence is in the glance, an error is a cancelled ctx.
	look(ctx context.Context, base string, within lookFor) (glance, error)
	// identify asks the unit at base who it is, without a login, and adds the
	// answer to the glance.
	identify(ctx context.Context, g glance, base string) (glance, error)
	// prove logs in with one request and says who answered.
	prove(ctx context.Context, s *session) (rig.Identity, error)
	// info tells what the unit says of itself.
	info(ctx context.Context, s *session) (Info, error)
	// mac tells a hardware address of the unit: the wanted one, if it has it.
	mac(ctx context.Context, s *session, wanted string) (string, error)
	// firmware tells the version alone.
	firmware(ctx context.Context, s *session) (string, error)
	// uptime tells how long ago it started.
	uptime(ctx context.Context, s *session) (time.Duration, error)
	// table reads one configuration table, as Table.key → value.
	table(ctx context.Context, s *session, name string) (map[string]string, error)
	// defaults reads the factory's values of one table, and changes nothing.
	defaults(ctx context.Context, s *session, name string) (map[string]string, error)
	// set writes one configuration value by its full key.
	set(ctx context.Context, s *session, key, value string) error
	// setPassword changes the password of the session's own account.
	setPassword(ctx context.Context, s *session, to rig.Secret) error
	// users lists the names of the accounts.
	users(ctx context.Context, s *session) ([]string, error)
	// addUser creates an account with the least right there is.
	addUser(ctx context.Context, s *session, c rig.Credential) error
	// deleteUser removes one.
	deleteUser(ctx context.Context, s *session, name string) error
	// reset restores everything, or one function: what functions there are, and
	// which tables each restores, scope says.
	reset(ctx context.Context, s *session, function string) error
	// scope is which of these tables a function restores.
	scope(function string, tables []string) []string
	// provision creates the first account on the uninitialised unit at base.
	provision(ctx context.Context, base string, c rig.Credential) error
	// says is what an answer tells of the login in its body.
	says(a *answer) word
}

// word is what an answer's body says of the login that asked for it.
type word int

const (
	wordNone    word = iota
	wordRefused      // the login is not accepted
	wordLocked       // no login is accepted now
	wordUnable       // it has no such thing, whoever asks: nothing on the login
)

// lockWord is what a refusal tells of the lock.
type lockWord struct {
	tries  int           // refusals that are left until it; -1 is not said
	unlock time.Duration // until it ends; 0 is not said
}

// proof is what proves the default state.
type proof int

const (
	byAccount proof = iota // a default account is accepted
	byInit                 // it has no account until it is given one, and says so
)

// abilities are what a dialect, with a model's generation, is able to do.
type abilities struct {
	proof      proof
	asksInit   bool // it asks for the init state itself: discovery alone is not believed
	mark       bool // it writes values and reads them back
	reset      bool // it resets over the network
	provision  bool // it creates the first account
	identifies bool // it tells who answers without a login, by some discovery
	defaults   bool // it tells the factory's values of a table
}

// unable is a dialect that can do none of what is optional; others embed it.
type unable struct{ name string }

func (u unable) no(what string) error {
	return fmt.Errorf("%s: %w: the %s dialect has no way to", what, rig.ErrUnsupported, u.name)
}

func (u unable) identify(_ context.Context, g glance, _ string) (glance, error) { return g, nil }
func (u unable) info(context.Context, *session) (Info, error)                   { return Info{}, nil }
func (u unable) mac(context.Context, *session, string) (string, error) {
	return "", u.no("read the hardware address")
}
func (u unable) firmware(context.Context, *session) (string, error) {
	return "", u.no("read the firmware version")
}
func (u unable) uptime(context.Context, *session) (time.Duration, error) {
	return 0, u.no("read the uptime")
}
func (u unable) table(context.Context, *session, string) (map[string]string, error) {
	return nil, u.no("read a table")
}
func (u unable) defaults(context.Context, *session, string) (map[string]string, error) {
	return nil, u.no("read the factory's values")
}
func (u unable) set(context.Context, *session, string, string) error { return u.no("set a value") }
func (u unable) setPassword(context.Context, *session, rig.Secret) error {
	return u.no("set a password")
}
func (u unable) users(context.Context, *session) ([]string, error) { return nil, u.no("list users") }
func (u unable) addUser(context.Context, *session, rig.Credential) error {
	return u.no("add a user")
}
func (u unable) deleteUser(context.Context, *session, string) error { return u.no("delete a user") }
func (u unable) reset(context.Context, *session, string) error      { return u.no("reset") }
func (u unable) provision(context.Context, string, rig.Credential) error {
	return u.no("provision")
}
func (u unable) scope(function string, _ []string) []string { return []string{function} }
func (u unable) says(*answer) word                          { return wordNone }

// glance is what one look saw.
type glance struct {
	reach rig.Reach
	note  string
	moved string // the same host, where it wants to be asked (HTTPS)
	id    rig.Identity
	found *Found // the answer of discovery, if there was one
	// init as the dialect asked for it: 1 uninitialised, 2 initialised, 0 not
	// said. initBy names the question, for the check.
	init   int
	initBy string
	// loginTells: nothing says it without a login, and a login does.
	loginTells bool
}

// initState joins the two witnesses of the initialised state. The bits of a
// DHIP answer alone are a guess where the unit can be asked itself: no capture
// of an uninitialised unit is public.
func (g glance) initState(asksInit bool) rig.InitState {
	by := rig.InitUnknown
	switch g.init {
	case 1:
		by = rig.InitUninitialised
	case 2:
		by = rig.InitInitialised
	}
	heard := rig.InitUnknown
	if g.found != nil && g.found.InitKnown {
		switch g.found.Init & 3 {
		case 0:
			heard = rig.InitOld
		case 1:
			heard = rig.InitUninitialised
		case 2:
			heard = rig.InitInitialised
		}
	}
	switch {
	case by == rig.InitUnknown && asksInit:
		return rig.InitUnknown
	case by == rig.InitUnknown:
		return heard
	case heard == rig.InitUnknown || heard == by:
		return by
	}
	return rig.InitUnknown // they contradict each other
}
