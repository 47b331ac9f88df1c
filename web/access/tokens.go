package access

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The token file has one token a line, and blank lines and comments (#):
//
//	NAME ROLE sha256:HASH
//
// NAME is who the audit log will name, ROLE is viewer or operator, and HASH the
// token's SHA-256 in 64 hexadecimal digits. A plain hash is enough here, unlike
// for a password: a token is 130 random bits, which no one can try, so that there
// is nothing for a salt or a slow hash to slow down; and each request pays for
// it. What is not of a token's form is refused before it is hashed, so that
// nobody can put the hash of a password of their own there.
const (
	tokenPrefix = "rrt_"
	hashPrefix  = "sha256:"
	local       = "local" // the operator where there is no token file

	tokensMost    = 256
	tokenFileMost = 64 << 10
	tokensApart   = time.Second // between two looks at the file
)

type token struct {
	name string
	role Role
	hash [sha256.Size]byte
}

// newToken is 26 letters and digits after its prefix: 130 bits (crypto/rand.Text).
func newToken() string { return tokenPrefix + rand.Text() }

// looksLikeToken keeps what was never made here from being tried.
func looksLikeToken(s string) bool {
	rest, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(rest) < 26 || len(rest) > 64 {
		return false
	}
	for _, c := range rest {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') { // RFC 4648's base32
			return false
		}
	}
	return true
}

// match finds the token with that hash. It looks at all of them, and at all of
// each, whatever it finds.
func match(list []token, hash [sha256.Size]byte) (token, bool) {
	found := -1
	for i := range list {
		same := subtle.ConstantTimeCompare(list[i].hash[:], hash[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return token{}, false
	}
	return list[found], true
}

// tokenFile is the file, read again and again.
type tokenFile struct {
	path string

	mu     sync.Mutex
	looked time.Time
	list   []token
	err    error
}

// now are the tokens at that time; fresh says that the file was read just now and
// something about it is another than before.
func (f *tokenFile) now(at time.Time) (list []token, err error, fresh bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since := at.Sub(f.looked); since < 0 || since >= tokensApart {
		f.looked = at
		fresh = f.read()
	}
	return f.list, f.err, fresh
}

// read reads the file and reports whether something is another than before. All
// of it is read each time: it is small, and a change within one tick of the file
// system's clock is seen.
func (f *tokenFile) read() (changed bool) {
	list, err := readTokens(f.path)
	if err != nil {
		changed = f.err == nil || f.err.Error() != err.Error()
		f.list, f.err = nil, err
		return changed
	}
	changed = f.err != nil || len(list) != len(f.list)
	for i := 0; !changed && i < len(list); i++ {
		changed = list[i] != f.list[i]
	}
	f.list, f.err = list, nil
	return changed
}

func readTokens(path string) ([]token, error) {
	// A pipe at that name must not hold the server up.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("token file %s is not there: make it, with its first token, by `resetrig serve token NAME --role operator`", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("open the token file: %w: let this program's group read it: chgrp GROUP %s && chmod 640 %s", err, path, path)
	case err != nil:
		return nil, fmt.Errorf("open the token file: %w", err)
	}
	defer file.Close()
	if err := guarded(file, "token file", path); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, tokenFileMost+1))
	if err != nil {
		return nil, fmt.Errorf("read the token file %s: %w", path, err)
	}
	if len(text) > tokenFileMost {
		return nil, fmt.Errorf("token file %s is larger than %d KiB: it is no token file", path, tokenFileMost>>10)
	}
	list, err := parseTokens(path, text)
	if err == nil && len(list) == 0 {
		return nil, fmt.Errorf("token file %s has no token, so that nobody could log in: make one by `resetrig serve token NAME --role operator`", path)
	}
	return list, err
}

// guarded refuses a file that others could read or change.
func guarded(file *os.File, what, path string) error {
	i, err := file.Stat()
	if err != nil {
		return fmt.Errorf("look at the %s: %w", what, err)
	}
	if !i.Mode().IsRegular() {
		return fmt.Errorf("%s %s is no regular file", what, path)
	}
	if bad := i.Mode().Perm() & 0o027; bad != 0 {
		return fmt.Errorf("%s %s has mode %04o, so that others could read or change it: chmod 600 %s (or 640, for its group to read it)", what, path, i.Mode().Perm(), path)
	}
	if owner, known := ownerOf(i); known && owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("%s %s belongs to another user (uid %d), who could change it: chown it to root or to the user of this program", what, path, owner)
	}
	return nil
}

// parseTokens reads the file's text. No error quotes the third column: it may be
// somebody's secret.
func parseTokens(path string, text []byte) ([]token, error) {
	var list []token
	for n, line := range strings.Split(string(text), "\n") {
		wrong := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", path, n+1, fmt.Sprintf(format, args...))
		}
		line = strings.TrimSuffix(line, "\r")
		if line = strings.Trim(line, " \t"); line == "" || line[0] == '#' {
			continue
		}
		fields := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' })
		if len(fields) != 3 {
			return nil, wrong("a token is three words, NAME ROLE %sHASH, and here are %d", hashPrefix, len(fields))
		}
		if err := checkTokenName(fields[0]); err != nil {
			return nil, wrong("%v", err)
		}
		role, err := ParseRole(fields[1])
		if err != nil {
			return nil, wrong("%v", err)
		}
		t := token{name: fields[0], role: role}
		digits, ok := strings.CutPrefix(fields[2], hashPrefix)
		if sum, err := hex.DecodeString(digits); !ok || err != nil || copy(t.hash[:], sum) != len(t.hash) || len(sum) != len(t.hash) {
			return nil, wrong("the third word is %s and 64 hexadecimal digits, never the token itself: `resetrig serve token NAME` makes such a line", hashPrefix)
		}
		for _, other := range list {
			if other.name == t.name {
				return nil, wrong("the name %q is there twice", t.name)
			}
			if other.hash == t.hash {
				return nil, wrong("%q has the same token as %q", t.name, other.name)
			}
		}
		if list = append(list, t); len(list) > tokensMost {
			return nil, wrong("more than %d tokens", tokensMost)
		}
	}
	return list, nil
}

func checkTokenName(s string) error {
	if s == "" || len(s) > 64 {
		return fmt.Errorf("a name has 1 to 64 characters, and %q has %d", s, len(s))
	}
	for i, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && strings.ContainsRune("-_.@", c):
		default:
			return fmt.Errorf("name %q: letters, digits and -_.@ after the first", s)
		}
	}
	if s == local {
		return fmt.Errorf("the name %q is that of the operator where there is no token file", local)
	}
	return nil
}

// AddToken makes a token of that name and role, and appends its hash to the file,
// which is made where there is none. The token itself is nowhere else: it is
// shown once, to whom it is for. A server that runs takes it within a second.
func AddToken(path, name string, role Role) (token string, err error) {
	if err := checkTokenName(name); err != nil {
		return "", err
	}
	if role != Viewer && role != Operator {
		return "", fmt.Errorf("%s: a token is a viewer's or an operator's", role)
	}
	_, err = os.Lstat(path)
	made := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return "", fmt.Errorf("open the token file: %w", err)
	}
	defer func() {
		if e := f.Close(); err == nil && e != nil {
			token, err = "", fmt.Errorf("close the token file: %w", e)
		}
	}()
	if err := lockFile(f); err != nil { // two at once would both find the name free
		return "", fmt.Errorf("lock the token file %s: %w", path, err)
	}
	if err := guarded(f, "token file", path); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, tokenFileMost))
	if err != nil {
		return "", fmt.Errorf("read the token file %s: %w", path, err)
	}
	list, err := parseTokens(path, text)
	if err != nil {
		return "", err
	}
	for _, t := range list {
		if t.name == name {
			return "", fmt.Errorf("token file %s has a token for %q: take its line out first", path, name)
		}
	}
	token = newToken()
	line := fmt.Sprintf("%s %s %s%x\n", name, role, hashPrefix, sha256.Sum256([]byte(token)))
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		line = "\n" + line
	}
	if len(list) >= tokensMost || len(text)+len(line) > tokenFileMost {
		return "", fmt.Errorf("token file %s is full: take lines out", path)
	}
	if _, err := f.WriteString(line); err != nil {
		return "", fmt.Errorf("write the token file %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return "", fmt.Errorf("write the token file %s: %w", path, err)
	}
	if made {
		if err := syncDir(filepath.Dir(path)); err != nil {
			return "", fmt.Errorf("write the token file %s: %w", path, err)
		}
	}
	return token, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
