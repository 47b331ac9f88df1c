package nvr_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"resetrig/nvr"
)

type harFile struct {
	Log struct {
		Version string
		Creator struct{ Name, Version string }
		Entries []struct {
			StartedDateTime string
			Time            float64
			Request         struct {
				Method, URL string
				QueryString []struct{ Name, Value string }
				Headers     []struct{ Name, Value string }
				PostData    *struct{ MimeType, Text string }
			}
			Response struct {
				Status     int
				StatusText string
				Content    struct {
					Size           int
					MimeType, Text string
				}
			}
			Error    string `json:"_error"`
			Repeated int    `json:"_repeated"`
			Until    string `json:"_until"`
		}
	}
}

func readHAR(t *testing.T, path string) harFile {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var h harFile
	if err := json.Unmarshal(b, &h); err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	return h
}

func TestTranscriptIsHAR(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cycle.har")
	tr := &nvr.Transcript{Creator: "1.2.3"}
	at := time.Date(2026, 3, 1, 12, 0, 0, 5e8, time.UTC)
	silent := nvr.Exchange{At: at, Took: time.Second, Method: "GET", URL: "http://192.0.2.1/", Request: "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", Error: "no route"}
	tr.Record(silent) // outside a cycle: nothing
	if err := tr.Begin(path); err != nil {
		t.Fatal(err)
	}
	if h := readHAR(t, path); len(h.Log.Entries) != 0 || h.Log.Version != "1.2" || h.Log.Creator.Version != "1.2.3" {
		t.Errorf("an empty transcript reads %+v", h)
	}
	for i := range 3 { // the file is whole after each
		silent.At = at.Add(time.Duration(i) * time.Second)
		tr.Record(silent)
		if h := readHAR(t, path); len(h.Log.Entries) != 1 || h.Log.Entries[0].Repeated != i || h.Log.Entries[0].Error != "no route" {
			t.Errorf("after %d: %+v", i+1, h.Log.Entries)
		}
	}
	tr.Record(nvr.Exchange{
		At: at.Add(5 * time.Second), Took: 12 * time.Millisecond, Method: "POST", URL: "http://192.0.2.1/RPC2?a=b&c=", Status: 200,
		Request:  "POST /RPC2?a=b&c= HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"x\":1}",
		Response: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nfirst\r\n\r\nsecond",
	})
	if err := tr.End(true); err != nil {
		t.Fatal(err)
	}
	h := readHAR(t, path)
	if len(h.Log.Entries) != 2 {
		t.Fatalf("%d entries, want 2", len(h.Log.Entries))
	}
	if e := h.Log.Entries[0]; e.Repeated != 2 || e.StartedDateTime != "2026-03-01T12:00:00.500Z" || e.Until != "2026-03-01T12:00:02.500Z" || e.Time != 1000 {
		t.Errorf("the silent one: %+v", e)
	}
	e := h.Log.Entries[1]
	if e.Response.Status != 200 || e.Response.StatusText != "OK" || e.Response.Content.Text != "first\r\n\r\nsecond" || e.Response.Content.MimeType != "text/plain" {
		t.Errorf("response %+v", e.Response)
	}
	if e.Request.PostData == nil || e.Request.PostData.Text != `{"x":1}` || len(e.Request.QueryString) != 2 || e.Request.QueryString[0].Value != "b" {
		t.Errorf("request %+v", e.Request)
	}
}

func TestTranscriptOfAPassIsDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cycle.har")
	tr := &nvr.Transcript{}
	if err := tr.Begin(path); err != nil {
		t.Fatal(err)
	}
	if err := tr.End(false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file of a pass stayed: %v", err)
	}
}

func TestTranscriptIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cycle.har")
	tr := &nvr.Transcript{}
	if err := tr.Begin(path); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1<<20)
	for i := range 40 {
		tr.Record(nvr.Exchange{Method: "GET", Status: 200 + i, Response: "HTTP/1.1 200 OK\r\n\r\n" + long})
	}
	if err := tr.End(true); err == nil || !strings.Contains(err.Error(), "left out") {
		t.Errorf("a transcript without end ended with %v", err)
	}
	if n := len(readHAR(t, path).Log.Entries); n < 10 || n > 16 {
		t.Errorf("%d entries of 1 MB were kept, want about 15", n)
	}
}

// Whatever a protocol calls its secrets, none is in an exchange.
func TestSessionsAndTokensAreHidden(t *testing.T) {
	const secret = "s3cr3t-9f2c"
	for _, body := range []string{
		`{"session":"` + secret + `"}`, `{"session" : 1005027323}`, `{"params":{"password":"` + secret + `"}}`,
		`<wsse:Password Type="x#PasswordDigest">` + secret + `</wsse:Password>`, `<wsse:Nonce>` + secret + `</wsse:Nonce>`,
		`<User><password>` + secret + `</password></User>`, `<challenge>` + secret + `</challenge>`,
		"HTTP/1.1 200 OK\r\nSet-Cookie: WebSession=" + secret + "\r\n\r\n", "GET /x?session=" + secret + "&y=1",
	} {
		if got := nvr.Redacted(body); strings.Contains(got, secret) || strings.Contains(got, "1005027323") {
			t.Errorf("%s stays %s", body, got)
		}
	}
}
