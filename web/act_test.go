package web_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"resetrig/soak"
	"resetrig/web"
	"resetrig/web/access"
)

// log is an audit log in memory.
type log struct{ es []web.AuditEntry }

func (l *log) Audit(_ context.Context, e web.AuditEntry) error { l.es = append(l.es, e); return nil }
func (l *log) AuditLog(context.Context, int64, int) ([]web.AuditEntry, error) {
	return l.es, nil
}

// doer does what it is told, and notes it.
type doer struct {
	did []string
	err error
}

func (d *doer) Start(_ context.Context, s web.Start) (string, error) {
	d.did = append(d.did, "start "+s.Bench+s.Resume)
	if s.Scenario == "panics" {
		panic("a bug")
	}
	return "run-1", d.err
}

func (d *doer) Ask(_ context.Context, run string, w soak.Wish) error {
	d.did = append(d.did, "ask "+run+" "+string(w))
	return d.err
}

func (d *doer) Halt(_ context.Context, bench string, how web.Halting) (web.Halted, error) {
	d.did = append(d.did, "halt "+bench+" "+string(how))
	return web.Halted{Run: "run-1", Safe: true, Took: 12 * time.Millisecond, Text: "open"}, d.err
}

type notes struct{ ns []web.Note }

func (n *notes) AddNote(_ context.Context, one web.Note) error { n.ns = append(n.ns, one); return nil }
func (n *notes) Notes(context.Context, string) ([]web.Note, error) {
	return n.ns, nil
}

// Every action, refused ones too, stands in the audit log with who and when; one
// that may not be is not done.
func TestEveryActionIsAudited(t *testing.T) {
	good := web.Start{Bench: "left", Scenario: "imou-hard-reset", Cycles: 3, Params: map[string]string{"hold": "20s"}}
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name   string
		role   access.Role
		do     func(context.Context, *web.Server) error
		err    error  // nil: it is done
		want   string // of the entry: action bench run cycle
		detail string
		does   bool // the doer was asked
	}{
		{"start", access.Operator, func(ctx context.Context, s *web.Server) error { _, err := s.Start(ctx, good); return err }, nil, "start left run-1 ", "-p hold=20s", true},
		{"resume", access.Operator, func(ctx context.Context, s *web.Server) error {
			_, err := s.Start(ctx, web.Start{Bench: "left", Resume: "run-0", Anyway: true})
			return err
		}, nil, "resume left run-1 ", "anyway=true", true},
		{"a viewer starts", access.Viewer, func(ctx context.Context, s *web.Server) error { _, err := s.Start(ctx, good); return err }, web.ErrForbidden, "start left  ", "", false},
		{"nobody cuts", access.Nobody, func(ctx context.Context, s *web.Server) error {
			_, err := s.Halt(ctx, "left", web.HaltEmergency)
			return err
		}, web.ErrForbidden, "emergency left  ", "", false},
		{"a start without an end", access.Operator, func(ctx context.Context, s *web.Server) error {
			_, err := s.Start(ctx, web.Start{Bench: "left", Scenario: "imou-hard-reset"})
			return err
		}, web.ErrInput, "start left  ", "", false},
		{"a start with a label of five kilobytes", access.Operator, func(ctx context.Context, s *web.Server) error {
			w := good
			w.Labels = map[string]string{"ticket": long}
			_, err := s.Start(ctx, w)
			return err
		}, web.ErrInput, "start left  ", "", false},
		{"a start that panics", access.Operator, func(ctx context.Context, s *web.Server) error {
			w := good
			w.Scenario = "panics"
			_, err := s.Start(ctx, w)
			return err
		}, errPanic, "start left  ", "", true},
		{"hold", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Ask(ctx, "run-1", soak.WishToHold) }, nil, "hold  run-1 ", "", true},
		{"go on", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Ask(ctx, "run-1", soak.WishGoOn) }, nil, "go-on  run-1 ", "", true},
		{"end", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Ask(ctx, "run-1", soak.WishEnd) }, nil, "end  run-1 ", "", true},
		{"another wish", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Ask(ctx, "run-1", "press") }, web.ErrInput, "press  run-1 ", "", false},
		{"a run with a line end", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Ask(ctx, "run\r1", soak.WishEnd) }, web.ErrInput, "end  run\uFFFD1 ", "", false},
		{"a run that reads backwards", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Ask(ctx, "run\u202e1", soak.WishEnd) }, web.ErrInput, "end  run\uFFFD1 ", "", false},
		{"stop", access.Operator, func(ctx context.Context, s *web.Server) error {
			_, err := s.Halt(ctx, "left", web.HaltStop)
			return err
		}, nil, "stop left run-1 ", "open (12ms)", true},
		{"emergency", access.Operator, func(ctx context.Context, s *web.Server) error {
			_, err := s.Halt(ctx, "left", web.HaltEmergency)
			return err
		}, nil, "emergency left run-1 ", "open (12ms)", true},
		{"another halt", access.Operator, func(ctx context.Context, s *web.Server) error { _, err := s.Halt(ctx, "left", "on"); return err }, web.ErrInput, "on left  ", "", false},
		{"comment", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Comment(ctx, "c1", " loose plug ") }, nil, "comment   c1", "loose plug", false},
		{"an empty comment", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Comment(ctx, "c1", " ") }, web.ErrInput, "comment   c1", "", false},
		{"a comment of five kilobytes", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Comment(ctx, "c1", long) }, web.ErrInput, "comment   c1", "", false},
		{"acknowledge", access.Operator, func(ctx context.Context, s *web.Server) error { return s.Acknowledge(ctx, "c1", "") }, nil, "acknowledge   c1", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			audit, did, ns := &log{}, &doer{}, &notes{}
			s := newServer(t, web.Rig{Audit: audit, Doer: did, Notes: ns})
			ctx, cancel := context.WithCancel(access.WithIdentity(t.Context(), access.Identity{Name: "ann", Role: c.role, Addr: "192.0.2.1"}))
			cancel() // the page is closed: what was begun is carried out
			err := c.do(ctx, s)
			switch {
			case c.err == nil && err != nil, c.err != nil && err == nil, c.err != nil && !errors.Is(c.err, errPanic) && !errors.Is(err, c.err):
				t.Errorf("error %v, want %v", err, c.err)
			}
			if len(audit.es) != 1 {
				t.Fatalf("%d entries, want 1", len(audit.es))
			}
			e := audit.es[0]
			if got := e.Action + " " + e.Bench + " " + e.Run + " " + e.Cycle; got != c.want {
				t.Errorf("the entry is %q, want %q", got, c.want)
			}
			if e.Who != "ann" || e.Role != c.role.String() || e.Address != "192.0.2.1" || time.Since(e.At) > time.Minute {
				t.Errorf("the entry is by %q, %s, at %s, %v", e.Who, e.Role, e.Address, e.At)
			}
			if !strings.Contains(e.Detail, c.detail) || len(e.Detail) > 4096 {
				t.Errorf("its detail is %.80q, want %q", e.Detail, c.detail)
			}
			if ok := e.Result == "ok"; ok != (c.err == nil) {
				t.Errorf("its result is %q", e.Result)
			}
			if does := len(did.did) > 0; does != c.does {
				t.Errorf("the doer was asked for %v", did.did)
			}
			if n := len(ns.ns); (n > 0) != (c.err == nil && strings.HasSuffix(c.want, "c1")) {
				t.Errorf("%d notes", n)
			}
		})
	}
}

var errPanic = errors.New("a panic")
