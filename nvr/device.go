package nvr

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"resetrig/rig"
)

// The time that one question may take, on the bench's clock.
const (
	askTime      = 5 * time.Second         // an authenticated request
	lookTime     = 2 * time.Second         // a request of a probe
	elsewhereFor = 1500 * time.Millisecond // a request of a probe at another address
	discoverTime = 300 * time.Millisecond  // waiting for datagrams in a probe
)

// Options are what a Device is made of.
type Options struct {
	Model         Model
	URL           string // where the unit answers; the model's DefaultURL if empty
	AfterResetURL string // where it answers after a reset, if that is elsewhere; nothing is asked there if empty
	// DiscoveryAddr is asked for a unit that answers nowhere: a broadcast,
	// multicast or unicast address, with or without a port. Empty asks the
	// unit's own address.
	DiscoveryAddr string
	Identity      rig.Identity   // who it must be; what is empty is bound on first sight
	Login         rig.Credential // the bench's own login
	Clock         rig.Clock
	Net           Network
	Ledger        Ledger
	Vault         Vault
	// Trust holds the certificates of https addresses; nil takes any, since who
	// answers is proven by its serial number and its login too.
	Trust        Trust
	Rand         io.Reader         // source of unique values; crypto/rand if nil
	Reference    Reference         // what else the baseline says
	Baseline     map[string]string // Table.key → value after a known good reset
	Firmware     string            // expected version; what was seen first if empty
	Log          *slog.Logger      // nil logs nothing
	Transcript   func(Exchange)    // nil records nothing
	Transcribing func() bool       // whether it is wanted now; nil is always
}

// Device is one recorder. It implements rig.Prober, rig.Provisioner,
// rig.Marker, rig.Judge and rig.Resetter. Its methods may be called from any
// goroutine; they run one after the other.
type Device struct {
	o       Options
	model   Model
	dialect dialect
	log     *slog.Logger

	mu       sync.Mutex
	base     string       // where it answers now
	id       rig.Identity // who it must be: the bench's word, and what was learnt
	seen     rig.Identity // who answered: the last look, and the logins after it
	found    bool         // discovery has told who it is, once at least
	unsure   bool         // base was followed to without a proof of who answers there
	firmware string       // seen first, or expected
	current  *rig.Credential
	tried    map[[32]byte]int  // refusals since the last change of state
	good     map[[32]byte]bool // accepted since the last change of state
	secrets  []string          // what no error, log or transcript may show
	marked   string            // the last mark with a password
	markedAs rig.Credential
	before   map[string]string // configuration right before a partial reset
	judged   string            // the mark whose unit was found uninitialised, and provisioned to look further
	finds    bool              // discovery has found it, once at least
	alive    bool              // in this look something answered, be it a refused connection
	silent   bool              // the last probe found nothing
	lastInit rig.InitState
	said     *lockWord // with the refusal that is being booked
	pins     pins
	// lockedUntil is when the lock ends of which the unit spoke.
	lockedUntil time.Time
	opened      []*session                   // over the JSON-RPC, to be ended
	accounts    []string                     // right before a partial reset; nil: not known
	reference   map[string]map[string]string // tables as the factory has them, where no baseline is
}

var (
	_ rig.Prober      = (*Device)(nil)
	_ rig.Provisioner = (*Device)(nil)
	_ rig.Marker      = (*Device)(nil)
	_ rig.Judge       = (*Device)(nil)
	_ rig.Resetter    = (*Device)(nil)
	_ rig.Refuser     = (*Device)(nil)
)

// Open checks the options and returns the device. It sends nothing.
func Open(o Options) (*Device, error) {
	m, err := o.Model.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Clock == nil || o.Net == nil || o.Ledger == nil || o.Vault == nil {
		return nil, errors.New("open recorder: clock, network, ledger and vault are needed")
	}
	o.URL = cmp.Or(o.URL, m.DefaultURL)
	for _, u := range []*string{&o.URL, &o.AfterResetURL} {
		if *u, err = cleanURL(*u); err != nil {
			return nil, err
		}
	}
	if o.URL == "" {
		return nil, errors.New("open recorder: no url, and the model has no default")
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if n, ok := o.Net.(*realNetwork); ok {
		o.Net = n.speaking(tlsVersions[m.TLS.Least])
	}
	d := &Device{
		o: o, model: m, log: o.Log, base: o.URL, id: o.Identity,
		firmware: tidyVersion(o.Firmware),
		tried:    map[[32]byte]int{}, good: map[[32]byte]bool{},
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.guard(o.Login.Password)
	switch m.Dialect {
	case DialectIMOU:
		d.dialect = newIMOU(d, &dahua{unable: unable{"imou"}, d: d, devInit: m.Generation == New, rpc: rpcToo})
	case DialectDahua:
		d.dialect = &dahua{unable: unable{"dahua-cgi"}, d: d}
	case DialectHikvision:
		d.dialect = &hikvision{unable: unable{"hikvision"}, d: d}
	case DialectONVIF:
		d.dialect = &onvif{unable: unable{"onvif"}, d: d}
	case DialectRPC2:
		d.dialect = rpc2{&dahua{unable: unable{"dahua-rpc2"}, d: d, devInit: m.Generation == New, rpc: rpcOnly}}
	case DialectPlain:
		d.dialect = &plain{unable{"plain"}, d}
	}
	return d, nil
}

// DUT is the device as the bench sees it: what its dialect cannot do is nil.
func (d *Device) DUT() rig.DUT {
	u := rig.DUT{
		Prober: d, Provisioner: d, Judge: d,
		LeastBoot: d.model.LeastBoot, MostBoot: d.model.MostBoot,
		NeedsProvision: d.dialect.can().proof == byInit,
		HasBaseline:    len(d.o.Baseline) > 0 || d.dialect.can().defaults,
	}
	if d.dialect.can().mark {
		u.Marker = d
	}
	if d.dialect.can().reset {
		u.Resetter, u.Refuser = d, d
	}
	return u
}

// cleanURL keeps scheme, host and port of an address. "" stays "".
func cleanURL(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("recorder address %q: want http://host or https://host", redactURL(s))
	}
	if u.User != nil {
		return "", fmt.Errorf("recorder address %q: a login belongs in the bench's login, not in its url", u.Redacted())
	}
	return u.Scheme + "://" + u.Host, nil
}

// keys are the names under which this unit has an account of refused logins
// and passwords: what identifies it, or its address as long as nothing does.
func (d *Device) keys() []string {
	var k []string
	if d.id.Serial != "" {
		k = append(k, "serial:"+d.id.Serial)
	}
	if d.id.MAC != "" {
		k = append(k, "mac:"+bareMAC(d.id.MAC))
	}
	if len(k) == 0 {
		k = append(k, "url:"+d.o.URL)
	}
	return k
}

func identityText(id rig.Identity) string {
	var parts []string
	if id.Serial != "" {
		parts = append(parts, "serial "+id.Serial)
	}
	if id.MAC != "" {
		parts = append(parts, "MAC "+id.MAC)
	}
	if len(parts) == 0 {
		return "nothing that identifies it"
	}
	return strings.Join(parts, ", ")
}

// bareMAC is an address without separators, in lower case.
func bareMAC(s string) string {
	return strings.ToLower(strings.NewReplacer(":", "", "-", "", ".", "").Replace(s))
}

// changed says that the unit's accounts may have changed: every credential may
// be tried once more, and none is known to be good.
func (d *Device) changed() {
	clear(d.tried)
	clear(d.good)
}

func credentialKey(c rig.Credential) [32]byte {
	return sha256.Sum256([]byte(c.User + "\x00" + c.Password.Reveal()))
}

func same(a, b rig.Credential) bool { return a.User == b.User && a.Password == b.Password }
