package nvr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"resetrig/rig"
)

// outside calls a method of /OutsideCmd, which takes no login. params nil is
// null. into may be nil.
func (c *dahua) outside(ctx context.Context, base string, within time.Duration, method string, params, into any) error {
	r, a, err := c.post(ctx, within, base, c.d.model.Endpoints.OutsideCmd, "", rpcRequest{Method: method, Params: params, ID: 1})
	switch {
	case errors.Is(err, errBusy), errors.Is(err, errForbidden):
		return fmt.Errorf("%w: %w", rig.ErrUnsupported, err)
	case err != nil && a != nil && a.status != http.StatusOK && !errors.Is(err, rig.ErrUnreachable):
		return fmt.Errorf("%w: %w", errNoOutside, err)
	case err != nil:
		return err
	case !utf8.ValidString(a.body): // what it says there is ASCII
		return fmt.Errorf("%s: %w: the answer is not UTF-8", method, rig.ErrGarbage)
	case !r.ok() && r.code() == codeNoMethod:
		return fmt.Errorf("%s: %w: %w", method, rig.ErrWrite, r.said())
	case !r.ok() && r.code() == codeBusy:
		return fmt.Errorf("%s: %w: %w", method, rig.ErrUnreachable, r.said())
	case !r.ok(): // what it says of a login is no word on one: none was sent
		return fmt.Errorf("%s: %w: %v", method, rig.ErrWrite, c.d.scrub(r.said().Error()))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(r.Params, into); err != nil {
		return fmt.Errorf("%s: %w: params: %v", method, rig.ErrGarbage, short(err.Error()))
	}
	return nil
}

// errNoOutside is a unit that has no commands without a login.
var errNoOutside = fmt.Errorf("%w: no commands without a login", rig.ErrUnsupported)

// errBusy is a unit that has no connection or no session left: it says 401 where
// no login is asked for, or a code of its own.
var errBusy = errors.New("the unit is busy")

// initStatus is DevInit.getStatus: 1 uninitialised, 2 initialised.
func (c *dahua) initStatus(ctx context.Context, base string, within time.Duration) (int, error) {
	var p struct{ Init *number }
	if err := c.outside(ctx, base, within, "DevInit.getStatus", nil, &p); err != nil {
		return 0, err
	}
	if p.Init == nil || (*p.Init != 1 && *p.Init != 2) {
		return 0, fmt.Errorf("DevInit.getStatus: %w: Init is neither 1 nor 2", rig.ErrGarbage)
	}
	return int(*p.Init), nil
}

// provision creates the first account. The order is the firmware's: it takes
// no account before the agreement.
func (c *dahua) provision(ctx context.Context, base string, cred rig.Credential) error {
	if !c.devInit {
		return fmt.Errorf("provision: %w", rig.ErrUnsupported)
	}
	var enc struct {
		Pub string `json:"pub"`
	}
	if err := c.outside(ctx, base, askTime, "Security.getEncryptInfo", nil, &enc); err != nil {
		return err
	}
	content, err := json.Marshal(struct {
		Name  string `json:"name"`
		Pwd   string `json:"pwd"`
		Phone string `json:"CellPhone"`
		Mail  string `json:"Mail"`
	}{cred.User, cred.Password.Reveal(), "", c.d.model.Provision.Mail})
	if err != nil {
		return fmt.Errorf("provision: %w", err)
	}
	env, err := Seal(enc.Pub, content, c.d.o.Rand)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		method string
		params any
	}{
		{"DevInit.setProtocolAgree", map[string]any{"ProtocolEnable": true}},
		{"DevInit.account", env},
		{"DevInit.access", map[string]any{"NetAccess": 0, "UpgradeCheck": 2}},
	} {
		if err := c.outside(ctx, base, askTime, step.method, step.params, nil); err != nil {
			return err
		}
	}
	return nil
}
