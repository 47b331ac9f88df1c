package nvr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"resetrig/rig"
)

// set writes what has an operation of its own. ONVIF has no write of any value.
func (o *onvif) set(ctx context.Context, s *session, key, value string) error {
	set := map[string][2]string{
		"Hostname.Name":               {"SetHostname", "<tds:Name>" + escaped(value) + "</tds:Name>"},
		"DiscoveryMode.DiscoveryMode": {"SetDiscoveryMode", "<tds:DiscoveryMode>" + escaped(value) + "</tds:DiscoveryMode>"},
	}[key]
	if set[0] == "" {
		return fmt.Errorf("set %s: %w: ONVIF sets Hostname.Name and DiscoveryMode.DiscoveryMode", key, rig.ErrUnsupported)
	}
	return o.write(ctx, s, "set "+key, set[0], set[1])
}

// write sends an operation that changes the unit.
func (o *onvif) write(ctx context.Context, s *session, what, operation, args string) error {
	_, err := o.call(ctx, s, operation, args)
	if errors.Is(err, errForbidden) {
		err = fmt.Errorf("%w: %w", rig.ErrWrite, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

type onvifUser struct{ name, level string }

func (o *onvif) listUsers(ctx context.Context, s *session) ([]onvifUser, error) {
	e, err := o.read(ctx, s, "GetUsers")
	if err != nil {
		return nil, fmt.Errorf("list the users: %w", err)
	}
	var out []onvifUser
	for _, k := range e.kids {
		if u := (onvifUser{k.value("Username"), k.value("UserLevel")}); k.name == "User" && u.name != "" {
			out = append(out, u)
		}
	}
	return out, nil
}

func (o *onvif) users(ctx context.Context, s *session) ([]string, error) {
	all, err := o.listUsers(ctx, s)
	var out []string
	for _, u := range all {
		out = append(out, u.name)
	}
	return out, err
}

func (u onvifUser) argument(p rig.Secret) string {
	return "<tds:User><tt:Username>" + escaped(u.name) + "</tt:Username><tt:Password>" + escaped(p.Reveal()) +
		"</tt:Password><tt:UserLevel>" + escaped(u.level) + "</tt:UserLevel></tds:User>"
}

// setPassword repeats the account's level: the operation sets both.
func (o *onvif) setPassword(ctx context.Context, s *session, to rig.Secret) error {
	what := "set the password of " + s.cred.User
	all, err := o.listUsers(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for _, u := range all {
		if u.name == s.cred.User {
			return o.write(ctx, s, what, "SetUser", u.argument(to))
		}
	}
	return fmt.Errorf("%s: %w: the unit lists no such account", what, rig.ErrWrite)
}

// addUser creates an account of the lowest level that can log in.
func (o *onvif) addUser(ctx context.Context, s *session, c rig.Credential) error {
	return o.write(ctx, s, "add user "+c.User, "CreateUsers", onvifUser{c.User, "User"}.argument(c.Password))
}

func (o *onvif) deleteUser(ctx context.Context, s *session, name string) error {
	return o.write(ctx, s, "delete user "+name, "DeleteUsers", "<tds:Username>"+escaped(name)+"</tds:Username>")
}

// soft is the one function: everything but the settings of IP.
const soft = "soft"

// reset is SetSystemFactoryDefault. An answer that did not come because the unit
// restarts is none to wait for.
func (o *onvif) reset(ctx context.Context, s *session, function string) error {
	kind, what := "Hard", "factory reset, hard"
	switch function {
	case "":
	case soft:
		kind, what = "Soft", "factory reset, soft"
	default:
		return fmt.Errorf("restore %s: %w: the onvif dialect knows the function %q alone", function, rig.ErrUnsupported, soft)
	}
	return restarting(s, o.write(ctx, s, what, "SetSystemFactoryDefault", "<tds:FactoryDefault>"+kind+"</tds:FactoryDefault>"))
}

// scope: soft guarantees the same IP settings.
func (o *onvif) scope(function string, tables []string) []string {
	if function != soft {
		return []string{function}
	}
	return slices.DeleteFunc(slices.Clone(tables), func(t string) bool { return strings.HasPrefix(t, "Network") })
}
