package access_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"resetrig/web/access"
)

func wrong() string { return "rrt_" + rand.Text() }

// try sends a token from an address, without a socket.
func try(h http.Handler, how, ip, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/who", nil)
	if how == "form" {
		r = httptest.NewRequest("POST", "/login", strings.NewReader(url.Values{"token": {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.RemoteAddr = ip + ":40000"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// good is the answer to a right token.
var good = map[string]int{"form": http.StatusSeeOther, "bearer": http.StatusOK}

func TestBruteForceIsSlowed(t *testing.T) {
	for _, how := range []string{"form", "bearer"} {
		t.Run(how, func(t *testing.T) {
			p := withTokens(t)
			h := p.Handler(echo)
			var waits []int
			tried := 0
			for begun := p.clock.Now(); p.clock.Now().Sub(begun) < 24*time.Hour; {
				switch w := try(h, how, "192.0.2.1", wrong()); w.Code {
				case http.StatusUnauthorized:
					tried++
				case http.StatusTooManyRequests:
					n, err := strconv.Atoi(w.Header().Get("Retry-After"))
					if err != nil || n < 1 {
						t.Fatalf("Retry-After is %q", w.Header().Get("Retry-After"))
					}
					waits = append(waits, n)
					p.clock.advance(time.Duration(n) * time.Second)
				default:
					t.Fatalf("got %d: %s", w.Code, w.Body)
				}
			}
			if got := fmt.Sprint(waits[:11]); got != "[1 2 4 8 16 32 64 128 256 300 300]" {
				t.Errorf("waits %v", got)
			}
			if tried > 310 {
				t.Errorf("%d tries in a day", tried)
			}
		})
	}
}

func TestWhileAnAddressWaits(t *testing.T) {
	p := withTokens(t)
	h := p.Handler(echo)
	for range 5 {
		try(h, "form", "192.0.2.1", wrong())
		try(h, "bearer", "192.0.2.1", wrong())
	}
	for _, how := range []string{"form", "bearer"} {
		if w := try(h, how, "192.0.2.1", p.operator); w.Code != http.StatusTooManyRequests {
			t.Errorf("%s: the right token within the wait: got %d", how, w.Code)
		}
		if w := try(h, how, "192.0.2.2", p.operator); w.Code != good[how] {
			t.Errorf("%s: another address: got %d", how, w.Code)
		}
	}
	p.clock.advance(time.Second)
	for _, how := range []string{"form", "bearer"} {
		if w := try(h, how, "192.0.2.1", p.operator); w.Code != good[how] {
			t.Errorf("%s: the right token after the wait: got %d", how, w.Code)
		}
	}
	// A right one does not wash the wrong ones away: whoever has a viewer's token
	// could go on trying for an operator's.
	try(h, "bearer", "192.0.2.1", wrong())
	if w := try(h, "bearer", "192.0.2.1", p.viewer); w.Header().Get("Retry-After") != "2" {
		t.Errorf("the next wait is %q s, want 2", w.Header().Get("Retry-After"))
	}
	p.clock.advance(time.Hour)
	for range 4 {
		try(h, "bearer", "192.0.2.1", wrong())
	}
	if w := try(h, "bearer", "192.0.2.1", p.viewer); w.Code != http.StatusOK {
		t.Errorf("an hour later, four are free: got %d", w.Code)
	}
}

// A program that tries tokens does not lock out the people behind its address.
func TestFormsAndBearersApart(t *testing.T) {
	p := withTokens(t)
	h := p.Handler(echo)
	for range 20 {
		try(h, "bearer", "192.0.2.1", wrong())
	}
	if w := try(h, "form", "192.0.2.1", p.operator); w.Code != http.StatusSeeOther {
		t.Errorf("a form after wrong bearers: got %d", w.Code)
	}
}

// A session that is open does not suffer from what its address tries.
func TestSessionOfAnAddressThatWaits(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	c := session(t, addr, p.operator)
	for range 8 {
		login(t, addr, wrong())
		ask(t, "GET", "http://"+addr+"/", "", "Authorization", "Bearer "+wrong())
	}
	login(t, addr, p.operator).is(t, "a login", http.StatusTooManyRequests)
	ask(t, "POST", "http://"+addr+"/stop", "", "Cookie", c).is(t, "the session", 200)
}

// A program with an old token is no attack: the same wrong token again tells
// whoever sends it nothing.
func TestOldTokenLocksNobodyOut(t *testing.T) {
	p := withTokens(t)
	h := p.Handler(echo)
	old := wrong()
	for range 1000 {
		if w := try(h, "bearer", "192.0.2.1", old); w.Code != http.StatusUnauthorized {
			t.Fatalf("got %d", w.Code)
		}
	}
	for _, how := range []string{"form", "bearer"} {
		if w := try(h, how, "192.0.2.1", p.viewer); w.Code != good[how] {
			t.Errorf("%s: got %d", how, w.Code)
		}
	}
}

func TestManyAtOnceAreMany(t *testing.T) {
	p := withTokens(t)
	h := p.Handler(echo)
	var wg sync.WaitGroup
	codes := make(chan int, 200)
	for range 200 {
		wg.Go(func() { codes <- try(h, "form", "192.0.2.1", wrong()).Code })
	}
	wg.Wait()
	close(codes)
	tried := 0
	for c := range codes {
		if c == http.StatusUnauthorized {
			tried++
		}
	}
	if tried != 5 {
		t.Errorf("%d were evaluated, want 5", tried)
	}
}

func TestAttackFromEverywhere(t *testing.T) {
	p := withTokens(t)
	h := p.Handler(echo)
	if w := try(h, "form", "198.51.100.1", p.operator); w.Code != http.StatusSeeOther {
		t.Fatal(w.Code)
	}
	try(h, "bearer", "203.0.113.9", wrong())
	evaluated := 0
	for i := range 2000 {
		if w := try(h, "form", fmt.Sprintf("10.%d.%d.1", i/256, i%256), wrong()); w.Code == http.StatusUnauthorized {
			evaluated++
		}
	}
	if evaluated > 100 {
		t.Errorf("%d forms of 2000 addresses were evaluated at once, want 100 at most", evaluated)
	}
	if w := try(h, "form", "198.51.100.1", p.operator); w.Code != http.StatusSeeOther {
		t.Errorf("an address from which a login has worked: got %d", w.Code)
	}
	if w := try(h, "form", "198.51.100.2", p.operator); w.Code != http.StatusTooManyRequests {
		t.Errorf("a form from a new address: got %d", w.Code)
	}
	if w := try(h, "bearer", "198.51.100.3", p.operator); w.Code != http.StatusOK {
		t.Errorf("a right bearer from a new address: got %d", w.Code)
	}
	if w := try(h, "bearer", "203.0.113.9", wrong()); w.Code != http.StatusTooManyRequests {
		t.Errorf("a second wrong bearer: got %d", w.Code)
	}
	p.clock.advance(2 * time.Second)
	if w := try(h, "form", "198.51.100.2", p.operator); w.Code != http.StatusSeeOther {
		t.Errorf("a form two seconds later: got %d", w.Code)
	}
}

func TestAddressesAreNetworks(t *testing.T) {
	p := withTokens(t)
	h := p.Handler(echo)
	for i := range 5 {
		try(h, "form", fmt.Sprintf("[2001:db8:0:1::%d]", i), wrong())
		try(h, "form", []string{"192.0.2.1", "[::ffff:192.0.2.1]"}[i%2], wrong())
	}
	for ip, want := range map[string]int{
		"[2001:db8:0:1:ffff::9]": http.StatusTooManyRequests, "[2001:db8:0:2::1]": http.StatusSeeOther,
		"192.0.2.1": http.StatusTooManyRequests, "192.0.2.2": http.StatusSeeOther,
	} {
		if w := try(h, "form", ip, p.viewer); w.Code != want {
			t.Errorf("from %s: got %d, want %d", ip, w.Code, want)
		}
	}
}

// TestThrottleMemory: a flood of addresses leaves no more than the table.
func TestThrottleMemory(t *testing.T) {
	p := withTokens(t)
	p.Told = nil // the test's own memory
	h := p.Handler(echo)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	flood := func(from, n int) {
		token := wrong()
		for i := from; i < from+n; i++ {
			try(h, "bearer", fmt.Sprintf("[2001:db8:%x:%x::1]", i>>16, i&0xffff), token)
		}
	}
	flood(0, 5000)
	before := heap()
	flood(5000, 12000)
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("12000 more addresses have grown the heap by %d KiB", grown>>10)
	}
	runtime.KeepAlive(h)
}

// TestRefusedIsToldSparingly: an entry of the audit log is a write to the disk
// that the cycles wait for.
func TestRefusedIsToldSparingly(t *testing.T) {
	p := withTokens(t)
	h := p.Handler(echo)
	told := func() []access.Entry {
		p.mu.Lock()
		defer p.mu.Unlock()
		all := p.told
		p.told = nil
		return all
	}
	same := wrong()
	for range 50 {
		try(h, "bearer", "192.0.2.1", same)
	}
	if n := len(told()); n != 1 {
		t.Errorf("the same wrong token was told %d times", n)
	}
	for i := range 300 {
		try(h, "bearer", fmt.Sprintf("10.0.%d.%d", i/250, i%250+1), wrong())
	}
	if n := len(told()); n != 99 {
		t.Errorf("of 300 refused logins %d were told, want 99", n)
	}
	addr := p.serve(echo)
	post := func() {
		ask(t, "POST", "http://"+addr+"/act/"+strings.Repeat("x", 1000), "", "Authorization", "Bearer "+p.viewer)
	}
	post()
	p.clock.advance(time.Minute)
	post()
	all := told()
	p.clock.advance(time.Minute)
	post()
	if again := told(); len(again) != 1 || strings.Contains(again[0].Text, "more") {
		t.Errorf("a minute later: told %v", again)
	}
	if len(all) != 1 || all[0].What != "refused" || !strings.HasSuffix(all[0].Text, " (202 more were refused before it)") || len(all[0].Text) > 300 || all[0].Who.Name != "vera" {
		t.Errorf("told %v", all)
	}
}

func TestLoginsAreTold(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	login(t, addr, wrong())
	c := session(t, addr, p.viewer)
	ask(t, "POST", "http://"+addr+"/logout", "", "Cookie", c)
	ask(t, "POST", "http://"+addr+"/logout", "", "Cookie", c) // again: nobody logs out
	vera := access.Identity{Name: "vera", Role: access.Viewer, Addr: "127.0.0.1"}
	want := []access.Entry{
		{Who: access.Identity{Addr: "127.0.0.1"}, What: "login refused", Text: "form"},
		{Who: vera, What: "login"}, {Who: vera, What: "logout"},
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if fmt.Sprint(p.told) != fmt.Sprint(want) {
		t.Errorf("told %v, want %v", p.told, want)
	}
}

// Who hangs up at once is told of as well.
func TestHangingUpIsNoWayPastTheLog(t *testing.T) {
	p := withTokens(t)
	var seen []error
	p.Told = func(ctx context.Context, _ access.Entry) { seen = append(seen, ctx.Err()) }
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, "GET", "/who", nil)
	r.Header.Set("Authorization", "Bearer "+wrong())
	p.Handler(echo).ServeHTTP(httptest.NewRecorder(), r)
	if len(seen) != 1 || seen[0] != nil {
		t.Errorf("told with %v", seen)
	}
}
