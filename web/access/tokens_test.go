package access_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"resetrig/web/access"
)

var hash = "sha256:" + strings.Repeat("0a", 32)

func TestTokenFileIsStrict(t *testing.T) {
	secret := "rrt_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":               {"", "has no token"},
		"comments alone":        {"# none\n\n", "has no token"},
		"two words":             {"otto operator\n", ":1: a token is three words"},
		"four words":            {"# x\notto operator " + hash + " more\n", ":2: a token is three words"},
		"no such role":          {"otto root " + hash, `role "root"`},
		"role in capitals":      {"otto Operator " + hash, `role "Operator"`},
		"the token itself":      {"otto operator " + secret, "never the token itself"},
		"half a hash":           {"otto operator " + hash[:30], "64 hexadecimal digits"},
		"a hash and more":       {"otto operator " + hash + "00", "64 hexadecimal digits"},
		"hash without its kind": {"otto operator " + hash[7:], "64 hexadecimal digits"},
		"name twice":            {"otto viewer " + hash + "\notto operator sha256:" + strings.Repeat("0b", 32), `:2: the name "otto" is there twice`},
		"token twice":           {"otto viewer " + hash + "\nanna operator " + hash, `:2: "anna" has the same token as "otto"`},
		"the local name":        {"local operator " + hash, "where there is no token file"},
		"a name with a quote":   {"o'tto operator " + hash, "letters, digits"},
		"a name with a NUL":     {"ot\x00to operator " + hash, "letters, digits"},
		"a line end inside":     {"otto\roperator " + hash, "three words"},
		"a wide space":          {"otto\u00a0operator " + hash + " x", "letters, digits"},
		"a long name":           {strings.Repeat("o", 65) + " operator " + hash, "1 to 64 characters"},
		"a huge file":           {strings.Repeat("#\n", 40000), "larger than 64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tokens")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := access.Open(file, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want something with %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), hash[7:])) {
				t.Errorf("the error quotes the third word: %v", err)
			}
		})
	}
	t.Run("good", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(file, []byte("# the lab's\r\n\r\n otto\toperator   "+hash+"\r\n"), 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := access.Open(file, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestTokenFileOthersCouldReadIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("otto operator "+hash), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o640, 0o440, 0o644, 0o604, 0o602, 0o620, 0o660, 0o601, 0o666} {
		good := mode&0o020 == 0 && mode&0o007 == 0
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, err := access.Open(file, nil)
		switch {
		case good && err != nil:
			t.Errorf("mode %o: %v", mode, err)
		case !good && (err == nil || !strings.Contains(err.Error(), "chmod 600 "+file)):
			t.Errorf("mode %o: got %v, want the remedy", mode, err)
		}
	}
	if _, err := access.AddToken(file, "anna", access.Viewer); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a token was added to it: %v", err)
	}
}

func TestTokenFileThatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := access.Open(filepath.Join(dir, "none"), nil); err == nil || !strings.Contains(err.Error(), "resetrig serve token NAME") {
		t.Errorf("got %v, want the command that makes one", err)
	}
	if _, err := access.Open(dir, nil); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: got %v", err)
	}
	if _, err := access.Open(os.DevNull, nil); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a device: got %v", err)
	}
}

func TestAddTokenKeepsTheHashAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	made, err := access.AddToken(file, "otto", access.Operator)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) < 30 || !strings.HasPrefix(made, "rrt_") {
		t.Errorf("got a token of %d characters", len(made))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), made) || strings.Contains(string(text), made[4:]) {
		t.Error("the token is in the file")
	}
	if i, _ := os.Stat(file); i.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %o", i.Mode().Perm())
	}
	if _, err := access.AddToken(file, "otto", access.Viewer); err == nil || !strings.Contains(err.Error(), "has a token for") {
		t.Errorf("the same name again: got %v", err)
	}
	for _, bad := range []string{"", "local", "a b", "a\nroot operator x", "#a", "../x"} {
		if _, err := access.AddToken(file, bad, access.Viewer); err == nil {
			t.Errorf("name %q was taken", bad)
		}
	}
	if _, err := access.AddToken(file, "anna", access.Nobody); err == nil {
		t.Error("a token for nobody was made")
	}
	if after, _ := os.ReadFile(file); string(after) != string(text) {
		t.Errorf("what was refused has changed the file:\n%s", after)
	}

	// A hand has taken the last line end away.
	if err := os.WriteFile(file, []byte(strings.TrimSpace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := access.AddToken(file, "anna", access.Viewer); err != nil {
		t.Fatal(err)
	}
	if _, err := access.Open(file, nil); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestAddTokenFromManyAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	for round := range 30 {
		var wg sync.WaitGroup
		var made atomic.Int64
		begin := make(chan bool)
		for range 16 {
			wg.Go(func() {
				<-begin
				if _, err := access.AddToken(file, fmt.Sprint("u", round), access.Viewer); err == nil {
					made.Add(1)
				}
			})
		}
		close(begin)
		wg.Wait()
		if n := made.Load(); n != 1 {
			t.Errorf("round %d: %d of 16 made a token of one name", round, n)
		}
	}
	if _, err := access.Open(file, nil); err != nil {
		t.Error(err)
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	bearer := func(token string) answer {
		return ask(t, "GET", "http://"+addr+"/who", "", "Authorization", "Bearer "+token)
	}
	if a := bearer(p.operator); a.body != "otto operator 127.0.0.1" {
		t.Fatalf("got %q", a.body)
	}

	anna := p.add("anna", access.Operator)
	p.clock.advance(time.Second)
	bearer(anna).is(t, "a new token", 200)

	p.without("otto")
	bearer(p.operator).is(t, "a removed token", http.StatusUnauthorized)
	bearer(anna).is(t, "the other token", 200)

	text, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	p.write(strings.Replace(string(text), "anna operator", "anna viewer", 1))
	if a := bearer(anna); a.body != "anna viewer 127.0.0.1" {
		t.Errorf("after a change of the role: got %q", a.body)
	}

	// What cannot be read lets nobody in, and says so once; nobody is held to have
	// tried a wrong token meanwhile.
	p.write("anna vewer " + hash)
	for range 20 {
		bearer(anna).is(t, "a broken file", http.StatusServiceUnavailable)
		login(t, addr, anna).is(t, "a broken file, by form", http.StatusServiceUnavailable)
	}
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), `role "vewer"`) {
		t.Errorf("Err: got %v", err)
	}
	p.mu.Lock()
	if len(p.logs) != 1 || !strings.Contains(p.logs[0], `role "vewer"`) {
		t.Errorf("logged %q, want the reason once", p.logs)
	}
	p.mu.Unlock()
	p.write(string(text))
	bearer(anna).is(t, "the repaired file", 200)

	if err := os.Chmod(p.file, 0o644); err != nil {
		t.Fatal(err)
	}
	p.clock.advance(time.Second)
	bearer(anna).is(t, "a file others can read", http.StatusServiceUnavailable)
	if err := os.Remove(p.file); err != nil {
		t.Fatal(err)
	}
	p.clock.advance(time.Second)
	bearer(anna).is(t, "no file", http.StatusServiceUnavailable)
}

// A hash that somebody has made of a password of their own lets nobody in.
func TestPasswordIsNoToken(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	for i, secret := range []string{"hello", "rrt_hello", "rrt_" + strings.Repeat("A", 25), "rrt_" + strings.Repeat("A", 65), "rrt_" + strings.Repeat("a", 26), "RRT_" + strings.Repeat("A", 26)} {
		p.write(hashedLine(fmt.Sprint("u", i), "operator", secret))
		ask(t, "GET", "http://"+addr+"/", "", "Authorization", "Bearer "+secret).is(t, secret+" as a bearer", http.StatusUnauthorized)
		login(t, addr, secret).is(t, secret+" by form", http.StatusUnauthorized)
		p.clock.advance(time.Hour)
	}
	p.write(hashedLine("u", "operator", "rrt_"+strings.Repeat("A", 26)))
	login(t, addr, "rrt_"+strings.Repeat("A", 26)).is(t, "a token", http.StatusSeeOther)
}

// TestEveryTokenIsCompared looks at the comparison's text: how long it takes says
// nothing, for it has neither a way out of its loop nor an == on a hash. (A clock
// would tell a difference of nanoseconds only on an idle machine.)
func TestEveryTokenIsCompared(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "tokens.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var compares, leaves int
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "match" {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			loop, ok := n.(*ast.RangeStmt)
			if !ok {
				return true
			}
			ast.Inspect(loop.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if n.Sel.Name == "ConstantTimeCompare" {
						compares++
					}
				case *ast.ReturnStmt, *ast.BranchStmt, *ast.IfStmt, *ast.SwitchStmt, *ast.BinaryExpr:
					leaves++
				}
				return true
			})
			return false
		})
	}
	if compares != 1 || leaves != 0 {
		t.Errorf("match has %d constant-time comparisons and %d branches in its loop, want 1 and 0", compares, leaves)
	}
}

func TestEachTokenIsFoundWhereverItStands(t *testing.T) {
	p := &place{t: t, clock: newClock(), file: filepath.Join(t.TempDir(), "tokens")}
	var made []string
	for i := range 9 {
		made = append(made, p.add(fmt.Sprint("u", i), access.Viewer))
	}
	p.open(p.file)
	addr := p.serve(echo)
	for i, token := range made {
		if a := ask(t, "GET", "http://"+addr+"/", "", "Authorization", "Bearer "+token); a.body != fmt.Sprintf("u%d viewer 127.0.0.1", i) {
			t.Errorf("token %d: got %q", i, a.body)
		}
	}
}
