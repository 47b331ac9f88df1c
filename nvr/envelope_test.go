package nvr_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"resetrig/internal/need"
	"resetrig/nvr"
	"resetrig/rig"
)

func vector(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// fromDigits gives the bytes that draw these decimal digits, then endless ones.
func fromDigits(s string) *digitReader { return &digitReader{s: s} }

type digitReader struct {
	s string
	i int
}

func (r *digitReader) Read(p []byte) (int, error) {
	for k := range p {
		p[k] = 7
		if r.i < len(r.s) {
			p[k] = r.s[r.i] - '0'
		}
		r.i++
	}
	return len(p), nil
}

func TestEnvelopeEqualsOpenSSL(t *testing.T) {
	pub := "N:" + vector(t, "modulus.hex") + ",E:010001"
	digits := vector(t, "digits.txt")
	e, err := nvr.Seal(pub, []byte(vector(t, "message.json")), fromDigits(digits))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := e.Content, vector(t, "content.b64"); got != want {
		t.Errorf("content %s, openssl's %s", got, want)
	}
	if e.Cipher != "RPAC-256" {
		t.Errorf("cipher %q", e.Cipher)
	}
	openssl := need.Tool(t, "web", "openssl")
	salt, err := hex.DecodeString(e.Salt)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), openssl, "pkeyutl", "-decrypt", "-inkey", "testdata/key.pem", "-pkeyopt", "rsa_padding_mode:pkcs1")
	cmd.Stdin = bytes.NewReader(salt)
	out, err := cmd.Output()
	if err != nil || string(out) != digits {
		t.Errorf("openssl opens the salt as %q (%v), want %q", out, err, digits)
	}
	content, err := base64.StdEncoding.DecodeString(e.Content)
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), openssl, "enc", "-d", "-aes-256-cbc", "-nopad", "-K", hex.EncodeToString([]byte(digits)), "-iv", strings.Repeat("30", 16))
	cmd.Stdin = bytes.NewReader(content)
	out, err = cmd.Output()
	if got := strings.TrimRight(string(out), "\x00"); err != nil || got != vector(t, "message.json") {
		t.Errorf("openssl opens the content as %q (%v)", got, err)
	}
}

func TestSealRefusesBadKeys(t *testing.T) {
	for _, pub := range []string{"", "N:zz,E:010001", "N:00,E:3", "E:010001", "N:ff", "N:FFFF,E:FFFFFFFFFFFFFFFFFF"} {
		if _, err := nvr.Seal(pub, []byte("x"), chance(1)); err == nil {
			t.Errorf("key %q was taken", pub)
		}
	}
}

func TestPasswordRule(t *testing.T) {
	for p, ok := range map[string]bool{
		"abcdefg1": true, "Abcdefgh": true, strings.Repeat("a1", 16): true, "abc.def.": true,
		"abcdefgh": false, "abcdef1": false, strings.Repeat("a1", 16) + "b": false,
		"abcdefg1'": false, `abcdefg1"`: false, "abcdefg1;": false, "abcdefg1:": false, "abcdefg1&": false, "abc defg1": false,
	} {
		if got := nvr.PasswordRule(rig.Secret(p)) == nil; got != ok {
			t.Errorf("PasswordRule(%q) accepts: %v, want %v", p, got, ok)
		}
	}
}
