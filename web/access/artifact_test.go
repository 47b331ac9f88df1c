package access_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"resetrig/web/access"
)

// evidence has two cycles' folders, a secret beside them, and every way to it that
// a file system has.
func evidence(t *testing.T) (root string) {
	t.Helper()
	dir := t.TempDir()
	root = filepath.Join(dir, "artifacts")
	for _, d := range []string{root + "/c1/inside", root + "/c2", dir + "/outside"} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		dir + "/outside/secret.txt": "secret", root + "/top.txt": "secret", root + "/c1/cycle.wav": "0123456789",
		root + "/c1/exec-3.txt": "<script>alert(1)</script>", root + "/c1/page.html": "<script>alert(1)</script>",
		root + "/c1/picture.svg": "<svg onload=alert(1)>", root + "/c1/inside/x.txt": "secret", root + "/c2/other.txt": "secret",
		root + "/c1/.hidden.txt": "secret", root + "/c1/empty.png": "",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		root + "/c1/up.txt": "../../outside/secret.txt", root + "/c1/abs.txt": dir + "/outside/secret.txt",
		root + "/c1/sibling.txt": "../c2/other.txt", root + "/c1/own.txt": "cycle.wav", root + "/c1/etc.txt": "/etc/passwd",
		root + "/c1/proc.txt": "/proc/self/environ", root + "/out": dir + "/outside", root + "/c3": "c1",
	} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(root+"/c1/pipe.txt", 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestArtifactNamesReachNothingElse(t *testing.T) {
	root := evidence(t)
	for _, c := range [][2]string{
		{"c1", "../c2/other.txt"}, {"c1", "../../outside/secret.txt"}, {"c1", "/etc/passwd"}, {"c1", ".."}, {"c1", "."}, {"c1", ""},
		{"c1", "inside/x.txt"}, {"c1", "inside"}, {"c1", ".hidden.txt"}, {"c1", "cycle.wav\x00.png"}, {"c1", "cycle.wav\x00"},
		{"c1", `..\c2\other.txt`}, {"c1", `c:\x`}, {"c1", "%2e%2e%2fc2%2fother.txt"}, {"c1", "..%2fc2%2fother.txt"}, {"c1", "%252e%252e"},
		{"c1", "up.txt"}, {"c1", "abs.txt"}, {"c1", "sibling.txt"}, {"c1", "own.txt"}, {"c1", "etc.txt"}, {"c1", "proc.txt"},
		{"c1", "pipe.txt"}, {"c1", "none.txt"}, {"c1", "./cycle.wav"}, {"c1", "cycle.wav/"}, {"c1", "cycle.wav/."}, {"c1", "-x"}, {"c1", "cycle.wav "},
		{"c1", "．．/x"}, {"c1", "\xff"}, {"c1", strings.Repeat("a", 300)}, {"c1", "cycle\n.wav"},
		{"", "top.txt"}, {".", "top.txt"}, {"..", "artifacts"}, {"../outside", "secret.txt"}, {"out", "secret.txt"}, {"c3", "cycle.wav"},
		{"c1/../c2", "other.txt"}, {"/", "etc"}, {"c1/inside", "x.txt"}, {"c1\x00", "cycle.wav"}, {"%2e%2e", "top.txt"}, {"top.txt", "x"},
	} {
		f, _, err := access.OpenArtifact(root, c[0], c[1])
		if err == nil {
			text, _ := io.ReadAll(f)
			_ = f.Close()
			t.Errorf("%q, %q: opened, with %q", c[0], c[1], text)
		} else if !errors.Is(err, access.ErrNoArtifact) {
			t.Errorf("%q, %q: got %v", c[0], c[1], err)
		}
	}
	f, i, err := access.OpenArtifact(root, "c1", "cycle.wav")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, _ := io.ReadAll(f); string(text) != "0123456789" || i.Size() != 10 {
		t.Errorf("got %q, %d", text, i.Size())
	}
	if _, _, err := access.OpenArtifact(root+"/none", "c1", "cycle.wav"); !errors.Is(err, access.ErrNoArtifact) {
		t.Errorf("without a root: got %v", err)
	}
}

func serveEvidence(t *testing.T, p *place, root string) (addr string) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cycles/{id}/files/{name}", func(w http.ResponseWriter, r *http.Request) {
		f, i, err := access.OpenArtifact(root, r.PathValue("id"), r.PathValue("name"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer f.Close()
		access.ServeArtifact(w, r, i.Name(), i.ModTime(), f)
	})
	return p.serve(mux)
}

func TestArtifactPathsOverHTTP(t *testing.T) {
	p, root := withTokens(t), evidence(t)
	addr := serveEvidence(t, p, root)
	get := func(path string) (int, string) {
		c := raw(t, "127.0.0.1", addr, "GET "+path+" HTTP/1.1\r\nHost: "+addr+"\r\nAuthorization: Bearer "+p.viewer+"\r\n\r\n")
		w := readAnswer(t, c)
		b, _ := io.ReadAll(w.Body)
		return w.StatusCode, string(b)
	}
	for _, path := range []string{
		"/cycles/c1/files/../../../outside/secret.txt", "/cycles/c1/files/..%2f..%2f..%2foutside%2fsecret.txt",
		"/cycles/c1/files/%2e%2e%2f%2e%2e%2ftop.txt", "/cycles/c1/files/..%252f..%252ftop.txt", "/cycles/%2e%2e/files/top.txt",
		"/cycles/c1/files/%2fetc%2fpasswd", "/cycles/c1/files/cycle.wav%00.png", "/cycles/c1/files/..%5c..%5ctop.txt",
		"/cycles/c1/files/up.txt", "/cycles/c1/files/%252e%252e%252ftop.txt", "/cycles/./files/top.txt", "/cycles//files/top.txt",
		"/cycles/out/files/secret.txt", "/cycles/c1/files/..%c0%af..%c0%aftop.txt", "/cycles/c1%2f../files/top.txt",
		"/cycles/c1/files/cycle.wav;/../../top.txt", "/cycles/c1/files/",
	} {
		if status, body := get(path); status < 400 || status >= 500 || strings.Contains(body, "secret") && !strings.Contains(path, "secret") {
			t.Errorf("%s: got %d %q", path, status, body)
		}
	}
	if status, body := get("/cycles/c1/files/cycle.wav"); status != 200 || body != "0123456789" {
		t.Errorf("the file itself: got %d %q", status, body)
	}
	ask(t, "GET", "http://"+addr+"/cycles/c1/files/cycle.wav", "").is(t, "nobody", 401)
}

func TestArtifactDoesNothing(t *testing.T) {
	p, root := withTokens(t), evidence(t)
	addr := serveEvidence(t, p, root)
	get := func(name string, header ...string) answer {
		return ask(t, "GET", "http://"+addr+"/cycles/c1/files/"+name, "", append(header, "Authorization", "Bearer "+p.viewer)...)
	}
	for name, want := range map[string][2]string{
		"cycle.wav":          {"audio/wav", "inline; filename=cycle.wav"},
		"empty.png":          {"image/png", "inline; filename=empty.png"},
		"exec-3.txt":         {"text/plain; charset=utf-8", "inline; filename=exec-3.txt"},
		"page.html":          {"application/octet-stream", "attachment; filename=page.html"},
		"picture.svg":        {"application/octet-stream", "attachment; filename=picture.svg"},
		"cycle.wav?download": {"audio/wav", "attachment; filename=cycle.wav"},
	} {
		a := get(name)
		a.is(t, name, 200)
		if got := [2]string{a.Header.Get("Content-Type"), a.Header.Get("Content-Disposition")}; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") ||
			!strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: got %v", name, a.Header)
		}
	}
	// Safari and Firefox play nothing that has no ranges.
	a := get("cycle.wav", "Range", "bytes=2-4")
	if a.StatusCode != http.StatusPartialContent || a.body != "234" || a.Header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("a range: got %s %q %q", a.Status, a.body, a.Header.Get("Content-Range"))
	}
	get("cycle.wav", "Range", "bytes=20-").is(t, "a range behind the end", http.StatusRequestedRangeNotSatisfiable)
	if a := ask(t, "HEAD", "http://"+addr+"/cycles/c1/files/cycle.wav", "", "Authorization", "Bearer "+p.viewer); a.ContentLength != 10 {
		t.Errorf("HEAD: got %s, %d bytes", a.Status, a.ContentLength)
	}
}

// A name that comes from elsewhere cannot leave its header.
func TestArtifactNamesInHeaders(t *testing.T) {
	p := withoutTokens(t)
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		access.ServeArtifact(w, r, r.URL.Query().Get("name"), time.Time{}, strings.NewReader("x"))
	}))
	for name, want := range map[string]string{
		`a"; filename="b.exe.png`: `inline; filename="a\"; filename=\"b.exe.png"`,
		"a\r\nSet-Cookie: x=y":    "attachment; filename*=utf-8''a%0D%0ASet-Cookie%3A%20x%3Dy",
		"größe.png":               "inline; filename*=utf-8''gr%C3%B6%C3%9Fe.png",
		"../../x.png":             "inline; filename=x.png",
		"\xff.png":                "inline",
		"X.PNG":                   "inline; filename=X.PNG",
	} {
		a := ask(t, "GET", "http://"+addr+"/?"+url.Values{"name": {name}}.Encode(), "")
		if got := a.Header.Get("Content-Disposition"); got != want || len(a.Cookies()) > 0 {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
