package nvr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"resetrig/rig"
)

// The resources of ISAPI that every unit has. Tables are resources too, named by
// what follows /ISAPI/.
const (
	isapiRoot       = "/ISAPI/"
	isapiActivated  = "/SDK/activateStatus" // takes no login
	isapiDeviceInfo = "System/deviceInfo"
	isapiStatus     = "System/status"
	isapiNetwork    = "System/Network/interfaces"
	isapiUserCheck  = "Security/userCheck"
	isapiUsers      = "Security/users"
	isapiChallenge  = "Security/challenge"
	isapiActivate   = "System/activate"
	isapiReboot     = "System/reboot"
)

// The codes of a ResponseStatus.
const (
	isapiOK       = 1
	isapiBusy     = 2
	isapiDevice   = 3
	isapiNoRight  = 4 // or no such operation
	isapiBad      = 5 // of its form
	isapiContent  = 6
	isapiRebootIt = 7 // it takes effect once the client has rebooted the unit
)

// responseStatus is the answer to a command.
type responseStatus struct {
	code      int
	text, sub string
}

func (r responseStatus) String() string {
	return strings.TrimRight(fmt.Sprintf("%d %s, %s", r.code, short(r.text), short(r.sub)), ", ")
}

// parseStatus reads a ResponseStatus; ok is false where the document is
// another.
func parseStatus(e *element) (r responseStatus, ok bool) {
	if e == nil || e.name != "ResponseStatus" {
		return r, false
	}
	code, err := strconv.Atoi(e.value("statusCode"))
	if err != nil {
		return r, false
	}
	return responseStatus{code, e.value("statusString"), e.value("subStatusCode")}, true
}

// err is what a status says of the command.
func (r responseStatus) err() error {
	switch r.code {
	case isapiOK, isapiRebootIt:
		return nil
	case isapiBusy:
		return fmt.Errorf("%w: it is busy: %v", rig.ErrUnreachable, r)
	case isapiNoRight, isapiDevice, isapiBad, isapiContent:
		return fmt.Errorf("%w: %v", rig.ErrWrite, r)
	}
	return fmt.Errorf("%w: an unknown status: %v", rig.ErrGarbage, r)
}

// userCheck is what the unit says of a login. It comes with a refusal too.
type userCheck struct {
	status          int  // 200 or 401
	defaultPassword bool // the account has the password it left the factory with
	activated       bool
	locked          bool
	unlockTime      int // seconds until the lock ends; 0 is unknown
	tries           int // refusals until the lock; -1 is not said
}

// parseUserCheck reads a userCheck; ok is false where the document is another.
func parseUserCheck(e *element) (u userCheck, ok bool) {
	if e == nil || e.name != "userCheck" {
		return u, false
	}
	u.tries = -1
	if n, err := strconv.Atoi(e.value("statusValue")); err == nil {
		u.status = n
	}
	u.defaultPassword = isTrue(e.value("isDefaultPassword"))
	u.activated = isTrue(e.value("isActivated"))
	lock := strings.ToLower(e.value("lockStatus"))
	u.locked = lock == "lock" || lock == "locked" || isTrue(lock)
	if n, err := strconv.Atoi(e.value("unlockTime")); err == nil && n > 0 {
		u.unlockTime = n
	}
	if n, err := strconv.Atoi(e.value("retryLoginTime")); err == nil && n >= 0 {
		u.tries = n
	}
	return u, true
}

func isTrue(s string) bool { return strings.EqualFold(s, "true") || s == "1" }

// parseActivated reads the activation state: exactly one Activated, which says
// true or false. Anything else, a login page with status 200 above all, is no
// state.
func parseActivated(body string) (bool, error) {
	root, err := document(body)
	if err != nil {
		return false, err
	}
	var said []string
	if root.name == "Activated" && len(root.kids) == 0 {
		said = append(said, root.text)
	}
	for _, k := range root.kids {
		if k.name == "Activated" && len(k.kids) == 0 {
			said = append(said, k.text)
		}
	}
	if len(said) == 1 {
		switch strings.ToLower(said[0]) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return false, fmt.Errorf("%w: it does not say once whether it is activated: %s", rig.ErrGarbage, short(body))
}

// resourceName is what a table may be called: a path.
var resourceName = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)

// isapiRead asks for a document, and again where that may help. It is none of
// the answers that mean no.
func (h *hikvision) isapiRead(ctx context.Context, s *session, resource string) (*element, string, error) {
	if !resourceName.MatchString(resource) {
		return nil, "", fmt.Errorf("%w: %q is no resource of ISAPI", rig.ErrUnsupported, short(resource))
	}
	type read struct {
		root *element
		body string
	}
	r, err := again(ctx, h.d, func() (read, error) {
		root, body, err := h.isapiReadOnce(ctx, s, resource)
		return read{root, body}, err
	})
	return r.root, r.body, err
}

func (h *hikvision) isapiReadOnce(ctx context.Context, s *session, resource string) (*element, string, error) {
	a, err := s.get(ctx, isapiRoot+resource)
	switch {
	case errors.Is(err, errForbidden):
		return nil, "", fmt.Errorf("%w: %w", rig.ErrUnsupported, err)
	case err != nil:
		return nil, "", err
	}
	root, bad := document(a.body)
	status, is := parseStatus(root)
	switch {
	case is && status.code == isapiBusy:
		return nil, "", status.err()
	case is:
		return nil, "", fmt.Errorf("%w: it answers %d: %v", rig.ErrUnsupported, a.status, status)
	case a.status == http.StatusBadRequest || a.status == http.StatusNotFound || a.status == http.StatusNotImplemented || a.status == http.StatusMethodNotAllowed:
		return nil, "", fmt.Errorf("%w: it answers %d: %s", rig.ErrUnsupported, a.status, short(a.body))
	case a.status != http.StatusOK:
		return nil, "", fmt.Errorf("%w: status %d", rig.ErrGarbage, a.status)
	case bad != nil:
		return nil, "", bad
	case strings.EqualFold(root.name, "html"):
		return nil, "", fmt.Errorf("%w: it answers with a page", rig.ErrGarbage)
	}
	return root, a.body, nil
}

// isapiCommand sends a command and reads its ResponseStatus. An empty answer is
// errNoWord.
func (h *hikvision) isapiCommand(ctx context.Context, s *session, what string, q request) (responseStatus, error) {
	a, err := s.do(ctx, q)
	switch {
	case errors.Is(err, errForbidden):
		return responseStatus{}, fmt.Errorf("%s: %w: %w", what, rig.ErrWrite, err)
	case err != nil:
		return responseStatus{}, fmt.Errorf("%s: %w", what, err)
	}
	r, err := h.statusOf(a)
	if err != nil {
		return r, fmt.Errorf("%s: %w", what, err)
	}
	return r, nil
}

// statusOf is the ResponseStatus of an answer, and what it says.
func (h *hikvision) statusOf(a *answer) (responseStatus, error) {
	if a.status == http.StatusOK && strings.TrimSpace(a.body) == "" {
		return responseStatus{}, fmt.Errorf("%w: %w", rig.ErrGarbage, errNoWord)
	}
	root, bad := document(a.body)
	if r, is := parseStatus(root); is {
		err := r.err()
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%w: status %d, and it says %v", rig.ErrGarbage, a.status, r)
		}
		return r, err
	}
	said := h.d.scrub(short(a.body))
	switch {
	case a.status >= 400 && a.status < 500:
		return responseStatus{}, fmt.Errorf("%w: %d %s", rig.ErrWrite, a.status, said)
	case bad != nil:
		return responseStatus{}, fmt.Errorf("status %d: %w", a.status, bad)
	}
	return responseStatus{}, fmt.Errorf("%w: %d %s", rig.ErrGarbage, a.status, said)
}
