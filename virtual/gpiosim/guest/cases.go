package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"resetrig/rig"
)

// The two boards that labs have most: active-low inputs with the DUT on the
// contact that opens, and active-high ones with the DUT on the one that closes.
var (
	lowBoard  = polarity{activeLow: true, powerNC: true}
	highBoard = polarity{}
)

// near is how far the program's times may be from the kernel's.
const near = 5 * time.Millisecond

// testCase is one thing that must hold on this bench.
type testCase struct {
	name string
	run  func() error
}

func cases() []testCase {
	list := []testCase{
		{"another serial is refused before anything moves", otherSerial},
		{"another unit is refused before anything moves", otherUnit},
		{"suite of every bench, active-low board, DUT not expendable", func() error { return exercise(lowBoard, false) }},
		{"suite of every bench, active-high board, DUT expendable", func() error { return exercise(highBoard, true) }},
		{"killed while pressed: the kernel opens the press, safe says so", func() error { return killed(false) }},
		{"killed while pressed, persist_gpio_outputs on: the kernel goes on shorting, safe opens", func() error { return killed(true) }},
	}
	for _, c := range []cycleCase{
		{board: lowBoard, generation: "new", outcome: rig.Pass},
		{board: highBoard, generation: "old", outcome: rig.Pass},
		{board: lowBoard, generation: "new", fault: "power-welded", outcome: rig.Error, reason: rig.ReasonPowerWelded, code: 3},
		{board: lowBoard, generation: "new", fault: "power-open", outcome: rig.Error, reason: rig.ReasonPowerOpen, code: 3},
		{board: highBoard, generation: "new", fault: "reset-open", outcome: rig.Error, reason: rig.ReasonResetOpen, code: 3},
		{board: highBoard, generation: "new", fault: "reset-welded", outcome: rig.Error, reason: rig.ReasonResetWelded, code: 5},
	} {
		name := "imou-hard-reset, " + c.generation + " generation"
		if c.fault != "" {
			name += ", " + c.fault
		}
		list = append(list, testCase{name, c.run})
	}
	return append(list, testCase{"the chip is taken away while the pins are shorted", chipGone})
}

// withPlant runs f on a bench of its own.
func withPlant(p polarity, args []string, f func(*plant) error) error {
	pl, err := startPlant(p, args...)
	if err != nil {
		return err
	}
	return errors.Join(f(pl), pl.stop())
}

// cycleCase is one cycle as a user runs it.
type cycleCase struct {
	board             polarity
	generation, fault string
	outcome           rig.Outcome
	reason            rig.Reason
	code              int
}

func (c cycleCase) run() error {
	args := []string{"--model", "imou-" + c.generation}
	if c.fault != "" {
		args = append(args, "--fault", c.fault)
	}
	return withPlant(c.board, args, func(pl *plant) error {
		bench, err := pl.benchFile("imou-nvr-"+c.generation, serial)
		if err != nil {
			return err
		}
		if err := traceWrites(); err != nil {
			return err
		}
		got, err := resetrig("run", "imou-hard-reset", "--bench", bench, "-p", "beep=expected", "--json")
		if err != nil {
			return err
		}
		var rec rig.Record
		if err := json.Unmarshal([]byte(got.out), &rec); err != nil {
			return fmt.Errorf("exit code %d and no record: %w\n%s%s", got.code, err, got.out, got.errOut)
		}
		if rec.Outcome != c.outcome || rec.Reason != c.reason || got.code != c.code {
			return fmt.Errorf("outcome %s %q, exit code %d; want %s %q, %d\n%s\n%s", rec.Outcome, rec.Reason, got.code, c.outcome, c.reason, c.code, rec.Text, got.errOut)
		}
		now, err := pl.ask("GET", "/state")
		if err != nil {
			return err
		}
		fmt.Printf("     %s %s; the recorder was reset %d times\n", rec.Outcome, rec.Reason, now.Resets)
		if c.outcome == rig.Pass && (now.Resets != 1 || now.Shorted || now.Bricked) {
			return fmt.Errorf("passed, and in truth: %+v", now)
		}
		return c.times(pl, rec)
	})
}

// times holds the record's times against the kernel's and the plant's.
func (c cycleCase) times(pl *plant, rec rig.Record) error {
	writes, err := tracedWrites()
	if err != nil {
		return err
	}
	var recorded, sensed []rig.Event
	for _, e := range rec.Timeline {
		switch e.Kind {
		case "relay":
			recorded = append(recorded, e)
		case "sense":
			sensed = append(sensed, e)
		}
	}
	// The trace has the requests of the lines and every repeated opening too:
	// what changed a level is compared, and of that what the cycle did.
	kernel := c.board.effective(writes)
	if len(recorded) == 0 || len(kernel) < len(recorded) {
		return fmt.Errorf("the record has %d switchings, the kernel traced %d", len(recorded), len(kernel))
	}
	kernel = kernel[len(kernel)-len(recorded):]
	offset := kernel[0].at - recorded[0].At // of the cycle's timeline on the monotonic clock
	var worst time.Duration
	for i, e := range recorded {
		k := kernel[i]
		if name := relayOf(k.line); name != e.Name || k.on != e.On {
			return fmt.Errorf("switching %d: the record has %s %v, the kernel traced %s %v", i+1, e.Name, e.On, name, k.on)
		}
		worst = max(worst, (k.at - offset - e.At).Abs())
	}
	fmt.Printf("     %d switchings, in the kernel's order, at most %v from its times\n", len(recorded), worst.Round(time.Microsecond))
	if worst > near {
		return fmt.Errorf("a switching in the record is %v from the kernel's", worst)
	}
	return c.edges(pl, rec, sensed, offset)
}

// edges holds what the senses' edges say against what the plant did to their
// lines, and the length of the press by both.
func (c cycleCase) edges(pl *plant, rec rig.Record, sensed []rig.Event, offset time.Duration) error {
	var did []move
	for _, m := range pl.seen() {
		if (m.line == supplySense || m.line == loopSense) && m.at >= offset-near && m.at <= offset+rec.Took {
			did = append(did, m)
		}
	}
	if len(did) != len(sensed) {
		return fmt.Errorf("the contacts moved %d times in the cycle, and its timeline has %d edges", len(did), len(sensed))
	}
	var worst time.Duration
	for i, e := range sensed {
		if name := relayOf(did[i].line); name != e.Name || did[i].on != e.On {
			return fmt.Errorf("edge %d: the record has %s %v, the contact was %s %v", i+1, e.Name, e.On, name, did[i].on)
		}
		worst = max(worst, (did[i].at - offset - e.At).Abs())
	}
	fmt.Printf("     %d edges of the senses in the timeline, at most %v from when their lines moved\n", len(sensed), worst.Round(time.Microsecond))
	if worst > near {
		return fmt.Errorf("an edge in the record is %v from when its line moved", worst)
	}
	if c.outcome != rig.Pass {
		return nil
	}
	var closed, opened time.Duration
	for _, m := range did {
		if m.line == loopSense && m.on {
			closed = m.at
		} else if m.line == loopSense {
			opened = m.at
		}
	}
	found := map[string]time.Duration{}
	for _, m := range rec.Measurements {
		found[m.Name] = time.Duration(m.Value * float64(time.Second))
	}
	truly := opened - closed
	fmt.Printf("     press: %v commanded, %v by the sense's edges, %v the line of the loop was high\n",
		found["press_duration"], found["press_duration_sensed"], truly)
	if d := (found["press_duration_sensed"] - truly).Abs(); found["press_duration_sensed"] == 0 || d > near {
		return fmt.Errorf("press_duration_sensed is %v from the truth", d)
	}
	if d := (found["press_duration"] - truly).Abs(); found["press_duration"] == 0 || d > 50*time.Millisecond {
		return fmt.Errorf("press_duration is %v from the truth: more than contacts take", d)
	}
	return nil
}

// relayOf is the name under which a line's event stands in a record.
func relayOf(line int) string {
	if line == powerLine || line == supplySense {
		return "power"
	}
	return "reset"
}

// effective are the writes to the relays' lines that changed the DUT's side.
func (p polarity) effective(writes []level) []move {
	state := map[int]bool{}
	var moves []move
	for _, w := range writes {
		if w.line != powerLine && w.line != resetLine {
			continue
		}
		on := p.on(w.line, w.high)
		if was, known := state[w.line]; !known || was != on {
			moves = append(moves, move{w.line, on, w.at})
		}
		state[w.line] = on
	}
	return moves
}

// exercise runs the suite that every bench must pass, and looks at what it did
// in the kernel's trace, which has presses too short for any witness.
func exercise(p polarity, expendable bool) error {
	return withPlant(p, []string{"--model", "imou-new"}, func(pl *plant) error {
		bench, err := pl.benchFile("imou-nvr-new", serial)
		if err != nil {
			return err
		}
		if err := traceWrites(); err != nil {
			return err
		}
		args := []string{"check", "--bench", bench, "--exercise", "--yes-exercise", serial, "--json"}
		if expendable {
			args = append(args, "--expendable")
		}
		got, err := resetrig(args...)
		if err != nil {
			return err
		}
		passed, skipped, bad := 0, 0, []string{}
		for line := range strings.Lines(got.out) {
			var f struct{ Level, What, Text string }
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
			if !strings.HasPrefix(f.What, "exercise ") {
				continue
			}
			switch f.Level {
			case "ok":
				passed++
			case "skip":
				skipped++
			default:
				bad = append(bad, f.What+": "+f.Text)
			}
			if f.Level == "ok" && strings.Contains(f.Text, "_edge_to_edge") {
				fmt.Printf("     %s\n", f.Text)
			}
		}
		now, err := pl.ask("GET", "/state")
		if err != nil {
			return err
		}
		writes, err := tracedWrites()
		if err != nil {
			return err
		}
		cuts, presses, live := tally(p.effective(writes))
		fmt.Printf("     %d cases passed, %d skipped; the kernel traced %d cuts and %d presses, %d of them at a powered unit\n", passed, skipped, cuts, presses, live)
		switch {
		case len(bad) > 0 || got.code != 0 && !onlyRig(got.out):
			return fmt.Errorf("exit code %d\n%s\n%s", got.code, strings.Join(bad, "\n"), got.errOut)
		case passed < 18 || expendable && skipped > 0:
			return fmt.Errorf("%d cases passed and %d were skipped", passed, skipped)
		case !expendable && (live > 0 || cuts != 1 || presses > 16):
			return fmt.Errorf("a DUT that is needed saw %d cuts, %d presses, and %d of them while it had power", cuts, presses, live)
		case !expendable && now.Resets != 0, now.Shorted, now.Bricked:
			return fmt.Errorf("in truth: %+v", now)
		}
		return nil
	})
}

// onlyRig reports whether nothing of an exercise is bad: a virtual bench has no
// microphone, and its disk is small.
func onlyRig(out string) bool {
	for line := range strings.Lines(out) {
		if strings.Contains(line, `"level":"bad"`) && strings.Contains(line, `"what":"exercise`) {
			return false
		}
	}
	return true
}

// tally counts the cuts and presses that the lines saw, and the presses that
// closed or were closed while there was power.
func tally(moves []move) (cuts, presses, live int) {
	power, pressed := false, false
	for _, m := range moves {
		switch m.line {
		case powerLine:
			if power && !m.on {
				cuts++
			}
			if m.on && pressed {
				live++
			}
			power = m.on
		case resetLine:
			if m.on {
				presses++
				if power {
					live++
				}
			}
			pressed = m.on
		}
	}
	return cuts, presses, live
}

// otherSerial names another unit than the bench's on the command line.
func otherSerial() error {
	return refused("WRONG001", serial, 2)
}

// otherUnit is a bench whose DUT was exchanged.
func otherUnit() error {
	return refused("4F0A2B1PAZ00002", "4F0A2B1PAZ00002", 3)
}

func refused(said, inFile string, code int) error {
	return withPlant(lowBoard, nil, func(pl *plant) error {
		bench, err := pl.benchFile("imou-nvr-new", inFile)
		if err != nil {
			return err
		}
		if err := traceWrites(); err != nil {
			return err
		}
		got, err := resetrig("check", "--bench", bench, "--exercise", "--yes-exercise", said)
		if err != nil {
			return err
		}
		writes, err := tracedWrites()
		if err != nil {
			return err
		}
		cuts, presses, _ := tally(lowBoard.effective(writes))
		if got.code != code || cuts+presses > 0 {
			return fmt.Errorf("exit code %d, %d cuts, %d presses; want %d and none\n%s%s", got.code, cuts, presses, code, got.out, got.errOut)
		}
		return nil
	})
}
