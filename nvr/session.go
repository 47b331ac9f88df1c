package nvr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/icholy/digest"

	"resetrig/rig"
)

// session sends requests with one login. Every request takes a fresh
// challenge: a recorder that gives a new nonce for each request books every
// reuse as a refused login, and another answers 403 to a stale one.
type session struct {
	d      *Device
	base   string
	cred   rig.Credential
	wire   *wire
	rt     http.RoundTripper
	proven bool // accepted once in this session
	basic  bool // the unit offers nothing else
	most   int  // refusals of this login since the last change of state, after which it is not sent
	lost   int  // requests with the login, not yet accepted, that brought no answer: refusals perhaps

	via       dialect       // the route of a dialect that has several; nil until it is chosen
	challenge *rpcChallenge // asked for, and not yet answered
	rpc       *rpcSession   // a login over the JSON-RPC
}

func (d *Device) session(base string, c rig.Credential) *session {
	w := d.wire()
	w.secret = !d.isDefault(c)
	return &session{d: d, base: base, cred: c, wire: w, most: 1, rt: &digest.Transport{
		Username: c.User, Password: c.Password.Reveal(), Transport: w,
		FindChallenge: findChallenge, NoReuse: true, Probe: true,
	}}
}

// request is one request under a base address.
type request struct {
	method, path string
	kind, body   string // content type and body; no body where the kind is empty
}

func get(path string) request { return request{method: http.MethodGet, path: path} }

// get asks path with the login.
func (s *session) get(ctx context.Context, path string) (*answer, error) { return s.do(ctx, get(path)) }

// do sends a request with the login. The answer's status is neither 401 nor 403
// nor a server's error; those come back as rig.ErrRefused, ErrLocked,
// ErrGarbage, ErrUnreachable.
func (s *session) do(ctx context.Context, q request) (*answer, error) {
	return attempt(ctx, s, func() (*answer, error) { return s.doOnce(ctx, q) })
}

// attempt is an exchange that carries the login, of whatever protocol. once
// returns what s.refused returned where the login was refused, and notes in
// s.lost where a login brought no answer. It spends a refused login only where
// the budget has one. A login that was good since the last change of state is
// asked once more before its refusal is believed: a unit that has no connection
// left says 401 too.
func attempt[T any](ctx context.Context, s *session, once func() (T, error)) (T, error) {
	d, key := s.d, credentialKey(s.cred)
	var none T
	if d.tried[key] >= s.most {
		return none, fmt.Errorf("log in as %q: %w before; not sent again until the unit's state changes", s.cred.User, rig.ErrRefused)
	}
	good := s.proven || d.good[key]
	if !good {
		if err := d.affordable(1 + s.lost); err != nil {
			return none, fmt.Errorf("log in as %q: %w", s.cred.User, err)
		}
	}
	a, err := once()
	if !good || !errors.Is(err, rig.ErrRefused) || d.affordable(1) != nil {
		return a, err
	}
	if err := d.pause(ctx); err != nil {
		return none, err
	}
	a, err = once()
	if err == nil {
		s.proven, d.good[key] = true, true
	}
	if !errors.Is(err, rig.ErrRefused) {
		delete(d.tried, key)
	}
	return a, err
}

func (s *session) doOnce(ctx context.Context, q request) (*answer, error) {
	a, err := s.send(ctx, q)
	if err != nil {
		if s.wire.seen.sent && !s.proven {
			s.lost++
		}
		return nil, err
	}
	if s.wire.seen.sent && a.status == http.StatusUnauthorized && !s.basic && staleNonce(a.header) {
		// The nonce was blamed, not the password: once more with the new one.
		if a, err = s.send(ctx, q); err != nil {
			return nil, err
		}
		if s.wire.seen.sent && a.status == http.StatusUnauthorized && staleNonce(a.header) {
			return nil, fmt.Errorf("log in as %q: %w: it calls every nonce stale", s.cred.User, rig.ErrGarbage)
		}
	}
	return a, s.judge(a)
}

// send is one exchange: the challenge and the answer to it, or basic where
// that is all the unit offers.
func (s *session) send(ctx context.Context, q request) (*answer, error) {
	s.wire.seen = authSeen{}
	if !s.basic {
		a, err := s.d.ask(ctx, s.rt, askTime, s.base, q)
		if err != nil || s.wire.seen.sent || a.status != http.StatusUnauthorized || !offersBasic(a.header) {
			return a, err
		}
		s.basic = true
	}
	return s.d.ask(ctx, basicAuth{s.wire, s.cred}, askTime, s.base, q)
}

// judge turns an answer's status into what it says of the login.
func (s *session) judge(a *answer) error {
	sent := s.wire.seen.sent
	said := s.d.dialect.says(a)
	switch {
	case sent && said == wordUnable:
		return nil
	case a.status == http.StatusUnauthorized && !sent:
		return fmt.Errorf("log in as %q: %w: 401 without a challenge that can be answered; nothing was sent", s.cred.User, rig.ErrGarbage)
	case a.status == http.StatusForbidden && !sent:
		return fmt.Errorf("log in as %q: %w: 403 where a challenge belongs; wait for the lock to end", s.cred.User, rig.ErrLocked)
	case a.status == http.StatusForbidden && s.proven && said != wordLocked:
		return fmt.Errorf("as %q: %w: 403: %s", s.cred.User, errForbidden, s.d.scrub(short(a.body)))
	case a.status == http.StatusForbidden, sent && said == wordLocked:
		return s.refused(fmt.Errorf("log in as %q: %w: %d; wait for the lock to end", s.cred.User, rig.ErrLocked, a.status))
	case a.status == http.StatusUnauthorized, sent && said == wordRefused:
		return s.refused(fmt.Errorf("log in as %q: %w", s.cred.User, rig.ErrRefused))
	case a.status >= 500:
		return fmt.Errorf("%s: %w: it says %d: not ready", s.base, rig.ErrUnreachable, a.status)
	case a.status >= 300 && a.status < 400:
		return fmt.Errorf("%s: %w: it redirects to %s, which is not followed", s.base, rig.ErrGarbage, redactURL(short(a.header.Get("Location"))))
	}
	return nil
}

// locked is a body that speaks of the lock.
var locked = regexp.MustCompile(`(?i)\block(ed|out)?\b`)

// errForbidden is a login that is accepted and may not do this.
var errForbidden = errors.New("the login has no right to this")

// refused books one refused login and says why.
func (s *session) refused(why error) error {
	said := s.d.said
	s.d.said = nil
	if said == nil {
		return s.book(why, s.d.model.Lockout.Window)
	}
	why = s.book(why, cmp.Or(said.unlock, s.d.model.Lockout.Window))
	if said.tries >= 0 && errors.Is(why, rig.ErrRefused) {
		if err := s.d.left(said.tries, s.d.o.Clock.Now()); err != nil {
			return fmt.Errorf("%w (%w)", err, why)
		}
	}
	return why
}

// book is refused; a lock lasts so long.
func (s *session) book(why error, lock time.Duration) error {
	d := s.d
	delete(d.good, credentialKey(s.cred))
	if errors.Is(why, rig.ErrRefused) { // a locked unit refuses the right password too
		d.tried[credentialKey(s.cred)]++
	}
	s.proven = false
	if err := d.o.Ledger.Refused(d.keys()[0], d.o.Clock.Now()); err != nil {
		return fmt.Errorf("book a refused login: %w (%w)", err, why)
	}
	d.log.Warn("login refused", "user", s.cred.User, "unit", d.keys()[0])
	if errors.Is(why, rig.ErrLocked) {
		if err := d.lockFor(lock); err != nil {
			return fmt.Errorf("%w (%w)", err, why)
		}
	}
	return why
}

// lockFor notes that the unit's logins are locked: none is sent for so long, nor
// by a later run of this program, but no longer than the window.
func (d *Device) lockFor(long time.Duration) error {
	long = min(long, d.model.Lockout.Window)
	now := d.o.Clock.Now()
	d.lockedUntil = now.Add(long)
	// What is booked as of then is out of the window when the lock ends.
	return d.left(0, now.Add(long-d.model.Lockout.Window))
}

// left books refusals until the account says, as the unit does, that so many are
// left.
func (d *Device) left(tries int, at time.Time) error {
	spent, err := d.spent()
	for ; err == nil && spent < d.model.Lockout.Tries-tries; spent++ {
		err = d.o.Ledger.Refused(d.keys()[0], at)
	}
	if err != nil {
		return fmt.Errorf("book what the unit says of its lock: %w", err)
	}
	return nil
}

// spent counts the refused logins of the window.
func (d *Device) spent() (int, error) {
	since := d.o.Clock.Now().Add(-d.model.Lockout.Window)
	spent := 0
	for _, k := range d.ledgerKeys() {
		n, err := d.o.Ledger.RefusedSince(k, since)
		if err != nil {
			return 0, fmt.Errorf("read the account of refused logins: %w", err)
		}
		spent += n
	}
	return spent, nil
}

// affordable is nil if so many more refused logins leave the spare ones unspent.
func (d *Device) affordable(more int) error {
	l := d.model.Lockout
	if wait := d.lockedUntil.Sub(d.o.Clock.Now()); wait > 0 {
		return fmt.Errorf("%w, as it said before; nothing was sent, wait %v", rig.ErrLocked, wait.Round(time.Second))
	}
	spent, err := d.spent()
	if err != nil {
		return err
	}
	if spent+more > l.Tries-l.Spare {
		return fmt.Errorf("%w: %d refused in the last %v, the unit locks at %d and %d are kept; nothing was sent, wait until they are older", rig.ErrBudget, spent, l.Window.Round(time.Second), l.Tries, l.Spare)
	}
	return nil
}

// ledgerKeys are all names under which refusals of this unit may be booked: a
// login can be refused before the unit has said who it is.
func (d *Device) ledgerKeys() []string { return AccountsOf(d.id, d.o.URL) }

// AccountsOf are all names under which refused logins of a unit may be booked in
// a Ledger, for who reads it from outside.
func AccountsOf(id rig.Identity, url string) []string {
	d := Device{id: id, o: Options{URL: url}}
	k := d.keys()
	if u := "url:" + url; k[0] != u {
		k = append(k, u)
	}
	return k
}

// forgive clears the account after a reset that is known to clear the lock.
func (d *Device) forgive() error {
	if !d.model.Lockout.ClearedByReset {
		return nil
	}
	d.lockedUntil = time.Time{}
	for _, k := range d.ledgerKeys() {
		if err := d.o.Ledger.Clear(k); err != nil {
			return fmt.Errorf("clear the account of refused logins: %w", err)
		}
	}
	return nil
}

// basicAuth adds a basic login in front of the wire.
type basicAuth struct {
	w    *wire
	cred rig.Credential
}

// RoundTrip implements http.RoundTripper.
func (b basicAuth) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.SetBasicAuth(b.cred.User, b.cred.Password.Reveal())
	return b.w.RoundTrip(req)
}

// loginFunc is login or insist.
type loginFunc func(ctx context.Context, c rig.Credential) (*session, error)

// login proves a login: one request, and who answered it.
func (d *Device) login(ctx context.Context, c rig.Credential) (*session, error) {
	return d.loginAtMost(ctx, c, 1)
}

// insist logs in with a login that the unit should take. Its refusal is asked
// for twice, as far as the budget allows, before it is believed.
func (d *Device) insist(ctx context.Context, c rig.Credential) (*session, error) {
	s, err := d.loginAtMost(ctx, c, 1)
	if !errors.Is(err, rig.ErrRefused) || d.tried[credentialKey(c)] > 1 || d.affordable(1) != nil {
		return s, err
	}
	if err := d.pause(ctx); err != nil {
		return nil, err
	}
	return d.loginAtMost(ctx, c, 2)
}

func (d *Device) loginAtMost(ctx context.Context, c rig.Credential, most int) (*session, error) {
	d.guard(c.Password)
	s := d.session(d.base, c)
	s.most = most
	id, err := d.dialect.prove(ctx, s)
	if err != nil {
		return nil, err
	}
	s.proven = true
	if d.id.Contradicts(id) || d.seen.Contradicts(id) { // one answer calls no unit another
		if id, err = d.dialect.prove(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := d.bind(id, d.base); err != nil {
		return nil, err
	}
	if err := d.bindMAC(ctx, s); err != nil {
		return nil, err
	}
	if err := d.settleTrust(); err != nil {
		return nil, err
	}
	d.unsure = d.unsure && d.proven() != nil
	d.current, d.good[credentialKey(c)] = &c, true
	delete(d.tried, credentialKey(c))
	return s, nil
}

// knownLogin finds a login that the unit takes: the one that worked last, the
// newest two of the vault, the bench's, and the default accounts of the old
// generation; each once, and within the budget.
func (d *Device) knownLogin(ctx context.Context) (*session, error) {
	candidates, err := d.candidates()
	if err != nil {
		return nil, err
	}
	for _, c := range candidates {
		s, err := d.login(ctx, c)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, rig.ErrRefused) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no known login is accepted, of %d: %w; give the unit's password as the bench's login, or wait: some firmware answers so while its logins are locked", len(candidates), rig.ErrRefused)
}

func (d *Device) candidates() ([]rig.Credential, error) {
	var all []rig.Credential
	if d.current != nil {
		all = append(all, *d.current)
	}
	stored, err := d.recall()
	if err != nil {
		return nil, err
	}
	all = append(all, stored[:min(2, len(stored))]...)
	if d.o.Login.User != "" {
		all = append(all, d.o.Login)
	}
	if d.dialect.can().proof == byAccount {
		all = append(all, d.model.Accounts...)
	}
	var out []rig.Credential
	for _, c := range all {
		dup := false
		for _, have := range out {
			dup = dup || same(have, c)
		}
		if !dup {
			out = append(out, c)
		}
	}
	return out, nil
}

// recalled is how many of the newest passwords are looked at.
const recalled = 8

// recall is what the vault holds of this unit, the newest first.
func (d *Device) recall() ([]rig.Credential, error) {
	var out []rig.Credential
	for _, k := range d.vaultKeys() {
		cs, err := d.o.Vault.Recall(k)
		if err != nil {
			return nil, fmt.Errorf("recall the passwords of %s: %w", k, err)
		}
		// A soak adds two a cycle; what is older can no longer be set.
		cs = cs[:min(recalled, len(cs))]
		for _, c := range cs {
			d.guard(c.Password)
		}
		out = append(out, cs...)
	}
	return out, nil
}

// remember stores a login unless it is the newest already.
func (d *Device) remember(c rig.Credential) error {
	d.guard(c.Password)
	if have, err := d.recall(); err != nil {
		return err
	} else if len(have) > 0 && same(have[0], c) {
		return nil
	}
	for i, k := range d.vaultKeys() {
		if i > 0 && k != "url:"+d.o.URL {
			continue
		}
		if err := d.o.Vault.Remember(k, c); err != nil {
			return fmt.Errorf("store the password of %s: %w; it was not set", k, err)
		}
	}
	return nil
}

// vaultKeys are the names under which this unit's passwords are kept. One that
// nobody named, and that tells who it is to a login alone, is known by its
// address at the next start, when its password is needed to ask.
func (d *Device) vaultKeys() []string {
	if (d.o.Identity != rig.Identity{}) {
		return d.keys()
	}
	return d.ledgerKeys()
}
