// Package notify tells the outside what happens: it takes notices from an
// outbox, one after the other in their order, and posts each to a webhook until
// it was taken or never will be.
//
// It knows the forms that receivers want (plain JSON, ntfy, Slack) and how to
// try again; it does not know what a soak is, nor how a notice becomes durable
// (the Box). The traps: a webhook's address is a secret, and Go's errors of
// net/http quote it; and a receiver that hangs must never keep a cycle waiting,
// so that everything here runs in a goroutine of its caller's, beside the soak.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"resetrig/rig"
)

// Notice is one thing to tell. JSON is its whole content as one object, which
// the plain form posts as it is.
type Notice struct {
	Seq   int64
	Title string
	Text  string
	// Urgent is true where somebody should come.
	Urgent bool
	JSON   []byte
}

// ErrEmpty is what a Box returns when nothing waits.
var ErrEmpty = errors.New("the outbox is empty")

// Box is a durable outbox.
type Box interface {
	// Next is the notice that has waited longest; ErrEmpty where there is none.
	Next(ctx context.Context) (Notice, error)
	// Tried notes that it was posted in vain.
	Tried(ctx context.Context, n Notice, why string) error
	// Done takes it out: it was taken, or, where why is not empty, never will be.
	Done(ctx context.Context, n Notice, why string) error
}

// Form is how a receiver wants a notice.
type Form string

// The forms.
const (
	JSON  Form = "json"  // one object
	Ntfy  Form = "ntfy"  // plain text, with headers: docs.ntfy.sh/publish
	Slack Form = "slack" // {"text": …}: Slack's incoming webhooks, Mattermost, Discord's /slack
)

// Sender posts notices to a webhook.
type Sender struct {
	URL    rig.Secret
	Form   Form
	Client *http.Client // nil: one with a time-out of 15 s
	// First and Most bound the time between two tries; 2 s and 10 min unless
	// said otherwise.
	First, Most time.Duration
	// Idle is how often an empty box is looked into; 1 s unless said otherwise.
	Idle time.Duration
}

// permanent is an answer that another try will not change.
type permanent struct{ text string }

func (e *permanent) Error() string { return e.text }

// Run posts what the box has and what comes, until ctx ends: then it returns
// nil. Its errors are the box's.
func (s *Sender) Run(ctx context.Context, box Box) error {
	for {
		n, err := box.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrEmpty):
			if !sleep(ctx, orDefault(s.Idle, time.Second)) {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		if err := s.deliver(ctx, box, n); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// Flush posts what the box has, once each, and stops at the first that is not
// taken: for an end that cannot wait for better times.
func (s *Sender) Flush(ctx context.Context, box Box) error {
	for {
		n, err := box.Next(ctx)
		if errors.Is(err, ErrEmpty) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.settle(ctx, box, n, s.post(ctx, n)); err != nil {
			return err
		}
	}
}

// deliver posts one notice until it is taken, or never will be.
func (s *Sender) deliver(ctx context.Context, box Box, n Notice) error {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = orDefault(s.First, 2*time.Second), orDefault(s.Most, 10*time.Minute)
	var boxErr error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := s.post(ctx, n)
		var never *permanent
		if err == nil || errors.As(err, &never) {
			boxErr = s.settle(context.WithoutCancel(ctx), box, n, err)
			return struct{}{}, nil
		}
		if ctx.Err() == nil {
			if boxErr = box.Tried(ctx, n, err.Error()); boxErr != nil {
				return struct{}{}, backoff.Permanent(boxErr)
			}
		}
		return struct{}{}, err
	}, backoff.WithBackOff(b), backoff.WithMaxElapsedTime(0))
	if boxErr != nil {
		return boxErr
	}
	if ctx.Err() != nil {
		return nil // it stays in the box
	}
	return err
}

// settle takes a notice out of the box that was taken or never will be; another
// error is returned, and the notice stays.
func (s *Sender) settle(ctx context.Context, box Box, n Notice, err error) error {
	var never *permanent
	switch {
	case err == nil:
		return box.Done(ctx, n, "")
	case errors.As(err, &never):
		return box.Done(ctx, n, "given up: "+never.text)
	}
	return errors.Join(err, box.Tried(ctx, n, err.Error()))
}

// post sends one notice once.
func (s *Sender) post(ctx context.Context, n Notice) error {
	body, header := s.form(n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return &permanent{"the webhook's address is none"}
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	client := s.Client
	if client == nil {
		client = &http.Client{Timeout: 15 * time.Second}
	}
	resp, err := client.Do(req)
	if err != nil {
		return bare(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch c := resp.StatusCode; {
	case c >= 200 && c < 300:
		return nil
	case c == http.StatusTooManyRequests:
		if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && after > 0 {
			return fmt.Errorf("%s: %w", resp.Status, backoff.RetryAfter(min(after, 3600)))
		}
		return errors.New(resp.Status)
	case c >= 400 && c < 500 && c != http.StatusRequestTimeout && c != http.StatusTooEarly:
		return &permanent{"the webhook says " + resp.Status}
	}
	return errors.New("the webhook says " + resp.Status)
}

// bare is an error of net/http without the address in it.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("post to the webhook: %w", u.Err)
	}
	return err
}

// form is a notice as the receiver wants it.
func (s *Sender) form(n Notice) (body []byte, header map[string]string) {
	switch s.Form {
	case Ntfy:
		priority := "default"
		if n.Urgent {
			priority = "high"
		}
		// A header holds no line breaks, and only ASCII is read alike by all.
		return []byte(n.Text), map[string]string{"Title": plain(n.Title), "Priority": priority, "Content-Type": "text/plain; charset=utf-8"}
	case Slack:
		body, _ := json.Marshal(map[string]string{"text": "*" + slack(n.Title) + "*\n" + slack(n.Text)}) // strings marshal
		return body, map[string]string{"Content-Type": "application/json"}
	}
	return n.JSON, map[string]string{"Content-Type": "application/json"}
}

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
}

// slack escapes what Slack takes for its markup (api.slack.com, Formatting text).
func slack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func orDefault(d, usual time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return usual
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
