package main

import (
	"encoding/json"
	"errors"
	"math"
	"path/filepath"

	"github.com/spf13/cobra"

	"resetrig/report"
	"resetrig/soak/stats"
	"resetrig/store"
)

func (a *app) compareCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "compare A B",
		Short: "Two soaks against each other: does B fail more, does it measure otherwise",
		Long: `A and B are the IDs of two runs, or the beginnings of them, as ` + "`resetrig list`" + `
shows them: A is what is known, B what is asked about, like an old firmware and
a new one.

The failure rates of first attempts are compared by Fisher's exact test, each
measurement by Mann and Whitney's. What was not the same in the two runs is
listed, and it is said what can be concluded and what can't.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			db, err := store.Open(filepath.Join(a.state, "resetrig.db"))
			if err != nil {
				return rigError(err)
			}
			defer func() { err = errors.Join(err, rigError(db.Close())) }()
			var sums [2]report.Summary
			for i, id := range args {
				run, err := db.Run(cmd.Context(), id)
				if err != nil {
					return usage(err)
				}
				if sums[i], err = summary(cmd.Context(), db, run); err != nil {
					return rigError(err)
				}
			}
			if sums[0].Run == sums[1].Run {
				return usage(errors.New("both are run " + sums[0].Run + ": name two different ones"))
			}
			of := func(s report.Summary) store.Filter { return store.Filter{Run: s.Run} }
			result, err := report.Compare(sums[0], sums[1], db.Records(cmd.Context(), of(sums[0])), db.Records(cmd.Context(), of(sums[1])))
			if err != nil {
				return rigError(err)
			}
			if asJSON {
				return json.NewEncoder(a.out).Encode(comparisonJSON(result))
			}
			return report.CompareText(a.out, result)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return c
}

// comparisonJSON is the comparison as docs/results.md describes it. A number that
// is unknown or has no bound is null.
func comparisonJSON(c report.Comparison) map[string]any {
	number := func(v float64) any {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v
	}
	run := func(r report.Compared) map[string]any {
		rates := r.Outcomes.Rates(0.95)
		return map[string]any{
			"run": r.Run.Run, "bench": r.Run.Bench, "scenario": r.Run.Scenario, "firmware": r.Firmware, "outcomes": r.Outcomes,
			"fail_rate": number(rates.FailLeftOut.Value), "fail_rate_low": rates.FailLeftOut.Low, "fail_rate_high": rates.FailLeftOut.High,
			"fail_rate_errors_counted":     number(rates.FailErrorsCount.Value),
			"fail_rate_errors_counted_low": rates.FailErrorsCount.Low, "fail_rate_errors_counted_high": rates.FailErrorsCount.High,
		}
	}
	fisher := func(f stats.Fisher) map[string]any {
		return map[string]any{"p": f.P, "odds_ratio": number(f.Odds), "odds_ratio_low": number(f.Low), "odds_ratio_high": number(f.High)}
	}
	measured := []map[string]any{}
	for _, m := range c.Measurements {
		measured = append(measured, map[string]any{
			"name": m.Name, "unit": m.Unit, "n_a": m.NA, "n_b": m.NB, "median_a": number(m.MedianA), "median_b": number(m.MedianB),
			"u": m.Test.U, "superiority": number(m.Test.Superiority), "p": number(m.Test.P), "p_adjusted": number(m.Adjusted),
			"shift": number(m.Test.Shift), "shift_low": number(m.Test.Low), "shift_high": number(m.Test.High),
		})
	}
	differing := []map[string]any{}
	for _, d := range c.Differences {
		differing = append(differing, map[string]any{"what": d.What, "a": d.A, "b": d.B})
	}
	return map[string]any{
		"a": run(c.A), "b": run(c.B), "fisher": fisher(c.Rates), "fisher_errors_counted": fisher(c.RatesErrorsCounted),
		"difference": number(c.Difference), "difference_low": number(c.DifferenceLow), "difference_high": number(c.DifferenceHigh),
		"measurements": measured, "differences": differing, "conclusions": c.Conclusions(), "confidence": 0.95,
	}
}

var _ report.Evidence = evidence{}
