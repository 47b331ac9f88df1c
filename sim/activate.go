package sim

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
)

// Activation as client libraries encode it. The client posts the modulus of an
// RSA-1024 public key (exponent 65537), the unit encrypts a random text of 32
// hex digits for it with PKCS#1 v1.5; the sixteen bytes that those digits mean
// are an AES-128 key, under which the client sends in ECB mode, padded with
// zeros, the text's first sixteen characters and the password. What goes over
// the wire is base64 of hex. A modulus and a password in base64 of the bytes
// themselves are taken as well: no capture shows which a unit insists on.

// hexOrRaw decodes base64 of hex, or base64 alone.
func hexOrRaw(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) == 0 {
		return nil, false
	}
	if h, err := hex.DecodeString(string(b)); err == nil {
		return h, true
	}
	return b, true
}

// challengeKey answers POST /ISAPI/Security/challenge.
func (w hikvision) challengeKey(path string, body []byte) answer {
	doc, err := readXML(body)
	if err != nil {
		return w.status(path, 5, "badXmlFormat")
	}
	n, ok := hexOrRaw(doc.at("key"))
	modulus := new(big.Int).SetBytes(n)
	if !ok || modulus.BitLen() != 1024 {
		return w.status(path, 6, "badXmlContent")
	}
	w.server.dialogue = fmt.Sprintf("%016x%016x", w.netRnd.Uint64(), w.netRnd.Uint64())
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, &rsa.PublicKey{N: modulus, E: 65537}, []byte(w.server.dialogue))
	if err != nil {
		return w.status(path, 6, "badXmlContent")
	}
	return w.xmlAnswer(200, w.document("Challenge", leaf("key", base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(sealed))))))
}

// activateBy answers PUT /ISAPI/System/activate. A challenge is good for one.
func (w hikvision) activateBy(path string, body []byte) answer {
	text := w.server.dialogue
	w.server.dialogue = ""
	doc, err := readXML(body)
	switch {
	case err != nil:
		return w.status(path, 5, "badXmlFormat")
	case w.front().initialised || text == "":
		return w.status(path, 4, "invalidOperation")
	case w.faults[refusedWrite]:
		return w.status(path, 3, "deviceError")
	}
	sealed, ok := hexOrRaw(doc.at("password"))
	key, err := hex.DecodeString(text)
	if !ok || err != nil || len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return w.status(path, 6, "badXmlContent")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return w.status(path, 3, "deviceError")
	}
	for i := 0; i < len(sealed); i += aes.BlockSize {
		block.Decrypt(sealed[i:], sealed[i:])
	}
	password := string(bytes.TrimRight(sealed[aes.BlockSize:], "\x00"))
	if string(sealed[:aes.BlockSize]) != text[:aes.BlockSize] || !w.password(password) {
		return w.status(path, 6, "badXmlContent")
	}
	w.activate(password)
	return w.status(path, 1, "ok")
}
