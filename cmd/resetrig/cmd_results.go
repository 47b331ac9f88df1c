package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"resetrig/config"
	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak/stats"
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
				if t.All() == 0 { // a run of a control alone
					t = r.Counts.Controls
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

// formats are those of a report.
const formats = "text, html, json, csv or junit"

func (a *app) reportCommand() *cobra.Command {
	var format, out, claim string
	c := &cobra.Command{
		Use:   "report ID",
		Short: "The report of a run, or of one cycle",
		Long: `ID is that of a run or a cycle, or the beginning of one, as ` + "`resetrig list`" + ` shows them.

html is one file that needs nothing else: the verdict, every failure with its
picture and sound, each measurement over the cycles, and the health of the rig.
json and csv have every record, junit is for Jenkins and GitLab; docs/results.md
says what is in them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format == "" {
				format = formatOf(out)
			}
			ask := reportOf{id: args[0], format: format}
			if claim != "" {
				c, err := stats.ParseClaim(claim)
				if err != nil {
					return usage(err)
				}
				ask.claim = &c
			}
			if out == "" {
				return a.printFormat(cmd.Context(), ask, a.out)
			}
			return usage(wholeFile(out, func(w io.Writer) error { return a.printFormat(cmd.Context(), ask, w) }))
		},
	}
	c.Flags().StringVar(&format, "format", "", formats+"; by the name of the file, or text")
	c.Flags().StringVarP(&out, "output", "o", "", "file to write; stdout otherwise")
	c.Flags().StringVar(&claim, "claim", "", "hold the run to a claim, like 99%@95%; that of the soak otherwise")
	return c
}

// formatOf is the format that a file's name asks for.
func formatOf(name string) string {
	switch filepath.Ext(name) {
	case ".html", ".htm":
		return "html"
	case ".json", ".jsonl":
		return "json"
	case ".csv":
		return "csv"
	case ".xml":
		return "junit"
	}
	return "text"
}

// wholeFile writes a file that is there in full or not at all.
func wholeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = errors.Join(write(f), f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// reportOf is what a report is wanted of.
type reportOf struct {
	id, format string
	claim      *stats.Claim // nil: the run's own
}

// printReport writes the text report of a run.
func (a *app) printReport(ctx context.Context, id string, w io.Writer) error {
	return a.printFormat(ctx, reportOf{id: id, format: "text"}, w)
}

// printFormat writes the report of a run or a cycle.
func (a *app) printFormat(ctx context.Context, ask reportOf, w io.Writer) (err error) {
	db, err := store.Open(filepath.Join(a.state, "resetrig.db"))
	if err != nil {
		return rigError(err)
	}
	defer func() { err = errors.Join(err, rigError(db.Close())) }()
	run, rerr := db.Run(ctx, ask.id)
	if rerr != nil { // no run of that name: perhaps a cycle
		rec, cerr := db.Record(ctx, ask.id)
		if cerr != nil {
			return usage(fmt.Errorf("%w; %w", rerr, cerr))
		}
		return a.printCycle(ctx, db, ask, rec, w)
	}
	s, err := summary(ctx, db, run)
	if err != nil {
		return rigError(err)
	}
	if ask.claim != nil {
		s.Claim, s.Sequential = ask.claim, false
	}
	records := db.Records(ctx, store.Filter{Run: run.ID})
	switch ask.format {
	case "text":
		return report.Text(w, s, records)
	case "html":
		return report.HTML(w, s, records, evidenceIn(ctx, db))
	case "json":
		return report.JSON(w, records)
	case "csv":
		return report.CSV(w, records)
	case "junit":
		return report.JUnit(w, s, records)
	}
	return usage(fmt.Errorf("--format %q: want %s", ask.format, formats))
}

// printCycle writes one cycle.
func (a *app) printCycle(ctx context.Context, db *store.Store, ask reportOf, rec rig.Record, w io.Writer) error {
	said, err := commentsOn(ctx, db, rec.ID)
	if err != nil {
		return rigError(err)
	}
	switch ask.format {
	case "text":
		return report.Cycle(w, rec, said...)
	case "json":
		return json.NewEncoder(w).Encode(rec)
	case "html":
		s := report.Summary{Run: rec.ID, Kind: "cycle", Bench: rec.Bench, Scenario: rec.Scenario, Version: rec.Version, Started: rec.Started, Ended: rec.Started.Add(rec.Took), Comments: said}
		return report.HTML(w, s, func(yield func(rig.Record, error) bool) { yield(rec, nil) }, evidenceIn(ctx, db))
	}
	return usage(fmt.Errorf("--format %q of a single cycle: want text, html or json", ask.format))
}

// commentsOn are what people said of the cycles of a run, or of one cycle.
func commentsOn(ctx context.Context, db *store.Store, id string) (said []report.Comment, err error) {
	cs, err := db.Comments(ctx, id)
	for _, c := range cs {
		said = append(said, report.Comment{Cycle: c.Cycle, At: c.At, Who: c.Who, Acknowledged: c.Kind == store.Acknowledged, Text: c.Text})
	}
	return said, err
}

// summary is what is known of a run beside its records.
func summary(ctx context.Context, db *store.Store, run store.Run) (report.Summary, error) {
	s := report.Summary{
		Run: run.ID, Kind: run.Kind, Bench: run.Bench, Scenario: run.Scenario, Version: run.Version,
		Note: run.Note, Started: run.Started, Ended: run.Ended, Planned: run.Planned,
	}
	sums, err := db.List(ctx, store.Filter{Run: run.ID})
	if err != nil {
		return s, err
	}
	for _, one := range sums {
		s.State, s.Begun = string(one.State), one.Counts.Begun
	}
	for _, name := range slices.Sorted(maps.Keys(run.Frozen)) {
		if text := run.Frozen[name]; strings.Contains(text, "\n") { // a file's text, and no parameter
			s.Files = append(s.Files, report.File{Name: name, SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(text)))})
		}
	}
	// What the plan says is left out where it can't be read any more: the records
	// stand without it.
	if plan, err := config.LoadPlan("the frozen plan", []byte(run.Frozen["plan"])); err == nil {
		s.Labels = plan.Labels
		if c, err := stats.ParseClaim(plan.Prove); err == nil {
			s.Claim, s.Sequential, s.Most = &c, plan.Sequential, plan.Cycles
		}
	}
	rated := map[string]int64{}
	if b, err := config.LoadBench("the frozen bench", []byte(run.Frozen["bench"]), config.System()); err == nil {
		for _, r := range b.Relays {
			rated[r.Name] = int64(r.Life)
		}
	}
	if s.Comments, err = commentsOn(ctx, db, run.ID); err != nil {
		return s, err
	}
	life, err := db.Operations(ctx, run.Bench)
	if err != nil {
		return s, err
	}
	for _, relay := range slices.Sorted(maps.Keys(life)) {
		s.Life = append(s.Life, report.RelayLife{Relay: relay, Operations: life[relay], Rated: rated[relay]})
	}
	return s, nil
}
