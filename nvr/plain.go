package nvr

import (
	"context"
	"fmt"
	"strings"

	"resetrig/rig"
)

// plain is any HTTP server with digest or basic. It can be logged into, and
// nothing else is known of it.
type plain struct {
	unable
	d *Device
}

func (p *plain) look(ctx context.Context, base string, within lookFor) (glance, error) {
	a, err := p.d.ask(ctx, p.d.wire(), within, base, get(p.d.model.Plain.Path))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return glance{}, cause
		}
		return glance{reach: reachOf(err), note: err.Error()}, nil
	}
	g := glance{reach: rig.ReachAnswers, note: fmt.Sprintf("status %d", a.status)}
	if to := sameHost(base, a); to != "" {
		g.moved = to
	} else if a.status < 500 {
		g.reach = rig.ReachReady
	}
	return g, nil
}

// prove asks the model's path with the login. It says nothing of who answered.
func (p *plain) prove(ctx context.Context, s *session) (rig.Identity, error) {
	s.basic = p.d.model.Plain.Auth == "basic"
	a, err := again(ctx, p.d, func() (*answer, error) { return s.get(ctx, p.d.model.Plain.Path) })
	if err != nil {
		return rig.Identity{}, err
	}
	want := p.d.model.Plain
	switch {
	case s.basic && want.Auth == "digest":
		return rig.Identity{}, fmt.Errorf("%w: it asks for basic, the model says digest", rig.ErrGarbage)
	case !s.wire.seen.sent:
		return rig.Identity{}, fmt.Errorf("%w: it asked for no login: that proves none", rig.ErrGarbage)
	case a.status != want.Status:
		return rig.Identity{}, fmt.Errorf("%w: status %d, logged in would be %d", rig.ErrGarbage, a.status, want.Status)
	case !strings.Contains(a.body, want.Contains):
		return rig.Identity{}, fmt.Errorf("%w: the answer does not hold %q", rig.ErrGarbage, want.Contains)
	}
	return rig.Identity{}, nil
}

func (p *plain) can() abilities { return abilities{} }

// plain judges a server of which only the login is known: its default account
// is accepted. That it could have been otherwise, nothing here can show.
func (e *examination) plain(ctx context.Context, spec rig.DefaultSpec, login loginFunc) error {
	if len(spec.Functions) > 0 {
		return fmt.Errorf("default state of functions: %w", rig.ErrUnsupported)
	}
	if len(e.d.model.Accounts) == 0 {
		return fmt.Errorf("default state without a default account: %w", rig.ErrUnsupported)
	}
	def := e.d.model.Accounts[0]
	c := rig.Check{Name: "default-login", Kind: rig.AboutLogin, Wanted: fmt.Sprintf("the default account %q is accepted", def.User)}
	if err := e.tryLogin(ctx, c, def, login); err != nil {
		return err
	}
	e.add(rig.Check{Name: "marker", Kind: rig.AboutMarker, Wanted: "something marked, and gone", Seen: "the plain dialect marks nothing: the login may never have been another", Outcome: rig.CheckWarn})
	return nil
}
