package nvr_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

var saysFalse = regexp.MustCompile(`(?is)<(?:[^<>\s]+:)?Activated\b[^<>]*>.*false.*</`)

// FuzzISAPI is every answer that a hostile unit may give. It is never taken for
// the default state unless it says so, for a login unless it names a serial
// number; and a value that is set changes nothing else.
func FuzzISAPI(f *testing.F) {
	for _, seed := range []string{
		notActivated, strings.Replace(notActivated, "false", "true", 1), "<Activated>false</Activated>", aHikDevice,
		`<?xml version="1.0" encoding="ISO-8859-1"?><DeviceInfo><deviceName>K` + "\xf6" + `ln</deviceName><serialNumber>1</serialNumber></DeviceInfo>`,
		"<ResponseStatus><statusCode>7</statusCode><statusString>Reboot Required</statusString></ResponseStatus>",
		"<userCheck><statusValue>401</statusValue><lockStatus>lock</lockStatus><unlockTime>1800</unlockTime><retryLoginTime>0</retryLoginTime></userCheck>",
		"<Time><timeMode/><serialNumber>1</serialNumber><TimeList><a>1</a></TimeList></Time>", "<a:Time><timeMode x='/>'>N&amp;TP</timeMode></a:Time>",
		`<!DOCTYPE x [<!ENTITY f "false">]><Activated>&f;</Activated>`, "<html>", "", "\x00\xff", "<a><![CDATA[<Activated>false</Activated>]]></a>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		open := func(m nvr.Model, n stub) *nvr.Device {
			book := newBook()
			m.Dialect = nvr.DialectHikvision
			d, err := nvr.Open(nvr.Options{Model: m, URL: "http://192.0.2.1", Clock: newJump(), Net: n, Ledger: book, Vault: book, Rand: chance(1)})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := open(nvr.Model{Generation: nvr.New}, func(_, _, _ string, _ bool) (int, string) { return 200, body })
		if st := d.State(t.Context()); st.State == nvr.StateDefault && !saysFalse.MatchString(body) {
			t.Errorf("taken for the default state: %q", body)
		}
		doc := body
		d = open(nvr.Model{Generation: nvr.Old, Accounts: []rig.Credential{{User: "admin", Password: "12345"}}}, func(method, path, sent string, authed bool) (int, string) {
			switch {
			case path == "/":
				return 200, "<html></html>"
			case !authed:
				return 401, ""
			case method == "PUT":
				doc = sent
				return 200, "<ResponseStatus><statusCode>1</statusCode></ResponseStatus>"
			case path == "/ISAPI/System/deviceInfo":
				return 200, body
			case path == "/ISAPI/System/time":
				return 200, doc
			}
			return 404, ""
		})
		s, err := nvr.Speak(t.Context(), d)
		if err != nil {
			return
		}
		if !strings.Contains(body, "serialNumber") {
			t.Errorf("a login was accepted by %q", body)
		}
		before, err := s.Table(t.Context(), "System/time")
		if err != nil {
			return
		}
		for key := range before {
			if s.Set(t.Context(), key, "<&>") != nil {
				continue
			}
			after, err := s.Table(t.Context(), "System/time")
			if err != nil {
				t.Fatalf("%q became %q: %v", body, doc, err)
			}
			for k, v := range before {
				if want := map[bool]string{true: "<&>", false: v}[k == key]; after[k] != want || len(after) != len(before) {
					t.Errorf("%s set in %q became %q: %s is %q, want %q", key, body, doc, k, after[k], want)
				}
			}
			doc = body
			break
		}
	})
}

// FuzzSOAP is every answer of an ONVIF unit.
func FuzzSOAP(f *testing.F) {
	fault := `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code><s:Reason><s:Text>no</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>`
	for _, seed := range []string{
		aDevice, fault, "<Envelope><Body><Fault><faultcode>x:FailedAuthentication</faultcode><faultstring>locked</faultstring></Fault></Body></Envelope>",
		"<Envelope><Body><GetSystemDateAndTimeResponse><SystemDateAndTime><UTCDateTime><Time><Hour>1</Hour><Minute>2</Minute><Second>3</Second></Time><Date><Year>1970</Year><Month>1</Month><Day>1</Day></Date></UTCDateTime></SystemDateAndTime></GetSystemDateAndTimeResponse></Body></Envelope>",
		"<Envelope><Body/></Envelope>", "<html>", "", "<Envelope><Body><a/><b/></Body></Envelope>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, auth := range []string{"", nvr.AuthToken} {
			book := newBook()
			d, err := nvr.Open(nvr.Options{
				Model: nvr.Model{Dialect: nvr.DialectONVIF, ONVIF: nvr.ONVIFSpec{Auth: auth}, Accounts: []rig.Credential{{User: "admin", Password: "12345"}}},
				URL:   "http://192.0.2.1", Clock: newJump(), Ledger: book, Vault: book, Rand: chance(1),
				Net: stub(func(_, _, _ string, authed bool) (int, string) {
					if !authed && auth == "" {
						return 401, ""
					}
					return 200, body
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			st := d.State(t.Context())
			if st.State == nvr.StateDefault && !(strings.Contains(body, "SerialNumber") && strings.Contains(body, "GetDeviceInformationResponse")) {
				t.Errorf("taken for the default state: %q", body)
			}
			_, _ = d.Info(t.Context()) // must not panic
			if n := book.booked(); n > 5 {
				t.Errorf("%d refused logins", n)
			}
		}
	})
}

// FuzzProbeMatches is every datagram in answer to WS-Discovery.
func FuzzProbeMatches(f *testing.F) {
	f.Add(probeMatch("<a:MessageID>x</a:MessageID>", "u", "onvif://www.onvif.org/MAC/bc:ad:28:00:00:01", "http://192.168.1.64/onvif/device_service"))
	f.Add("<Envelope><Body><ProbeMatches><ProbeMatch><XAddrs>http://[::1]:99999/onvif :// https://</XAddrs></ProbeMatch></ProbeMatches></Body></Envelope>")
	f.Add("\x20\x00\x00\x00DHIP")
	f.Fuzz(func(t *testing.T, data string) {
		n := &segment{wsd: func(_, probe string) []nvr.Datagram {
			return []nvr.Datagram{{From: "192.168.1.64:3702", Data: []byte(strings.Replace(data, "x</wsa:RelatesTo>", insideOf(probe, "MessageID")+"</wsa:RelatesTo>", 1))}}
		}}
		found, err := nvr.DiscoverONVIF(t.Context(), n, "192.168.1.64", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if len(f.MAC) != 0 && len(f.MAC) != 17 {
				t.Errorf("MAC %q", f.MAC)
			}
		}
	})
}
