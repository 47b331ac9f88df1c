package report

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// JSON writes the records as they are, one object per line.
func JSON(w io.Writer, records iter.Seq2[rig.Record, error]) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for r, err := range records {
		if err != nil {
			return err
		}
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// CSV writes one row per record, with a column for each measurement that
// occurs (its last value in the cycle), and one more, named ±, where its
// uncertainty is known. records are gone through twice: first
// for the columns' names.
func CSV(w io.Writer, records iter.Seq2[rig.Record, error]) error {
	var names []string
	units := map[string]string{}
	for r, err := range records {
		if err != nil {
			return err
		}
		for _, m := range r.Measurements {
			if _, ok := units[m.Name]; !ok && len(names) < 4*nameLimit {
				names = append(names, m.Name)
				units[m.Name] = m.Unit
			}
			if _, ok := units[m.Name+plusMinus]; !ok && m.Uncertainty > 0 && len(names) < 4*nameLimit {
				names = append(names, m.Name+plusMinus)
				units[m.Name+plusMinus] = m.Unit
			}
		}
	}
	slices.Sort(names)
	out := csv.NewWriter(w)
	head := []string{
		"id", "run", "cycle", "attempt", "control", "bench", "scenario", "version", "started", "took_s",
		"outcome", "attribution", "reason", "text", "serial", "mac", "long_beeps", "unsafe",
	}
	for _, n := range names {
		if u := units[n]; u != "" {
			n += " [" + u + "]"
		}
		head = append(head, field(n))
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for r, err := range records {
		if err != nil {
			out.Flush()
			return err
		}
		if err := out.Write(row(&r, names)); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// plusMinus follows a measurement's name where its uncertainty stands.
const plusMinus = " ±"

func row(r *rig.Record, names []string) []string {
	long := 0
	for _, b := range r.Beeps {
		if b.Kind == "long" {
			long++
		}
	}
	values := map[string]float64{}
	for _, m := range r.Measurements {
		values[m.Name] = m.Value
		if m.Uncertainty > 0 {
			values[m.Name+plusMinus] = m.Uncertainty
		} else {
			delete(values, m.Name+plusMinus)
		}
	}
	started := ""
	if !r.Started.IsZero() {
		started = r.Started.Format(time.RFC3339Nano)
	}
	cells := []string{
		field(r.ID), field(r.Run), strconv.Itoa(r.Cycle), strconv.Itoa(r.Attempt), strconv.FormatBool(r.Control),
		field(r.Bench), field(r.Scenario), field(r.Version), started, decimal(r.Took.Seconds()),
		field(string(r.Outcome)), field(string(r.Attribution)), field(string(r.Reason)), field(r.Text),
		field(r.DUT.Serial), field(r.DUT.MAC), strconv.Itoa(long), field(strings.Join(r.Unsafe, " ")),
	}
	for _, n := range names {
		cell := ""
		if v, ok := values[n]; ok {
			cell = decimal(v)
		}
		cells = append(cells, cell)
	}
	return cells
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// field is a text that no spreadsheet takes for a formula.
func field(s string) string {
	s = clean(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		s = "'" + s
	}
	return s
}
