package soak_test

import (
	"testing"

	"resetrig/rig"
	"resetrig/soak"
)

// A control that died with its program says nothing: it is neither held nor lost,
// and the soak that goes on ends as one in which it had not been.
func TestAbortedControlCountsNowhere(t *testing.T) {
	plan := soak.Plan{Scenarios: entries(false, "a"), Controls: entries(true, "x"), ControlsEvery: 2, Cycles: 4}
	b, err := soak.NewBooks(&plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []soak.Done{
		{N: 1, Attempt: 1, Control: true, Outcome: rig.Pass},
		{N: 1, Attempt: 1, Outcome: rig.Pass},
		{N: 2, Attempt: 1, Outcome: rig.Pass},
		{N: 2, Attempt: 1, Control: true, Outcome: rig.Aborted, Reason: rig.ReasonInterrupted, Phase: "act"},
		{N: 3, Attempt: 1, Outcome: rig.Pass},
	} {
		b.Book(d)
	}
	got := b.Tally()
	if got.Controls != 1 || got.ControlsHeld != 1 || got.Cycles != 3 || got.Aborted != 0 {
		t.Errorf("%+v: want 1 of 1 controls held, 3 cycles", got)
	}
}
