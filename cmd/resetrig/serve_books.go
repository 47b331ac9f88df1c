package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/store"
	"resetrig/web"
)

// webBooks is the database as the dashboard wants it.
type webBooks struct {
	a  *app
	db *store.Store
}

var (
	_ web.Books    = webBooks{}
	_ web.Ledger   = webBooks{}
	_ web.Measures = webBooks{}
	_ web.Notes    = webBooks{}
	_ web.Audit    = webBooks{}
	_ web.Reports  = webBooks{}
	_ web.Files    = webBooks{}
)

// webError makes an error of the store one of the dashboard's.
func webError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrAmbiguous), errors.Is(err, store.ErrDropped):
		return fmt.Errorf("%w: %w", web.ErrNotFound, err)
	case errors.Is(err, store.ErrUnfit):
		return fmt.Errorf("%w: %w", web.ErrInput, err)
	}
	return err
}

func (b webBooks) Runs(ctx context.Context, f web.RunFilter) ([]web.Run, error) {
	// A kind is no column of the filter: pages of runs are gone through until
	// enough are found.
	ask := store.Filter{Run: f.ID, Bench: f.Bench, Before: f.Before, Limit: f.Limit}
	var out []web.Run
	for {
		sums, err := b.db.List(ctx, ask)
		if err != nil {
			return nil, webError(err)
		}
		for _, s := range sums {
			if f.Kind == "" || s.Kind == f.Kind {
				out = append(out, webRun(s))
			}
			if f.Limit > 0 && len(out) == f.Limit {
				return out, nil
			}
		}
		if f.Limit == 0 || len(sums) < f.Limit {
			return out, nil
		}
		ask.Before = sums[len(sums)-1].ID
	}
}

func webRun(s store.Summary) web.Run {
	return web.Run{
		ID: s.ID, Kind: s.Kind, Bench: s.Bench, Scenario: s.Scenario, Planned: s.Planned, Started: s.Started, Ended: s.Ended,
		State: string(s.State), Exit: s.Exit, Note: s.Note, Version: s.Version, Labels: s.Labels,
		First: webOutcomes(s.Counts.First), Controls: webOutcomes(s.Counts.Controls),
	}
}

func webOutcomes(t store.Tally) web.Outcomes {
	return web.Outcomes{Pass: t.Pass, FailProven: t.FailProven, FailPresumed: t.FailPresumed, Error: t.Error, Aborted: t.Aborted}
}

func (b webBooks) Cycles(ctx context.Context, f web.CycleFilter) ([]web.Cycle, error) {
	cs, err := b.db.Cycles(ctx, store.Filter{Run: f.Run, Bench: f.Bench, Outcomes: f.Outcomes, Before: f.Before, Limit: f.Limit})
	return webCycles(cs), webError(err)
}

func webCycles(cs []store.CycleSummary) []web.Cycle {
	out := make([]web.Cycle, 0, len(cs))
	for _, c := range cs {
		out = append(out, web.Cycle{
			Seq: c.Seq, ID: c.ID, Run: c.Run, Cycle: c.Cycle, Attempt: c.Attempt, Control: c.Control, Bench: c.Bench, Scenario: c.Scenario,
			Started: c.Started, Took: c.Took, Outcome: c.Outcome, Attribution: c.Attribution, Reason: c.Reason,
		})
	}
	return out
}

func (b webBooks) Record(ctx context.Context, id string) (rig.Record, error) {
	r, err := b.db.Record(ctx, id)
	return r, webError(err)
}

func (b webBooks) Since(ctx context.Context, after int64, limit int) ([]web.Cycle, error) {
	cs, err := b.db.Since(ctx, after, limit)
	return webCycles(cs), err
}

func (b webBooks) Last(ctx context.Context) (int64, error) { return b.db.LastSeq(ctx) }

func (b webBooks) Totals(ctx context.Context) (web.Totals, error) {
	all, _, err := b.db.Totals(ctx)
	if err != nil {
		return web.Totals{}, err
	}
	size, err := b.db.Size()
	if err != nil {
		return web.Totals{}, err
	}
	t := web.Totals{StoreBytes: size.Database + size.Log, Operations: map[string]int64{}}
	n := map[web.Total]int64{} // scenarios and retries taken together
	var order []web.Total
	for _, o := range all {
		k := web.Total{Bench: o.Bench, Control: o.Control, Outcome: o.Outcome, Attribution: o.Attribution, Reason: o.Reason}
		if _, had := n[k]; !had {
			order = append(order, k)
		}
		n[k] += int64(o.N)
	}
	for _, k := range order {
		k.N = n[k]
		t.Cycles = append(t.Cycles, k)
	}
	benches := map[string]bool{}
	for _, k := range order {
		if benches[k.Bench] {
			continue
		}
		benches[k.Bench] = true
		ops, err := b.db.Operations(ctx, k.Bench)
		if err != nil {
			return web.Totals{}, err
		}
		for relay, count := range ops {
			t.Operations[k.Bench+"/"+relay] = count
		}
	}
	return t, nil
}

func (b webBooks) MeasuredSince(ctx context.Context, after int64, limit int) ([]web.Measured, error) {
	ms, err := b.db.MeasuredSince(ctx, after, limit)
	out := make([]web.Measured, 0, len(ms))
	for _, m := range ms {
		out = append(out, web.Measured{Seq: m.Seq, Name: m.Name, Value: m.Value, Unit: m.Unit})
	}
	return out, err
}

func (b webBooks) AddNote(ctx context.Context, n web.Note) error {
	return webError(b.db.Comment(ctx, store.Comment{Cycle: n.Cycle, At: n.At, Who: n.Who, Kind: store.CommentKind(n.Kind), Text: n.Text}))
}

func (b webBooks) Notes(ctx context.Context, of string) ([]web.Note, error) {
	cs, err := b.db.Comments(ctx, of)
	out := make([]web.Note, 0, len(cs))
	for _, c := range cs {
		out = append(out, web.Note{Cycle: c.Cycle, Who: c.Who, At: c.At, Kind: string(c.Kind), Text: c.Text})
	}
	return out, err
}

func (b webBooks) Audit(ctx context.Context, e web.AuditEntry) error {
	_, err := b.db.Audit(ctx, store.AuditEntry(e))
	return err
}

func (b webBooks) AuditLog(ctx context.Context, before int64, limit int) ([]web.AuditEntry, error) {
	f := store.AuditFilter{Newest: true, Limit: limit}
	if before > 0 { // the numbers have no holes: entries are never taken out
		f = store.AuditFilter{AfterSeq: max(0, before-1-int64(limit)), Limit: int(min(int64(limit), before-1))}
		if f.Limit == 0 {
			return nil, nil
		}
	}
	es, err := b.db.AuditLog(ctx, f)
	if !f.Newest {
		slices.Reverse(es)
	}
	out := make([]web.AuditEntry, 0, len(es))
	for _, e := range es {
		out = append(out, web.AuditEntry(e))
	}
	return out, err
}

func (b webBooks) Report(ctx context.Context, w io.Writer, run, format string) error {
	if !slices.Contains([]string{"text", "html", "json", "csv", "junit"}, format) {
		return fmt.Errorf("%w: a report is %s, not %q", web.ErrInput, formats, format)
	}
	if _, err := b.db.Run(ctx, run); err != nil {
		return webError(err)
	}
	return webError(b.a.printFormat(ctx, reportOf{id: run, format: format}, w))
}

func (b webBooks) Summary(ctx context.Context, run string) (report.Summary, error) {
	r, err := b.db.Run(ctx, run)
	if err != nil {
		return report.Summary{}, webError(err)
	}
	s, err := summary(ctx, b.db, r)
	return s, webError(err)
}

func (b webBooks) Records(ctx context.Context, run string) iter.Seq2[rig.Record, error] {
	return b.db.Records(ctx, store.Filter{Run: run})
}

func (b webBooks) Open(ctx context.Context, cycle, name string) (io.ReadSeekCloser, web.FileInfo, error) {
	f, a, err := b.db.OpenArtifact(ctx, cycle, name)
	if err != nil {
		return nil, web.FileInfo{}, webError(err)
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, web.FileInfo{}, errors.Join(err, f.Close())
	}
	return f, web.FileInfo{Name: name, Size: fi.Size(), SHA256: a.SHA256, Modified: fi.ModTime()}, nil
}
