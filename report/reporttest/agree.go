package reporttest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/rig"
	"resetrig/soak/stats"
)

// Agree holds the page, JUnit and CSV of a run against its JSON, and gives what
// that says.
func Agree(t testing.TB, page, junit, csv, json []byte) Figures {
	t.Helper()
	want := ofJSON(t, json)
	if d := cmp.Diff(want, ofHTML(t, page)); d != "" {
		t.Errorf("HTML (-JSON +HTML):\n%s", d)
	}
	if d := cmp.Diff(want, ofCSV(t, csv)); d != "" {
		t.Errorf("CSV:\n%s", d)
	}
	got := ofJUnit(t, junit)
	got.RestartN, got.RestartMin, got.RestartM = want.RestartN, want.RestartMin, want.RestartM // it has no measurements
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("JUnit:\n%s", d)
	}
	return want
}

// Figures are what every format says of a soak.
type Figures struct {
	First, Retries, Controls stats.Outcomes
	// of first attempts
	RateLeftOut, RateCounted string
	// "name: median" is of HTML alone; n, min and max are of all that have values
	RestartN             int
	RestartMin, RestartM string
}

func (f *Figures) add(control bool, attempt int, outcome, attribution string) {
	o := &f.First
	switch {
	case control:
		o = &f.Controls
	case attempt > 1:
		o = &f.Retries
	}
	switch {
	case outcome == "pass":
		o.Pass++
	case outcome == "fail" && attribution == "proven":
		o.FailProven++
	case outcome == "fail":
		o.FailPresumed++
	case outcome == "error":
		o.Error++
	default:
		o.Aborted++
	}
}

// settle fills in the rates from the counts, as text with three digits.
func (f *Figures) settle() {
	r := f.First.Rates(.95)
	f.RateLeftOut = rate(r.FailLeftOut.Value, r.FailLeftOut.Low, r.FailLeftOut.High)
	f.RateCounted = rate(r.FailErrorsCount.Value, r.FailErrorsCount.Low, r.FailErrorsCount.High)
}

func rate(vs ...float64) string {
	var out []string
	for _, v := range vs {
		out = append(out, fmt.Sprintf("%.2e", v))
	}
	return strings.Join(out, " ")
}

// cell is the text of the element of that id.
func cell(t testing.TB, page []byte, id string) string {
	t.Helper()
	m := regexp.MustCompile(` id="` + regexp.QuoteMeta(id) + `">([^<]*)<`).FindSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no %s", id)
	}
	return html.UnescapeString(string(m[1]))
}

func whole(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.ReplaceAll(s, ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var percents = regexp.MustCompile(`[0-9.]+ %`)

func ofHTML(t testing.TB, page []byte) (f Figures) {
	for column, o := range map[string]*stats.Outcomes{"first": &f.First, "retries": &f.Retries, "controls": &f.Controls} {
		all := 0
		for row, to := range map[string]*int{"pass": &o.Pass, "proven": &o.FailProven, "presumed": &o.FailPresumed, "error": &o.Error, "aborted": &o.Aborted} {
			*to = whole(t, cell(t, page, "n-"+row+"-"+column))
			all += *to
		}
		if sum := whole(t, cell(t, page, "n-all-"+column)); sum != all {
			t.Errorf("%s: the rows add up to %d, the last one says %d", column, all, sum)
		}
	}
	of := func(id string) string {
		var vs []float64
		for _, s := range append(percents.FindAllString(cell(t, page, "r-"+id), 1), percents.FindAllString(cell(t, page, "r-"+id+"-in"), 2)...) {
			v, err := strconv.ParseFloat(strings.TrimSuffix(s, " %"), 64)
			if err != nil {
				t.Fatal(err)
			}
			vs = append(vs, v/100)
		}
		return rate(vs...)
	}
	f.RateLeftOut, f.RateCounted = of("left-out"), of("counted")
	f.RestartMin, f.RestartM = cell(t, page, "m-restart-time-min"), cell(t, page, "m-restart-time-max")
	row := regexp.MustCompile(`(?s)href="#m-restart-time".*?<td class="n">([0-9,]+)</td>`).FindSubmatch(page)
	f.RestartN = whole(t, string(row[1]))
	return f
}

type junitFile struct {
	XMLName  xml.Name `xml:"testsuites"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Suite    struct {
		Tests      int `xml:"tests,attr"`
		Failures   int `xml:"failures,attr"`
		Errors     int `xml:"errors,attr"`
		Skipped    int `xml:"skipped,attr"`
		Properties []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"properties>property"`
		Cases []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func ofJUnit(t testing.TB, data []byte) (f Figures) {
	var j junitFile
	if err := xml.Unmarshal(data, &j); err != nil {
		t.Fatal(err)
	}
	fails, errs, skipped := 0, 0, 0
	for _, c := range j.Suite.Cases {
		outcome, attribution := "pass", ""
		switch {
		case c.Failure != nil:
			fails++
			outcome, attribution = "fail", "presumed"
			if strings.HasPrefix(c.Failure.Message, "[proven]") {
				attribution = "proven"
			}
		case c.Error != nil:
			errs++
			outcome = "error"
		case c.Skipped != nil:
			skipped++
			outcome = "aborted"
		}
		attempt := 1
		if strings.Contains(c.Name, "attempt") {
			attempt = 2
		}
		f.add(strings.HasPrefix(c.Name, "control"), attempt, outcome, attribution)
	}
	if s := j.Suite; s.Tests != len(s.Cases) || j.Tests != s.Tests || s.Failures != fails || j.Failures != fails || s.Errors != errs || j.Errors != errs || s.Skipped != skipped {
		t.Errorf("the counts of JUnit are %d %d %d %d, its cases %d %d %d %d", s.Tests, s.Failures, s.Errors, s.Skipped, len(s.Cases), fails, errs, skipped)
	}
	value := map[string]float64{}
	for _, p := range j.Suite.Properties {
		value[p.Name], _ = strconv.ParseFloat(p.Value, 64)
	}
	f.RateLeftOut = rate(value["fail_rate"], value["fail_rate_low"], value["fail_rate_high"])
	f.RateCounted = rate(value["fail_rate_errors_counted"], value["fail_rate_errors_counted_low"], value["fail_rate_errors_counted_high"])
	return f
}

func ofCSV(t testing.TB, data []byte) (f Figures) {
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	for _, r := range rows[1:] {
		attempt, _ := strconv.Atoi(r[at["attempt"]])
		control := r[at["control"]] == "true"
		f.add(control, attempt, r[at["outcome"]], r[at["attribution"]])
		if v := r[at["restart_time [s]"]]; v != "" && !control && attempt == 1 {
			x, err := strconv.ParseFloat(v, 64)
			if err != nil {
				t.Fatal(err)
			}
			f.extend(x)
		}
	}
	f.settle()
	return f
}

func ofJSON(t testing.TB, data []byte) (f Figures) {
	for line := range bytes.Lines(data) {
		var r rig.Record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		f.add(r.Control, r.Attempt, string(r.Outcome), string(r.Attribution))
		for _, m := range r.Measurements {
			if m.Name == "restart_time" && !r.Control && r.Attempt == 1 {
				f.extend(m.Value)
			}
		}
	}
	f.settle()
	return f
}

func (f *Figures) extend(v float64) {
	text := fmt.Sprintf("%.2f", v)
	if f.RestartN++; f.RestartN == 1 {
		f.RestartMin, f.RestartM = text, text
		return
	}
	if old, _ := strconv.ParseFloat(f.RestartMin, 64); v < old {
		f.RestartMin = text
	}
	if old, _ := strconv.ParseFloat(f.RestartM, 64); v > old {
		f.RestartM = text
	}
}
