package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// benchmarks prints what the cases before it measured, and what the detector
// costs, beside what each is compared to.
func benchmarks(t *trial) error {
	perOp := func(name, times string) (float64, error) {
		p, err := t.spawn("the audio package's benchmarks", nil, nil, "/bin/audio.test",
			"-test.run", "^$", "-test.bench", name, "-test.benchtime", times)
		if err != nil {
			return 0, err
		}
		if _, err := p.wait(3 * time.Minute); err != nil {
			return 0, err
		}
		m := regexp.MustCompile(`\s(\d+(?:\.\d+)?) ns/op`).FindStringSubmatch(p.stdout())
		if m == nil {
			return 0, fmt.Errorf("no benchmark is called %s", name)
		}
		return strconv.ParseFloat(m[1], 64)
	}
	fft, err := perOp("^BenchmarkFFT$/^own$/^1024$", "1000x")
	if err != nil {
		return err
	}
	detector, err := perOp("^BenchmarkDetector$/^quiet$/^48000$/^profile=true$", "2x")
	if err != nil {
		return err
	}
	// A second of sound is 16000/512 transforms of 1024 samples at the detector's
	// rate; the benchmark of the detector processes 30 s at the microphone's.
	fft, detector = fft*16000/512/1e9, detector/30/1e9
	f := t.pi.bench
	fmt.Println("    | on the emulated Pi 3B (500 MIPS a core)     | measured            | compared to")
	row := func(what, value, to string) { fmt.Printf("    | %-43s | %-19s | %s\n", what, value, to) }
	if len(f.step) > 0 { // a soak does not look at each edge
		row("from a press's step to the line's edge", spread(f.toEdge, time.Microsecond, "µs"), "the kernel's trace")
		row("a switching in the record, after its edge", spread(f.step, time.Microsecond, "µs"), "the kernel's trace: 5 ms at most")
	}
	row("a long beep's onset in the record", spread(f.beep, time.Millisecond, "ms"), "the player's sample counter")
	row("the detector at 48 kHz, of one core", fmt.Sprintf("%.2f %%", detector*100), fmt.Sprintf("its FFT alone: %.2f %%", fft*100))
	if f.rigShare > 0 { // of a single cycle
		row("rig and microphone, of one core", fmt.Sprintf("%.1f %%", f.rigShare*100), fmt.Sprintf("the simulated recorder: %.1f %%", f.simShare*100))
	}
	for _, n := range []int{20, len(f.memory)} {
		if n > 1 && n <= len(f.memory) {
			first, then := f.memory[0], f.memory[n-1]
			row(fmt.Sprintf("resident after cycle %d", n), fmt.Sprintf("%d kB", then.rig), fmt.Sprintf("after cycle 1: %d kB", first.rig))
			row(fmt.Sprintf("of it its own, after cycle %d", n), fmt.Sprintf("%d kB", then.own), fmt.Sprintf("after cycle 1: %d kB", first.own))
			row(fmt.Sprintf("the microphone's process after cycle %d", n), fmt.Sprintf("%d kB", then.mic), fmt.Sprintf("after cycle 1: %d kB", first.mic))
		}
	}
	return nil
}

// spread is the least, the median and the most.
func spread(list []time.Duration, unit time.Duration, name string) string {
	if len(list) == 0 {
		return "nothing"
	}
	s := slices.Sorted(slices.Values(list))
	in := func(d time.Duration) float64 { return float64(d) / float64(unit) }
	return fmt.Sprintf("%+.1f %+.1f %+.1f %s", in(s[0]), in(s[len(s)/2]), in(s[len(s)-1]), name)
}
