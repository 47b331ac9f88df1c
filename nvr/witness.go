package nvr

import (
	"cmp"
	"context"
	"net"
	"time"

	"resetrig/rig"
)

// Neighbours is a Network that knows the hardware addresses of its neighbours.
type Neighbours interface {
	// Neighbour is the hardware address at which host was spoken to last, from
	// the table that address resolution fills; ok is false where there is none:
	// behind a router, on loopback, before the first word. It sends nothing.
	Neighbour(ctx context.Context, host string) (mac string, ok bool)
}

// discoverer is a dialect with a discovery other than DHIP.
type discoverer interface {
	// discover asks a host, with a port, for units. It changes nothing.
	discover(ctx context.Context, addr string, wait time.Duration) ([]Found, error)
}

// witness tells who a unit is without a login, for dialects whose units do not
// say: by the hardware address it answers from, and by WS-Discovery where it is
// on. A serial number comes with a login only; an endpoint whose owner has once
// logged in with it is known by it from then on.
type witness struct {
	at    map[string]string       // base → the endpoint's UUID, from the last look at it
	known map[string]rig.Identity // UUID → who logged in there
	asked int                     // how often a unit was asked whether discovery finds it
}

// identify adds who answers at base. A glance came from there just before.
func (w *witness) identify(ctx context.Context, d *Device, g glance, base string) (glance, error) {
	delete(w.at, base)
	if n, ok := d.o.Net.(Neighbours); ok {
		if mac, ok := n.Neighbour(ctx, hostOf(base)); ok {
			g.id = rig.Identity{MAC: mac}
			return w.findable(ctx, d, g, base)
		}
	}
	found, err := w.ask(ctx, d, base)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return g, cause
		}
		g.note += "; " + err.Error()
		return g, nil
	}
	for i, f := range found {
		from, _, _ := net.SplitHostPort(f.From)
		if from == "" || from == hostOf(base) || f.IP == hostOf(base) || net.ParseIP(hostOf(base)) == nil {
			g.found, g.id = &found[i], f.Identity()
			if w.at == nil {
				w.at = map[string]string{}
			}
			w.at[base] = f.UUID
			return g, nil
		}
	}
	return g, nil
}

// findable asks a unit that is known by its hardware address whether discovery
// would find it too, a few times: most have it switched off.
func (w *witness) findable(ctx context.Context, d *Device, g glance, base string) (glance, error) {
	if d.finds || w.asked >= 3 || g.reach < rig.ReachReady {
		return g, nil
	}
	w.asked++
	found, err := w.ask(ctx, d, base)
	if cause := context.Cause(ctx); cause != nil {
		return g, cause
	}
	if err == nil {
		for i, f := range found {
			if from, _, _ := net.SplitHostPort(f.From); from == hostOf(base) || f.IP == hostOf(base) {
				g.found = &found[i]
			}
		}
	}
	return g, nil
}

// askTheUnit is how long a unit may take to answer a probe of its own: only
// answers to the group are put off.
const askTheUnit = 200 * time.Millisecond

// ask is WS-Discovery of the unit at base alone: its first answer is enough.
func (w *witness) ask(ctx context.Context, d *Device, base string) ([]Found, error) {
	found, err := discoverONVIF(ctx, d.o.Net, d.withPort(hostOf(base)), askTheUnit, func(Found) bool { return true })
	return w.named(found), err
}

// discover is WS-Discovery, with what is known of who answers.
func (w *witness) discover(ctx context.Context, d *Device, addr string, wait time.Duration) ([]Found, error) {
	found, err := DiscoverONVIF(ctx, d.o.Net, addr, wait)
	return w.named(found), err
}

// named adds the serial numbers that are known of who answered.
func (w *witness) named(found []Found) []Found {
	for i := range found {
		if id, ok := w.known[found[i].UUID]; ok && found[i].UUID != "" {
			found[i].Serial = cmp.Or(found[i].Serial, id.Serial)
		}
	}
	return found
}

// learn notes who logged in at base.
func (w *witness) learn(base string, id rig.Identity) rig.Identity {
	if uuid := w.at[base]; uuid != "" {
		if w.known == nil {
			w.known = map[string]rig.Identity{}
		}
		w.known[uuid] = id
	}
	return id
}
