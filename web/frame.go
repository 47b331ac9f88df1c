package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"time"

	"resetrig/web/access"
)

// frame is one picture of all benches. It is not changed once it was published.
type frame struct {
	n       uint64
	moments []framedMoment
	spectra map[string][]byte // by bench, the whole event
	last    int64             // the number of the last record that is known
	recent  []Cycle           // the last records, the oldest first, without a gap
}

type framedMoment struct {
	bench   string
	version uint64
	event   []byte // without the strip: the records tell it
}

// frameMaker makes one frame after another. One goroutine at a time has it.
type frameMaker struct {
	s      *stream
	seen   map[string]seenMoment // by bench
	looked time.Time             // at the ledger
	last   int64
	recent []Cycle
}

// seenMoment is what a bench's last event was made of. What its lines read is no
// change of the moment's own.
type seenMoment struct {
	made  uint64 // the moment's version
	reads []byte
	framedMoment
}

// ledgerWithin bounds a look at the results: a disk that stands still costs the
// pictures a second, and no cycle anything.
const ledgerWithin = time.Second

// frame looks at every bench. changed is false where nothing is new.
func (k *frameMaker) frame() (f *frame, changed bool) {
	f = &frame{}
	for _, m := range k.s.live.Moments() {
		one, fresh, ok := k.moment(m)
		if !ok {
			continue
		}
		changed = changed || fresh
		f.moments = append(f.moments, one)
		if !k.s.heard(m.Bench) {
			continue
		}
		if sp, ok := k.s.live.Bench(m.Bench).Sound(); ok {
			if f.spectra == nil {
				f.spectra = map[string][]byte{}
			}
			f.spectra[m.Bench] = spectrumEvent(m.Bench, sp)
			changed = true
		}
	}
	before := k.last
	k.records()
	f.last, f.recent = k.last, k.recent
	// A frame after nobody watched is the first of another present.
	newest, _ := k.s.now()
	return f, changed || k.last != before || newest.moments == nil
}

// moment is the event of a bench, made anew where it has changed.
func (k *frameMaker) moment(m Moment) (one framedMoment, fresh, ok bool) {
	reads := make([]byte, 0, len(m.Relays))
	for _, r := range m.Relays {
		b := byte('?')
		if r.Read != nil {
			b = map[bool]byte{true: '1', false: '0'}[*r.Read]
		}
		reads = append(reads, b)
	}
	had, known := k.seen[m.Bench]
	if known && had.made == m.Version && slices.Equal(had.reads, reads) {
		return had.framedMoment, false, true
	}
	made := m.Version
	m.Strip = nil
	m.Version = had.version + 1
	text, err := json.Marshal(m)
	if err != nil { // a number that JSON has not
		k.s.log("make a bench's picture", err)
		return one, false, false
	}
	one = framedMoment{m.Bench, m.Version, access.Event("moment", "", text)}
	k.seen[m.Bench] = seenMoment{made, reads, one}
	return one, true, true
}

// records takes in what was committed since.
func (k *frameMaker) records() {
	if k.s.ledger == nil {
		return
	}
	select {
	case <-k.s.poke:
	default:
		if time.Since(k.looked) < ledgerApart {
			return
		}
	}
	k.looked = time.Now()
	ctx, done := context.WithTimeout(context.Background(), ledgerWithin)
	defer done()
	last, err := k.s.ledger.Last(ctx)
	if err != nil || last <= k.last {
		return // an error is there again at the next look, and viewers are told it when they come
	}
	from := max(k.last, last-recentCycles)
	fresh, err := k.s.ledger.Since(ctx, from, recentCycles)
	if err != nil || len(fresh) == 0 {
		return
	}
	all := slices.Clone(fresh)
	if from == k.last { // nothing lies between
		all = slices.Concat(k.recent, fresh)
	}
	k.recent = all[max(0, len(all)-recentCycles):]
	k.last = all[len(all)-1].Seq
}

// The spectrum goes over the wire as one byte a bin: 0 is spectrumFloor dBFS or
// less, 255 is 0 dBFS.
const spectrumFloor = -140.0

func spectrumEvent(bench string, sp Spectrum) []byte {
	bins := make([]byte, len(sp.DBFS))
	for i, v := range sp.DBFS {
		bins[i] = byte(math.Round(255 * min(1, max(0, (float64(v)-spectrumFloor)/-spectrumFloor))))
	}
	data, err := json.Marshal(struct {
		Bench string `json:"bench"`
		Spectrum
		Floor float64 `json:"floor_dbfs"`
		Bins  string  `json:"bins"`
	}{bench, sp, spectrumFloor, base64.StdEncoding.EncodeToString(bins)})
	if err != nil { // a level that is no number
		return nil
	}
	return access.Event("spectrum", "", data)
}
