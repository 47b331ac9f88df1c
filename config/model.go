package config

import (
	"fmt"
	glob "path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"resetrig/rig"
)

// Model is a model file: a kind of recorder. What a file leaves out is zero
// where the recorder's own code has the better default.
type Model struct {
	Name    string `yaml:"model" jsonschema:"required,pattern=^[a-z0-9][a-z0-9-]*$" jsonschema_description:"the model's name: small letters, digits and dashes"`
	About   string `yaml:"about" jsonschema_description:"what it is, in a sentence"`
	Dialect string `yaml:"dialect" jsonschema:"required,enum=imou,enum=dahua-cgi,enum=dahua-rpc2,enum=hikvision,enum=onvif,enum=plain" jsonschema_description:"imou, dahua-cgi, dahua-rpc2, hikvision, onvif, or plain for any web server with a login"`
	// Generation is "old", "new", or "" for onvif and plain.
	Generation string `yaml:"generation" jsonschema:"enum=old,enum=new" jsonschema_description:"old: fixed default accounts after a reset. new: no account until one is made"`

	// Route is "auto", "rpc2" or "cgi"; "" is auto. ResetBy is "cgi" or "rpc2"; ""
	// is cgi.
	Route   string `yaml:"route" jsonschema:"enum=auto,enum=rpc2,enum=cgi" jsonschema_description:"over what an IMOU recorder is worked with: rpc2 (its web page's JSON-RPC), cgi, or auto, which takes the JSON-RPC where it answers; auto unless said otherwise"`
	ResetBy string `yaml:"reset-by" jsonschema:"enum=cgi,enum=rpc2" jsonschema_description:"by what a factory reset is commanded: cgi, or rpc2, as the web page does; cgi unless said otherwise"`

	Default     Default       `yaml:"default" jsonschema_description:"what the recorder is like after a reset"`
	Provision   Provision     `yaml:"provision" jsonschema_description:"how an uninitialised recorder is given its first account"`
	Lockout     Lockout       `yaml:"lockout" jsonschema_description:"when the recorder locks its logins"`
	Boot        Boot          `yaml:"boot" jsonschema:"required" jsonschema_description:"how long it takes from power to the first answer, like {least: 12s, most: 4m}"`
	WriteWindow time.Duration `yaml:"write-window" jsonschema:"required" jsonschema_description:"how long after a reset it may still write its flash, like 60s: a stop keeps the power so long"`
	Beep        ModelBeep     `yaml:"beep" jsonschema_description:"what its long beep is like, as a start for a calibration"`
	Tables      []string      `yaml:"tables" jsonschema_description:"the configuration tables that are compared with the baseline"`
	Ignore      []string      `yaml:"ignore" jsonschema_description:"configuration keys that rightly differ: the beginning of a key, or a pattern with * ? ["`
	Endpoints   Endpoints     `yaml:"endpoints" jsonschema_description:"addresses that firmware differs in"`
	Plain       *Plain        `yaml:"plain" jsonschema_description:"for the plain dialect: what counts as logged in"`
	ONVIF       *ONVIF        `yaml:"onvif" jsonschema_description:"for the onvif dialect: where its device service is, and how it takes a login"`
	TLS         TLS           `yaml:"tls" jsonschema_description:"what https is like on this kind of recorder"`
	// File is the name that the model was loaded from.
	File string `yaml:"-"`
}

// Default is the state after a reset.
type Default struct {
	Accounts []Account `yaml:"accounts" jsonschema_description:"the accounts that the old generation has then; the first proves the default state"`
	URL      string    `yaml:"url" jsonschema:"pattern=^https?://[^@?#]+$" jsonschema_description:"where it answers then, like http://192.168.1.108"`
}

// Account is one default account.
type Account struct {
	User     string     `yaml:"user" jsonschema:"required" jsonschema_description:"the user's name"`
	Password rig.Secret `yaml:"password" jsonschema:"required" jsonschema_description:"the password"`
}

// Provision is what a new account is made with.
type Provision struct {
	User string `yaml:"user" jsonschema_description:"the first user, like admin"`
	Mail string `yaml:"mail" jsonschema_description:"the address for a forgotten password"`
}

// Lockout is what is known of the lock on logins. Zero is unknown.
type Lockout struct {
	Tries          int           `yaml:"tries" jsonschema:"required,minimum=2" jsonschema_description:"refused logins until the lock, like 5"`
	Window         time.Duration `yaml:"window" jsonschema:"required" jsonschema_description:"in which they are counted, like 5m"`
	ClearedByReset bool          `yaml:"cleared-by-reset" jsonschema_description:"whether a reset forgets the refusals; false unless it is known"`
	Spare          int           `yaml:"spare" jsonschema:"minimum=1" jsonschema_description:"refusals that are never spent; 1 unless said otherwise"`
}

// Boot bounds the time from power or restart to the first answer.
type Boot struct {
	Least time.Duration `yaml:"least" jsonschema:"required" jsonschema_description:"the shortest, like 12s: an answer sooner is no restart"`
	Most  time.Duration `yaml:"most" jsonschema:"required" jsonschema_description:"the longest that is normal, like 4m"`
}

// ModelBeep is what is known of a beep before it is calibrated.
type ModelBeep struct {
	Frequency Band          `yaml:"frequency" jsonschema_description:"where it lies, like 2kHz..4kHz"`
	Long      time.Duration `yaml:"long" jsonschema_description:"how long a beep must last to be long, like 1s"`
}

// Endpoints are what sources contradict each other in; empty is the usual.
type Endpoints struct {
	FactoryReset string `yaml:"factory-reset" jsonschema:"pattern=^/" jsonschema_description:"the path of a whole reset, from the first /"`
	Restore      string `yaml:"restore" jsonschema:"pattern=^/.*\\{name\\}" jsonschema_description:"the path that restores one table, from the first /, with {name} where its name goes"`
	OutsideCmd   string `yaml:"outside-cmd" jsonschema:"pattern=^/" jsonschema_description:"the path of the commands without a login, from the first /"`
	MachineName  string `yaml:"machine-name" jsonschema:"pattern=^[A-Za-z0-9_/]+[.]" jsonschema_description:"the configuration key of the name, like General.MachineName"`
}

// Plain says what counts as logged in on any web server.
type Plain struct {
	Path     string   `yaml:"path" jsonschema:"pattern=^/" jsonschema_description:"the path that is asked, from the first /"`
	Auth     string   `yaml:"auth" jsonschema:"enum=digest,enum=basic,enum=any" jsonschema_description:"digest, basic, or any: what the server asks for"`
	LoggedIn LoggedIn `yaml:"logged-in" jsonschema_description:"what the answer to a right login is like"`
}

// ONVIF is what ONVIF units differ in.
type ONVIF struct {
	Path string `yaml:"path" jsonschema:"pattern=^/" jsonschema_description:"the path of the device service, from the first /; /onvif/device_service unless said otherwise"`
	Auth string `yaml:"auth" jsonschema:"enum=digest,enum=token,enum=any" jsonschema_description:"digest (HTTP), token (WS-UsernameToken), or any: what the unit asks for"`
}

// TLS is what https is like. Recorders sign their own certificates: the first
// that is seen is believed, another one later is another unit.
type TLS struct {
	Certificate string `yaml:"certificate" jsonschema:"enum=keeps,enum=changes-at-reset" jsonschema_description:"keeps (unless said otherwise) or changes-at-reset: whether a factory reset makes the recorder sign a new one"`
	Least       string `yaml:"least" jsonschema:"enum=1.0,enum=1.1,enum=1.2" jsonschema_description:"the oldest TLS version that is spoken, in quotes like \"1.0\"; \"1.2\" unless said otherwise"`
}

// LoggedIn is the answer that counts as logged in.
type LoggedIn struct {
	Status   int    `yaml:"status" jsonschema:"minimum=100,maximum=599" jsonschema_description:"its status; 200 unless said otherwise"`
	Contains string `yaml:"contains" jsonschema_description:"a text that it holds"`
}

// UnmarshalYAML fills in the lockout's spare before it reads.
func (l *Lockout) UnmarshalYAML(n *yaml.Node) error {
	type plain Lockout
	l.Spare = 1
	return n.Load((*plain)(l), strict)
}

// UnmarshalYAML fills in what is usual before it reads.
func (o *ONVIF) UnmarshalYAML(n *yaml.Node) error {
	type plain ONVIF
	*o = ONVIF{Path: "/onvif/device_service", Auth: "any"}
	return n.Load((*plain)(o), strict)
}

// UnmarshalYAML fills in what is usual before it reads.
func (p *Plain) UnmarshalYAML(n *yaml.Node) error {
	type plain Plain
	*p = Plain{Path: "/", Auth: "any", LoggedIn: LoggedIn{Status: 200}}
	return n.Load((*plain)(p), strict)
}

// LoadModel reads a model file: data is its text, name what it is called in
// errors. The error is Problems.
func LoadModel(name string, data []byte) (*Model, error) {
	d, usable := open(name, data)
	m := &Model{File: name}
	if usable {
		d.load(d.root, nil, m)
		m.Default.URL = strings.TrimSuffix(m.Default.URL, "/")
		d.rules(reflect.ValueOf(m), nil)
		d.model(m)
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return m, nil
}

// model checks what concerns several keys at once.
func (d *document) model(m *Model) {
	d.url(m.Default.URL, at("default", "url"))
	if m.Boot.Most > 0 && m.Boot.Least >= m.Boot.Most {
		d.bad(at("boot", "least"), fmt.Sprintf("%v is not shorter than most, %v", m.Boot.Least, m.Boot.Most), "write the shortest time that was measured")
	}
	if found, _ := d.find(at("lockout")); found != nil && m.Lockout.Tries > 1 && m.Lockout.Spare >= m.Lockout.Tries {
		d.bad(at("lockout", "spare"), fmt.Sprintf("%d spare of %d tries leaves none", m.Lockout.Spare, m.Lockout.Tries), "write less than tries")
	}
	if m.Beep.Long != 0 {
		d.beep(0, m.Beep.Long, at("beep"))
	}
	for i, p := range m.Ignore {
		if _, err := glob.Match(p, ""); err != nil {
			d.bad(at("ignore", strconv.Itoa(i)), fmt.Sprintf("%q is no pattern", p), "close its bracket, or write the beginning of a key")
		}
	}
	d.dialect(m)
}

// dialect checks what each dialect and generation must and must not have.
func (d *document) dialect(m *Model) {
	accounts := at("default", "accounts")
	if m.Route != "" && m.Dialect != "imou" && m.Dialect != "" {
		d.bad(at("route"), "the "+m.Dialect+" dialect has one route", "remove it, or write dialect: imou")
	}
	if m.ResetBy != "" && !slices.Contains([]string{"imou", "dahua-rpc2", ""}, m.Dialect) {
		d.bad(at("reset-by"), "the "+m.Dialect+" dialect has one way to reset", "remove it, or write dialect: imou")
	}
	if m.ONVIF != nil && m.Dialect != "onvif" && m.Dialect != "" {
		d.bad(at("onvif"), "it is for the onvif dialect alone", "remove it, or write dialect: onvif")
	}
	if m.Dialect == "hikvision" && m.Generation == "new" && m.Provision.User != "" && m.Provision.User != "admin" {
		d.bad(at("provision", "user"), fmt.Sprintf("%q cannot be the first account: activation makes admin", m.Provision.User), "write admin, or remove it")
	}
	switch {
	case m.Dialect == "plain":
		if m.Generation != "" {
			d.bad(at("generation"), "the plain dialect has no generations", "remove it")
		}
		if m.Plain == nil {
			d.missing(at("plain"), "say what counts as logged in, like plain: {path: /, auth: digest}")
		}
		if len(m.Default.Accounts) == 0 {
			d.missing(accounts, "list the account that works after a reset: it is the only proof of a plain server's default state")
		}
		return
	case m.Plain != nil && slices.Contains([]string{"imou", "dahua-cgi", "dahua-rpc2", "hikvision", "onvif"}, m.Dialect):
		d.bad(at("plain"), "the "+m.Dialect+" dialect knows what counts as logged in", "remove it, or write dialect: plain")
	case m.Dialect == "onvif":
		if m.Generation != "" {
			d.bad(at("generation"), "the onvif dialect has no generations", "remove it")
		}
		if len(m.Default.Accounts) == 0 {
			d.missing(accounts, "list the accounts that work after a reset: the standard names none, and they are the proof of the default state")
		}
		return
	}
	if m.Dialect == "" {
		return
	}
	switch m.Generation {
	case "":
		if found, _ := d.find(at("generation")); found == nil {
			d.missing(at("generation"), "write old (fixed default accounts after a reset, firmware up to about 2016) or new (no account until one is made)")
		}
	case "old":
		if len(m.Default.Accounts) == 0 {
			d.missing(accounts, "list the accounts that work after a reset, like [{user: admin, password: admin}]: they prove the default state")
		}
	case "new":
		if len(m.Default.Accounts) > 0 {
			d.bad(accounts, "the new generation has no default password", "remove the accounts: trying them proves nothing and spends refused logins")
		}
	}
}

func at(parts ...string) path { return parts }
