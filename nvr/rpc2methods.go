package nvr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"resetrig/rig"
)

// rpc2 is a recorder that is worked with over the JSON-RPC alone.
type rpc2 struct{ *dahua }

func (r rpc2) can() abilities {
	a := r.dahua.can()
	a.defaults = true
	return a
}

// read asks, and again where that may help. What it may not be asked for is
// unsupported.
func (r rpc2) read(ctx context.Context, s *session, method string, params, into any) error {
	_, err := again(ctx, r.d, func() (struct{}, error) { return struct{}{}, r.call(ctx, s, method, params, into) })
	if errors.Is(err, errForbidden) || errors.Is(err, rig.ErrWrite) {
		return fmt.Errorf("%w: %v", rig.ErrUnsupported, err)
	}
	return err
}

// write sends a command once.
func (r rpc2) write(ctx context.Context, s *session, what, method string, params any) error {
	err := r.call(ctx, s, method, params, nil)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errForbidden), errors.Is(err, rig.ErrUnsupported):
		return fmt.Errorf("%s: %w: %w", what, rig.ErrWrite, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (r rpc2) prove(ctx context.Context, s *session) (rig.Identity, error) {
	var p struct{ SN string }
	if err := r.read(ctx, s, "magicBox.getSerialNo", nil, &p); err != nil {
		return rig.Identity{}, err
	}
	if p.SN == "" {
		return rig.Identity{}, fmt.Errorf("read the serial number: %w: no sn in the answer", rig.ErrGarbage)
	}
	return rig.Identity{Serial: p.SN}, nil
}

func (r rpc2) info(ctx context.Context, s *session) (Info, error) {
	var i Info
	for _, q := range []struct {
		method, key string
		to          *string
	}{
		{"magicBox.getSerialNo", "sn", &i.Serial},
		{"magicBox.getDeviceType", "type", &i.Type},
		{"magicBox.getMachineName", "name", &i.Name},
		{"magicBox.getHardwareVersion", "version", &i.Hardware},
		{"magicBox.getVendor", "Vendor", &i.Vendor},
	} {
		var p map[string]any
		err := r.read(ctx, s, q.method, nil, &p)
		if errors.Is(err, rig.ErrUnsupported) {
			continue
		}
		if err != nil {
			return i, fmt.Errorf("%s: %w", q.method, err)
		}
		for k, v := range p {
			if text, ok := v.(string); ok && strings.EqualFold(k, q.key) {
				*q.to = text
			}
		}
	}
	v, err := r.firmware(ctx, s)
	if err != nil && !errors.Is(err, rig.ErrUnsupported) {
		return i, err
	}
	i.Firmware = v
	return i, nil
}

func (r rpc2) mac(ctx context.Context, s *session, wanted string) (string, error) {
	t, err := r.table(ctx, s, "Network")
	if err != nil {
		return "", err
	}
	return macIn(t, wanted), nil
}

// firmware is version and build, as the CGI has them in one line.
func (r rpc2) firmware(ctx context.Context, s *session) (string, error) {
	var p struct{ Version json.RawMessage }
	if err := r.read(ctx, s, "magicBox.getSoftwareVersion", nil, &p); err != nil {
		return "", err
	}
	var parts struct{ Version, BuildDate string }
	var whole string
	if json.Unmarshal(p.Version, &whole) == nil && whole != "" {
		return tidyVersion(whole), nil
	}
	if err := json.Unmarshal(p.Version, &parts); err != nil || parts.Version == "" {
		return "", fmt.Errorf("read the firmware version: %w: no version in the answer", rig.ErrGarbage)
	}
	if parts.BuildDate != "" {
		parts.Version += " build:" + parts.BuildDate
	}
	return tidyVersion(parts.Version), nil
}

// uptime is the time since the last start, in seconds.
func (r rpc2) uptime(ctx context.Context, s *session) (time.Duration, error) {
	type up struct{ Last json.RawMessage }
	var p struct {
		up
		Info up
	}
	if err := r.read(ctx, s, "magicBox.getUpTime", nil, &p); err != nil {
		return 0, err
	}
	for _, raw := range []json.RawMessage{p.Info.Last, p.Last} {
		if n := looseInt(raw); n >= 0 {
			return time.Duration(n) * time.Second, nil
		}
	}
	return 0, fmt.Errorf("read the uptime: %w: no time in the answer", rig.ErrGarbage)
}

// tree is one table as it comes.
func (r rpc2) tree(ctx context.Context, s *session, method, name string) (any, error) {
	var p struct{ Table json.RawMessage }
	if err := r.read(ctx, s, method, map[string]string{"name": name}, &p); err != nil {
		return nil, fmt.Errorf("read table %s: %w", name, err)
	}
	if len(p.Table) == 0 || string(p.Table) == "null" {
		return nil, fmt.Errorf("read table %s: %w: no table in the answer", name, rig.ErrGarbage)
	}
	return readTree(p.Table)
}

func (r rpc2) flat(ctx context.Context, s *session, method, name string) (map[string]string, error) {
	v, err := r.tree(ctx, s, method, name)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	flatten(name, v, out)
	if _, leaf := out[name]; leaf || len(out) == 0 {
		return nil, fmt.Errorf("read table %s: %w: it is no table", name, rig.ErrGarbage)
	}
	return out, nil
}

func (r rpc2) table(ctx context.Context, s *session, name string) (map[string]string, error) {
	return r.flat(ctx, s, "configManager.getConfig", name)
}

func (r rpc2) defaults(ctx context.Context, s *session, name string) (map[string]string, error) {
	return r.flat(ctx, s, "configManager.getDefault", name)
}

// set writes the whole table back with one value changed: the firmware takes
// nothing less.
func (r rpc2) set(ctx context.Context, s *session, key, value string) error {
	name := tableOf(key)
	v, err := r.tree(ctx, s, "configManager.getConfig", name)
	if err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	if v, err = graft(v, strings.TrimPrefix(key, name), value); err != nil {
		return fmt.Errorf("set %s: %w: %v", key, rig.ErrUnsupported, err)
	}
	return r.write(ctx, s, "set "+key, "configManager.setConfig", map[string]any{"name": name, "table": v, "options": []string{}})
}

func (r rpc2) setPassword(ctx context.Context, s *session, to rig.Secret) error {
	return r.write(ctx, s, "set the password of "+s.cred.User, "userManager.modifyPassword", map[string]string{
		"name": s.cred.User, "pwd": to.Reveal(), "pwdOld": s.cred.Password.Reveal(),
	})
}

func (r rpc2) users(ctx context.Context, s *session) ([]string, error) {
	var p struct{ Users []struct{ Name string } }
	if err := r.read(ctx, s, "userManager.getUserInfoAll", nil, &p); err != nil {
		return nil, fmt.Errorf("list the users: %w", err)
	}
	var out []string
	for _, u := range p.Users {
		out = append(out, u.Name)
	}
	return usersOf(out)
}

func (r rpc2) addUser(ctx context.Context, s *session, c rig.Credential) error {
	return r.write(ctx, s, "add user "+c.User, "userManager.addUser", map[string]any{"user": map[string]any{
		"Name": c.User, "Password": c.Password.Reveal(), "Group": leastGroup, "Sharable": true, "Reserved": false,
		"AuthorityList": []string{}, "Memo": "",
	}})
}

func (r rpc2) deleteUser(ctx context.Context, s *session, name string) error {
	return r.write(ctx, s, "delete user "+name, "userManager.deleteUser", map[string]string{"name": name})
}

// reset sends the command by the way that the model names.
func (r rpc2) reset(ctx context.Context, s *session, function string) error {
	switch {
	case function == WholeDefault:
		return r.write(ctx, s, "restore the settings", "configManager.restoreExcept", map[string]any{"names": []string{}})
	case function != "":
		return r.write(ctx, s, "restore table "+function, "configManager.restore", map[string]any{"names": []string{function}})
	case r.d.model.ResetBy == RouteRPC2:
		return r.resetSystem(ctx, s)
	}
	return r.resetBeside(ctx, s)
}

// resetSystem is what the web page sends: the command in an envelope with the
// administrator's password. What exactly is in it was never captured.
func (r rpc2) resetSystem(ctx context.Context, s *session) error {
	var enc struct{ Pub string }
	if err := r.read(ctx, s, "Security.getEncryptInfo", nil, &enc); err != nil {
		return fmt.Errorf("factory reset: %w", err)
	}
	content, err := json.Marshal(struct {
		Name string `json:"name"`
		Pwd  string `json:"pwd"`
	}{s.cred.User, s.cred.Password.Reveal()})
	if err != nil {
		return fmt.Errorf("factory reset: %w", err)
	}
	env, err := Seal(enc.Pub, content, r.d.o.Rand)
	if err != nil {
		return fmt.Errorf("factory reset: %w", err)
	}
	err = r.write(ctx, s, "factory reset", "magicBox.resetSystem", env)
	var silent *silence
	if errors.As(err, &silent) && silent.reach == rig.ReachConnects {
		return nil // a connection that is dropped is the unit restarting
	}
	return err
}

// resetBeside sends the CGI's command with a login that the JSON-RPC accepts.
// Some firmware's CGI refuses the right password: that says nothing of the
// login, and the command was not refused for it.
func (r rpc2) resetBeside(ctx context.Context, s *session) error {
	d, key := r.d, credentialKey(s.cred)
	if s.rpc == nil { // a login that nobody has accepted yet: its refusal is one
		if _, err := r.prove(ctx, s); err != nil {
			return fmt.Errorf("factory reset: %w", err)
		}
	}
	if err := d.affordable(1); err != nil {
		return fmt.Errorf("factory reset: %w", err)
	}
	beside := d.session(s.base, s.cred)
	beside.most = 1 + d.tried[key]
	good := d.good[key]
	delete(d.good, key) // not asked twice
	err := r.dahua.reset(ctx, beside, "")
	if good {
		d.good[key] = true
	}
	if errors.Is(err, rig.ErrRefused) {
		delete(d.tried, key)
		return fmt.Errorf("factory reset: %w: the CGI refuses the login that the JSON-RPC accepts; write reset-by: rpc2 into the model file", rig.ErrUnsupported)
	}
	return err
}
