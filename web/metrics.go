package web

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"resetrig/rig"
)

// metrics is what Prometheus reads. Counts of cycles and switchings are those of
// the books, over all runs and for good; histograms and lost sound begin with
// the process. Labels are of short lists: benches, relays, reasons; no ID.
type metrics struct {
	s        *Server
	registry *prometheus.Registry
	handler  http.Handler
	follow   *follower
}

const (
	scrapeWithin = 10 * time.Second
	scrapesMost  = 2   // at once
	benchesMost  = 100 // with metrics of their own
)

func newMetrics(s *Server) (*metrics, error) {
	m := &metrics{s: s, registry: prometheus.NewRegistry(), follow: newFollower(s.rig)}
	all := append([]prometheus.Collector{m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}, m.follow.collectors()...)
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	ctx, done := context.WithTimeout(context.Background(), scrapeWithin)
	defer done()
	if err := m.follow.begin(ctx); err != nil { // the first scrape tries again
		s.log("look where the results stand, for the metrics", err)
	}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: logLines(s.log), MaxRequestsInFlight: scrapesMost, Timeout: scrapeWithin,
	})
	return m, nil
}

// logLines are the library's words on what it could not gather.
type logLines func(doing string, err error)

func (l logLines) Println(v ...any) {
	for _, one := range v {
		if err, ok := one.(error); ok {
			l("gather the metrics", err)
		}
	}
}

func (s *Server) serveMetrics(w http.ResponseWriter, c *call) error {
	names, err := s.benchNames(c.Context())
	if err == nil {
		err = s.metrics.follow.before(c.Context(), names)
	}
	if err == nil {
		err = s.metrics.follow.on(c.Context())
	}
	if err != nil {
		s.log("read what was committed, for the metrics", err) // what there is, is told
	}
	s.metrics.handler.ServeHTTP(w, c.Request)
	return nil
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("resetrig_"+name, help, labels, nil)
}

// The metrics that are asked for at each scrape.
type descs struct {
	build, part, viewers, storeSize, stateFree, stateSize                 *prometheus.Desc
	cycles, outcomes, operations, rated, relayOn                          *prometheus.Desc
	doing, phase, cycle, planned, eta, passRatio, passLow, lastEvent      *prometheus.Desc
	lastOutcome, active, exit, unsafe, refused, budget, findings, earSays *prometheus.Desc
	calibrated, noise                                                     *prometheus.Desc
}

var metricDescs = descs{
	build:       desc("build_info", "The program, always 1.", "version", "goversion"),
	part:        desc("part_up", "Whether a part of the rig could be read for this scrape.", "part"),
	viewers:     desc("viewers", "Pages that watch now."),
	storeSize:   desc("store_size_bytes", "The database of the results and its log."),
	stateFree:   desc("state_free_bytes", "Free space where the results and the evidence are."),
	stateSize:   desc("state_size_bytes", "Size of the file system where the results and the evidence are."),
	cycles:      desc("cycles_total", "Attempts of cycles that ended, in all runs.", "bench", "outcome", "attribution", "reason", "control"),
	outcomes:    desc("cycle_outcomes_total", "The same by outcome alone, from 0 on: a reason that occurs for the first time is no increase of cycles_total.", "bench", "outcome", "control"),
	operations:  desc("relay_operations_total", "Switchings of a relay in all its life.", "bench", "relay"),
	rated:       desc("relay_rated_operations", "Switchings that a relay is rated for.", "bench", "relay"),
	relayOn:     desc("relay_on", "Whether the DUT is powered, or its pins are shorted, as far as the line says; while a run of this process has it.", "bench", "relay"),
	doing:       desc("bench_doing", "What a bench does: 1 for that, 0 for the others.", "bench", "doing"),
	phase:       desc("bench_phase", "The phase of the cycle that runs: 1 for that, 0 for the others.", "bench", "phase"),
	cycle:       desc("run_cycle", "Number of the present cycle of the run.", "bench"),
	planned:     desc("run_planned_cycles", "Cycles that the run is to have.", "bench"),
	eta:         desc("run_eta_timestamp_seconds", "When the run will end, as it looks.", "bench"),
	passRatio:   desc("run_pass_ratio", "Share of passes of the run's judged cycles.", "bench"),
	passLow:     desc("run_pass_ratio_low", "Lower bound of the 95 % interval of the share of passes.", "bench"),
	lastEvent:   desc("bench_last_event_timestamp_seconds", "When the cycle that runs showed a sign of life last.", "bench"),
	lastOutcome: desc("bench_last_outcome_timestamp_seconds", "End of the last cycle that ended so, controls left out.", "bench", "outcome"),
	active:      desc("bench_run_active", "Whether a run is under way, in this or another process.", "bench"),
	exit:        desc("bench_last_run_exit_code", "Exit code of the last run that ended: 0 pass, 1 the DUT failed, 2 usage, 3 rig error, 4 aborted, 5 unsafe.", "bench"),
	unsafe:      desc("bench_unsafe", "1 where the last run could not reach the safe state: cut the bench's power by hand.", "bench"),
	refused:     desc("lockout_refused_logins", "Refused logins of the DUT within its window.", "bench"),
	budget:      desc("lockout_budget_logins", "Refused logins at which the rig stops.", "bench"),
	findings:    desc("bench_findings", "What the last look at a bench found, by how bad it is.", "bench", "level"),
	earSays:     desc("ear_finding", "What the ear says of its own health in the cycle that runs; 1 while it holds.", "bench", "finding"),
	calibrated:  desc("ear_calibration_timestamp_seconds", "When the ear has learned its beep.", "bench"),
	noise:       desc("ear_noise_dbfs", "The room's noise at the calibration, in decibels below full scale.", "bench"),
}

func (d *descs) all() []*prometheus.Desc {
	return []*prometheus.Desc{
		d.build, d.part, d.viewers, d.storeSize, d.stateFree, d.stateSize, d.cycles, d.outcomes, d.operations, d.rated, d.relayOn,
		d.doing, d.phase, d.cycle, d.planned, d.eta, d.passRatio, d.passLow, d.lastEvent, d.lastOutcome, d.active,
		d.exit, d.unsafe, d.refused, d.budget, d.findings, d.earSays, d.calibrated, d.noise,
	}
}

// Describe is prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range metricDescs.all() {
		to <- d
	}
}

// Collect is prometheus.Collector. What cannot be read is left out, and part_up
// says so.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	ctx, done := context.WithTimeout(context.Background(), scrapeWithin)
	defer done()
	k := gauges{to: to}
	k.set(metricDescs.build, 1, m.s.rig.Version, runtime.Version())
	k.set(metricDescs.viewers, float64(m.s.stream.watching()))
	for _, part := range []struct {
		name string
		read func(context.Context, *gauges) error
	}{{"results", m.results}, {"runs", m.runs}, {"benches", m.benches}, {"disk", m.disk}, {"live", m.live}} {
		err := rig.Guarded(func() error { return part.read(ctx, &k) })
		if err != nil {
			m.s.log("read the "+part.name+" for the metrics", err)
		}
		k.set(metricDescs.part, one(err == nil), part.name)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// gauges sends metrics, and none that Prometheus would not take.
type gauges struct{ to chan<- prometheus.Metric }

func (k *gauges) set(d *prometheus.Desc, v float64, labels ...string) {
	k.send(d, prometheus.GaugeValue, v, labels)
}

func (k *gauges) count(d *prometheus.Desc, v float64, labels ...string) {
	k.send(d, prometheus.CounterValue, v, labels)
}

func (k *gauges) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels []string) {
	for i := range labels {
		labels[i] = clean(labels[i], nameMost)
	}
	if metric, err := prometheus.NewConstMetric(d, kind, v, labels...); err == nil {
		k.to <- metric
	}
}

func (k *gauges) at(d *prometheus.Desc, t time.Time, labels ...string) {
	if !t.IsZero() {
		k.set(d, float64(t.UnixNano())/1e9, labels...)
	}
}

// results are the books over all runs.
func (m *metrics) results(ctx context.Context, k *gauges) error {
	if m.s.rig.Ledger == nil {
		return nil
	}
	t, err := m.s.rig.Ledger.Totals(ctx)
	if err != nil {
		return err
	}
	k.set(metricDescs.storeSize, float64(t.StoreBytes))
	sums := map[Total]int64{} // scenarios and attempts are not told apart here
	for _, one := range t.Cycles {
		n := one.N
		one.N = 0
		sums[one] += n
	}
	for _, b := range m.follow.benches() {
		for _, reason := range alarming {
			sums[Total{Bench: b, Outcome: rig.Error, Reason: reason}] += 0
		}
	}
	for c, n := range sums {
		k.count(metricDescs.cycles, float64(n), c.Bench, string(c.Outcome), string(c.Attribution), string(c.Reason), yesNo(c.Control))
	}
	for _, o := range outcomesOf(sums, m.follow.benches()) {
		k.count(metricDescs.outcomes, float64(o.N), o.Bench, string(o.Outcome), yesNo(o.Control))
	}
	for name, n := range t.Operations {
		if bench, relay, ok := strings.Cut(name, "/"); ok {
			k.count(metricDescs.operations, float64(n), bench, relay)
		}
	}
	for bench, ends := range m.follow.times() {
		for outcome, at := range ends {
			k.at(metricDescs.lastOutcome, at, bench, string(outcome))
		}
	}
	return nil
}

// outcomesOf are the sums over reasons, with those that are 0.
func outcomesOf(sums map[Total]int64, benches []string) []Total {
	n := map[Total]int64{}
	for _, b := range benches {
		for _, control := range []bool{false, true} {
			for _, o := range []rig.Outcome{rig.Pass, rig.Fail, rig.Error, rig.Aborted} {
				n[Total{Bench: b, Outcome: o, Control: control}] = 0
			}
		}
	}
	for t, count := range sums {
		n[Total{Bench: t.Bench, Outcome: t.Outcome, Control: t.Control}] += count
	}
	var all []Total
	for t, count := range n {
		t.N = count
		all = append(all, t)
	}
	return all
}

// alarming are the reasons that the shipped alerts ask for: they are there before
// they occur, since a series that begins at 1 has not increased.
var alarming = []rig.Reason{rig.ReasonEarUnfit, rig.ReasonEarLost, rig.ReasonUnsafe}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// runs are the last run of each bench, whatever process it runs in.
func (m *metrics) runs(ctx context.Context, k *gauges) error {
	if m.s.rig.Books == nil {
		return nil
	}
	names, err := m.s.benchNames(ctx)
	if err != nil {
		return err
	}
	for _, bench := range names {
		runs, err := m.s.rig.Books.Runs(ctx, RunFilter{Bench: bench, Limit: 2})
		if err != nil {
			return err
		}
		active := len(runs) > 0 && runs[0].State == "running"
		k.set(metricDescs.active, one(active), bench)
		for _, r := range runs {
			if r.State == "ended" {
				k.set(metricDescs.exit, float64(r.Exit), bench)
				k.set(metricDescs.unsafe, one(r.Exit == exitUnsafe), bench)
				break
			}
		}
	}
	return nil
}

// exitUnsafe is the program's exit code of a run whose end was not safe.
const exitUnsafe = 5

func (m *metrics) disk(_ context.Context, k *gauges) error {
	if m.s.rig.State == "" {
		return nil
	}
	d, err := diskOf(m.s.rig.State)
	if err != nil {
		return err
	}
	k.set(metricDescs.stateFree, float64(d.free))
	k.set(metricDescs.stateSize, float64(d.size))
	return nil
}
