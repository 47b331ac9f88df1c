package rig_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"resetrig/rig"
)

// refuser is a DUT that is sent a reset with a wrong password.
type refuser struct {
	*dut
	checks []rig.Check
	err    error
	mark   error
}

func (r refuser) RefusedReset(context.Context) ([]rig.Check, error) { return r.checks, r.err }

func (r refuser) StillMarked(context.Context, rig.Mark) ([]rig.Check, error) {
	return []rig.Check{{Name: "marker/name", Kind: rig.AboutMarker, Outcome: rig.CheckPass}}, nil
}

func (r refuser) Mark(ctx context.Context, s rig.MarkSpec) (rig.Mark, error) {
	m, err := r.dut.Mark(ctx, s)
	if r.mark != nil {
		err = r.mark
	}
	return m, err
}

// A reset with a wrong password must be refused, and shown to be; what keeps that
// from being seen has a name.
func TestWrongPassword(t *testing.T) {
	check := func(o rig.CheckOutcome, why rig.Reason) []rig.Check {
		return []rig.Check{{Name: "wrong-password", Kind: rig.AboutLogin, Outcome: o, Reason: why}}
	}
	for name, c := range map[string]struct {
		r       refuser
		outcome rig.Outcome
		reason  rig.Reason
	}{
		"refused":          {refuser{checks: check(rig.CheckPass, "")}, rig.Pass, ""},
		"taken":            {refuser{checks: check(rig.CheckFail, "")}, rig.Error, rig.ReasonControl},
		"unknown":          {refuser{checks: check(rig.CheckUnknown, rig.ReasonLocked)}, rig.Error, rig.ReasonLocked},
		"nothing shown":    {refuser{}, rig.Error, rig.ReasonControl},
		"no login to lose": {refuser{err: fmt.Errorf("send: %w", rig.ErrBudget)}, rig.Error, rig.ReasonBudget},
		"nobody known":     {refuser{err: fmt.Errorf("send: %w", rig.ErrUnidentified)}, rig.Error, rig.ReasonUnidentified},
		"mark nobody":      {refuser{mark: fmt.Errorf("mark: %w", rig.ErrUnidentified)}, rig.Error, rig.ReasonUnidentified},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelays()
				c.r.dut = &dut{r: r}
				b := testBench(r, rig.SafeKeep)
				b.DUT = rig.DUT{Prober: c.r, Provisioner: c.r, Marker: c.r, Judge: c.r, Refuser: c.r, LeastBoot: 5 * time.Second}
				var rec rig.Record
				_ = b.Arm(t.Context(), func(ctx context.Context, a *rig.Armed) error {
					rec = b.Cycle(ctx, a, &rig.Scenario{
						Name: "wrong-password", Control: true,
						Arrange: []rig.Step{rig.SwitchPower{Relay: "power", On: true}, rig.Reachable{Within: time.Minute}, rig.SetMark{}},
						Act:     []rig.Step{rig.FactoryReset{WrongPassword: true}},
						Assert:  []rig.Step{rig.StillMarked{}},
					}, rig.CycleSpec{ID: "1", Cycle: 1, Attempt: 1})
					return nil
				})
				if rec.Outcome != c.outcome || rec.Reason != c.reason {
					t.Errorf("%s %s, want %s %s: %s", rec.Outcome, rec.Reason, c.outcome, c.reason, rec.Text)
				}
			})
		})
	}
}
