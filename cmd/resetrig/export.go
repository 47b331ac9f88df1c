package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"resetrig/rig"
	"resetrig/store"
)

// checkEvidence holds the files of evidence against their hashes.
func (a *app) checkEvidence(ctx context.Context, db *store.Store) error {
	c, err := db.VerifyEvidence(ctx)
	if err != nil {
		return rigError(err)
	}
	bad := 0
	for _, p := range c.Problems {
		what := "missing"
		switch {
		case p.Damaged:
			what = "DAMAGED"
		case p.Exported:
			what = "missing, and was exported"
		}
		if p.Damaged || !p.Exported {
			bad++
		}
		fmt.Fprintf(a.out, "%s of cycle %s: %s: %s\n", p.Name, p.Cycle, what, p.Text)
	}
	fmt.Fprintf(a.out, "evidence: %d files, %.1f MB\n", c.Files, float64(c.Bytes)/1e6)
	if c.Strays > 0 {
		fmt.Fprintf(a.out, "evidence: %d files that no cycle names, as after a repair: they are left alone\n", c.Strays)
	}
	if bad > 0 {
		return rigError(fmt.Errorf("%d files of evidence are not as they were committed: the records stand, and say what the files' hashes were; a copy that has them may be put back", bad))
	}
	return nil
}

// exporter copies the evidence of records to elsewhere.
type exporter struct {
	db     *store.Store
	to     string // folder; "" copies nothing
	cycles []string
	lost   []string
	bad    []string
}

// errDamaged is a file whose content is not what was committed.
var errDamaged = errors.New("its content has changed since it was committed")

// copy copies a cycle's evidence. What is missing, and what is damaged, is told
// at the end; such a cycle is not exported.
func (x *exporter) copy(ctx context.Context, r rig.Record) error {
	if x.to == "" || len(r.Artifacts) == 0 {
		return nil
	}
	names := map[string]bool{}
	for _, name := range r.Artifacts {
		names[name] = true
	}
	booked, err := x.db.Artifacts(ctx, r.ID)
	if err != nil {
		return err
	}
	for _, a := range booked {
		names[a.Name] = true
	}
	whole := true
	for name := range names {
		err := x.file(ctx, r.ID, name)
		switch {
		case errors.Is(err, store.ErrDropped):
		case errors.Is(err, store.ErrNotFound):
			x.lost = append(x.lost, r.ID+"/"+name)
			whole = whole && r.Sound != nil && name == pictureOf(r.Sound.File) // which can be drawn again
		case errors.Is(err, errDamaged):
			x.bad = append(x.bad, r.ID+"/"+name)
			whole = false
		case err != nil:
			return err
		}
	}
	if whole {
		x.cycles = append(x.cycles, r.ID)
	}
	return nil
}

// file copies one file, durably, and holds it against its hash.
func (x *exporter) file(ctx context.Context, cycle, name string) (err error) {
	in, info, err := openArtifact(ctx, x.db, cycle, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	dir := filepath.Join(x.to, cycle)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	to := filepath.Join(dir, name)
	out, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(out.Name())
		}
	}()
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), in)
	if err = errors.Join(err, out.Chmod(0o644), out.Sync(), out.Close()); err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); info.SHA256 != "" && sum != info.SHA256 {
		return fmt.Errorf("%s of cycle %s: %w", name, cycle, errDamaged)
	}
	return os.Rename(out.Name(), to)
}

// done makes the copies' names durable, and notes that they were made.
func (x *exporter) done(ctx context.Context, say io.Writer) error {
	for _, name := range x.lost {
		fmt.Fprintf(say, "resetrig: %s is not there any more\n", name)
	}
	if x.to == "" {
		return nil
	}
	for _, cycle := range x.cycles {
		if err := syncFolder(filepath.Join(x.to, cycle)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncFolder(x.to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := x.db.Exported(ctx, time.Now(), x.cycles...); err != nil {
		return err
	}
	if len(x.bad) > 0 {
		return fmt.Errorf("%d files of evidence were not copied, since each is no more what was committed: %s", len(x.bad), strings.Join(x.bad, ", "))
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
