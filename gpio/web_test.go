package gpio_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"resetrig/gpio"
	"resetrig/rig"
)

// A switch on the network is set by POST, to its safe side first, and says that
// it cannot be read back.
func TestWebSwitch(t *testing.T) {
	var mu sync.Mutex
	var got []string
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Method+" "+r.URL.String())
		w.WriteHeader(status)
	}))
	defer srv.Close()
	bank, err := gpio.Open([]gpio.RelaySpec{
		{Name: "power", Pin: srv.URL + "/power?on={on}", Contact: gpio.NC, Keep: true},
		{Name: "reset", Pin: srv.URL + "/reset?on={on}", Contact: gpio.NO, Press: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{bank.Set("reset", true), bank.Set("power", false)} {
		if step != nil {
			t.Error(step)
		}
	}
	if _, err := bank.Read("reset"); !errors.Is(err, rig.ErrNoReadBack) {
		t.Errorf("read back: %v, want that it cannot", err)
	}
	mu.Lock()
	status = http.StatusInternalServerError
	mu.Unlock()
	if err := bank.Set("power", true); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("a switch that refuses: error %v, want its answer", err)
	}
	mu.Lock()
	status = http.StatusOK
	mu.Unlock()
	if err := bank.Close(); err != nil {
		t.Error(err)
	}
	want := []string{
		"POST /reset?on=false", // made safe when it is opened; a kept one is left alone
		"POST /reset?on=true",
		"POST /power?on=true", // normally closed: unpowered is energised
		"POST /power?on=false",
		"POST /reset?on=false", // closed
	}
	if !slices.Equal(got[:min(len(got), len(want))], want) {
		t.Errorf("the switch got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if _, err := gpio.Open([]gpio.RelaySpec{{Name: "x", Pin: "http://127.0.0.1/on", Driver: gpio.Web, Contact: gpio.NO}}); err == nil {
		t.Error("an address without {on} was taken")
	}
}
