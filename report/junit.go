package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"resetrig/rig"
	"resetrig/soak/stats"
)

type junitCase struct {
	XMLName xml.Name     `xml:"testcase"`
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Time    string       `xml:"time,attr"`
	Failure *junitDetail `xml:"failure"`
	Error   *junitDetail `xml:"error"`
	Skipped *junitDetail `xml:"skipped"`
	Output  *junitOutput `xml:"system-out"`
}

type junitDetail struct {
	Type    string `xml:"type,attr,omitempty"`
	Message string `xml:"message,attr"`
	Text    string `xml:",cdata"`
}

type junitOutput struct {
	Text string `xml:",cdata"`
}

// JUnit writes the records as JUnit XML: a test case for each attempt, fail as
// failure, error as error, aborted as skipped; the cycle's text with those
// that did not pass. Retries and controls are cases of their own, so that none
// hides another. records are gone through twice: first for the counts, which
// stand before the cases.
func JUnit(w io.Writer, run Summary, records iter.Seq2[rig.Record, error]) error {
	var all, fails, errs, aborted int
	var seconds float64
	about := newSums()
	var firmware []string
	for r, err := range records {
		if err != nil {
			return err
		}
		all++
		about.add(&r)
		firmwareOf(&r, &firmware)
		seconds += r.Took.Seconds()
		switch r.Outcome {
		case rig.Pass:
		case rig.Fail:
			fails++
		case rig.Error:
			errs++
		default:
			aborted++
		}
	}
	attr := func(name, value string) xml.Attr { return xml.Attr{Name: xml.Name{Local: name}, Value: clean(value)} }
	counts := []xml.Attr{
		attr("tests", strconv.Itoa(all)), attr("failures", strconv.Itoa(fails)), attr("errors", strconv.Itoa(errs)),
		attr("skipped", strconv.Itoa(aborted)), attr("time", seconds3(seconds)),
	}
	// Jenkins' schema (junit-10.xsd) has no skipped on testsuites.
	outer := slices.DeleteFunc(slices.Clone(counts), func(a xml.Attr) bool { return a.Name.Local == "skipped" })
	suites := xml.StartElement{Name: xml.Name{Local: "testsuites"}, Attr: append([]xml.Attr{attr("name", "resetrig")}, outer...)}
	suite := xml.StartElement{Name: xml.Name{Local: "testsuite"}, Attr: append([]xml.Attr{attr("name", strings.TrimSpace(run.Run+" "+run.Scenario))}, counts...)}
	if !run.Started.IsZero() {
		suite.Attr = append(suite.Attr, attr("timestamp", run.Started.UTC().Format("2006-01-02T15:04:05")))
	}
	if run.Bench != "" {
		suite.Attr = append(suite.Attr, attr("hostname", run.Bench))
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	for _, e := range []xml.StartElement{suites, suite} {
		if err := enc.EncodeToken(e); err != nil {
			return err
		}
	}
	if err := enc.Encode(junitAbout(about, firmware)); err != nil {
		return err
	}
	for r, err := range records {
		if all--; all < 0 {
			break // committed since they were counted
		}
		if err != nil {
			return err
		}
		c, err := testcase(&r)
		if err != nil {
			return err
		}
		if err := enc.Encode(c); err != nil {
			return err
		}
	}
	for _, e := range []xml.StartElement{suite, suites} {
		if err := enc.EncodeToken(e.End()); err != nil {
			return err
		}
	}
	if err := enc.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

type junitProperties struct {
	XMLName    xml.Name        `xml:"properties"`
	Properties []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// junitAbout are the properties of the suite: what was run, and the rates that a
// count of its cases alone would get wrong, since retries and controls are among
// them.
func junitAbout(s *sums, firmware []string) junitProperties {
	var p junitProperties
	add := func(name, value string) {
		if value != "" {
			p.Properties = append(p.Properties, junitProperty{name, clean(value)})
		}
	}
	add("version", strings.Join(s.versions, ", "))
	add("firmware", strings.Join(firmware, ", "))
	for _, u := range s.units {
		add("dut", identity(u))
	}
	o := s.Outcomes()
	r := o.Rates(confidence)
	add("judged", strconv.Itoa(o.Judged()))
	add("fail_proven", strconv.Itoa(o.FailProven))
	add("fail_presumed", strconv.Itoa(o.FailPresumed))
	for _, one := range []struct {
		name string
		rate stats.Rate
	}{{"fail_rate", r.FailLeftOut}, {"fail_rate_errors_counted", r.FailErrorsCount}} {
		if one.rate.Known() {
			add(one.name, decimal(one.rate.Value))
			add(one.name+"_low", decimal(one.rate.Low))
			add(one.name+"_high", decimal(one.rate.High))
		}
	}
	return p
}

func testcase(r *rig.Record) (junitCase, error) {
	c := junitCase{Class: clean(r.Bench + "." + r.Scenario), Name: label(r), Time: seconds3(r.Took.Seconds())}
	if r.Outcome == rig.Pass {
		return c, nil
	}
	var text strings.Builder
	if err := Cycle(&text, *r); err != nil {
		return c, err
	}
	message := short(r.Text)
	if r.Attribution != "" {
		message = fmt.Sprintf("[%s] %s", clean(string(r.Attribution)), message)
	}
	d := &junitDetail{Type: clean(string(r.Reason)), Message: message, Text: "\n" + text.String()}
	switch r.Outcome {
	case rig.Fail:
		c.Failure = d
	case rig.Error:
		c.Error = d
	default: // skipped knows a message only
		c.Skipped = &junitDetail{Message: strings.TrimSpace(d.Type + ": " + message)}
		c.Output = &junitOutput{d.Text}
	}
	return c, nil
}

func seconds3(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }
