package nvr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"resetrig/rig"
)

// table reads one resource, such as System/time.
func (h *hikvision) table(ctx context.Context, s *session, name string) (map[string]string, error) {
	root, _, err := h.isapiRead(ctx, s, name)
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", name, err)
	}
	leaves := map[string]*element{}
	root.flatten(name, leaves)
	if len(leaves) == 0 {
		return nil, fmt.Errorf("read table %s: %w: an empty document", name, rig.ErrGarbage)
	}
	return texts(leaves), nil
}

// set reads the resource, puts the value in its place, and sends the whole back:
// a unit takes no part of a document.
func (h *hikvision) set(ctx context.Context, s *session, key, value string) error {
	name := tableOf(key)
	root, body, err := h.isapiRead(ctx, s, name)
	if err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	if _, asIs := asUTF8(body); !asIs {
		return fmt.Errorf("set %s: %w: its document is not UTF-8: sending it back would change more", key, rig.ErrUnsupported)
	}
	leaves := map[string]*element{}
	root.flatten(name, leaves)
	leaf := leaves[key]
	if leaf == nil {
		return fmt.Errorf("set %s: %w: the unit has no such value", key, rig.ErrUnsupported)
	}
	_, err = h.isapiCommand(ctx, s, "set "+key, request{http.MethodPut, isapiRoot + name, kindXML, leaf.replace(body, value)})
	return err
}

// hikUser is one account as the unit lists it.
type hikUser struct{ id, name, level, space string }

func (h *hikvision) listUsers(ctx context.Context, s *session) ([]hikUser, error) {
	root, _, err := h.isapiRead(ctx, s, isapiUsers)
	if err != nil {
		return nil, fmt.Errorf("list the users: %w", err)
	}
	if root.name != "UserList" {
		return nil, fmt.Errorf("list the users: %w: a %s instead of a UserList", rig.ErrGarbage, short(root.name))
	}
	var out []hikUser
	for _, k := range root.kids {
		if u := (hikUser{k.value("id"), k.value("userName"), k.value("userLevel"), root.space}); k.name == "User" && u.name != "" {
			out = append(out, u)
		}
	}
	return out, nil
}

// user is the account of that name.
func (h *hikvision) user(ctx context.Context, s *session, name string) (hikUser, error) {
	all, err := h.listUsers(ctx, s)
	if err != nil {
		return hikUser{}, err
	}
	for _, u := range all {
		if u.name == name && userID.MatchString(u.id) {
			return u, nil
		}
	}
	return hikUser{}, fmt.Errorf("%w: the unit lists no account %q", rig.ErrWrite, name)
}

var userID = regexp.MustCompile(`^[0-9]{1,6}$`)

func (h *hikvision) users(ctx context.Context, s *session) ([]string, error) {
	all, err := h.listUsers(ctx, s)
	var out []string
	for _, u := range all {
		out = append(out, u.name)
	}
	return out, err
}

// document is an account as the unit takes it. Namespace and level are its own.
func (u hikUser) document(p rig.Secret) string {
	var b strings.Builder
	b.WriteString(xmlHead + "<User")
	if u.space != "" {
		b.WriteString(` version="2.0" xmlns="` + escaped(u.space) + `"`)
	}
	b.WriteString(">")
	for _, f := range [][2]string{{"id", u.id}, {"userName", u.name}, {"password", p.Reveal()}, {"userLevel", u.level}} {
		if f[1] != "" {
			b.WriteString("<" + f[0] + ">" + escaped(f[1]) + "</" + f[0] + ">")
		}
	}
	b.WriteString("</User>")
	return b.String()
}

func (h *hikvision) setPassword(ctx context.Context, s *session, to rig.Secret) error {
	what := "set the password of " + s.cred.User
	u, err := h.user(ctx, s, s.cred.User)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	_, err = h.isapiCommand(ctx, s, what, request{http.MethodPut, isapiRoot + isapiUsers + "/" + u.id, kindXML, u.document(to)})
	return err
}

// leastLevel is the account that may only look.
const leastLevel = "Viewer"

func (h *hikvision) addUser(ctx context.Context, s *session, c rig.Credential) error {
	all, err := h.listUsers(ctx, s)
	if err != nil {
		return fmt.Errorf("add user %s: %w", c.User, err)
	}
	u := hikUser{name: c.User, level: leastLevel}
	for _, have := range all {
		if have.name == c.User {
			return fmt.Errorf("add user %s: %w: it is there already", c.User, rig.ErrWrite)
		}
		u.space = have.space
	}
	_, err = h.isapiCommand(ctx, s, "add user "+c.User, request{http.MethodPost, isapiRoot + isapiUsers, kindXML, u.document(c.Password)})
	return err
}

func (h *hikvision) deleteUser(ctx context.Context, s *session, name string) error {
	u, err := h.user(ctx, s, name)
	if err != nil {
		return fmt.Errorf("delete user %s: %w", name, err)
	}
	_, err = h.isapiCommand(ctx, s, "delete user "+name, request{method: http.MethodDelete, path: isapiRoot + isapiUsers + "/" + u.id})
	return err
}

// basic is the one function: everything but network and accounts.
const basic = "basic"

// reset sends the command, and the reboot that the unit may ask for. A
// connection that is dropped after the login went out is the unit restarting.
func (h *hikvision) reset(ctx context.Context, s *session, function string) error {
	path, what := h.d.model.Endpoints.Reset, "factory reset"
	switch function {
	case "":
	case basic:
		path, what = strings.ReplaceAll(h.d.model.Endpoints.Restore, "{name}", basic), "factory reset, basic"
	default:
		return fmt.Errorf("restore %s: %w: the hikvision dialect knows the function %q alone", function, rig.ErrUnsupported, basic)
	}
	r, err := again(ctx, h.d, func() (responseStatus, error) {
		r, err := h.isapiCommand(ctx, s, what, request{method: http.MethodPut, path: path})
		if r.code != isapiBusy && err != nil {
			err = &final{err} // only a busy unit is told again
		}
		return r, err
	})
	if err == nil && r.code == isapiRebootIt {
		h.d.log.Info("the unit asks to be rebooted", "after", what)
		_, err = h.isapiCommand(ctx, s, "reboot after "+what, request{method: http.MethodPut, path: isapiRoot + isapiReboot})
	}
	return restarting(s, err)
}

// restarting is nil where a command's answer did not come because the unit
// restarts: it said nothing, or dropped the connection after the login went out.
func restarting(s *session, err error) error {
	var f *final
	if errors.As(err, &f) {
		err = f.err
	}
	var silent *silence
	if errors.Is(err, errNoWord) || errors.As(err, &silent) && s.wire.seen.sent && silent.reach == rig.ReachConnects {
		return nil
	}
	return err
}

// final is an error after which a command is not sent again.
type final struct{ err error }

func (f *final) Error() string { return f.err.Error() }

// scope: basic keeps network and users; the facts name no other function.
func (h *hikvision) scope(function string, tables []string) []string {
	if function != basic {
		return []string{function}
	}
	var out []string
	for _, t := range tables {
		if !strings.HasPrefix(t, "System/Network") && !strings.HasPrefix(t, "Security/") {
			out = append(out, t)
		}
	}
	return out
}
