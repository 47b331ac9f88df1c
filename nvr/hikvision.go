package nvr

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// hikvision is ISAPI. From 2015 a unit has no account until it is activated, and
// says without a login whether it is; before, it has admin/12345.
type hikvision struct {
	unable
	d   *Device
	who witness
	key *rsa.PrivateKey // of the activation
}

func (h *hikvision) can() abilities {
	a := abilities{mark: true, reset: true, identifies: true}
	if h.d.model.Generation == New {
		a.proof, a.asksInit, a.provision = byInit, true, true
	}
	return a
}

// look asks for the activation state, or for the challenge of the old
// generation, which has none.
func (h *hikvision) look(ctx context.Context, base string, within lookFor) (glance, error) {
	path := isapiActivated
	if h.d.model.Generation == Old {
		path = isapiRoot + isapiDeviceInfo
	}
	g := glance{}
	a, err := h.d.ask(ctx, h.d.wire(), within, base, get(path))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return g, cause
		}
		g.reach, g.note = reachOf(err), err.Error()
		if g.reach == rig.ReachSilent {
			return g, nil
		}
		return h.identify(ctx, g, base)
	}
	if to := sameHost(base, a); to != "" {
		g.reach, g.moved, g.note = rig.ReachAnswers, to, "redirects to "+to
		return g, nil
	}
	g.reach = rig.ReachAnswers
	if h.d.model.Generation == Old {
		if h.asksForLogin(&g, a); g.reach == rig.ReachReady {
			if g, err = h.d.frontPage(ctx, g, base, within); err != nil {
				return g, err
			}
		}
	} else {
		h.activation(&g, a)
	}
	return h.identify(ctx, g, base)
}

// activation reads the answer of the new generation.
func (h *hikvision) activation(g *glance, a *answer) {
	if a.status != http.StatusOK {
		g.note = fmt.Sprintf("the activation state is answered with %d: not ready", a.status)
		return
	}
	active, err := parseActivated(a.body)
	switch {
	case err != nil:
		g.reach, g.note = rig.ReachGarbage, err.Error()
	case active:
		g.reach, g.init, g.initBy = rig.ReachReady, 2, "Activated=true"
	default:
		g.reach, g.init, g.initBy = rig.ReachReady, 1, "Activated=false"
	}
	if err == nil {
		g.note = "it says " + g.initBy
	}
}

// asksForLogin reads the answer of the old generation.
func (h *hikvision) asksForLogin(g *glance, a *answer) {
	_, noDigest := findChallenge(a.header)
	switch {
	case a.status == http.StatusUnauthorized && (noDigest == nil || offersBasic(a.header)):
		g.reach, g.note = rig.ReachReady, "ISAPI asks for a login"
	case a.status == http.StatusForbidden:
		g.reach, g.note = rig.ReachReady, "ISAPI answers 403: its logins may be locked"
	default:
		g.note = fmt.Sprintf("ISAPI answers %d: not ready", a.status)
	}
}

func (h *hikvision) identify(ctx context.Context, g glance, base string) (glance, error) {
	return h.who.identify(ctx, h.d, g, base)
}

func (h *hikvision) discover(ctx context.Context, addr string, wait time.Duration) ([]Found, error) {
	return h.who.discover(ctx, h.d, addr, wait)
}

// says reads what a refusal may tell of the lock and of the tries that are left.
func (h *hikvision) says(a *answer) word {
	h.d.said = nil
	if !strings.Contains(a.body, "userCheck") && !strings.Contains(a.body, "ResponseStatus") {
		return wordNone
	}
	root, err := document(a.body)
	if err != nil {
		return wordNone
	}
	if r, is := parseStatus(root); is && (a.status == http.StatusForbidden && strings.EqualFold(r.sub, "notSupport") || a.status >= 500) {
		return wordUnable // its own word for what went wrong, whatever the status
	}
	u, is := parseUserCheck(root)
	if !is {
		return wordNone
	}
	word := wordNone
	switch {
	case u.locked:
		word = wordLocked
	case u.status == http.StatusUnauthorized:
		word = wordRefused
	}
	if word != wordNone {
		h.d.said = &lockWord{tries: u.tries, unlock: time.Duration(u.unlockTime) * time.Second}
	}
	return word
}

// prove asks userCheck, whose refusal says most, and then for the serial number.
// Older firmware has no userCheck: there the second question is the login.
func (h *hikvision) prove(ctx context.Context, s *session) (rig.Identity, error) {
	root, _, err := h.isapiRead(ctx, s, isapiUserCheck)
	switch {
	case errors.Is(err, rig.ErrUnsupported):
	case err != nil:
		return rig.Identity{}, err
	default:
		u, is := parseUserCheck(root)
		if !is || u.status != http.StatusOK {
			return rig.Identity{}, fmt.Errorf("log in as %q: %w: it answers 200 and does not say that the login is right", s.cred.User, rig.ErrGarbage)
		}
	}
	root, _, err = h.isapiRead(ctx, s, isapiDeviceInfo)
	if err != nil {
		return rig.Identity{}, err
	}
	if !s.wire.seen.sent {
		return rig.Identity{}, fmt.Errorf("%w: it asked for no login: that proves none", rig.ErrGarbage)
	}
	sn := root.value("serialNumber")
	if root.name != "DeviceInfo" || sn == "" {
		return rig.Identity{}, fmt.Errorf("read the serial number: %w: no serialNumber in the answer", rig.ErrGarbage)
	}
	return h.who.learn(s.base, rig.Identity{Serial: sn}), nil
}

// info reads the name plates.
func (h *hikvision) info(ctx context.Context, s *session) (Info, error) {
	root, _, err := h.isapiRead(ctx, s, isapiDeviceInfo)
	if err != nil {
		return Info{}, err
	}
	return Info{
		Serial: root.value("serialNumber"), MAC: root.value("macAddress"), Type: root.value("model"),
		Name: root.value("deviceName"), Firmware: isapiVersion(root), Hardware: root.value("hardwareVersion"),
	}, nil
}

// isapiVersion is version and build as one.
func isapiVersion(deviceInfo *element) string {
	return tidyVersion(deviceInfo.value("firmwareVersion") + " " + deviceInfo.value("firmwareReleasedDate"))
}

func (h *hikvision) firmware(ctx context.Context, s *session) (string, error) {
	root, _, err := h.isapiRead(ctx, s, isapiDeviceInfo)
	if err != nil {
		return "", err
	}
	if v := isapiVersion(root); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("read the firmware version: %w: none in the answer", rig.ErrGarbage)
}

// mac is the wanted address if one of the unit's ports has it, or its first.
func (h *hikvision) mac(ctx context.Context, s *session, wanted string) (string, error) {
	root, _, err := h.isapiRead(ctx, s, isapiDeviceInfo)
	if err != nil {
		return "", err
	}
	first := root.value("macAddress")
	if bareMAC(first) == bareMAC(wanted) {
		return first, nil
	}
	t, err := h.table(ctx, s, isapiNetwork)
	if err != nil && !errors.Is(err, rig.ErrUnsupported) {
		return "", err
	}
	for _, v := range t {
		if bareMAC(v) == bareMAC(wanted) {
			return v, nil
		}
	}
	return first, nil
}

// uptime is System/status's, in seconds.
func (h *hikvision) uptime(ctx context.Context, s *session) (time.Duration, error) {
	root, _, err := h.isapiRead(ctx, s, isapiStatus)
	if err != nil {
		return 0, fmt.Errorf("read the uptime: %w", err)
	}
	n, err := strconv.ParseInt(root.value("deviceUpTime"), 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("read the uptime: %w: deviceUpTime is %q", rig.ErrGarbage, short(root.value("deviceUpTime")))
	}
	return time.Duration(n) * time.Second, nil
}
