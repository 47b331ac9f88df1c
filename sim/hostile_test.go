package sim_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"resetrig/rig"
	"resetrig/sim"
)

// hostile is a unit that answers so, always.
func hostile(t *testing.T, model, quirk string) *bench {
	t.Helper()
	return newBenchWith(t, sim.Options{Model: preset(t, model), Powered: true, Quirks: []string{quirk}})
}

// read takes at most limit bytes of an answer within d of the World's time.
func (b *bench) read(path string, limit int64, d time.Duration) (*http.Response, []byte, error) {
	b.Helper()
	ctx, cancel := rig.WithTimeout(b.Context(), b.clock, d)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", b.url+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := b.rt.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	return resp, text, err
}

func TestHostileAnswers(t *testing.T) {
	const path = "/cgi-bin/magicBox.cgi?action=getSerialNo"
	t.Run("without an end", func(t *testing.T) {
		b := hostile(t, "imou-new", "http-endless")
		resp, text, err := b.read(path, 5<<20, time.Minute)
		if err != nil || resp.StatusCode != 200 || resp.ContentLength != -1 || len(text) != 5<<20 {
			t.Errorf("%v: %d bytes, %v", resp, len(text), err)
		}
		if _, _, err = b.read(path, 1<<40, 2*time.Second); !errors.Is(err, rig.ErrDeadline) {
			t.Errorf("with a deadline: %v", err)
		}
	})
	t.Run("slowly", func(t *testing.T) {
		b := hostile(t, "imou-new", "http-slow")
		resp, text, err := b.read(path, 1<<20, 30*time.Second)
		if !errors.Is(err, rig.ErrDeadline) || len(text) < 50 || len(text) > 61 || resp.TransferEncoding[0] != "chunked" {
			t.Errorf("%d bytes in 30 s, %v", len(text), err)
		}
	})
	t.Run("100 MB, without the memory", func(t *testing.T) {
		b := hostile(t, "imou-new", "http-huge")
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		ctx, cancel := rig.WithTimeout(t.Context(), b.clock, time.Hour)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", b.url+path, nil)
		resp, err := b.rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		runtime.ReadMemStats(&is)
		if err != nil || n != 100_000_000 || resp.ContentLength != n {
			t.Errorf("%d bytes of %d, %v", n, resp.ContentLength, err)
		}
		if used := is.TotalAlloc - was.TotalAlloc; used > 8<<20 {
			t.Errorf("%d bytes were allocated for it", used)
		}
	})
	t.Run("cut off", func(t *testing.T) {
		if _, text, err := hostile(t, "imou-new", "http-truncated").read(path, 1<<20, time.Minute); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q, %v", text, err)
		}
	})
	t.Run("labels that lie", func(t *testing.T) {
		resp, _, err := hostile(t, "imou-new", "http-gzip").read(path, 1<<20, time.Minute)
		if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%v, %v", resp, err)
		}
		resp, _, err = hostile(t, "imou-new", "http-wrong-type").read(path, 1<<20, time.Minute)
		if err != nil || resp.Header.Get("Content-Type") != "image/jpeg" || resp.StatusCode != 401 {
			t.Errorf("%v, %v", resp, err)
		}
	})
	t.Run("no UTF-8", func(t *testing.T) {
		if _, text, err := hostile(t, "hikvision-new", "http-not-utf8").read("/SDK/activateStatus", 1<<20, time.Minute); err != nil || utf8.Valid(text) || len(text) < 100 {
			t.Errorf("%q, %v", text, err)
		}
	})
	t.Run("elsewhere", func(t *testing.T) {
		resp, _, err := hostile(t, "onvif", "http-elsewhere").read("/onvif/device_service", 1<<20, time.Minute)
		if err != nil || resp.StatusCode != 302 || resp.Header.Get("Location") != "http://198.51.100.7/onvif/device_service" {
			t.Errorf("%v, %v", resp, err)
		}
	})
	t.Run("a login page for everything", func(t *testing.T) {
		for _, model := range []string{"imou-old", "imou-new", "hikvision-new", "onvif", "plain"} {
			b := hostile(t, model, "http-login-page")
			for _, path := range []string{"/", path, "/OutsideCmd", "/SDK/activateStatus", "/onvif/device_service"} {
				if resp, text, err := b.read(path, 1<<20, time.Minute); err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), "<form") {
					t.Errorf("%s %s: %v, %v", model, path, resp, err)
				}
			}
		}
	})
	t.Run("bombs", func(t *testing.T) {
		for model, path := range map[string]string{"hikvision-new": "/ISAPI/System/deviceInfo", "onvif": "/onvif/device_service"} {
			_, text, err := hostile(t, model, "xml-bomb").read(path, 1<<20, time.Minute)
			if err != nil || len(text) > 2000 || !strings.Contains(string(text), `<!ENTITY l9 "&l8;&l8;`) {
				t.Errorf("%s: %q, %v", model, text, err)
			}
			d := xml.NewDecoder(strings.NewReader(string(text)))
			d.Strict = false
			for err == nil {
				_, err = d.Token()
			}
			if err != io.EOF {
				t.Errorf("%s: no XML: %v", model, err)
			}
		}
		_, text, err := hostile(t, "imou-new", "json-deep").read("/RPC2", 4<<20, time.Minute)
		if err != nil || strings.Count(string(text), "[") != 50_000 || strings.Count(string(text), "{") != strings.Count(string(text), "}") {
			t.Errorf("%d bytes, %v", len(text), err)
		}
	})
}

// As faults they show from the act on, to every brand, and not before.
func TestHostileAnswersAsFaults(t *testing.T) {
	everywhere(t, func(t *testing.T, v voice) {
		for _, fault := range []string{"http-endless", "http-slow", "http-truncated", "http-gzip", "http-wrong-type", "http-huge",
			"http-not-utf8", "http-elsewhere", "http-login-page", "xml-bomb", "json-deep", "http-garbage"} {
			b := v.marked(t, fault)
			healthy := v.marked(t)
			for _, x := range []*bench{b, healthy} {
				x.act(20 * time.Second)
				x.sleep(60 * time.Second)
			}
			got, text, err := b.read("/", 1000, time.Second)
			want, usual, err2 := healthy.read("/", 1000, time.Second)
			if err2 != nil {
				t.Fatalf("a healthy unit: %v", err2)
			}
			if err == nil && got.StatusCode == want.StatusCode && string(text) == string(usual) &&
				got.Header.Get("Content-Type") == want.Header.Get("Content-Type") && got.Header.Get("Content-Encoding") == "" {
				t.Errorf("%s: an answer as from a healthy unit: %q", fault, text)
			}
		}
	})
}
