package report_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"resetrig/report"
	"resetrig/report/reporttest"
	"resetrig/rig"
)

func render(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// All four formats say the same.
func TestFormatsAgree(t *testing.T) {
	records := soak(5000)
	want := reporttest.Agree(t,
		render(t, func(w io.Writer) error { return report.HTML(w, run, records, nil) }),
		render(t, func(w io.Writer) error { return report.JUnit(w, run, records) }),
		render(t, func(w io.Writer) error { return report.CSV(w, records) }),
		render(t, func(w io.Writer) error { return report.JSON(w, records) }))
	if want.First.All() != 5000 || want.First.FailProven == 0 || want.First.FailPresumed == 0 || want.First.Error == 0 || want.First.Aborted == 0 || want.Retries.All() == 0 || want.Controls.Error == 0 {
		t.Fatalf("the soak has not everything in it: %+v", want)
	}
	if s := text(t, run, records); !strings.Contains(s, strconv.Itoa(want.First.FailProven)+" proven, "+strconv.Itoa(want.First.FailPresumed)+" presumed") {
		t.Error("the text says otherwise")
	}
}

// junitXSD is the structure of Jenkins' junit-10.xsd (jenkinsci/xunit-plugin):
// the attributes and the children that each element may have, and what it must.
var junitXSD = map[string]struct{ may, must, children []string }{
	"testsuites": {[]string{"name", "time", "tests", "failures", "errors"}, nil, []string{"testsuite"}},
	"testsuite": {
		[]string{"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
		[]string{"name", "tests", "failures", "errors"}, []string{"testsuite", "properties", "testcase", "system-out", "system-err"},
	},
	"properties": {nil, nil, []string{"property"}},
	"property":   {[]string{"name", "value"}, []string{"name", "value"}, nil},
	"testcase": {
		[]string{"name", "time", "classname", "group"}, []string{"name"},
		[]string{"skipped", "error", "failure", "rerunFailure", "rerunError", "flakyFailure", "flakyError", "system-out", "system-err"},
	},
	"failure":    {[]string{"type", "message"}, nil, nil},
	"error":      {[]string{"type", "message"}, nil, nil},
	"skipped":    {[]string{"type", "message"}, nil, nil},
	"system-out": {}, "system-err": {},
}

func TestJUnitIsJenkins(t *testing.T) {
	data := render(t, func(w io.Writer) error { return report.JUnit(w, run, soak(2100)) })
	seconds := regexp.MustCompile(`^(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?$`) // SUREFIRE_TIME
	var path []string
	names := map[string]bool{}
	seen := map[string]bool{}
	for dec := xml.NewDecoder(bytes.NewReader(data)); ; {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch e := tok.(type) {
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.StartElement:
			name := e.Name.Local
			rule, known := junitXSD[name]
			seen[name] = true
			if !known || len(path) == 0 && name != "testsuites" || len(path) > 0 && !slices.Contains(junitXSD[path[len(path)-1]].children, name) {
				t.Fatalf("%s within %v", name, path)
			}
			has := map[string]string{}
			for _, a := range e.Attr {
				if has[a.Name.Local] = a.Value; !slices.Contains(rule.may, a.Name.Local) {
					t.Errorf("%s has %s", name, a.Name.Local)
				}
			}
			for _, m := range rule.must {
				if _, ok := has[m]; !ok {
					t.Errorf("%s lacks %s", name, m)
				}
			}
			if v, ok := has["time"]; ok && !seconds.MatchString(v) {
				t.Errorf("a time of %q", v)
			}
			if name == "testcase" { // GitLab takes two of one name for one
				if id := has["classname"] + "." + has["name"]; names[id] {
					t.Errorf("%s twice", id)
				} else {
					names[id] = true
				}
			}
			path = append(path, name)
		}
	}
	for _, name := range []string{"failure", "error", "skipped", "properties"} {
		if !seen[name] {
			t.Errorf("there is no %s to look at", name)
		}
	}
}

func recordSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := report.RecordSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("record.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("record.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range s.Properties {
		if p.Description == "" {
			t.Errorf("%s has no description", name)
		}
	}
	return s
}

func TestRecordSchema(t *testing.T) {
	s := recordSchema(t)
	check := func(records iter.Seq2[rig.Record, error]) (n int) {
		for line := range bytes.Lines(render(t, func(w io.Writer) error { return report.JSON(w, records) })) {
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(doc); err != nil {
				t.Fatalf("%.200s: %v", line, err)
			}
			n++
		}
		return n
	}
	if n := check(soak(1300)); n < 1300 {
		t.Errorf("%d records were looked at", n)
	}
	for _, bad := range []string{`{}`, `{"id":1}`, `{"id":"x","outcome":"perhaps"}`} {
		doc, _ := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		if s.Validate(doc) == nil {
			t.Errorf("%s is taken for a record", bad)
		}
	}
}
