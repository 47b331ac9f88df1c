package nvr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"resetrig/rig"
)

// outside calls a method of /OutsideCmd, which takes no login. params nil is
// null. into may be nil.
func (c *dahua) outside(ctx context.Context, base string, within time.Duration, method string, params, into any) error {
	body, err := json.Marshal(struct {
		Method string `json:"method"`
		Params any    `json:"params"`
		ID     int    `json:"id"`
	}{method, params, 1})
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	a, err := c.d.ask(ctx, c.d.wire(), within, base, request{http.MethodPost, c.d.model.Endpoints.OutsideCmd, kindJSON, string(body)})
	switch {
	case err != nil:
		return err
	case a.status >= 500:
		return fmt.Errorf("%s: %w: it says %d: not ready", method, rig.ErrUnreachable, a.status)
	case a.status == http.StatusUnauthorized: // it asks for no login: no connection is left
		return fmt.Errorf("%s: %w: %w", method, rig.ErrUnsupported, errBusy)
	case a.status != http.StatusOK:
		return fmt.Errorf("%s: %w: status %d", method, rig.ErrUnsupported, a.status)
	}
	var r struct {
		Result json.RawMessage `json:"result"` // a bool, or an integer handle
		Params json.RawMessage `json:"params"`
		Error  *struct {
			Code    int64  `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(bytes.TrimRight([]byte(a.body), "\x00\r\n "), &r); err != nil {
		return fmt.Errorf("%s: %w: the answer is no JSON: %s", method, rig.ErrGarbage, short(a.body))
	}
	switch string(r.Result) {
	case "", "null", "false", "0":
		if r.Error != nil {
			return fmt.Errorf("%s: %w: error %d %s", method, rig.ErrWrite, r.Error.Code, c.d.scrub(short(r.Error.Message)))
		}
		if len(r.Result) == 0 {
			return fmt.Errorf("%s: %w: an answer without a result", method, rig.ErrGarbage)
		}
		return fmt.Errorf("%s: %w: result %s", method, rig.ErrWrite, r.Result)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(r.Params, into); err != nil {
		return fmt.Errorf("%s: %w: params: %v", method, rig.ErrGarbage, err)
	}
	return nil
}

// errBusy is a 401 where no login is asked for.
var errBusy = errors.New("status 401 where it takes no login")

// initStatus is DevInit.getStatus: 1 uninitialised, 2 initialised.
func (c *dahua) initStatus(ctx context.Context, base string, within time.Duration) (int, error) {
	var p struct{ Init *int }
	if err := c.outside(ctx, base, within, "DevInit.getStatus", nil, &p); err != nil {
		return 0, err
	}
	if p.Init == nil || (*p.Init != 1 && *p.Init != 2) {
		return 0, fmt.Errorf("DevInit.getStatus: %w: Init is neither 1 nor 2", rig.ErrGarbage)
	}
	return *p.Init, nil
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
