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

	mu     sync.Mutex
	g      *report.Gathering
	seq    int64           // of the ledger, up to which records were taken in
	seen   map[string]bool // records that the first reading may have had beyond seq
	digest *report.Digest
	until  time.Time // no new one before
	state  string
}

// of is the digest of a run. A viewer waits for the first one; later ones wait
// for nobody but each other.
func (s *sheets) of(ctx context.Context, run string) (*report.Digest, report.Summary, error) {
	sum, err := s.rig.Reports.Summary(ctx, run)
	if err != nil {
		return nil, sum, err
	}
	one := s.sheet(run)
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.digest != nil && one.state == sum.State && time.Now().Before(one.until) {
		return one.digest, sum, nil
	}
	began := time.Now()
	if err := one.update(ctx, s.rig, sum); err != nil {
		one.g = nil // begin anew: it may have half of something
		return nil, sum, err
	}
	d := one.g.Digest(sum)
	one.digest, one.state = &d, sum.State
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
