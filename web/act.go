package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/web/access"
)

// Everything that a person can do by way of the dashboard or the API is one of
// the functions below: a form and an API route both call it. Each asks who it
// is, does it, and leaves an entry in the audit log, refused ones too. What
// begins something wants the log to work; what ends something is done first.

// ErrForbidden is a wish of somebody who may only look.
var ErrForbidden = errors.New("this needs an operator")

// The actions by their names in the audit log.
const (
	ActStart       = "start"
	ActResume      = "resume"
	ActHold        = "hold"
	ActGoOn        = "go-on"
	ActEnd         = "end"
	ActStop        = "stop"
	ActEmergency   = "emergency"
	ActComment     = "comment"
	ActAcknowledge = "acknowledge"
)

// The bounds of what a person sends.
const (
	nameMost = 200     // bytes of a name or an ID
	textMost = 4 << 10 // bytes of a comment
	listMost = 64      // parameters, labels, controls
)

// Start begins a run, or goes on with one, and gives its ID. The error wraps
// ErrForbidden, ErrInput, ErrRefused or ErrNotFound where it is the person's.
func (s *Server) Start(ctx context.Context, w Start) (run string, err error) {
	e := AuditEntry{Action: ActStart, Bench: w.Bench, Run: w.Resume, Detail: detail(w)}
	if w.Resume != "" {
		e.Action = ActResume
	}
	err = s.act(ctx, &e, func(ctx context.Context) error {
		if err := checkStart(w); err != nil {
			return err
		}
		if s.rig.Doer == nil {
			return fmt.Errorf("%w: nothing can be started here", ErrRefused)
		}
		run, err = s.rig.Doer.Start(ctx, w)
		if run != "" {
			e.Run = run
		}
		return err
	})
	return run, err
}

// Ask leaves a wish for a run: soak.WishToHold after its cycle, soak.WishGoOn,
// soak.WishEnd after its cycle.
func (s *Server) Ask(ctx context.Context, run string, w soak.Wish) error {
	action, known := map[soak.Wish]string{soak.WishToHold: ActHold, soak.WishGoOn: ActGoOn, soak.WishEnd: ActEnd}[w]
	if !known {
		action = clean(string(w), nameMost)
	}
	return s.act(ctx, &AuditEntry{Action: action, Run: run}, func(ctx context.Context) error {
		switch {
		case !known:
			return fmt.Errorf("%w: a run can be asked to hold, go-on or end, not to %q", ErrInput, action)
		case run == "" || !plain(run):
			return fmt.Errorf("%w: which run?", ErrInput)
		case s.rig.Doer == nil:
			return fmt.Errorf("%w: nothing runs here", ErrRefused)
		}
		return s.rig.Doer.Ask(ctx, run, w)
	})
}

// Halt ends what a bench does, now. It is done before anything is written.
func (s *Server) Halt(ctx context.Context, bench string, how Halting) (h Halted, err error) {
	e := AuditEntry{Action: string(how), Bench: bench}
	err = s.act(ctx, &e, func(ctx context.Context) error {
		switch {
		case how != HaltStop && how != HaltEmergency:
			e.Action = clean(string(how), nameMost)
			return fmt.Errorf("%w: a bench can be halted by stop or emergency", ErrInput)
		case bench == "" || !plain(bench):
			return fmt.Errorf("%w: which bench?", ErrInput)
		case s.rig.Doer == nil:
			return fmt.Errorf("%w: nothing runs here", ErrRefused)
		}
		h, err = s.rig.Doer.Halt(ctx, bench, how)
		e.Run, e.Detail = h.Run, h.Text
		if err == nil {
			e.Detail = fmt.Sprintf("%s (%v)", h.Text, h.Took.Round(time.Millisecond))
			s.rig.Live.Bench(bench).Halted(fmt.Sprintf("%s by %s: %s", how, access.Who(ctx).Name, h.Text))
		}
		return err
	})
	return h, err
}

// Comment writes something to a cycle.
func (s *Server) Comment(ctx context.Context, cycle, text string) error {
	return s.note(ctx, ActComment, Note{Cycle: cycle, Kind: "comment", Text: text})
}

// Acknowledge says that somebody has taken note of a cycle's error; the text may
// be empty.
func (s *Server) Acknowledge(ctx context.Context, cycle, text string) error {
	return s.note(ctx, ActAcknowledge, Note{Cycle: cycle, Kind: "acknowledged", Text: text})
}

func (s *Server) note(ctx context.Context, action string, n Note) error {
	n.Text = strings.TrimSpace(n.Text)
	return s.act(ctx, &AuditEntry{Action: action, Cycle: n.Cycle, Detail: n.Text}, func(ctx context.Context) error {
		switch {
		case n.Cycle == "" || !plain(n.Cycle):
			return fmt.Errorf("%w: which cycle?", ErrInput)
		case len(n.Text) > textMost:
			return fmt.Errorf("%w: the text has %d bytes, at most %d are kept", ErrInput, len(n.Text), textMost)
		case n.Text == "" && action == ActComment:
			return fmt.Errorf("%w: the comment has no text", ErrInput)
		case !utf8.ValidString(n.Text) || strings.ContainsRune(n.Text, 0):
			return fmt.Errorf("%w: the text is no UTF-8", ErrInput)
		case s.rig.Notes == nil:
			return fmt.Errorf("%w: this rig keeps no comments", ErrRefused)
		}
		n.Who, n.At = access.Who(ctx).Name, time.Now()
		return s.rig.Notes.AddNote(ctx, n)
	})
}

// act does one thing and writes it down. What was begun is carried out also when
// the person has gone away.
func (s *Server) act(ctx context.Context, e *AuditEntry, do func(context.Context) error) error {
	ctx = context.WithoutCancel(ctx)
	w := access.Who(ctx)
	e.At, e.Who, e.Role, e.Address = time.Now(), w.Name, w.Role.String(), w.Addr
	err := error(ErrForbidden)
	if w.May(access.Operator) {
		err = rig.Guarded(func() error { return do(ctx) })
	}
	e.Result = "ok"
	if err != nil {
		e.Result = clean(err.Error(), textMost)
	}
	e.Bench, e.Run, e.Cycle = clean(e.Bench, nameMost), clean(e.Run, nameMost), clean(e.Cycle, nameMost)
	e.Detail = clean(e.Detail, textMost)
	if s.rig.Audit != nil {
		if aerr := rig.Guarded(func() error { return s.rig.Audit.Audit(ctx, *e) }); aerr != nil {
			s.log(fmt.Sprintf("write to the audit log: %s by %s", e.Action, e.Who), aerr)
		}
	}
	return err
}

// checkStart looks at what no rig could take.
func checkStart(w Start) error {
	texts := []string{w.Bench, w.Scenario, w.For, w.Prove, w.Hold, w.Resume}
	texts = append(texts, w.Controls...)
	for _, m := range []map[string]string{w.Params, w.Labels} {
		for k, v := range m {
			texts = append(texts, k, v)
		}
	}
	switch {
	case slices.ContainsFunc(texts, func(t string) bool { return !plain(t) }):
		return fmt.Errorf("%w: a text is longer than %d bytes, or has characters that cannot be shown", ErrInput, nameMost)
	case len(w.Params) > listMost || len(w.Labels) > listMost || len(w.Controls) > listMost:
		return fmt.Errorf("%w: more than %d parameters, labels or controls", ErrInput, listMost)
	case w.Bench == "":
		return fmt.Errorf("%w: which bench?", ErrInput)
	case w.Resume != "":
		return nil
	case w.Scenario == "":
		return fmt.Errorf("%w: which scenario?", ErrInput)
	case w.Cycles < 0 || w.ControlsEvery < 0:
		return fmt.Errorf("%w: a number of cycles is not below 0", ErrInput)
	case w.Cycles == 0 && w.For == "" && w.Prove == "":
		return fmt.Errorf("%w: the soak has no end: give a number of cycles, a time like 72h, or a claim like 99%%@95%%", ErrInput)
	}
	return nil
}

// detail is what was wanted, in one line.
func detail(w Start) string {
	var t []string
	say := func(name string, v any, is bool) {
		if is {
			t = append(t, fmt.Sprintf("%s=%v", name, v))
		}
	}
	say("scenario", w.Scenario, w.Scenario != "")
	for _, k := range slices.Sorted(maps.Keys(w.Params)) {
		say("-p "+k, w.Params[k], true)
	}
	say("cycles", w.Cycles, w.Cycles != 0)
	say("for", w.For, w.For != "")
	say("prove", w.Prove, w.Prove != "")
	say("hold", w.Hold, w.Hold != "")
	say("controls", strings.Join(w.Controls, ","), len(w.Controls) > 0)
	say("controls-every", w.ControlsEvery, w.ControlsEvery != 0)
	for _, k := range slices.Sorted(maps.Keys(w.Labels)) {
		say("label "+k, w.Labels[k], true)
	}
	say("anyway", w.Anyway, w.Anyway)
	return strings.Join(t, " ")
}

// plain reports a short text of one line.
func plain(t string) bool {
	return len(t) <= nameMost && utf8.ValidString(t) && !strings.ContainsFunc(t, misleads)
}

// misleads reports a character that is not seen, or that turns what is around it:
// with it a name could read as another one in the audit log.
func misleads(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// clean is a text from outside as the log keeps it.
func clean(t string, most int) string {
	t = strings.ToValidUTF8(t, "\uFFFD")
	if len(t) > most {
		t = strings.ToValidUTF8(t[:most], "")
	}
	return strings.Map(func(r rune) rune {
		if misleads(r) && r != '\n' {
			return '\uFFFD'
		}
		return r
	}, t)
}
