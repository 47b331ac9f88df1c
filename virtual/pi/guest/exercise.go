package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// exercise runs the suite that every bench must pass, as on a real bench: by
// `resetrig check --exercise`, on a DUT that is expendable. What a bench without
// senses cannot see is skipped with that reason, and nothing else is.
func exercise(t *trial) error {
	b := bench{generation: "new"}
	file, err := b.write(t.dir)
	if err != nil {
		return err
	}
	r, err := t.startRecorder(b)
	if err != nil {
		return err
	}
	p, err := t.startRig(shipped, "check", "--bench", file, "--exercise", "--yes-exercise", "4F0A2B1PAZ00001", "--expendable", "--json")
	if err != nil {
		return err
	}
	if _, err := p.wait(10 * time.Minute); err != nil { // the rest of the check may have its findings
		return err
	}
	passed, errs := 0, []error{}
	for line := range strings.Lines(p.stdout()) {
		var f struct{ Level, What, Text string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		name, ok := strings.CutPrefix(f.What, "exercise ")
		switch {
		case !ok:
		case f.Level == "ok":
			passed++
		case f.Level == "skip":
			t.figure("skipped %s: %s", name, f.Text)
			if !strings.Contains(f.Text, "no sense") {
				errs = append(errs, fmt.Errorf("%s was skipped: %s", name, f.Text))
			}
		case f.Level == "warn" && name == "reset":
			t.figure("%s: %s", name, f.Text)
		default:
			errs = append(errs, fmt.Errorf("%s: %s", name, f.Text))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	counts := map[int]int{} // energised by the SoC's lines
	for _, line := range []int{powerLine, resetLine} {
		edges, _, err := t.pi.trace.edges(line)
		if err != nil {
			return err
		}
		for _, e := range edges {
			if e.to == high {
				counts[line]++
			}
		}
	}
	t.figure("%d cases passed; the kernel traced %d cuts and %d presses", passed, counts[powerLine], counts[resetLine])
	if passed < 30 || counts[powerLine] < 10 || counts[resetLine] < 20 {
		return errors.New("that is not the whole suite")
	}
	st, err := r.state()
	if err != nil {
		return err
	}
	if st["bricked"] == true || st["shorted"] == true {
		return fmt.Errorf("in truth: %v", st)
	}
	return t.released(b)
}
