package web_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/web"
	"resetrig/web/access"
)

// shipped is the folder of what a lab copies for its Prometheus and its Grafana.
const shipped = "../examples/prometheus"

// promtool is Prometheus' own: it is fetched by tools/setup.sh test.
func promtool(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("promtool"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		path := filepath.Join(cache, "resetrig", "prometheus", "promtool")
		if _, err = os.Stat(path); err == nil {
			return path
		}
	}
	for _, r := range strings.FieldsFunc(os.Getenv("RESETRIG_REQUIRE"), func(c rune) bool { return c == ',' || c == ' ' }) {
		if r == "web" || r == "all" {
			t.Fatalf("RESETRIG_REQUIRE=%s, and there is no promtool (%v); tools/setup.sh test fetches it", r, err)
		}
	}
	t.Skipf("there is no promtool (%v); tools/setup.sh test fetches it", err)
	return ""
}

// check runs promtool.
func check(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	cmd := exec.Command(promtool(t), args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// scrape is what Prometheus gets: each sample by its name and labels.
func scrape(t *testing.T, s *web.Server) (text []byte, samples map[string]float64) {
	t.Helper()
	w := askAs(access.Viewer, s, "GET", "/metrics", "")
	if w.Code != 200 {
		t.Fatalf("metrics: %d %s", w.Code, w.Body)
	}
	text, samples = w.Body.Bytes(), map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		l := lines.Text()
		if strings.HasPrefix(l, "#") {
			continue
		}
		i := strings.LastIndexByte(l, ' ')
		v, err := strconv.ParseFloat(l[i+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		samples[l[:i]] = v
	}
	return text, samples
}

// wholeRig is a rig that has something to say in every metric.
func wholeRig(t *testing.T) (*web.Server, *lab) {
	l := newLab()
	live := web.NewLive()
	b := live.Bench("left")
	b.Begin(web.LiveRun{ID: aRun, Kind: "soak", Plan: &soak.Plan{Cycles: 10}, Relays: []web.LiveRelay{{Name: "power", Role: rig.RolePower}}})
	for n := range 3 {
		b.Status(soak.Status{Doing: "cycle", Next: soak.Slot{N: n + 1, Attempt: 1}, Tally: soak.Tally{Cycles: n, Attempts: n, Pass: n}})
	}
	b.Observe(rig.Event{Kind: "phase", Name: "act"})
	b.Observe(rig.Event{Kind: "relay", Name: "power", On: true})
	b.Observe(rig.Event{Kind: "finding", Name: "dropouts", Text: "0.25 s were lost"})
	s, err := web.New(web.Rig{Name: "pi", Version: "test", State: t.TempDir(), Live: live, Books: l, Ledger: l, Measures: l, Benches: l, Reports: l},
		func(doing string, err error) { t.Logf("%s: %v", doing, err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	// What the process sees committed: some of everything.
	l.add(rig.Record{Outcome: rig.Pass}, 2, true)
	l.add(rig.Record{Outcome: rig.Pass, Measurements: []rig.Measurement{
		{Name: "beep_frequency", Value: 2730, Unit: "Hz"}, {Name: "beep_snr", Value: 30, Unit: "dB"},
		{Name: "restart_time", Value: 22, Unit: "s"}, {Name: "rig_overhead", Value: .03, Unit: "s"},
	}}, 3, false)
	return s, l
}

func TestMetrics(t *testing.T) {
	s, l := wholeRig(t)
	text, got := scrape(t, s)
	for _, w := range []struct {
		sample string
		want   float64
	}{
		{`resetrig_cycles_total{attribution="proven",bench="left",control="no",outcome="fail",reason="beep-missing"}`, 1},
		{`resetrig_cycles_total{attribution="",bench="left",control="no",outcome="pass",reason=""}`, 3},
		{`resetrig_cycles_total{attribution="",bench="left",control="no",outcome="error",reason="ear-unfit"}`, 0},
		{`resetrig_cycle_outcomes_total{bench="left",control="no",outcome="pass"}`, 3},
		{`resetrig_cycle_outcomes_total{bench="left",control="yes",outcome="pass"}`, 2},
		{`resetrig_cycle_outcomes_total{bench="right",control="no",outcome="fail"}`, 0},
		{`resetrig_bench_doing{bench="left",doing="cycle"}`, 1},
		{`resetrig_bench_doing{bench="left",doing="idle"}`, 0},
		{`resetrig_bench_phase{bench="left",phase="act"}`, 1},
		{`resetrig_relay_operations_total{bench="left",relay="power"}`, 12},
		{`resetrig_relay_rated_operations{bench="left",relay="power"}`, 100},
		{`resetrig_relay_on{bench="left",relay="power"}`, 1},
		{`resetrig_bench_run_active{bench="left"}`, 0},
		{`resetrig_bench_run_active{bench="right"}`, 1},
		{`resetrig_bench_last_run_exit_code{bench="left"}`, 1},
		{`resetrig_bench_unsafe{bench="left"}`, 0},
		{`resetrig_bench_findings{bench="left",level="warn"}`, 1},
		{`resetrig_lockout_refused_logins{bench="left"}`, 1},
		{`resetrig_ear_finding{bench="left",finding="dropouts"}`, 1},
		{`resetrig_store_size_bytes`, 4096},
		{`resetrig_part_up{part="results"}`, 1},
		// Only what was committed since the process began, controls left out.
		{`resetrig_beep_duration_seconds_count{bench="left"}`, 1},
		{`resetrig_press_duration_seconds_sum{bench="left"}`, 20},
		{`resetrig_beep_frequency_hertz_bucket{bench="left",le="2800"}`, 1},
		{`resetrig_cycle_duration_seconds_count{bench="left"}`, 1},
		{`resetrig_ear_lost_seconds_total{bench="left"}`, .25},
	} {
		if v, ok := got[w.sample]; !ok || v != w.want {
			t.Errorf("%s is %v (%v), want %v", w.sample, v, ok, w.want)
		}
	}
	for _, id := range []string{aRun, aCycle, "4F0A", "cccccc"} {
		if bytes.Contains(text, []byte(id)) {
			t.Errorf("%s is in a label", id)
		}
	}
	if _, again := scrape(t, s); again[`resetrig_beep_duration_seconds_count{bench="left"}`] != 1 {
		t.Error("a record was counted twice")
	}
	l.broken = errDisk
	_, broken := scrape(t, s)
	if broken[`resetrig_part_up{part="results"}`] != 0 || broken[`resetrig_part_up{part="live"}`] != 1 {
		t.Errorf("with broken results: %v", broken)
	}
	check(t, text, "check", "metrics")
}

// While records are committed, several scrape and ask: each record is counted
// once.
func TestManyScrapesBesideCommits(t *testing.T) {
	s, l := wholeRig(t)
	const records, askers = 200, 4
	_, before := scrape(t, s)
	var wg sync.WaitGroup
	for i := range askers {
		wg.Go(func() {
			for range 10 {
				if w := askAs(access.Viewer, s, "GET", []string{"/metrics", "/api/v1/moments", "/readyz", "/api/v1/runs/" + aRun + "/statistics"}[i], ""); w.Code != 200 && w.Code != 503 {
					t.Errorf("%d: %.200s", w.Code, w.Body)
				}
			}
		})
	}
	for n := range records {
		l.add(rig.Record{Outcome: rig.Pass}, 10+n, false)
	}
	wg.Wait()
	_, after := scrape(t, s)
	for _, name := range []string{`resetrig_press_duration_seconds_count{bench="left"}`, `resetrig_cycle_outcomes_total{bench="left",control="no",outcome="pass"}`} {
		if n := after[name] - before[name]; n != records {
			t.Errorf("%s grew by %v, want %d", name, n, records)
		}
	}
}

// The documentation has every metric of the rig's own, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := wholeRig(t)
	text, samples := scrape(t, s)
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (resetrig_\w+) (\w+)$`).FindAllSubmatch(text, -1) {
		if !bytes.Contains(doc, []byte("`"+string(m[1])+"`")) {
			t.Errorf("docs/api.md has no %s", m[1])
		}
		if string(m[2]) == "histogram" { // named without its parts
			samples[string(m[1])] = 0
		}
	}
	for _, name := range regexp.MustCompile(`resetrig_[a-z_]+`).FindAllString(string(doc), -1) {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(samples)), func(s string) bool { s, _, _ = strings.Cut(s, "{"); return s == name }) {
			t.Errorf("docs/api.md has %s, which there is not", name)
		}
	}
}

func TestAlertRules(t *testing.T) {
	check(t, nil, "check", "rules", shipped+"/alerts.yml")
	check(t, nil, "test", "rules", shipped+"/alerts.test.yml")
	rules, err := os.ReadFile(shipped + "/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(shipped + "/alerts.test.yml")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`alert: (\w+)`).FindAllSubmatch(rules, -1)
	if len(names) < 8 {
		t.Errorf("%d rules", len(names))
	}
	for _, n := range names {
		if !bytes.Contains(tests, n[1]) {
			t.Errorf("%s is not tested", n[1])
		}
	}
	s, _ := wholeRig(t)
	known(t, s, "alerts.yml", string(regexp.MustCompile(`(?m)^ *(summary|description|severity):.*$`).ReplaceAll(rules, nil)))
}

// known wants every metric that a text names to be in the real output.
func known(t *testing.T, s *web.Server, where, text string) {
	t.Helper()
	_, samples := scrape(t, s)
	there := map[string]bool{}
	for name := range samples {
		name, _, _ = strings.Cut(name, "{")
		there[name] = true
	}
	found := regexp.MustCompile(`\b(?:resetrig|process|go)_[a-z0-9_]+`).FindAllString(text, -1)
	if len(found) == 0 {
		t.Errorf("%s names no metric", where)
	}
	for _, name := range found {
		if !there[name] {
			t.Errorf("%s asks for %s, which there is not", where, name)
		}
	}
}

// The dashboard is what Grafana takes, as far as that can be seen without it:
// panels of its own kinds that do not lie on one another, a data source that is
// chosen, expressions that Prometheus understands, metrics that there are.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(shipped + "/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	type source struct{ Type, UID string }
	var d struct {
		UID, Title    string
		SchemaVersion int
		Templating    struct {
			List []struct{ Name, Type, Query, Definition string }
		}
		Panels []struct {
			ID         int
			Type       string
			Title      string
			Datasource *source
			GridPos    struct{ H, W, X, Y int }
			Targets    []struct {
				RefID, Expr string
				Datasource  source
			}
		}
	}
	// What is not looked at is let pass: the types of queries differ.
	var loose map[string]any
	if err := json.Unmarshal(data, &loose); err != nil {
		t.Fatal(err)
	}
	for _, v := range loose["templating"].(map[string]any)["list"].([]any) {
		if _, text := v.(map[string]any)["query"].(string); !text {
			delete(v.(map[string]any), "query")
		}
	}
	clean, err := json.Marshal(loose)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(clean, &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 {
		t.Errorf("%q %q, version %d of the schema", d.UID, d.Title, d.SchemaVersion)
	}
	if l := d.Templating.List; len(l) < 1 || l[0].Name != "datasource" || l[0].Type != "datasource" || l[0].Query != "prometheus" {
		t.Errorf("the data source cannot be chosen: %+v", d.Templating)
	}
	kinds := []string{"row", "timeseries", "stat", "table", "bargauge", "heatmap", "state-timeline"}
	taken := map[[2]int]string{}
	ids := map[int]bool{}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	exprs := 0
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID <= 0 || p.Title == "" || !slices.Contains(kinds, p.Type) {
			t.Errorf("panel %d %q of kind %q", p.ID, p.Title, p.Type)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.W <= 0 || g.H <= 0 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s lies at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if had := taken[[2]int{x, y}]; had != "" {
					t.Fatalf("%s lies on %s", p.Title, had)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("%s asks for %d things", p.Title, len(p.Targets))
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if refs[q.RefID] || q.Datasource != (source{"prometheus", "${datasource}"}) || p.Datasource == nil {
				t.Errorf("%s: query %s of %+v", p.Title, q.RefID, q.Datasource)
			}
			refs[q.RefID] = true
			exprs++
			expr := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$bench", "left|right").Replace(q.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%s: a variable that there is not: %s", p.Title, expr)
			}
			fmt.Fprintf(&rules, "  - record: dashboard:%d\n    expr: %q\n", exprs, expr)
		}
	}
	if exprs < 20 {
		t.Errorf("%d expressions", exprs)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(regexp.MustCompile(`dashboard:(\d+)`).ReplaceAllString(rules.String(), "dashboard:n$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, nil, "check", "rules", file)
	s, _ := wholeRig(t)
	known(t, s, "grafana.json", rules.String())
}
