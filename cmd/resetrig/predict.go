package main

import (
	"context"
	"fmt"
	"time"

	"resetrig/config"
	"resetrig/rig"
	"resetrig/soak"
	"resetrig/store"
)

// What a cycle takes on the disk, measured; where this state folder has seen
// enough cycles of its own, those tell.
const (
	emptyBytes      = 100_000 // a database without a cycle
	recordBytes     = 4_000   // a cycle in it: 3 kB a pass, more for what went wrong
	transcriptBytes = 80_000  // some hundred exchanges
	pictureBytes    = 380_000 // of 30 s of a room with some noise
	failShare       = 0.01    // of the cycles, where nobody knows
	seenEnough      = 100     // cycles
)

// prediction is what a soak is expected to take on the disk.
type prediction struct {
	Cycles  int           // controls included; 0: its end cannot be told
	Takes   time.Duration // one of them
	Record  int64         // bytes each
	Kept    int64         // bytes of evidence of a cycle that leaves some
	Fails   int           // cycles that leave evidence since they did not pass, by assumption
	Passes  int           // that leave evidence since they are sampled
	Budget  int64
	Reserve int64
	Used    int64 // by evidence that is there
	Free    int64
}

// Results and Evidence are bytes; Evidence is held to the budget as far as
// failures leave any.
func (p prediction) Results() int64 { return emptyBytes + int64(p.Cycles)*p.Record }

func (p prediction) Evidence() int64 {
	fails := int64(p.Fails) * p.Kept
	return fails + min(int64(p.Passes)*p.Kept, max(0, p.Budget-p.Used-fails))
}

// predict tells what a plan will take. The number of cycles is that of the plan,
// or what fits into its time, or the fewest that can show its claim, whichever
// is least.
func predict(ctx context.Context, db *store.Store, b *rig.Bench, plan *soak.Plan, rule config.Evidence, rate int) (p prediction, err error) {
	p = prediction{Record: recordBytes, Budget: int64(rule.Budget), Reserve: int64(rule.Reserve)}
	var took, sound float64
	weights := 0
	for _, e := range plan.Scenarios {
		t, s := b.Planned(e.Scenario)
		seen, err := db.Usual(ctx, b.Name, e.Scenario.Name)
		if err != nil {
			return p, err
		}
		if seen.Cycles >= seenEnough/10 {
			t = seen.Took
		}
		weight := max(e.Weight, 1)
		weights += weight
		took += float64(weight) * t.Seconds()
		sound += float64(weight) * s.Seconds()
	}
	took, sound = took/float64(weights), sound/float64(weights)
	p.Takes = time.Duration(took * float64(time.Second))
	p.Kept = transcriptBytes
	if rate > 0 {
		p.Kept += int64(sound*float64(rate)*2) + pictureBytes
	}
	for _, n := range []int{plan.Cycles, fitting(plan, p.Takes), leastFor(plan)} {
		if n > 0 && (p.Cycles == 0 || n < p.Cycles) {
			p.Cycles = n
		}
	}
	switch rule.Keep {
	case config.KeepSampled:
		p.Passes = sampled(rule, p.Cycles)
		fallthrough
	case config.KeepFails:
		p.Fails = int(float64(p.Cycles)*failShare + .999)
	}
	if p.Cycles > 0 && len(plan.Controls) > 0 {
		controls := len(plan.Controls)
		if plan.ControlsEvery > 0 {
			controls += p.Cycles / plan.ControlsEvery
		}
		p.Cycles += controls
		if rule.Keep == config.KeepSampled {
			p.Passes += sampled(rule, controls)
		}
	}
	return p, p.measure(ctx, db)
}

// sampled is how many of n passes are kept.
func sampled(rule config.Evidence, n int) int {
	first := min(rule.First, n)
	if rule.Every <= 0 {
		return first
	}
	return first + n/rule.Every - first/rule.Every
}

// measure asks what is there already.
func (p *prediction) measure(ctx context.Context, db *store.Store) error {
	n, err := db.LastSeq(ctx)
	if err != nil {
		return err
	}
	size, err := db.Size()
	if err != nil {
		return err
	}
	if n >= seenEnough {
		p.Record = max(size.Database/n, 1)
	}
	use, err := db.EvidenceUse(ctx)
	if err != nil {
		return err
	}
	p.Used = use.Bytes
	p.Free, err = db.Free()
	return err
}

// fitting is how many cycles fit into the plan's time; 0 where it has none.
func fitting(plan *soak.Plan, takes time.Duration) int {
	if plan.For <= 0 || takes+plan.Pause <= 0 {
		return 0
	}
	open := 1.0 // of the week
	if w := plan.Window; w != nil {
		hours := w.To - w.From
		if hours <= 0 {
			hours += 24 * time.Hour
		}
		open = hours.Hours() / 24
		if len(w.Days) > 0 {
			open *= float64(len(w.Days)) / 7
		}
	}
	return int(open*float64(plan.For)/float64(takes+plan.Pause)) + 1
}

// leastFor is the fewest cycles that can show the plan's claim; 0 without one.
func leastFor(plan *soak.Plan) int {
	if plan.Claim == nil {
		return 0
	}
	return plan.Claim.Left(0, 0)
}

// lines are the prediction in words: what is expected, and what to be warned of.
func (p prediction) lines() []string {
	if p.Cycles == 0 {
		return nil
	}
	text := fmt.Sprintf("disk: some %d cycles of %s take %s of results (%s each)", p.Cycles, p.Takes.Round(time.Second), megabytes(p.Results()), megabytes(p.Record))
	if p.Fails+p.Passes == 0 {
		text += ", and no evidence is kept"
	} else {
		text += fmt.Sprintf(" and %s of evidence: %s each, of %d passes and, if %g %% of the cycles fail, of %d that fail; its budget is %s", megabytes(p.Evidence()), megabytes(p.Kept), p.Passes, 100*failShare, p.Fails, megabytes(p.Budget))
	}
	lines := []string{text + fmt.Sprintf("; %s are free", megabytes(p.Free))}
	if p.Results()+p.Evidence() > p.Free-p.Reserve {
		lines = append(lines, fmt.Sprintf("WARNING: that is more than the disk has beside the reserve of %s: evidence will be left out, and the soak stops when its results cannot be stored; make room, or choose another folder with --state", megabytes(p.Reserve)))
	}
	if fails := int64(p.Fails) * p.Kept; fails+p.Used > p.Budget && p.Fails > 0 && fails > p.Budget/2 {
		lines = append(lines, "WARNING: the failures alone may take more than the budget, and no pass is kept then; raise it with --evidence budget=…, or export now and then")
	}
	return lines
}

// sayDisk tells at the start of a soak what it will take.
func (a *app) sayDisk(ctx context.Context, db *store.Store, w *wiring, plan *soak.Plan, rule config.Evidence) error {
	rate := 0
	if w.ear != nil {
		rate = w.ear.Rate()
	}
	p, err := predict(ctx, db, w.bench, plan, rule, rate)
	if err != nil {
		return err
	}
	for _, line := range p.lines() {
		fmt.Fprintf(a.err, "resetrig: %s\n", line)
		a.log.Info(line)
	}
	return nil
}
