package report

import (
	"cmp"
	"slices"
	"strings"

	"resetrig/rig"
	"resetrig/soak/stats"
)

// Gathering takes in the records of a run one by one, as they are committed,
// and says at any moment what they come to: the page of a soak that runs, without
// going through all of its records again and again. It holds a bounded part of
// them. It is not safe for concurrent use.
type Gathering struct{ g *gathered }

// NewGathering has no record yet. Of run, only the claim is used.
func NewGathering(run Summary) *Gathering { return &Gathering{newGathered(&run)} }

// Take takes in one record, in the order of the commits.
func (g *Gathering) Take(r rig.Record) { g.g.take(&r) }

// Attempts is how many records were taken in.
func (g *Gathering) Attempts() int { return g.g.n }

// Digest is what the report's page says of a run, for a page of another make:
// texts that were cleaned of control characters, and are to be escaped.
type Digest struct {
	Verdict              banner
	Unsafe, Claim, Worth string
	Tiles                []tile
	Facts                []pair
	Files                []File
	Counts               []countRow
	CountNote            string
	Rates                []rateRow
	Groups               []groupRow
	Errors               []reasonRow
	Controls             []controlRow
	Retries              string
	Relays               []relayRow
	Beeps                []beepRow
	Deaf                 string
	Findings             []pair
	Life                 lifeText
	// NotPassed are fails before errors, the latest first; Left more are not
	// among them.
	NotPassed []notPassed
	Left      int
	Trends    []Trend
	Outcomes  stats.Outcomes // first attempts, controls left out
}

// Trend is a measurement over the cycles, its figures, and its picture as a
// drawing whose colours are classes of the page's style.
type Trend struct {
	measureRow
	Cycles       []int
	Values       []float64
	Lower, Upper *float64 // the limits
}

// Digest says what the records come to so far.
func (g *Gathering) Digest(run Summary) Digest {
	c := *g.g
	if c.lives = slices.Clip(c.lives); c.since > 0 {
		c.lives = append(c.lives, stats.Life{Cycles: float64(c.since), Censored: true})
	}
	p := &page{Claim: c.claim.say(), Worth: worth(c.Outcomes())}
	p.verdict(&c)
	p.tiles(&c)
	p.whatRan(&run, &c)
	p.counts(&run, &c)
	p.rates(&c)
	p.groups(&c)
	p.health(&run, &c)
	p.lives(&c)
	d := Digest{
		Verdict: p.Verdict, Unsafe: p.Unsafe, Claim: p.Claim, Worth: p.Worth, Tiles: p.Tiles, Facts: p.Run, Files: p.Files,
		Counts: p.Counts, CountNote: p.CountNote, Rates: p.Rates, Groups: p.Groups, Errors: p.Errors, Controls: p.Controls,
		Retries: p.Retries, Relays: p.Relays, Beeps: p.Beeps, Deaf: p.Deaf, Findings: p.Findings, Life: p.Life,
		Left: c.rows.n - len(c.rows.first), Outcomes: c.Outcomes(),
	}
	for i := range c.rows.first {
		d.NotPassed = append(d.NotPassed, newNotPassed(&c.rows.first[i], ""))
	}
	weight := map[string]int{rowClass[provenRow]: 0, rowClass[presumedRow]: 0, rowClass[errorRow]: 1}
	slices.SortStableFunc(d.NotPassed, func(a, b notPassed) int {
		return cmp.Or(cmp.Compare(weight[a.Class], weight[b.Class]), cmp.Compare(b.Cycle, a.Cycle), strings.Compare(b.ID, a.ID))
	})
	for _, s := range c.measurements() {
		s.about = stats.Describe(s.values, s.min, s.max)
		s.about.Outside = s.outside
		d.Trends = append(d.Trends, Trend{
			measureRow: newMeasureRow(s), Cycles: slices.Clone(s.cycles), Values: slices.Clone(s.values), Lower: s.min, Upper: s.max,
		})
	}
	return d
}

// The texts of a record as the report has them, for pages of another make. Each
// is cleaned of control characters, and to be escaped.

// Verdict is how a cycle ended: "fail, proven: beep-missing".
func Verdict(r *rig.Record) string { return verdict(r) }

// Class is the name of that in a style: pass, proven, presumed, error, aborted.
func Class(r *rig.Record) string { return rowClass[rowOf(r)] }
