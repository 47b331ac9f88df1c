package web

import (
	"context"
	"sync"
	"time"

	"resetrig/report"
)

// A run's statistics are made of all its records. Reading those takes seconds
// for a long soak, so that each run's is gathered once, and then only what was
// committed since.
const (
	sheetsMost = 6               // runs whose statistics are held
	sheetFresh = 2 * time.Second // statistics are made anew at most so often,
	sheetShare = 10              // and take at most this part of the time
)

// sheets holds the statistics of the runs that were looked at last.
type sheets struct {
	rig *Rig
	mu  sync.Mutex
	all []*sheet // the one looked at last comes first
}

// sheet is one run's.
type sheet struct {
	run string

	work sync.Mutex // whoever makes it anew
	g    *report.Gathering
	seq  int64           // of the ledger, up to which records were taken in
	seen map[string]bool // records that the first reading may have had beyond seq

	mu     sync.Mutex
	digest *report.Digest
	until  time.Time // no new one before
	state  string
}

// fresh is the digest, and whether it is to be made anew.
func (o *sheet) fresh(state string) (d *report.Digest, fresh bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.digest, o.digest != nil && o.state == state && time.Now().Before(o.until)
}

// of is the digest of a run. Viewers wait for the first one; while a later one is
// made, all but one have that before.
func (s *sheets) of(ctx context.Context, run string) (*report.Digest, report.Summary, error) {
	sum, err := s.rig.Reports.Summary(ctx, run)
	if err != nil {
		return nil, sum, err
	}
	one := s.sheet(run)
	d, fresh := one.fresh(sum.State)
	if fresh {
		return d, sum, nil
	}
	if d == nil {
		one.work.Lock()
	} else if !one.work.TryLock() {
		return d, sum, nil
	}
	defer one.work.Unlock()
	if d, fresh = one.fresh(sum.State); fresh { // somebody made it meanwhile
		return d, sum, nil
	}
	began := time.Now()
	if err := one.update(ctx, s.rig, sum); err != nil {
		one.g = nil // begin anew: it may have half of something
		return nil, sum, err
	}
	made := one.g.Digest(sum)
	one.mu.Lock()
	defer one.mu.Unlock()
	one.digest, one.state = &made, sum.State
	one.until = time.Now().Add(max(sheetFresh, sheetShare*time.Since(began)))
	return one.digest, sum, nil
}

func (s *sheets) sheet(run string) *sheet {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, one := range s.all {
		if one.run == run {
			copy(s.all[1:i+1], s.all[:i])
			s.all[0] = one
			return one
		}
	}
	one := &sheet{run: run}
	s.all = append([]*sheet{one}, s.all[:min(len(s.all), sheetsMost-1)]...)
	return one
}

// update takes in what was committed since the last look.
func (o *sheet) update(ctx context.Context, r *Rig, sum report.Summary) error {
	if o.g == nil || r.Ledger == nil {
		o.g, o.seq, o.seen = report.NewGathering(sum), 0, map[string]bool{}
		if r.Ledger != nil {
			n, err := r.Ledger.Last(ctx)
			if err != nil {
				return err
			}
			o.seq = n
		}
		for rec, err := range r.Reports.Records(ctx, o.run) {
			if err != nil {
				return err
			}
			o.seen[rec.ID] = true
			o.g.Take(rec)
		}
	}
	if r.Ledger == nil {
		return nil
	}
	for {
		cs, err := r.Ledger.Since(ctx, o.seq, catchUp)
		if err != nil {
			return err
		}
		for _, c := range cs {
			o.seq = c.Seq
			if c.Run != o.run || o.seen[c.ID] {
				continue
			}
			rec, err := r.Books.Record(ctx, c.ID)
			if err != nil {
				return err
			}
			o.g.Take(rec)
		}
		if len(cs) < catchUp {
			o.seen = nil // what is younger was not in the first reading
			return nil
		}
	}
}
