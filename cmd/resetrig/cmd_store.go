package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"resetrig/store"
)

func (a *app) storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "The database of the results: check, export, repair",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.storeCheckCommand(), a.storeExportCommand(), a.storeRepairCommand())
	return c
}

func (a *app) storePath() string { return filepath.Join(a.state, "resetrig.db") }

func (a *app) storeCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Examine every page and every record against its checksum",
		Long: `Examines the whole database, and each file of evidence against its hash: missing
ones are told from damaged ones. Nothing is changed. Exit code 0: everything is as
it was committed; 3: it is not, and what to do.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if _, err := os.Stat(a.storePath()); err != nil {
				return usage(fmt.Errorf("there is no store in %s: %w", a.state, err))
			}
			db, err := store.Open(a.storePath())
			if err != nil {
				return rigError(err)
			}
			defer func() { err = errors.Join(err, rigError(db.Close())) }()
			if err := db.Verify(cmd.Context()); err != nil {
				return rigError(err)
			}
			counts, err := db.Counts(cmd.Context(), "")
			if err != nil {
				return rigError(err)
			}
			size, err := db.Size()
			if err != nil {
				return rigError(err)
			}
			fmt.Fprintf(a.out, "%s: whole: %d attempts, %.1f MB\n", a.storePath(), counts.Begun, float64(size.Database+size.Log)/1e6)
			return a.checkEvidence(cmd.Context(), db)
		},
	}
}

func (a *app) storeExportCommand() *cobra.Command {
	var out, evidence string
	var f store.Filter
	c := &cobra.Command{
		Use:   "export",
		Short: "Every record as JSON, one a line, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			db, err := store.Open(a.storePath())
			if err != nil {
				return rigError(err)
			}
			defer func() { err = errors.Join(err, rigError(db.Close())) }()
			w := a.out
			if out != "" {
				file, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
				if err != nil {
					return usage(err)
				}
				defer func() { err = errors.Join(err, file.Close()) }()
				w = io.Writer(file)
			}
			enc := json.NewEncoder(w)
			x := exporter{db: db, to: evidence}
			for r, err := range db.Records(cmd.Context(), f) {
				if err != nil {
					return rigError(err)
				}
				if err := enc.Encode(r); err != nil {
					return rigError(err)
				}
				settle(w) // a slow reader is waited for: nothing of an export is dropped
				if err := x.copy(cmd.Context(), r); err != nil {
					return rigError(err)
				}
			}
			return rigError(x.done(cmd.Context(), a.err))
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "file to write, which must not be there; stdout otherwise")
	c.Flags().StringVar(&evidence, "evidence", "", "folder that gets the evidence too, FOLDER/CYCLE/NAME; what was copied may be dropped to make room")
	c.Flags().StringVar(&f.Run, "run", "", "of this run")
	c.Flags().StringVar(&f.Bench, "bench", "", "of the bench of this name")
	return c
}

func (a *app) storeRepairCommand() *cobra.Command {
	var swap bool
	c := &cobra.Command{
		Use:   "repair",
		Short: "Copy what can be saved out of a damaged database into a new one",
		Long: `Copies every run and record that can be read into a new database beside the
damaged one, which is only read. What is lost is told: of some records the outcome
is left and nothing else. With --swap the new one takes the place of the damaged
one, which is kept under another name.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from := a.storePath()
			stamp := time.Now().Format("20060102-150405")
			to := from + ".repaired-" + stamp
			got, err := store.Salvage(cmd.Context(), from, to)
			if err != nil {
				return rigError(err)
			}
			fmt.Fprintf(a.out, "%s: saved %d runs and %d whole records\n", to, got.Runs, got.Records)
			for _, id := range got.Stubs {
				fmt.Fprintf(a.out, "%s: its outcome is left, and nothing else\n", id)
			}
			for _, id := range got.Lost {
				fmt.Fprintf(a.out, "%s: lost; booked as aborted\n", id)
			}
			if got.Damaged > 0 {
				fmt.Fprintf(a.out, "%d entries could not be read at all\n", got.Damaged)
			}
			if !swap {
				return nil
			}
			// The log and its index belong to the damaged one and go with it.
			kept := from + ".damaged-" + stamp
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Rename(from+suffix, kept+suffix); err != nil && !(suffix != "" && errors.Is(err, os.ErrNotExist)) {
					return rigError(err)
				}
			}
			for _, side := range []string{".lock", ".vault"} {
				if err := os.RemoveAll(to + side); err != nil {
					return rigError(err)
				}
			}
			if err := os.Rename(to, from); err != nil {
				return rigError(err)
			}
			fmt.Fprintf(a.out, "%s is the repaired one now; the damaged one is %s\n", from, kept)
			return nil
		},
	}
	c.Flags().BoolVar(&swap, "swap", false, "put the new one in place of the damaged one, which is kept")
	return c
}
