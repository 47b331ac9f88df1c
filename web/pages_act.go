package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"resetrig/soak"
)

func livePath(bench string) string { return "/live/" + url.PathEscape(bench) }
func runPath(run string) string    { return "/runs/" + url.PathEscape(run) }
func cyclePath(id string) string   { return "/cycles/" + url.PathEscape(id) }

// act is POST /act/{action}: a form of a page. Each does one of the functions of
// act.go, and says what came of it.
func (p *pages) act(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: the form cannot be read", ErrInput)
	}
	f := r.PostForm
	switch action := r.PathValue("action"); action {
	case ActStart, ActResume:
		return p.actStart(w, r, f, action == ActResume)
	case ActHold, ActGoOn, ActEnd:
		wish := map[string]soak.Wish{ActHold: soak.WishToHold, ActGoOn: soak.WishGoOn, ActEnd: soak.WishEnd}[action]
		if err := p.s.Ask(r.Context(), f.Get("run"), wish); err != nil {
			return err
		}
		p.say(w, r, http.StatusOK, said{Text: map[string]string{
			ActHold: "It will pause after this cycle.", ActGoOn: "It goes on.", ActEnd: "It will end after this cycle.",
		}[action]})
	case ActStop, ActEmergency:
		how := map[string]Halting{ActStop: HaltStop, ActEmergency: HaltEmergency}[action]
		h, err := p.s.Halt(r.Context(), f.Get("bench"), how)
		if err != nil {
			return err
		}
		t := said{Bad: !h.Safe, Text: fmt.Sprintf("%s (%d ms)", h.Text, h.Took.Round(time.Millisecond).Milliseconds())}
		if !h.Safe {
			t.Text = "THE SAFE STATE IS NOT CONFIRMED. Cut the bench's power by hand. " + t.Text
		}
		p.say(w, r, http.StatusOK, t)
	case ActComment, ActAcknowledge:
		return p.actNote(w, r, f, action)
	default:
		return notFound("There is no such action.")
	}
	return nil
}

func (p *pages) actNote(w http.ResponseWriter, r *http.Request, f url.Values, action string) error {
	id, text := f.Get("cycle"), f.Get("text")
	do := p.s.Comment
	if action == ActAcknowledge {
		do = p.s.Acknowledge
	}
	if err := do(r.Context(), id, text); err != nil {
		return err
	}
	if r.Header.Get("HX-Request") == "" {
		http.Redirect(w, r, cyclePath(id)+"#notes", http.StatusSeeOther)
		return nil
	}
	n, err := p.notes(r, id)
	if err != nil {
		return err
	}
	return p.part(w, http.StatusOK, "cycle", "notes", n)
}

func (p *pages) actStart(w http.ResponseWriter, r *http.Request, f url.Values, resume bool) error {
	s := Start{Bench: f.Get("bench")}
	if resume {
		s.Resume, s.Anyway = f.Get("run"), f.Get("anyway") != ""
	} else {
		var errs []error
		number := func(name, what string) int {
			t := strings.TrimSpace(f.Get(name))
			if t == "" {
				return 0
			}
			n, err := strconv.Atoi(t)
			if err != nil {
				errs = append(errs, fmt.Errorf("%w: %s: %q is no whole number", ErrInput, what, clean(t, 40)))
			}
			return n
		}
		s.Scenario, s.For, s.Prove = f.Get("scenario"), strings.TrimSpace(f.Get("for")), strings.TrimSpace(f.Get("prove"))
		s.Cycles, s.ControlsEvery = number("cycles", "cycles"), number("controls_every", "a control every so many cycles")
		s.Controls = f["control"]
		for k, vs := range f {
			if name, is := strings.CutPrefix(k, "p."); is && strings.TrimSpace(vs[0]) != "" {
				if s.Params == nil {
					s.Params = map[string]string{}
				}
				s.Params[name] = strings.TrimSpace(vs[0])
			}
		}
		for line := range strings.Lines(f.Get("labels")) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			k, v, ok := strings.Cut(line, "=")
			if !ok {
				errs = append(errs, fmt.Errorf("%w: labels: want name=value in %q", ErrInput, clean(line, 60)))
				continue
			}
			if s.Labels == nil {
				s.Labels = map[string]string{}
			}
			s.Labels[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	if _, err := p.s.Start(r.Context(), s); err != nil {
		return err
	}
	to := livePath(s.Bench)
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", to)
		return nil
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
