package nvr

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"strings"

	"resetrig/rig"
)

// Envelope is how a unit takes a secret without a login: RPAC-256. Salt is the
// hex of a one-time key under the unit's RSA key (PKCS#1 v1.5), Content the
// base64 of the message under that key (AES-256-CBC, zero padded).
type Envelope struct {
	Cipher  string `json:"cipher"`
	Salt    string `json:"salt"`
	Content string `json:"content"`
}

// envelopeIV is sixteen ASCII zeros, not zero bytes.
const envelopeIV = "0000000000000000"

// Seal puts a message into an envelope for the holder of a public key that is
// written as "N:<hex>,E:<hex>". random gives the one-time key of 32 decimal
// digits.
func Seal(pub string, message []byte, random io.Reader) (Envelope, error) {
	key, err := parsePub(pub)
	if err != nil {
		return Envelope{}, err
	}
	digits, err := randomText(random, "0123456789", 32)
	if err != nil {
		return Envelope{}, err
	}
	// The protocol has no other padding.
	salt, err := rsa.EncryptPKCS1v15(random, key, []byte(digits))
	if err != nil {
		return Envelope{}, fmt.Errorf("%w: encrypt for the unit's key: %v", rig.ErrGarbage, err)
	}
	content, err := sealAES(digits, message)
	if err != nil {
		return Envelope{}, err
	}
	return Envelope{Cipher: "RPAC-256", Salt: hex.EncodeToString(salt), Content: content}, nil
}

// sealAES is the content of an envelope: the key's digits are its bytes.
func sealAES(digits string, message []byte) (string, error) {
	block, err := aes.NewCipher([]byte(digits))
	if err != nil {
		return "", fmt.Errorf("envelope key: %w", err)
	}
	b := make([]byte, (len(message)+aes.BlockSize-1)/aes.BlockSize*aes.BlockSize)
	copy(b, message)
	cipher.NewCBCEncrypter(block, []byte(envelopeIV)).CryptBlocks(b, b)
	return base64.StdEncoding.EncodeToString(b), nil
}

// parsePub reads "N:<hex>,E:<hex>".
func parsePub(s string) (*rsa.PublicKey, error) {
	var n, e *big.Int
	for _, part := range strings.Split(s, ",") {
		name, digits, _ := strings.Cut(strings.TrimSpace(part), ":")
		v, ok := new(big.Int).SetString(digits, 16)
		if !ok || v.Sign() <= 0 {
			return nil, fmt.Errorf("%w: public key part %q", rig.ErrGarbage, short(name))
		}
		switch name {
		case "N":
			n = v
		case "E":
			e = v
		}
	}
	if n == nil || e == nil || !e.IsInt64() || e.Int64() > 1<<31-1 || n.BitLen() > 8192 {
		return nil, fmt.Errorf("%w: the public key has no usable N and E", rig.ErrGarbage)
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// randomText draws n letters of an alphabet of at most 256, each as likely.
func randomText(r io.Reader, alphabet string, n int) (string, error) {
	out := make([]byte, 0, n)
	limit := 256 - 256%len(alphabet)
	buf := make([]byte, 1)
	for len(out) < n {
		if _, err := io.ReadFull(r, buf); err != nil {
			return "", fmt.Errorf("read random bytes: %w", err)
		}
		if int(buf[0]) < limit {
			out = append(out, alphabet[int(buf[0])%len(alphabet)])
		}
	}
	return string(out), nil
}
