package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// pinsFile keeps the fingerprints of certificates, beside the vault and as
// durable. They are no secret.
const pinsFile = "certificates.json"

// Pinned is the fingerprint of the DUT's certificate; "" is none yet. A damaged
// file is an error: whoever stands in its place would be believed anew.
func (s *Store) Pinned(dut string) (string, error) {
	pins, err := s.vault.pins()
	if err != nil {
		return "", explain(filepath.Join(s.vault.dir, pinsFile), "read the certificate of "+dut, err)
	}
	return pins[dut], nil
}

// Pin stores the fingerprint in place of an earlier one, "" forgets that; it is on the disk when Pin returns nil.
func (s *Store) Pin(dut, fingerprint string) error {
	if err := s.vault.pin(dut, fingerprint); err != nil {
		return explain(filepath.Join(s.vault.dir, pinsFile), "pin the certificate of "+dut, err)
	}
	return nil
}

func (v vault) pins() (map[string]string, error) {
	pins := map[string]string{}
	b, err := os.ReadFile(filepath.Join(v.dir, pinsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return pins, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &pins)
		if err != nil {
			err = fmt.Errorf("it is damaged (%w): look at it, and move it away to trust the certificate that is seen next", err)
		}
	}
	return pins, err
}

func (v vault) pin(dut, fingerprint string) error {
	if strings.TrimSpace(dut) == "" {
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
	pins, err := v.pins()
	if err != nil {
		return err
	}
	if pins[dut] = fingerprint; fingerprint == "" {
		delete(pins, dut)
	}
	b, err := json.MarshalIndent(pins, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(v.dir, pinsFile), append(b, '\n'))
}

// make creates the vault's folder, durably, if it is not there.
func (v vault) make() error {
	err := os.Mkdir(v.dir, 0o700)
	if err == nil {
		return syncDir(filepath.Dir(v.dir))
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
