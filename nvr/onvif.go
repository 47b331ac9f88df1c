package nvr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/icholy/digest"

	"resetrig/rig"
)

// onvif is the device management that recorders of every make share. The
// standard does not say which accounts a reset leaves: the model does.
type onvif struct {
	unable
	d      *Device
	who    witness
	tokens bool // the unit takes the login in the SOAP header
}

// How a unit is given a login.
const (
	AuthDigest = "digest" // of HTTP
	AuthToken  = "token"  // WS-UsernameToken in the SOAP header
)

func (o *onvif) can() abilities { return abilities{mark: true, reset: true, identifies: true} }

// look asks for the time, which takes no login.
func (o *onvif) look(ctx context.Context, base string, within lookFor) (glance, error) {
	g := glance{}
	a, err := o.d.ask(ctx, o.d.wire(), within, base, o.request("", "<tds:GetSystemDateAndTime/>"))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return g, cause
		}
		g.reach, g.note = reachOf(err), err.Error()
		if g.reach == rig.ReachSilent {
			return g, nil
		}
		return o.identify(ctx, g, base)
	}
	if to := sameHost(base, a); to != "" {
		g.reach, g.moved, g.note = rig.ReachAnswers, to, "redirects to "+to
		return g, nil
	}
	g.reach = rig.ReachAnswers
	if o.serves(&g, a); g.reach == rig.ReachReady && a.status == http.StatusUnauthorized {
		if g, err = o.d.frontPage(ctx, g, base, within); err != nil {
			return g, err
		}
	}
	return o.identify(ctx, g, base)
}

// serves reads the answer to the question that takes no login. A unit that asks
// for one all the same is up too.
func (o *onvif) serves(g *glance, a *answer) {
	_, noDigest := findChallenge(a.header)
	e, f, err := parseSOAP(a.body)
	switch {
	case a.status == http.StatusUnauthorized && (noDigest == nil || offersBasic(a.header)):
		g.reach, g.note = rig.ReachReady, "ONVIF asks for a login"
	case a.status == http.StatusForbidden:
		g.reach, g.note = rig.ReachReady, "ONVIF answers 403: its logins may be locked"
	case f.unauthorised() && a.status < 500:
		g.reach, g.note = rig.ReachReady, "ONVIF asks for a login in the message"
	case a.status == http.StatusOK && err != nil:
		g.reach, g.note = rig.ReachGarbage, err.Error()
	case a.status == http.StatusOK && e != nil && e.name == "GetSystemDateAndTimeResponse":
		g.reach, g.note = rig.ReachReady, "ONVIF tells the time"
		if t, err := soapTime(e); err == nil {
			g.note += ", " + t.Format(time.RFC3339)
		}
	case f != nil:
		g.note = fmt.Sprintf("ONVIF answers %d, %v: not ready", a.status, f)
	default:
		g.note = fmt.Sprintf("ONVIF answers %d: not ready", a.status)
	}
}

func (o *onvif) identify(ctx context.Context, g glance, base string) (glance, error) {
	return o.who.identify(ctx, o.d, g, base)
}

func (o *onvif) discover(ctx context.Context, addr string, wait time.Duration) ([]Found, error) {
	return o.who.discover(ctx, o.d, addr, wait)
}

// says reads a fault's word on the login.
func (o *onvif) says(a *answer) word {
	if !strings.Contains(a.body, "Fault") {
		return wordNone
	}
	_, f, err := parseSOAP(a.body)
	switch {
	case err != nil || f == nil:
		return wordNone
	case locked.MatchString(f.String()):
		return wordLocked
	case f.unauthorised():
		return wordRefused
	}
	return wordNone
}

func (o *onvif) request(header, body string) request {
	return request{http.MethodPost, o.d.model.ONVIF.Path, kindSOAP, soapRequest(header, body)}
}

// call sends one operation with the login and gives its response. Only what
// changes nothing goes through read, which asks again.
func (o *onvif) call(ctx context.Context, s *session, operation, args string) (*element, error) {
	body := "<tds:" + operation + "/>"
	if args != "" {
		body = "<tds:" + operation + ">" + args + "</tds:" + operation + ">"
	}
	a, err := o.send(ctx, s, body)
	switch {
	case errors.Is(err, errForbidden):
		return nil, fmt.Errorf("%s: %w: %w", operation, rig.ErrUnsupported, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	e, f, err := parseSOAP(a.body)
	switch {
	case err == nil && f != nil:
		err = o.faulty(f)
	case a.status == http.StatusNotFound, a.status == http.StatusMethodNotAllowed:
		err = fmt.Errorf("%w: it answers %d at %s", rig.ErrUnsupported, a.status, o.d.model.ONVIF.Path)
	case err == nil && (a.status != http.StatusOK || e.name != operation+"Response"):
		err = fmt.Errorf("%w: status %d, %s", rig.ErrGarbage, a.status, short(e.name))
	case err != nil && a.status == http.StatusOK && strings.TrimSpace(a.body) == "":
		err = fmt.Errorf("%w: %w", rig.ErrGarbage, errNoWord)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	return e, nil
}

// faulty is what a fault says of an operation whose login was taken.
func (o *onvif) faulty(f *fault) error {
	text := o.d.scrub(f.String())
	switch {
	case f.has("ActionNotSupported", "NotImplemented", "OptionalActionNotImplemented"):
		return fmt.Errorf("%w: it answers %s", rig.ErrUnsupported, text)
	case f.has("Sender", "Client"):
		return fmt.Errorf("%w: it answers %s", rig.ErrWrite, text)
	}
	return fmt.Errorf("%w: it answers %s", rig.ErrGarbage, text)
}

// send logs in by HTTP's digest, and by the token where the unit knows that
// alone: it answers 400 and NotAuthorized where a challenge belongs.
func (o *onvif) send(ctx context.Context, s *session, body string) (*answer, error) {
	want := o.d.model.ONVIF.Auth
	if want != AuthToken && !o.tokens {
		a, err := s.do(ctx, o.request("", body))
		if err != nil || s.wire.seen.sent {
			return a, err
		}
		_, f, bad := parseSOAP(a.body)
		switch {
		case bad != nil || !f.unauthorised():
			return a, nil
		case want == AuthDigest:
			return nil, fmt.Errorf("log in as %q: %w: it asks for a token, the model says digest", s.cred.User, rig.ErrGarbage)
		}
		o.tokens = true
	}
	return attempt(ctx, s, func() (*answer, error) { return o.sendToken(ctx, s, body) })
}

func (o *onvif) sendToken(ctx context.Context, s *session, body string) (*answer, error) {
	ahead, err := o.ahead(ctx, s)
	if err != nil {
		return nil, err
	}
	token, err := usernameToken(o.d.o.Rand, s.cred, o.d.o.Clock.Now().Add(ahead))
	if err != nil {
		return nil, err
	}
	s.wire.seen = authSeen{sent: true}
	a, err := o.d.ask(ctx, s.wire, askTime, s.base, o.request(token, body))
	if err != nil {
		if !s.proven {
			s.lost++
		}
		return nil, err
	}
	s.wire.seen.status = a.status
	return a, s.judge(a)
}

// ahead is how far the unit's clock is before ours. It is asked before each
// token: after a reset it may be 1970, and a minute later it is not.
func (o *onvif) ahead(ctx context.Context, s *session) (time.Duration, error) {
	a, err := o.d.ask(ctx, s.wire, askTime, s.base, o.request("", "<tds:GetSystemDateAndTime/>"))
	if err != nil {
		return 0, err
	}
	e, f, err := parseSOAP(a.body)
	if err != nil || f != nil || a.status != http.StatusOK {
		return 0, nil // it does not tell: ours is as good as any
	}
	t, err := soapTime(e)
	if err != nil {
		return 0, nil
	}
	return t.Sub(o.d.o.Clock.Now()), nil
}

// read asks for something that changes nothing, and again where that may help.
func (o *onvif) read(ctx context.Context, s *session, operation string) (*element, error) {
	return again(ctx, o.d, func() (*element, error) { return o.call(ctx, s, operation, "") })
}

// prove asks for the device information: a login and an identity.
func (o *onvif) prove(ctx context.Context, s *session) (rig.Identity, error) {
	// Without its probe: an empty SOAP request is malformed, and is answered so.
	s.rt = &digest.Transport{
		Username: s.cred.User, Password: s.cred.Password.Reveal(), Transport: s.wire,
		FindChallenge: findChallenge, NoReuse: true,
	}
	o.tokens = false
	e, err := o.read(ctx, s, "GetDeviceInformation")
	if err != nil {
		return rig.Identity{}, err
	}
	if !s.wire.seen.sent {
		return rig.Identity{}, fmt.Errorf("%w: it asked for no login: that proves none", rig.ErrGarbage)
	}
	sn := e.value("SerialNumber")
	if sn == "" {
		return rig.Identity{}, fmt.Errorf("read the serial number: %w: no SerialNumber in the answer", rig.ErrGarbage)
	}
	return o.who.learn(s.base, rig.Identity{Serial: sn}), nil
}

func (o *onvif) info(ctx context.Context, s *session) (Info, error) {
	e, err := o.read(ctx, s, "GetDeviceInformation")
	if err != nil {
		return Info{}, err
	}
	i := Info{
		Serial: e.value("SerialNumber"), Type: e.value("Model"), Vendor: e.value("Manufacturer"),
		Firmware: tidyVersion(e.value("FirmwareVersion")), Hardware: e.value("HardwareId"),
	}
	if h, err := o.read(ctx, s, "GetHostname"); err == nil {
		i.Name = h.at("HostnameInformation").value("Name")
	} else if !errors.Is(err, rig.ErrUnsupported) {
		return i, err
	}
	return i, nil
}

func (o *onvif) firmware(ctx context.Context, s *session) (string, error) {
	e, err := o.read(ctx, s, "GetDeviceInformation")
	if err != nil {
		return "", err
	}
	if v := tidyVersion(e.value("FirmwareVersion")); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("read the firmware version: %w: none in the answer", rig.ErrGarbage)
}

// mac is the wanted address if one of the interfaces has it, or the first.
func (o *onvif) mac(ctx context.Context, s *session, wanted string) (string, error) {
	e, err := o.read(ctx, s, "GetNetworkInterfaces")
	if err != nil {
		return "", err
	}
	first := ""
	for _, n := range e.kids {
		v := n.at("Info").value("HwAddress")
		if bareMAC(v) == bareMAC(wanted) {
			return v, nil
		}
		if first == "" {
			first = v
		}
	}
	return first, nil
}

// tableName is what follows Get in an operation.
var tableName = regexp.MustCompile(`^[A-Za-z0-9]+$`)

// table is the answer of an operation Get<name>: Hostname.Name, NTP.FromDHCP,
// NetworkInterfaces[0].Info.HwAddress. The element that only wraps it is left
// out.
func (o *onvif) table(ctx context.Context, s *session, name string) (map[string]string, error) {
	if !tableName.MatchString(name) {
		return nil, fmt.Errorf("read table %s: %w: ONVIF's are named like Hostname, NTP, NetworkInterfaces", name, rig.ErrUnsupported)
	}
	e, err := o.read(ctx, s, "Get"+name)
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", name, err)
	}
	leaves := map[string]*element{}
	for i, k := range e.kids {
		switch {
		case k.name == name && len(k.kids) > 0:
			prefix := fmt.Sprintf("%s[%d]", name, i)
			k.flatten(prefix, leaves)
			for _, a := range k.attrs {
				if a.Name.Local == "token" {
					leaves[prefix+".token"] = &element{text: a.Value}
				}
			}
		case len(e.kids) == 1 && len(k.kids) > 0:
			k.flatten(name, leaves)
		}
	}
	if len(leaves) == 0 {
		e.flatten(name, leaves)
	}
	return texts(leaves), nil
}
