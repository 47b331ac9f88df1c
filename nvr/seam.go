package nvr

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"resetrig/rig"
)

// Network is how recorders are reached: the real one, or a plant's.
type Network interface {
	// RoundTripper carries HTTP, one connection per request. It calls the hooks
	// ConnectDone or GotConn of net/http/httptrace once a connection stands:
	// they alone tell a silent unit from one that connects and never answers.
	// It follows no redirect and ends when the request's context does.
	//
	// verify, if not nil, is shown the state of each TLS connection after its
	// handshake and before a byte of the request is sent; its error ends the
	// connection, and is what RoundTrip returns, wrapped.
	RoundTripper(verify func(tls.ConnectionState) error) http.RoundTripper
	// Exchange sends one datagram to an address with a port (unicast, broadcast
	// or multicast) and collects what comes back to the sending port until wait
	// has passed on the Clock. Nothing coming back is no error.
	Exchange(ctx context.Context, to string, datagram []byte, wait time.Duration) ([]Datagram, error)
}

// Carrier is a Network that sees the carrier of the cable to the DUT.
type Carrier interface {
	// Carrier is whether there is one; known is false where it cannot be told.
	Carrier() (up, known bool)
}

// Asker is a Network that can stop collecting when the answer is there.
type Asker interface {
	// Ask is Network.Exchange, and ends as soon as enough says so of an answer.
	Ask(ctx context.Context, to string, datagram []byte, wait time.Duration, enough func(Datagram) bool) ([]Datagram, error)
}

// Datagram is one answer.
type Datagram struct {
	From string // host:port
	Data []byte
}

// Ledger is the durable account of refused logins, per DUT.
type Ledger interface {
	// Refused books one refused login; it is durable when it returns nil.
	Refused(dut string, at time.Time) error
	// RefusedSince counts those that are not older than since.
	RefusedSince(dut string, since time.Time) (int, error)
	// Clear forgets all of that DUT.
	Clear(dut string) error
}

// Trust keeps the fingerprints of certificates, per DUT, under the names that
// Ledger and Vault use too. Recorders sign their own: the first that is seen is
// believed, and any other after it is not. It may be called from any goroutine.
type Trust interface {
	// Pinned is the hex of the SHA-256 of the certificate that is trusted; "" is
	// none yet.
	Pinned(dut string) (string, error)
	// Pin stores it, in place of an earlier one; "" forgets it. It is durable
	// when it returns nil.
	Pin(dut, fingerprint string) error
}

// Vault keeps the passwords that this program gave to units.
type Vault interface {
	// Remember stores a login: on stable storage, readable by its owner alone,
	// when it returns nil.
	Remember(dut string, c rig.Credential) error
	// Recall gives a DUT's logins, the newest first.
	Recall(dut string) ([]rig.Credential, error)
}

// Exchange is one HTTP request and its answer as they were on the wire, with
// every secret replaced by ***.
type Exchange struct {
	At       time.Time     `json:"at"`
	Took     time.Duration `json:"took_ns"`
	Method   string        `json:"method"`
	URL      string        `json:"url"`
	Request  string        `json:"request"` // header and body
	Status   int           `json:"status,omitempty"`
	Response string        `json:"response,omitempty"` // header and body
	Error    string        `json:"error,omitempty"`
}
