package nvr_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

// Answers that would be the default state, or a login, if they were believed.
const (
	uninitialised = `{"id":1,"params":{"Init":1,"Find":"false"},"result":true}` + "\n"
	aSerial       = "sn=false\r\nversion=false\r\n"
	aRPCLogin     = `{"id":1,"params":{"sn":"false"},"result":true,"session":"false"}` + "\n"
)

// The same for recorders of Dahua's kind, at every entry: nothing is taken for a
// default state, no login for accepted, no mark for set.
func TestHostileAnswersOfDahuasKind(t *testing.T) {
	accounts := []rig.Credential{{User: "admin", Password: "12345"}}
	mark := rig.Mark{ID: "0123456789ab", Values: []rig.MarkedValue{
		{What: "password", Was: "***", Is: "***"}, {What: "name", Was: "NVR", Is: "rr-1"}, {What: "user", Is: "rrmark-000000"},
	}}
	// What only XML has leaves JSON as it is.
	xml := []string{"a document type", "a strange character set"}
	for _, c := range []struct {
		model nvr.Model
		yes   string
	}{
		{nvr.Model{Name: "imou new", Dialect: nvr.DialectIMOU, Generation: nvr.New}, uninitialised},
		{nvr.Model{Name: "rpc2 new", Dialect: nvr.DialectRPC2, Generation: nvr.New}, uninitialised},
		{nvr.Model{Name: "imou old", Dialect: nvr.DialectIMOU, Generation: nvr.Old, Accounts: accounts}, aRPCLogin},
		{nvr.Model{Name: "rpc2 old", Dialect: nvr.DialectRPC2, Generation: nvr.Old, Accounts: accounts}, aRPCLogin},
		{nvr.Model{Name: "cgi new", Dialect: nvr.DialectDahua, Generation: nvr.New}, aSerial},
		{nvr.Model{Name: "cgi old", Dialect: nvr.DialectDahua, Generation: nvr.Old, Accounts: accounts}, aSerial},
	} {
		clock := newJump()
		var written atomic.Int64
		for name, answer := range hostile(clock, c.yes, &written) {
			if slices.Contains(xml, name) {
				continue
			}
			t.Run(c.model.Name+"/"+name, func(t *testing.T) {
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
					Model: c.model, URL: srv.URL, Clock: clock, Net: &lab{real: nvr.RealNetwork(clock, "")}, Ledger: book, Vault: book,
					Login: rig.Credential{User: "admin", Password: "right1234"},
				})
				if err != nil {
					t.Fatal(err)
				}
				began := clock.Now()
				if st := d.State(t.Context()); st.State == nvr.StateDefault {
					t.Errorf("taken for the default state: %+v", st)
				}
				if r := d.Login(t.Context(), rig.Credential{User: "admin", Password: "some1234"}); r.Result == nvr.LoginAccepted {
					t.Errorf("taken for a login: %+v", r)
				}
				cs, err := d.Default(t.Context(), mark, rig.DefaultSpec{})
				if err == nil && worst(cs) == pass {
					t.Errorf("taken for the default state after a reset: %+v", cs)
				}
				cs, err = d.StillMarked(t.Context(), mark)
				if err == nil && worst(cs) == pass {
					t.Errorf("taken for marked: %+v", cs)
				}
				if m, err := d.Mark(t.Context(), everyMark); err == nil {
					t.Errorf("marked: %+v", m)
				}
				if cs, err := d.Provision(t.Context()); err == nil {
					t.Errorf("provisioned: %+v", cs)
				}
				if cs, err := d.RefusedReset(t.Context()); err == nil {
					t.Errorf("a wrong password was refused: %+v", cs)
				}
				if took := clock.Now().Sub(began); took > 10*time.Minute {
					t.Errorf("it took %v of the bench's time", took)
				}
				if n, most := written.Load(), requests.Load()*(12<<20); n > most {
					t.Errorf("%d bytes went out for %d requests", n, requests.Load())
				}
				if n := requests.Load(); n > 120 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
	// And that it would be believed, were it said well, and in its place.
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/OutsideCmd") {
			_, _ = io.WriteString(w, uninitialised)
		}
	}))
	defer srv.Close()
	book := newBook()
	d, err := nvr.Open(nvr.Options{
		Model: nvr.Model{Dialect: nvr.DialectIMOU, Generation: nvr.New}, URL: srv.URL, Clock: newJump(), Net: &lab{real: nvr.RealNetwork(rig.System(), "")}, Ledger: book, Vault: book,
	})
	if err != nil {
		t.Fatal(err)
	}
	if st := d.State(t.Context()); st.Checks == nil || find(st.Checks, "init-state").Outcome != pass {
		t.Errorf("the right answer: %+v", st)
	}
}

// worst is the outcome of checks as a verdict has it.
func worst(cs []rig.Check) rig.CheckOutcome {
	if len(cs) == 0 {
		return unknown
	}
	for _, c := range cs {
		if c.Outcome != pass && c.Outcome != rig.CheckWarn {
			return c.Outcome
		}
	}
	return pass
}
