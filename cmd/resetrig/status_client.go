package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"resetrig/web"
)

// rigFlags say which rig is asked, and how it is known to be the right one.
type rigFlags struct {
	url, tokenFile, ca, fingerprint string
	within                          time.Duration
}

// rigClient asks another rig's API.
type rigClient struct {
	base  *url.URL
	token string
	http  *http.Client
}

// answerMost bounds what an answer may be, in bytes.
const answerMost = 32 << 20

// newRigClient looks at the flags; nothing is sent yet.
func newRigClient(f rigFlags) (*rigClient, error) {
	base, err := url.Parse(f.url)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.Path != "" && base.Path != "/" || base.RawQuery != "" || base.User != nil {
		return nil, usage(fmt.Errorf("--rig %q: want the address of a dashboard, like https://pi.lab:8090", f.url))
	}
	c := &rigClient{base: base}
	if f.tokenFile != "" {
		data, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return nil, usage(fmt.Errorf("--token-file: %w", err))
		}
		if c.token = strings.TrimSpace(string(data)); c.token == "" || strings.ContainsAny(c.token, " \t\r\n") {
			return nil, usage(fmt.Errorf("--token-file %s: want one token and nothing else, as `resetrig serve token` printed it", f.tokenFile))
		}
		if base.Scheme == "http" && !loopback(base.Hostname()) {
			return nil, usage(fmt.Errorf("--rig %s: the token would go over the network in the clear: serve with --tls-cert, or tunnel (ssh -L)", f.url))
		}
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, usage(fmt.Errorf("--ca: %w", err))
		}
		if secure.RootCAs = x509.NewCertPool(); !secure.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usage(fmt.Errorf("--ca %s: there is no certificate in it", f.ca))
		}
	}
	if f.fingerprint != "" {
		want, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(f.fingerprint), "sha256:"), ":", ""))
		if err != nil || len(want) != sha256.Size {
			return nil, usage(errors.New("--fingerprint: want the SHA-256 of the rig's certificate in 64 hexadecimal digits"))
		}
		secure.InsecureSkipVerify = f.ca == "" // what is known is the certificate itself
		secure.VerifyConnection = func(s tls.ConnectionState) error {
			if got := sha256.Sum256(s.PeerCertificates[0].Raw); string(got[:]) != string(want) {
				return &certificateError{fmt.Sprintf("%x", got)}
			}
			return nil
		}
	}
	if (f.ca != "" || f.fingerprint != "") && base.Scheme != "https" {
		return nil, usage(errors.New("--ca and --fingerprint are for https"))
	}
	c.http = &http.Client{
		Timeout:       f.within,
		Transport:     &http.Transport{TLSClientConfig: secure, ForceAttemptHTTP2: true, MaxIdleConns: 1, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a token goes nowhere else
	}
	return c, nil
}

// certificateError is a certificate that is not the pinned one.
type certificateError struct{ got string }

func (e *certificateError) Error() string {
	return "its certificate is another than --fingerprint says: sha256:" + e.got
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// get asks for one thing. The error has the exit code: 2 where the rig does not
// let us in, or is another than was wanted; 3 where it cannot be reached.
func (c *rigClient) get(ctx context.Context, path string, query url.Values, into any) error {
	at := *c.base
	at.Path, at.RawQuery = path, query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return err
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	r.Header.Set("User-Agent", "resetrig/"+version)
	answer, err := c.http.Do(r)
	if err != nil {
		var cert *certificateError
		var unknown *tls.CertificateVerificationError
		switch {
		case context.Cause(ctx) != nil:
			return context.Cause(ctx)
		case errors.As(err, &cert):
			return usage(fmt.Errorf("rig %s: %w", c.base.Host, cert))
		case errors.As(err, &unknown):
			return usage(fmt.Errorf("rig %s: its certificate is not trusted: %w; give --ca or --fingerprint", c.base.Host, unknown.Err))
		}
		return rigError(fmt.Errorf("rig %s cannot be reached: %w", c.base.Host, err))
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, answerMost))
	if err != nil {
		return rigError(fmt.Errorf("rig %s broke off: %w", c.base.Host, err))
	}
	if answer.StatusCode != http.StatusOK {
		return c.refused(answer, data)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return rigError(fmt.Errorf("rig %s: its answer is none of this version's API: %w", c.base.Host, err))
	}
	return nil
}

func (c *rigClient) refused(answer *http.Response, data []byte) error {
	var p web.Problem
	text := answer.Status
	if json.Unmarshal(data, &p) == nil && p.Detail != "" {
		text = fmt.Sprintf("%d %s", answer.StatusCode, p.Detail)
	}
	err := fmt.Errorf("rig %s: %s", c.base.Host, strings.Map(printable, text))
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest:
		if c.token == "" {
			err = fmt.Errorf("%w; give --token-file with a token of `resetrig serve token`", err)
		}
		return usage(err)
	case http.StatusNotFound:
		return usage(fmt.Errorf("%w; is that a dashboard of resetrig?", err))
	}
	if answer.StatusCode < 500 {
		return usage(err)
	}
	return rigError(err)
}

// printable keeps what another computer says from acting on the terminal.
func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return '.'
	}
	return r
}

// Of statusSource.

func (c *rigClient) name(ctx context.Context) (string, error) {
	var info web.RigInfo
	err := c.get(ctx, "/api/v1/rig", nil, &info)
	return fmt.Sprintf("rig %s, resetrig %s", info.Name, info.Version), err
}

func (c *rigClient) moments(ctx context.Context) ([]web.Moment, error) {
	var list web.MomentList
	err := c.get(ctx, "/api/v1/moments", nil, &list)
	return list.Moments, err
}

func (c *rigClient) last(ctx context.Context, bench string) (*web.Run, error) {
	var list web.RunList
	if err := c.get(ctx, "/api/v1/runs", url.Values{"bench": {bench}, "limit": {"1"}}, &list); err != nil || len(list.Runs) == 0 {
		return nil, err
	}
	return &list.Runs[0], nil
}

func (c *rigClient) cycles(ctx context.Context, run string) ([]web.Cycle, error) {
	var list web.CycleList
	err := c.get(ctx, "/api/v1/cycles", url.Values{"run": {run}, "limit": {fmt.Sprint(statusStrip)}}, &list)
	return list.Cycles, err
}
