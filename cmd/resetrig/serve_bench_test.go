package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/rig"
	"resetrig/web"
	"resetrig/web/access"
)

// room is a source of noise on real time, in blocks as the microphone's process
// sends them.
type room struct {
	block []float32
	at    int64
	began time.Time
}

func newRoom() *room {
	r := &room{block: make([]float32, micRate/50)}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range r.block {
		r.block[i] = float32(rnd.NormFloat64()) * 0.01
	}
	return r
}

func (r *room) Open(context.Context) error { r.began, r.at = time.Now(), 0; return nil }
func (r *room) Close() error               { return nil }

func (r *room) Read(ctx context.Context, until time.Time, emit func(pcm.Block)) error {
	for {
		at := r.began.Add(time.Duration(r.at) * time.Second / micRate)
		if at.After(until) {
			return rig.System().Sleep(ctx, time.Until(until))
		}
		if err := rig.System().Sleep(ctx, time.Until(at)); err != nil {
			return err
		}
		emit(pcm.Block{Start: r.at, Time: at, Rate: micRate, Samples: r.block})
		r.at += int64(len(r.block))
	}
}

// edges are relays that note when they were switched.
type edges struct {
	mu sync.Mutex
	on map[string]bool
	at map[string][]time.Time
}

func (e *edges) Set(name string, on bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.on[name] != on {
		e.at[name] = append(e.at[name], time.Now())
	}
	e.on[name] = on
	return nil
}

func (e *edges) Read(name string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.on[name], nil
}

// watchers are viewers over TCP: each asks for the bench's sound and reads what
// comes; the last deaf ones read nothing.
func watchers(b *testing.B, addr string, n, deaf int) (spectra *atomic.Int64, stop func()) {
	b.Helper()
	spectra = &atomic.Int64{}
	var conns []net.Conn
	var wg sync.WaitGroup
	for i := range n + deaf {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, c)
		fmt.Fprintf(c, "GET /events?bench=bench HTTP/1.1\r\nHost: %s\r\n\r\n", addr)
		if i >= n {
			continue
		}
		wg.Go(func() {
			r := bufio.NewReaderSize(c, 16<<10)
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if bytes.Equal(line, []byte("event: spectrum\n")) {
					spectra.Add(1)
				}
			}
		})
	}
	return spectra, func() {
		for _, c := range conns {
			_ = c.Close()
		}
		wg.Wait()
	}
}

// BenchmarkViewers is the timing of cycles on real time that nobody watches,
// beside that of cycles that two hundred viewers watch, who get ten spectra a
// second each, and four who read nothing: how late the press opens after its
// schedule, what the rig's own part of a cycle takes, and what is on the heap.
func BenchmarkViewers(b *testing.B) {
	const hold, cycles = 300 * time.Millisecond, 8 // a cycle with its ear takes 1.4 s
	sc := &rig.Scenario{Name: "bench", Act: []rig.Step{
		rig.PressRelay{Relay: "reset", Powered: true}, rig.Hold{For: hold, Since: rig.Press}, rig.ReleaseRelay{Relay: "reset"}, rig.Wait{For: 100 * time.Millisecond},
	}}
	var alone []float64
	for _, n := range []int{0, 200} {
		b.Run(fmt.Sprintf("viewers=%d", n), func(b *testing.B) {
			lines := &edges{on: map[string]bool{}, at: map[string][]time.Time{}}
			ear, err := audio.NewEar(newRoom(), micRate, audio.Profile{FrequencyHz: 2730, LevelDBFS: -24, Long: time.Second}, -40)
			if err != nil {
				b.Fatal(err)
			}
			live := web.NewLive()
			at := live.Bench("bench")
			at.Begin(web.LiveRun{ID: "r", Kind: "soak", Relays: []web.LiveRelay{{Name: "reset", Role: rig.RolePress}}, Sound: soundOf(ear), Lines: func(name string) (bool, bool) {
				on, _ := lines.Read(name)
				return on, true
			}})
			server, err := web.New(web.Rig{Live: live}, func(doing string, err error) { b.Errorf("%s: %v", doing, err) })
			if err != nil {
				b.Fatal(err)
			}
			policy, err := access.Open("", nil)
			if err != nil {
				b.Fatal(err)
			}
			ln, err := policy.Listen("127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			ctx, end := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- policy.Serve(ctx, ln, http.Handler(server)) }()
			deaf := 0
			if n > 0 {
				deaf = 4
			}
			spectra, gone := watchers(b, ln.Addr().String(), n, deaf)

			var late, own []float64 // milliseconds
			began := time.Now()
			bench := &rig.Bench{
				Name: "bench", Clock: rig.System(), Relays: lines, Ear: ear, EarCalibrated: true, Observer: at,
				Specs: []rig.RelaySpec{{Name: "reset", Role: rig.RolePress, Safe: rig.SafeOff, MaxOn: 10 * time.Second}},
			}
			var idle time.Time
			err = bench.Arm(b.Context(), func(ctx context.Context, armed *rig.Armed) error {
				b.ResetTimer()
				for i := range cycles * b.N {
					lines.mu.Lock()
					lines.at = map[string][]time.Time{}
					lines.mu.Unlock()
					rec := bench.Cycle(ctx, armed, sc, rig.CycleSpec{ID: fmt.Sprint(i), Run: "r", Cycle: i, Attempt: 1, Idle: idle})
					idle = time.Now()
					lines.mu.Lock()
					if e := lines.at["reset"]; len(e) == 2 {
						late = append(late, (e[1].Sub(e[0])-hold).Seconds()*1e3)
					}
					lines.mu.Unlock()
					for _, m := range rec.Measurements {
						if m.Name == "rig_overhead" {
							own = append(own, m.Value*1e3)
						}
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			took := time.Since(began).Seconds()
			runtime.GC()
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			each := 0.0
			if n > 0 {
				each = float64(spectra.Load()) / took / float64(n)
				b.ReportMetric(each, "spectra/s/viewer")
			}
			gone()
			end()
			if err := <-ended; err != nil {
				b.Error(err)
			}
			server.Close()
			if len(late) == 0 || len(own) == 0 {
				b.Fatal("no cycle pressed")
			}
			slices.Sort(late)
			slices.Sort(own)
			m := []float64{late[len(late)/2], late[len(late)-1], own[len(own)/2], float64(mem.HeapAlloc) / (1 << 20)}
			b.ReportMetric(m[0], "late-ms-median")
			b.ReportMetric(m[1], "late-ms-worst")
			b.ReportMetric(m[2], "overhead-ms-median")
			b.ReportMetric(m[3], "heap-MB")
			if n == 0 {
				alone = m
			} else if alone != nil {
				b.Logf("with %d viewers, each of whom got %.1f spectra a second, against none: the press opens %.3f ms late (worst %.3f), against %.3f (%.3f); the rig's own part of a cycle takes %.2f times as long; heap %.1f MB, %.2f times as much",
					n, each, m[0], m[1], alone[0], alone[1], m[2]/alone[2], m[3], m[3]/alone[3])
			}
		})
	}
}
