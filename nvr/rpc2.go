package nvr

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// The addresses of the JSON-RPC.
const (
	rpcLoginPath = "/RPC2_Login"
	rpcPath      = "/RPC2"
)

// What the codes of the JSON-RPC say of a login and of its session.
const (
	codeChallenge     = 268632079 // the first step's: there is a challenge in params
	codeRefused       = 268632085 // with remainLoginTimes and remainLockSecond
	codeRefusedOld    = 268632080
	codeNoUserOld     = 268632070
	codePasswordOld   = 268632071
	codeLocked        = 268632081 // at the first step too
	codeUninitialised = 268632086 // at the second step: no account until one is made
	codeBlackList     = 268632073
	codeBusy          = 268632075
	codeNoMethod      = 268894210 // or no right to it
	codeNoParameter   = 268894211
	codeSessionGone   = 287637504
	codeSessionBad    = 287637505
	codeNoAuthority   = 285278249
)

var (
	// errNoRPC is an address at which nobody speaks JSON-RPC.
	errNoRPC = fmt.Errorf("%w: nobody speaks JSON-RPC there", rig.ErrUnsupported)
	// errUninitialised is a login that the unit has no account for, and says so.
	// It refuses any login, and books none.
	errUninitialised = fmt.Errorf("%w: the unit is not initialised: it has no account", rig.ErrRefused)
	// errSession is a session that the unit no longer knows.
	errSession = errors.New("the unit no longer knows the session")
)

// rpcRequest is one call. A session is a number or a string, as the unit gave it.
type rpcRequest struct {
	Method  string          `json:"method"`
	Params  any             `json:"params"`
	ID      int             `json:"id"`
	Session json.RawMessage `json:"session,omitempty"`
}

// rpcAnswer is one answer. Result is a bool or an integer handle; params may be
// null.
type rpcAnswer struct {
	Result  json.RawMessage `json:"result"`
	Params  json.RawMessage `json:"params"`
	Session json.RawMessage `json:"session"`
	Error   *struct {
		Code    int64  `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// parseRPC reads an answer, which some units end with a NUL.
func parseRPC(body string) (rpcAnswer, error) {
	b := bytes.TrimRight([]byte(body), "\x00\r\n\t ")
	var a rpcAnswer
	if err := json.Unmarshal(b, &a); err != nil || !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) {
		return rpcAnswer{}, fmt.Errorf("%w: the answer is no JSON-RPC: %s", rig.ErrGarbage, short(body))
	}
	if len(a.Result) == 0 && a.Error == nil {
		return rpcAnswer{}, fmt.Errorf("%w: an answer without a result", rig.ErrGarbage)
	}
	return a, nil
}

// ok reports whether the call did what was asked: true, or a handle.
func (a rpcAnswer) ok() bool {
	if n, err := strconv.ParseFloat(string(a.Result), 64); err == nil {
		return n != 0
	}
	return string(a.Result) == "true"
}

func (a rpcAnswer) code() int64 {
	if a.Error == nil {
		return 0
	}
	return a.Error.Code
}

// said is what an answer that is not ok says, as an error. It shows the unit's
// own words and never the params, which may hold what nobody should read.
func (a rpcAnswer) said() error {
	if a.Error == nil {
		return fmt.Errorf("%w: result %s", rig.ErrWrite, short(string(a.Result)))
	}
	text := fmt.Sprintf("error %d %s", a.Error.Code, short(a.Error.Message))
	switch a.Error.Code {
	case codeRefused, codeRefusedOld, codeNoUserOld, codePasswordOld:
		return fmt.Errorf("%w: %s", rig.ErrRefused, text)
	case codeLocked:
		return fmt.Errorf("%w: %s", rig.ErrLocked, text)
	case codeBlackList:
		return fmt.Errorf("%w: the rig's address is on its black list: %s", rig.ErrLocked, text)
	case codeUninitialised:
		return fmt.Errorf("%w: %s", errUninitialised, text)
	case codeBusy:
		return fmt.Errorf("%w: %s", errBusy, text)
	case codeNoMethod:
		return fmt.Errorf("%w: %s", rig.ErrUnsupported, text)
	case codeNoAuthority:
		return fmt.Errorf("%w: %s", errForbidden, text)
	case codeSessionGone, codeSessionBad:
		return fmt.Errorf("%w: %s", errSession, text)
	}
	return fmt.Errorf("%w: %s", rig.ErrWrite, text)
}

// remains is what a refusal says of those that are left; -1 is not said.
func (a rpcAnswer) remains() (times, lockSeconds int) {
	var p struct {
		Times json.RawMessage `json:"remainLoginTimes"`
		Lock  json.RawMessage `json:"remainLockSecond"`
	}
	if json.Unmarshal(a.Params, &p) != nil {
		return -1, -1
	}
	return looseInt(p.Times), looseInt(p.Lock)
}

// number is a whole number that some firmware writes as a string.
type number int

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(text) > 1 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	v, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%s is no whole number", short(string(b)))
	}
	*n = number(v)
	return nil
}

// looseInt is a number that may be written as a string; -1 is none.
func looseInt(raw json.RawMessage) int {
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || n < 0 || n > 1e9 {
		return -1
	}
	return int(n)
}

// rpcSession is a login over the JSON-RPC.
type rpcSession struct {
	id     json.RawMessage
	cookie string
	calls  int
}

// rpcChallenge is the first step's answer.
type rpcChallenge struct {
	realm, random string
	session       json.RawMessage
	cookie        string
}

// post sends one call and reads its answer. What the answer says is not judged.
func (c *dahua) post(ctx context.Context, within time.Duration, base, path, cookie string, q rpcRequest) (rpcAnswer, *answer, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return rpcAnswer{}, nil, fmt.Errorf("%s: %w", q.Method, err)
	}
	a, err := c.d.ask(ctx, cookied{c.d.wire(), cookie}, within, base, request{http.MethodPost, path, kindJSON, string(body)})
	if err != nil {
		return rpcAnswer{}, nil, err
	}
	switch {
	case a.status >= 500 && a.status != http.StatusNotImplemented:
		err = fmt.Errorf("%w: it says %d: not ready", rig.ErrUnreachable, a.status)
	case a.status == http.StatusUnauthorized: // it asks for no such login: no connection is left
		err = fmt.Errorf("%w: %w", rig.ErrUnreachable, errBusy)
	case a.status == http.StatusForbidden:
		err = fmt.Errorf("%w: 403: %s", errForbidden, short(a.body))
	case a.status >= 300 && a.status < 400:
		err = fmt.Errorf("%w: it redirects to %s, which is not followed", rig.ErrGarbage, redactURL(short(a.header.Get("Location"))))
	case a.status != http.StatusOK:
		err = fmt.Errorf("%w: status %d", errNoRPC, a.status)
	default:
		var r rpcAnswer
		if r, err = parseRPC(a.body); err == nil {
			return r, a, nil
		}
	}
	return rpcAnswer{}, a, fmt.Errorf("%s: %w", q.Method, c.d.scrubbed(err))
}

// challenge is the login's first step, which carries no password. Nobody there
// who speaks JSON-RPC is errNoRPC.
func (c *dahua) challenge(ctx context.Context, s *session) (*rpcChallenge, error) {
	r, a, err := c.post(ctx, askTime, s.base, rpcLoginPath, "", rpcRequest{Method: "global.login", ID: 1, Params: map[string]string{
		"userName": s.cred.User, "password": "", "clientType": "Web3.0", "loginType": "Direct",
	}})
	if errors.Is(err, errForbidden) {
		err = fmt.Errorf("%w: %w; wait for the lock to end", rig.ErrLocked, err)
	}
	if err != nil {
		return nil, fmt.Errorf("log in as %q: %w", s.cred.User, err)
	}
	if r.code() != codeChallenge {
		if r.code() == codeLocked || r.code() == codeBlackList {
			return nil, s.locked(r, false)
		}
		if err = r.said(); r.ok() || errors.Is(err, rig.ErrRefused) && !errors.Is(err, errUninitialised) || errors.Is(err, rig.ErrWrite) {
			err = fmt.Errorf("%w: no challenge but %s", rig.ErrGarbage, short(c.d.scrub(a.body)))
		}
		return nil, fmt.Errorf("log in as %q: %w", s.cred.User, err)
	}
	var p struct {
		Realm, Encryption string
		Random            json.RawMessage
	}
	err = json.Unmarshal(r.Params, &p)
	random := strings.Trim(string(p.Random), `"`)
	switch {
	case err != nil || p.Realm == "" || random == "" || random == "null" || len(r.Session) == 0:
		return nil, fmt.Errorf("log in as %q: %w: a challenge without realm, random or session", s.cred.User, rig.ErrGarbage)
	case p.Encryption != "" && p.Encryption != "Default":
		return nil, fmt.Errorf("log in as %q: %w: it wants its password as %s", s.cred.User, rig.ErrUnsupported, short(p.Encryption))
	}
	return &rpcChallenge{p.Realm, random, r.Session, cookies("", a)}, nil
}

// login is both steps. Only the second can be refused, and is booked.
func (c *dahua) login(ctx context.Context, s *session) error {
	first := s.challenge
	s.challenge = nil
	if first == nil {
		var err error
		if first, err = c.challenge(ctx, s); err != nil {
			return err
		}
	}
	r, a, err := c.post(ctx, askTime, s.base, rpcLoginPath, first.cookie, rpcRequest{Method: "global.login", ID: 2, Session: first.session, Params: map[string]string{
		"userName": s.cred.User, "password": rpcPassword(s.cred, first), "clientType": "Web3.0", "loginType": "Direct", "authorityType": "Default",
	}})
	if errors.Is(err, errForbidden) {
		return s.refused(fmt.Errorf("log in as %q: %w: %w; wait for the lock to end", s.cred.User, rig.ErrLocked, err))
	}
	if err != nil {
		if !s.proven {
			s.lost++
		}
		return fmt.Errorf("log in as %q: %w", s.cred.User, err)
	}
	if r.ok() {
		id := r.Session
		if len(id) == 0 {
			id = first.session
		}
		s.rpc = &rpcSession{id: id, cookie: cookies(first.cookie, a), calls: 2}
		c.d.opened = append(c.d.opened, s)
		return nil
	}
	why := r.said()
	times, _ := r.remains()
	switch {
	case errors.Is(why, errUninitialised), errors.Is(why, errBusy), errors.Is(why, rig.ErrUnsupported):
		return fmt.Errorf("log in as %q: %w", s.cred.User, why)
	case errors.Is(why, rig.ErrLocked):
		err = s.locked(r, true)
	case errors.Is(why, rig.ErrRefused):
		text := ""
		if times >= 0 {
			text = fmt.Sprintf("; it says that %d tries are left", times)
		}
		err = s.refused(fmt.Errorf("log in as %q: %w%s", s.cred.User, rig.ErrRefused, text))
	default:
		s.lost++
		return fmt.Errorf("log in as %q: %w: %v", s.cred.User, rig.ErrGarbage, why)
	}
	if times >= 0 {
		if berr := c.d.left(times, c.d.o.Clock.Now()); berr != nil {
			return fmt.Errorf("%w (%w)", berr, err)
		}
	}
	return err
}

// locked is a lock of the unit's logins, with what it says of its end. Only where
// a password was sent is a refusal booked.
func (s *session) locked(r rpcAnswer, sent bool) error {
	text, lock := "wait for the lock to end", s.d.model.Lockout.Window
	if _, seconds := r.remains(); seconds > 0 {
		lock = time.Duration(seconds) * time.Second
		text = fmt.Sprintf("it says that the lock ends in %v", lock)
	}
	err := fmt.Errorf("log in as %q: %w; %s", s.cred.User, r.said(), text)
	if sent {
		return s.book(err, lock)
	}
	s.proven = false
	delete(s.d.good, credentialKey(s.cred))
	if berr := s.d.lockFor(lock); berr != nil {
		return fmt.Errorf("%w (%w)", berr, err)
	}
	return err
}

// rpcPassword is what the second step carries: the password hashed with the
// realm, and that with the challenge's random.
func rpcPassword(c rig.Credential, ch *rpcChallenge) string {
	hash := func(parts ...string) string {
		sum := md5.Sum([]byte(strings.Join(parts, ":")))
		return strings.ToUpper(hex.EncodeToString(sum[:]))
	}
	return hash(c.User, ch.random, hash(c.User, ch.realm, c.Password.Reveal()))
}

// cookies are those that a session goes on with: a recorder was seen that wants
// its WebClientHttpSessionID back.
func cookies(have string, a *answer) string {
	var all []string
	for _, k := range (&http.Response{Header: a.header}).Cookies() {
		all = append(all, k.Name+"="+k.Value)
	}
	return cmp.Or(strings.Join(all, "; "), have)
}

// cookied adds them in front of the wire.
type cookied struct {
	w      *wire
	cookie string
}

// RoundTrip implements http.RoundTripper.
func (c cookied) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.cookie != "" {
		req = req.Clone(req.Context())
		req.Header.Set("Cookie", c.cookie)
	}
	return c.w.RoundTrip(req)
}

// call calls a method with the session's login, which is made first where there
// is none, and again where the unit no longer knows it. params nil is null; into
// may be nil.
func (c *dahua) call(ctx context.Context, s *session, method string, params, into any) error {
	for fresh := false; ; fresh = true {
		if s.rpc == nil {
			if _, err := attempt(ctx, s, func() (struct{}, error) { return struct{}{}, c.login(ctx, s) }); err != nil {
				return err
			}
		}
		s.rpc.calls++
		r, _, err := c.post(ctx, askTime, s.base, rpcPath, s.rpc.cookie, rpcRequest{method, params, s.rpc.calls, s.rpc.id})
		if err != nil {
			return err
		}
		if !r.ok() {
			why := r.said()
			if errors.Is(why, errSession) {
				s.rpc = nil
				if !fresh {
					continue
				}
				why = fmt.Errorf("%w: %w", rig.ErrGarbage, why)
			}
			return fmt.Errorf("%s: %w", method, c.d.scrubbed(why))
		}
		if into == nil {
			return nil
		}
		if err := json.Unmarshal(r.Params, into); err != nil {
			return fmt.Errorf("%s: %w: params: %v", method, rig.ErrGarbage, short(err.Error()))
		}
		return nil
	}
}

// hangUp ends the sessions that were opened. A unit keeps few of them; one that
// does not answer forgets them by itself.
func (d *Device) hangUp(ctx context.Context) {
	opened := d.opened
	d.opened = nil
	for _, s := range opened {
		if s.rpc == nil || context.Cause(ctx) != nil {
			continue
		}
		c := &dahua{d: d}
		if _, _, err := c.post(ctx, lookTime, s.base, rpcPath, s.rpc.cookie, rpcRequest{"global.logout", nil, s.rpc.calls + 1, s.rpc.id}); err != nil {
			d.log.Debug("log out", "error", err)
		}
		s.rpc = nil
	}
}
