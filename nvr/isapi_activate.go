package nvr

import (
	"context"
	"crypto/aes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"resetrig/rig"
)

// Activation gives a unit its first password. The unit is told an RSA key of
// 1024 bits and answers with 32 hexadecimal digits under it; they are the key of
// AES-128 in ECB, under which the first sixteen of the digits and the password
// go back. The exponent is not sent: it is 65537. Every binary is hexadecimal in
// base64. Client libraries do so; no capture of a recorder is public.

// activationKey makes the client's key, once: it guards one password, for the
// moment in which it travels.
func (h *hikvision) activationKey() (*rsa.PrivateKey, error) {
	if h.key == nil {
		k, err := rsa.GenerateKey(h.d.o.Rand, 1024)
		if err != nil {
			return nil, fmt.Errorf("make a key for the activation: %w", err)
		}
		h.key = k
	}
	return h.key, nil
}

// provision activates the unit at base.
func (h *hikvision) provision(ctx context.Context, base string, c rig.Credential) error {
	if h.d.model.Generation != New {
		return h.no("provision")
	}
	if c.User != "admin" {
		return fmt.Errorf("activate: %w: the first account is admin, not %q", rig.ErrUnsupported, c.User)
	}
	key, err := h.activationKey()
	if err != nil {
		return err
	}
	modulus := make([]byte, 128)
	key.N.FillBytes(modulus)
	a, err := h.outside(ctx, base, "challenge", request{
		http.MethodPost, isapiRoot + isapiChallenge, kindXML,
		xmlHead + "<PublicKey><key>" + hexBase64(modulus) + "</key></PublicKey>",
	})
	if err != nil {
		return err
	}
	root, err := document(a.body)
	if err != nil {
		return fmt.Errorf("activate: challenge: %w", err)
	}
	if r, is := parseStatus(root); is {
		if err = r.err(); err == nil {
			err = fmt.Errorf("%w: it says %v, and no key", rig.ErrGarbage, r)
		}
		return fmt.Errorf("activate: challenge: %w", err)
	}
	digits, err := openChallenge(key, root.value("key"))
	if err != nil {
		return fmt.Errorf("activate: challenge: %w", err)
	}
	sealed, err := sealActivation(digits, c.Password.Reveal())
	if err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	a, err = h.outside(ctx, base, "activate", request{
		http.MethodPut, isapiRoot + isapiActivate, kindXML,
		xmlHead + "<ActivateInfo><password>" + sealed + "</password></ActivateInfo>",
	})
	if err != nil {
		return err
	}
	if _, err := h.statusOf(a); err != nil && !errors.Is(err, errNoWord) {
		return fmt.Errorf("activate: %w", err)
	}
	return nil // the activation state, asked next, tells whether it took it
}

// outside is a request that takes no login.
func (h *hikvision) outside(ctx context.Context, base, what string, q request) (*answer, error) {
	a, err := h.d.ask(ctx, h.d.wire(), askTime, base, q)
	switch {
	case err != nil:
		return nil, err
	case a.status >= 500 && h.says(a) != wordUnable:
		return nil, fmt.Errorf("activate: %s: %w: it says %d: not ready", what, rig.ErrUnreachable, a.status)
	case a.status == http.StatusUnauthorized:
		return nil, fmt.Errorf("activate: %s: %w: it asks for a login: it has its account", what, rig.ErrWrite)
	}
	return a, nil
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func hexBase64(b []byte) string {
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(b)))
}

// openChallenge decrypts the unit's digits.
func openChallenge(key *rsa.PrivateKey, sealed string) (string, error) {
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(sealed))
	if err != nil {
		return "", fmt.Errorf("%w: its key is no base64", rig.ErrGarbage)
	}
	cipher, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return "", fmt.Errorf("%w: its key is no hexadecimal", rig.ErrGarbage)
	}
	plain, err := rsa.DecryptPKCS1v15(nil, key, cipher)
	if err != nil {
		return "", fmt.Errorf("%w: its key was not made for ours", rig.ErrGarbage)
	}
	digits := strings.TrimRight(string(plain), "\x00")
	if _, err := hex.DecodeString(digits); err != nil || len(digits) != 32 {
		return "", fmt.Errorf("%w: its key is not 32 hexadecimal digits", rig.ErrGarbage)
	}
	return digits, nil
}

// sealActivation is the password as the unit takes it.
func sealActivation(digits, password string) (string, error) {
	key, err := hex.DecodeString(digits)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	plain := []byte(digits[:16] + password)
	for len(plain)%aes.BlockSize != 0 {
		plain = append(plain, 0)
	}
	for i := 0; i < len(plain); i += aes.BlockSize {
		block.Encrypt(plain[i:], plain[i:])
	}
	return hexBase64(plain), nil
}
