package nvr_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

// hostile are answers that no recorder means well with, each to every request.
// false is a state that would be the default one, if it were believed.
func hostile(clock *jump, yes string, written *atomic.Int64) map[string]http.HandlerFunc {
	write := func(w http.ResponseWriter, b []byte) bool {
		n, err := w.Write(b)
		written.Add(int64(n))
		return err == nil
	}
	zipped := func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, yes)
		_ = z.Close()
		return b.Bytes()
	}()
	page := "<!DOCTYPE html>\r\n<html><head><title>Login</title></head><body>Activated: false</body></html>"
	return map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for write(w, bytes.Repeat([]byte("<a>"), 1<<14)) {
			}
		},
		"100 MB with its length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "104857600")
			_ = write(w, []byte(yes))
			for range 1600 {
				if !write(w, bytes.Repeat([]byte(" "), 1<<16)) {
					return
				}
			}
		},
		"slow": func(w http.ResponseWriter, r *http.Request) {
			for i := range 6 { // a byte a second, and the client has had enough
				_ = write(w, []byte(yes[i:i+1]))
				_ = http.NewResponseController(w).Flush()
				clock.move(time.Second)
			}
			<-r.Context().Done()
		},
		"truncated": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(yes)))
			_ = write(w, []byte(yes[:len(yes)*3/4]))
		},
		"truncated, and its length fits": func(w http.ResponseWriter, _ *http.Request) { _ = write(w, []byte(yes[:len(yes)-3])) },
		"gzip, said": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_ = write(w, zipped)
		},
		"gzip, unsaid": func(w http.ResponseWriter, _ *http.Request) { _ = write(w, zipped) },
		"labelled as gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_ = write(w, []byte(yes))
		},
		"labelled as a picture": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			_ = write(w, []byte(yes))
		},
		"not UTF-8": func(w http.ResponseWriter, _ *http.Request) {
			_ = write(w, []byte(strings.Replace(yes, "false", "fals\xff\xfe", 1)))
		},
		"UTF-16": func(w http.ResponseWriter, _ *http.Request) {
			b := []byte{0xff, 0xfe}
			for _, c := range []byte(yes) {
				b = append(b, c, 0)
			}
			_ = write(w, b)
		},
		"a strange character set": func(w http.ResponseWriter, _ *http.Request) {
			_ = write(w, []byte(strings.Replace(yes, `<?xml version="1.0" encoding="UTF-8"?>`, `<?xml version="1.0" encoding="EBCDIC-CP-US"?>`, 1)))
		},
		"a redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/SDK/activateStatus", http.StatusFound)
		},
		"a redirect with a body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(302)
			_ = write(w, []byte(yes))
		},
		"a login page": func(w http.ResponseWriter, _ *http.Request) { _ = write(w, []byte(page)) },
		"a page around the answer": func(w http.ResponseWriter, _ *http.Request) {
			_ = write(w, []byte("<html><body>"+strings.Replace(yes, `<?xml version="1.0" encoding="UTF-8"?>`, "", 1)+"</body></html>"))
		},
		"an entity": func(w http.ResponseWriter, _ *http.Request) {
			_ = write(w, []byte(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f "false"><!ENTITY g "&f;&f;&f;">]><ActivateStatus><Activated>&f;</Activated></ActivateStatus>`))
		},
		"a document type": func(w http.ResponseWriter, _ *http.Request) {
			_ = write(w, []byte(strings.Replace(yes, "?>", "?><!DOCTYPE html>", 1)))
		},
		"text before it": func(w http.ResponseWriter, _ *http.Request) { _ = write(w, []byte("Warning: "+yes)) },
		"text after it":  func(w http.ResponseWriter, _ *http.Request) { _ = write(w, []byte(yes+"Warning")) },
		"deep":           func(w http.ResponseWriter, _ *http.Request) { _ = write(w, []byte(strings.Repeat("<a>", 100000))) },
		"wide": func(w http.ResponseWriter, _ *http.Request) {
			_ = write(w, []byte("<a>"+strings.Repeat("<b/>", 200000)+"</a>"))
		},
		"twice": func(w http.ResponseWriter, _ *http.Request) { _ = write(w, []byte(yes+yes)) },
		"yes and no": func(w http.ResponseWriter, _ *http.Request) {
			_ = write(w, []byte("<s><Activated>false</Activated><Activated>true</Activated></s>"))
		},
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"NULs":    func(w http.ResponseWriter, _ *http.Request) { _ = write(w, make([]byte, 4096)) },
		"JSON":    func(w http.ResponseWriter, _ *http.Request) { _ = write(w, []byte(`{"Activated":false}`)) },
		"the answer, 500": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_ = write(w, []byte(yes))
		},
		"the answer, 401": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(401)
			_ = write(w, []byte(yes))
		},
	}
}

const (
	notActivated = `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" + `<ActivateStatus version="2.0" xmlns="` + nsNew + `">` + "\r\n<Activated>false</Activated>\r\n</ActivateStatus>\r\n"
	aDevice      = `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" + `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><GetDeviceInformationResponse><SerialNumber>false</SerialNumber></GetDeviceInformationResponse></s:Body></s:Envelope>`
	aHikDevice   = `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" + `<DeviceInfo><serialNumber>false</serialNumber></DeviceInfo>`
)

// What a hostile answer never is: the default state, more than a few megabytes,
// or more than a few seconds.
func TestHostileAnswersAreNoDefaultState(t *testing.T) {
	accounts := []rig.Credential{{User: "admin", Password: "12345"}}
	for _, model := range []nvr.Model{
		{Name: "hikvision new", Dialect: nvr.DialectHikvision, Generation: nvr.New},
		{Name: "hikvision old", Dialect: nvr.DialectHikvision, Generation: nvr.Old, Accounts: accounts},
		{Name: "onvif", Dialect: nvr.DialectONVIF, Accounts: accounts},
		{Name: "onvif token", Dialect: nvr.DialectONVIF, Accounts: accounts, ONVIF: nvr.ONVIFSpec{Auth: nvr.AuthToken}},
	} {
		yes := map[string]string{"hikvision new": notActivated, "hikvision old": aHikDevice}[model.Name]
		if yes == "" {
			yes = aDevice
		}
		clock := newJump()
		var written atomic.Int64
		for name, answer := range hostile(clock, yes, &written) {
			t.Run(model.Name+"/"+name, func(t *testing.T) {
				var requests atomic.Int64
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					requests.Add(1)
					_, _ = io.Copy(io.Discard, r.Body)
					answer(w, r)
				}))
				defer srv.Close()
				written.Store(0)
				book := newBook()
				d, err := nvr.Open(nvr.Options{
					Model: model, URL: srv.URL, Clock: clock, Net: &segment{Network: nvr.RealNetwork(clock, ""), mac: "bc:ad:28:00:00:01"},
					Ledger: book, Vault: book, Identity: rig.Identity{MAC: "bc:ad:28:00:00:01"},
				})
				if err != nil {
					t.Fatal(err)
				}
				began := clock.Now()
				if st := d.State(t.Context()); st.State == nvr.StateDefault {
					t.Errorf("taken for the default state: %+v", st)
				}
				if cs, err := d.Provision(t.Context()); err == nil {
					t.Errorf("provisioned: %+v", cs)
				}
				if took := clock.Now().Sub(began); took > 2*time.Minute {
					t.Errorf("it took %v of the bench's time", took)
				}
				// The kernel's buffers hold some megabytes beyond what was read.
				if n, most := written.Load(), requests.Load()*(12<<20); n > most {
					t.Errorf("%d bytes went out for %d requests", n, requests.Load())
				}
				if n := requests.Load(); n > 30 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
	// And that the state would be believed, were it said well.
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, notActivated) }))
	defer srv.Close()
	book := newBook()
	d, err := nvr.Open(nvr.Options{
		Model: nvr.Model{Dialect: nvr.DialectHikvision, Generation: nvr.New}, URL: srv.URL, Clock: newJump(), Net: nvr.RealNetwork(rig.System(), ""), Ledger: book, Vault: book,
	})
	if err != nil {
		t.Fatal(err)
	}
	if st := d.State(t.Context()); st.State != nvr.StateDefault {
		t.Errorf("the right answer: %+v", st)
	}
}

// A login page answers everything with 200, also the requests that carry a
// login: nothing in it shows that the login was right.
func TestALoginPageTakesNoLogin(t *testing.T) {
	for _, body := range []string{"<!DOCTYPE html><html><body>Login</body></html>", "<html><body>Login</body></html>", "", "OK"} {
		for _, dialect := range []string{nvr.DialectHikvision, nvr.DialectONVIF} {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "" {
					w.Header().Set("WWW-Authenticate", `Digest realm="x", nonce="n", qop="auth"`)
					w.WriteHeader(401)
					return
				}
				_, _ = io.WriteString(w, body)
			}))
			book := newBook()
			login := rig.Credential{User: "admin", Password: "12345"}
			d, err := nvr.Open(nvr.Options{
				Model: nvr.Model{Dialect: dialect, Generation: nvr.Old, Accounts: []rig.Credential{login}}, URL: srv.URL,
				Clock: newJump(), Net: nvr.RealNetwork(rig.System(), ""), Ledger: book, Vault: book,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r := d.Login(t.Context(), login); r.Result != nvr.LoginUnknown {
				t.Errorf("%s, %q: %+v", dialect, body, r)
			}
			if st := d.State(t.Context()); st.State == nvr.StateDefault {
				t.Errorf("%s, %q: %+v", dialect, body, st)
			}
			srv.Close()
		}
	}
}
