package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"resetrig/report"
	"resetrig/store"
)

func (a *app) listCommand() *cobra.Command {
	var cycles, asJSON bool
	var f store.Filter
	c := &cobra.Command{
		Use:   "list",
		Short: "The runs, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			db, err := store.Open(filepath.Join(a.state, "resetrig.db"))
			if err != nil {
				return rigError(err)
			}
			defer func() { err = errors.Join(err, rigError(db.Close())) }()
			f.Newest = true
			tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			if cycles || f.Run != "" {
				list, err := db.Cycles(cmd.Context(), f)
				if err != nil {
					return rigError(err)
				}
				for _, r := range list {
					if asJSON {
						_ = json.NewEncoder(a.out).Encode(r)
						continue
					}
					fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Bench, r.Scenario, r.Outcome, r.Attribution, r.Reason)
				}
				return tw.Flush()
			}
			list, err := db.List(cmd.Context(), f)
			if err != nil {
				return rigError(err)
			}
			if len(list) == 0 && !asJSON {
				fmt.Fprintf(a.err, "resetrig: no runs in %s yet\n", a.state)
			}
			for _, r := range list {
				if asJSON {
					_ = json.NewEncoder(a.out).Encode(r)
					continue
				}
				t := r.Counts.First
				if c := r.Counts.Controls; c.All() > 0 {
					t = c
				}
				state := string(r.State)
				if !r.Ended.IsZero() {
					state = fmt.Sprintf("exit %d", r.Exit)
				}
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d pass\t%d fail\t%d error\t%d aborted\n",
					r.ID, r.Started.Local().Format("2006-01-02 15:04"), r.Bench, r.Scenario, state, t.Pass, t.Fail(), t.Error, t.Aborted)
			}
			return tw.Flush()
		},
	}
	c.Flags().BoolVar(&cycles, "cycles", false, "the cycles instead of the runs")
	c.Flags().StringVar(&f.Run, "run", "", "the cycles of this run")
	c.Flags().StringVar(&f.Bench, "bench", "", "of the bench of this name")
	c.Flags().IntVar(&f.Limit, "limit", 50, "at most so many; 0 for all")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return c
}

func (a *app) reportCommand() *cobra.Command {
	var format, out string
	c := &cobra.Command{
		Use:   "report ID",
		Short: "The report of a run, or of one cycle",
		Long:  "ID is that of a run or a cycle, or the beginning of one, as `resetrig list` shows them.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			w := a.out
			if out != "" {
				f, err := os.Create(out)
				if err != nil {
					return usage(err)
				}
				defer func() { err = errors.Join(err, f.Close()) }()
				w = f
			}
			return a.printFormat(cmd.Context(), args[0], format, w)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, json, csv or junit")
	c.Flags().StringVarP(&out, "output", "o", "", "file to write; stdout otherwise")
	return c
}

// printReport writes the text report of a run.
func (a *app) printReport(ctx context.Context, id string, w io.Writer) error {
	return a.printFormat(ctx, id, "text", w)
}

// printFormat writes the report of a run or a cycle.
func (a *app) printFormat(ctx context.Context, id, format string, w io.Writer) (err error) {
	db, err := store.Open(filepath.Join(a.state, "resetrig.db"))
	if err != nil {
		return rigError(err)
	}
	defer func() { err = errors.Join(err, rigError(db.Close())) }()
	run, rerr := db.Run(ctx, id)
	if rerr != nil { // no run of that name: perhaps a cycle
		rec, cerr := db.Record(ctx, id)
		switch {
		case cerr != nil:
			return usage(fmt.Errorf("%w; %w", rerr, cerr))
		case format == "text":
			return report.Cycle(w, rec)
		case format == "json":
			return json.NewEncoder(w).Encode(rec)
		}
		return usage(fmt.Errorf("--format %q of a single cycle: want text or json", format))
	}
	sums, err := db.List(ctx, store.Filter{Run: run.ID})
	if err != nil {
		return rigError(err)
	}
	s := report.Summary{
		Run: run.ID, Kind: run.Kind, Bench: run.Bench, Scenario: run.Scenario, Version: run.Version,
		Note: run.Note, Started: run.Started, Ended: run.Ended, Planned: run.Planned,
	}
	for _, one := range sums {
		s.State, s.Begun = string(one.State), one.Counts.Begun
	}
	records := db.Records(ctx, store.Filter{Run: run.ID})
	switch format {
	case "text":
		return report.Text(w, s, records)
	case "json":
		return report.JSON(w, records)
	case "csv":
		return report.CSV(w, records)
	case "junit":
		return report.JUnit(w, s, records)
	}
	return usage(fmt.Errorf("--format %q: want text, json, csv or junit", format))
}
