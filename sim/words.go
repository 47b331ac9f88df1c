package sim

import (
	"fmt"
	"strings"
)

// unknown is the error for a word that is not in the list.
func unknown(what, got string, list []string) error {
	best, bestDist := "", len(got)/2+2
	for _, w := range list {
		if d := distance(got, w); d < bestDist {
			best, bestDist = w, d
		}
	}
	hint := ""
	if best != "" {
		hint = fmt.Sprintf("; did you mean %q?", best)
	}
	return fmt.Errorf("unknown simulated %s %q%s (known: %s)", what, got, hint, strings.Join(list, ", "))
}

// distance is the number of letters to insert, delete or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
