package sim

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// The unit's RSA key, the same for every simulated one so that runs repeat.
// It protects nothing.
const (
	keyN = "ca3f2ac4e8e920a62b82d6617180c22e9fb74fb59c47e9935b189147e67d381c" +
		"a6277f6905eeefb7be7629b20ed5f417b6d1aa701a8d6ada5439037773fe6f5a" +
		"a8724a1eff7cc5a5a0b0089e26182413e7fe5df30dcf852da0e68a1c3b470508" +
		"57d70740680585d056ace61930738152116df0182d62852e0ed551f5e6655b7d"
	keyD = "377ed3be8a6685e5f2e488ecde1745b143742a741bf90397c29460310986eca1" +
		"b7d9f8b519c2b1968ab5a3c54f1ad84ab5889caafc2e37d6c6eb8a0efa0e2401" +
		"8fd5870bd5e06402b776299fe30381abc0e69e78c08a8c0c82a1ce25680392cd" +
		"95ae6c2f0ddeb848adaa5613d07a3272a1bc7be7bfac54fba4495c1f2838d725"
	keyP = "fc14a1e21f0cddeaa3b88964a892a129cd83f1024a4ca8a47b9c6bc756910b0d" +
		"097ffdfa47cdb066a9ecf0a47a709b5c22a70f52f2bd440c2013ba3a764de897"
	keyQ = "cd642dc7054de5d5e6acea43088a9cbbf8c34ae975ec2b24ee5d23f747022776" +
		"5dd065af62342153707d74147bf5469beb00b5592c112a69ad33719a093d2b0b"
)

func serverKey() *rsa.PrivateKey {
	num := func(s string) *big.Int {
		n, _ := new(big.Int).SetString(s, 16)
		return n
	}
	k := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: num(keyN), E: 65537},
		D:         num(keyD), Primes: []*big.Int{num(keyP), num(keyQ)},
	}
	k.Precompute()
	return k
}

// encryptInfo is what Security.getEncryptInfo tells.
func (w *World) encryptInfo() map[string]any {
	return map[string]any{
		"AESPadding": []string{"ZERO", "PKCS7"},
		"asymmetric": "RSA",
		"cipher":     []string{"AES", "RPAC"},
		"pub":        fmt.Sprintf("N:%X,E:010001", w.server.key.N),
	}
}

// envelope is an encrypted params object.
type envelope struct {
	Cipher  string `json:"cipher"`
	Salt    string `json:"salt"`
	Content string `json:"content"`
}

var errEnvelope = errors.New("envelope cannot be opened")

// open decrypts an envelope: salt is the hex of RSA PKCS#1 v1.5 of the AES
// key, 16 or 32 decimal digits; content is the base64 of AES-CBC, zero padded,
// with sixteen ASCII zeros as IV.
func (w *World) open(params json.RawMessage) ([]byte, error) {
	var e envelope
	if json.Unmarshal(params, &e) != nil || !strings.HasPrefix(e.Cipher, "RPAC") {
		return nil, errEnvelope
	}
	salt, err := hex.DecodeString(e.Salt)
	if err != nil {
		return nil, errEnvelope
	}
	key, err := rsa.DecryptPKCS1v15(nil, w.server.key, salt)
	if err != nil || len(key) != 16 && len(key) != 32 || strings.Trim(string(key), "0123456789") != "" {
		return nil, errEnvelope
	}
	content, err := base64.StdEncoding.DecodeString(e.Content)
	if err != nil || len(content) == 0 || len(content)%aes.BlockSize != 0 {
		return nil, errEnvelope
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errEnvelope
	}
	cipher.NewCBCDecrypter(block, []byte("0000000000000000")).CryptBlocks(content, content)
	return []byte(strings.TrimRight(string(content), "\x00")), nil
}
