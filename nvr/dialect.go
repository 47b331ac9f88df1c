package nvr

import (
	"context"

	"resetrig/rig"
)

// dialect is what one kind of recorder speaks. What it cannot do is
// rig.ErrUnsupported. It knows requests and answers; what they mean for a
// verdict, and in which order they are asked, is the Device's.
type dialect interface {
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
	// table reads one configuration table, as Table.key → value.
	table(ctx context.Context, s *session, name string) (map[string]string, error)
	// set writes one configuration value by its full key.
	set(ctx context.Context, s *session, key, value string) error
	// setPassword changes the password of the session's own account.
	setPassword(ctx context.Context, s *session, to rig.Secret) error
	// reset restores everything, or one table.
	reset(ctx context.Context, s *session, table string) error
	// provision creates the first account on the uninitialised unit at base.
	provision(ctx context.Context, base string, c rig.Credential) error
}

// glance is what one look saw.
type glance struct {
	reach rig.Reach
	note  string
	moved string // the same host, where it wants to be asked (HTTPS)
	id    rig.Identity
	found *Found // the answer of discovery, if there was one
	// init by DevInit: 1 uninitialised, 2 initialised, 0 not said.
	devInit int
}

// initState joins the two witnesses of the initialised state. The bits of a
// DHIP answer alone are a guess where DevInit can be asked: no capture of an
// uninitialised unit is public.
func (g glance) initState(needDevInit bool) rig.InitState {
	by := rig.InitUnknown
	switch g.devInit {
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
	case by == rig.InitUnknown && needDevInit:
		return rig.InitUnknown
	case by == rig.InitUnknown:
		return heard
	case heard == rig.InitUnknown || heard == by:
		return by
	}
	return rig.InitUnknown // they contradict each other
}
