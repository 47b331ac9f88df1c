package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/web/access"
)

func (s *Server) apiRig(c *call) (any, error) {
	info := RigInfo{Name: s.rig.Name, Version: s.rig.Version, Now: time.Now(), Viewers: s.stream.watching()}
	if s.rig.Benches != nil {
		all, err := s.rig.Benches.Benches(c.Context())
		if err != nil {
			return nil, err
		}
		info.Benches = len(all)
	}
	if s.rig.Ledger != nil {
		var err error
		if info.Last, err = s.rig.Ledger.Last(c.Context()); err != nil {
			return nil, err
		}
	}
	return info, nil
}

func (s *Server) benches(ctx context.Context) ([]Bench, error) {
	if s.rig.Benches == nil {
		return nil, absent("no benches")
	}
	return s.rig.Benches.Benches(ctx)
}

func (s *Server) bench(ctx context.Context, name string) (Bench, error) {
	all, err := s.benches(ctx)
	if err != nil {
		return Bench{}, err
	}
	for _, b := range all {
		if b.Name == name {
			return b, nil
		}
	}
	return Bench{}, fmt.Errorf("bench %q: %w", name, ErrNotFound)
}

func (s *Server) apiBenches(c *call) (any, error) {
	all, err := s.benches(c.Context())
	return BenchList{all}, err
}

func (s *Server) apiBench(c *call) (any, error) {
	return s.bench(c.Context(), c.PathValue("bench"))
}

func (s *Server) apiScenarios(c *call) (any, error) {
	if s.rig.Benches == nil {
		return nil, absent("no benches")
	}
	all, err := s.rig.Benches.Scenarios(c.Context(), c.PathValue("bench"))
	return ScenarioList{all}, err
}

func (s *Server) apiMoments(*call) (any, error) { return MomentList{s.rig.Live.Moments()}, nil }

// apiMoment looks for the bench first: asking for one must not make it.
func (s *Server) apiMoment(c *call) (any, error) {
	for _, m := range s.rig.Live.Moments() {
		if m.Bench == c.PathValue("bench") {
			return m, nil
		}
	}
	return nil, fmt.Errorf("bench %q: %w", c.PathValue("bench"), ErrNotFound)
}

func (s *Server) apiStart(c *call) (any, error) {
	w := c.body.(*StartWish)
	run, err := s.Start(c.Context(), Start{
		Bench: c.PathValue("bench"), Scenario: w.Scenario, Params: w.Params, Cycles: w.Cycles, For: w.For, Prove: w.Prove,
		Controls: w.Controls, ControlsEvery: w.ControlsEvery, Labels: w.Labels, Hold: w.Hold,
	})
	return Begun{run}, err
}

func (s *Server) apiResume(c *call) (any, error) {
	w := c.body.(*ResumeWish)
	r, err := s.run(c.Context(), c.PathValue("run"))
	if err != nil {
		return nil, err
	}
	run, err := s.Start(c.Context(), Start{Bench: r.Bench, Resume: r.ID, Anyway: w.Anyway})
	return Begun{run}, err
}

func (s *Server) apiAsk(c *call, w soak.Wish) (any, error) {
	run := c.PathValue("run")
	return Asked{run, string(w)}, s.Ask(c.Context(), run, w)
}

func (s *Server) apiRuns(c *call) (any, error) {
	if s.rig.Books == nil {
		return nil, absent("no results")
	}
	limit := int(c.numbers["limit"])
	runs, err := s.rig.Books.Runs(c.Context(), RunFilter{Bench: c.text("bench"), Kind: c.text("kind"), Limit: limit + 1, Before: c.text("cursor")})
	if err != nil {
		return nil, cursorError(c, err)
	}
	list := RunList{Runs: runs}
	if len(runs) > limit {
		list.Runs, list.Next = runs[:limit], runs[limit-1].ID
	}
	return list, nil
}

// cursorError says that it is the cursor which is not there.
func cursorError(c *call, err error) error {
	if c.text("cursor") != "" && errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: no page ended so: cursor %q", ErrInput, c.text("cursor"))
	}
	return err
}

func (s *Server) run(ctx context.Context, id string) (Run, error) {
	if s.rig.Books == nil {
		return Run{}, absent("no results")
	}
	runs, err := s.rig.Books.Runs(ctx, RunFilter{ID: id, Limit: 1})
	if err != nil {
		return Run{}, err
	}
	if len(runs) == 0 || runs[0].ID != id {
		return Run{}, fmt.Errorf("run %q: %w", id, ErrNotFound)
	}
	return runs[0], nil
}

func (s *Server) apiRun(c *call) (any, error) { return s.run(c.Context(), c.PathValue("run")) }

func (s *Server) apiCycles(c *call) (any, error) {
	if s.rig.Books == nil {
		return nil, absent("no results")
	}
	limit := int(c.numbers["limit"])
	f := CycleFilter{Run: c.text("run"), Bench: c.text("bench"), Limit: limit + 1, Before: c.text("cursor")}
	for _, o := range c.texts["outcome"] {
		f.Outcomes = append(f.Outcomes, rig.Outcome(o))
	}
	cs, err := s.rig.Books.Cycles(c.Context(), f)
	if err != nil {
		return nil, cursorError(c, err)
	}
	list := CycleList{Cycles: cs}
	if len(cs) > limit {
		list.Cycles, list.Next = cs[:limit], cs[limit-1].ID
	}
	return list, nil
}

func (s *Server) record(ctx context.Context, id string) (rig.Record, error) {
	if s.rig.Books == nil {
		return rig.Record{}, absent("no results")
	}
	return s.rig.Books.Record(ctx, id)
}

func (s *Server) apiRecord(c *call) (any, error) { return s.record(c.Context(), c.PathValue("cycle")) }

func (s *Server) notes(ctx context.Context, of string) (any, error) {
	if s.rig.Notes == nil {
		return nil, absent("no notes")
	}
	all, err := s.rig.Notes.Notes(ctx, of)
	return NoteList{all}, err
}

func (s *Server) apiRunNotes(c *call) (any, error) {
	r, err := s.run(c.Context(), c.PathValue("run"))
	if err != nil {
		return nil, err
	}
	return s.notes(c.Context(), r.ID)
}

// apiCycleNotes are also those of a cycle that runs still.
func (s *Server) apiCycleNotes(c *call) (any, error) {
	return s.notes(c.Context(), c.PathValue("cycle"))
}

func (s *Server) apiAddNote(c *call) (any, error) {
	n, cycle := c.body.(*NewNote), c.PathValue("cycle")
	switch n.Kind {
	case "", "comment":
		return Kept{cycle}, s.Comment(c.Context(), cycle, n.Text)
	case "acknowledged":
		return Kept{cycle}, s.Acknowledge(c.Context(), cycle, n.Text)
	}
	return nil, fmt.Errorf("%w: kind is comment or acknowledged", ErrInput)
}

func (s *Server) apiArtifacts(c *call) (any, error) {
	r, err := s.record(c.Context(), c.PathValue("cycle"))
	if err != nil {
		return nil, err
	}
	if s.rig.Files == nil {
		return nil, absent("no files of evidence")
	}
	var list ArtifactList
	for _, name := range r.Artifacts {
		f, info, err := s.rig.Files.Open(c.Context(), r.ID, name)
		if errors.Is(err, ErrNotFound) {
			list.Missing = append(list.Missing, name)
			continue
		}
		if err != nil {
			return nil, err
		}
		_ = f.Close() // nothing was written
		list.Artifacts = append(list.Artifacts, info)
	}
	return list, nil
}

func (s *Server) apiArtifact(w http.ResponseWriter, c *call) error {
	if s.rig.Files == nil {
		return absent("no files of evidence")
	}
	f, info, err := s.rig.Files.Open(c.Context(), c.PathValue("cycle"), c.PathValue("artifact"))
	if err != nil {
		return err
	}
	defer f.Close()
	access.ServeArtifact(w, c.Request, info.Name, info.Modified, f)
	return nil
}

// reportMedia are the types of the forms of a report.
var reportMedia = map[string]string{
	"text": "text/plain; charset=utf-8", "html": "text/html; charset=utf-8", "json": "application/jsonl",
	"csv": "text/csv; charset=utf-8", "junit": "application/xml",
}

func (s *Server) apiReport(w http.ResponseWriter, c *call) error {
	if s.rig.Reports == nil {
		return absent("no reports")
	}
	format := c.text("format")
	if format == "" {
		format = "text"
	}
	r, err := s.run(c.Context(), c.PathValue("run"))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", reportMedia[format])
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Security-Policy", access.ReportCSP)
	return s.rig.Reports.Report(c.Context(), w, r.ID, format)
}

func (s *Server) apiLedger(c *call) (any, error) {
	if s.rig.Ledger == nil {
		return nil, absent("no results")
	}
	last, err := s.rig.Ledger.Last(c.Context())
	if err != nil {
		return nil, err
	}
	cs, err := s.rig.Ledger.Since(c.Context(), c.numbers["after"], int(c.numbers["limit"]))
	if n := len(cs); n > 0 { // one may have been committed in between
		last = max(last, cs[n-1].Seq)
	}
	return LedgerPage{last, cs}, err
}

func (s *Server) apiAudit(c *call) (any, error) {
	if s.rig.Audit == nil {
		return nil, absent("no audit log")
	}
	limit := int(c.numbers["limit"])
	es, err := s.rig.Audit.AuditLog(c.Context(), c.numbers["before"], limit+1)
	if err != nil {
		return nil, err
	}
	list := AuditList{Entries: es}
	if len(es) > limit {
		list.Entries, list.Next = es[:limit], es[limit-1].Seq
	}
	return list, nil
}

func (s *Server) apiDocument(w http.ResponseWriter, c *call) error {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json")
	http.ServeContent(w, c.Request, "", time.Time{}, strings.NewReader(string(s.openapi)))
	return nil
}
