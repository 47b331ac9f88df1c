package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"resetrig/config"
	"resetrig/notify"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
)

// notice is what the outside is told: the plain form is this as JSON.
type notice struct {
	Event       string            `json:"event"` // fail, error, hold, stop, end
	At          time.Time         `json:"at"`
	Host        string            `json:"host"`
	Bench       string            `json:"bench"`
	Run         string            `json:"run"`
	Scenario    string            `json:"scenario"`
	Labels      map[string]string `json:"labels,omitempty"`
	Cycle       string            `json:"cycle,omitempty"` // the record's ID
	Outcome     rig.Outcome       `json:"outcome,omitempty"`
	Attribution rig.Attribution   `json:"attribution,omitempty"`
	Reason      rig.Reason        `json:"reason,omitempty"`
	Text        string            `json:"text,omitempty"`
	Exit        int               `json:"exit"` // of stop and end
	Tally       *soak.Tally       `json:"tally,omitempty"`
}

// teller makes the messages of a run; ok is false for what the bench's webhook
// does not want, or where there is none.
func (a *app) teller(cfg *config.Bench, run store.Run) func(notice) (m store.Message, ok bool) {
	host, _ := os.Hostname()
	return func(n notice) (store.Message, bool) {
		hook := cfg.Soak.Webhook
		if hook == nil || len(hook.On) > 0 && !slices.Contains(hook.On, n.Event) {
			return store.Message{}, false
		}
		n.At, n.Host, n.Bench, n.Run, n.Scenario, n.Labels = time.Now(), host, cfg.Name, run.ID, run.Scenario, run.Labels
		body, err := json.Marshal(n)
		if err != nil {
			a.log.Error("make a notice", "err", err)
			return store.Message{}, false
		}
		return store.Message{Run: run.ID, Kind: n.Event, At: n.At, Body: string(body)}, true
	}
}

// title and text are a notice as a person reads it.
func (n notice) title() string { return fmt.Sprintf("resetrig %s: %s", n.Bench, n.Event) }

func (n notice) text() string {
	var b strings.Builder
	if n.Cycle != "" {
		word := string(n.Outcome)
		if n.Attribution != "" {
			word += " " + string(n.Attribution)
		}
		fmt.Fprintf(&b, "cycle %s: %s %s\n", n.Cycle, word, n.Reason)
	}
	if n.Text != "" {
		fmt.Fprintln(&b, firstLine(n.Text))
	}
	if t := n.Tally; t != nil {
		fmt.Fprintf(&b, "%d cycles: %d pass, %d fail (%d proven), %d error, %d aborted\n", t.Cycles, t.Pass, t.Fails(), t.Proven, t.Errors, t.Aborted)
	}
	fmt.Fprintf(&b, "%s, %s", n.Scenario, n.Run)
	for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
		fmt.Fprintf(&b, ", %s %s", k, n.Labels[k])
	}
	return b.String()
}

// outbox is the store as the sender wants it. Each bench sends what its own
// runs posted, in this invocation or before.
type outbox struct {
	db    *store.Store
	bench string
	now   func() time.Time
}

func (o outbox) Next(ctx context.Context) (notify.Notice, error) {
	m, err := o.db.Waiting(ctx, o.bench)
	if errors.Is(err, store.ErrNotFound) {
		return notify.Notice{}, notify.ErrEmpty
	}
	if err != nil {
		return notify.Notice{}, err
	}
	var n notice
	if err := json.Unmarshal([]byte(m.Body), &n); err != nil {
		return notify.Notice{}, err
	}
	return notify.Notice{
		Seq: m.Seq, Title: n.title(), Text: n.text(), JSON: []byte(m.Body),
		Urgent: n.Event == "fail" || n.Event == "hold" || n.Event == "stop",
	}, nil
}

func (o outbox) Tried(ctx context.Context, n notify.Notice, why string) error {
	return o.db.Tried(ctx, n.Seq, why)
}

func (o outbox) Done(ctx context.Context, n notify.Notice, why string) error {
	return o.db.Delivered(ctx, n.Seq, o.now(), why)
}

// lastPosts is how long the end of a run waits for what is left to tell.
const lastPosts = 10 * time.Second

// deliver sends what waits in the outbox, beside the run. done ends it: what the
// receiver does not take within some seconds waits for the next run.
func (a *app) deliver(ctx context.Context, db *store.Store, cfg *config.Bench) (done func()) {
	hook := cfg.Soak.Webhook
	if hook == nil {
		return func() {}
	}
	s := &notify.Sender{URL: hook.URL, Form: notify.Form(hook.Form)}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := rig.Guarded(func() error { return s.Run(ctx, outbox{db, cfg.Name, time.Now}) }); err != nil {
			a.log.Error("the webhook's sender ended", "err", err)
		}
	}()
	return func() {
		stop()
		<-ended
		last, cancel := context.WithTimeout(context.Background(), lastPosts)
		defer cancel()
		if err := rig.Guarded(func() error { return s.Flush(last, outbox{db, cfg.Name, time.Now}) }); err != nil {
			fmt.Fprintf(a.err, "resetrig: the webhook was not reached: %v; what is left to tell waits for the next run\n", err)
		}
	}
}
