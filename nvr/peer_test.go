package nvr_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"resetrig/internal/need"
	"resetrig/nvr"
	"resetrig/rig"
)

// lighttpd is Debian's web server: its digest, its basic and its TLS were
// written by others. It listens on a socket of the test's, and ends with it.
type lighttpd struct {
	url  string
	logs string
}

// startLighttpd serves one page under a login. method is digest or basic,
// algorithm one that the server knows; cert, if not nil, is for https.
func startLighttpd(t *testing.T, method, algorithm string, cert *tls.Certificate) *lighttpd {
	t.Helper()
	program := need.Tool(t, "web", "lighttpd")
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	port := ln.Addr().(*net.TCPAddr).Port

	s := &lighttpd{url: fmt.Sprintf("http://127.0.0.1:%d", port), logs: filepath.Join(dir, "access.log")}
	modules, secure := `"mod_auth", "mod_authn_file", "mod_accesslog"`, ""
	if cert != nil {
		s.url = strings.Replace(s.url, "http:", "https:", 1)
		modules += `, "mod_openssl"`
		secure = fmt.Sprintf("ssl.engine = \"enable\"\nssl.pemfile = %q\n", write("cert.pem", pemOf(t, cert)))
	}
	if err := os.Mkdir(filepath.Join(dir, "www"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("www/index.html", "<html>recorder</html>")
	require := fmt.Sprintf(`"method" => %q, "realm" => "Login to 4F0A", "require" => "valid-user"`, method)
	if algorithm != "" {
		require += fmt.Sprintf(`, "algorithm" => %q`, algorithm)
	}
	conf := write("lighttpd.conf", fmt.Sprintf(`
server.modules = ( %s )
server.document-root = %q
server.bind = "127.0.0.1"
server.port = %d
server.systemd-socket-activation = "enable"
server.errorlog = %q
accesslog.filename = %q
accesslog.format = "%%s %%{Authorization}i"
index-file.names = ( "index.html" )
mimetype.assign = ( ".html" => "text/html" )
auth.backend = "plain"
auth.backend.plain.userfile = %q
auth.require = ( "/" => ( %s ) )
%s`, modules, filepath.Join(dir, "www"), port, filepath.Join(dir, "error.log"), s.logs, write("users", "admin:adm1n-of-it\n"), require, secure))

	// The socket is handed over as systemd does: the variable wants the pid of
	// the one who takes it.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" -D -f "$1"`, program, conf)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{socket}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // that it has ended already, Wait says too
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("lighttpd: %s%s", said.String(), log)
		}
	})
	return s
}

func pemOf(t *testing.T, c *tls.Certificate) string {
	t.Helper()
	var der []byte
	var err error
	switch k := c.PrivateKey.(type) {
	case *rsa.PrivateKey:
		der, err = x509.MarshalPKCS8PrivateKey(k)
	case *ecdsa.PrivateKey:
		der, err = x509.MarshalPKCS8PrivateKey(k)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
}

// Against a server that nobody here wrote: every way of a login that it knows,
// in the clear and over TLS with the certificate pinned. A wrong password is one
// refused login for the server too, and booked once.
func TestAgainstLighttpd(t *testing.T) {
	right := rig.Credential{User: "admin", Password: "adm1n-of-it"}
	for _, c := range []struct{ method, algorithm, auth string }{
		{"digest", "MD5", ""}, {"digest", "SHA-256", ""}, {"digest", "MD5|SHA-256", "digest"}, {"basic", "", ""}, {"basic", "", "basic"},
	} {
		for _, https := range []bool{false, true} {
			t.Run(strings.Trim(c.method+" "+c.algorithm+" "+c.auth, " ")+map[bool]string{true: " over TLS"}[https], func(t *testing.T) {
				t.Parallel() // the server lets a wrong password wait for a second
				var cert *tls.Certificate
				print := ""
				if https {
					own, sum := certificate(t, true)
					cert, print = &own, sum
				}
				s := startLighttpd(t, c.method, c.algorithm, cert)
				book, pins := newBook(), newTrust()
				d, err := nvr.Open(nvr.Options{
					Model: nvr.Model{Dialect: nvr.DialectPlain, Plain: nvr.PlainSpec{Auth: c.auth, Contains: "recorder"}, Accounts: []rig.Credential{right}},
					URL:   s.url, Clock: newJump(), Net: nvr.RealNetwork(rig.System(), ""), Ledger: book, Vault: book, Trust: pins,
				})
				if err != nil {
					t.Fatal(err)
				}
				if r := d.Login(t.Context(), right); r.Result != nvr.LoginAccepted || book.booked() != 0 {
					t.Fatalf("the right password: %+v, booked %d", r, book.booked())
				}
				if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "wr0ng-pw"}); r.Result != nvr.LoginRefused || book.booked() != 1 {
					t.Errorf("a wrong password: %+v, booked %d", r, book.booked())
				}
				// It is not sent again while nothing has changed.
				if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "wr0ng-pw"}); r.Result != nvr.LoginRefused || book.booked() != 1 {
					t.Errorf("the same again: %+v, booked %d", r, book.booked())
				}
				if st := d.State(t.Context()); st.State != nvr.StateDefault {
					t.Errorf("state %+v", st)
				}
				if got := pins.pins["url:"+s.url]; got != print {
					t.Errorf("pinned %q, want %q", got, print)
				}
				if !https {
					return
				}
				pins.pins["url:"+s.url] = strings.Repeat("0", 64)
				if r := d.Login(t.Context(), right); r.Result != nvr.LoginUnknown || r.Reason != rig.ReasonWrongUnit {
					t.Errorf("another certificate: %+v", r)
				}
			})
		}
	}
}

// The server's own count of refused logins is the client's.
func TestLighttpdCountsTheSame(t *testing.T) {
	t.Parallel()
	s := startLighttpd(t, "digest", "MD5", nil)
	book := newBook()
	d, err := nvr.Open(nvr.Options{
		Model: nvr.Model{Dialect: nvr.DialectPlain, Accounts: []rig.Credential{{User: "admin", Password: "not-this-1"}}},
		URL:   s.url, Clock: newJump(), Net: nvr.RealNetwork(rig.System(), ""), Ledger: book, Vault: book,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = d.State(t.Context())
		_ = d.Login(t.Context(), rig.Credential{User: "admin", Password: "adm1n-of-it"})
		_ = d.Login(t.Context(), rig.Credential{User: "admin", Password: "not-this-2"})
		_ = d.Login(t.Context(), rig.Credential{User: "nobody", Password: "adm1n-of-it"})
	}
	// The server writes its log when it finds the time.
	refused := -1
	for deadline := 0; deadline < 200 && refused != book.booked(); deadline++ {
		if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "adm1n-of-it"}); r.Result != nvr.LoginAccepted {
			t.Fatalf("%+v", r)
		}
		text, err := os.ReadFile(s.logs)
		if err != nil {
			t.Fatal(err)
		}
		refused = 0
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "401 Digest") {
				refused++
			}
		}
	}
	if refused != book.booked() || refused < 3 {
		t.Errorf("the server refused %d logins, %d are booked", refused, book.booked())
	}
}
