package access

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	pairApart = 10 * time.Second // between two looks at the files
	pemMost   = 1 << 20
)

// keyPair is a certificate and its key, read anew when their files change.
type keyPair struct {
	certFile, keyFile string

	mu        sync.Mutex
	looked    time.Time
	cert, key []byte // the files as they were read
	parsed    *tls.Certificate
	failed    string // what was last told
}

// UseTLS makes the server speak TLS 1.2 and later, and nothing else, at the ports
// that Listen opens: who speaks plain HTTP there gets 400 and the advice to use
// https. The files are PEM, the certificate with its intermediates. When they
// change they are read again within ten seconds, at the next connection; while
// they do not fit each other, as between the two renames of a renewal, the pair
// before them stays, and Log is told.
func (p *Policy) UseTLS(certFile, keyFile string) error {
	k := &keyPair{certFile: certFile, keyFile: keyFile, looked: p.clock.Now()}
	if _, err := k.read(); err != nil {
		return err
	}
	if end := k.parsed.Leaf.NotAfter; end.Before(p.clock.Now()) {
		return fmt.Errorf("certificate %s has expired at %s: renew it", certFile, end.UTC().Format(time.DateTime))
	}
	p.pair = k
	return nil
}

// read reads the files, and reports whether the pair is another than before.
func (k *keyPair) read() (changed bool, err error) {
	cert, err := readPEM(k.certFile, false)
	if err != nil {
		return false, err
	}
	key, err := readPEM(k.keyFile, true)
	if err != nil {
		return false, err
	}
	if bytes.Equal(cert, k.cert) && bytes.Equal(key, k.key) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, k.explain(cert, key, err)
	}
	if pair.Leaf == nil { // GODEBUG=x509keypairleaf=0
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return false, fmt.Errorf("read certificate %s: %w", k.certFile, err)
		}
	}
	k.cert, k.key, k.parsed = cert, key, &pair
	return true, nil
}

// explain says what to do.
func (k *keyPair) explain(cert, key []byte, err error) error {
	switch {
	case !hasPEM(cert, "CERTIFICATE"):
		return fmt.Errorf("%s has no certificate in PEM: are the two files swapped? (%w)", k.certFile, err)
	case hasPEM(key, "ENCRYPTED PRIVATE KEY"), bytes.Contains(key, []byte("Proc-Type: 4,ENCRYPTED")):
		return fmt.Errorf("the key in %s has a passphrase, and nobody is there to type it: openssl pkey -in %s -out NEW (%w)", k.keyFile, k.keyFile, err)
	case !hasPEM(key, "PRIVATE KEY"):
		return fmt.Errorf("%s has no key in PEM: are the two files swapped? (%w)", k.keyFile, err)
	case strings.Contains(err.Error(), "does not match"): // package tls has no value for it
		return fmt.Errorf("key %s does not belong to the first certificate in %s: the server's own certificate comes first in it, and both are of one renewal (%w)", k.keyFile, k.certFile, err)
	}
	return fmt.Errorf("read certificate %s with key %s: %w", k.certFile, k.keyFile, err)
}

// hasPEM looks for a block of a type that ends so.
func hasPEM(text []byte, kind string) bool {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return false
		}
		if strings.HasSuffix(block.Type, kind) {
			return true
		}
	}
}

func readPEM(path string, secret bool) ([]byte, error) {
	what := "certificate"
	if secret {
		what = "key"
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the server's %s: %w", what, err)
	}
	defer f.Close()
	if secret {
		if err := guarded(f, "key", path); err != nil {
			return nil, err
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, pemMost))
	if err != nil {
		return nil, fmt.Errorf("read the server's %s %s: %w", what, path, err)
	}
	return b, nil
}

// certificate is the pair for a connection.
func (p *Policy) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k, now := p.pair, p.clock.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if since := now.Sub(k.looked); since < 0 || since >= pairApart {
		k.looked = now
		_, err := k.read()
		switch {
		case err == nil:
			k.failed = ""
		case err.Error() != k.failed:
			k.failed = err.Error()
			p.log("read the renewed certificate; the one before stays", err)
		}
	}
	return k.parsed, nil
}

func (p *Policy) tlsConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.certificate, NextProtos: []string{"h2", "http/1.1"}}
}

func (p *Policy) wrapTLS(l net.Listener) net.Listener {
	if p.pair == nil {
		return l
	}
	return tls.NewListener(l, p.tlsConfig())
}

func (p *Policy) configureTLS(srv *http.Server) {
	if p.pair != nil {
		srv.TLSConfig = p.tlsConfig() // net/http sets HTTP/2 up by it
	}
}
