package stats

import (
	"cmp"
	"slices"
	"strings"
)

// Signature names a kind of failure: its reason, its attribution, and the checks
// that failed, in their order without repetition. Two failures with the same
// signature look alike from outside.
func Signature(reason, attribution string, failedChecks []string) string {
	var names []string
	for _, c := range failedChecks {
		if !slices.Contains(names, c) {
			names = append(names, c)
		}
	}
	slices.Sort(names)
	s := reason
	if attribution != "" {
		s += ", " + attribution
	}
	if len(names) > 0 {
		s += ": " + strings.Join(names, ", ")
	}
	return s
}

// Group is what is known of the failures of one signature.
type Group struct {
	Signature   string
	Count       int
	First, Last int   // cycles
	Cycles      []int // of them, the first cyclesKept
}

const (
	cyclesKept = 20
	groupsKept = 200
)

// Groups counts failures by their signature. Its memory is bounded: beyond
// groupsKept signatures, the rest is counted as one, OtherSignatures.
type Groups struct{ by map[string]*Group }

// OtherSignatures is the group of what came when there were too many.
const OtherSignatures = "other signatures"

// Add counts a failure of that cycle.
func (g *Groups) Add(signature string, cycle int) {
	if g.by == nil {
		g.by = map[string]*Group{}
	}
	one := g.by[signature]
	if one == nil && len(g.by) >= groupsKept {
		signature = OtherSignatures
		one = g.by[signature]
	}
	if one == nil {
		one = &Group{Signature: signature, First: cycle}
		g.by[signature] = one
	}
	one.Count++
	one.Last = cycle
	if len(one.Cycles) < cyclesKept {
		one.Cycles = append(one.Cycles, cycle)
	}
}

// List is every group, the most frequent first.
func (g *Groups) List() []Group {
	var gs []Group
	for _, one := range g.by {
		gs = append(gs, *one)
	}
	slices.SortFunc(gs, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.First, b.First), cmp.Compare(a.Signature, b.Signature))
	})
	return gs
}
