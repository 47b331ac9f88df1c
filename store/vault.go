package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"resetrig/rig"
)

// vaultKept is how many credentials of a DUT are remembered. Every cycle makes
// a new one, and a DUT that refuses to take them stays on an old one: as many
// refusals in a row as this would drop the one that works.
const vaultKept = 32

// vault keeps the DUTs' passwords, a file for each DUT. It is the one place
// where a secret is written down, and apart from the database, so that results
// can be passed on.
type vault struct{ dir string }

// vaultFile is a DUT's file. Sum is that of the rest: a changed byte would
// otherwise be another password.
type vaultFile struct {
	DUT         string       `json:"dut"`
	Credentials []vaultEntry `json:"credentials"` // newest first
	Sum         string       `json:"sum"`
}

type vaultEntry struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

func (f vaultFile) sum() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", f.DUT)
	for _, c := range f.Credentials {
		fmt.Fprintf(h, " %q %q", c.User, c.Password)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Remember stores a credential of the DUT as its newest; it is on the disk
// when Remember returns nil. It is called before a password is set, and may be
// called again for one that is known, which makes that the newest. A damaged
// file is an error, and stays as it is.
func (s *Store) Remember(dut string, c rig.Credential) error {
	if err := s.vault.remember(dut, c); err != nil {
		return explain(s.vault.file(dut), "remember a credential of "+dut, err)
	}
	return nil
}

// Recall are the DUT's remembered credentials, the newest first; none is no
// error, a damaged file is.
func (s *Store) Recall(dut string) ([]rig.Credential, error) {
	f, err := s.vault.load(dut)
	if err != nil {
		return nil, explain(s.vault.file(dut), "recall the credentials of "+dut, err)
	}
	var cs []rig.Credential
	for _, e := range f.Credentials {
		cs = append(cs, rig.Credential{User: e.User, Password: rig.Secret(e.Password)})
	}
	return cs, nil
}

// file is the DUT's file: its name escaped, or cut and hashed where it is too
// long for a file's name.
func (v vault) file(dut string) string {
	name := strings.ReplaceAll(url.PathEscape(dut), ".", "%2E")
	if len(name) > 100 {
		sum := sha256.Sum256([]byte(dut))
		name = name[:60] + "-" + hex.EncodeToString(sum[:16])
	}
	return filepath.Join(v.dir, name+".json")
}

func (v vault) load(dut string) (vaultFile, error) {
	f := vaultFile{DUT: dut}
	b, err := os.ReadFile(v.file(dut))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	const remedy = "it may still show the DUT's password to the eye: look, move it away, and enter the password in the bench file"
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("%w (%w); %s", errVault, err, remedy)
	}
	if f.Sum != f.sum() || f.DUT != dut {
		return f, fmt.Errorf("%w (its checksum is wrong, or it is another DUT's); %s", errVault, remedy)
	}
	return f, nil
}

// errVault is no ErrCorrupt: that one's remedy is the database's.
var errVault = errors.New("the vault's file is damaged")

func (v vault) remember(dut string, c rig.Credential) error {
	e := vaultEntry{User: c.User, Password: c.Password.Reveal()}
	if !utf8.ValidString(e.User + e.Password + dut) {
		return errors.New("it is not UTF-8, and cannot be stored exactly")
	}
	if dut == "" {
		return errors.New("the DUT has no name")
	}
	if err := v.make(); err != nil {
		return err
	}
	unlock, err := v.lock()
	if err != nil {
		return err
	}
	defer unlock()
	f, err := v.load(dut)
	if err != nil {
		return err
	}
	kept := []vaultEntry{e}
	for _, old := range f.Credentials {
		if old != e && len(kept) < vaultKept {
			kept = append(kept, old)
		}
	}
	f.Credentials = kept
	f.Sum = f.sum()
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(v.file(dut), append(b, '\n'))
}

// lock keeps other processes and goroutines from changing the vault meanwhile.
func (v vault) lock() (unlock func(), err error) {
	return lockFile(filepath.Join(v.dir, ".lock"))
}

// replaceFile gives path a new content, mode 0600, durably, or leaves it as it
// was: temporary file, sync, rename, sync of the folder.
func replaceFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
