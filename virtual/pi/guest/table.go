package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// benchmarks prints what the cases before it measured, and what the detector
// costs, beside what each is compared to.
func benchmarks(t *trial) error {
	p, err := t.spawn("the audio package's benchmarks", nil, nil, "/bin/audio.test", "-test.run", "^$",
		"-test.bench", "^(BenchmarkFFT/own/1024|BenchmarkDetector/quiet/48000/profile=true)$", "-test.benchtime", "20x")
	if err != nil {
		return err
	}
	code, err := p.wait(3 * time.Minute)
	if err != nil {
		return err
	}
	perOp := func(name string) float64 {
		m := regexp.MustCompile(name + `\S*\s+\d+\s+(\d+(?:\.\d+)?) ns/op`).FindStringSubmatch(p.stdout())
		if m == nil {
			return math.NaN()
		}
		n, _ := strconv.ParseFloat(m[1], 64)
		return n
	}
	// A second of sound is 16000/512 transforms of 1024 samples at the detector's
	// rate; the benchmark of the detector processes 30 s at the microphone's.
	fft := perOp("BenchmarkFFT/own/1024") * 16000 / 512 / 1e9
	detector := perOp("BenchmarkDetector/quiet/48000/profile=true") / 30 / 1e9
	if code != 0 || math.IsNaN(fft) || math.IsNaN(detector) {
		return fmt.Errorf("the benchmarks end with %d", code)
	}
	f := t.pi.bench
	fmt.Println("    | on the emulated Pi 3B (500 MIPS a core)     | measured            | compared to")
	row := func(what, value, to string) { fmt.Printf("    | %-43s | %-19s | %s\n", what, value, to) }
	row("a switching in the record, after its edge", spread(f.step, time.Microsecond, "µs"), "the kernel's trace: 5 ms at most")
	row("a long beep's onset in the record", spread(f.beep, time.Millisecond, "ms"), "the player's sample counter")
	row("the detector at 48 kHz, of one core", fmt.Sprintf("%.2f %%", detector*100), fmt.Sprintf("its FFT alone: %.2f %%", fft*100))
	row("rig and microphone, of one core", fmt.Sprintf("%.1f %%", f.rigShare*100), fmt.Sprintf("the simulated recorder: %.1f %%", f.simShare*100))
	row("resident after the first cycle", fmt.Sprintf("%d kB", f.memory[0]), fmt.Sprintf("%d kB after cycle %d", f.memory[1], f.memory[2]))
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
