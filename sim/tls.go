package sim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// What a TLS handshake costs a small processor.
const handshakeLeast, handshakeMost = 20 * time.Millisecond, 80 * time.Millisecond

// RoundTripperTLS is RoundTripper with a say about certificates: after the
// handshake's cost verify gets the connection's state, PeerCertificates among
// it, and its error ends the connection before a byte of the request reaches
// the unit. A nil verify accepts every certificate.
func (w *World) RoundTripperTLS(verify func(tls.ConnectionState) error) http.RoundTripper {
	return tripper{w, verify}
}

// keyed is a certificate with its key.
type keyed struct {
	cert *x509.Certificate
	pair tls.Certificate
}

// certificate is that of whoever answers at the unit's address: signed by
// itself, for its default address alone, and the same in every World where
// serial number and number of the key are.
func (w *World) certificate() (keyed, error) {
	name := fmt.Sprintf("%s/%d", w.serial(), w.front().key)
	if k, ok := w.server.certs[name]; ok {
		return k, nil
	}
	fail := func(err error) (keyed, error) {
		return keyed{}, fmt.Errorf("certificate of the simulated unit: %w", err)
	}
	d := sha256.Sum256([]byte(name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		return fail(err)
	}
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(d[:8]),
		Subject:      pkix.Name{CommonName: w.serial(), Organization: []string{w.vendor()}},
		NotBefore:    time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC),
		IPAddresses:  []net.IP{net.ParseIP(w.model.DefaultAddress)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if t.IPAddresses[0] == nil {
		t.IPAddresses = nil
	}
	// Without a source of randomness the signature is RFC 6979's.
	der, err := x509.CreateCertificate(nil, t, t, &key.PublicKey, key)
	if err != nil {
		return fail(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fail(err)
	}
	k := keyed{cert, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}}
	if w.server.certs == nil {
		w.server.certs = map[string]keyed{}
	}
	w.server.certs[name] = k
	return k, nil
}

// tlsVersion is the one that the unit speaks.
func (w *World) tlsVersion() uint16 {
	if w.quirk(tls10) {
		return tls.VersionTLS10
	}
	return tls.VersionTLS12
}

// tlsConfig serves the unit's certificate of the moment.
func (w *World) tlsConfig() *tls.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &tls.Config{
		MinVersion: w.tlsVersion(), MaxVersion: w.tlsVersion(), NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			k, err := w.certificate()
			if err != nil {
				return nil, err
			}
			return &k.pair, nil
		},
	}
}

// handshake is TLS's over a connection that was made in the unit's life.
func (w *World) handshake(ctx context.Context, host, port string, life uint64) (tls.ConnectionState, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fail := func(err error) (tls.ConnectionState, error) {
		n, _ := strconv.Atoi(port)
		return tls.ConnectionState{}, &net.OpError{Op: "read", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(host), Port: n}, Err: err}
	}
	if w.hostile() == httpHangs {
		return fail(w.wait(ctx, life))
	}
	cost := 2*drawBetween(w.netRnd, tripLeast, tripMost) + drawBetween(w.netRnd, handshakeLeast, handshakeMost)
	if err := w.advance(ctx, w.now+cost); err != nil {
		return fail(err)
	}
	if life != w.life || w.cutOff() {
		return fail(w.wait(ctx, life))
	}
	if w.door(port) != tlsDoor {
		return tls.ConnectionState{}, tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}
	}
	k, err := w.certificate()
	if err != nil {
		return fail(err)
	}
	suite := tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	if w.tlsVersion() < tls.VersionTLS12 {
		suite = tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
	}
	return tls.ConnectionState{
		Version: w.tlsVersion(), HandshakeComplete: true, CipherSuite: suite,
		ServerName: host, PeerCertificates: []*x509.Certificate{k.cert},
	}, nil
}

// wait is how a connection ends over which nothing comes any more: at once
// where the unit restarted under it, else when ctx has had enough.
func (w *World) wait(ctx context.Context, life uint64) error {
	if w.unit.running && life != w.life {
		return os.NewSyscallError("read", syscall.ECONNRESET)
	}
	if err := w.advance(ctx, w.now+hangBound); err != nil {
		return err
	}
	return os.NewSyscallError("read", syscall.ETIMEDOUT)
}
