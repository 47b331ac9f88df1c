package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"resetrig/rig"
	"resetrig/soak"
)

// BenchmarkSoak runs soaks of imou-hard-reset on the simulated bench, with the
// real detector on 16 kHz sound, real HTTP parsing and the real store. It prints
// virtual time over real time, and the memory held after cycle 100 and after the
// last one. `make bench` adds the share that is the FFT, from its profile.
func BenchmarkSoak(b *testing.B) {
	const cycles = 1000
	for b.Loop() {
		a := testApp(b)
		cfg, model := simBench(b, "new", fitted[4], "")
		var virtual time.Duration
		var early, late float64
		began := time.Now()
		res, err := a.performOn(b.Context(), cfg, model, series{
			kind: "soak", scenario: "imou-hard-reset", plan: soak.Plan{Cycles: cycles},
		}, func(r rig.Record) {
			virtual += r.Took
			switch r.Cycle {
			case 100:
				early = held()
			case cycles:
				late = held()
			}
		}, nil)
		if err != nil || res.tally.Pass != cycles {
			b.Fatalf("%+v: %v", res.tally, err)
		}
		took := time.Since(began)
		b.ReportMetric(virtual.Seconds()/took.Seconds(), "x-real-time")
		b.ReportMetric(took.Seconds()/cycles*1e3, "ms/cycle")
		b.ReportMetric(early, "MB-held-at-100")
		b.ReportMetric(late, "MB-held-at-1000")
		b.ReportMetric(resident(), "MB-resident")
	}
}

// held is the heap that is in use after a collection, in MB.
func held() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse) / 1e6
}

// resident is the process's memory as the kernel counts it, in MB.
func resident() float64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.Atoi(strings.Fields(string(data))[1])
	return float64(pages) * float64(os.Getpagesize()) / 1e6
}

// A soak holds no more memory after 300 cycles than after 100.
func TestMemoryIsFlat(t *testing.T) {
	a := testApp(t)
	cfg, model := simBench(t, "new", fitted[4], "")
	var at [2]float64
	res, err := a.performOn(t.Context(), cfg, model, series{
		kind: "soak", scenario: "imou-hard-reset", plan: soak.Plan{Cycles: 300},
	}, func(r rig.Record) {
		switch r.Cycle {
		case 100:
			at[0] = held()
		case 300:
			at[1] = held()
		}
	}, nil)
	if err != nil || res.tally.Pass != 300 {
		t.Fatalf("%+v: %v", res.tally, err)
	}
	t.Log(fmt.Sprintf("%.2f MB at cycle 100, %.2f MB at cycle 300", at[0], at[1]))
	if at[1] > at[0]+1 {
		t.Errorf("memory grows: %.2f MB at cycle 100, %.2f MB at cycle 300", at[0], at[1])
	}
}

// BenchmarkSwitch is the path from a step to the driver: guards, dead man,
// read-back. The driver here is the simulation's; an ioctl costs 8 µs more on a
// PC's kernel and 49 µs on an emulated Pi (gpio's benchmarks).
func BenchmarkSwitch(b *testing.B) {
	a := testApp(b)
	cfg, model := simBench(b, "new", nil, "")
	for i := range cfg.Relays {
		cfg.Relays[i].MinOff, cfg.Relays[i].MinOn = 0, 0
	}
	w, err := a.wire(cfg, model, parts{relays: true})
	if err != nil {
		b.Fatal(err)
	}
	err = w.bench.Arm(b.Context(), func(_ context.Context, armed *rig.Armed) error {
		for b.Loop() {
			if err := armed.On("reset", true); err != nil {
				return err
			}
			if err := armed.Off("reset"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
