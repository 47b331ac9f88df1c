package nvr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"resetrig/rig"
)

// dahua is the CGI of Dahua's and IMOU's recorders, with DevInit where the
// firmware has it.
//
// Over the JSON-RPC it is asked more, and worked with where the CGI is not
// there: see rpc2 and imou.
type dahua struct {
	unable
	d       *Device
	devInit bool
	rpc     rpcUse
}

// rpcUse is whether a unit that answers the JSON-RPC alone is ready.
type rpcUse int

const (
	rpcNever rpcUse = iota // the CGI is needed
	rpcToo                 // either will do
	rpcOnly                // the JSON-RPC is needed
)

// WholeDefault is the function, as rig.Resetter has it, that is the web page's
// own Default: every setting but the network's, and no account.
const WholeDefault = "Default"

// leastGroup is the group of accounts with the least right.
const leastGroup = "user"

func (c *dahua) can() abilities {
	a := abilities{mark: true, reset: true, identifies: true, provision: c.devInit, asksInit: c.devInit}
	if c.d.model.Generation == New {
		a.proof = byInit
	}
	return a
}

// says knows the two bodies that speak of the login.
func (c *dahua) says(a *answer) word {
	switch {
	case locked.MatchString(a.body):
		return wordLocked
	case strings.Contains(a.body, "Invalid Authority"):
		return wordRefused
	}
	return wordNone
}

const magicBox = "/cgi-bin/magicBox.cgi?action="

// prove asks for the serial number: a login and an identity in one request.
func (c *dahua) prove(ctx context.Context, s *session) (rig.Identity, error) {
	sn, err := c.value(ctx, s, magicBox+"getSerialNo", "sn")
	if err != nil {
		return rig.Identity{}, err
	}
	if sn == "" {
		return rig.Identity{}, fmt.Errorf("read the serial number: %w: no sn in the answer", rig.ErrGarbage)
	}
	return rig.Identity{Serial: sn}, nil
}

// info asks the unit for its name plates.
func (c *dahua) info(ctx context.Context, s *session) (Info, error) {
	var i Info
	for _, q := range []struct {
		action, key string
		to          *string
	}{
		{"getSerialNo", "sn", &i.Serial},
		{"getDeviceType", "type", &i.Type},
		{"getMachineName", "name", &i.Name},
		{"getSoftwareVersion", "version", &i.Firmware},
		{"getHardwareVersion", "version", &i.Hardware},
		{"getVendor", "vendor", &i.Vendor},
	} {
		v, err := c.value(ctx, s, magicBox+q.action, q.key)
		if errors.Is(err, rig.ErrUnsupported) {
			continue
		}
		if err != nil {
			return i, fmt.Errorf("%s: %w", q.action, err)
		}
		*q.to = v
	}
	i.Firmware = tidyVersion(i.Firmware)
	return i, nil
}

// mac asks for the hardware addresses of the network's configuration.
func (c *dahua) mac(ctx context.Context, s *session, wanted string) (string, error) {
	t, err := c.table(ctx, s, "Network")
	if err != nil {
		return "", err
	}
	return macIn(t, wanted), nil
}

// macIn is a hardware address in the table Network: the wanted one, if it is
// there.
func macIn(t map[string]string, wanted string) string {
	for k, v := range t {
		if strings.HasSuffix(k, ".PhysicalAddress") && bareMAC(v) == bareMAC(wanted) {
			return v
		}
	}
	return t["Network.eth0.PhysicalAddress"]
}

// users lists the accounts: users[0].Name=admin.
func (c *dahua) users(ctx context.Context, s *session) ([]string, error) {
	kv, err := c.read(ctx, s, "/cgi-bin/userManager.cgi?action=getUserInfoAll")
	if err != nil {
		return nil, fmt.Errorf("list the users: %w", err)
	}
	var out []string
	for k, v := range kv {
		if userKey.MatchString(k) {
			out = append(out, v)
		}
	}
	return usersOf(out)
}

var userKey = regexp.MustCompile(`^users\[[0-9]+\]\.Name$`)

// usersOf is a list of accounts, in order. A recorder that was logged into has
// one at least.
func usersOf(names []string) ([]string, error) {
	slices.Sort(names)
	if len(names) == 0 || names[0] == "" {
		return nil, fmt.Errorf("list the users: %w: a list without names", rig.ErrGarbage)
	}
	return names, nil
}

func (c *dahua) addUser(ctx context.Context, s *session, u rig.Credential) error {
	return c.write(ctx, s, "add user "+u.User, "/cgi-bin/userManager.cgi?action=addUser&user.Name="+escape(u.User)+
		"&user.Password="+escape(u.Password.Reveal())+"&user.Group="+leastGroup+"&user.Sharable=true&user.Reserved=false")
}

func (c *dahua) deleteUser(ctx context.Context, s *session, name string) error {
	return c.write(ctx, s, "delete user "+name, "/cgi-bin/userManager.cgi?action=deleteUser&name="+escape(name))
}

// scope is which tables a function restores: its own, or with the web page's
// Default all but the network's.
func (c *dahua) scope(function string, tables []string) []string {
	if function != WholeDefault {
		return []string{function}
	}
	return slices.DeleteFunc(slices.Clone(tables), func(t string) bool { return t == "Network" || t == WholeDefault })
}

// firmware asks for the version alone.
func (c *dahua) firmware(ctx context.Context, s *session) (string, error) {
	v, err := c.value(ctx, s, magicBox+"getSoftwareVersion", "version")
	return tidyVersion(v), err
}

// table reads one configuration table.
func (c *dahua) table(ctx context.Context, s *session, name string) (map[string]string, error) {
	kv, err := c.read(ctx, s, "/cgi-bin/configManager.cgi?action=getConfig&name="+escape(name))
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", name, err)
	}
	out := make(map[string]string, len(kv))
	for k, v := range kv {
		out[strings.TrimPrefix(k, "table.")] = v
	}
	return out, nil
}

// set writes one value. The proof is reading it back: an empty answer was seen
// for writes that landed, and OK is not more than a word.
func (c *dahua) set(ctx context.Context, s *session, key, value string) error {
	return c.write(ctx, s, "set "+key, "/cgi-bin/configManager.cgi?action=setConfig&"+escapeKey(key)+"="+escape(value))
}

// setPassword changes the password of the session's account.
func (c *dahua) setPassword(ctx context.Context, s *session, to rig.Secret) error {
	return c.write(ctx, s, "set the password of "+s.cred.User, "/cgi-bin/userManager.cgi?action=modifyPassword&name="+
		escape(s.cred.User)+"&pwd="+escape(to.Reveal())+"&pwdOld="+escape(s.cred.Password.Reveal()))
}

// reset sends the command. A connection that is dropped after the login went
// out is the unit restarting.
func (c *dahua) reset(ctx context.Context, s *session, table string) error {
	path, what := c.d.model.Endpoints.Reset, "factory reset"
	if table == WholeDefault {
		path, what = "/cgi-bin/configManager.cgi?action=restoreExcept&names[0]=Network", "restore the settings"
	} else if table != "" {
		path, what = strings.ReplaceAll(c.d.model.Endpoints.Restore, "{name}", escape(table)), "restore table "+table
	}
	err := c.write(ctx, s, what, path)
	if errors.Is(err, errNoWord) {
		return nil
	}
	if table == WholeDefault && errors.Is(err, rig.ErrWrite) && !errors.Is(err, errForbidden) {
		// It was seen to report an error and to have worked: what is read tells.
		c.d.log.Warn("restore the settings", "error", err)
		return nil
	}
	var silent *silence
	if errors.As(err, &silent) && s.wire.seen.sent && silent.reach == rig.ReachConnects {
		return nil
	}
	return err
}

// value reads one key of an answer.
func (c *dahua) value(ctx context.Context, s *session, path, key string) (string, error) {
	kv, err := c.read(ctx, s, path)
	return kv[key], err
}

// read asks for key=value lines, and again where that may help.
func (c *dahua) read(ctx context.Context, s *session, path string) (map[string]string, error) {
	return again(ctx, c.d, func() (map[string]string, error) { return c.readOnce(ctx, s, path) })
}

func (c *dahua) readOnce(ctx context.Context, s *session, path string) (map[string]string, error) {
	a, err := s.get(ctx, path)
	switch {
	case errors.Is(err, errForbidden):
		return nil, fmt.Errorf("%w: %w", rig.ErrUnsupported, err)
	case err != nil:
		return nil, err
	case a.status == http.StatusBadRequest || a.status == http.StatusNotFound || a.status == http.StatusNotImplemented:
		return nil, fmt.Errorf("%w: it answers %d: %s", rig.ErrUnsupported, a.status, short(a.body))
	case a.status != http.StatusOK:
		return nil, fmt.Errorf("%w: status %d", rig.ErrGarbage, a.status)
	case saysError(a.body):
		return nil, fmt.Errorf("%w: it answers %s", rig.ErrUnsupported, short(a.body))
	}
	kv, err := parseKeyValues(a.body)
	if err == nil && len(kv) == 0 {
		err = fmt.Errorf("%w: an empty answer", rig.ErrGarbage)
	}
	return kv, err
}

// write sends a command and reads its answer.
func (c *dahua) write(ctx context.Context, s *session, what, path string) error {
	a, err := s.get(ctx, path)
	switch {
	case errors.Is(err, errForbidden):
		return fmt.Errorf("%s: %w: %w", what, rig.ErrWrite, err)
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	body := strings.TrimSpace(a.body)
	switch {
	case a.status == http.StatusOK && body == "OK":
		return nil
	case a.status == http.StatusOK && body == "":
		return fmt.Errorf("%s: %w: %w", what, rig.ErrGarbage, errNoWord)
	case a.status == http.StatusBadRequest, a.status == http.StatusNotFound, a.status == http.StatusOK && saysError(body):
		return fmt.Errorf("%s: %w: %d %s", what, rig.ErrWrite, a.status, c.d.scrub(short(body)))
	}
	return fmt.Errorf("%s: %w: %d %s", what, rig.ErrGarbage, a.status, c.d.scrub(short(body)))
}

// errNoWord is an empty answer to a command: it was seen for writes that landed,
// and for others nobody knows.
var errNoWord = errors.New("an empty answer")

// saysError reports the bodies that mean no: "Error", "Error\r\nBad Request!",
// "Error ErrorID = 0, Detail = …".
func saysError(body string) bool {
	body = strings.TrimSpace(body)
	return body == "Error" || strings.HasPrefix(body, "Error\r") || strings.HasPrefix(body, "Error\n") || strings.HasPrefix(body, "Error ") || strings.HasPrefix(body, "Error:")
}

// parseKeyValues reads one key=value a line. Values may hold =. Every line ends,
// the last one too: one that does not was cut off, and its value is half.
func parseKeyValues(body string) (map[string]string, error) {
	if body != "" && !strings.HasSuffix(body, "\n") {
		return nil, fmt.Errorf("%w: the answer breaks off: …%q", rig.ErrGarbage, short(body[max(0, len(body)-40):]))
	}
	kv := map[string]string{}
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !ok || k == "" || strings.ContainsAny(k, "<>{}\"") {
			return nil, fmt.Errorf("%w: %q is no key=value", rig.ErrGarbage, short(line))
		}
		kv[strings.TrimSpace(k)] = v
	}
	return kv, nil
}

// escapeKey escapes a configuration key and leaves its dots and brackets.
func escapeKey(k string) string {
	return strings.NewReplacer("%5B", "[", "%5D", "]").Replace(escape(k))
}

// tidyVersion makes the two spellings of a version one: older firmware puts a
// comma before the build, newer a space.
func tidyVersion(v string) string {
	return strings.Join(strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }), " ")
}
