package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/report"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/soak/stats"
	"resetrig/web"
	"resetrig/web/access"
)

// lab is a small true rig for the API: two benches, its records in memory.
type lab struct {
	mu      sync.Mutex
	records []rig.Record
	notes   []web.Note
	audit   []web.AuditEntry
	asked   []string
	broken  error // of every read
	now     time.Time
}

const aRun = "20261122-120000-abcdef"

func newLab() *lab {
	l := &lab{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	outcomes := []rig.Record{
		{Outcome: rig.Pass}, {Outcome: rig.Fail, Attribution: rig.Proven, Reason: rig.ReasonBeepMissing}, {Outcome: rig.Error, Reason: rig.ReasonEarLost},
		{Outcome: rig.Pass}, {Outcome: rig.Aborted, Reason: rig.ReasonStopped},
	}
	for i, r := range outcomes {
		l.add(r, i+1, false)
	}
	l.add(rig.Record{Outcome: rig.Pass}, 1, true)
	return l
}

// add commits a record.
func (l *lab) add(r rig.Record, n int, control bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.now.Add(time.Duration(len(l.records)) * time.Minute)
	r.ID, r.Run, r.Cycle, r.Attempt, r.Bench, r.Scenario, r.Control = fmt.Sprintf("%s-%04d", aRun, n), aRun, n, 1, "left", "imou-hard-reset", control
	if control {
		r.ID, r.Scenario = fmt.Sprintf("%s-c%04d", aRun, n), "control-no-press"
	}
	least := 1.5
	r.Version, r.Started, r.Took = "test", at, 50*time.Second
	r.Measurements = append(r.Measurements, []rig.Measurement{
		{Name: "beep_duration", Value: 2 + float64(n)/10, Unit: "s", Min: &least, Outcome: rig.CheckPass},
		{Name: "press_duration", Value: 20, Unit: "s", Outcome: rig.CheckPass},
	}...)
	if n == 3 {
		r.Measurements = append(r.Measurements, rig.Measurement{Name: "audio_lost", Value: 250, Unit: "ms", Outcome: rig.CheckPass})
	}
	r.Artifacts = []string{"beep.wav", "gone.png"}
	l.records = append(l.records, r)
}

func (l *lab) read() ([]rig.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records), l.broken
}

func (l *lab) Runs(_ context.Context, f web.RunFilter) ([]web.Run, error) {
	if _, err := l.read(); err != nil {
		return nil, err
	}
	all := []web.Run{
		{ID: "20261122-130000-cccccc", Kind: "cycle", Bench: "right", Scenario: "imou-hard-reset", State: "running", Started: l.now, Version: "test"},
		{ID: aRun, Kind: "soak", Bench: "left", Scenario: "imou-hard-reset", Planned: 5, State: "ended", Exit: 1, Started: l.now, Ended: l.now.Add(time.Hour), Version: "test",
			First: web.Outcomes{Pass: 2, FailProven: 1, Error: 1, Aborted: 1}, Controls: web.Outcomes{Pass: 1}},
		{ID: "20261121-110000-aaaaaa", Kind: "soak", Bench: "left", Scenario: "imou-hard-reset", State: "interrupted", Started: l.now.Add(-time.Hour), Version: "test"},
	}
	if f.Before != "" {
		i := slices.IndexFunc(all, func(r web.Run) bool { return r.ID == f.Before })
		if i < 0 {
			return nil, web.ErrNotFound
		}
		all = all[i+1:]
	}
	all = slices.DeleteFunc(all, func(r web.Run) bool {
		return f.ID != "" && r.ID != f.ID || f.Bench != "" && r.Bench != f.Bench || f.Kind != "" && r.Kind != f.Kind
	})
	return first(all, f.Limit), nil
}

func first[T any](all []T, n int) []T {
	if n > 0 && len(all) > n {
		return all[:n]
	}
	return all
}

func line(seq int, r rig.Record) web.Cycle {
	return web.Cycle{
		Seq: int64(seq), ID: r.ID, Run: r.Run, Cycle: r.Cycle, Attempt: r.Attempt, Control: r.Control, Bench: r.Bench, Scenario: r.Scenario,
		Started: r.Started, Took: r.Took, Outcome: r.Outcome, Attribution: r.Attribution, Reason: r.Reason,
	}
}

func (l *lab) Cycles(_ context.Context, f web.CycleFilter) ([]web.Cycle, error) {
	rs, err := l.read()
	if err != nil {
		return nil, err
	}
	all := []web.Cycle{{ID: "20261122-130000-cccccc-0001", Run: "20261122-130000-cccccc", Cycle: 1, Attempt: 1, Bench: "right", Scenario: "imou-hard-reset", Started: l.now}}
	for i, r := range slices.Backward(rs) {
		all = append(all, line(i+1, r))
	}
	if f.Before != "" {
		i := slices.IndexFunc(all, func(c web.Cycle) bool { return c.ID == f.Before })
		if i < 0 {
			return nil, web.ErrNotFound
		}
		all = all[i+1:]
	}
	all = slices.DeleteFunc(all, func(c web.Cycle) bool {
		return f.Run != "" && c.Run != f.Run || f.Bench != "" && c.Bench != f.Bench || len(f.Outcomes) > 0 && !slices.Contains(f.Outcomes, c.Outcome)
	})
	return first(all, f.Limit), nil
}

func (l *lab) Record(_ context.Context, id string) (rig.Record, error) {
	rs, err := l.read()
	if err != nil {
		return rig.Record{}, err
	}
	for _, r := range rs {
		if r.ID == id {
			return r, nil
		}
	}
	return rig.Record{}, fmt.Errorf("cycle %s: %w", id, web.ErrNotFound)
}

func (l *lab) Since(_ context.Context, after int64, limit int) ([]web.Cycle, error) {
	rs, err := l.read()
	if err != nil {
		return nil, err
	}
	var all []web.Cycle
	for i, r := range rs {
		if int64(i+1) > after {
			all = append(all, line(i+1, r))
		}
	}
	return first(all, limit), nil
}

func (l *lab) Last(context.Context) (int64, error) {
	rs, err := l.read()
	return int64(len(rs)), err
}

func (l *lab) Totals(context.Context) (web.Totals, error) {
	rs, err := l.read()
	if err != nil {
		return web.Totals{}, err
	}
	t := web.Totals{StoreBytes: 4096, Operations: map[string]int64{"left/power": 12, "left/reset": 9}}
	for _, r := range rs { // one each: they are to be summed
		t.Cycles = append(t.Cycles, web.Total{Bench: r.Bench, Control: r.Control, Outcome: r.Outcome, Attribution: r.Attribution, Reason: r.Reason, N: 1})
	}
	return t, nil
}

func (l *lab) MeasuredSince(_ context.Context, after int64, limit int) ([]web.Measured, error) {
	rs, err := l.read()
	if err != nil {
		return nil, err
	}
	var all []web.Measured
	for i, r := range rs {
		if n := int64(i + 1); n > after && n <= after+int64(limit) {
			for _, m := range r.Measurements {
				all = append(all, web.Measured{Seq: n, Name: m.Name, Value: m.Value, Unit: m.Unit})
			}
		}
	}
	return all, nil
}

func (l *lab) AddNote(_ context.Context, n web.Note) error {
	if _, err := l.Record(context.Background(), n.Cycle); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, n)
	return nil
}

func (l *lab) Notes(_ context.Context, of string) ([]web.Note, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []web.Note
	for _, n := range l.notes {
		if strings.HasPrefix(n.Cycle, of) {
			all = append(all, n)
		}
	}
	return all, nil
}

func (l *lab) Audit(_ context.Context, e web.AuditEntry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Seq = int64(len(l.audit) + 1)
	l.audit = append(l.audit, e)
	return nil
}

func (l *lab) AuditLog(_ context.Context, before int64, limit int) ([]web.AuditEntry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []web.AuditEntry
	for _, e := range slices.Backward(l.audit) {
		if before == 0 || e.Seq < before {
			all = append(all, e)
		}
	}
	return first(all, limit), nil
}

func (l *lab) Report(_ context.Context, w io.Writer, run, format string) error {
	if run != aRun {
		return web.ErrNotFound
	}
	_, err := fmt.Fprintf(w, "the report of %s as %s\n", run, format)
	return err
}

func (l *lab) Summary(_ context.Context, run string) (report.Summary, error) {
	if run != aRun {
		return report.Summary{Run: run}, nil
	}
	c, err := stats.ParseClaim("90%@90%")
	return report.Summary{
		Run: run, Begun: 6, Claim: &c, Files: []report.File{{Name: "plan", SHA256: "00"}}, Life: []report.RelayLife{{Relay: "power", Operations: 12}},
	}, err
}

func (l *lab) Records(_ context.Context, run string) iter.Seq2[rig.Record, error] {
	return func(yield func(rig.Record, error) bool) {
		rs, err := l.read()
		if err != nil {
			yield(rig.Record{}, err)
			return
		}
		for _, r := range rs {
			if r.Run == run && !yield(r, nil) {
				return
			}
		}
	}
}

type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

func (l *lab) Open(_ context.Context, cycle, name string) (io.ReadSeekCloser, web.FileInfo, error) {
	if name != "beep.wav" || !strings.HasPrefix(cycle, aRun) {
		return nil, web.FileInfo{}, web.ErrNotFound
	}
	return file{bytes.NewReader([]byte("RIFF"))}, web.FileInfo{Name: name, Size: 4, Modified: l.now}, nil
}

func (l *lab) Benches(context.Context) ([]web.Bench, error) {
	if _, err := l.read(); err != nil {
		return nil, err
	}
	return []web.Bench{
		{Name: "left", File: "left.yaml", Here: true, Model: "imou-nvr-new", DUT: rig.Identity{Serial: "4F0A"}, Relays: []web.BenchRelay{
			{Name: "power", Role: rig.RolePower, Pin: "GPIO23", Active: "high", Contact: "nc", Safe: rig.SafeKeep, Operations: 12, Rated: 100},
			{Name: "reset", Role: rig.RolePress, Pin: "GPIO24", Active: "high", Contact: "no", Safe: rig.SafeOff, MaxOn: 40 * time.Second, Operations: 9},
		}, Ear: &web.BenchEar{Device: "USB", Calibrated: true, Learned: l.now, FrequencyHz: 2730, NoiseDBFS: -60},
			Lockout: &web.Lockout{Refused: 1, Budget: 3, Window: time.Hour}, Findings: []web.Finding{{Name: "disk", Level: "warn", Text: "little", Remedy: "more"}}},
		{Name: "right", Simulated: true, Model: "imou-nvr-new"},
	}, nil
}

func (l *lab) Scenarios(_ context.Context, bench string) ([]web.Scenario, error) {
	if bench != "left" && bench != "right" {
		return nil, web.ErrNotFound
	}
	return []web.Scenario{{Name: "imou-hard-reset", About: "Way 2", Params: map[string]string{"hold": "20s"}}}, nil
}

func (l *lab) Start(_ context.Context, s web.Start) (string, error) {
	l.did(fmt.Sprintf("start %+v", s))
	switch {
	case s.Bench == "right":
		return "", fmt.Errorf("%w: bench right is busy", web.ErrRefused)
	case s.Resume != "":
		return s.Resume, nil
	case s.Scenario != "imou-hard-reset":
		return "", fmt.Errorf("%w: no scenario %q", web.ErrInput, s.Scenario)
	}
	return "20261122-140000-dddddd", nil
}

func (l *lab) Ask(_ context.Context, run string, w soak.Wish) error {
	l.did(fmt.Sprintf("ask %s %s", run, w))
	if run != aRun {
		return web.ErrNotFound
	}
	return nil
}

func (l *lab) Halt(_ context.Context, bench string, how web.Halting) (web.Halted, error) {
	l.did(fmt.Sprintf("halt %s %s", bench, how))
	if bench != "left" {
		return web.Halted{}, web.ErrNotFound
	}
	return web.Halted{Run: aRun, Safe: true, Took: 20 * time.Millisecond, Text: "all is safe"}, nil
}

func (l *lab) did(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, what)
}

// serveLab is the dashboard of the lab, two benches told of live.
func serveLab(t *testing.T, l *lab) *web.Server {
	t.Helper()
	live := web.NewLive()
	live.Bench("right")
	b := live.Bench("left")
	b.Begin(web.LiveRun{ID: aRun, Kind: "soak", Plan: &soak.Plan{Scenarios: []soak.Entry{{Scenario: &rig.Scenario{Name: "imou-hard-reset"}}}, Cycles: 10},
		Relays: []web.LiveRelay{{Name: "power", Role: rig.RolePower, Contact: "nc", Safe: rig.SafeKeep}}})
	b.Status(soak.Status{Doing: "cycle", Next: soak.Slot{N: 3, Attempt: 1}, Tally: soak.Tally{Cycles: 2, Attempts: 2, Pass: 2}})
	b.Observe(rig.Event{Kind: "phase", Name: "act"})
	b.Observe(rig.Event{Kind: "relay", Name: "power", On: true})
	b.Observe(rig.Event{Kind: "finding", Name: "dropouts", Text: "0.25 s were lost"})
	b.Done(rig.Record{ID: "x", Cycle: 1, Outcome: rig.Pass})
	s, err := web.New(web.Rig{
		Name: "pi", Version: "test", State: t.TempDir(), Live: live, Books: l, Ledger: l, Measures: l, Notes: l, Audit: l, Reports: l, Files: l, Benches: l, Doer: l,
	}, func(doing string, err error) { t.Logf("%s: %v", doing, err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// askAs asks the dashboard as somebody of that role.
func askAs(role access.Role, s *web.Server, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r.WithContext(access.WithIdentity(r.Context(), access.Identity{Name: "jo", Role: role, Addr: "192.0.2.7"})))
	return w
}

var errDisk = errors.New("/var/lib/resetrig/resetrig.db: disk I/O error")
