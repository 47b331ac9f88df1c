package nvr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"resetrig/rig"
)

// lookFor is how long one question of a look may take.
type lookFor = time.Duration

// Probe implements rig.Prober: a look at where the unit answered last, then at
// its other addresses, then for it by discovery. It costs two or three
// requests and a datagram, and sends no login.
func (d *Device) Probe(ctx context.Context) (rig.Sight, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, _, err := d.find(ctx)
	if err == nil && isUnit(d.id, s.Identity) {
		s.Identity = d.id // what a login has told of it, too
	}
	return s, err
}

// find looks for the unit and follows it where its identity is proven. Who
// answers is asked anew.
func (d *Device) find(ctx context.Context) (rig.Sight, glance, error) {
	d.seen, d.alive = rig.Identity{}, false
	d.pins.begin()
	if d.unsure { // whoever is there has shown no proof since: home first
		d.base, d.unsure = d.o.URL, false
	}
	g, err := d.dialect.look(ctx, d.base, lookTime)
	if err != nil {
		return rig.Sight{}, g, err
	}
	if g.moved != "" && g.moved != d.base {
		d.log.Info("the unit wants to be asked elsewhere on the same host", "from", d.base, "to", g.moved)
		d.base = g.moved
		if g, err = d.dialect.look(ctx, d.base, lookTime); err != nil {
			return rig.Sight{}, g, err
		}
	}
	if err := d.pins.take(); err != nil {
		d.silent = true
		return d.sight(g), g, fmt.Errorf("%s: %w", d.base, err)
	}
	if g.reach == rig.ReachSilent {
		if g, err = d.findElsewhere(ctx, g); err != nil {
			d.silent = true
			return rig.Sight{}, g, err
		}
	}
	if err := d.bind(g.id, d.base); err != nil {
		s := d.sight(g)
		d.base, d.silent = d.o.URL, true
		return s, g, err
	}
	if err := d.settleTrust(); err != nil {
		return rig.Sight{}, g, err
	}
	d.found = d.found || g.found != nil || g.id != (rig.Identity{})
	s := d.sight(g)
	// A restart, or another state than before, may have changed the accounts.
	if s.Reach < rig.ReachAnswers {
		d.silent = true
	} else if d.silent && s.Reach == rig.ReachReady {
		d.silent = false
		d.changed()
	}
	if s.Init != rig.InitUnknown && s.Init != d.lastInit {
		d.lastInit = s.Init
		d.changed()
	}
	return s, g, nil
}

// findElsewhere tries the unit's other addresses. An address that the bench
// names is believed, until the next look, if a recorder that is ready answers
// there and no other unit does; one that only discovery names must be this very
// unit. Another unit elsewhere means that ours is not there. At the address
// that ours should have after a reset it is an error, if ours is nowhere else.
func (d *Device) findElsewhere(ctx context.Context, here glance) (glance, error) {
	var stranger error
	g, err := d.lookElsewhere(ctx, here, &stranger)
	if err == nil && g.reach == rig.ReachSilent {
		err = stranger
	}
	return g, err
}

func (d *Device) lookElsewhere(ctx context.Context, here glance, stranger *error) (seen glance, err error) {
	notes := ""
	defer func() { seen.note += notes }()
	asked := map[string]bool{d.base: true, "": true}
	for _, u := range []string{d.o.URL, d.o.AfterResetURL} {
		if asked[u] {
			continue
		}
		asked[u] = true
		g, err := d.dialect.look(ctx, u, elsewhereFor)
		if err != nil {
			return g, err
		}
		if g.reach == rig.ReachSilent {
			continue
		}
		if err := d.pins.take(); err != nil {
			notes += "; " + u + ": " + err.Error()
			if u == d.o.AfterResetURL {
				*stranger = fmt.Errorf("%s: %w", u, err)
			}
			continue
		}
		if d.id.Contradicts(g.id) {
			notes += "; " + u + ": another unit, " + identityText(g.id)
			if u == d.o.AfterResetURL {
				*stranger = wrongUnit(d.id, g.id, u)
			}
			continue
		}
		if g.reach < rig.ReachReady && !isUnit(d.id, g.id) {
			// Any web server could answer like this: it is no reason to leave the
			// address at which the unit may be about to come up.
			notes += "; " + u + ": " + g.note
			continue
		}
		d.follow(u)
		d.unsure = (d.id != rig.Identity{}) && !isUnit(d.id, g.id)
		return g, nil
	}
	if !d.dialect.can().identifies || (d.id == rig.Identity{}) {
		return here, nil // nothing that discovery could be compared with
	}
	addr := d.o.DiscoveryAddr
	if addr == "" {
		addr = hostOf(d.base)
	}
	discover := func(ctx context.Context, addr string, wait time.Duration) ([]Found, error) {
		return Discover(ctx, d.o.Net, addr, wait)
	}
	if own, ok := d.dialect.(discoverer); ok {
		discover = own.discover
	}
	found, err := discover(ctx, d.withPort(addr), discoverTime)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return here, cause
		}
		here.note += "; " + err.Error() // no way for datagrams: silence stays silence
		return here, nil
	}
	for i, f := range found {
		if !isUnit(d.id, f.Identity()) {
			continue
		}
		if from, _, _ := net.SplitHostPort(f.From); from == hostOf(d.base) || f.IP == hostOf(d.base) {
			here.reach, here.found, here.id = rig.ReachAnswers, &found[i], f.Identity()
			here.note = "answers discovery, and not HTTP"
			return here, nil
		}
		g, err := d.dialect.look(ctx, f.URL(), elsewhereFor)
		if err == nil {
			if err = d.pins.take(); err != nil {
				err = fmt.Errorf("%s: %w", f.URL(), err)
			}
		}
		if err != nil {
			return g, err
		}
		if g.reach == rig.ReachSilent {
			g.reach, g.note = rig.ReachAnswers, "answers discovery as "+f.IP+", and not HTTP there"
		} else if isUnit(d.id, g.id) || (g.id == rig.Identity{}) {
			d.follow(f.URL())
		}
		if g.found == nil {
			g.found, g.id = &found[i], f.Identity()
		}
		return g, nil
	}
	return here, nil
}

// followable reports whether a unit that moved would be found: at the address
// that the bench names for it, or by a discovery that it has just answered.
func (d *Device) followable(g glance) bool {
	d.finds = d.finds || g.found != nil
	return d.o.AfterResetURL != "" || d.finds && d.o.DiscoveryAddr != ""
}

func (d *Device) follow(u string) {
	d.log.Info("the unit moved", "from", d.base, "to", u)
	d.base = u
}

func (d *Device) sight(g glance) rig.Sight {
	s := rig.Sight{Reach: g.reach, Followable: d.followable(g), Alive: d.alive || g.found != nil, Link: d.link(), Identity: g.id, URL: d.base, Note: g.note, Init: rig.InitUnknown}
	if g.reach >= rig.ReachAnswers && d.dialect.can().mark {
		s.Init = g.initState(d.dialect.can().asksInit)
		if d.dialect.can().proof == byAccount && s.Init == rig.InitUnknown {
			s.Init = rig.InitOld
		}
	}
	if g.reach == rig.ReachSilent {
		s.URL = ""
	}
	return s
}

// frontPage tells a unit that asks for a login because it is up from one whose
// services are not: while it starts, such a web server answers everything with
// 401, the right password included.
func (d *Device) frontPage(ctx context.Context, g glance, base string, within lookFor) (glance, error) {
	a, err := d.ask(ctx, d.wire(), within, base, get("/"))
	if cause := context.Cause(ctx); cause != nil {
		return g, cause
	}
	if err == nil && a.status != http.StatusUnauthorized && a.status < 500 {
		return g, nil
	}
	g.reach = rig.ReachAnswers
	if err != nil {
		g.note += "; its front page: " + err.Error()
	} else {
		g.note += fmt.Sprintf(", and so does its front page (%d): not ready", a.status)
	}
	return g, nil
}

// need finds the unit for work: it must be ready, and not another one. One look
// alone is not believed that it is not.
func (d *Device) need(ctx context.Context) (rig.Sight, glance, error) {
	for n := 0; ; n++ {
		s, g, err := d.needOnce(ctx)
		if n >= repetitions(ctx, err) {
			return s, g, err
		}
		if err := d.pause(ctx); err != nil {
			return s, g, err
		}
	}
}

func (d *Device) needOnce(ctx context.Context) (rig.Sight, glance, error) {
	s, g, err := d.find(ctx)
	if err != nil {
		return s, g, err
	}
	switch s.Reach {
	case rig.ReachReady:
		return d.askWho(ctx, s, g)
	case rig.ReachGarbage:
		return s, g, fmt.Errorf("%s: %w: %s", d.base, rig.ErrGarbage, s.Note)
	}
	return s, g, fmt.Errorf("%s: %w: %s", d.base, rig.ErrUnreachable, s.Note)
}

// askWho repeats the question who answers, if a datagram may have been lost.
func (d *Device) askWho(ctx context.Context, s rig.Sight, g glance) (rig.Sight, glance, error) {
	for n := 0; n < 2 && d.proven() != nil; n++ {
		var err error
		if g, err = d.dialect.identify(ctx, g, d.base); err != nil {
			return s, g, err
		}
		if err := d.bind(g.id, d.base); err != nil {
			return s, g, err
		}
		if err := d.settleTrust(); err != nil {
			return s, g, err
		}
		d.found = d.found || g.found != nil || g.id != (rig.Identity{})
		s = d.sight(g)
	}
	return s, g, nil
}

// look asks the front page, then DevInit where the firmware has it and the CGI's
// challenge where not, and the identity by a datagram.
func (c *dahua) look(ctx context.Context, base string, within lookFor) (glance, error) {
	g := glance{}
	a, err := c.d.ask(ctx, c.d.wire(), within, base, get("/"))
	if err != nil {
		return c.missed(ctx, g, base, err)
	}
	if to := sameHost(base, a); to != "" {
		g.reach, g.moved, g.note = rig.ReachAnswers, to, "redirects to "+to
		return g, nil
	}
	g.reach, g.note = rig.ReachAnswers, fmt.Sprintf("front page %d", a.status)
	if a.status == http.StatusUnauthorized || a.status >= 500 {
		g.note += ": not ready"
	} else if g, err = c.serves(ctx, g, base, within); err != nil {
		return c.missed(ctx, g, base, err)
	}
	return c.identify(ctx, g, base)
}

// missed is the glance at a unit that gave no whole answer. One that is there
// all the same may still say who it is.
func (c *dahua) missed(ctx context.Context, g glance, base string, err error) (glance, error) {
	if cause := context.Cause(ctx); cause != nil {
		return g, cause
	}
	g.reach, g.note = reachOf(err), err.Error()
	if g.reach == rig.ReachSilent {
		return g, nil
	}
	return c.identify(ctx, g, base)
}

// serves asks for what only a recorder that is up answers.
func (c *dahua) serves(ctx context.Context, g glance, base string, within lookFor) (glance, error) {
	if c.devInit {
		n, err := c.initStatus(ctx, base, within)
		var s *silence
		switch {
		case errors.As(err, &s), context.Cause(ctx) != nil:
			return g, err
		case c.rpc != rpcNever && errors.Is(err, rig.ErrUnsupported) && !errors.Is(err, errBusy) && !errors.Is(err, errForbidden):
			return c.servesRPC(ctx, g, base, within)
		case errors.Is(err, rig.ErrGarbage):
			g.reach, g.note = rig.ReachGarbage, err.Error()
		case err != nil:
			g.note = err.Error()
		default:
			g.reach, g.init, g.initBy = rig.ReachReady, n, fmt.Sprintf("DevInit Init=%d", n)
			g.note = fmt.Sprintf("DevInit says Init=%d", n)
		}
		return g, nil
	}
	if c.rpc == rpcOnly {
		return c.servesRPC(ctx, g, base, within)
	}
	a, err := c.d.ask(ctx, c.d.wire(), within, base, get(magicBox+"getSerialNo"))
	if err != nil {
		return g, err
	}
	if c.rpc == rpcToo && a.status == http.StatusNotFound {
		return c.servesRPC(ctx, g, base, within)
	}
	_, noDigest := findChallenge(a.header)
	switch {
	case a.status == http.StatusUnauthorized && (noDigest == nil || offersBasic(a.header)):
		g.reach, g.note = rig.ReachReady, "the CGI asks for a login"
	case a.status == http.StatusForbidden:
		// A locked unit is up: what it is asked next will say so.
		g.reach, g.note = rig.ReachReady, "the CGI answers 403: its logins may be locked"
	default:
		g.note = fmt.Sprintf("the CGI answers %d: not ready", a.status)
	}
	return g, nil
}

// servesRPC asks over the JSON-RPC for what needs no login: any answer that is
// one will do.
func (c *dahua) servesRPC(ctx context.Context, g glance, base string, within lookFor) (glance, error) {
	r, a, err := c.post(ctx, within, base, rpcPath, "", rpcRequest{Method: "Security.getEncryptInfo", ID: 1, Session: json.RawMessage("0")})
	switch {
	case a == nil && err != nil:
		return g, err
	case err == nil && r.code() != codeBusy:
		g.reach, g.note, g.loginTells = rig.ReachReady, "the JSON-RPC answers", c.devInit
	case errors.Is(err, errForbidden):
		g.reach, g.note = rig.ReachReady, "the JSON-RPC answers 403: its logins may be locked"
	case err == nil:
		g.note = "the JSON-RPC is busy"
	case errors.Is(err, rig.ErrGarbage) && !errors.Is(err, rig.ErrUnsupported):
		g.reach, g.note = rig.ReachGarbage, err.Error()
	default:
		g.note = err.Error()
	}
	return g, nil
}

// identify asks the unit at base who it is.
func (c *dahua) identify(ctx context.Context, g glance, base string) (glance, error) {
	// One address is asked, and its answer is all that is waited for.
	found, err := discover(ctx, c.d.o.Net, c.d.withPort(hostOf(base)), discoverTime, func(f Found) bool {
		from, _, _ := net.SplitHostPort(f.From)
		return from == hostOf(base) && f.Identity() != (rig.Identity{})
	})
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
			return g, nil
		}
	}
	return g, nil
}

// withPort adds the discovery port: the address's own, that of the bench's
// discovery address, or the model's.
func (d *Device) withPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	port := d.model.Endpoints.DiscoveryPort
	if _, p, err := net.SplitHostPort(d.o.DiscoveryAddr); err == nil {
		port = p
	}
	return net.JoinHostPort(host, port)
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// sameHost is where an answer redirects to, if it stays on the host and only
// leaves its scheme or port. Other redirects are not followed, nor one out of
// TLS: a password would go where no certificate is.
func sameHost(base string, a *answer) string {
	if a.status < 300 || a.status > 399 {
		return ""
	}
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || to.Host == "" || to.Scheme == "http" && strings.HasPrefix(base, "https:") || !strings.EqualFold(to.Hostname(), hostOf(base)) || (to.Scheme != "https" && to.Scheme != "http") {
		return ""
	}
	if s := to.Scheme + "://" + to.Host; s != base {
		return s
	}
	return ""
}

// link is the carrier of the cable, where the network sees it.
func (d *Device) link() rig.Link {
	c, ok := d.o.Net.(Carrier)
	if !ok {
		return rig.LinkUnknown
	}
	switch up, known := c.Carrier(); {
	case !known:
		return rig.LinkUnknown
	case up:
		return rig.LinkUp
	}
	return rig.LinkDown
}
