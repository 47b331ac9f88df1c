package nvr

import (
	"context"
	"errors"
	"time"

	"resetrig/rig"
)

// imou is Dahua's firmware under IMOU's name, which answers over one route or
// two: the JSON-RPC where it is there, else the CGI. Some firmware's CGI refuses
// the right password, and the JSON-RPC takes it. The route is found without a
// login: asking both for each password would spend two refused ones for each
// that is wrong.
type imou struct {
	*dahua // look, discovery, provisioning, and the CGI
	over   rpc2
	chosen dialect // over which a login was accepted; nil: not yet known
}

func newIMOU(d *Device, c *dahua) *imou {
	i := &imou{dahua: c, over: rpc2{c}}
	switch d.model.Route {
	case RouteRPC2:
		i.chosen, c.rpc = i.over, rpcOnly
	case RouteCGI:
		i.chosen, c.rpc = c, rpcNever
	}
	return i
}

func (i *imou) forced() bool {
	return i.d.model.Route == RouteRPC2 || i.d.model.Route == RouteCGI
}

func (i *imou) can() abilities {
	if i.d.model.Route == RouteCGI {
		return i.dahua.can()
	}
	return i.over.can()
}

// route is the session's route: the one that took a login before, or else the
// JSON-RPC if it gives a challenge.
func (i *imou) route(ctx context.Context, s *session) (dialect, error) {
	if s.via == nil {
		s.via = i.chosen
	}
	if s.via != nil {
		return s.via, nil
	}
	first, err := again(ctx, i.d, func() (*rpcChallenge, error) { return i.over.dahua.challenge(ctx, s) })
	switch {
	case err == nil:
		s.challenge, s.via = first, i.over
	case errors.Is(err, rig.ErrUnsupported), errors.Is(err, rig.ErrGarbage):
		s.via = i.dahua
	default:
		return nil, err
	}
	return s.via, nil
}

// prove logs in over the session's route. One that turns out not to be there is
// left for the other; one that refuses the login is believed.
func (i *imou) prove(ctx context.Context, s *session) (rig.Identity, error) {
	v, err := i.route(ctx, s)
	if err != nil {
		return rig.Identity{}, err
	}
	id, err := v.prove(ctx, s)
	if errors.Is(err, rig.ErrUnsupported) && !i.forced() {
		if i.chosen = nil; v == dialect(i.over) {
			s.via, s.rpc, v = i.dahua, nil, i.dahua
			id, err = v.prove(ctx, s)
		}
	}
	if err == nil {
		i.chosen = v
	}
	return id, err
}

// by asks over the session's route.
func by[T any](ctx context.Context, i *imou, s *session, ask func(dialect) (T, error)) (T, error) {
	v, err := i.route(ctx, s)
	if err != nil {
		var none T
		return none, err
	}
	return ask(v)
}

func (i *imou) do(ctx context.Context, s *session, ask func(dialect) error) error {
	_, err := by(ctx, i, s, func(v dialect) (struct{}, error) { return struct{}{}, ask(v) })
	return err
}

func (i *imou) info(ctx context.Context, s *session) (Info, error) {
	return by(ctx, i, s, func(v dialect) (Info, error) { return v.info(ctx, s) })
}

func (i *imou) mac(ctx context.Context, s *session, wanted string) (string, error) {
	return by(ctx, i, s, func(v dialect) (string, error) { return v.mac(ctx, s, wanted) })
}

func (i *imou) firmware(ctx context.Context, s *session) (string, error) {
	return by(ctx, i, s, func(v dialect) (string, error) { return v.firmware(ctx, s) })
}

func (i *imou) uptime(ctx context.Context, s *session) (time.Duration, error) {
	return by(ctx, i, s, func(v dialect) (time.Duration, error) { return v.uptime(ctx, s) })
}

func (i *imou) table(ctx context.Context, s *session, name string) (map[string]string, error) {
	return by(ctx, i, s, func(v dialect) (map[string]string, error) { return v.table(ctx, s, name) })
}

func (i *imou) defaults(ctx context.Context, s *session, name string) (map[string]string, error) {
	return by(ctx, i, s, func(v dialect) (map[string]string, error) { return v.defaults(ctx, s, name) })
}

func (i *imou) set(ctx context.Context, s *session, key, value string) error {
	return i.do(ctx, s, func(v dialect) error { return v.set(ctx, s, key, value) })
}

func (i *imou) setPassword(ctx context.Context, s *session, to rig.Secret) error {
	return i.do(ctx, s, func(v dialect) error { return v.setPassword(ctx, s, to) })
}

func (i *imou) users(ctx context.Context, s *session) ([]string, error) {
	return by(ctx, i, s, func(v dialect) ([]string, error) { return v.users(ctx, s) })
}

func (i *imou) addUser(ctx context.Context, s *session, c rig.Credential) error {
	return i.do(ctx, s, func(v dialect) error { return v.addUser(ctx, s, c) })
}

func (i *imou) deleteUser(ctx context.Context, s *session, name string) error {
	return i.do(ctx, s, func(v dialect) error { return v.deleteUser(ctx, s, name) })
}

func (i *imou) reset(ctx context.Context, s *session, function string) error {
	return i.do(ctx, s, func(v dialect) error { return v.reset(ctx, s, function) })
}
