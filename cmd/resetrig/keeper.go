package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/store"
)

// keeper decides which cycles of a run leave evidence, and makes room for it: no
// evidence is worth a result.
type keeper struct {
	a     *app
	db    *store.Store
	run   store.Run
	rule  config.Evidence
	count [2]int // passes so far: of cycles, of controls

	why  string          // why the cycle that runs leaves none, where it would have
	said map[string]bool // notices that stand; each is given once
}

func newKeeper(ctx context.Context, a *app, db *store.Store, run store.Run, rule config.Evidence) (*keeper, error) {
	k := &keeper{a: a, db: db, run: run, rule: rule, said: map[string]bool{}}
	if rule.Keep != config.KeepSampled {
		return k, nil
	}
	c, err := db.Counts(ctx, run.ID) // a soak that is resumed samples on
	k.count = [2]int{c.First.Pass + c.Retries.Pass, c.Controls.Pass}
	return k, err
}

// begin says whether a cycle gets a folder, and whether its evidence is kept if
// it passes.
func (k *keeper) begin(ctx context.Context, sc *rig.Scenario) (folder, pass bool) {
	k.why = ""
	if k.rule.Keep == config.KeepNone {
		return needsDir(sc), false
	}
	if !k.roomOnDisk(ctx) {
		return needsDir(sc), false
	}
	return true, k.samples(sc.Control) && k.roomForPass(ctx)
}

// samples reports whether the next pass is one that is kept.
func (k *keeper) samples(control bool) bool {
	n := k.count[kindOf(control)] + 1
	return k.rule.Keep == config.KeepSampled && (n <= k.rule.First || k.rule.Every > 0 && n%k.rule.Every == 0)
}

func kindOf(control bool) int {
	if control {
		return 1
	}
	return 0
}

// roomOnDisk keeps the reserve free: evidence that may go makes room for the
// results, and then no more is taken.
func (k *keeper) roomOnDisk(ctx context.Context) bool {
	short := func() int64 {
		free, err := k.db.Free()
		if err != nil {
			return 0 // the next commit will say what is wrong
		}
		return int64(k.rule.Reserve) - free
	}
	s := short()
	if s > 0 {
		k.makeRoom(ctx, s)
		s = short()
	}
	if s <= 0 {
		k.said["disk"] = false
		return true
	}
	k.why = fmt.Sprintf("no evidence is kept: the disk has less than the reserve of %s left, which belongs to the results", megabytes(int64(k.rule.Reserve)))
	k.say(ctx, "disk", k.why+"; make room in "+k.a.state+": `resetrig store export --evidence FOLDER` copies it to elsewhere, and what was copied may be dropped")
	return false
}

// roomForPass reports whether the budget has room that failures do not take.
func (k *keeper) roomForPass(ctx context.Context) bool {
	u, err := k.db.EvidenceUse(ctx)
	if err != nil {
		return false
	}
	if u.Bytes-u.Droppable < int64(k.rule.Budget) {
		k.said["budget"] = false
		return true
	}
	k.say(ctx, "budget", fmt.Sprintf("the budget for evidence of %s is spent by cycles that did not pass (%d, %s): no pass is kept any more, and each further failure is. "+
		"`resetrig store export --evidence FOLDER` copies them to elsewhere, and what was copied may be dropped", megabytes(int64(k.rule.Budget)), u.Unexported, megabytes(u.Bytes-u.Droppable)))
	return false
}

// committed counts, and holds the evidence to its budget.
func (k *keeper) committed(ctx context.Context, r rig.Record) {
	if r.Outcome == rig.Pass {
		k.count[kindOf(r.Control)]++
	}
	if len(r.Hashes) > 0 {
		k.bound(ctx)
	}
}

// bound holds the evidence to its budget.
func (k *keeper) bound(ctx context.Context) {
	if u, err := k.db.EvidenceUse(ctx); err == nil {
		k.makeRoom(ctx, u.Bytes-int64(k.rule.Budget))
	}
}

func (k *keeper) makeRoom(ctx context.Context, want int64) {
	d, err := k.db.MakeRoom(ctx, want, time.Now())
	if err != nil {
		fmt.Fprintf(k.a.err, "resetrig: %v\n", err)
	}
	if d.Passes+d.Others > 0 {
		k.a.log.Info("evidence was dropped to make room", "passes", d.Passes, "exported", d.Others, "bytes", d.Bytes)
	}
}

// say gives a notice once as long as it stands: to the person, to the log, and
// to the audit log, where the dashboard finds it.
func (k *keeper) say(ctx context.Context, what, text string) {
	if k.said[what] {
		return
	}
	k.said[what] = true
	fmt.Fprintf(k.a.err, "resetrig: %s\n", text)
	k.a.log.Warn(text, "run", k.run.ID)
	if _, err := k.db.Audit(ctx, store.AuditEntry{At: time.Now(), Who: "resetrig", Action: "evidence", Bench: k.run.Bench, Run: k.run.ID, Detail: text, Result: "ok"}); err != nil {
		k.a.log.Error("note in the audit log", "err", err)
	}
}

// remark tells a record why it has no evidence, where it should have some.
func (k *keeper) remark(r *rig.Record, err error) {
	text := k.why
	if err != nil {
		text = err.Error()
	} else if r.Outcome == rig.Pass {
		return
	}
	if text != "" {
		r.Findings = append(slices.Clip(r.Findings), rig.Finding{Name: "evidence", Detail: text})
	}
}

// megabytes is an amount as a person reads it.
func megabytes(n int64) string {
	switch v := float64(n); {
	case n >= 995e9:
		return fmt.Sprintf("%.3g TB", v/1e12)
	case n >= 995e6:
		return fmt.Sprintf("%.3g GB", v/1e9)
	case n >= 995e3:
		return fmt.Sprintf("%.3g MB", v/1e6)
	}
	return fmt.Sprintf("%.3g kB", float64(n)/1e3)
}

// evidenceRule is what holds for a series: what the command line says, the plan,
// the bench, and what is usual.
func evidenceRule(s series, cfg *config.Bench) config.Evidence {
	e := config.NoEvidence()
	e.Keep = s.keep
	for _, usual := range []*config.Evidence{s.evidence, cfg.Evidence} {
		if usual != nil {
			e = e.Or(*usual)
		}
	}
	return e.Or(config.UsualEvidence(cfg.Simulate != nil))
}

// soundFlag is the flag that says which evidence is kept.
func soundFlag(c *cobra.Command, keep *string) {
	c.Flags().StringVar(keep, "sound", "", "which cycles leave their sound and transcript: none (simulated benches' default), fails, or sampled (real ones'): the fails, the first passes and every hundredth")
}

func soundFits(keep string) error {
	switch keep {
	case "", config.KeepNone, config.KeepFails, config.KeepSampled:
		return nil
	}
	return usage(fmt.Errorf("--sound %q: want none, fails or sampled", keep))
}
