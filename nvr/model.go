package nvr

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"resetrig/rig"
)

// The dialects that a model can name.
const (
	DialectIMOU  = "imou"       // DevInit on /OutsideCmd, JSON-RPC or CGI, DHIP
	DialectDahua = "dahua-cgi"  // CGI and DHIP
	DialectRPC2  = "dahua-rpc2" // JSON-RPC, DevInit on /OutsideCmd, DHIP
	DialectPlain = "plain"      // any HTTP server with digest or basic

	DialectHikvision = "hikvision" // ISAPI, the activation state, WS-Discovery
	DialectONVIF     = "onvif"     // ONVIF's device management, WS-Discovery
)

// The generations of Dahua's, IMOU's and Hikvision's firmware. They differ in
// what a factory reset leaves behind.
const (
	Old = "old" // fixed default accounts
	New = "new" // no account at all until it is provisioned
)

// The routes over which an IMOU recorder is worked with.
const (
	RouteAuto = "auto" // the JSON-RPC where it answers, else the CGI
	RouteRPC2 = "rpc2"
	RouteCGI  = "cgi"
)

// Model is a kind of recorder. Zero values take the defaults that are named.
type Model struct {
	Name       string
	Dialect    string
	Generation string           // Old or New; unused by DialectPlain and DialectONVIF
	Accounts   []rig.Credential // default accounts; the first is the proof of the default state
	DefaultURL string           // where a reset unit answers, e.g. http://192.168.1.108

	Lockout             Lockout
	LeastBoot, MostBoot time.Duration

	Tables []string // configuration tables that are compared
	Ignore []string // keys that rightly differ: a prefix, or a glob if it has one of *?[

	Route   string // RouteAuto if empty; DialectIMOU alone has a choice
	ResetBy string // by what a factory reset is commanded: RouteCGI if empty, or RouteRPC2

	Endpoints Endpoints
	Provision ProvisionSpec
	Plain     PlainSpec
	ONVIF     ONVIFSpec
	TLS       TLSSpec
}

// Lockout is what is known of the firmware's lock on logins.
type Lockout struct {
	Tries          int           // refused logins until the lock; default 5
	Window         time.Duration // in which they are counted; default 30 min, the longest seen
	ClearedByReset bool          // a factory reset forgets the refusals
	Spare          int           // refusals that are never spent; default 1
}

// Endpoints are the addresses that sources disagree on. {name} is a table, or
// the function. Each dialect has its own defaults; these are Dahua's.
type Endpoints struct {
	Reset         string // default /cgi-bin/magicBox.cgi?action=resetSystemEx&type=0
	Restore       string // default /cgi-bin/configManager.cgi?action=restore&names[0]={name}
	OutsideCmd    string // default /OutsideCmd
	MachineName   string // configuration key of the name; default General.MachineName
	DiscoveryPort string // default 37810
}

// ProvisionSpec is what a new account is created with.
type ProvisionSpec struct {
	User string // default admin
	Mail string // address for a forgotten password; may be empty
}

// PlainSpec says what counts as logged in on a plain HTTP server.
type PlainSpec struct {
	Path     string // asked with the credentials; default /
	Auth     string // "digest", "basic", or "" for what the server asks for
	Status   int    // that counts as logged in; default 200
	Contains string // text that the answer must hold; "" is any
}

// ONVIFSpec is what ONVIF units differ in.
type ONVIFSpec struct {
	Path string // of the device service; default /onvif/device_service
	Auth string // AuthDigest, AuthToken, or "" for what the unit asks for
}

// TLSSpec is what a model says of https.
type TLSSpec struct {
	Least              string // version: 1.0, 1.1 or 1.2; default 1.2
	ChangesCertificate bool   // a factory reset makes the unit sign a new one
}

// withDefaults fills in the facts' values and refuses what cannot work.
func (m Model) withDefaults() (Model, error) {
	switch m.Dialect {
	case DialectIMOU, DialectDahua, DialectRPC2, DialectHikvision:
		if m.Generation != Old && m.Generation != New {
			return m, fmt.Errorf("model %q: generation is %q, want %q or %q", m.Name, m.Generation, Old, New)
		}
		if m.Generation == Old && len(m.Accounts) == 0 {
			return m, fmt.Errorf("model %q: the old generation needs its default accounts: they are the proof of its default state", m.Name)
		}
		if !slices.Contains([]string{"", RouteAuto, RouteRPC2, RouteCGI}, m.Route) || m.Route != "" && m.Dialect != DialectIMOU {
			return m, fmt.Errorf("model %q: route is %q, want %s, %s or %s, and the imou dialect", m.Name, m.Route, RouteAuto, RouteRPC2, RouteCGI)
		}
		if !slices.Contains([]string{"", RouteCGI, RouteRPC2}, m.ResetBy) {
			return m, fmt.Errorf("model %q: reset-by is %q, want %s or %s", m.Name, m.ResetBy, RouteCGI, RouteRPC2)
		}
	case DialectPlain:
		if !slices.Contains([]string{"", "digest", "basic"}, m.Plain.Auth) {
			return m, fmt.Errorf("model %q: plain auth is %q, want digest, basic or nothing", m.Name, m.Plain.Auth)
		}
	case DialectONVIF:
		if len(m.Accounts) == 0 {
			return m, fmt.Errorf("model %q: the standard names no default account; list the unit's, it is the proof of its default state", m.Name)
		}
		if !slices.Contains([]string{"", AuthDigest, AuthToken}, m.ONVIF.Auth) {
			return m, fmt.Errorf("model %q: onvif auth is %q, want %s, %s or nothing", m.Name, m.ONVIF.Auth, AuthDigest, AuthToken)
		}
	default:
		return m, fmt.Errorf("model %q: dialect is %q, want %s, %s, %s, %s, %s or %s", m.Name, m.Dialect, DialectIMOU, DialectDahua, DialectRPC2, DialectHikvision, DialectONVIF, DialectPlain)
	}
	if _, ok := tlsVersions[m.TLS.Least]; !ok {
		return m, fmt.Errorf("model %q: tls least is %q, want 1.0, 1.1 or 1.2", m.Name, m.TLS.Least)
	}
	m.Lockout.Tries = cmp.Or(m.Lockout.Tries, 5)
	m.Lockout.Window = cmp.Or(m.Lockout.Window, 30*time.Minute)
	m.Lockout.Spare = cmp.Or(m.Lockout.Spare, 1)
	if m.Lockout.Spare < 0 || m.Lockout.Tries <= m.Lockout.Spare {
		return m, fmt.Errorf("model %q: lockout leaves no login to refuse: tries %d, spare %d", m.Name, m.Lockout.Tries, m.Lockout.Spare)
	}
	switch m.Dialect {
	case DialectHikvision:
		m.Endpoints.Reset = cmp.Or(m.Endpoints.Reset, "/ISAPI/System/factoryReset?mode=full")
		m.Endpoints.Restore = cmp.Or(m.Endpoints.Restore, "/ISAPI/System/factoryReset?mode={name}")
		m.Endpoints.MachineName = cmp.Or(m.Endpoints.MachineName, isapiDeviceInfo+".deviceName")
		m.Endpoints.DiscoveryPort = cmp.Or(m.Endpoints.DiscoveryPort, wsdPort)
	case DialectONVIF:
		m.Endpoints.MachineName = cmp.Or(m.Endpoints.MachineName, "Hostname.Name")
		m.Endpoints.DiscoveryPort = cmp.Or(m.Endpoints.DiscoveryPort, wsdPort)
	}
	m.Endpoints.Reset = cmp.Or(m.Endpoints.Reset, "/cgi-bin/magicBox.cgi?action=resetSystemEx&type=0")
	m.Endpoints.Restore = cmp.Or(m.Endpoints.Restore, "/cgi-bin/configManager.cgi?action=restore&names[0]={name}")
	m.Endpoints.OutsideCmd = cmp.Or(m.Endpoints.OutsideCmd, "/OutsideCmd")
	m.Endpoints.MachineName = cmp.Or(m.Endpoints.MachineName, "General.MachineName")
	m.Endpoints.DiscoveryPort = cmp.Or(m.Endpoints.DiscoveryPort, "37810")
	m.Provision.User = cmp.Or(m.Provision.User, "admin")
	m.Plain.Path = cmp.Or(m.Plain.Path, "/")
	m.Plain.Status = cmp.Or(m.Plain.Status, 200)
	m.ONVIF.Path = cmp.Or(m.ONVIF.Path, "/onvif/device_service")
	return m, nil
}

// ignores reports whether a configuration key rightly differs.
func (m Model) ignores(key string) bool {
	for _, p := range m.Ignore {
		if strings.ContainsAny(p, "*?[") {
			if ok, err := path.Match(p, key); ok && err == nil {
				return true
			}
			// A key such as Users[0].Name is no pattern: it is a prefix too.
		}
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// tableOf is the table of a configuration key such as General.MachineName.
func tableOf(key string) string {
	t, _, _ := strings.Cut(key, ".")
	t, _, _ = strings.Cut(t, "[")
	return t
}
