// Command bench-detector measures the beep detector and prints what it reaches
// beside the physical limit and beside peers on the same recordings. It is for
// the page docs/detector.md; CI runs short tests instead.
//
// With --hours it listens to that much of every kind of noise and tells the
// tail of the statistic: a day of each is half an hour of computing.
package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"resetrig/pcm/corpus"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench-detector:", err)
		os.Exit(1)
	}
}

// bench is one run of the benchmark.
type bench struct {
	out, progress io.Writer
	trials        int
	hours         float64
	white, speech float64
	each, seeds   int
	kinds         []string
	failed        []string
}

func run(args []string, out, progress io.Writer) error {
	b := bench{out: out, progress: progress}
	f := flag.NewFlagSet("bench-detector", flag.ContinueOnError)
	f.IntVar(&b.trials, "trials", 1000, "beeps for each detection probability")
	f.Float64Var(&b.hours, "hours", 0.25, "hours of every kind of noise; 24 is the long mode")
	f.Float64Var(&b.white, "white", 3, "how many times as much of white noise, whose tail sets the threshold")
	f.Float64Var(&b.speech, "speech", 2, "hours of real speech, at most")
	f.IntVar(&b.each, "each", 12, "recordings of each kind of the corpus")
	f.IntVar(&b.seeds, "seeds", 6, "corpora of other seeds, the first included")
	kinds := f.String("kinds", strings.Join(corpus.Noises(), ","), "kinds of noise, with commas between them")
	only := f.String("only", "", "one part: limit, noise, timing, corpus, cost")
	if err := f.Parse(args); err != nil {
		return err
	}
	b.kinds = strings.Split(*kinds, ",")
	fmt.Fprintf(out, "%s, %s, Go %s, %d CPUs\n", time.Now().UTC().Format("2006-01-02"), processor(), strings.TrimPrefix(runtime.Version(), "go"), runtime.NumCPU())
	for _, p := range []struct {
		name string
		do   func() error
	}{{"cost", b.cost}, {"timing", b.timing}, {"limit", b.limit}, {"corpus", b.corpus}, {"noise", b.noise}} {
		if *only != "" && *only != p.name {
			continue
		}
		start := time.Now()
		fmt.Fprintf(progress, "%s…\n", p.name)
		if err := p.do(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(progress, "%s: %.0f s\n", p.name, time.Since(start).Seconds())
	}
	if len(b.failed) > 0 {
		return fmt.Errorf("not reached: %s", strings.Join(b.failed, "; "))
	}
	return nil
}

func (b *bench) title(s string)               { fmt.Fprintf(b.out, "\n### %s\n\n", s) }
func (b *bench) line(format string, a ...any) { fmt.Fprintf(b.out, format+"\n", a...) }

// want notes a figure that misses its limit.
func (b *bench) want(ok bool, format string, a ...any) string {
	if ok {
		return "yes"
	}
	b.failed = append(b.failed, fmt.Sprintf(format, a...))
	return "**no**"
}

func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return v[int(math.Round(q*float64(len(v)-1)))]
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for l := range strings.SplitSeq(string(text), "\n") {
		if name, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}
